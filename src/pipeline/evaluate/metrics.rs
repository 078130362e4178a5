//! The metrics of the model card over labelled streams: the unit is the stream, its score the highest window, before any
//! budget. Counts come first; a rate is never said of windows that overlap.

use std::collections::{BTreeMap, BTreeSet};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::pipeline::evaluate::labels::{Label, Stream};

/// Resamples of captures for the interval of the AUROC.
const RESAMPLES: usize = 2_000;
/// The resamples are the same each time.
const SEED: u64 = 20_261_126;
const SECONDS_AN_HOUR: f64 = 3_600.0;

/// Alarms on streams without attack.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Alarms {
    /// Episodes: windows above the threshold that touch are one.
    pub alarms: usize,
    /// Windows.
    pub windows: usize,
    /// Hours between first and last events inside windows that do not overlap.
    pub hours: f64,
    /// The exact 95 % interval of alarms an hour (Garwood, Biometrika 1936).
    pub per_hour: (f64, f64),
    /// Where.
    pub places: Vec<String>,
}

/// What a scorer did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metrics {
    /// Streams with an attack.
    pub attack: usize,
    /// Streams without.
    pub background: usize,
    /// Streams that count for nothing.
    pub ignored: usize,
    /// Labelled streams without a window.
    pub empty: usize,
    /// The area under the curve with its interval; nothing where a class is missing.
    pub auroc: Option<(f64, (f64, f64))>,
    /// Captures whose attacked host stands above every other, of those with both.
    pub first: (usize, usize),
    /// Captures with a window above the threshold, and those without; nothing without a threshold.
    pub detected: Option<(Vec<String>, Vec<String>)>,
    /// Alarms on background; nothing without a threshold or background.
    pub alarms: Option<Alarms>,
}

/// Measure.
pub fn measure(streams: &[Stream<'_>]) -> Metrics {
    let counted: Vec<&Stream<'_>> =
        streams.iter().filter(|stream| stream.label.label != Label::Ignore).collect();
    let (attack, background): (Vec<&Stream<'_>>, Vec<&Stream<'_>>) =
        counted.iter().partition(|stream| stream.is_attack());
    let judged = counted
        .iter()
        .any(|stream| stream.windows.iter().any(|window| window.above_threshold.is_some()));
    // An attack that left nothing cannot be found. A background that left nothing shows nothing: every attack would be above it.
    let compared: Vec<&Stream<'_>> =
        counted.iter().copied().filter(|s| s.is_attack() || !s.windows.is_empty()).collect();
    Metrics {
        attack: attack.len(),
        background: background.len(),
        ignored: streams.len() - counted.len(),
        empty: counted.iter().filter(|stream| stream.windows.is_empty()).count(),
        auroc: auroc(&compared),
        first: first_in_capture(&compared),
        detected: judged.then(|| detected(&attack)),
        alarms: (judged && !background.is_empty()).then(|| alarms(&background)),
    }
}

/// What an attack's score is worth against a background's.
fn win(attack: f64, background: f64) -> f64 {
    match attack.total_cmp(&background) {
        std::cmp::Ordering::Greater => 1.0,
        std::cmp::Ordering::Equal => 0.5,
        std::cmp::Ordering::Less => 0.0,
    }
}

/// The area under the curve, each capture counted as often as it was drawn.
fn area(scores: &[(f64, bool, usize)], drawn: &[f64]) -> Option<f64> {
    let weight = |capture: usize| drawn.get(capture).copied().unwrap_or(0.0);
    let (mut won, mut pairs) = (0.0, 0.0);
    for (high, _, capture) in scores.iter().filter(|(_, attack, _)| *attack) {
        for (low, _, other) in scores.iter().filter(|(_, attack, _)| !*attack) {
            let times = weight(*capture) * weight(*other);
            won += times * win(*high, *low);
            pairs += times;
        }
    }
    (pairs > 0.0).then(|| won / pairs)
}

fn auroc(streams: &[&Stream<'_>]) -> Option<(f64, (f64, f64))> {
    let captures: BTreeSet<&str> = streams.iter().map(|s| s.label.file.as_str()).collect();
    let captures: BTreeMap<&str, usize> =
        captures.into_iter().enumerate().map(|(at, file)| (file, at)).collect();
    let scores: Vec<(f64, bool, usize)> = streams
        .iter()
        .map(|s| {
            let capture = captures.get(s.label.file.as_str()).copied().unwrap_or(0);
            (s.score(), s.is_attack(), capture)
        })
        .collect();
    let whole = area(&scores, &vec![1.0; captures.len()])?;
    let mut chance = ChaCha8Rng::seed_from_u64(SEED);
    let mut areas: Vec<f64> = Vec::with_capacity(RESAMPLES);
    for _ in 0..RESAMPLES {
        let mut drawn = vec![0.0; captures.len()];
        for _ in 0..captures.len() {
            let capture = chance.next_u64() as usize % captures.len();
            if let Some(times) = drawn.get_mut(capture) {
                *times += 1.0;
            }
        }
        areas.extend(area(&scores, &drawn));
    }
    areas.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let place = (share * areas.len().saturating_sub(1) as f64).round() as usize;
        areas.get(place).copied().unwrap_or(whole)
    };
    Some((whole, (at(0.025), at(0.975))))
}

fn first_in_capture(streams: &[&Stream<'_>]) -> (usize, usize) {
    let mut captures: BTreeMap<&str, [Option<f64>; 2]> = BTreeMap::new();
    for stream in streams {
        let best = captures.entry(&stream.label.file).or_default();
        let place = if stream.is_attack() { best.first_mut() } else { best.last_mut() };
        if let Some(place) = place {
            *place = Some(place.unwrap_or(f64::NEG_INFINITY).max(stream.score()));
        }
    }
    let both = captures.values().filter_map(|[attack, other]| attack.zip(*other));
    both.fold((0, 0), |(first, all), (attack, other)| {
        (first + usize::from(attack > other), all + 1)
    })
}

fn detected(attack: &[&Stream<'_>]) -> (Vec<String>, Vec<String>) {
    let mut captures: BTreeMap<&str, bool> = BTreeMap::new();
    for stream in attack {
        let hit = stream.windows.iter().any(|window| window.above_threshold == Some(true));
        *captures.entry(&stream.label.file).or_default() |= hit;
    }
    let names = |wanted: bool| {
        let some = captures.iter().filter(|(_, hit)| **hit == wanted);
        some.map(|(file, _)| (*file).to_owned()).collect()
    };
    (names(true), names(false))
}

fn alarms(background: &[&Stream<'_>]) -> Alarms {
    let mut found = Alarms::default();
    let mut seconds = 0.0;
    for stream in background {
        let mut last = None;
        for window in &stream.windows {
            found.windows += 1;
            // Windows whose ends are multiples of their length lie one behind the other: no second counts twice.
            if window.end % (window.end - window.start).max(1) == 0 {
                seconds += window.observed_s;
            }
            if window.above_threshold == Some(true) {
                if last.is_none_or(|end| window.start > end) {
                    found.alarms += 1;
                    found.places.push(format!("{} {} at {}", window.file, window.host, window.end));
                }
                last = Some(window.end);
            }
        }
    }
    found.hours = seconds / SECONDS_AN_HOUR;
    found.per_hour = poisson(found.alarms, found.hours);
    found
}

/// The exact 95 % interval of a rate, from a count in so many hours.
fn poisson(count: usize, hours: f64) -> (f64, f64) {
    if hours <= 0.0 {
        return (0.0, f64::INFINITY);
    }
    let quantile = |share: f64, freedom: usize| {
        ChiSquared::new(freedom as f64).map_or(f64::NAN, |chi| chi.inverse_cdf(share) / 2.0)
    };
    let low = if count == 0 { 0.0 } else { quantile(0.025, 2 * count) };
    (low / hours, quantile(0.975, 2 * count + 2) / hours)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::evaluate::labels::LabelLine;
    use crate::pipeline::evaluate::line::ScoreLine;

    #[test]
    fn poisson_intervals_are_those_of_the_tables() {
        // Garwood's table: 0, 1, 3, 10 events.
        for (count, low, high) in
            [(0, 0.0, 3.689), (1, 0.0253, 5.572), (3, 0.619, 8.767), (10, 4.795, 18.39)]
        {
            let (found_low, found_high) = poisson(count, 1.0);
            assert!((found_low - low).abs() < 1e-3 * low.max(1.0), "{count}: {found_low}");
            assert!((found_high - high).abs() < 1e-3 * high, "{count}: {found_high}");
        }
        assert_eq!(poisson(0, 0.0), (0.0, f64::INFINITY));
    }

    fn label(file: &str, host: &str, label: Label) -> LabelLine {
        LabelLine { file: file.to_owned(), host: host.to_owned(), label, start: None, end: None }
    }

    fn window(start: i64, score: f64) -> ScoreLine {
        ScoreLine {
            file: "f".to_owned(),
            host: "h".to_owned(),
            scorer: "gat".to_owned(),
            start,
            end: start + 180,
            observed_s: 180.0,
            nodes: 2,
            edges: 1,
            prediction: String::new(),
            score: Some(score),
            scores: vec![score],
            above_threshold: Some(score > 0.5),
            alerted_after_budget: false,
            rule_level: None,
        }
    }

    #[test]
    fn streams_are_compared_by_their_highest_window() {
        let labels = [
            label("one", "a", Label::Attack),
            label("one", "b", Label::Background),
            label("two", "a", Label::Attack),
            label("two", "b", Label::Background),
            label("two", "c", Label::Ignore),
        ];
        let windows = [[0.2, 0.9], [0.1, 0.3], [0.4, 0.2], [0.6, 0.7], [1.0, 1.0]]
            .map(|scores| [window(0, scores[0]), window(30, scores[1])]);
        let streams: Vec<Stream<'_>> = labels
            .iter()
            .zip(&windows)
            .map(|(label, windows)| Stream { label, windows: windows.iter().collect() })
            .collect();
        let found = measure(&streams);
        assert_eq!((found.attack, found.background, found.ignored, found.empty), (2, 2, 1, 0));
        assert_eq!(found.auroc.unwrap().0, 0.75);
        assert_eq!(found.first, (1, 2));
        assert_eq!(found.detected.unwrap(), (vec!["one".to_owned()], vec!["two".to_owned()]));
        let alarms = found.alarms.unwrap();
        assert_eq!(
            (alarms.alarms, alarms.windows, alarms.hours),
            (1, 4, 0.1),
            "two streams of 180 s"
        );
    }

    #[test]
    fn a_background_without_a_window_is_in_no_comparison() {
        let labels = [label("one", "a", Label::Attack), label("one", "b", Label::Background)];
        let some = [window(0, 0.9)];
        let streams = [
            Stream { label: &labels[0], windows: some.iter().collect() },
            Stream { label: &labels[1], windows: Vec::new() },
        ];
        let found = measure(&streams);
        assert_eq!((found.background, found.empty, found.auroc, found.first), (1, 1, None, (0, 0)));
    }

    #[test]
    fn one_class_has_no_area_and_a_stream_without_windows_counts_as_missed() {
        let labels = [label("one", "a", Label::Attack), label("two", "a", Label::Attack)];
        let some = [window(0, 0.9)];
        let streams = [
            Stream { label: &labels[0], windows: some.iter().collect() },
            Stream { label: &labels[1], windows: Vec::new() },
        ];
        let found = measure(&streams);
        assert_eq!((found.auroc, found.empty, found.alarms), (None, 1, None));
        assert_eq!(found.detected.unwrap().1, ["two".to_owned()]);
    }
}
