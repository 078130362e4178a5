//! Lines of text: LF or CRLF. Bytes are passed on as they are; NUL, binary and broken UTF-8 are for
//! the decoder to judge.
//!
//! The source reads straight into the buffer that becomes the chunk, so a byte is copied once. An
//! empty line is no record. A line over the limit is one record with its head kept, however long it
//! is, and costs no more memory than the limit. A UTF-8 byte order mark at offset 0 is left out.

use std::io;

use memchr::memchr;

use super::{Bounds, Chunk, head_len, narrow};
use crate::model::record::{Framing, Record, Shape};

/// Bytes asked for in one read.
const READ_BYTES: usize = 128 << 10;
const BOM: &[u8] = b"\xef\xbb\xbf";

/// Splits a stream of bytes into lines.
#[derive(Debug)]
pub struct Lines {
    bounds: Bounds,
    chunk: Chunk,
    /// Where the line that has no end yet begins: in the buffer…
    line_start: usize,
    /// …and in the stream.
    line_offset: u64,
    /// Up to here the buffer is known to hold no line end.
    scanned: usize,
    /// Set while the current line is over the limit: how many of its bytes were let go after the head.
    dropped: Option<u64>,
}

/// What must be remembered of a too long line whose end has not come, when the splitter is put away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overlong {
    /// The kept head.
    pub head: Vec<u8>,
    /// Bytes after the head that were let go.
    pub dropped: u64,
}

impl Lines {
    /// A splitter for a stream whose next byte is at `offset`.
    pub fn new(bounds: Bounds, offset: u64) -> Lines {
        Lines {
            bounds,
            chunk: Chunk::default(),
            line_start: 0,
            line_offset: offset,
            scanned: 0,
            dropped: None,
        }
    }

    /// Go on inside a too long line that begins at `offset`.
    pub fn resume(bounds: Bounds, offset: u64, overlong: Overlong) -> Lines {
        let mut lines = Lines::new(bounds, offset);
        lines.scanned = overlong.head.len();
        lines.chunk.data = overlong.head;
        lines.dropped = Some(overlong.dropped);
        lines
    }

    /// Read one piece and split it; returns what `read` returned. Call only when not full.
    pub fn fill(
        &mut self,
        read: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>,
    ) -> io::Result<usize> {
        self.compact();
        let data = &mut self.chunk.data;
        let end = data.len();
        data.resize(end + READ_BYTES, 0);
        let outcome = read(data.get_mut(end..).unwrap_or_default());
        let count = *outcome.as_ref().unwrap_or(&0);
        data.truncate(end + count);
        self.split();
        outcome
    }

    /// Must the records be taken before more is read?
    pub fn is_full(&self) -> bool {
        let records = self.chunk.records.len();
        records >= self.bounds.chunk_records_max
            || (records > 0 && self.line_start + READ_BYTES > self.bounds.chunk_bytes_max)
    }

    /// Are there complete records to take?
    pub fn has_records(&self) -> bool {
        !self.chunk.records.is_empty()
    }

    /// The complete records. What follows them stays, and is split further.
    pub fn take(&mut self) -> Chunk {
        let tail = self.chunk.data.get(self.line_start..).unwrap_or_default().to_vec();
        let mut full = std::mem::take(&mut self.chunk);
        full.data.truncate(self.line_start);
        if full.data.capacity() / 2 > full.data.len() {
            full.data.shrink_to_fit();
        }
        self.scanned -= self.line_start;
        self.line_start = 0;
        self.chunk.data = tail;
        self.split();
        full
    }

    /// The stream has ended: what is left without a line end is a record. Call only when not full.
    pub fn finish(&mut self) {
        if self.chunk.data.len() > self.line_start {
            self.end_line(self.chunk.data.len(), 0);
            self.scanned = self.chunk.data.len();
            self.line_start = self.scanned;
        }
    }

    /// Where in the stream the first byte lies that is in no complete line.
    pub fn offset(&self) -> u64 {
        self.line_offset
    }

    /// Bytes read after [`Lines::offset`].
    pub fn waiting(&self) -> u64 {
        (self.chunk.data.len() - self.line_start) as u64 + self.dropped.unwrap_or(0)
    }

    /// What to remember of the unfinished line if it is over the limit; see [`Lines::resume`].
    pub fn overlong(&self) -> Option<Overlong> {
        let dropped = self.dropped?;
        let head = self.chunk.data.get(self.line_start..).unwrap_or_default().to_vec();
        Some(Overlong { head, dropped })
    }

    /// Runs of empty lines leave bytes that no record needs.
    fn compact(&mut self) {
        if self.chunk.records.is_empty() && self.line_start > 0 {
            self.chunk.data.drain(..self.line_start);
            self.scanned -= self.line_start;
            self.line_start = 0;
        }
    }

    fn split(&mut self) {
        while !self.is_full() {
            let rest = self.chunk.data.get(self.scanned..).unwrap_or_default();
            let Some(at) = memchr(b'\n', rest) else {
                self.scanned = self.chunk.data.len();
                self.let_go_of_overlong();
                return;
            };
            let end = self.scanned + at;
            self.end_line(end, 1);
            self.scanned = end + 1;
            self.line_start = end + 1;
            self.dropped = None;
        }
    }

    /// The line from `line_start` to `end` is complete; `terminator` bytes follow it.
    fn end_line(&mut self, end: usize, terminator: u64) {
        let held = end - self.line_start;
        let raw_len = held as u64 + self.dropped.unwrap_or(0);
        let line = self.chunk.data.get(self.line_start..end).unwrap_or_default();
        let (mut start, mut len) = (self.line_start, held);
        let framing = if self.dropped.is_some() || held > self.bounds.record_bytes_max {
            len = head_len(held);
            Framing::TooLong
        } else {
            if self.line_offset == 0 && line.starts_with(BOM) {
                start += BOM.len();
                len -= BOM.len();
            }
            if len > 0 && line.last() == Some(&b'\r') {
                len -= 1;
            }
            Framing::Whole
        };
        if len > 0 {
            self.chunk.records.push(Record {
                start: narrow(start),
                len: narrow(len),
                offset: self.line_offset,
                framing,
                shape: Shape::Line,
            });
        }
        self.line_offset += raw_len + terminator;
    }

    fn let_go_of_overlong(&mut self) {
        let held = self.chunk.data.len() - self.line_start;
        if self.dropped.is_none() && held <= self.bounds.record_bytes_max {
            return;
        }
        let head = head_len(held);
        let let_go = (held - head) as u64;
        self.dropped = Some(self.dropped.unwrap_or(0) + let_go);
        self.chunk.data.truncate(self.line_start + head);
        self.scanned = self.chunk.data.len();
    }
}

/// The part of the first bytes of a stream that names it: its first line that is not empty, at most
/// `max` bytes of it. `None` while that line has no end yet.
pub fn first_line(head: &[u8], max: usize) -> Option<&[u8]> {
    let begin = head.iter().position(|byte| !matches!(byte, b'\n' | b'\r'))?;
    let rest = head.get(begin..)?;
    match memchr(b'\n', rest) {
        Some(end) => rest.get(..end.min(max)),
        None => rest.get(..max),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Seen = Vec<(Vec<u8>, u64, Framing)>;

    fn bounds() -> Bounds {
        Bounds { record_bytes_max: 20, chunk_records_max: 3, chunk_bytes_max: 300_000 }
    }

    fn drain(lines: &mut Lines, seen: &mut Seen) {
        while lines.has_records() {
            let chunk = lines.take();
            assert!(chunk.records.len() <= 3);
            for record in &chunk.records {
                seen.push((chunk.bytes(record).to_vec(), record.offset, record.framing));
            }
        }
    }

    fn split(pieces: &[&[u8]]) -> Seen {
        let mut lines = Lines::new(bounds(), 0);
        let mut seen = Seen::new();
        for piece in pieces {
            let count = lines
                .fill(&mut |into| {
                    into[..piece.len()].copy_from_slice(piece);
                    Ok(piece.len())
                })
                .unwrap();
            assert_eq!(count, piece.len());
            drain(&mut lines, &mut seen);
        }
        lines.finish();
        drain(&mut lines, &mut seen);
        seen
    }

    /// The obvious way, on the whole text at once.
    fn plain(text: &[u8]) -> Seen {
        let mut seen = Seen::new();
        let mut offset = 0;
        for raw in text.split_inclusive(|byte| *byte == b'\n') {
            let line = raw.strip_suffix(b"\n").unwrap_or(raw);
            if line.len() > 20 {
                seen.push((line[..line.len().min(4096)].to_vec(), offset, Framing::TooLong));
            } else {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                if !line.is_empty() {
                    seen.push((line.to_vec(), offset, Framing::Whole));
                }
            }
            offset += raw.len() as u64;
        }
        seen
    }

    #[test]
    fn line_ends_and_empty_lines() {
        let seen = split(&[b"one\r\ntwo\n\n\r\nthree"]);
        let texts: Vec<&[u8]> = seen.iter().map(|(text, ..)| text.as_slice()).collect();
        assert_eq!(texts, [b"one".as_slice(), b"two", b"three"]);
        assert_eq!(seen[2].1, 12);
    }

    #[test]
    fn a_byte_order_mark_is_left_out_at_the_start_only() {
        let seen = split(&[b"\xef\xbb\xbfa\n\xef\xbb\xbfb\n\xef\xbb\xbf\n"]);
        assert_eq!(seen[0].0, b"a");
        assert_eq!(seen[1].0, b"\xef\xbb\xbfb");
        assert_eq!(split(&[b"\xef\xbb\xbf\r\n"]), []);
    }

    #[test]
    fn a_line_far_over_the_limit_keeps_its_head_and_little_memory() {
        let mut lines = Lines::new(Bounds::default(), 0);
        let mut most = 0;
        for _ in 0..100 {
            lines.fill(&mut |into| Ok(into.iter_mut().map(|byte| *byte = b'x').count())).unwrap();
            most = most.max(lines.chunk.data.len());
        }
        assert!(most < (1 << 20) + 2 * READ_BYTES, "{most}");
        let total = lines.waiting();
        // Put away and taken up again in the middle of the line.
        let mut lines = Lines::resume(Bounds::default(), 0, lines.overlong().unwrap());
        let end = b"tail\nnext\n";
        lines.fill(&mut |into| (&end[..]).read_into(into)).unwrap();
        let chunk = lines.take();
        assert_eq!(chunk.records[0].framing, Framing::TooLong);
        assert_eq!(chunk.records[0].len, 4096);
        assert_eq!(chunk.bytes(&chunk.records[1]), b"next");
        assert_eq!(chunk.records[1].offset, total + 5);
    }

    trait ReadInto {
        fn read_into(&self, into: &mut [u8]) -> io::Result<usize>;
    }

    impl ReadInto for &[u8] {
        fn read_into(&self, into: &mut [u8]) -> io::Result<usize> {
            into[..self.len()].copy_from_slice(self);
            Ok(self.len())
        }
    }

    #[test]
    fn the_first_line_names_the_stream_once_it_is_complete() {
        assert_eq!(first_line(b"\r\n\nabc\ndef", 10), Some(b"abc".as_slice()));
        assert_eq!(first_line(b"abc", 10), None);
        assert_eq!(first_line(b"abcdef", 4), Some(b"abcd".as_slice()));
        assert_eq!(first_line(b"\n\n", 4), None);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_records(
            text in proptest::collection::vec(
                prop_oneof![4 => proptest::char::range('a', 'e').prop_map(|c| c as u8), 1 => Just(b'\n'), 1 => Just(b'\r')], 0..400),
            cuts in proptest::collection::vec(0_usize..400, 0..20),
        ) {
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(text.len())).collect();
            cuts.sort_unstable();
            let mut pieces = Vec::new();
            let mut from = 0;
            for cut in cuts {
                pieces.push(&text[from..cut]);
                from = cut;
            }
            pieces.push(&text[from..]);
            prop_assert_eq!(split(&pieces), plain(&text));
        }

        #[test]
        fn long_lines_in_any_chunking(lens in proptest::collection::vec(0_usize..9000, 0..8), piece in 1_usize..5000) {
            let text: Vec<u8> = lens.iter().flat_map(|len| std::iter::repeat_n(b'y', *len).chain([b'\n'])).collect();
            let pieces: Vec<&[u8]> = text.chunks(piece).collect();
            prop_assert_eq!(split(&pieces), plain(&text));
        }
    }
}
