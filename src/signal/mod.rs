//! Layer 3, beside Sigma rules: signals, our own rules for what Sigma has no word for. Events in, findings and counters out.
//!
//! `files`, `yaml` and `load` read them (`when` says which events, `condition` what makes a finding), `set` chooses the
//! few that can concern an event, `judge` works on the row of one series (`row`, `entries`, `slices`, `travel`), `state`
//! bounds and saves the rows, `engine` is the stage as the pipeline runs it, `explain` says why one event counted. Event time drives everything. The stage
//! does no I/O but reading signal files, and knows neither alerts nor the store.

pub mod condition;
pub mod counters;
pub mod engine;
pub mod entries;
mod explain;
pub mod files;
pub mod judge;
pub mod load;
pub mod row;
pub mod set;
pub mod slices;
pub mod state;
pub mod travel;
pub mod when;

#[cfg(test)]
mod tests;

pub use crate::signal::engine::{Engine, StateRow};
pub use crate::signal::load::{KEY_PREFIX, Loaded, SignalProblem, load};
pub use crate::signal::set::{Signal, SignalSet};
