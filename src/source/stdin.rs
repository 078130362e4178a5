//! Standard input, read to its end. Records are handed on as they arrive, not when a batch is full, and a
//! pause closes what waits for more records. What is compressed, and event logs, are read as a file would be.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::file::FileSettings;
use super::file::identity::{HEAD_BYTES, once_id};
use super::file::once::read_stream;
use super::file::open::{Content, PEEK_BYTES, Packing, content, packing};
use super::{Source, SourceError};
use crate::carrier::Chunk;
use crate::carrier::lines::Lines;
use crate::carrier::splitter::Splitter;
use crate::config::limits::LimitsConfig;
use crate::config::sources::SourceConfig;
use crate::model::record::{Batch, Flush, Position, Stream};
use crate::stdx::queue;
use crate::stdx::stop::StopToken;
use crate::stdx::time::Timestamp;

/// The path that records from here are known by.
const NAME: &str = "<stdin>";
/// How often a stop is looked for while nothing arrives.
const WAIT: Duration = Duration::from_millis(100);
/// A pause this long closes what waits for more records.
const IDLE: Duration = Duration::from_secs(2);
/// Bytes asked for in one read of what is no lines.
const PIECE_BYTES: usize = 64 << 10;

/// The source `type = "stdin"`, or any other pipe in tests.
pub struct Stdin<R = io::Stdin> {
    settings: FileSettings,
    input: R,
}

impl Stdin {
    /// Standard input as a configured source.
    pub fn new(config: &SourceConfig, limits: &LimitsConfig) -> Stdin {
        Stdin::over(io::stdin(), config, limits)
    }
}

impl<R: Read + AsFd + Send> Stdin<R> {
    /// The same over another pipe.
    pub fn over(input: R, config: &SourceConfig, limits: &LimitsConfig) -> Stdin<R> {
        let settings = FileSettings { backfill: false, ..FileSettings::new(config, limits) };
        Stdin { settings, input }
    }
}

impl<R: Read + AsFd + Send> Source for Stdin<R> {
    fn name(&self) -> &str {
        &self.settings.source
    }

    fn run(
        self: Box<Self>,
        _saved: Vec<Position>,
        out: queue::Sender<Batch>,
        stop: StopToken,
    ) -> Result<(), SourceError> {
        let Stdin { settings, input } = *self;
        let mut input = Waiting { input, stop };
        let mut first = vec![0; PEEK_BYTES];
        let count = match input.read(&mut first) {
            Ok(count) => count,
            Err(_) if input.stop.is_stopped() => return Ok(()),
            Err(source) => return Err(SourceError::Stdin { source }),
        };
        first.truncate(count);
        let content = content(&first, &settings.format);
        if packing(&first) != Packing::Plain || content == Content::Evtx {
            let mut whole = io::Cursor::new(first).chain(input);
            let mut send = |batch| match out.send(batch) {
                true => ControlFlow::Continue(()),
                false => ControlFlow::Break(()),
            };
            read_stream(&mut whole, NAME, Timestamp::now(), &settings, &mut send);
            return Ok(());
        }
        let carrier = match content.splitter(settings.bounds) {
            Some(splitter) => Carrier::Pieces {
                splitter: Box::new(splitter),
                piece: Vec::new(),
                full: VecDeque::new(),
            },
            None => Carrier::Lines(Lines::new(settings.bounds, 0)),
        };
        Live { settings, carrier, stream: None, out, unflushed: false }.run(first, input)
    }
}

/// What splits the input.
enum Carrier {
    Lines(Lines),
    Pieces {
        splitter: Box<Splitter>,
        piece: Vec<u8>,
        /// Chunks that are complete and were not handed on.
        full: VecDeque<Chunk>,
    },
}

impl Carrier {
    /// Read one piece and split it; returns what `read` returned. Call only when not full.
    fn fill(&mut self, read: &mut dyn FnMut(&mut [u8]) -> io::Result<usize>) -> io::Result<usize> {
        match self {
            Carrier::Lines(lines) => lines.fill(read),
            Carrier::Pieces { splitter, piece, full } => {
                piece.resize(PIECE_BYTES, 0);
                let count = read(piece)?;
                let _ = splitter.feed(piece.get(..count).unwrap_or_default(), &mut |chunk| {
                    full.push_back(chunk);
                    ControlFlow::Continue(())
                });
                Ok(count)
            }
        }
    }

    /// Must the records be taken before more is read?
    fn is_full(&self) -> bool {
        match self {
            Carrier::Lines(lines) => lines.is_full(),
            Carrier::Pieces { full, .. } => !full.is_empty(),
        }
    }

    /// The complete records, or a chunk of them.
    fn take(&mut self) -> Chunk {
        match self {
            Carrier::Lines(lines) => lines.take(),
            Carrier::Pieces { splitter, full, .. } => {
                full.pop_front().unwrap_or_else(|| splitter.take())
            }
        }
    }

    /// The input has ended: what is unfinished is a record too.
    fn finish(&mut self) {
        match self {
            Carrier::Lines(lines) => lines.finish(),
            Carrier::Pieces { splitter, full, .. } => {
                let _ = splitter.finish(&mut |chunk| {
                    full.push_back(chunk);
                    ControlFlow::Continue(())
                });
            }
        }
    }
}

/// Records that arrive one after the other.
struct Live {
    settings: FileSettings,
    carrier: Carrier,
    stream: Option<Arc<Stream>>,
    out: queue::Sender<Batch>,
    /// Records were sent since the last flush.
    unflushed: bool,
}

impl Live {
    fn run<R: Read + AsFd>(
        mut self,
        first: Vec<u8>,
        mut input: Waiting<R>,
    ) -> Result<(), SourceError> {
        let mut first = io::Cursor::new(first);
        let mut last = Instant::now();
        loop {
            let seen = first.position() > 0;
            if seen && !input.ready(WAIT) {
                if self.unflushed && last.elapsed() >= IDLE && !self.send(Flush::Idle) {
                    return Ok(());
                }
                if input.stop.is_stopped() {
                    return Ok(());
                }
                continue;
            }
            let outcome = match seen {
                false => self.carrier.fill(&mut |into| first.read(into)),
                true => self.carrier.fill(&mut |into| input.read(into)),
            };
            last = Instant::now();
            while self.carrier.is_full() {
                if !self.send(Flush::No) {
                    return Ok(());
                }
            }
            match outcome {
                Ok(0) => {
                    self.end();
                    return Ok(());
                }
                // More is there already: let the batch grow.
                Ok(_) if input.ready(Duration::ZERO) => {}
                Ok(_) => {
                    let chunk = self.carrier.take();
                    if !chunk.records.is_empty() && !self.send_chunk(chunk, Flush::No) {
                        return Ok(());
                    }
                }
                Err(_) if input.stop.is_stopped() => return Ok(()),
                Err(source) => {
                    self.send(Flush::End);
                    return Err(SourceError::Stdin { source });
                }
            }
        }
    }

    /// The input has ended.
    fn end(&mut self) {
        self.carrier.finish();
        let mut chunk = self.carrier.take();
        while self.carrier.is_full() {
            let next = self.carrier.take();
            if !next.records.is_empty()
                && !self.send_chunk(std::mem::replace(&mut chunk, next), Flush::No)
            {
                return;
            }
        }
        self.send_chunk(chunk, Flush::End);
    }

    /// Hand on what is complete. `false`: nobody takes it any more.
    fn send(&mut self, flush: Flush) -> bool {
        let chunk = self.carrier.take();
        self.send_chunk(chunk, flush)
    }

    fn send_chunk(&mut self, chunk: Chunk, flush: Flush) -> bool {
        let settings = &self.settings;
        let stream = match (&self.stream, chunk.records.first()) {
            (Some(stream), _) => stream.clone(),
            (None, None) => return true,
            (None, Some(record)) => {
                let line = chunk.bytes(record);
                let line = line.get(..HEAD_BYTES).unwrap_or(line);
                let id = once_id(&settings.tenant, &settings.source, line, NAME);
                let stream = settings.stream(id, NAME, Timestamp::now());
                let stream = Arc::new(Stream { live: true, ..stream });
                self.stream = Some(stream.clone());
                stream
            }
        };
        self.unflushed = flush == Flush::No;
        let (data, records) = (chunk.data, chunk.records);
        self.out.send(Batch { data, records, ..Batch::new(stream, flush) })
    }
}

/// A pipe that can be waited for, and given up when a stop is asked for.
struct Waiting<R> {
    input: R,
    stop: StopToken,
}

impl<R: AsFd> Waiting<R> {
    /// Can something (or the end) be read within `limit`?
    fn ready(&self, limit: Duration) -> bool {
        let mut polled = [PollFd::new(&self.input, PollFlags::IN)];
        let limit = Timespec::try_from(limit).ok();
        poll(&mut polled, limit.as_ref()).is_ok_and(|count| count > 0)
    }
}

impl<R: Read + AsFd> Read for Waiting<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            if self.ready(WAIT) {
                return self.input.read(into);
            }
            if self.stop.is_stopped() {
                return Err(io::Error::from(io::ErrorKind::ConnectionAborted));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    use super::*;
    use crate::stdx::task;

    fn start() -> (UnixStream, queue::Receiver<Batch>, StopToken, std::thread::JoinHandle<bool>) {
        let (writer, reader) = UnixStream::pair().unwrap();
        let (out, batches) = queue::bounded("test", 2);
        let stop = StopToken::new();
        let config = SourceConfig::files("stdin", Vec::new());
        let source = Box::new(Stdin::over(reader, &config, &LimitsConfig::default()));
        let token = stop.clone();
        let work = move || source.run(Vec::new(), out, token).is_ok();
        (writer, batches, stop, task::thread("stdin", work).unwrap())
    }

    fn texts(batch: &Batch) -> Vec<String> {
        let text = |record| String::from_utf8_lossy(batch.bytes(record)).into_owned();
        batch.records.iter().map(text).collect()
    }

    #[test]
    fn lines_are_handed_on_as_they_arrive_and_the_rest_at_the_end() {
        let (mut writer, batches, _stop, thread) = start();
        writer.write_all(b"one\ntw").unwrap();
        let batch = batches.receive().unwrap();
        assert_eq!(texts(&batch), ["one"]);
        assert!(batch.stream.live);
        writer.write_all(b"o\nthree").unwrap();
        assert_eq!(texts(&batches.receive().unwrap()), ["two"]);
        drop(writer);
        let batch = batches.receive().unwrap();
        assert_eq!((texts(&batch), batch.flush), (vec!["three".to_owned()], Flush::End));
        assert!(batches.receive().is_none());
        assert!(thread.join().unwrap());
    }

    #[test]
    fn compressed_input_is_read_as_a_file_would_be() {
        let (mut writer, batches, _stop, thread) = start();
        writer.write_all(&zstd::encode_all(&b"[{\"a\":1},\n{\"b\":2}]"[..], 1).unwrap()).unwrap();
        drop(writer);
        assert_eq!(texts(&batches.receive().unwrap()), ["{\"a\":1}", "{\"b\":2}"]);
        assert!(thread.join().unwrap());
    }

    #[test]
    fn events_as_xml_are_handed_on_as_they_arrive() {
        let (mut writer, batches, _stop, thread) = start();
        writer.write_all(b"<Event><System/></Event>\n<Event>").unwrap();
        let batch = batches.receive().unwrap();
        assert_eq!(texts(&batch), ["<Event><System/></Event>"]);
        assert!(batch.stream.live);
        writer.write_all(b"2</Event><Event>cut").unwrap();
        assert_eq!(texts(&batches.receive().unwrap()), ["<Event>2</Event>"]);
        drop(writer);
        let batch = batches.receive().unwrap();
        assert_eq!((texts(&batch), batch.flush), (vec!["<Event>cut".to_owned()], Flush::End));
        assert!(batches.receive().is_none());
        assert!(thread.join().unwrap());
    }

    #[test]
    fn a_stop_is_honoured_while_nothing_arrives() {
        let (writer, batches, stop, thread) = start();
        stop.stop();
        assert!(batches.receive().is_none());
        assert!(thread.join().unwrap());
        drop(writer);
    }
}
