//! Fluentd's and Fluent Bit's forward protocol (MessagePack): messages, lists of entries, packed entries (also
//! compressed), and the bare entries of their buffer files. One record an entry, as a JSON document
//! `{"tag": …, "time": …, "record": {…}}`.
//!
//! The offset of a record is its entry's place in the stream. Entries that came compressed have no place of their own:
//! they count on from the place of what holds them.

use std::io::{self, Read};
use std::ops::ControlFlow;

use flate2::read::MultiGzDecoder;
use rmpv::ValueRef;

use super::msgpack::{self, DEPTH_MAX, Found, Scan};
use super::{Bounds, Chunk, Sink, head_len};
use crate::model::record::{Framing, Shape};
use crate::stdx::time::{SECOND_US, Timestamp};

/// What is sent at once is held up to this size; more is too long.
pub const FRAME_BYTES_MAX: usize = 16 << 20;
/// Compressed entries may become this long.
const UNPACKED_BYTES_MAX: u64 = 64 << 20;
/// Largest window of a zstd frame: 8 MiB, what every decoder must take.
const ZSTD_WINDOW_LOG_MAX: u32 = 23;
/// Fluentd's time with nanoseconds.
const EVENT_TIME: i8 = 0;

/// Splits a stream of bytes into entries.
#[derive(Debug)]
pub struct FluentForward {
    bounds: Bounds,
    chunk: Chunk,
    held: Vec<u8>,
    scan: Scan,
    too_long: bool,
    lost: bool,
    /// Where what is held began.
    start: u64,
    /// No record lies before this place, so that no two share one.
    next: u64,
    /// Next byte's place in the stream.
    offset: u64,
}

impl FluentForward {
    /// A splitter at the start of a stream.
    pub fn new(bounds: Bounds) -> FluentForward {
        FluentForward {
            bounds,
            chunk: Chunk::default(),
            held: Vec::new(),
            scan: Scan::default(),
            too_long: false,
            lost: false,
            start: 0,
            next: 0,
            offset: 0,
        }
    }

    /// Split a piece of the stream; full chunks go to `sink`.
    pub fn feed(&mut self, piece: &[u8], sink: &mut Sink<'_>) -> ControlFlow<()> {
        self.offset += piece.len() as u64;
        if self.lost {
            return ControlFlow::Continue(());
        }
        self.held.extend_from_slice(piece);
        let mut held = std::mem::take(&mut self.held);
        let mut from = 0;
        let flow = loop {
            let rest = held.get(from..).unwrap_or_default();
            if rest.is_empty() {
                break ControlFlow::Continue(());
            }
            match self.scan.go(rest) {
                Found::More => break ControlFlow::Continue(()),
                Found::Broken => {
                    let reason = b"no MessagePack value; what follows was not read";
                    self.push(reason, self.start, Framing::Damaged);
                    (self.lost, self.scan) = (true, Scan::default());
                    from = held.len();
                    break ControlFlow::Continue(());
                }
                Found::End(end) => {
                    let frame = rest.get(..end).unwrap_or_default();
                    let flow = match std::mem::replace(&mut self.too_long, false) {
                        true => ControlFlow::Continue(()),
                        false => self.frame(frame, sink),
                    };
                    from += end;
                    self.start = self.offset - (held.len() - from) as u64;
                    self.scan = Scan::default();
                    if flow.is_break() {
                        break flow;
                    }
                }
            }
        };
        held.drain(..from.min(held.len()));
        self.held = held;
        self.let_go();
        flow
    }

    /// The complete records so far.
    pub fn take(&mut self) -> Chunk {
        std::mem::take(&mut self.chunk)
    }

    /// The stream has ended: what is unfinished is damaged, and the rest is handed on.
    pub fn finish(&mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        if !self.lost && !self.too_long && !self.held.is_empty() {
            self.push(b"the last entries are cut short", self.start, Framing::Damaged);
        }
        sink(self.take())
    }

    /// Is nothing open that more bytes could complete?
    pub fn is_between(&self) -> bool {
        self.lost || (self.held.is_empty() && !self.too_long)
    }

    /// Bytes taken so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Of what is too long only the end is looked for.
    fn let_go(&mut self) {
        if self.held.len() > FRAME_BYTES_MAX && !self.too_long {
            self.too_long = true;
            let head = self.held.get(..head_len(self.held.len())).unwrap_or_default().to_vec();
            self.push(&head, self.start, Framing::TooLong);
        }
        if self.too_long {
            let count = self.scan.place().min(self.held.len());
            self.held.drain(..count);
            self.scan.forget(count);
        }
    }

    /// One value at the top of the stream is complete.
    fn frame(&mut self, frame: &[u8], sink: &mut Sink<'_>) -> ControlFlow<()> {
        let start = self.start;
        let Some((count, first)) = msgpack::list(frame) else {
            return self.entry(None, frame, start, sink);
        };
        let parts = msgpack::split(first).zip(Some(frame.len() - first.len()));
        let Some(((tag, rest), head)) = parts.filter(|_| count >= 2) else {
            return self.nothing(start, sink);
        };
        let Some(name) = msgpack::data(tag) else {
            // `[time, record]`, as it lies in a buffer.
            return self.entry(None, frame, start, sink);
        };
        let name = String::from_utf8_lossy(name).into_owned();
        let Some((second, after)) = msgpack::split(rest) else { return self.nothing(start, sink) };
        let place = start + (head + tag.len()) as u64;
        if let Some((_, entries)) = msgpack::list(second) {
            let entries_at = place + (second.len() - entries.len()) as u64;
            return self.entries(&name, entries, entries_at, true, sink);
        }
        if let Some(packed) = msgpack::data(second) {
            let packed_at = place + (second.len() - packed.len()) as u64;
            return match unpack(packed, after) {
                Ok(None) => self.entries(&name, packed, packed_at, true, sink),
                Ok(Some(entries)) => self.entries(&name, &entries, packed_at, false, sink),
                Err(error) => {
                    self.push(error.to_string().as_bytes(), start, Framing::Damaged);
                    self.hand_on(sink)
                }
            };
        }
        match count {
            // What the two sides say to each other before they send.
            2 | 4.. if matches!(name.as_str(), "HELO" | "PING" | "PONG") => {
                ControlFlow::Continue(())
            }
            2 => self.nothing(start, sink),
            _ => {
                let Some((record, _)) = msgpack::split(after) else {
                    return self.nothing(start, sink);
                };
                let entry = [&b"\x92"[..], second, record].concat();
                self.entry(Some(&name), &entry, start, sink)
            }
        }
    }

    /// Entries that follow one another; `placed`: as they lie in the stream.
    fn entries(
        &mut self,
        tag: &str,
        entries: &[u8],
        at: u64,
        placed: bool,
        sink: &mut Sink<'_>,
    ) -> ControlFlow<()> {
        let mut rest = entries;
        while !rest.is_empty() {
            let place = if placed { at + (entries.len() - rest.len()) as u64 } else { at };
            let Some((entry, after)) = msgpack::split(rest) else {
                self.push(b"the entries are cut short", place, Framing::Damaged);
                return self.hand_on(sink);
            };
            rest = after;
            self.entry(Some(tag), entry, place, sink)?;
        }
        ControlFlow::Continue(())
    }

    /// `[time, record]`, `[[time, metadata], record]`, or a bare record.
    fn entry(
        &mut self,
        tag: Option<&str>,
        bytes: &[u8],
        at: u64,
        sink: &mut Sink<'_>,
    ) -> ControlFlow<()> {
        if bytes.len() > self.bounds.record_bytes_max {
            let head = bytes.get(..head_len(bytes.len())).unwrap_or_default();
            self.push(head, at, Framing::TooLong);
            return self.hand_on(sink);
        }
        let mut reader = bytes;
        let value = rmpv::decode::read_value_ref_with_max_depth(&mut reader, 2 * DEPTH_MAX);
        let document = value.ok().and_then(|value| document(tag, &value));
        match document {
            Some(json) if json.len() > self.bounds.record_bytes_max => {
                let head = json.as_bytes().get(..head_len(json.len())).unwrap_or_default();
                self.push(head, at, Framing::TooLong);
            }
            Some(json) => self.push(json.as_bytes(), at, Framing::Whole),
            None => return self.nothing(at, sink),
        }
        self.hand_on(sink)
    }

    fn nothing(&mut self, at: u64, sink: &mut Sink<'_>) -> ControlFlow<()> {
        self.push(b"a MessagePack value that is no log entry", at, Framing::Damaged);
        self.hand_on(sink)
    }

    fn push(&mut self, bytes: &[u8], at: u64, framing: Framing) {
        let at = at.max(self.next);
        self.next = at + 1;
        self.chunk.push(bytes, at, framing, Shape::Json);
    }

    fn hand_on(&mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        if self.chunk.is_full(&self.bounds) {
            return sink(self.take());
        }
        ControlFlow::Continue(())
    }
}

/// Packed entries as the options behind them say; `None`: they are as they are.
fn unpack(packed: &[u8], options: &[u8]) -> io::Result<Option<Vec<u8>>> {
    let mut reader = options;
    let options = rmpv::decode::read_value_ref_with_max_depth(&mut reader, DEPTH_MAX).ok();
    let Some(ValueRef::Map(options)) = options else { return Ok(None) };
    let is_key = |key: &ValueRef<'_>| matches!(key, ValueRef::String(key) if key.as_str() == Some("compressed"));
    let how = options.iter().find(|(key, _)| is_key(key)).and_then(|(_, how)| match how {
        ValueRef::String(how) => how.as_str(),
        _ => None,
    });
    let mut unpacked = Vec::new();
    let read = |reader: &mut dyn Read, unpacked: &mut Vec<u8>| {
        let count = Read::take(reader, UNPACKED_BYTES_MAX + 1).read_to_end(unpacked)?;
        if count as u64 > UNPACKED_BYTES_MAX {
            return Err(io::Error::other("compressed entries become too long"));
        }
        Ok(())
    };
    match how {
        Some("gzip") => read(&mut MultiGzDecoder::new(packed), &mut unpacked)?,
        Some("zstd") => {
            let mut decoder = zstd::Decoder::with_buffer(packed)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            read(&mut decoder, &mut unpacked)?;
        }
        _ => return Ok(None),
    }
    Ok(Some(unpacked))
}

/// The JSON document of an entry; `None`: it is none.
fn document(tag: Option<&str>, entry: &ValueRef<'_>) -> Option<String> {
    let mut out = String::from("{");
    if let Some(tag) = tag {
        out.push_str("\"tag\":");
        push_text(&mut out, tag);
        out.push(',');
    }
    let record = match entry {
        ValueRef::Map(_) => entry,
        ValueRef::Array(parts) => {
            let [time, record, ..] = parts.as_slice() else { return None };
            let (time, metadata) = match time {
                ValueRef::Array(parts) => (parts.first()?, parts.get(1)),
                time => (time, None),
            };
            if let Some(at) = instant(time) {
                out.push_str("\"time\":");
                push_text(&mut out, &at.to_string());
                out.push(',');
            }
            if let Some(metadata @ ValueRef::Map(members)) = metadata
                && !members.is_empty()
            {
                out.push_str("\"metadata\":");
                push_value(&mut out, metadata);
                out.push(',');
            }
            record
        }
        _ => return None,
    };
    if !matches!(record, ValueRef::Map(_)) {
        return None;
    }
    out.push_str("\"record\":");
    push_value(&mut out, record);
    out.push('}');
    Some(out)
}

/// Seconds, or seconds and nanoseconds.
fn instant(time: &ValueRef<'_>) -> Option<Timestamp> {
    match time {
        ValueRef::Integer(seconds) => seconds.as_i64().map(Timestamp::from_seconds),
        ValueRef::F64(seconds) if seconds.is_finite() => {
            Some(Timestamp((seconds * SECOND_US as f64) as i64))
        }
        ValueRef::Ext(EVENT_TIME, bytes) => {
            let (seconds, nanos) = bytes.split_first_chunk::<4>()?;
            let seconds = i64::from(u32::from_be_bytes(*seconds));
            let nanos = i64::from(u32::from_be_bytes(*nanos.first_chunk()?));
            Some(Timestamp::from_seconds(seconds).plus_micros(nanos / 1_000))
        }
        _ => None,
    }
}

fn push_value(out: &mut String, value: &ValueRef<'_>) {
    match value {
        ValueRef::Nil => out.push_str("null"),
        ValueRef::Boolean(truth) => out.push_str(if *truth { "true" } else { "false" }),
        ValueRef::Integer(number) => out.push_str(&number.to_string()),
        ValueRef::F32(number) => push_float(out, f64::from(*number)),
        ValueRef::F64(number) => push_float(out, *number),
        ValueRef::String(text) => push_text(out, &String::from_utf8_lossy(text.as_bytes())),
        ValueRef::Binary(bytes) | ValueRef::Ext(_, bytes) => {
            push_text(out, &String::from_utf8_lossy(bytes));
        }
        ValueRef::Array(values) => {
            out.push('[');
            for (number, value) in values.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                push_value(out, value);
            }
            out.push(']');
        }
        ValueRef::Map(members) => {
            out.push('{');
            for (number, (key, value)) in members.iter().enumerate() {
                if number > 0 {
                    out.push(',');
                }
                match key {
                    ValueRef::String(key) => {
                        push_text(out, &String::from_utf8_lossy(key.as_bytes()))
                    }
                    ValueRef::Binary(key) => push_text(out, &String::from_utf8_lossy(key)),
                    other => push_text(out, &other.to_string()),
                }
                out.push(':');
                push_value(out, value);
            }
            out.push('}');
        }
    }
}

fn push_float(out: &mut String, number: f64) {
    match serde_json::Number::from_f64(number) {
        Some(number) => out.push_str(&number.to_string()),
        // Neither infinity nor what is no number can be written as one.
        None => push_text(out, &number.to_string()),
    }
}

fn push_text(out: &mut String, text: &str) {
    // Writing a text as JSON cannot fail.
    out.push_str(&serde_json::to_string(text).unwrap_or_default());
}

#[cfg(test)]
mod tests;
