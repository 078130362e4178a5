//! JSON objects of a shape nobody taught us: kept, flattened, searchable, and never rejected for being strange.

use crate::model::event::{Event, Value};
use crate::model::field;
use crate::normalise::Context;
use crate::normalise::complete::{self, EventTime, Place};
use crate::normalise::document::Document;
use crate::normalise::names::Names;
use crate::normalise::output::Output;
use crate::normalise::redact::Redaction;
use crate::normalise::time;

/// Keys at the root, in order of trust, that may state when it happened.
const TIME_KEYS: &[&str] = &[
    "@timestamp",
    "timestamp",
    "time",
    "eventTime",
    "event_time",
    "ts",
    "datetime",
    "date",
    "Timestamp",
    "TimeGenerated",
    "TimeCreated",
    "created_at",
    "requestReceivedTimestamp",
    "stageTimestamp",
    "time_local",
];
/// Keys at the root that may name the host.
const HOST_KEYS: &[&str] =
    &["hostname", "Hostname", "host", "computer_name", "Computer", "node", "_HOSTNAME"];

/// Decode any JSON object.
pub fn decode(
    context: &Context<'_>,
    document: &Document,
    names: &mut Names,
    original: &str,
    out: &mut Output,
) {
    let redaction =
        Redaction::of_document(&context.settings.redactor, document, original.as_bytes());
    let mut event = Event::with_capacity(
        document.leaves().len() + 12,
        document.text_bytes() + context.room_for_original(original) + 256,
    );
    event.fields_dropped = document.left_out;
    event.id = context.place_id();
    for leaf in document.leaves().iter().copied() {
        let Some(to) = names.plain_field(leaf.node) else {
            event.fields_dropped += 1;
            continue;
        };
        // These are struct fields of an event; the record's own time is read below.
        if matches!(to.name(), "@timestamp" | "event.id" | "event.ingested") {
            continue;
        }
        let value = document.value(leaf);
        match redaction.value(names.key(leaf.node), value, &mut out.redacted) {
            Some(clean) => event.push_str(to, &clean),
            None => event.push_value(to, value),
        }
    }
    let time = event_time(document, names);
    let host = event.str(field::HOST_NAME).map(str::to_owned).or_else(|| host(document, names));
    let place = Place::of(context);
    complete::finish(&mut event, time, host.as_deref(), None, &place, out);
    if context.settings.keep_original {
        event.push_str(field::EVENT_ORIGINAL, &redaction.json(original));
    }
    out.event(event);
}

fn event_time(document: &Document, names: &Names) -> EventTime {
    let mut problem = "missing_time";
    for key in TIME_KEYS {
        let Some(value) = at_root(document, names, key) else { continue };
        let written = match value {
            Value::Str(text) => time::parse(text),
            Value::Int(number) => return epoch(number as f64),
            Value::Float(number) => return epoch(number),
            Value::Bool(_) | Value::Null => continue,
        };
        match written {
            Some(written) => match written.instant() {
                Some(at) => return EventTime::At(at),
                None => return EventTime::Guessed(written.instant_or_utc(), "no_zone"),
            },
            None => problem = "bad_time",
        }
    }
    EventTime::None(problem)
}

fn epoch(number: f64) -> EventTime {
    time::from_epoch_number(number).map_or(EventTime::None("bad_time"), EventTime::At)
}

fn host(document: &Document, names: &Names) -> Option<String> {
    HOST_KEYS.iter().find_map(|key| {
        let text = at_root(document, names, key)?.as_str()?;
        (!text.is_empty()).then(|| text.to_owned())
    })
}

fn at_root<'a>(document: &'a Document, names: &Names, key: &str) -> Option<Value<'a>> {
    let node = names.known_child_of_root(key)?;
    let leaf = document.leaves().iter().find(|leaf| leaf.node == node)?;
    Some(document.value(*leaf))
}
