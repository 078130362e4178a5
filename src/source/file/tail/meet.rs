//! Files seen for the first time, and files that were cut: what is new, what goes on from something known,
//! and what is a copy of it.

use std::fs::{self, File};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Duration, Instant};

use super::Follower;
use super::listing::{Found, Listings, open_same};
use super::row::{Kind, Row, base_path, is_rotation_of};
use super::tracked::Tracked;
use crate::carrier::evtx;
use crate::config::sources::{FileSource, From};
use crate::source::SourceError;
use crate::source::file::identity::{HEAD_BYTES, Print, TAIL_BYTES, read_at};
use crate::source::file::open::{Content, PEEK_BYTES, Packing, content, packing};
use crate::stdx::time::{Timestamp, micros};

/// A file that was changed longer ago than this when it was first met holds old logs.
const OLD: Duration = Duration::from_secs(60);
/// How far back from its end a line's start is looked for, with `from = "end"`.
const LINE_START_MAX: usize = 64 << 10;
impl Follower {
    /// A file seen for the first time.
    pub(super) fn meet(&mut self, mut found: Found) -> ControlFlow<()> {
        if self.by_inode.contains_key(&found.inode) {
            return ControlFlow::Continue(());
        }
        let opened = open_same(&found.path, Some(found.inode)).and_then(|file| {
            let Some(file) = file else { return Ok(None) };
            Ok(Some((file.metadata()?.len(), read_at(&file, 0, PEEK_BYTES)?, file)))
        });
        let (file, head) = match opened {
            Ok(Some((size, head, file))) => {
                // A rotator may have filled it since the folder was looked at.
                found.size = size;
                (file, head)
            }
            Ok(None) => {
                self.look_soon();
                return ControlFlow::Continue(());
            }
            Err(error) => {
                self.complain(&SourceError::from_io(&found.path, error));
                return ControlFlow::Continue(());
            }
        };
        if packing(&head) == Packing::Plain
            && content(&head, &self.settings.format) == Content::Lines
        {
            return self.meet_lines(found, file);
        }
        if !self.is_at_rest(&found) {
            self.wait_for(&found);
            return ControlFlow::Continue(());
        }
        if matches!(packing(&head), Packing::Gzip | Packing::Zstd) {
            return self.meet_packed(found, file);
        }
        let first = head.get(..HEAD_BYTES).unwrap_or(&head).to_vec();
        let key = self.insert(Kind::Whole, &found);
        self.print_whole(key, &head, found.size);
        self.name_by(key, &first);
        ControlFlow::Continue(())
    }

    pub(super) fn print_whole(&mut self, key: u64, head: &[u8], size: u64) {
        let stays = whole_head(head);
        // The end of a short file (a closing bracket) does not stay.
        let len = usize::try_from(size / 2).unwrap_or(HEAD_BYTES).min(HEAD_BYTES).min(stays.len());
        if let Some(tracked) = self.tracked.get_mut(&key) {
            tracked.row.head = Print::of(stays.get(..len).unwrap_or_default());
        }
    }

    /// Has nobody written to this file for a while?
    pub(super) fn is_at_rest(&self, found: &Found) -> bool {
        rests(&self.files, found.modified)
    }

    /// Remember a file, also over a restart, until it has come to rest.
    fn wait_for(&mut self, found: &Found) {
        self.look_soon();
        let key = self.insert(Kind::Waiting, found);
        if let Some(tracked) = self.tracked.get_mut(&key) {
            tracked.look = false;
        }
    }

    pub(super) fn look_soon(&mut self) {
        self.folders_at = self.folders_at.min(Instant::now() + Duration::from_millis(200));
    }

    fn meet_lines(&mut self, found: Found, file: File) -> ControlFlow<()> {
        let base = base_path(&found.path);
        let related = |tracked: &Tracked| {
            tracked.row.kind == Kind::Lines
                && tracked.row.head.len > 0
                && base_path(&tracked.row.path) == base
        };
        let related: Vec<u64> =
            self.tracked.iter().filter(|(_, it)| related(it)).map(|(key, _)| *key).collect();
        for key in related.into_iter().rev() {
            let Some(tracked) = self.tracked.get(&key) else { continue };
            let row = &tracked.row;
            let in_place = row.path == base && row.inode.is_some();
            let is_older = is_rotation_of(&found.path, &base);
            if in_place && is_older && !row.finished {
                if found.size < row.offset && !tracked.is_whole() {
                    // It was cut and we have not looked yet: that look says whose copy this is.
                    self.wait_for(&found);
                    return ControlFlow::Continue(());
                }
                if found.size < row.offset && self.is_prefix(key, &file, &found) {
                    let age = Timestamp::now().micros_since(found.modified).abs();
                    if age < micros(Duration::from_secs(5)) {
                        // A copy that is still being made.
                        self.wait_for(&found);
                    } else {
                        self.insert_copy(&found, key);
                    }
                    return ControlFlow::Continue(());
                }
                if found.size >= row.offset && tracked.fits(&file).unwrap_or(false) {
                    self.insert_copy(&found, key);
                    return ControlFlow::Continue(());
                }
            }
            let gone = row.inode.is_none() && tracked.file.is_none();
            let evidence = is_older || row.offset >= HEAD_BYTES as u64;
            let more = found.size > row.offset || !row.finished;
            if gone && evidence && found.size >= row.offset && tracked.fits(&file).unwrap_or(false)
            {
                if more {
                    self.transfer(key, &found, Some(file));
                } else {
                    self.insert_copy(&found, key);
                }
                return ControlFlow::Continue(());
            }
        }
        let key = self.insert(Kind::Lines, &found);
        if self.files.from == From::End && !self.started {
            self.skip_to_end(key, &file, found.size);
        }
        ControlFlow::Continue(())
    }

    /// Is this (shorter) file the beginning of the one under `key`, which is still in place?
    fn is_prefix(&self, key: u64, file: &File, found: &Found) -> bool {
        let Some(tracked) = self.tracked.get(&key) else { return false };
        let Ok(Some(original)) = open_same(&tracked.row.path, tracked.row.inode) else {
            return false;
        };
        let same = |from: u64, len: usize| {
            let ours = read_at(file, from, len);
            ours.is_ok_and(|ours| {
                read_at(&original, from, ours.len()).is_ok_and(|theirs| ours == theirs)
            })
        };
        same(0, HEAD_BYTES) && same(found.size.saturating_sub(TAIL_BYTES as u64), TAIL_BYTES)
    }

    /// Follow a new file from its first byte.
    pub(super) fn insert(&mut self, kind: Kind, found: &Found) -> u64 {
        let key = self.next_key;
        self.next_key += 1;
        let base = base_path(&found.path);
        let brothers = self.tracked.iter().filter(|(_, it)| base_path(&it.row.path) == base);
        let brothers: Vec<(u64, bool)> =
            brothers.map(|(key, it)| (*key, it.row.finished)).collect();
        let age = Timestamp::now().micros_since(found.modified);
        let mut row = Row::new(kind, &found.path, found.inode);
        if !self.started || (brothers.is_empty() && age > micros(OLD)) {
            row.backfill_until = found.size;
        }
        let mut tracked = Tracked::new(row);
        tracked.after =
            brothers.iter().filter(|(_, finished)| !finished).map(|(key, _)| *key).next_back();
        self.outlet.note(key.to_string(), tracked.row.to_json());
        self.by_inode.insert(found.inode, key);
        self.tracked.insert(key, tracked);
        self.remember_path(key, &found.path);
        key
    }

    /// Remember that a file holds what is read under another row.
    pub(super) fn insert_copy(&mut self, found: &Found, of: u64) {
        let key = self.insert(Kind::Copy, found);
        if let Some(tracked) = self.tracked.get_mut(&key) {
            tracked.row.of = Some(of);
            tracked.row.finished = true;
            tracked.row.size = found.size;
            tracked.row.modified = found.modified.micros();
            tracked.look = false;
            self.outlet.note(key.to_string(), tracked.row.to_json());
        }
    }

    /// Go on with a row in another file that holds the same bytes.
    pub(super) fn transfer(&mut self, key: u64, found: &Found, file: Option<File>) {
        let owner = self.by_inode.insert(found.inode, key).filter(|owner| *owner != key);
        if let Some(owner) = owner
            && let Some(other) = self.tracked.get_mut(&owner)
        {
            other.row.inode = None;
            if matches!(other.row.kind, Kind::Copy | Kind::Waiting) {
                self.forget(owner);
            }
        }
        if let Some(tracked) = self.tracked.get_mut(&key) {
            let old = tracked.row.inode.filter(|old| *old != found.inode);
            if let Some(old) = old.filter(|old| self.by_inode.get(old) == Some(&key)) {
                self.by_inode.remove(&old);
            }
            tracked.row.kind = if file.is_some() { Kind::Lines } else { Kind::Packed };
            tracked.row.path = found.path.clone();
            tracked.row.inode = Some(found.inode);
            tracked.row.finished = false;
            tracked.file = file;
            tracked.seen = None;
            tracked.look = true;
            tracked.retired = base_path(&found.path) != found.path;
            tracked.last_data = Instant::now();
            self.outlet.note(key.to_string(), tracked.row.to_json());
        }
        self.remember_path(key, &found.path);
    }

    /// `from = "end"`: begin with the line that is being written now.
    fn skip_to_end(&mut self, key: u64, file: &File, size: u64) {
        let Some(tracked) = self.tracked.get_mut(&key) else { return };
        let from = size.saturating_sub(LINE_START_MAX as u64);
        let last = read_at(file, from, LINE_START_MAX).unwrap_or_default();
        let end = memchr::memrchr(b'\n', &last).map_or(0, |at| at + 1);
        let offset = from + end as u64;
        let tail_len = TAIL_BYTES.min(end);
        let head = read_at(file, 0, HEAD_BYTES.min(usize::try_from(offset).unwrap_or(HEAD_BYTES)));
        tracked.tail = last.get(end - tail_len..end).unwrap_or_default().to_vec();
        tracked.row.offset = offset;
        tracked.row.tail = Print::of(&tracked.tail);
        tracked.row.head = Print::of(&head.unwrap_or_default());
        tracked.row.backfill_until = 0;
        self.outlet.note(key.to_string(), tracked.row.to_json());
    }

    /// Events name a file by the path it was found at, or by where a link leads.
    pub(super) fn remember_path(&mut self, key: u64, path: &Path) {
        self.by_path.insert(path.to_owned(), key);
        if let Ok(real) = fs::canonicalize(path) {
            if let Some(folder) = real.parent() {
                self.watch.folder(folder, false);
            }
            self.by_path.insert(real, key);
        }
    }

    /// A file became shorter, or other bytes stand before the offset.
    pub(super) fn cut(&mut self, key: u64) -> ControlFlow<()> {
        let Some(tracked) = self.tracked.get_mut(&key) else { return ControlFlow::Continue(()) };
        let path = tracked.row.path.clone();
        let inode = tracked.row.inode;
        let modified = tracked.row.modified;
        tracked.file = None;
        tracked.seen = None;
        match self.find_copy(key, &path) {
            Some((found, file)) => {
                self.transfer(key, &found, Some(file));
                if let Some(tracked) = self.tracked.get_mut(&key) {
                    tracked.retired = true;
                }
                if let Some(inode) = inode {
                    self.by_inode.remove(&inode);
                }
            }
            None => self.replaced(key)?,
        }
        let here =
            Found::at(path.clone()).ok().flatten().filter(|found| Some(found.inode) == inode);
        let base = base_path(&path);
        for found in self.born_since(&base, modified, &mut Listings::default())? {
            self.meet(found)?;
        }
        self.suspect(base, modified);
        self.look_soon();
        // An inode that was used again may just have been met as what it is now.
        if let Some(found) = here.filter(|found| !self.by_inode.contains_key(&found.inode)) {
            self.insert(Kind::Lines, &found);
        }
        ControlFlow::Continue(())
    }

    /// The copy a rotator made of a file before it cut it.
    fn find_copy(&self, key: u64, path: &Path) -> Option<(Found, File)> {
        /// Looks at the folder: a rotator may move the copies on between a look and the opening.
        const LOOKS: usize = 5;
        let tracked = self.tracked.get(&key)?;
        let base = base_path(&tracked.row.path);
        // What was cut was copied whole before, so a copy that was still being made is made now.
        let is_free = |found: &Found| {
            let other = self.by_inode.get(&found.inode).and_then(|key| self.tracked.get(key));
            other.is_none_or(|other| {
                matches!(other.row.kind, Kind::Copy | Kind::Waiting) || other.row.finished
            })
        };
        for _ in 0..LOOKS {
            let mut listings = Listings::default();
            let mut candidates: Vec<&Found> = listings
                .of(path.parent())
                .iter()
                .filter(|found| {
                    is_rotation_of(&found.path, &base)
                        && found.size >= tracked.row.offset
                        && is_free(found)
                })
                .collect();
            candidates.sort_by_key(|found| std::cmp::Reverse(found.modified));
            let mut moved_on = false;
            for found in candidates {
                let Some(file) = found.open() else {
                    moved_on = true;
                    continue;
                };
                if tracked.fits(&file).unwrap_or(false) {
                    return Some((found.clone(), file));
                }
            }
            if !moved_on {
                return None;
            }
        }
        None
    }

    /// A file is not at its path, or turned out not to hold lines.
    pub(super) fn lost_sight(&mut self, key: u64) {
        self.look_soon();
        let Some(tracked) = self.tracked.get(&key) else { return };
        if tracked.row.offset == 0 && tracked.file.is_some() {
            let inode = tracked.row.inode;
            self.tracked.remove(&key);
            if let Some(inode) = inode {
                self.by_inode.remove(&inode);
            }
            self.outlet.note(key.to_string(), None);
        }
    }
}

/// Has nobody written for a while to what was changed at this time?
pub(super) fn rests(files: &FileSource, modified: Timestamp) -> bool {
    let age = Timestamp::now().micros_since(modified).abs();
    age >= micros(files.idle.clamp(Duration::from_millis(200), Duration::from_secs(2)))
}

/// The first bytes that stay when a file that is read as a whole grows: a log's header does not.
pub(super) fn whole_head(head: &[u8]) -> &[u8] {
    const EVTX_RECORDS: usize = 4_096 + 512;
    let from = if evtx::recognise(head) { EVTX_RECORDS } else { 0 };
    head.get(from..).unwrap_or_default()
}
