//! Budgets of rules through the real program: a rule that is too loud is parked, kill -9 changes nothing of it, and a
//! release brings back what was kept.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, run_json, run_ndjson, run_text};

/// 2026-11-22T08:00:00Z
const START: i64 = 1_795_334_400;
const RULE: &str = "9d1b2c3a-0000-4000-8000-000000000001";
const CRITICAL: &str = "9d1b2c3a-0000-4000-8000-000000000002";
const WINDOWED: &str = "9d1b2c3a-0000-4000-8000-000000000003";
const LINES: usize = 600;
const BUDGET: u64 = 20;

fn rule(id: &str, title: &str, level: &str, word: &str) -> String {
    format!(
        "title: {title}\nid: {id}\nstatus: test\nlevel: {level}\nlogsource:\n  product: linux\n\
         detection:\n  s:\n    CommandLine|contains: {word}\n  condition: s\n"
    )
}

fn config(folder: &Path) -> PathBuf {
    let rules = folder.join("rules");
    fs::create_dir_all(&rules).unwrap();
    fs::write(rules.join("a.yml"), rule(RULE, "Loud", "low", "/usr/bin/loud")).unwrap();
    fs::write(rules.join("b.yml"), rule(CRITICAL, "Worst", "critical", "/usr/bin/worst")).unwrap();
    fs::write(rules.join("c.yml"), rule(WINDOWED, "Again", "low", "/usr/bin/again")).unwrap();
    let text = format!(
        "[[sources]]\nname = \"auth\"\npaths = [\"{0}/auth.log\"]\nidle = \"500ms\"\nrescan = \"500ms\"\n\
         [rules]\npaths = [\"{0}/rules\"]\nbudget = {BUDGET}\n\
         [[rules.suppress]]\nrules = \"rule:{WINDOWED}\"\nby = [\"user.name\"]\nfor = \"24h\"\n\
         [signals]\npaths = []\n",
        folder.display()
    );
    let path = folder.join("watchfloor.toml");
    fs::write(&path, text).unwrap();
    path
}

fn line(index: usize) -> String {
    let at = jiff::Timestamp::from_second(START + index as i64 * 30).unwrap();
    let (host, command) = match index % 3 {
        0 => (index % 90, "loud"),
        1 => (index % 90, "worst"),
        _ => (7, "again"),
    };
    let user = ["ana", "ben"][index / 3 % 2];
    format!(
        "{at} web{host:02} sudo: {user} : TTY=pts/0 ; PWD=/home/{user} ; USER=root ; COMMAND=/usr/bin/{command}\n"
    )
}

fn settle(config: &Path, records: usize) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = run_json(config, &["status", "--format", "json"]);
        if status["sources"][0]["stored"] == records {
            return;
        }
        assert!(Instant::now() < deadline, "{status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Alerts by id: what must be equal.
fn alerts(config: &Path) -> BTreeMap<String, Value> {
    let rows = run_ndjson(config, &["alerts", "list", "--format", "ndjson", "--limit", "100000"]);
    let keys = ["rule.id", "rule.name", "host.name", "count", "first_seen", "last_seen"];
    rows.iter()
        .map(|row| {
            let kept: Value = keys.iter().map(|key| row[*key].clone()).collect();
            (row["id"].as_str().unwrap().to_owned(), kept)
        })
        .collect()
}

fn of_rule(alerts: &BTreeMap<String, Value>, rule: &str) -> Vec<Value> {
    alerts.values().filter(|row| row[0] == rule).cloned().collect()
}

/// Feed the log, killing the daemon after every piece or never; the daemon that is left runs.
fn feed(folder: &Path, kills: bool) -> (PathBuf, Daemon) {
    let config = config(folder);
    let data = folder.join("data");
    let log = folder.join("auth.log");
    fs::write(&log, "").unwrap();
    let mut daemon = Daemon::start(&config, &data);
    let pieces = 12;
    for piece in 0..pieces {
        let per = LINES / pieces;
        let text: String = (piece * per..(piece + 1) * per).map(line).collect();
        let mut file = OpenOptions::new().append(true).open(&log).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        // Sometimes before the lines are read, sometimes after the commit.
        std::thread::sleep(Duration::from_millis(if kills { 15 * piece as u64 } else { 20 }));
        if kills {
            daemon.kill();
            daemon = Daemon::spawn(&config, &data);
        }
    }
    // Not only ready: before the new daemon has the store, commands open it themselves.
    daemon.wait_listening(&data);
    daemon.wait_ready();
    settle(&config, LINES);
    (config, daemon)
}

#[test]
fn a_loud_rule_is_parked_through_kills_and_released_with_everything_it_kept() {
    let (calm, wild) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (config_calm, mut calm_daemon) = feed(calm.path(), false);
    let (config, mut daemon) = feed(wild.path(), true);
    let expected = alerts(&config_calm);
    let found = alerts(&config);
    assert_eq!(found, expected, "kills change nothing");

    // 200 matches, each on its own host within an hour of others: far more alerts than 20.
    let loud = of_rule(&found, RULE);
    assert_eq!(loud.len() as u64, BUDGET + 1, "the budget, and the row that says so: {loud:?}");
    let marker = loud.iter().find(|row| row[1].as_str().unwrap().starts_with("rule parked:"));
    let marker = marker.unwrap_or_else(|| panic!("{loud:?}"));
    let shown: u64 = loud.iter().map(|row| row[3].as_u64().unwrap()).sum();
    assert_eq!(shown, 200, "every match is told, kept back or not");
    assert!(of_rule(&found, CRITICAL).len() as u64 > BUDGET, "a critical rule is never parked");
    let again = of_rule(&found, WINDOWED);
    let counts: Vec<u64> = again.iter().map(|row| row[3].as_u64().unwrap()).collect();
    assert_eq!(counts, [100, 100], "one alert a user and window: {again:?}");

    let parked = run_json(&config, &["rules", "parked", "--format", "json"]);
    assert_eq!(parked[0]["rule.id"], RULE);
    assert_eq!(parked[0]["findings"], marker[3]);
    assert_eq!(parked, run_json(&config_calm, &["rules", "parked", "--format", "json"]));
    let rules = run_ndjson(&config, &["rules", "list", "--format", "ndjson"]);
    let row = rules.iter().find(|row| row["rule.id"] == RULE).unwrap();
    assert_eq!(row["parked"], marker[3]);
    let status = run_json(&config, &["status", "--format", "json"]);
    assert!(status["problems"].to_string().contains("1 rule is parked"), "{status}");

    let held = parked[0]["held"].as_u64().unwrap();
    let said = run_text(&config, &["rules", "release", RULE, "--reason", "seen"]);
    assert!(said.contains(&format!("released {RULE}; {held} alerts appear")), "{said}");
    // Killed before it may be carried out: it is durable, and carried out once.
    daemon.kill();
    daemon = Daemon::spawn(&config, &wild.path().join("data"));
    daemon.wait_listening(&wild.path().join("data"));
    daemon.wait_ready();
    let deadline = Instant::now() + PATIENCE;
    let all = loop {
        let all = of_rule(&alerts(&config), RULE);
        if all.len() as u64 == BUDGET + 1 + held {
            break all;
        }
        assert!(Instant::now() < deadline, "{} alerts, {held} kept back", all.len());
        std::thread::sleep(Duration::from_millis(50));
    };
    let own = all.iter().filter(|row| row[1] == "Loud");
    let told: u64 = own.map(|row| row[3].as_u64().unwrap()).sum();
    assert_eq!(told, 200, "all matches came back as alerts");
    let open = run_ndjson(&config, &["alerts", "list", "--format", "ndjson", "status:resolved"]);
    assert_eq!(open.len(), 1, "the row that said so is resolved");
    let again = run_text(&config, &["rules", "release", RULE]);
    assert!(again.contains("is not parked"), "{again}");

    // How rare it was, in the machine's words and a person's.
    let ids = run_ndjson(&config, &["alerts", "list", "--format", "ndjson"]);
    let row = ids.iter().find(|row| row["rule.id"] == WINDOWED).unwrap();
    let id = row["id"].as_str().unwrap();
    let shown = run_json(&config, &["alerts", "show", id, "--json"]);
    let rarity = shown["rarity"].as_array().unwrap();
    assert!(rarity.iter().any(|one| one["field"].is_string() && one["of"].is_u64()), "{shown}");
    calm_daemon.stop();
    daemon.stop();
}
