//! What the running pipeline shows to the layers above: health, queues, sources, rules, and pushed changes.
//! The pipeline writes it, `service` reads it; nothing here is durable.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::RwLock;

use crate::config::gaps::GapsConfig;
use crate::config::infer::InferConfig;
use crate::config::retention::RetentionConfig;
use crate::config::rules::RulesConfig;
use crate::model::desk::{Change, CorrelationReport, NodeReport, Upkeep};
use crate::model::finding::{Finding, RuleInfo};
use crate::model::ledger::SourceLedger;
use crate::model::noise::NoiseCounts;
use crate::model::severity::Severity;
use crate::model::shape::SourceShape;
use crate::model::telemetry::SignalReport;
use crate::pipeline::changes::Changes;
use crate::pipeline::shard_keys::ShardKeys;
use crate::signal::SignalSet;
use crate::stdx::gauges::Gauges;
use crate::stdx::queue::Gauge;
use crate::stdx::time::Timestamp;

/// How bad a reported problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Health {
    /// Work goes on; somebody should look.
    Degraded,
    /// Nothing is acknowledged until it is repaired.
    Unhealthy,
}

/// What is true now. Copied as a whole by readers.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// Problems by a stable key (`disk`, `source auth`): how bad and what, for a person.
    pub problems: BTreeMap<String, (Health, String)>,
    /// Named queues: depth and capacity.
    pub queues: BTreeMap<String, (usize, usize)>,
    /// A row a configured source, records in flight included. Empty: the store's rows are shown.
    pub sources: Vec<SourceLedger>,
    /// The configured sources that run here.
    pub source_names: Vec<String>,
    /// What records look like, by source.
    pub shapes: Vec<SourceShape>,
    /// Every rule that compiled, those switched off included.
    pub rules: Vec<Arc<RuleInfo>>,
    /// What they were loaded from.
    pub rules_config: Arc<RulesConfig>,
    /// Rules that did not compile.
    pub rules_failed: usize,
    /// How often another set of rules was taken up since the start.
    pub rules_reloads: u64,
    /// Findings by level, hidden ones included.
    pub findings: BTreeMap<Severity, u64>,
    /// What signals counted.
    pub signals: Arc<SignalReport>,
    /// The signals that run; they stand behind the rules in `rules` too.
    pub signal_infos: Vec<Arc<RuleInfo>>,
    /// The same whole, to explain their alerts.
    pub signal_set: Arc<SignalSet>,
    /// The rules under which models raise alerts; they stand behind the signals.
    pub model_infos: Vec<Arc<RuleInfo>>,
    /// Signal files and signals that do not run.
    pub signals_failed: usize,
    /// What was kept from the queue.
    pub noise: NoiseCounts,
    /// How often another set of signals was taken up since the start.
    pub signals_reloads: u64,
    /// What correlations hold and counted.
    pub correlations: CorrelationReport,
    /// What goes on by itself, by topic.
    pub upkeep: BTreeMap<&'static str, Upkeep>,
    /// Nodes that share the database.
    pub nodes: Vec<NodeReport>,
    /// When missing numbers are called a gap.
    pub gaps_config: GapsConfig,
    /// How long what is kept.
    pub retention_config: RetentionConfig,
}

impl Snapshot {
    /// Other rules are in force; the signals stand behind them as before.
    pub fn set_rules(&mut self, rules: &[Arc<RuleInfo>]) {
        self.rules = rules.to_vec();
        self.rules.extend(self.signal_infos.iter().cloned());
        self.rules.extend(self.model_infos.iter().cloned());
    }

    /// Other models are in force: their alerts are looked up, and switched off, as those of rules.
    pub fn set_models(&mut self, infos: Vec<Arc<RuleInfo>>) {
        self.rules.truncate(self.rules.len().saturating_sub(self.model_infos.len()));
        self.rules.extend(infos.iter().cloned());
        self.model_infos = infos;
    }

    /// Other signals are in force: alerts look their rule up there, and switching one off goes by its id.
    pub fn set_signals(&mut self, infos: Vec<Arc<RuleInfo>>) {
        let behind = self.signal_infos.len() + self.model_infos.len();
        self.rules.truncate(self.rules.len().saturating_sub(behind));
        self.rules.extend(infos.iter().cloned());
        self.rules.extend(self.model_infos.iter().cloned());
        self.signal_infos = infos;
    }

    /// The worst of the problems in a word: `ok`, `degraded`, `unhealthy`.
    pub fn health(&self) -> &'static str {
        match self.problems.values().map(|(bad, _)| *bad).max() {
            None => "ok",
            Some(Health::Degraded) => "degraded",
            Some(Health::Unhealthy) => "unhealthy",
        }
    }
}

/// One a process: made by whoever starts the pipeline, handed to the stages and to the workbench.
#[derive(Debug)]
pub struct Shared {
    started: Timestamp,
    changes: Changes,
    // A lock, because writers in several threads each change a part and readers want a consistent whole
    // a few times a second. Held for a copy, never across an await.
    snapshot: RwLock<Snapshot>,
    rules_asked: AtomicU64,
    /// What the program found about itself and the analyst has not taken yet.
    own_findings: parking_lot::Mutex<Vec<Finding>>,
    /// Queues that are read when somebody asks.
    queues: RwLock<Vec<Gauge>>,
    /// Numbers of sources, by the source's name.
    gauges: RwLock<BTreeMap<String, Arc<Gauges>>>,
    shards: Arc<ShardKeys>,
    /// What models said last of each endpoint.
    scores: RwLock<Arc<Scores>>,
    models_wanted: parking_lot::Mutex<Option<InferConfig>>,
    feedback: AtomicBool,
}

/// What models said of an endpoint: (end of the window in milliseconds, score).
pub type Score = (i64, f32);
/// The last and the highest score of the day, by tenant and endpoint.
pub type Scores = BTreeMap<(String, String), (Option<Score>, Option<Score>)>;

impl Default for Shared {
    fn default() -> Shared {
        Shared {
            started: Timestamp::now(),
            changes: Changes::default(),
            snapshot: RwLock::new(Snapshot::default()),
            rules_asked: AtomicU64::new(0),
            own_findings: parking_lot::Mutex::default(),
            queues: RwLock::default(),
            gauges: RwLock::default(),
            shards: Arc::default(),
            scores: RwLock::default(),
            models_wanted: parking_lot::Mutex::default(),
            feedback: AtomicBool::new(true),
        }
    }
}

impl Shared {
    /// When the program started.
    pub fn started(&self) -> Timestamp {
        self.started
    }

    /// The hub of pushed changes.
    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    /// Tell front ends about alerts that a commit raised or changed.
    pub fn publish_alerts(&self, alerts: impl IntoIterator<Item = crate::model::alert::Alert>) {
        for alert in alerts {
            self.changes.publish(Change::Alert(Box::new(alert)));
        }
    }

    /// What is true now.
    pub fn snapshot(&self) -> Snapshot {
        let mut snapshot = self.snapshot.read().clone();
        // Read now: what they are fed by may have come to a halt.
        for queue in self.queues.read().iter() {
            snapshot.queues.insert(queue.name().to_owned(), queue.read());
        }
        snapshot
    }

    /// Show how full this queue is.
    pub fn add_queue(&self, queue: Gauge) {
        self.queues.write().push(queue);
    }

    /// Change a part of what is true.
    pub fn update(&self, change: impl FnOnce(&mut Snapshot)) {
        change(&mut self.snapshot.write());
    }

    /// The shards that this node holds.
    pub(crate) fn shards(&self) -> &Arc<ShardKeys> {
        &self.shards
    }

    /// Report a problem under its key, or that it is over.
    pub fn set_problem(&self, key: &str, problem: Option<(Health, String)>) {
        self.update(|snapshot| match problem {
            Some(problem) => {
                snapshot.problems.insert(key.to_owned(), problem);
            }
            None => {
                snapshot.problems.remove(key);
            }
        });
    }

    /// Show how something that goes on by itself stands.
    pub fn set_upkeep(&self, topic: &'static str, text: String, numbers: Vec<(&'static str, i64)>) {
        let numbers = numbers.into_iter().map(|(name, n)| (name.to_owned(), n)).collect();
        let row = Upkeep { topic: topic.to_owned(), text, numbers };
        self.update(|snapshot| drop(snapshot.upkeep.insert(topic, row)));
    }

    /// Show what models said of endpoints.
    pub(crate) fn set_scores(&self, scores: Scores) {
        *self.scores.write() = Arc::new(scores);
    }

    /// What models said last of endpoints.
    pub fn scores(&self) -> Arc<Scores> {
        Arc::clone(&self.scores.read())
    }

    /// Show the numbers of a source.
    pub fn add_gauges(&self, source: &str, gauges: Arc<Gauges>) {
        self.gauges.write().insert(source.to_owned(), gauges);
    }

    /// The numbers of a source, to write to; made if nobody has yet.
    pub fn gauges_of(&self, source: &str) -> Arc<Gauges> {
        if let Some(known) = self.gauges.read().get(source) {
            return Arc::clone(known);
        }
        Arc::clone(self.gauges.write().entry(source.to_owned()).or_default())
    }

    /// The numbers of every source, as they are now: source, name, value.
    pub fn gauges(&self) -> Vec<(String, &'static str, i64)> {
        let gauges = self.gauges.read();
        let rows = gauges.iter().flat_map(|(source, numbers)| {
            numbers.read().into_iter().map(|(name, value)| (source.clone(), name, value))
        });
        rows.collect()
    }

    /// Make an alert of something about the program itself. Few: at most one of each kind a day.
    pub(crate) fn tell(&self, finding: Finding) {
        self.own_findings.lock().push(finding);
    }

    /// Findings about the program itself since this was asked last.
    pub(crate) fn take_told(&self) -> Vec<Finding> {
        std::mem::take(&mut self.own_findings.lock())
    }

    /// When missing numbers are called a gap.
    pub(crate) fn gaps_config(&self) -> GapsConfig {
        self.snapshot.read().gaps_config.clone()
    }

    /// Verdicts about models' alerts changed.
    pub fn note_feedback(&self) {
        self.feedback.store(true, Ordering::Release);
    }

    /// Did they since this was asked last? Yes at the start: what changed while nobody listened counts too.
    pub(crate) fn take_feedback(&self) -> bool {
        self.feedback.swap(false, Ordering::AcqRel)
    }

    /// Ask for other models.
    pub(crate) fn want_models(&self, config: InferConfig) {
        *self.models_wanted.lock() = Some(config);
    }

    /// The models that were asked for last, once.
    pub(crate) fn take_wanted_models(&self) -> Option<InferConfig> {
        self.models_wanted.lock().take()
    }

    /// Ask for the rules to be loaded again.
    pub fn ask_for_rules(&self) {
        self.rules_asked.fetch_add(1, Ordering::AcqRel);
    }

    /// How often that was asked. Who loads them compares it with the number it last acted on.
    pub fn rules_asked(&self) -> u64 {
        self.rules_asked.load(Ordering::Acquire)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn health_is_the_worst_open_problem() {
        let shared = Shared::default();
        assert_eq!(shared.snapshot().health(), "ok");
        shared.set_problem("disk", Some((Health::Unhealthy, "the disk is full".into())));
        shared.set_problem("source auth", Some((Health::Degraded, "no such file".into())));
        assert_eq!(shared.snapshot().health(), "unhealthy");
        shared.set_problem("disk", None);
        assert_eq!(shared.snapshot().health(), "degraded");
    }
}
