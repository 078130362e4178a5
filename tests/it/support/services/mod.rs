//! Real servers for suites, by the scripts in `tests/services`: a file a kind.

pub mod postgres;
pub mod search;
