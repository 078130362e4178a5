//! Windows event log files: records become JSON text, `{"Event": {"System": …, "EventData": …}}`.
//!
//! The form is the default one of the `evtx` crate, without white space: attributes stand below
//! `#attributes` (with a text beside them, the text is `#text`), named `Data` elements become members of
//! `EventData`, unnamed ones `{"Data": {"#text": […]}}`. A record's offset is its event record id.
//!
//! Nothing but the chunks (64 KiB each, found at their fixed places) is needed of a file: a damaged file
//! header does not matter, and the last chunk of a file that was cut short is read as far as it goes. What
//! cannot be read is one [`Framing::Damaged`] record each, a record or a whole chunk, with the reason.

use std::error::Error;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use evtx::{EvtxParser, ParserSettings, RenderedChunk, RenderedChunkItem};

use super::{Bounds, Chunk, Sink};
use crate::model::record::{Framing, Shape};

/// Bytes of one chunk of a log.
pub const CHUNK_BYTES: u64 = 64 << 10;
/// Bytes of the file header before the first chunk.
pub const HEADER_BYTES: u64 = 4 << 10;
/// Bytes of the header of a chunk.
const CHUNK_HEADER_BYTES: u64 = 512;
/// How a chunk begins.
const CHUNK_MARK: &[u8] = b"ElfChnk\0";
/// How many chunks of a log that cannot be sought in are held at once.
const WINDOW_CHUNKS: usize = 64;
/// Renderings that may fail one after the other inside the parser before the log is given up.
const PANICS_MAX: usize = 16;

/// Said of a log that ends before its first chunk begins.
const CUT_IN_HEADER: &str = "the file is cut short inside its header";

/// Is this the start of a Windows event log?
pub fn recognise(head: &[u8]) -> bool {
    head.starts_with(b"ElfFile\0")
}

/// Read a log that can be sought in: chunks come in the order of their records, as in the event viewer.
pub fn read_file(
    file: &mut (impl Read + Seek),
    bounds: Bounds,
    sink: &mut Sink<'_>,
) -> io::Result<ControlFlow<()>> {
    let len = file.seek(SeekFrom::End(0))?;
    let body = len.saturating_sub(HEADER_BYTES);
    let mut collector = Collector { bounds, chunk: Chunk::default() };
    let rest = body % CHUNK_BYTES;
    let mut head = Vec::new();
    if (1..CHUNK_HEADER_BYTES).contains(&rest) {
        file.seek(SeekFrom::Start(len - rest))?;
        Read::take(&mut *file, rest).read_to_end(&mut head)?;
    }
    let image = Image { inner: file, len, place: 0, skip: 0 };
    if len < HEADER_BYTES {
        collector.damaged(CUT_IN_HEADER);
    }
    if body > 0 && collector.read(image, sink).is_break() {
        return Ok(ControlFlow::Break(()));
    }
    collector.cut_chunk(&head);
    Ok(collector.finish(sink))
}

/// Read a log that comes as a stream (from a compressed file), a few MiB of it at once, in file order.
pub fn read_stream(
    stream: &mut dyn Read,
    bounds: Bounds,
    sink: &mut Sink<'_>,
) -> io::Result<ControlFlow<()>> {
    let mut collector = Collector { bounds, chunk: Chunk::default() };
    if io::copy(&mut Read::take(&mut *stream, HEADER_BYTES), &mut io::sink())? < HEADER_BYTES {
        collector.damaged(CUT_IN_HEADER);
    }
    loop {
        let mut window = Vec::new();
        let wanted = CHUNK_BYTES * WINDOW_CHUNKS as u64;
        let outcome = Read::take(&mut *stream, wanted).read_to_end(&mut window);
        let len = window.len() as u64;
        let rest = window.len() - window.len() % CHUNK_BYTES as usize;
        let head = window.get(rest..).unwrap_or_default();
        let head =
            head.get(..CHUNK_HEADER_BYTES as usize).map_or_else(|| head.to_vec(), |_| Vec::new());
        let image = Image {
            inner: io::Cursor::new(window),
            len: HEADER_BYTES + len,
            place: 0,
            skip: HEADER_BYTES,
        };
        if len > 0 && collector.read(image, sink).is_break() {
            return Ok(ControlFlow::Break(()));
        }
        collector.cut_chunk(&head);
        if len < wanted || outcome.is_err() {
            let flow = collector.finish(sink);
            outcome?;
            return Ok(flow);
        }
    }
}

/// Gathers rendered records into chunks.
struct Collector {
    bounds: Bounds,
    chunk: Chunk,
}

impl Collector {
    fn read<T: Read + Seek>(&mut self, image: Image<T>, sink: &mut Sink<'_>) -> ControlFlow<()> {
        let mut parser = match EvtxParser::from_read_seek(image) {
            Ok(parser) => parser.with_configuration(ParserSettings::new().indent(false)),
            Err(error) => {
                self.damaged(&reason(&error));
                return ControlFlow::Continue(());
            }
        };
        let mut chunks = parser.chunks_json_bytes(false);
        let mut panics = 0;
        while panics < PANICS_MAX {
            // Third-party code on bytes of an attacker: a panic in it costs one chunk, not the run.
            match catch_unwind(AssertUnwindSafe(|| chunks.next())) {
                Ok(Some(rendered)) => self.add(&rendered, sink)?,
                Ok(None) => return ControlFlow::Continue(()),
                Err(_) => {
                    panics += 1;
                    self.damaged("the event log parser failed on a chunk");
                }
            }
        }
        self.damaged("the event log parser failed too often; the rest was not read");
        ControlFlow::Continue(())
    }

    fn add(&mut self, rendered: &RenderedChunk, sink: &mut Sink<'_>) -> ControlFlow<()> {
        let mut start = 0;
        for item in &rendered.items {
            match item {
                RenderedChunkItem::Record { event_record_id, end } => {
                    let text = rendered.data.get(start..*end).unwrap_or_default();
                    let text = text.strip_suffix(b"\n").unwrap_or(text);
                    start = *end;
                    let (text, framing) = if text.len() > self.bounds.record_bytes_max {
                        let head = super::head_len(text.len());
                        (text.get(..head).unwrap_or_default(), Framing::TooLong)
                    } else {
                        (text, Framing::Whole)
                    };
                    self.chunk.push(text, *event_record_id, framing, Shape::Evtx);
                }
                RenderedChunkItem::Failed(error) => self.damaged(&reason(error)),
            }
            if self.chunk.is_full(&self.bounds) {
                sink(std::mem::take(&mut self.chunk))?;
            }
        }
        ControlFlow::Continue(())
    }

    /// The parser takes a chunk that ends inside its own header for an empty one.
    fn cut_chunk(&mut self, head: &[u8]) {
        let len = head.len().min(CHUNK_MARK.len());
        if !head.is_empty() && head.get(..len) == CHUNK_MARK.get(..len) {
            self.damaged("the file is cut short inside the header of its last chunk");
        }
    }

    fn damaged(&mut self, reason: &str) {
        self.chunk.push(reason.as_bytes(), 0, Framing::Damaged, Shape::Evtx);
    }

    fn finish(&mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        if self.chunk.records.is_empty() {
            return ControlFlow::Continue(());
        }
        sink(std::mem::take(&mut self.chunk))
    }
}

/// The whole chain of an error in one line.
fn reason(error: &evtx::err::EvtxError) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}

/// A log as the parser expects it: an intact file header, and the last chunk filled up with zeroes.
struct Image<T> {
    inner: T,
    /// Bytes of the log, with its header.
    len: u64,
    place: u64,
    /// Bytes of the header that `inner` does not have.
    skip: u64,
}

impl<T> Image<T> {
    fn padded_len(&self) -> u64 {
        HEADER_BYTES + self.len.saturating_sub(HEADER_BYTES).next_multiple_of(CHUNK_BYTES)
    }
}

impl<T: Read + Seek> Read for Image<T> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let (end, padding) = match self.place {
            place if place < HEADER_BYTES => (HEADER_BYTES, true),
            place if place < self.len => (self.len, false),
            _ => (self.padded_len(), true),
        };
        let room = usize::try_from(end.saturating_sub(self.place)).unwrap_or(usize::MAX);
        let count = room.min(into.len());
        let into = into.get_mut(..count).unwrap_or_default();
        let count = if padding {
            into.fill(0);
            for (at, value) in header_bytes() {
                let at =
                    (at as u64).checked_sub(self.place).and_then(|at| usize::try_from(at).ok());
                if let Some(byte) =
                    at.filter(|_| end == HEADER_BYTES).and_then(|at| into.get_mut(at))
                {
                    *byte = value;
                }
            }
            count
        } else {
            self.inner.seek(SeekFrom::Start(self.place - self.skip))?;
            self.inner.read(into)?
        };
        self.place += count as u64;
        Ok(count)
    }
}

/// The bytes of an intact file header that are not zero, with their places.
fn header_bytes() -> impl Iterator<Item = (usize, u8)> {
    const NO_CHECKSUM: u8 = 4;
    let magic = b"ElfFile\0".iter().copied().enumerate();
    // Header size 128, version 3.1, block size 4096.
    magic.chain([(32, 128), (36, 1), (38, 3), (41, 16), (120, NO_CHECKSUM)])
}

impl<T: Read + Seek> Seek for Image<T> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let place = match to {
            SeekFrom::Start(place) => Some(place),
            SeekFrom::Current(by) => self.place.checked_add_signed(by),
            SeekFrom::End(by) => self.padded_len().checked_add_signed(by),
        };
        self.place = place.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.place)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read_all(log: &[u8]) -> Vec<(Framing, String)> {
        let mut seen = Vec::new();
        let mut sink = |chunk: Chunk| {
            for record in &chunk.records {
                let text = String::from_utf8_lossy(chunk.bytes(record)).into_owned();
                seen.push((record.framing, text));
            }
            ControlFlow::Continue(())
        };
        let _ = read_file(&mut io::Cursor::new(log), Bounds::default(), &mut sink).unwrap();
        let from_file = std::mem::take(&mut seen);
        let mut sink = |chunk: Chunk| {
            for record in &chunk.records {
                let text = String::from_utf8_lossy(chunk.bytes(record)).into_owned();
                seen.push((record.framing, text));
            }
            ControlFlow::Continue(())
        };
        let _ = read_stream(&mut io::Cursor::new(log), Bounds::default(), &mut sink).unwrap();
        assert_eq!(from_file, seen, "both ways read the same");
        seen
    }

    #[test]
    fn a_chunk_without_its_mark_is_one_damaged_record() {
        let mut log = vec![0_u8; 4096];
        log[..8].copy_from_slice(b"ElfFile\0");
        log.extend(std::iter::repeat_n(7, 65_536));
        log.extend(std::iter::repeat_n(0, 65_536));
        log.extend(std::iter::repeat_n(9, 100));
        let seen = read_all(&log);
        assert_eq!(seen.len(), 2, "{seen:?}");
        assert!(seen.iter().all(|(framing, _)| *framing == Framing::Damaged));
        assert!(seen[0].1.contains("chunk number 0"), "{}", seen[0].1);
    }

    #[test]
    fn a_log_without_chunks_has_no_records_and_a_cut_one_says_so() {
        assert_eq!(read_all(&[0; 4096]), []);
        let cut = |len: usize| {
            let mut log = vec![0_u8; 4096];
            log[..8].copy_from_slice(b"ElfFile\0");
            log.extend_from_slice(b"ElfChnk\0");
            log.resize(4096 + 511, 0);
            read_all(&log[..len])
        };
        for len in [8, 4095, 4097, 4104, 4096 + 511] {
            let seen = cut(len);
            assert!(seen.iter().all(|(framing, _)| *framing == Framing::Damaged), "{len} {seen:?}");
            assert!(seen.iter().any(|(_, text)| text.contains("cut short")), "{len} {seen:?}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(body in proptest::collection::vec(any::<u8>(), 0..70_000)) {
            let mut log = vec![0_u8; 4096];
            log[..8].copy_from_slice(b"ElfFile\0");
            log.extend_from_slice(b"ElfChnk\0");
            log.extend(body);
            let _ = read_all(&log);
        }
    }
}
