//! Compressed lines, and files that are read as a whole.

use std::fs::File;
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::listing::{Found, open_same};
use super::meet::rests;
use super::row::{Kind, Row, base_name};
use super::tracked::{Tracked, modified};
use super::{Follower, LOOK_EVERY, LOST_REST};
use crate::carrier::Chunk;
use crate::carrier::lines::{Lines, first_line};
use crate::model::record::{Batch, Flush, Framing, Shape, Stream};
use crate::source::SourceError;
use crate::source::file::FileSettings;
use crate::source::file::identity::{HEAD_BYTES, Inode, Print, TAIL_BYTES, read_at};
use crate::source::file::once::read_open;
use crate::source::file::open::{Content, PEEK_BYTES, Packing, Unpacked, content, packing};
use crate::stdx::id::IdHasher;
use crate::stdx::time::{Timestamp, micros};

/// How long the rest of a compressed file is waited for after its last change: its stream has not ended, so somebody is
/// still copying or writing it. After that, what is there is all there is.
pub const PACKED_REST_WAIT: Duration = Duration::from_secs(600);
/// A compressed file that is written to all the time is read again this often: each time from its start.
const PACKED_AGAIN: Duration = Duration::from_secs(10);

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
        let (head, is_cut) = head_so_far(&file, &self.settings).unwrap_or_default();
        let may_grow = may_grow(found.modified);
        let has_line = head.len() >= HEAD_BYTES || head.contains(&b'\n');
        if is_cut && may_grow && !has_line {
            // Not even what it is can be told yet.
            self.wait_for_rest(&found);
            return ControlFlow::Continue(());
        }
        if content(&head, &self.settings.format) != Content::Lines
            || packing(&head) != Packing::Plain
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
            let fit = match packed_fit(&file, &tracked.row, &self.settings) {
                Err(error) if is_cut_short(&error) && may_grow => {
                    self.wait_for_rest(&found);
                    return ControlFlow::Continue(());
                }
                other => other.unwrap_or(damaged),
            };
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

    /// Read compressed lines from the row's offset to their end, or as far as they are there.
    pub(super) fn read_packed(&mut self, key: u64) -> ControlFlow<()> {
        let Some((file, start, seen)) = self.open_packed(key) else {
            return ControlFlow::Continue(());
        };
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
        if may_grow(seen.1) && error.as_ref().is_some_and(is_cut_short) {
            // The line that is cut short is read again with its rest.
            if let Some(tracked) = self.tracked.get_mut(&key) {
                tracked.seen = Some(seen);
            }
            let next = lines.offset();
            return self.send_packed(key, lines.take(), next, Flush::No);
        }
        lines.finish();
        let next = lines.offset();
        let mut chunk = lines.take();
        if let Some(error) = error {
            chunk.push(error.to_string().as_bytes(), next, Framing::Damaged, Shape::Line);
        }
        if let Some(tracked) = self.tracked.get_mut(&key) {
            tracked.row.finished = true;
            tracked.seen = None;
        }
        self.send_packed(key, chunk, next, Flush::End)
    }

    /// The file of a row, where to begin in what it holds, and its size and time of change; `None`: there is nothing to read.
    fn open_packed(&mut self, key: u64) -> Option<(File, u64, (u64, Timestamp))> {
        let tracked = self.tracked.get_mut(&key)?;
        tracked.look = false;
        let path = tracked.row.path.clone();
        let opened = open_same(&path, tracked.row.inode);
        let opened =
            opened.and_then(|file| file.map(|it| it.metadata().map(|at| (it, at))).transpose());
        let (file, metadata) = match opened {
            Ok(Some(opened)) => opened,
            Ok(None) => {
                self.look_soon();
                return None;
            }
            Err(error) => {
                self.complain(&SourceError::from_io(&path, error));
                return None;
            }
        };
        let seen = (metadata.len(), modified(&metadata));
        if tracked.seen == Some(seen) && may_grow(seen.1) {
            return None;
        }
        let is_early = tracked.last_data.elapsed() < PACKED_AGAIN && !rests(&self.files, seen.1);
        if tracked.seen.is_some() && may_grow(seen.1) && is_early {
            self.look_soon();
            return None;
        }
        if tracked.seen != Some(seen) {
            tracked.last_data = Instant::now();
        }
        tracked.row.size = seen.0;
        tracked.row.modified = seen.1.micros();
        Some((file, tracked.row.offset, seen))
    }

    /// Remember a compressed file of which too little is there, until it changes or is looked at again.
    fn wait_for_rest(&mut self, found: &Found) {
        let key = self.insert(Kind::Waiting, found);
        if let Some(tracked) = self.tracked.get_mut(&key) {
            tracked.look = false;
        }
    }

    fn send_packed(&mut self, key: u64, chunk: Chunk, next: u64, flush: Flush) -> ControlFlow<()> {
        let Some(tracked) = self.tracked.get_mut(&key) else { return ControlFlow::Continue(()) };
        let from = std::mem::replace(&mut tracked.row.offset, next);
        tracked.row.records += chunk.records.len() as u64;
        if next == from && chunk.records.is_empty() {
            return self.send(key, chunk, from, flush);
        }
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
            let seen = (metadata.len(), modified(&metadata));
            tracked.row.size = seen.0;
            tracked.row.modified = seen.1.micros();
            if waits_for_its_end(&mut tracked, &file, seen, &self.settings) {
                self.tracked.insert(key, tracked);
                return ControlFlow::Continue(());
            }
            let age = Timestamp::now().micros_since(seen.1);
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

/// Does an error say that the bytes ended before the compressed stream did?
fn is_cut_short(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::UnexpectedEof
}

/// Was it changed so lately that the rest of a compressed file may still come?
fn may_grow(modified: Timestamp) -> bool {
    Timestamp::now().micros_since(modified).abs() < micros(PACKED_REST_WAIT)
}

/// Is this file, which is read as a whole, compressed and not all there? What was found of it is not looked into again.
fn waits_for_its_end(
    tracked: &mut Tracked,
    file: &File,
    seen: (u64, Timestamp),
    settings: &FileSettings,
) -> bool {
    let is_known = tracked.seen == Some(seen);
    let waits = may_grow(seen.1) && (is_known || !has_ended(file, settings));
    tracked.seen = waits.then_some(seen);
    waits
}

/// Is all of a compressed stream there? What is not compressed has no end to wait for.
fn has_ended(file: &File, settings: &FileSettings) -> bool {
    let head = read_at(file, 0, HEAD_BYTES).unwrap_or_default();
    if !matches!(packing(&head), Packing::Gzip | Packing::Zstd) {
        return true;
    }
    let read = unpack(file, settings).and_then(|mut it| io::copy(&mut it, &mut io::sink()));
    !read.is_err_and(|error| is_cut_short(&error))
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
    Ok(head_so_far(file, settings)?.0)
}

/// The same, and whether they are all that is there of a stream that has not ended.
fn head_so_far(file: &File, settings: &FileSettings) -> io::Result<(Vec<u8>, bool)> {
    let mut head = Vec::new();
    let mut unpacked = unpack(file, settings)?;
    let read = (&mut unpacked).take(PEEK_BYTES as u64).read_to_end(&mut head);
    Ok((head, read.is_err_and(|error| is_cut_short(&error))))
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
