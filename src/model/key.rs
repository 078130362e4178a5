//! Keys of programs: who may send to us. What is kept of one never lets anybody make the key again.

use std::fmt;

use crate::stdx::time::Timestamp;

/// Bytes of a key's name.
pub const KEY_NAME_BYTES_MAX: usize = 200;
/// Keys there may be, revoked ones included.
pub const KEYS_MAX: usize = 10_000;

/// What a key is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyScope {
    /// Sending records.
    Ingest,
}

impl KeyScope {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            KeyScope::Ingest => "ingest",
        }
    }

    /// The scope that a word means.
    pub fn parse(word: &str) -> Option<KeyScope> {
        (word == "ingest").then_some(KeyScope::Ingest)
    }
}

impl fmt::Display for KeyScope {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// A key as everybody may see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Its public name, also part of the key.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// What it is good for.
    pub scope: KeyScope,
    /// The only source it is good for; `None`: every one.
    pub source: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// Who made it.
    pub creator: String,
    /// When it was revoked.
    pub revoked: Option<Timestamp>,
    /// Who revoked it.
    pub revoker: Option<String>,
}

/// What a key is wanted for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRequest {
    /// What it is good for.
    pub scope: KeyScope,
    /// The only source it is good for.
    pub source: Option<String>,
    /// What a person calls it.
    pub name: String,
}

/// A key that was just made.
#[derive(Clone, PartialEq, Eq)]
pub struct MadeKey {
    /// What is kept.
    pub key: ApiKey,
    /// All of it. Nobody can show it again.
    pub text: String,
}

impl fmt::Debug for MadeKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("MadeKey").field("key", &self.key).finish_non_exhaustive()
    }
}
