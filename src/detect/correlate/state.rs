//! All rows of all correlations: fed with matches, bounded, restored from and saved to the commit.

use std::sync::Arc;

use ahash::{AHashMap, AHashSet, RandomState};
use lru::LruCache;
use smallvec::SmallVec;

use crate::detect::correlate::compile::{Correlation, Input};
use crate::detect::correlate::judge::{Found, Outcome};
use crate::detect::correlate::lane::Entry;
use crate::detect::correlate::row::{Place, Row};
use crate::detect::correlate::values::{add_part, group_texts, hash, number, text};
use crate::detect::detector::StateRow;
use crate::detect::view::View;
use crate::model::correlation_match::CorrelationMatch;
use crate::model::event::EventId;
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

/// All rows together hold at most this many events for each row that is allowed: what bounds the memory.
const ENTRIES_PER_ROW: usize = 32;
/// But this many in any case, so that one row may always be as long as its condition needs.
const ENTRIES_LEAST: usize = 50_000;
/// How many hosts and users are remembered to be shared between rows.
const PLACES_SHARED: usize = 4_096;

/// A row's key: the correlation's number and a hash of tenant and group values.
type Key = (u32, Id128);

/// What has been counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CorrelationCounts {
    /// Rows that made room for others before their time.
    pub rows_evicted: u64,
    /// Events that made room in a full row.
    pub events_dropped: u64,
    /// Events that were there already.
    pub duplicates: u64,
    /// Matches without a value for a group-by field.
    pub ungrouped: u64,
    /// Matches without a value, or without a number, for the field whose values count.
    pub valueless: u64,
    /// Events that came more than two timespans after newer ones of their group: what they could have joined may have
    /// been forgotten.
    pub late: u64,
    /// Saved rows that could not be read, or belong to a rule that changed or is gone.
    pub rows_discarded: u64,
}

impl CorrelationCounts {
    /// What somebody should know: correlations may have missed something for want of room. Nothing if there was room.
    pub fn warning(&self) -> Option<String> {
        (self.rows_evicted > 0).then(|| {
            format!(
                "{} groups of correlations made room for others before their time, so attacks may be missed; \
                 raise limits.correlation_rows_max, or group by fewer values",
                self.rows_evicted
            )
        })
    }
}

/// Something that goes into a correlation: a match, or a correlation that happened.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'s> {
    /// When.
    pub time: Timestamp,
    /// At which event.
    pub id: EventId,
    /// The event's endpoint.
    pub host: &'s str,
    /// The event's user.
    pub user: &'s str,
    /// Whose data it is.
    pub tenant: &'s str,
    /// The group of the correlation that happened; empty for a match.
    pub group: &'s [String],
}

/// A correlation that an event made to hold.
#[derive(Debug)]
pub struct Fired {
    /// Values of its group-by fields.
    pub group: Vec<String>,
    /// What the row says.
    pub outcome: Outcome,
    /// Where the findings were, then where the events were at which it happened.
    places: SmallVec<[Arc<Place>; 2]>,
}

impl Fired {
    fn new(outcome: Outcome, row: &Row) -> Fired {
        let found = outcome.findings.iter().map(|found| &found.entry);
        let place = |entry: &Entry| row.places.get(usize::from(entry.place)).cloned();
        let places = found.chain(&outcome.held).map(|entry| place(entry).unwrap_or_default());
        Fired { group: Vec::new(), places: places.collect(), outcome }
    }

    /// The findings, each with its host and user (empty where the row no longer tells them apart).
    pub fn findings(&self) -> impl Iterator<Item = (&Found, &Place)> {
        self.outcome.findings.iter().zip(self.places.iter().map(Arc::as_ref))
    }

    /// The events at which it happened, each with its host and user.
    pub fn held(&self) -> impl Iterator<Item = (&Entry, &Arc<Place>)> {
        let places = self.places.iter().skip(self.outcome.findings.len());
        self.outcome.held.iter().zip(places)
    }
}

/// What of an event counts in one group.
struct Given<'s> {
    group: Id128,
    input: &'s Input,
    seen: Seen<'s>,
    value: u64,
}

#[derive(Debug, Default)]
struct Seat {
    row: Row,
    /// Changed since rows were taken last.
    dirty: bool,
    /// The store knows it.
    saved: bool,
}

/// All rows.
pub struct State {
    rows: LruCache<Key, Seat, RandomState>,
    uses: u64,
    rows_max: usize,
    entries: usize,
    entries_max: usize,
    dirty: Vec<Key>,
    /// Rows that the store knows and that are gone.
    removed: AHashSet<Key>,
    /// The same of rows that mean nothing here.
    strange: Vec<String>,
    places: Vec<Arc<Place>>,
    hasher: RandomState,
    scratch: Vec<u8>,
    /// What was counted so far.
    pub counts: CorrelationCounts,
}

impl State {
    /// No rows yet; at most `rows_max`.
    pub fn new(rows_max: usize) -> State {
        let rows_max = rows_max.max(1);
        State {
            rows: LruCache::unbounded_with_hasher(RandomState::new()),
            uses: 0,
            rows_max,
            entries: 0,
            entries_max: rows_max.saturating_mul(ENTRIES_PER_ROW).max(ENTRIES_LEAST),
            dirty: Vec::new(),
            removed: AHashSet::new(),
            strange: Vec::new(),
            places: Vec::new(),
            hasher: RandomState::new(),
            scratch: Vec::new(),
            counts: CorrelationCounts::default(),
        }
    }

    /// Take back saved rows.
    pub fn restore(&mut self, saved: Vec<StateRow>, correlations: &[Correlation]) {
        let numbers: AHashMap<&str, u32> = correlations
            .iter()
            .enumerate()
            .filter_map(|(number, correlation)| {
                Some((correlation.key.as_str(), u32::try_from(number).ok()?))
            })
            .collect();
        let mut rows = Vec::new();
        for StateRow { key, value } in saved {
            let Some(value) = value else { continue };
            let place = key
                .rsplit_once('/')
                .and_then(|(prefix, hash)| Some((*numbers.get(prefix)?, Id128::parse(hash)?)));
            match (place, Row::decode(&value)) {
                (Some(place), Some(row)) => rows.push((place, row)),
                _ => {
                    self.counts.rows_discarded += 1;
                    self.strange.push(key);
                }
            }
        }
        rows.sort_by_key(|(_, row)| row.touched);
        for (key, mut row) in rows {
            self.uses = self.uses.max(row.touched);
            for place in &mut row.places {
                *place = shared(&mut self.places, &self.hasher, &place.host, &place.user);
            }
            self.entries += row.len();
            self.rows.push(key, Seat { row, dirty: false, saved: true });
            self.make_room();
        }
    }

    /// The rows that changed since the last call, by key; a row that is gone has no value.
    pub fn take_changes(&mut self, correlations: &[Correlation]) -> Vec<StateRow> {
        let strange = self.strange.drain(..).map(|key| StateRow { key, value: None });
        let mut out: Vec<StateRow> = strange.collect();
        for place in self.removed.drain() {
            // One that came back is among the changed.
            if !self.rows.contains(&place) {
                let key = key_text(place, correlations);
                out.extend(key.map(|key| StateRow { key, value: None }));
            }
        }
        for place in self.dirty.drain(..) {
            let Some(seat) = self.rows.peek_mut(&place).filter(|seat| seat.dirty) else { continue };
            (seat.dirty, seat.saved) = (false, true);
            let value = Some(seat.row.encode());
            out.extend(key_text(place, correlations).map(|key| StateRow { key, value }));
        }
        out.sort_by(|one, other| one.key.cmp(&other.key));
        out
    }

    /// Go on with another set of rules: rows of correlations that it has too (by key) stay, the others are forgotten.
    pub fn carry_over(&mut self, old: &[Correlation], new: &[Correlation]) {
        let numbers: AHashMap<&str, u32> =
            (0..).zip(new).map(|(number, one)| (one.key.as_str(), number)).collect();
        let moved = |key: Key| {
            let known = old.get(key.0 as usize)?;
            Some((*numbers.get(known.key.as_str())?, key.1))
        };
        for key in std::mem::take(&mut self.removed) {
            match moved(key) {
                Some(key) => {
                    self.removed.insert(key);
                }
                None => self.strange.extend(key_text(key, old)),
            }
        }
        self.dirty.clear();
        let empty = LruCache::unbounded_with_hasher(RandomState::new());
        let mut rows = std::mem::replace(&mut self.rows, empty);
        while let Some((key, seat)) = rows.pop_lru() {
            let Some(place) = moved(key) else {
                self.counts.rows_discarded += 1;
                self.entries = self.entries.saturating_sub(seat.row.len());
                self.strange.extend(key_text(key, old).filter(|_| seat.saved));
                continue;
            };
            if seat.dirty {
                self.dirty.push(place);
            }
            self.rows.push(place, seat);
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// How many events they hold.
    pub fn entries(&self) -> usize {
        self.entries
    }

    /// Everything that one event gives to one correlation, the one of this number, goes into it: `fed` are its inputs
    /// and what happened. What came of it is added to `out`.
    pub fn feed<'s>(
        &mut self,
        number: u32,
        correlation: &Correlation,
        fed: impl Iterator<Item = (&'s Input, Seen<'s>)>,
        view: &View<'_, '_>,
        out: &mut Vec<Fired>,
    ) {
        for Given { group, input, seen, value } in self.gather(correlation, fed, view) {
            if let Some(mut fired) = self.add((number, group), correlation, &seen, value) {
                fired.group = group_texts(input, &seen, view);
                out.push(fired);
            }
        }
    }

    /// The same where groups are counted elsewhere: what would have gone in is added to `out`.
    pub fn give_away<'s>(
        &mut self,
        correlation: &Correlation,
        fed: impl Iterator<Item = (&'s Input, Seen<'s>)>,
        (view, backfill): (&View<'_, '_>, bool),
        out: &mut Vec<CorrelationMatch>,
    ) {
        let given = self.gather(correlation, fed, view);
        out.extend(given.into_iter().map(|Given { input, seen, value, .. }| CorrelationMatch {
            correlation: correlation.key.clone(),
            tenant: seen.tenant.to_owned(),
            group: group_texts(input, &seen, view),
            value,
            timestamp: seen.time,
            event: seen.id,
            host: seen.host.to_owned(),
            user: seen.user.to_owned(),
            backfill,
        }));
    }

    /// What was given away elsewhere goes into the correlation of this number.
    pub fn join(
        &mut self,
        number: u32,
        correlation: &Correlation,
        one: &CorrelationMatch,
    ) -> Option<Fired> {
        self.scratch.clear();
        begin_group(&mut self.scratch, &one.tenant);
        one.group.iter().for_each(|value| add_part(&mut self.scratch, value));
        let group = hash(&self.scratch);
        let seen = Seen {
            time: one.timestamp,
            id: one.event,
            host: &one.host,
            user: &one.user,
            tenant: &one.tenant,
            group: &one.group,
        };
        let mut fired = self.add((number, group), correlation, &seen, one.value)?;
        fired.group.clone_from(&one.group);
        Some(fired)
    }

    /// What of an event counts in which groups.
    fn gather<'s>(
        &mut self,
        correlation: &Correlation,
        fed: impl Iterator<Item = (&'s Input, Seen<'s>)>,
        view: &View<'_, '_>,
    ) -> SmallVec<[Given<'s>; 1]> {
        let mut all: SmallVec<[Given<'s>; 1]> = SmallVec::new();
        for (input, seen) in fed {
            let Some(group) = self.group_hash(input, &seen, view) else {
                self.counts.ungrouped += 1;
                continue;
            };
            let Some(value) = self.value(correlation, input, &seen, view) else {
                self.counts.valueless += 1;
                continue;
            };
            let same = all.iter_mut().find(|one| one.group == group && one.seen.id == seen.id);
            match same {
                // One event that is several steps is one event.
                Some(one) if input.step != 0 => one.value |= value,
                // One event counts once, for the input that stands first.
                Some(_) => self.counts.duplicates += 1,
                None => all.push(Given { group, input, seen, value }),
            }
        }
        all
    }

    fn add(
        &mut self,
        key: Key,
        correlation: &Correlation,
        seen: &Seen<'_>,
        value: u64,
    ) -> Option<Fired> {
        let (places, hasher) = (&mut self.places, &self.hasher);
        let shared = || shared(places, hasher, seen.host, seen.user);
        let seat = seat(&mut self.rows, &mut self.dirty, key);
        self.uses += 1;
        let row = &mut seat.row;
        row.touched = self.uses;
        let before = row.len();
        let place = row.place(seen.host, seen.user, shared);
        let entry = Entry { time: seen.time, id: seen.id, value, place, flags: 0 };
        let outcome = row.add(entry, correlation.span_us, &correlation.test);
        let fired = outcome.map(|outcome| Fired::new(outcome, row));
        // After those that fired have their places.
        row.forget_places();
        self.entries = (self.entries + row.len()).saturating_sub(before);
        self.make_room();
        let Some(fired) = fired else {
            self.counts.duplicates += 1;
            return None;
        };
        self.counts.events_dropped += fired.outcome.dropped as u64;
        self.counts.late += u64::from(fired.outcome.late);
        let quiet = fired.outcome.held.is_empty() && fired.outcome.findings.is_empty();
        (!quiet).then_some(fired)
    }

    /// Give up the rows that were used longest ago until the bounds hold; the one in use stays.
    fn make_room(&mut self) {
        while self.rows.len() > 1
            && (self.rows.len() > self.rows_max || self.entries > self.entries_max)
        {
            let Some((key, seat)) = self.rows.pop_lru() else { return };
            self.entries = self.entries.saturating_sub(seat.row.len());
            self.counts.rows_evicted += 1;
            if seat.saved {
                self.removed.insert(key);
            }
        }
        // Nobody may take the changes: one-shot runs do not.
        if self.dirty.len() > self.rows.len().saturating_mul(2).saturating_add(1_024) {
            let rows = self.rows.iter().filter(|(_, seat)| seat.dirty);
            self.dirty = rows.map(|(key, _)| *key).collect();
        }
    }

    /// The hash of tenant and group. The same as an [`crate::stdx::id::IdHasher`] makes of these parts, in one go:
    /// rows are looked up by it for every event, and found again by it after a restart.
    fn group_hash(&mut self, input: &Input, seen: &Seen<'_>, view: &View<'_, '_>) -> Option<Id128> {
        self.scratch.clear();
        begin_group(&mut self.scratch, seen.tenant);
        for source in &input.group {
            add_part(&mut self.scratch, &text(*source, seen, view)?);
        }
        Some(hash(&self.scratch))
    }

    /// What of an event counts; `None` if it has no such value.
    fn value(
        &mut self,
        correlation: &Correlation,
        input: &Input,
        seen: &Seen<'_>,
        view: &View<'_, '_>,
    ) -> Option<u64> {
        if correlation.test.is_numeric() {
            return number(*input.values.first()?, seen, view).map(f64::to_bits);
        }
        if input.values.is_empty() {
            return Some(input.step);
        }
        self.scratch.clear();
        for source in &input.values {
            add_part(&mut self.scratch, &text(*source, seen, view)?);
        }
        let [a, b, c, d, e, f, g, h, ..] = hash(&self.scratch).0;
        Some(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }
}

/// What the hash of a group begins with.
fn begin_group(out: &mut Vec<u8>, tenant: &str) {
    add_part(out, "correlation row");
    add_part(out, tenant);
}

/// The seat of `key`, made if there is none, marked as used and changed.
fn seat<'r>(
    rows: &'r mut LruCache<Key, Seat, RandomState>,
    dirty: &mut Vec<Key>,
    key: Key,
) -> &'r mut Seat {
    let seat = rows.get_or_insert_mut(key, Seat::default);
    if !std::mem::replace(&mut seat.dirty, true) {
        dirty.push(key);
    }
    seat
}

/// Host and user in the form that rows share. What is not among the remembered ones takes the place of one.
fn shared(
    places: &mut Vec<Arc<Place>>,
    hasher: &RandomState,
    host: &str,
    user: &str,
) -> Arc<Place> {
    if places.is_empty() {
        places.resize_with(PLACES_SHARED, Arc::default);
    }
    let at = hasher.hash_one((host, user)) as usize % PLACES_SHARED;
    let make = || Arc::new(Place { host: host.into(), user: user.into() });
    let Some(known) = places.get_mut(at) else { return make() };
    if *known.host != *host || *known.user != *user {
        *known = make();
    }
    Arc::clone(known)
}

fn key_text(place: Key, correlations: &[Correlation]) -> Option<String> {
    Some(format!("{}/{}", correlations.get(place.0 as usize)?.key, place.1))
}
