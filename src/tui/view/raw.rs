//! Events field by field, in the order in which they were filled.

use crate::model::event::Event;
use crate::tui::paint::format;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::doc::Doc;

const NAME_COLUMNS: usize = 32;

/// One of several events.
pub fn fill(doc: &mut Doc, events: &[Event], at: usize) {
    let Some(event) = events.get(at) else {
        doc.text("no evidence event is stored any more", " ", Role::TextDim);
        return;
    };
    let mut head = SafeText::label(" event ");
    head.push(&format::number(at as u64 + 1)).push_label(" of ");
    head.push(&format::number(events.len() as u64));
    if events.len() > 1 {
        head.push_label(" (n next, N previous)");
    }
    doc.spans(vec![(head, Role::TextStrong)]);
    fill_event(doc, event);
}

/// One event.
pub fn fill_event(doc: &mut Doc, event: &Event) {
    let name = |label| SafeText::label(label);
    doc.field(&name("@timestamp"), NAME_COLUMNS, &event.timestamp.to_string());
    doc.field(&name("event.ingested"), NAME_COLUMNS, &event.ingested.to_string());
    doc.field(&name("event.id"), NAME_COLUMNS, &event.id.to_string());
    doc.field(&name("class"), NAME_COLUMNS, event.class.as_str());
    if event.records > 1 {
        doc.field(&name("made of records"), NAME_COLUMNS, &event.records.to_string());
    }
    for (field, value) in event.iter() {
        doc.field(&SafeText::line(field.name()), NAME_COLUMNS, &value.to_text());
    }
    if event.fields_dropped > 0 {
        let text = format!("{} more fields were over the limit and left out", event.fields_dropped);
        doc.text(&text, " ", Role::TextWarning);
    }
}
