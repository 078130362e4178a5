//! The systemd journal's export format (`journalctl -o export`): fields `KEY=value`, or `KEY`, a length of 64 bits and
//! that many bytes; an empty line ends an entry. One record an entry, its bytes as they are.
//!
//! A line that is no field is kept in its entry, for the decoder to say so.

use std::ops::ControlFlow;

use memchr::memchr;

use super::gather::Gather;
use super::{Bounds, Chunk, Sink};
use crate::model::record::Shape;

/// What systemd itself takes in one field; a longer one is damage.
pub const FIELD_BYTES_MAX: u64 = 768 << 20;
/// What systemd takes as the name of a field.
const NAME_BYTES_MAX: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// In a line; true while all of it could be the name of a binary field.
    Line(bool),
    /// In the length of a binary field: bytes read, value so far.
    Length(u32, u64),
    /// In the bytes of a binary field, so many to come.
    Data(u64),
    /// After them: a line end.
    DataEnd,
}

/// Splits a stream of bytes into entries.
#[derive(Debug)]
pub struct JournalExport {
    bounds: Bounds,
    chunk: Chunk,
    entry: Gather,
    /// There is something in the entry.
    open: bool,
    mode: Mode,
    /// Bytes of the current line.
    line: usize,
    /// Next byte's place in the stream.
    offset: u64,
}

impl JournalExport {
    /// A splitter at the start of a stream.
    pub fn new(bounds: Bounds) -> JournalExport {
        JournalExport {
            bounds,
            chunk: Chunk::default(),
            entry: Gather::new(bounds.record_bytes_max),
            open: false,
            mode: Mode::Line(true),
            line: 0,
            offset: 0,
        }
    }

    /// Split a piece of the stream; full chunks go to `sink`.
    pub fn feed(&mut self, piece: &[u8], sink: &mut Sink<'_>) -> ControlFlow<()> {
        let mut rest = piece;
        while !rest.is_empty() {
            let count = self.step(rest).max(1);
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

    /// The stream has ended: an unfinished entry is a record too, and the rest is handed on.
    pub fn finish(&mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        self.end_entry();
        sink(self.take())
    }

    /// Is nothing open that more bytes could complete?
    pub fn is_between(&self) -> bool {
        !self.open
    }

    /// Bytes taken so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Take some of the bytes; returns how many.
    fn step(&mut self, rest: &[u8]) -> usize {
        match self.mode {
            Mode::Line(named) => self.in_line(rest, named),
            Mode::Length(count, value) => {
                let byte = rest.first().copied().unwrap_or_default();
                self.keep(&[byte]);
                let value = value | (u64::from(byte) << (8 * count));
                self.mode = match count {
                    7 if value > FIELD_BYTES_MAX => Mode::Line(false),
                    7 if value == 0 => Mode::DataEnd,
                    7 => Mode::Data(value),
                    _ => Mode::Length(count + 1, value),
                };
                1
            }
            Mode::Data(left) => {
                let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
                self.keep(rest.get(..count).unwrap_or_default());
                let left = left - count as u64;
                self.mode = if left == 0 { Mode::DataEnd } else { Mode::Data(left) };
                count
            }
            Mode::DataEnd => {
                self.begin_line();
                if rest.first() != Some(&b'\n') {
                    return self.in_line(rest, true);
                }
                self.keep(b"\n");
                1
            }
        }
    }

    fn in_line(&mut self, rest: &[u8], named: bool) -> usize {
        let len = memchr(b'\n', rest);
        let text = rest.get(..len.unwrap_or(rest.len())).unwrap_or_default();
        let named = named && self.line + text.len() <= NAME_BYTES_MAX && text.iter().all(is_name);
        if !text.is_empty() {
            self.keep(text);
            self.line += text.len();
        }
        if len.is_none() {
            self.mode = Mode::Line(named);
            return text.len();
        }
        if self.line == 0 {
            self.end_entry();
        } else {
            self.keep(b"\n");
            self.begin_line();
            if named {
                self.mode = Mode::Length(0, 0);
            }
        }
        text.len() + 1
    }

    fn begin_line(&mut self) {
        self.line = 0;
        self.mode = Mode::Line(true);
    }

    fn keep(&mut self, bytes: &[u8]) {
        if !self.open {
            self.open = true;
            self.entry.begin(self.offset);
        }
        self.entry.extend(bytes);
    }

    fn end_entry(&mut self) {
        if self.open {
            self.entry.end(&mut self.chunk, Shape::JournalExport);
        }
        self.open = false;
        self.begin_line();
    }
}

/// May this byte stand in the name of a field?
pub fn is_name(byte: &u8) -> bool {
    byte.is_ascii_uppercase() || byte.is_ascii_digit() || *byte == b'_'
}

/// Do the first bytes of a stream look like a journal's export?
pub fn recognise(head: &[u8]) -> bool {
    head.starts_with(b"__CURSOR=") || head.starts_with(b"__REALTIME_TIMESTAMP=")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::record::Framing;

    type Seen = Vec<(Vec<u8>, u64, Framing)>;

    fn split_by(text: &[u8], piece: usize, bounds: Bounds) -> Seen {
        let mut chunks = Vec::new();
        let mut entries = JournalExport::new(bounds);
        let mut sink = |chunk| {
            chunks.push(chunk);
            ControlFlow::Continue(())
        };
        for piece in text.chunks(piece) {
            let _ = entries.feed(piece, &mut sink);
        }
        let _ = entries.finish(&mut sink);
        assert_eq!(entries.offset(), text.len() as u64);
        let one = |chunk: &Chunk| -> Seen {
            let record = |record: &crate::model::record::Record| {
                (chunk.bytes(record).to_vec(), record.offset, record.framing)
            };
            chunk.records.iter().map(record).collect()
        };
        chunks.iter().flat_map(one).collect()
    }

    const ENTRIES: &[u8] = b"__CURSOR=s=1\nMESSAGE\n\x0c\0\0\0\0\0\0\0one\n\ntwo\n\n=\x01\n_PID=7\n\n\n__CURSOR=s=2\nMESSAGE=three\n\n__CURSOR=s=3\nX\n\0\0\0\0\0\0\0\0\n";

    #[test]
    fn entries_end_at_empty_lines_outside_of_binary_fields() {
        for piece in [1, 3, 1000] {
            let seen = split_by(ENTRIES, piece, Bounds::default());
            assert_eq!(seen.len(), 3, "{seen:?}");
            assert!(seen[0].0.ends_with(b"\n_PID=7\n"));
            assert_eq!(seen[1].0, b"__CURSOR=s=2\nMESSAGE=three\n");
            let second = ENTRIES.windows(12).position(|it| it == b"__CURSOR=s=2").unwrap();
            assert_eq!((seen[0].1, seen[1].1), (0, second as u64));
            assert_eq!(seen[2].0, b"__CURSOR=s=3\nX\n\0\0\0\0\0\0\0\0\n");
        }
    }

    #[test]
    fn damage_costs_an_entry_and_not_the_rest() {
        let seen = split_by(
            b"__CURSOR=a\nMESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xffx\n\n__CURSOR=b\n\n",
            5,
            Bounds::default(),
        );
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert_eq!(seen[1].0, b"__CURSOR=b\n");
        let seen = split_by(b"no field at all\n\n__CURSOR=b\n", 5, Bounds::default());
        assert_eq!(seen.len(), 2, "{seen:?}");
    }

    #[test]
    fn an_entry_over_the_limit_keeps_its_head() {
        let bounds = Bounds { record_bytes_max: 15, ..Bounds::default() };
        let seen = split_by(ENTRIES, 4, bounds);
        assert_eq!(seen[0], (ENTRIES[..16].to_vec(), 0, Framing::TooLong));
        assert_eq!(seen.len(), 3);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_records(
            parts in proptest::collection::vec(prop_oneof![
                Just(&b"KEY\n"[..]), Just(&b"KEY=v\n"[..]), Just(&b"\n"[..]), Just(&b"\x03\0\0\0\0\0\0\0"[..]), Just(&b"\0\0\0\0\0\0\0\0"[..]), Just(&b"abc"[..]), Just(&b"\xff"[..]),
            ], 0..60),
            piece in 1_usize..50, limit in 5_usize..100,
        ) {
            let text = parts.concat();
            let bounds = Bounds { record_bytes_max: limit, chunk_records_max: 2, ..Bounds::default() };
            prop_assert_eq!(split_by(&text, piece, bounds), split_by(&text, 10_000, bounds));
        }

        #[test]
        fn any_bytes_do_no_harm(text in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = split_by(&text, 100, Bounds::default());
        }

        #[test]
        fn entries_come_back(entries in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..30), 1..10)) {
            let one = |data: &Vec<u8>| {
                let mut entry = b"__CURSOR=x\nMESSAGE\n".to_vec();
                entry.extend((data.len() as u64).to_le_bytes());
                entry.extend(data);
                entry.push(b'\n');
                entry
            };
            let entries: Vec<Vec<u8>> = entries.iter().map(one).collect();
            let text = entries.join(&b'\n');
            let seen: Vec<Vec<u8>> = split_by(&text, 7, Bounds::default()).into_iter().map(|it| it.0).collect();
            prop_assert_eq!(seen, entries);
        }
    }
}
