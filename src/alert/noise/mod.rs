//! What keeps alerts few and loses nothing: budgets of rules, windows of repeats, and how rare a match is.
//!
//! Like the alert stage it depends on the sequence of findings alone. Its state is rows that go into the same commit
//! as the alerts, so a crash changes nothing.

mod budget;
mod rarity;

use crate::model::alert::AlertId;
use crate::model::episode::OpenEpisode;
use crate::model::finding::{Finding, RuleInfo};
use crate::model::noise::{
    EpisodeNoise, FieldRarity, NoiseChanges, NoiseCounts, Release, Released,
};
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::time::Timestamp;

pub(super) use budget::Admitted;
pub use budget::HELD_MAX;
pub use rarity::FIRINGS_MAX;

use budget::Budgets;
use rarity::Memory;

/// A window of repeats that a finding falls under.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Window {
    /// The values that a repeat shares, field by field.
    pub values: Vec<(String, String)>,
    /// How long it lasts, from the match that began it.
    pub micros: i64,
}

/// What is asked about a finding.
pub struct Policy<'a> {
    /// New alerts a day that a rule may make; `None`: as many as it likes.
    pub budget: &'a dyn Fn(&RuleInfo) -> Option<u64>,
    /// The window of repeats that it falls under.
    pub window: &'a dyn Fn(&Finding) -> Option<Window>,
}

/// The state of all of it.
pub(super) struct Noise {
    pub(super) budgets: Budgets,
    memory: Memory,
    rarity: Vec<(AlertId, Vec<FieldRarity>)>,
    held: Vec<OpenEpisode>,
    released: Vec<Released>,
    suppressed: u64,
}

impl Noise {
    /// Without state; `firings` are remembered of a rule on an endpoint.
    pub(super) fn new(firings: usize) -> Noise {
        Noise {
            budgets: Budgets::default(),
            memory: Memory::new(firings),
            rarity: Vec::new(),
            held: Vec::new(),
            released: Vec::new(),
            suppressed: 0,
        }
    }

    /// Take back the rows of the store. What cannot be read is left out: it says only how noisy things were.
    pub(super) fn restore(&mut self, rows: Vec<(String, Vec<u8>)>) {
        for (key, value) in rows {
            let known = self.budgets.restore(&key, &value) || self.memory.restore(&key, &value);
            if !known {
                tracing::warn!(key, "a row about noise cannot be read and is left out");
            }
        }
    }

    /// Note how rare the first match of a new alert is.
    pub(super) fn note(&mut self, alert: AlertId, finding: &Finding) {
        let note = self.memory.note(finding);
        if !note.is_empty() {
            self.rarity.push((alert, note));
        }
    }

    /// Remember a match.
    pub(super) fn remember(&mut self, finding: &Finding) {
        self.memory.add(finding);
    }

    /// A match that joined by the window alone.
    pub(super) fn count_suppressed(&mut self) {
        self.suppressed += 1;
    }

    /// Keep an episode back.
    pub(super) fn hold(&mut self, episode: OpenEpisode) {
        self.held.push(episode);
    }

    /// Let a rule go on. `false`: that was carried out already.
    pub(super) fn release(&mut self, release: &Release) -> bool {
        match self.budgets.release(release) {
            Some(released) => {
                self.released.extend(released);
                true
            }
            None => false,
        }
    }

    /// Everything that changed since the last time.
    pub(super) fn take(&mut self) -> NoiseChanges {
        let mut rows = self.budgets.take_rows();
        rows.extend(self.memory.take_rows());
        NoiseChanges {
            rows,
            released: std::mem::take(&mut self.released),
            held: std::mem::take(&mut self.held),
            rarity: std::mem::take(&mut self.rarity),
        }
    }

    /// What was kept from the queue since the start.
    pub(super) fn counts(&self) -> NoiseCounts {
        NoiseCounts {
            suppressed: self.suppressed,
            held: self.budgets.findings_held(),
            parked: self.budgets.parked() as u64,
            forgotten: self.memory.forgotten(),
        }
    }
}

/// What a finding under a window must share to join: rule, endpoint and the values, whatever the rule's group is.
pub(super) fn key_of(finding: &Finding, window: &Window) -> Id128 {
    let mut hasher = IdHasher::new("window");
    hasher.text(&finding.tenant).text(&finding.rule.id).text(&finding.host);
    for (field, value) in &window.values {
        hasher.text(field).text(value);
    }
    hasher.finish()
}

/// What a new episode keeps.
pub(super) fn begin(finding: &Finding, window: Option<&Window>, held: bool) -> EpisodeNoise {
    let window_us = window.map_or(0, |window| window.micros);
    EpisodeNoise { anchor: finding.timestamp, window_us, held }
}

/// Is a time within the window? It begins with the match that began the episode and does not slide, so that what goes on
/// and on is told again after each window. An event that came late counts before it as after it; a match exactly one
/// window away is outside.
pub(super) fn in_window(noise: &EpisodeNoise, at: Timestamp) -> bool {
    noise.window_us > 0
        && at.micros_since(noise.anchor).unsigned_abs() < noise.window_us.unsigned_abs()
}

/// How long after the episode's last match, by event time, something may still join.
pub(super) fn reach(episode: &OpenEpisode, gap_us: i64) -> i64 {
    let end = episode.noise.anchor.plus_micros(episode.noise.window_us);
    gap_us.max(end.micros_since(episode.last_seen))
}

#[cfg(test)]
mod tests;
