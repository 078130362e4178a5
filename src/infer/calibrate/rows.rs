//! Rows of the commit: one an endpoint, one a pool. Version 1; fields are only added, with a default.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::infer::calibrate::Calibrations;
use crate::infer::calibrate::history::{self, History, Open, Tracked};
use crate::infer::calibrate::pooled::{self, Pooled};
use crate::infer::calibrate::quantum::Quantum;

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct Own {
    model: u64,
    values: String,
    open: Option<(i64, u16, bool)>,
    day: i64,
    taken: u64,
    bar: Option<u16>,
    tracked: Vec<(i64, u16, bool)>,
    version: u64,
    changes: (i64, u32),
    clipped: u64,
    excluded: u64,
    late: u64,
    refused: u64,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct All {
    model: u64,
    /// Which endpoint of `endpoints` each value is of.
    of: String,
    endpoints: Vec<u64>,
    values: String,
}

/// Two bytes each, in base64.
fn pack(values: impl Iterator<Item = u16>) -> String {
    STANDARD_NO_PAD.encode(values.flat_map(u16::to_le_bytes).collect::<Vec<u8>>())
}

fn unpack(text: &str) -> Option<Vec<u16>> {
    let bytes = STANDARD_NO_PAD.decode(text).ok()?;
    let (pairs, rest) = bytes.as_chunks::<2>();
    rest.is_empty().then(|| pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect())
}

fn write_own(history: &History) -> Vec<u8> {
    let row = Own {
        model: history.model,
        values: pack(history.values.iter().map(|value| value.0)),
        open: history.open.map(|open| (open.block, open.max.0, open.excluded)),
        day: history.day,
        taken: history.taken,
        bar: history.bar.map(|bar| bar.0),
        tracked: history.tracked.iter().map(|t| (t.block, t.value.0, t.out)).collect(),
        version: history.version,
        changes: history.changes,
        clipped: history.clipped,
        excluded: history.excluded,
        late: history.late,
        refused: history.refused,
    };
    serde_json::to_vec(&row).unwrap_or_default()
}

fn read_own(bytes: &[u8]) -> Option<History> {
    let row: Own = serde_json::from_slice(bytes).ok()?;
    let mut values: Vec<Quantum> = unpack(&row.values)?.into_iter().map(Quantum).collect();
    values.drain(..values.len().saturating_sub(history::BLOCKS_MAX));
    let open = row.open.map(|(block, max, excluded)| Open { block, max: Quantum(max), excluded });
    let tracked = |(block, value, out)| Tracked { block, value: Quantum(value), out };
    Some(History {
        model: row.model,
        values: values.into(),
        open,
        day: row.day,
        taken: row.taken,
        bar: row.bar.map(Quantum),
        tracked: row.tracked.into_iter().map(tracked).collect(),
        version: row.version,
        changes: row.changes,
        clipped: row.clipped,
        excluded: row.excluded,
        late: row.late,
        refused: row.refused,
    })
}

fn write_pool(pool: &Pooled) -> Vec<u8> {
    let mut endpoints: Vec<u64> = pool.values.iter().map(|(of, _)| *of).collect();
    endpoints.sort_unstable();
    endpoints.dedup();
    let place = |of: u64| {
        u16::try_from(endpoints.binary_search(&of).unwrap_or_default()).unwrap_or_default()
    };
    let row = All {
        model: pool.model,
        of: pack(pool.values.iter().map(|(of, _)| place(*of))),
        values: pack(pool.values.iter().map(|(_, value)| value.0)),
        endpoints,
    };
    serde_json::to_vec(&row).unwrap_or_default()
}

fn read_pool(bytes: &[u8]) -> Option<Pooled> {
    let row: All = serde_json::from_slice(bytes).ok()?;
    let (of, values) = (unpack(&row.of)?, unpack(&row.values)?);
    if of.len() != values.len() || of.len() > pooled::BLOCKS_MAX {
        return None;
    }
    let pairs = of.into_iter().zip(values).map(|(of, value)| {
        row.endpoints.get(usize::from(of)).map(|endpoint| (*endpoint, Quantum(value)))
    });
    Some(Pooled { model: row.model, values: pairs.collect::<Option<_>>()? })
}

impl Calibrations {
    /// Read a row back. `false`: it is none of ours, or cannot be read.
    pub fn restore(&mut self, key: &str, value: &[u8]) -> bool {
        if let Some((tenant, host)) = key.strip_prefix("own/").and_then(|key| key.split_once('/')) {
            let Some(history) = read_own(value) else { return false };
            self.endpoints.insert((tenant.to_owned(), host.to_owned()), history);
            return true;
        }
        if !key.starts_with("pool/") {
            return false;
        }
        let Some(pool) = read_pool(value) else { return false };
        self.pools.insert(key.to_owned(), pool);
        true
    }

    /// Rows that changed; `None` is one that is gone.
    pub fn take_rows(&mut self) -> Vec<(String, Option<Vec<u8>>)> {
        let row = |key: String| {
            let own = key.strip_prefix("own/").and_then(|key| key.split_once('/'));
            let value = match own {
                Some((tenant, host)) => {
                    self.endpoints.get(&(tenant.to_owned(), host.to_owned())).map(write_own)
                }
                None => self.pools.get(&key).map(write_pool),
            };
            (key, value)
        };
        std::mem::take(&mut self.changed).into_iter().map(row).collect()
    }
}
