//! Rows of text whose first row names the columns (CSV, and the same with semicolons, tabs or bars). One record a row,
//! as `header`, line end, `row`: so a record can be read by itself. A row may go over several lines within quotes.
//!
//! Read only where the format is forced: nothing tells a table from lines of text.

use std::ops::ControlFlow;

use memchr::memchr2;

use super::gather::Gather;
use super::{Bounds, Chunk, Sink};
use crate::model::record::{Framing, Shape};

/// Longest header.
pub const HEADER_BYTES_MAX: usize = 16 << 10;
/// Said of rows behind a header that is too long.
const NO_HEADER: &[u8] = b"the row of column names is too long";

/// What may divide columns, most likely first.
const DELIMITERS: [u8; 4] = *b",;\t|";

/// What divides the columns of a header: what it holds most of, outside of quotes.
pub fn delimiter(header: &[u8]) -> u8 {
    let mut counts = [0_usize; DELIMITERS.len()];
    let mut quoted = false;
    for byte in header {
        quoted ^= *byte == b'"';
        let known = DELIMITERS.iter().position(|it| it == byte).filter(|_| !quoted);
        if let Some(count) = known.and_then(|at| counts.get_mut(at)) {
            *count += 1;
        }
    }
    let most = counts.iter().copied().max().unwrap_or(0);
    let first = counts.iter().position(|count| *count == most);
    first.and_then(|at| DELIMITERS.get(at)).copied().unwrap_or(b',')
}

/// The header and the row of a record; `None`: it has no header.
pub fn parts(record: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut mode = Mode::Start;
    let end = record.iter().position(|byte| {
        let ends = *byte == b'\n' && mode != Mode::Quoted;
        mode = mode.after(*byte, DELIMITERS.contains(byte));
        ends
    })?;
    Some((record.get(..end)?, record.get(end + 1..)?))
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Where a column begins.
    Start,
    /// In a column without quotes.
    Plain,
    /// In quotes.
    Quoted,
    /// After a quote within quotes: it ended them, or is one of two.
    Quote,
}

impl Mode {
    /// The mode after a byte of a row; `divides`: it may divide columns.
    fn after(self, byte: u8, divides: bool) -> Mode {
        match self {
            Mode::Quoted if byte == b'"' => Mode::Quote,
            Mode::Quoted => Mode::Quoted,
            Mode::Start | Mode::Quote if byte == b'"' => Mode::Quoted,
            _ if divides => Mode::Start,
            _ => Mode::Plain,
        }
    }
}

/// Splits a stream of bytes into rows.
#[derive(Debug)]
pub struct CsvRows {
    bounds: Bounds,
    chunk: Chunk,
    header: Option<Vec<u8>>,
    header_too_long: bool,
    delimiter: u8,
    row: Gather,
    open: bool,
    mode: Mode,
    /// Next byte's place in the stream.
    offset: u64,
}

impl CsvRows {
    /// A splitter at the start of a stream.
    pub fn new(bounds: Bounds) -> CsvRows {
        CsvRows {
            bounds,
            chunk: Chunk::default(),
            header: None,
            header_too_long: false,
            delimiter: b',',
            row: Gather::new(bounds.record_bytes_max),
            open: false,
            mode: Mode::Start,
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

    /// The stream has ended: an unfinished row is a record too, and the rest is handed on.
    pub fn finish(&mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        self.end_row();
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

    /// Take some of the bytes; returns how many, at least one.
    fn step(&mut self, rest: &[u8]) -> usize {
        let byte = rest.first().copied().unwrap_or_default();
        if !self.open {
            if matches!(byte, b'\r' | b'\n') {
                return 1;
            }
            self.open = true;
            self.mode = Mode::Start;
            self.row.begin(self.offset);
        }
        // A quote that never ends must not swallow the rest of the stream.
        if byte == b'\n' && (self.mode != Mode::Quoted || self.row.is_too_long()) {
            self.end_row();
            return 1;
        }
        let plain = self.mode == Mode::Plain && self.header.is_some();
        if (plain || self.mode == Mode::Quoted) && !self.row.is_too_long() {
            let ends = if plain { self.delimiter } else { b'"' };
            let len = memchr2(ends, b'\n', rest).unwrap_or(rest.len());
            if len > 0 {
                self.row.extend(rest.get(..len).unwrap_or_default());
                return len;
            }
        }
        // What divides is not known before the header is. The byte order mark comes before its first column.
        let is_mark = self.mode == Mode::Start && matches!(byte, 0xef | 0xbb | 0xbf);
        self.mode = match self.header {
            None if is_mark => Mode::Start,
            None => self.mode.after(byte, DELIMITERS.contains(&byte)),
            Some(_) => self.mode.after(byte, byte == self.delimiter),
        };
        self.row.push(byte);
        1
    }

    fn end_row(&mut self) {
        if !std::mem::replace(&mut self.open, false) {
            return;
        }
        let row = self.row.bytes();
        let row = row.strip_suffix(b"\r").unwrap_or(row);
        let Some(header) = &self.header else {
            let header = row.strip_prefix(b"\xef\xbb\xbf").unwrap_or(row);
            // PowerShell says first what kind of objects it exports.
            if header.starts_with(b"#TYPE ") {
                return;
            }
            self.header_too_long = header.len() > HEADER_BYTES_MAX || self.row.is_too_long();
            self.delimiter = delimiter(header);
            let kept = if self.header_too_long { Vec::new() } else { header.to_vec() };
            self.header = Some(kept);
            return;
        };
        let offset = self.row.offset;
        if self.header_too_long {
            self.chunk.push(NO_HEADER, offset, Framing::Damaged, Shape::Csv);
        } else if self.row.is_too_long() {
            self.chunk.push(row, offset, Framing::TooLong, Shape::Csv);
        } else {
            let record = [header, &b"\n"[..], row].concat();
            self.chunk.push(&record, offset, Framing::Whole, Shape::Csv);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    type Seen = Vec<(String, u64, Framing)>;

    fn split_by(bytes: &[u8], piece: usize, bounds: Bounds) -> Seen {
        let mut chunks = Vec::new();
        let mut rows = CsvRows::new(bounds);
        let mut sink = |chunk| {
            chunks.push(chunk);
            ControlFlow::Continue(())
        };
        for piece in bytes.chunks(piece) {
            let _ = rows.feed(piece, &mut sink);
        }
        let _ = rows.finish(&mut sink);
        assert_eq!(rows.offset(), bytes.len() as u64);
        let one = |chunk: &Chunk| -> Seen {
            let record = |record: &crate::model::record::Record| {
                let text = String::from_utf8_lossy(chunk.bytes(record)).into_owned();
                (text, record.offset, record.framing)
            };
            chunk.records.iter().map(record).collect()
        };
        chunks.iter().flat_map(one).collect()
    }

    fn rows(text: &str) -> Vec<String> {
        split_by(text.as_bytes(), 3, Bounds::default()).into_iter().map(|(text, ..)| text).collect()
    }

    #[test]
    fn rows_have_their_header_and_may_go_over_lines() {
        let text = "\u{feff}#TYPE System.Object\r\n\"a b\",c\r\n1,2\r\n\r\n\"x\r\ny\"\"z\",5\" disk\n3,\"4\"";
        let seen = split_by(text.as_bytes(), 4, Bounds::default());
        let texts: Vec<&str> = seen.iter().map(|it| it.0.as_str()).collect();
        assert_eq!(
            texts,
            ["\"a b\",c\n1,2", "\"a b\",c\n\"x\r\ny\"\"z\",5\" disk", "\"a b\",c\n3,\"4\""]
        );
        assert_eq!(seen[0].1, text.find("1,2").unwrap() as u64);
        assert_eq!(
            parts(seen[1].0.as_bytes()),
            Some((&b"\"a b\",c"[..], &b"\"x\r\ny\"\"z\",5\" disk"[..]))
        );
        assert_eq!(rows("only,header\n"), [""; 0]);
    }

    #[test]
    fn the_header_tells_what_divides() {
        assert_eq!(rows("5\" disk,\"b\nc\"\n1,2\n"), ["5\" disk,\"b\nc\"\n1,2"]);
        assert_eq!(parts(b"5\" disk,\"b\nc\"\n1,2").unwrap().1, b"1,2");
        assert_eq!(delimiter(b"a,b"), b',');
        assert_eq!(delimiter(b"a;b;\"x,y,z\""), b';');
        assert_eq!(delimiter(b"a\tb"), b'\t');
        assert_eq!(delimiter(b"one"), b',');
        assert_eq!(rows("a;b\n\"1\n2\";3\n"), ["a;b\n\"1\n2\";3"]);
    }

    #[test]
    fn what_is_too_long_costs_a_row() {
        let bounds = Bounds { record_bytes_max: 8, ..Bounds::default() };
        let seen = split_by(b"a,b\n0123456789\n1,2\n\"never ends\nx\n3,4\n", 3, bounds);
        let framings: Vec<Framing> = seen.iter().map(|it| it.2).collect();
        use Framing::{TooLong, Whole};
        assert_eq!(framings, [TooLong, Whole, TooLong, Whole, Whole], "{seen:?}");
        let header = format!("{}\n1\n", "c,".repeat(HEADER_BYTES_MAX));
        assert_eq!(split_by(header.as_bytes(), 1000, Bounds::default())[0].2, Framing::Damaged);
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_records(text in "[ab,;\"\r\n\u{feff}]{0,200}", piece in 1_usize..50, limit in 5_usize..60) {
            let bounds = Bounds { record_bytes_max: limit, chunk_records_max: 2, ..Bounds::default() };
            prop_assert_eq!(split_by(text.as_bytes(), piece, bounds), split_by(text.as_bytes(), 10_000, bounds));
        }

        #[test]
        fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            for (record, ..) in split_by(&bytes, 100, Bounds::default()) {
                let _ = parts(record.as_bytes());
            }
        }
    }
}
