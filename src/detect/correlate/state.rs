//! All rows of all correlations: fed with matches, bounded, restored from and saved to the commit.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use ahash::{AHashMap, AHashSet};

use crate::detect::correlate::compile::{Correlation, Test};
use crate::detect::correlate::row::{Entry, Outcome, Row};
use crate::detect::detector::StateRow;
use crate::detect::view::{Slot, View};
use crate::model::event::{Event, Value};
use crate::model::field;
use crate::stdx::id::{Id128, IdHasher};

/// A group value is compared and kept up to this many bytes.
const GROUP_VALUE_BYTES_MAX: usize = 1_024;

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
    /// Saved rows that could not be read, or belong to a rule that changed or is gone.
    pub rows_discarded: u64,
}

/// A correlation that an event made to hold.
#[derive(Debug)]
pub struct Fired {
    /// The correlation's number.
    pub correlation: u32,
    /// Values of its group-by fields.
    pub group: Vec<String>,
    /// What the row says.
    pub outcome: Outcome,
    /// Host and user of each finding.
    pub places: Vec<(String, String)>,
}

/// All rows.
#[derive(Debug, Default)]
pub struct State {
    rows: AHashMap<Key, Row>,
    by_touch: BTreeMap<u64, Key>,
    uses: u64,
    rows_max: usize,
    changed: AHashSet<Key>,
    removed: AHashSet<String>,
    /// What was counted so far.
    pub counts: CorrelationCounts,
}

impl State {
    /// No rows yet; at most `rows_max`.
    pub fn new(rows_max: usize) -> State {
        State { rows_max: rows_max.max(1), ..State::default() }
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
        for StateRow { key, value } in saved {
            let Some(value) = value else { continue };
            let place = key
                .rsplit_once('/')
                .and_then(|(prefix, hash)| Some((*numbers.get(prefix)?, Id128::parse(hash)?)));
            match (place, Row::decode(&value)) {
                (Some(place), Some(row)) => {
                    self.uses = self.uses.max(row.touched);
                    self.by_touch.insert(row.touched, place);
                    self.rows.insert(place, row);
                }
                _ => {
                    self.counts.rows_discarded += 1;
                    self.removed.insert(key);
                }
            }
        }
    }

    /// The rows that changed since the last call, by key; a row that is gone has no value.
    pub fn take_changes(&mut self, correlations: &[Correlation]) -> Vec<StateRow> {
        let mut out: Vec<StateRow> =
            self.removed.drain().map(|key| StateRow { key, value: None }).collect();
        for place in self.changed.drain() {
            if let (Some(row), Some(key)) = (self.rows.get(&place), key_text(place, correlations)) {
                out.push(StateRow { key, value: Some(row.encode()) });
            }
        }
        out.sort_by(|one, other| one.key.cmp(&other.key));
        out
    }

    /// Go on with another set of rules: rows of correlations that it has too (by key) stay, the others are forgotten.
    pub fn carry_over(&mut self, old: &[Correlation], new: &[Correlation]) {
        let numbers: AHashMap<&str, u32> =
            (0..).zip(new).map(|(n, c)| (c.key.as_str(), n)).collect();
        let changed = std::mem::take(&mut self.changed);
        self.by_touch.clear();
        for (place, row) in std::mem::take(&mut self.rows) {
            let number =
                old.get(place.0 as usize).and_then(|known| numbers.get(known.key.as_str()));
            let Some(number) = number else {
                self.counts.rows_discarded += 1;
                self.removed.extend(key_text(place, old));
                continue;
            };
            let moved = (*number, place.1);
            if changed.contains(&place) {
                self.changed.insert(moved);
            }
            self.by_touch.insert(row.touched, moved);
            self.rows.insert(moved, row);
        }
    }

    /// How many rows there are.
    pub fn rows(&self) -> usize {
        self.rows.len()
    }

    /// One match goes into one correlation. `Some` if the correlation holds by it.
    pub fn feed(
        &mut self,
        number: u32,
        correlations: &[Correlation],
        step: u8,
        group_slots: &[Slot],
        event: &Event,
        view: &View<'_, '_>,
    ) -> Option<Fired> {
        let correlation = correlations.get(number as usize)?;
        let Some(group) = group_values(group_slots, view) else {
            self.counts.ungrouped += 1;
            return None;
        };
        let mut hasher = IdHasher::new("correlation row");
        hasher.text(event.str(field::ORGANIZATION_ID).unwrap_or_default());
        group.iter().for_each(|value| {
            hasher.text(value);
        });
        let place = (number, hasher.finish());
        let row = self.touch(place, correlations);
        let user = event.str(field::USER_NAME).unwrap_or_default();
        let entry = Entry {
            time: event.timestamp,
            id: event.id,
            step,
            reported: false,
            place: row.place(event.host(), user),
        };
        let Some(outcome) = row.add(entry, correlation.span_us, &correlation.test) else {
            self.counts.duplicates += 1;
            return None;
        };
        let places = outcome
            .findings
            .iter()
            .map(|entry| row.places.get(usize::from(entry.place)).cloned().unwrap_or_default())
            .collect();
        // After the findings have looked theirs up.
        row.forget_places();
        self.counts.events_dropped += outcome.dropped as u64;
        outcome.holds.then_some(Fired { correlation: number, group, outcome, places })
    }

    /// The row at `place`, made if there is none, marked as used and changed.
    fn touch(&mut self, place: Key, correlations: &[Correlation]) -> &mut Row {
        let full = self.rows.len() >= self.rows_max && !self.rows.contains_key(&place);
        if full && let Some((_, oldest)) = self.by_touch.pop_first() {
            self.rows.remove(&oldest);
            self.changed.remove(&oldest);
            self.removed.extend(key_text(oldest, correlations));
            self.counts.rows_evicted += 1;
        }
        self.uses += 1;
        let uses = self.uses;
        let row = self.rows.entry(place).or_default();
        if row.touched != 0 {
            self.by_touch.remove(&row.touched);
        }
        row.touched = uses;
        self.by_touch.insert(uses, place);
        let back = self.changed.insert(place) && !self.removed.is_empty();
        if back && let Some(key) = key_text(place, correlations) {
            self.removed.remove(&key);
        }
        row
    }
}

/// A line of explanation: how many events of what.
pub fn explanation(correlation: &Correlation, count: usize) -> (String, String) {
    let span = correlation.span_us / 1_000_000;
    let mut text = String::new();
    let (name, what) = match correlation.test {
        Test::Count(_) => ("event_count", "events"),
        Test::Ordered(_) => ("temporal_ordered", "steps in order"),
    };
    let _ = write!(text, "{count} {what} within {}", span_text(span));
    (name.to_owned(), text)
}

fn span_text(seconds: i64) -> String {
    match seconds {
        s if s % 86_400 == 0 => format!("{} d", s / 86_400),
        s if s % 3_600 == 0 => format!("{} h", s / 3_600),
        s if s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}

fn key_text(place: Key, correlations: &[Correlation]) -> Option<String> {
    Some(format!("{}/{}", correlations.get(place.0 as usize)?.key, place.1))
}

fn group_values(slots: &[Slot], view: &View<'_, '_>) -> Option<Vec<String>> {
    slots
        .iter()
        .map(|slot| {
            let value = view.first(*slot).filter(|value| !matches!(value, Value::Null))?.to_text();
            let mut end = value.len().min(GROUP_VALUE_BYTES_MAX);
            while !value.is_char_boundary(end) {
                end -= 1;
            }
            value.get(..end).filter(|text| !text.is_empty()).map(str::to_owned)
        })
        .collect()
}
