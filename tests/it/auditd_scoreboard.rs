//! Decoded audit records against the outputs of two other parsers, field by field: go-libaudit's goldens and the reference
//! output of the audit userspace library. The scoreboard is `docs/auditd-scoreboard.md`; a test fails when it is stale.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value as Json;
use watchfloor::normalise::linux::auditd::line;
use watchfloor::normalise::linux::auditd::record::{Record, decode};
use watchfloor::normalise::linux::auditd::tables::Tables;

use crate::support;

/// One file's result.
#[derive(Default)]
struct Score {
    records: usize,
    fields: usize,
    agreed: usize,
    differences: BTreeMap<String, usize>,
}

impl Score {
    fn field(&mut self, agrees: bool, cause: &str) {
        self.fields += 1;
        if agrees {
            self.agreed += 1;
        } else {
            *self.differences.entry(cause.to_owned()).or_default() += 1;
        }
    }
}

/// Values of a key: decoded and as written.
fn values<'a>(record: &'a Record<'_>, key: &str) -> Vec<&'a str> {
    let of_key = record.fields.iter().filter(|field| field.key == key);
    of_key.flat_map(|field| [Some(field.value.as_ref()), field.raw].into_iter().flatten()).collect()
}

/// go-libaudit's names and words for what we hold.
fn golden_agrees(record: &Record<'_>, key: &str, expected: &str) -> bool {
    if key == "result" {
        let word =
            ["success", "res", "result"].iter().find_map(|key| record.get(key)).unwrap_or("");
        let known = match word {
            "yes" | "1" | "success" => "success",
            "no" | "0" | "failed" | "fail" => "fail",
            other => other,
        };
        return known == expected;
    }
    for (prefix, label) in [("subj_", "subj"), ("obj_", "obj")] {
        if let Some(part) = key.strip_prefix(prefix) {
            let index = ["user", "role", "domain", "level", "category"]
                .iter()
                .position(|name| *name == part);
            let label = record.get(label).unwrap_or("");
            return index.and_then(|index| label.splitn(5, ':').nth(index)) == Some(expected);
        }
    }
    // The kernel's newer names for the same, and a word for a number.
    match (key, expected) {
        ("old_auid", _) => values(record, "old-auid").contains(&expected),
        ("new_auid", _) => values(record, "auid").contains(&expected),
        ("family", "0") => record.get(key) == Some("unspecified"),
        _ => values(record, key).contains(&expected),
    }
}

fn golden(log: &Path, golden: &Path, tables: &Tables) -> Score {
    let mut score = Score::default();
    let lines = std::fs::read_to_string(log).unwrap();
    let expected: Vec<Json> = serde_json::from_slice(&std::fs::read(golden).unwrap()).unwrap();
    // Null stands where that parser gave up on a line.
    for entry in expected.iter().filter(|entry| !entry.is_null()) {
        let raw = entry["raw_msg"].as_str().unwrap();
        let found = lines.lines().find(|text| text.ends_with(raw));
        let Some(line) = found.and_then(|text| line::parse(text).ok()) else {
            score.field(false, "record not read");
            continue;
        };
        let record = decode(&line, tables);
        score.records += 1;
        let kind = entry["record_type"].as_str().unwrap();
        score.field(record.kind.eq_ignore_ascii_case(kind), &format!("record type {kind}"));
        score.field(Some(line.serial) == entry["sequence"].as_u64(), "sequence");
        let at = entry["@timestamp"].as_str().unwrap();
        let at = watchfloor::stdx::time::Timestamp::parse_rfc3339(at);
        score.field(Some(line.at) == at, "time");
        for (key, value) in entry["data"].as_object().into_iter().flatten() {
            let expected = value.as_str().unwrap();
            let agrees = golden_agrees(&record, key, expected);
            score.field(agrees, &format!("{} {key}: {expected:?} there", record.kind));
        }
        let keys = entry["keys"].as_array().into_iter().flatten();
        for expected in keys.filter_map(Json::as_str) {
            let held = record.get("key").unwrap_or("").split('\u{1}').any(|key| key == expected);
            score.field(held, &format!("{} key", record.kind));
        }
    }
    score
}

/// `line=N file=F` blocks of the reference output, with the fields after them.
fn reference(folder: &Path, tables: &Tables) -> BTreeMap<String, Score> {
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let text = std::fs::read_to_string(folder.join("auparse_test.ref")).unwrap();
    let mut current: Option<(String, String)> = None;
    for row in text.lines() {
        let trimmed = row.trim();
        if let Some((number, file)) =
            trimmed.strip_prefix("line=").and_then(|rest| rest.split_once(" file="))
        {
            let file = file.trim_start_matches("./").to_owned();
            let lines = std::fs::read_to_string(folder.join(&file)).unwrap_or_default();
            let number: usize = number.parse().unwrap_or(0);
            current = lines.lines().nth(number.wrapping_sub(1)).map(|line| (file, line.to_owned()));
            if let Some((file, _)) = &current {
                scores.entry(file.clone()).or_default().records += 1;
            }
            continue;
        }
        let Some((key, value)) = trimmed.split_once('=').filter(|_| row.starts_with("        "))
        else {
            if trimmed.is_empty() {
                current = None;
            }
            continue;
        };
        let Some((file, original)) = &current else { continue };
        let line = line::parse(original).unwrap();
        let record = decode(&line, tables);
        let value = value.trim_matches('"');
        let agrees = match key {
            "type" => record.kind == value,
            "node" => line.node == Some(value),
            "auid" | "ses" => {
                let old = values(&record, &format!("old-{key}"));
                values(&record, key).contains(&value) || old.contains(&value)
            }
            _ => values(&record, key).contains(&value),
        };
        let score = scores.get_mut(file).unwrap();
        score.field(agrees, &format!("{} {key}: {value:?} there", record.kind));
    }
    scores
}

/// Every record of the synthetic file is read and nothing of it is lost.
fn synthetic(log: &Path, tables: &Tables) -> Score {
    let mut score = Score::default();
    let lines = std::fs::read_to_string(log).unwrap();
    for text in lines.lines().filter(|text| !text.starts_with('#') && !text.is_empty()) {
        let Ok(line) = line::parse(text) else {
            score.field(false, "record not read");
            continue;
        };
        let record = decode(&line, tables);
        score.records += 1;
        for pair in line.body.split(' ').filter_map(|pair| pair.split_once('=')) {
            score.field(values(&record, pair.0).contains(&pair.1), pair.0);
        }
    }
    score
}

fn all_scores() -> Option<Vec<(String, Score)>> {
    let go = support::data("vectors/auditd/go-libaudit_auparse")?;
    let userspace = support::data("vectors/auditd/audit-userspace_auparse")?;
    let made = support::data("vectors/auditd/auditd-parser_synthetic")?;
    let tables = Tables::new();
    let mut scores = Vec::new();
    let mut logs: Vec<_> =
        std::fs::read_dir(&go).unwrap().map(|entry| entry.unwrap().path()).collect();
    logs.sort();
    for log in
        logs.iter().filter(|path| path.extension().is_some_and(|extension| extension == "log"))
    {
        let name = log.file_name().unwrap().to_string_lossy().into_owned();
        let expected = log.with_file_name(format!("{name}.golden"));
        scores.push((format!("go-libaudit {name}"), golden(log, &expected, &tables)));
    }
    for (file, score) in reference(&userspace, &tables) {
        scores.push((format!("audit-userspace {file}"), score));
    }
    for file in ["errno.log", "perm.log"] {
        scores.push((format!("auditd-parser {file}"), synthetic(&made.join(file), &tables)));
    }
    Some(scores)
}

fn page(scores: &[(String, Score)]) -> String {
    let mut text = String::from(
        "# Audit records against other parsers\n\n\
         Written by `tests/it/auditd_scoreboard.rs` (`WATCHFLOOR_BLESS=1` writes it again). Compared are the type, time and\n\
         serial of every record that the other parser's expected output holds, and each of its fields. The\n\
         auditd-parser files come without expected output: there the fields as written are expected.\n\n\
         | file | records | fields | agree | differ |\n|---|---:|---:|---:|---:|\n",
    );
    let mut sum = (0, 0, 0);
    for (name, score) in scores {
        let differ = score.fields - score.agreed;
        writeln!(
            text,
            "| {name} | {} | {} | {} | {differ} |",
            score.records, score.fields, score.agreed
        )
        .unwrap();
        sum = (sum.0 + score.records, sum.1 + score.fields, sum.2 + score.agreed);
    }
    writeln!(text, "| **all** | {} | {} | {} | {} |", sum.0, sum.1, sum.2, sum.1 - sum.2).unwrap();
    text.push_str("\n## Differences\n\n");
    for (name, score) in scores {
        for (cause, count) in &score.differences {
            writeln!(text, "- {name}: {cause} ({count})").unwrap();
        }
    }
    if scores.iter().all(|(_, score)| score.differences.is_empty()) {
        text.push_str("None.\n");
    }
    text
}

#[test]
fn the_scoreboard_is_what_the_decoder_does() {
    let Some(scores) = all_scores() else { return };
    let text = page(&scores);
    let path = support::root().join("docs/auditd-scoreboard.md");
    if std::env::var_os("WATCHFLOOR_BLESS").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(
        written, text,
        "docs/auditd-scoreboard.md is stale: run this test with WATCHFLOOR_BLESS=1"
    );
    for (name, score) in &scores {
        assert!(score.records > 0 && score.fields > 0, "{name}: nothing was compared");
    }
}
