//! Decoded audit records and the events made of them against the outputs of two other parsers, field by field: go-libaudit's
//! goldens and the reference output of the audit userspace library. The scoreboard is `docs/auditd-scoreboard.md`; a test
//! fails when it is stale or when anything differs.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value as Json;
use watchfloor::model::event::{Event, Value};
use watchfloor::model::field::FieldId;
use watchfloor::model::linux_fields;
use watchfloor::normalise::linux::auditd::line;
use watchfloor::normalise::linux::auditd::record::{Record, decode};
use watchfloor::normalise::linux::auditd::tables::Tables;

use crate::{auditd_ausearch, support};

/// One file's result.
#[derive(Default)]
struct Score {
    /// Lines that hold a record or try to.
    lines: usize,
    rejected: usize,
    records: usize,
    fields: usize,
    agreed: usize,
    /// Fields looked for in the event, under the names of `model::linux_fields`.
    mapped: usize,
    mapped_agreed: usize,
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

impl Score {
    fn mapped(&mut self, agrees: bool, cause: &str) {
        self.mapped += 1;
        if agrees {
            self.mapped_agreed += 1;
        } else {
            *self.differences.entry(format!("event: {cause}")).or_default() += 1;
        }
    }
}

/// The events of a file, by serial and time.
struct Events(Vec<Event>);

impl Events {
    fn of(text: &str, score: &mut Score) -> Events {
        let lines: Vec<&[u8]> = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'))
            .map(str::as_bytes)
            .collect();
        let out = auditd_ausearch::decode(&lines);
        score.lines = lines.len();
        score.rejected = usize::try_from(out.rejected).unwrap();
        Events(out.events)
    }

    /// Does an event made of the record hold the field? Values count as decoded and as written. Records that came too
    /// late for their event are an event of their own.
    fn hold(&self, line: &line::Line<'_>, record: &Record<'_>, key: &str, expected: &str) -> bool {
        let sequence = FieldId::lookup("event.sequence");
        let serial = Value::Int(i64::try_from(line.serial).unwrap());
        let of_record = self.0.iter().filter(|event| {
            event.timestamp == line.at && event.get(sequence.unwrap()) == Some(serial)
        });
        let held = values(record, key);
        let other = if held.contains(&expected) { held } else { Vec::new() };
        let expected = if expected == "4294967295" { "unset" } else { expected };
        let mut expected = [expected].into_iter().chain(other);
        let events: Vec<&Event> = of_record.collect();
        expected.any(|value| events.iter().any(|event| event_agrees(event, key, value)))
    }
}

/// Where a record's key may stand in the event, besides `model::linux_fields` and `auditd.data.<key>`.
const MAPPED: &[(&str, &[&str])] = &[
    ("uid", &["process.user.id"]),
    ("acct", &["user.name", "user.effective.name", "user.target.name", "group.name"]),
    ("id", &["user.id", "user.target.id", "group.id"]),
    ("addr", &["source.ip", "destination.ip", "server.ip"]),
    ("hostname", &["source.domain", "source.ip"]),
    ("port", &["source.port", "destination.port", "server.port"]),
    ("rport", &["source.port"]),
    ("laddr", &["destination.ip"]),
    ("lport", &["destination.port"]),
    ("family", &["auditd.data.socket_family"]),
    ("path", &["auditd.data.socket_path", "file.path"]),
    ("old_auid", &["auditd.data.old-auid"]),
    ("new_auid", &["user.audit.id"]),
    ("old-auid", &["user.audit.id"]),
    ("new-auid", &["user.audit.id"]),
    ("objtype", &["auditd.data.nametype"]),
    ("type", &["auditd.message_type"]),
    ("node", &["host.name"]),
];

/// Does the event hold the field under its mapped name? What the record calls nothing is left out.
fn event_agrees(event: &Event, key: &str, expected: &str) -> bool {
    let all = |name: &str| -> Vec<String> {
        let Some(field) = FieldId::lookup(name) else { return Vec::new() };
        event.all(field).map(|value: Value<'_>| value.to_text().into_owned()).collect()
    };
    if matches!(expected, "?" | "(null)" | "(none)" | "") {
        return true;
    }
    // Capabilities of files that are none.
    if key.starts_with("cap_") && expected.bytes().all(|byte| byte == b'0') {
        return true;
    }
    for (prefix, label) in [("subj_", "auditd.data.subj"), ("obj_", "auditd.paths.obj")] {
        if let Some(part) = key.strip_prefix(prefix) {
            let index = ["user", "role", "domain", "level", "category"]
                .iter()
                .position(|name| *name == part);
            let labels = all(label);
            return labels.iter().any(|label| {
                index.and_then(|index| label.splitn(5, ':').nth(index)) == Some(expected)
            });
        }
    }
    // `auditd.data.aN` are the first ten.
    let argument = key.strip_prefix('a').and_then(|digits| digits.parse::<usize>().ok());
    if argument.is_some_and(|index| all("process.args").get(index).is_some_and(|a| a == expected)) {
        return true;
    }
    let mut names: Vec<String> = vec![
        linux_fields::auditd(key).into_owned(),
        format!("auditd.data.{key}"),
        format!("auditd.paths.{key}"),
    ];
    let more = MAPPED.iter().find(|(known, _)| *known == key).map_or(&[][..], |(_, names)| names);
    names.extend(more.iter().map(|name| (*name).to_owned()));
    let result = match expected {
        "yes" | "1" | "success" => "success",
        "no" | "0" | "failed" | "fail" => "fail",
        other => other,
    };
    match key {
        "result" | "res" | "success" => all("auditd.result").iter().any(|held| held == result),
        "port" if expected == "0" => true,
        "family" if expected == "0" => all("auditd.data.socket_family") == ["unspecified"],
        // Written after the key in old records, it is a part of the event's name here.
        "acct" if expected.starts_with('(') => {
            all("auditd.data.acct").iter().any(|held| held == expected)
        }
        _ => names.iter().any(|name| {
            all(name).iter().any(|held| held == expected || held.eq_ignore_ascii_case(expected))
        }),
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
    let events = Events::of(&lines, &mut score);
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
            let agrees = events.hold(&line, &record, key, expected);
            score.mapped(agrees, &format!("{} {key}: {expected:?} there", record.kind));
        }
        let keys = entry["keys"].as_array().into_iter().flatten();
        for expected in keys.filter_map(Json::as_str) {
            let held = record.get("key").unwrap_or("").split('\u{1}').any(|key| key == expected);
            score.field(held, &format!("{} key", record.kind));
            score.mapped(
                events.hold(&line, &record, "key", expected),
                &format!("{} key", record.kind),
            );
        }
    }
    score
}

/// `line=N file=F` blocks of the reference output, with the fields after them.
fn reference(folder: &Path, tables: &Tables) -> BTreeMap<String, Score> {
    let mut scores: BTreeMap<String, Score> = BTreeMap::new();
    let text = std::fs::read_to_string(folder.join("auparse_test.ref")).unwrap();
    let mut current: Option<(String, String)> = None;
    let mut events: BTreeMap<String, Events> = BTreeMap::new();
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
                let score = scores.entry(file.clone()).or_default();
                score.records += 1;
                events.entry(file.clone()).or_insert_with(|| Events::of(&lines, score));
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
        let agrees = events[file].hold(&line, &record, key, value);
        score.mapped(agrees, &format!("{} {key}: {value:?} there", record.kind));
    }
    scores
}

/// Every record of the synthetic file is read and nothing of it is lost.
fn synthetic(log: &Path, tables: &Tables) -> Score {
    let mut score = Score::default();
    let lines = std::fs::read_to_string(log).unwrap();
    let events = Events::of(&lines, &mut score);
    for text in lines.lines().filter(|text| !text.starts_with('#') && !text.is_empty()) {
        let text = text.trim_end();
        let Ok(line) = line::parse(text) else {
            score.field(false, "record not read");
            continue;
        };
        let record = decode(&line, tables);
        score.records += 1;
        let written = line::Fields::new(line.body).flat_map(|field| match field.quoting {
            line::Quoting::Single => line::Fields::new(field.value).collect(),
            _ => vec![field],
        });
        for field in written {
            let (key, value) = (field.key, field.value);
            score.field(values(&record, key).contains(&value), key);
            score.mapped(events.hold(&line, &record, key, value), key);
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
    let name = "audit-userspace test3.log".to_owned();
    scores.push((name, synthetic(&userspace.join("test3.log"), &tables)));
    for file in ["errno.log", "perm.log"] {
        scores.push((format!("auditd-parser {file}"), synthetic(&made.join(file), &tables)));
    }
    Some(scores)
}

fn page(scores: &[(String, Score)]) -> String {
    let mut text = String::from(
        "# Audit records against other parsers\n\n\
         Written by `tests/it/auditd_scoreboard.rs` (`WATCHFLOOR_BLESS=1` writes it again). Compared are the type, time and\n\
         serial of every record that the other parser's expected output holds, and each of its fields: in the decoded\n\
         record, and in the event that is made of it, under the mapped name (`model::linux_fields`). The auditd-parser files\n\
         and audit-userspace's test3.log come without expected output: there the fields as written are expected.\n\
         The rejected line is `type=UNKNOWN[1329] msg=?`, which has no time and no serial; the golden has null for it. The\n\
         events of a real lab are compared with `ausearch -i` by `tests/it/auditd_ausearch.rs`.\n\n\
         | file | lines | rejected | records | fields | agree | differ | in the event | agree | differ |\n\
         |---|---:|---:|---:|---:|---:|---:|---:|---:|---:|\n",
    );
    let row = |name: &str, score: &Score| {
        format!(
            "| {name} | {} | {} | {} | {} | {} | {} | {} | {} | {} |\n",
            score.lines,
            score.rejected,
            score.records,
            score.fields,
            score.agreed,
            score.fields - score.agreed,
            score.mapped,
            score.mapped_agreed,
            score.mapped - score.mapped_agreed
        )
    };
    let mut sum = Score::default();
    for (name, score) in scores {
        text.push_str(&row(name, score));
        sum.lines += score.lines;
        sum.rejected += score.rejected;
        sum.records += score.records;
        sum.fields += score.fields;
        sum.agreed += score.agreed;
        sum.mapped += score.mapped;
        sum.mapped_agreed += score.mapped_agreed;
    }
    text.push_str(&row("**all**", &sum));
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
        assert!(score.differences.is_empty(), "{name}: {:?}", score.differences);
    }
}
