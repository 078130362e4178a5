//! A seeded runner of faults: while feeders send numbered records through every source, the daemon is killed and stopped,
//! lines are cut, stalled and made deaf, the disk is full, files are rotated, servers die. After each fault everything that was acknowledged
//! is stored once, every attack has its one alert, and the books balance.
//!
//! `WATCHFLOOR_TEST_FAULTS=N` sets how many faults (200; 1,000 with `script/test --full`), `WATCHFLOOR_TEST_SEED` the seed.

mod disk;
mod feed;
pub mod feeders;

use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value as Json;

use crate::kill::Numbers;
use crate::support::daemon::{Daemon, command, run_json};
use crate::support::proxy::Line;
use crate::support::quiet_disk;
use disk::{Disk, limit_files};
use feed::Feed;

/// Every so many records one is an attack, with a host of its own, so that each makes one alert.
const ATTACK_EVERY: u64 = 20;
/// 2026-11-22T08:00:00Z
const START: i64 = 1_795_334_400;
/// Records of one source in a second of event time.
const A_SECOND: u64 = 50;
/// How long the world may take to agree with the feeders after a fault.
const SETTLE: Duration = Duration::from_secs(180);

/// How long a full disk may go unnoticed: what is written anew in the same place needs no room.
const BITES: Duration = Duration::from_secs(2);
/// What such faults are called, and those that hit nothing.
const NO_ROOM: [&str; 2] = ["disk full", "files too large"];
const UNNOTICED: &str = ", nothing noticed";
/// The title of our own alert about it.
const DISK_ALERT: &str = "the disk of Watchfloor fills";

/// What the marked records match.
pub const RULE: &str = "title: Marked attack
id: 7c1d1b52-5c6a-4f4b-9a55-0d6b3f0a9e11
status: test
description: A line that the runner of faults marks
logsource:
    product: linux
detection:
    selection:
        message|contains: WFATTACK
    condition: selection
level: high
";

/// The text of a record: unique, and a syslog line.
fn record(source: &str, number: u64) -> String {
    let at = jiff::Timestamp::from_second(START + (number / A_SECOND) as i64).unwrap();
    match number % ATTACK_EVERY {
        0 => format!("{at} {source}-{number} app[7]: WFATTACK {source} {number:08}"),
        _ => format!("{at} {source}-host app[7]: record {source} {number:08}"),
    }
}

/// The daemon, what feeds it, and the room it lives in.
struct World {
    config: PathBuf,
    data: PathBuf,
    daemon: Option<Daemon>,
    feeds: Vec<Feed>,
    disk: Disk,
    /// Alerts of the daemon about its disk.
    own_alerts: u64,
}

impl World {
    fn new(folder: &Path) -> World {
        let rules = folder.join("rules");
        std::fs::create_dir_all(&rules).unwrap();
        std::fs::write(rules.join("marked.yml"), RULE).unwrap();
        let feeders = feeders::all(folder);
        // Nothing is kept free: the disk itself says that it is full, in the middle of a write.
        let mut text = format!(
            "[rules]\npaths = [\"{}\"]\nbudget = 0\n[signals]\npaths = []\n[store]\nfree_bytes_min = 0\n",
            rules.display()
        );
        for feeder in &feeders {
            text += &feeder.config();
        }
        let config = folder.join("watchfloor.toml");
        std::fs::write(&config, text).unwrap();
        let data = folder.join("data");
        let disk = Disk::new(&data);
        let mut world =
            World { config, data, daemon: None, feeds: Vec::new(), disk, own_alerts: 0 };
        world.start();
        world.feeds = feeders.into_iter().map(Feed::start).collect();
        world
    }

    fn spawn(&self) -> Daemon {
        Daemon::spawn_by(&self.config, &self.data, |command| self.disk.command(&command))
    }

    fn start(&mut self) {
        let mut daemon = self.spawn();
        daemon.wait_listening(&self.disk.seen_from_here());
        self.daemon = Some(daemon);
    }

    fn kill(&mut self) {
        self.daemon.take().unwrap().kill();
    }

    /// What a command prints, and if it succeeded.
    fn run(&self, arguments: &[&str]) -> (String, bool) {
        let mut command = command(&self.config);
        command.args(arguments);
        let output = self.disk.command(&command).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        let log = || std::fs::read_to_string(self.config.with_extension("log")).unwrap_or_default();
        assert!(!output.stdout.is_empty(), "watchfloor {arguments:?}: {said}\n{}", log());
        (String::from_utf8(output.stdout).unwrap(), output.status.success())
    }

    fn ask_lines(&self, arguments: &[&str]) -> Vec<Json> {
        let (text, succeeded) = self.run(arguments);
        assert!(succeeded, "watchfloor {arguments:?} fails");
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// It ends with 1 when the daemon is unhealthy.
    fn status(&self) -> Json {
        serde_json::from_str(&self.run(&["status", "--format", "json"]).0).unwrap()
    }

    /// One fault, chosen by the seed. Returns what it was.
    fn disturb(&mut self, numbers: &mut Numbers) -> String {
        let pause = Duration::from_millis(20 + numbers.below(200));
        std::thread::sleep(Duration::from_millis(numbers.below(300)));
        let kind = numbers.below(100);
        if kind < 28 {
            self.kill();
            std::thread::sleep(pause / 4);
            self.start();
            return "kill -9".to_owned();
        }
        if kind < 36 {
            let mut daemon = self.daemon.take().unwrap();
            daemon.stop();
            drop(daemon);
            self.start();
            return "stop".to_owned();
        }
        if kind < 52 {
            return self.no_room(kind, pause, numbers);
        }
        if kind >= 98
            && let Some(feed) = self
                .feeds
                .iter()
                .filter(|feed| feed.feeder.has_server())
                .nth(numbers.below(2) as usize)
        {
            feed.feeder.kill_server();
            return format!("{}: its server killed", feed.name);
        }
        let feed = &self.feeds[numbers.below(self.feeds.len() as u64) as usize];
        let Some(proxy) = feed.feeder.proxy() else {
            assert!(feed.feeder.rotate(), "{} has neither a line nor a file", feed.name);
            return format!("{}: rotated", feed.name);
        };
        let line = match kind % 5 {
            0 => Line::Refuse,
            1 => Line::Stall,
            2 => Line::Deaf,
            3 => Line::Slow,
            _ => Line::Open,
        };
        proxy.set(line);
        std::thread::sleep(pause);
        proxy.cut();
        std::thread::sleep(pause / 4);
        proxy.set(Line::Open);
        proxy.cut();
        format!("{}: {line:?}, then cut", feed.name)
    }

    /// Nothing more can be written for a while: the disk is full, or files may not grow. Some are killed meanwhile, and
    /// some of them start before there is room again.
    fn no_room(&mut self, kind: u64, pause: Duration, numbers: &mut Numbers) -> String {
        let full = kind.is_multiple_of(2) && self.disk.can_fill();
        let page = 4_096;
        let left = numbers.below(4) * page;
        let killed = numbers.below(3) == 0;
        // A limit ends with the process that has it.
        let started = killed && full && numbers.below(2) == 0;
        if full {
            self.disk.fill(left);
        } else {
            let size = if left == 0 { 0 } else { self.disk.limit(left) };
            limit_files(self.daemon.as_ref().unwrap().pid(), Some(size));
        }
        let bit = self.until_commits_fail();
        std::thread::sleep(pause);
        if killed {
            self.kill();
        }
        let early = started.then(|| self.spawn());
        if started {
            // It refuses to start, or runs and waits for room.
            std::thread::sleep(pause * 2);
        }
        if full {
            self.disk.free();
        } else if let Some(daemon) = &self.daemon {
            limit_files(daemon.pid(), None);
        }
        if killed {
            self.daemon = early.and_then(|daemon| self.if_it_answers(daemon));
        }
        if self.daemon.is_none() {
            self.start();
        }
        let how = NO_ROOM[usize::from(!full)];
        let bit = if bit { "" } else { UNNOTICED };
        let then = match (killed, started) {
            (true, true) => ", kill -9 and start in it",
            (true, false) => ", kill -9 in it",
            _ => "",
        };
        format!("{how}{bit}{then}")
    }

    /// A daemon that was started without room: it comes up, or ended with an error.
    fn if_it_answers(&self, mut daemon: Daemon) -> Option<Daemon> {
        let socket = self.disk.seen_from_here().join("watchfloor.sock");
        let deadline = Instant::now() + SETTLE;
        while !daemon.has_ended() {
            if UnixStream::connect(&socket).is_ok() {
                return Some(daemon);
            }
            assert!(Instant::now() < deadline, "without room it neither ended nor answers");
            std::thread::sleep(Duration::from_millis(20));
        }
        None
    }

    /// Wait until the store says that it cannot commit. `false`: there was room after all.
    fn until_commits_fail(&self) -> bool {
        let deadline = Instant::now() + BITES;
        while Instant::now() < deadline {
            // It says so by its exit code.
            if !self.run(&["status", "--format", "json"]).1 {
                return true;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        false
    }

    /// Wait until every feeder has its acknowledgements, then compare the books with what was sent; the feeders go on.
    fn check(&mut self, fault: &str) -> Vec<&'static str> {
        let last = self.settle(fault);
        self.feeds.iter().for_each(|feed| feed.pause(false));
        last
    }

    /// The same; the feeders stay paused.
    fn settle(&mut self, fault: &str) -> Vec<&'static str> {
        let mut last = Vec::new();
        self.feeds.iter().for_each(|feed| feed.pause(true));
        let deadline = Instant::now() + SETTLE;
        loop {
            let under_way = self.feeds.iter().filter(|feed| !feed.is_parked());
            let late: Vec<&'static str> = under_way.map(|feed| feed.name).collect();
            if late.is_empty() {
                break;
            }
            assert!(Instant::now() < deadline, "after {fault}: {late:?} get no answer");
            last = late;
            std::thread::sleep(Duration::from_millis(5));
        }
        let expected: BTreeMap<String, u64> =
            self.feeds.iter().map(|feed| (feed.name.to_owned(), feed.sent())).collect();
        loop {
            let status = self.status();
            let sources = status["sources"].as_array().unwrap();
            let number = |row: &Json, key: &str| row[key].as_u64().unwrap_or(0);
            let stored: BTreeMap<String, u64> = sources
                .iter()
                .map(|row| (row["name"].as_str().unwrap().to_owned(), number(row, "stored")))
                .collect();
            let balanced = sources.iter().all(|row| row["balances"] == true);
            assert!(balanced, "after {fault}: the books do not balance: {sources:#?}");
            let events: u64 = number(&status, "events");
            let all: u64 = expected.values().sum();
            assert!(events <= all, "after {fault}: {events} events of {all} records: {sources:#?}");
            if stored == expected && events == all {
                let attacks: u64 = expected.values().map(|sent| sent.div_ceil(ATTACK_EVERY)).sum();
                let alerts = number(&status, "alerts_count");
                if alerts != attacks + self.own_alerts {
                    let (wrong, own) = self.without_alert();
                    assert!(wrong.is_empty(), "after {fault}: {alerts} of {attacks}: {wrong:?}");
                    assert!(own <= 1, "after {fault}: {own} alerts about the disk in a day");
                    self.own_alerts = own;
                }
                break;
            }
            assert!(
                Instant::now() < deadline,
                "after {fault}: sent {expected:?}, stored {stored:?}, {events} events"
            );
            let behind =
                self.feeds.iter().filter(|feed| stored.get(feed.name) != Some(&feed.sent()));
            last = behind.map(|feed| feed.name).collect();
            std::thread::sleep(Duration::from_millis(20));
        }
        last
    }

    /// Attacks that have no alert, and alerts that nobody sent; and how many alerts there are about the disk itself.
    fn without_alert(&self) -> (BTreeSet<String>, u64) {
        let alerts =
            self.ask_lines(&["alerts", "list", "--limit", "1000000", "--format", "ndjson"]);
        let (own, alerts): (Vec<Json>, Vec<Json>) =
            alerts.into_iter().partition(|alert| alert["rule.name"] == DISK_ALERT);
        let mut wrong = BTreeSet::new();
        let mut hosts = BTreeSet::new();
        for alert in &alerts {
            let host = alert["host.name"].as_str().unwrap().to_owned();
            if !hosts.insert(host.clone()) {
                wrong.insert(format!("twice {host}"));
            }
        }
        for feed in &self.feeds {
            for number in (0..feed.sent()).step_by(ATTACK_EVERY as usize) {
                let host = format!("{}-{number}", feed.name);
                if !hosts.remove(&host) {
                    wrong.insert(format!("missing {host}"));
                }
            }
        }
        wrong.extend(hosts);
        (wrong, own.len() as u64)
    }

    /// Every record is there once, and every attack has its alert, with the count of one.
    fn check_all(&mut self) {
        // What came under way since the last fault is waited for.
        self.settle("the last fault");
        let all: u64 = self.feeds.iter().map(Feed::sent).sum();
        let limit = (all + 10).to_string();
        // A search gives at most 50,000 events: a hundred seconds of records hold fewer.
        let last = self.feeds.iter().map(Feed::sent).max().unwrap_or(0) / A_SECOND;
        let mut events = Vec::new();
        for second in (0..=last).step_by(100) {
            let at = |second: u64| {
                jiff::Timestamp::from_second(START + second as i64).unwrap().to_string()
            };
            let (from, to) = (at(second), at(second + 99));
            let arguments =
                ["events", "search", "", "--limit", "50000", "--from", &from, "--to", &to];
            events.extend(self.ask_lines(&arguments));
        }
        let mut seen: BTreeMap<String, u64> = BTreeMap::new();
        for event in &events {
            let text = event["message"].as_str().unwrap_or_default();
            let mark =
                text.split_whitespace().skip_while(|word| *word != "record" && *word != "WFATTACK");
            *seen.entry(mark.collect::<Vec<_>>().join(" ")).or_default() += 1;
        }
        for feed in &self.feeds {
            for number in 0..feed.sent() {
                let word = if number % ATTACK_EVERY == 0 { "WFATTACK" } else { "record" };
                let mark = format!("{word} {} {number:08}", feed.name);
                assert_eq!(seen.get(&mark), Some(&1), "{mark}");
            }
        }
        assert_eq!(seen.len() as u64, all, "nothing else is stored");
        let (wrong, own) = self.without_alert();
        assert!(wrong.is_empty() && own == self.own_alerts, "{wrong:?}, {own} about the disk");
        let alerts = self.ask_lines(&["alerts", "list", "--limit", &limit, "--format", "ndjson"]);
        assert!(alerts.iter().all(|alert| alert["count"] == 1), "an alert counts a record twice");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // What the daemon has to say about it.
            let log = self.config.with_extension("log");
            let said = std::fs::read_to_string(log).unwrap_or_default();
            let lines: Vec<&str> = said.lines().collect();
            eprintln!("{}", lines[lines.len().saturating_sub(40)..].join("\n"));
            let mut status = command(&self.config);
            status.arg("status");
            let output = self.disk.command(&status).output();
            let said = output.map(|output| output.stdout).unwrap_or_default();
            eprintln!("{}", String::from_utf8_lossy(&said));
        }
    }
}

#[test]
fn after_every_fault_nothing_is_lost_nothing_is_there_twice_and_the_books_balance() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let full = std::env::var_os("WATCHFLOOR_TEST_FULL").is_some();
    let faults = number("WATCHFLOOR_TEST_FAULTS").unwrap_or(if full { 1_000 } else { 200 });
    let seed = number("WATCHFLOOR_TEST_SEED").unwrap_or(20_261_126);
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(folder.path());
    let mut numbers = Numbers(seed);
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for fault in 0..faults {
        let begun = Instant::now();
        let what = world.disturb(&mut numbers);
        let over = Instant::now();
        let last = world.check(&format!("fault {fault} of seed {seed} ({what})"));
        let (took, agreed) = ((over - begun).as_millis(), over.elapsed().as_millis());
        eprintln!("fault {fault}: {what}, took {took} ms, agreed after {agreed} ms {last:?}");
        *kinds.entry(what).or_default() += 1;
    }
    world.check_all();
    let no_room = kinds.iter().filter(|(what, _)| NO_ROOM.iter().any(|how| what.starts_with(how)));
    let (unnoticed, noticed): (Vec<_>, Vec<_>) =
        no_room.partition(|(what, _)| what.contains(UNNOTICED));
    let count = |some: &[(&String, &u64)]| some.iter().map(|(_, count)| **count).sum::<u64>();
    assert!(count(&noticed) >= count(&unnoticed), "a disk without room is no fault: {kinds:#?}");
    let sent: Vec<String> =
        world.feeds.iter().map(|feed| format!("{} {}", feed.name, feed.sent())).collect();
    eprintln!("{faults} faults: {kinds:#?}\nrecords: {}", sent.join(", "));
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("a.log"), folder.path().join("data"));
    let config = folder.path().join("watchfloor.toml");
    let sources = format!("[[sources]]\nname = \"file\"\npaths = [\"{}\"]\n", log.display());
    std::fs::write(&config, sources).unwrap();
    std::fs::write(&log, record("file", 1) + "\n").unwrap();
    let mut daemon = Daemon::spawn_by(&config, &data, |serve| {
        // The device whose every write says that the disk is full.
        let mut shell = Command::new("sh");
        shell.args(["-c", "exec \"$@\" 2>/dev/full", "sh"]);
        shell.arg(serve.get_program()).args(serve.get_args());
        quiet_disk(&mut shell);
        shell
    });
    daemon.wait_listening(&data);
    let deadline = Instant::now() + SETTLE;
    while run_json(&config, &["status", "--format", "json"])["events"] != 1 {
        assert!(Instant::now() < deadline, "the record is never stored");
        std::thread::sleep(Duration::from_millis(20));
    }
    daemon.stop();
}
