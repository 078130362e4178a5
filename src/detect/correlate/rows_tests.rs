//! Rows and their bounds: eviction, full rows, a million groups, saved forms.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::condition::{Bounds, Test};
use super::lane::{ENTRIES_NUMBERS_MAX, ENTRIES_STEPS_MAX};
use super::reference::Happening;
use super::row::Row;
use super::tests::{detector, event, load, words};
use crate::detect::{Detector, Match, StateRow};
use crate::model::event::Event;
use crate::model::field;
use crate::model::finding::Finding;
use crate::stdx::id::IdHasher;

fn at(id: u64, second: i64, kinds: u8) -> Happening {
    Happening { id, second, group: Some(1), kinds, user: Some(1), host: 1, bytes: Some(1) }
}

fn judge(detector: &mut Detector, stream: &[Happening]) -> Vec<Finding> {
    let events: Vec<Event> = stream.iter().map(event).collect();
    let mut out = Vec::new();
    detector.analyse(&events, false, &mut out);
    out
}

fn small(rows_max: usize) -> Detector {
    let loaded = load(
        "title: X\ncorrelation: {type: event_count, rules: [a], group-by: [source.ip], timespan: 1h, condition: {gte: 2}}\n",
    );
    Detector::new(Arc::new(loaded.rules), rows_max)
}

fn of_group(id: u64, group: u8) -> Happening {
    Happening { group: Some(group), ..at(id, 0, 1) }
}

#[test]
fn eviction_at_capacity_is_visible_and_takes_the_row_used_longest_ago() {
    let mut engine = small(2);
    judge(&mut engine, &[of_group(1, 1), of_group(2, 2), of_group(3, 1)]);
    assert_eq!(engine.counts().rows_evicted, 0);
    assert_eq!(engine.counts().warning(), None);
    // Group 2 was used before group 1, so it makes room, and must begin again.
    let out = judge(&mut engine, &[of_group(4, 3), of_group(5, 1), of_group(6, 2)]);
    assert_eq!(engine.counts().rows_evicted, 2);
    assert_eq!(out.len(), 1, "only group 1 went on counting");
    assert_eq!(engine.rows(), 2);
    let warning = engine.counts().warning().unwrap();
    assert!(warning.starts_with("2 groups") && warning.contains("limits.correlation_rows_max"));
}

#[test]
fn a_row_that_is_gone_is_removed_from_the_store_once_and_only_if_it_was_there() {
    let mut engine = small(1);
    judge(&mut engine, &[of_group(1, 1), of_group(2, 2)]);
    // Group 1 came and went between two commits: nobody has to remove it.
    assert_eq!(engine.take_changes().len(), 1);
    judge(&mut engine, &[of_group(3, 3)]);
    let changes = engine.take_changes();
    assert_eq!(changes.iter().map(|row| row.value.is_some()).filter(|kept| !kept).count(), 1);
    assert_eq!(changes.len(), 2);
    // Gone and back between two commits: one row, with a value.
    judge(&mut engine, &[of_group(4, 4), of_group(5, 3)]);
    let changes = engine.take_changes();
    assert_eq!(changes.len(), 1);
    assert!(changes[0].value.is_some());
}

#[test]
fn a_million_groups_leave_bounded_rows_and_a_counted_rest() {
    let rows_max = 1_000;
    let mut engine = small(rows_max);
    let mut one = event(&at(0, 0, 1));
    let hit = || vec![Match { rule: 0, alerts: false, matched: Vec::new() }];
    let (groups, mut out) = (1_000_000_u64, Vec::new());
    for group in 0..groups {
        one.id = crate::stdx::id::Id128(u128::from(group).to_le_bytes());
        one.remove(field::SOURCE_IP);
        one.push_str(field::SOURCE_IP, &group.to_string());
        engine.absorb(&one, hit(), false, &mut out);
    }
    assert_eq!(engine.rows(), rows_max);
    assert_eq!(engine.row_events(), rows_max);
    assert_eq!(engine.counts().rows_evicted, groups - rows_max as u64);
    assert_eq!(engine.take_changes().len(), rows_max);
}

#[test]
fn all_rows_together_hold_a_bounded_number_of_events() {
    let body = "type: value_sum, rules: [a], group-by: [source.ip], timespan: 1d, condition: {gt: 1000000, field: destination.bytes}";
    let mut engine = detector(&format!("title: X\ncorrelation: {{{body}}}\n"));
    // 60 rows of 1,000 events are under every bound of a row and over the bound of all.
    let stream: Vec<_> = (0..60_000_u64)
        .map(|n| Happening {
            group: u8::try_from(n / 1_000).ok(),
            ..at(n, n.cast_signed() % 1_000, 1)
        })
        .collect();
    judge(&mut engine, &stream);
    assert!(engine.row_events() <= 50_000, "{}", engine.row_events());
    assert!(engine.counts().rows_evicted >= 10);
    assert_eq!(engine.counts().rows_evicted + engine.rows() as u64, 60);
}

#[test]
fn full_rows_of_every_type_are_bounded_and_err_as_they_say() {
    let flood = |body: &str, kinds: u8, last: &[Happening]| {
        let mut engine = detector(&format!("title: X\ncorrelation: {{{body}}}\n"));
        let mut stream: Vec<_> = (0..6_000_u64).map(|n| at(n, n.cast_signed(), kinds)).collect();
        stream.extend(last.iter().cloned());
        let out = judge(&mut engine, &stream);
        assert!(engine.counts().events_dropped > 0, "{body}");
        (engine.row_events(), out.len())
    };
    // Numbers that are reached stay reached, and what is too much is not taken for little.
    let (kept, found) =
        flood("type: event_count, rules: [a], timespan: 1d, condition: {gte: 10}", 1, &[]);
    assert!(kept <= 84 && found == 6_000, "{kept} {found}");
    let (_, found) =
        flood("type: event_count, rules: [a], timespan: 1d, condition: {lte: 10}", 1, &[]);
    assert_eq!(found, 10);
    // One value over and over does not push out the others.
    let other = |id: u64, user| Happening { user: Some(user), ..at(id, 0, 1) };
    let body = "type: value_count, rules: [a], timespan: 1d, condition: {gte: 3, field: user.name}";
    let mut engine = detector(&format!("title: X\ncorrelation: {{{body}}}\n"));
    let mut stream = vec![other(9_001, 2), other(9_002, 3)];
    stream.extend(
        (0..3_000_u64).map(|n| Happening { user: Some(2), ..at(n, n.cast_signed() + 1, 1) }),
    );
    assert_eq!(judge(&mut engine, &stream).len(), 0);
    assert_ne!(judge(&mut engine, &[Happening { user: Some(4), ..at(9_003, 4_000, 1) }]).len(), 0);
    // The first step over and over does not push out the second.
    let step = |id: u64, second, kinds| at(id, second, kinds);
    let body = "type: temporal_ordered, rules: [a, b, c], timespan: 1d";
    let mut engine = detector(&format!("title: X\ncorrelation: {{{body}}}\n"));
    let mut stream = vec![step(9_001, 0, 1), step(9_002, 1, 2)];
    stream.extend((0..3_000_u64).map(|n| step(n, n.cast_signed() + 2, 1)));
    stream.push(step(9_003, 4_000, 4));
    assert_eq!(judge(&mut engine, &stream).len(), 1);
    assert!(engine.row_events() <= ENTRIES_STEPS_MAX);
    // Sums are those of the newest events.
    let sum = "type: value_sum, rules: [a], timespan: 1d, condition: {gt: 2049, field: destination.bytes}";
    let (kept, found) = flood(sum, 1, &[]);
    assert!(kept <= ENTRIES_NUMBERS_MAX && found == 0, "{kept} {found}");
}

#[test]
fn a_row_has_the_key_that_it_always_had() {
    let mut engine = small(10);
    judge(&mut engine, &[of_group(1, 1)]);
    let key = engine.take_changes().remove(0).key;
    let hash = IdHasher::new("correlation row").text("").text("192.0.2.1").finish();
    let id = IdHasher::new("rule").text("X").finish();
    let made = IdHasher::new("correlation")
        .text("event_count")
        .number(3_600)
        .text("a")
        .text("source.ip")
        .finish();
    assert_eq!(key, format!("correlation/{id}/{}/{hash}", &made.to_string()[..8]));
}

/// What version 1 wrote: one stretch of time, a step's number and whether it was reported.
fn version_1(entries: &[(&Event, u8, bool)]) -> Vec<u8> {
    let mut out = vec![1];
    out.extend(7_u64.to_le_bytes());
    out.extend(1_u32.to_le_bytes());
    for text in ["host1", "user1"] {
        out.extend(u32::try_from(text.len()).unwrap().to_le_bytes());
        out.extend(text.as_bytes());
    }
    out.extend(u32::try_from(entries.len()).unwrap().to_le_bytes());
    for (event, step, reported) in entries {
        out.extend(event.timestamp.0.to_le_bytes());
        out.extend(event.id.as_bytes());
        out.extend([*step, u8::from(*reported)]);
        out.extend(0_u16.to_le_bytes());
    }
    out
}

#[test]
fn rows_of_an_older_version_are_read_and_go_on() {
    let rule = "title: X\ncorrelation: {type: temporal_ordered, rules: [a, b], group-by: [source.ip], timespan: 1h}\n";
    let mut engine = detector(rule);
    judge(&mut engine, &[at(1, 0, 1)]);
    let key = engine.take_changes().remove(0).key;
    let mut engine = detector(rule);
    let bytes = version_1(&[(&event(&at(1, 0, 1)), 0, false), (&event(&at(2, 5, 2)), 1, true)]);
    engine.restore(vec![StateRow { key, value: Some(bytes) }]);
    assert_eq!((engine.rows(), engine.row_events()), (1, 2));
    // A duplicate of what was reported stays one; the next step is found with the saved first one.
    let out = judge(&mut engine, &[at(2, 5, 2), at(3, 9, 2)]);
    assert_eq!(out.len(), 1);
    assert_eq!(out[0].event, event(&at(3, 9, 2)).id);
    assert!(out[0].contributing.contains(&event(&at(1, 0, 1)).id));
    assert_eq!(engine.counts().rows_discarded, 0);
}

#[test]
fn more_saved_rows_than_are_allowed_now_are_evicted_and_counted() {
    let mut engine = small(10);
    judge(&mut engine, &(0..10).map(|n| of_group(u64::from(n), n)).collect::<Vec<_>>());
    let rows = engine.take_changes();
    let mut engine = small(4);
    engine.restore(rows);
    assert_eq!((engine.rows(), engine.counts().rows_evicted), (4, 6));
    assert_eq!(engine.take_changes().iter().filter(|row| row.value.is_none()).count(), 6);
    // The newest stayed.
    assert_eq!(judge(&mut engine, &[of_group(100, 9)]).len(), 2);
}

#[test]
fn another_set_of_rules_keeps_the_rows_of_what_it_has_unchanged() {
    let of = |title: &str, kind: &str, least: u8| {
        format!(
            "title: {title}\ncorrelation: {{type: event_count, rules: [{kind}], group-by: [source.ip], timespan: 1h, condition: {{gte: {least}}}}}\n---\n"
        )
    };
    let (x, y, z) = (of("X", "a", 3), of("Y", "b", 2), of("Z", "c", 2));
    let mut engine = detector(&format!("{x}{y}{z}"));
    judge(&mut engine, &[at(1, 0, 7)]);
    assert_eq!(engine.take_changes().len(), 3);
    judge(&mut engine, &[at(2, 1, 1)]);
    // X asks for less and stands elsewhere, Y is gone, Z counts something else.
    let next = format!("{}{}", of("Z", "b", 2), of("X", "a", 2));
    engine.replace_rules(Arc::new(load(&next).rules));
    assert_eq!((engine.rows(), engine.row_events()), (1, 2));
    assert_eq!(engine.counts().rows_discarded, 2);
    let changes = engine.take_changes();
    assert_eq!(changes.iter().filter(|row| row.value.is_none()).count(), 2);
    assert_eq!(changes.len(), 3, "X's change of before is not lost");
    let out = judge(&mut engine, &[at(3, 2, 3)]);
    let titles: Vec<_> = out.iter().map(|finding| finding.rule.title.as_str()).collect();
    assert_eq!(titles, ["X", "X", "X"]);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Eviction too is the same after a restart, at any place, however small the bound.
    #[test]
    fn a_restart_changes_no_eviction(groups in prop::collection::vec(0_u8..8, 1..60), cut in 0_usize..60, rows_max in 1_usize..6) {
        let stream: Vec<_> = groups.iter().zip(0..).map(|(group, id)| of_group(id, *group)).collect();
        let cut = cut.min(stream.len());
        let mut whole = small(rows_max);
        let expected = judge(&mut whole, &stream);
        let mut first = small(rows_max);
        let mut found = judge(&mut first, &stream[..cut]);
        let saved: BTreeMap<_, _> = first.take_changes().into_iter().filter_map(|row| Some((row.key, row.value?))).collect();
        let mut second = small(rows_max);
        second.restore(saved.into_iter().map(|(key, value)| StateRow { key, value: Some(value) }).collect());
        found.extend(judge(&mut second, &stream[cut..]));
        prop_assert_eq!(words(&found), words(&expected));
    }

    /// A row never holds more than its bound, and its events stay in order, whatever comes.
    #[test]
    fn rows_stay_sorted_and_bounded(steps in prop::collection::vec((0_i64..400, 0_u64..6), 1..600)) {
        let bounds = Bounds(vec![(rsigma_parser::ConditionOperator::Gte, 3.0)]);
        let ways = vec![super::condition::Alternative { need: 7, refuse: 0 }];
        for test in [Test::Count(bounds.clone()), Test::Distinct(bounds), Test::Any(ways.clone()), Test::Ordered(ways)] {
            let mut row = Row::default();
            for ((second, value), id) in steps.iter().zip(0_u64..) {
                let event = event(&at(id, *second, 1));
                let entry = super::lane::Entry { time: event.timestamp, id: event.id, value: *value, place: 0, flags: 0 };
                row.add(entry, 50_000_000, &test);
                let most = if test.has_steps() { ENTRIES_STEPS_MAX } else { 70 };
                for lane in &row.lanes {
                    prop_assert!(lane.entries().len() <= most);
                    prop_assert!(lane.entries().is_sorted_by_key(|entry| entry.time));
                }
                prop_assert!(row.lanes.len() <= super::row::LANES_MAX);
            }
        }
    }
}
