//! The event: a compact field table over one byte buffer, not a tree of JSON values.
//!
//! A field may stand several times: that is how lists are held (in order of arrival). Objects are
//! flattened to dotted names by the decoders.

use std::net::IpAddr;

use crate::model::class::Class;
use crate::model::field::{self, FieldId};
use crate::stdx::id::Id128;
use crate::stdx::limits::EVENT_FIELDS_MAX;
use crate::stdx::time::Timestamp;

/// The event's identity: derived from the coordinates of its record(s), equal again on redelivery.
pub type EventId = Id128;

/// One value of a field, borrowed from the event.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// Text.
    Str(&'a str),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Present and null.
    Null,
}

impl<'a> Value<'a> {
    /// The text, if it is text.
    pub fn as_str(self) -> Option<&'a str> {
        match self {
            Value::Str(text) => Some(text),
            _ => None,
        }
    }

    /// The whole number, if it is one or is text that spells one.
    pub fn as_int(self) -> Option<i64> {
        match self {
            Value::Int(number) => Some(number),
            Value::Str(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// The value as text, whatever its type (null is empty).
    pub fn to_text(self) -> std::borrow::Cow<'a, str> {
        match self {
            Value::Str(text) => text.into(),
            Value::Int(number) => number.to_string().into(),
            Value::Float(number) => number.to_string().into(),
            Value::Bool(truth) => if truth { "true" } else { "false" }.into(),
            Value::Null => "".into(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Stored {
    Str { start: u32, len: u32 },
    Int(i64),
    Float(f64),
    Bool(bool),
    Null,
}

/// One normalised event.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Event {
    /// Identity, from the record's coordinates.
    pub id: EventId,
    /// `@timestamp`: when it happened.
    pub timestamp: Timestamp,
    /// `event.ingested`: when we read it.
    pub ingested: Timestamp,
    /// What kind of thing happened.
    pub class: Class,
    /// Records that this event was made of (at least 1; auditd joins several).
    pub records: u32,
    /// Fields that did not fit the limits and were left out; shown and counted.
    pub fields_dropped: u32,
    fields: Vec<(FieldId, Stored)>,
    text: String,
}

impl Event {
    /// An event with room for `fields` fields and `bytes` bytes of text.
    pub fn with_capacity(fields: usize, bytes: usize) -> Event {
        Event {
            records: 1,
            fields: Vec::with_capacity(fields),
            text: String::with_capacity(bytes),
            ..Event::default()
        }
    }

    /// Add a text value; a second value of the same field makes a list. Empty text is kept.
    pub fn push_str(&mut self, field: FieldId, text: &str) {
        let start = self.text.len();
        let (Ok(start), Ok(len)) = (u32::try_from(start), u32::try_from(text.len())) else {
            self.fields_dropped += 1;
            return;
        };
        if self.push(field, Stored::Str { start, len }) {
            self.text.push_str(text);
        }
    }

    /// Add a whole number.
    pub fn push_int(&mut self, field: FieldId, number: i64) {
        self.push(field, Stored::Int(number));
    }

    /// Add a number with a fraction.
    pub fn push_float(&mut self, field: FieldId, number: f64) {
        self.push(field, Stored::Float(number));
    }

    /// Add a truth value.
    pub fn push_bool(&mut self, field: FieldId, truth: bool) {
        self.push(field, Stored::Bool(truth));
    }

    /// Add a null: the field is present and says nothing.
    pub fn push_null(&mut self, field: FieldId) {
        self.push(field, Stored::Null);
    }

    /// Add any value.
    pub fn push_value(&mut self, field: FieldId, value: Value<'_>) {
        match value {
            Value::Str(text) => self.push_str(field, text),
            Value::Int(number) => self.push_int(field, number),
            Value::Float(number) => self.push_float(field, number),
            Value::Bool(truth) => self.push_bool(field, truth),
            Value::Null => self.push_null(field),
        }
    }

    /// Add a text value under a name that may be new. Counted as dropped when the name table is full.
    pub fn push_named(&mut self, name: &str, value: Value<'_>) {
        match FieldId::intern(name) {
            Some(field) => self.push_value(field, value),
            None => self.fields_dropped += 1,
        }
    }

    /// Make `text` the only value of `field`.
    pub fn set_str(&mut self, field: FieldId, text: &str) {
        self.remove(field);
        self.push_str(field, text);
    }

    /// Add `text` unless the field has a value already.
    pub fn fill_str(&mut self, field: FieldId, text: &str) {
        if !self.has(field) && !text.is_empty() {
            self.push_str(field, text);
        }
    }

    /// Add an address under an ECS `*.ip` field if `text` is one (brackets and mapped IPv4 are undone).
    pub fn push_ip(&mut self, field: FieldId, text: &str) -> bool {
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        let bare = bare.split_once('%').map_or(bare, |(address, _zone)| address);
        match bare.parse::<IpAddr>() {
            Ok(address) => {
                self.push_str(field, &address.to_canonical().to_string());
                true
            }
            Err(_) => false,
        }
    }

    /// Remove every value of a field.
    pub fn remove(&mut self, field: FieldId) {
        self.fields.retain(|(known, _)| *known != field);
    }

    /// Replace texts: `new` gets every text with its field, and gives the text to stand there instead, if any. What was
    /// replaced is nowhere in the event any more.
    pub fn rewrite(&mut self, mut new: impl FnMut(FieldId, &str) -> Option<String>) {
        let mut fresh: Vec<(usize, String)> = Vec::new();
        for (place, (field, value)) in self.iter().enumerate() {
            if let Value::Str(text) = value
                && let Some(text) = new(field, text)
            {
                fresh.push((place, text));
            }
        }
        if fresh.is_empty() {
            return;
        }
        let old = std::mem::take(&mut self.fields);
        let whole = std::mem::take(&mut self.text);
        self.fields.reserve(old.len());
        self.text.reserve(whole.len());
        let mut fresh = fresh.into_iter().peekable();
        for (place, (field, stored)) in old.into_iter().enumerate() {
            let Stored::Str { start, len } = stored else {
                self.push(field, stored);
                continue;
            };
            let range = start as usize..start as usize + len as usize;
            let text = whole.get(range);
            match fresh.next_if(|(changed, _)| *changed == place) {
                Some((_, text)) => self.push_str(field, &text),
                None => self.push_str(field, text.unwrap_or_default()),
            }
        }
    }

    /// Does the field have a value?
    pub fn has(&self, field: FieldId) -> bool {
        self.fields.iter().any(|(known, _)| *known == field)
    }

    /// The first value of a field.
    pub fn get(&self, field: FieldId) -> Option<Value<'_>> {
        self.fields.iter().find(|(known, _)| *known == field).map(|(_, stored)| self.value(*stored))
    }

    /// The first value of a field, if it is text.
    pub fn str(&self, field: FieldId) -> Option<&str> {
        self.get(field).and_then(Value::as_str)
    }

    /// Every value of a field, in order.
    pub fn all(&self, field: FieldId) -> impl Iterator<Item = Value<'_>> {
        self.fields
            .iter()
            .filter(move |(known, _)| *known == field)
            .map(|(_, stored)| self.value(*stored))
    }

    /// Every field with its value, in order of arrival; lists repeat the field.
    pub fn iter(&self) -> impl Iterator<Item = (FieldId, Value<'_>)> {
        self.fields.iter().map(|(field, stored)| (*field, self.value(*stored)))
    }

    /// Which field stands at each place, in order of arrival, without looking at values; see [`Event::at`].
    pub fn places(&self) -> impl Iterator<Item = FieldId> {
        self.fields.iter().map(|(field, _)| *field)
    }

    /// The value at a place of [`Event::places`].
    pub fn at(&self, place: usize) -> Option<Value<'_>> {
        self.fields.get(place).map(|(_, stored)| self.value(*stored))
    }

    /// `host.name`, lower case, or empty.
    pub fn host(&self) -> &str {
        self.str(field::HOST_NAME).unwrap_or("")
    }

    /// What orders events for people: when they happened, of equals how they arrived. Many logs have whole seconds only, and a
    /// log-in after refused ones must stand behind them.
    pub fn arrival(&self) -> (Timestamp, Timestamp, i64, Id128) {
        let offset = match self.get(field::LOG_OFFSET) {
            Some(Value::Int(offset)) => offset,
            _ => 0,
        };
        (self.timestamp, self.ingested, offset, self.id)
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// No field at all?
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Bytes this event holds, for queue and batch limits.
    pub fn heap_bytes(&self) -> usize {
        self.text.len() + self.fields.len() * size_of::<(FieldId, Stored)>()
    }

    fn push(&mut self, field: FieldId, stored: Stored) -> bool {
        if self.fields.len() >= EVENT_FIELDS_MAX {
            self.fields_dropped += 1;
            return false;
        }
        self.fields.push((field, stored));
        true
    }

    fn value(&self, stored: Stored) -> Value<'_> {
        match stored {
            Stored::Str { start, len } => {
                let range = start as usize..start as usize + len as usize;
                // Ranges are those of whole strings.
                Value::Str(self.text.get(range).unwrap_or_default())
            }
            Stored::Int(number) => Value::Int(number),
            Stored::Float(number) => Value::Float(number),
            Stored::Bool(truth) => Value::Bool(truth),
            Stored::Null => Value::Null,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_one_second_the_order_of_arrival_counts() {
        let event = |id, offset| {
            let mut event = Event::with_capacity(1, 8);
            event.id = Id128([id; 16]);
            event.push_int(field::LOG_OFFSET, offset);
            event
        };
        let mut events = [event(1, 300), event(9, 100), event(5, 200)];
        events.sort_by_key(Event::arrival);
        assert_eq!(events.map(|event| event.id.0[0]), [9, 5, 1]);
    }

    #[test]
    fn lists_replace_and_addresses() {
        let mut event = Event::with_capacity(4, 64);
        event.push_str(field::PROCESS_ARGS, "a");
        event.push_str(field::PROCESS_ARGS, "b");
        assert_eq!(event.all(field::PROCESS_ARGS).count(), 2);
        event.set_str(field::PROCESS_ARGS, "only");
        assert_eq!(event.str(field::PROCESS_ARGS), Some("only"));
        assert!(event.push_ip(field::SOURCE_IP, "[::ffff:10.0.0.1]"));
        assert_eq!(event.str(field::SOURCE_IP), Some("10.0.0.1"));
        assert!(!event.push_ip(field::SOURCE_IP, "nowhere"));
    }

    #[test]
    fn texts_are_replaced_in_place_and_nothing_of_them_stays() {
        let mut event = Event::with_capacity(4, 64);
        event.push_str(field::USER_NAME, "bob");
        event.push_int(field::PROCESS_PID, 7);
        event.push_str(field::MESSAGE, "hello");
        event.push_str(field::USER_NAME, "");
        event.rewrite(|field, text| (field == field::USER_NAME).then(|| format!("<{text}>")));
        let all: Vec<_> =
            event.iter().map(|(field, value)| (field, value.to_text().into_owned())).collect();
        assert_eq!(
            all,
            [
                (field::USER_NAME, "<bob>".to_owned()),
                (field::PROCESS_PID, "7".to_owned()),
                (field::MESSAGE, "hello".to_owned()),
                (field::USER_NAME, "<>".to_owned()),
            ]
        );
        assert_eq!(event.text, "<bob>hello<>");
    }

    #[test]
    fn the_field_limit_counts_what_it_leaves_out() {
        let mut event = Event::with_capacity(0, 0);
        for number in 0..=EVENT_FIELDS_MAX as i64 {
            event.push_int(field::EVENT_SEQUENCE, number);
        }
        assert_eq!(event.len(), EVENT_FIELDS_MAX);
        assert_eq!(event.fields_dropped, 1);
    }
}
