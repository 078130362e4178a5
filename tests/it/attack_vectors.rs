//! fail2ban's, crowdsec's and wazuh's attack scenarios against decoders, rules and signals together: the bars that must
//! hold, ordinary logs in which nobody may be accused, and the page that shows every difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use watchfloor::config::Config;
use watchfloor::scoreboard::attacks::{self, Case, Counts, Judge, Map, NO_ATTACK, Verdict};

use crate::support::{self, watchfloor};

/// Of the comparable scenarios, how many in a hundred must agree; of those that expect an attack, too.
const PERCENT_MIN: f64 = 95.0;

fn judge() -> Judge {
    let config = Config::default();
    Judge::new(&config, &config.rules).unwrap()
}

fn cases() -> Option<Vec<Case>> {
    let vectors = support::data("vectors")?;
    Some(attacks::run(&judge(), &Map::load(None).unwrap(), &[vectors], &[]).unwrap())
}

fn percent(cases: &[Case], wanted: impl Fn(&Case) -> bool) -> f64 {
    let mut counts = Counts::default();
    cases.iter().filter(|case| wanted(case)).for_each(|case| counts.add(&case.verdict));
    counts.percent().unwrap()
}

#[test]
fn scenarios_of_other_programs_agree_and_every_difference_is_explained() {
    let Some(cases) = cases() else { return };
    let attack = |case: &Case| case.class != NO_ATTACK;
    assert!(percent(&cases, |_| true) >= PERCENT_MIN);
    assert!(percent(&cases, attack) >= PERCENT_MIN, "{}", percent(&cases, attack));
    assert!(percent(&cases, |case| !attack(case)) >= PERCENT_MIN);
    for class in ["brute_force", "scan", "sql_injection", "path_traversal", "web_exploit"] {
        let of_class: Vec<Case> =
            cases.iter().filter(|case| case.class == class).cloned().collect();
        let counts = attacks::total(&of_class);
        assert!(counts.agreed > 0, "{class}: {counts:?}");
    }
    for case in &cases {
        match &case.verdict {
            Verdict::Differing { why, explained } => {
                assert!(explained.is_some(), "{} {}: {why}", case.suite, case.name);
            }
            Verdict::NotCovered(why) => {
                assert!(!why.is_empty() && !why.contains("attacks.toml"), "{}: {why}", case.name);
            }
            Verdict::Agreed => {}
        }
    }
}

#[test]
fn every_finding_of_the_map_is_a_rule_or_signal_that_is_shipped() {
    let shipped: BTreeSet<String> = judge().ids().into_iter().collect();
    for (name, class) in &Map::load(None).unwrap().class {
        let unknown: Vec<&String> = class.by.difference(&shipped).collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
}

#[test]
fn ordinary_logs_accuse_nobody() {
    let Some(lab) = support::data("linux/benign_lab") else { return };
    let mut quiet =
        vec![lab.join("web01/nginx_access.log"), lab.join("web01/nginx_access.run2.log")];
    for host in ["ci01", "db01", "dev01", "files01", "web01"] {
        quiet.extend(["auth.log", "auth.run2.log"].map(|name| lab.join(host).join(name)));
    }
    let cases = attacks::run(&judge(), &Map::load(None).unwrap(), &[], &quiet).unwrap();
    assert_eq!(cases.len(), 12);
    for case in &cases {
        assert_eq!(case.verdict, Verdict::Agreed, "{}: {:?}", case.name, case.found);
    }
}

/// A filter's sample in fail2ban's form, written for this test.
fn sample(expected: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("dovecot");
    let line = "Jan 29 05:32:50 mail dovecot: imap-login: Disconnected (auth failed, 1 attempts in 2 secs): \
                user=<amy>, method=PLAIN, rip=192.0.2.7, lip=198.51.100.2, session=<a1>";
    fs::write(&path, format!("# failJSON: {expected}\n{line}\n")).unwrap();
    (folder, path)
}

#[test]
fn the_command_lists_cases_and_fails_below_the_bar() {
    let right = r#"{ "time": "2005-01-29T05:32:50", "match": true, "host": "192.0.2.7" }"#;
    let data = tempfile::tempdir().unwrap();
    let run = |path: &PathBuf, more: &[&str]| {
        let mut command = watchfloor(data.path());
        command.args(["rules", "vectors"]).arg(path).args(more).output().unwrap()
    };
    let (_folder, path) = sample(right);
    let run_right = run(&path, &["--format", "ndjson", "--at-least", "100"]);
    let out = String::from_utf8(run_right.stdout).unwrap();
    let case: serde_json::Value = serde_json::from_str(out.trim()).unwrap();
    assert_eq!(case["verdict"], "agreed", "{case}");
    assert_eq!(case["expected"], "attack by 192.0.2.7");
    assert!(run_right.status.success());

    let wrong = r#"{ "time": "2005-01-29T05:32:50", "match": true, "host": "192.0.2.99" }"#;
    let (_folder, path) = sample(wrong);
    let run_wrong = run(&path, &["--list", "--at-least", "95"]);
    let out = String::from_utf8(run_wrong.stdout).unwrap();
    assert!(out.contains("found, but for another source"), "{out}");
    assert_eq!(run_wrong.status.code(), Some(1));
}

fn cell(text: &str) -> String {
    let safe: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    safe.replace('|', "\\|")
}

fn row(counts: Counts) -> String {
    let percent = counts.percent().map_or("-".to_owned(), |percent| format!("{percent:.2}"));
    let (agreed, differing) = (counts.agreed, counts.differing);
    format!("{} | {agreed} | {differing} | {} | {percent}", counts.cases(), counts.not_covered)
}

/// What the page says before its tables.
const HEAD: &str = "# Attack scenarios of other programs\n\n\
What fail2ban, crowdsec and wazuh find in the logs of their own tests, and what our decoders, rules and signals find in them. Generated:\n\
`WATCHFLOOR_BLESS=1 cargo test --test it attack_vectors`; `watchfloor rules vectors DIR` prints the same for any folder with such tests, `--list` what differs,\n\
`--format ndjson` every case. `config/scoreboard/attacks.toml` says which scenario is of which class and which of our rules and signals count for it.\n\n\
- **fail2ban**: one annotated line of a filter, coming five times, which is what a jail waits for. The host must be accused where the line must match, and nobody where it must not.\n\
- **crowdsec**: every scenario and source that a hub test asserts, and that no other address of the log is accused of that class.\n\
- **wazuh**: sections of the ruleset tests that are of a class, each line eight times where the rule is about one try of many; and every section of level 3 and below, which must accuse nobody.\n\n\
A case agrees when a finding of its own class names its source. A difference that is explained is still a difference. Exfiltration is one of the classes we look for (signals of\n\
`config/signals/host`, rules of `config/rules/linux`), but none of the three suites holds a scenario of it.\n\n\
| suite | class | cases | agreed | differing | not compared | % |\n| --- | --- | --- | --- | --- | --- | --- |\n";

fn page(cases: &[Case]) -> String {
    let mut page = HEAD.to_owned();
    for ((suite, class), counts) in attacks::counts(cases) {
        let _ = writeln!(page, "| {suite} | {class} | {} |", row(counts));
    }
    let attack: Vec<Case> = cases.iter().filter(|case| case.class != NO_ATTACK).cloned().collect();
    let _ = writeln!(page, "| all | attacks | {} |", row(attacks::total(&attack)));
    let _ = writeln!(page, "| all | all | {} |", row(attacks::total(cases)));
    page.push_str("\n## What differs\n\n| suite | case | class | expected | why it stays |\n| --- | --- | --- | --- | --- |\n");
    for case in cases {
        let Verdict::Differing { explained, .. } = &case.verdict else { continue };
        let (name, reason) = (cell(&case.name), cell(explained.as_deref().unwrap_or("-")));
        let _ = writeln!(
            page,
            "| {} | {name} | {} | {} | {reason} |",
            case.suite, case.class, case.expected
        );
    }
    page.push_str("\n## What is not compared\n\n| suite | cases | why |\n| --- | --- | --- |\n");
    let mut reasons: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for case in cases {
        if let Verdict::NotCovered(why) = &case.verdict {
            *reasons.entry((case.suite, why)).or_default() += 1;
        }
    }
    for ((suite, why), count) in reasons {
        let _ = writeln!(page, "| {suite} | {count} | {} |", cell(why));
    }
    page
}

#[test]
fn the_page_of_attack_vectors_is_what_rules_and_signals_do() {
    let Some(cases) = cases() else { return };
    let path = support::root().join("docs/attack-scenarios.md");
    let fresh = page(&cases);
    if std::env::var_os("WATCHFLOOR_BLESS").is_some() {
        fs::write(&path, &fresh).unwrap();
    }
    let old = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        old == fresh,
        "docs/attack-scenarios.md is old: WATCHFLOOR_BLESS=1 cargo test --test it attack_vectors"
    );
}
