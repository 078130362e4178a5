//! Rules over hand-made events: semantics, correlation, restart at any batch boundary.

use std::collections::BTreeSet;
use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::config::rules::RulesConfig;
use crate::model::event::{Event, Value};
use crate::model::field;
use crate::model::finding::Finding;
use crate::model::severity::Severity;
use crate::stdx::id::IdHasher;
use crate::stdx::time::Timestamp;

fn load_text(text: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yml");
    std::fs::write(&path, text).unwrap();
    let config = RulesConfig { paths: vec![path.display().to_string()], ..RulesConfig::default() };
    RuleSet::load_for_comparison(&config)
}

fn rule(detection: &str) -> RuleSet {
    let text = format!(
        "title: t\nlogsource:\n  product: windows\n  category: process_creation\ndetection:\n{detection}"
    );
    let loaded = load_text(&text);
    assert_eq!(loaded.problems, []);
    loaded.rules
}

fn process(fields: &[(&str, Value<'_>)]) -> Event {
    let mut event = Event::with_capacity(8, 256);
    event.push_str(field::WINLOG_CHANNEL, "Microsoft-Windows-Sysmon/Operational");
    event.push_str(field::WINLOG_PROVIDER_NAME, "Microsoft-Windows-Sysmon");
    event.push_str(field::EVENT_CODE, "1");
    for (name, value) in fields {
        event.push_named(name, *value);
    }
    event
}

/// Judge by both ways; they must agree.
fn fires(rules: &RuleSet, event: &Event) -> bool {
    let (mut ours, mut library) = (Vec::new(), Vec::new());
    rules.judge(event, &mut ours);
    rules.judge_by_library(event, &mut library);
    assert_eq!(ours, library);
    !ours.is_empty()
}

#[test]
fn the_code_that_rules_ask_for_is_the_one_they_read() {
    let rules = rule("  s:\n    EventID: 17\n  condition: s\n");
    let own = |code: Value<'_>| process(&[("winlog.event_data.EventID", code)]);
    assert!(fires(&rules, &own(Value::Str("17"))));
    assert!(fires(&rules, &own(Value::Int(17))));
    assert!(fires(&rules, &own(Value::Float(17.0))));
    assert!(!fires(&rules, &own(Value::Str("18"))));
    assert!(!fires(&rules, &process(&[])));
    let mut several = own(Value::Int(3));
    several.push_named("winlog.event_data.EventID", Value::Str("17"));
    assert!(fires(&rules, &several));
}

#[test]
fn values_match_without_case_and_with_wildcards() {
    let rules = rule(
        "  s:\n    Image|endswith: '\\cmd.exe'\n    CommandLine: '*whoami ?all'\n  condition: s\n",
    );
    let event = |image, line| {
        process(&[
            ("process.executable", Value::Str(image)),
            ("process.command_line", Value::Str(line)),
        ])
    };
    assert!(fires(&rules, &event(r"C:\Windows\CMD.EXE", "cmd /c WHOAMI /all")));
    assert!(!fires(&rules, &event(r"C:\Windows\cmd.exe", "whoami all")));
    assert!(!fires(&rules, &event(r"C:\Windows\xcmd.exe", "whoami /all")));
}

#[test]
fn null_empty_missing_and_exists_differ() {
    let null = rule("  s:\n    ParentImage: null\n  condition: s\n");
    let empty = rule("  s:\n    ParentImage: ''\n  condition: s\n");
    let exists = rule("  s:\n    ParentImage|exists: true\n  condition: s\n");
    let event = |value: Option<Value<'static>>| {
        process(
            &value
                .map(|value| ("process.parent.executable", value))
                .into_iter()
                .collect::<Vec<_>>(),
        )
    };
    let states = [None, Some(Value::Null), Some(Value::Str("")), Some(Value::Str("x"))];
    let answers = |rules: &RuleSet| states.map(|state| fires(rules, &event(state)));
    assert_eq!(answers(&null), [true, true, false, false]);
    assert_eq!(answers(&empty), [false, false, true, false]);
    assert_eq!(answers(&exists), [false, false, true, true]);
}

#[test]
fn lists_numbers_selectors_and_keywords() {
    let rules = rule("  s:\n    process.args|contains|all: [a, b]\n  condition: s\n");
    assert!(fires(&rules, &process(&[("process.args", Value::Str("ab"))])));
    // Each of the values may be found in another member of the list.
    assert!(fires(
        &rules,
        &process(&[("process.args", Value::Str("a")), ("process.args", Value::Str("b"))])
    ));
    let rules = rule(
        "  a_1:\n    ProcessId: 4\n  a_2:\n    User: x\n  condition: 1 of a_* and not all of a_*\n",
    );
    assert!(fires(&rules, &process(&[("process.pid", Value::Int(4))])));
    assert!(!fires(
        &rules,
        &process(&[("process.pid", Value::Int(4)), ("user.name", Value::Str("X"))])
    ));
    let rules = rule("  words:\n    - mimikatz\n  condition: words\n");
    assert!(fires(&rules, &process(&[("winlog.event_data.Any", Value::Str("run MimiKatz now"))])));
    // All texts are searched as one, but a word must stand in one of them.
    let halves =
        [("winlog.event_data.A", Value::Str("mimi")), ("winlog.event_data.B", Value::Str("katz"))];
    assert!(!fires(&rules, &process(&halves)));
    assert!(fires(&rules, &process(&[("winlog.event_data.Any", Value::Str("Ünd MIMIKATZ"))])));
    let rules = rule("  s:\n    Image|fieldref: ParentImage\n  condition: s\n");
    let both =
        [("process.executable", Value::Str("A")), ("process.parent.executable", Value::Str("a"))];
    assert!(fires(&rules, &process(&both)));
}

#[test]
fn what_cannot_run_is_listed_with_its_line_and_the_rest_runs() {
    let loaded = load_text(
        "title: good\nlogsource: {product: windows}\ndetection: {s: {a: b}, condition: s}\n---\n\
         title: bad regex\nlogsource: {product: windows}\ndetection: {s: {a|re: '('}, condition: s}\n---\n\
         title: no such name\nlogsource: {product: windows}\ndetection: {s: {a: b}, condition: other}\n---\n\
         title: elsewhere\nlogsource: {product: qualys}\ndetection: {s: {a: b}, condition: s}\n---\n\
         title: counted\ncorrelation: {type: value_count, rules: [good], group-by: [a], timespan: 1m, condition: {gte: 2, field: b}}\n---\n\
         title: [broken\n",
    );
    assert_eq!(loaded.rules.rules().len(), 1);
    assert_eq!(loaded.rules.unbound().len(), 1);
    let lines: Vec<u32> = loaded.problems.iter().map(|problem| problem.line).collect();
    assert_eq!(loaded.problems.len(), 4, "{:#?}", loaded.problems);
    assert!(lines.contains(&5) && lines.contains(&9), "{lines:?}");
}

#[test]
fn filters_are_joined_and_levels_and_switches_count() {
    let text = "title: t\nid: r1\nlevel: high\nlogsource: {product: windows, category: process_creation}\n\
        detection: {s: {CommandLine|contains: x}, condition: s}\n---\n\
        title: f\nlogsource: {product: windows}\nfilter: {rules: [r1], s: {User: admin}, condition: not s}\n";
    let loaded = load_text(text);
    assert_eq!(loaded.problems, []);
    let event = |user| {
        process(&[("process.command_line", Value::Str("x")), ("user.name", Value::Str(user))])
    };
    assert!(fires(&loaded.rules, &event("bob")));
    assert!(!fires(&loaded.rules, &event("admin")));

    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("a.yml"), text).unwrap();
    let mut config =
        RulesConfig { paths: vec![folder.path().display().to_string()], ..RulesConfig::default() };
    let off = BTreeSet::from(["r1".to_owned()]);
    assert!(RuleSet::load(&config, &off).rules.rules().is_empty());
    config.min_level = Severity::Critical;
    assert!(RuleSet::load(&config, &BTreeSet::new()).rules.rules().is_empty());
}

#[test]
fn the_events_own_time_has_the_name_that_shippers_give_it() {
    let mut event = process(&[]);
    // 2025-03-04T22:05:06Z
    event.timestamp = Timestamp::from_seconds(1_741_125_906);
    for (test, expected) in [
        ("'@timestamp|hour': 22", true),
        ("'@timestamp|hour': 21", false),
        ("'@timestamp|minute|lte': 5", true),
        ("'@timestamp|exists': true", true),
        ("'@timestamp|exists': false", false),
        ("'@timestamp|startswith': '2025-03-04T22:05'", true),
        ("'@timestamp|contains': '2024'", false),
    ] {
        let rules = rule(&format!("  s:\n    {test}\n  condition: s\n"));
        assert_eq!(fires(&rules, &event), expected, "{test}");
    }
    // The view is used again, and the time is the next event's.
    let rules = rule("  s:\n    '@timestamp|hour': 23\n  condition: s\n");
    let mut later = event.clone();
    later.timestamp = Timestamp::from_seconds(1_741_125_906 + 3_600);
    assert!(!fires(&rules, &event) && fires(&rules, &later));
}

#[test]
fn a_match_says_what_matched() {
    let rules = rule(
        "  s:\n    Image|endswith: '\\a.exe'\n    CommandLine|contains: 'z'\n  f:\n    User: x\n  condition: s and not f\n",
    );
    let long = "z".repeat(1_000);
    let event = process(&[
        ("process.executable", Value::Str(r"C:\a.exe")),
        ("process.command_line", Value::Str(&long)),
    ]);
    let mut out = Vec::new();
    rules.judge(&event, &mut out);
    let matched = &out[0].matched;
    assert_eq!(matched[0], ("process.executable".to_owned(), r"C:\a.exe".to_owned()));
    assert!(matched[1].1.len() <= crate::model::explanation::VALUE_BYTES_MAX);
    assert_eq!(matched.len(), 2);
}

const GUESSING: &str = "
title: refused
name: refused
logsource: {product: linux, service: sshd}
detection: {s: {message|startswith: 'Failed password'}, condition: s}
---
title: accepted
name: accepted
logsource: {product: linux, service: sshd}
detection: {s: {message|startswith: 'Accepted password'}, condition: s}
---
title: guessing
correlation: {type: event_count, rules: [refused], group-by: [host.name, source.ip], timespan: 10m, condition: {gte: 5}}
---
title: guessed
name: guessed
correlation: {type: event_count, rules: [refused], group-by: [host.name, source.ip], timespan: 10m, condition: {gte: 5}}
---
title: success
correlation: {type: temporal_ordered, rules: [guessed, accepted], group-by: [host.name, source.ip], timespan: 30m}
";

fn guessing() -> Arc<RuleSet> {
    let loaded = load_text(GUESSING);
    assert_eq!(loaded.problems, []);
    Arc::new(loaded.rules)
}

#[test]
fn the_shipped_pack_compiles_and_is_bound() {
    let loaded = RuleSet::load(&RulesConfig::default(), &BTreeSet::new());
    assert_eq!(loaded.problems, []);
    assert!(loaded.rules.unbound().is_empty(), "{:?}", loaded.rules.unbound());
}

fn ssh(number: u64, second: i64, source: &str, accepted: bool) -> Event {
    let mut event = Event::with_capacity(8, 128);
    event.id = IdHasher::new("test").number(number).finish();
    event.timestamp = Timestamp::from_seconds(second);
    event.push_str(field::SYSLOG_APPNAME, "sshd");
    event.push_str(field::HOST_NAME, "web01");
    event.push_str(field::SOURCE_IP, source);
    event.push_str(field::USER_NAME, "root");
    let word = if accepted { "Accepted" } else { "Failed" };
    event.push_str(field::MESSAGE, &format!("{word} password for root from {source} port 22 ssh2"));
    event
}

/// What of a finding must not depend on batches: rule, event, time, others that took part.
type Brief = (String, String, i64, Vec<String>);

fn brief(findings: &[Finding]) -> Vec<Brief> {
    let one = |finding: &Finding| {
        let others = finding.contributing.iter().map(ToString::to_string).collect();
        (finding.rule.title.clone(), finding.event.to_string(), finding.timestamp.seconds(), others)
    };
    findings.iter().map(one).collect()
}

#[test]
fn guessing_counts_every_attempt_and_success_follows() {
    let mut detector = Detector::new(guessing(), 100);
    let mut events: Vec<Event> =
        (0..7).map(|n| ssh(n, n as i64 * 10, "192.0.2.7", false)).collect();
    events.push(ssh(100, 75, "192.0.2.7", true));
    events.push(ssh(101, 76, "198.51.100.1", true));
    let mut out = Vec::new();
    detector.analyse(&events, false, &mut out);
    let titles: Vec<_> = out.iter().map(|finding| finding.rule.title.as_str()).collect();
    assert_eq!(titles.iter().filter(|title| **title == "guessing").count(), 7);
    assert_eq!(titles.iter().filter(|title| **title == "success").count(), 1);
    assert_eq!(titles.len(), 8);
    let success = out.last().unwrap();
    assert_eq!(success.event, events[7].id);
    assert_eq!(success.host, "web01");
    assert_eq!(success.group[1], ("source.ip".to_owned(), "192.0.2.7".to_owned()));
    assert!(success.contributing.contains(&events[6].id));
}

#[test]
fn the_window_is_open_at_its_old_end_and_duplicates_do_not_count() {
    let run = |seconds: &[i64]| {
        let mut detector = Detector::new(guessing(), 100);
        let events: Vec<Event> = seconds
            .iter()
            .zip(0..)
            .map(|(second, n)| ssh(n, *second, "192.0.2.7", false))
            .collect();
        let mut out = Vec::new();
        detector.analyse(&events, false, &mut out);
        detector.analyse(&events, false, &mut out);
        out.len()
    };
    assert_eq!(run(&[0, 1, 2, 3, 600]), 0);
    assert_eq!(run(&[0, 1, 2, 3, 599]), 5);
    assert_eq!(run(&[0, 1, 2, 3]), 0);
    // Late, but inside the span: the same findings in another order.
    assert_eq!(run(&[599, 3, 2, 0, 1]), 5);
}

#[test]
fn rows_are_bounded_and_eviction_is_counted() {
    let mut detector = Detector::new(guessing(), 10);
    let events: Vec<Event> = (0..100).map(|n| ssh(n, 0, &format!("192.0.2.{n}"), false)).collect();
    let mut out = Vec::new();
    detector.analyse(&events, false, &mut out);
    assert_eq!(detector.rows(), 10);
    // Each match feeds two correlations.
    assert_eq!(detector.counts().rows_evicted, 190);
    let changes = detector.take_changes();
    assert_eq!(changes.iter().filter(|row| row.value.is_some()).count(), 10);
    assert!(detector.take_changes().is_empty());
}

#[test]
fn rows_of_unknown_rules_are_discarded_and_removed() {
    let mut detector = Detector::new(guessing(), 10);
    let row = StateRow { key: "correlation/gone/00000000/00".to_owned(), value: Some(vec![1]) };
    detector.restore(vec![row]);
    assert_eq!(detector.counts().rows_discarded, 1);
    assert_eq!(
        detector.take_changes(),
        [StateRow { key: "correlation/gone/00000000/00".to_owned(), value: None }]
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// Kill and restore after any batch: the same findings as one undisturbed run, and the same rows.
    #[test]
    fn restart_changes_nothing(
        steps in prop::collection::vec((0_i64..2_000, 0_u8..4, prop::bool::weighted(0.15)), 1..120),
        cuts in prop::collection::vec(0_usize..120, 0..6),
        rows_max in 3_usize..12,
    ) {
        let events: Vec<Event> = steps
            .iter()
            .zip(0..)
            .map(|((second, source, accepted), n)| ssh(n, *second, &format!("192.0.2.{source}"), *accepted))
            .collect();
        let rules = guessing();
        let mut whole = Detector::new(Arc::clone(&rules), rows_max);
        let mut expected = Vec::new();
        whole.analyse(&events, false, &mut expected);

        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(events.len())).collect();
        cuts.push(events.len());
        cuts.sort_unstable();
        let mut saved = std::collections::BTreeMap::new();
        let mut found = Vec::new();
        let mut start = 0;
        for cut in cuts {
            let mut detector = Detector::new(Arc::clone(&rules), rows_max);
            detector.restore(saved.iter().map(|(key, value): (&String, &Vec<u8>)| StateRow { key: key.clone(), value: Some(value.clone()) }).collect());
            detector.analyse(&events[start..cut], false, &mut found);
            for row in detector.take_changes() {
                match row.value {
                    Some(value) => saved.insert(row.key, value),
                    None => saved.remove(&row.key),
                };
            }
            start = cut;
        }
        prop_assert_eq!(brief(&found), brief(&expected));
        let rows: std::collections::BTreeMap<String, Vec<u8>> =
            whole.take_changes().into_iter().filter_map(|row| Some((row.key, row.value?))).collect();
        prop_assert_eq!(saved, rows);
    }

    /// Whatever order the events of three spans arrive in, the same guesses are found.
    #[test]
    fn order_of_arrival_changes_no_count(mut seconds in prop::collection::vec(0_i64..1_800, 1..40), seed in any::<u64>()) {
        seconds.sort_unstable();
        let events: Vec<Event> = seconds.iter().zip(0..).map(|(second, n)| ssh(n, *second, "192.0.2.7", false)).collect();
        let mut shuffled = events.clone();
        let mut random = seed;
        for index in (1..shuffled.len()).rev() {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            shuffled.swap(index, (random >> 33) as usize % (index + 1));
        }
        let run = |events: &[Event]| {
            let mut out = Vec::new();
            Detector::new(guessing(), 100).analyse(events, false, &mut out);
            out.iter().map(|finding| finding.event).collect::<BTreeSet<_>>()
        };
        prop_assert_eq!(run(&events), run(&shuffled));
    }

    /// A row holds three spans of events (the longest here is half an hour), however many came before.
    #[test]
    fn rows_forget_what_is_over(gap in 61_i64..200) {
        let events: Vec<Event> = (0..400).map(|n| ssh(n, i64::try_from(n).unwrap() * gap, "192.0.2.7", false)).collect();
        let mut detector = Detector::new(guessing(), 100);
        detector.analyse(&events, false, &mut Vec::new());
        for row in detector.take_changes() {
            let row = correlate::row::Row::decode(&row.value.unwrap()).unwrap();
            prop_assert!(row.len() <= usize::try_from(5_400 / gap).unwrap() + 1, "{}", row.len());
        }
    }

    /// Bytes from the store are checked, not believed.
    #[test]
    fn row_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Some(row) = correlate::row::Row::decode(&bytes) {
            let again = correlate::row::Row::decode(&row.encode()).unwrap();
            prop_assert_eq!(again.encode(), row.encode());
        }
    }

    /// Rule files come from outside.
    #[test]
    fn rule_text_never_panics(text in "(title|logsource|detection|condition|s|a\\|re|: |\\{|\\}|\\[|\n|  |- |\\*|&a |\\(|and |1 of ){0,40}") {
        let _ = load_text(&text);
    }
}

#[test]
fn another_set_of_rules_goes_on_with_the_rows_of_correlations_that_it_has_unchanged() {
    let detector = || Detector::new(guessing(), 100);
    let three: Vec<Event> = (0..3).map(|n| ssh(n, n as i64, "192.0.2.7", false)).collect();
    let two: Vec<Event> = (3..5).map(|n| ssh(n, n as i64, "192.0.2.7", false)).collect();
    // The same rules in another order, so that every number in the set is another one.
    let turned: Vec<&str> = GUESSING.split("---\n").collect();
    let turned = ["title: new\nlogsource: {product: linux, service: sshd}\ndetection: {s: {message: x}, condition: s}\n", turned[4], turned[2], turned[3], turned[1], turned[0]].join("---\n");
    let changed = GUESSING
        .replace("timespan: 10m, condition: {gte: 5}", "timespan: 11m, condition: {gte: 5}");
    let found = |rules: Option<Arc<RuleSet>>| {
        let (mut detector, mut out) = (detector(), Vec::new());
        detector.analyse(&three, false, &mut out);
        detector.take_changes();
        assert!(out.is_empty());
        if let Some(rules) = rules {
            detector.replace_rules(rules);
        }
        detector.analyse(&two, false, &mut out);
        (out.len(), detector.take_changes())
    };
    let (undisturbed, _) = found(None);
    assert!(undisturbed > 0);
    let set = |text: &str| {
        let loaded = load_text(text);
        assert_eq!(loaded.problems, []);
        Arc::new(loaded.rules)
    };
    assert_eq!(found(Some(set(&turned))).0, undisturbed);
    let (fresh, rows) = found(Some(set(&changed)));
    assert_eq!(fresh, 0, "a changed correlation begins anew");
    assert!(rows.iter().any(|row| row.value.is_none()), "and its old rows leave the store");
}
