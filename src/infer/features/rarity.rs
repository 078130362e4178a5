//! How common something is: in how many pairs of day and endpoint a key was seen. Counts only; the keys are hashes.
//!
//! A model brings the counts of its training environments as a file: [`MAGIC`], the number of pairs, then each key with its
//! count, ascending by key; all numbers little-endian.

use std::collections::BTreeMap;

use ahash::AHashMap;
use smallvec::SmallVec;

/// The file begins with it; the digit is its version.
pub const MAGIC: &[u8; 8] = b"WFKNOWN1";
const KEY_BYTES: usize = 8;
const ROW_BYTES: usize = KEY_BYTES + 4;

/// Counts by key for one set of days.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Snapshot {
    pairs: u32,
    keys: AHashMap<u64, u32>,
}

impl Snapshot {
    /// In how many pairs the key was seen.
    pub fn count(&self, key: u64) -> u32 {
        self.keys.get(&key).copied().unwrap_or(0)
    }

    /// How many pairs there are.
    pub fn pairs(&self) -> u32 {
        self.pairs
    }

    /// How many keys there are.
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// As a file.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut rows: Vec<(u64, u32)> =
            self.keys.iter().map(|(key, count)| (*key, *count)).collect();
        rows.sort_unstable();
        let mut bytes = Vec::with_capacity(MAGIC.len() + 4 + rows.len() * ROW_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.pairs.to_le_bytes());
        for (key, count) in rows {
            bytes.extend_from_slice(&key.to_le_bytes());
            bytes.extend_from_slice(&count.to_le_bytes());
        }
        bytes
    }

    /// Read a file. `None`: it is none, cut off, or its keys do not ascend.
    pub fn from_bytes(bytes: &[u8]) -> Option<Snapshot> {
        let (pairs, rows) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<4>()?;
        let rows = rows.chunks(ROW_BYTES);
        let mut keys = AHashMap::with_capacity(rows.len());
        let mut last = None;
        for row in rows {
            let (key, count) = row.split_first_chunk::<KEY_BYTES>()?;
            let key = u64::from_le_bytes(*key);
            let count = u32::from_le_bytes(count.try_into().ok()?);
            if last.is_some_and(|last| key <= last) {
                return None;
            }
            last = Some(key);
            keys.insert(key, count);
        }
        Some(Snapshot { pairs: u32::from_le_bytes(*pairs), keys })
    }
}

/// Counts by key and day, from which a snapshot without one day can be made.
#[derive(Clone, Debug, Default)]
pub struct History {
    days: BTreeMap<i64, u32>,
    keys: AHashMap<u64, SmallVec<[(i64, u32); 2]>>,
}

impl History {
    /// Take in the keys that one endpoint showed on one day.
    pub fn add(&mut self, day: i64, keys: impl IntoIterator<Item = u64>) {
        *self.days.entry(day).or_default() += 1;
        for key in keys {
            let days = self.keys.entry(key).or_default();
            match days.iter_mut().find(|(known, _)| *known == day) {
                Some((_, count)) => *count += 1,
                None => days.push((day, 1)),
            }
        }
    }

    /// The counts of all days but one.
    pub fn without(&self, day: Option<i64>) -> Snapshot {
        let other = |known: i64| Some(known) != day;
        let pairs =
            self.days.iter().filter(|(known, _)| other(**known)).map(|(_, pairs)| *pairs).sum();
        let mut keys = AHashMap::with_capacity(self.keys.len());
        for (key, days) in &self.keys {
            let count: u32 =
                days.iter().filter(|(known, _)| other(*known)).map(|(_, count)| *count).sum();
            if count > 0 {
                keys.insert(*key, count);
            }
        }
        Snapshot { pairs, keys }
    }

    /// Is a day among them?
    pub fn has_day(&self, day: i64) -> bool {
        self.days.contains_key(&day)
    }

    /// Days, pairs and keys.
    pub fn size(&self) -> (usize, u32, usize) {
        (self.days.len(), self.days.values().sum(), self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_comes_back_from_its_file_and_a_damaged_one_does_not() {
        let mut history = History::default();
        history.add(1, [u64::MAX, 0, 7]);
        history.add(2, [7]);
        let snapshot = history.without(None);
        let bytes = snapshot.to_bytes();
        assert_eq!(Snapshot::from_bytes(&bytes), Some(snapshot));
        assert_eq!(Snapshot::from_bytes(&[]), None);
        for cut in (1..bytes.len()).filter(|cut| (cut - 12.min(*cut)) % 12 != 0 || *cut < 12) {
            assert_eq!(Snapshot::from_bytes(&bytes[..cut]), None, "cut at {cut}");
        }
        let mut twice = bytes.clone();
        twice.extend_from_slice(&bytes[12..24]);
        assert_eq!(Snapshot::from_bytes(&twice), None);
    }

    #[test]
    fn a_snapshot_leaves_a_day_out() {
        let mut history = History::default();
        history.add(1, [10, 11]);
        history.add(1, [10]);
        history.add(2, [10]);
        let all = history.without(None);
        assert_eq!((all.pairs(), all.count(10), all.count(11), all.count(12)), (3, 3, 1, 0));
        let one = history.without(Some(1));
        assert_eq!((one.pairs(), one.count(10), one.count(11)), (1, 1, 0));
    }
}
