//! Judging endpoints' windows while logs are read: the analyst closes windows ([`stage`]), one thread scores them
//! ([`worker`]), the analyst concludes what follows, and all of it becomes real with a commit.
//!
//! A window that has closed is a row of the commit that closed it ([`job`]) until a later commit holds its result, so no
//! kill loses or doubles one. What is open is brought back from rows and, where the node has an event log of its own, from
//! the events behind them ([`restore`]).

mod clock;
mod conclude;
pub mod feedback;
pub mod job;
pub mod models;
pub mod reload;
pub mod report;
pub mod restore;
mod rows;
pub mod second_opinion;
pub mod stage;
pub mod start;
pub mod worker;

#[cfg(test)]
mod tests;

pub use models::Models;
pub(crate) use stage::Stage;
pub(crate) use worker::Inferrer;

/// What the keys of all rows of this stage begin with, among those of detection.
pub const KEY_PREFIX: &str = "infer/";
/// Rows of closed windows that have no result yet.
pub(crate) const PENDING: &str = "infer/pending/";
/// Rows of endpoints' open windows, each with its place in the event log.
pub(crate) const ENDPOINT: &str = "infer/endpoint/";
/// The row that stands where all endpoints' rows are complete.
pub(crate) const MARK: &str = "infer/mark";
/// What the keys of budgets of windows that only rules tell of begin with, behind that of the stage.
pub(crate) const BY_RULES: &str = "rules-";
/// Rows with what is known beside an endpoint's windows: rule hits and its last score.
pub(crate) const ABOUT: &str = "infer/about/";
