//! Real servers for suites: a file a kind.

pub mod search;
