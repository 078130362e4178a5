//! Windows of endpoints after 30 × kill -9 with windows open: every judgement of the model is the one of an undisturbed
//! run, word for word and number for number, and no window is judged twice or never. Where a window holds as many nodes as
//! it may, scores may be a little off: the endpoint remembers as many processes, and an event within `infer.lateness` behind
//! the window's end makes it forget one, which a window that the clock closed before that event still knew.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::inference::RULE;
use crate::kill::{Numbers, audit_event, settle};
use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, run_json, run_ndjson};
use crate::support::tiny_model::Spec;

const HOSTS: [&str; 2] = ["db01", "web01"];
const PIECES: usize = 100;
/// Events of a host in a piece: two a second, four records each.
const EVENTS: usize = 10;
const KILLS: usize = 30;
/// Nodes of a window, and processes of an endpoint, at most.
const FULL: u64 = 256;
/// How far scores of full windows may be off.
const OFF_MAX: f64 = 0.01;

fn config(folder: &Path) -> PathBuf {
    Spec { platform: "linux", ..Spec::of_program() }.write(&folder.join("model"));
    std::fs::create_dir(folder.join("rules")).unwrap();
    std::fs::write(folder.join("rules/marked.yml"), RULE).unwrap();
    let mut text = format!(
        "[alert]\nundo = \"1s\"\n[rules]\npaths = [\"{0}/rules\"]\n[infer]\nmodels = \"{0}/model\"\nruntime = \"tract\"\nbudget = 4\ndeaths_max = 1000\n",
        folder.display()
    );
    for host in HOSTS {
        text.push_str(&format!(
            "[[sources]]\nname = \"{host}\"\npaths = [\"{}/{host}.log\"]\nhost = \"{host}\"\nidle = \"500ms\"\nrescan = \"500ms\"\n",
            folder.display()
        ));
    }
    let path = folder.join("watchfloor.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// Write everything while `disturb` may do what it likes between pieces. Returns the records written.
fn write_all(folder: &Path, mut disturb: impl FnMut(usize)) -> u64 {
    let mut numbers = Numbers(5);
    let mut records = 0;
    for piece in 0..PIECES {
        for host in HOSTS {
            let range = piece * EVENTS..(piece + 1) * EVENTS;
            let text: String = range.map(|index| audit_event(index, &mut numbers)).collect();
            let path = folder.join(format!("{host}.log"));
            let mut file = OpenOptions::new().create(true).append(true).open(path).unwrap();
            file.write_all(text.as_bytes()).unwrap();
            records += EVENTS as u64 * 4;
        }
        disturb(piece);
    }
    records
}

/// Wait until every window that closed has its result, then until every record is in the books.
fn settle_windows(daemon: Daemon, records: u64) -> serde_json::Value {
    let deadline = Instant::now() + PATIENCE;
    let mut calm = 0;
    while calm < 3 {
        std::thread::sleep(Duration::from_millis(700));
        let status = run_json(&daemon.config, &["status", "--format", "json"]);
        let stored = status["sources"].as_array().unwrap().iter();
        let stored: u64 = stored.map(|source| source["stored"].as_u64().unwrap()).sum();
        let rows = status["upkeep"].as_array().unwrap();
        let row = rows.iter().find(|row| row["topic"] == "inference");
        let pending = row.and_then(|row| row["numbers"]["windows_pending"].as_i64());
        calm = if stored == records && pending == Some(0) { calm + 1 } else { 0 };
        assert!(
            Instant::now() < deadline,
            "{stored} of {records} stored, {pending:?} windows wait: {status}"
        );
    }
    settle(daemon, records)
}

/// A window: everything but the scores as text, and the scores.
#[derive(Debug)]
struct Judged {
    text: String,
    members: String,
    scores: Vec<f64>,
    is_full: bool,
}

impl Judged {
    fn is_like(&self, other: &Judged) -> bool {
        let near = |(one, other): (&f64, &f64)| (one - other).abs() <= OFF_MAX;
        let pairs = self.scores.iter().zip(&other.scores);
        let scores = self.members == other.members
            || self.is_full
                && self.scores.len() == other.scores.len()
                && pairs.into_iter().all(near);
        self.text == other.text && scores
    }
}

/// What the model said of windows that events closed (how unusual that is among all endpoints depends on which was read first): id → endpoint, what the window was made of, every member's score, what
/// followed. Windows behind an endpoint's newest event close by the clock: some are closed when the daemon stops.
fn judged(config: &Path) -> BTreeMap<String, Judged> {
    let query = "event.dataset:watchfloor.inference";
    let found = run_ndjson(config, &["events", "search", query, "--limit", "100000"]);
    let newest = run_ndjson(config, &["events", "search", "class:process_start", "--limit", "1"]);
    let newest = newest[0]["@timestamp"].as_str().unwrap();
    let mut windows = BTreeMap::new();
    for event in found.iter().filter(|event| event["@timestamp"].as_str().unwrap() < newest) {
        let said = &event["watchfloor"]["inference"];
        let keys = [
            "prediction",
            "outcome",
            "events",
            "nodes",
            "edges",
            "observed_ms",
            "hits",
            "reason",
            "explanation",
        ];
        let text = keys.map(|key| said[key].to_string()).join(" ");
        let text = format!("{} {} {text}", event["host"]["name"], event["@timestamp"]);
        let members = said["members"].to_string();
        let scores = serde_json::from_str(members.trim_matches('"')).unwrap_or_default();
        let is_full = said["nodes"].as_u64() == Some(FULL);
        let judged = Judged { text, members, scores, is_full };
        let twice = windows.insert(event["event"]["id"].as_str().unwrap().to_owned(), judged);
        assert!(twice.is_none(), "a window is judged once");
    }
    windows
}

#[test]
fn thirty_kills_with_windows_open_change_no_judgement() {
    let calm = tempfile::tempdir().unwrap();
    let config_calm = config(calm.path());
    let daemon = Daemon::start(&config_calm, &calm.path().join("data"));
    let records = write_all(calm.path(), |_| std::thread::sleep(Duration::from_millis(20)));
    let status = settle_windows(daemon, records);
    let shown = status["upkeep"].as_array().unwrap();
    let shown = shown.iter().find(|row| row["topic"] == "inference").unwrap();
    assert!(shown["numbers"]["inferences_run"].as_i64().unwrap() > 0, "{shown}");
    let expected = judged(&config_calm);
    // 500 s a host, a window every 30 s.
    assert!(expected.len() >= 2 * 15, "{} windows", expected.len());
    for word in ["\"attack\"", "\"alert\"", "\"more\""] {
        assert!(
            expected.values().any(|one| one.text.contains(word)),
            "{word} is met: {expected:?}"
        );
    }

    let wild = tempfile::tempdir().unwrap();
    let config_wild = config(wild.path());
    let data = wild.path().join("data");
    let mut daemon = Some(Daemon::start(&config_wild, &data));
    let mut numbers = Numbers(std::process::id().into());
    let mut kills = 0;
    let records = write_all(wild.path(), |piece| {
        std::thread::sleep(Duration::from_millis(20 + numbers.below(60)));
        if piece % 3 == 2 && kills < KILLS {
            daemon.take().unwrap().kill();
            kills += 1;
            let mut next = Daemon::spawn(&config_wild, &data);
            // It has to do something before it is killed again.
            next.wait_listening(&data);
            std::thread::sleep(Duration::from_millis(numbers.below(700)));
            daemon = Some(next);
        }
    });
    assert_eq!(kills, KILLS);
    let daemon = daemon.take().unwrap();
    daemon.wait_ready();
    settle_windows(daemon, records);
    let found = judged(&config_wild);
    for (id, window) in &expected {
        let after = found.get(id);
        assert!(
            after.is_some_and(|after| after.is_like(window)),
            "window {id} is judged otherwise after the kills: {window:?}, {after:?}"
        );
    }
    let exact = |(id, window): &(&String, &Judged)| found[*id].members == window.members;
    let (full, rest): (Vec<_>, Vec<_>) = expected.iter().partition(|(_, window)| window.is_full);
    assert!(rest.iter().all(exact) && rest.len() >= 6, "{} windows were not full", rest.len());
    let same = full.iter().filter(|one| exact(one)).count();
    assert!(same * 2 > full.len(), "{same} of {} full windows are the same", full.len());
    assert_eq!(found.len(), expected.len(), "there are windows that were not judged undisturbed");
}
