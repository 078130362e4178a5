//! Who may send: a source asks, and does not know where keys are kept.

use std::pin::Pin;

/// What came of looking at a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Checked {
    /// It is good. What a person calls it.
    Good(String),
    /// It is none, or revoked, or for another source.
    Wrong,
    /// Too many keys are being looked at: ask again in a moment.
    Busy,
    /// The keys cannot be read now.
    Unavailable,
}

/// The answer, when it comes.
pub type Checking<'a> = Pin<Box<dyn Future<Output = Checked> + Send + 'a>>;

/// Says whether keys are good for a source. Cheap for one that was good a moment ago.
pub trait KeyCheck: Send + Sync {
    /// Look at a key as it was shown to `source`.
    fn check<'a>(&'a self, key: &'a str, source: &'a str) -> Checking<'a>;
}
