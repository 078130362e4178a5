//! All rows of all signals: bounded, with a visible eviction, restored from and saved to the commit.

use std::collections::{BTreeMap, BTreeSet};

use ahash::{AHashMap, AHashSet};

use crate::signal::condition::Condition;
use crate::signal::engine::StateRow;
use crate::signal::load::KEY_PREFIX;
use crate::signal::row::{Data, Row};
use crate::signal::set::{Signal, SignalSet};
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

/// A signal's number and the hash of tenant and labels.
pub type Key = (u32, Id128);

/// What the keys of the clocks' rows begin with, before the source's name; no signal's id holds an `@`.
const CLOCK: &str = "@clock/";

/// The rows of one signal.
#[derive(Debug, Default)]
struct Table {
    rows: AHashMap<Id128, Row>,
    by_touch: BTreeMap<u64, Id128>,
    /// Results of rows that made room, so that sums do not fall.
    lost: [u64; 3],
}

/// All rows.
#[derive(Debug, Default)]
pub struct State {
    tables: Vec<Table>,
    rows: usize,
    rows_max: usize,
    uses: u64,
    changed: AHashSet<Key>,
    removed: AHashSet<String>,
    /// When a series that may fall silent has been silent for long enough.
    /// By source: sources are read side by side, so that one says nothing about the pace of another.
    deadlines: BTreeMap<String, BTreeSet<(i64, Key)>>,
    /// The newest event time of each source, and whether it moved since it was saved.
    clocks: BTreeMap<String, (Timestamp, bool)>,
    /// Rows that made room for others.
    pub evicted: u64,
    /// Saved rows that could not be read, or belong to a signal that changed or is gone.
    pub discarded: u64,
}

impl State {
    /// No rows yet; at most `rows_max`.
    pub fn new(signals: usize, rows_max: usize) -> State {
        let tables = (0..signals).map(|_| Table::default()).collect();
        State { tables, rows_max: rows_max.max(1), ..State::default() }
    }

    /// Take back saved rows.
    pub fn restore(&mut self, saved: Vec<StateRow>, set: &SignalSet) {
        let numbers: AHashMap<&str, u32> =
            (0..).zip(set.signals()).map(|(n, signal)| (signal.prefix.as_str(), n)).collect();
        for StateRow { key, value } in saved {
            let Some(value) = value else { continue };
            let clock = key.strip_prefix(KEY_PREFIX).and_then(|rest| rest.strip_prefix(CLOCK));
            if let Some(source) = clock {
                if let Ok(bytes) = value.as_slice().try_into() {
                    let at = Timestamp(i64::from_le_bytes(bytes));
                    self.clocks.insert(source.to_owned(), (at, false));
                }
                continue;
            }
            let place = key
                .rsplit_once('/')
                .and_then(|(prefix, hash)| Some((*numbers.get(prefix)?, Id128::parse(hash)?)));
            let (Some((number, id)), Some(row)) = (place, Row::decode(&value)) else {
                self.discarded += 1;
                self.removed.insert(key);
                continue;
            };
            let Some(signal) = set.get(number) else { continue };
            self.uses = self.uses.max(row.touched);
            if let Some(at) = deadline(signal, &row) {
                let of_source = self.deadlines.entry(row.source.clone()).or_default();
                of_source.insert((at, (number, id)));
            }
            let Some(table) = self.tables.get_mut(number as usize) else { continue };
            table.by_touch.insert(row.touched, id);
            if table.rows.insert(id, row).is_none() {
                self.rows += 1;
            }
        }
    }

    /// Go on with another set of signals: rows of those that it has too (by prefix) stay, the others are given up.
    pub fn carry_over(&mut self, old: &SignalSet, new: &SignalSet) {
        let numbers: AHashMap<&str, u32> =
            (0..).zip(new.signals()).map(|(n, signal)| (signal.prefix.as_str(), n)).collect();
        let moved = |number: u32| numbers.get(old.get(number)?.prefix.as_str()).copied();
        let tables = std::mem::take(&mut self.tables);
        self.tables = new.signals().iter().map(|_| Table::default()).collect();
        for (number, table) in (0_u32..).zip(tables) {
            let place = moved(number).and_then(|number| self.tables.get_mut(number as usize));
            if let Some(place) = place {
                *place = table;
                continue;
            }
            self.rows = self.rows.saturating_sub(table.rows.len());
            self.discarded += table.rows.len() as u64;
            if let Some(signal) = old.get(number) {
                self.removed.extend(table.rows.keys().map(|id| text(signal, *id)));
            }
        }
        let key = |(number, id): Key| Some((moved(number)?, id));
        self.changed = self.changed.drain().filter_map(key).collect();
        for of_source in self.deadlines.values_mut() {
            let kept = std::mem::take(of_source).into_iter();
            *of_source = kept.filter_map(|(at, place)| Some((at, key(place)?))).collect();
        }
        for (number, signal) in (0_u32..).zip(new.signals()) {
            let held = self.tables.get(number as usize).map_or(0, |table| table.rows.len());
            // It may allow fewer series than it did.
            for _ in signal.cardinality..held {
                self.evict(number, new);
            }
        }
    }

    /// The rows that changed since the last call; one that is gone has no value.
    pub fn take_changes(&mut self, set: &SignalSet) -> Vec<StateRow> {
        let mut out: Vec<StateRow> =
            self.removed.drain().map(|key| StateRow { key, value: None }).collect();
        for (number, id) in self.changed.drain() {
            let row = self.tables.get(number as usize).and_then(|table| table.rows.get(&id));
            if let (Some(row), Some(signal)) = (row, set.get(number)) {
                out.push(StateRow { key: text(signal, id), value: Some(row.encode()) });
            }
        }
        for (source, (at, moved)) in &mut self.clocks {
            if std::mem::take(moved) {
                let value = at.micros().to_le_bytes().to_vec();
                out.push(StateRow {
                    key: format!("{KEY_PREFIX}{CLOCK}{source}"),
                    value: Some(value),
                });
            }
        }
        out.sort_by(|one, other| one.key.cmp(&other.key));
        out
    }

    /// Rows there are.
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// Rows there may be.
    pub fn rows_max(&self) -> usize {
        self.rows_max
    }

    /// The rows of one signal.
    pub fn of(&self, number: u32) -> impl Iterator<Item = &Row> {
        self.tables.get(number as usize).into_iter().flat_map(|table| table.rows.values())
    }

    /// How often one signal said pass, warning and fail.
    pub fn results(&self, number: u32) -> [u64; 3] {
        let Some(table) = self.tables.get(number as usize) else { return [0; 3] };
        let mut sums = table.lost;
        for row in table.rows.values() {
            for (sum, count) in sums.iter_mut().zip(row.results) {
                *sum += count;
            }
        }
        sums
    }

    /// The sources there are, with the newest event time of each.
    pub fn clocks(&self) -> impl Iterator<Item = (&str, Timestamp)> {
        self.clocks.iter().map(|(source, (at, _))| (source.as_str(), *at))
    }

    /// An event of this time was seen. Gives the newest time of its source.
    pub fn see(&mut self, source: &str, at: Timestamp) -> Timestamp {
        let Some(clock) = self.clocks.get_mut(source) else {
            self.clocks.insert(source.to_owned(), (at, true));
            return at;
        };
        if at > clock.0 {
            *clock = (at, true);
        }
        clock.0
    }

    /// Change the row at a place, made by `fresh` if there is none. Marks it used and changed.
    pub fn change<T>(
        &mut self,
        (number, id): Key,
        set: &SignalSet,
        fresh: impl FnOnce() -> Row,
        change: impl FnOnce(&mut Row) -> T,
    ) -> Option<T> {
        let signal = set.get(number)?;
        let is_new = !self.tables.get(number as usize)?.rows.contains_key(&id);
        if is_new {
            self.make_room(number, signal, set);
        }
        self.uses += 1;
        let uses = self.uses;
        let table = self.tables.get_mut(number as usize)?;
        let row = table.rows.entry(id).or_insert_with(fresh);
        self.rows += usize::from(is_new);
        let old = deadline(signal, row).map(|at| (row.source.clone(), at));
        if row.touched != 0 {
            table.by_touch.remove(&row.touched);
        }
        row.touched = uses;
        table.by_touch.insert(uses, id);
        let out = change(row);
        let new = deadline(signal, row).map(|at| (row.source.clone(), at));
        if old != new {
            if let Some((source, at)) = old
                && let Some(of_source) = self.deadlines.get_mut(&source)
            {
                of_source.remove(&(at, (number, id)));
            }
            if let Some((source, at)) = new {
                self.deadlines.entry(source).or_default().insert((at, (number, id)));
            }
        }
        if self.changed.insert((number, id)) && !self.removed.is_empty() {
            self.removed.remove(&text(signal, id));
        }
        Some(out)
    }

    /// The series of a source that have been silent for long enough at a time, in the order in which they became so.
    pub fn silent(&self, source: &str, now: Timestamp) -> Vec<(Timestamp, Key)> {
        let Some(of_source) = self.deadlines.get(source) else { return Vec::new() };
        let over = of_source.iter().take_while(|(at, _)| *at <= now.micros());
        over.map(|(at, key)| (Timestamp(*at), *key)).collect()
    }

    fn make_room(&mut self, number: u32, signal: &Signal, set: &SignalSet) {
        let own = self.tables.get(number as usize).map_or(0, |table| table.rows.len());
        if own >= signal.cardinality {
            self.evict(number, set);
        } else if self.rows >= self.rows_max {
            // The signal with most rows gives one up, so that one that explodes does not starve the others.
            let fullest = (0_u32..).zip(&self.tables).max_by_key(|(_, table)| table.rows.len());
            if let Some((fullest, _)) = fullest {
                self.evict(fullest, set);
            }
        }
    }

    fn evict(&mut self, number: u32, set: &SignalSet) {
        let (Some(table), Some(signal)) = (self.tables.get_mut(number as usize), set.get(number))
        else {
            return;
        };
        let Some((_, id)) = table.by_touch.pop_first() else { return };
        let Some(row) = table.rows.remove(&id) else { return };
        for (sum, count) in table.lost.iter_mut().zip(row.results) {
            *sum += count;
        }
        if let Some(at) = deadline(signal, &row)
            && let Some(of_source) = self.deadlines.get_mut(&row.source)
        {
            of_source.remove(&(at, (number, id)));
        }
        self.rows -= 1;
        self.changed.remove(&(number, id));
        self.removed.insert(text(signal, id));
        self.evicted += 1;
    }
}

fn text(signal: &Signal, id: Id128) -> String {
    format!("{}/{id}", signal.prefix)
}

/// When the series counts as silent; `None`: it cannot, or that was reported.
fn deadline(signal: &Signal, row: &Row) -> Option<i64> {
    let (Condition::Absence { span, gaps, after }, Data::Quiet(false, gap)) =
        (&signal.condition, &row.data)
    else {
        return None;
    };
    // Spans are at most a year and gaps a few times that: no float is near its limits.
    #[allow(clippy::cast_possible_truncation)]
    let usual = (*gap as f64 * gaps) as i64;
    (row.total >= *after && row.total > 0)
        .then(|| row.newest.micros().saturating_add((*span).max(usual)))
}
