//! Sigma rules: whatever the text, loading says what is wrong and where; what loads judges any event the same with and
//! without the index, and what its correlations keep is read back.

use std::sync::Arc;

use watchfloor::detect::{Detector, RuleSet};
use watchfloor::model::class::Class;
use watchfloor::model::event::{Event, Value};
use watchfloor::stdx::id::IdHasher;
use watchfloor::stdx::time::Timestamp;

use crate::target::Seen;

/// What stands between the text of rules and the events that they judge.
const EVENTS: &[u8] = b"\n%%%%\n";
/// Events of one input.
const EVENTS_MAX: usize = 32;

/// The text of rules, and three plain events.
pub fn loader(input: &[u8], seen: &mut Seen) {
    let events: Vec<Event> = ["x", "192.0.2.7", "cmd.exe /c whoami"]
        .into_iter()
        .zip(0..)
        .map(|(word, number)| {
            let mut event = plain(number);
            for name in ["a", "CommandLine", "message", "user.name", "source.ip"] {
                event.push_named(name, Value::Str(word));
            }
            event
        })
        .collect();
    run(input, &events, seen);
}

/// The text of rules, then lines of `field=value`; an empty line ends an event.
pub fn conditions(input: &[u8], seen: &mut Seen) {
    let at = input.windows(EVENTS.len()).position(|window| window == EVENTS);
    let (rules, rest) = match at {
        Some(at) => (&input[..at], &input[at + EVENTS.len()..]),
        None => (input, &[][..]),
    };
    let text = String::from_utf8_lossy(rest);
    let mut events = vec![plain(0)];
    for line in text.lines() {
        if line.is_empty() {
            if events.len() == EVENTS_MAX {
                break;
            }
            events.push(plain(events.len() as u64));
            continue;
        }
        let (Some(event), Some((name, value))) = (events.last_mut(), line.split_once('=')) else {
            continue;
        };
        if name == "class" {
            event.class = Class::parse(value).unwrap_or_default();
            continue;
        }
        let number = value.parse::<i64>().ok().map(Value::Int);
        let number = number.or_else(|| value.parse::<f64>().ok().map(Value::Float));
        let value = match value {
            "null" => Value::Null,
            "true" => Value::Bool(true),
            _ => number.unwrap_or(Value::Str(value)),
        };
        // Names are remembered for as long as the program runs.
        let known =
            ["a", "b", "CommandLine", "message", "user.name", "winlog.channel", "event.code", "EventID"];
        let name = known.iter().find(|one| **one == name).unwrap_or(&"a");
        event.push_named(name, value);
    }
    run(rules, &events, seen);
}

fn plain(number: u64) -> Event {
    let mut event = Event::with_capacity(8, 128);
    event.id = IdHasher::new("fuzz").number(number).finish();
    event.timestamp = Timestamp::from_seconds(1_772_618_400 + number as i64 * 7);
    event.class = Class::ProcessStart;
    event
}

fn run(input: &[u8], events: &[Event], seen: &mut Seen) {
    let loaded = RuleSet::load_bytes("input.yml", input);
    // A YAML parser takes a carriage return for a line end too.
    let lines = 1 + input.iter().filter(|byte| matches!(byte, b'\n' | b'\r')).count();
    for problem in &loaded.problems {
        assert!(problem.line as usize <= lines + 1, "a problem behind the end: {problem}");
        assert!(!problem.reason.is_empty(), "a problem without a reason");
        seen.note_one_of("problem", &problem.reason, 60);
    }
    seen.size("rules", loaded.rules.rules().len());
    seen.size("unbound", loaded.rules.unbound().len());
    for (number, event) in events.iter().enumerate() {
        let (mut ours, mut library) = (Vec::new(), Vec::new());
        loaded.rules.judge(event, &mut ours);
        loaded.rules.judge_by_library(event, &mut library);
        assert_eq!(ours, library, "the index and the plain path differ at event {number}");
        seen.size("matches", ours.len());
        for (name, _) in ours.iter().flat_map(|hit| &hit.matched) {
            seen.note_one_of("matched", name, 30);
        }
    }
    let rules = Arc::new(loaded.rules);
    let mut detector = Detector::new(Arc::clone(&rules), 100);
    let mut found = Vec::new();
    detector.analyse(events, false, &mut found);
    seen.size("findings", found.len());
    seen.size("rows", detector.rows());
    let rows = detector.take_changes();
    let mut again = Detector::new(rules, 100);
    again.restore(rows);
    assert_eq!(again.counts().rows_discarded, 0, "a row that was written cannot be read");
}

/// Rules of every shape.
pub fn examples() -> Vec<Vec<u8>> {
    let head =
        "title: t\nid: one\nname: one\nlogsource: {category: process_creation}\ndetection:\n";
    let mut all: Vec<String> = [
        "  s: {a|contains: [x, 'y*']}\n  condition: s",
        "  s: {a|re: '^c.d+', CommandLine|windash|contains|all: [' -a', whoami]}\n  condition: 1 of s*",
        "  s: {source.ip|cidr: 192.0.2.0/24}\n  f: {user.name|endswith: x}\n  condition: s and not f",
        "  s: [x, 'cmd*']\n  t: {EventID: [1, 2], a: null}\n  condition: all of them or 1 of t*",
        "  s: {a|base64offset|contains: x, b|fieldref: a, a|gt: 5}\n  condition: not s",
        "  s: {a|exists: true, message|wide|base64: x, a|cased|startswith: X}\n  condition: s",
    ]
    .iter()
    .map(|detection| format!("{head}{detection}\nlevel: high\n"))
    .collect();
    for body in [
        "type: event_count, condition: {gte: 2}",
        "type: value_count, condition: {gte: 2, field: a}",
        "type: value_percentile, condition: {gt: 2, field: a, percentile: 90}",
        "type: temporal_ordered",
    ] {
        all.push(format!(
            "{head}  s: {{a: '*'}}\n  condition: s\n---\ntitle: c\ncorrelation: {{{body}, rules: [one], \
             group-by: [user.name], timespan: 1m, generate: true}}\n"
        ));
    }
    all.push(format!(
        "{head}  s: {{a: x}}\n  condition: s\n---\ntitle: f\nlogsource: {{category: process_creation}}\n\
                 filter: {{rules: [one], s: {{user.name: x}}, condition: not s}}\n"
    ));
    all.into_iter().map(String::into_bytes).collect()
}

/// Rules with events behind them.
pub fn examples_with_events() -> Vec<Vec<u8>> {
    let events =
        "a=x\nuser.name=ann\n\na=cmd.exe\nCommandLine=/c whoami -a\n\na=7\nEventID=1\nb=null\n";
    let add = |mut rules: Vec<u8>| {
        rules.extend_from_slice(EVENTS);
        rules.extend_from_slice(events.as_bytes());
        rules
    };
    examples().into_iter().map(add).collect()
}
