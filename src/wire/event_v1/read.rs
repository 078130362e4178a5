//! Reading what [`super::write`] writes: the event is built while the text is read, with no tree in between.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{AT, BEHIND, CLASS, ID, INGESTED, RECORDS};
use crate::model::class::Class;
use crate::model::event::{Event, Value};
use crate::model::field;
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

/// Read what [`write_flat`](super::write_flat) wrote. `None`: not such a document.
pub fn read_flat(bytes: &[u8]) -> Option<Event> {
    read_object(bytes, bytes.len())
}

/// Read a flat object into an event with room for so many bytes of text.
fn read_object(object: &[u8], room: usize) -> Option<Event> {
    let mut reader = serde_json::Deserializer::from_slice(object);
    let event = reader.deserialize_map(FlatVisitor { bytes: room }).ok()?;
    reader.end().ok()?;
    Some(event)
}

/// Read what [`FlatWriter::write_line`](super::FlatWriter::write_line) wrote, or the flat form alone. `None`: neither.
pub fn read_line(line: &[u8]) -> Option<Event> {
    // No writer of ours leaves it bare in an object.
    let Some(end) = memchr::memchr(BEHIND, line) else { return read_flat(line) };
    let (object, behind) = line.split_at_checked(end)?;
    let original = std::str::from_utf8(behind.get(1..)?).ok()?;
    let mut event = read_object(object, line.len())?;
    event.push_str(field::EVENT_ORIGINAL, original);
    Some(event)
}

/// The event time of a line, without reading the rest.
pub fn time_of(bytes: &[u8]) -> Option<Timestamp> {
    let text = bytes.strip_prefix(b"{\"@timestamp\":\"");
    let Some(text) = text.and_then(|rest| rest.get(..memchr::memchr(b'"', rest)?)) else {
        return read_line(bytes).map(|event| event.timestamp);
    };
    Timestamp::parse_rfc3339(std::str::from_utf8(text).ok()?)
}

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
