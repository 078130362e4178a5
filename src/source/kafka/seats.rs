//! What is known of every partition: where it was begun, what was handed on, what is durable, what the group was told.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use crate::model::record::{Batch, Position};
use crate::stdx::id::Id128;
use crate::stdx::ticket::Outcome;

/// The row with the name of our store. No topic can be called so.
pub(super) const STORE_ROW: &str = "@store";

/// A partition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) topic: Arc<str>,
    pub(super) partition: i32,
}

impl Place {
    pub(super) fn new(topic: &str, partition: i32) -> Place {
        Place { topic: topic.into(), partition }
    }

    /// The key of its row of positions.
    pub(super) fn key(&self) -> String {
        format!("{}/{}", self.topic, self.partition)
    }

    fn parse(key: &str) -> Option<Place> {
        let (topic, partition) = key.rsplit_once('/')?;
        Some(Place::new(topic, partition.parse().ok()?))
    }
}

/// How far a partition was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub(super) struct Mark {
    /// How often offsets began anew (a topic that was deleted and made again).
    pub(super) era: u32,
    /// The offset of the next message.
    pub(super) next: i64,
}

impl Mark {
    /// As it stands in the row: the offset alone, as long as offsets never began anew.
    pub(super) fn write(self) -> String {
        match self.era {
            0 => self.next.to_string(),
            era => format!("{{\"next\":{},\"era\":{era}}}", self.next),
        }
    }

    pub(super) fn read(text: &str) -> Option<Mark> {
        let value: serde_json::Value = serde_json::from_str(text).ok()?;
        if let Some(next) = value.as_i64() {
            return Some(Mark { era: 0, next });
        }
        let era = u32::try_from(value.get("era")?.as_u64()?).ok()?;
        Some(Mark { era, next: value.get("next")?.as_i64()? })
    }
}

/// Rows of positions as marks, and the name of the store they lie in.
pub(super) fn read_rows(rows: &[Position]) -> (BTreeMap<Place, Mark>, Option<String>) {
    let mut marks = BTreeMap::new();
    let mut store = None;
    for row in rows {
        let Some(value) = &row.value else { continue };
        if row.key == STORE_ROW {
            store = Some(value.clone());
        } else if let (Some(place), Some(mark)) = (Place::parse(&row.key), Mark::read(value)) {
            marks.insert(place, mark);
        }
    }
    (marks, store)
}

/// Where a partition begins. Our own row is the truth. What the group knows counts where we have none, and where it is
/// ahead because a member with another store went on. Ahead under our own name it means that our store is a restored one:
/// what lies between is not in it and is read again.
pub(super) fn begin(own: Option<Mark>, group: Option<(i64, &str)>, store: &str) -> Option<Mark> {
    match (own, group) {
        (Some(own), Some((next, by))) if next > own.next && by != store => {
            Some(Mark { next, ..own })
        }
        (Some(own), _) => Some(own),
        (None, Some((next, _))) => Some(Mark { era: 0, next }),
        (None, None) => None,
    }
}

/// One partition.
#[derive(Debug, Default)]
pub(super) struct Seat {
    /// It is ours now.
    pub(super) owned: bool,
    /// The key of its shard, where nodes share a store; without one nothing is read.
    pub(super) shard: Option<Arc<str>>,
    /// What was handed on under that key was not taken: somebody else has the shard.
    pub(super) lost: bool,
    /// When the shard was asked for last.
    pub(super) asked: Option<Instant>,
    /// The message that is to come; `None` until the first one says.
    pub(super) expected: Option<i64>,
    pub(super) era: u32,
    /// Behind what was handed on.
    pub(super) handed: Option<Mark>,
    /// Behind what is durable.
    pub(super) durable: Option<Mark>,
    /// What the group was told.
    pub(super) told: Option<i64>,
    /// Batches under way.
    pub(super) outstanding: usize,
    /// Where it begins is not in the rows yet.
    pub(super) unsaved: bool,
    /// What is being gathered.
    pub(super) open: Option<Open>,
    /// Bytes of the batch before: the next one is likely to need as much.
    pub(super) room: usize,
    /// Records came since the stream was last told to be quiet, the last then.
    pub(super) stirred: Option<Instant>,
    /// When the broker was last asked why an offset is missing.
    pub(super) looked: Option<Instant>,
}

/// A batch that is being gathered.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) batch: Batch,
    pub(super) tenant: Option<Arc<str>>,
    pub(super) host: Option<Arc<str>>,
    pub(super) next: i64,
    pub(super) since: Instant,
}

/// A batch that waits for room.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) place: Place,
    pub(super) mark: Option<Mark>,
    pub(super) batch: Batch,
}

/// The end of a batch, as its ticket tells it.
#[derive(Debug)]
pub(super) struct Ack {
    pub(super) place: Place,
    /// The shard that the batch was handed on under.
    pub(super) shard: Arc<str>,
    pub(super) mark: Option<Mark>,
    pub(super) outcome: Outcome,
}

/// All partitions that were ever ours, and what waits.
#[derive(Debug, Default)]
pub(super) struct Seats {
    pub(super) all: BTreeMap<Place, Seat>,
    pub(super) ready: VecDeque<Ready>,
    /// The name of our store among the members of the group.
    pub(super) store: String,
    /// The store has no row with the name yet.
    pub(super) store_is_new: bool,
    /// Which partitions are ours changed.
    pub(super) changed: bool,
    /// The group refused what it was told.
    pub(super) tell_again: bool,
}

impl Seats {
    /// A batch is durable, or will not be.
    pub(super) fn take(&mut self, ack: &Ack) {
        let Some(seat) = self.all.get_mut(&ack.place) else { return };
        seat.outstanding = seat.outstanding.saturating_sub(1);
        if seat.shard.as_deref().unwrap_or_default() != &*ack.shard {
            // Of an earlier holding.
        } else if ack.outcome.is_safe() {
            seat.durable = seat.durable.max(ack.mark);
        } else {
            seat.lost = seat.shard.is_some();
        }
    }

    /// Batches of these partitions that are under way.
    pub(super) fn outstanding(&self, places: &[Place]) -> usize {
        places.iter().filter_map(|place| self.all.get(place)).map(|seat| seat.outstanding).sum()
    }

    /// What the group has not been told of partitions that are ours.
    pub(super) fn untold(&self) -> Vec<(Place, i64)> {
        let owned = self.all.iter().filter(|(_, seat)| seat.owned);
        let fresh = owned.filter_map(|(place, seat)| {
            let next = seat.durable?.next;
            (self.tell_again || seat.told != Some(next)).then(|| (place.clone(), next))
        });
        fresh.collect()
    }

    /// Close what is being gathered in a partition, so that it can be handed on.
    pub(super) fn close(&mut self, place: &Place, source: &Arc<str>) {
        let Some(seat) = self.all.get_mut(place) else { return };
        let Some(open) = seat.open.take() else { return };
        let mark = Mark { era: seat.era, next: open.next };
        let mut batch = open.batch;
        seat.room = batch.data.len();
        batch.positions.push(row(source, place.key(), mark.write()));
        if self.store_is_new {
            self.store_is_new = false;
            batch.positions.push(row(source, STORE_ROW.to_owned(), self.store.clone()));
        }
        self.ready.push_back(Ready { place: place.clone(), mark: Some(mark), batch });
    }

    /// Partitions that are taken away: nothing more of them is handed on.
    pub(super) fn give_up(&mut self, places: &[Place]) {
        let named = self.ready.iter().any(|ready| {
            ready.batch.positions.iter().any(|row| row.key == STORE_ROW)
                && places.contains(&ready.place)
        });
        self.store_is_new |= named;
        for place in places {
            self.rest(place);
            if let Some(seat) = self.all.get_mut(place) {
                seat.owned = false;
            }
        }
        self.changed = true;
    }

    /// Nothing more of a partition is handed on until it begins again.
    pub(super) fn rest(&mut self, place: &Place) {
        self.ready.retain(|ready| ready.place != *place);
        if let Some(seat) = self.all.get_mut(place) {
            seat.open = None;
            seat.expected = None;
            seat.stirred = None;
        }
    }

    /// Bytes that are being gathered.
    pub(super) fn open_bytes(&self) -> usize {
        self.all
            .values()
            .filter_map(|seat| seat.open.as_ref())
            .map(|open| open.batch.data.len())
            .sum()
    }
}

/// A row of positions.
pub(super) fn row(source: &Arc<str>, key: String, value: String) -> Position {
    Position { source: Arc::clone(source), key, value: Some(value) }
}

/// A name for a store that no other has.
pub(super) fn new_store_name() -> String {
    let mut bytes = [0_u8; 16];
    // Without the system's random numbers the clock and the process tell two stores apart.
    if rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).is_err() {
        let now = crate::stdx::time::Timestamp::now().0.to_le_bytes();
        bytes
            .iter_mut()
            .zip(now.iter().chain(&std::process::id().to_le_bytes()))
            .for_each(|(to, from)| *to = *from);
    }
    format!("\"{}\"", Id128(bytes))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn our_own_row_is_the_truth_unless_another_store_went_on() {
        let own = Some(Mark { era: 1, next: 10 });
        assert_eq!(begin(own, None, "a"), own);
        assert_eq!(begin(own, Some((7, "b")), "a"), own, "the group is behind");
        assert_eq!(begin(own, Some((20, "a")), "a"), own, "our store was restored");
        assert_eq!(begin(own, Some((20, "b")), "a"), Some(Mark { era: 1, next: 20 }));
        assert_eq!(begin(None, Some((5, "")), "a"), Some(Mark { era: 0, next: 5 }));
        assert_eq!(begin(None, None, "a"), None);
    }

    #[test]
    fn what_is_taken_away_is_not_handed_on_and_the_name_of_the_store_not_forgotten() {
        let place = Place::new("t", 0);
        let mut seats = Seats { store: "\"x\"".to_owned(), store_is_new: true, ..Seats::default() };
        let batch = Batch::new(
            Arc::new(crate::model::record::Stream::of_path("k", "t/0")),
            crate::model::record::Flush::No,
        );
        let open = Open { batch, tenant: None, host: None, next: 4, since: Instant::now() };
        seats.all.insert(place.clone(), Seat { owned: true, open: Some(open), ..Seat::default() });
        seats.close(&place, &"k".into());
        assert_eq!(seats.ready[0].batch.positions.len(), 2);
        seats.give_up(std::slice::from_ref(&place));
        assert!(seats.ready.is_empty() && seats.store_is_new);
    }

    proptest! {
        #[test]
        fn rows_are_read_back(topic in "[a-zA-Z0-9._/-]{1,40}", partition in 0_i32..9999, era in 0_u32..5, next in 0_i64..) {
            let (place, mark) = (Place::new(&topic, partition), Mark { era, next });
            let row = row(&"k".into(), place.key(), mark.write());
            let (marks, _) = read_rows(&[row]);
            prop_assert_eq!(marks.get(&place), Some(&mark));
        }

        #[test]
        fn any_row_is_read_or_left_out(key in ".{0,40}", value in ".{0,40}") {
            read_rows(&[row(&"k".into(), key, value)]);
        }
    }
}
