//! Signals for the running path, and what front ends may ask about signal files without running anything.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::signals::SignalsConfig;
use crate::model::finding::RuleInfo;
use crate::model::severity::Severity;
use crate::pipeline::shared::{Health, Shared};
use crate::signal::{self, SignalSet};

/// The problem's key in the health report.
const KEY: &str = "signals";

/// Load the signals of the running path; what does not run is reported and counted.
pub(crate) fn load(config: &SignalsConfig, shared: &Shared) -> Arc<SignalSet> {
    let loaded = signal::load(config);
    for problem in &loaded.problems {
        tracing::warn!(problem = %problem, "signal does not run");
    }
    if !loaded.problems.is_empty() {
        let text = format!(
            "{} problems in signal files: watchfloor signals check lists them",
            loaded.problems.len()
        );
        shared.set_problem(KEY, Some((Health::Degraded, text)));
    }
    shared.update(|snapshot| {
        // Alerts look their rule up there, and switching one off goes by its id.
        let infos = loaded.set.signals().iter().map(|signal| Arc::clone(&signal.info));
        snapshot.signal_infos = infos.collect();
        snapshot.rules.extend(snapshot.signal_infos.iter().cloned());
        snapshot.signals_failed = loaded.problems.len();
    });
    Arc::new(loaded.set)
}

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
