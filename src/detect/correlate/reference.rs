//! Correlations as their definition reads: every window of the whole, sorted stream is looked at. Slow, plain, and
//! what the engine is compared with.

use std::collections::{BTreeMap, BTreeSet};

/// One event of a small world: three kinds, a few groups.
#[derive(Clone, Debug)]
pub struct Happening {
    /// What the event is known by.
    pub id: u64,
    /// Seconds.
    pub second: i64,
    /// The group-by field.
    pub group: Option<u8>,
    /// Bits: rules `a`, `b`, `c` match.
    pub kinds: u8,
    /// The first field of a tuple.
    pub user: Option<u8>,
    /// The second field of a tuple.
    pub host: u8,
    /// A number.
    pub bytes: Option<i64>,
}

/// What is asked of a window.
#[derive(Clone, Copy)]
pub enum Ask {
    /// All events of the window are findings while this holds.
    Every(fn(&[&Happening]) -> bool),
    /// The window's last event is a finding when this holds.
    Last(fn(&[&Happening]) -> bool),
}

/// The findings: group and event.
pub type Findings = BTreeSet<(u8, u64)>;

/// The events of one group that count, once each, by time and then arrival.
fn sorted(
    stream: &[Happening],
    kinds: u8,
    counts: fn(&Happening) -> bool,
) -> BTreeMap<u8, Vec<&Happening>> {
    let mut seen = BTreeSet::new();
    let mut groups: BTreeMap<u8, Vec<&Happening>> = BTreeMap::new();
    for one in stream.iter().filter(|one| one.kinds & kinds != 0 && counts(one)) {
        if let Some(group) = one.group.filter(|_| seen.insert(one.id)) {
            groups.entry(group).or_default().push(one);
        }
    }
    groups.values_mut().for_each(|events| events.sort_by_key(|one| one.second));
    groups
}

/// Every finding of the whole stream.
pub fn whole(
    stream: &[Happening],
    span: i64,
    kinds: u8,
    counts: fn(&Happening) -> bool,
    ask: Ask,
) -> Findings {
    let mut out = Findings::new();
    for (group, events) in sorted(stream, kinds, counts) {
        for end in 0..events.len() {
            let last = events[end];
            let window: Vec<&Happening> = events[..=end]
                .iter()
                .copied()
                .filter(|one| one.second > last.second - span)
                .collect();
            match ask {
                Ask::Every(holds) if holds(&window) => {
                    out.extend(window.iter().map(|one| (group, one.id)));
                }
                Ask::Last(holds) if holds(&window) => {
                    out.insert((group, last.id));
                }
                Ask::Every(_) | Ask::Last(_) => {}
            }
        }
    }
    out
}

/// Every finding that was true when it was said: of the stream as it was after any of its events.
pub fn as_it_came(
    stream: &[Happening],
    span: i64,
    kinds: u8,
    counts: fn(&Happening) -> bool,
    ask: Ask,
) -> Findings {
    (1..=stream.len()).flat_map(|end| whole(&stream[..end], span, kinds, counts, ask)).collect()
}

/// The different values of a window.
pub fn users(window: &[&Happening]) -> usize {
    window.iter().map(|one| one.user).collect::<BTreeSet<_>>().len()
}

/// The different pairs of a window.
pub fn pairs(window: &[&Happening]) -> usize {
    window.iter().map(|one| (one.user, one.host)).collect::<BTreeSet<_>>().len()
}

fn numbers(window: &[&Happening]) -> Vec<f64> {
    let mut numbers: Vec<f64> =
        window.iter().filter_map(|one| one.bytes).map(|n| n as f64).collect();
    numbers.sort_by(f64::total_cmp);
    numbers
}

/// The sum of a window's numbers.
pub fn sum(window: &[&Happening]) -> f64 {
    numbers(window).iter().sum()
}

/// Their mean.
pub fn average(window: &[&Happening]) -> f64 {
    sum(window) / numbers(window).len() as f64
}

/// The value at `rank`: the share of the way from the smallest to the largest by place.
pub fn rank(window: &[&Happening], rank: f64) -> f64 {
    let numbers = numbers(window);
    let place = rank / 100.0 * (numbers.len() - 1) as f64;
    let (below, part) = (place.floor() as usize, place.fract());
    match numbers.get(below + 1) {
        Some(above) if part > 0.0 => numbers[below] + part * (above - numbers[below]),
        _ => numbers[below],
    }
}

/// Which of the rules the window has events of.
pub fn kinds(window: &[&Happening]) -> u8 {
    window.iter().fold(0, |all, one| all | one.kinds)
}

/// Is there an event of each of `steps`, in this order, each after the one before, the last one the window's last?
pub fn in_order(window: &[&Happening], steps: &[u8]) -> bool {
    let Some((last, before)) = steps.split_last() else { return true };
    let Some((end, earlier)) = window.split_last() else { return false };
    end.kinds & last != 0
        && (before.is_empty() || (1..=earlier.len()).any(|end| in_order(&earlier[..end], before)))
}
