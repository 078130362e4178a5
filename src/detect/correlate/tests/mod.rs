//! The engine against the plain definition, for every type; restart at any place; rows and their bounds.

mod types;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::reference::{Findings, Happening};
use crate::config::rules::RulesConfig;
use crate::detect::{Detector, Loaded, RuleSet, StateRow};
use crate::model::event::{Event, Value};
use crate::model::field;
use crate::model::finding::Finding;
use crate::stdx::id::IdHasher;
use crate::stdx::time::Timestamp;
pub use types::TYPES;
use types::{LARGE, SPAN};

/// Three rules that match an event of the kinds `a`, `b`, `c`.
pub const RULES: &str = "
title: A
name: a
id: id-a
logsource: {product: linux}
detection: {s: {event.kind: a}, condition: s}
---
title: B
name: b
logsource: {product: linux}
detection: {s: {event.kind: b}, condition: s}
---
title: C
name: c
logsource: {product: linux}
detection: {s: {event.kind: c}, condition: s}
";

/// Load [`RULES`] and these documents.
pub fn load(correlations: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yml");
    std::fs::write(&path, format!("{RULES}---\n{correlations}")).unwrap();
    let config = RulesConfig { paths: vec![path.display().to_string()], ..RulesConfig::default() };
    RuleSet::load(&config, &BTreeSet::new())
}

/// A detector over [`RULES`] and these documents, which must load.
pub fn detector(correlations: &str) -> Detector {
    let loaded = load(correlations);
    assert_eq!(loaded.problems, [], "{correlations}");
    Detector::new(Arc::new(loaded.rules), 1_000)
}

/// An event of the small world as a log line would have become one.
pub fn event(one: &Happening) -> Event {
    let mut event = Event::with_capacity(8, 128);
    event.id = IdHasher::new("test").number(one.id).finish();
    event.timestamp = Timestamp::from_seconds(one.second);
    event.push_str(field::HOST_OS_TYPE, "linux");
    for (bit, kind) in [(1, "a"), (2, "b"), (4, "c")] {
        if one.kinds & bit != 0 {
            event.push_named("event.kind", Value::Str(kind));
        }
    }
    if let Some(group) = one.group {
        event.push_str(field::SOURCE_IP, &format!("192.0.2.{group}"));
    }
    if let Some(user) = one.user {
        event.push_str(field::USER_NAME, &format!("user{user}"));
    }
    event.push_str(field::HOST_NAME, &format!("host{}", one.host));
    if let Some(bytes) = one.bytes {
        event.push_named("destination.bytes", Value::Int(bytes));
    }
    event
}

/// Group and event of the findings; none may be there twice.
fn found(findings: &[Finding], stream: &[Happening]) -> Findings {
    let ids: BTreeMap<_, _> = stream.iter().map(|one| (event(one).id, one.id)).collect();
    let mut out = Findings::new();
    for finding in findings.iter().filter(|finding| finding.rule.title == "X") {
        let group = finding.group[0].1.rsplit_once('.').unwrap().1.parse().unwrap();
        assert!(out.insert((group, ids[&finding.event])), "said twice: {finding:?}");
    }
    out
}

fn run(detector: &mut Detector, stream: &[Happening]) -> Findings {
    let events: Vec<Event> = stream.iter().map(event).collect();
    let mut out = Vec::new();
    detector.analyse(&events, false, &mut out);
    found(&out, stream)
}

/// A stream in the order of its times, with duplicates, several groups, and gaps.
pub fn stream() -> impl Strategy<Value = Vec<Happening>> {
    let one = (
        prop_oneof![16 => 0_i64..2, 3 => 2_i64..9, 1 => 9_i64..80],
        prop::option::weighted(0.95, 0_u8..3),
        0_u8..8,
        prop::option::weighted(0.9, 0_u8..4),
        0_u8..2,
        prop::option::weighted(0.9, -40_i64..120),
        prop::option::weighted(0.1, 0_usize..6),
    );
    prop::collection::vec(one, 1..40).prop_map(|steps| {
        let mut second = 1_000;
        let mut out: Vec<Happening> = Vec::new();
        for (id, (gap, group, kinds, user, host, bytes, again)) in (0_u64..).zip(steps) {
            second += gap;
            let repeat =
                again.and_then(|back| out.len().checked_sub(back + 1)).map(|at| out[at].clone());
            let one = Happening { id, second, group, kinds, user, host, bytes };
            // A duplicate is the event as it was, at its own time.
            out.push(repeat.filter(|old| second - old.second <= SPAN * 2).unwrap_or(one));
        }
        out
    })
}

/// The same stream as it arrives when each event is late by its delay, but never by more than `bound` seconds: a
/// repeat is late already where it stands.
fn delayed(stream: &[Happening], delays: &[i64], bound: i64) -> Vec<Happening> {
    let mut out: Vec<(i64, Happening)> = Vec::new();
    let mut newest = i64::MIN;
    for (one, delay) in stream.iter().zip(delays.iter().cycle()) {
        newest = newest.max(one.second);
        out.push(((newest + delay).min(one.second + bound), one.clone()));
    }
    out.sort_by_key(|(arrival, _)| *arrival);
    out.into_iter().map(|(_, one)| one).collect()
}

/// Events of the same second stand in the order of their arrival, which delays change: one event a second, then.
fn spread(stream: Vec<Happening>) -> Vec<Happening> {
    let mut seconds: BTreeMap<u64, i64> = BTreeMap::new();
    let mut last = 0;
    for one in &stream {
        seconds.entry(one.id).or_insert_with(|| {
            last = one.second.max(last + 1);
            last
        });
    }
    stream.into_iter().map(|one| Happening { second: seconds[&one.id], ..one }).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    /// In order, with duplicates: the engine finds what the definition says, for every type.
    #[test]
    fn every_type_equals_its_definition_on_a_stream_in_order(stream in stream()) {
        let mut stream = stream;
        stream.sort_by_key(|one| one.second);
        for kind in TYPES {
            prop_assert_eq!(run(&mut kind.detector(), &stream), kind.whole(&stream), "{}", kind.name);
        }
    }

    /// The same where windows hold hundreds of events and rows keep what they know of them; some events come late.
    #[test]
    fn long_windows_equal_their_definition(
        steps in prop::collection::vec((prop::bool::weighted(0.05), 0_u8..90, 1_u8..4, prop::bool::weighted(0.02)), 150..400),
        late in prop::bool::ANY,
    ) {
        let mut second = 1_000;
        let mut stream: Vec<Happening> = Vec::new();
        for (id, (gap, user, kinds, again)) in (0_u64..).zip(steps) {
            second += i64::from(gap);
            let one = Happening { id, second, group: Some(1), kinds, user: Some(user), host: user % 2, bytes: None };
            let repeat = stream.last().filter(|_| again).cloned();
            stream.push(repeat.unwrap_or(one));
        }
        let mut arrived = stream.clone();
        if late {
            // In pairs, the second first: order among equals changes, which no type here asks for.
            arrived.chunks_exact_mut(7).for_each(|some| some.swap(0, 6));
        }
        for kind in LARGE.iter().filter(|kind| kind.grows || !late) {
            prop_assert_eq!(run(&mut kind.detector(), &arrived), kind.whole(&stream), "{}", kind.name);
        }
    }

    /// Events up to two spans late change nothing where more events never make the condition false.
    #[test]
    fn late_events_inside_the_bound_change_nothing(stream in stream(), delays in prop::collection::vec(0_i64..SPAN * 2, 1..20)) {
        let stream = spread(stream);
        let arrived = delayed(&stream, &delays, SPAN * 2 - 1);
        for kind in TYPES.iter().filter(|kind| kind.grows) {
            let mut detector = kind.detector();
            prop_assert_eq!(run(&mut detector, &arrived), kind.whole(&stream), "{}", kind.name);
            prop_assert_eq!(detector.counts().late, 0);
        }
    }

    /// Elsewhere what was true when it was said stays said, and nothing that is true of the whole is missed.
    #[test]
    fn what_a_late_event_undoes_stays_said_and_nothing_is_missed(stream in stream(), delays in prop::collection::vec(0_i64..SPAN * 2, 1..20)) {
        let stream = spread(stream);
        let arrived = delayed(&stream, &delays, SPAN * 2 - 1);
        for kind in TYPES {
            let said = run(&mut kind.detector(), &arrived);
            prop_assert!(said.is_superset(&kind.whole(&stream)), "{}", kind.name);
            prop_assert_eq!(said, kind.as_it_came(&arrived), "{}", kind.name);
        }
    }

    /// Stop at any place, save, load in a fresh engine: the same findings with the same words, for every type.
    #[test]
    fn a_restart_makes_no_difference_to_any_type(stream in stream(), delays in prop::collection::vec(0_i64..SPAN * 4, 1..20), cut in 0_usize..40) {
        let arrived = delayed(&stream, &delays, i64::from(u16::MAX));
        let cut = cut.min(arrived.len());
        let events: Vec<Event> = arrived.iter().map(event).collect();
        for kind in TYPES {
            let (mut whole, mut halves) = (Vec::new(), Vec::new());
            kind.detector().analyse(&events, false, &mut whole);
            let mut before = kind.detector();
            before.analyse(&events[..cut], false, &mut halves);
            let mut after = kind.detector();
            after.restore(before.take_changes());
            prop_assert_eq!(after.take_changes(), Vec::<StateRow>::new());
            prop_assert_eq!(after.row_events(), before.row_events());
            after.analyse(&events[cut..], false, &mut halves);
            prop_assert_eq!(words(&halves), words(&whole), "{}", kind.name);
        }
    }
}

/// Streams on which nothing is found would compare nothing.
#[test]
fn the_random_streams_make_every_type_speak_and_be_silent() {
    use proptest::strategy::ValueTree as _;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let streams: Vec<Vec<Happening>> =
        (0..60).map(|_| stream().new_tree(&mut runner).unwrap().current()).collect();
    for kind in TYPES {
        let found: usize = streams.iter().map(|stream| kind.whole(stream).len()).sum();
        let all: usize = streams.iter().map(Vec::len).sum();
        assert!(found > 20 && found < all, "{}: {found} of {all}", kind.name);
    }
}

/// Everything that a finding says; each engine here has its rules in another file.
pub fn words(findings: &[Finding]) -> Vec<String> {
    let one = |finding: &Finding| {
        let mut finding = finding.clone();
        Arc::make_mut(&mut finding.rule).file.clear();
        format!("{finding:?}")
    };
    findings.iter().map(one).collect()
}
