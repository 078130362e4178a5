//! Every shipped rule file stands beside a `.test` file with raw records: those under `== fires` must, after
//! a decoder has read them, make the rule fire; those under `== stays silent` must not. And what `rules test` says of
//! tests that fail, are broken or missing.

use std::fs;

use watchfloor::config::Config;
use watchfloor::config::rules::RulesConfig;
use watchfloor::pipeline::workshop::test::test;

use crate::support::{root, watchfloor};

#[test]
fn every_shipped_rule_fires_on_its_records_and_on_no_others() {
    let paths = vec![root().join("config/rules").display().to_string()];
    let report =
        test(&Config::default(), &RulesConfig { paths, ..RulesConfig::default() }).unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    assert!(report.files.len() >= 40, "the pack holds {} rule files", report.files.len());
    let mut wrong = Vec::new();
    for file in &report.files {
        if let Some(problem) = &file.problem {
            wrong.push(problem.clone());
        } else if !file.tested {
            wrong.push(format!("{}: no .test file beside it", file.file));
        }
        for case in file.cases.iter().filter(|case| !case.failure.is_empty()) {
            wrong.push(format!("{}: {}: {}", file.file, case.name, case.failure));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

const RULE: &str = "title: A word\nid: 5b1f9c3e-0000-4000-8000-000000000001\nlogsource:\n    product: linux\n    \
    service: sshd\ndetection:\n    word:\n        message|contains: magic\n    condition: word\n";
const LINE: &str = "2026-11-20T09:15:54+00:00 web01 sshd[7]: ";

#[test]
fn failing_broken_and_missing_tests_are_told_apart_and_end_with_exit_1() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    fs::create_dir(&rules).unwrap();
    for (name, test) in [
        ("good", Some(format!("== fires: said\n{LINE}magic\n== stays silent\n{LINE}dull\n"))),
        ("loud", Some(format!("== fires\n{LINE}magic\n== stays silent\n{LINE}magic & more\n"))),
        ("deaf", Some(format!("== fires\n{LINE}dull\n== stays silent\n{LINE}dull\n"))),
        ("broken", Some("== fire\nx\n".to_owned())),
        ("bare", None),
    ] {
        fs::write(rules.join(format!("{name}.yml")), RULE).unwrap();
        if let Some(test) = test {
            fs::write(rules.join(format!("{name}.test")), test).unwrap();
        }
    }
    let junit = folder.path().join("junit.xml");
    let run = |paths: &[&std::path::Path], more: &[&str]| {
        let mut command = watchfloor(folder.path());
        command.args(["rules", "test"]).args(paths).args(more).output().unwrap()
    };
    let output = run(&[&rules], &["--junit", junit.to_str().unwrap()]);
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "loud.test:3: stays silent: fired: A word",
        "deaf.test:1: fires: no rule fired on 1 event",
        "broken.test:1: \"== fire\" is no heading",
        "untested  ",
        "bare.yml: no bare.test beside it",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    assert!(!said.contains("good.test"), "{said}");
    let xml = fs::read_to_string(&junit).unwrap();
    for part in [
        "<testsuites tests=\"7\" failures=\"3\">",
        "name=\"said (line 1)\"",
        "<skipped/>",
        "<failure message=\"fired: A word\">",
    ] {
        assert!(xml.contains(part), "{part:?} is not in\n{xml}");
    }
    let good = rules.join("good.yml");
    assert_eq!(run(&[&good], &["--require-tests"]).status.code(), Some(0));
    let bare = rules.join("bare.yml");
    assert_eq!(run(&[&bare], &[]).status.code(), Some(0));
    assert_eq!(run(&[&bare], &["--require-tests"]).status.code(), Some(1));
    assert_eq!(run(&[&folder.path().join("nowhere")], &[]).status.code(), Some(1));
}
