//! An event as JSON: nested ECS for people and other systems, flat dotted keys for programs of our own, and the line of
//! our event log: the flat form with the record as it came behind it, as it came.

mod read;
mod write;

use serde_json::{Map, Value as Json};

use crate::model::event::{Event, Value};

pub use read::{read_flat, read_line, time_of};
pub use write::{FlatWriter, write_flat};

/// Keys that are struct fields of [`Event`], not entries of its table.
const ID: &str = "event.id";
const AT: &str = "@timestamp";
const INGESTED: &str = "event.ingested";
const CLASS: &str = "watchfloor.class";
const RECORDS: &str = "watchfloor.records";
/// Stands between the object of a line and the record as it came: JSON has it only as white space, which we do not write.
pub const BEHIND: u8 = b'\t';

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::class::Class;
    use crate::model::field::{self, FieldId};
    use crate::stdx::time::Timestamp;

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
    fn a_record_of_one_line_stands_behind_the_object_as_it_came() {
        for (original, behind) in
            [("{\"a\":\t\"\\\\x\"}", true), ("", true), ("two\nlines\t", false), ("\u{1b}\r", true)]
        {
            let mut event = sample();
            event.push_str(field::EVENT_ORIGINAL, original);
            let mut line = Vec::new();
            FlatWriter::new().write_line(&event, &mut line);
            assert_eq!(line.ends_with(&[b"}\t", original.as_bytes()].concat()), behind);
            assert!(!line.contains(&b'\n'));
            assert!(event.iter().eq(read_line(&line).unwrap().iter()), "{original:?}");
            assert_eq!(time_of(&line), Some(event.timestamp));
            assert!(read_line(&line[..line.len() - original.len() - 2]).is_none());
        }
    }

    proptest! {
        #[test]
        fn any_event_round_trips_and_is_json(
            texts in proptest::collection::vec((0_u8..12, ".{0,80}"), 0..30),
            numbers in proptest::collection::vec((0_u8..12, any::<i64>()), 0..5),
            // From before the year 0 to the last instant that can be written.
            at in -70_000_000_000_000_000_i64..253_402_207_190_000_000,
        ) {
            let mut event = Event::with_capacity(4, 64);
            event.timestamp = Timestamp(at);
            event.ingested = Timestamp(at + 1);
            for (name, text) in &texts {
                let name = if *name == 0 { "event.original".to_owned() } else { format!("f.{name}") };
                event.push_named(&name, Value::Str(text));
            }
            for (name, number) in &numbers {
                event.push_named(&format!("f.{name}"), Value::Int(*number));
            }
            let (mut bytes, mut line) = (Vec::new(), Vec::new());
            write_flat(&event, &mut bytes);
            let document: Json = serde_json::from_slice(&bytes).unwrap();
            prop_assert!(document.is_object());
            FlatWriter::new().write_line(&event, &mut line);
            prop_assert!(!line.contains(&b'\n'));
            for back in [read_flat(&bytes).unwrap(), read_line(&line).unwrap(), read_line(&bytes).unwrap()] {
                prop_assert_eq!(back.timestamp, event.timestamp);
                prop_assert_eq!(back.len(), event.len());
                for (field, _) in event.iter() {
                    prop_assert!(event.all(field).eq(back.all(field)));
                }
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = read_line(text.as_bytes());
        }
    }

    #[test]
    fn nested_and_headless_documents_are_handled() {
        assert!(read_flat(b"{}").is_none());
        assert!(read_flat(b"[]").is_none());
        let mut bytes = Vec::new();
        write_flat(&sample(), &mut bytes);
        assert!(read_flat(&bytes[..bytes.len() - 1]).is_none());
        let more =
            [&bytes[..bytes.len() - 1], br#","x":{"y":[1]},"z":[1,[2]],"u":18446744073709551615}"#]
                .concat();
        let event = read_flat(&more).unwrap();
        assert_eq!(event.fields_dropped, 2);
        assert_eq!(event.get(FieldId::intern("z").unwrap()), Some(Value::Int(1)));
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
