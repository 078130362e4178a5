//! The index behind the event log: which events may match a filter, by terms and time, a tantivy index a day.
//!
//! It holds places, never events. It follows the log in larger steps on a thread of its own, and says how far it has
//! come; what lies behind that point is scanned. It can be thrown away at any time: it is made again from the log. So
//! its damage is never an error of a search, only a slower one.

mod ask;
mod fold;
mod follow;
mod forget;
mod frames;
mod partition;
mod pieces;
mod search;
mod seen;
mod shared;
mod terms;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use parking_lot::{Mutex, RwLock};
use tantivy::Searcher;

use crate::stdx::time::{SECOND_US, Timestamp};
use crate::store::event_log::{SEGMENT_START, sync_folder};
use partition::{AT, Fields, Partition};

pub use follow::Follower;

/// What terms are made of, and how. Another number here makes every index anew.
const VERSION: u32 = 4;
/// Events of days beyond this many go into one partition for the rest.
const DAYS_MAX: usize = 800;
/// The partition of events whose day has none of its own.
const REST: &str = "rest";
/// The first word of the folder of a damaged index that was set aside.
const SET_ASIDE: &str = "index-damaged-";
/// Damaged indexes that are kept for somebody to look at.
const SET_ASIDE_MAX: usize = 1;

/// How far the index has come: everything before this point of the log is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cursor {
    pub segment: u64,
    pub offset: u64,
}

impl Cursor {
    pub(crate) const START: Cursor = Cursor { segment: 0, offset: SEGMENT_START };

    /// `segment:offset`
    fn text(self) -> String {
        format!("{}:{}", self.segment, self.offset)
    }

    fn parse(text: &str) -> Option<Cursor> {
        let (segment, offset) = text.split_once(':')?;
        Some(Cursor { segment: segment.parse().ok()?, offset: offset.parse().ok()? })
    }
}

/// What the file beside the partitions says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mark {
    cursor: Cursor,
    /// Offset of the last frame before the cursor, and the checksum of its header: another log with the same numbers
    /// is not this log.
    last: u64,
    check: u32,
}

impl Mark {
    fn read(folder: &Path) -> Option<Mark> {
        let text = std::fs::read_to_string(folder.join("cursor")).ok()?;
        let mut words = text.split_whitespace();
        if words.next()? != format!("v{VERSION}") {
            return None;
        }
        let cursor = Cursor::parse(words.next()?)?;
        Some(Mark { cursor, last: words.next()?.parse().ok()?, check: words.next()?.parse().ok()? })
    }

    fn write(self, folder: &Path) -> std::io::Result<()> {
        let fresh = folder.join("cursor.new");
        let mut file = File::create(&fresh)?;
        writeln!(file, "v{VERSION} {} {} {}", self.cursor.text(), self.last, self.check)?;
        file.sync_all()?;
        std::fs::rename(&fresh, folder.join("cursor"))?;
        sync_folder(folder)
    }
}

/// One day as a search sees it.
#[derive(Clone)]
pub(crate) struct Day {
    pub searcher: Searcher,
    pub first: Timestamp,
    pub last: Timestamp,
    pub events: u64,
}

/// What a search sees: it belongs together.
#[derive(Clone)]
pub(crate) struct Snapshot {
    pub cursor: Cursor,
    pub days: Vec<Day>,
    pub fields: Fields,
}

/// How fresh the index is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IndexStatus {
    /// Events in it.
    pub events: u64,
    /// Stored events that are not in it yet and are scanned.
    pub events_behind: u64,
    /// How long ago all that was durable was in it; 0 where all is.
    pub seconds_behind: u64,
    /// What is wrong, if something is.
    pub problem: Option<String>,
}

/// The index as everybody sees it. The follower owns the rest.
pub(crate) struct EventIndex {
    folder: PathBuf,
    snapshot: RwLock<Option<Arc<Snapshot>>>,
    /// Open for reading, by name of the folder.
    partitions: Mutex<BTreeMap<String, Arc<Partition>>>,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// When everything durable was in the index.
    level: Instant,
    problem: Option<String>,
    /// A search met damage: the follower makes the index anew.
    damaged: bool,
}

impl std::fmt::Debug for EventIndex {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("EventIndex").field("folder", &self.folder).finish_non_exhaustive()
    }
}

impl EventIndex {
    /// The index in the folder, as far as it can be read. Nothing is written, and nothing is an error.
    pub(crate) fn open(folder: &Path) -> EventIndex {
        let state = State { level: Instant::now(), problem: None, damaged: false };
        let index = EventIndex {
            folder: folder.to_owned(),
            snapshot: RwLock::new(None),
            partitions: Mutex::default(),
            state: Mutex::new(state),
        };
        let Some(mark) = Mark::read(folder) else { return index };
        let names = partition_names(folder).unwrap_or_default();
        let opened = names.iter().try_for_each(|name| index.partition(name).map(|_| ()));
        match opened.and_then(|()| index.publish(mark.cursor)) {
            Ok(()) => {}
            Err(error) => index.report_damage(&error.to_string()),
        }
        index
    }

    /// What can be searched.
    pub(crate) fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.read().clone()
    }

    /// Something in it cannot be read: nothing of it is used any more.
    pub(crate) fn report_damage(&self, what: &str) {
        tracing::warn!(what, "the index of events is damaged; searches scan until it is made anew");
        *self.snapshot.write() = None;
        let mut state = self.state.lock();
        state.damaged = true;
        state.problem = Some(format!("the index of events is damaged and is made anew: {what}"));
    }

    fn is_damaged(&self) -> bool {
        self.state.lock().damaged
    }

    fn say(&self, problem: Option<String>) {
        self.state.lock().problem = problem;
    }

    /// All that was durable at this time is in it.
    fn level_at(&self, at: Instant) {
        self.state.lock().level = at;
    }

    /// Events in it, how old what it has is, and what is wrong.
    pub(crate) fn status(&self, events_behind: u64) -> IndexStatus {
        let snapshot = self.snapshot();
        let events = snapshot.iter().flat_map(|known| &known.days).map(|day| day.events).sum();
        let state = self.state.lock();
        let seconds_behind = if events_behind == 0 { 0 } else { state.level.elapsed().as_secs() };
        IndexStatus { events, events_behind, seconds_behind, problem: state.problem.clone() }
    }

    fn partition(&self, name: &str) -> Result<Arc<Partition>, tantivy::TantivyError> {
        let mut partitions = self.partitions.lock();
        if let Some(known) = partitions.get(name) {
            return Ok(Arc::clone(known));
        }
        let opened = Arc::new(Partition::open(&self.folder.join(name))?);
        partitions.insert(name.to_owned(), Arc::clone(&opened));
        Ok(opened)
    }

    /// Show what the partitions hold now.
    fn publish(&self, cursor: Cursor) -> Result<(), tantivy::TantivyError> {
        let partitions: Vec<Arc<Partition>> = self.partitions.lock().values().cloned().collect();
        let mut days = Vec::new();
        for partition in partitions {
            partition.reload()?;
            let searcher = partition.searcher();
            let mut day = Day {
                first: Timestamp(i64::MAX),
                last: Timestamp(i64::MIN),
                events: searcher.num_docs(),
                searcher,
            };
            for part in day.searcher.segment_readers() {
                let at = part.fast_fields().i64(AT)?;
                day.first = day.first.min(Timestamp(at.min_value()));
                day.last = day.last.max(Timestamp(at.max_value()));
            }
            if day.events > 0 {
                days.push(day);
            }
        }
        days.sort_unstable_by_key(|day| std::cmp::Reverse(day.last));
        let fields = partition::SCHEMA.1;
        *self.snapshot.write() = Some(Arc::new(Snapshot { cursor, days, fields }));
        Ok(())
    }

    /// Forget everything that is open.
    fn clear(&self) {
        *self.snapshot.write() = None;
        self.partitions.lock().clear();
    }
}

/// Names of the partitions that are there.
fn partition_names(folder: &Path) -> std::io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            names.push(name);
        }
    }
    names.sort_unstable();
    Ok(names)
}

/// The folder of a day of event time.
fn partition_name(at: Timestamp) -> String {
    // Years that people log in; what a broken clock says goes to the rest.
    const YEARS: std::ops::Range<i64> = 0..7_258_118_400;
    if !YEARS.contains(&at.micros().div_euclid(SECOND_US)) {
        return REST.to_owned();
    }
    at.to_string().get(..10).unwrap_or(REST).to_owned()
}
