//! Syslog messages in frames: each behind its length in digits and a blank (RFC 6587 octet counting), or behind its
//! length in four bytes, big-endian. One record a message; it may hold line ends.
//!
//! Among counted frames a line without a count is a message too, as senders mix them. After a length that cannot be
//! right the next message is looked for.

use std::ops::ControlFlow;

use memchr::memchr;

use super::gather::Gather;
use super::{Bounds, Chunk, Sink, head_len};
use crate::model::record::{Framing, Shape};

/// A frame said to be longer than this is damage.
pub const FRAME_BYTES_MAX: u64 = 16 << 20;
/// Most digits of a count.
const DIGITS_MAX: usize = 8;
/// Said of bytes that belong to no frame.
const NO_FRAME: &[u8] = b"bytes that are no frame were passed over";
/// Said before what came of a message.
const CUT: &[u8] = b"the connection ended within a message, of which came: ";

/// How frames say their length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frames {
    /// `123 <34>1 …`
    Counted,
    /// Four bytes, big-endian.
    Prefixed,
    /// They do not: each message is a line.
    Lines,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Before a frame: the length so far is held.
    Head,
    /// In a message, so many bytes to come.
    Message(u64),
    /// In a message without a length, up to the line end.
    Line,
    /// Looking for a length that can be right.
    Lost,
}

/// Splits a stream of bytes into messages.
#[derive(Debug)]
pub struct SyslogFrames {
    bounds: Bounds,
    frames: Frames,
    chunk: Chunk,
    mode: Mode,
    held: Vec<u8>,
    message: Gather,
    /// Next byte's place in the stream.
    offset: u64,
}

impl SyslogFrames {
    /// A splitter at the start of a stream.
    pub fn new(bounds: Bounds, frames: Frames) -> SyslogFrames {
        SyslogFrames {
            bounds,
            frames,
            chunk: Chunk::default(),
            mode: Mode::Head,
            held: Vec::new(),
            message: Gather::new(bounds.record_bytes_max),
            offset: 0,
        }
    }

    /// Split a piece of the stream; full chunks go to `sink`.
    pub fn feed(&mut self, piece: &[u8], sink: &mut Sink<'_>) -> ControlFlow<()> {
        let mut rest = piece;
        while !rest.is_empty() {
            let count = self.step(rest);
            self.offset += count as u64;
            rest = rest.get(count..).unwrap_or_default();
            if self.chunk.is_full(&self.bounds) {
                sink(self.take())?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The complete records so far.
    pub fn take(&mut self) -> Chunk {
        std::mem::take(&mut self.chunk)
    }

    /// The stream has ended: an unfinished message is a record too, and the rest is handed on.
    pub fn finish(&mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        match (self.mode, self.frames) {
            (Mode::Head, Frames::Counted) => {
                self.message.begin(self.offset - self.held.len() as u64);
                let held = std::mem::take(&mut self.held);
                self.message.extend(&held);
                self.end_message();
            }
            (Mode::Head, _) if self.held.is_empty() => {}
            (Mode::Head | Mode::Lost, _) => self.lost(),
            (Mode::Message(_) | Mode::Line, _) => self.end_message(),
        }
        sink(self.take())
    }

    /// The sender went away: what is unfinished is damaged, with what came of it, and the rest is handed on.
    pub fn cut(&mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        if !self.is_between() {
            let (at, came) = match self.mode {
                Mode::Message(_) | Mode::Line => (self.message.offset, self.message.bytes()),
                Mode::Head | Mode::Lost => {
                    (self.offset.saturating_sub(self.held.len() as u64), self.held.as_slice())
                }
            };
            let head = came.get(..head_len(came.len())).unwrap_or_default();
            let said = [CUT, head].concat();
            self.chunk.push(&said, at, Framing::Damaged, Shape::Line);
            self.held.clear();
            self.message.begin(self.offset);
            self.mode = Mode::Head;
        }
        sink(self.take())
    }

    /// Is nothing open that more bytes could complete?
    pub fn is_between(&self) -> bool {
        self.mode == Mode::Head && self.held.is_empty()
    }

    /// Bytes taken so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Take some of the bytes; returns how many, at least one.
    fn step(&mut self, rest: &[u8]) -> usize {
        let byte = rest.first().copied().unwrap_or_default();
        match (self.mode, self.frames) {
            (Mode::Head, Frames::Counted) => self.count(byte),
            (Mode::Head, Frames::Prefixed) => self.prefix(byte),
            (Mode::Head, Frames::Lines) => self.line(byte),
            (Mode::Message(left), _) => return self.in_message(rest, left),
            (Mode::Line, _) => {
                let len = memchr(b'\n', rest);
                self.message.extend(rest.get(..len.unwrap_or(rest.len())).unwrap_or_default());
                return match len {
                    Some(len) => {
                        self.end_message();
                        len + 1
                    }
                    None => rest.len(),
                };
            }
            (Mode::Lost, _) => self.search(byte),
        }
        1
    }

    /// Digits, a blank, and `<`: a frame. Anything else is a line.
    fn count(&mut self, byte: u8) {
        if self.held.is_empty() && (byte.is_ascii_whitespace() || byte == 0) {
            return;
        }
        let digits = self.held.iter().take_while(|held| held.is_ascii_digit()).count();
        let blank = self.held.len() > digits;
        let goes_on = match (digits, blank) {
            (0, _) => byte.is_ascii_digit() && byte != b'0',
            (1..=DIGITS_MAX, false) => byte.is_ascii_digit() || byte == b' ',
            (1..=DIGITS_MAX, true) => byte == b'<',
            _ => false,
        };
        if !goes_on || byte == b'<' {
            let held = std::mem::take(&mut self.held);
            let start = self.offset - held.len() as u64;
            self.message.begin(start);
            let length = held.get(..digits).and_then(|it| std::str::from_utf8(it).ok());
            let length = length.and_then(|it| it.parse().ok()).filter(|it| *it <= FRAME_BYTES_MAX);
            match length.filter(|_| goes_on) {
                Some(length) => {
                    self.mode = Mode::Message(length);
                    self.in_message(&[byte], length);
                }
                None => {
                    self.message.extend(&held);
                    self.mode = Mode::Line;
                    match byte {
                        b'\n' => self.end_message(),
                        _ => self.message.push(byte),
                    }
                }
            }
            return;
        }
        self.held.push(byte);
    }

    /// The first byte of a line.
    fn line(&mut self, byte: u8) {
        if byte.is_ascii_whitespace() || byte == 0 {
            return;
        }
        self.message.begin(self.offset);
        self.message.push(byte);
        self.mode = Mode::Line;
    }

    fn prefix(&mut self, byte: u8) {
        self.held.push(byte);
        let Some(length) = self.held.first_chunk::<4>() else { return };
        let length = u64::from(u32::from_be_bytes(*length));
        if length > FRAME_BYTES_MAX {
            self.message.begin(self.offset + 1 - 4);
            self.mode = Mode::Lost;
            return;
        }
        self.message.begin(self.offset + 1 - 4);
        self.held.clear();
        if length > 0 {
            self.mode = Mode::Message(length);
        }
    }

    /// A length that can be right, and a message that begins with its priority.
    fn search(&mut self, byte: u8) {
        self.held.push(byte);
        let Some((length, [b'<'])) = self.held.split_first_chunk::<4>() else {
            if self.held.len() > 4 {
                self.held.remove(0);
            }
            return;
        };
        let length = u64::from(u32::from_be_bytes(*length));
        if length == 0 || length > FRAME_BYTES_MAX {
            self.held.remove(0);
            return;
        }
        self.lost();
        self.message.begin(self.offset + 1 - 5);
        self.held.clear();
        self.mode = Mode::Message(length);
        self.in_message(b"<", length);
    }

    fn lost(&mut self) {
        let at = match self.mode {
            Mode::Lost => self.message.offset,
            _ => self.offset - self.held.len() as u64,
        };
        self.chunk.push(NO_FRAME, at, Framing::Damaged, Shape::Line);
    }

    fn in_message(&mut self, rest: &[u8], left: u64) -> usize {
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
        self.message.extend(rest.get(..count).unwrap_or_default());
        let left = left - count as u64;
        self.mode = Mode::Message(left);
        if left == 0 {
            self.end_message();
        }
        count
    }

    fn end_message(&mut self) {
        let bytes = self.message.bytes();
        let end = bytes.iter().rposition(|byte| !matches!(byte, b'\r' | b'\n' | 0));
        let text = end.and_then(|end| bytes.get(..=end)).unwrap_or_default();
        if !text.is_empty() {
            self.chunk.push(text, self.message.offset, self.message.framing(), Shape::Line);
        }
        self.message.begin(self.offset);
        self.mode = Mode::Head;
    }
}

/// Do the first bytes of a stream look like counted frames?
pub fn recognise(head: &[u8]) -> bool {
    let digits = head.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let (count, rest) = head.split_at_checked(digits).unwrap_or((head, &[]));
    let Some(message) = rest.strip_prefix(b" ") else { return false };
    let count = std::str::from_utf8(count).ok().and_then(|count| count.parse::<u64>().ok());
    let Some(count) = count.filter(|count| (1..=FRAME_BYTES_MAX).contains(count)) else {
        return false;
    };
    let priority = message.strip_prefix(b"<").unwrap_or_default();
    let digits = priority.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let has_priority = (1..=3).contains(&digits) && priority.get(digits) == Some(&b'>');
    // What follows the first frame must be able to begin another.
    let after = usize::try_from(count).ok().and_then(|count| message.get(count));
    has_priority
        && after
            .is_none_or(|byte| byte.is_ascii_digit() || byte.is_ascii_whitespace() || *byte == b'<')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Seen = Vec<(String, u64, Framing)>;

    fn split_by(bytes: &[u8], frames: Frames, piece: usize, bounds: Bounds) -> Seen {
        let mut chunks = Vec::new();
        let mut splitter = SyslogFrames::new(bounds, frames);
        let mut sink = |chunk| {
            chunks.push(chunk);
            ControlFlow::Continue(())
        };
        for piece in bytes.chunks(piece) {
            let _ = splitter.feed(piece, &mut sink);
        }
        let _ = splitter.finish(&mut sink);
        assert_eq!(splitter.offset(), bytes.len() as u64);
        let one = |chunk: &Chunk| -> Seen {
            let record = |record: &crate::model::record::Record| {
                let text = String::from_utf8_lossy(chunk.bytes(record)).into_owned();
                (text, record.offset, record.framing)
            };
            chunk.records.iter().map(record).collect()
        };
        chunks.iter().flat_map(one).collect()
    }

    fn texts(bytes: &[u8], frames: Frames) -> Vec<String> {
        split_by(bytes, frames, 3, Bounds::default()).into_iter().map(|(text, ..)| text).collect()
    }

    #[test]
    fn counted_frames_and_lines_among_them() {
        let stream = b"7 <34>one10 <34>a\nb\ncd\n6 <34>x\n<34>line\n5 <34>y7 no frame\n99999999 <34>z\n4 <1>w";
        let seen = texts(stream, Frames::Counted);
        assert_eq!(
            seen,
            [
                "<34>one",
                "<34>a\nb\ncd",
                "<34>x",
                "<34>line",
                "<34>y",
                "7 no frame",
                "99999999 <34>z",
                "<1>w"
            ]
        );
        let seen = split_by(stream, Frames::Counted, 4, Bounds::default());
        assert_eq!((seen[0].1, seen[1].1, seen[3].1), (0, 9, 31));
        assert_eq!(texts(b"20 <34>cut", Frames::Counted), ["<34>cut"]);
        assert_eq!(texts(b"12", Frames::Counted), ["12"]);
    }

    #[test]
    fn prefixed_frames_and_damage_between_them() {
        let frame = |text: &str| [&(text.len() as u32).to_be_bytes()[..], text.as_bytes()].concat();
        let good = [frame("<34>one"), frame(""), frame("two\n"), frame("<34>three")].concat();
        assert_eq!(texts(&good, Frames::Prefixed), ["<34>one", "two", "<34>three"]);
        let bad = [
            frame("<34>one"),
            b"\xff\xff\xff\xff junk".to_vec(),
            frame("<34>two"),
            b"\0\0".to_vec(),
        ]
        .concat();
        let seen = split_by(&bad, Frames::Prefixed, 3, Bounds::default());
        let framings: Vec<Framing> = seen.iter().map(|it| it.2).collect();
        use Framing::{Damaged, Whole};
        assert_eq!(framings, [Whole, Damaged, Whole, Damaged], "{seen:?}");
        assert_eq!(seen[2].0, "<34>two");
        assert_eq!((seen[1].1, seen[2].1), (11, 20));
    }

    #[test]
    fn lines_are_lines_whatever_they_begin_with_and_a_cut_one_is_damaged() {
        assert_eq!(texts(b"<1>a\r\n\n7 <2>b\n<3>c", Frames::Lines), ["<1>a", "7 <2>b", "<3>c"]);
        for (bytes, frames) in [
            (&b"<1>a\n<2>hal"[..], Frames::Lines),
            (b"4 <1>a9 <2>hal", Frames::Counted),
            (b"4 <1>a12", Frames::Counted),
        ] {
            let mut splitter = SyslogFrames::new(Bounds::default(), frames);
            let mut chunks = Vec::new();
            let mut sink = |chunk| {
                chunks.push(chunk);
                ControlFlow::Continue(())
            };
            let _ = splitter.feed(bytes, &mut sink);
            let _ = splitter.cut(&mut sink);
            assert!(splitter.is_between());
            let records = &chunks[0].records;
            assert_eq!((records.len(), records[0].framing), (2, Framing::Whole));
            assert_eq!(records[1].framing, Framing::Damaged);
            assert_eq!(chunks[0].bytes(&records[0]), b"<1>a");
        }
    }

    #[test]
    fn a_message_over_the_limit_keeps_its_head() {
        let bounds = Bounds { record_bytes_max: 6, ..Bounds::default() };
        let seen = split_by(b"10 <34>abcdef4 <1>x", Frames::Counted, 3, bounds);
        assert_eq!(seen[0], ("<34>abc".to_owned(), 0, Framing::TooLong));
        assert_eq!(seen[1].0, "<1>x");
    }

    #[test]
    fn recognises_counts_before_priorities() {
        for yes in ["7 <34>one9 <34>", "120 <165>1 2026", "7 <34>one", "7 <34>one\n"] {
            assert!(recognise(yes.as_bytes()), "{yes}");
        }
        for no in [
            "<34>1",
            "7 one",
            "0 <34>",
            "7 <34>onetwo",
            "7 <3456>",
            "",
            "2026 <x>",
            "99999999999999999999 <1>",
        ] {
            assert!(!recognise(no.as_bytes()), "{no}");
        }
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_records(
            parts in proptest::collection::vec(prop_oneof![
                Just(&b"7 <34>one"[..]), Just(&b"12 <"[..]), Just(&b"<34>x\n"[..]), Just(&b"\n"[..]), Just(&b"5"[..]), Just(&b" "[..]), Just(&b"a"[..]),
                Just(&b"\0\0\0\x03<1>"[..]), Just(&b"\0\0"[..]), Just(&b"\xff\xff"[..]), Just(&b"<"[..]),
            ], 0..40),
            piece in 1_usize..50, limit in 3_usize..40, prefixed: bool,
        ) {
            let bytes = parts.concat();
            let frames = if prefixed { Frames::Prefixed } else { Frames::Counted };
            let bounds = Bounds { record_bytes_max: limit, chunk_records_max: 2, ..Bounds::default() };
            prop_assert_eq!(split_by(&bytes, frames, piece, bounds), split_by(&bytes, frames, 10_000, bounds));
        }

        #[test]
        fn messages_come_back(messages in proptest::collection::vec("<[0-9]{1,3}>[a-z<0-9 \n]{0,20}[a-z]", 0..10)) {
            let counted: Vec<u8> = messages.iter().flat_map(|it| format!("{} {it}", it.len()).into_bytes()).collect();
            prop_assert_eq!(&texts(&counted, Frames::Counted), &messages);
            let prefixed: Vec<u8> = messages.iter().flat_map(|it| [&(it.len() as u32).to_be_bytes()[..], it.as_bytes()].concat()).collect();
            prop_assert_eq!(&texts(&prefixed, Frames::Prefixed), &messages);
        }

        #[test]
        fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = split_by(&bytes, Frames::Counted, 100, Bounds::default());
            let _ = split_by(&bytes, Frames::Prefixed, 100, Bounds::default());
            let _ = recognise(&bytes);
        }
    }
}
