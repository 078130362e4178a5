//! The life of rules from the command line: packs, states, history, edits over upgrades, signatures; and a daemon whose
//! rules change under load.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, command, run_json, run_ndjson, run_text};

/// 2026-11-22T08:00:00Z
const START: i64 = 1_795_334_400;
const RELOADS: u64 = 100;

pub struct Place {
    folder: tempfile::TempDir,
    pub config: PathBuf,
}

impl Place {
    pub fn new(more: &str) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("watchfloor.toml");
        let data = folder.path().join("data");
        let text = format!("data_dir = \"{}\"\n{more}", data.display());
        fs::write(&config, text.replace("HERE", &folder.path().display().to_string())).unwrap();
        Place { folder, config }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn file(&self, name: &str, text: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    fn run(&self, arguments: &[&str]) -> Output {
        command(&self.config).args(arguments).output().unwrap()
    }

    pub fn ok(&self, arguments: &[&str]) -> String {
        run_text(&self.config, arguments)
    }

    fn rows(&self, arguments: &[&str]) -> Vec<Value> {
        let mut all = arguments.to_vec();
        all.extend(["--format", "ndjson"]);
        run_ndjson(&self.config, &all)
    }

    /// Titles of what a scan of one failed log-in finds, with the rules of the packs only.
    fn found(&self) -> Vec<String> {
        let log = self.file("one.log", line(1));
        let rows = self.rows(&["scan", &log, "--quiet", "--set", "rules.paths=[]"]);
        rows.iter().map(|row| row["rule.name"].as_str().unwrap().to_owned()).collect()
    }
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

pub fn line(number: i64) -> String {
    let at = jiff::Timestamp::from_second(START + number).unwrap();
    format!(
        "{at} web01 sshd[7]: Failed password for invalid user admin from 203.0.113.7 port 4022 ssh2\n"
    )
}

fn rule(id: &str, title: &str, level: &str, tag: &str) -> String {
    format!(
        "title: {title}\nid: {id}\nname: {id}\nstatus: test\ntags:\n  - {tag}\nlogsource:\n  product: linux\n  service: sshd\n\
         detection:\n  selection:\n    message|contains: 'Failed password'\n  condition: selection\nlevel: {level}\n"
    )
}

#[test]
fn a_pack_is_imported_edited_upgraded_and_rolled_back() {
    let place = Place::new("");
    let pack = place.path("ours");
    let from = pack.display().to_string();
    place.file("ours/pack.toml", "name = \"ours\"\nversion = \"1\"\nlicence = \"CC0-1.0\"\n");
    place.file("ours/ssh/a.yml", rule("a", "first", "low", "attack.t1110"));
    assert!(place.found().is_empty());
    let dry = place.ok(&["rules", "import", &from, "--dry-run"]);
    assert!(dry.contains("would import ours 1") && dry.contains("CC0-1.0"), "{dry}");
    assert!(!place.path("data").exists(), "a dry run leaves nothing");
    place.ok(&["rules", "import", &from, "--reason", "the first"]);
    assert_eq!(place.found(), ["first"]);
    let packs = place.rows(&["rules", "packs"]);
    assert_eq!(packs[0]["manifest"]["counts"]["rules"], 1, "{packs:?}");
    assert_eq!((&packs[0]["licence"], &packs[0]["version"]), (&"CC0-1.0".into(), &"1".into()));

    // An edit here, a change there: both are in the new version.
    let local = "data/rules/local/ours/ssh/a.yml";
    place.file(local, rule("a", "first", "high", "attack.t1110"));
    place.file("ours/pack.toml", "name = \"ours\"\nversion = \"2\"\n");
    place.file("ours/ssh/a.yml", rule("a", "second", "low", "attack.t1110"));
    let said = place.ok(&["rules", "import", &from, "--reason", "newer"]);
    assert!(said.contains("1 to 2, 1 edits merged"), "{said}");
    let merged = fs::read_to_string(place.path(local)).unwrap();
    assert_eq!(merged, rule("a", "second", "high", "attack.t1110"));
    assert_eq!(place.found(), ["second"]);

    // The same place changed on both sides: the local text stays in force until somebody decides.
    place.file(local, rule("a", "mine", "high", "attack.t1110"));
    place.file("ours/pack.toml", "name = \"ours\"\nversion = \"3\"\n");
    place.file("ours/ssh/a.yml", rule("a", "theirs", "low", "attack.t1110"));
    let said = place.ok(&["rules", "import", &from]);
    assert!(said.contains("conflict: ssh/a.yml"), "{said}");
    assert_eq!(place.found(), ["mine"]);
    let shown = place.run(&["rules", "conflicts", "--show"]);
    assert_eq!(shown.status.code(), Some(1));
    let text = String::from_utf8(shown.stdout).unwrap();
    assert!(text.contains("<<<<<<<") && text.contains("title: theirs"), "{text}");
    let file = place.file("half.yml", text);
    let wrong = ["rules", "resolve", "ours", "ssh/a.yml", "--with", &file, "--reason", "x"];
    assert!(err(&place.run(&wrong)).contains("marks of a conflict"));
    place.ok(&["rules", "resolve", "ours", "ssh/a.yml", "--theirs", "--reason", "better"]);
    assert_eq!(place.found(), ["theirs"]);
    assert!(place.run(&["rules", "conflicts"]).status.success());

    // Every step has its row, hand-made edits too, and there is a way back to each.
    let history = place.rows(&["rules", "history"]);
    let kinds: Vec<&str> = history.iter().map(|row| row["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["resolve", "upgrade", "edit", "upgrade", "edit", "import"]);
    assert_eq!(history[5]["reason"], "the first");
    assert!(history[3]["replaced"].as_str().unwrap().starts_with("ours 1"), "{history:?}");
    place.ok(&["rules", "rollback", "--reason", "no"]);
    assert_eq!(place.found(), ["mine"]);
    place.ok(&["rules", "rollback", "3", "--reason", "as it was"]);
    assert_eq!(place.found(), ["second"]);
    assert_eq!(fs::read_to_string(place.path(local)).unwrap(), merged);
    place.ok(&["rules", "rollback", "1", "--reason", "as it was"]);
    assert_eq!(place.found(), ["first"]);
    place.ok(&["rules", "remove", "ours", "--reason", "enough"]);
    assert!(place.found().is_empty());
    place.ok(&["rules", "rollback", "--reason", "not yet"]);
    assert_eq!(place.found(), ["first"]);
    let nowhere = place.run(&["rules", "rollback", "99", "--reason", "x"]);
    assert!(err(&nowhere).contains("there is no such change"), "{}", err(&nowhere));
}

/// What the author of a rule asks is answered for the rules that a daemon runs: local edits stand in for the pack's
/// files, placeholders have their values, and what is off says so.
#[test]
fn local_edits_placeholders_and_states_hold_for_whoever_asks_about_rules() {
    let place =
        Place::new("[rules]\npaths = []\n[rules.placeholders]\nWords = [\"Failed password\"]\n");
    let from = place.path("ours").display().to_string();
    place.file("ours/pack.toml", "name = \"ours\"\nversion = \"1\"\n");
    let text = rule("aaaa-edited", "shipped title", "low", "attack.t1110");
    place.file("ours/ssh/a.yml", text.replace("Failed password", "never said"));
    place.file("ours/ssh/a.test", format!("== fires\n{}== stays silent\n{}", line(1), dull(2)));
    let expand = rule("bbbb-expand", "expands", "low", "attack.t1110.001")
        .replace("message|contains: 'Failed password'", "message|contains|expand: '%Words%'");
    place.file("ours/ssh/b.yml", expand);
    place.ok(&["rules", "import", &from]);
    place.file("data/rules/local/ours/ssh/a.yml", text.replace("shipped title", "edited title"));
    let log = place.file("logs/auth.log", format!("{}{}", line(1), line(2)));

    let told = place.ok(&["rules", "explain", "edited title", &log]);
    assert!(told.contains("local:ours/ssh/a.yml:1") && told.contains("2 match"), "{told}");
    let told = place.ok(&["rules", "explain", "bbbb-expand", &log]);
    assert!(told.contains("2 match"), "{told}");
    let told = place.ok(&["rules", "explain", "local:ours/ssh/a.yml", &log]);
    assert!(told.contains("edited title"), "{told}");

    // The edited rule keeps the test that its pack has for it.
    let tested = place.run(&["rules", "test"]);
    assert!(err(&tested).contains("2 passed, 0 failed, 1 rule files without"), "{}", err(&tested));

    let ids = |rows: &[Value]| -> Vec<(String, u64)> {
        let id = |row: &Value| row["rule.id"].as_str().unwrap().to_owned();
        rows.iter().map(|row| (id(row), row["findings"].as_u64().unwrap())).collect()
    };
    let rows = place.rows(&["rules", "backtest", "pack:ours", "--over", &log]);
    assert_eq!(ids(&rows), [("aaaa-edited".into(), 2), ("bbbb-expand".into(), 2)]);
    let covered = place.rows(&["rules", "coverage", "--over", &log]);
    assert!(covered.iter().all(|row| row["live_rules"] == 1), "{covered:?}");

    place.ok(&["rules", "disable", "aaaa-edited", "--reason", "loud"]);
    let rows = place.rows(&["rules", "backtest", "pack:ours", "--over", &log]);
    let muted: Vec<_> = rows.iter().map(|row| row["muted"].as_u64().unwrap()).collect();
    assert_eq!(muted, [2, 0]);
    let hours = place.rows(&["rules", "backtest", "pack:ours", "--over", &log, "--by", "hour"]);
    assert_eq!(ids(&hours), [("bbbb-expand".into(), 2)], "what is off alerts nobody");
    let bound = ["rules", "backtest", "pack:ours", "--over", &log, "--at-most", "0"];
    let over = place.run(&bound);
    assert_eq!(over.status.code(), Some(1));
    assert!(err(&over).contains("too many: 1 alerts on web01 from 2026-11-22T08:00:00Z"));
}

fn dull(number: i64) -> String {
    line(number).replace("Failed", "Accepted")
}

#[test]
fn packs_that_are_off_are_not_loaded_and_paths_may_name_packs() {
    let place = Place::new("");
    for name in ["one", "two"] {
        place.file(&format!("{name}/a.yml"), rule(name, name, "low", "attack.t1110"));
        place.ok(&["rules", "import", &place.path(name).display().to_string()]);
    }
    assert_eq!(place.found(), ["one", "two"]);
    place.ok(&["rules", "disable", "pack:two", "--reason", "not now"]);
    assert_eq!(place.found(), ["one"]);
    let log = place.path("one.log").display().to_string();
    let only = place.rows(&["scan", &log, "--quiet", "--rules", "pack:one"]);
    assert_eq!(only.len(), 1);
    let gone = place.run(&["rules", "check", "pack:two"]);
    assert_eq!(gone.status.code(), Some(1));
    assert!(
        String::from_utf8_lossy(&gone.stdout).contains("pack:two: is not imported or is off")
            || String::from_utf8_lossy(&gone.stdout)
                .contains("pack:two:0: is not imported or is off")
    );
    let typo = place.run(&["rules", "enable", "tow", "--reason", "x"]);
    assert!(err(&typo).contains("no rule that is loaded now has the id tow"), "{}", err(&typo));
    place.ok(&["rules", "enable", "two", "--reason", "that one rule"]);
    assert_eq!(place.found(), ["one", "two"], "one rule of it is on, so it is loaded");
    let unknown = place.run(&["rules", "disable", "pack:three", "--reason", "x"]);
    assert!(err(&unknown).contains("there is no pack three"), "{}", err(&unknown));
    let bad = place.run(&["rules", "disable", "level:loud", "--reason", "x"]);
    assert_eq!(bad.status.code(), Some(2), "{}", err(&bad));
    assert_eq!(
        place.run(&["rules", "disable", "all"]).status.code(),
        Some(2),
        "a reason is needed"
    );
}

#[test]
fn unsigned_packs_are_refused_where_signatures_are_required() {
    let place = Place::new("");
    let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    zip.start_file("a.yml", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(rule("a", "first", "low", "x.y").as_bytes()).unwrap();
    let archive = place.file("p.zip", zip.finish().unwrap().into_inner());
    let key = place.path("team.key").display().to_string();
    let public = place.ok(&["rules", "keygen", &key]);
    let trusted = format!("rules.trusted_keys=[\"{}\"]", public.trim());
    let import = |trusted: &str| {
        place.run(&[
            "rules",
            "import",
            &archive,
            "--set",
            "rules.require_signature=true",
            "--set",
            trusted,
        ])
    };
    let unsigned = import(&trusted);
    assert_eq!(unsigned.status.code(), Some(2));
    assert!(err(&unsigned).contains("hint: get the signature"), "{}", err(&unsigned));
    place.ok(&["rules", "sign", &archive, "--key", &key]);
    assert!(import(&trusted).status.success());
    assert_eq!(place.rows(&["rules", "packs"])[0]["signed_by"], public.trim());
    fs::write(&archive, [fs::read(&archive).unwrap(), vec![0]].concat()).unwrap();
    assert!(err(&import(&trusted)).contains("does not fit the archive"));
    let nobody = import("rules.trusted_keys=[]");
    assert!(err(&nobody).contains("rules.trusted_keys is empty"), "{}", err(&nobody));
}

/// Alerts by rule id: findings that they count.
pub fn counts(config: &Path) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for alert in run_ndjson(config, &["alerts", "list", "--format", "ndjson", "--limit", "100000"])
    {
        let rule = alert["rule.id"].as_str().unwrap().to_owned();
        *counts.entry(rule).or_insert(0) += alert["count"].as_u64().unwrap();
    }
    counts
}

pub fn status(config: &Path) -> Value {
    run_json(config, &["status", "--format", "json"])
}

pub fn wait(config: &Path, what: &str, done: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = status(config);
        if done(&status) {
            return status;
        }
        assert!(Instant::now() < deadline, "{what}: {status}");
        std::thread::sleep(Duration::from_millis(30));
    }
}

/// Append lines and return how many there are now.
pub fn append(log: &Path, from: i64, count: i64) -> i64 {
    let text: String = (from..from + count).map(line).collect();
    let mut file = OpenOptions::new().create(true).append(true).open(log).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    from + count
}

pub fn settled(config: &Path, lines: i64) -> Value {
    wait(config, "every line is stored", |status| {
        let source = &status["sources"][0];
        source["stored"].as_i64() == Some(lines) && source["in_flight"] == 0
    })
}

pub const SOURCE: &str = "
[[sources]]
name = \"auth\"
paths = [\"HERE/auth.log\"]
idle = \"500ms\"
rescan = \"200ms\"
";

#[test]
fn dry_runs_are_counted_and_never_alerted_beside_a_daemon() {
    let place = Place::new(&format!("[rules]\npaths = []\n[signals]\npaths = []\n{SOURCE}"));
    let log = place.path("auth.log");
    fs::write(&log, "").unwrap();
    let mut daemon = Daemon::start(&place.config, &place.path("data"));
    place.file("pack/a.yml", rule("a", "first", "low", "attack.t1110.001"));
    place.file("pack/b.yml", rule("b", "second", "high", "attack.t1110.001"));
    place.ok(&["rules", "import", &place.path("pack").display().to_string(), "--name", "p"]);
    let config = &place.config;
    wait(config, "the daemon has the pack", |status| status["rules_loaded"] == 2);
    place.ok(&["rules", "dry-run", "tag:attack.t1110*", "level:low", "--reason", "looking"]);
    let lines = append(&log, 0, 7);
    settled(config, lines);
    assert_eq!(counts(config), BTreeMap::from([("b".to_owned(), 7)]));
    let said = status(config);
    assert_eq!(
        (&said["rules_dry_run"], &said["dry_run_findings"]),
        (&1.into(), &7.into()),
        "{said}"
    );
    let list = place.rows(&["rules", "list", "--state", "dry-run"]);
    assert_eq!((&list[0]["rule.id"], &list[0]["dry_run"]), (&"a".into(), &7.into()));

    // At one endpoint only, and back again.
    place.ok(&["rules", "disable", "b", "--host", "WEB*", "--reason", "scanner"]);
    let lines = append(&log, lines, 3);
    settled(config, lines);
    assert_eq!(counts(config)["b"], 7);
    place.ok(&["rules", "rollback", "--reason", "no"]);
    let lines = append(&log, lines, 2);
    settled(config, lines);
    assert_eq!(counts(config)["b"], 9);
    // What is decided outlives the daemon, and what was counted too, also when it is killed.
    daemon.stop();
    assert_eq!(place.rows(&["rules", "states"]).len(), 1);
    let daemon = Daemon::start(config, &place.path("data"));
    assert_eq!(status(config)["dry_run_findings"], 12);
    let lines = append(&log, lines, 2);
    settled(config, lines);
    daemon.kill();
    let mut daemon = Daemon::start(config, &place.path("data"));
    assert_eq!(status(config)["dry_run_findings"], 14);
    daemon.stop();
}

const COUNTED: &str = "title: counted
id: counted
correlation:
  type: event_count
  rules:
    - steady
  generate: true
  group-by:
    - host.name
  timespan: 10m
  condition:
    gte: 5
level: high
";

#[test]
fn a_hundred_reloads_under_load_lose_nothing_and_judge_nothing_twice() {
    let rules = "[rules]\npaths = [\"HERE/rules\"]\nwatch = \"20ms\"\n\
        [signals]\npaths = [\"HERE/signals\"]\n";
    let place = Place::new(&format!("{rules}{SOURCE}"));
    let (log, config) = (place.path("auth.log"), &place.config);
    fs::write(&log, "").unwrap();
    // Signals stand beside rules and stay when those are taken up again.
    place.file(
        "signals/other.yml",
        "title: a signal\nid: a-signal\nwhen: {event.dataset: vault.audit}\n\
        alert: {count: {within: 10m, at_least: 3}}\n",
    );
    // A rule and a correlation in files that nobody touches, and a rule in a file that changes all the time.
    let steady = rule("steady", "steady", "low", "x.y");
    place.file("rules/steady.yml", format!("{steady}---\n{COUNTED}"));
    let changing = |number: usize| {
        // The first letter of its name changes what comes first in the set, and so every number in it.
        rule("changing", &format!("changing {number}"), "medium", "x.y")
    };
    place.file("rules/changing.yml", changing(0));
    let mut daemon = Daemon::start(config, &place.path("data"));
    wait(config, "the rules are there", |status| status["rules_loaded"] == 4);

    let (mut lines, mut kept, mut reloads) = (0, 0, 0);
    for number in 1.. {
        lines = append(&log, lines, 3);
        let text = changing(number);
        if number % 10 == 5 {
            // Half a file for longer than two looks: the old set stays in force, and status says so.
            place.file("rules/changing.yml", &text[..text.find("Failed").unwrap()]);
            wait(config, "the half file is seen", |status| {
                let problems = status["problems"].to_string();
                problems.contains("stay in force") && problems.contains("changing.yml")
            });
            kept += 1;
            lines = append(&log, lines, 3);
        } else if number % 10 == 7 {
            // Half a file for a moment.
            place.file("rules/changing.yml", &text[..text.len() / 2]);
        } else if number % 10 == 9 {
            place.file("rules/other.yml", rule("other", "other", "informational", "x.y"));
        } else if number % 10 == 0 {
            fs::remove_file(place.path("rules/other.yml")).unwrap();
        }
        place.file("rules/changing.yml", text);
        std::thread::sleep(Duration::from_millis(70));
        if number % 10 == 0 {
            reloads = status(config)["rules_reloads"].as_u64().unwrap();
            if reloads >= RELOADS {
                break;
            }
            assert!(number < 2_000, "only {reloads} reloads");
        }
    }
    assert!(reloads >= RELOADS && kept >= 5);
    lines = append(&log, lines, 3);
    let status = settled(config, lines);
    let mut names: Vec<_> = fs::read_dir(place.path("rules"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["changing.yml", "steady.yml"], "the daemon wrote into the rules folder");
    assert_eq!(status["sources"][0]["balances"], true, "{status}");
    assert_eq!(status["problems"], serde_json::json!([]), "whole files are taken up again");
    assert_eq!(status["rules_loaded"], 4, "{status}");
    let counts = counts(config);
    let expected = u64::try_from(lines).unwrap();
    assert_eq!(counts["changing"], expected, "by one version of the rule, whichever: {counts:?}");
    assert_eq!(counts["steady"], expected, "{counts:?}");
    assert_eq!(counts["counted"], expected, "correlation rows outlive reloads: {counts:?}");
    daemon.stop();
}

#[test]
fn an_import_that_is_killed_in_the_middle_leaves_nothing_in_use() {
    let place = Place::new("");
    place.file("pack/a.yml", rule("a", "first", "low", "x.y"));
    let long = format!("{}# {}\n", rule("b", "second", "low", "x.y"), "x".repeat(900_000));
    place.file("pack/b.yml", long);
    let from = place.path("pack").display().to_string();
    place.ok(&["rules", "states"]);
    // A file may not grow beyond 512 KiB: as on a full disk, the write fails or the program is ended.
    let program = crate::support::program().display().to_string();
    let config = place.config.display().to_string();
    let words = [&program, "--config", &config, "rules", "import", &from, "--name", "p"];
    let limited = format!("ulimit -f 1024; exec {}", words.join(" "));
    let output = std::process::Command::new("sh").args(["-c", &limited]).output().unwrap();
    assert!(!output.status.success());
    assert!(place.found().is_empty());
    assert!(place.rows(&["rules", "packs"]).is_empty());
    assert!(place.rows(&["rules", "history"]).is_empty());
    place.ok(&["rules", "import", &from, "--name", "p"]);
    assert_eq!(place.found(), ["first", "second"]);
}

#[test]
fn a_folder_of_rules_that_goes_round_in_circles_is_listed_and_the_rest_runs() {
    let place = Place::new("[rules]\npaths = [\"HERE/rules\"]\n");
    place.file("rules/a.yml", rule("a", "first", "low", "x.y"));
    std::os::unix::fs::symlink("..", place.path("rules/loop")).unwrap();
    let check = place.run(&["rules", "check"]);
    let said = String::from_utf8_lossy(&check.stdout);
    assert_eq!(check.status.code(), Some(1));
    assert!(said.contains("loop") && said.contains("1 rules run"), "{said}");
}
