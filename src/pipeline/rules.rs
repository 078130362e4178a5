//! What front ends may ask about rule files without running anything.

pub use crate::detect::{CheckReport as RulesReport, check};
