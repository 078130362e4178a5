//! An alert's history: audit entries and notes, newest first.

use crate::model::alert::AuditEntry;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::doc::Doc;
use crate::tui::view::times::Times;

/// Members of a detail that are shown in the sentence instead.
const TEXT_MEMBERS: [&str; 2] = ["note", "text"];

/// The entries, newest first.
pub fn fill(doc: &mut Doc, history: &[AuditEntry], times: Times) {
    if history.is_empty() {
        doc.text("nothing has been done to this alert", " ", Role::TextDim);
        return;
    }
    for entry in history.iter().rev() {
        doc.spans(vec![
            (SafeText::label(" "), Role::Text),
            (times.text(entry.at), Role::TextDim),
            (SafeText::label("  "), Role::Text),
            (SafeText::line(&entry.actor), Role::TextStrong),
            (SafeText::label("  "), Role::Text),
            (SafeText::line(&entry.action.replace('_', " ")), Role::Text),
            (SafeText::label("  "), Role::TextDim),
            (SafeText::line(&entry.place), Role::TextDim),
        ]);
        let facts = facts(&entry.detail);
        if !facts.is_empty() {
            doc.text(&facts, "     ", Role::Text);
        }
        for note in notes(&entry.detail) {
            doc.text(&note, "     | ", Role::Text);
        }
    }
}

fn object(detail: &str) -> Option<serde_json::Map<String, serde_json::Value>> {
    serde_json::from_str::<serde_json::Value>(detail).ok()?.as_object().cloned()
}

/// `kind false positive, confidence high` from the detail's JSON; other text as it is.
fn facts(detail: &str) -> String {
    let Some(members) = object(detail) else { return detail.to_owned() };
    let mut words = Vec::new();
    for (name, value) in &members {
        if TEXT_MEMBERS.contains(&name.as_str()) {
            continue;
        }
        if let Some(shown) = shown(value) {
            words.push(format!("{} {shown}", name.replace('_', " ")));
        }
    }
    words.join(", ")
}

fn shown(value: &serde_json::Value) -> Option<String> {
    use serde_json::Value;
    match value {
        Value::Null => None,
        Value::String(text) if text.is_empty() => None,
        Value::String(text) => Some(text.replace('_', " ")),
        Value::Array(items) => {
            let words: Vec<String> = items.iter().filter_map(shown).collect();
            (!words.is_empty()).then(|| words.join(" "))
        }
        Value::Object(members) => {
            let words: Vec<String> = members
                .iter()
                .filter(|(name, _)| !TEXT_MEMBERS.contains(&name.as_str()))
                .filter_map(|(name, value)| {
                    shown(value).map(|value| format!("{} {value}", name.replace('_', " ")))
                })
                .collect();
            (!words.is_empty()).then(|| words.join(" "))
        }
        other => Some(other.to_string()),
    }
}

/// The notes inside a detail, one level deep.
fn notes(detail: &str) -> Vec<String> {
    let Some(members) = object(detail) else { return Vec::new() };
    let inner = members.values().filter_map(|value| value.as_object()).flatten();
    members
        .iter()
        .chain(inner)
        .filter(|(name, _)| TEXT_MEMBERS.contains(&name.as_str()))
        .filter_map(|(_, value)| value.as_str())
        .filter(|text| !text.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn details_read_as_words_and_notes_stand_apart() {
        let detail =
            r#"{"kind":"false_positive","reasons":["test_activity"],"note":"a\nb","old":null}"#;
        assert_eq!(facts(detail), "kind false positive, reasons test activity");
        assert_eq!(notes(detail), vec!["a\nb".to_owned()]);
        assert_eq!(facts("not json"), "not json");
        let nested = r#"{"verdict":{"kind":"suspicious","note":"inside"}}"#;
        assert_eq!((facts(nested).as_str(), notes(nested).len()), ("verdict kind suspicious", 1));
    }
}
