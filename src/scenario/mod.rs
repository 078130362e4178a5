//! Realistic raw records from a data file and a seed: for the demo, `simulate` and tests.
//!
//! A scenario says what happens on which endpoint ([`file`]); [`plan`] turns it and a seed into a timeline;
//! [`windows`], [`auditd`] and [`syslog`] write each step in the shape real collectors ship. Records then take
//! the ordinary way through decoders, rules and the store: nothing downstream knows they were made up.

pub mod auditd;
pub mod file;
pub mod plan;
pub mod syslog;
pub mod windows;

pub use file::{Scenario, ScenarioError};
pub use plan::{Planned, plan};

/// Scenarios that ship with the program: (name, text).
pub const BUILTIN: [(&str, &str); 1] =
    [("two-chains", include_str!("../../config/scenarios/two-chains.toml"))];

/// A built-in scenario by name, or the file at that path.
///
/// # Errors
/// No such name and no such file, or a file that does not say what it must.
pub fn load(name: &str) -> Result<Scenario, ScenarioError> {
    if let Some((_, text)) = BUILTIN.iter().find(|(known, _)| *known == name) {
        return Scenario::parse(name, text);
    }
    let text = std::fs::read_to_string(name)
        .map_err(|source| ScenarioError::Unreadable { path: name.to_owned(), source })?;
    Scenario::parse(name, &text)
}
