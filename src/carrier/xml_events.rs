//! Windows events as XML: one after the other or within `<Events>`, on one line each or printed over many, as UTF-8 or
//! UTF-16. One record an `<Event>…</Event>`; a line of anything else between two events is a record of its own, so
//! that a mixed file loses nothing.
//!
//! Only the structure is followed. An event that was cut short ends where the next one begins (an `<Event>` whose first
//! element is `<System>`) or where `</Events>` stands; whether a record is valid is for the decoder to say.

use std::ops::ControlFlow;

use memchr::{memchr, memmem};

use super::gather::Gather;
use super::utf16::{Encoding, Utf16, head_text};
use super::{Bounds, Chunk, Sink};
use crate::model::record::Shape;

const EVENT: &[u8] = b"<Event";
/// First bytes that are needed to tell the encoding.
const HEAD_BYTES: usize = 4;
/// Longest start of a tag that is looked at.
const NAME_BYTES_MAX: usize = 9;
/// A start tag of an event within an event is followed by its first element within this many bytes, or it is none.
const PENDING_BYTES_MAX: usize = 4 << 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Between two events.
    Between,
    /// In an event; not in a tag.
    Text,
    /// After `<`: what kind of tag it is.
    Open,
    /// In a tag, after its name; the quote that is open.
    Tag(Option<u8>),
    /// Up to these last bytes.
    Until(&'static [u8]),
}

/// What the tag that is being read does to the event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Start,
    End,
    Other,
}

/// Splits a stream of bytes into events.
#[derive(Debug)]
pub struct XmlEvents {
    bounds: Bounds,
    chunk: Chunk,
    /// The first bytes, until the encoding is known.
    head: Vec<u8>,
    /// The encoding is known.
    begun: bool,
    units: Option<Utf16>,
    mode: Mode,
    kind: Kind,
    /// The line between two events, or the event.
    gather: Gather,
    /// A further `<Event …>` within the event: the next one, or a part of it.
    pending: Option<Gather>,
    /// Bytes of [`EVENT`] that just went by, and where they began.
    matched: usize,
    mark: u64,
    name: Vec<u8>,
    depth: usize,
    /// The last bytes of the event, newest last.
    last: [u8; 3],
    /// Next byte's place in the stream.
    offset: u64,
}

impl XmlEvents {
    /// A splitter at the start of a stream.
    pub fn new(bounds: Bounds) -> XmlEvents {
        XmlEvents {
            bounds,
            chunk: Chunk::default(),
            head: Vec::new(),
            begun: false,
            units: None,
            mode: Mode::Between,
            kind: Kind::Other,
            gather: Gather::new(bounds.record_bytes_max),
            pending: None,
            matched: 0,
            mark: 0,
            name: Vec::new(),
            depth: 0,
            last: [0; 3],
            offset: 0,
        }
    }

    /// Split a piece of the stream; full chunks go to `sink`.
    pub fn feed(&mut self, piece: &[u8], sink: &mut Sink<'_>) -> ControlFlow<()> {
        if self.begun {
            return self.decode(piece, sink);
        }
        self.head.extend_from_slice(piece);
        if self.head.len() < HEAD_BYTES {
            return ControlFlow::Continue(());
        }
        self.begin(sink)
    }

    /// The complete records so far.
    pub fn take(&mut self) -> Chunk {
        std::mem::take(&mut self.chunk)
    }

    /// The stream has ended: an unfinished event or line is a record too, and the rest is handed on.
    pub fn finish(&mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        self.begin(sink)?;
        if self.mode == Mode::Between {
            self.end_line();
        } else {
            self.merge_pending();
            self.end_event();
        }
        sink(self.take())
    }

    /// Is nothing open that more bytes could complete?
    pub fn is_between(&self) -> bool {
        let text = without_wrapping(self.gather.bytes());
        self.mode == Mode::Between && text.is_empty() && self.head.is_empty()
    }

    /// Bytes taken so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    fn begin(&mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        if self.begun {
            return ControlFlow::Continue(());
        }
        self.begun = true;
        let head = std::mem::take(&mut self.head);
        self.units = Utf16::new(Encoding::of(&head));
        self.decode(&head, sink)
    }

    fn decode(&mut self, piece: &[u8], sink: &mut Sink<'_>) -> ControlFlow<()> {
        let Some(mut units) = self.units.take() else { return self.scan(piece, sink) };
        for byte in piece {
            self.offset += 1;
            for (char, before) in units.push(*byte).into_iter().flatten() {
                let mut buffer = [0; 4];
                for byte in char.encode_utf8(&mut buffer).bytes() {
                    self.step(byte, self.offset - before);
                }
            }
            if self.chunk.is_full(&self.bounds) {
                sink(self.take())?;
            }
        }
        self.units = Some(units);
        ControlFlow::Continue(())
    }

    fn scan(&mut self, piece: &[u8], sink: &mut Sink<'_>) -> ControlFlow<()> {
        let mut rest = piece;
        while let Some((byte, after)) = rest.split_first() {
            if self.mode == Mode::Text && self.pending.is_none() {
                let len = memchr(b'<', rest).unwrap_or(rest.len());
                let (text, from) = rest.split_at_checked(len).unwrap_or((rest, &[]));
                if !text.is_empty() {
                    self.gather.extend(text);
                    self.offset += len as u64;
                    rest = from;
                    continue;
                }
            }
            self.step(*byte, self.offset);
            self.offset += 1;
            rest = after;
            if self.chunk.is_full(&self.bounds) {
                sink(self.take())?;
            }
        }
        ControlFlow::Continue(())
    }

    fn step(&mut self, byte: u8, at: u64) {
        match self.mode {
            Mode::Between => self.between(byte, at),
            Mode::Text => {
                if byte == b'<' {
                    return self.open(byte, at);
                }
                if !byte.is_ascii_whitespace() {
                    self.merge_pending();
                }
                self.keep(byte);
            }
            Mode::Open => self.in_name(byte, at),
            Mode::Tag(quote) => self.in_tag(byte, at, quote),
            Mode::Until(end) => {
                self.keep(byte);
                if self.last.ends_with(end) {
                    self.mode = Mode::Text;
                }
            }
        }
    }

    fn between(&mut self, byte: u8, at: u64) {
        if self.matched == EVENT.len() && ends_name(byte) {
            self.gather.shorten(EVENT.len());
            self.end_line();
            self.gather.begin(self.mark);
            self.gather.extend(EVENT);
            (self.depth, self.kind, self.matched) = (1, Kind::Other, 0);
            self.mode = Mode::Tag(None);
            return self.in_tag(byte, at, None);
        }
        self.matched = match EVENT.get(self.matched) {
            Some(next) if *next == byte => self.matched + 1,
            _ => usize::from(byte == b'<'),
        };
        if self.matched == 1 {
            self.mark = at;
        }
        if byte == b'\n' {
            return self.end_line();
        }
        if self.gather.bytes().is_empty() {
            if byte.is_ascii_whitespace() {
                return;
            }
            self.gather.begin(at);
        }
        self.gather.push(byte);
    }

    fn open(&mut self, byte: u8, at: u64) {
        self.mark = at;
        self.name.clear();
        self.mode = Mode::Open;
        self.keep(byte);
    }

    fn in_name(&mut self, byte: u8, at: u64) {
        if ends_name(byte) && !(byte == b'/' && self.name.is_empty()) {
            return self.named(byte, at);
        }
        if byte == b'<' {
            return self.open(byte, at);
        }
        self.keep(byte);
        if self.name.len() < NAME_BYTES_MAX {
            self.name.push(byte);
        }
        self.mode = match self.name.as_slice() {
            b"?" => Mode::Until(b"?>"),
            b"!--" => Mode::Until(b"-->"),
            b"![CDATA[" => Mode::Until(b"]]>"),
            _ => Mode::Open,
        };
        if self.mode != Mode::Open {
            self.merge_pending();
            self.last = [0; 3];
        }
    }

    /// The name of a tag is complete.
    fn named(&mut self, byte: u8, at: u64) {
        self.mode = Mode::Tag(None);
        self.kind = match self.name.as_slice() {
            b"Event" => {
                self.merge_pending();
                // What was kept of the tag so far moves to the possible next event.
                self.gather.shorten(EVENT.len());
                let mut pending = Gather::new(self.bounds.record_bytes_max);
                pending.begin(self.mark);
                pending.extend(EVENT);
                self.pending = Some(pending);
                Kind::Start
            }
            b"System" if self.pending.is_some() => {
                self.cut_before_pending();
                Kind::Other
            }
            b"/Event" => {
                self.merge_pending();
                Kind::End
            }
            b"/Events" => {
                self.merge_pending();
                self.gather.shorten(b"</Events".len());
                self.end_event();
                self.gather.begin(self.mark);
                self.gather.extend(b"</Events");
                return self.between(byte, at);
            }
            _ => {
                self.merge_pending();
                Kind::Other
            }
        };
        self.in_tag(byte, at, None);
    }

    fn in_tag(&mut self, byte: u8, at: u64, quote: Option<u8>) {
        match (byte, quote) {
            // Never inside a tag, not even quoted: what came before is damaged.
            (b'<', _) => return self.open(byte, at),
            (b'"' | b'\'', None) => self.mode = Mode::Tag(Some(byte)),
            (_, Some(open)) if byte == open => self.mode = Mode::Tag(None),
            (b'>', None) => {
                let empty = self.last.ends_with(b"/");
                self.keep(byte);
                return self.end_tag(empty);
            }
            _ => {}
        }
        self.keep(byte);
    }

    fn end_tag(&mut self, empty: bool) {
        self.mode = Mode::Text;
        match std::mem::replace(&mut self.kind, Kind::Other) {
            Kind::Start if empty => self.forget_pending(),
            Kind::End => {
                self.depth = self.depth.saturating_sub(1);
                if self.depth == 0 {
                    self.end_event();
                }
            }
            // `<Event/>` is an event without anything.
            Kind::Other if empty && self.gather.bytes().len() < PENDING_BYTES_MAX => {
                let tag = self.gather.bytes();
                if self.depth == 1
                    && tag.starts_with(EVENT)
                    && memchr(b'>', tag) == Some(tag.len() - 1)
                {
                    self.end_event();
                }
            }
            Kind::Start | Kind::Other => {}
        }
    }

    fn keep(&mut self, byte: u8) {
        self.last.rotate_left(1);
        if let Some(last) = self.last.last_mut() {
            *last = byte;
        }
        match &mut self.pending {
            Some(pending) => {
                pending.push(byte);
                if pending.bytes().len() > PENDING_BYTES_MAX {
                    self.merge_pending();
                }
            }
            None => self.gather.push(byte),
        }
    }

    /// An `<Event …>` within the event is a part of it.
    fn merge_pending(&mut self) {
        if self.pending.is_some() {
            self.forget_pending();
            self.depth += 1;
        }
    }

    fn forget_pending(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.gather.extend(pending.bytes());
        }
    }

    /// An `<Event …>` within the event is the next one: the event was cut short.
    fn cut_before_pending(&mut self) {
        if let Some(pending) = self.pending.take() {
            self.end_event();
            self.gather = pending;
            self.depth = 1;
            self.mode = Mode::Tag(None);
        }
    }

    fn end_event(&mut self) {
        self.gather.end(&mut self.chunk, Shape::Xml);
        self.mode = Mode::Between;
        self.matched = 0;
    }

    /// What stands between two events is a record if it is no part of the wrapping.
    fn end_line(&mut self) {
        let text = without_wrapping(self.gather.bytes());
        if !text.is_empty() {
            let (offset, framing) = (self.gather.offset, self.gather.framing());
            self.chunk.push(text, offset, framing, Shape::Line);
        }
        self.gather.begin(self.offset);
        self.matched = 0;
    }
}

/// Does this byte end the name of a tag?
fn ends_name(byte: u8) -> bool {
    byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/')
}

/// The line without byte order mark, XML declaration, comments and the tags of `Events`.
fn without_wrapping(line: &[u8]) -> &[u8] {
    let mut rest = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line).trim_ascii();
    loop {
        let end: &[u8] = match rest {
            [b'<', b'?', ..] => b"?>",
            [b'<', b'!', b'-', b'-', ..] => b"-->",
            _ if begins_tag(rest, b"<Events") || begins_tag(rest, b"</Events") => b">",
            _ => return rest,
        };
        rest = match memmem::find(rest, end) {
            Some(at) => rest.get(at + end.len()..).unwrap_or_default().trim_ascii_start(),
            None => return &[],
        };
    }
}

fn begins_tag(text: &[u8], tag: &[u8]) -> bool {
    text.strip_prefix(tag).is_some_and(|rest| rest.first().is_none_or(|byte| ends_name(*byte)))
}

/// Do the first bytes of a stream look like Windows events as XML?
pub fn recognise(head: &[u8]) -> bool {
    let is_xml = |text: &[u8]| {
        begins_tag(text, b"<?xml") || begins_tag(text, b"<Events") || begins_tag(text, EVENT)
    };
    match Encoding::of(head) {
        Encoding::Bytes => {
            let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
            // Below lines of comment, or between events in another form.
            is_xml(head)
                || memmem::find_iter(head, b"\n<Event").any(|at| {
                    let event = head.get(at + 1..).unwrap_or_default();
                    begins_tag(event, EVENT) && memmem::find(event, b"<System").is_some()
                })
        }
        _ => is_xml(head_text(head.get(..256).unwrap_or(head)).trim_ascii_start()),
    }
}

#[cfg(test)]
#[path = "xml_events_tests.rs"]
mod tests;
