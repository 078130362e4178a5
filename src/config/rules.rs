//! `[rules]`: which rules run.

/// Where rules come from.
#[derive(Clone, Debug, PartialEq)]
pub struct RulesConfig {
    /// `builtin` and paths of files or folders.
    pub paths: Vec<String>,
    /// Rules below this level are not loaded.
    pub min_level: crate::model::severity::Severity,
}

impl Default for RulesConfig {
    fn default() -> RulesConfig {
        RulesConfig {
            paths: vec!["builtin".to_owned()],
            min_level: crate::model::severity::Severity::Info,
        }
    }
}
