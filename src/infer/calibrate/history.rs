//! The block maxima of one endpoint: bounded in number, in how fast they rise, and in what people can change of them.
//!
//! Who can make a score high can make a history high, and then nothing stands out. So at the beginning of each day a **bar** is
//! set: the lowest value that would stand out. A day lets so many values above its bar in as they are, the others just below
//! the bar. Chance alone brings about as many as the budget.

use std::collections::VecDeque;

use crate::infer::calibrate::drift::{self, Drift};
use crate::infer::calibrate::quantum::Quantum;
use crate::infer::calibrate::{Changed, Settings};

/// Blocks of an endpoint that are kept: two days of windows of three minutes.
pub const BLOCKS_MAX: usize = 959;
/// High blocks that a verdict can still take out.
const TRACKED_MAX: usize = 64;
/// Changes by verdicts in a day.
pub const CHANGES_A_DAY_MAX: u32 = 20;

/// Block maxima of one endpoint, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    pub(super) model: u64,
    pub(super) values: VecDeque<Quantum>,
    pub(super) open: Option<Open>,
    pub(super) day: i64,
    /// Values of this day above the bar that entered as they were.
    pub(super) taken: u64,
    pub(super) bar: Option<Quantum>,
    pub(super) tracked: VecDeque<Tracked>,
    /// Grows with each change by people.
    pub(super) version: u64,
    pub(super) changes: (i64, u32),
    pub(super) clipped: u64,
    pub(super) excluded: u64,
    pub(super) late: u64,
    pub(super) refused: u64,
}

/// The block that is not over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Open {
    /// Its number.
    pub block: i64,
    /// The highest so far.
    pub max: Quantum,
    /// It never enters.
    pub excluded: bool,
}

/// A high block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tracked {
    /// Its number.
    pub block: i64,
    /// With which value it entered.
    pub value: Quantum,
    /// It was taken out.
    pub out: bool,
}

/// Values above the bar that a day lets in as they are: four times what chance brings, and a few.
pub fn intake(budget: u64) -> u64 {
    4 * budget + 4
}

impl History {
    /// Blocks that are known.
    pub fn len(&self) -> usize {
        self.values.len()
    }

    /// Nothing is known.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Blocks as high as this.
    pub fn as_high(&self, value: Quantum) -> usize {
        self.values.iter().filter(|other| **other >= value).count()
    }

    /// Whether its scores have moved. Worked out when it is asked for, so that no window pays for it.
    pub fn drift(&self) -> Drift {
        drift::measure(self.values.iter().copied())
    }

    /// Grows with each change by people.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Values that entered lower than they were.
    pub fn clipped(&self) -> u64 {
        self.clipped
    }

    /// Blocks that never entered.
    pub fn excluded(&self) -> u64 {
        self.excluded
    }

    /// Windows older than the newest block.
    pub fn late(&self) -> u64 {
        self.late
    }

    /// Changes that were too many in a day.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The newest block.
    pub fn newest(&self) -> i64 {
        self.open.map_or(i64::MIN, |open| open.block)
    }

    /// Scores of this model come; another model's say nothing of them.
    pub fn begin(&mut self, model: u64) {
        if self.model != model {
            let version = self.version;
            *self = History { model, version, ..History::default() };
        }
    }

    /// Cold again.
    pub fn reset(&mut self) {
        let (model, version) = (self.model, self.version + 1);
        *self = History { model, version, ..History::default() };
    }

    /// A window ended in this block. What entered, if another block is over with that.
    pub fn observe(
        &mut self,
        settings: &Settings,
        block: i64,
        value: Quantum,
        threshold: Quantum,
        excluded: bool,
    ) -> Option<Quantum> {
        let fresh = Open { block, max: value, excluded };
        match &mut self.open {
            None => {
                self.open = Some(fresh);
                None
            }
            Some(open) if block < open.block => {
                self.late += 1;
                None
            }
            Some(open) if block == open.block => {
                open.max = open.max.max(value);
                open.excluded |= excluded;
                None
            }
            Some(open) => {
                let over = std::mem::replace(open, fresh);
                self.close(settings, over, threshold)
            }
        }
    }

    fn close(&mut self, settings: &Settings, over: Open, threshold: Quantum) -> Option<Quantum> {
        if over.excluded {
            self.excluded += 1;
            return None;
        }
        let day = settings.day(over.block);
        if day != self.day || self.bar.is_none() {
            self.day = day;
            self.taken = 0;
            self.bar = Some(self.stands_out_from(settings).unwrap_or(threshold));
        }
        let bar = self.bar.unwrap_or(threshold);
        let mut value = over.max;
        if value >= bar {
            if self.taken < intake(settings.budget) {
                self.taken += 1;
            } else {
                value = bar.below();
                self.clipped += 1;
            }
            self.tracked.push_back(Tracked { block: over.block, value, out: false });
            if self.tracked.len() > TRACKED_MAX {
                self.tracked.pop_front();
            }
        }
        self.values.push_back(value);
        if self.values.len() > BLOCKS_MAX {
            self.values.pop_front();
        }
        Some(value)
    }

    /// The lowest value that would stand out now; `None` while cold.
    fn stands_out_from(&self, settings: &Settings) -> Option<Quantum> {
        if self.len() < settings.needed() {
            return None;
        }
        // A value stands out when fewer than this many are as high.
        let room = (settings.level() * (self.len() + 1) as f64 * (1.0 + 1e-9)).floor() as usize;
        let mut sorted: Vec<Quantum> = self.values.iter().copied().collect();
        sorted.sort_unstable_by(|a, b| b.cmp(a));
        let last = sorted.get(room.checked_sub(1)?)?;
        Some(Quantum(last.0.saturating_add(1)))
    }

    /// An accepted verdict says attack: the block leaves.
    pub fn exclude(&mut self, block: i64, day: i64) -> Changed {
        if let Some(open) = self.open.as_mut().filter(|open| open.block == block && !open.excluded)
        {
            open.excluded = true;
            return self.changed(day);
        }
        let Some(at) = self.tracked.iter().position(|t| t.block == block && !t.out) else {
            return Changed::Nothing;
        };
        if self.is_refused(day) {
            return Changed::Refused;
        }
        if let Some(tracked) = self.tracked.get_mut(at) {
            tracked.out = true;
            let value = tracked.value;
            if let Some(place) = self.values.iter().rposition(|other| *other == value) {
                self.values.remove(place);
            }
        }
        self.excluded += 1;
        self.changed(day)
    }

    /// The verdict was withdrawn: the block comes back, as the oldest.
    pub fn restore(&mut self, block: i64, day: i64) -> Changed {
        let Some(at) = self.tracked.iter().position(|t| t.block == block && t.out) else {
            return Changed::Nothing;
        };
        if self.is_refused(day) {
            return Changed::Refused;
        }
        if let Some(tracked) = self.tracked.get_mut(at) {
            tracked.out = false;
            let value = tracked.value;
            if self.values.len() < BLOCKS_MAX {
                self.values.push_front(value);
            }
        }
        self.changed(day)
    }

    fn is_refused(&mut self, day: i64) -> bool {
        let refused = self.changes.0 == day && self.changes.1 >= CHANGES_A_DAY_MAX;
        self.refused += u64::from(refused);
        refused
    }

    fn changed(&mut self, day: i64) -> Changed {
        self.changes = if self.changes.0 == day { (day, self.changes.1 + 1) } else { (day, 1) };
        self.version += 1;
        Changed::Done
    }
}
