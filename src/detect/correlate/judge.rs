//! Whether the windows that hold a new event fulfil a condition. Pure: a lane and a test in, an outcome out.

use ahash::AHashMap;
use smallvec::SmallVec;

use crate::detect::correlate::condition::{Alternative, Bounds, Test};
use crate::detect::correlate::lane::{Entry, HELD, Lane, REPORTED, distinct};
use crate::model::event::EventId;

/// A finding names at most this many further events of its window, the newest.
pub const CONTEXT_MAX: usize = 50;
/// Whole numbers up to this many bits are added and taken away without loss.
const EXACT_MAX: f64 = (1_u64 << 40) as f64;

/// An event that became a finding.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// The event.
    pub entry: Entry,
    /// Other events of its window, oldest first (temporal types).
    pub context: Vec<EventId>,
}

/// What one more event did to a row.
#[derive(Debug, Default, PartialEq)]
pub struct Outcome {
    /// Events that become findings, oldest first.
    pub findings: Vec<Found>,
    /// Events at whose windows the condition now holds and did not before: when the correlation happened.
    pub held: SmallVec<[Entry; 1]>,
    /// The number of the last window that held.
    pub number: f64,
    /// Events that made room.
    pub dropped: usize,
    /// The event came so late that what it could have joined may have been forgotten.
    pub late: bool,
}

/// Look at every window that holds the entry at `at`: they end at it or at a later one less than a span away.
pub fn judge(lane: &mut Lane, at: usize, span_us: i64, test: &Test) -> Outcome {
    match test {
        Test::Count(bounds)
        | Test::Distinct(bounds)
        | Test::Sum(bounds)
        | Test::Average(bounds)
        | Test::Percentile(_, bounds) => threshold(lane, at, span_us, test, bounds),
        Test::Steps(_) | Test::Any(_) | Test::Ordered(_) => temporal(lane, at, span_us, test),
    }
}

/// While the number of a window fulfils the condition, all of its events are findings.
fn threshold(lane: &mut Lane, at: usize, span_us: i64, test: &Test, bounds: &Bounds) -> Outcome {
    let mut outcome = Outcome::default();
    let Some(first) = lane.entries().get(at).map(|entry| entry.time) else { return outcome };
    let low = lane.low(first, span_us);
    let mut gauge = Gauge::new(test, lane.entries(), low, at);
    loop {
        let (low, end) = (gauge.low, gauge.end);
        let Some(last) = lane.entries().get(end).copied() else { return outcome };
        let newest = at == end && end + 1 == lane.entries().len();
        let number = match test {
            Test::Distinct(_) if newest => lane.distinct(low) as f64,
            _ => gauge.number(lane.entries()),
        };
        if bounds.hold(number, lane.complete(last.time, span_us)) {
            outcome.number = number;
            lane.report(low, end, |entry| {
                outcome.findings.push(Found { entry: *entry, context: Vec::new() });
            });
            hold(lane, end, &mut outcome);
        }
        let next = lane.entries().get(end + 1).map(|entry| entry.time);
        match next {
            Some(next) if next.micros_since(first) < span_us => {
                let low = lane.low(next, span_us);
                gauge.slide(lane.entries(), low, end + 1);
            }
            _ => return outcome,
        }
    }
}

/// The window that ends at `end` holds.
fn hold(lane: &mut Lane, end: usize, outcome: &mut Outcome) {
    if let Some(entry) = lane.entries_mut().get_mut(end).filter(|entry| !entry.has(HELD)) {
        entry.flags |= HELD;
        outcome.held.push(*entry);
    }
}

/// The number of a window, kept up while the window slides.
struct Gauge<'t> {
    test: &'t Test,
    low: usize,
    end: usize,
    kept: Kept,
}

enum Kept {
    /// Nothing: the number is made from the window's events each time.
    Nothing,
    /// How often each value stands in the window.
    Values(AHashMap<u64, u32>),
    /// The sum.
    Sum(f64),
    /// The numbers in order.
    Sorted(Vec<f64>),
}

impl<'t> Gauge<'t> {
    fn new(test: &'t Test, entries: &[Entry], low: usize, end: usize) -> Gauge<'t> {
        let mut gauge = Gauge { test, low, end, kept: Kept::Nothing };
        // One window only, when the event is the newest.
        if end + 1 >= entries.len() {
            return gauge;
        }
        let window = entries.get(low..=end).unwrap_or_default();
        gauge.kept = match test {
            Test::Distinct(_) => {
                let mut values = AHashMap::new();
                window.iter().for_each(|entry| *values.entry(entry.value).or_default() += 1);
                Kept::Values(values)
            }
            Test::Sum(_) | Test::Average(_) if entries.iter().all(is_exact) => {
                Kept::Sum(window.iter().map(Entry::number).sum())
            }
            Test::Percentile(..) => Kept::Sorted(sorted(window)),
            _ => Kept::Nothing,
        };
        gauge
    }

    fn slide(&mut self, entries: &[Entry], low: usize, end: usize) {
        for entry in entries.get(self.end + 1..=end).unwrap_or_default() {
            match &mut self.kept {
                Kept::Nothing => {}
                Kept::Values(values) => *values.entry(entry.value).or_default() += 1,
                Kept::Sum(sum) => *sum += entry.number(),
                Kept::Sorted(numbers) => {
                    let number = entry.number();
                    let place = numbers.partition_point(|known| *known <= number);
                    numbers.insert(place, number);
                }
            }
        }
        for entry in entries.get(self.low..low).unwrap_or_default() {
            match &mut self.kept {
                Kept::Nothing => {}
                Kept::Values(values) => {
                    let left = values.entry(entry.value).or_default();
                    *left = left.saturating_sub(1);
                    if *left == 0 {
                        values.remove(&entry.value);
                    }
                }
                Kept::Sum(sum) => *sum -= entry.number(),
                Kept::Sorted(numbers) => {
                    let number = entry.number();
                    let place = numbers.partition_point(|known| *known < number);
                    if place < numbers.len() {
                        numbers.remove(place);
                    }
                }
            }
        }
        (self.low, self.end) = (low, end);
    }

    fn number(&self, entries: &[Entry]) -> f64 {
        let window = entries.get(self.low..=self.end).unwrap_or_default();
        let size = window.len() as f64;
        match (&self.kept, self.test) {
            (Kept::Values(values), _) => values.len() as f64,
            (Kept::Sorted(numbers), Test::Percentile(rank, _)) => percentile(numbers, *rank),
            (Kept::Sum(sum), Test::Average(_)) => sum / size,
            (Kept::Sum(sum), _) => *sum,
            (_, Test::Distinct(_)) => distinct(window) as f64,
            (_, Test::Sum(_)) => window.iter().map(Entry::number).sum(),
            (_, Test::Average(_)) => window.iter().map(Entry::number).sum::<f64>() / size,
            (_, Test::Percentile(rank, _)) => percentile_of(window, *rank),
            _ => size,
        }
    }
}

fn is_exact(entry: &Entry) -> bool {
    entry.number().fract() == 0.0 && entry.number().abs() <= EXACT_MAX
}

fn sorted(window: &[Entry]) -> Vec<f64> {
    let mut numbers: Vec<f64> = window.iter().map(Entry::number).collect();
    numbers.sort_unstable_by(f64::total_cmp);
    numbers
}

/// The value at `rank` of 100 of sorted numbers, between two neighbours in proportion.
pub fn percentile(numbers: &[f64], rank: f64) -> f64 {
    let place = rank / 100.0 * numbers.len().saturating_sub(1) as f64;
    let below = numbers.get(place.floor() as usize).copied().unwrap_or(0.0);
    let above = numbers.get(place.ceil() as usize).copied().unwrap_or(below);
    below + (above - below) * place.fract()
}

/// The same of numbers in any order.
fn percentile_of(window: &[Entry], rank: f64) -> f64 {
    let mut numbers: Vec<f64> = window.iter().map(Entry::number).collect();
    let place = rank / 100.0 * numbers.len().saturating_sub(1) as f64;
    let index = place.floor() as usize;
    if index >= numbers.len() {
        return 0.0;
    }
    let (_, below, rest) = numbers.select_nth_unstable_by(index, f64::total_cmp);
    let above = rest.iter().copied().min_by(f64::total_cmp).unwrap_or(*below);
    *below + (above - *below) * place.fract()
}

/// The event at whose window the rules are together is the finding, and so is every further one.
fn temporal(lane: &mut Lane, at: usize, span_us: i64, test: &Test) -> Outcome {
    let mut outcome = Outcome::default();
    let Some(first) = lane.entries().get(at).map(|entry| entry.time) else { return outcome };
    let mut end = at;
    while let Some(last) = lane.entries().get(end).copied() {
        if last.time.micros_since(first) >= span_us {
            break;
        }
        // What was found stays found: nothing new can be said of this window.
        if !last.has(HELD) {
            let low = lane.low(last.time, span_us);
            let complete = lane.complete(last.time, span_us);
            let window = lane.entries().get(low..=end).unwrap_or_default();
            if let Some((number, from)) = together(window, test, complete) {
                let context = context(window.get(from..).unwrap_or_default());
                outcome.number = number as f64;
                hold(lane, end, &mut outcome);
                if let Some(entry) =
                    lane.entries_mut().get_mut(end).filter(|entry| !entry.has(REPORTED))
                {
                    entry.flags |= REPORTED;
                    outcome.findings.push(Found { entry: *entry, context });
                }
            }
        }
        end += 1;
    }
    outcome
}

/// Whether the window holds: how many rules took part, and from which of its events on.
fn together(window: &[Entry], test: &Test, complete: bool) -> Option<(u32, usize)> {
    match test {
        Test::Steps(bounds) => {
            let number = present(window, u64::MAX).count_ones();
            bounds.hold(f64::from(number), complete).then_some((number, 0))
        }
        Test::Any(ways) => {
            let steps = present(window, enough(ways));
            let holds = |way: &&Alternative| fulfilled(way, steps, complete);
            ways.iter().find(holds).map(|_| (steps.count_ones(), 0))
        }
        Test::Ordered(ways) => {
            let last = window.last()?.value;
            // Before all else: most events complete nothing.
            let ends = |way: &&Alternative| last & highest(way.need) != 0;
            ways.iter().find(ends)?;
            let steps = present(window, enough(ways));
            ways.iter()
                .filter(ends)
                .filter(|way| fulfilled(way, steps, complete))
                .filter_map(|way| Some((way.need.count_ones(), chain(window, way.need)?)))
                .max_by_key(|(_, from)| *from)
        }
        _ => None,
    }
}

fn fulfilled(way: &Alternative, steps: u64, complete: bool) -> bool {
    way.need & steps == way.need && (way.refuse == 0 || complete && way.refuse & steps == 0)
}

/// The steps that, all present, leave nothing to look for.
fn enough(ways: &[Alternative]) -> u64 {
    ways.iter().fold(0, |all, way| all | way.need | way.refuse)
}

/// The steps of a window's events.
fn present(window: &[Entry], enough: u64) -> u64 {
    let mut steps = 0_u64;
    for entry in window.iter().rev() {
        steps |= entry.value;
        if steps & enough == enough {
            break;
        }
    }
    steps
}

/// The bit of the last step.
fn highest(steps: u64) -> u64 {
    steps.checked_ilog2().and_then(|step| 1_u64.checked_shl(step)).unwrap_or(0)
}

/// Where the shortest chain of the steps of `need` begins that ends at the last event of the window, each at a
/// later event than the one before. The nearest event of each step, looking back, makes the shortest one.
fn chain(window: &[Entry], need: u64) -> Option<usize> {
    let mut at = window.len().checked_sub(1)?;
    let mut rest = need & !highest(need);
    while rest != 0 {
        let step = highest(rest);
        at = window.get(..at)?.iter().rposition(|entry| entry.value & step != 0)?;
        rest &= !step;
    }
    Some(at)
}

/// The newest events of a window but the last, which was found; oldest first.
fn context(window: &[Entry]) -> Vec<EventId> {
    let others = window.split_last().map(|(_, others)| others).unwrap_or_default();
    let skipped = others.len().saturating_sub(CONTEXT_MAX);
    others.iter().skip(skipped).map(|entry| entry.id).collect()
}
