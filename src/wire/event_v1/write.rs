//! Writing an event's flat form, and the line of the event log.

use std::io::Write as _;

use super::{BEHIND, to_json};
use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};
use crate::stdx::time::Timestamp;

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
        let original = self.write_fields(event, out);
        self.end(original, out);
    }

    /// Append the event as a line of the event log, without its end: the flat object and, behind a [`BEHIND`], the record as
    /// it came. It is half of a line and full of what JSON would escape; a record of more than one line stays in the object.
    pub fn write_line(&mut self, event: &Event, out: &mut Vec<u8>) {
        match self.write_fields(event, out) {
            Some(Value::Str(text)) if memchr::memchr(b'\n', text.as_bytes()).is_none() => {
                out.extend_from_slice(&[b'}', BEHIND]);
                out.extend_from_slice(text.as_bytes());
            }
            original => self.end(original, out),
        }
    }

    /// The rest of the object.
    fn end(&mut self, original: Option<Value<'_>>, out: &mut Vec<u8>) {
        if let Some(original) = original {
            // The blank says that nothing follows, so that a reader who does not want the record need not look for its end.
            self.write_key(field::EVENT_ORIGINAL, out);
            out.push(b' ');
            write_value(original, out);
        }
        out.push(b'}');
    }

    /// Everything but the end of the object and a single `event.original`, which is given back.
    fn write_fields<'a>(&mut self, event: &'a Event, out: &mut Vec<u8>) -> Option<Value<'a>> {
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
        original
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

fn write_text(text: &str, out: &mut Vec<u8>) {
    // Writing to a vector cannot fail.
    let _ = sonic_rs::to_writer(out, text);
}

/// Append bytes as hexadecimal digits.
fn write_hex(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        for half in [byte >> 4, byte & 15] {
            out.extend(DIGITS.get(usize::from(half)));
        }
    }
}

fn write_value(value: Value<'_>, out: &mut Vec<u8>) {
    match value {
        Value::Str(text) => write_text(text, out),
        Value::Int(number) => {
            let _ = write!(out, "{number}");
        }
        other => {
            let _ = serde_json::to_writer(&mut *out, &to_json(other));
        }
    }
}
