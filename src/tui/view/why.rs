//! Why an alert's rule held for its first event: the condition tree with what was wanted and what was there.

use crate::model::explanation::{Explanation, Row, RowKind};
use crate::tui::paint::format;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::doc::Doc;

/// What stands before a row of the tree; the deepest trees of public packs have eight levels.
const INDENT: &str = "                        ";
/// Columns a level goes in.
const STEP: usize = 2;
/// Columns that values stand further in than their test.
const VALUE_STEP: usize = 4;

/// The explanation.
pub fn fill(doc: &mut Doc, found: &Explanation) {
    doc.spans(vec![
        (SafeText::label(" event of "), Role::Text),
        (format::date_time(found.timestamp), Role::Text),
        (SafeText::label("  "), Role::Text),
        (SafeText::line(&found.host), Role::TextStrong),
        (SafeText::label("  "), Role::Text),
        (SafeText::line(&found.source_is), Role::TextDim),
    ]);
    doc.text(&format!("rule: {}", found.rule_title), " ", Role::Text);
    if !found.source_fits {
        let (wanted, is) = (&found.source_wanted, &found.source_is);
        let text = format!("the rule is for {wanted}; the event is {is}");
        doc.text(&text, " ", Role::TextWarning);
    }
    if !found.holds {
        let text = "as the rule is written now, it does not hold for this event; missing:";
        doc.text(text, " ", Role::TextWarning);
        for missing in &found.missing {
            doc.text(missing, "   ", Role::TextWarning);
        }
    }
    doc.blank();
    for row in &found.rows {
        fill_row(doc, row);
    }
    if found.rows_left_out > 0 {
        doc.text(&format!("... {} more rows", found.rows_left_out), " ", Role::TextDim);
    }
}

fn fill_row(doc: &mut Doc, row: &Row) {
    let depth = usize::from(row.depth) * STEP + 1;
    let role = if row.holds { Role::Text } else { Role::TextDim };
    let mark = if row.holds { "yes " } else { "no  " };
    let mut text = format!("{mark} {}", row.name);
    match row.kind {
        RowKind::Named if !row.wanted.is_empty() => text.push_str(&format!(": {}", row.wanted)),
        RowKind::Group | RowKind::Not | RowKind::Named => {}
        RowKind::Field | RowKind::Keyword | RowKind::Array => {
            text.push(' ');
            text.push_str(&row.wanted);
        }
    }
    doc.text(&text, indent(depth), role);
    if !matches!(row.kind, RowKind::Field | RowKind::Keyword | RowKind::Array) {
        return;
    }
    let below = indent(depth + VALUE_STEP + 1);
    let there = match &row.actual {
        Some(actual) if row.ours.is_empty() => actual.clone(),
        Some(actual) => format!("{} = {actual}", row.ours),
        None if row.ours.is_empty() => return,
        None => format!("the event has no {}", row.ours),
    };
    doc.text(&there, below, if row.holds { Role::TextStrong } else { Role::TextDim });
    if !row.value.is_empty() {
        let word = if row.holds { "fits" } else { "missing" };
        doc.text(&format!("{word}: {}", row.value), below, Role::TextDim);
    }
}

fn indent(columns: usize) -> &'static str {
    INDENT.get(..columns.min(INDENT.len())).unwrap_or_default()
}
