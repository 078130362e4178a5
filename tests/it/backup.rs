//! Backup under load, what a restore gives, and what is refused.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, command, run_json, run_text};

/// A folder with a configuration, a followed log and what is in it.
pub struct Place {
    pub folder: tempfile::TempDir,
}

impl Place {
    pub fn new(more: &str) -> Place {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("sigma");
        fs::create_dir(&rules).unwrap();
        fs::write(rules.join("own.yml"), RULE).unwrap();
        fs::write(folder.path().join("auth.log"), "").unwrap();
        let text = format!(
            "[rules]\npaths = [\"{}\"]\n[signals]\npaths = []\n[alert]\ndedupe = \"1s\"\n{more}\n\
             [infer]\nenabled = false\n\
             [[sources]]\nname = \"auth\"\npaths = [\"{}\"]\nrescan = \"200ms\"\nhost = \"web01\"\n",
            rules.display(),
            folder.path().join("auth.log").display()
        );
        fs::write(folder.path().join("w.toml"), text).unwrap();
        Place { folder }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn config(&self) -> PathBuf {
        self.path("w.toml")
    }

    pub fn append(&self, lines: std::ops::Range<u32>) {
        let mut log = fs::File::options().append(true).open(self.path("auth.log")).unwrap();
        for n in lines {
            writeln!(
                log,
                "2026-11-22T08:{:02}:{:02}+00:00 web01 sshd[{n}]: Failed password for root from 203.0.113.{} port 22 ssh2",
                n / 60 % 60,
                n % 60,
                n % 200
            )
            .unwrap();
        }
    }

    pub fn wait_for_events(&self, least: u64) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = run_json(&self.config(), &["status", "--format", "json"]);
            if status["events"].as_u64().unwrap() >= least {
                return status;
            }
            assert!(Instant::now() < deadline, "{status}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub fn run(&self, arguments: &[&str]) -> Output {
        command(&self.config()).current_dir(self.folder.path()).args(arguments).output().unwrap()
    }
}

const RULE: &str = "title: a refused password\nid: 11111111-1111-4111-8111-111111111111\nstatus: test\n\
logsource:\n  product: linux\n  service: sshd\ndetection:\n  s:\n    - 'Failed password'\n  condition: s\nlevel: low\n";

pub fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn status_of(data: &Path) -> Value {
    let config = data.with_extension("toml");
    fs::write(&config, format!("data_dir = \"{}\"\n", data.display())).unwrap();
    run_json(&config, &["status", "--format", "json"])
}

#[test]
fn a_backup_under_load_restores_with_the_same_counts_and_an_unbroken_audit_log() {
    let place = Place::new("");
    place.append(0..2_000);
    let mut daemon = Daemon::start(&place.config(), &place.path("data"));
    place.wait_for_events(1_000);
    let over = Arc::new(AtomicBool::new(false));
    let (written, place) = std::thread::scope(|scope| {
        let (stop, place) = (Arc::clone(&over), &place);
        scope.spawn(move || {
            let mut next = 2_000;
            while !stop.load(Ordering::Acquire) {
                place.append(next..next + 50);
                next += 50;
                std::thread::sleep(Duration::from_millis(5));
            }
        });
        let output = place.run(&["backup", "one.tar.zst"]);
        over.store(true, Ordering::Release);
        assert!(output.status.success(), "{}", said(&output));
        (String::from_utf8(output.stdout).unwrap(), place)
    });
    assert!(written.contains("restored and compared"), "{written}");
    let mode = fs::metadata(place.path("one.tar.zst")).unwrap();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&mode.permissions()) & 0o777, 0o600);
    daemon.stop();

    let output = place.run(&["restore", "one.tar.zst", "--to", "again"]);
    assert!(output.status.success(), "{}", said(&output));
    let told = String::from_utf8(output.stdout).unwrap();
    let number = |what: &str| -> u64 {
        let before = told.split(what).next().unwrap().trim_end();
        before.rsplit(' ').next().unwrap().parse().unwrap()
    };
    let status = status_of(&place.path("again"));
    assert_eq!(status["events"].as_u64().unwrap(), number(" events"));
    assert_eq!(status["alerts_count"].as_u64().unwrap(), number(" alerts"));
    assert!(number(" events") >= 1_000 && number(" alerts") > 0, "{told}");
    // The books of that moment balance too: all of it is of one moment.
    assert!(status["sources"].as_array().unwrap().iter().all(|s| s["balances"] == true));
    let config = place.path("again.toml");
    let text = run_text(&config, &["doctor"]);
    assert!(!text.contains("broken"), "{text}");
    let rule = place.path("again/from-backup/rules/0/own.yml");
    assert_eq!(fs::read_to_string(rule).unwrap(), RULE);
    assert!(place.path("again/from-backup/config/w.toml").exists());

    // A daemon goes on where that moment was: what came later is read again, and nothing twice.
    let text = fs::read_to_string(place.config()).unwrap();
    let text = text.replace(
        &place.path("data").display().to_string(),
        &place.path("again").display().to_string(),
    );
    fs::write(place.path("next.toml"), text).unwrap();
    let lines = fs::read_to_string(place.path("auth.log")).unwrap().lines().count() as u64;
    let next = Daemon::start(&place.path("next.toml"), &place.path("again"));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = run_json(&next.config, &["status", "--format", "json"]);
        let events = status["events"].as_u64().unwrap();
        assert!(events <= lines, "twice: {status}");
        if events == lines {
            break;
        }
        assert!(Instant::now() < deadline, "{status}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn rejects_and_decisions_about_rules_come_back_with_a_backup() {
    let place = Place::new("");
    let log = place.path("app.json");
    fs::write(&log, "{\"@timestamp\": \"2026-11-22T08:00:00Z\"}\n{\"broken\n").unwrap();
    let mut config = fs::File::options().append(true).open(place.config()).unwrap();
    writeln!(config, "[[sources]]\nname = \"app\"\npaths = [\"{}\"]", log.display()).unwrap();
    place.append(0..10);
    let mut daemon = Daemon::start(&place.config(), &place.path("data"));
    place.wait_for_events(11);
    let rejects = |config: &Path| run_text(config, &["rejects", "list", "--format", "ndjson"]);
    let deadline = Instant::now() + PATIENCE;
    while rejects(&place.config()).is_empty() {
        assert!(Instant::now() < deadline, "nothing is rejected: {}", daemon.said());
        std::thread::sleep(Duration::from_millis(100));
    }
    let rule = "11111111-1111-4111-8111-111111111111";
    run_text(&place.config(), &["rules", "disable", rule, "--reason", "noise"]);
    let output = place.run(&["backup", "one.tar.zst"]);
    assert!(output.status.success(), "{}", said(&output));
    let before = rejects(&place.config());
    daemon.stop();
    let output = place.run(&["restore", "one.tar.zst", "--to", "again"]);
    assert!(output.status.success(), "{}", said(&output));
    let (again, config) = (place.path("again"), place.path("again.toml"));
    assert!(status_of(&again)["rules_off"].as_u64().unwrap() >= 1);
    assert_eq!(rejects(&config), before);
    // New rows get new numbers there.
    run_text(&config, &["rules", "enable", rule, "--reason", "tuned"]);
}

#[test]
fn a_restore_overwrites_nothing_without_the_folders_name_and_refuses_what_is_damaged() {
    let place = Place::new("");
    place.append(0..300);
    let mut daemon = Daemon::start(&place.config(), &place.path("data"));
    place.wait_for_events(300);
    daemon.stop();
    assert!(place.run(&["backup", "--no-verify", "one.tar.zst"]).status.success());

    let again = place.run(&["backup", "one.tar.zst"]);
    assert!(said(&again).contains("one.tar.zst is there already"), "{}", said(&again));

    fs::create_dir(place.path("old")).unwrap();
    fs::write(place.path("old/precious"), "x").unwrap();
    for more in [&[][..], &["--overwrite", "new"], &["--overwrite", "yes"]] {
        let mut arguments = vec!["restore", "one.tar.zst", "--to", "old"];
        arguments.extend(more);
        let refused = place.run(&arguments);
        assert_eq!(refused.status.code(), Some(1));
        assert!(said(&refused).contains("--overwrite old"), "{}", said(&refused));
        assert!(place.path("old/precious").exists());
    }
    let done = place.run(&["restore", "one.tar.zst", "--to", "old", "--overwrite", "old"]);
    assert!(done.status.success(), "{}", said(&done));
    let moved = fs::read_dir(place.folder.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .find(|path| path.to_string_lossy().contains("old.before-restore-"));
    assert!(moved.unwrap().join("precious").exists(), "moved aside, never removed");
    assert_eq!(status_of(&place.path("old"))["events"], 300);

    let whole = fs::read(place.path("one.tar.zst")).unwrap();
    let mut flipped = whole.clone();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 0x10;
    for (name, bytes) in [
        ("flipped", &flipped[..]),
        ("short", &whole[..whole.len() * 3 / 4]),
        ("other", b"no archive at all"),
    ] {
        fs::write(place.path("bad.tar.zst"), bytes).unwrap();
        let refused = place.run(&["backup", "verify", "bad.tar.zst"]);
        assert_eq!(refused.status.code(), Some(1), "{name}");
        let refused = place.run(&["restore", "bad.tar.zst", "--to", "bad"]);
        assert_eq!(refused.status.code(), Some(1), "{name}");
        assert!(said(&refused).contains("bad.tar.zst"), "{name}: {}", said(&refused));
        let left = fs::read_dir(place.folder.path()).unwrap().map(|entry| entry.unwrap().path());
        let left: Vec<_> = left
            .filter(|path| path.to_string_lossy().contains("restoring") || path.ends_with("bad"))
            .collect();
        assert!(left.is_empty(), "{name}: {left:?}");
    }
}

#[test]
fn a_backup_of_a_newer_version_is_refused_by_its_first_entry() {
    let place = Place::new("");
    let head = br#"{"format": 1, "version": "9.9.9", "schema": 999, "made": "2030-01-01T00:00:00Z", "data_dir": "/x", "bytes": 0}"#;
    let mut tar = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(head.len() as u64);
    tar.append_data(&mut header, "head.json", &head[..]).unwrap();
    let packed = zstd::encode_all(&tar.into_inner().unwrap()[..], 1).unwrap();
    fs::write(place.path("new.tar.zst"), packed).unwrap();
    let refused = place.run(&["restore", "new.tar.zst", "--to", "x"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(said(&refused).contains("was written by version 9.9.9"), "{}", said(&refused));
    assert!(!place.path("x").exists());
}

#[test]
fn a_daemon_makes_a_verified_backup_when_one_is_due_and_removes_old_ones() {
    let place = Place::new("[backup]\nfolder = \"FOLDER\"\nat = \"AT\"\nkeep = \"1d\"");
    let folder = place.path("archives");
    fs::create_dir(&folder).unwrap();
    // Yesterday's are past: one is due at once. A year-old one is past its time, a file of somebody else is not ours.
    fs::write(folder.join("watchfloor-20200101T000000Z.tar.zst"), "old").unwrap();
    fs::write(folder.join("notes.txt"), "mine").unwrap();
    let text = fs::read_to_string(place.config()).unwrap();
    let text = text.replace("FOLDER", &folder.display().to_string()).replace("AT", "00:00");
    fs::write(place.config(), text).unwrap();
    place.append(0..10);
    let mut daemon = Daemon::start(&place.config(), &place.path("data"));
    place.wait_for_events(10);
    let deadline = Instant::now() + PATIENCE;
    let names = || {
        let mut names: Vec<String> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        names.sort();
        names
    };
    loop {
        let status = run_json(&place.config(), &["status", "--format", "json"]);
        let upkeep = status["upkeep"].as_array().unwrap().iter().find(|u| u["topic"] == "backup");
        let shown = upkeep.is_some_and(|u| u["text"].as_str().unwrap().contains("1 kept"));
        let old_is_gone = names().iter().all(|name| !name.contains("2020"));
        if shown && old_is_gone && names().len() == 2 {
            break;
        }
        assert!(Instant::now() < deadline, "{status}\n{:?}", names());
        std::thread::sleep(Duration::from_millis(100));
    }
    assert!(
        names()[1].starts_with("watchfloor-20") && !names()[1].contains("2020"),
        "{:?}",
        names()
    );
    daemon.stop();
    let archive = folder.join(&names()[1]);
    let verified = place.run(&["backup", "verify", &archive.display().to_string()]);
    assert!(verified.status.success(), "{}", said(&verified));
}
