//! The disagreement lane: windows about which the members of a model do not agree. They go to a list, not to the queue.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Stretches that are listed; those before are counted only.
pub const LISTED_MAX: usize = 1_000;
const KEY: &str = "watch";

/// A stretch of windows of one endpoint about which members disagree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disagreement {
    /// `organization.id`.
    pub tenant: String,
    /// The endpoint.
    pub host: String,
    /// Where the first begins, in seconds since 1970.
    pub start: i64,
    /// Where the last ends.
    pub end: i64,
    /// How many.
    pub windows: u64,
    /// The largest spread.
    pub spread: f32,
    /// The score of that window.
    pub score: f32,
}

/// The list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WatchList {
    listed: VecDeque<Disagreement>,
    /// All windows, also those that are listed no more.
    windows: u64,
    #[serde(skip)]
    changed: bool,
}

impl WatchList {
    /// Note a window if its members disagree more than `limit`. Was it noted? One that becomes an alert belongs there, not here.
    pub fn note(&mut self, one: Disagreement, limit: f32, interval_s: i64) -> bool {
        if one.spread.is_nan() || one.spread <= limit {
            return false;
        }
        self.changed = true;
        self.windows += 1;
        let near = |known: &&mut Disagreement| {
            known.host == one.host
                && known.tenant == one.tenant
                && one.start <= known.end.saturating_add(interval_s)
                && one.end >= known.start.saturating_sub(interval_s)
        };
        if let Some(known) = self.listed.iter_mut().rev().find(near) {
            known.start = known.start.min(one.start);
            known.end = known.end.max(one.end);
            known.windows += 1;
            if one.spread > known.spread {
                (known.spread, known.score) = (one.spread, one.score);
            }
            return true;
        }
        self.listed.push_back(one);
        if self.listed.len() > LISTED_MAX {
            self.listed.pop_front();
        }
        true
    }

    /// Stretches that are listed, oldest first.
    pub fn listed(&self) -> impl DoubleEndedIterator<Item = &Disagreement> {
        self.listed.iter()
    }

    /// All windows that were noted.
    pub fn windows(&self) -> u64 {
        self.windows
    }

    /// Read the row back. `false`: it is none of ours, or cannot be read.
    pub fn restore(&mut self, key: &str, value: &[u8]) -> bool {
        let read = (key == KEY).then(|| serde_json::from_slice(value).ok()).flatten();
        read.map(|list| *self = list).is_some()
    }

    /// The row, if it changed.
    pub fn take_row(&mut self) -> Option<(String, Vec<u8>)> {
        let changed = std::mem::take(&mut self.changed);
        changed.then(|| (KEY.to_owned(), serde_json::to_vec(self).unwrap_or_default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(host: &str, end: i64, spread: f32) -> Disagreement {
        let host = host.to_owned();
        Disagreement {
            tenant: "t".to_owned(),
            host,
            start: end - 180,
            end,
            windows: 1,
            spread,
            score: 0.4,
        }
    }

    #[test]
    fn windows_that_touch_are_one_entry_and_agreement_is_none() {
        let mut list = WatchList::default();
        assert!(!list.note(window("a", 1_000, 0.3), 0.3, 30), "not above the limit");
        assert!(!list.note(window("a", 1_000, f32::NAN), 0.3, 30));
        assert_eq!(list.take_row(), None);
        for step in 0..10 {
            assert!(list.note(window("a", 1_000 + step * 30, 0.4 + step as f32 / 100.0), 0.3, 30));
        }
        assert!(list.note(window("b", 1_000, 0.9), 0.3, 30));
        assert!(list.note(window("a", 9_000, 0.9), 0.3, 30));
        let seen: Vec<(i64, i64, u64)> =
            list.listed().map(|d| (d.start, d.end, d.windows)).collect();
        assert_eq!(seen, [(820, 1_270, 10), (820, 1_000, 1), (8_820, 9_000, 1)]);
        let (key, row) = list.take_row().unwrap();
        let mut again = WatchList::default();
        assert!(again.restore(&key, &row) && !again.restore("other", &row));
        assert_eq!(again.windows(), 12);
    }
}
