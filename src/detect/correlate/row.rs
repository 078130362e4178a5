//! The state of one group of one correlation.

use std::sync::Arc;

use smallvec::SmallVec;

use crate::detect::correlate::condition::Test;
use crate::detect::correlate::judge::{self, Outcome};
use crate::detect::correlate::lane::{Entry, Lane};
use crate::stdx::time::Timestamp;

/// Hosts and users that one row tells apart; events of others carry none.
const PLACES_MAX: usize = 256;
/// Stretches of event time that one row follows. The second keeps one event from the future, a clock that
/// steps, or an old file that is read beside a new one from blinding the group.
pub const LANES_MAX: usize = 2;

/// Where an event happened; shared by the rows that know it.
#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub struct Place {
    /// The endpoint, or empty.
    pub host: Box<str>,
    /// The user, or empty.
    pub user: Box<str>,
}

/// The state of one group.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// When it was last used, in uses of any row: the order of eviction.
    pub touched: u64,
    /// Hosts and users of its events.
    pub places: SmallVec<[Arc<Place>; 1]>,
    /// Its events; the lane that was used last stands last.
    pub lanes: SmallVec<[Lane; 1]>,
}

impl Row {
    /// How many events it holds.
    pub fn len(&self) -> usize {
        self.lanes.iter().map(|lane| lane.entries().len()).sum()
    }

    /// Holds nothing?
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Add an event. `None` if it was there already.
    pub fn add(&mut self, entry: Entry, span_us: i64, test: &Test) -> Option<Outcome> {
        let late = self.choose(entry.time, span_us);
        let lane = self.lanes.last_mut()?;
        let at = lane.insert(entry, test.has_steps())?;
        let mut outcome = judge::judge(lane, at, span_us, test);
        outcome.dropped = lane.make_room(span_us, test);
        outcome.late = late;
        Some(outcome)
    }

    /// Make the lane that takes an event of this time the last one, or begin one. `true` if the event is late.
    fn choose(&mut self, time: Timestamp, span_us: i64) -> bool {
        let takes = |lane: &Lane| lane.takes(time, span_us);
        // Nearly always.
        let late = self.lanes.iter().any(|lane| lane.is_late(time, span_us));
        if self.lanes.len() == 1 && self.lanes.first().is_some_and(takes) {
            return late;
        }
        let mut taking = self.lanes.iter().enumerate().filter(|(_, lane)| takes(lane));
        let (one, other) = (taking.next().map(|(at, _)| at), taking.next().map(|(at, _)| at));
        let lane = match (one, other) {
            (Some(one), Some(other)) => {
                let mut lane = self.lanes.remove(other);
                lane.merge(self.lanes.remove(one));
                lane
            }
            (Some(one), None) => self.lanes.remove(one),
            (None, _) => {
                if self.lanes.len() >= LANES_MAX {
                    self.lanes.remove(0);
                }
                Lane::default()
            }
        };
        self.lanes.push(lane);
        late
    }

    /// The place number of a host and a user; `make` makes the shared form of a new one.
    pub fn place(&mut self, host: &str, user: &str, make: impl FnOnce() -> Arc<Place>) -> u16 {
        let same = |place: &Arc<Place>| *place.host == *host && *place.user == *user;
        let index = self.places.iter().position(same).unwrap_or_else(|| {
            if self.places.len() < PLACES_MAX {
                self.places.push(make());
                self.places.len() - 1
            } else {
                PLACES_MAX
            }
        });
        u16::try_from(index).unwrap_or(u16::MAX)
    }

    /// Drop the hosts and users that no event of the row has any more. Numbers that were given out change.
    pub fn forget_places(&mut self) {
        if self.places.len() <= self.len() {
            return;
        }
        let old = std::mem::take(&mut self.places);
        let mut moved: Vec<Option<u16>> = vec![None; old.len()];
        for entry in self.lanes.iter_mut().flat_map(Lane::entries_mut) {
            let index = usize::from(entry.place);
            let (Some(place), Some(slot)) = (old.get(index), moved.get_mut(index)) else {
                continue;
            };
            let new = *slot.get_or_insert_with(|| {
                self.places.push(Arc::clone(place));
                u16::try_from(self.places.len() - 1).unwrap_or(u16::MAX)
            });
            entry.place = new;
        }
    }
}
