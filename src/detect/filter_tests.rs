//! Filters: which rules they are for, what their conditions mean, and that a broken one takes no rule with it.

use std::collections::BTreeSet;

use crate::config::rules::RulesConfig;
use crate::detect::{Loaded, RuleSet};
use crate::model::event::{Event, Value};
use crate::model::field;

/// Two rules; documents after them begin at line 10.
const RULES: &str = "\
title: One
id: r1
logsource: {product: windows, category: process_creation}
detection: {s: {CommandLine|contains: x}, condition: s}
---
title: Two
logsource: {product: windows, category: process_creation}
detection: {s: {CommandLine|contains: x}, condition: s}
---
";

const FIRST: u32 = 10;

fn load(documents: &str) -> Loaded {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rules.yml");
    std::fs::write(&path, format!("{RULES}{documents}")).unwrap();
    let config = RulesConfig { paths: vec![path.display().to_string()], ..RulesConfig::default() };
    RuleSet::load(&config, &BTreeSet::new())
}

/// Titles of the rules that find an event of a user with an image.
fn fires(loaded: &Loaded, user: &str, image: &str) -> Vec<String> {
    let mut event = Event::with_capacity(8, 256);
    event.push_str(field::WINLOG_CHANNEL, "Microsoft-Windows-Sysmon/Operational");
    event.push_str(field::WINLOG_PROVIDER_NAME, "Microsoft-Windows-Sysmon");
    event.push_str(field::EVENT_CODE, "1");
    for (name, value) in
        [("process.command_line", "x"), ("user.name", user), ("process.executable", image)]
    {
        event.push_named(name, Value::Str(value));
    }
    let mut out = Vec::new();
    loaded.rules.judge(&event, &mut out);
    let rules = loaded.rules.rules();
    out.iter().map(|found| rules[found.rule as usize].title.clone()).collect()
}

fn filter(inner: &str) -> String {
    format!("title: f\nlogsource: {{product: windows}}\nfilter:\n{inner}")
}

const ADMIN: &str = "  admin: {User: admin}\n";

/// The only problem, with its line; both rules run as if there were no filter.
fn refused(documents: &str) -> (u32, String) {
    let loaded = load(documents);
    assert_eq!(loaded.problems.len(), 1, "{documents}: {:?}", loaded.problems);
    assert_eq!(fires(&loaded, "admin", "y"), ["One", "Two"], "{documents}");
    (loaded.problems[0].line, loaded.problems[0].reason.clone())
}

#[test]
fn a_broken_filter_is_refused_at_its_place_and_the_rules_run_without_it() {
    for (inner, words) in [
        ("  rules: any\n  admin: {User: admin}\n  condition: not admn\n", "names admn"),
        ("  rules: any\n  admin: {User: admin}\n  condition: not 1 of adm_*\n", "names adm_*"),
        ("  rules: [r1]\n  admin: {User|re: '('}\n  condition: not admin\n", "invalid regex"),
        ("  rules: any\n  admin: {}\n  condition: not admin\n", "must not be empty"),
        ("  rules: any\n  admin: {User|expand: '%Nobody%'}\n  condition: not admin\n", "%Nobody%"),
        ("  rules: any\n  admin: {User|hour: 25}\n  condition: not admin\n", "from 0 to 23"),
    ] {
        let (line, reason) = refused(&filter(inner));
        assert_eq!(line, FIRST, "{reason}");
        assert!(reason.starts_with("the filter is not used: "), "{reason}");
        assert!(reason.contains(words), "{inner}: {reason}");
    }
}

#[test]
fn a_filter_says_whom_it_is_for_and_is_refused_where_it_does_not() {
    let condition = "  condition: not admin\n";
    for (rules, line, words) in [
        ("", FIRST + 2, "the filter has no `rules`"),
        ("  rule: [r1]\n", FIRST + 3, "rule is no key of it"),
        ("  rules:\n", FIRST + 3, "is no list of texts"),
        ("  rules: []\n", FIRST + 3, "is no list of texts"),
        ("  rules: ''\n", FIRST + 3, "is no list of texts"),
        ("  rules: [r1, 5]\n", FIRST + 3, "is no list of texts"),
    ] {
        let (at, reason) = refused(&filter(&format!("{rules}{ADMIN}{condition}")));
        assert!(reason.contains(words), "{rules}: {reason}");
        assert!(reason.contains("`rules: any`"), "{reason}");
        assert_eq!(at, line, "{reason}");
    }
    for (rules, left) in
        [("any", vec![]), ("[r1]", vec!["Two"]), ("r1", vec!["Two"]), ("[Two]", vec!["One"])]
    {
        let loaded = load(&filter(&format!("  rules: {rules}\n{ADMIN}{condition}")));
        assert_eq!(loaded.problems, []);
        assert_eq!(fires(&loaded, "admin", "y"), left, "{rules}");
        assert_eq!(fires(&loaded, "bob", "y"), ["One", "Two"]);
    }
}

#[test]
fn unknown_keys_of_a_filter_and_of_its_logsource_are_refused() {
    let good = format!("filter:\n  rules: any\n{ADMIN}  condition: not admin\n");
    for (head, line, words) in [
        ("logsorce: {product: linux}\n", FIRST + 1, "did you mean logsource"),
        ("logsource: {prodct: linux}\n", FIRST + 1, "did you mean product"),
        ("logsource:\n  product: windows\n  os: ten\n", FIRST + 3, "a logsource has no key os"),
        ("logsource: {product: [linux, windows]}\n", FIRST + 1, "is a list, not text"),
    ] {
        let (at, reason) = refused(&format!("title: f\n{head}{good}"));
        assert!(reason.contains(words), "{reason}");
        assert_eq!(at, line, "{reason}");
    }
    let (_, reason) =
        refused(&filter(&format!("  rules: any\n{ADMIN}  conditoin: x\n  condition: not admin\n")));
    assert!(reason.contains("did you mean condition"), "{reason}");
}

#[test]
fn a_filters_conditions_are_joined_by_or_and_its_counts_count() {
    let two = "  rules: [r1]\n  sel_a: {User: admin}\n  sel_b: {Image: tool}\n  _c: {User: bob}\n";
    let left = |condition: &str| {
        let loaded = load(&filter(&format!("{two}  condition: {condition}\n")));
        assert_eq!(loaded.problems, [], "{condition}");
        [("admin", "tool"), ("admin", "y"), ("bob", "tool"), ("bob", "y")]
            .map(|(user, image)| fires(&loaded, user, image).contains(&"One".to_owned()))
    };
    assert_eq!(left("[not sel_a, not sel_b]"), [false, true, true, true]);
    assert_eq!(left("not sel_a"), [false, false, true, true]);
    assert_eq!(left("not 1 of them"), [false, false, false, true]);
    assert_eq!(left("not all of them"), [false, true, true, true]);
    // Names with an underscore before them are none of `them`.
    assert_eq!(left("not 2 of them"), [false, true, true, true]);
    assert_eq!(left("not 2 of sel_*"), [false, true, true, true]);
    assert_eq!(left("not 3 of sel_*"), [true, true, true, true]);
    assert_eq!(left("not 2 of them and not _c"), [false, true, false, false]);
}
