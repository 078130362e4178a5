//! An alert like another one, as JSON.

use serde::{Deserialize, Serialize};

use crate::model::inference::similar;
use crate::model::verdict::VerdictKind;
use crate::stdx::id::Id128;
use crate::wire::problem_v1::{WireError, time};

/// One similar alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Similar {
    /// Its id.
    pub id: String,
    /// Its endpoint.
    #[serde(rename = "host.name")]
    pub host: String,
    /// The end of its window.
    pub at: String,
    /// −1 to 1.
    pub nearness: f64,
    /// What both have.
    #[serde(default)]
    pub shared: Vec<String>,
    /// The verdict's kind.
    pub verdict: Option<String>,
}

impl From<&similar::Similar> for Similar {
    fn from(one: &similar::Similar) -> Similar {
        Similar {
            id: one.alert.to_string(),
            host: one.host.clone(),
            at: one.at.to_string(),
            nearness: one.nearness,
            shared: one.shared.clone(),
            verdict: one.verdict.map(|kind| kind.as_str().to_owned()),
        }
    }
}

impl TryFrom<Similar> for similar::Similar {
    type Error = WireError;

    fn try_from(wire: Similar) -> Result<similar::Similar, WireError> {
        let verdict = wire.verdict.map(|word| {
            VerdictKind::parse(&word).ok_or_else(|| WireError::new("verdict", word.as_str()))
        });
        Ok(similar::Similar {
            alert: Id128::parse(&wire.id).ok_or_else(|| WireError::new("id", wire.id.as_str()))?,
            host: wire.host,
            at: time("at", &wire.at)?,
            nearness: wire.nearness,
            shared: wire.shared,
            verdict: verdict.transpose()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_similar_alert_is_read_as_it_was_written() {
        let one = similar::Similar {
            alert: Id128([1; 16]),
            host: "dc\u{1b}".to_owned(),
            at: crate::stdx::time::Timestamp::from_seconds(5),
            nearness: 0.5,
            shared: vec!["the endpoint".to_owned()],
            verdict: Some(VerdictKind::FalsePositive),
        };
        let text = serde_json::to_string(&Similar::from(&one)).unwrap();
        let again: Similar = serde_json::from_str(&text).unwrap();
        assert_eq!(similar::Similar::try_from(again).unwrap(), one);
        let bad: Similar = serde_json::from_str(&text.replace("false_positive", "maybe")).unwrap();
        assert!(similar::Similar::try_from(bad).is_err());
    }
}
