//! The loader of signals: whatever the text, it says what is wrong and where, and what it takes can judge events.

use std::sync::Arc;

use watchfloor::config::signals::SignalsConfig;
use watchfloor::model::event::{Event, Value};
use watchfloor::signal::{Engine, SignalSet, files, load};
use watchfloor::stdx::id::IdHasher;
use watchfloor::stdx::time::Timestamp;

use crate::target::Seen;

pub fn loader(input: &[u8], seen: &mut Seen) {
    let config = SignalsConfig::default();
    let (mut documents, mut problems) = (Vec::new(), Vec::new());
    files::add("input.yml", input, &mut documents, &mut problems);
    let signals: Vec<_> = documents
        .iter()
        .filter_map(|one| load::signal(one, &config.lists, &mut problems))
        .collect();
    let lines = 1 + input.iter().filter(|byte| **byte == b'\n').count();
    for problem in &problems {
        assert!(problem.line as usize <= lines + 1, "a problem behind the end: {problem}");
        seen.note_one_of("key", &problem.key, 50);
        seen.note_one_of("issue", &problem.issue.to_string(), 50);
    }
    for signal in &signals {
        seen.note("kind", signal.condition.name());
    }
    let set = Arc::new(SignalSet::new(signals, config.calendar.clone()));
    let mut engine = Engine::new(Arc::clone(&set), &config);
    let mut found = Vec::new();
    for number in 0..40_u64 {
        let mut event = Event::with_capacity(8, 128);
        event.timestamp = Timestamp::from_seconds(1_772_618_400 + number as i64 * 7);
        event.id = IdHasher::new("fuzz").number(number).finish();
        event.push_named("event.action", Value::Str("login"));
        event.push_named("user.name", Value::Str(if number % 3 == 0 { "ann" } else { "bob" }));
        event.push_named("source.bytes", Value::Int(number as i64));
        engine.analyse(&[event], false, &mut found);
    }
    seen.size("findings", found.len());
    let rows = engine.take_changes();
    let mut again = Engine::new(set, &config);
    again.restore(rows);
    assert_eq!(again.report().rows_discarded, 0, "a row that was written cannot be read");
}

pub fn examples() -> Vec<Vec<u8>> {
    [
        "count: { within: 10m, at_least: 3, warning: 2 }",
        "ratio: { of: { event.outcome: failure }, within: 10m, events: 5, above: 0.5 }",
        "sum: { field: source.bytes, divide: 10, within: 1h, above: 60 }",
        "percentile: { field: source.bytes, rank: 99, within: 1h, above: 3 }",
        "burst: { window: 1m, baseline: 6, learn: 3, deviations: 1, at_least: 3, usual: ewma }",
        "first_seen: { field: user.name, learn: 10m }",
        "absence: { for: 5m, gaps: 2, after: 3 }",
        "deny: { field: user.name, values: ['a*', bob] }",
    ]
    .iter()
    .map(|alert| {
        format!(
            "title: t\nid: sig\nlevel: high\nwhen:\n  event.action: {{ matches: 'log.*', not: [x, 5] }}\n\
             unless: {{ user.name: {{ exists: false }} }}\nlabels: [user.name]\nalert:\n  {alert}\n"
        )
        .into_bytes()
    })
    .collect()
}
