//! What the API is asked and what it answers, as JSON; the forms behind `/api/v1`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::model::alert as model_alert;
use crate::model::desk;
use crate::model::event as model_event;
use crate::model::finding;
use crate::model::record::StoredReject;
use crate::model::severity::Severity;
use crate::wire::alert_v1::{Action, Alert, AuditEntry, Pending};
use crate::wire::event_v1;
use crate::wire::noise_v1::Rarity;
use crate::wire::problem_v1::{WireError, id, time};
use crate::wire::similar_v1::Similar;
use crate::wire::status_v1::Status;

/// A page of alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertPage {
    /// The rows, sorted.
    pub rows: Vec<Alert>,
    /// Rows that match.
    pub matching: usize,
    /// All rows.
    pub total: usize,
    /// The asker's pending actions.
    pub pending: Vec<Pending>,
}

/// One alert with everything about it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct AlertDetail {
    /// The alert.
    pub alert: Alert,
    /// The rule as loaded now.
    pub rule: Option<Rule>,
    /// Evidence, oldest first.
    pub events: Vec<Event>,
    /// Audit entries, oldest first.
    pub history: Vec<AuditEntry>,
    /// How rare the values of the first match were.
    #[serde(default)]
    pub rarity: Vec<Rarity>,
    /// Model alerts like this one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub similar: Vec<Similar>,
}

/// An event in its flat form: dotted ECS names, lists as arrays.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Event(Box<RawValue>);

/// A rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rule {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its level.
    pub level: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its description.
    pub description: String,
    /// What may fire it wrongly.
    pub false_positives: Vec<String>,
    /// Its file.
    pub file: String,
    /// Its first line there.
    pub line: u32,
    /// Fields of the group key.
    pub group_by: Vec<String>,
    /// Who switched it off and why; `null`: it is on.
    #[serde(default)]
    pub off: Option<String>,
}

/// `POST /alerts/act`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActRequest {
    /// The alerts.
    pub alerts: Vec<Seen>,
    /// What to do.
    pub action: Action,
}

/// An alert as the caller saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Its id.
    pub id: String,
    /// Its revision then; without it, the action is done whatever it is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<u64>,
}

/// What became of an action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Acted {
    /// For undo.
    pub pending_id: u64,
    /// Until when undo leaves no trace.
    pub deadline: String,
    /// Alerts it is about.
    pub alerts: usize,
    /// Alerts left alone, with their revision now.
    pub conflicts: Vec<Seen>,
}

/// `POST /undo`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct UndoRequest {
    /// Which; without it, the asker's last.
    #[serde(default)]
    pub pending_id: Option<u64>,
}

/// What undo did.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Undone {
    /// The action taken back.
    pub action: Action,
    /// Before the deadline?
    pub without_trace: bool,
    /// Ids of alerts.
    pub alerts: Vec<String>,
}

/// A rejected record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Reject {
    /// Its running number in the store.
    pub sequence: u64,
    /// Its id.
    pub id: String,
    /// The source.
    pub source: String,
    /// The path.
    pub path: String,
    /// Where in the stream.
    pub offset: u64,
    /// When we met it.
    pub at: String,
    /// The reason's word.
    pub reason: String,
    /// What exactly.
    pub detail: String,
    /// The head of the record, base64.
    pub head_base64: String,
}

/// `POST /rules/{id}/off`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RuleOff {
    /// Why.
    pub reason: String,
}

/// `GET` and `PUT /drafts/{id}`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Draft {
    /// The text; `null`: none.
    pub text: Option<String>,
}

/// `GET /audit/verify`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Audit {
    /// Entries read.
    pub entries: u64,
    /// The first broken entry.
    pub broken_at: Option<u64>,
    /// Hash of the last good entry.
    pub head: String,
}

/// `GET /health`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Health {
    /// `ok`, `degraded`, `unhealthy`.
    pub health: String,
    /// The program's version.
    pub version: String,
    /// Who the asker is taken for.
    pub actor: String,
}

/// Data of one event of `GET /stream`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Change {
    /// An alert was raised or changed.
    Alert {
        /// As it is now.
        alert: Box<Alert>,
    },
    /// The ledger moved.
    Status {
        /// As it is now.
        status: Box<Status>,
    },
    /// Changes were missed.
    Gap,
}

impl Event {
    /// The wire form; `None` never happens for events of ours.
    pub fn of(event: &model_event::Event) -> Option<Event> {
        let mut bytes = Vec::with_capacity(event.heap_bytes() * 2);
        event_v1::write_flat(event, &mut bytes);
        let text = String::from_utf8(bytes).ok()?;
        RawValue::from_string(text).ok().map(Event)
    }

    /// The wire forms of several.
    pub fn all(events: &[model_event::Event]) -> Vec<Event> {
        events.iter().filter_map(Event::of).collect()
    }
}

impl TryFrom<Event> for model_event::Event {
    type Error = WireError;

    fn try_from(wire: Event) -> Result<model_event::Event, WireError> {
        let text = wire.0.get();
        event_v1::read_flat(text.as_bytes())
            .ok_or_else(|| WireError::new("event", text.chars().take(80).collect::<String>()))
    }
}

/// Convert every element.
pub fn all<W, M: TryFrom<W, Error = WireError>>(wire: Vec<W>) -> Result<Vec<M>, WireError> {
    wire.into_iter().map(M::try_from).collect()
}

fn ids(field: &'static str, texts: &[String]) -> Result<Vec<model_alert::AlertId>, WireError> {
    texts.iter().map(|text| id(field, text)).collect()
}

impl From<&desk::AlertPage> for AlertPage {
    fn from(page: &desk::AlertPage) -> AlertPage {
        AlertPage {
            rows: page.rows.iter().map(Alert::from).collect(),
            matching: page.matching,
            total: page.total,
            pending: page.pending.iter().map(Pending::from).collect(),
        }
    }
}

impl TryFrom<AlertPage> for desk::AlertPage {
    type Error = WireError;

    fn try_from(wire: AlertPage) -> Result<desk::AlertPage, WireError> {
        Ok(desk::AlertPage {
            rows: all(wire.rows)?,
            matching: wire.matching,
            total: wire.total,
            pending: all(wire.pending)?,
        })
    }
}

impl From<&desk::AlertDetail> for AlertDetail {
    fn from(detail: &desk::AlertDetail) -> AlertDetail {
        AlertDetail {
            alert: (&detail.alert).into(),
            rule: detail.rule.as_ref().map(|rule| Rule::of(rule, None)),
            events: Event::all(&detail.events),
            history: detail.history.iter().map(AuditEntry::from).collect(),
            rarity: detail.rarity.iter().map(Rarity::from).collect(),
            similar: detail.similar.iter().map(Similar::from).collect(),
        }
    }
}

impl TryFrom<AlertDetail> for desk::AlertDetail {
    type Error = WireError;

    fn try_from(wire: AlertDetail) -> Result<desk::AlertDetail, WireError> {
        Ok(desk::AlertDetail {
            alert: wire.alert.try_into()?,
            rule: wire.rule.map(|rule| rule.split().map(|(info, _)| info)).transpose()?,
            events: all(wire.events)?,
            history: all(wire.history)?,
            rarity: wire.rarity.into_iter().map(Into::into).collect(),
            similar: all(wire.similar)?,
        })
    }
}

impl Rule {
    /// The wire form of a rule and of why it is off.
    pub fn of(rule: &finding::RuleInfo, off: Option<&str>) -> Rule {
        Rule {
            id: rule.id.clone(),
            title: rule.title.clone(),
            level: rule.level.as_str().to_owned(),
            tags: rule.tags.clone(),
            description: rule.description.clone(),
            false_positives: rule.false_positives.clone(),
            file: rule.file.clone(),
            line: rule.line,
            group_by: rule.group_by.clone(),
            off: off.map(str::to_owned),
        }
    }

    /// The rule, and why it is off if it is.
    pub fn split(self) -> Result<(finding::RuleInfo, Option<String>), WireError> {
        let level =
            Severity::parse(&self.level).ok_or_else(|| WireError::new("level", &self.level))?;
        let info = finding::RuleInfo {
            id: self.id,
            title: self.title,
            level,
            tags: self.tags,
            description: self.description,
            false_positives: self.false_positives,
            file: self.file,
            line: self.line,
            group_by: self.group_by,
        };
        Ok((info, self.off))
    }
}

impl Seen {
    /// The alert's id and the revision seen.
    pub fn split(&self) -> Result<(model_alert::AlertId, Option<u64>), WireError> {
        Ok((id("alerts.id", &self.id)?, self.revision))
    }
}

impl From<&desk::Acted> for Acted {
    fn from(acted: &desk::Acted) -> Acted {
        let conflict = |(id, revision): &(model_alert::AlertId, u64)| Seen {
            id: id.to_string(),
            revision: Some(*revision),
        };
        Acted {
            pending_id: acted.pending_id,
            deadline: acted.deadline.to_string(),
            alerts: acted.alerts,
            conflicts: acted.conflicts.iter().map(conflict).collect(),
        }
    }
}

impl TryFrom<Acted> for desk::Acted {
    type Error = WireError;

    fn try_from(wire: Acted) -> Result<desk::Acted, WireError> {
        let mut conflicts = Vec::with_capacity(wire.conflicts.len());
        for conflict in &wire.conflicts {
            let (id, revision) = conflict.split()?;
            conflicts.push((id, revision.unwrap_or_default()));
        }
        Ok(desk::Acted {
            pending_id: wire.pending_id,
            deadline: time("deadline", &wire.deadline)?,
            alerts: wire.alerts,
            conflicts,
        })
    }
}

impl From<&desk::Undone> for Undone {
    fn from(undone: &desk::Undone) -> Undone {
        Undone {
            action: (&undone.action).into(),
            without_trace: undone.without_trace,
            alerts: undone.alerts.iter().map(ToString::to_string).collect(),
        }
    }
}

impl TryFrom<Undone> for desk::Undone {
    type Error = WireError;

    fn try_from(wire: Undone) -> Result<desk::Undone, WireError> {
        Ok(desk::Undone {
            action: wire.action.try_into()?,
            without_trace: wire.without_trace,
            alerts: ids("alerts", &wire.alerts)?,
        })
    }
}

impl From<&StoredReject> for Reject {
    fn from(row: &StoredReject) -> Reject {
        Reject {
            sequence: row.sequence,
            id: row.id.to_string(),
            source: row.source.clone(),
            path: row.path.clone(),
            offset: row.offset,
            at: row.at.to_string(),
            reason: row.reason.clone(),
            detail: row.detail.clone(),
            head_base64: BASE64.encode(&row.head),
        }
    }
}

impl TryFrom<Reject> for StoredReject {
    type Error = WireError;

    fn try_from(wire: Reject) -> Result<StoredReject, WireError> {
        let head = BASE64
            .decode(&wire.head_base64)
            .map_err(|_| WireError::new("head_base64", wire.head_base64.as_str()))?;
        Ok(StoredReject {
            sequence: wire.sequence,
            id: id("id", &wire.id)?,
            source: wire.source,
            path: wire.path,
            offset: wire.offset,
            at: time("at", &wire.at)?,
            reason: wire.reason,
            detail: wire.detail,
            head,
        })
    }
}

impl From<desk::AuditReport> for Audit {
    fn from(report: desk::AuditReport) -> Audit {
        Audit { entries: report.entries, broken_at: report.broken_at, head: report.head }
    }
}

impl From<Audit> for desk::AuditReport {
    fn from(wire: Audit) -> desk::AuditReport {
        desk::AuditReport { entries: wire.entries, broken_at: wire.broken_at, head: wire.head }
    }
}

impl From<&desk::Change> for Change {
    fn from(change: &desk::Change) -> Change {
        match change {
            desk::Change::Alert(alert) => Change::Alert { alert: Box::new((&**alert).into()) },
            desk::Change::Status(report) => Change::Status { status: Box::new((&**report).into()) },
            // A lost connection is seen by the one who lost it; on the wire there is nothing to say.
            desk::Change::Gap | desk::Change::Lost(_) => Change::Gap,
        }
    }
}

impl TryFrom<Change> for desk::Change {
    type Error = WireError;

    fn try_from(wire: Change) -> Result<desk::Change, WireError> {
        Ok(match wire {
            Change::Alert { alert } => desk::Change::Alert(Box::new((*alert).try_into()?)),
            Change::Status { status } => desk::Change::Status(Box::new((*status).try_into()?)),
            Change::Gap => desk::Change::Gap,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json, to_value};

    use super::*;
    use crate::model::field;
    use crate::stdx::time::Timestamp;

    #[test]
    fn rejects_keep_any_bytes() {
        let golden = json!({
            "sequence": 7, "id": "07070707070707070707070707070707", "source": "auth", "path": "/var/log/auth.log", "offset": 12,
            "at": "2026-11-22T08:00:00.000000Z", "reason": "not_json", "detail": "at byte 3",
            "head_base64": "AP8bXQ==",
        });
        let wire: Reject = from_value(golden.clone()).unwrap();
        let model = StoredReject::try_from(wire).unwrap();
        assert_eq!(model.head, [0x00, 0xff, 0x1b, 0x5d]);
        assert_eq!(to_value(Reject::from(&model)).unwrap(), golden);
    }

    #[test]
    fn actions_and_their_answers() {
        let golden = json!({
            "alerts": [{"id": "07070707070707070707070707070707", "revision": 3},
                       {"id": "000102030405060708090a0b0c0d0e0f"}],
            "action": {"kind": "assign", "assignee": "ana"},
        });
        let wire: ActRequest = from_value(golden.clone()).unwrap();
        assert_eq!(to_value(wire).unwrap(), golden);

        let golden = json!({
            "pending_id": 9, "deadline": "2026-11-22T08:00:10.000000Z", "alerts": 1,
            "conflicts": [{"id": "07070707070707070707070707070707", "revision": 4}],
        });
        let model = desk::Acted::try_from(from_value::<Acted>(golden.clone()).unwrap()).unwrap();
        assert_eq!(to_value(Acted::from(&model)).unwrap(), golden);

        let golden = json!({
            "action": {"kind": "clear_verdict"}, "without_trace": true,
            "alerts": ["07070707070707070707070707070707"],
        });
        let model = desk::Undone::try_from(from_value::<Undone>(golden.clone()).unwrap()).unwrap();
        assert_eq!(to_value(Undone::from(&model)).unwrap(), golden);
        assert_eq!(from_value::<UndoRequest>(json!({})).unwrap(), UndoRequest::default());
    }

    #[test]
    fn rules_and_changes() {
        let golden = json!({
            "id": "r-1", "title": "SSH guessing", "level": "high", "tags": ["attack.t1110"], "description": "d",
            "false_positives": ["a forgotten password"], "file": "builtin/linux/ssh.yml", "line": 1,
            "group_by": ["source.ip"], "off": "ana: noisy",
        });
        let (info, off) = from_value::<Rule>(golden.clone()).unwrap().split().unwrap();
        assert_eq!(to_value(Rule::of(&info, off.as_deref())).unwrap(), golden);
        assert_eq!(to_value(Change::from(&desk::Change::Gap)).unwrap(), json!({"kind": "gap"}));
    }

    #[test]
    fn events_cross_unchanged() {
        let mut event = model_event::Event::with_capacity(2, 32);
        event.timestamp = Timestamp(1_795_334_925_406_001);
        event.push_str(field::PROCESS_ARGS, "a\u{1b}[2J\u{202e}");
        event.push_str(field::PROCESS_ARGS, "\"\u{0}");
        let json = serde_json::to_string(&Event::of(&event).unwrap()).unwrap();
        let back: Event = serde_json::from_str(&json).unwrap();
        assert_eq!(model_event::Event::try_from(back).unwrap(), event);
    }
}
