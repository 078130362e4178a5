//! What front ends ask the workbench for and what they get: one vocabulary for the screen, the API and scripts.

use crate::model::alert::{Action, Alert, AlertId, AuditEntry, Pending};
use crate::model::event::Event;
use crate::model::finding::RuleInfo;
use crate::model::inference::similar::Similar;
use crate::model::ledger::SourceLedger;
use crate::model::noise::FieldRarity;
use crate::model::shape::SourceShape;
use crate::stdx::time::Timestamp;

/// Which alerts to list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AlertQuery {
    /// The filter language (`model::query`); empty matches all.
    pub filter: String,
    /// `-risk,last_seen`: fields by importance, `-` for descending. Empty: `-risk,-last_seen`.
    pub sort: String,
    /// At most this many rows; 0 means the default (1,000).
    pub limit: usize,
    /// Rows to skip.
    pub offset: usize,
}

/// A page of alerts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AlertPage {
    /// The rows, sorted. Pending actions of the asking actor are applied and marked in `pending`.
    pub rows: Vec<Alert>,
    /// Rows that match the filter.
    pub matching: usize,
    /// All rows there are.
    pub total: usize,
    /// Pending actions of the asking actor that are not yet applied for others.
    pub pending: Vec<Pending>,
}

/// Everything about one alert.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertDetail {
    /// The alert, pending actions of the asking actor applied.
    pub alert: Alert,
    /// The rule as it is loaded now, if it is.
    pub rule: Option<RuleInfo>,
    /// The evidence events that are still stored, oldest first.
    pub events: Vec<Event>,
    /// The audit entries about it, oldest first (notes are entries too).
    pub history: Vec<AuditEntry>,
    /// How rare the values of the first match were; empty: nothing is known.
    pub rarity: Vec<FieldRarity>,
    /// Model alerts like this one, the nearest first; only where it is a model's.
    pub similar: Vec<Similar>,
}

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acted {
    /// Hand this to undo.
    pub pending_id: u64,
    /// Until then undo leaves no trace.
    pub deadline: Timestamp,
    /// Alerts it is about.
    pub alerts: usize,
    /// Alerts that were left alone because they changed since the caller saw them, with their revision now.
    pub conflicts: Vec<(AlertId, u64)>,
}

/// What undo did.
#[derive(Clone, Debug, PartialEq)]
pub struct Undone {
    /// The action taken back.
    pub action: Action,
    /// True: before the deadline, no trace. False: a counter-action was recorded.
    pub without_trace: bool,
    /// The alerts it was about.
    pub alerts: Vec<AlertId>,
}

/// What checking the audit log's chain of hashes found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditReport {
    /// Entries that were read.
    pub entries: u64,
    /// The first entry whose hash does not follow from the one before; `None`: the chain is whole.
    pub broken_at: Option<u64>,
    /// The hash of the last good entry, to be kept elsewhere.
    pub head: String,
}

/// Something that front ends want to know at once.
#[derive(Clone, Debug, PartialEq)]
pub enum Change {
    /// An alert was raised or changed.
    Alert(Box<Alert>),
    /// The ledger moved (at most a few times a second).
    Status(Box<StatusReport>),
    /// Changes were missed (slow reader, reconnect): read everything again.
    Gap,
    /// The connection to the daemon is gone, for this reason; what comes next says that it is back. Only
    /// remote desks see it.
    Lost(String),
}

/// What correlations hold, and what they counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CorrelationReport {
    /// Groups held.
    pub groups: usize,
    /// Groups there may be.
    pub groups_max: usize,
    /// Events that these groups hold.
    pub events: usize,
    /// Groups that made room for others before their time.
    pub groups_evicted: u64,
    /// Saved groups that could not be read, or belong to a rule that changed or is gone.
    pub groups_discarded: u64,
    /// Events that made room in a full group.
    pub events_dropped: u64,
    /// Events that were there already.
    pub duplicates: u64,
    /// Events that came more than two timespans after newer ones of their group.
    pub late: u64,
    /// Matches without a value for a group-by field.
    pub ungrouped: u64,
    /// Matches without a value, or without a number, for the field whose values count.
    pub valueless: u64,
}

impl CorrelationReport {
    /// Every counter with its name, as machine formats and metrics call it, and what it counts.
    pub fn counters(&self) -> [(&'static str, &'static str, u64); 7] {
        [
            ("groups_evicted", "Groups that made room for others.", self.groups_evicted),
            ("groups_discarded", "Saved groups of rules that changed.", self.groups_discarded),
            ("events_dropped", "Events that made room in a full group.", self.events_dropped),
            ("duplicates", "Events that were there already.", self.duplicates),
            ("late", "Events more than two timespans behind their group.", self.late),
            ("ungrouped", "Matches without a value for a group-by field.", self.ungrouped),
            ("valueless", "Matches without the value that counts.", self.valueless),
        ]
    }
}

/// How something stands that goes on by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Upkeep {
    /// `backup`, `retention`, `config`.
    pub topic: String,
    /// For a person.
    pub text: String,
    /// Named numbers.
    pub numbers: Vec<(String, i64)>,
}

/// A node among those that share a database.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeReport {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The version of its program.
    pub version: String,
    /// When it started last.
    pub started: Timestamp,
    /// When it was here last.
    pub seen: Timestamp,
    /// Is it the one that reports?
    pub here: bool,
    /// What it reads, by name.
    pub shards: Vec<ShardReport>,
}

/// A part of a stream that moves between nodes with everything that is remembered of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ShardReport {
    /// `source/topic/partition`
    pub name: String,
    /// Since when its node has it.
    pub taken: Timestamp,
    /// Records that are not yet read.
    pub lag: i64,
}

/// The state of the whole program.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StatusReport {
    /// `ok`, `degraded` or `unhealthy`.
    pub health: String,
    /// Why it is not ok; empty otherwise.
    pub problems: Vec<String>,
    /// The program's version.
    pub version: String,
    /// When it started.
    pub started: Timestamp,
    /// Now, by the reporting program's clock.
    pub now: Timestamp,
    /// A row a source.
    pub sources: Vec<SourceLedger>,
    /// What the records of each source look like.
    pub shapes: Vec<SourceShape>,
    /// Named queues: (name, depth, capacity).
    pub queues: Vec<(String, usize, usize)>,
    /// Compiled rules that are on.
    pub rules_loaded: usize,
    /// Rules that did not compile.
    pub rules_failed: usize,
    /// Rules that are off everywhere.
    pub rules_off: usize,
    /// Rules whose findings are only counted.
    pub rules_dry_run: usize,
    /// Findings that were only counted, since the start.
    pub dry_run_findings: u64,
    /// How often another set of rules was taken up, since the start.
    pub rules_reloads: u64,
    /// The same of signals.
    pub signals_reloads: u64,
    /// What correlations hold and counted since the start.
    pub correlations: CorrelationReport,
    /// What goes on by itself: retention, backups, configuration.
    pub upkeep: Vec<Upkeep>,
    /// Nodes that share the database, this one among them; empty where it is not shared.
    pub nodes: Vec<NodeReport>,
    /// Alerts in the store.
    pub alerts: u64,
    /// Events in the store.
    pub events: u64,
    /// Bytes of the store on disk.
    pub store_bytes: u64,
    /// Where events are, and how that is.
    pub event_store: EventStoreReport,
    /// Where the store is.
    pub data_dir: String,
    /// Wall time minus event time of the newest event, microseconds; negative: unknown.
    pub lag_us: i64,
}

/// Where events are: in the data folder with an index, or on a server.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventStoreReport {
    /// `embedded`, or the server's product and version.
    pub kind: String,
    /// What it counts, by name: events indexed and behind, events that a server had already.
    pub numbers: Vec<(String, u64)>,
}

/// What kind of refusal a [`Problem`] is; decides exit codes and HTTP states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProblemKind {
    /// The request makes no sense (400, exit 2).
    Invalid,
    /// No such thing (404).
    NotFound,
    /// It changed meanwhile (409).
    Conflict,
    /// This actor may not (403).
    Forbidden,
    /// Not now: a full disk, a stopped daemon, a lost connection (503).
    Unavailable,
    /// Our fault (500).
    Internal,
}

/// An error for a person: what went wrong, the detail, and what to do about it. Lower case, no full stop.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// The kind.
    pub kind: ProblemKind,
    /// What was attempted and failed.
    pub message: String,
    /// More about it; may be empty.
    pub detail: String,
    /// What to do; may be empty.
    pub hint: String,
}

impl Problem {
    /// A problem of some kind with a message.
    pub fn new(kind: ProblemKind, message: impl Into<String>) -> Problem {
        Problem { kind, message: message.into(), detail: String::new(), hint: String::new() }
    }

    /// Add the detail.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<String>) -> Problem {
        self.detail = detail.into();
        self
    }

    /// Add what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Problem {
        self.hint = hint.into();
        self
    }
}
