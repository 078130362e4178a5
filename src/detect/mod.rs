//! Layer 3, the third stage: Sigma rules over events. Events in, findings out.
//!
//! `files` finds rule documents and refuses dangerous ones, `load` compiles them (parser and matchers are the
//! `rsigma` crates'), `logsource` says which events a rule is for, `fields` which of our fields a rule's field
//! name means, `tree` evaluates, `index` chooses the few rules that can match at all, `correlate` joins matches
//! over event time. The stage does no I/O but reading rule files, and knows neither alerts nor the store.

pub mod channels;
pub mod check;
pub mod correlate;
pub mod detector;
pub mod explain;
pub mod fields;
pub mod files;
pub mod forms;
pub mod index;
pub mod library;
pub mod lint;
pub mod load;
pub mod logsource;
pub mod memo;
pub mod placeholders;
pub mod polarity;
pub mod reach;
pub mod rewrite;
pub mod rules;
pub mod shape;
pub mod taxonomy;
pub mod telemetry;
pub mod times;
pub mod tree;
pub mod view;

#[cfg(test)]
mod filter_tests;
#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod tests;

pub use crate::detect::check::{CheckReport, check};
pub use crate::detect::detector::{Detector, StateRow};
pub use crate::detect::load::{Loaded, RuleProblem};
pub use crate::detect::rules::{Match, RuleSet};
