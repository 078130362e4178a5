//! Alerts, verdicts and actions as JSON. Names of fields follow ECS where it has one (`rule.name`, `host.name`).

use serde::{Deserialize, Serialize};

use crate::model::alert::{self, Status};
use crate::model::severity::Severity;
use crate::model::verdict::{self, Confidence, VerdictKind};
use crate::wire::problem_v1::{WireError, id, time, time_or_none};

/// One alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// 32 hexadecimal digits.
    pub id: String,
    /// `open`, `acknowledged`, `investigating`, `resolved`, `false_positive`.
    pub status: String,
    /// `critical`, `high`, `medium`, `low`, `info`.
    pub severity: String,
    /// 0 to 100.
    pub risk: u8,
    /// The parts of the risk: what, points.
    pub risk_parts: Vec<(String, u8)>,
    /// The rule's id.
    #[serde(rename = "rule.id")]
    pub rule_id: String,
    /// The rule's title.
    #[serde(rename = "rule.name")]
    pub rule_name: String,
    /// The rule's tags.
    #[serde(rename = "rule.tags")]
    pub tags: Vec<String>,
    /// The endpoint.
    #[serde(rename = "host.name")]
    pub host: String,
    /// The user, or empty.
    #[serde(rename = "user.name")]
    pub user: String,
    /// The tenant.
    #[serde(rename = "organization.id")]
    pub tenant: String,
    /// Group key: field, value.
    pub group: Vec<(String, String)>,
    /// Why it fired: field, value.
    pub matched: Vec<(String, String)>,
    /// Matches.
    pub count: u64,
    /// Event time, RFC 3339 with microseconds.
    pub first_seen: String,
    /// Event time.
    pub last_seen: String,
    /// When it was raised.
    pub created: String,
    /// When it changed last.
    pub updated: String,
    /// Ids of events.
    pub evidence: Vec<String>,
    /// Who owns it.
    pub assignee: Option<String>,
    /// The verdict in force.
    pub verdict: Option<Verdict>,
    /// Snoozed until.
    pub snoozed_until: Option<String>,
    /// From a first read of old logs.
    pub backfill: bool,
    /// The bundle it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bundle: Option<String>,
    /// It went on after it was closed.
    pub changed_since_closed: bool,
    /// Rises with every change.
    pub revision: u64,
}

/// A verdict.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// `true_positive`, `false_positive`, `benign_true_positive`, `suspicious`, `duplicate`, `insufficient_data`.
    pub kind: String,
    /// Reason codes.
    #[serde(default)]
    pub reasons: Vec<String>,
    /// `low`, `medium`, `high`.
    #[serde(default = "medium")]
    pub confidence: String,
    /// A note.
    #[serde(default)]
    pub note: String,
}

fn medium() -> String {
    Confidence::Medium.as_str().to_owned()
}

/// Something to do to alerts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Action {
    /// Set the state by hand.
    Status {
        /// The state's word.
        status: String,
    },
    /// Give a verdict.
    Verdict {
        /// The verdict.
        verdict: Verdict,
    },
    /// Take the verdict back.
    ClearVerdict,
    /// Assign to somebody; `null` to nobody.
    Assign {
        /// The name.
        assignee: Option<String>,
    },
    /// Add a note.
    Note {
        /// Its text.
        note: String,
    },
    /// Snooze; `null` wakes.
    Snooze {
        /// Until when.
        until: Option<String>,
    },
}

/// One entry of the audit log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Its number, without gaps.
    pub sequence: u64,
    /// When.
    pub at: String,
    /// Who.
    pub actor: String,
    /// From where.
    pub place: String,
    /// What about.
    pub subject: String,
    /// Which one.
    pub subject_id: String,
    /// What was done.
    pub action: String,
    /// Details, JSON as text.
    pub detail: String,
    /// The chained hash.
    pub hash: String,
}

/// An action that is not yet applied for others.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pending {
    /// Its id.
    pub id: u64,
    /// Who.
    pub actor: String,
    /// From where.
    pub place: String,
    /// Ids of alerts.
    pub alerts: Vec<String>,
    /// What.
    pub action: Action,
    /// When it was asked for.
    pub at: String,
    /// Until when it can be undone without trace.
    pub deadline: String,
}

impl From<&alert::Alert> for Alert {
    fn from(alert: &alert::Alert) -> Alert {
        Alert {
            id: alert.id.to_string(),
            status: alert.status.as_str().to_owned(),
            severity: alert.severity.as_str().to_owned(),
            risk: alert.risk,
            risk_parts: alert.risk_parts.clone(),
            rule_id: alert.rule_id.clone(),
            rule_name: alert.rule_name.clone(),
            tags: alert.tags.clone(),
            host: alert.host.clone(),
            user: alert.user.clone(),
            tenant: alert.tenant.clone(),
            group: alert.group.clone(),
            matched: alert.matched.clone(),
            count: alert.count,
            first_seen: alert.first_seen.to_string(),
            last_seen: alert.last_seen.to_string(),
            created: alert.created.to_string(),
            updated: alert.updated.to_string(),
            evidence: alert.evidence.iter().map(ToString::to_string).collect(),
            assignee: alert.assignee.clone(),
            verdict: alert.verdict.as_ref().map(Verdict::from),
            snoozed_until: alert.snoozed_until.map(|until| until.to_string()),
            backfill: alert.backfill,
            bundle: alert.bundle.map(|bundle| bundle.to_string()),
            changed_since_closed: alert.changed_since_closed,
            revision: alert.revision,
        }
    }
}

impl TryFrom<Alert> for alert::Alert {
    type Error = WireError;

    fn try_from(wire: Alert) -> Result<alert::Alert, WireError> {
        Ok(alert::Alert {
            id: id("id", &wire.id)?,
            status: status(&wire.status)?,
            severity: Severity::parse(&wire.severity)
                .ok_or_else(|| WireError::new("severity", &wire.severity))?,
            risk: wire.risk,
            risk_parts: wire.risk_parts,
            rule_id: wire.rule_id,
            rule_name: wire.rule_name,
            tags: wire.tags,
            host: wire.host,
            user: wire.user,
            tenant: wire.tenant,
            group: wire.group,
            matched: wire.matched,
            count: wire.count,
            first_seen: time("first_seen", &wire.first_seen)?,
            last_seen: time("last_seen", &wire.last_seen)?,
            created: time("created", &wire.created)?,
            updated: time("updated", &wire.updated)?,
            evidence: wire
                .evidence
                .iter()
                .map(|text| id("evidence", text))
                .collect::<Result<_, _>>()?,
            assignee: wire.assignee,
            verdict: wire.verdict.map(verdict::Verdict::try_from).transpose()?,
            snoozed_until: time_or_none("snoozed_until", wire.snoozed_until.as_deref())?,
            backfill: wire.backfill,
            bundle: wire.bundle.as_deref().map(|text| id("bundle", text)).transpose()?,
            changed_since_closed: wire.changed_since_closed,
            revision: wire.revision,
        })
    }
}

fn status(word: &str) -> Result<Status, WireError> {
    Status::parse(word).ok_or_else(|| WireError::new("status", word))
}

impl From<&verdict::Verdict> for Verdict {
    fn from(verdict: &verdict::Verdict) -> Verdict {
        Verdict {
            kind: verdict.kind.as_str().to_owned(),
            reasons: verdict.reasons.clone(),
            confidence: verdict.confidence.as_str().to_owned(),
            note: verdict.note.clone(),
        }
    }
}

impl TryFrom<Verdict> for verdict::Verdict {
    type Error = WireError;

    fn try_from(wire: Verdict) -> Result<verdict::Verdict, WireError> {
        Ok(verdict::Verdict {
            kind: VerdictKind::parse(&wire.kind)
                .ok_or_else(|| WireError::new("verdict.kind", &wire.kind))?,
            reasons: wire.reasons,
            confidence: Confidence::parse(&wire.confidence)
                .ok_or_else(|| WireError::new("verdict.confidence", &wire.confidence))?,
            note: wire.note,
        })
    }
}

impl From<&alert::Action> for Action {
    fn from(action: &alert::Action) -> Action {
        match action {
            alert::Action::Status(status) => Action::Status { status: status.as_str().to_owned() },
            alert::Action::Verdict(verdict) => Action::Verdict { verdict: verdict.into() },
            alert::Action::ClearVerdict => Action::ClearVerdict,
            alert::Action::Assign(assignee) => Action::Assign { assignee: assignee.clone() },
            alert::Action::Note(note) => Action::Note { note: note.clone() },
            alert::Action::Snooze(until) => {
                Action::Snooze { until: until.map(|until| until.to_string()) }
            }
        }
    }
}

impl TryFrom<Action> for alert::Action {
    type Error = WireError;

    fn try_from(wire: Action) -> Result<alert::Action, WireError> {
        Ok(match wire {
            Action::Status { status: word } => alert::Action::Status(status(&word)?),
            Action::Verdict { verdict } => alert::Action::Verdict(verdict.try_into()?),
            Action::ClearVerdict => alert::Action::ClearVerdict,
            Action::Assign { assignee } => alert::Action::Assign(assignee),
            Action::Note { note } => alert::Action::Note(note),
            Action::Snooze { until } => {
                alert::Action::Snooze(time_or_none("until", until.as_deref())?)
            }
        })
    }
}

impl From<&alert::AuditEntry> for AuditEntry {
    fn from(entry: &alert::AuditEntry) -> AuditEntry {
        AuditEntry {
            sequence: entry.sequence,
            at: entry.at.to_string(),
            actor: entry.actor.clone(),
            place: entry.place.clone(),
            subject: entry.subject.clone(),
            subject_id: entry.subject_id.clone(),
            action: entry.action.clone(),
            detail: entry.detail.clone(),
            hash: entry.hash.clone(),
        }
    }
}

impl TryFrom<AuditEntry> for alert::AuditEntry {
    type Error = WireError;

    fn try_from(wire: AuditEntry) -> Result<alert::AuditEntry, WireError> {
        Ok(alert::AuditEntry {
            sequence: wire.sequence,
            at: time("at", &wire.at)?,
            actor: wire.actor,
            place: wire.place,
            subject: wire.subject,
            subject_id: wire.subject_id,
            action: wire.action,
            detail: wire.detail,
            hash: wire.hash,
        })
    }
}

impl From<&alert::Pending> for Pending {
    fn from(pending: &alert::Pending) -> Pending {
        Pending {
            id: pending.id,
            actor: pending.actor.clone(),
            place: pending.place.clone(),
            alerts: pending.alerts.iter().map(ToString::to_string).collect(),
            action: (&pending.action).into(),
            at: pending.at.to_string(),
            deadline: pending.deadline.to_string(),
        }
    }
}

impl TryFrom<Pending> for alert::Pending {
    type Error = WireError;

    fn try_from(wire: Pending) -> Result<alert::Pending, WireError> {
        Ok(alert::Pending {
            id: wire.id,
            actor: wire.actor,
            place: wire.place,
            alerts: wire.alerts.iter().map(|text| id("alerts", text)).collect::<Result<_, _>>()?,
            action: wire.action.try_into()?,
            at: time("at", &wire.at)?,
            deadline: time("deadline", &wire.deadline)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::stdx::id::Id128;
    use crate::stdx::time::Timestamp;

    const HOSTILE: &str = "a\u{1b}]0;x\u{7}\u{202e}\u{0}\"\\\r\n\u{fffd}é";

    fn golden() -> serde_json::Value {
        json!({
            "id": "07070707070707070707070707070707", "status": "false_positive", "severity": "high",
            "risk": 85, "risk_parts": [["level high", 60], ["repeats", 25]],
            "rule.id": "r-1", "rule.name": HOSTILE, "rule.tags": ["attack.t1110"],
            "host.name": "web01", "user.name": "", "organization.id": "default",
            "group": [["source.ip", "192.0.2.7"]], "matched": [["event.code", "4625"]], "count": 6,
            "first_seen": "1970-01-01T00:00:00.000001Z", "last_seen": "2026-11-22T08:08:48.613002Z",
            "created": "2026-11-22T08:08:49.000000Z", "updated": "2026-11-22T08:08:50.000000Z",
            "evidence": ["000102030405060708090a0b0c0d0e0f"], "assignee": null,
            "verdict": {"kind": "false_positive", "reasons": ["other"], "confidence": "low", "note": HOSTILE},
            "snoozed_until": null, "backfill": false, "bundle": "09090909090909090909090909090909",
            "changed_since_closed": true, "revision": 3,
        })
    }

    #[test]
    fn an_alert_is_read_and_written_without_loss() {
        let wire: Alert = serde_json::from_value(golden()).unwrap();
        let model = alert::Alert::try_from(wire).unwrap();
        assert_eq!(model.rule_name, HOSTILE);
        assert_eq!(model.first_seen, Timestamp(1));
        assert_eq!(model.id, Id128([7; 16]));
        assert_eq!(serde_json::to_value(Alert::from(&model)).unwrap(), golden());
    }

    #[test]
    fn a_word_of_another_version_is_named() {
        let mut changed = golden();
        changed["status"] = json!("escalated");
        let wire: Alert = serde_json::from_value(changed).unwrap();
        let error = alert::Alert::try_from(wire).unwrap_err();
        assert_eq!(error.to_string(), "status cannot be \"escalated\"");
    }

    #[test]
    fn actions_are_read_and_written() {
        let goldens = [
            json!({"kind": "status", "status": "acknowledged"}),
            json!({"kind": "verdict", "verdict":
                {"kind": "true_positive", "reasons": [], "confidence": "medium", "note": "x"}}),
            json!({"kind": "clear_verdict"}),
            json!({"kind": "assign", "assignee": "ana"}),
            json!({"kind": "assign", "assignee": null}),
            json!({"kind": "note", "note": HOSTILE}),
            json!({"kind": "snooze", "until": "2026-11-22T08:08:49.000000Z"}),
            json!({"kind": "snooze", "until": null}),
        ];
        for golden in goldens {
            let wire: Action = serde_json::from_value(golden.clone()).unwrap();
            let model = alert::Action::try_from(wire).unwrap();
            assert_eq!(serde_json::to_value(Action::from(&model)).unwrap(), golden);
        }
    }
}
