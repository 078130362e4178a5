//! What every source that others send to must do, whatever its protocol: what it acknowledged is stored after a kill; a
//! repeat is a duplicate; half a message is not applied; one that is too long is rejected and kept; pressure does not
//! lose; a stop drains.
//!
//! A protocol plugs in with a [`Driver`], a peer that sends numbered records ([`wire::record`]).

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::kill::Numbers;
use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, command, run_json, run_ndjson, run_text};
use crate::support::free_port;
use crate::support::wire::{self, Certificates};

/// A peer of one source. Records are numbers; the source must store the text [`wire::record`] of each.
pub trait Driver {
    /// The keys of the `[[sources]]` table beside `name`, listening on 127.0.0.1 at `port`.
    fn section(&self, port: u16) -> String;

    /// Does the protocol acknowledge? Then what has no answer is sent again by [`Driver::connect`].
    fn answers(&self) -> bool {
        false
    }

    /// May records be dropped, counted, because the protocol cannot wait?
    fn loses_under_pressure(&self) -> bool {
        false
    }

    /// Connect, waiting until the source listens, and send again what has no answer, as a real shipper does.
    fn connect(&mut self, port: u16);

    /// Send records without waiting for answers. `false`: the connection is broken.
    fn send(&mut self, records: Range<u64>) -> bool;

    /// All records that were acknowledged since the start, after listening for at most `wait`.
    fn acknowledged(&mut self, _wait: Duration) -> BTreeSet<u64> {
        BTreeSet::new()
    }

    /// Behave as if the answers to these, sent last and in one call, had been lost with the connection.
    fn forget_answers(&mut self, _records: Range<u64>) {}

    /// Send one half of a record and break the connection; where the protocol acknowledges it is then one of those
    /// without an answer. A protocol without halves leaves it.
    fn half(&mut self, _n: u64) {}

    /// Send a record that is longer than so many bytes.
    fn oversize(&mut self, n: u64, bytes: usize);

    /// Break the connection.
    fn disconnect(&mut self);
}

/// A daemon with one source named `s`.
pub struct Stage {
    /// Deleted at the end.
    pub folder: tempfile::TempDir,
    /// Its configuration.
    pub config: PathBuf,
    /// Where the source listens.
    pub port: u16,
}

impl Stage {
    /// Write the configuration for a source.
    pub fn new(section: impl Fn(u16) -> String) -> Stage {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port();
        let config = folder.path().join("watchfloor.toml");
        let text = format!(
            "[limits]\nrecord_bytes_max = \"64 KiB\"\n[rules]\npaths = []\n[[sources]]\nname = \"s\"\n{}",
            section(port)
        );
        std::fs::write(&config, text).unwrap();
        Stage { folder, config, port }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// Start the daemon and wait until it is ready and the source shows its numbers: then it listens.
    pub fn start(&self) -> Daemon {
        let daemon = Daemon::start(&self.config, &self.data());
        self.wait("the source is open", |books| {
            books["numbers"].as_object().is_some_and(|numbers| !numbers.is_empty())
        });
        daemon
    }

    /// The ledger's row of the source.
    pub fn books(&self) -> serde_json::Value {
        let status = run_json(&self.config, &["status", "--format", "json"]);
        let sources = status["sources"].as_array().unwrap();
        sources.iter().find(|row| row["name"] == "s").cloned().unwrap_or_default()
    }

    /// A number of the ledger.
    pub fn count(&self, what: &str) -> u64 {
        self.books()[what].as_u64().unwrap_or(0)
    }

    /// A gauge of the source.
    pub fn gauge(&self, name: &str) -> i64 {
        self.books()["numbers"][name].as_i64().unwrap_or(0)
    }

    /// Wait until the ledger says so.
    pub fn wait(&self, why: &str, mut good: impl FnMut(&serde_json::Value) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let books = self.books();
            if good(&books) {
                return;
            }
            let log =
                std::fs::read_to_string(self.config.with_extension("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "{why}: {books}\n{log}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// How often each record is stored.
    pub fn stored(&self) -> BTreeMap<u64, usize> {
        stored(&self.config)
    }
}

/// How often each numbered record is among the stored events.
pub fn stored(config: &Path) -> BTreeMap<u64, usize> {
    let text = run_text(config, &["events", "search", "--flat", "--limit", "1000000", ""]);
    let mut counts = BTreeMap::new();
    for line in text.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        let message = event["message"].as_str().unwrap_or(line);
        let Some((_, rest)) = message.split_once("record=") else { continue };
        let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
        *counts.entry(digits.parse().unwrap()).or_default() += 1;
    }
    counts
}

/// Listen until these are acknowledged.
fn await_answers(driver: &mut dyn Driver, records: Range<u64>) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answered = driver.acknowledged(Duration::from_millis(100));
        let missing: Vec<u64> = records.clone().filter(|n| !answered.contains(n)).collect();
        if missing.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "not acknowledged: {missing:?}");
    }
}

/// Each of these is stored once, and nothing else.
pub fn assert_once(stage: &Stage, records: Range<u64>) {
    let stored = stage.stored();
    let lost: Vec<u64> = records.clone().filter(|n| !stored.contains_key(n)).collect();
    let twice: Vec<_> =
        stored.iter().filter(|(n, count)| **count > 1 || !records.contains(n)).collect();
    let query = |(n, _): &(&u64, &usize)| {
        let query = format!("message~/record={n};/");
        run_text(&stage.config, &["events", "search", "--flat", &query])
    };
    let shown: String = twice.iter().take(3).map(query).collect();
    assert!(lost.is_empty() && twice.is_empty(), "lost {lost:?}, not once {twice:?}: {shown}");
    let books = stage.books();
    assert_eq!(books["balances"], true, "{books}");
    assert_eq!(books["in_flight"], 0, "{books}");
}

fn acknowledged_is_stored_after_kills(driver: &mut dyn Driver) {
    let stage = Stage::new(|port| driver.section(port));
    let mut numbers = Numbers(0xfeed);
    let mut daemon = stage.start();
    driver.connect(stage.port);
    let mut next = 0;
    for _ in 0..4 {
        for _ in 0..5 {
            driver.send(next..next + 40);
            next += 40;
            driver.acknowledged(Duration::from_millis(1 + numbers.below(20)));
        }
        let answered = driver.acknowledged(Duration::from_millis(numbers.below(200)));
        daemon.kill();
        daemon = stage.start();
        let stored = stage.stored();
        let lost: Vec<&u64> = answered.iter().filter(|n| !stored.contains_key(n)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        driver.connect(stage.port);
    }
    await_answers(driver, 0..next);
    daemon.stop();
    assert_once(&stage, 0..next);
    assert_eq!(stage.count("stored"), next);
}

fn a_repeat_is_a_duplicate(driver: &mut dyn Driver) {
    let stage = Stage::new(|port| driver.section(port));
    let mut daemon = stage.start();
    driver.connect(stage.port);
    driver.send(0..20);
    await_answers(driver, 0..20);
    driver.forget_answers(0..20);
    driver.connect(stage.port);
    driver.send(20..30);
    await_answers(driver, 20..30);
    // Also after a kill: what is known is on disk.
    daemon.kill();
    driver.forget_answers(20..30);
    daemon = stage.start();
    driver.connect(stage.port);
    driver.send(30..31);
    await_answers(driver, 30..31);
    daemon.stop();
    assert_once(&stage, 0..31);
    assert_eq!((stage.count("stored"), stage.count("duplicate")), (31, 30));
}

fn half_a_message_is_not_applied(driver: &mut dyn Driver) {
    let stage = Stage::new(|port| driver.section(port));
    let mut daemon = stage.start();
    driver.connect(stage.port);
    driver.send(0..3);
    driver.half(3);
    if driver.answers() {
        driver.connect(stage.port);
        await_answers(driver, 0..4);
        daemon.stop();
        return assert_once(&stage, 0..4);
    }
    stage.wait("the half is rejected", |books| books["rejected"] == 1 && books["stored"] == 3);
    daemon.stop();
    assert_once(&stage, 0..3);
}

fn what_is_too_long_is_rejected_and_kept(driver: &mut dyn Driver, bytes: usize) {
    let stage = Stage::new(|port| driver.section(port));
    if driver.loses_under_pressure() {
        let text = std::fs::read_to_string(&stage.config).unwrap().replace("64 KiB", "8 KiB");
        std::fs::write(&stage.config, text).unwrap();
    }
    let mut daemon = stage.start();
    driver.connect(stage.port);
    driver.send(0..2);
    driver.oversize(2, bytes);
    driver.send(3..5);
    if driver.answers() {
        await_answers(driver, 0..5);
    }
    stage.wait("it is rejected", |books| books["rejected"] == 1 && books["stored"] == 4);
    driver.disconnect();
    daemon.stop();
    let stored = stage.stored();
    assert_eq!(stored.keys().copied().collect::<Vec<_>>(), [0, 1, 3, 4]);
    let rejects = run_ndjson(&stage.config, &["rejects", "list", "--format", "ndjson"]);
    assert_eq!(rejects[0]["reason"], "too_long", "{rejects:?}");
    let kept = run_text(&stage.config, &["rejects", "show", &rejects[0]["sequence"].to_string()]);
    assert!(kept.contains("record=2;"), "{kept}");
}

fn signal(daemon: &Daemon, name: &str) {
    Command::new("kill").args([name, &daemon.pid().to_string()]).status().unwrap();
}

fn pressure_does_not_lose(mut driver: Box<dyn Driver + Send>) {
    const RECORDS: u64 = 6_000;
    let stage = Stage::new(|port| driver.section(port));
    let mut daemon = stage.start();
    driver.connect(stage.port);
    // A daemon that does not read at all for a while, then must catch up.
    signal(&daemon, "-STOP");
    let sender = std::thread::spawn(move || {
        for first in (0..RECORDS).step_by(50) {
            assert!(driver.send(first..first + 50));
        }
        driver
    });
    std::thread::sleep(Duration::from_millis(800));
    signal(&daemon, "-CONT");
    let mut driver = sender.join().unwrap();
    if driver.loses_under_pressure() {
        let sent = |books: &serde_json::Value, dropped: i64| {
            books["received"].as_u64().unwrap_or(0) + dropped.unsigned_abs() == RECORDS
        };
        stage.wait("everything is counted", |books| sent(books, stage.gauge("kernel_drops")));
        daemon.stop();
        let books = stage.books();
        assert_eq!(books["balances"], true, "{books}");
        assert_eq!(stage.stored().len() as u64, stage.count("stored"));
        return;
    }
    if driver.answers() {
        await_answers(driver.as_mut(), 0..RECORDS);
    }
    stage.wait("everything is stored", |books| books["stored"] == RECORDS);
    driver.disconnect();
    daemon.stop();
    assert_once(&stage, 0..RECORDS);
}

fn a_stop_drains(driver: &mut dyn Driver) {
    // As many datagrams as the system keeps for us, whatever it allows.
    let all: u64 = if driver.loses_under_pressure() { 100 } else { 1_000 };
    let stage = Stage::new(|port| driver.section(port));
    let mut daemon = stage.start();
    driver.connect(stage.port);
    for first in (0..all).step_by(100) {
        driver.send(first..first + 100);
    }
    daemon.stop();
    // What was answered may still lie in the connection.
    let answered = (0..20).map(|_| driver.acknowledged(Duration::from_millis(20))).last().unwrap();
    let stored = stage.stored();
    if driver.answers() {
        let lost: Vec<&u64> = answered.iter().filter(|n| !stored.contains_key(n)).collect();
        assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
        let unsaid: Vec<&u64> = stored.keys().filter(|n| !answered.contains(n)).collect();
        assert!(unsaid.is_empty(), "stored by a clean stop and not answered: {unsaid:?}");
        daemon = stage.start();
        driver.connect(stage.port);
        await_answers(driver, 0..all);
        daemon.stop();
    }
    assert_once(&stage, 0..all);
}

/// All of it.
pub fn conforms<D: Driver + Send + 'static>(make: impl Fn() -> D) {
    let oversize = if make().loses_under_pressure() { 20_000 } else { 400_000 };
    half_or(&make);
    what_is_too_long_is_rejected_and_kept(&mut make(), oversize);
    pressure_does_not_lose(Box::new(make()));
    a_stop_drains(&mut make());
    if make().answers() {
        a_repeat_is_a_duplicate(&mut make());
        acknowledged_is_stored_after_kills(&mut make());
    }
}

fn half_or<D: Driver>(make: &impl Fn() -> D) {
    // A datagram is whole or not there.
    if !make().loses_under_pressure() {
        half_a_message_is_not_applied(&mut make());
    }
}

#[test]
fn syslog_over_udp_conforms() {
    conforms(wire::SyslogUdp::default);
}

#[test]
fn syslog_in_lines_over_tcp_conforms() {
    conforms(|| wire::SyslogStream::new(false, None));
}

#[test]
fn syslog_in_counted_frames_over_tls_with_client_certificates_conforms() {
    let folder = tempfile::tempdir().unwrap();
    Certificates::make(folder.path());
    let of = || Certificates { folder: folder.path().to_owned() };
    conforms(|| wire::SyslogStream::new(true, Some(of())));
}

#[test]
fn relp_conforms() {
    conforms(wire::Relp::default);
}

#[test]
fn relp_over_tls_conforms() {
    let folder = tempfile::tempdir().unwrap();
    Certificates::make(folder.path());
    conforms(|| wire::Relp::over_tls(Certificates { folder: folder.path().to_owned() }));
}

#[test]
fn fluent_forward_conforms() {
    conforms(wire::Forward::default);
}

#[test]
fn a_port_that_is_taken_stops_the_start_with_a_sentence() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let stage = Stage::new(|_| format!("type = \"relp\"\nlisten = \"127.0.0.1:{port}\"\n"));
    let text = std::fs::read_to_string(&stage.config).unwrap();
    let text = format!("data_dir = {:?}\n{text}", stage.data());
    std::fs::write(&stage.config, text).unwrap();
    let output = command(&stage.config).arg("serve").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success(), "{said}");
    assert!(
        said.contains("cannot set up the source s") && said.contains("choose another port"),
        "{said}"
    );
}
