//! A seeded runner of faults: while feeders send numbered records through every source, the daemon is killed and stopped,
//! lines are cut, stalled and made deaf, servers die. After each fault everything that was acknowledged
//! is stored once, every attack has its one alert, and the books balance.
//!
//! `WATCHFLOOR_TEST_FAULTS=N` sets how many faults (100; 1,000 with `script/test --full`), `WATCHFLOOR_TEST_SEED` the seed.

pub mod feeders;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::kill::Numbers;
use crate::support::daemon::{Daemon, run_json, run_ndjson};
use crate::support::proxy::Line;
use feeders::Feeder;

/// Every so many records one is an attack, with a host of its own, so that each makes one alert.
const ATTACK_EVERY: u64 = 10;
/// 2026-11-22T08:00:00Z
const START: i64 = 1_795_334_400;
/// Records of one source in a second of event time.
const A_SECOND: u64 = 50;
/// How long the world may take to agree with the feeders after a fault.
const SETTLE: Duration = Duration::from_secs(90);

const RULE: &str = "title: Marked attack
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

/// A feeder at work on a thread of its own.
struct Feed {
    name: &'static str,
    feeder: Arc<dyn Feeder>,
    sent: Arc<AtomicU64>,
    pause: Arc<AtomicBool>,
    parked: Arc<AtomicBool>,
    end: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    fn start(feeder: Arc<dyn Feeder>) -> Feed {
        let flag = || Arc::new(AtomicBool::new(false));
        let (sent, pause, parked, end) = (Arc::new(AtomicU64::new(0)), flag(), flag(), flag());
        let own = (
            Arc::clone(&feeder),
            Arc::clone(&sent),
            Arc::clone(&pause),
            Arc::clone(&parked),
            Arc::clone(&end),
        );
        let thread = std::thread::spawn(move || {
            let (feeder, sent, pause, parked, end) = own;
            while !end.load(Ordering::SeqCst) {
                if pause.load(Ordering::SeqCst) {
                    parked.store(true, Ordering::SeqCst);
                    std::thread::sleep(Duration::from_millis(5));
                    continue;
                }
                parked.store(false, Ordering::SeqCst);
                let first = sent.load(Ordering::SeqCst);
                let count = 1 + first % 7;
                let records: Vec<String> =
                    (first..first + count).map(|number| record(feeder.name(), number)).collect();
                // Until it is acknowledged: that is what a sender does.
                while !feeder.send(first, &records) {
                    if end.load(Ordering::SeqCst) {
                        return;
                    }
                    std::thread::sleep(Duration::from_millis(20));
                }
                sent.fetch_add(count, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(3));
            }
        });
        Feed { name: feeder.name(), feeder, sent, pause, parked, end, thread: Some(thread) }
    }

    fn sent(&self) -> u64 {
        self.sent.load(Ordering::SeqCst)
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.end.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The daemon, what feeds it, and the room it lives in.
struct World {
    folder: PathBuf,
    config: PathBuf,
    daemon: Option<Daemon>,
    feeds: Vec<Feed>,
}

impl World {
    fn new(folder: &Path) -> World {
        let rules = folder.join("rules");
        std::fs::create_dir_all(&rules).unwrap();
        std::fs::write(rules.join("marked.yml"), RULE).unwrap();
        let feeders = feeders::all(folder);
        let mut text = format!(
            "[rules]\npaths = [\"{}\"]\nbudget = 0\n[signals]\npaths = []\n",
            rules.display()
        );
        for feeder in &feeders {
            text += &feeder.config();
        }
        let config = folder.join("watchfloor.toml");
        std::fs::write(&config, text).unwrap();
        let daemon = Some(Daemon::start(&config, &folder.join("data")));
        let feeds = feeders.into_iter().map(Feed::start).collect();
        World { folder: folder.to_owned(), config, daemon, feeds }
    }

    fn start(&mut self) {
        self.daemon = Some(Daemon::start(&self.config, &self.folder.join("data")));
    }

    /// One fault, chosen by the seed. Returns what it was.
    fn disturb(&mut self, numbers: &mut Numbers) -> String {
        let pause = Duration::from_millis(20 + numbers.below(200));
        std::thread::sleep(Duration::from_millis(numbers.below(300)));
        let kind = numbers.below(100);
        if kind < 35 {
            self.daemon.take().unwrap().kill();
            std::thread::sleep(pause / 4);
            self.start();
            return "kill -9".to_owned();
        }
        if kind < 45 {
            let mut daemon = self.daemon.take().unwrap();
            daemon.stop();
            drop(daemon);
            self.start();
            return "stop".to_owned();
        }
        let feed = &self.feeds[numbers.below(self.feeds.len() as u64) as usize];
        if kind >= 98 && feed.feeder.kill_server() {
            return format!("{}: its server killed", feed.name);
        }
        let Some(proxy) = feed.feeder.proxy() else {
            std::thread::sleep(pause);
            return format!("{}: nothing to cut", feed.name);
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

    /// Wait until every feeder has its acknowledgements, then compare the books with what was sent.
    fn check(&self, fault: &str) {
        self.feeds.iter().for_each(|feed| feed.pause.store(true, Ordering::SeqCst));
        let deadline = Instant::now() + SETTLE;
        while !self.feeds.iter().all(|feed| feed.parked.load(Ordering::SeqCst)) {
            let late: Vec<&str> = self
                .feeds
                .iter()
                .filter(|feed| !feed.parked.load(Ordering::SeqCst))
                .map(|feed| feed.name)
                .collect();
            assert!(Instant::now() < deadline, "after {fault}: {late:?} get no answer");
            std::thread::sleep(Duration::from_millis(5));
        }
        let expected: BTreeMap<String, u64> =
            self.feeds.iter().map(|feed| (feed.name.to_owned(), feed.sent())).collect();
        loop {
            let status = run_json(&self.config, &["status", "--format", "json"]);
            let sources = status["sources"].as_array().unwrap();
            let number = |row: &serde_json::Value, key: &str| row[key].as_u64().unwrap_or(0);
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
                let missing = || self.without_alert();
                let alerts = number(&status, "alerts_count");
                assert!(alerts == attacks, "after {fault}: {alerts} of {attacks}: {:?}", missing());
                break;
            }
            assert!(
                Instant::now() < deadline,
                "after {fault}: sent {expected:?}, stored {stored:?}, {events} events"
            );
            std::thread::sleep(Duration::from_millis(30));
        }
        self.feeds.iter().for_each(|feed| feed.pause.store(false, Ordering::SeqCst));
    }

    /// Attacks that have no alert, or alerts that nobody sent.
    fn without_alert(&self) -> Vec<String> {
        let arguments = ["alerts", "list", "--limit", "100000", "--format", "ndjson"];
        let alerts = run_ndjson(&self.config, &arguments);
        let mut hosts: Vec<String> =
            alerts.iter().map(|alert| alert["host.name"].as_str().unwrap().to_owned()).collect();
        for feed in &self.feeds {
            for number in (0..feed.sent()).step_by(ATTACK_EVERY as usize) {
                let host = format!("{}-{number}", feed.name);
                match hosts.iter().position(|known| *known == host) {
                    Some(at) => drop(hosts.swap_remove(at)),
                    None => hosts.push(format!("missing {host}")),
                }
            }
        }
        hosts
    }

    /// Every record is there once, and every attack has its alert, with the count of one.
    fn check_all(&self) {
        self.feeds.iter().for_each(|feed| feed.pause.store(true, Ordering::SeqCst));
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
            events.extend(run_ndjson(&self.config, &arguments));
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
        let alerts =
            run_ndjson(&self.config, &["alerts", "list", "--limit", &limit, "--format", "ndjson"]);
        assert!(alerts.iter().all(|alert| alert["count"] == 1), "an alert counts a record twice");
    }
}

#[test]
fn after_every_fault_nothing_is_lost_nothing_is_there_twice_and_the_books_balance() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let full = std::env::var_os("WATCHFLOOR_TEST_FULL").is_some();
    let faults = number("WATCHFLOOR_TEST_FAULTS").unwrap_or(if full { 1_000 } else { 100 });
    let seed = number("WATCHFLOOR_TEST_SEED").unwrap_or(20_261_126);
    let folder = tempfile::tempdir().unwrap();
    let mut world = World::new(folder.path());
    let mut numbers = Numbers(seed);
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for fault in 0..faults {
        let what = world.disturb(&mut numbers);
        let began = Instant::now();
        world.check(&format!("fault {fault} of seed {seed} ({what})"));
        eprintln!("fault {fault}: {what}, agreed after {:?}", began.elapsed());
        *kinds.entry(what).or_default() += 1;
    }
    world.check_all();
    let sent: Vec<String> =
        world.feeds.iter().map(|feed| format!("{} {}", feed.name, feed.sent())).collect();
    eprintln!("{faults} faults: {kinds:#?}\nrecords: {}", sent.join(", "));
}
