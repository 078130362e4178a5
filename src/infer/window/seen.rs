//! What an endpoint did before the window: in how many earlier panes each key was seen. Bounded: the keys seen least go.

use serde::{Deserialize, Serialize};

/// Keys that an active endpoint remembers.
pub const SEEN_MAX: usize = 2_048;
/// Keys that an endpoint without open panes remembers.
pub const SEEN_IDLE_MAX: usize = 192;

/// Earlier panes by key.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Panes with something in the graph.
    panes: u32,
    /// Halves of keys, sorted. A half is enough for one endpoint.
    keys: Vec<u32>,
    counts: Vec<u8>,
}

impl Seen {
    /// Take in a pane's keys (sorted, each once).
    pub fn fold(&mut self, keys: &[u64]) {
        self.panes = self.panes.saturating_add(1);
        let mut new: Vec<u32> = keys.iter().map(|key| half(*key)).collect();
        new.sort_unstable();
        new.dedup();
        let mut out_keys = Vec::with_capacity(self.keys.len() + new.len());
        let mut out_counts = Vec::with_capacity(self.keys.len() + new.len());
        let mut old = self.keys.iter().copied().zip(self.counts.iter().copied()).peekable();
        let mut fresh = new.into_iter().peekable();
        loop {
            let (key, count) = match (old.peek().copied(), fresh.peek().copied()) {
                (Some((key, count)), Some(new)) if key == new => {
                    old.next();
                    fresh.next();
                    (key, count.saturating_add(1))
                }
                (Some((key, count)), Some(new)) if key < new => {
                    old.next();
                    (key, count)
                }
                (Some((key, count)), None) => {
                    old.next();
                    (key, count)
                }
                (_, Some(new)) => {
                    fresh.next();
                    (new, 1)
                }
                (None, None) => break,
            };
            out_keys.push(key);
            out_counts.push(count);
        }
        (self.keys, self.counts) = (out_keys, out_counts);
        if self.keys.len() > SEEN_MAX {
            self.shrink(SEEN_MAX / 2);
        }
    }

    /// Keep the keys seen most, of equals the smaller.
    pub fn shrink(&mut self, max: usize) {
        if self.keys.len() > max {
            let mut all: Vec<(u8, u32)> =
                self.counts.iter().copied().zip(self.keys.iter().copied()).collect();
            all.sort_unstable_by(|left, right| right.0.cmp(&left.0).then(left.1.cmp(&right.1)));
            all.truncate(max);
            all.sort_unstable_by_key(|(_, key)| *key);
            (self.counts, self.keys) = all.into_iter().unzip();
        }
        self.keys.shrink_to_fit();
        self.counts.shrink_to_fit();
    }

    /// In how many earlier panes.
    pub fn count(&self, key: u64) -> u8 {
        match self.keys.binary_search(&half(key)) {
            Ok(place) => self.counts.get(place).copied().unwrap_or(0),
            Err(_) => 0,
        }
    }

    /// How many panes there were.
    pub fn panes(&self) -> u32 {
        self.panes
    }

    /// Bytes held.
    pub fn heap_bytes(&self) -> usize {
        self.keys.capacity() * 4 + self.counts.capacity()
    }
}

fn half(key: u64) -> u32 {
    (key >> 32) as u32 ^ key as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_counted_by_pane_and_the_ones_seen_least_go() {
        let mut seen = Seen::default();
        seen.fold(&[1, 2]);
        seen.fold(&[2, 3]);
        assert_eq!((seen.panes(), seen.count(1), seen.count(2), seen.count(4)), (2, 1, 2, 0));
        seen.shrink(1);
        assert_eq!((seen.count(1), seen.count(2)), (0, 2));
    }
}
