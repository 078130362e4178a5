//! Real shippers against the sources that they ship to: killed, cut and stopped in between, with the configuration that
//! the documentation gives. Nothing is lost, what is repeated is counted, and the books balance.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::sources_conformance::{Driver, Stage, assert_once};
use crate::support::PATIENCE;
use crate::support::proxy::Proxy;
use crate::support::shippers::{Service, documented};
use crate::support::wire::{Certificates, Relp, SyslogStream};

/// A log that a shipper follows.
struct Log {
    path: PathBuf,
    next: u64,
}

impl Log {
    fn new(folder: &Path) -> Log {
        let path = folder.join("app.log");
        std::fs::write(&path, "").unwrap();
        Log { path, next: 0 }
    }

    /// Append lines in pieces, so that a shipper is at work while they come.
    fn append(&mut self, count: u64) {
        let mut file = OpenOptions::new().append(true).open(&self.path).unwrap();
        for n in self.next..self.next + count {
            writeln!(file, "record={n}; something happened").unwrap();
            if n % 50 == 0 {
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        self.next += count;
    }
}

/// The documented text with the paths and the port of a test.
fn adapted(text: &str, folder: &Path, port: u16, documented_port: u16) -> String {
    text.replace("/var/spool/rsyslog", &folder.join("spool").display().to_string())
        .replace("/var/log/app.log", &folder.join("app.log").display().to_string())
        .replace("/etc/watchfloor", &folder.display().to_string())
        .replace(&documented_port.to_string(), &port.to_string())
}

fn settled(stage: &Stage, records: u64) {
    stage.wait("everything settles", |books| {
        books["stored"].as_u64().unwrap_or(0) >= records && books["in_flight"] == 0
    });
}

/// Wait until every record is stored, however often.
fn all_there(stage: &Stage, records: u64) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let stored = stage.stored();
        let lost: Vec<u64> = (0..records).filter(|n| !stored.contains_key(n)).collect();
        if lost.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "{} lost: {lost:?}, {}", lost.len(), stage.books());
        std::thread::sleep(Duration::from_millis(200));
    }
}

/// How often a connection of rsyslog is broken: half of the times cut, half by killing us.
const BREAKS: usize = 6;

/// Cut, kill us, stop the shipper: what RELP is for.
fn relp_survives(tls: bool) {
    let folder = tempfile::tempdir().unwrap();
    let Some(rsyslog) = Service::fetch("rsyslog", folder.path()) else { return };
    let peer = match tls {
        true => Relp::over_tls(Certificates::make(folder.path())),
        false => Relp::default(),
    };
    let stage = Stage::new(|port| peer.section(port));
    let mut daemon = stage.start();
    let proxy = Proxy::to(stage.port);
    let mut text = documented("relp.md", "rsyslog");
    if tls {
        let more = documented("relp.md", "rsyslog-tls");
        text = text.replace(
            "action.resumeRetryCount",
            &format!("{} action.resumeRetryCount", more.trim()),
        );
    }
    let text = adapted(&text, folder.path(), proxy.port, 2514);
    std::fs::write(folder.path().join("rsyslog.conf"), text).unwrap();
    let mut log = Log::new(folder.path());
    rsyslog.start();
    for _ in 0..BREAKS / 2 {
        log.append(400);
        proxy.cut();
        log.append(300);
        daemon.kill();
        log.append(100);
        daemon = stage.start();
        log.append(100);
        // librelp forgets its window when it ends while the connection is broken, so that must heal first.
        all_there(&stage, log.next);
        rsyslog.stop();
        log.append(100);
        rsyslog.start();
    }
    all_there(&stage, log.next);
    daemon.stop();
    // After a break rsyslog 8.2302 sends the first message of a batch as a new one, although librelp has sent it again
    // already: in the middle of a session, where nothing tells it from an honest repeat.
    let twice = stage.stored().values().filter(|count| **count > 1).count();
    assert!(twice <= BREAKS, "{twice} stored twice");
    assert_eq!(stage.books()["balances"], true);
    eprintln!("repeats: {} known, {twice} sent as new by rsyslog", stage.count("duplicate"));
    // A killed rsyslog forgets where it was: what it reads again is new to everybody, but nothing is lost.
    daemon = stage.start();
    log.append(200);
    settled(&stage, log.next);
    rsyslog.kill();
    log.append(200);
    rsyslog.start();
    settled(&stage, log.next);
    all_there(&stage, log.next);
    rsyslog.stop();
    daemon.stop();
    assert_eq!(stage.books()["balances"], true);
}

#[test]
fn rsyslog_by_relp_loses_nothing_and_repeats_are_counted() {
    relp_survives(false);
}

#[test]
fn rsyslog_by_relp_over_tls_loses_nothing_and_repeats_are_counted() {
    relp_survives(true);
}

/// Without answers: nothing is lost while both live, and a shipper that comes back goes on.
fn stream_survives(service: &'static str, block: &str, tls: bool) {
    let folder = tempfile::tempdir().unwrap();
    let Some(shipper) = Service::fetch(service, folder.path()) else { return };
    let certificates = tls.then(|| Certificates::make(folder.path()));
    let peer = SyslogStream::new(true, certificates);
    let stage = Stage::new(|port| peer.section(port));
    let mut daemon = stage.start();
    let text = adapted(&documented("syslog.md", block), folder.path(), stage.port, 5514);
    std::fs::write(folder.path().join(format!("{service}.conf")), text).unwrap();
    let mut log = Log::new(folder.path());
    shipper.start();
    log.append(500);
    settled(&stage, log.next);
    // The shipper is stopped and goes on where it was.
    shipper.stop();
    log.append(200);
    shipper.start();
    log.append(200);
    settled(&stage, log.next);
    assert_once(&stage, 0..log.next);
    // We stop while it is quiet, it waits, and goes on with the new listener. What it writes into the closed connection
    // before it notices is its loss: the protocol has no answer.
    daemon.stop();
    std::thread::sleep(Duration::from_millis(500));
    daemon = stage.start();
    let first = log.next;
    let deadline = Instant::now() + PATIENCE;
    while stage.stored().keys().next_back().is_none_or(|last| *last < first) {
        assert!(Instant::now() < deadline, "the shipper did not come back");
        log.append(20);
        std::thread::sleep(Duration::from_millis(300));
    }
    let from = log.next;
    log.append(300);
    stage.wait("everything arrives", |_| {
        let stored = stage.stored();
        (from..log.next).all(|n| stored.contains_key(&n))
    });
    shipper.kill();
    daemon.stop();
    let stored = stage.stored();
    let lost = (first..from).filter(|n| !stored.contains_key(n)).count();
    eprintln!("{service}: {lost} lost by the protocol over a restart of ours");
    assert_eq!(stage.books()["balances"], true);
}

#[test]
fn rsyslog_over_tcp_goes_on_after_every_restart() {
    stream_survives("rsyslog", "rsyslog-tcp", false);
}

#[test]
fn rsyslog_over_tls_with_a_client_certificate_goes_on_after_every_restart() {
    stream_survives("rsyslog", "rsyslog-tls", true);
}

#[test]
fn syslog_ng_with_rfc_5424_over_tls_goes_on_after_every_restart() {
    stream_survives("syslog-ng", "syslog-ng", true);
}

/// Sends numbered records, as many at a time as are not acknowledged yet, and ends when all are.
const CLIENT: &str = "
let next = 0, done = 0; const all = COUNT;
async function one(n) {
  for (;;) {
    try { await logger.emit('x', { message: `record=${n}; something happened` }); break; }
    catch (error) { console.log(n, error.message); await new Promise((go) => setTimeout(go, 50)); }
  }
  if (++done === all) { console.log('ALL ACKNOWLEDGED'); process.exit(0); }
}
setInterval(() => { for (let i = 0; i < 20 && next < all; i++) one(next++); }, 10);
";

#[test]
fn a_fluent_forward_client_with_acknowledgements_loses_nothing() {
    fluent_survives(false);
}

#[test]
fn a_fluent_forward_client_with_a_shared_key_loses_nothing() {
    fluent_survives(true);
}

fn fluent_survives(shared_key: bool) {
    let folder = tempfile::tempdir().unwrap();
    let Some(client) = Service::fetch("fluent-node", folder.path()) else { return };
    let key = folder.path().join("key");
    std::fs::write(&key, "secret").unwrap();
    let key =
        if shared_key { format!("shared_key = {{ file = {key:?} }}\n") } else { String::new() };
    let section = |port| format!("type = \"forward\"\nlisten = \"127.0.0.1:{port}\"\n{key}");
    let stage = Stage::new(section);
    let mut daemon = stage.start();
    let proxy = Proxy::to(stage.port);
    let records = 3_000;
    let text = documented("forward.md", "js") + &CLIENT.replace("COUNT", &records.to_string());
    let mut text = text.replace("24224", &proxy.port.to_string());
    if shared_key {
        let security =
            "security: { clientHostname: \"client\", sharedKey: \"secret\" },\n  socket: {";
        text = text.replace("socket: {", security);
    }
    std::fs::write(folder.path().join("client.js"), text).unwrap();
    client.start();
    for round in 0..4 {
        std::thread::sleep(Duration::from_millis(250));
        proxy.cut();
        if round % 2 == 1 {
            daemon.kill();
            daemon = stage.start();
        }
    }
    let said = || std::fs::read_to_string(folder.path().join("client.log")).unwrap_or_default();
    let deadline = Instant::now() + PATIENCE;
    while !said().contains("ALL ACKNOWLEDGED") {
        let text = said();
        assert!(
            Instant::now() < deadline,
            "{} {}",
            stage.books(),
            &text[text.len().saturating_sub(2000)..]
        );
        std::thread::sleep(Duration::from_millis(100));
    }
    daemon.stop();
    let stored = stage.stored();
    let lost: Vec<u64> = (0..records).filter(|n| !stored.contains_key(n)).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    // This client gives what it sends again in a chunk of another id, so what was stored and not answered is stored twice.
    let twice = stored.values().filter(|count| **count > 1).count();
    eprintln!("duplicates: {}, stored twice: {twice}", stage.count("duplicate"));
    assert_eq!(stage.books()["balances"], true);
}

#[test]
fn the_live_journal_is_read_once_whatever_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let Some(journald) = Service::fetch("journald", folder.path()) else { return };
    journald.start();
    let directory = folder.path().join("journal");
    let stage = Stage::new(|_| format!("type = \"journald\"\ndirectory = {directory:?}\n"));
    let lines = folder.path().join("lines");
    let mut next = 0;
    let mut append = |count: u64| {
        let text: String =
            (next..next + count).map(|n| format!("record={n}; happened\n")).collect();
        std::fs::write(&lines, text).unwrap();
        assert!(journald.run(&["lines", lines.to_str().unwrap()]), "logger failed");
        next += count;
        next
    };
    append(100);
    let mut daemon = stage.start();
    append(100);
    // journalctl is killed: it is started again behind the cursor.
    stage.wait("journalctl runs", |books| books["numbers"]["journalctl_pid"].as_i64() > Some(0));
    let child = stage.gauge("journalctl_pid").to_string();
    std::process::Command::new("kill").args(["-9", &child]).status().unwrap();
    append(100);
    stage.wait("it is started again", |books| books["numbers"]["journalctl_restarts"] == 1);
    // We are killed, and the child does not outlive us.
    stage.wait("journalctl runs", |books| books["numbers"]["journalctl_pid"].as_i64() > Some(0));
    let child = PathBuf::from(format!("/proc/{}", stage.gauge("journalctl_pid")));
    daemon.kill();
    let deadline = Instant::now() + PATIENCE;
    while child.exists() {
        assert!(Instant::now() < deadline, "journalctl outlives us");
        std::thread::sleep(Duration::from_millis(20));
    }
    append(100);
    journald.run(&["rotate"]);
    append(100);
    daemon = stage.start();
    append(50);
    // journald itself is killed and leaves a file that was not closed.
    journald.kill();
    journald.start();
    let all = append(50);
    all_there(&stage, all);
    daemon.stop();
    assert_once(&stage, 0..all);
}

#[test]
fn a_missing_journalctl_stops_the_start_with_a_sentence() {
    let stage =
        Stage::new(|_| "type = \"journald\"\njournalctl = \"/none/journalctl\"\n".to_owned());
    let text = std::fs::read_to_string(&stage.config).unwrap();
    let text = format!("data_dir = {:?}\n{text}", stage.folder.path().join("data"));
    std::fs::write(&stage.config, text).unwrap();
    let output = crate::support::daemon::command(&stage.config).arg("serve").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("/none/journalctl: not found") && said.contains("install systemd"),
        "{said}"
    );
}
