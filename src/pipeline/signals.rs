//! What front ends may ask about signal files without running anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::signals::SignalsConfig;
use crate::model::finding::RuleInfo;
use crate::model::severity::Severity;
use crate::signal;

/// One signal for a list.
#[derive(Clone, Debug)]
pub struct Listed {
    /// Title, level, tags, file.
    pub info: Arc<RuleInfo>,
    /// The kind of its condition.
    pub condition: &'static str,
    /// Its labels.
    pub labels: Vec<String>,
    /// It is a check of agents.
    pub check: bool,
}

/// What loading says.
#[derive(Debug, Default)]
pub struct SignalsReport {
    /// Signals that run.
    pub signals: Vec<Listed>,
    /// By level.
    pub by_level: BTreeMap<Severity, usize>,
    /// Signals that no literal narrows down.
    pub asked_always: usize,
    /// What is wrong, in a person's words.
    pub problems: Vec<String>,
}

/// Load and report, judging nothing.
pub fn check(config: &SignalsConfig) -> SignalsReport {
    let loaded = signal::load(config);
    let mut by_level = BTreeMap::new();
    let listed = |signal: &signal::Signal| Listed {
        info: Arc::clone(&signal.info),
        condition: signal.condition.name(),
        labels: signal.labels.iter().map(|(_, place)| place.name().to_owned()).collect(),
        check: signal.check,
    };
    for signal in loaded.set.signals() {
        *by_level.entry(signal.info.level).or_insert(0) += 1;
    }
    SignalsReport {
        signals: loaded.set.signals().iter().map(listed).collect(),
        by_level,
        asked_always: loaded.set.asked_always(),
        problems: loaded.problems.iter().map(ToString::to_string).collect(),
    }
}
