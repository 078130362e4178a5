//! Rules that nobody means well by, and rules put together by chance: what is wrong is said, the rest runs, and the
//! indexed path says what the plain one says.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::class::Class;
use crate::model::event::{Event, Value};
use crate::stdx::id::IdHasher;
use crate::stdx::time::Timestamp;

fn load(text: &str) -> Loaded {
    RuleSet::load_bytes("input.yml", text.as_bytes())
}

/// Judge by both ways; they must agree.
fn judge(rules: &RuleSet, event: &Event) -> Vec<Match> {
    let (mut ours, mut library) = (Vec::new(), Vec::new());
    rules.judge(event, &mut ours);
    rules.judge_by_library(event, &mut library);
    assert_eq!(ours, library);
    ours
}

/// Lines of a rule whose detection has two.
const RULE_LINES: usize = 8;

fn rule(id: usize, detection: &str) -> String {
    format!(
        "title: r{id}\nid: r{id}\nname: r{id}\nlogsource: {{category: process_creation}}\ndetection:\n{detection}---\n"
    )
}

fn event(number: u64, fields: &[(&str, Value<'_>)]) -> Event {
    let mut event = Event::with_capacity(8, 128);
    event.id = IdHasher::new("event").number(number).finish();
    event.timestamp = Timestamp::from_seconds(1_772_618_400 + i64::try_from(number).unwrap());
    event.class = Class::ProcessStart;
    for (name, value) in fields {
        event.push_named(name, *value);
    }
    event
}

#[test]
fn patterns_that_explode_are_refused_or_cost_no_more_than_others() {
    let bad = ["((a{1,1000}){1,1000}){1,1000}", "\\p{L}{1000}{1000}", "(?:x{999}){999}{9}"];
    // Exponential for an engine that goes back; they would never end here.
    let slow = ["^(a+)+$", "^(a|aa)+$", "(x+x+)+y", "^([a-zA-Z0-9]+)*$", "(.*)*(.*)*(.*)*q$"];
    let patterns = bad.iter().chain(&slow).enumerate();
    let text: String = patterns
        .map(|(id, pattern)| rule(id, &format!("  s: {{a|re: '{pattern}'}}\n  condition: s\n")))
        .collect();
    let loaded = load(&text);
    assert_eq!(loaded.problems.len(), bad.len(), "{:#?}", loaded.problems);
    for problem in &loaded.problems {
        assert!(problem.line > 0 && problem.reason.contains("regex"), "{problem}");
    }
    assert_eq!(loaded.rules.rules().len(), slow.len());
    let value = format!("{}!", "a".repeat(50_000));
    assert!(judge(&loaded.rules, &event(1, &[("a", Value::Str(&value))])).is_empty());
    assert!(!judge(&loaded.rules, &event(2, &[("a", Value::Str("aaa"))])).is_empty());
}

#[test]
fn wildcards_that_explode_cost_no_more_than_others() {
    let stars = "*a".repeat(60);
    let loaded = load(&rule(1, &format!("  s: {{a: '{stars}*b'}}\n  condition: s\n")));
    assert_eq!(loaded.problems, []);
    let value = "a".repeat(50_000);
    assert!(judge(&loaded.rules, &event(1, &[("a", Value::Str(&value))])).is_empty());
    assert_eq!(judge(&loaded.rules, &event(2, &[("a", Value::Str(&(value + "b")))])).len(), 1);
}

#[test]
fn modifiers_that_do_not_exist_or_do_not_fit_are_said_and_the_rest_runs() {
    let bad = [
        ("a|containz: x", "containz"),
        ("a|contains|startswit: x", "startswit"),
        ("a|cidr: 300.1.2.3/8", "CIDR"),
        ("a|gt: much", "much"),
        ("a|: x", ""),
    ];
    let all = bad.iter().map(|(item, _)| *item).chain(["a|contains: x"]).enumerate();
    let text: String =
        all.map(|(id, item)| rule(id, &format!("  s: {{{item}}}\n  condition: s\n"))).collect();
    let loaded = load(&text);
    assert_eq!(loaded.problems.len(), bad.len(), "{:#?}", loaded.problems);
    for (number, (_, word)) in bad.iter().enumerate() {
        let line = u32::try_from(number * RULE_LINES + 1).unwrap();
        let said = loaded.problems.iter().find(|problem| problem.line == line);
        assert!(said.unwrap().reason.contains(word), "{:#?}", loaded.problems);
    }
    assert_eq!(judge(&loaded.rules, &event(1, &[("a", Value::Str("-x-"))])).len(), 1);
}

#[test]
fn conditions_nested_too_deep_are_no_crash() {
    for depth in [10, 1_000, 100_000] {
        let (open, close) = ("(".repeat(depth), ")".repeat(depth));
        let text = rule(1, &format!("  s: {{a: x}}\n  condition: '{open}s{close}'\n"));
        let loaded = load(&(text + &rule(2, "  s: {a: x}\n  condition: s\n")));
        let said = loaded.problems.len() + loaded.rules.rules().len();
        assert_eq!(said, 2, "each runs or is listed: {:#?}", loaded.problems);
        assert!(!judge(&loaded.rules, &event(1, &[("a", Value::Str("x"))])).is_empty());
    }
}

const NAMES: [&str; 6] =
    ["a", "b.c", "CommandLine", "process.command_line", "user.name", "event.code"];
const WORDS: [&str; 14] = [
    "",
    "x",
    "X",
    "cmd.exe",
    "10",
    "-1",
    "0.5",
    "192.0.2.7",
    "2001:db8::7",
    "/tmp/x",
    "a*b?c",
    "%A%",
    "Ä",
    "null",
];

fn value() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        proptest::sample::select(WORDS.to_vec()).prop_map(str::to_owned),
        "[a-cA-C*?/\\\\. -]{0,6}",
    ];
    let one = prop_oneof![
        8 => word.prop_map(|word| format!("'{word}'")),
        1 => any::<i8>().prop_map(|number| number.to_string()),
        1 => proptest::sample::select(vec!["null", "true", "''"]).prop_map(str::to_owned),
    ];
    prop_oneof![
        3 => one.clone(),
        1 => prop::collection::vec(one, 1..4).prop_map(|all| format!("[{}]", all.join(", "))),
    ]
}

fn item() -> impl Strategy<Value = String> {
    // What fits any text, and what is refused for most.
    let fits = vec![
        "",
        "",
        "|contains",
        "|startswith",
        "|endswith",
        "|cased",
        "|windash|contains",
        "|base64offset|contains",
        "|wide|base64",
        "|fieldref",
        "|neq",
    ];
    let odd = vec![
        "|all",
        "|contains|all",
        "|re",
        "|re|i",
        "|cidr",
        "|gt",
        "|lte",
        "|exists",
        "|expand",
        "|minute",
        "|containz",
    ];
    let modifier =
        prop_oneof![12 => proptest::sample::select(fits), 1 => proptest::sample::select(odd)];
    let name = proptest::sample::select(NAMES.to_vec());
    (name, modifier, value())
        .prop_map(|(name, modifier, value)| format!("{name}{modifier}: {value}"))
}

fn detection() -> impl Strategy<Value = String> {
    let map = prop::collection::vec(item(), 1..4);
    let map = map.prop_map(|items| format!("{{{}}}", items.join(", "))).boxed();
    prop_oneof![
        4 => map.clone(),
        1 => prop::collection::vec(map, 1..3).prop_map(|maps| format!("[{}]", maps.join(", "))),
        1 => value(),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    let leaf = proptest::sample::select(vec![
        "s0",
        "s1",
        "s2",
        "1 of them",
        "all of them",
        "1 of s*",
        "all of s*",
    ]);
    let leaf = prop_oneof![40 => leaf, 1 => Just("2 of s*"), 1 => Just("none")];
    leaf.prop_map(str::to_owned).prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("({one} and {two})")),
            (inner.clone(), inner.clone()).prop_map(|(one, two)| format!("({one} or {two})")),
            inner.prop_map(|one| format!("not {one}")),
        ]
    })
}

fn rules() -> impl Strategy<Value = String> {
    let one = (prop::collection::vec(detection(), 3), condition());
    prop::collection::vec(one, 1..6).prop_map(|all| {
        let each = all.iter().enumerate().map(|(id, (detections, condition))| {
            let lines: String =
                detections.iter().enumerate().map(|(n, one)| format!("  s{n}: {one}\n")).collect();
            rule(id, &format!("{lines}  condition: {condition}\n"))
        });
        let counted = "title: c\nid: c\ncorrelation: {type: event_count, rules: [r0], group-by: [user.name], \
            timespan: 1m, condition: {gte: 2}}\n";
        each.collect::<String>() + counted
    })
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let value = prop_oneof![
        4 => proptest::sample::select(WORDS.to_vec()).prop_map(|word| word.to_owned()),
        1 => "[a-cA-C/\\\\. -]{0,8}",
    ];
    let kind = 0_u8..6;
    let field = (proptest::sample::select(NAMES.to_vec()), value, kind);
    prop::collection::vec(prop::collection::vec(field, 0..6), 1..6).prop_map(|all| {
        let each = all.into_iter().zip(0_u64..);
        each.map(|(fields, number)| {
            let mut one = event(number, &[]);
            for (name, text, kind) in &fields {
                let value = match kind {
                    0 => Value::Null,
                    1 => Value::Int(i64::try_from(text.len()).unwrap()),
                    2 => Value::Float(0.5),
                    3 => Value::Bool(true),
                    _ => Value::Str(text),
                };
                one.push_named(name, value);
            }
            one
        })
        .collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn rules_by_chance_are_judged_the_same_with_and_without_the_index(text in rules(), events in events()) {
        let loaded = load(&text);
        let lines = text.lines().count();
        for problem in &loaded.problems {
            prop_assert!(problem.line as usize <= lines && !problem.reason.is_empty(), "{}", problem);
        }
        for event in &events {
            judge(&loaded.rules, event);
        }
        // And what correlations keep of them is read back.
        let rules = Arc::new(loaded.rules);
        let mut detector = Detector::new(Arc::clone(&rules), 100);
        let mut found = Vec::new();
        detector.analyse(&events, false, &mut found);
        let rows = detector.take_changes();
        let mut again = Detector::new(rules, 100);
        again.restore(rows);
        prop_assert_eq!(again.counts().rows_discarded, 0);
        prop_assert_eq!(again.rows(), detector.rows());
    }

    #[test]
    fn any_text_loads_or_is_refused_with_a_reason(text in "(?s).{0,300}", at in any::<prop::sample::Index>()) {
        let whole = rule(1, "  s: {a|contains: ['x', 'y']}\n  condition: 1 of s*\n");
        let cut = (0..=whole.len()).filter(|at| whole.is_char_boundary(*at)).collect::<Vec<_>>();
        let at = cut[at.index(cut.len())];
        for text in [text.clone(), format!("{}{text}{}", &whole[..at], &whole[at..])] {
            let loaded = load(&text);
            judge(&loaded.rules, &event(1, &[("a", Value::Str("x"))]));
            let said = loaded.problems.iter().all(|problem| !problem.reason.is_empty());
            prop_assert!(said);
        }
    }
}

#[test]
fn the_rules_by_chance_match_often_enough_to_mean_something() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;

    let mut runner = TestRunner::deterministic();
    let (mut matches, mut loaded, mut refused) = (0, 0, 0);
    for _ in 0..200 {
        let text = rules().new_tree(&mut runner).unwrap().current();
        let events = events().new_tree(&mut runner).unwrap().current();
        let set = load(&text);
        loaded += set.rules.rules().len();
        refused += set.problems.len();
        matches += events.iter().map(|event| judge(&set.rules, event).len()).sum::<usize>();
    }
    assert!(matches > 100 && loaded > 200 && refused > 50, "{matches} {loaded} {refused}");
}
