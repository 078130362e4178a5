//! How many alerts a day to expect, with an interval, from how many came.
//!
//! Few or evenly spread alerts: the exact interval of a Poisson rate over the time observed. Alerts that come in bursts
//! (the variance of the days is above twice their mean) over at least [`DAYS_MIN`] days: whole days are drawn again
//! (bootstrap), because a Poisson interval would be far too narrow. The answer says which was used.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

use crate::stdx::time::SECOND_US;

/// Fewer days cannot be drawn from.
pub const DAYS_MIN: usize = 5;
/// Draws of the bootstrap.
const DRAWS: usize = 2_000;
/// Each tail outside the interval.
const TAIL: f64 = 0.025;
/// Less observed time than this says nothing about a day.
const OBSERVED_US_MIN: i64 = 3_600 * SECOND_US;
/// Counts above this take the normal form of the interval; the exact one is the same to three digits there.
const EXACT_MAX: u64 = 100_000;

/// How an interval was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Exact interval of a Poisson rate.
    Poisson,
    /// Days drawn again.
    Bootstrap,
}

impl Method {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Method::Poisson => "poisson",
            Method::Bootstrap => "bootstrap",
        }
    }
}

/// Alerts a day: expected, and the interval that holds the mean with 95 %.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Forecast {
    /// Expected.
    pub mean: f64,
    /// At least.
    pub low: f64,
    /// At most.
    pub high: f64,
    /// How the interval was made.
    pub method: Method,
    /// Days of observation.
    pub days: f64,
}

/// From counts by calendar day (days without any included) and the time between the first event and the last.
pub fn forecast(by_day: &[u64], observed_us: i64) -> Forecast {
    let total: u64 = by_day.iter().sum();
    // Days are counts of seconds here; the precision of a float is plenty.
    let days = observed_us.max(OBSERVED_US_MIN) as f64 / (86_400 * SECOND_US) as f64;
    let mean = total as f64 / days;
    if by_day.len() >= DAYS_MIN && is_bursty(by_day) {
        let (low, high) = bootstrap(by_day);
        let mean = total as f64 / by_day.len() as f64;
        return Forecast { mean, low, high, method: Method::Bootstrap, days: by_day.len() as f64 };
    }
    let (low, high) = poisson(total);
    Forecast { mean, low: low / days, high: high / days, method: Method::Poisson, days }
}

fn is_bursty(by_day: &[u64]) -> bool {
    let count = by_day.len() as f64;
    let mean = by_day.iter().sum::<u64>() as f64 / count;
    let squares: f64 = by_day.iter().map(|day| (*day as f64 - mean).powi(2)).sum();
    mean > 0.0 && squares / (count - 1.0) > 2.0 * mean
}

/// Seeded by nothing but the data's size, so that the same days give the same interval.
fn bootstrap(by_day: &[u64]) -> (f64, f64) {
    let mut random = ChaCha8Rng::seed_from_u64(by_day.len() as u64);
    let mut means: Vec<f64> = (0..DRAWS)
        .map(|_| {
            let drawn = (0..by_day.len()).map(|_| {
                let at = random.next_u64() % by_day.len().max(1) as u64;
                by_day.get(usize::try_from(at).unwrap_or(0)).copied().unwrap_or(0)
            });
            drawn.sum::<u64>() as f64 / by_day.len() as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    let at = |part: f64| {
        let place = (part * (DRAWS - 1) as f64).round() as usize;
        means.get(place).copied().unwrap_or(0.0)
    };
    (at(TAIL), at(1.0 - TAIL))
}

/// The rates between which a count of `total` is not surprising.
fn poisson(total: u64) -> (f64, f64) {
    let count = total as f64;
    if total > EXACT_MAX {
        let half = 1.96 * count.sqrt();
        return (count - half, count + half);
    }
    let low = if total == 0 {
        0.0
    } else {
        // P(at least `total`) = TAIL
        bisect(0.0, count, |rate| 1.0 - at_most(total - 1, rate) < TAIL)
    };
    let top = count + 10.0 * (count + 1.0).sqrt() + 10.0;
    // P(at most `total`) = TAIL
    let high = bisect(count, top, |rate| at_most(total, rate) > TAIL);
    (low, high)
}

fn bisect(mut low: f64, mut high: f64, still_below: impl Fn(f64) -> bool) -> f64 {
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if still_below(middle) {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

/// P(X ≤ count) of a Poisson variable.
fn at_most(count: u64, rate: f64) -> f64 {
    if rate <= 0.0 {
        return 1.0;
    }
    // In logarithms, because the first terms are too small for a float when the rate is large.
    let mut term = -rate;
    let mut sum = term.exp();
    for number in 1..=count {
        term += rate.ln() - (number as f64).ln();
        sum += term.exp();
    }
    sum.min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_US: i64 = 86_400 * SECOND_US;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 0.01 * b.max(1.0)
    }

    #[test]
    fn poisson_intervals_are_those_of_the_tables() {
        // Garwood's interval at 95 %.
        for (count, low, high) in
            [(0, 0.0, 3.689), (1, 0.0253, 5.572), (10, 4.795, 18.39), (100, 81.36, 121.63)]
        {
            let found = poisson(count);
            assert!(near(found.0, low) && near(found.1, high), "{count}: {found:?}");
        }
    }

    #[test]
    fn even_days_are_poisson_and_bursts_are_drawn_again() {
        let even = forecast(&[2, 3, 2, 3, 2, 3, 2], 7 * DAY_US);
        assert_eq!(even.method, Method::Poisson);
        assert!(even.low < even.mean && even.mean < even.high);
        let bursts = forecast(&[0, 0, 0, 0, 0, 0, 70], 7 * DAY_US);
        assert_eq!(bursts.method, Method::Bootstrap);
        assert!(near(bursts.mean, 10.0) && bursts.low == 0.0 && bursts.high > 20.0, "{bursts:?}");
        assert_eq!(bursts, forecast(&[0, 0, 0, 0, 0, 0, 70], 7 * DAY_US));
        let short = forecast(&[3], 60 * SECOND_US);
        assert_eq!((short.method, short.mean), (Method::Poisson, 72.0));
    }
}
