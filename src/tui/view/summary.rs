//! An alert in words: the preview's lines and the Summary tab.

use std::borrow::Cow;

use crate::model::alert::Alert;
use crate::model::desk::AlertDetail;
use crate::model::event::Event;
use crate::model::field::{self, FieldId};
use crate::model::risk;
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::times::TimeForm;
use crate::tui::paint::format;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::doc::Doc;
use crate::tui::view::parts::{age, has_hidden, state_long};
use crate::tui::view::times::Times;

const LABEL_COLUMNS: usize = 8;
const FIELD_COLUMNS: usize = 34;
/// Evidence events that the Summary lists in one line each.
const EVENTS_LISTED_MAX: usize = 30;
/// A path keeps its beginning in one line if that is no longer, in bytes.
const PATH_BEGIN_MAX: usize = 12;
/// Lines of the short preview that say why.
const WHY_LINES: usize = 2;

/// The preview of a few lines: why first.
pub fn fill_short(doc: &mut Doc, model: &DeskModel, alert: &Alert) {
    let words = flags(model, alert);
    let lines = if words.is_empty() { WHY_LINES } else { WHY_LINES - 1 };
    doc.field_short(&SafeText::label("why"), LABEL_COLUMNS, &why(alert), lines);
    doc.field(&SafeText::label("who"), LABEL_COLUMNS, &who(alert));
    doc.field(&SafeText::label("att&ck"), LABEL_COLUMNS, &techniques(alert));
    doc.field(&SafeText::label("seen"), LABEL_COLUMNS, &seen(alert));
    doc.field(&SafeText::label("state"), LABEL_COLUMNS, &state_line(alert));
    if !words.is_empty() {
        doc.field_role(&SafeText::label("note"), LABEL_COLUMNS, &words, Role::TextWarning);
    }
}

/// The Summary: everything that is known without looking into an event.
pub fn fill(doc: &mut Doc, model: &DeskModel, alert: &Alert, detail: Option<&AlertDetail>) {
    doc.field(&SafeText::label("state"), LABEL_COLUMNS, &state_line(alert));
    if let Some(verdict) = alert.verdict.as_ref().filter(|verdict| !verdict.note.is_empty()) {
        doc.field(&SafeText::label("verdict"), LABEL_COLUMNS, &verdict.note);
    }
    doc.field(&SafeText::label("who"), LABEL_COLUMNS, &who(alert));
    doc.field(&SafeText::label("seen"), LABEL_COLUMNS, &seen(alert));
    let parts = risk::lines(alert.risk, &alert.risk_parts);
    doc.field(&SafeText::label("risk"), LABEL_COLUMNS, &alert.risk.to_string());
    for part in parts {
        doc.field(&SafeText::label(""), LABEL_COLUMNS, &part);
    }
    doc.field(&SafeText::label("att&ck"), LABEL_COLUMNS, &techniques(alert));
    let words = flags(model, alert);
    if !words.is_empty() {
        doc.field_role(&SafeText::label("note"), LABEL_COLUMNS, &words, Role::TextWarning);
    }
    doc.blank();
    doc.heading(" Why it fired");
    for (name, value) in &alert.matched {
        doc.field(&SafeText::line(name), FIELD_COLUMNS, value);
        let rarity = detail.and_then(|detail| detail.rarity.iter().find(|one| one.field == *name));
        if let Some(rarity) = rarity {
            let role = if rarity.seen == 0 { Role::TextWarning } else { Role::TextDim };
            doc.field_role(&SafeText::label(""), FIELD_COLUMNS, &rarity.words(), role);
        }
    }
    if alert.matched.is_empty() {
        doc.text("no matched field is kept with this alert", " ", Role::TextDim);
    }
    if !alert.group.is_empty() {
        doc.field(&SafeText::label("counted by"), FIELD_COLUMNS, &group_text(alert));
    }
    fill_rule(doc, alert, detail);
    fill_events(doc, model, alert, detail);
}

fn fill_rule(doc: &mut Doc, alert: &Alert, detail: Option<&AlertDetail>) {
    doc.blank();
    doc.heading(" Rule");
    doc.field(&SafeText::label("id"), LABEL_COLUMNS, &alert.rule_id);
    let Some(rule) = detail.and_then(|detail| detail.rule.as_ref()) else { return };
    doc.field(&SafeText::label("file"), LABEL_COLUMNS, &format!("{}:{}", rule.file, rule.line));
    if !rule.description.is_empty() {
        doc.field(
            &SafeText::label("about"),
            LABEL_COLUMNS,
            rule.description.trim_matches([' ', '\n']),
        );
    }
    if !rule.false_positives.is_empty() {
        doc.field(&SafeText::label("benign"), LABEL_COLUMNS, &rule.false_positives.join("; "));
    }
}

fn fill_events(doc: &mut Doc, model: &DeskModel, alert: &Alert, detail: Option<&AlertDetail>) {
    doc.blank();
    doc.heading(" Evidence (3 shows every field)");
    let Some(detail) = detail else {
        doc.text("reading ...", " ", Role::TextDim);
        return;
    };
    let times = Times::of(model, TimeForm::Clock);
    for event in detail.events.iter().take(EVENTS_LISTED_MAX) {
        doc.spans(vec![
            (SafeText::label(" "), Role::Text),
            (times.text(event.timestamp), Role::TextDim),
            (SafeText::label("  "), Role::Text),
            (SafeText::line(&one_line(event)), Role::Text),
        ]);
    }
    let kept = alert.evidence.len();
    if detail.events.len() > EVENTS_LISTED_MAX {
        let over = detail.events.len() - EVENTS_LISTED_MAX;
        doc.text(&format!("and {over} more"), " ", Role::TextDim);
    }
    if detail.events.len() < kept {
        let gone = kept - detail.events.len();
        doc.text(&format!("{gone} evidence events are no longer stored"), " ", Role::TextDim);
    }
    if (kept as u64) < alert.count {
        let text = format!("{} matches in all, {kept} kept as evidence", alert.count);
        doc.text(&text, " ", Role::TextDim);
    }
}

/// An event in one line: what it is and the fields that say most.
pub fn one_line(event: &Event) -> String {
    let mut text = event.str(field::EVENT_ACTION).unwrap_or(event.class.as_str()).to_owned();
    if let Some(code) = event.get(field::EVENT_CODE) {
        text.push_str(&format!(" ({})", code.to_text()));
    }
    let most = [
        (field::USER_NAME, "user "),
        (field::SOURCE_IP, "from "),
        (field::DESTINATION_IP, "to "),
        (field::PROCESS_COMMAND_LINE, ""),
    ];
    for (id, label) in most {
        if let Some(value) = event.get(id) {
            text.push_str(&format!("  {label}{}", value.to_text()));
        }
    }
    if !event.has(field::PROCESS_COMMAND_LINE) {
        let script = FieldId::lookup("powershell.file.script_block_text");
        let rest = [
            field::DNS_QUESTION_NAME,
            field::REGISTRY_PATH,
            field::FILE_PATH,
            field::PROCESS_EXECUTABLE,
            field::SERVICE_NAME,
            field::MESSAGE,
        ];
        if let Some(value) = script.into_iter().chain(rest).find_map(|id| event.get(id)) {
            text.push_str(&format!("  {}", value.to_text()));
        }
    }
    // Whose memory was opened or written to says more than who did it.
    let target = FieldId::lookup("winlog.event_data.TargetImage").and_then(|id| event.get(id));
    if let Some(target) = target {
        text.push_str(&format!(" -> {}", target.to_text()));
    }
    text
}

fn who(alert: &Alert) -> String {
    let user = if alert.user.is_empty() { "-" } else { &alert.user };
    let host = if alert.host.is_empty() { "-" } else { &alert.host };
    format!("host {host}   user {user}   owner {}", alert.assignee.as_deref().unwrap_or("-"))
}

fn state_line(alert: &Alert) -> String {
    let mut text = state_long(alert.status).to_owned();
    if let Some(verdict) = &alert.verdict {
        text.push_str(&format!(
            "   verdict {} ({} confidence)",
            verdict.kind.as_str().replace('_', " "),
            verdict.confidence.as_str()
        ));
        if !verdict.reasons.is_empty() {
            text.push_str(&format!(": {}", verdict.reasons.join(", ").replace('_', " ")));
        }
    }
    text
}

fn seen(alert: &Alert) -> String {
    format!(
        "first {}   last {}   matches {}",
        format::date_time(alert.first_seen).as_str(),
        format::date_time(alert.last_seen).as_str(),
        alert.count
    )
}

/// What matched, and what a correlation counted by, in one line.
fn why(alert: &Alert) -> String {
    let pairs: Vec<String> = alert
        .matched
        .iter()
        .map(|(name, value)| format!("{name} = {}", end_of_path(name, value)))
        .collect();
    let mut text = pairs.join("   ");
    if !alert.group.is_empty() {
        if !text.is_empty() {
            text.push_str("   ");
        }
        text.push_str(&format!("counted by {}", group_text(alert)));
    }
    text
}

/// Of the path of a program or file its folder and name: there is little room, and the end says what it is.
fn end_of_path<'v>(name: &str, value: &'v str) -> Cow<'v, str> {
    let is_path = name.ends_with(".executable") || name.ends_with("file.path");
    let mut ends = value.rmatch_indices(['\\', '/']).map(|(at, _)| at);
    match ends.nth(1) {
        Some(at) if is_path && at > PATH_BEGIN_MAX => {
            Cow::Owned(format!("..{}", value.get(at..).unwrap_or(value)))
        }
        _ => Cow::Borrowed(value),
    }
}

fn group_text(alert: &Alert) -> String {
    let pairs: Vec<String> =
        alert.group.iter().map(|(name, value)| format!("{name} = {value}")).collect();
    pairs.join(", ")
}

/// `T1003.001 T1059 credential-access` from `attack.t1003.001` and the like; other tags as they are.
fn techniques(alert: &Alert) -> String {
    let mut words: Vec<String> = Vec::new();
    for tag in &alert.tags {
        let word = tag.strip_prefix("attack.").unwrap_or(tag);
        let technique = word
            .strip_prefix('t')
            .is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
        words.push(if technique { word.to_ascii_uppercase() } else { word.replace('_', "-") });
    }
    words.sort_by_key(|word| !word.starts_with('T'));
    if words.is_empty() { "-".to_owned() } else { words.join("  ") }
}

/// The row's signs in words.
fn flags(model: &DeskModel, alert: &Alert) -> String {
    let flags = model.flags(alert);
    let mut words = Vec::new();
    if flags.pending {
        words.push("your action can still be undone (u)".to_owned());
    }
    if let Some(until) = alert.snoozed_until.filter(|until| *until > model.now()) {
        words.push(format!("snoozed until {}", format::date_time(until).as_str()));
    }
    if alert.changed_since_closed {
        words.push(format!(
            "went on after it was closed ({})",
            age(alert.last_seen, model.now()).as_str()
        ));
    }
    if has_hidden(alert) {
        words.push("contains hidden characters, shown as marks".to_owned());
    }
    if alert.backfill {
        words.push("from old logs (backfill)".to_owned());
    }
    words.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_long_path_the_end_is_shown() {
        let word = r"C:\Program Files\Microsoft Office\root\Office16\WINWORD.EXE";
        assert_eq!(end_of_path("process.parent.executable", word), r"..\Office16\WINWORD.EXE");
        let short = r"C:\Windows\System32\cmd.exe";
        assert_eq!(end_of_path("process.executable", short), short);
        assert_eq!(end_of_path("process.command_line", word), word);
        assert_eq!(end_of_path("file.path", "/var/lib/tomcat9/webapps/é.jsp"), "../webapps/é.jsp");
    }
}
