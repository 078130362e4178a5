//! `watchfloor rules check`: what loading says about a set of rules, without judging anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::config::rules::RulesConfig;
use crate::detect::load::RuleProblem;
use crate::detect::rules::RuleSet;
use crate::model::finding::RuleInfo;
use crate::model::severity::Severity;

/// What loading says.
#[derive(Debug, Default)]
pub struct CheckReport {
    /// Rules that run, correlations last.
    pub rules: Vec<Arc<RuleInfo>>,
    /// How many of them are correlations.
    pub correlations: usize,
    /// Rules for logs that we do not read.
    pub unbound: Vec<Arc<RuleInfo>>,
    /// What could not be used.
    pub problems: Vec<RuleProblem>,
    /// What runs and is probably not meant so.
    pub warnings: Vec<RuleProblem>,
    /// Ids of the rules that their pack recommends.
    pub recommended: Arc<ahash::AHashSet<String>>,
    /// Rules that run, by level.
    pub by_level: BTreeMap<Severity, usize>,
    /// Rules that no index narrows down: they are evaluated for every event of their logsource.
    pub always_evaluated: usize,
}

/// Load every rule under `paths` (`builtin`, files, folders) and report.
pub fn check(paths: &[String]) -> CheckReport {
    check_all(&RulesConfig { paths: paths.to_vec(), ..RulesConfig::default() })
}

/// Load every rule of a configuration, of whatever level, and report.
pub fn check_all(config: &RulesConfig) -> CheckReport {
    let config = RulesConfig { min_level: Severity::Info, ..config.clone() };
    let loaded = RuleSet::load(&config, &BTreeSet::new());
    let mut by_level = BTreeMap::new();
    for rule in loaded.rules.rules() {
        *by_level.entry(rule.level).or_insert(0) += 1;
    }
    CheckReport {
        rules: loaded.rules.rules().to_vec(),
        correlations: loaded.rules.correlations(),
        unbound: loaded.rules.unbound().to_vec(),
        recommended: Arc::clone(loaded.rules.recommended()),
        problems: loaded.problems,
        warnings: loaded.warnings,
        by_level,
        always_evaluated: loaded.rules.index_sizes().1,
    }
}
