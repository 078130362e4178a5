//! Figures of the whole path: from each transport to events that are stored and searchable, from a record to its alert, memory
//! and file handles over time. Tables on standard error; nothing here judges a time.
//!
//! `WATCHFLOOR_TEST_FULL=1 WATCHFLOOR_BIN=target/release/watchfloor cargo test --test it figures -- --nocapture --test-threads=1`
//! measures; without the first a short run only checks that every record is in the books.
//! `WATCHFLOOR_TEST_EVENTS`, `_RATE` (records a second), `_CHUNK` (records a request), `_SECONDS` (of the latencies) and
//! `_MINUTES` (of the soak) change the sizes. Models judge in the soak and where the memory of many endpoints is measured, as by
//! default; elsewhere with `WATCHFLOOR_TEST_INFER=1`.

mod amqp;
mod load;
mod ways;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::detect_regression::unpack;
use crate::support::daemon::{Daemon, run_json};
use load::{Memory, cpu_seconds, handles, memory};
use ways::Way;

/// How long everything may take to arrive.
const PATIENCE: Duration = Duration::from_secs(600);
/// 2026-11-22T08:00:00Z
const START: i64 = 1_795_334_400;

fn full() -> bool {
    std::env::var_os("WATCHFLOOR_TEST_FULL").is_some()
}

/// A size from the environment.
fn size(name: &str, whole: u64, short: u64) -> u64 {
    let given = std::env::var(format!("WATCHFLOOR_TEST_{name}")).ok();
    given.and_then(|text| text.parse().ok()).unwrap_or(if full() { whole } else { short })
}

/// A daemon of its own, with one source and the public rules.
struct Site {
    folder: tempfile::TempDir,
    config: PathBuf,
    daemon: Option<Daemon>,
}

impl Site {
    /// `rules` is a folder of rules; `section` the source.
    fn prepare(rules: &Path, section: &str) -> Site {
        Site::with_models(rules, section, size("INFER", 0, 0) == 1)
    }

    /// The same; do models judge?
    fn with_models(rules: &Path, section: &str, models: bool) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("watchfloor.toml");
        let rules = rules.display();
        let text =
            format!("[rules]\npaths = [\"{rules}\"]\n[infer]\nenabled = {models}\n{section}");
        std::fs::write(&config, text).unwrap();
        Site { folder, config, daemon: None }
    }

    fn start(&mut self) {
        self.daemon = Some(Daemon::start(&self.config, &self.data()));
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn pid(&self) -> u32 {
        self.daemon.as_ref().unwrap().pid()
    }

    fn status(&self) -> serde_json::Value {
        run_json(&self.config, &["status", "--format", "json"])
    }

    /// Wait until it has loaded its rules and rests; the processor time until then.
    fn rest(&self) -> f64 {
        loop {
            let before = cpu_seconds(self.pid());
            std::thread::sleep(Duration::from_millis(1_000));
            let now = cpu_seconds(self.pid());
            if now - before < 0.15 {
                return now;
            }
        }
    }

    /// Wait until so many records of the source are stored; then until the index has them. How long each took.
    fn wait(&self, name: &str, records: u64, began: Instant) -> (Duration, Duration) {
        let mut stored_after = None;
        loop {
            let status = self.status();
            let sources = status["sources"].as_array().unwrap();
            // A source has a row from its first record on.
            let row = sources.iter().find(|row| row["name"] == name).cloned().unwrap_or_default();
            let stored = row["stored"].as_u64().unwrap_or(0);
            if stored >= records && stored_after.is_none() {
                stored_after = Some(began.elapsed());
                assert_eq!((stored, &row["balances"]), (records, &true.into()), "{row}");
            }
            let behind = status["event_store"]["numbers"]["index_events_behind"].as_u64();
            if let (Some(stored), Some(0)) = (stored_after, behind) {
                return (stored, began.elapsed());
            }
            assert!(began.elapsed() < PATIENCE, "{name}: {row}, {behind:?} behind");
            std::thread::sleep(Duration::from_millis(if full() { 250 } else { 50 }));
        }
    }
}

/// The public rules, or our own where the data is missing.
fn rules(folder: &Path) -> Option<PathBuf> {
    unpack("rules/sigmahq_8eaafff1.tar.zst", folder).map(|()| folder.join("sigma"))
}

/// What a daemon needs before the first record: processor time and memory.
fn idle(rules: &Path) -> (f64, u64) {
    let mut site = Site::with_models(rules, "", false);
    site.start();
    (site.rest(), memory(site.pid()).now)
}

fn measure(rules: &Path, way: &Way, records: &[String], idle_cpu: f64) {
    let mut site = Site::prepare(rules, &way.section());
    let (began, before);
    if way.waits() {
        way.send(records);
        (began, before) = (Instant::now(), idle_cpu);
        site.start();
    } else {
        site.start();
        before = site.rest();
        began = Instant::now();
        way.send(records);
    }
    let (stored, indexed) = site.wait("s", records.len() as u64, began);
    let cpu = cpu_seconds(site.pid()) - before;
    let Memory { now, most, own } = memory(site.pid());
    let alerts = site.status()["alerts_count"].as_u64().unwrap_or(0);
    let count = records.len() as f64;
    eprintln!(
        "| {:<8} | {:>6.0} | {:>6.0} | {:>5.1} s | {:>5.1} s | {:>3} ({:>3}) / {:>3} MB | {alerts:>5} | {} |",
        way.name(),
        count / cpu,
        count / stored.as_secs_f64(),
        stored.as_secs_f64(),
        indexed.as_secs_f64(),
        now >> 20,
        own >> 20,
        most >> 20,
        way.floor(records),
    );
}

#[test]
fn every_transport_is_measured_from_the_record_to_the_searchable_event() {
    let folder = tempfile::tempdir().unwrap();
    let Some(records) = load::captures(size("EVENTS", 100_000, 400) as usize) else { return };
    let Some(rules) = rules(folder.path()) else { return };
    let bytes: usize = records.iter().map(String::len).sum();
    let (idle_cpu, idle_memory) = idle(&rules);
    eprintln!(
        "{} records of {} bytes; loading the rules took {idle_cpu:.2} CPU-s and {} MB",
        records.len(),
        bytes / records.len(),
        idle_memory >> 20
    );
    eprintln!(
        "| way | events/CPU-s | stored/s | stored after | indexed after | memory (own), most | alerts | floor |"
    );
    eprintln!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for way in ways::all(folder.path(), full()).into_iter().filter(wanted) {
        measure(&rules, &way, &records, idle_cpu);
    }
}

/// `WATCHFLOOR_TEST_WAYS` names some; without it all are measured.
fn wanted(way: &ways::Way) -> bool {
    let names = std::env::var("WATCHFLOOR_TEST_WAYS").unwrap_or_default();
    names.is_empty() || names.split(',').any(|name| name == way.name())
}

#[test]
fn the_time_from_a_record_to_its_alert_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let marked = folder.path().join("rules");
    std::fs::create_dir(&marked).unwrap();
    std::fs::write(marked.join("marked.yml"), crate::faults::RULE).unwrap();
    let (rate, seconds) = (size("RATE", 1_000, 200), size("SECONDS", 30, 1));
    eprintln!("| way, {rate} records/s for {seconds} s | alerts | p50 | p99 | most |");
    eprintln!("| --- | --- | --- | --- | --- |");
    for way in ways::all(folder.path(), full()).into_iter().filter(wanted) {
        let mut site = Site::prepare(&marked, &way.section());
        let text = std::fs::read_to_string(&site.config).unwrap();
        std::fs::write(&site.config, text.replace("[rules]\n", "[rules]\nbudget = 0\n")).unwrap();
        if way.waits() {
            way.send(&[load::numbered(0, "first")]);
            site.start();
        } else {
            site.start();
            way.send(&[load::numbered(0, "first")]);
        }
        site.wait("s", 1, Instant::now());
        let seen = load::watch_alerts(&site.data());
        let sent = load::send_steadily(&way, rate, seconds);
        site.wait("s", rate * seconds + 1, Instant::now());
        let mut delays = load::delays(&sent, &seen);
        assert_eq!(delays.len(), sent.len(), "{}: every marked record has its alert", way.name());
        delays.sort();
        let at = |part: f64| delays[((delays.len() - 1) as f64 * part) as usize].as_millis();
        eprintln!(
            "| {} | {} | {} ms | {} ms | {} ms |",
            way.name(),
            delays.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
}

#[test]
fn memory_with_a_thousand_endpoints_is_measured() {
    let folder = tempfile::tempdir().unwrap();
    let events = size("EVENTS", 100_000, 400);
    let Some(records) = load::captures(events as usize) else { return };
    let Some(rules) = rules(folder.path()) else { return };
    let endpoints = if full() { 1_000 } else { 40 };
    // First each endpoint is seen, then a tenth of them stay active.
    let records: Vec<String> = records
        .iter()
        .enumerate()
        .map(|(number, record)| {
            let all = number < records.len() / 5;
            load::at_host(record, number % if all { endpoints } else { endpoints / 10 })
        })
        .collect();
    let (_, idle) = idle(&rules);
    let way = ways::http();
    let mut site = Site::with_models(&rules, &way.section(), true);
    site.start();
    way.send(&records);
    site.wait("s", records.len() as u64, Instant::now());
    let known = run_json(&site.config, &["status", "--format", "json"]);
    let Memory { now, most, own } = memory(site.pid());
    eprintln!(
        "{} records of {endpoints} endpoints, a tenth active: {} MB with rules alone, {} MB after ({} MB of its own), {} MB at most; {} alerts",
        records.len(),
        idle >> 20,
        now >> 20,
        own >> 20,
        most >> 20,
        known["alerts_count"]
    );
}

#[test]
fn under_a_steady_load_file_handles_do_not_grow() {
    let folder = tempfile::tempdir().unwrap();
    let Some(records) = load::captures(if full() { 20_000 } else { 200 }) else { return };
    let Some(rules) = rules(folder.path()) else { return };
    let seconds = if full() { size("MINUTES", 10, 0) * 60 } else { 3 };
    let rate = size("RATE", 1_000, 100);
    let way = ways::http();
    let mut site = Site::with_models(&rules, &way.section(), true);
    site.start();
    let (began, before) = (Instant::now(), cpu_seconds(site.pid()));
    let mut samples = Vec::new();
    eprintln!("| minute | records | alerts | memory | of its own | file handles | CPU |");
    eprintln!("| --- | --- | --- | --- | --- | --- | --- |");
    for second in 0..seconds {
        // No two requests are alike: the same body again would be the same delivery.
        let some: Vec<String> = (second * rate..(second + 1) * rate)
            .map(|number| load::again(&records[number as usize % records.len()], number))
            .collect();
        way.send(&some);
        let due = began + Duration::from_secs(second + 1);
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        samples.push((memory(site.pid()), handles(site.pid())));
        if (second + 1) % 60 == 0 || second + 1 == seconds {
            let (memory, files) = samples[samples.len() - 1];
            let cpu = (cpu_seconds(site.pid()) - before) / began.elapsed().as_secs_f64();
            let minute = (second + 1) as f64 / 60.0;
            eprintln!(
                "| {minute:.1} | {} | {} | {:.1} MB | {:.1} MB | {files} | {:.0} % of a core |",
                (second + 1) * rate,
                site.status()["alerts_count"],
                memory.now as f64 / 1_048_576.0,
                memory.own as f64 / 1_048_576.0,
                cpu * 100.0
            );
        }
    }
    site.wait("s", seconds * rate, Instant::now());
    let most = |part: &[(Memory, usize)]| part.iter().map(|sample| sample.1).max().unwrap_or(0);
    let quarter = samples.len() / 4;
    for (number, part) in samples.chunks(quarter.max(1)).take(4).enumerate() {
        let mean = |of: fn(&Memory) -> u64| {
            part.iter().map(|sample| of(&sample.0)).sum::<u64>() / part.len() as u64
        };
        let (all, own) = (mean(|memory| memory.now), mean(|memory| memory.own));
        eprintln!("quarter {}: {} MB, of its own {} MB", number + 1, all >> 20, own >> 20);
    }
    let (early, late) = (most(&samples[..quarter]), most(&samples[samples.len() - quarter..]));
    if full() {
        assert!(late <= early + 8, "file handles grew from {early} to {late}");
    }
}
