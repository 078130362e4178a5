//! Layer 3, beside rules and signals: which numbered records never came.
//!
//! `number` finds the number that a record carries, `track` keeps what is missing of one stream, `saved` is its row in the
//! commit, `engine` is the stage. It knows neither the store nor alerts: rows and findings go where all others go.

mod engine;
mod number;
mod saved;
#[cfg(test)]
mod tests;
mod track;

pub use engine::{Engine, RULE_ID, report_of};
pub use number::Kind;

/// What the keys of saved rows begin with.
pub const KEY_PREFIX: &str = "gaps/";
/// Streams of which numbers are kept, where nobody says otherwise; over it the one used longest ago is given up.
pub const STREAMS_MAX: usize = 10_000;
/// Holes that are listed of a stream whose holes are alerts; over it the oldest is only counted.
pub const HOLES_TRUSTED_MAX: usize = 1_000;
/// The same of a stream that somebody filters: there, holes are the rule.
pub const HOLES_MAX: usize = 64;
/// Beginnings of numbering that are remembered of a stream; over it the oldest is given up.
pub const EPOCHS_MAX: usize = 8;
/// A step forward over more numbers than these is a new numbering, not a gap.
pub const FORWARD_MAX: u64 = 10_000_000;
