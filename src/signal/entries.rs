//! Events or values held one by one: counts and distinct values over a sliding span, exact and in any order of arrival.
//!
//! A span of ten minutes that ends at an event holds what is less than ten minutes older: the edge itself is outside.

use crate::model::event::EventId;
use crate::stdx::time::Timestamp;

/// Spans that entries are kept for, so that late events find their neighbours.
const SPANS_KEPT: i64 = 2;
/// Entries beyond what the threshold needs.
const SPARE: usize = 64;

/// One event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Event time.
    pub time: Timestamp,
    /// The event.
    pub id: EventId,
    /// The hash of its value; 0 for counts.
    pub value: u64,
}

/// What became of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It was there already.
    Repeat,
    /// It is older than what is kept.
    Late,
    /// It counts; the largest number that a span with it holds.
    Counted(usize),
}

/// Add an event to a count.
pub fn count(entries: &mut Vec<Entry>, entry: Entry, span: i64, needed: usize) -> Added {
    if entries.iter().any(|known| known.id == entry.id) {
        return Added::Repeat;
    }
    if is_late(entries, entry.time, span) {
        return Added::Late;
    }
    Added::Counted(put(entries, entry, span, needed))
}

/// Add a value: each counts once, at its newest time.
pub fn distinct(entries: &mut Vec<Entry>, entry: Entry, span: i64, needed: usize) -> Added {
    if entries.iter().any(|known| known.id == entry.id) {
        return Added::Repeat;
    }
    if is_late(entries, entry.time, span) {
        return Added::Late;
    }
    match entries.iter().position(|known| known.value == entry.value) {
        Some(place) if entries.get(place).is_some_and(|known| known.time <= entry.time) => {
            entries.remove(place);
        }
        // The value stands there with a newer time.
        Some(_) => return Added::Counted(0),
        None => {}
    }
    Added::Counted(put(entries, entry, span, needed))
}

/// Put an entry where its time belongs; the largest number that a span with it holds.
fn put(entries: &mut Vec<Entry>, entry: Entry, span: i64, needed: usize) -> usize {
    let place = entries.partition_point(|known| *known < entry);
    entries.insert(place, entry);
    let mut most = 0;
    let ends = entries.iter().enumerate().skip(place);
    for (number, end) in ends.take_while(|(_, end)| end.time.micros_since(entry.time) < span) {
        let begin = entries.partition_point(|known| end.time.micros_since(known.time) >= span);
        most = most.max(number + 1 - begin);
    }
    forget(entries, span);
    let excess = entries.len().saturating_sub(needed.saturating_mul(4).saturating_add(SPARE));
    // The oldest go: a count that is reached stays reached.
    entries.drain(..excess);
    most
}

fn is_late(entries: &[Entry], time: Timestamp, span: i64) -> bool {
    let newest = entries.last().map_or(time, |entry| entry.time);
    newest.micros_since(time) > span.saturating_mul(SPANS_KEPT)
}

fn forget(entries: &mut Vec<Entry>, span: i64) {
    if let Some(newest) = entries.last().map(|entry| entry.time) {
        let kept = span.saturating_mul(SPANS_KEPT);
        let over = entries.partition_point(|entry| newest.micros_since(entry.time) > kept);
        entries.drain(..over);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::stdx::id::Id128;

    fn entry(time: i64, number: u8) -> Entry {
        Entry { time: Timestamp(time), id: Id128([number; 16]), value: u64::from(number) }
    }

    #[test]
    fn the_edge_of_a_span_is_outside_and_repeats_do_not_count() {
        let mut entries = Vec::new();
        assert_eq!(count(&mut entries, entry(0, 1), 10, 3), Added::Counted(1));
        assert_eq!(count(&mut entries, entry(9, 2), 10, 3), Added::Counted(2));
        assert_eq!(count(&mut entries, entry(10, 3), 10, 3), Added::Counted(2));
        assert_eq!(count(&mut entries, entry(10, 3), 10, 3), Added::Repeat);
        assert_eq!(count(&mut entries, entry(31, 4), 10, 3), Added::Counted(1));
        assert_eq!(count(&mut entries, entry(10, 5), 10, 3), Added::Late);
    }

    #[test]
    fn one_value_counts_once_however_often_it_comes() {
        let mut entries = Vec::new();
        for number in 0..200_u8 {
            let again = Entry { value: 7, ..entry(i64::from(number), number) };
            assert_eq!(distinct(&mut entries, again, 1_000, 3), Added::Counted(1));
        }
        assert_eq!(distinct(&mut entries, entry(201, 250), 1_000, 3), Added::Counted(2));
        assert_eq!(entries.len(), 2);
    }

    proptest! {
        #[test]
        fn the_order_of_arrival_does_not_change_the_largest_count(
            times in proptest::collection::vec(0_i64..60, 1..40),
            seed in any::<u64>(),
        ) {
            let all: Vec<Entry> = (0_u8..).zip(&times).map(|(n, t)| entry(*t, n)).collect();
            let largest = |order: &[Entry]| {
                let mut entries = Vec::new();
                let counts = order.iter().map(|one| match count(&mut entries, *one, 40, 100) {
                    Added::Counted(number) => number,
                    _ => 0,
                });
                counts.max().unwrap_or(0)
            };
            let mut mixed = all.clone();
            mixed.sort_by_key(|one| (u64::from(one.id.0[0]) + 1).wrapping_mul(seed | 1));
            prop_assert_eq!(largest(&all), largest(&mixed));
        }
    }
}
