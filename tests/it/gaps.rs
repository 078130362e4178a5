//! The proof of gaps: what is deleted from complete logs is named exactly, and logs that somebody filters say nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::Value;
use watchfloor::config::Config;
use watchfloor::gaps;
use watchfloor::model::record::{Batch, Flush, Stream};
use watchfloor::pipeline::inputs::{Inputs, Watcher};
use watchfloor::pipeline::normalise::normalise;
use watchfloor::stdx::time::Timestamp;

use crate::source_evtx::members;
use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, run_json, run_ndjson, run_text};
use crate::support::data;

/// Endpoint, name, number.
type Missing = BTreeSet<(String, String, u64)>;

fn unpacked(path: &Path) -> Vec<u8> {
    zstd::decode_all(fs::File::open(path).unwrap()).unwrap()
}

/// Numbers below `below`, always the same ones.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) as usize % below
    }
}

/// A daemon that reads one file of a source.
struct Watched {
    daemon: Daemon,
    config: PathBuf,
    _folder: tempfile::TempDir,
}

impl Watched {
    fn start(name: &str, content: &[u8], keys: &str) -> Watched {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join(name);
        fs::write(&log, content).unwrap();
        let config = folder.path().join("w.toml");
        let text = format!(
            "[rules]\npaths = []\n[signals]\npaths = []\n[gaps]\ngrace = \"1s\"\nconsecutive = 1000\n\
             [[sources]]\nname = \"logs\"\npaths = [\"{}\"]\nidle = \"100ms\"\n{keys}\n",
            log.display()
        );
        fs::write(&config, text).unwrap();
        let daemon = Daemon::start(&config, &folder.path().join("data"));
        Watched { daemon, config, _folder: folder }
    }

    /// Wait until `records` are in and every hole is either filled or an alert; then everything that is missing.
    fn missing(&self, records: u64) -> Missing {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = run_json(&self.config, &["status", "--format", "json"]);
            let source = status["sources"].as_array().unwrap().iter().find(|s| s["name"] == "logs");
            // The last events of an audit log may stay open: more of their records could come.
            let done = source.is_some_and(|source| source["received"].as_u64().unwrap() >= records);
            let rows =
                run_ndjson(&self.config, &["gaps", "list", "--waiting", "--format", "ndjson"]);
            if done && rows.iter().all(|row| row["state"] == "alerted") {
                let each = rows.iter().flat_map(|row| {
                    let text = |key: &str| row[key].as_str().unwrap().to_owned();
                    let range = row["from"].as_u64().unwrap()..=row["to"].as_u64().unwrap();
                    range.map(move |number| (text("host.name"), text("name"), number))
                });
                return each.collect();
            }
            assert!(Instant::now() < deadline, "{status}\n{rows:?}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Titles of the alerts, when there are as many as wanted.
    fn alerts(&self, wanted: usize) -> Vec<String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let rows = run_ndjson(&self.config, &["alerts", "list", "--format", "ndjson"]);
            if rows.len() >= wanted || Instant::now() > deadline {
                return rows.iter().map(|row| row["rule.name"].as_str().unwrap().into()).collect();
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

/// Host, channel and record id of a line.
type Coordinates = (String, String, u64);

/// A capture of ten logs without a hole: records with computer, channel, record id.
fn capture() -> Option<(Vec<String>, Vec<Coordinates>)> {
    let folder = data("windows/otrf")?;
    let found = walkdir::WalkDir::new(folder).into_iter().filter_map(Result::ok);
    let path = found
        .map(walkdir::DirEntry::into_path)
        .find(|path| path.ends_with("20200610T0250_msf_record_mic.json.zst"))
        .expect("the capture is there");
    let text = String::from_utf8(unpacked(&path)).unwrap();
    let (mut lines, mut records) = (Vec::new(), Vec::new());
    for line in text.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let computer = record["Hostname"].as_str().unwrap().to_lowercase();
        let channel = record["Channel"].as_str().unwrap().to_owned();
        let number = record["RecordNumber"].as_u64().unwrap();
        records.push((computer, channel, number));
        lines.push(line.to_owned());
    }
    Some((lines, records))
}

#[test]
fn records_deleted_from_a_complete_capture_are_named_exactly() {
    let Some((lines, records)) = capture() else { return };
    let mut ends: BTreeMap<(&str, &str), (u64, u64)> = BTreeMap::new();
    for (computer, channel, number) in &records {
        let end = ends.entry((computer, channel)).or_insert((u64::MAX, 0));
        *end = (end.0.min(*number), end.1.max(*number));
    }
    let mut dice = Dice(7);
    let mut deleted: BTreeSet<usize> = BTreeSet::new();
    while deleted.len() < 60 {
        let index = dice.roll(records.len());
        let (computer, channel, number) = &records[index];
        // Nobody can know of a record before the first or behind the last.
        let (first, last) = ends[&(computer.as_str(), channel.as_str())];
        if *number > first && *number < last {
            deleted.insert(index);
        }
    }
    let mut kept = String::new();
    let mut whole = String::new();
    for (index, line) in lines.iter().enumerate() {
        whole.push_str(line);
        whole.push('\n');
        if !deleted.contains(&index) {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    let untouched = Watched::start("capture.json", whole.as_bytes(), "complete = true");
    assert_eq!(untouched.missing(lines.len() as u64), Missing::new());
    assert_eq!(untouched.alerts(0), Vec::<String>::new());
    drop(untouched);

    let mut watched = Watched::start("capture.json", kept.as_bytes(), "complete = true");
    let wanted: Missing = deleted.iter().map(|index| records[*index].clone()).collect();
    assert_eq!(watched.missing((lines.len() - deleted.len()) as u64), wanted);
    let titles = watched.alerts(1);
    assert!(!titles.is_empty());
    assert!(titles.iter().all(|title| title.starts_with("records missing on ")), "{titles:?}");
    let shown = format!("records_missing {}", wanted.len());
    let deadline = Instant::now() + PATIENCE;
    while !run_text(&watched.config, &["status"]).contains(&shown) {
        assert!(Instant::now() < deadline, "{}", run_text(&watched.config, &["status"]));
        std::thread::sleep(Duration::from_millis(200));
    }

    // What was named stays named after a stop, and nothing is told twice.
    watched.daemon.stop();
    let again = Daemon::start(&watched.config, &watched.config.with_file_name("data"));
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(watched.missing((lines.len() - deleted.len()) as u64), wanted);
    assert_eq!(watched.alerts(titles.len()).len(), titles.len());
    drop(again);
}

/// An audit log whose serials follow each other: that of the lab, renumbered. Lines by serial.
fn audit_log(events: usize) -> Option<Vec<(u64, String)>> {
    let path = data("linux/benign_lab/dev01/audit.run2.log.zst")?;
    let text = String::from_utf8(unpacked(&path)).unwrap();
    let mut serials: BTreeMap<String, u64> = BTreeMap::new();
    let mut lines = Vec::new();
    for line in text.lines() {
        let (head, rest) = line.split_once("audit(").unwrap();
        let (stamp, rest) = rest.split_once("):").unwrap();
        let (time, serial) = stamp.split_once(':').unwrap();
        if head.contains("DAEMON_") {
            continue;
        }
        let next = 50_000 + serials.len() as u64;
        let number = *serials.entry(serial.to_owned()).or_insert(next);
        if serials.len() > events {
            break;
        }
        lines.push((number, format!("{head}audit({time}:{number}):{rest}\n")));
    }
    Some(lines)
}

#[test]
fn serials_deleted_from_an_audit_log_are_named_and_alerted_once_it_has_proved_itself() {
    let Some(lines) = audit_log(3_000) else { return };
    let mut dice = Dice(11);
    let mut deleted: BTreeSet<u64> = BTreeSet::new();
    while deleted.len() < 25 {
        // After the first thousand, which prove that nobody filters.
        deleted.insert(51_100 + dice.roll(1_800) as u64);
    }
    let kept: Vec<&str> = lines
        .iter()
        .filter(|(serial, _)| !deleted.contains(serial))
        .map(|(_, line)| line.as_str())
        .collect();
    let watched = Watched::start("audit.log", kept.concat().as_bytes(), "host = \"dev01\"");
    let wanted: Missing =
        deleted.iter().map(|serial| ("dev01".to_owned(), String::new(), *serial)).collect();
    assert_eq!(watched.missing(kept.len() as u64), wanted);
    let titles = watched.alerts(1);
    assert!(!titles.is_empty(), "the stream has proved itself");
    assert!(titles.iter().all(|title| title.starts_with("records missing on dev01: ")));
    let streams = run_ndjson(
        &watched.config,
        &["gaps", "list", "--streams", "--source", "logs", "--format", "ndjson"],
    );
    assert_eq!(streams[0]["trusted"], "proved");
    assert_eq!(streams[0]["missing"], 25);
}

#[test]
fn the_records_of_a_chunk_cut_out_of_an_event_log_are_named_exactly() {
    const HEAD: usize = 4_096;
    const CHUNK: usize = 65_536;
    let Some(folder) = data("windows/evtx") else { return };
    let tar = unpacked(&folder.join("sans-blue-team__DeepBlueCLI.tar.zst"));
    let all = members(&tar);
    let (_, log) = all
        .iter()
        .find(|(name, _)| name.ends_with("wmi-event-filter-persistance.evtx"))
        .expect("the log is there");
    // The fifth of thirteen chunks; its own header says which records it holds.
    let start = HEAD + 4 * CHUNK;
    let number =
        |at: usize| u64::from_le_bytes(log[start + at..start + at + 8].try_into().unwrap());
    let (first, last) = (number(24), number(32));
    assert_eq!((first, last), (298, 370));
    let cut = [&log[..start], &log[start + CHUNK..]].concat();
    let watched = Watched::start("cut.evtx", &cut, "complete = true");
    let missing = watched.missing(901 - (last - first + 1));
    let numbers: Vec<u64> = missing.iter().map(|(_, _, number)| *number).collect();
    assert_eq!(numbers, (first..=last).collect::<Vec<u64>>());
    let titles = watched.alerts(1);
    assert_eq!(titles.len(), 1, "{titles:?}");
    assert!(titles[0].ends_with(": 73 between 297 and 371"), "{titles:?}");
}

struct Nobody;

impl Watcher for Nobody {
    fn expect_bytes(&self, _: u64) {}
    fn read_bytes(&self, _: u64) {}
}

#[test]
fn the_untouched_benign_lab_raises_no_alert_about_missing_records() {
    let Some(lab) = data("linux/benign_lab") else { return };
    let all = ["WATCHFLOOR_BIN", "WATCHFLOOR_TEST_FULL"]
        .iter()
        .any(|name| std::env::var_os(name).is_some());
    let hosts =
        if all { &["dev01", "ci01", "db01", "web01", "files01"][..] } else { &["dev01"][..] };
    let config = Config::default();
    let mut engine = gaps::Engine::new(&config.gaps, None);
    let now = Timestamp::now();
    let mut findings = Vec::new();
    for host in hosts {
        for log in ["audit.log.zst", "audit.run2.log.zst"] {
            let inputs = Inputs {
                paths: vec![lab.join(host).join(log).display().to_string()],
                format: "auto".to_owned(),
                host: Some((*host).to_owned()),
                host_from_path: None,
                explain: false,
            };
            let batch = Batch::new(std::sync::Arc::new(Stream::of_path("lab", log)), Flush::No);
            let report = normalise(&config, &inputs, &Nobody, &mut |output| {
                engine.see(&batch, &output.events, now);
                engine.tell(now.plus_micros(i64::MAX / 2), &mut findings);
                ControlFlow::Continue(())
            });
            assert!(report.unwrap().ledger.events > 1_000);
        }
    }
    let titles: Vec<String> = findings.iter().map(|one| one.rule.title.clone()).collect();
    assert_eq!(titles, Vec::<String>::new());
    let rows = engine.take_changes().into_iter().filter_map(|(key, value)| Some((key, value?)));
    let later = now.plus_micros(i64::MAX / 2);
    let report = gaps::report_of(rows, &config.gaps, later);
    assert_eq!(report.streams.len(), hosts.len());
    // It is shown all the same: the lab's shipper keeps a part of what the kernel numbers.
    assert!(report.streams.iter().all(|stream| stream.missing() > 1_000 && stream.trusted == "no"));
}
