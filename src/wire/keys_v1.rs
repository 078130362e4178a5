//! Keys of programs as JSON, for the API.

use serde::{Deserialize, Serialize};

use crate::model::key::{ApiKey, KeyRequest, KeyScope, MadeKey};
use crate::wire::problem_v1::{WireError, time, time_or_none};

/// A key as everybody may see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Key {
    /// Its public name.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// `ingest`.
    pub scope: String,
    /// The only source it is good for.
    #[serde(default)]
    pub source: Option<String>,
    /// When it was made.
    pub created: String,
    /// Who made it.
    pub creator: String,
    /// When it was revoked.
    #[serde(default)]
    pub revoked: Option<String>,
    /// Who revoked it.
    #[serde(default)]
    pub revoker: Option<String>,
}

/// What a key is wanted for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// `ingest`.
    pub scope: String,
    /// The only source it is good for.
    #[serde(default)]
    pub source: Option<String>,
    /// What a person calls it.
    pub name: String,
}

/// A key that was just made, with its text.
#[derive(Clone, Serialize, Deserialize)]
pub struct Made {
    /// What is kept.
    #[serde(flatten)]
    pub key: Key,
    /// All of it.
    pub text: String,
}

fn scope(word: &str) -> Result<KeyScope, WireError> {
    KeyScope::parse(word).ok_or_else(|| WireError::new("scope", word))
}

impl From<&ApiKey> for Key {
    fn from(key: &ApiKey) -> Key {
        Key {
            id: key.id.clone(),
            name: key.name.clone(),
            scope: key.scope.to_string(),
            source: key.source.clone(),
            created: key.created.to_string(),
            creator: key.creator.clone(),
            revoked: key.revoked.map(|at| at.to_string()),
            revoker: key.revoker.clone(),
        }
    }
}

impl TryFrom<Key> for ApiKey {
    type Error = WireError;

    fn try_from(key: Key) -> Result<ApiKey, WireError> {
        Ok(ApiKey {
            scope: scope(&key.scope)?,
            created: time("created", &key.created)?,
            revoked: time_or_none("revoked", key.revoked.as_deref())?,
            id: key.id,
            name: key.name,
            source: key.source,
            creator: key.creator,
            revoker: key.revoker,
        })
    }
}

impl From<&KeyRequest> for Wanted {
    fn from(request: &KeyRequest) -> Wanted {
        let KeyRequest { scope, source, name } = request;
        Wanted { scope: scope.to_string(), source: source.clone(), name: name.clone() }
    }
}

impl TryFrom<Wanted> for KeyRequest {
    type Error = WireError;

    fn try_from(wanted: Wanted) -> Result<KeyRequest, WireError> {
        let Wanted { scope: word, source, name } = wanted;
        Ok(KeyRequest { scope: scope(&word)?, source, name })
    }
}

impl From<&MadeKey> for Made {
    fn from(made: &MadeKey) -> Made {
        Made { key: Key::from(&made.key), text: made.text.clone() }
    }
}

impl TryFrom<Made> for MadeKey {
    type Error = WireError;

    fn try_from(made: Made) -> Result<MadeKey, WireError> {
        Ok(MadeKey { key: made.key.try_into()?, text: made.text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::time::Timestamp;

    #[test]
    fn keys_survive_the_way_and_unknown_scopes_do_not() {
        let key = ApiKey {
            id: "0a".into(),
            name: "n".into(),
            scope: KeyScope::Ingest,
            source: Some("web".into()),
            created: Timestamp(1_795_334_400_000_000),
            creator: "ana".into(),
            revoked: Some(Timestamp(1_795_334_401_000_000)),
            revoker: Some("bo".into()),
        };
        let made = MadeKey { key, text: "wfk_x".into() };
        let text = serde_json::to_string(&Made::from(&made)).unwrap();
        let back: Made = serde_json::from_str(&text).unwrap();
        assert_eq!(MadeKey::try_from(back).unwrap(), made);
        assert!(!format!("{made:?}").contains("wfk_x"), "a key is in no log");
        let wanted = Wanted { scope: "root".into(), source: None, name: "n".into() };
        assert!(KeyRequest::try_from(wanted).is_err());
    }
}
