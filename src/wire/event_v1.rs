//! An event as JSON: nested ECS for people and other systems, flat dotted keys for our own event log.

use std::borrow::Cow;
use std::fmt;
use std::io::Write as _;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value as Json};

use crate::model::class::Class;
use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;
use crate::wire::json_text::{write_hex, write_text};

/// Keys that are struct fields of [`Event`], not entries of its table.
const ID: &str = "event.id";
const AT: &str = "@timestamp";
const INGESTED: &str = "event.ingested";
const CLASS: &str = "watchfloor.class";
const RECORDS: &str = "watchfloor.records";

/// Append the event as one flat JSON object with dotted keys, without a line end. Lists are arrays.
/// For many events keep a [`FlatWriter`].
pub fn write_flat(event: &Event, out: &mut Vec<u8>) {
    FlatWriter::new().write(event, out);
}

/// Writes the flat form; keeps the escaped keys and the last second's text, so that an event costs
/// little more than copying its values.
#[derive(Debug, Default)]
pub struct FlatWriter {
    /// `"name":` by field id.
    keys: Vec<Option<Box<[u8]>>>,
    /// By field id: the running number of the event that had it last, and how often.
    seen: Vec<(u64, u32)>,
    /// Running number of the event.
    turn: u64,
    /// The second whose text is in `second_text`.
    second: Option<i64>,
    second_text: [u8; SECOND_TEXT_BYTES],
}

/// `2026-11-22T08:08:48.`
const SECOND_TEXT_BYTES: usize = 20;

impl FlatWriter {
    /// A writer that has seen no field.
    pub fn new() -> FlatWriter {
        FlatWriter::default()
    }

    /// Append the event as one flat JSON object, without a line end.
    pub fn write(&mut self, event: &Event, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"@timestamp\":\"");
        self.write_time(event.timestamp, out);
        out.extend_from_slice(b"\",\"event.id\":\"");
        write_hex(event.id.as_bytes(), out);
        out.extend_from_slice(b"\",\"event.ingested\":\"");
        self.write_time(event.ingested, out);
        out.extend_from_slice(b"\",\"watchfloor.class\":\"");
        out.extend_from_slice(event.class.as_str().as_bytes());
        out.push(b'"');
        if event.records > 1 {
            let _ = write!(out, ",\"watchfloor.records\":{}", event.records);
        }
        self.turn += 1;
        let mut lists = 0_u32;
        for (field, _) in event.iter() {
            let times = self.note(field);
            lists += u32::from(times == 2);
        }
        let mut original = None;
        for (field, value) in event.iter() {
            if lists > 0 && self.times(field) != 1 {
                self.write_list(event, field, out);
                continue;
            }
            if field == field::EVENT_ORIGINAL {
                original = Some(value);
                continue;
            }
            self.write_key(field, out);
            write_value(value, out);
        }
        if let Some(value) = original {
            // The blank says that nothing follows, so that a reader who does not want the record need not look for its end.
            self.write_key(field::EVENT_ORIGINAL, out);
            out.push(b' ');
            write_value(value, out);
        }
        out.push(b'}');
    }

    /// Count a field of this event; how often it stands there so far.
    fn note(&mut self, field: FieldId) -> u32 {
        let index = usize::from(field.0);
        if self.seen.len() <= index {
            self.seen.resize(index + 1, (0, 0));
        }
        let Some(entry) = self.seen.get_mut(index) else { return 0 };
        *entry = if entry.0 == self.turn { (self.turn, entry.1 + 1) } else { (self.turn, 1) };
        entry.1
    }

    fn times(&self, field: FieldId) -> u32 {
        self.seen.get(usize::from(field.0)).map_or(0, |entry| entry.1)
    }

    /// A list is written where its first value stands, and then never again in this event.
    fn write_list(&mut self, event: &Event, field: FieldId, out: &mut Vec<u8>) {
        let Some(entry) = self.seen.get_mut(usize::from(field.0)) else { return };
        if entry.1 == 0 {
            return;
        }
        entry.1 = 0;
        self.write_key(field, out);
        out.push(b'[');
        for (position, item) in event.all(field).enumerate() {
            if position > 0 {
                out.push(b',');
            }
            write_value(item, out);
        }
        out.push(b']');
    }

    fn write_key(&mut self, field: FieldId, out: &mut Vec<u8>) {
        let index = usize::from(field.0);
        if self.keys.len() <= index {
            self.keys.resize(index + 1, None);
        }
        if let Some(slot) = self.keys.get_mut(index) {
            let key = slot.get_or_insert_with(|| {
                let mut key = vec![b','];
                write_text(field.name(), &mut key);
                key.push(b':');
                key.into_boxed_slice()
            });
            out.extend_from_slice(key);
        }
    }

    fn write_time(&mut self, at: Timestamp, out: &mut Vec<u8>) {
        let second = at.seconds();
        if self.second != Some(second) {
            let text = at.to_string();
            match text.as_bytes().first_chunk::<SECOND_TEXT_BYTES>() {
                // Years of other than four digits are longer and take the slow way.
                Some(head) if text.len() == SECOND_TEXT_BYTES + 7 => self.second_text = *head,
                _ => {
                    out.extend_from_slice(text.as_bytes());
                    return;
                }
            }
            self.second = Some(second);
        }
        out.extend_from_slice(&self.second_text);
        let mut rest = at.0.rem_euclid(1_000_000);
        let mut digits = *b"000000Z";
        for digit in digits.iter_mut().take(6).rev() {
            *digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
            rest /= 10;
        }
        out.extend_from_slice(&digits);
    }
}

/// Read what [`write_flat`] wrote. `None`: not such a document.
pub fn read_flat(bytes: &[u8]) -> Option<Event> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let event = reader.deserialize_map(FlatVisitor { bytes: bytes.len() }).ok()?;
    reader.end().ok()?;
    Some(event)
}

/// The event time of a flat line, without reading the rest.
pub fn time_of(bytes: &[u8]) -> Option<Timestamp> {
    let text = bytes.strip_prefix(b"{\"@timestamp\":\"");
    let Some(text) = text.and_then(|rest| rest.get(..memchr::memchr(b'"', rest)?)) else {
        return read_flat(bytes).map(|event| event.timestamp);
    };
    Timestamp::parse_rfc3339(std::str::from_utf8(text).ok()?)
}

/// Builds the event while the text is read; no tree in between.
struct FlatVisitor {
    bytes: usize,
}

impl<'de> Visitor<'de> for FlatVisitor {
    type Value = Event;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a flat event")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Event, A::Error> {
        let mut event = Event::with_capacity(40, self.bytes);
        let (mut has_id, mut has_time) = (false, false);
        while let Some(key) = map.next_key_seed(KeySeed)? {
            match key.as_ref() {
                AT => {
                    let text: Cow<'de, str> = map.next_value_seed(KeySeed)?;
                    event.timestamp = parsed(Timestamp::parse_rfc3339(&text))?;
                    has_time = true;
                }
                ID => {
                    let text = map.next_value_seed(KeySeed)?;
                    event.id = parsed(Id128::parse(&text))?;
                    has_id = true;
                }
                INGESTED => {
                    let text = map.next_value_seed(KeySeed)?;
                    event.ingested = Timestamp::parse_rfc3339(&text).unwrap_or_default();
                }
                CLASS => {
                    let text = map.next_value_seed(KeySeed)?;
                    event.class = Class::parse(&text).unwrap_or_default();
                }
                RECORDS => event.records = map.next_value()?,
                name => map.next_value_seed(ValueSeed { event: &mut event, name, depth: 0 })?,
            }
        }
        if has_id && has_time {
            Ok(event)
        } else {
            Err(serde::de::Error::custom("no id or no time"))
        }
    }
}

fn parsed<T, E: serde::de::Error>(value: Option<T>) -> Result<T, E> {
    value.ok_or_else(|| E::custom("a bad head field"))
}

/// Text, borrowed where it has no escapes.
struct KeySeed;

impl<'de> DeserializeSeed<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<Self::Value, D::Error> {
        input.deserialize_str(self)
    }
}

impl<'de> Visitor<'de> for KeySeed {
    type Value = Cow<'de, str>;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Cow::Borrowed(text))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Cow::Owned(text.to_owned()))
    }
}

/// Adds one value, or every value of a list, to the event.
struct ValueSeed<'a, 'n> {
    event: &'a mut Event,
    name: &'n str,
    depth: u8,
}

impl ValueSeed<'_, '_> {
    fn push(self, value: Value<'_>) {
        self.event.push_named(self.name, value);
    }
}

impl<'de> DeserializeSeed<'de> for ValueSeed<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, input: D) -> Result<(), D::Error> {
        input.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueSeed<'_, '_> {
    type Value = ();

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a plain value or a list of them")
    }

    fn visit_str<E>(self, text: &str) -> Result<(), E> {
        self.push(Value::Str(text));
        Ok(())
    }

    fn visit_bool<E>(self, truth: bool) -> Result<(), E> {
        self.push(Value::Bool(truth));
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.push(Value::Int(number));
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.push(match i64::try_from(number) {
            Ok(whole) => Value::Int(whole),
            Err(_) => Value::Float(number as f64),
        });
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.push(Value::Float(number));
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.push(Value::Null);
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if self.depth > 0 {
            self.event.fields_dropped += 1;
            while list.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(());
        }
        let ValueSeed { event, name, .. } = self;
        while list.next_element_seed(ValueSeed { event: &mut *event, name, depth: 1 })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.event.fields_dropped += 1;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
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

fn write_value(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Str(text) => write_text(text, out),
        Value::Int(number) => {
            // Writing to a vector cannot fail.
            let _ = write!(out, "{number}");
        }
        other => {
            let _ = serde_json::to_writer(&mut *out, &to_json(other));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

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
                event.push_named(&format!("f.{name}"), Value::Str(text));
            }
            for (name, number) in &numbers {
                event.push_named(&format!("f.{name}"), Value::Int(*number));
            }
            let mut bytes = Vec::new();
            write_flat(&event, &mut bytes);
            let document: Json = serde_json::from_slice(&bytes).unwrap();
            prop_assert!(document.is_object());
            let back = read_flat(&bytes).unwrap();
            prop_assert_eq!(back.timestamp, event.timestamp);
            prop_assert_eq!(back.len(), event.len());
            for (field, _) in event.iter() {
                prop_assert!(event.all(field).eq(back.all(field)));
            }
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,200}") {
            let _ = read_flat(text.as_bytes());
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
