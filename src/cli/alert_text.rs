//! One alert with everything about it, as text for a person or as JSON for a script.

use std::fmt::Write;

use crate::cli::output::plain;
use crate::model::alert::AuditEntry;
use crate::model::desk::AlertDetail;
use crate::model::inference::Inference;
use crate::model::inference::story::{self, Story};
use crate::model::risk;
use crate::wire::event_v1;
use crate::wire::similar_v1::Similar;

/// Everything as one JSON object.
pub(crate) fn json(detail: &AlertDetail) -> serde_json::Value {
    let alert = &detail.alert;
    let pairs = |pairs: &[(String, String)]| -> Vec<serde_json::Value> {
        pairs.iter().map(|(field, value)| serde_json::json!([field, value])).collect()
    };
    serde_json::json!({
        "id": alert.id.to_string(),
        "status": alert.status.as_str(),
        "severity": alert.severity.as_str(),
        "risk": alert.risk,
        "risk_parts": alert.risk_parts.iter().map(|(what, points)| serde_json::json!([what, points])).collect::<Vec<_>>(),
        "bundle": alert.bundle.map(|bundle| bundle.to_string()),
        "rule": {"id": alert.rule_id, "name": alert.rule_name, "tags": alert.tags},
        "host": {"name": alert.host},
        "user": {"name": alert.user},
        "group": pairs(&alert.group),
        "matched": pairs(&alert.matched),
        "rarity": detail.rarity.iter().map(|one| serde_json::json!({
            "field": one.field, "seen": one.seen, "of": one.of,
        })).collect::<Vec<_>>(),
        "similar": detail.similar.iter().map(Similar::from).collect::<Vec<_>>(),
        "count": alert.count,
        "first_seen": alert.first_seen.to_string(),
        "last_seen": alert.last_seen.to_string(),
        "assignee": alert.assignee,
        "snoozed_until": alert.snoozed_until.map(|at| at.to_string()),
        "backfill": alert.backfill,
        "verdict": alert.verdict.as_ref().map(|verdict| serde_json::json!({
            "kind": verdict.kind.as_str(), "reasons": verdict.reasons,
            "confidence": verdict.confidence.as_str(), "note": verdict.note,
        })),
        "events": detail.events.iter().map(event_v1::to_nested).collect::<Vec<_>>(),
        "history": detail.history.iter().map(entry).collect::<Vec<_>>(),
    })
}

fn entry(entry: &AuditEntry) -> serde_json::Value {
    serde_json::json!({
        "sequence": entry.sequence, "at": entry.at.to_string(), "actor": entry.actor,
        "place": entry.place, "action": entry.action,
        "detail": serde_json::from_str::<serde_json::Value>(&entry.detail)
            .unwrap_or_else(|_| entry.detail.clone().into()),
        "hash": entry.hash,
    })
}

/// What a model says of the alert, why, and what the score would be without each part.
fn told(detail: &AlertDetail) -> Vec<String> {
    let Some(inference) = Inference::newest(&detail.events) else { return Vec::new() };
    let story = Story::new(&inference, &detail.events);
    let mut lines =
        vec![inference.line(), inference.unusual(), inference.together(), inference.rules_say()];
    lines.retain(|line| !line.is_empty());
    if inference.ablation.is_some() {
        lines.push(story.sentence.clone());
    }
    let score = inference.score.unwrap_or(0.0);
    for (what, drop) in story::factors(&inference, &story) {
        lines.push(format!("{:.3} without {what} ({drop:+.3})", score - f64::from(drop)));
    }
    lines
}

/// Everything as lines of text; hidden characters are replaced.
pub(crate) fn text(detail: &AlertDetail) -> String {
    let alert = &detail.alert;
    let mut out = String::new();
    let mut line = |label: &str, value: &str| {
        let _ = writeln!(out, "{label:<11} {}", plain(value).replace('\n', " "));
    };
    line("alert", &alert.id.to_string());
    line("rule", &format!("{} ({})", alert.rule_name, alert.rule_id));
    line("severity", alert.severity.as_str());
    line("risk", &alert.risk.to_string());
    for part in risk::lines(alert.risk, &alert.risk_parts) {
        line("", &format!("  {part}"));
    }
    if let Some(bundle) = alert.bundle {
        line("bundle", &bundle.to_string());
    }
    line("status", alert.status.as_str());
    line("host", &alert.host);
    line("user", &alert.user);
    line("count", &alert.count.to_string());
    line("first seen", &alert.first_seen.to_string());
    line("last seen", &alert.last_seen.to_string());
    line("assignee", alert.assignee.as_deref().unwrap_or("-"));
    if let Some(verdict) = &alert.verdict {
        line("verdict", &format!("{} {}", verdict.kind.as_str(), verdict.note));
    }
    for (field, value) in alert.group.iter().chain(&alert.matched) {
        let rarity = detail.rarity.iter().find(|one| one.field == *field);
        let rarity = rarity.map(|one| format!("   [{}]", one.words())).unwrap_or_default();
        line("why", &format!("{field} = {value}{rarity}"));
    }
    line("tags", &alert.tags.join(" "));
    for text in told(detail) {
        line("model", &text);
    }
    for similar in &detail.similar {
        line("similar", &format!("{} {}", similar.alert, similar.line()));
    }
    for event in &detail.events {
        let what = event
            .str(crate::model::field::PROCESS_COMMAND_LINE)
            .or_else(|| event.str(crate::model::field::MESSAGE))
            .unwrap_or("");
        line("event", &format!("{} {} {} {what}", event.timestamp, event.id, event.class));
    }
    for entry in &detail.history {
        let by = format!("{} {} by {} ({})", entry.at, entry.action, entry.actor, entry.place);
        line("history", &format!("{by} {}", entry.detail));
    }
    out
}
