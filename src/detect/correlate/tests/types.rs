//! Every correlation type, with what its definition says of a window.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use super::load;
use crate::detect::correlate::reference::{self, Ask, Findings, Happening};
use crate::detect::{Detector, RuleSet};

/// The timespan of [`TYPES`], in seconds.
pub const SPAN: i64 = 10;

/// A type with a condition, and what its definition says.
pub struct Type {
    pub name: &'static str,
    /// `correlation` without group-by and timespan.
    text: &'static str,
    kinds: u8,
    counts: fn(&Happening) -> bool,
    ask: Ask,
    /// More events never make it false.
    pub grows: bool,
}

const ANY: fn(&Happening) -> bool = |_| true;
const USER: fn(&Happening) -> bool = |one| one.user.is_some();
const BYTES: fn(&Happening) -> bool = |one| one.bytes.is_some();

macro_rules! kind {
    ($name:literal, $text:literal, $kinds:literal, $counts:expr, $ask:ident($holds:expr), $grows:literal) => {
        Type {
            name: $name,
            text: $text,
            kinds: $kinds,
            counts: $counts,
            ask: Ask::$ask($holds),
            grows: $grows,
        }
    };
}

pub const TYPES: &[Type] = &[
    kind!(
        "count gte",
        "type: event_count, rules: [a], condition: {gte: 3}",
        1,
        ANY,
        Every(|w| w.len() >= 3),
        true
    ),
    kind!(
        "count gt of two rules",
        "type: event_count, rules: [a, b], condition: {gt: 3}",
        3,
        ANY,
        Every(|w| w.len() > 3),
        true
    ),
    kind!(
        "count range",
        "type: event_count, rules: [a], condition: {gte: 2, lt: 4}",
        1,
        ANY,
        Every(|w| (2..4).contains(&w.len())),
        false
    ),
    kind!(
        "count eq",
        "type: event_count, rules: [a], condition: {eq: 3}",
        1,
        ANY,
        Every(|w| w.len() == 3),
        false
    ),
    kind!(
        "count neq",
        "type: event_count, rules: [a], condition: {neq: 2}",
        1,
        ANY,
        Every(|w| w.len() != 2),
        false
    ),
    kind!(
        "count lte",
        "type: event_count, rules: [a], condition: {lte: 1}",
        1,
        ANY,
        Every(|w| w.len() <= 1),
        false
    ),
    kind!(
        "values",
        "type: value_count, rules: [a, c], condition: {gte: 3, field: user.name}",
        5,
        USER,
        Every(|w| reference::users(w) >= 3),
        true
    ),
    kind!(
        "values range",
        "type: value_count, rules: [a], condition: {gt: 1, lte: 2, field: user.name}",
        1,
        USER,
        Every(|w| reference::users(w) == 2),
        false
    ),
    kind!(
        "tuples",
        "type: value_count, rules: [a], condition: {gte: 3, field: [user.name, host.name]}",
        1,
        USER,
        Every(|w| reference::pairs(w) >= 3),
        true
    ),
    kind!(
        "sum",
        "type: value_sum, rules: [a], condition: {gt: 100, field: destination.bytes}",
        1,
        BYTES,
        Every(|w| reference::sum(w) > 100.0),
        false
    ),
    kind!(
        "average",
        "type: value_avg, rules: [a, b], condition: {gte: 40, field: destination.bytes}",
        3,
        BYTES,
        Every(|w| reference::average(w) >= 40.0),
        false
    ),
    kind!(
        "average range",
        "type: value_avg, rules: [a], condition: {lt: 0, gte: -10, field: destination.bytes}",
        1,
        BYTES,
        Every(|w| (-10.0..0.0).contains(&reference::average(w))),
        false
    ),
    kind!(
        "median",
        "type: value_median, rules: [a], condition: {gt: 40, field: destination.bytes}",
        1,
        BYTES,
        Every(|w| reference::rank(w, 50.0) > 40.0),
        false
    ),
    kind!(
        "percentile",
        "type: value_percentile, rules: [a], condition: {gte: 80, field: destination.bytes, percentile: 90}",
        1,
        BYTES,
        Every(|w| reference::rank(w, 90.0) >= 80.0),
        false
    ),
    kind!(
        "temporal",
        "type: temporal, rules: [a, b, c]",
        7,
        ANY,
        Last(|w| reference::kinds(w) == 7),
        true
    ),
    kind!(
        "temporal two of three",
        "type: temporal, rules: [a, b, c], condition: {gte: 2}",
        7,
        ANY,
        Last(|w| reference::kinds(w).count_ones() >= 2),
        true
    ),
    kind!(
        "temporal eq",
        "type: temporal, rules: [a, b, c], condition: {eq: 2}",
        7,
        ANY,
        Last(|w| reference::kinds(w).count_ones() == 2),
        false
    ),
    kind!(
        "extended and or",
        "type: temporal, rules: [a, b, c], condition: a and (b or c)",
        7,
        ANY,
        Last(|w| matches!(reference::kinds(w), 3 | 5 | 7)),
        true
    ),
    kind!(
        "extended not",
        "type: temporal, rules: [a, b, c], condition: a and b and not c",
        7,
        ANY,
        Last(|w| reference::kinds(w) == 3),
        false
    ),
    kind!(
        "extended selector",
        "type: temporal, rules: [a, b, c], condition: 2 of them and not all of them",
        7,
        ANY,
        Last(|w| reference::kinds(w).count_ones() == 2),
        false
    ),
    kind!(
        "ordered",
        "type: temporal_ordered, rules: [a, b, c]",
        7,
        ANY,
        Last(|w| reference::in_order(w, &[1, 2, 4])),
        true
    ),
    kind!(
        "ordered with a repeat",
        "type: temporal_ordered, rules: [a, a, b]",
        3,
        ANY,
        Last(|w| reference::in_order(w, &[1, 1, 2])),
        true
    ),
    kind!(
        "ordered extended",
        "type: temporal_ordered, rules: [a, b, c], condition: (a or b) and c",
        7,
        ANY,
        Last(|w| reference::in_order(w, &[1, 4]) || reference::in_order(w, &[2, 4])),
        true
    ),
    kind!(
        "ordered extended not",
        "type: temporal_ordered, rules: [a, b, c], condition: a and b and not c",
        7,
        ANY,
        Last(|w| reference::in_order(w, &[1, 2]) && reference::kinds(w) & 4 == 0),
        false
    ),
];

/// Types whose rows may be long.
pub const LARGE: &[Type] = &[
    kind!(
        "many events",
        "type: event_count, rules: [a], condition: {gte: 30, neq: 200}",
        1,
        ANY,
        Every(|w| w.len() >= 30 && w.len() != 200),
        false
    ),
    kind!(
        "many values",
        "type: value_count, rules: [a], condition: {gte: 30, lte: 200, field: user.name}",
        1,
        USER,
        Every(|w| reference::users(w) >= 30),
        true
    ),
    kind!(
        "many tuples of two rules",
        "type: value_count, rules: [a, b], condition: {gt: 40, lt: 200, field: [user.name, host.name]}",
        3,
        USER,
        Every(|w| reference::pairs(w) > 40),
        true
    ),
];

/// Loaded once: the tests make thousands of engines.
static SETS: LazyLock<BTreeMap<&str, Arc<RuleSet>>> = LazyLock::new(|| {
    let text = |body| {
        format!("title: X\ncorrelation: {{{body}, group-by: [source.ip], timespan: {SPAN}s}}\n")
    };
    let set = |kind: &Type| {
        let loaded = load(&text(kind.text));
        assert_eq!(loaded.problems, [], "{}", kind.name);
        Arc::new(loaded.rules)
    };
    TYPES.iter().chain(LARGE).map(|kind| (kind.name, set(kind))).collect()
});

impl Type {
    pub fn detector(&self) -> Detector {
        Detector::new(Arc::clone(&SETS[self.name]), 1_000)
    }

    pub fn whole(&self, stream: &[Happening]) -> Findings {
        reference::whole(stream, SPAN, self.kinds, self.counts, self.ask)
    }

    pub fn as_it_came(&self, stream: &[Happening]) -> Findings {
        reference::as_it_came(stream, SPAN, self.kinds, self.counts, self.ask)
    }
}
