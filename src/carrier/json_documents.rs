//! JSON documents that are not one a line: the elements of a JSON array, or pretty-printed documents
//! in a row. One record a document.
//!
//! Only the structure is followed (strings, brackets); whether a document is valid is for the decoder
//! to say, so a damaged one is handed on as it is. After damage (a line break inside a string, a brace
//! where none may stand) the next document begins at the next line whose first character is `{`,
//! indented no deeper than the damaged one was.

use std::ops::ControlFlow;

use super::{Bounds, Chunk, Sink, head_len};
use crate::model::record::{Framing, Shape};
use crate::stdx::limits;

/// Deeper containers than this are followed by count alone.
const STACK_MAX: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Between two documents.
    Between,
    /// In a document; not in a string.
    Document,
    /// In a string of a document.
    Text,
    /// After a backslash in a string.
    Escape,
    /// A number, a word or a string where a document was expected: up to the next comma or line end.
    Scalar,
    /// In a damaged document.
    Broken,
}

/// Splits a stream of bytes into JSON documents.
#[derive(Debug)]
pub struct JsonDocuments {
    bounds: Bounds,
    chunk: Chunk,
    mode: Mode,
    document: Vec<u8>,
    document_offset: u64,
    document_indent: usize,
    /// The open containers of the document, innermost last; `true` is an array.
    stack: Vec<bool>,
    too_long: bool,
    /// The last character of the document that is not white space.
    previous: u8,
    /// Next byte's place in the stream.
    offset: u64,
    /// White space since the line began; `None` once another character came.
    indent: Option<usize>,
    wrapped: bool,
}

impl JsonDocuments {
    /// A splitter at the start of a stream.
    pub fn new(bounds: Bounds) -> JsonDocuments {
        JsonDocuments {
            bounds,
            chunk: Chunk::default(),
            mode: Mode::Between,
            document: Vec::new(),
            document_offset: 0,
            document_indent: 0,
            stack: Vec::new(),
            too_long: false,
            previous: 0,
            offset: 0,
            indent: Some(0),
            wrapped: false,
        }
    }

    /// Split a piece of the stream; full chunks go to `sink`.
    pub fn feed(&mut self, piece: &[u8], sink: &mut Sink<'_>) -> ControlFlow<()> {
        for &byte in piece {
            self.step(byte);
            self.offset += 1;
            self.indent = match (byte, self.indent) {
                (b'\n', _) => Some(0),
                (b' ' | b'\t' | b'\r', Some(depth)) => Some(depth + 1),
                _ => None,
            };
            if self.chunk.is_full(&self.bounds) {
                sink(std::mem::take(&mut self.chunk))?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The complete records so far.
    pub fn take(&mut self) -> Chunk {
        std::mem::take(&mut self.chunk)
    }

    /// Is nothing open that more bytes could complete?
    pub fn is_between(&self) -> bool {
        self.mode == Mode::Between
    }

    /// Bytes taken so far.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// The stream has ended: an unfinished document is a record too, and the rest is handed on.
    pub fn finish(&mut self) -> Chunk {
        if self.mode != Mode::Between {
            self.end_document();
        }
        std::mem::take(&mut self.chunk)
    }

    fn step(&mut self, byte: u8) {
        match self.mode {
            Mode::Between => self.between(byte),
            Mode::Document => self.in_document(byte),
            Mode::Text => {
                self.keep(byte);
                match byte {
                    b'"' => self.mode = Mode::Document,
                    b'\\' => self.mode = Mode::Escape,
                    b'\n' => self.mode = Mode::Broken,
                    _ => {}
                }
            }
            Mode::Escape => {
                self.keep(byte);
                self.mode = if byte == b'\n' { Mode::Broken } else { Mode::Text };
            }
            Mode::Scalar => match byte {
                b',' | b']' if self.wrapped => {
                    self.end_document();
                    self.between(byte);
                }
                b'\n' => self.end_document(),
                _ => self.keep(byte),
            },
            Mode::Broken => {
                if byte == b'{' && self.indent.is_some_and(|indent| indent <= self.document_indent)
                {
                    self.end_document();
                    self.between(byte);
                } else {
                    self.keep(byte);
                }
            }
        }
    }

    fn between(&mut self, byte: u8) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' | b',' | 0xef | 0xbb | 0xbf => {}
            b'[' if !self.wrapped => self.wrapped = true,
            b']' if self.wrapped => self.wrapped = false,
            b'{' | b'[' => {
                self.begin(byte, Mode::Document);
                self.stack.push(byte == b'[');
            }
            _ => self.begin(byte, Mode::Scalar),
        }
    }

    fn begin(&mut self, byte: u8, mode: Mode) {
        self.mode = mode;
        self.document_offset = self.offset;
        self.document_indent = self.indent.unwrap_or(0);
        self.previous = byte;
        self.keep(byte);
    }

    fn in_document(&mut self, byte: u8) {
        match byte {
            b'"' => self.mode = Mode::Text,
            b'{' | b'[' => {
                let in_array = self.stack.last().copied().unwrap_or(false);
                let may_stand = if in_array {
                    matches!(self.previous, b'[' | b',')
                } else {
                    self.previous == b':'
                };
                if !may_stand && self.stack.len() < STACK_MAX {
                    self.mode = Mode::Broken;
                    return self.step(byte);
                }
                self.stack.push(byte == b'[');
            }
            b'}' | b']' => {
                self.stack.pop();
                self.keep(byte);
                if self.stack.is_empty() {
                    self.end_document();
                }
                self.previous = byte;
                return;
            }
            _ => {}
        }
        if !byte.is_ascii_whitespace() {
            self.previous = byte;
        }
        self.keep(byte);
    }

    fn keep(&mut self, byte: u8) {
        if !self.too_long {
            self.document.push(byte);
            if self.document.len() > self.bounds.record_bytes_max {
                self.too_long = true;
                self.document.truncate(head_len(self.document.len()));
            }
        }
        // A stack deeper than any document we accept must not grow with the input.
        if self.stack.len() > self.bounds.record_bytes_max {
            self.mode = Mode::Broken;
            self.stack.clear();
        }
    }

    fn end_document(&mut self) {
        let framing = if self.too_long { Framing::TooLong } else { Framing::Whole };
        let text = self.document.trim_ascii_end();
        let text = text.strip_suffix(b",").unwrap_or(text);
        if !text.is_empty() {
            self.chunk.push(text, self.document_offset, framing, Shape::Json);
        }
        self.document.clear();
        self.document.shrink_to(limits::REJECT_HEAD_BYTES_MAX);
        self.stack.clear();
        self.too_long = false;
        self.mode = Mode::Between;
    }
}

/// Do the first bytes of a stream look like JSON that is not one document a line?
pub fn recognise(head: &[u8]) -> bool {
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    match head.first() {
        Some(b'[') => match head.get(1..).unwrap_or_default().trim_ascii_start() {
            [b'{', ..] => true,
            [b']', rest @ ..] => rest.trim_ascii().is_empty(),
            _ => false,
        },
        Some(b'{') => some_document_goes_on(head),
        _ => false,
    }
}

/// Is the document that begins here still open at its first line end, or followed by another on its line? Documents on
/// single lines may stand before one that goes on; a line that was cut short is none that does.
fn some_document_goes_on(head: &[u8]) -> bool {
    let (mut first, mut line_start) = (true, 0);
    let (mut depth, mut at) = (0_usize, 0);
    while let Some(&byte) = head.get(at) {
        at += 1;
        match byte {
            b'"' => match behind_text(head, at) {
                Some(behind) => at = behind,
                None => return false,
            },
            b'\n' if depth > 0 => {
                let line = head.get(line_start..at - 1).unwrap_or_default().trim_ascii_end();
                return first || line.ends_with(b"{") || line.ends_with(b"[");
            }
            b'\n' => {
                first = false;
                line_start = at;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                let rest = head.get(at..).unwrap_or_default();
                if depth == 0 && starts_on_this_line(rest) {
                    return true;
                }
            }
            _ => {}
        }
    }
    false
}

/// Behind the quote that ends a text; `None`: its line ends before.
fn behind_text(head: &[u8], start: usize) -> Option<usize> {
    let mut at = start;
    loop {
        at += memchr::memchr3(b'"', b'\\', b'\n', head.get(at..)?)?;
        match head.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => return None,
        }
    }
}

/// Does another document follow before the line ends?
fn starts_on_this_line(rest: &[u8]) -> bool {
    let blank = |byte: &&u8| byte.is_ascii_whitespace() && **byte != b'\n';
    let next = rest.iter().find(|byte| !blank(byte));
    next == Some(&b'{')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn split_by(text: &[u8], piece: usize, bounds: Bounds) -> Vec<(String, u64, Framing)> {
        let mut chunks = Vec::new();
        let mut documents = JsonDocuments::new(bounds);
        for piece in text.chunks(piece) {
            let _ = documents.feed(piece, &mut |chunk| {
                chunks.push(chunk);
                ControlFlow::Continue(())
            });
        }
        chunks.push(documents.finish());
        let record = |chunk: &Chunk| -> Vec<_> {
            chunk
                .records
                .iter()
                .map(|record| {
                    let text = String::from_utf8_lossy(chunk.bytes(record)).into_owned();
                    (text, record.offset, record.framing)
                })
                .collect()
        };
        chunks.iter().flat_map(record).collect()
    }

    fn texts(text: &str) -> Vec<String> {
        split_by(text.as_bytes(), 7, Bounds::default()).into_iter().map(|(text, ..)| text).collect()
    }

    #[test]
    fn elements_of_an_array() {
        let seen = split_by(
            b"[ {\"a\": \"]},{\\\"\"},\n{\"b\": [1, {\"c\": 2}]}, 7 ]\n",
            3,
            Bounds::default(),
        );
        assert_eq!(seen[0], ("{\"a\": \"]},{\\\"\"}".to_owned(), 2, Framing::Whole));
        assert_eq!(seen[1].0, "{\"b\": [1, {\"c\": 2}]}");
        assert_eq!(seen[2].0, "7");
        assert_eq!(seen.len(), 3);
    }

    #[test]
    fn pretty_documents_in_a_row() {
        assert_eq!(
            texts("{\n  \"a\": 1\n}\n{\n  \"b\": 2\n}"),
            ["{\n  \"a\": 1\n}", "{\n  \"b\": 2\n}"]
        );
        assert_eq!(texts("{\"a\":1}{\"b\":2} {\"c\":3}"), ["{\"a\":1}", "{\"b\":2}", "{\"c\":3}"]);
        assert_eq!(texts("[]\n[{\"a\":1}]\n"), ["{\"a\":1}"]);
    }

    #[test]
    fn after_damage_the_next_document_is_found() {
        assert_eq!(
            texts("{\n \"a\": \"open\n}\n{\n \"b\": 2\n}\n"),
            ["{\n \"a\": \"open\n}", "{\n \"b\": 2\n}"]
        );
        assert_eq!(
            texts("{\"a\": 1,\n{\"b\": 2}\n{\"c\": 3}\n"),
            ["{\"a\": 1", "{\"b\": 2}", "{\"c\": 3}"]
        );
        assert_eq!(
            texts("[\n {\"a\": \"x\n y\"},\n {\"b\": 2}\n]\n"),
            ["{\"a\": \"x\n y\"}", "{\"b\": 2}"]
        );
        assert_eq!(
            texts("{\n\"a\": 1\n}\ntrailing words\n{\n}"),
            ["{\n\"a\": 1\n}", "trailing words", "{\n}"]
        );
    }

    #[test]
    fn a_document_over_the_limit_keeps_its_head() {
        let bounds = Bounds { record_bytes_max: 10, ..Bounds::default() };
        let seen = split_by(b"[{\"a\":\"0123456789\"},{\"b\":1}]", 4, bounds);
        assert_eq!(seen[0], ("{\"a\":\"01234".to_owned(), 1, Framing::TooLong));
        assert_eq!(seen[1].0, "{\"b\":1}");
    }

    #[test]
    fn recognises_what_is_not_one_document_a_line() {
        for yes in ["[{\"a\":1}", "[\n  {", "{\n", "{\"a\": [1,\n", "[]\n", "{}{}", "\u{feff}[{"] {
            assert!(recognise(yes.as_bytes()), "{yes}");
        }
        for no in
            ["[    0.000000] Linux", "{\"a\":1}\n{", "{\"a\": \"b\n", "text", "[\"a\"]", "{\"a\":1"]
        {
            assert!(!recognise(no.as_bytes()), "{no}");
        }
    }

    proptest! {
        #[test]
        fn any_chunking_gives_the_same_records(
            text in "[\\[\\]{}\",:\\\\a1\n ]{0,200}", piece in 1_usize..50,
        ) {
            let bounds = Bounds { record_bytes_max: 40, chunk_records_max: 2, ..Bounds::default() };
            prop_assert_eq!(split_by(text.as_bytes(), piece, bounds), split_by(text.as_bytes(), 1000, bounds));
        }

        #[test]
        fn any_bytes_do_no_harm(text in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let _ = split_by(&text, 100, Bounds::default());
            let _ = recognise(&text);
        }

        #[test]
        fn an_array_of_values_comes_back(values in proptest::collection::vec("[a-z\"\\\\{}\\[\\], ]{0,12}", 0..20)) {
            let values: Vec<_> = values.into_iter().map(|text| serde_json::json!({"text": text, "list": [{"x": 1}]})).collect();
            let one_line = serde_json::to_string(&values).unwrap();
            let pretty = serde_json::to_string_pretty(&values).unwrap();
            for text in [one_line, pretty] {
                let back: Vec<serde_json::Value> =
                    texts(&text).iter().map(|text| serde_json::from_str(text).unwrap()).collect();
                prop_assert_eq!(&back, &values);
            }
        }
    }
}
