//! The numbers of one stream: what came, what is missing between, and where numbering began anew.
//!
//! Numbering has epochs: a boot, a cleared log or a restored snapshot begins one. Numbers and event times together say
//! which epoch a record belongs to, so records may come late and files may be read in any order.

use crate::gaps::number::{Kind, Numbered};
use crate::gaps::{EPOCHS_MAX, FORWARD_MAX, HOLES_MAX, HOLES_TRUSTED_MAX};
use crate::model::event::EventId;
use crate::model::record::Numbering;
use crate::stdx::time::{SECOND_US, Timestamp};

/// Records of one stream carry times that go back and forth by this much at most.
const SLACK_US: i64 = 30 * SECOND_US;
/// How near the end of a counter's width a step back is a wrap.
const WRAP_WINDOW: u64 = 1_000_000;

/// Numbers that did not come, all of one run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hole {
    pub from: u64,
    pub to: u64,
    pub noticed: Timestamp,
    pub at: Timestamp,
    /// The event behind it.
    pub event: EventId,
    pub voice: Voice,
}

/// Does a hole become an alert?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Voice {
    /// It was noticed where holes are the rule.
    Silent,
    /// When its grace is over.
    Waits,
    /// It did.
    Told,
}

impl Hole {
    pub(super) fn numbers(&self) -> u64 {
        self.to.saturating_sub(self.from).saturating_add(1)
    }
}

/// From one beginning of numbering to the next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Epoch {
    pub low: u64,
    pub high: u64,
    pub low_at: Timestamp,
    pub high_at: Timestamp,
    /// Ascending, never touching.
    pub holes: Vec<Hole>,
}

/// One stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Track {
    /// Oldest first.
    pub epochs: Vec<Epoch>,
    pub restarts: u64,
    pub filled: u64,
    /// It has shown so many numbers in a row that a hole means something.
    pub proved: bool,
    /// Holes and numbers that are no longer listed.
    pub given_up: (u64, u64),
}

/// What decides whether a hole is an alert.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trust {
    /// The source says that nothing is left out.
    pub complete: bool,
    /// Numbers in a row that prove it.
    pub consecutive: u64,
}

impl Track {
    /// A record came.
    pub(super) fn see(&mut self, seen: &Numbered<'_>, now: Timestamp, trust: Trust) {
        let place = self.place(seen);
        let (index, number) = match place {
            Some(place) => place,
            None => (self.begin(seen), seen.number),
        };
        let (trusted, kind) = (trust.complete || self.proved, seen.kind);
        let voice = if trusted { Voice::Waits } else { Voice::Silent };
        let hole = Hole { from: 0, to: 0, noticed: now, at: seen.at, event: seen.event, voice };
        let Some(epoch) = self.epochs.get_mut(index) else { return };
        self.filled += u64::from(epoch.take(number, seen.at, hole, kind));
        self.settle(trusted, trust);
    }

    /// Numbers of a carrier came. They stand in order and have no times, so one that was there before is a repeat.
    pub(super) fn see_runs(&mut self, seen: &Numbering, now: Timestamp, trust: Trust) {
        let trusted = trust.complete || self.proved;
        let voice = if trusted { Voice::Waits } else { Voice::Silent };
        let (at, event) = (Timestamp::default(), EventId::default());
        let hole = Hole { from: 0, to: 0, noticed: now, at, event, voice };
        if self.epochs.is_empty() {
            let Some((first, _)) = seen.read.first() else { return };
            // What was to come first may be missing; the number before it was dealt with.
            let low = seen.from.min(*first).saturating_sub(1);
            let mut epoch = Epoch { low, high: low, ..Epoch::default() };
            if let (0, Some(last)) = (seen.from, first.checked_sub(1)) {
                epoch.open(0, last, hole, Kind::Offset);
                epoch.high = last;
            }
            self.epochs.push(epoch);
        }
        let Some(epoch) = self.epochs.last_mut() else { return };
        epoch.high = epoch.high.max(seen.from.saturating_sub(1));
        for (first, last) in &seen.read {
            epoch.low = epoch.low.min(*first);
            self.filled += epoch.fill_run(*first, *last);
            if let Some(next) = epoch.high.checked_add(1).filter(|next| next < first) {
                epoch.open(next, first - 1, hole, Kind::Offset);
            }
            epoch.high = epoch.high.max(*last);
        }
        self.settle(trusted, trust);
    }

    /// Is the stream proved now, and are there too many holes?
    fn settle(&mut self, trusted: bool, trust: Trust) {
        let run = self.epochs.last().map_or(0, Epoch::run);
        self.proved |= run >= trust.consecutive;
        let max = if trusted { HOLES_TRUSTED_MAX } else { HOLES_MAX };
        self.bound(max, trust.complete);
    }

    /// Which epoch a record belongs to, and its number there; `None`: it begins one.
    fn place(&self, seen: &Numbered<'_>) -> Option<(usize, u64)> {
        if self.epochs.is_empty() {
            return None;
        }
        let each = self.epochs.iter().enumerate().rev();
        let candidates =
            each.map(|(index, epoch)| (index, epoch.unwrapped(seen.number, seen.kind)));
        candidates
            .into_iter()
            .find(|(index, number)| self.fits(*index, *number, seen.at, seen.restarts))
    }

    fn fits(&self, index: usize, number: u64, at: Timestamp, restarts: bool) -> bool {
        let Some(epoch) = self.epochs.get(index) else { return false };
        let (early, late) = (at.plus_micros(-SLACK_US), at.plus_micros(SLACK_US));
        let newer = self.epochs.get(index + 1);
        let older = index.checked_sub(1).and_then(|before| self.epochs.get(before));
        if Some(number) == epoch.high.checked_add(1) {
            return true;
        }
        if number > epoch.high {
            let newest = newer.is_none_or(|newer| early <= newer.low_at);
            let near = number - epoch.high <= FORWARD_MAX;
            return late >= epoch.high_at && newest && near && !restarts;
        }
        if number < epoch.low {
            let oldest = older.is_none_or(|older| late >= older.high_at);
            let near = epoch.low - number <= FORWARD_MAX;
            return early <= epoch.low_at && oldest && near && !(restarts && at > epoch.low_at);
        }
        let within = late >= epoch.low_at && early <= epoch.high_at;
        within && !(restarts && at > epoch.high_at)
    }

    /// Begin an epoch, in the order of time.
    fn begin(&mut self, seen: &Numbered<'_>) -> usize {
        let at = seen.at;
        if !self.epochs.is_empty() {
            self.restarts += 1;
        }
        if self.epochs.len() >= EPOCHS_MAX {
            let gone = self.epochs.remove(0);
            self.give_up(&gone.holes);
        }
        let index = self.epochs.iter().take_while(|epoch| epoch.low_at <= at).count();
        let (low, high) = (seen.number, seen.number);
        let epoch = Epoch { low, high, low_at: at, high_at: at, holes: Vec::new() };
        self.epochs.insert(index, epoch);
        index
    }

    /// List no more than `max` holes: the oldest are only counted. So many say that somebody filters, unless the source
    /// says that nobody does.
    fn bound(&mut self, max: usize, complete: bool) {
        let mut count: usize = self.epochs.iter().map(|epoch| epoch.holes.len()).sum();
        if count > max && max == HOLES_TRUSTED_MAX && !complete {
            self.proved = false;
        }
        while count > max {
            let Some(epoch) = self.epochs.iter_mut().find(|epoch| !epoch.holes.is_empty()) else {
                return;
            };
            let hole = epoch.holes.remove(0);
            self.give_up(&[hole]);
            count -= 1;
        }
    }

    fn give_up(&mut self, holes: &[Hole]) {
        self.given_up.0 += holes.len() as u64;
        self.given_up.1 += holes.iter().map(Hole::numbers).sum::<u64>();
    }

    /// Holes whose grace is over and which become an alert now.
    pub(super) fn ripe(&mut self, noticed_until: Timestamp) -> Vec<Hole> {
        let holes = self.epochs.iter_mut().flat_map(|epoch| epoch.holes.iter_mut());
        let ripe = holes.filter(|hole| hole.voice == Voice::Waits && hole.noticed <= noticed_until);
        ripe.map(|hole| {
            hole.voice = Voice::Told;
            *hole
        })
        .collect()
    }

    /// Does a hole wait for its grace?
    pub(super) fn waits(&self) -> bool {
        self.holes().any(|hole| hole.voice == Voice::Waits)
    }

    pub(super) fn holes(&self) -> impl Iterator<Item = &Hole> {
        self.epochs.iter().flat_map(|epoch| epoch.holes.iter())
    }

    /// The newest number.
    pub(super) fn last(&self) -> u64 {
        self.epochs.last().map_or(0, |epoch| epoch.high)
    }
}

impl Epoch {
    /// The number counted on over the ends of its counter's width.
    fn unwrapped(&self, number: u64, kind: Kind) -> u64 {
        let Some(period) = kind.period() else { return number };
        let base = self.high / period * period;
        let near = |candidate: &u64| candidate.abs_diff(self.high) <= WRAP_WINDOW;
        let turns = [Some(base), base.checked_add(period), base.checked_sub(period)];
        let mut turns = turns.into_iter().flatten().map(|turn| turn.saturating_add(number));
        turns.find(near).unwrap_or(base.saturating_add(number))
    }

    /// The number came. Did it fill a hole?
    fn take(&mut self, number: u64, at: Timestamp, hole: Hole, kind: Kind) -> bool {
        if number > self.high {
            self.open(self.high + 1, number - 1, hole, kind);
            self.high = number;
            self.high_at = self.high_at.max(at);
            return false;
        }
        if number < self.low {
            self.open(number + 1, self.low - 1, hole, kind);
            self.low = number;
            self.low_at = self.low_at.min(at);
            return false;
        }
        self.fill(number)
    }

    fn open(&mut self, from: u64, to: u64, hole: Hole, kind: Kind) {
        let period = kind.period().unwrap_or(u64::MAX);
        let mut from = from;
        while from <= to {
            if kind.is_unused(from) {
                from += 1;
                continue;
            }
            // A hole over the end of the counter's width is two.
            let turn = (from / period + 1).saturating_mul(period);
            let end = if kind == Kind::AuditSerial { to.min(turn.saturating_sub(1)) } else { to };
            let place = self.holes.partition_point(|known| known.to < from);
            self.holes.insert(place, Hole { from, to: end, ..hole });
            let Some(next) = end.checked_add(1) else { return };
            from = next;
        }
    }

    fn fill(&mut self, number: u64) -> bool {
        let place = self.holes.partition_point(|hole| hole.to < number);
        let Some(hole) = self.holes.get_mut(place).filter(|hole| hole.from <= number) else {
            return false;
        };
        match (hole.from == number, hole.to == number) {
            (true, true) => drop(self.holes.remove(place)),
            (true, false) => hole.from += 1,
            (false, true) => hole.to -= 1,
            (false, false) => {
                let behind = Hole { from: number + 1, ..*hole };
                hole.to = number - 1;
                self.holes.insert(place + 1, behind);
            }
        }
        true
    }

    /// All these numbers came. How many of them filled a hole?
    fn fill_run(&mut self, first: u64, last: u64) -> u64 {
        if self.holes.last().is_none_or(|hole| hole.to < first) {
            return 0;
        }
        let mut filled = 0;
        let holes = std::mem::take(&mut self.holes);
        for hole in holes {
            let (from, to) = (hole.from.max(first), hole.to.min(last));
            if from > to {
                self.holes.push(hole);
                continue;
            }
            filled += to - from + 1;
            if hole.from < from {
                self.holes.push(Hole { to: from - 1, ..hole });
            }
            if hole.to > to {
                self.holes.push(Hole { from: to + 1, ..hole });
            }
        }
        filled
    }

    /// Numbers in a row up to the newest.
    fn run(&self) -> u64 {
        let before = self.holes.last().map_or(self.low.saturating_sub(1), |hole| hole.to);
        self.high.saturating_sub(before)
    }
}
