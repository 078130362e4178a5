//! Every shipped rule file stands beside a `.test` file with raw records: those under `== fires` must, after
//! a decoder has read them, make the rule fire; those under `== stays silent` must not.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{program, root};

fn rule_files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rule_files(&path, out);
        } else if path.extension().is_some_and(|end| end == "yml") {
            out.push(path);
        }
    }
}

/// Ids of the rules that fire on these records with only this rule file loaded.
fn fired(rules: &Path, records: &str, scratch: &Path) -> Vec<String> {
    let input = scratch.join("records.log");
    fs::write(&input, records).unwrap();
    let output = Command::new(program())
        .env("XDG_CONFIG_HOME", scratch)
        .args(["scan", "--no-signals", "--quiet", "--format", "ndjson", "--rules"])
        .arg(rules)
        .arg(&input)
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.is_empty(), "{}: {said}", rules.display());
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|finding| finding["rule.name"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn every_shipped_rule_fires_on_its_records_and_on_no_others() {
    let mut files = Vec::new();
    rule_files(&root().join("config/rules"), &mut files);
    assert!(files.len() >= 40, "the pack holds {} rule files", files.len());
    let scratch = tempfile::tempdir().unwrap();
    let mut wrong = Vec::new();
    for file in &files {
        let name = file.strip_prefix(root()).unwrap().display().to_string();
        let Ok(test) = fs::read_to_string(file.with_extension("test")) else {
            wrong.push(format!("{name}: no .test file beside it"));
            continue;
        };
        let (fires, silent) = test
            .strip_prefix("== fires\n")
            .and_then(|rest| rest.split_once("== stays silent\n"))
            .unwrap_or_else(|| {
                panic!("{name}: the .test file needs `== fires` and `== stays silent`")
            });
        assert!(!fires.trim().is_empty() && !silent.trim().is_empty(), "{name}: empty section");
        if fired(file, fires, scratch.path()).is_empty() {
            wrong.push(format!("{name}: does not fire"));
        }
        let loud = fired(file, silent, scratch.path());
        if !loud.is_empty() {
            wrong.push(format!("{name}: fires on the silent records: {loud:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
