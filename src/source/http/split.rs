//! A whole body to records. What may be cut into batches is cut at the bounds of the source, always in the same places.

use std::io::{self, Read};
use std::ops::ControlFlow;

use super::refusal::Refusal;
use crate::carrier::lines::Lines;
use crate::carrier::{Bounds, Chunk, evtx};
use crate::model::record::{Framing, Record, Shape};
use crate::source::file::open::{Content, content};
use crate::stdx::limits::REJECT_HEAD_BYTES_MAX;

/// Collects records into chunks.
pub(super) struct Packer {
    bounds: Bounds,
    full: Vec<Chunk>,
    open: Chunk,
}

impl Packer {
    pub(super) fn new(bounds: Bounds) -> Packer {
        Packer { bounds, full: Vec::new(), open: Chunk::default() }
    }

    /// Add a record. One that is too long is kept by its head, to be rejected with that reason.
    pub(super) fn push(&mut self, bytes: &[u8], shape: Shape) {
        let (bytes, framing) = if bytes.len() > self.bounds.record_bytes_max {
            (bytes.get(..REJECT_HEAD_BYTES_MAX).unwrap_or(bytes), Framing::TooLong)
        } else {
            (bytes, Framing::Whole)
        };
        self.open.push(bytes, 0, framing, shape);
        if self.open.is_full(&self.bounds) {
            self.full.push(std::mem::take(&mut self.open));
        }
    }

    /// Add a record as it was.
    pub(super) fn keep(&mut self, bytes: &[u8], record: &Record) {
        self.open.push(bytes, 0, record.framing, record.shape);
        if self.open.is_full(&self.bounds) {
            self.full.push(std::mem::take(&mut self.open));
        }
    }

    pub(super) fn finish(mut self) -> Vec<Chunk> {
        if !self.open.records.is_empty() {
            self.full.push(self.open);
        }
        self.full
    }
}

/// Split a body of any format that a file could have. `json`: the client says that it is JSON.
pub(super) fn split(
    body: &[u8],
    format: &str,
    json: bool,
    bounds: Bounds,
) -> Result<Vec<Chunk>, Refusal> {
    let begins = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    let kind = match content(body, format) {
        // An array is one, whatever is in it, when it is said to be JSON.
        Content::Lines if json && begins.first() == Some(&b'[') => Content::Json,
        other => other,
    };
    let chunks = by_content(body, kind, bounds)?;
    if kind == Content::Json { Ok(lines_of_texts(chunks, bounds)) } else { Ok(chunks) }
}

fn by_content(body: &[u8], kind: Content, bounds: Bounds) -> Result<Vec<Chunk>, Refusal> {
    let mut chunks = Vec::new();
    let mut sink = |chunk: Chunk| {
        chunks.push(chunk);
        ControlFlow::Continue(())
    };
    if let Some(mut splitter) = kind.splitter(bounds) {
        // The sink never asks to stop.
        let _ = splitter.feed(body, &mut sink);
        let _ = splitter.finish(&mut sink);
    } else if kind == Content::Evtx {
        let read = evtx::read_stream(&mut io::Cursor::new(body), bounds, &mut sink);
        let failed = |error| Refusal::format(format!("the event log cannot be read: {error}"));
        let _ = read.map_err(failed)?;
    } else {
        let (mut lines, mut rest) = (Lines::new(bounds, 0), body);
        loop {
            let count = lines.fill(&mut |into| rest.read(into));
            while lines.is_full() {
                let _ = sink(lines.take());
            }
            // Reading from memory does not fail.
            if count.unwrap_or(0) == 0 {
                break;
            }
        }
        lines.finish();
        let _ = sink(lines.take());
    }
    chunks.retain(|chunk| !chunk.records.is_empty());
    Ok(chunks)
}

/// The texts of an array of texts are lines of a log.
fn lines_of_texts(chunks: Vec<Chunk>, bounds: Bounds) -> Vec<Chunk> {
    let is_text = |chunk: &Chunk| {
        chunk.records.iter().any(|record| chunk.bytes(record).first() == Some(&b'"'))
    };
    if !chunks.iter().any(is_text) {
        return chunks;
    }
    let mut packer = Packer::new(bounds);
    for chunk in &chunks {
        for record in &chunk.records {
            let bytes = chunk.bytes(record);
            match serde_json::from_slice::<String>(bytes) {
                Ok(text) if record.framing == Framing::Whole => {
                    packer.push(text.as_bytes(), Shape::Line);
                }
                _ => packer.keep(bytes, record),
            }
        }
    }
    packer.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn records(body: &[u8], json: bool, bounds: Bounds) -> Vec<(String, Shape)> {
        let chunks = split(body, "auto", json, bounds).unwrap();
        let text = |chunk: &Chunk| {
            let of = |record| String::from_utf8_lossy(chunk.bytes(record)).into_owned();
            chunk.records.iter().map(|it| (of(it), it.shape)).collect::<Vec<_>>()
        };
        chunks.iter().flat_map(text).collect()
    }

    fn texts(body: &str, json: bool) -> Vec<String> {
        records(body.as_bytes(), json, Bounds::default()).into_iter().map(|it| it.0).collect()
    }

    #[test]
    fn arrays_lines_and_other_formats_are_told_apart() {
        assert_eq!(texts("[{\"a\":1},\n {\"b\":[2]}]", false), ["{\"a\":1}", "{\"b\":[2]}"]);
        assert_eq!(texts("{\"a\":1}\n{\"b\":2}\n", true), ["{\"a\":1}", "{\"b\":2}"]);
        assert_eq!(texts("Nov 22 08:00:00 a b: c\nx", false), ["Nov 22 08:00:00 a b: c", "x"]);
        assert_eq!(texts("[1] x\n[2] y\n", false), ["[1] x", "[2] y"], "lines with brackets");
        assert_eq!(texts("[\"a \\u0041\", \"b\"]", true), ["a A", "b"]);
        assert_eq!(texts("", true), Vec::<String>::new());
        assert_eq!(texts("[]", true), Vec::<String>::new());
        let xml = "<Event><System/></Event><Event><System/></Event>";
        assert_eq!(texts(xml, false).len(), 2);
        let line = records(b"[\"x\"]", true, Bounds::default());
        assert_eq!(line, [("x".to_owned(), Shape::Line)]);
    }

    #[test]
    fn big_bodies_become_several_chunks() {
        let bounds = Bounds { chunk_records_max: 10, record_bytes_max: 50, ..Bounds::default() };
        let body: String = (0..25).map(|n| format!("line {n}\n")).collect();
        let chunks = split(body.as_bytes(), "auto", false, bounds).unwrap();
        let counts: Vec<usize> = chunks.iter().map(|chunk| chunk.records.len()).collect();
        assert_eq!(counts, [10, 10, 5]);
        let mut packer = Packer::new(bounds);
        packer.push(&[b'x'; 51], Shape::Json);
        let chunks = packer.finish();
        assert_eq!(chunks[0].records[0].framing, Framing::TooLong);
    }

    proptest! {
        #[test]
        fn lines_are_neither_lost_nor_made(lines in prop::collection::vec("[a-z]{1,20}", 1..60)) {
            let bounds = Bounds { chunk_records_max: 7, ..Bounds::default() };
            let body = lines.join("\n");
            let found: Vec<String> =
                records(body.as_bytes(), false, bounds).into_iter().map(|it| it.0).collect();
            prop_assert_eq!(&found, &lines);
            let array = serde_json::to_string(&lines).unwrap();
            let found: Vec<String> =
                records(array.as_bytes(), true, bounds).into_iter().map(|it| it.0).collect();
            prop_assert_eq!(&found, &lines);
        }

        #[test]
        fn any_body_does_no_harm(body: Vec<u8>, json: bool) {
            let _ = split(&body, "auto", json, Bounds::default());
        }
    }
}
