//! Compressed lines, and files that are read as a whole.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use super::listing::{Found, open_same};
use super::row::{Kind, Row, base_name};
use super::tracked::modified;
use super::{Follower, LOOK_EVERY, LOST_REST};
use crate::carrier::Chunk;
use crate::carrier::lines::{Lines, first_line};
use crate::model::record::{Batch, Flush, Framing, Shape, Stream};
use crate::source::SourceError;
use crate::source::file::FileSettings;
use crate::source::file::identity::{HEAD_BYTES, Inode, Print, TAIL_BYTES, read_at};
use crate::source::file::once::read_open;
use crate::source::file::open::{Content, Peeked, Unpacked, content, packing};
use crate::stdx::id::IdHasher;
use crate::stdx::time::{Timestamp, micros};

/// How a compressed file relates to a row.
enum Fit {
    /// Other content.
    Different,
    /// The row's content up to its offset, and nothing more.
    Same,
    /// The row's content, and more.
    Longer,
}

impl Follower {
    /// A compressed file that has come to rest, seen for the first time.
    pub(super) fn meet_packed(&mut self, found: Found, file: File) -> ControlFlow<()> {
        let head = head(&file, &self.settings).unwrap_or_default();
        if content(&head, &self.settings.format) != Content::Lines
            || packing(&head) != super::Packing::Plain
        {
            let key = self.insert(Kind::Whole, &found);
            self.print_whole(key, &read_at(&file, 0, HEAD_BYTES).unwrap_or_default(), found.size);
            self.name_by(key, head.get(..HEAD_BYTES).unwrap_or(&head));
            return ControlFlow::Continue(());
        }
        let name = base_name(&found.path.file_name().unwrap_or_default().to_string_lossy());
        let may_be = |row: &Row| {
            let row_name = row.path.file_name().unwrap_or_default().to_string_lossy();
            matches!(row.kind, Kind::Lines | Kind::Packed)
                && row.head.len > 0
                && base_name(&row_name) == name
                && row.head.fits(&head)
        };
        let candidates: Vec<u64> =
            self.tracked.iter().filter(|(_, it)| may_be(&it.row)).map(|(key, _)| *key).collect();
        for key in candidates.into_iter().rev() {
            let Some(tracked) = self.tracked.get(&key) else { continue };
            // Cut short behind many equal first bytes: the same content, as far as it goes.
            let damaged = match tracked.row.head.len {
                HEAD_BYTES => Fit::Same,
                _ => Fit::Different,
            };
            let fit = packed_fit(&file, &tracked.row, &self.settings).unwrap_or(damaged);
            let on_disk = std::fs::metadata(&tracked.row.path)
                .is_ok_and(|metadata| tracked.row.inode == Some(Inode::of(&metadata)));
            match fit {
                Fit::Different => continue,
                Fit::Same if tracked.row.finished => self.insert_copy(&found, key),
                _ if on_disk || tracked.file.is_some() => self.insert_copy(&found, key),
                Fit::Same | Fit::Longer => self.transfer(key, &found, None),
            }
            return ControlFlow::Continue(());
        }
        let key = self.insert(Kind::Packed, &found);
        if let Some(tracked) = self.tracked.get_mut(&key) {
            tracked.row.head = Print::of(head.get(..HEAD_BYTES).unwrap_or(&head));
        }
        let line = first_line(&head, HEAD_BYTES).unwrap_or(&head);
        self.name_by(key, line.strip_suffix(b"\r").unwrap_or(line));
        ControlFlow::Continue(())
    }

    /// Read compressed lines from the row's offset to their end.
    pub(super) fn read_packed(&mut self, key: u64) -> ControlFlow<()> {
        let Some(tracked) = self.tracked.get_mut(&key) else { return ControlFlow::Continue(()) };
        tracked.look = false;
        let path = tracked.row.path.clone();
        let start = tracked.row.offset;
        let opened = open_same(&path, tracked.row.inode);
        let opened =
            opened.and_then(|file| file.map(|it| it.metadata().map(|at| (it, at))).transpose());
        let (file, metadata) = match opened {
            Ok(Some(opened)) => opened,
            Ok(None) => {
                self.look_soon();
                return ControlFlow::Continue(());
            }
            Err(error) => {
                self.complain(&SourceError::from_io(&path, error));
                return ControlFlow::Continue(());
            }
        };
        tracked.row.size = metadata.len();
        tracked.row.modified = modified(&metadata).micros();
        let settings = self.settings.clone();
        let mut lines = Lines::new(settings.bounds, start);
        let mut outcome = unpack(&file, &settings);
        if let Ok(unpacked) = &mut outcome
            && let Err(error) = io::copy(&mut unpacked.take(start), &mut io::sink())
        {
            outcome = Err(error);
        }
        let error = match outcome {
            Ok(mut unpacked) => loop {
                match lines.fill(&mut |into| unpacked.read(into)) {
                    Ok(0) => break None,
                    Ok(_) => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    Err(error) => break Some(error),
                }
                while lines.is_full() {
                    let next = lines.offset();
                    self.send_packed(key, lines.take(), next, Flush::No)?;
                }
            },
            Err(error) => Some(error),
        };
        lines.finish();
        let next = lines.offset();
        let mut chunk = lines.take();
        if let Some(error) = error {
            chunk.push(error.to_string().as_bytes(), next, Framing::Damaged, Shape::Line);
        }
        if let Some(tracked) = self.tracked.get_mut(&key) {
            tracked.row.finished = true;
        }
        self.send_packed(key, chunk, next, Flush::End)
    }

    fn send_packed(&mut self, key: u64, chunk: Chunk, next: u64, flush: Flush) -> ControlFlow<()> {
        let Some(tracked) = self.tracked.get_mut(&key) else { return ControlFlow::Continue(()) };
        let from = std::mem::replace(&mut tracked.row.offset, next);
        tracked.row.records += chunk.records.len() as u64;
        let tail = chunk.data.len().saturating_sub(TAIL_BYTES);
        let whole = chunk.data.len() as u64 == next - from;
        let tail = chunk.data.get(tail..).filter(|_| whole && tail > 0);
        tracked.row.tail = tail.map(Print::of).unwrap_or_default();
        self.send(key, chunk, from, flush)
    }

    /// Read a file as a whole, without the records that were handed on before.
    pub(super) fn read_whole(&mut self, key: u64) -> ControlFlow<()> {
        let Some(mut tracked) = self.tracked.remove(&key) else { return ControlFlow::Continue(()) };
        tracked.look = false;
        let path = tracked.row.path.clone();
        let file = match open_same(&path, tracked.row.inode) {
            Ok(Some(file)) => file,
            other => {
                self.look_soon();
                self.tracked.insert(key, tracked);
                if let Err(error) = other {
                    self.complain(&SourceError::from_io(&path, error));
                }
                return ControlFlow::Continue(());
            }
        };
        let mut skip = tracked.row.records;
        let backfill = tracked.row.backfill_until > 0 && skip == 0;
        let mut at_rest = true;
        if let Ok(metadata) = file.metadata() {
            tracked.row.size = metadata.len();
            tracked.row.modified = modified(&metadata).micros();
            let age = Timestamp::now().micros_since(modified(&metadata));
            at_rest = age >= micros((self.files.idle * 2).max(LOST_REST));
        }
        let row = &mut tracked.row;
        let outlet = &mut self.outlet;
        let stream_id = row.stream.unwrap_or_default();
        let mut emit = |mut batch: Batch| {
            let known = usize::try_from(skip).unwrap_or(usize::MAX).min(batch.records.len());
            batch.records.drain(..known);
            skip -= known as u64;
            if batch.records.is_empty() && (known > 0 || batch.flush == Flush::No) {
                return ControlFlow::Continue(());
            }
            row.records += batch.records.len() as u64;
            outlet.note(key.to_string(), row.to_json());
            let id = match batch.stream.path.split_once('!') {
                Some((_, member)) => {
                    IdHasher::new("member").bytes(stream_id.as_bytes()).text(member).finish()
                }
                None => stream_id,
            };
            let stream = Arc::new(Stream { id, backfill, ..(*batch.stream).clone() });
            outlet.send(stream, Chunk { data: batch.data, records: batch.records }, batch.flush)
        };
        let settings = FileSettings { hold: !at_rest, ..self.settings.clone() };
        let outcome = read_open(file, &path, &settings, &mut emit);
        let stopped = outcome.as_ref().is_ok_and(|summary| summary.stopped);
        let held = outcome.as_ref().is_ok_and(|summary| summary.held);
        tracked.row.finished = !stopped && !held && outcome.is_ok();
        if held {
            self.folders_at = self.folders_at.min(Instant::now() + LOOK_EVERY);
        }
        self.outlet.note(key.to_string(), tracked.row.to_json());
        self.tracked.insert(key, tracked);
        match outcome {
            Ok(summary) => summary.problems.iter().for_each(|problem| self.complain(problem)),
            Err(error) => {
                self.look_soon();
                self.complain(&error);
            }
        }
        if stopped { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }
}

fn unpack<'a>(file: &'a File, settings: &FileSettings) -> io::Result<Unpacked<'a>> {
    let head = read_at(file, 0, HEAD_BYTES)?;
    Unpacked::new(FromStart { file, place: 0 }, packing(&head), settings)
}

/// The first decompressed bytes of a file.
///
/// # Errors
/// It cannot be read.
pub(super) fn head(file: &File, settings: &FileSettings) -> io::Result<Vec<u8>> {
    let mut unpacked = unpack(file, settings)?;
    Ok(Peeked::new(&mut unpacked).head().to_vec())
}

/// Does the decompressed content hold what was read under the row?
fn packed_fit(file: &File, row: &Row, settings: &FileSettings) -> io::Result<Fit> {
    let mut unpacked = unpack(file, settings)?;
    let tail_from = row.offset - (row.tail.len as u64).min(row.offset);
    if io::copy(&mut (&mut unpacked).take(tail_from), &mut io::sink())? < tail_from {
        return Ok(Fit::Different);
    }
    let mut tail = Vec::new();
    (&mut unpacked).take(row.tail.len as u64).read_to_end(&mut tail)?;
    if !row.tail.fits(&tail) {
        return Ok(Fit::Different);
    }
    let more = (&mut unpacked).take(1).read_to_end(&mut Vec::new())?;
    Ok(if more > 0 { Fit::Longer } else { Fit::Same })
}

/// Reads a file from its start without moving the place others read at.
struct FromStart<'a> {
    file: &'a File,
    place: u64,
}

impl Read for FromStart<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        use std::os::unix::fs::FileExt;
        let count = self.file.read_at(into, self.place)?;
        self.place += count as u64;
        Ok(count)
    }
}
