//! Alerts as the store holds them and every front end shows them.

use crate::model::bundle::BundleId;
use crate::model::event::EventId;
use crate::model::severity::Severity;
use crate::model::verdict::Verdict;
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

/// An alert's id: hash of tenant, rule, endpoint, group key and the first event's id.
pub type AlertId = Id128;

/// The five states of an alert's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Status {
    /// Nobody has touched it.
    Open,
    /// Somebody has seen it.
    Acknowledged,
    /// Somebody works on it.
    Investigating,
    /// Closed.
    Resolved,
    /// Closed as wrong.
    FalsePositive,
}

impl Status {
    /// All five, in the order of life.
    pub const ALL: [Status; 5] = [
        Status::Open,
        Status::Acknowledged,
        Status::Investigating,
        Status::Resolved,
        Status::FalsePositive,
    ];

    /// The word as stored and filtered by.
    pub fn as_str(self) -> &'static str {
        match self {
            Status::Open => "open",
            Status::Acknowledged => "acknowledged",
            Status::Investigating => "investigating",
            Status::Resolved => "resolved",
            Status::FalsePositive => "false_positive",
        }
    }

    /// Read the word.
    pub fn parse(text: &str) -> Option<Status> {
        Status::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Resolved or false positive?
    pub fn is_closed(self) -> bool {
        matches!(self, Status::Resolved | Status::FalsePositive)
    }
}

/// One alert: an episode of one rule on one endpoint and group.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Deterministic id.
    pub id: AlertId,
    /// `organization.id`.
    pub tenant: String,
    /// State.
    pub status: Status,
    /// The rule's level (the highest seen in the episode).
    pub severity: Severity,
    /// 0 to 100, a sum of visible parts.
    pub risk: u8,
    /// The parts of `risk`: (what, points).
    pub risk_parts: Vec<(String, u8)>,
    /// Sigma rule id.
    pub rule_id: String,
    /// Sigma rule title.
    pub rule_name: String,
    /// Sigma tags (ATT&CK among them).
    pub tags: Vec<String>,
    /// The endpoint.
    pub host: String,
    /// `user.name`, or empty.
    pub user: String,
    /// Values of the rule's group-by fields, (field, value).
    pub group: Vec<(String, String)>,
    /// Matches in the episode.
    pub count: u64,
    /// Event time of the first match.
    pub first_seen: Timestamp,
    /// Event time of the last match.
    pub last_seen: Timestamp,
    /// When we raised it.
    pub created: Timestamp,
    /// When anything about it changed last.
    pub updated: Timestamp,
    /// Why the first match fired: (field, value).
    pub matched: Vec<(String, String)>,
    /// Events that made it, newest last, at most `alert.evidence_max`.
    pub evidence: Vec<EventId>,
    /// Who owns it.
    pub assignee: Option<String>,
    /// The verdict now in force.
    pub verdict: Option<Verdict>,
    /// Snoozed until this time.
    pub snoozed_until: Option<Timestamp>,
    /// From a first read of old logs.
    pub backfill: bool,
    /// The bundle it belongs to since it was raised; none for alerts without an endpoint.
    pub bundle: Option<BundleId>,
    /// It went on after it was closed.
    pub changed_since_closed: bool,
    /// Rises with every change: front ends compare it.
    pub revision: u64,
}

/// What a person (or the product itself) did to an alert. The body of an audit entry.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// The state was set by hand.
    Status(Status),
    /// A verdict was given.
    Verdict(Verdict),
    /// The verdict was taken back.
    ClearVerdict,
    /// Assigned to somebody, or to nobody.
    Assign(Option<String>),
    /// A note was added.
    Note(String),
    /// Snoozed until a time, or woken.
    Snooze(Option<Timestamp>),
}

impl Action {
    /// A short stable word for storage and filters.
    pub fn kind(&self) -> &'static str {
        match self {
            Action::Status(_) => "status",
            Action::Verdict(_) => "verdict",
            Action::ClearVerdict => "clear_verdict",
            Action::Assign(_) => "assign",
            Action::Note(_) => "note",
            Action::Snooze(_) => "snooze",
        }
    }
}

/// One entry of the append-only, hash-chained audit log.
#[derive(Clone, Debug, PartialEq)]
pub struct AuditEntry {
    /// 1, 2, 3, … without gaps.
    pub sequence: u64,
    /// When.
    pub at: Timestamp,
    /// Who: a user name, or `watchfloor` for the product itself.
    pub actor: String,
    /// From where: `local pid 123`, `socket uid 1000`, …
    pub place: String,
    /// What about: `alert`, `rule`, `store`.
    pub subject: String,
    /// Which one: an alert id, a rule id.
    pub subject_id: String,
    /// What was done, in the words of [`Action::kind`] or `rule_off`, `rule_on`, `created`, `reopened`.
    pub action: String,
    /// The details as JSON text (new value, old value, reason).
    pub detail: String,
    /// Hash of this entry and the one before (hexadecimal BLAKE3).
    pub hash: String,
}

/// An action that is durable, shown to its actor, and not applied for others before its deadline.
#[derive(Clone, Debug, PartialEq)]
pub struct Pending {
    /// Its id.
    pub id: u64,
    /// Who.
    pub actor: String,
    /// From where.
    pub place: String,
    /// The alerts it is about.
    pub alerts: Vec<AlertId>,
    /// What to do.
    pub action: Action,
    /// When it was asked for.
    pub at: Timestamp,
    /// Until then `undo` leaves no trace.
    pub deadline: Timestamp,
}
