//! The events of one group on one stretch of event time, sorted, and how room is made among them.

use ahash::{AHashMap, AHashSet};
use smallvec::SmallVec;

use crate::detect::correlate::condition::Test;
use crate::model::event::EventId;
use crate::stdx::time::Timestamp;

/// Events further than this many spans behind the newest of their lane are forgotten, and those that come later
/// than that are judged apart.
pub const SPANS_KEPT: i64 = 3;
/// An event that comes up to this many spans late is judged with everything it could join: a window is one span long.
/// One that comes later is counted.
pub const SPANS_LATE: i64 = 2;
/// A lane keeps this many events besides twice the number that its condition compares with.
const ENTRIES_SPARE: usize = 64;
/// A lane of a temporal type keeps this many events.
pub const ENTRIES_STEPS_MAX: usize = 256;
/// A lane of numbers (sum, average, percentile, median) keeps this many events.
pub const ENTRIES_NUMBERS_MAX: usize = 2_048;

/// A lane of more events than this keeps what it would otherwise look for among all of them.
const ENTRIES_FEW: usize = 64;

/// The entry has been a finding.
pub const REPORTED: u8 = 1;
/// The window that ends at the entry has held.
pub const HELD: u8 = 2;

/// One event of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Event time.
    pub time: Timestamp,
    /// The event.
    pub id: EventId,
    /// What of it counts: a hash of its values, the bits of a number, or a bit for each step that it is (temporal
    /// types); 0 for tests that only count.
    pub value: u64,
    /// Index into the row's places, or out of range for none.
    pub place: u16,
    /// [`REPORTED`], [`HELD`].
    pub flags: u8,
}

impl Entry {
    /// The value as a number.
    pub fn number(&self) -> f64 {
        f64::from_bits(self.value)
    }

    /// Has the flag?
    pub fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Events that may share a window.
#[derive(Clone, Debug)]
pub struct Lane {
    entries: Vec<Entry>,
    /// Events up to here may be forgotten: windows that reach back to it are not complete.
    pub floor: Timestamp,
    /// A range of entries that are all reported: what need not be looked at again. Not saved.
    settled: (u32, u32),
    /// Not saved.
    known: Option<Box<Known>>,
}

/// What a lane of many events knows of them, so that a flood costs each event the same.
#[derive(Clone, Debug, Default)]
struct Known {
    ids: AHashSet<EventId>,
    /// How often each value stands in the entries of a range.
    values: AHashMap<u64, u32>,
    low: usize,
    end: usize,
}

impl Default for Lane {
    fn default() -> Lane {
        Lane::new(Vec::new(), NO_FLOOR)
    }
}

/// Nothing is forgotten yet.
pub const NO_FLOOR: Timestamp = Timestamp(i64::MIN);

impl Lane {
    /// A lane of entries that are sorted by time.
    pub fn new(entries: Vec<Entry>, floor: Timestamp) -> Lane {
        Lane { entries, floor, settled: (0, 0), known: None }
    }

    /// The events, by time and then arrival.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The same, to change values but not times.
    pub fn entries_mut(&mut self) -> &mut [Entry] {
        &mut self.entries
    }

    /// The time of the newest event.
    pub fn newest(&self) -> Timestamp {
        self.entries.last().map_or(NO_FLOOR, |entry| entry.time)
    }

    /// Does an event of this time belong here: is there anything it may share a window with?
    pub fn takes(&self, time: Timestamp, span_us: i64) -> bool {
        let ahead = time.micros_since(self.newest());
        let most = span_us.saturating_mul(SPANS_KEPT);
        (-most..=most).contains(&ahead)
    }

    /// Does an event of this time come so late that something it could join may be forgotten?
    pub fn is_late(&self, time: Timestamp, span_us: i64) -> bool {
        self.newest().micros_since(time) > span_us.saturating_mul(SPANS_LATE)
    }

    /// Put the entry where it belongs; its place. `None` if it is there already. An event that turns out to be a
    /// further step (`steps`) keeps its place.
    pub fn insert(&mut self, entry: Entry, steps: bool) -> Option<usize> {
        let mut at = self.entries.len();
        // From the newest back: events mostly come in order.
        while let Some(before) = at.checked_sub(1).and_then(|place| self.entries.get(place)) {
            if before.time <= entry.time {
                break;
            }
            at -= 1;
        }
        if self.maybe_known(entry.id) {
            let earlier = self.entries.get_mut(..at).unwrap_or_default();
            for (place, known) in earlier.iter_mut().enumerate().rev() {
                if known.time != entry.time {
                    break;
                }
                if known.id == entry.id {
                    let more = steps && entry.value & !known.value != 0;
                    known.value |= if more { entry.value } else { 0 };
                    return more.then_some(place);
                }
            }
        }
        if at < self.entries.len()
            && let Some(known) = &mut self.known
        {
            known.forget_values();
        }
        if self.entries.is_empty() {
            // Most groups are seen once.
            self.entries.reserve_exact(1);
        }
        self.entries.insert(at, entry);
        let (start, end) = self.settled;
        let place = u32::try_from(at).unwrap_or(u32::MAX);
        if place < end {
            self.settled = if place > start { (start, place) } else { (0, 0) };
        }
        Some(at)
    }

    /// Whether an event of this id may be here already. Notes that it will be.
    fn maybe_known(&mut self, id: EventId) -> bool {
        if self.entries.len() < ENTRIES_FEW {
            return true;
        }
        let known = self.known.get_or_insert_with(|| {
            let ids = self.entries.iter().map(|entry| entry.id).collect();
            Box::new(Known { ids, ..Known::default() })
        });
        !known.ids.insert(id)
    }

    /// How many different values the entries from `low` to the newest have.
    pub fn distinct(&mut self, low: usize) -> usize {
        let end = self.entries.len();
        let window = self.entries.get(low..).unwrap_or_default();
        match &mut self.known {
            Some(known) if window.len() > ENTRIES_FEW => known.distinct(&self.entries, low, end),
            _ => distinct(window),
        }
    }

    /// The first entry of the window that ends at `end`: an event exactly one span older is outside.
    pub fn low(&self, end: Timestamp, span_us: i64) -> usize {
        self.entries.partition_point(|known| end.micros_since(known.time) >= span_us)
    }

    /// Does the lane still have every event of the window that ends at `end`?
    pub fn complete(&self, end: Timestamp, span_us: i64) -> bool {
        end.micros_since(self.floor) >= span_us
    }

    /// Mark the entries from `low` to `end` as reported; `each` gets those that were not.
    pub fn report(&mut self, low: usize, end: usize, mut each: impl FnMut(&Entry)) {
        let (start, stop) = (self.settled.0 as usize, self.settled.1 as usize);
        let joined = start < stop && (start..=stop).contains(&low);
        let (first, from) = if joined { (start, stop) } else { (low, low) };
        for entry in self.entries.get_mut(from..=end).unwrap_or_default() {
            if !entry.has(REPORTED) {
                entry.flags |= REPORTED;
                each(entry);
            }
        }
        let number = |place: usize| u32::try_from(place).unwrap_or(u32::MAX);
        self.settled = (number(first), number(from.max(end + 1)));
    }

    /// Take over the events of another lane.
    pub fn merge(&mut self, other: Lane) {
        self.entries.extend(other.entries);
        self.entries.sort_by_key(|entry| entry.time);
        self.floor = self.floor.max(other.floor);
        (self.settled, self.known) = ((0, 0), None);
    }

    /// Forget what is over, then what is too much. Returns how many of the latter there were.
    pub fn make_room(&mut self, span_us: i64, test: &Test) -> usize {
        let kept_us = span_us.saturating_mul(SPANS_KEPT);
        let newest = self.newest();
        let is_over = |entry: &Entry| newest.micros_since(entry.time) > kept_us;
        if self.entries.first().is_some_and(is_over) {
            let over = self.entries.partition_point(is_over);
            self.drop_oldest(over);
        }
        let before = self.entries.len();
        let most = most(test);
        if before <= most {
            return 0;
        }
        // A quarter at once, so that a flood pays for it rarely.
        let keep = most - most / 4;
        match test {
            Test::Distinct(_) | Test::Steps(_) | Test::Any(_) => self.drop_repeats(keep),
            Test::Ordered(_) => self.drop_runs(),
            Test::Count(_) | Test::Sum(_) | Test::Average(_) | Test::Percentile(..) => {}
        }
        let rest = self.entries.len().saturating_sub(keep);
        self.drop_oldest(rest);
        before - self.entries.len()
    }

    /// The first entries go.
    fn forget_ids(&mut self, number: usize) {
        let few = self.entries.len() - number < ENTRIES_FEW;
        let Some(known) = self.known.as_mut().filter(|_| !few) else {
            self.known = None;
            return;
        };
        for entry in self.entries.get(..number).unwrap_or_default() {
            known.ids.remove(&entry.id);
        }
        if number > known.low {
            known.forget_values();
        } else {
            (known.low, known.end) = (known.low - number, known.end - number);
        }
    }

    fn drop_oldest(&mut self, number: usize) {
        let Some(last) = number.checked_sub(1).and_then(|last| self.entries.get(last)) else {
            return;
        };
        self.floor = self.floor.max(last.time);
        self.forget_ids(number);
        self.entries.drain(..number);
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let (start, end) = self.settled;
        self.settled = (start.saturating_sub(number), end.saturating_sub(number));
    }

    /// Drop the oldest entries of which a newer one says the same: windows that end now lose nothing.
    fn drop_repeats(&mut self, keep: usize) {
        let mut left: AHashMap<u64, u32> = AHashMap::new();
        for entry in &self.entries {
            *left.entry(entry.value).or_default() += 1;
        }
        let mut surplus = self.entries.len().saturating_sub(keep);
        self.retain(|entry, _| {
            let Some(number) = left.get_mut(&entry.value).filter(|number| **number > 1) else {
                return true;
            };
            if surplus == 0 {
                return true;
            }
            *number -= 1;
            surplus -= 1;
            false
        });
    }

    /// Of entries of the same steps that follow each other directly keep the last: any chain can go through that one.
    fn drop_runs(&mut self) {
        self.retain(|entry, next| next.is_none_or(|next| next.value != entry.value));
    }

    fn retain(&mut self, mut keep: impl FnMut(&Entry, Option<&Entry>) -> bool) {
        let old = std::mem::take(&mut self.entries);
        let mut rest = old.iter().peekable();
        while let Some(entry) = rest.next() {
            if keep(entry, rest.peek().copied()) {
                self.entries.push(*entry);
            } else {
                self.floor = self.floor.max(entry.time);
            }
        }
        (self.settled, self.known) = ((0, 0), None);
    }
}

impl Known {
    fn forget_values(&mut self) {
        self.values.clear();
        (self.low, self.end) = (0, 0);
    }

    /// How many different values stand in `low..end`, which is not before the range known so far.
    fn distinct(&mut self, entries: &[Entry], low: usize, end: usize) -> usize {
        if low < self.low || end < self.end || self.end == 0 {
            self.values.clear();
            (self.low, self.end) = (low, low);
        }
        for entry in entries.get(self.end..end).unwrap_or_default() {
            *self.values.entry(entry.value).or_default() += 1;
        }
        for entry in entries.get(self.low..low).unwrap_or_default() {
            if let Some(number) = self.values.get_mut(&entry.value) {
                *number -= 1;
                if *number == 0 {
                    self.values.remove(&entry.value);
                }
            }
        }
        (self.low, self.end) = (low, end);
        self.values.len()
    }
}

/// How many different values a window of few events has.
pub fn distinct(window: &[Entry]) -> usize {
    let mut values: SmallVec<[u64; ENTRIES_FEW]> = window.iter().map(|entry| entry.value).collect();
    values.sort_unstable();
    values.dedup();
    values.len()
}

/// How many events a lane keeps. Dropping the oldest of more than twice what is compared with cannot change
/// whether a number is reached.
fn most(test: &Test) -> usize {
    match test {
        Test::Count(bounds) | Test::Distinct(bounds) => {
            bounds.largest().saturating_mul(2).saturating_add(ENTRIES_SPARE)
        }
        Test::Sum(_) | Test::Average(_) | Test::Percentile(..) => ENTRIES_NUMBERS_MAX,
        Test::Steps(_) | Test::Any(_) | Test::Ordered(_) => ENTRIES_STEPS_MAX,
    }
}
