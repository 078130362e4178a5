//! A bundle in the queue: the sign and title of its row, and what the preview says of it.

use crate::model::alert::Alert;
use crate::model::risk;
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::bundles::{self, Bundle};
use crate::tui::desk_model::times::TimeForm;
use crate::tui::paint::format;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::doc::Doc;
use crate::tui::view::parts::{severity_role, state};
use crate::tui::view::times::Times;

const LABEL_COLUMNS: usize = 8;

/// `[+]` closed, `[-]` open, an indent for an alert of an open bundle.
pub(super) fn sign(model: &DeskModel, alert: &Alert) -> SafeText {
    let rows = model.rows().bundles();
    SafeText::label(match (rows.get(alert.id), rows.of(alert.id)) {
        (Some(_), _) if rows.is_open(alert.id) => "[-] ",
        (Some(_), _) => "[+] ",
        (None, Some(_)) => "    ",
        (None, None) => "",
    })
}

/// What the row is called: the rule, or how many alerts and which way they go. Untrusted text.
pub(super) fn title(model: &DeskModel, alert: &Alert) -> String {
    if model.rows().bundles().get(alert.id).is_none() {
        return alert.rule_name.clone();
    }
    let tactics = bundles::tactics(alert);
    if tactics.is_empty() {
        return format!("{} alerts: {}", alert.count, alert.rule_name);
    }
    format!("{} alerts {tactics}: {}", alert.count, alert.rule_name)
}

/// The preview: risk with its parts, tactics, time, then every alert in the order of events.
pub(super) fn fill(doc: &mut Doc, model: &DeskModel, bundle: &Bundle, tall: bool) {
    let row = &bundle.row;
    let field = |doc: &mut Doc, label, text: &str| {
        doc.field(&SafeText::label(label), LABEL_COLUMNS, text);
    };
    let opened = model.rows().bundles().is_open(row.id);
    let keys = if opened { "left closes it" } else { "enter opens it" };
    field(doc, "bundle", &format!("{} alerts on {}; {keys}", row.count, row.host));
    if tall {
        field(doc, "verdict", "one given here is for all that are open");
        field(doc, "risk", &risk::sentence(row.risk, &row.risk_parts));
        field(doc, "id", &row.id.to_string());
    }
    field(doc, "att&ck", &bundles::tactics(row));
    let (first, last) = (format::date_time(row.first_seen), format::date_time(row.last_seen));
    field(doc, "seen", &format!("first {}   last {}", first.as_str(), last.as_str()));
    let mut alerts: Vec<&Alert> =
        bundle.members.iter().filter_map(|id| Some(&**model.rows().get(*id)?)).collect();
    alerts.sort_by_key(|alert| (alert.first_seen, alert.id));
    let times = Times::of(model, TimeForm::Clock);
    for alert in alerts {
        let mut risk = SafeText::label("  ");
        risk.push(&format::number(u64::from(alert.risk))).push_label("  ");
        let mut status = SafeText::label("  ");
        status.push_label(state(alert.status).0);
        doc.spans(vec![
            (SafeText::label(" "), Role::Text),
            (times.text(alert.first_seen), Role::TextDim),
            (SafeText::label("  "), Role::Text),
            (format::severity(alert.severity), severity_role(alert.severity)),
            (risk, Role::Text),
            (SafeText::line(&alert.rule_name), Role::Text),
            (status, Role::TextDim),
        ]);
    }
}
