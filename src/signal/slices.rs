//! Sums by slices of time: rates, ratios, sums, percentiles and bursts cost the same however many events there are.
//!
//! A span is cut into thirty slices of event time, aligned to the epoch; the newest slice and the twenty-nine before it are
//! the span. So a span is right to a thirtieth of its length, and the order of arrival does not matter.

use std::collections::BTreeMap;

use crate::signal::condition::Usual;
use crate::stdx::time::{SECOND_US, Timestamp};

/// Slices of a span.
pub const SLICES: i64 = 30;
/// Spans that slices are kept for, so that late events still count.
const SPANS_KEPT: i64 = 2;
/// Marks of a percentile that one slice holds.
const MARKS_MAX: usize = 300;
/// Neighbouring marks differ by this factor: a percentile is right to about 2.5 %.
const MARK_FACTOR: f64 = 1.05;

/// What one slice of time adds up to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Slice {
    /// Events.
    pub count: u64,
    /// Of them those that a ratio looks for.
    pub hits: u64,
    /// The sum of their numbers.
    pub sum: f64,
    /// How many numbers there are near each power of the factor.
    pub marks: BTreeMap<i16, u32>,
}

impl Slice {
    fn add(&mut self, other: &Slice) {
        self.count = self.count.saturating_add(other.count);
        self.hits = self.hits.saturating_add(other.hits);
        self.sum += other.sum;
        for (mark, count) in &other.marks {
            let known = self.marks.entry(*mark).or_default();
            *known = known.saturating_add(*count);
        }
    }

    /// Note a number for percentiles.
    pub fn mark(&mut self, number: f64) {
        let power = if number > 0.0 { (number.ln() / MARK_FACTOR.ln()).round() } else { f64::MIN };
        // A float beyond the type's bounds becomes the bound.
        #[allow(clippy::cast_possible_truncation)]
        let mut mark = power as i16;
        if self.marks.len() >= MARKS_MAX && !self.marks.contains_key(&mark) {
            let near = self.marks.range(mark..).next().or_else(|| self.marks.iter().next_back());
            mark = near.map_or(mark, |(known, _)| *known);
        }
        let known = self.marks.entry(mark).or_default();
        *known = known.saturating_add(1);
    }

    /// The number that `rank` of a hundred are not above.
    pub fn percentile(&self, rank: f64) -> f64 {
        let all: u64 = self.marks.values().map(|count| u64::from(*count)).sum();
        let wanted = (all as f64 * rank / 100.0).ceil().max(1.0);
        let mut seen = 0.0;
        for (mark, count) in &self.marks {
            seen += f64::from(*count);
            if seen >= wanted {
                return if *mark == i16::MIN { 0.0 } else { MARK_FACTOR.powi(i32::from(*mark)) };
            }
        }
        0.0
    }
}

/// The width of a slice of a span.
pub fn width(span: i64) -> i64 {
    (span / SLICES).max(SECOND_US)
}

/// Count an event in its slice. Gives the sum over the span that ends with the newest slice, or for an event that is
/// late but kept, with its own. `None`: it is later than what is kept.
pub fn add(
    slices: &mut BTreeMap<i64, Slice>,
    time: Timestamp,
    span: i64,
    change: impl FnOnce(&mut Slice),
) -> Option<Slice> {
    let width = width(span);
    let wide = (span / width).max(1);
    let own = time.micros().div_euclid(width);
    let newest = slices.keys().next_back().map_or(own, |last| own.max(*last));
    if newest - own > wide * SPANS_KEPT {
        return None;
    }
    change(slices.entry(own).or_default());
    slices.retain(|number, _| newest - number <= wide * SPANS_KEPT);
    let end = if newest - own < wide { newest } else { own };
    let mut sum = Slice::default();
    for (_, slice) in slices.range(end - wide + 1..=end) {
        sum.add(slice);
    }
    Some(sum)
}

/// What a window is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Baseline {
    /// Events in the window.
    pub now: f64,
    /// The usual number.
    pub usual: f64,
    /// More than this is a burst.
    pub bound: f64,
    /// Earlier windows there are.
    pub windows: u32,
}

/// Count an event in its window and hold that against the `baseline` windows before it. Windows without events count as
/// such once the series has begun. `None`: later than what is kept.
pub fn burst(
    slices: &mut BTreeMap<i64, Slice>,
    time: Timestamp,
    first: Timestamp,
    (window, baseline): (i64, u32),
    deviations: f64,
    usual: Usual,
) -> Option<Baseline> {
    let window = window.max(SECOND_US);
    let own = time.micros().div_euclid(window);
    let newest = slices.keys().next_back().map_or(own, |last| own.max(*last));
    let kept = i64::from(baseline) + 1;
    if newest - own >= kept {
        return None;
    }
    let slice = slices.entry(own).or_default();
    slice.count += 1;
    let now = slice.count as f64;
    slices.retain(|number, _| newest - number <= kept);
    let begun = first.micros().div_euclid(window);
    let from = (own - i64::from(baseline)).max(begun);
    let counts: Vec<f64> =
        (from..own).map(|number| slices.get(&number).map_or(0.0, |s| s.count as f64)).collect();
    let (mean, variance) = match usual {
        Usual::Mean => mean(&counts),
        Usual::Ewma => ewma(&counts, baseline),
    };
    // Counts scatter by the root of their mean even when nothing is wrong.
    let deviation = variance.sqrt().max(mean.sqrt()).max(1.0);
    let windows = u32::try_from(counts.len()).unwrap_or(u32::MAX);
    Some(Baseline { now, usual: mean, bound: mean + deviations * deviation, windows })
}

fn mean(counts: &[f64]) -> (f64, f64) {
    let number = counts.len().max(1) as f64;
    let mean = counts.iter().sum::<f64>() / number;
    let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / number;
    (mean, variance)
}

fn ewma(counts: &[f64], baseline: u32) -> (f64, f64) {
    let weight = 2.0 / (f64::from(baseline) + 1.0);
    let (mut mean, mut variance) = (counts.first().copied().unwrap_or(0.0), 0.0);
    for count in counts.iter().skip(1) {
        let difference = count - mean;
        mean += weight * difference;
        variance = (1.0 - weight) * (variance + weight * difference * difference);
    }
    (mean, variance)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MINUTE: i64 = 60 * SECOND_US;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_seconds(seconds)
    }

    #[test]
    fn a_span_forgets_and_late_events_count_where_they_belong() {
        let mut slices = BTreeMap::new();
        let mut count =
            |seconds| add(&mut slices, at(seconds), 5 * MINUTE, |s| s.count += 1).map(|s| s.count);
        assert_eq!(count(0), Some(1));
        assert_eq!(count(200), Some(2));
        assert_eq!(count(310), Some(2), "the first is over");
        assert_eq!(count(100), Some(3), "late, inside the span");
        assert_eq!(count(5_000), Some(1));
        assert_eq!(count(310), None, "later than two spans");
    }

    #[test]
    fn a_burst_needs_a_baseline_and_stands_out_of_it() {
        let mut slices = BTreeMap::new();
        let mut see = |minute: i64, times: u32, how| {
            let mut last = None;
            for _ in 0..times {
                last = burst(&mut slices, at(minute * 60), at(0), (MINUTE, 10), 3.0, how);
            }
            last.unwrap()
        };
        for minute in 0..10 {
            see(minute, 4 + u32::try_from(minute % 3).unwrap(), Usual::Mean);
        }
        let calm = see(10, 6, Usual::Mean);
        assert_eq!(calm.windows, 10);
        assert!(calm.now <= calm.bound, "{calm:?}");
        let loud = see(11, 40, Usual::Mean);
        assert!(loud.now > loud.bound && (4.0..6.0).contains(&loud.usual), "{loud:?}");
        let after = see(12, 40, Usual::Ewma);
        assert!(after.usual > 6.0, "newer windows weigh more: {after:?}");
    }

    proptest! {
        #[test]
        fn a_percentile_is_right_to_three_percent(
            numbers in proptest::collection::vec(0.001_f64..1e9, 1..200),
            rank in 1.0_f64..100.0,
        ) {
            let mut slice = Slice::default();
            numbers.iter().for_each(|number| slice.mark(*number));
            prop_assume!(slice.marks.len() < MARKS_MAX);
            let mut sorted = numbers.clone();
            sorted.sort_by(f64::total_cmp);
            let place = ((sorted.len() as f64 * rank / 100.0).ceil().max(1.0)) as usize - 1;
            let (right, ours) = (sorted[place], slice.percentile(rank));
            prop_assert!((ours / right - 1.0).abs() < 0.03, "{} for {}", ours, right);
        }
    }
}
