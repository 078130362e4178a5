//! Whether an endpoint's scores have moved: its newest blocks against those before them.

use crate::infer::calibrate::quantum::Quantum;

/// Blocks that are the newest: three hours.
pub const RECENT: usize = 60;
/// Without so many before them nothing is said.
const BEFORE_MIN: usize = 60;
/// Of the limit of Kolmogorov and Smirnov at one in a thousand.
const LIMIT: f64 = 1.949;

/// The meter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Drift {
    /// The largest distance between the two distributions, 0 to 1.
    pub distance: f32,
    /// From which distance on chance does not explain it; 1 where too little is known.
    pub limit: f32,
}

impl Drift {
    /// Have the scores moved?
    pub fn moved(&self) -> bool {
        self.distance > self.limit
    }
}

/// Compare the newest blocks with those before them; `values` oldest first.
pub fn measure(values: impl Iterator<Item = Quantum>) -> Drift {
    let mut before: Vec<Quantum> = values.collect();
    let Some(at) = before.len().checked_sub(RECENT).filter(|before| *before >= BEFORE_MIN) else {
        return Drift { distance: 0.0, limit: 1.0 };
    };
    let mut recent = before.split_off(at);
    before.sort_unstable();
    recent.sort_unstable();
    let (many, few) = (before.len() as f64, recent.len() as f64);
    let limit = LIMIT * ((many + few) / (many * few)).sqrt();
    let distance = distance(&before, &recent);
    Drift { distance: distance as f32, limit: limit.min(1.0) as f32 }
}

/// The largest distance between two distributions, both sorted.
fn distance(one: &[Quantum], other: &[Quantum]) -> f64 {
    let (mut i, mut j, mut most) = (0, 0, 0.0_f64);
    while let (Some(a), Some(b)) = (one.get(i), other.get(j)) {
        let next = *a.min(b);
        i += one.iter().skip(i).take_while(|value| **value <= next).count();
        j += other.iter().skip(j).take_while(|value| **value <= next).count();
        let (here, there) = (i as f64 / one.len() as f64, j as f64 / other.len() as f64);
        most = most.max((here - there).abs());
    }
    most
}
