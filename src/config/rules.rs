//! `[rules]`: which rules run.

use std::collections::BTreeMap;

use crate::config::reader::Reader;
use crate::model::severity::Severity;

/// Where rules come from.
#[derive(Clone, Debug, PartialEq)]
pub struct RulesConfig {
    /// `builtin` and paths of files or folders.
    pub paths: Vec<String>,
    /// Rules below this level are not loaded.
    pub min_level: Severity,
    /// What `%Name%` stands for in values with `expand`.
    pub placeholders: BTreeMap<String, Vec<String>>,
}

impl Default for RulesConfig {
    fn default() -> RulesConfig {
        RulesConfig {
            paths: vec!["builtin".to_owned()],
            min_level: Severity::Info,
            placeholders: BTreeMap::new(),
        }
    }
}

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> RulesConfig {
    let paths = reader.texts(
        "rules.paths",
        &["builtin"],
        "`builtin` and files or folders with Sigma rules; all are loaded.",
    );
    let levels = Severity::ALL.map(|severity| (severity.as_str(), severity));
    let min_level =
        reader.choice("rules.min_level", "info", &levels, "Rules below this level are not loaded.");
    RulesConfig {
        paths,
        min_level: min_level.unwrap_or(Severity::Info),
        placeholders: reader.lists("rules.placeholders"),
    }
}
