//! The follower: takes durable frames of the log into the index, in steps, and says how far it has come.
//!
//! A step adds the events of whole frames to the partitions of their days. Each partition is committed with the point
//! of the log that it now reaches, and only after all of them the mark is moved. After a crash in between the next step
//! reads the same frames again; a partition that already has them passes over them.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::stdx::stop::StopToken;
use crate::stdx::time::Timestamp;
use crate::store::StoreError;
use crate::store::event_log::segment_path;
use crate::store::events::{EventReader, walk_frames};
use crate::store::folder;
use crate::store::frame::FIXED_BYTES;
use crate::store::index::frames::{Days, FrameReader, Groups};
use crate::store::index::partition::PartitionWriter;
use crate::store::index::{
    Cursor, DAYS_MAX, EventIndex, Mark, REST, SET_ASIDE, SET_ASIDE_MAX, partition_names,
};

/// Events that are held at once, sorted by day, but for those of the last frame. Their terms take 5 to 10 KB each.
const STEP_EVENTS: u64 = 2_000;
/// Events between two commits of the index, so that a restart does not repeat much.
const COMMIT_EVENTS: u64 = 200_000;
/// Days of one step that get a partition each; the smaller ones go to the rest.
const STEP_DAYS_MAX: usize = 16;
/// The index is moved on when so many events wait, or after [`WAIT_LOOKS`] looks.
const STEP_EVENTS_MIN: u64 = 10_000;
/// How often the follower looks.
const LOOK: Duration = Duration::from_millis(200);
/// Looks after which even one waiting event is taken in.
const WAIT_LOOKS: u32 = 25;
/// Days that are open for writing at once: each holds memory.
const WRITERS_MAX: usize = 3;
/// So many steps in a row must fail before the index itself is blamed: a full disk looks the same.
const FAILED_MAX: u32 = 3;
/// With less space than this the index is never made anew.
const FREE_BYTES_MIN: u64 = 256 << 20;
/// Bits of a place for the offset in its segment.
pub(super) const OFFSET_BITS: u32 = 40;

/// Takes the log into the index. One a store, on a thread of its own.
pub struct Follower {
    pub(super) reader: EventReader,
    pub(super) index: Arc<EventIndex>,
    pub(super) writers: BTreeMap<String, Open>,
    /// What is committed.
    pub(super) mark: Mark,
    /// What was read; behind the mark until the next commit.
    read: Mark,
    /// Events between the two.
    fresh: u64,
    /// Steps that failed, one after the other.
    failed: u32,
    frames: FrameReader,
    /// Segments that were there when rows of others were last looked for, if they were.
    pub(super) kept: Option<Vec<u64>>,
    /// Not before: the last look failed.
    pub(super) forget_at: Option<Instant>,
}

/// A day that is being written.
pub(super) struct Open {
    pub(super) writer: PartitionWriter,
    /// Frames that end here or before are in it.
    reaches: Cursor,
    /// When it was last used: the step's number.
    used: u64,
}

/// Why a step failed: the index cannot be used, or the log or disk cannot.
pub(super) enum Failed {
    Index(String),
    Log(StoreError),
}

impl From<tantivy::TantivyError> for Failed {
    fn from(error: tantivy::TantivyError) -> Failed {
        Failed::Index(error.to_string())
    }
}

impl Follower {
    /// The follower of a reader's log; `None`: it has no index.
    pub fn new(reader: &EventReader) -> Option<Follower> {
        let index = reader.index()?;
        let mark = Mark { cursor: Cursor::START, last: 0, check: 0 };
        let reader = reader.clone();
        Some(Follower {
            reader,
            index,
            writers: BTreeMap::new(),
            mark,
            read: mark,
            fresh: 0,
            failed: 0,
            frames: FrameReader::default(),
            kept: None,
            forget_at: None,
        })
    }

    /// Follow until stopped.
    pub fn run(mut self, stop: &StopToken) {
        self.prepare(true);
        let mut looks = 0;
        while !stop.is_stopped() {
            if self.index.is_damaged() {
                self.make_anew("a search met it");
            }
            let now = Instant::now();
            let waiting = self.reader.events_after(self.mark.cursor);
            if waiting == 0 {
                self.index.level_at(now);
            }
            looks = if waiting == 0 { 0 } else { looks + 1 };
            if waiting >= STEP_EVENTS_MIN || looks >= WAIT_LOOKS {
                looks = 0;
                self.follow_or_say(stop);
            } else if self.fresh == 0 && self.lost_segments() {
                self.forget_or_say();
            }
            std::thread::sleep(LOOK);
        }
        self.close();
    }

    /// Take in everything that is durable now; `progress` hears how many events are left. For a rebuild by hand.
    pub fn catch_up(&mut self, progress: &mut dyn FnMut(u64)) -> Result<(), StoreError> {
        loop {
            progress(self.reader.events_after(self.read.cursor));
            match self.step() {
                Ok(true) => {}
                Ok(false) => break,
                Err(Failed::Log(error)) => return Err(error),
                Err(Failed::Index(what)) => {
                    return Err(StoreError::Damaged { file: self.index.folder.clone(), what });
                }
            }
        }
        self.close();
        Ok(())
    }

    /// Throw the index away and begin again.
    pub fn restart(&mut self) {
        self.writers.clear();
        self.index.clear();
        let _ = std::fs::remove_dir_all(&self.index.folder);
        self.begin();
    }

    /// Find out where the index stands, and whether it belongs to this log.
    pub fn prepare(&mut self, check: bool) {
        let place = self.index.folder.clone();
        let Some(mark) = Mark::read(&place) else {
            if place.exists() {
                tracing::info!("the index of events is of another version: it is made anew");
            }
            self.restart();
            return;
        };
        if self.index.is_damaged() {
            self.make_anew("it could not be opened");
            return;
        }
        if !self.belongs(mark) {
            tracing::warn!("the index belongs to another log of events: it is made anew");
            self.restart();
            return;
        }
        (self.mark, self.read, self.fresh) = (mark, mark, 0);
        if check && let Some(what) = self.damaged_file() {
            self.make_anew(&what);
        }
    }

    /// The mark's last frame must be the log's.
    fn belongs(&self, mark: Mark) -> bool {
        if mark.cursor.segment == 0 {
            return true;
        }
        match self.reader.durable_length(mark.cursor.segment) {
            // Retention took the segment: what is left lies behind it.
            None => self.reader.oldest_segment().is_none_or(|oldest| oldest > mark.cursor.segment),
            Some(length) => {
                length >= mark.cursor.offset
                    && frame_check(self.reader.folder(), mark.cursor.segment, mark.last)
                        .is_some_and(|check| check == mark.check)
            }
        }
    }

    fn damaged_file(&self) -> Option<String> {
        let partitions: Vec<_> = self.index.partitions.lock().values().cloned().collect();
        partitions.iter().find_map(|partition| match partition.damaged_file() {
            Ok(found) => found.map(|file| format!("{file} is not what was written")),
            Err(error) => Some(error.to_string()),
        })
    }

    /// Set the damaged index aside, say so, and begin again.
    fn make_anew(&mut self, what: &str) {
        self.writers.clear();
        self.index.clear();
        let place = self.index.folder.clone();
        let parent = place.parent().unwrap_or_else(|| Path::new("."));
        let aside = parent.join(format!("{SET_ASIDE}{}", Timestamp::now().seconds()));
        tracing::warn!(what, aside = %aside.display(), "the index of events is set aside and made anew");
        if std::fs::rename(&place, &aside).is_err() {
            let _ = std::fs::remove_dir_all(&place);
        }
        forget_old(parent);
        self.begin();
        let text =
            format!("the index of events was damaged ({what}): it is set aside and made anew");
        self.index.say(Some(text));
    }

    fn begin(&mut self) {
        self.mark = Mark { cursor: Cursor::START, last: 0, check: 0 };
        (self.read, self.fresh, self.failed) = (self.mark, 0, 0);
        self.index.state.lock().damaged = false;
        let begun = folder::make_private(&self.index.folder)
            .and_then(|()| self.mark.write(&self.index.folder));
        if let Err(error) = begun {
            self.index.say(Some(format!("the index of events cannot be written: {error}")));
        }
        let _ = self.index.publish(Cursor::START);
    }

    fn follow_or_say(&mut self, stop: &StopToken) {
        loop {
            match self.step() {
                Ok(true) if stop.is_stopped() => return,
                Ok(true) => {}
                Ok(false) => {
                    self.failed = 0;
                    self.index.say(None);
                    return;
                }
                Err(Failed::Index(what)) => {
                    self.failed += 1;
                    let space = folder::check_space(&self.index.folder, FREE_BYTES_MIN).is_ok();
                    if self.failed >= FAILED_MAX && space {
                        self.make_anew(&what);
                    } else {
                        self.go_back(&what);
                    }
                    return;
                }
                Err(Failed::Log(error)) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "the index cannot follow");
                    self.go_back(&error.to_string());
                    return;
                }
            }
        }
    }

    /// Back to what is committed, and say why.
    pub(super) fn go_back(&mut self, what: &str) {
        self.writers.clear();
        (self.read, self.fresh) = (self.mark, 0);
        self.index.say(Some(format!("the index of events cannot follow: {what}")));
    }

    /// Take in the next frames. `false`: nothing is left, and everything is committed.
    fn step(&mut self) -> Result<bool, Failed> {
        let begun = Instant::now();
        let mut days = Days::new();
        let (mut read, mut events) = (self.read, 0);
        for (segment, length) in self.reader.segments_from(read.cursor.segment) {
            let same = segment == read.cursor.segment;
            let start = if same { read.cursor.offset } else { Cursor::START.offset };
            let path = segment_path(self.reader.folder(), segment);
            let io = |source| Failed::Log(StoreError::io("read the event segment", &path, source));
            let file = File::open(&path).map_err(io)?;
            let frames = walk_frames(&file, start, length, STEP_EVENTS - events).map_err(io)?;
            for (offset, header) in frames {
                let end = Cursor { segment, offset: offset + header.frame_bytes };
                let place = segment << OFFSET_BITS | offset;
                self.frames.read(&file, place, &header, end, &mut days).map_err(io)?;
                events += u64::from(header.count);
                read = Mark { cursor: end, last: offset, check: header.crc };
            }
            if events >= STEP_EVENTS {
                break;
            }
        }
        let more = read != self.read;
        self.fresh += events;
        self.read = read;
        self.add(days)?;
        if self.read != self.mark && (!more || self.fresh >= COMMIT_EVENTS) {
            self.commit(self.read)?;
        }
        if !more {
            // While a little always comes nothing is ever behind by none.
            self.index.level_at(begun);
        }
        Ok(more)
    }

    fn add(&mut self, days: Days) -> Result<(), Failed> {
        let mut days: Vec<(usize, String, Groups)> = days
            .into_iter()
            .map(|(name, groups)| (groups.iter().map(|(_, rows)| rows.len()).sum(), name, groups))
            .collect();
        days.sort_by_key(|(count, ..)| std::cmp::Reverse(*count));
        for (number, (count, name, groups)) in days.into_iter().enumerate() {
            let known = self.index.partitions.lock();
            // A day that has a partition keeps it, so that what a crash left of a step is found where it is looked for.
            let fits =
                known.contains_key(&name) || number < STEP_DAYS_MAX && known.len() < DAYS_MAX;
            drop(known);
            let name = if fits { name } else { REST.to_owned() };
            if !self.writers.contains_key(&name) {
                self.open_writer(&name)?;
            }
            let Some(open) = self.writers.get_mut(&name) else { continue };
            open.used += count as u64;
            for (end, rows) in groups {
                if end > open.reaches {
                    open.writer.add(rows)?;
                }
            }
        }
        Ok(())
    }

    /// Open a day; another one makes room. What that one has taken so far is committed as reaching to the mark only, so
    /// its rows of this step may come twice after a crash, which a search does not see.
    fn open_writer(&mut self, name: &str) -> Result<(), Failed> {
        if self.writers.len() >= WRITERS_MAX {
            let least = self.writers.iter().min_by_key(|(_, open)| open.used);
            if let Some(least) = least.map(|(name, _)| name.clone())
                && let Some(mut open) = self.writers.remove(&least)
            {
                if open.writer.fresh > 0 {
                    open.writer.commit(&open.reaches.min(self.mark.cursor).text())?;
                }
                open.writer.close()?;
            }
        }
        let partition = self.index.partition(name)?;
        let reaches = partition.payload()?.as_deref().and_then(Cursor::parse);
        let reaches = reaches.unwrap_or(Cursor::START);
        self.writers
            .insert(name.to_owned(), Open { writer: partition.writer()?, reaches, used: 0 });
        Ok(())
    }

    fn commit(&mut self, mark: Mark) -> Result<(), Failed> {
        let text = mark.cursor.text();
        for open in self.writers.values_mut() {
            if open.writer.fresh > 0 {
                open.writer.commit(&text)?;
                open.reaches = mark.cursor;
            }
            open.used /= 2;
        }
        let written = mark.write(&self.index.folder);
        written.map_err(|source| {
            Failed::Log(StoreError::io(
                "write the mark of the index in",
                &self.index.folder,
                source,
            ))
        })?;
        (self.mark, self.fresh) = (mark, 0);
        self.drop_old_days();
        self.forget_gone()?;
        self.index.publish(mark.cursor)?;
        Ok(())
    }

    fn close(&mut self) {
        while let Some((_, open)) = self.writers.pop_first() {
            if let Err(error) = open.writer.close() {
                tracing::warn!(%error, "a merge of the index did not end well");
            }
        }
        if let Err(error) = self.index.publish(self.mark.cursor) {
            self.index.report_damage(&error.to_string());
        }
    }
}

/// The checksum in the header of a frame.
fn frame_check(folder: &Path, segment: u64, offset: u64) -> Option<u32> {
    let file = File::open(segment_path(folder, segment)).ok()?;
    let mut fixed = [0; FIXED_BYTES];
    file.read_exact_at(&mut fixed, offset).ok()?;
    fixed.last_chunk::<4>().map(|four| u32::from_le_bytes(*four))
}

/// Segment and offset of a place.
pub(crate) fn place(frame: u64) -> (u64, u64) {
    (frame >> OFFSET_BITS, frame & ((1 << OFFSET_BITS) - 1))
}

/// Only the newest damaged indexes are kept.
fn forget_old(parent: &Path) {
    let mut aside: Vec<String> = partition_names(parent).unwrap_or_default();
    aside.retain(|name| name.starts_with(SET_ASIDE));
    let extra = aside.len().saturating_sub(SET_ASIDE_MAX);
    for name in aside.iter().take(extra) {
        let _ = std::fs::remove_dir_all(parent.join(name));
    }
}
