//! One followed file: what is read next, and whether it is still the file it was.

use std::fs::{File, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use super::listing::open_same;
use super::row::Row;
use crate::carrier::lines::{Lines, Overlong};
use crate::carrier::{Bounds, Chunk};
use crate::model::record::{Framing, Stream};
use crate::source::file::identity::{HEAD_BYTES, Print, TAIL_BYTES, read_at};
use crate::stdx::time::Timestamp;

/// A file and how far it was read.
pub struct Tracked {
    /// What is saved.
    pub row: Row,
    /// Held open, so that a deleted or renamed file is read to its end.
    pub file: Option<File>,
    /// The bytes that `row.tail` is the print of; empty until they were compared.
    pub tail: Vec<u8>,
    /// A too long line whose end has not come.
    pub overlong: Option<Overlong>,
    /// The stream as it was last sent.
    pub stream: Option<Arc<Stream>>,
    /// Something may have changed: look.
    pub look: bool,
    /// Size and time of change when it was last read to its end.
    pub seen: Option<(u64, Timestamp)>,
    /// Moved aside by a rotator, or deleted: to be finished when it comes to rest.
    pub retired: bool,
    /// It was not found in its folder at the last look.
    pub missed: bool,
    /// Not before this file was read to its end.
    pub after: Option<u64>,
    /// Records were sent since the last flush.
    pub unflushed: bool,
    /// When bytes last came.
    pub last_data: Instant,
}

/// What came of looking at a file.
pub enum Look {
    /// Nothing new.
    Quiet,
    /// Complete records (or only empty lines), and whether more are there.
    Read {
        /// The records; may be none.
        chunk: Chunk,
        /// Where the first of them begins.
        from: u64,
        /// There is more to read now.
        more: bool,
    },
    /// It is not the file it was any more: shorter, or other bytes before the offset.
    Cut,
    /// It has its first bytes now, and they are not lines of text.
    NotLines,
    /// It is not at its path any more.
    Moved,
}

impl Tracked {
    /// A file just met or restored.
    pub fn new(row: Row) -> Tracked {
        Tracked {
            row,
            file: None,
            tail: Vec::new(),
            overlong: None,
            stream: None,
            look: true,
            seen: None,
            retired: false,
            missed: false,
            after: None,
            unflushed: false,
            last_data: Instant::now(),
        }
    }

    /// Where it was last seen.
    pub fn path(&self) -> &PathBuf {
        &self.row.path
    }

    /// Is there a file to read from?
    pub fn is_there(&self) -> bool {
        self.row.inode.is_some() || self.file.is_some()
    }

    /// Is it deleted, and only held by being open?
    pub fn is_unlinked(&self) -> bool {
        self.row.inode.is_none() && self.file.is_some()
    }

    /// Can a file that a look at its folder did not show be there still? A rename during the look hides
    /// it, so one look alone proves nothing; while we hold it open, its count of names does.
    pub fn may_be_elsewhere(&mut self) -> bool {
        let names = self.file.as_ref().and_then(|file| file.metadata().ok()).map(|it| it.nlink());
        match names {
            Some(0) => false,
            _ => !std::mem::replace(&mut self.missed, true),
        }
    }

    /// Is as much at its path as was read of it?
    pub fn is_whole(&self) -> bool {
        let file = open_same(&self.row.path, self.row.inode);
        file.ok()
            .flatten()
            .and_then(|file| file.metadata().ok())
            .is_some_and(|it| it.len() >= self.row.offset)
    }

    /// Does this file begin with what was read, and has it the same bytes before the offset?
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn fits(&self, file: &File) -> io::Result<bool> {
        if !self.row.head.fits(&read_at(file, 0, self.row.head.len)?) {
            return Ok(false);
        }
        let from = self.row.offset.saturating_sub(self.row.tail.len as u64);
        Ok(self.row.tail.fits(&read_at(file, from, self.row.tail.len)?))
    }

    /// Read the next records, at most one batch; with `finish` an unfinished last line is one too.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&mut self, bounds: Bounds, format: &str, finish: bool) -> io::Result<Look> {
        if self.file.is_none() {
            let file = open_same(&self.row.path, self.row.inode)?;
            let Some(file) = file else { return Ok(Look::Moved) };
            self.file = Some(file);
        }
        let Some(file) = &self.file else { return Ok(Look::Moved) };
        let metadata = file.metadata()?;
        let (size, modified) = (metadata.len(), modified(&metadata));
        if size < self.row.offset {
            return Ok(Look::Cut);
        }
        if self.seen == Some((size, modified)) && !finish {
            return Ok(Look::Quiet);
        }
        let tail_from = self.row.offset.saturating_sub(self.row.tail.len as u64);
        if self.row.tail.len > 0
            && !self.row.tail.fits(&read_at(file, tail_from, self.row.tail.len)?)
        {
            return Ok(Look::Cut);
        }
        if self.row.offset == 0 && self.overlong.is_none() {
            let head = read_at(file, 0, crate::source::file::open::PEEK_BYTES)?;
            if super::is_not_lines(&head, format) {
                return Ok(Look::NotLines);
            }
        }
        let from = self.row.offset;
        let before = self.row.clone();
        let mut lines = match self.overlong.take() {
            Some(overlong) => Lines::resume(bounds, from, overlong),
            None => Lines::new(bounds, from),
        };
        let mut place = from + lines.waiting();
        let end = loop {
            if lines.is_full() {
                break false;
            }
            match lines.fill(&mut |into| read_once(file, into, place))? {
                0 => break true,
                count => place += count as u64,
            }
        };
        if end && finish {
            lines.finish();
        }
        // What `take` splits after this is read again with the next batch.
        let next = lines.offset();
        self.overlong = if end { lines.overlong() } else { None };
        let chunk = lines.take();
        self.seen = end.then_some((size, modified));
        self.advance(next, &chunk)?;
        if self.is_swapped(from, &chunk)? {
            self.row = before;
            self.tail.clear();
            self.overlong = None;
            return Ok(Look::Cut);
        }
        self.row.modified = modified.micros();
        self.row.size = size;
        if self.row.offset == from && chunk.records.is_empty() {
            return Ok(Look::Quiet);
        }
        Ok(Look::Read { chunk, from, more: !end })
    }

    /// Was the file cut and written anew while we read? What was true before reading must still be.
    fn is_swapped(&self, from: u64, chunk: &Chunk) -> io::Result<bool> {
        let (Some(file), Some(first)) = (&self.file, chunk.records.first()) else {
            return Ok(false);
        };
        let bytes = chunk.bytes(first);
        let bytes = bytes.get(..TAIL_BYTES).unwrap_or(bytes);
        let bom = if first.offset == 0 && first.start > 0 { u64::from(first.start) } else { 0 };
        let place = (from == first.offset).then_some(first.offset + bom);
        let same = match place {
            Some(place) => read_at(file, place, bytes.len())? == bytes,
            // Empty lines came first; the last bytes must do.
            None => true,
        };
        let last_from = self.row.offset.saturating_sub(self.tail.len() as u64);
        Ok(!same || read_at(file, last_from, self.tail.len())? != self.tail)
    }

    /// The records up to `next` are in `chunk`: remember what lies before it.
    fn advance(&mut self, next: u64, chunk: &Chunk) -> io::Result<()> {
        let from = std::mem::replace(&mut self.row.offset, next);
        self.row.records += chunk.records.len() as u64;
        let Some(file) = self.file.as_ref().filter(|_| next > from) else { return Ok(()) };
        let tail_len = TAIL_BYTES.min(usize::try_from(next).unwrap_or(TAIL_BYTES));
        // The chunk holds the bytes themselves unless a too long line was cut or empty lines were let go;
        // reading them again could meet a file that was cut in between.
        let whole = chunk.data.len() as u64 == next - from
            && chunk.records.iter().all(|record| record.framing == Framing::Whole);
        if whole && chunk.data.len() >= tail_len {
            self.tail = chunk.data.get(chunk.data.len() - tail_len..).unwrap_or_default().to_vec();
        } else if whole && self.tail.len() as u64 == from.min(TAIL_BYTES as u64) {
            self.tail.extend_from_slice(&chunk.data);
            let over = self.tail.len() - tail_len.min(self.tail.len());
            self.tail.drain(..over);
        } else {
            self.tail = read_at(file, next - tail_len as u64, tail_len)?;
        }
        self.row.tail = Print::of(&self.tail);
        let head_len = HEAD_BYTES.min(usize::try_from(next).unwrap_or(HEAD_BYTES));
        if self.row.head.len < head_len {
            let head = read_at(file, 0, head_len)?;
            if self.row.head.fits(&head) {
                self.row.head = Print::of(&head);
            }
        }
        Ok(())
    }
}

/// Read at a place, retried when a signal interrupts it.
fn read_once(file: &File, into: &mut [u8], place: u64) -> io::Result<usize> {
    use std::os::unix::fs::FileExt;
    loop {
        match file.read_at(into, place) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// When the file was last changed.
pub fn modified(metadata: &Metadata) -> Timestamp {
    metadata.modified().map(Timestamp::from).unwrap_or_default()
}
