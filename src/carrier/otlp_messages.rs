//! OpenTelemetry's protobuf messages (`ExportLogsServiceRequest`, `ExportTraceServiceRequest`) in a stream: one message,
//! several that follow one another, or each behind its length (a number of variable length, or four bytes as the
//! collector's file exporter writes it). One record is the telemetry of one resource, as a message of its own.
//!
//! What is too long for a record is split further, into messages of fewer log records or spans with the same resource
//! and scope. Nothing of what the fields mean is known here, only how the messages nest: 1 the resources, in them 2 the
//! scopes, in them 2 the records.

use std::ops::ControlFlow;

use super::protobuf::{Field, field, push_varint, varint};
use super::{Bounds, Chunk, Sink, head_len};
use crate::model::record::{Framing, Shape};

/// The telemetry of one resource is held up to this size, to be split; more is too long.
pub const RESOURCE_BYTES_MAX: usize = 16 << 20;
/// A longer message is damage.
const MESSAGE_BYTES_MAX: u64 = 1 << 30;
/// Tag of the field that holds a resource's telemetry: number 1, with a length.
const RESOURCE: u8 = 0x0a;
/// Most bytes of a tag and a length.
const HEAD_BYTES: usize = 16;

/// How messages follow one another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Delimiter {
    Unknown,
    None,
    Varint,
    Four,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Before a message's length.
    Length,
    /// Before a field of a message.
    Field,
    /// In the content of a field, so many bytes to come.
    Content(u64),
    /// After damage that nothing can be found behind.
    Lost,
}

/// Splits a stream of bytes into messages.
#[derive(Debug)]
pub struct OtlpMessages {
    bounds: Bounds,
    chunk: Chunk,
    delimiter: Delimiter,
    mode: Mode,
    /// Bytes of a length or tag that is not complete, or the content so far.
    held: Vec<u8>,
    /// Bytes of the message that are to come.
    left: u64,
    /// The field is the telemetry of a resource.
    wanted: bool,
    too_long: bool,
    /// Where the field began.
    start: u64,
    /// Next byte's place in the stream.
    offset: u64,
}

impl OtlpMessages {
    /// A splitter at the start of a stream.
    pub fn new(bounds: Bounds) -> OtlpMessages {
        OtlpMessages {
            bounds,
            chunk: Chunk::default(),
            delimiter: Delimiter::Unknown,
            mode: Mode::Length,
            held: Vec::new(),
            left: 0,
            wanted: false,
            too_long: false,
            start: 0,
            offset: 0,
        }
    }

    /// A splitter for a stream that is one message, as in a request.
    pub fn single(bounds: Bounds) -> OtlpMessages {
        let (delimiter, mode, left) = (Delimiter::None, Mode::Field, u64::MAX);
        OtlpMessages { delimiter, mode, left, ..OtlpMessages::new(bounds) }
    }

    /// Split a piece of the stream; full chunks go to `sink`.
    pub fn feed(&mut self, piece: &[u8], sink: &mut Sink<'_>) -> ControlFlow<()> {
        let mut rest = piece;
        while !rest.is_empty() {
            let count = match self.mode {
                Mode::Lost => rest.len(),
                Mode::Content(left) => self.content(rest, left, sink)?,
                Mode::Length | Mode::Field => {
                    let byte = rest.first().copied().unwrap_or_default();
                    if self.held.is_empty() {
                        self.start = self.offset;
                    }
                    self.held.push(byte);
                    self.offset += 1;
                    self.head(false, sink)?;
                    self.offset -= 1;
                    1
                }
            };
            self.offset += count as u64;
            rest = rest.get(count..).unwrap_or_default();
        }
        ControlFlow::Continue(())
    }

    /// The complete records so far.
    pub fn take(&mut self) -> Chunk {
        std::mem::take(&mut self.chunk)
    }

    /// The stream has ended: what is unfinished is damaged, and the rest is handed on.
    pub fn finish(&mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        if matches!(self.mode, Mode::Length | Mode::Field) && !self.held.is_empty() {
            self.head(true, sink)?;
        }
        let cut = match self.mode {
            Mode::Content(_) => true,
            Mode::Length => !self.held.is_empty(),
            Mode::Field => !self.held.is_empty() || self.delimiter != Delimiter::None,
            Mode::Lost => false,
        };
        if cut {
            self.lose("the message is cut short");
        }
        sink(self.take())
    }

    /// Is nothing open that more bytes could complete?
    pub fn is_between(&self) -> bool {
        let whole = match self.mode {
            Mode::Length | Mode::Lost => true,
            Mode::Field => self.delimiter == Delimiter::None,
            Mode::Content(_) => false,
        };
        whole && self.held.is_empty()
    }

    /// Bytes taken so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Look at a length or a tag that may be complete.
    fn head(&mut self, last: bool, sink: &mut Sink<'_>) -> ControlFlow<()> {
        if self.delimiter == Delimiter::Unknown {
            let Some(delimiter) = delimiter(&self.held, last) else {
                return ControlFlow::Continue(());
            };
            self.delimiter = delimiter;
            if delimiter == Delimiter::None {
                self.mode = Mode::Field;
                self.left = u64::MAX;
            }
            // What was held to find out is taken again, byte for byte.
            let held = std::mem::take(&mut self.held);
            self.offset -= held.len() as u64;
            let offset = self.offset + held.len() as u64;
            let flow = self.feed(&held, sink);
            self.offset = offset;
            return flow;
        }
        match self.mode {
            Mode::Length => self.length(),
            _ => self.tag(),
        }
        ControlFlow::Continue(())
    }

    fn length(&mut self) {
        let length = match self.delimiter {
            Delimiter::Four => {
                self.held.first_chunk::<4>().map(|it| u64::from(u32::from_be_bytes(*it)))
            }
            _ => varint(&self.held).map(|(length, _)| length),
        };
        match length {
            Some(length) if length > MESSAGE_BYTES_MAX => {
                self.lose("a message of impossible length")
            }
            Some(length) => {
                self.held.clear();
                self.begin(length);
            }
            None if self.held.len() >= HEAD_BYTES => self.lose("no length of a message"),
            None => {}
        }
    }

    fn begin(&mut self, left: u64) {
        self.left = left;
        self.mode =
            if left == 0 && self.delimiter != Delimiter::None { Mode::Length } else { Mode::Field };
    }

    fn tag(&mut self) {
        let head = self.held.len() as u64;
        let field = varint(&self.held).and_then(|(tag, after)| match tag & 7 {
            0 => varint(after).map(|_| (tag, 0)),
            1 => Some((tag, 8)),
            2 => varint(after).map(|(len, _)| (tag, len)),
            5 => Some((tag, 4)),
            _ => Some((0, 0)),
        });
        let Some((tag, len)) = field else {
            if self.held.len() >= HEAD_BYTES {
                self.lose("no field of a message");
            }
            return;
        };
        let fits = self.left >= head && len <= self.left - head;
        if tag >> 3 == 0 || len > MESSAGE_BYTES_MAX || !fits {
            return self.lose("no field of a message");
        }
        if self.left != u64::MAX {
            self.left -= head + len;
        }
        self.wanted = tag == u64::from(RESOURCE);
        self.too_long = false;
        self.held.clear();
        self.mode = Mode::Content(len);
        if len == 0 {
            self.begin(self.left);
        }
    }

    fn content(&mut self, rest: &[u8], left: u64, sink: &mut Sink<'_>) -> ControlFlow<(), usize> {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        if self.wanted && !self.too_long {
            self.held.extend_from_slice(rest.get(..count).unwrap_or_default());
            if self.held.len() > RESOURCE_BYTES_MAX {
                self.too_long = true;
                self.held.truncate(head_len(self.held.len()));
            }
        }
        let left = left - count as u64;
        self.mode = Mode::Content(left);
        if left == 0 {
            let held = std::mem::take(&mut self.held);
            self.begin(self.left);
            if self.wanted {
                self.resource(&held, self.offset + count as u64, sink)?;
            }
        }
        ControlFlow::Continue(count)
    }

    /// The telemetry of one resource is complete; it ends at `end`.
    fn resource(&mut self, content: &[u8], end: u64, sink: &mut Sink<'_>) -> ControlFlow<()> {
        if self.too_long {
            self.chunk.push(content, self.start, Framing::TooLong, Shape::Otlp);
        } else if content.len() + HEAD_BYTES <= self.bounds.record_bytes_max {
            let mut record = Vec::with_capacity(content.len() + HEAD_BYTES);
            wrap(&mut record, 1, content);
            self.chunk.push(&record, self.start, Framing::Whole, Shape::Otlp);
        } else {
            return self.split(content, end - content.len() as u64, sink);
        }
        self.hand_on(sink)
    }

    /// Make several messages of one that is too long for a record. `base`: where the content begins.
    fn split(&mut self, content: &[u8], base: u64, sink: &mut Sink<'_>) -> ControlFlow<()> {
        if !is_message(content) {
            return self.damaged(base, sink);
        }
        let place =
            |part: &[u8]| base + (part.as_ptr() as usize - content.as_ptr() as usize) as u64;
        let common: Vec<u8> = bytes_of(fields(content).filter(|it| it.number != 2));
        for scope in fields(content).filter(|it| it.number == 2) {
            let Some(inner) = scope.content.filter(|it| is_message(it)) else {
                self.damaged(place(scope.whole), sink)?;
                continue;
            };
            let about: Vec<u8> = bytes_of(fields(inner).filter(|it| it.number != 2));
            let room = self
                .bounds
                .record_bytes_max
                .saturating_sub(common.len() + about.len() + 3 * HEAD_BYTES);
            let mut records: Vec<u8> = Vec::new();
            let mut first = None;
            for record in fields(inner).filter(|it| it.number == 2) {
                if !records.is_empty() && records.len() + record.whole.len() > room {
                    self.part(&common, &about, &records, first.take().unwrap_or(base));
                    records.clear();
                    self.hand_on(sink)?;
                }
                first = first.or_else(|| Some(place(record.whole)));
                if record.whole.len() > room {
                    let head = record.whole.get(..head_len(record.whole.len())).unwrap_or_default();
                    let at = first.take().unwrap_or(base);
                    self.chunk.push(head, at, Framing::TooLong, Shape::Otlp);
                    self.hand_on(sink)?;
                } else {
                    records.extend_from_slice(record.whole);
                }
            }
            if !records.is_empty() {
                self.part(&common, &about, &records, first.unwrap_or(base));
                self.hand_on(sink)?;
            }
        }
        ControlFlow::Continue(())
    }

    fn part(&mut self, common: &[u8], about: &[u8], records: &[u8], offset: u64) {
        let scope = [about, records].concat();
        let mut resource = common.to_vec();
        wrap(&mut resource, 2, &scope);
        let mut message = Vec::with_capacity(resource.len() + HEAD_BYTES);
        wrap(&mut message, 1, &resource);
        self.chunk.push(&message, offset, Framing::Whole, Shape::Otlp);
    }

    fn damaged(&mut self, offset: u64, sink: &mut Sink<'_>) -> ControlFlow<()> {
        let reason = b"no telemetry of a resource";
        self.chunk.push(reason, offset, Framing::Damaged, Shape::Otlp);
        self.hand_on(sink)
    }

    fn hand_on(&mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        if self.chunk.is_full(&self.bounds) {
            return sink(self.take());
        }
        ControlFlow::Continue(())
    }

    /// Nothing behind this place can be found again.
    fn lose(&mut self, why: &str) {
        self.chunk.push(why.as_bytes(), self.start, Framing::Damaged, Shape::Otlp);
        self.held = Vec::new();
        self.mode = Mode::Lost;
    }
}

/// How messages follow one another, by the first bytes; `None`: more are needed.
fn delimiter(head: &[u8], last: bool) -> Option<Delimiter> {
    let looks_whole = |bytes: &[u8]| bytes.first() == Some(&RESOURCE);
    match head {
        [0, ..] => Some(Delimiter::Four),
        [RESOURCE, rest @ ..] => {
            // A message begins with a resource, whose content begins with one of its three fields. A length of ten is
            // followed by a message.
            let inner = varint(rest).map(|(_, inner)| inner);
            match inner {
                Some([0x0a | 0x12 | 0x1a, ..]) => Some(Delimiter::None),
                Some([_, ..]) if looks_whole(rest) => Some(Delimiter::Varint),
                Some([_, ..]) => Some(Delimiter::None),
                _ if last || head.len() >= HEAD_BYTES => Some(Delimiter::None),
                _ => None,
            }
        }
        _ => match varint(head) {
            Some((_, [])) if !last => None,
            Some(_) => Some(Delimiter::Varint),
            None if last || head.len() >= HEAD_BYTES => Some(Delimiter::None),
            None => None,
        },
    }
}

/// The fields of a message, up to the first that cannot be read.
fn fields(mut bytes: &[u8]) -> impl Iterator<Item = Field<'_>> {
    std::iter::from_fn(move || {
        let (one, rest) = field(bytes)?;
        bytes = rest;
        Some(one)
    })
}

/// Can all of it be read?
fn is_message(bytes: &[u8]) -> bool {
    fields(bytes).map(|field| field.whole.len()).sum::<usize>() == bytes.len()
}

fn bytes_of<'a>(fields: impl Iterator<Item = Field<'a>>) -> Vec<u8> {
    fields.flat_map(|field| field.whole).copied().collect()
}

/// Write a field that has a length.
fn wrap(out: &mut Vec<u8>, number: u8, content: &[u8]) {
    out.push(number << 3 | 2);
    push_varint(out, content.len() as u64);
    out.extend_from_slice(content);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Seen = Vec<(Vec<u8>, u64, Framing)>;

    fn split_by(bytes: &[u8], piece: usize, bounds: Bounds) -> Seen {
        let mut chunks = Vec::new();
        let mut messages = OtlpMessages::new(bounds);
        let mut sink = |chunk| {
            chunks.push(chunk);
            ControlFlow::Continue(())
        };
        for piece in bytes.chunks(piece) {
            let _ = messages.feed(piece, &mut sink);
        }
        let _ = messages.finish(&mut sink);
        assert_eq!(messages.offset(), bytes.len() as u64);
        let one = |chunk: &Chunk| -> Seen {
            let record = |record: &crate::model::record::Record| {
                (chunk.bytes(record).to_vec(), record.offset, record.framing)
            };
            chunk.records.iter().map(record).collect()
        };
        chunks.iter().flat_map(one).collect()
    }

    fn field_of(number: u8, content: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        wrap(&mut out, number, content);
        out
    }

    /// A resource with one scope and log records of these bodies.
    fn resource(name: &str, bodies: &[&str]) -> Vec<u8> {
        let records: Vec<u8> = bodies
            .iter()
            .flat_map(|body| field_of(2, &field_of(5, &field_of(1, body.as_bytes()))))
            .collect();
        let scope = [field_of(1, &field_of(1, b"scope")), records].concat();
        let resource = field_of(1, &field_of(1, name.as_bytes()));
        field_of(1, &[resource, field_of(2, &scope)].concat())
    }

    fn delimited(messages: &[Vec<u8>], four: bool) -> Vec<u8> {
        let one = |message: &Vec<u8>| {
            let mut out = Vec::new();
            match four {
                true => out.extend((message.len() as u32).to_be_bytes()),
                false => push_varint(&mut out, message.len() as u64),
            }
            [out, message.clone()].concat()
        };
        messages.iter().flat_map(one).collect()
    }

    #[test]
    fn every_way_of_following_one_another() {
        let (one, two) = (resource("a", &["x", "y"]), resource("b", &["z"]));
        let both = [one.clone(), two.clone()].concat();
        for (stream, offsets) in [
            (both.clone(), [0, one.len()]),
            (delimited(&[one.clone(), two.clone()], false), [1, one.len() + 2]),
            (delimited(&[one.clone(), Vec::new(), two.clone()], true), [4, one.len() + 12]),
            (delimited(&[both], true), [4, one.len() + 4]),
        ] {
            for piece in [1, 2, 1000] {
                let seen = split_by(&stream, piece, Bounds::default());
                let expected: Seen = [(&one, offsets[0]), (&two, offsets[1])]
                    .map(|(message, offset)| (message.clone(), offset as u64, Framing::Whole))
                    .to_vec();
                assert_eq!(seen, expected, "{stream:?}");
            }
        }
    }

    #[test]
    fn what_is_too_long_is_split_with_its_resource() {
        let bodies = [
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "bbbbbbbbbbbbbbbbbbbbbbbb",
            "cccccccccccccccccccccccc",
            "d",
        ];
        let message = resource("a", &bodies);
        let bounds = Bounds { record_bytes_max: 125, ..Bounds::default() };
        let seen = split_by(&message, 7, bounds);
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(seen.iter().all(|it| it.0.len() <= 125 && it.2 == Framing::Whole));
        assert_eq!(seen[0].0, resource("a", &bodies[..2]));
        assert_eq!(seen[1].0, resource("a", &bodies[2..]));
        let bounds = Bounds { record_bytes_max: 90, ..Bounds::default() };
        let seen = split_by(&message, 7, bounds);
        assert_eq!(seen.len(), 4);
        let bounds = Bounds { record_bytes_max: 60, ..Bounds::default() };
        let framings: Vec<Framing> = split_by(&message, 7, bounds).iter().map(|it| it.2).collect();
        assert!(framings.contains(&Framing::TooLong), "{framings:?}");
    }

    #[test]
    fn damage_is_said() {
        let one = resource("a", &["x"]);
        let cut = &one[..one.len() - 1];
        assert_eq!(split_by(cut, 3, Bounds::default())[0].2, Framing::Damaged);
        let stream = [one.clone(), b"\x07\x07\x07".to_vec()].concat();
        let seen = split_by(&stream, 3, Bounds::default());
        assert_eq!((seen.len(), seen[0].2, seen[1].2), (2, Framing::Whole, Framing::Damaged));
        assert_eq!(split_by(b"", 1, Bounds::default()), []);
        assert_eq!(split_by(b"text that is no message", 5, Bounds::default()).len(), 1);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_records(
            parts in proptest::collection::vec(prop_oneof![
                Just(resource("a", &["x", "yyyyyyyyyyyyyyy"])), Just(resource("b", &[])), Just(vec![0x10, 5]), Just(vec![0x0a]), Just(vec![0]), Just(vec![7]),
                Just(delimited(&[resource("c", &["z"])], false)), Just(delimited(&[resource("c", &["z"])], true)),
            ], 0..8),
            piece in 1_usize..50, limit in 30_usize..100,
        ) {
            let bytes = parts.concat();
            let bounds = Bounds { record_bytes_max: limit, chunk_records_max: 2, ..Bounds::default() };
            prop_assert_eq!(split_by(&bytes, piece, bounds), split_by(&bytes, 10_000, bounds));
        }

        #[test]
        fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..500)) {
            let _ = split_by(&bytes, 100, Bounds::default());
        }
    }
}
