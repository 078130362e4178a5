//! Which file is which: what lies in the folders now against what is known.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::ops::{ControlFlow, Not};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::row::{Kind, Row, base_path, is_rotation_of};
use super::tracked::{Tracked, modified};
use super::{Follower, GATHER, LOOK_EVERY};
use crate::carrier::Chunk;
use crate::config::sources::From;
use crate::model::record::Flush;
use crate::source::SourceError;
use crate::source::file::expand::{Pattern, special};
use crate::source::file::identity::{HEAD_BYTES, Inode, Print, TAIL_BYTES, read_at};
use crate::source::file::open::{Content, PEEK_BYTES, Packing, content, packing};
use crate::stdx::time::{Timestamp, micros};

/// A file that was changed longer ago than this when it was first met holds old logs.
const OLD: Duration = Duration::from_secs(60);
/// How far back from its end a line's start is looked for, with `from = "end"`.
const LINE_START_MAX: usize = 64 << 10;
/// Rows of files that are gone are kept up to this many, and four for each file that is there.
const GONE_ROWS: usize = 64;

/// A file as a folder shows it.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub path: PathBuf,
    pub inode: Inode,
    pub size: u64,
    pub modified: Timestamp,
}

impl Found {
    fn at(path: PathBuf) -> std::io::Result<Option<Found>> {
        let metadata = fs::metadata(&path)?;
        let found = Found {
            path,
            inode: Inode::of(&metadata),
            size: metadata.len(),
            modified: modified(&metadata),
        };
        Ok(special(metadata.file_type()).is_none().then_some(found))
    }
}

type Listings = HashMap<PathBuf, Vec<Found>>;

impl Follower {
    /// Look at the folders.
    pub(super) fn reconcile(&mut self) -> ControlFlow<()> {
        let rescan = self.files.rescan.max(GATHER);
        let every = if self.watch.is_native() { rescan } else { rescan.min(LOOK_EVERY) };
        self.folders_at = Instant::now() + every;
        self.watch.forget_missing();
        self.watch_roots();
        let (mut paths, problems) = self.selection.find();
        paths.extend(self.between.iter().cloned());
        for problem in &problems {
            self.complain(problem);
        }
        let found = self.look_at(paths);
        let mut unknown = Vec::new();
        let mut present = HashSet::new();
        let inodes: HashSet<Inode> = found.iter().map(|found| found.inode).collect();
        for file in found {
            match self.recognise(&file)? {
                Some(key) => drop(present.insert(key)),
                None => unknown.push(file),
            }
        }
        let mut listings = Listings::new();
        let between = self.find_moved(&present, &mut listings);
        let between = between.into_iter().filter(|file| inodes.contains(&file.inode).not());
        unknown.extend(between);
        unknown
            .sort_by_cached_key(|file| (base_path(&file.path), file.modified, file.path.clone()));
        for file in unknown {
            self.meet(file)?;
        }
        self.retire(&mut listings);
        self.prune(&present);
        ControlFlow::Continue(())
    }

    fn watch_roots(&mut self) {
        for pattern in self.selection.patterns() {
            match pattern {
                Pattern::Path(path) if path.is_dir() => self.watch.folder(path, true),
                Pattern::Path(path) => {
                    if let Some(folder) = path.parent() {
                        self.watch.folder(folder, false);
                    }
                }
                Pattern::Glob(folder, matcher) => {
                    let pattern = Path::new(matcher.glob().glob());
                    let below =
                        pattern.strip_prefix(folder).map_or(2, |rest| rest.components().count());
                    self.watch.folder(folder, below > 1);
                }
            }
        }
    }

    /// The files at these paths, each file once whatever its names.
    fn look_at(&mut self, paths: Vec<PathBuf>) -> Vec<Found> {
        let mut files: Vec<Found> = Vec::new();
        let mut places: HashMap<Inode, usize> = HashMap::new();
        for path in paths {
            let found = match Found::at(path.clone()) {
                Ok(Some(found)) => found,
                Ok(None) => continue,
                Err(error) => {
                    // Gone between the look at the folder and the look at the file is no trouble.
                    if error.kind() != std::io::ErrorKind::NotFound {
                        self.complain(&SourceError::from_io(&path, error));
                    }
                    continue;
                }
            };
            let known = self.by_inode.get(&found.inode).and_then(|key| self.tracked.get(key));
            match places.get(&found.inode).and_then(|place| files.get_mut(*place)) {
                Some(other) if known.is_some_and(|known| *known.path() == found.path) => {
                    *other = found
                }
                Some(_) => {}
                None => {
                    places.insert(found.inode, files.len());
                    files.push(found);
                }
            }
        }
        files
    }

    /// The key of a file that is known by its inode, if it still is that file.
    fn recognise(&mut self, found: &Found) -> ControlFlow<(), Option<u64>> {
        let Some(key) = self.by_inode.get(&found.inode).copied() else {
            return ControlFlow::Continue(None);
        };
        let Some(tracked) = self.tracked.get_mut(&key) else { return ControlFlow::Continue(None) };
        let row = &tracked.row;
        let unchanged = (row.size, row.modified) == (found.size, found.modified.micros());
        let moved = row.path != found.path;
        let doubtful = match row.kind {
            Kind::Copy => !unchanged,
            Kind::Lines | Kind::Packed | Kind::Whole => moved || (row.finished && !unchanged),
        };
        if doubtful {
            let fits = row.kind != Kind::Copy
                && found.size >= if row.kind == Kind::Lines { row.offset } else { 0 }
                && File::open(&found.path).is_ok_and(|file| {
                    row.kind != Kind::Lines || tracked.fits(&file).unwrap_or(false)
                });
            if !fits {
                self.replaced(key)?;
                return ControlFlow::Continue(None);
            }
        }
        let Some(tracked) = self.tracked.get_mut(&key) else { return ControlFlow::Continue(None) };
        if moved {
            tracked.row.path = found.path.clone();
            self.outlet.note(key.to_string(), tracked.row.to_json());
            self.remember_path(key, &found.path.clone());
        }
        let Some(tracked) = self.tracked.get_mut(&key) else { return ControlFlow::Continue(None) };
        let grown = tracked.row.finished && !unchanged && tracked.row.kind != Kind::Copy;
        if grown && (tracked.row.kind != Kind::Lines || found.size > tracked.row.offset) {
            tracked.row.finished = false;
            tracked.last_data = Instant::now();
        }
        tracked.look = !tracked.row.finished;
        if !self.by_path.contains_key(&found.path) {
            self.remember_path(key, &found.path.clone());
        }
        ControlFlow::Continue(Some(key))
    }

    /// The file of this row is not that file any more.
    fn replaced(&mut self, key: u64) -> ControlFlow<()> {
        let Some(tracked) = self.tracked.get_mut(&key) else { return ControlFlow::Continue(()) };
        if let Some(inode) = tracked.row.inode.take() {
            self.by_inode.remove(&inode);
        }
        if tracked.row.kind == Kind::Copy {
            self.tracked.remove(&key);
            self.outlet.note(key.to_string(), None);
            return ControlFlow::Continue(());
        }
        let was_open = !tracked.row.finished;
        tracked.file = None;
        tracked.look = false;
        tracked.row.finished = true;
        let offset = tracked.row.offset;
        let flush = if was_open { Flush::End } else { Flush::No };
        self.send(key, Chunk::default(), offset, flush)
    }

    /// Files that are not where the paths lead any more: renamed out of the pattern, or deleted. Returns
    /// what was born and moved aside after them.
    fn find_moved(&mut self, present: &HashSet<u64>, listings: &mut Listings) -> Vec<Found> {
        let gone = |(key, tracked): (&u64, &Tracked)| {
            let gone = !present.contains(key) && !tracked.row.finished && !tracked.is_unlinked();
            (gone && tracked.row.kind == Kind::Lines).then_some(*key)
        };
        let gone: Vec<u64> = self.tracked.iter().filter_map(gone).collect();
        let mut between = Vec::new();
        for key in gone {
            let Some(tracked) = self.tracked.get_mut(&key) else { continue };
            let before = tracked.row.clone();
            let siblings = list(listings, before.path.parent());
            let moved = siblings.iter().find(|file| Some(file.inode) == tracked.row.inode).cloned();
            let moved = moved.filter(|file| {
                File::open(&file.path).is_ok_and(|file| tracked.fits(&file).unwrap_or(false))
            });
            if let Some(file) = &moved {
                tracked.row.path = file.path.clone();
            } else if let Some(inode) = tracked.row.inode.take() {
                self.by_inode.remove(&inode);
            }
            if !tracked.retired {
                tracked.retired = true;
                tracked.last_data = Instant::now();
            }
            tracked.look = tracked.is_there();
            if tracked.row != before {
                self.outlet.note(key.to_string(), tracked.row.to_json());
            }
            if let Some(file) = &moved {
                self.remember_path(key, &file.path);
            }
            if moved.is_none_or(|file| file.path != before.path) {
                between.extend(self.born_since(
                    &base_path(&before.path),
                    before.modified,
                    listings,
                ));
            }
        }
        between
    }

    /// Files that were born under a name and rotated away from it while nobody looked.
    fn born_since(&mut self, base: &Path, since: i64, listings: &mut Listings) -> Vec<Found> {
        let siblings = list(listings, base.parent());
        let between = siblings.iter().filter(|file| {
            is_rotation_of(&file.path, base)
                && file.modified.micros() >= since
                && !self.by_inode.contains_key(&file.inode)
        });
        let between: Vec<Found> = between.cloned().collect();
        // Compressed ones may have to come to rest first.
        self.between.extend(between.iter().map(|file| file.path.clone()));
        between
    }

    /// A file seen for the first time.
    fn meet(&mut self, found: Found) -> ControlFlow<()> {
        if self.by_inode.contains_key(&found.inode) {
            return ControlFlow::Continue(());
        }
        let opened = File::open(&found.path)
            .and_then(|file| read_at(&file, 0, PEEK_BYTES).map(|head| (file, head)));
        let (file, head) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                self.complain(&SourceError::from_io(&found.path, error));
                return ControlFlow::Continue(());
            }
        };
        if packing(&head) == Packing::Plain && content(&head) == Content::Lines {
            return self.meet_lines(found, file);
        }
        let age = Timestamp::now().micros_since(found.modified).abs();
        let rest = self.files.idle.clamp(Duration::from_millis(200), Duration::from_secs(2));
        if age < micros(rest) {
            self.look_soon();
            return ControlFlow::Continue(());
        }
        if matches!(packing(&head), Packing::Gzip | Packing::Zstd) {
            return self.meet_packed(found, file);
        }
        let first = head.get(..HEAD_BYTES).unwrap_or(&head).to_vec();
        let key = self.insert(Kind::Whole, &found);
        self.name_by(key, &first);
        ControlFlow::Continue(())
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
                if found.size < row.offset && self.is_prefix(key, &file, &found) {
                    let age = Timestamp::now().micros_since(found.modified).abs();
                    if age < micros(Duration::from_secs(5)) {
                        // A copy that is still being made.
                        self.look_soon();
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
        let Ok(original) = File::open(&tracked.row.path) else { return false };
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
        if let Some(copy) = self.by_inode.insert(found.inode, key)
            && copy != key
        {
            self.tracked.remove(&copy);
            self.outlet.note(copy.to_string(), None);
        }
        if let Some(tracked) = self.tracked.get_mut(&key) {
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
    fn remember_path(&mut self, key: u64, path: &Path) {
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
        let mut listings = Listings::new();
        match self.find_copy(key, list(&mut listings, path.parent())) {
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
        for found in self.born_since(&base_path(&path), modified, &mut Listings::new()) {
            self.meet(found)?;
        }
        if let Some(found) = here {
            self.insert(Kind::Lines, &found);
        }
        ControlFlow::Continue(())
    }

    /// The copy a rotator made of a file before it cut it.
    fn find_copy(&self, key: u64, siblings: &[Found]) -> Option<(Found, File)> {
        let tracked = self.tracked.get(&key)?;
        let base = base_path(&tracked.row.path);
        let is_free = |found: &Found| {
            let other = self.by_inode.get(&found.inode).and_then(|key| self.tracked.get(key));
            other.is_none_or(|other| other.row.kind == Kind::Copy)
        };
        let mut candidates: Vec<&Found> = siblings
            .iter()
            .filter(|found| {
                is_rotation_of(&found.path, &base)
                    && found.size >= tracked.row.offset
                    && is_free(found)
            })
            .collect();
        candidates.sort_by_key(|found| std::cmp::Reverse(found.modified));
        candidates.into_iter().find_map(|found| {
            let file = File::open(&found.path).ok()?;
            tracked.fits(&file).unwrap_or(false).then(|| (found.clone(), file))
        })
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

    /// Files whose successor is there are finished when they come to rest.
    fn retire(&mut self, listings: &mut Listings) {
        for tracked in self.tracked.values_mut() {
            if tracked.row.kind != Kind::Lines || tracked.row.finished || tracked.retired {
                continue;
            }
            let base = base_path(&tracked.row.path);
            if base != tracked.row.path {
                let siblings = list(listings, base.parent());
                tracked.retired = siblings.iter().any(|found| found.path == base);
            }
        }
    }

    /// Forget files that have long been gone.
    fn prune(&mut self, present: &HashSet<u64>) {
        let is_gone = |key: &u64, it: &Tracked| {
            !present.contains(key) && it.row.finished && it.file.is_none()
        };
        let gone: Vec<u64> =
            self.tracked.iter().filter(|(key, it)| is_gone(key, it)).map(|(key, _)| *key).collect();
        let keep = GONE_ROWS + 4 * present.len();
        for key in gone.iter().take(gone.len().saturating_sub(keep)) {
            if let Some(tracked) = self.tracked.remove(key) {
                if let Some(inode) =
                    tracked.row.inode.filter(|inode| self.by_inode.get(inode) == Some(key))
                {
                    self.by_inode.remove(&inode);
                }
                self.outlet.note(key.to_string(), None);
            }
        }
        let kept = |path: &PathBuf| {
            let key = self.by_path.get(path).and_then(|key| self.tracked.get(key));
            path.exists() && key.is_none_or(|it| !it.row.finished)
        };
        self.between.retain(kept);
        if self.by_path.len() > 1_000 + 8 * self.tracked.len() {
            self.by_path.retain(|_, key| self.tracked.contains_key(key));
        }
    }
}

/// The files of a folder, looked up once.
fn list<'a>(listings: &'a mut Listings, folder: Option<&Path>) -> &'a [Found] {
    let folder = folder.unwrap_or(Path::new("/")).to_owned();
    listings.entry(folder).or_insert_with_key(|folder| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        entries.filter_map(|entry| Found::at(entry.path()).ok().flatten()).collect()
    })
}
