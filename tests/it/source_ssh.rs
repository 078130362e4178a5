//! Files on another machine, against a real sshd: sessions killed in the middle, rotation, truncation, keys that are not right.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::daemon::{Daemon, run_json, run_ndjson};
use crate::support::{PATIENCE, free_port, root};

/// An sshd of a test; killed with its sessions when dropped.
struct Sshd {
    dir: PathBuf,
    port: u16,
}

impl Sshd {
    /// `None`: there is no sshd on this machine.
    fn start(dir: &Path) -> Option<Sshd> {
        if !Sshd::call("fetch", dir, 0) {
            assert!(std::env::var_os("CI").is_none(), "sshd is missing");
            eprintln!("SKIPPED: sshd is missing (openssh-server)");
            return None;
        }
        let port = free_port();
        let sshd = Sshd { dir: dir.join("sshd"), port };
        assert!(sshd.run("start"));
        Some(sshd)
    }

    fn call(verb: &str, dir: &Path, port: u16) -> bool {
        let script = root().join("tests/services/sshd.sh");
        Command::new(script).arg(verb).arg(dir).arg(port.to_string()).status().unwrap().success()
    }

    fn run(&self, verb: &str) -> bool {
        Sshd::call(verb, &self.dir, self.port)
    }

    /// Kill every session, not the listener.
    fn cut(&self) {
        let pid = fs::read_to_string(self.dir.join("pid")).unwrap();
        Command::new("pkill").args(["-KILL", "-P", pid.trim()]).status().unwrap();
    }

    /// A daemon that reads `logs/app.log*` through it.
    fn daemon(&self, dir: &Path, more: &str) -> (Daemon, PathBuf) {
        let config = dir.join("w.toml");
        let user =
            String::from_utf8(Command::new("id").arg("-un").output().unwrap().stdout).unwrap();
        let text = format!(
            "[rules]\npaths = []\n[signals]\npaths = []\n[limits]\nbatch_records_max = 200\n\
             [[sources]]\nname = \"far\"\ntype = \"ssh\"\nhosts = [\"127.0.0.1:{}\"]\nuser = \"{}\"\n\
             key_file = \"{}\"\nknown_hosts = \"{}\"\npaths = [\"{}/app.log*\"]\n\
             poll_min = \"100ms\"\npoll_max = \"400ms\"\n{more}\n",
            self.port,
            user.trim(),
            self.dir.join("user").display(),
            self.dir.join("known_hosts").display(),
            dir.join("logs").display(),
        );
        fs::write(&config, text).unwrap();
        (Daemon::start(&config, &dir.join("data")), config)
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        self.run("kill");
    }
}

fn append(path: &Path, numbers: std::ops::Range<u32>) {
    let mut file = fs::File::options().create(true).append(true).open(path).unwrap();
    for n in numbers {
        writeln!(file, "2026-11-22T08:00:{:02}+00:00 far app[7]: number {n} of many", n % 60)
            .unwrap();
    }
}

fn source(config: &Path) -> Value {
    let status = run_json(config, &["status", "--format", "json"]);
    let sources = status["sources"].as_array().unwrap();
    let mut far = sources.iter().find(|one| one["name"] == "far").cloned().unwrap_or_default();
    far["problems"] = status["problems"].clone();
    far
}

fn wait(config: &Path, what: &str, done: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let far = source(config);
        if done(&far) {
            return far;
        }
        assert!(Instant::now() < deadline, "{what}: {far}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn stored(far: &Value, number: u64) -> bool {
    far["stored"].as_u64().unwrap_or(0) >= number
}

/// How often each number was stored.
fn numbers(config: &Path) -> BTreeMap<u32, u32> {
    let rows = run_ndjson(config, &["events", "search", "", "--flat", "--limit", "50000"]);
    let mut found = BTreeMap::new();
    for row in rows {
        let text = row["message"].as_str().unwrap();
        let number = text.split("number ").nth(1).unwrap().split(' ').next().unwrap();
        *found.entry(number.parse().unwrap()).or_default() += 1;
    }
    found
}

fn all_once(config: &Path, count: u32) {
    let found = numbers(config);
    let wrong: Vec<_> =
        (0..count).filter(|n| found.get(n) != Some(&1)).map(|n| (n, found.get(&n))).collect();
    assert!(wrong.is_empty() && found.len() == count as usize, "{} found, {wrong:?}", found.len());
}

#[test]
fn every_line_comes_once_through_killed_sessions_rotation_and_a_killed_daemon() {
    let dir = tempfile::tempdir().unwrap();
    let Some(sshd) = Sshd::start(dir.path()) else { return };
    let logs = dir.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let log = logs.join("app.log");
    append(&log, 0..3_000);
    let (daemon, config) = sshd.daemon(dir.path(), "");
    let mut next = 3_000;
    for round in 0..12 {
        append(&log, next..next + 250);
        next += 250;
        std::thread::sleep(Duration::from_millis(90));
        sshd.cut();
        if round % 4 == 2 {
            // By renaming; who writes goes on with the old file for a moment.
            let aside = logs.join(format!("app.log.{round}"));
            fs::rename(&log, &aside).unwrap();
            append(&aside, next..next + 20);
            next += 20;
        }
    }
    daemon.kill();
    append(&log, next..next + 100);
    next += 100;
    // The same machine is down at first, and comes back.
    sshd.run("kill");
    let daemon = Daemon::spawn(&config, &dir.path().join("data"));
    wait(&config, "the trouble is said", |far| far["problems"].to_string().contains("127.0.0.1"));
    assert!(sshd.run("start"));
    let far = wait(&config, "all lines", |far| stored(far, u64::from(next)));
    assert_eq!(far["stored"], next, "{far}");
    all_once(&config, next);
    wait(&config, "the trouble is over", |far| !far["problems"].to_string().contains("far"));
    let host = run_ndjson(&config, &["events", "search", "", "--flat", "--limit", "1"]);
    assert_eq!(host[0]["host.name"], "far", "records name their host");
    drop(daemon);
}

#[test]
fn a_file_moved_out_of_the_pattern_is_read_to_its_end_and_a_cut_one_from_its_start() {
    let dir = tempfile::tempdir().unwrap();
    let Some(sshd) = Sshd::start(dir.path()) else { return };
    let logs = dir.path().join("logs");
    fs::create_dir(&logs).unwrap();
    let log = logs.join("app.log");
    append(&log, 0..100);
    let (daemon, config) = sshd.daemon(dir.path(), "");
    wait(&config, "the first lines", |far| stored(far, 100));
    sshd.run("kill");
    append(&log, 100..150);
    fs::rename(&log, logs.join("old-app")).unwrap();
    append(&log, 150..180);
    assert!(sshd.run("start"));
    wait(&config, "both files", |far| stored(far, 180));
    // Copied and cut: the same inode begins anew, with other first bytes.
    fs::File::options().write(true).truncate(true).open(&log).unwrap();
    append(&log, 180..200);
    wait(&config, "the cut file", |far| stored(far, 200));
    all_once(&config, 200);
    // What is no text is not read as lines.
    let packed = zstd::encode_all(&b"number 999 of many\n"[..], 1).unwrap();
    fs::write(logs.join("app.log.3.zst"), packed).unwrap();
    append(&log, 200..210);
    let far = wait(&config, "lines beside a packed file", |far| {
        stored(far, 210) && far["numbers"]["files_skipped"] == 1
    });
    assert_eq!(far["stored"], 210);
    drop(daemon);
}

#[test]
fn an_unknown_or_changed_host_key_and_a_refused_key_stop_the_machine_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let Some(sshd) = Sshd::start(dir.path()) else { return };
    let logs = dir.path().join("logs");
    fs::create_dir(&logs).unwrap();
    append(&logs.join("app.log"), 0..10);
    let known = sshd.dir.join("known_hosts");
    let right = fs::read_to_string(&known).unwrap();
    fs::write(&known, "").unwrap();
    let (daemon, config) = sshd.daemon(dir.path(), "");
    wait(&config, "unknown", |far| far["problems"].to_string().contains("its host key is not in"));
    let other = dir.path().join("other");
    assert!(
        Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", "", "-f"])
            .arg(&other)
            .status()
            .unwrap()
            .success()
    );
    let public = fs::read_to_string(other.with_extension("pub")).unwrap();
    let mut words = public.split(' ');
    let wrong =
        format!("[127.0.0.1]:{} {} {}\n", sshd.port, words.next().unwrap(), words.next().unwrap());
    fs::write(&known, wrong).unwrap();
    wait(&config, "changed", |far| {
        far["problems"].to_string().contains("is not the one in line 1")
    });
    fs::write(&known, &right).unwrap();
    fs::rename(sshd.dir.join("authorized_keys"), sshd.dir.join("away")).unwrap();
    wait(&config, "refused", |far| far["problems"].to_string().contains("it refuses the user"));
    assert!(!stored(&source(&config), 1), "nothing is read before all of that is right");
    fs::rename(sshd.dir.join("away"), sshd.dir.join("authorized_keys")).unwrap();
    wait(&config, "all right", |far| stored(far, 10));
    drop(daemon);
}

#[test]
fn a_fallback_reads_only_while_the_local_folder_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let Some(sshd) = Sshd::start(dir.path()) else { return };
    let logs = dir.path().join("logs");
    fs::create_dir(&logs).unwrap();
    append(&logs.join("app.log"), 0..10);
    let mount = dir.path().join("mounted");
    fs::create_dir(&mount).unwrap();
    let more = format!("unless_folder = \"{}\"", mount.display());
    let (daemon, config) = sshd.daemon(dir.path(), &more);
    std::thread::sleep(Duration::from_millis(1_500));
    assert!(!stored(&source(&config), 1));
    fs::remove_dir(&mount).unwrap();
    wait(&config, "the fallback", |far| stored(far, 10));
    drop(daemon);
}
