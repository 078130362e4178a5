//! Findings of small rules, and what mending makes of them.

use std::fs;

use proptest::prelude::*;

use crate::detect::lint::{LintReport, Weight, lint, patterns};

const GOOD: &str = "title: Word In Message
id: 5b1f9c3e-0000-4000-8000-000000000001
status: test
description: Somebody said the word, and that is worth a look.
author: Somebody
date: 2026-01-02
tags:
    - attack.execution
    - attack.t1059.004
logsource:
    product: linux
    service: sshd
detection:
    selection:
        message|contains: magicword
    condition: selection
falsepositives:
    - Somebody else
level: low
";

fn run(files: &[(&str, &str)], fix: bool) -> (tempfile::TempDir, LintReport) {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let paths = [folder.path().display().to_string()];
    let report = lint(&paths, fix, "2026-11-25").unwrap();
    (folder, report)
}

/// Ids with their lines, those above hints.
fn said(text: &str) -> Vec<(String, u32)> {
    let (_folder, report) = run(&[("word_in_message.yml", text)], false);
    let heard = report.findings.into_iter().filter(|finding| finding.weight > Weight::Hint);
    heard.map(|finding| (finding.id, finding.line)).collect()
}

#[test]
fn a_good_rule_gets_no_finding() {
    assert_eq!(said(GOOD), []);
}

#[test]
fn tags_in_one_row_are_looked_at_and_mended_like_those_in_many() {
    let row = |tags: &str| {
        GOOD.replace(
            "tags:\n    - attack.execution\n    - attack.t1059.004\n",
            &format!("tags: [{tags}]\n"),
        )
    };
    assert_eq!(said(&row("attack.execution, attack.t1059.004")), []);
    let bad = row("attack.Execution, 'attack.T1059.004', attack.t9999, attack.foo");
    let ids: Vec<String> = said(&bad).into_iter().map(|(id, _)| id).collect();
    let wanted = ["tactic_unknown", "tag_spelling", "tag_spelling", "technique_unknown"];
    assert_eq!(ids, wanted);
    let (folder, _) = run(&[("word_in_message.yml", &bad)], true);
    let mended = fs::read_to_string(folder.path().join("word_in_message.yml")).unwrap();
    let good = "tags: [attack.execution, 'attack.t1059.004', attack.t9999, attack.foo]\n";
    assert!(mended.contains(good), "{mended}");
}

#[test]
fn findings_name_the_line_and_a_file_may_allow_them() {
    let bad = GOOD.replace("message|contains: magicword", "message|re: '(a+)+x'");
    assert_eq!(said(&bad), [("regex_nested".to_owned(), 15)]);
    assert_eq!(said(&format!("# watchfloor: allow regex_nested\n{bad}")), []);
    for (from, to, id, line) in [
        ("status: test\n", "", "missing_status", 1),
        ("attack.t1059.004", "attack.t9999", "technique_unknown", 9),
        ("attack.execution", "attack.executing", "tactic_unknown", 8),
        ("magicword", "'*'", "matches_everything", 14),
        ("magicword", "exe", "wildcard_common", 15),
        (
            "condition: selection",
            "other:\n        a: b\n    condition: selection",
            "unused_detection",
            16,
        ),
        (
            "condition: selection",
            "filter:\n        a: b\n    condition: selection and filter",
            "filter_not_negated",
            16,
        ),
        ("message|contains: magicword", "message|all: ['a', 'b']", "all_never", 15),
        ("message|contains: magicword", "message|re: '(a'", "regex_broken", 15),
    ] {
        let found = said(&GOOD.replace(from, to));
        assert!(found.contains(&(id.to_owned(), line)), "{id}:{line} is not in {found:?}");
    }
}

#[test]
fn ids_and_titles_that_stand_twice_are_told_with_the_other_place() {
    let (_folder, report) = run(&[("first_of_two.yml", GOOD), ("second_of_two.yml", GOOD)], false);
    let finding = report.findings.iter().find(|one| one.id == "duplicate_id").unwrap();
    assert_eq!((finding.line, finding.weight), (2, Weight::Error));
    assert!(finding.message.contains("first_of_two.yml:2"), "{}", finding.message);
}

#[test]
fn mending_changes_only_what_is_safe_and_moves_the_date() {
    let bad = GOOD
        .replace("id: 5b1f9c3e-0000-4000-8000-000000000001\n", "")
        .replace("date: 2026-01-02\n", "date: 2026/01/02\nmodified: 2026-01-03\n")
        .replace("attack.execution", "attack.Command_And_Control   ")
        .replace("level: low", "level: low  ");
    let (folder, report) = run(&[("word_in_message.yml", &bad)], true);
    let text = fs::read_to_string(folder.path().join("word_in_message.yml")).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let id = lines[1].strip_prefix("id: ").unwrap();
    assert_eq!(id.len(), 36);
    assert!(lines.contains(&"date: 2026-01-02"), "{text}");
    assert!(lines.contains(&"modified: 2026-11-25"), "{text}");
    assert!(lines.contains(&"    - attack.command-and-control"), "{text}");
    assert!(lines.contains(&"level: low"), "{text}");
    assert_eq!(report.fixed.values().copied().sum::<usize>(), 4, "{report:?}");
    let left: Vec<_> = report.findings.iter().filter(|one| one.edit.is_some()).collect();
    assert!(left.is_empty(), "{left:?}");
    // Nothing is left beside it, and a second run has nothing to do.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    let paths = [folder.path().display().to_string()];
    assert!(lint(&paths, true, "2026-11-26").unwrap().fixed.is_empty());
    assert_eq!(fs::read_to_string(folder.path().join("word_in_message.yml")).unwrap(), text);
}

#[test]
fn a_filter_without_not_is_told() {
    let filter = "title: Our scanner\nid: 5b1f9c3e-0000-4000-8000-000000000002\ndescription: Harmless\n\
                  logsource:\n    product: linux\nfilter:\n    rules: any\n    scanner:\n        \
                  source.ip: 10.0.0.1\n    condition: scanner\n";
    assert!(said(filter).iter().any(|(id, line)| id == "filter_polarity" && *line == 6));
    let good = filter.replace("condition: scanner", "condition: not scanner");
    assert!(!said(&good).iter().any(|(id, _)| id == "filter_polarity"));
}

#[test]
fn repetitions_are_nested_only_when_a_text_can_be_cut_in_several_ways() {
    let nested = |text: &str| patterns::regex(text).iter().any(|(id, _, _)| *id == "regex_nested");
    for bad in ["(a+)+", "(a*b?)*", "((ab)+)*", "(.*,)+", "([a-z]+|x)*"] {
        assert!(nested(bad), "{bad}");
    }
    for good in ["(a+b)+", "a+b+", "(ab)+", "[a-z]+\\.exe", "(?:\\d{1,3}\\.){3}\\d{1,3}"] {
        assert!(!nested(good), "{good}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_text_is_looked_at_and_mended_without_harm(text in "[ -~\n]{0,400}") {
        let (folder, _) = run(&[("some_rule_file.yml", &text)], true);
        let after = fs::read_to_string(folder.path().join("some_rule_file.yml")).unwrap();
        // Text that is no rule may only lose spaces at the ends of lines.
        let bare = |text: &str| text.split('\n').map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        prop_assert_eq!(bare(&text), bare(&after));
    }
}
