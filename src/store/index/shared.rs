//! Rows on their way into one day of the index, and the terms that neighbours among them have in common.
//!
//! Events that follow each other say much that is the same: host, channel, program, the words around the values. A term that
//! all events of a few rows have is entered once, marked, at the first of them, and stands for all of them. So the index says
//! the same of every event as if each term stood at each, and a third of its work is spared. Events are put in order by
//! endpoint and kind before: a topic deals them out to its partitions, and many endpoints write at once.

use std::ops::Range;
use std::sync::{Arc, Weak};

use crate::store::index::terms::Terms;

/// Rows that share. More have less in common: of recorded Windows events 4 leave the fewest terms.
pub(crate) const SHARING: usize = 4;
/// The first byte of terms that stand for all rows of a group. Columns have others.
pub(crate) const MARK: u8 = 0;
/// Places for terms of the first row of a group; a power of two.
const SLOTS: usize = 4_096;
/// Places that are looked at for one term; one that finds none is not shared.
const STEPS_MAX: usize = 8;

/// Where an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spot {
    /// Event time, microseconds.
    pub at: i64,
    /// Segment and offset of its frame.
    pub frame: u64,
    /// Its number there.
    pub row: u64,
}

/// Events with their terms, in order.
#[derive(Debug, Default)]
pub(crate) struct Gathered {
    pub terms: Terms,
    /// Where each is, and how many terms there are with its own.
    spots: Vec<(Spot, usize)>,
}

impl Gathered {
    /// The terms that were added last are those of the event at this place.
    pub(crate) fn end(&mut self, spot: Spot) {
        self.spots.push((spot, self.terms.len()));
    }

    /// Forget them; the room stays.
    pub(crate) fn clear(&mut self) {
        self.terms.clear();
        self.spots.clear();
    }

    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        self.spots.len()
    }

    /// The numbers of an event's terms.
    fn numbers(&self, event: usize) -> Range<usize> {
        let end = |event: usize| self.spots.get(event).map_or(0, |(_, end)| *end);
        event.checked_sub(1).map_or(0, end)..end(event)
    }
}

/// The terms of many rows, one behind the other.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    bytes: Vec<u8>,
    ends: Vec<u32>,
}

impl Pool {
    fn put(&mut self, term: &[u8]) {
        self.bytes.extend_from_slice(term);
        self.ends.push(u32::try_from(self.bytes.len()).unwrap_or(u32::MAX));
    }

    fn term(&self, number: usize) -> &[u8] {
        let end = |number: usize| self.ends.get(number).map_or(0, |end| *end as usize);
        let start = number.checked_sub(1).map_or(0, end);
        self.bytes.get(start..end(number)).unwrap_or_default()
    }
}

/// One event on its way into the index.
#[derive(Debug)]
pub(crate) struct Row {
    pub spot: Spot,
    /// How many events, from this one on, share the terms that stand here for all of them.
    pub span: u64,
    pool: Arc<Pool>,
    terms: Range<usize>,
}

impl Row {
    /// Each term.
    pub(crate) fn terms(&self) -> impl Iterator<Item = &[u8]> {
        self.terms.clone().map(|number| self.pool.term(number))
    }

    /// Tells when the terms of all rows that were made with this one are gone.
    pub(crate) fn held(&self) -> Held {
        Held(Arc::downgrade(&self.pool))
    }
}

/// Terms of rows that somebody may still hold.
#[derive(Debug)]
pub(crate) struct Held(Weak<Pool>);

impl Held {
    /// Nobody does.
    pub(crate) fn is_gone(&self) -> bool {
        self.0.strong_count() == 0
    }
}

/// Finds what rows have in common; keeps its buffers.
#[derive(Debug)]
pub(crate) struct Sharing {
    /// Number of the group, and a place in `known`.
    slots: Vec<(u32, u32)>,
    turn: u32,
    /// Terms of the first row: their number, and how many rows from the first on have them.
    known: Vec<(usize, usize)>,
    /// For each term of each row of a group its place in `known`, or none.
    found: Vec<Option<u32>>,
}

impl Default for Sharing {
    fn default() -> Sharing {
        Sharing { slots: vec![(0, 0); SLOTS], turn: 0, known: Vec::new(), found: Vec::new() }
    }
}

impl Sharing {
    /// The rows of these events; terms that all of a few have stand at the first of them only. Takes the events.
    pub(crate) fn rows(&mut self, gathered: &mut Gathered) -> Vec<Row> {
        // A third of the terms is shared; a buffer that grows is copied each time.
        let (bytes, terms) = (gathered.terms.bytes_len() * 3 / 4, gathered.terms.len() * 3 / 4);
        let mut pool = Pool { bytes: Vec::with_capacity(bytes), ends: Vec::with_capacity(terms) };
        let mut rows: Vec<(Spot, u64, Range<usize>)> = Vec::with_capacity(gathered.len());
        let mut order: Vec<usize> = (0..gathered.len()).collect();
        order.sort_by_cached_key(|event| gathered.terms.kind(gathered.numbers(*event)));
        for group in order.chunks(SHARING) {
            self.compare(gathered, group);
            let mut found = self.found.iter().copied();
            for (place, event) in group.iter().copied().enumerate() {
                let is_first = place == 0;
                let start = pool.ends.len();
                for number in gathered.numbers(event) {
                    let known = found.next().flatten();
                    let known = known.and_then(|place| self.known.get(place as usize));
                    let shared = known.is_some_and(|(_, rows)| *rows == group.len());
                    if shared && is_first {
                        pool.bytes.push(MARK);
                    }
                    if !shared || is_first {
                        pool.put(gathered.terms.term(number));
                    }
                }
                let span = if is_first { group.len() as u64 } else { 1 };
                if let Some((spot, _)) = gathered.spots.get(event) {
                    rows.push((*spot, span, start..pool.ends.len()));
                }
            }
        }
        gathered.clear();
        let pool = Arc::new(pool);
        let row = |(spot, span, terms)| Row { spot, span, pool: Arc::clone(&pool), terms };
        rows.into_iter().map(row).collect()
    }

    /// Find out which terms of the group's first event all of its events have.
    fn compare(&mut self, gathered: &Gathered, group: &[usize]) {
        self.turn = self.turn.wrapping_add(1);
        if self.turn == 0 {
            self.slots.fill((0, 0));
            self.turn = 1;
        }
        self.known.clear();
        self.found.clear();
        let terms = &gathered.terms;
        let Some((first, others)) = group.split_first() else { return };
        for number in gathered.numbers(*first) {
            let place = match self.find(terms, number) {
                // It alone shares nothing.
                _ if others.is_empty() => None,
                Ok(place) => Some(place),
                Err(slot) => slot.map(|slot| {
                    let place = u32::try_from(self.known.len()).unwrap_or(u32::MAX);
                    self.known.push((number, 1));
                    if let Some(free) = self.slots.get_mut(slot) {
                        *free = (self.turn, place);
                    }
                    place
                }),
            };
            self.found.push(place);
        }
        for (row, event) in (1..).zip(others) {
            for number in gathered.numbers(*event) {
                let place = self.find(terms, number).ok();
                let known = place.and_then(|place| self.known.get_mut(place as usize));
                if let Some((_, rows)) = known.filter(|(_, rows)| *rows == row) {
                    *rows = row + 1;
                }
                self.found.push(place);
            }
        }
    }

    /// The place in `known` of an equal term, or the slot where it could stand, if there is one.
    fn find(&self, terms: &Terms, number: usize) -> Result<u32, Option<usize>> {
        let hash = terms.hash(number);
        for step in 0..STEPS_MAX {
            let slot = (hash as usize + step) % SLOTS;
            let Some((turn, place)) = self.slots.get(slot).copied() else { return Err(None) };
            if turn != self.turn {
                return Err(Some(slot));
            }
            let known = self.known.get(place as usize).map(|(number, _)| *number);
            let same =
                |known: usize| terms.hash(known) == hash && terms.term(known) == terms.term(number);
            if known.is_some_and(same) {
                return Ok(place);
            }
        }
        Err(None)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::model::event::{Event, Value};
    use crate::store::index::terms::TermReader;

    const NAMES: [&str; 4] = ["host.name", "message", "user.name", "x.y"];

    fn gathered(events: &[Vec<(usize, String)>]) -> Gathered {
        let (mut all, mut reader) = (Gathered::default(), TermReader::default());
        for (row, fields) in (0..).zip(events) {
            let mut event = Event::with_capacity(8, 64);
            for (name, text) in fields {
                event.push_named(NAMES[*name], Value::Str(text));
            }
            reader.of_event(&event, &mut all.terms);
            all.end(Spot { at: 7, frame: 9, row });
        }
        all
    }

    proptest! {
        /// What each row has after sharing, marked terms of its group included, is what it had before.
        #[test]
        fn nothing_is_said_of_a_row_that_was_not_and_nothing_is_lost(
            events in proptest::collection::vec(
                proptest::collection::vec((0_usize..4, "[ab ]{0,5}"), 0..6), 0..14),
        ) {
            let mut sharing = Sharing::default();
            for _ in 0..2 {
                let before = gathered(&events);
                let had = |event: usize| -> BTreeSet<Vec<u8>> {
                    before.numbers(event).map(|number| before.terms.term(number).to_vec()).collect()
                };
                let rows = sharing.rows(&mut gathered(&events));
                prop_assert_eq!(rows.len(), events.len());
                let (mut marked, mut left) = (BTreeSet::new(), 0);
                let mut met = BTreeSet::new();
                for row in &rows {
                    let number = row.spot.row as usize;
                    prop_assert!(met.insert(number));
                    let (own, more): (Vec<_>, Vec<_>) =
                        row.terms().partition(|term| term.first() != Some(&MARK));
                    prop_assert!(left == 0 || row.span == 1 && more.is_empty());
                    if left == 0 {
                        marked = more.iter().map(|term| term[1..].to_vec()).collect();
                        left = row.span;
                    }
                    left -= 1;
                    let mut has: BTreeSet<Vec<u8>> = own.iter().map(|term| term.to_vec()).collect();
                    prop_assert!(has.is_disjoint(&marked), "said twice");
                    has.extend(marked.iter().cloned());
                    prop_assert_eq!(has, had(number));
                    prop_assert_eq!(row.spot, Spot { at: 7, frame: 9, row: number as u64 });
                }
                prop_assert_eq!(left, 0);
            }
        }
    }

    #[test]
    fn events_that_are_alike_share_all_and_a_single_one_nothing() {
        let event = || vec![(0, "a".to_owned()), (1, "a b c".to_owned())];
        let sizes = |count: usize| -> Vec<(u64, usize)> {
            let rows = Sharing::default().rows(&mut gathered(&vec![event(); count]));
            rows.iter().map(|row| (row.span, row.terms().count())).collect()
        };
        assert_eq!(sizes(1), [(1, 5)]);
        assert_eq!(sizes(6), [(4, 5), (1, 0), (1, 0), (1, 0), (2, 5), (1, 0)]);
    }
}
