//! Stored forms, version 1: what the alert store keeps as JSON text inside its rows. Old rows must
//! stay readable for ever: fields are only added, with a default.

use serde::{Deserialize, Serialize};

use crate::model::alert::{Action, Alert, AlertId, Status};
use crate::model::episode::OpenEpisode;
use crate::model::noise::EpisodeNoise;
use crate::model::severity::Severity;
use crate::model::verdict::{Confidence, Verdict, VerdictKind};
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

/// A stored text that this version cannot read.
#[derive(Debug, thiserror::Error)]
pub enum StoredError {
    /// Not the JSON that was written.
    #[error("the stored {what} is damaged")]
    Damaged {
        /// Which form.
        what: &'static str,
        /// Why.
        source: serde_json::Error,
    },
    /// A word that this version does not know.
    #[error("the stored {what} has the unknown word {word:?}")]
    Unknown {
        /// Which form.
        what: &'static str,
        /// The word.
        word: String,
    },
}

#[derive(Serialize, Deserialize)]
struct VerdictForm {
    kind: String,
    #[serde(default)]
    reasons: Vec<String>,
    #[serde(default)]
    confidence: String,
    #[serde(default)]
    note: String,
}

#[derive(Serialize, Deserialize)]
struct DetailForm {
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    group: Vec<(String, String)>,
    #[serde(default)]
    matched: Vec<(String, String)>,
    #[serde(default)]
    risk_parts: Vec<(String, u8)>,
    #[serde(default)]
    evidence: Vec<String>,
    #[serde(default)]
    verdict: Option<VerdictForm>,
}

#[derive(Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum ActionForm {
    Status { status: String },
    Verdict { verdict: VerdictForm },
    ClearVerdict,
    Assign { assignee: Option<String> },
    Note { note: String },
    Snooze { until_us: Option<i64> },
}

#[derive(Serialize, Deserialize)]
struct EpisodeForm {
    alert: String,
    key: String,
    tenant: String,
    rule_id: String,
    rule_name: String,
    severity: u8,
    tags: Vec<String>,
    host: String,
    user: String,
    group: Vec<(String, String)>,
    matched: Vec<(String, String)>,
    count: u64,
    first_us: i64,
    last_us: i64,
    evidence: Vec<String>,
    correlated: bool,
    backfill: bool,
    risk: u8,
    risk_parts: Vec<(String, u8)>,
    touched: u64,
    #[serde(default)]
    anchor_us: i64,
    #[serde(default)]
    window_us: i64,
    #[serde(default)]
    held: bool,
    bundle: Option<String>,
    #[serde(default)]
    near: u64,
    #[serde(default)]
    fixed_parts: Vec<(String, u8)>,
}

#[derive(Serialize, Deserialize)]
struct HumanForm {
    alert: String,
    status: String,
    #[serde(default)]
    assignee: Option<String>,
    #[serde(default)]
    verdict: Option<VerdictForm>,
    #[serde(default)]
    snoozed_us: Option<i64>,
    #[serde(default)]
    changed_since_closed: bool,
}

/// The part of an alert that people set: kept before an action, so that undo can bring it back.
#[derive(Clone, Debug, PartialEq)]
pub struct HumanSide {
    /// Whose.
    pub alert: AlertId,
    /// State.
    pub status: Status,
    /// Owner.
    pub assignee: Option<String>,
    /// Verdict in force.
    pub verdict: Option<Verdict>,
    /// Snoozed until.
    pub snoozed_until: Option<Timestamp>,
    /// Went on after it was closed.
    pub changed_since_closed: bool,
}

impl HumanSide {
    /// Of an alert as it is.
    pub fn of(alert: &Alert) -> HumanSide {
        HumanSide {
            alert: alert.id,
            status: alert.status,
            assignee: alert.assignee.clone(),
            verdict: alert.verdict.clone(),
            snoozed_until: alert.snoozed_until,
            changed_since_closed: alert.changed_since_closed,
        }
    }

    /// Put it back. Raises the revision.
    pub fn restore(&self, alert: &mut Alert, at: Timestamp) {
        alert.status = self.status;
        alert.assignee.clone_from(&self.assignee);
        alert.verdict.clone_from(&self.verdict);
        alert.snoozed_until = self.snoozed_until;
        alert.changed_since_closed = self.changed_since_closed;
        alert.updated = at;
        alert.revision += 1;
    }
}

/// The fields of an alert that have no column of their own, as JSON text.
pub fn write_detail(alert: &Alert) -> String {
    to_text(&DetailForm {
        tags: alert.tags.clone(),
        group: alert.group.clone(),
        matched: alert.matched.clone(),
        risk_parts: alert.risk_parts.clone(),
        evidence: ids_out(&alert.evidence),
        verdict: alert.verdict.as_ref().map(verdict_out),
    })
}

/// Fill the fields that [`write_detail`] wrote.
pub fn read_detail(text: &str, alert: &mut Alert) -> Result<(), StoredError> {
    let form: DetailForm = from_text("alert", text)?;
    alert.tags = form.tags;
    alert.group = form.group;
    alert.matched = form.matched;
    alert.risk_parts = form.risk_parts;
    alert.evidence = ids_in("alert", &form.evidence)?;
    alert.verdict = form.verdict.map(verdict_in).transpose()?;
    Ok(())
}

/// An action as JSON text.
pub fn write_action(action: &Action) -> String {
    to_text(&match action {
        Action::Status(status) => ActionForm::Status { status: status.as_str().to_owned() },
        Action::Verdict(verdict) => ActionForm::Verdict { verdict: verdict_out(verdict) },
        Action::ClearVerdict => ActionForm::ClearVerdict,
        Action::Assign(who) => ActionForm::Assign { assignee: who.clone() },
        Action::Note(note) => ActionForm::Note { note: note.clone() },
        Action::Snooze(until) => ActionForm::Snooze { until_us: until.map(|at| at.0) },
    })
}

/// Read what [`write_action`] wrote.
pub fn read_action(text: &str) -> Result<Action, StoredError> {
    Ok(match from_text("action", text)? {
        ActionForm::Status { status } => Action::Status(status_in(&status)?),
        ActionForm::Verdict { verdict } => Action::Verdict(verdict_in(verdict)?),
        ActionForm::ClearVerdict => Action::ClearVerdict,
        ActionForm::Assign { assignee } => Action::Assign(assignee),
        ActionForm::Note { note } => Action::Note(note),
        ActionForm::Snooze { until_us } => Action::Snooze(until_us.map(Timestamp)),
    })
}

/// An open episode as JSON text.
pub fn write_episode(episode: &OpenEpisode) -> String {
    to_text(&EpisodeForm {
        alert: episode.alert.to_string(),
        key: episode.key.to_string(),
        tenant: episode.tenant.clone(),
        rule_id: episode.rule_id.clone(),
        rule_name: episode.rule_name.clone(),
        severity: episode.severity.rank(),
        tags: episode.tags.clone(),
        host: episode.host.clone(),
        user: episode.user.clone(),
        group: episode.group.clone(),
        matched: episode.matched.clone(),
        count: episode.count,
        first_us: episode.first_seen.0,
        last_us: episode.last_seen.0,
        evidence: ids_out(&episode.evidence),
        correlated: episode.correlated,
        backfill: episode.backfill,
        risk: episode.risk,
        risk_parts: episode.risk_parts.clone(),
        touched: episode.touched,
        anchor_us: episode.noise.anchor.0,
        window_us: episode.noise.window_us,
        held: episode.noise.held,
        bundle: episode.bundle.map(|bundle| bundle.to_string()),
        near: episode.near,
        fixed_parts: episode.fixed_parts.clone(),
    })
}

/// Read what [`write_episode`] wrote.
pub fn read_episode(text: &str) -> Result<OpenEpisode, StoredError> {
    let form: EpisodeForm = from_text("episode", text)?;
    Ok(OpenEpisode {
        alert: id_in("episode", &form.alert)?,
        key: id_in("episode", &form.key)?,
        severity: Severity::from_rank(form.severity)
            .ok_or_else(|| unknown("episode", &form.severity.to_string()))?,
        evidence: ids_in("episode", &form.evidence)?,
        tenant: form.tenant,
        rule_id: form.rule_id,
        rule_name: form.rule_name,
        tags: form.tags,
        host: form.host,
        user: form.user,
        group: form.group,
        matched: form.matched,
        count: form.count,
        first_seen: Timestamp(form.first_us),
        last_seen: Timestamp(form.last_us),
        correlated: form.correlated,
        backfill: form.backfill,
        risk: form.risk,
        risk_parts: form.risk_parts,
        touched: form.touched,
        noise: EpisodeNoise {
            anchor: Timestamp(form.anchor_us),
            window_us: form.window_us,
            held: form.held,
        },
        bundle: form.bundle.map(|text| id_in("episode", &text)).transpose()?,
        near: form.near,
        fixed_parts: form.fixed_parts,
    })
}

/// What an action replaced, for several alerts, as JSON text.
pub fn write_human(sides: &[HumanSide]) -> String {
    let forms: Vec<HumanForm> = sides
        .iter()
        .map(|side| HumanForm {
            alert: side.alert.to_string(),
            status: side.status.as_str().to_owned(),
            assignee: side.assignee.clone(),
            verdict: side.verdict.as_ref().map(verdict_out),
            snoozed_us: side.snoozed_until.map(|at| at.0),
            changed_since_closed: side.changed_since_closed,
        })
        .collect();
    to_text(&forms)
}

/// Read what [`write_human`] wrote.
pub fn read_human(text: &str) -> Result<Vec<HumanSide>, StoredError> {
    let forms: Vec<HumanForm> = from_text("undo row", text)?;
    forms
        .into_iter()
        .map(|form| {
            Ok(HumanSide {
                alert: id_in("undo row", &form.alert)?,
                status: status_in(&form.status)?,
                assignee: form.assignee,
                verdict: form.verdict.map(verdict_in).transpose()?,
                snoozed_until: form.snoozed_us.map(Timestamp),
                changed_since_closed: form.changed_since_closed,
            })
        })
        .collect()
}

/// Ids as a JSON list.
pub fn write_ids(ids: &[Id128]) -> String {
    to_text(&ids_out(ids))
}

/// Read what [`write_ids`] wrote.
pub fn read_ids(text: &str) -> Result<Vec<Id128>, StoredError> {
    let texts: Vec<String> = from_text("id list", text)?;
    ids_in("id list", &texts)
}

fn to_text<T: Serialize>(form: &T) -> String {
    // Strings, numbers and lists only: this cannot fail.
    serde_json::to_string(form).unwrap_or_default()
}

fn from_text<'a, T: Deserialize<'a>>(what: &'static str, text: &'a str) -> Result<T, StoredError> {
    serde_json::from_str(text).map_err(|source| StoredError::Damaged { what, source })
}

fn unknown(what: &'static str, word: &str) -> StoredError {
    StoredError::Unknown { what, word: word.to_owned() }
}

fn ids_out(ids: &[Id128]) -> Vec<String> {
    ids.iter().map(Id128::to_string).collect()
}

fn ids_in(what: &'static str, texts: &[String]) -> Result<Vec<Id128>, StoredError> {
    texts.iter().map(|text| id_in(what, text)).collect()
}

fn id_in(what: &'static str, text: &str) -> Result<Id128, StoredError> {
    Id128::parse(text).ok_or_else(|| unknown(what, text))
}

fn status_in(word: &str) -> Result<Status, StoredError> {
    Status::parse(word).ok_or_else(|| unknown("status", word))
}

fn verdict_out(verdict: &Verdict) -> VerdictForm {
    VerdictForm {
        kind: verdict.kind.as_str().to_owned(),
        reasons: verdict.reasons.clone(),
        confidence: verdict.confidence.as_str().to_owned(),
        note: verdict.note.clone(),
    }
}

fn verdict_in(form: VerdictForm) -> Result<Verdict, StoredError> {
    Ok(Verdict {
        kind: VerdictKind::parse(&form.kind).ok_or_else(|| unknown("verdict", &form.kind))?,
        confidence: Confidence::parse(&form.confidence).unwrap_or_default(),
        reasons: form.reasons,
        note: form.note,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn actions_keep_their_written_form() {
        let verdict = Verdict {
            kind: VerdictKind::BenignTruePositive,
            reasons: vec!["approved_change".into()],
            confidence: Confidence::High,
            note: "a\u{1b}]0;x\u{7}\n\"q\"".into(),
        };
        let golden = [
            (
                Action::Status(Status::FalsePositive),
                r#"{"kind":"status","status":"false_positive"}"#,
            ),
            (
                Action::Verdict(verdict),
                r#"{"kind":"verdict","verdict":{"kind":"benign_true_positive","reasons":["approved_change"],"confidence":"high","note":"a\u001b]0;x\u0007\n\"q\""}}"#,
            ),
            (Action::ClearVerdict, r#"{"kind":"clear_verdict"}"#),
            (Action::Assign(None), r#"{"kind":"assign","assignee":null}"#),
            (Action::Note("n".into()), r#"{"kind":"note","note":"n"}"#),
            (Action::Snooze(Some(Timestamp(5))), r#"{"kind":"snooze","until_us":5}"#),
        ];
        for (action, text) in golden {
            assert_eq!(write_action(&action), text);
            assert_eq!(read_action(text).unwrap(), action);
        }
        assert!(read_action(r#"{"kind":"status","status":"x"}"#).is_err());
        assert!(read_action("{").is_err());
    }
}
