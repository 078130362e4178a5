//! How rare a match is: the values of the last matches of each rule on each endpoint, and how often a value was among
//! them. Values are kept as hashes, so a row says nothing about them.

use std::collections::{BTreeSet, VecDeque};

use hashbrown::HashMap;
use smallvec::SmallVec;

use crate::model::finding::Finding;
use crate::model::noise::FieldRarity;
use crate::stdx::id::{Id128, IdHasher};

/// Matches remembered of all rules and endpoints; over it, those of the rule and endpoint that fired longest ago go.
pub const FIRINGS_MAX: usize = 200_000;
/// Fields of a match that are remembered.
const FIELDS_MAX: usize = 16;
/// Matches of one row: only the last row of a rule and endpoint is written again.
const CHUNK: usize = 64;
/// Keys of our rows.
const PREFIX: &str = "fired/";

/// The values of one match.
type Values = SmallVec<[u64; 4]>;

/// The matches `number * CHUNK ..` of a group.
struct Chunk {
    number: u64,
    values: Vec<Values>,
}

/// A rule on an endpoint.
#[derive(Default)]
struct Group {
    chunks: VecDeque<Chunk>,
    firings: usize,
    touched: u64,
}

/// All of them.
pub(crate) struct Memory {
    /// Of one rule on one endpoint; zero: nothing is remembered.
    firings_max: usize,
    total_max: usize,
    groups: HashMap<Id128, Group>,
    total: usize,
    touched: u64,
    changed: BTreeSet<(Id128, u64)>,
    gone: BTreeSet<(Id128, u64)>,
    forgotten: u64,
}

impl Memory {
    pub(crate) fn new(firings_max: usize) -> Memory {
        Memory::bounded(firings_max, FIRINGS_MAX)
    }

    fn bounded(firings_max: usize, total_max: usize) -> Memory {
        Memory {
            firings_max,
            total_max,
            groups: HashMap::new(),
            total: 0,
            touched: 0,
            changed: BTreeSet::new(),
            gone: BTreeSet::new(),
            forgotten: 0,
        }
    }

    /// How often each value of a match was among the last ones.
    pub(crate) fn note(&self, finding: &Finding) -> Vec<FieldRarity> {
        if self.firings_max == 0 {
            return Vec::new();
        }
        let group = self.groups.get(&group_key(finding));
        let firings = group.map_or(0, |group| group.firings.min(self.firings_max));
        let over = group.map_or(0, |group| group.firings - firings);
        let note = |(field, value): &(String, String)| {
            let hash = value_hash(field, value);
            let seen = group.map_or(0, |group| {
                let all = group.chunks.iter().flat_map(|chunk| &chunk.values).skip(over);
                all.filter(|values| values.contains(&hash)).count()
            });
            FieldRarity { field: field.clone(), seen: seen as u64, of: firings as u64 }
        };
        finding.matched.iter().take(FIELDS_MAX).map(note).collect()
    }

    /// Remember a match.
    pub(crate) fn add(&mut self, finding: &Finding) {
        if self.firings_max == 0 || finding.matched.is_empty() {
            return;
        }
        let key = group_key(finding);
        let mut values: Values = finding
            .matched
            .iter()
            .take(FIELDS_MAX)
            .map(|(field, value)| value_hash(field, value))
            .collect();
        values.sort_unstable();
        values.dedup();
        self.touched += 1;
        let group = self.groups.entry(key).or_default();
        group.touched = self.touched;
        let next = group.chunks.back().map_or(0, |chunk| chunk.number + 1);
        match group.chunks.back_mut().filter(|chunk| chunk.values.len() < CHUNK) {
            Some(chunk) => chunk.values.push(values),
            None => group.chunks.push_back(Chunk { number: next, values: vec![values] }),
        }
        group.firings += 1;
        self.total += 1;
        let last = group.chunks.back().map_or(0, |chunk| chunk.number);
        self.changed.insert((key, last));
        while let Some(first) = group.chunks.front()
            && group.firings - first.values.len() >= self.firings_max
            && group.chunks.len() > 1
        {
            group.firings -= first.values.len();
            self.total -= first.values.len();
            self.changed.remove(&(key, first.number));
            self.gone.insert((key, first.number));
            group.chunks.pop_front();
        }
        if self.total > self.total_max {
            self.make_room();
        }
    }

    /// Give up what fired longest ago, until a sixteenth is free.
    fn make_room(&mut self) {
        let mut order: Vec<(u64, Id128)> =
            self.groups.iter().map(|(key, group)| (group.touched, *key)).collect();
        order.sort_unstable();
        // The newest stays: somebody is writing to it.
        order.pop();
        for (_, key) in order {
            if self.total <= self.total_max - self.total_max / 16 {
                return;
            }
            let Some(group) = self.groups.remove(&key) else { continue };
            self.total -= group.firings;
            self.forgotten += 1;
            for chunk in group.chunks {
                self.changed.remove(&(key, chunk.number));
                self.gone.insert((key, chunk.number));
            }
        }
    }

    /// Memories of rules and endpoints that were given up since the start.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    /// Rows that changed.
    pub(crate) fn take_rows(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        let mut rows: Vec<(String, Option<Vec<u8>>)> = Vec::new();
        for (key, number) in std::mem::take(&mut self.gone) {
            rows.push((row_key(&key, number), None));
        }
        for (key, number) in std::mem::take(&mut self.changed) {
            let group = self.groups.get(&key);
            let chunk = group.and_then(|group| {
                let chunk = group.chunks.iter().rev().find(|chunk| chunk.number == number)?;
                Some(write(group.touched, &chunk.values))
            });
            rows.push((row_key(&key, number), chunk));
        }
        rows
    }

    /// Read a row back. `false`: it is none of ours, or cannot be read.
    pub(crate) fn restore(&mut self, key: &str, value: &[u8]) -> bool {
        let parts = key.strip_prefix(PREFIX).and_then(|rest| rest.split_once('/'));
        let Some((id, number)) = parts else { return false };
        let (Some(id), Ok(number)) = (Id128::parse(id), u64::from_str_radix(number, 16)) else {
            return false;
        };
        let Some((touched, values)) = read(value) else { return false };
        if self.firings_max == 0 {
            // Nothing shall be remembered any more: what is there goes with the next commit.
            self.gone.insert((id, number));
            return true;
        }
        let group = self.groups.entry(id).or_default();
        group.touched = group.touched.max(touched);
        self.touched = self.touched.max(touched);
        group.firings += values.len();
        self.total += values.len();
        let at = group.chunks.partition_point(|chunk| chunk.number < number);
        group.chunks.insert(at, Chunk { number, values });
        true
    }
}

fn group_key(finding: &Finding) -> Id128 {
    let mut hasher = IdHasher::new("fired");
    hasher.text(&finding.tenant).text(&finding.rule.id).text(&finding.host).finish()
}

fn value_hash(field: &str, value: &str) -> u64 {
    let id = IdHasher::new("value").text(field).text(value).finish();
    id.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_le_bytes(*bytes))
}

/// Numbers of equal length, so that rows are in order.
fn row_key(key: &Id128, number: u64) -> String {
    format!("{PREFIX}{key}/{number:016x}")
}

fn write(touched: u64, values: &[Values]) -> Vec<u8> {
    let mut out = touched.to_le_bytes().to_vec();
    for one in values {
        out.push(u8::try_from(one.len()).unwrap_or(u8::MAX));
        out.extend(one.iter().flat_map(|value| value.to_le_bytes()));
    }
    out
}

fn read(bytes: &[u8]) -> Option<(u64, Vec<Values>)> {
    let (touched, mut rest) = bytes.split_first_chunk::<8>()?;
    let mut all = Vec::new();
    while let Some((count, after)) = rest.split_first() {
        let (values, after) = after.split_at_checked(usize::from(*count) * 8)?;
        let number =
            |bytes: &[u8]| bytes.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes));
        all.push(values.chunks_exact(8).filter_map(number).collect());
        rest = after;
    }
    Some((u64::from_le_bytes(*touched), all))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_rows_are_refused_and_not_followed() {
        let mut memory = Memory::new(10);
        let id = Id128([1; 16]);
        let key = row_key(&id, 0);
        assert!(!memory.restore(&key, b""));
        assert!(!memory.restore(&key, &[0, 0, 0, 0, 0, 0, 0, 0, 255, 1]));
        assert!(!memory.restore("fired/x/0", &[0; 8]));
        assert!(memory.restore(&key, &write(7, &[SmallVec::from_slice(&[1, 2])])));
        assert_eq!((memory.total, memory.touched), (1, 7));
    }
}
