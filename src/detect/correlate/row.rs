//! The state of one group of one correlation, and its form as bytes.

use rsigma_parser::ConditionOperator;

use crate::detect::correlate::compile::Test;
use crate::model::event::EventId;
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

/// Hosts and users that one row tells apart; events of others carry none.
const PLACES_MAX: usize = 256;
/// A row keeps this many events besides the ones its threshold needs.
const ENTRIES_SPARE: usize = 64;
/// A row of steps keeps this many events.
const ENTRIES_ORDERED_MAX: usize = 256;
/// Events further than this many spans behind the newest of their row are forgotten: a window is one span
/// long, so an event that comes up to two spans late is still judged with everything it could join.
const SPANS_KEPT: i64 = 3;
/// The first byte of a row's bytes.
const VERSION: u8 = 1;

/// One event of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Event time.
    pub time: Timestamp,
    /// The event.
    pub id: EventId,
    /// Which step it matched.
    pub step: u8,
    /// It has been a finding.
    pub reported: bool,
    /// Index into [`Row::places`], or out of range for none.
    pub place: u16,
}

/// The state of one group.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// When it was last used, in uses of any row: the order of eviction.
    pub touched: u64,
    /// Host and user of events.
    pub places: Vec<(String, String)>,
    /// The events, by time and then arrival.
    pub entries: Vec<Entry>,
}

/// What one more event did to a row.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The condition holds, now that the event is there.
    pub holds: bool,
    /// Events that become findings, oldest first.
    pub findings: Vec<Entry>,
    /// The other events of the window, oldest first (temporal_ordered).
    pub context: Vec<EventId>,
    /// Events of the window that fulfilled the condition.
    pub count: usize,
    /// Events that made room.
    pub dropped: usize,
}

impl Row {
    /// Add an event. `None` if it was there already.
    pub fn add(&mut self, entry: Entry, span_us: i64, test: &Test) -> Option<Outcome> {
        let from = self.entries.partition_point(|known| known.time < entry.time);
        let at = self.entries.partition_point(|known| known.time <= entry.time);
        let same_time = self.entries.get(from..at).unwrap_or_default();
        if same_time.iter().any(|known| known.id == entry.id && known.step == entry.step) {
            return None;
        }
        self.entries.insert(at, entry);
        let mut outcome = match test {
            Test::Count(predicates) => self.count(entry.time, at, span_us, predicates),
            Test::Ordered(steps) => self.ordered(at, *steps, span_us),
        };
        outcome.dropped = self.make_room(entry.time, span_us, test);
        Some(outcome)
    }

    /// The place number of a host and a user.
    pub fn place(&mut self, host: &str, user: &str) -> u16 {
        let known = self.places.iter().position(|(known, name)| known == host && name == user);
        let index = known.unwrap_or_else(|| {
            if self.places.len() < PLACES_MAX {
                self.places.push((host.to_owned(), user.to_owned()));
                self.places.len() - 1
            } else {
                PLACES_MAX
            }
        });
        u16::try_from(index).unwrap_or(u16::MAX)
    }

    /// Look at every window that holds the event at `at`: they end at it or at a later event less than a span away.
    fn count(
        &mut self,
        time: Timestamp,
        at: usize,
        span_us: i64,
        predicates: &[(ConditionOperator, u64)],
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let mut end = at;
        while let Some(last) = self.entries.get(end).map(|entry| entry.time) {
            if last.micros_since(time) >= span_us {
                break;
            }
            let high = self.entries.partition_point(|known| known.time <= last);
            let low =
                self.entries.partition_point(|known| last.micros_since(known.time) >= span_us);
            let number = high.saturating_sub(low);
            if holds(predicates, number as u64) {
                outcome.holds = true;
                outcome.count = outcome.count.max(number);
                let window = self.entries.get_mut(low..high).unwrap_or_default();
                for entry in window.iter_mut().filter(|entry| !entry.reported) {
                    entry.reported = true;
                    outcome.findings.push(*entry);
                }
            }
            end = high;
        }
        outcome.findings.sort_by_key(|entry| entry.time);
        outcome
    }

    /// Is the event at `at` part of a chain? Nearest neighbours in both directions make the shortest one.
    fn ordered(&mut self, at: usize, steps: u8, span_us: i64) -> Outcome {
        let Some(new) = self.entries.get(at).copied() else { return Outcome::default() };
        let mut chain = vec![new.id];
        let (mut first, mut first_at) = (new, at);
        for step in (0..new.step).rev() {
            let earlier = self.entries.get(..first_at).unwrap_or_default();
            let found =
                earlier.iter().rposition(|entry| entry.step == step && !chain.contains(&entry.id));
            let Some(place) = found else { return Outcome::default() };
            let Some(entry) = self.entries.get(place) else { return Outcome::default() };
            (first, first_at) = (*entry, place);
            chain.push(entry.id);
        }
        let (mut last, mut last_at) = (new, at);
        for step in new.step + 1..steps {
            let later = self.entries.get(last_at + 1..).unwrap_or_default();
            let found =
                later.iter().position(|entry| entry.step == step && !chain.contains(&entry.id));
            let Some(place) = found.map(|place| last_at + 1 + place) else {
                return Outcome::default();
            };
            let Some(entry) = self.entries.get(place) else { return Outcome::default() };
            (last, last_at) = (*entry, place);
            chain.push(entry.id);
        }
        if last.time.micros_since(first.time) >= span_us {
            return Outcome::default();
        }
        let mut context: Vec<EventId> = Vec::new();
        for entry in self.entries.get(first_at..=last_at).unwrap_or_default() {
            if entry.id != last.id && !context.contains(&entry.id) {
                context.push(entry.id);
            }
        }
        // The chain's last event is the finding, also when an earlier one came late.
        let repeat = self
            .entries
            .get_mut(last_at)
            .is_some_and(|entry| std::mem::replace(&mut entry.reported, true));
        let findings = if repeat { Vec::new() } else { vec![last] };
        Outcome { holds: true, findings, context, count: chain.len(), dropped: 0 }
    }

    /// Forget what is over, then what is too much. Returns how many of the latter there were.
    fn make_room(&mut self, time: Timestamp, span_us: i64, test: &Test) -> usize {
        if let Some(newest) = self.entries.last().map(|entry| entry.time) {
            let kept_us = span_us.saturating_mul(SPANS_KEPT);
            let over = self.entries.partition_point(|e| newest.micros_since(e.time) > kept_us);
            self.entries.drain(..over);
        }
        let most = match test {
            Test::Count(predicates) => {
                let largest = predicates.iter().map(|(_, number)| *number).max().unwrap_or(1);
                // Four times what any comparison needs: dropping the oldest cannot change its answer.
                usize::try_from(largest)
                    .unwrap_or(usize::MAX)
                    .saturating_mul(4)
                    .saturating_add(ENTRIES_SPARE)
            }
            Test::Ordered(_) => ENTRIES_ORDERED_MAX,
        };
        let mut dropped = 0;
        while self.entries.len() > most {
            let outside = |entry: &Entry| time.micros_since(entry.time).saturating_abs() >= span_us;
            let victim = if self.entries.first().is_some_and(outside) {
                0
            } else if self.entries.last().is_some_and(outside) {
                self.entries.len() - 1
            } else {
                self.oldest_of_fullest_step()
            };
            self.entries.remove(victim);
            dropped += 1;
        }
        dropped
    }

    /// Drop the hosts and users that no event of the row has any more. Numbers that were given out change.
    pub fn forget_places(&mut self) {
        if self.places.len() <= self.entries.len() {
            return;
        }
        let old = std::mem::take(&mut self.places);
        let mut moved: Vec<Option<u16>> = vec![None; old.len()];
        for entry in &mut self.entries {
            let index = usize::from(entry.place);
            let (Some(place), Some(slot)) = (old.get(index), moved.get_mut(index)) else {
                continue;
            };
            let new = *slot.get_or_insert_with(|| {
                self.places.push(place.clone());
                u16::try_from(self.places.len() - 1).unwrap_or(u16::MAX)
            });
            entry.place = new;
        }
    }

    fn oldest_of_fullest_step(&self) -> usize {
        let mut numbers = [0_usize; 256];
        for entry in &self.entries {
            if let Some(number) = numbers.get_mut(usize::from(entry.step)) {
                *number += 1;
            }
        }
        let of = |entry: &Entry| numbers.get(usize::from(entry.step)).copied().unwrap_or(0);
        let fullest = self.entries.iter().map(of).max().unwrap_or(0);
        self.entries.iter().position(|entry| of(entry) == fullest).unwrap_or(0)
    }

    /// The row as bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(16 + self.entries.len() * 28);
        out.push(VERSION);
        out.extend_from_slice(&self.touched.to_le_bytes());
        let number = |out: &mut Vec<u8>, length: usize| {
            out.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_le_bytes());
        };
        number(&mut out, self.places.len());
        for text in self.places.iter().flat_map(|(host, user)| [host, user]) {
            number(&mut out, text.len());
            out.extend_from_slice(text.as_bytes());
        }
        number(&mut out, self.entries.len());
        for entry in &self.entries {
            out.extend_from_slice(&entry.time.0.to_le_bytes());
            out.extend_from_slice(entry.id.as_bytes());
            out.extend_from_slice(&[entry.step, u8::from(entry.reported)]);
            out.extend_from_slice(&entry.place.to_le_bytes());
        }
        out
    }

    /// A row from bytes; `None` if they are not a row's.
    pub fn decode(bytes: &[u8]) -> Option<Row> {
        let mut rest = Bytes(bytes);
        if rest.take::<1>()? != [VERSION] {
            return None;
        }
        let touched = u64::from_le_bytes(rest.take()?);
        let mut row = Row { touched, ..Row::default() };
        for _ in 0..rest.number()? {
            row.places.push((rest.text()?, rest.text()?));
        }
        for _ in 0..rest.number()? {
            let time = Timestamp(i64::from_le_bytes(rest.take()?));
            let id = Id128(rest.take()?);
            let [step, reported] = rest.take()?;
            let place = u16::from_le_bytes(rest.take()?);
            row.entries.push(Entry { time, id, step, reported: reported != 0, place });
        }
        (rest.0.is_empty() && row.entries.is_sorted_by_key(|entry| entry.time)).then_some(row)
    }
}

struct Bytes<'b>(&'b [u8]);

impl Bytes<'_> {
    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*head)
    }

    fn number(&mut self) -> Option<usize> {
        usize::try_from(u32::from_le_bytes(self.take()?)).ok()
    }

    fn text(&mut self) -> Option<String> {
        let length = self.number()?;
        let (head, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        String::from_utf8(head.to_vec()).ok()
    }
}

fn holds(predicates: &[(ConditionOperator, u64)], number: u64) -> bool {
    predicates.iter().all(|(operator, wanted)| match operator {
        ConditionOperator::Lt => number < *wanted,
        ConditionOperator::Lte => number <= *wanted,
        ConditionOperator::Gt => number > *wanted,
        ConditionOperator::Gte => number >= *wanted,
        ConditionOperator::Eq => number == *wanted,
        ConditionOperator::Neq => number != *wanted,
    })
}
