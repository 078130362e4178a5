//! Correlation as the pipeline runs it: events judged by one or two rules, and every match into a window of its group.
//! `judging alone` is the same with a correlation that no event has a group for: what is to be taken off for the cost
//! of correlation itself.
//! Before the first measurement the memory that a live group costs is printed.
#![allow(clippy::unwrap_used, clippy::print_stdout, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeSet;
use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use watchfloor::config::rules::RulesConfig;
use watchfloor::detect::{Detector, RuleSet};
use watchfloor::model::event::{Event, Value};
use watchfloor::model::field;
use watchfloor::stdx::id::Id128;
use watchfloor::stdx::time::Timestamp;

const RULES: &str = "
title: A
name: a
level: low
logsource: {product: linux}
detection: {s: {event.kind: a}, condition: s}
---
title: B
name: b
level: low
logsource: {product: linux}
detection: {s: {event.kind: b}, condition: s}
";

const TYPES: [(&str, &str); 3] = [
    ("event_count", "type: event_count, rules: [a, b], condition: {gte: 10}"),
    ("value_count", "type: value_count, rules: [a, b], condition: {gte: 10, field: user.name}"),
    ("temporal", "type: temporal, rules: [a, b]"),
];

/// Seconds from one event of a group to its next: three are in a window of ten minutes.
const GAP: i64 = 200;
const BATCH: usize = 5_000;
/// Set for a process that only measures the memory of one type.
const ALONE: &str = "CORRELATE_MEMORY_OF";

const GROUP: &str = "group-by: [host.name, source.ip]";

fn detector(body: &str, group: &str) -> Detector {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yml");
    let text = format!("{RULES}---\ntitle: X\ncorrelation: {{{body}, {group}, timespan: 10m}}\n");
    std::fs::write(&path, text).unwrap();
    let config = RulesConfig { paths: vec![path.display().to_string()], ..RulesConfig::default() };
    let loaded = RuleSet::load(&config, &BTreeSet::new());
    assert!(loaded.problems.is_empty(), "{:?}", loaded.problems);
    Detector::new(Arc::new(loaded.rules), 200_000)
}

/// One event of each group.
fn events(groups: usize) -> Vec<Event> {
    let one = |group: usize| {
        let mut event = Event::with_capacity(8, 96);
        event.push_str(field::HOST_OS_TYPE, "linux");
        event.push_str(field::HOST_NAME, &format!("web{:02}", group % 20));
        event.push_str(
            field::SOURCE_IP,
            &format!("10.{}.{}.{}", group >> 16, group >> 8 & 255, group & 255),
        );
        event.push_str(field::USER_NAME, if group.is_multiple_of(3) { "root" } else { "admin" });
        event.push_named("event.kind", Value::Str(if group.is_multiple_of(2) { "a" } else { "b" }));
        event
    };
    (0..groups).map(one).collect()
}

/// A stream that never ends: each round one event of every group.
struct Stream {
    events: Vec<Event>,
    at: usize,
    number: u64,
}

impl Stream {
    fn new(groups: usize) -> Stream {
        Stream { events: events(groups), at: 0, number: 0 }
    }

    fn batch(&mut self) -> &[Event] {
        if self.at >= self.events.len() {
            self.at = 0;
        }
        let end = (self.at + BATCH).min(self.events.len());
        let groups = self.events.len() as u64;
        let batch = &mut self.events[self.at..end];
        for event in batch.iter_mut() {
            self.number += 1;
            let second = i64::try_from(self.number / groups).unwrap() * GAP;
            event.id = Id128(u128::from(self.number).to_le_bytes());
            event.timestamp = Timestamp::from_seconds(1_700_000_000 + second);
        }
        self.at = end;
        batch
    }
}

fn resident_bytes() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4_096
}

/// Feed whole rounds, and say what a group costs after each of some. In a process of its own: memory that another
/// engine gave back would not be seen.
fn memory(name: &str, body: &str, groups: usize) {
    let mut stream = Stream::new(groups);
    let mut engine = detector(body, GROUP);
    let mut out = Vec::new();
    let before = resident_bytes();
    for round in 1..=12 {
        for _ in 0..groups.div_ceil(BATCH) {
            engine.analyse(stream.batch(), false, &mut out);
        }
        if [1, 3, 12].contains(&round) {
            let bytes = resident_bytes().saturating_sub(before) / groups;
            let held = engine.row_events() / engine.rows();
            println!("memory: {name}, {groups} groups, {held} events each: {bytes} bytes a group");
        }
    }
}

/// More groups than there are rows: what does not fit is counted.
fn million() {
    let mut engine = detector(TYPES[0].1, GROUP);
    let mut stream = Stream::new(1_000_000);
    let mut out = Vec::new();
    for _ in 0..1_000_000 / BATCH {
        engine.analyse(stream.batch(), false, &mut out);
    }
    let (rows, evicted) = (engine.rows(), engine.counts().rows_evicted);
    println!("1,000,000 groups: {rows} rows held, {evicted} evicted and counted");
}

fn correlate(criterion: &mut Criterion) {
    if let Some(name) = std::env::var_os(ALONE) {
        for (name, body) in TYPES.iter().filter(|(known, _)| name == *known) {
            memory(name, body, 100_000);
        }
        return;
    }
    for (name, _) in TYPES {
        let program = std::env::current_exe().unwrap();
        std::process::Command::new(program).arg("--bench").env(ALONE, name).status().unwrap();
    }
    million();
    let mut group = criterion.benchmark_group("correlate");
    for groups in [1_000, 100_000] {
        let cases = TYPES.iter().map(|(name, body)| (*name, *body, GROUP));
        let alone = ("judging alone", TYPES[0].1, "group-by: [event.reason]");
        for (name, body, by) in std::iter::once(alone).chain(cases) {
            let mut stream = Stream::new(groups);
            let mut engine = detector(body, by);
            let mut out = Vec::new();
            group.throughput(Throughput::Elements(BATCH.min(groups) as u64));
            group.bench_function(format!("{name}, {groups} groups"), |bench| {
                bench.iter(|| {
                    out.clear();
                    engine.analyse(black_box(stream.batch()), false, &mut out);
                    out.len()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, correlate);
criterion_main!(benches);
