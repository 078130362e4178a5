//! Real servers for suites, by the scripts in `tests/services`: a file a kind.

use super::ports;

pub mod postgres;
pub mod search;
