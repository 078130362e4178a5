//! What a rule says about an event: the input of alerts and the output of `scan`.

use std::sync::Arc;

use crate::model::event::EventId;
use crate::model::origin::Origin;
use crate::model::severity::Severity;
use crate::stdx::time::Timestamp;

/// What everybody needs to know of a rule after it was compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// Sigma `id`, or a hash of the title where a rule has none.
    pub id: String,
    /// Sigma `title`.
    pub title: String,
    /// Sigma `level`; rules without one are `medium`.
    pub level: Severity,
    /// Sigma `tags`.
    pub tags: Vec<String>,
    /// Sigma `description`.
    pub description: String,
    /// Sigma `falsepositives`.
    pub false_positives: Vec<String>,
    /// The file it stands in, as a person would name it (`builtin/linux/ssh_bruteforce.yml`).
    pub file: String,
    /// The rule's first line in the file.
    pub line: u32,
    /// Fields whose values make the group key of an alert besides rule and host (correlation `group-by`).
    pub group_by: Vec<String>,
}

/// One match.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rule.
    pub rule: Arc<RuleInfo>,
    /// Event time of the (last) event.
    pub timestamp: Timestamp,
    /// `organization.id`.
    pub tenant: Arc<str>,
    /// The endpoint, or empty.
    pub host: String,
    /// `user.name` of the event, or empty.
    pub user: String,
    /// The event that completed the match.
    pub event: EventId,
    /// Further events that took part (correlations), oldest first, bounded.
    pub contributing: Vec<EventId>,
    /// Why: field, value pairs that matched, for a person (`process.command_line`, `powershell -enc …`).
    pub matched: Vec<(String, String)>,
    /// Values of the rule's group-by fields (field, value); empty for plain rules.
    pub group: Vec<(String, String)>,
    /// From a first read of old logs.
    pub backfill: bool,
    /// Lineage and labels of the event.
    pub origin: Origin,
}
