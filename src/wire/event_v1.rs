//! An event as JSON: nested ECS for people and other systems, flat dotted keys for our own event log.

use serde_json::{Map, Value as Json};

use crate::model::class::Class;
use crate::model::event::{Event, Value};
use crate::model::field::FieldId;
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

/// Keys that are struct fields of [`Event`], not entries of its table.
const ID: &str = "event.id";
const AT: &str = "@timestamp";
const INGESTED: &str = "event.ingested";
const CLASS: &str = "watchfloor.class";
const RECORDS: &str = "watchfloor.records";

/// Append the event as one flat JSON object with dotted keys, without a line end. Lists are arrays.
pub fn write_flat(event: &Event, out: &mut Vec<u8>) {
    let head = head(event);
    out.push(b'{');
    let mut first = true;
    for (key, value) in &head {
        write_key(key, &mut first, out);
        write_json(value, out);
    }
    let fields: Vec<(FieldId, Value<'_>)> = event.iter().collect();
    for (index, (field, value)) in fields.iter().enumerate() {
        let earlier = fields.get(..index).unwrap_or_default();
        if earlier.iter().any(|(known, _)| known == field) {
            continue;
        }
        write_key(field.name(), &mut first, out);
        let later = fields.get(index + 1..).unwrap_or_default();
        if later.iter().any(|(known, _)| known == field) {
            out.push(b'[');
            for (position, item) in event.all(*field).enumerate() {
                if position > 0 {
                    out.push(b',');
                }
                write_value(item, out);
            }
            out.push(b']');
        } else {
            write_value(*value, out);
        }
    }
    out.push(b'}');
}

/// Read what [`write_flat`] wrote. `None`: not such a document.
pub fn read_flat(bytes: &[u8]) -> Option<Event> {
    let document: Map<String, Json> = serde_json::from_slice(bytes).ok()?;
    let text = |key: &str| document.get(key).and_then(Json::as_str);
    let mut event = Event::with_capacity(document.len(), bytes.len());
    event.id = Id128::parse(text(ID)?)?;
    event.timestamp = Timestamp::parse_rfc3339(text(AT)?)?;
    event.ingested = text(INGESTED).and_then(Timestamp::parse_rfc3339).unwrap_or_default();
    event.class = text(CLASS).and_then(Class::parse).unwrap_or_default();
    let records = document.get(RECORDS).and_then(Json::as_u64).unwrap_or(1);
    event.records = u32::try_from(records).unwrap_or(u32::MAX);
    for (key, value) in &document {
        if [ID, AT, INGESTED, CLASS, RECORDS].contains(&key.as_str()) {
            continue;
        }
        match value {
            Json::Array(items) => items.iter().for_each(|item| push(&mut event, key, item)),
            other => push(&mut event, key, other),
        }
    }
    Some(event)
}

/// The event as one nested ECS document.
pub fn to_nested(event: &Event) -> Json {
    let mut root = Map::new();
    for (key, value) in head(event) {
        insert_nested(&mut root, key, value);
    }
    for (field, value) in event.iter() {
        insert_nested(&mut root, field.name(), to_json(value));
    }
    Json::Object(root)
}

fn head(event: &Event) -> Vec<(&'static str, Json)> {
    let mut head = vec![
        (AT, Json::from(event.timestamp.to_string())),
        (ID, Json::from(event.id.to_string())),
        (INGESTED, Json::from(event.ingested.to_string())),
        (CLASS, Json::from(event.class.as_str())),
    ];
    if event.records > 1 {
        head.push((RECORDS, Json::from(event.records)));
    }
    head
}

fn push(event: &mut Event, key: &str, value: &Json) {
    match value {
        Json::String(text) => event.push_named(key, Value::Str(text)),
        Json::Number(number) => match number.as_i64() {
            Some(whole) => event.push_named(key, Value::Int(whole)),
            None => event.push_named(key, Value::Float(number.as_f64().unwrap_or(f64::NAN))),
        },
        Json::Bool(truth) => event.push_named(key, Value::Bool(*truth)),
        Json::Null => event.push_named(key, Value::Null),
        Json::Array(_) | Json::Object(_) => event.fields_dropped += 1,
    }
}

/// Put `value` under a dotted path. A second value makes an array; where a path runs into a plain
/// value, the rest of the path is kept as a dotted key beside it, so that nothing is lost.
fn insert_nested(map: &mut Map<String, Json>, path: &str, value: Json) {
    if let Some((head, rest)) = path.split_once('.') {
        let child = map.entry(head).or_insert_with(|| Json::Object(Map::new()));
        if let Json::Object(inner) = child {
            insert_nested(inner, rest, value);
            return;
        }
    }
    match map.get_mut(path) {
        None => {
            map.insert(path.to_owned(), value);
        }
        Some(Json::Array(items)) => items.push(value),
        Some(Json::Object(_)) => {
            map.insert(format!("{path}.value"), value);
        }
        Some(existing) => {
            let before = existing.take();
            *existing = Json::Array(vec![before, value]);
        }
    }
}

fn to_json(value: Value<'_>) -> Json {
    match value {
        Value::Str(text) => Json::from(text),
        Value::Int(number) => Json::from(number),
        Value::Float(number) => Json::from(number),
        Value::Bool(truth) => Json::from(truth),
        Value::Null => Json::Null,
    }
}

fn write_key(key: &str, first: &mut bool, out: &mut Vec<u8>) {
    if !std::mem::replace(first, false) {
        out.push(b',');
    }
    write_text(key, out);
    out.push(b':');
}

fn write_value(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Str(text) => write_text(text, out),
        other => write_json(&to_json(other), out),
    }
}

fn write_text(text: &str, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = serde_json::to_writer(&mut *out, text);
}

fn write_json(value: &Json, out: &mut Vec<u8>) {
    let _ = serde_json::to_writer(&mut *out, value);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::field;

    fn sample() -> Event {
        let mut event = Event::with_capacity(4, 64);
        event.timestamp = Timestamp(1_795_334_925_406_000);
        event.class = Class::ProcessStart;
        event.push_str(field::HOST_NAME, "web01");
        event.push_int(field::PROCESS_PID, 42);
        event.push_str(field::PROCESS_ARGS, "sh");
        event.push_str(field::PROCESS_ARGS, "-c \"x\"\u{1b}[31m");
        event.push_null(field::USER_NAME);
        event
    }

    #[test]
    fn the_flat_form_round_trips() {
        let event = sample();
        let mut bytes = Vec::new();
        write_flat(&event, &mut bytes);
        let back = read_flat(&bytes).unwrap();
        assert_eq!(back.timestamp, event.timestamp);
        assert_eq!(back.class, event.class);
        assert!(event.iter().eq(back.iter()));
    }

    #[test]
    fn the_nested_form_keeps_a_path_that_runs_into_a_value() {
        let mut event = sample();
        event.push_named("a", Value::Str("x"));
        event.push_named("a.b", Value::Str("y"));
        let document = to_nested(&event);
        assert_eq!(document["host"]["name"], "web01");
        assert_eq!(document["process"]["args"][0], "sh");
        assert_eq!(document["a"], "x");
        assert_eq!(document["a.b"], "y");
    }
}
