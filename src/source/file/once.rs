//! Reads a file once to its end: plain, compressed, or every member of an archive.
//!
//! A stream that cannot be read to its end (a cut `.gz`, one that decompresses to more than the limits
//! allow, a failing disk) keeps the records before the damage and ends with one damaged record that
//! says why, so that the ledger shows it.

use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use super::FileSettings;
use super::expand::special;
use super::identity::{HEAD_BYTES, once_id};
use super::open::{Content, PEEK_BYTES, Packing, Peeked, Unpacked, content, packing};
use crate::carrier::lines::{Lines, first_line};
use crate::carrier::splitter::Splitter;
use crate::carrier::{Chunk, evtx};
use crate::model::record::{Batch, Flush, Framing, Shape, Stream};
use crate::source::SourceError;
use crate::stdx::time::Timestamp;

/// Members of one archive that are read; more is reported.
const MEMBERS_MAX: usize = 100_000;
/// Wrappers in wrappers that are opened.
const NESTING_MAX: usize = 3;
/// Bytes asked for in one read.
const PIECE_BYTES: usize = 64 << 10;

/// What came of reading a file.
#[derive(Debug, Default)]
pub struct ReadSummary {
    /// Streams with at least one record: one, or one for each member of an archive.
    pub streams: u64,
    /// Records handed on, damaged ones included.
    pub records: u64,
    /// Members of an archive that could not be read at all.
    pub problems: Vec<SourceError>,
    /// `emit` asked to stop.
    pub stopped: bool,
    /// A last record without its end was left for later; see [`FileSettings::hold`].
    pub held: bool,
}

/// Takes batches; `Break` asks to stop.
pub type Emit<'a> = dyn FnMut(Batch) -> ControlFlow<()> + 'a;

/// Read a file to its end. The last batch of each stream has `flush = End`.
///
/// # Errors
/// The file cannot be opened, or is not a file.
pub fn read_once(
    path: &Path,
    settings: &FileSettings,
    emit: &mut Emit<'_>,
) -> Result<ReadSummary, SourceError> {
    let metadata = fs::metadata(path).map_err(|error| SourceError::from_io(path, error))?;
    if let Some(kind) = special(metadata.file_type()) {
        return Err(SourceError::NotAFile { path: path.to_owned(), kind });
    }
    let file = File::open(path).map_err(|error| SourceError::from_io(path, error))?;
    read_open(file, path, settings, emit)
}

/// Read a file that was opened at `path`, as [`read_once`] does.
///
/// # Errors
/// The file cannot be read.
pub fn read_open(
    mut file: File,
    path: &Path,
    settings: &FileSettings,
    emit: &mut Emit<'_>,
) -> Result<ReadSummary, SourceError> {
    let metadata = file.metadata().map_err(|error| SourceError::from_io(path, error))?;
    let modified = metadata.modified().map_or_else(|_| Timestamp::now(), Timestamp::from);
    let head = super::identity::read_at(&file, 0, PEEK_BYTES)
        .map_err(|error| SourceError::from_io(path, error))?;
    let name = path.to_string_lossy().into_owned();
    let mut reading = Reading { settings, emit, summary: ReadSummary::default() };
    let flow = if packing(&head) == Packing::Zip {
        reading.archive(file, &name, modified)
    } else if content(&head, &settings.format) == Content::Evtx {
        let mut output = reading.output(&head, &name, modified);
        let outcome = evtx::read_file(&mut file, settings.bounds, &mut |chunk| output.send(chunk));
        output.end(outcome, 0)
    } else {
        reading.unpack(&mut file, &name, modified, NESTING_MAX)
    };
    reading.summary.stopped = flow.is_break();
    Ok(reading.summary)
}

/// Read a stream to its end as [`read_once`] reads a file; `name` stands for its path.
pub fn read_stream(
    reader: &mut dyn Read,
    name: &str,
    modified: Timestamp,
    settings: &FileSettings,
    emit: &mut Emit<'_>,
) -> ReadSummary {
    let mut reading = Reading { settings, emit, summary: ReadSummary::default() };
    let flow = reading.unpack(reader, name, modified, NESTING_MAX);
    reading.summary.stopped = flow.is_break();
    reading.summary
}

struct Reading<'a, 'e> {
    settings: &'a FileSettings,
    emit: &'a mut Emit<'e>,
    summary: ReadSummary,
}

impl Reading<'_, '_> {
    fn archive(&mut self, file: File, name: &str, modified: Timestamp) -> ControlFlow<()> {
        let mut archive = match zip::ZipArchive::new(io::BufReader::new(file)) {
            Ok(archive) => archive,
            Err(error) => {
                self.problem(name, &format!("the archive cannot be read: {error}"));
                return ControlFlow::Continue(());
            }
        };
        for index in 0..archive.len().min(MEMBERS_MAX) {
            let name_of = |member: &str| format!("{name}!{member}");
            let mut member = match archive.by_index(index) {
                Ok(member) => member,
                Err(error) => {
                    self.problem(&name_of(&format!("#{index}")), &error.to_string());
                    continue;
                }
            };
            if member.is_dir() {
                continue;
            }
            let member_name = name_of(member.name());
            let at = member.last_modified().and_then(zip_time).unwrap_or(modified);
            let bytes_in = member.compressed_size();
            let mut bounded = Unpacked::member(&mut member, bytes_in, self.settings);
            self.unpack(&mut bounded, &member_name, at, NESTING_MAX)?;
        }
        if archive.len() > MEMBERS_MAX {
            self.problem(name, &format!("only the first {MEMBERS_MAX} members were read"));
        }
        ControlFlow::Continue(())
    }

    /// Look at the first bytes, take wrappers off, and read the records inside.
    fn unpack(
        &mut self,
        reader: &mut dyn Read,
        name: &str,
        modified: Timestamp,
        nesting: usize,
    ) -> ControlFlow<()> {
        let mut peeked = Peeked::new(reader);
        let packing = packing(peeked.head());
        if packing == Packing::Plain {
            let content = content(peeked.head(), &self.settings.format);
            let output = self.output(peeked.head(), name, modified);
            return output.read(&mut peeked, content);
        }
        let refusal = match packing {
            Packing::Zip => Some("an archive inside another file is not opened"),
            _ if nesting == 0 => Some("compressed too many times over"),
            _ => None,
        };
        let settings = self.settings;
        match refusal {
            Some(reason) => self.output(&[], name, modified).end(Err(io::Error::other(reason)), 0),
            None => match Unpacked::new(peeked, packing, settings) {
                Ok(mut unpacked) => self.unpack(&mut unpacked, name, modified, nesting - 1),
                Err(error) => self.output(&[], name, modified).end(Err(error), 0),
            },
        }
    }

    fn output(&mut self, head: &[u8], name: &str, modified: Timestamp) -> Output<'_, '_> {
        let first = match content(head, &self.settings.format) {
            Content::Lines => first_line(head, HEAD_BYTES),
            _ => None,
        };
        let first = first.or_else(|| head.get(..HEAD_BYTES)).unwrap_or(head);
        let settings = self.settings;
        let id = once_id(&settings.tenant, &settings.source, first, name);
        let stream = Arc::new(settings.stream(id, name, modified));
        Output { stream, held: None, settings, emit: &mut *self.emit, summary: &mut self.summary }
    }

    fn problem(&mut self, path: &str, reason: &str) {
        let (path, reason) = (path.to_owned(), reason.to_owned());
        self.summary.problems.push(SourceError::Archive { path, reason });
    }
}

/// The batches of one stream. One chunk is held back, so that the last can be marked as such.
struct Output<'a, 'e> {
    stream: Arc<Stream>,
    held: Option<Chunk>,
    settings: &'a FileSettings,
    emit: &'a mut Emit<'e>,
    summary: &'a mut ReadSummary,
}

impl Output<'_, '_> {
    fn read(mut self, reader: &mut dyn Read, content: Content) -> ControlFlow<()> {
        let bounds = self.settings.bounds;
        match content.splitter(bounds) {
            Some(splitter) => self.read_pieces(reader, splitter),
            None if content == Content::Evtx => {
                let outcome = evtx::read_stream(reader, bounds, &mut |chunk| self.send(chunk));
                self.end(outcome, 0)
            }
            None => self.read_lines(reader),
        }
    }

    fn read_pieces(mut self, reader: &mut dyn Read, mut splitter: Splitter) -> ControlFlow<()> {
        let mut piece = vec![0; PIECE_BYTES];
        let outcome = loop {
            match read_some(reader, &mut piece) {
                Ok(0) => break Ok(ControlFlow::Continue(())),
                Ok(count) => {
                    let piece = piece.get(..count).unwrap_or_default();
                    splitter.feed(piece, &mut |chunk| self.send(chunk))?;
                }
                Err(error) => break Err(error),
            }
        };
        if self.settings.hold && outcome.is_ok() && !splitter.is_between() {
            self.summary.held = true;
            self.send(splitter.take())?;
        } else {
            splitter.finish(&mut |chunk| self.send(chunk))?;
        }
        self.end(outcome, splitter.offset())
    }

    fn read_lines(mut self, reader: &mut dyn Read) -> ControlFlow<()> {
        let mut lines = Lines::new(self.settings.bounds, 0);
        let outcome = loop {
            let outcome = lines.fill(&mut |into| read_some(reader, into));
            while lines.is_full() {
                self.send(lines.take())?;
            }
            match outcome {
                Ok(0) => break Ok(ControlFlow::Continue(())),
                Ok(_) => {}
                Err(error) => break Err(error),
            }
        };
        lines.finish();
        self.send(lines.take())?;
        self.end(outcome, lines.offset())
    }

    fn send(&mut self, chunk: Chunk) -> ControlFlow<()> {
        if chunk.records.is_empty() {
            return ControlFlow::Continue(());
        }
        match self.held.replace(chunk) {
            Some(chunk) => self.emit(chunk, Flush::No),
            None => ControlFlow::Continue(()),
        }
    }

    /// The stream is over, by its end or by an error at `offset`.
    fn end(mut self, outcome: io::Result<ControlFlow<()>>, offset: u64) -> ControlFlow<()> {
        match outcome {
            Ok(ControlFlow::Break(())) => return ControlFlow::Break(()),
            Ok(ControlFlow::Continue(())) => {}
            Err(error) => {
                let reason = error.to_string();
                let chunk = self.held.get_or_insert_default();
                chunk.push(reason.as_bytes(), offset, Framing::Damaged, Shape::Line);
            }
        }
        match self.held.take() {
            Some(chunk) => {
                self.summary.streams += 1;
                self.emit(chunk, Flush::End)
            }
            None => ControlFlow::Continue(()),
        }
    }

    fn emit(&mut self, chunk: Chunk, flush: Flush) -> ControlFlow<()> {
        self.summary.records += chunk.records.len() as u64;
        let Chunk { data, records } = chunk;
        let stream = self.stream.clone();
        (self.emit)(Batch { data, records, ..Batch::new(stream, flush) })
    }
}

fn read_some(reader: &mut dyn Read, into: &mut [u8]) -> io::Result<usize> {
    loop {
        match reader.read(into) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// The time of a member of an archive, taken as UTC: archives do not say their zone.
fn zip_time(at: zip::DateTime) -> Option<Timestamp> {
    let text = format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    );
    Timestamp::parse_rfc3339(&text)
}
