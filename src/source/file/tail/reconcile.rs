//! Which file is which: what lies in the folders now against what is known.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Instant;

use super::listing::{Found, Listings};
use super::meet::whole_head;
use super::row::{Kind, base_path};
use super::tracked::Tracked;
use super::{Follower, GATHER, LOOK_EVERY, packed};
use crate::carrier::Chunk;
use crate::model::record::Flush;
use crate::source::SourceError;
use crate::source::file::FileSettings;
use crate::source::file::expand::Pattern;
use crate::source::file::identity::{Inode, read_at};
use crate::source::file::open::{PEEK_BYTES, Packing, packing};

/// Rows of files that are gone are kept up to this many, and four for each file that is there.
const GONE_ROWS: usize = 64;

impl Follower {
    /// Look at the folders.
    pub(super) fn reconcile(&mut self) -> ControlFlow<()> {
        let rescan = self.files.rescan.max(GATHER);
        let every = if self.watch.is_native() { rescan } else { rescan.min(LOOK_EVERY) };
        self.folders_at = Instant::now() + every;
        self.watch.forget_missing();
        self.watch_roots();
        let (paths, problems) = self.selection.find();
        for problem in &problems {
            self.complain(problem);
        }
        let found = self.look_at(paths);
        let mut unknown = Vec::new();
        let mut present = HashSet::new();
        for file in found {
            match self.recognise(&file)? {
                Some(key) => drop(present.insert(key)),
                None => unknown.push(file),
            }
        }
        let mut listings = Listings::default();
        self.find_moved(&present, &mut listings);
        self.find_waiting(&present, &mut unknown, &mut listings);
        self.find_between(&present, &mut unknown, &mut listings)?;
        unknown
            .sort_by_cached_key(|file| (base_path(&file.path), file.modified, file.path.clone()));
        for file in unknown {
            self.meet(file)?;
        }
        self.retire(&mut listings);
        self.prune(&present);
        self.tell_trouble();
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
        if tracked.row.kind == Kind::Waiting {
            return ControlFlow::Continue(self.still_waits(key, found));
        }
        let row = &tracked.row;
        let unchanged = (row.size, row.modified) == (found.size, found.modified.micros());
        let moved = row.path != found.path;
        let doubtful = match row.kind {
            Kind::Copy | Kind::Waiting => !unchanged,
            Kind::Whole => moved || !unchanged,
            Kind::Lines => moved || (row.finished && !unchanged),
            // One that was read and waits for its rest may have been copied anew.
            Kind::Packed => moved || (row.size > 0 && !unchanged),
        };
        if doubtful {
            let Some(file) = found.open() else {
                // It has moved on already; the next look will find it.
                self.look_soon();
                return ControlFlow::Continue(Some(key));
            };
            let fits = is_same(tracked, &file, &self.settings).unwrap_or(false);
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

    /// A file that was being written: is it still, or is it to be met now?
    fn still_waits(&mut self, key: u64, found: &Found) -> Option<u64> {
        if !self.is_at_rest(found) {
            self.look_soon();
            return Some(key);
        }
        self.forget(key);
        None
    }

    /// Files outside the paths that were being written when they were found.
    fn find_waiting(
        &mut self,
        present: &HashSet<u64>,
        unknown: &mut Vec<Found>,
        listings: &mut Listings,
    ) {
        let waits = |(key, it): (&u64, &Tracked)| {
            let waits = it.row.kind == Kind::Waiting && !present.contains(key);
            waits.then(|| (*key, it.row.path.clone(), it.row.inode))
        };
        let waiting: Vec<_> = self.tracked.iter().filter_map(waits).collect();
        for (key, path, inode) in waiting {
            let siblings = listings.of(path.parent());
            match siblings.iter().find(|found| Some(found.inode) == inode).cloned() {
                Some(found) => {
                    if self.still_waits(key, &found).is_none() {
                        unknown.push(found);
                    }
                }
                None => self.forget(key),
            }
        }
    }

    /// The file of this row is not that file any more.
    pub(super) fn replaced(&mut self, key: u64) -> ControlFlow<()> {
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

    /// Files that are not where the paths lead any more: renamed out of the pattern, or deleted.
    fn find_moved(&mut self, present: &HashSet<u64>, listings: &mut Listings) {
        let gone = |(key, tracked): (&u64, &Tracked)| {
            let reads = matches!(tracked.row.kind, Kind::Lines | Kind::Packed);
            let gone = !present.contains(key) && !tracked.row.finished && !tracked.is_unlinked();
            (gone && reads).then_some(*key)
        };
        let gone: Vec<u64> = self.tracked.iter().filter_map(gone).collect();
        for key in gone {
            let Some(tracked) = self.tracked.get_mut(&key) else { continue };
            let before = tracked.row.clone();
            let siblings = listings.of(before.path.parent());
            let moved = siblings.iter().find(|file| Some(file.inode) == tracked.row.inode).cloned();
            let opened = moved.as_ref().map(Found::open);
            if matches!(opened, Some(None)) {
                self.look_soon();
                continue;
            }
            let is_it = opened
                .flatten()
                .is_some_and(|file| is_same(tracked, &file, &self.settings).unwrap_or(false));
            let moved = moved.filter(|_| is_it);
            if moved.is_none() && tracked.may_be_elsewhere() {
                self.look_soon();
                continue;
            }
            tracked.missed = false;
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
            let is_lost = !tracked.is_there();
            if tracked.row != before {
                self.outlet.note(key.to_string(), tracked.row.to_json());
            }
            match &moved {
                Some(file) => self.remember_path(key, &file.path),
                None if is_lost => self.go_on_in_copy(key, listings),
                None => {}
            }
            if moved.is_none_or(|file| file.path != before.path) {
                self.suspect(base_path(&before.path), before.modified);
            }
        }
    }

    /// A lost file whose copy or compressed form was met earlier is finished from that.
    fn go_on_in_copy(&mut self, key: u64, listings: &mut Listings) {
        let copies = self.tracked.values().filter(|it| it.row.of == Some(key));
        let copies: Vec<(PathBuf, Option<Inode>)> =
            copies.map(|it| (it.row.path.clone(), it.row.inode)).collect();
        for (path, inode) in copies {
            let siblings = listings.of(path.parent());
            let found = siblings.iter().find(|found| Some(found.inode) == inode).cloned();
            let opened = found.and_then(|it| it.open().map(|file| (it, file)));
            let Some((found, file)) = opened else { continue };
            let Some(tracked) = self.tracked.get(&key) else { return };
            let is_plain =
                read_at(&file, 0, PEEK_BYTES).is_ok_and(|head| packing(&head) == Packing::Plain);
            if !is_plain {
                return self.transfer(key, &found, None);
            }
            if found.size >= tracked.row.offset && tracked.fits(&file).unwrap_or(false) {
                return self.transfer(key, &found, Some(file));
            }
        }
    }

    /// Files may have been born under this name and moved aside since a file of that name was last read.
    /// The earliest doubt that was not looked into stays.
    pub(super) fn suspect(&mut self, base: PathBuf, since: i64) {
        let entry = self.between.entry(base).or_insert(since);
        *entry = since.min(*entry);
    }

    /// Files that were born under a name and rotated away from it while nobody looked.
    fn find_between(
        &mut self,
        present: &HashSet<u64>,
        unknown: &mut Vec<Found>,
        listings: &mut Listings,
    ) -> ControlFlow<()> {
        if !self.looked {
            self.looked = true;
            let aside = |(key, it): (&u64, &Tracked)| {
                let base = base_path(&it.row.path);
                let in_place = base == it.row.path && present.contains(key);
                (!in_place && it.row.kind == Kind::Lines).then_some((base, it.row.modified))
            };
            let mut last: HashMap<PathBuf, i64> = HashMap::new();
            for (base, since) in self.tracked.iter().filter_map(aside) {
                let entry = last.entry(base).or_insert(since);
                *entry = since.max(*entry);
            }
            last.into_iter().for_each(|(base, since)| self.suspect(base, since));
        }
        for (base, since) in std::mem::take(&mut self.between) {
            let born = self.born_since(&base, since, listings)?;
            let is_new = |file: &Found| unknown.iter().all(|it| it.inode != file.inode);
            let born: Vec<Found> = born.into_iter().filter(is_new).collect();
            if !born.is_empty() {
                // Compressed ones may have to come to rest first: look again until all are known.
                self.between.insert(base, since);
                unknown.extend(born);
            }
        }
        ControlFlow::Continue(())
    }

    pub(super) fn born_since(
        &mut self,
        base: &Path,
        since: i64,
        listings: &mut Listings,
    ) -> ControlFlow<(), Vec<Found>> {
        let older = listings.rotations_of(base);
        let recent: Vec<Found> =
            older.filter(|file| file.modified.micros() >= since).cloned().collect();
        let mut born = Vec::new();
        for file in recent {
            // Inode numbers are used again soon after a file was deleted.
            if self.recognise(&file)?.is_none() {
                born.push(file);
            }
        }
        ControlFlow::Continue(born)
    }

    /// Files whose successor is there are finished when they come to rest.
    fn retire(&mut self, listings: &mut Listings) {
        for tracked in self.tracked.values_mut() {
            if tracked.row.kind != Kind::Lines || tracked.row.finished || tracked.retired {
                continue;
            }
            let base = base_path(&tracked.row.path);
            if base != tracked.row.path {
                let siblings = listings.of(base.parent());
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
            self.forget(*key);
        }
        if self.by_path.len() > 1_000 + 8 * self.tracked.len() {
            self.by_path.retain(|_, key| self.tracked.contains_key(key));
        }
    }

    /// Remove a row.
    pub(super) fn forget(&mut self, key: u64) {
        let Some(tracked) = self.tracked.remove(&key) else { return };
        if let Some(inode) = tracked.row.inode
            && self.by_inode.get(&inode) == Some(&key)
        {
            self.by_inode.remove(&inode);
        }
        self.outlet.note(key.to_string(), None);
    }
}

/// Is this file the one the row was made of? Inode numbers are reused.
fn is_same(tracked: &Tracked, file: &File, settings: &FileSettings) -> std::io::Result<bool> {
    let row = &tracked.row;
    Ok(match row.kind {
        Kind::Copy | Kind::Waiting => false,
        Kind::Lines => file.metadata()?.len() >= row.offset && tracked.fits(file)?,
        Kind::Packed => row.head.fits(&packed::head(file, settings)?),
        Kind::Whole => row.head.fits(whole_head(&read_at(file, 0, PEEK_BYTES)?)),
    })
}
