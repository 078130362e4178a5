//! How unusual a score is where it was seen, and which scores may become alerts.
//!
//! Sliding windows share most of their events, so their scores are no independent draws. What is compared are **block maxima**:
//! event time falls into blocks of one window's length, and a block's value is the highest score of the windows that end in
//! it. A window's p-value is the share of the endpoint's own blocks that scored as high, itself counted: `(1 + m) / (n + 1)`. With
//! `k` alerts a day it stands out at `p <= k / blocks of a day`. That needs `blocks / k - 1` blocks of history; an endpoint
//! with fewer is **cold** and compared with all endpoints of its platform and role.

pub mod budget;
pub mod drift;
pub mod history;
pub mod pooled;
pub mod quantum;
mod rows;
pub mod watch;

use std::collections::BTreeSet;

use hashbrown::HashMap;

use crate::infer::calibrate::drift::Drift;
use crate::infer::calibrate::history::History;
use crate::infer::calibrate::pooled::Pooled;
use crate::infer::calibrate::quantum::Quantum;
use crate::model::platform::Platform;

/// Endpoints whose history is kept; over it those heard of longest ago are forgotten and counted.
pub const ENDPOINTS_MAX: usize = 100_000;
/// One in so many is forgotten at once, so that it is not looked for them each time.
const FORGOTTEN_AT_ONCE: usize = 100;

/// Budget and windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Alerts of an endpoint in a day.
    pub budget: u64,
    /// Seconds of a window, and of a block.
    pub window_s: u64,
}

impl Settings {
    /// Blocks of a day.
    pub fn blocks_a_day(&self) -> u64 {
        (86_400 / self.window_s.max(1)).max(1)
    }

    /// The p-value at which a window stands out.
    pub fn level(&self) -> f64 {
        (self.budget as f64 / self.blocks_a_day() as f64).min(1.0)
    }

    /// Blocks of history without which no window can stand out by it.
    pub fn needed(&self) -> usize {
        let blocks = self.blocks_a_day().div_ceil(self.budget.max(1));
        usize::try_from(blocks.saturating_sub(1)).unwrap_or(usize::MAX)
    }

    /// The block in which a window ends. One that ends at a block's edge belongs to what is before it.
    pub fn block(&self, end: i64) -> i64 {
        (end - 1).div_euclid(i64::try_from(self.window_s.max(1)).unwrap_or(i64::MAX))
    }

    fn day(&self, block: i64) -> i64 {
        block.div_euclid(i64::try_from(self.blocks_a_day()).unwrap_or(i64::MAX))
    }
}

/// A window's score, where and when.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'s> {
    /// `organization.id`.
    pub tenant: &'s str,
    /// The endpoint.
    pub host: &'s str,
    /// Its platform.
    pub platform: Platform,
    /// Its role, or nothing.
    pub role: &'s str,
    /// Name and version of the model: another model begins another history.
    pub model: &'s str,
    /// The score from which the model was made to stand out.
    pub threshold: f32,
    /// The window's end, in seconds since 1970.
    pub end: i64,
    /// Its score.
    pub score: f32,
    /// An accepted verdict says attack, or a rule of level high or above matched in it: its block never enters.
    pub excluded: bool,
}

/// What a score is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The endpoint's own history.
    Own,
    /// That of all endpoints of its platform and role.
    Pooled,
    /// Too little is known here: the model's threshold alone.
    Trained,
}

impl Basis {
    /// The word that is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Basis::Own => "own",
            Basis::Pooled => "pooled",
            Basis::Trained => "trained",
        }
    }
}

/// How unusual a window's score is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Judged {
    /// The share of blocks that scored as high, itself counted.
    pub p: f64,
    /// The smallest p that so much history can say.
    pub floor: f64,
    /// Blocks it was compared with.
    pub n: usize,
    /// What it was compared with.
    pub basis: Basis,
    /// The endpoint has too little history of its own.
    pub cold: bool,
    /// It stands out.
    pub above: bool,
}

/// What limits did, for the status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Endpoints with a history.
    pub endpoints: usize,
    /// Of these, cold ones.
    pub cold: usize,
    /// Endpoints that were forgotten for others.
    pub forgotten: u64,
    /// High values that entered lower than they were.
    pub clipped: u64,
    /// Blocks that never entered.
    pub excluded: u64,
    /// Windows older than their endpoint's newest block.
    pub late: u64,
    /// Changes by verdicts that were too many in a day.
    pub refused: u64,
}

type Key = (String, String);

/// The histories of all endpoints, and of all of one platform and role.
#[derive(Debug)]
pub struct Calibrations {
    settings: Settings,
    endpoints_max: usize,
    endpoints: HashMap<Key, History>,
    pools: HashMap<String, Pooled>,
    changed: BTreeSet<String>,
    forgotten: u64,
}

/// What became of a verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changed {
    /// The block is out, or in again.
    Done,
    /// Nothing had to change: the block is unknown, too low to matter, or is so already.
    Nothing,
    /// Too many changes of one endpoint in a day.
    Refused,
}

impl Calibrations {
    /// Nothing is known yet.
    pub fn new(settings: Settings) -> Calibrations {
        Calibrations {
            settings,
            endpoints_max: ENDPOINTS_MAX,
            endpoints: HashMap::new(),
            pools: HashMap::new(),
            changed: BTreeSet::new(),
            forgotten: 0,
        }
    }

    /// Judge a window's score, and remember it.
    pub fn judge(&mut self, seen: &Seen<'_>) -> Judged {
        let value = Quantum::of(seen.score);
        let threshold = Quantum::of(seen.threshold);
        let model = model_hash(seen.model);
        let block = self.settings.block(seen.end);
        let (settings, pool_name) = (self.settings, pool_name(seen));
        let pool = self.pools.entry(pool_name.clone()).or_default();
        if pool.begin(model) {
            self.changed.insert(pool_name.clone());
        }
        let key: Key = (seen.tenant.to_owned(), seen.host.to_owned());
        let known = self.endpoints.len();
        let history = self.endpoints.entry(key).or_default();
        history.begin(model);
        if let Some(entered) = history.observe(&settings, block, value, threshold, seen.excluded) {
            pool.enter(endpoint_hash(seen.tenant, seen.host), entered);
            self.changed.insert(pool_name);
        }
        self.changed.insert(own_name(seen.tenant, seen.host));
        let judged = judged(&settings, history, pool, value, value >= threshold);
        if known >= self.endpoints_max {
            self.forget_oldest();
        }
        judged
    }

    /// An accepted verdict says that the window that ended then was an attack: its block leaves the history. `back`: the
    /// verdict was withdrawn.
    pub fn verdict(&mut self, tenant: &str, host: &str, end: i64, back: bool) -> Changed {
        let block = self.settings.block(end);
        let day = self.settings.day(block);
        let Some(history) = self.endpoints.get_mut(&(tenant.to_owned(), host.to_owned())) else {
            return Changed::Nothing;
        };
        self.changed.insert(own_name(tenant, host));
        if back { history.restore(block, day) } else { history.exclude(block, day) }
    }

    /// Forget an endpoint's history: it is cold again. `false`: there was none.
    pub fn reset(&mut self, tenant: &str, host: &str) -> bool {
        self.changed.insert(own_name(tenant, host));
        let history = self.endpoints.get_mut(&(tenant.to_owned(), host.to_owned()));
        history.map(History::reset).is_some()
    }

    /// The history of an endpoint.
    pub fn endpoint(&self, tenant: &str, host: &str) -> Option<&History> {
        self.endpoints.get(&(tenant.to_owned(), host.to_owned()))
    }

    /// Endpoints whose scores have moved. Looks at every history: for a status, not for each window.
    pub fn moved(&self) -> impl Iterator<Item = (&str, &str, Drift)> {
        let all = self.endpoints.iter();
        all.map(|((tenant, host), history)| (&**tenant, &**host, history.drift()))
            .filter(|(_, _, drift)| drift.moved())
    }

    /// What limits did.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            endpoints: self.endpoints.len(),
            forgotten: self.forgotten,
            ..Counts::default()
        };
        for history in self.endpoints.values() {
            counts.cold += usize::from(history.len() < self.settings.needed());
            counts.clipped += history.clipped();
            counts.excluded += history.excluded();
            counts.late += history.late();
            counts.refused += history.refused();
        }
        counts
    }

    /// Make room: those heard of longest ago go.
    fn forget_oldest(&mut self) {
        let mut ages: Vec<(i64, Key)> =
            self.endpoints.iter().map(|(key, history)| (history.newest(), key.clone())).collect();
        ages.sort();
        for (_, key) in ages.into_iter().take((self.endpoints_max / FORGOTTEN_AT_ONCE).max(1)) {
            self.endpoints.remove(&key);
            self.changed.insert(own_name(&key.0, &key.1));
            self.forgotten += 1;
        }
    }
}

fn judged(
    settings: &Settings,
    history: &History,
    pool: &Pooled,
    value: Quantum,
    stands_out: bool,
) -> Judged {
    let cold = history.len() < settings.needed();
    let (higher, n) = if cold {
        (pool.as_high(value), pool.len())
    } else {
        (history.as_high(value), history.len())
    };
    let basis = match cold {
        false => Basis::Own,
        true if n >= settings.needed() => Basis::Pooled,
        true => Basis::Trained,
    };
    let all = (n + 1) as f64;
    let p = (higher + 1) as f64 / all;
    // Rounding must not decide: both sides are fractions of whole numbers.
    let rare = basis == Basis::Trained || p <= settings.level() * (1.0 + 1e-9);
    Judged { p, floor: 1.0 / all, n, basis, cold, above: stands_out && rare }
}

fn own_name(tenant: &str, host: &str) -> String {
    format!("own/{tenant}/{host}")
}

fn pool_name(seen: &Seen<'_>) -> String {
    format!("pool/{}/{}/{}", seen.tenant, seen.platform, seen.role)
}

fn model_hash(model: &str) -> u64 {
    first_bytes("infer-model", model)
}

fn endpoint_hash(tenant: &str, host: &str) -> u64 {
    first_bytes(tenant, host)
}

fn first_bytes(kind: &str, text: &str) -> u64 {
    let id = crate::stdx::id::IdHasher::new(kind).text(text).finish();
    id.as_bytes().iter().take(8).fold(0, |number, byte| (number << 8) | u64::from(*byte))
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
