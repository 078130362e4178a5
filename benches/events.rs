//! The event store's figures: bytes stored for a raw byte, events appended and indexed for a second of processor time,
//! and how long a first page takes. `cargo bench --bench events -- [--events N] [--dir DIR] FILE…` (captures,
//! decompressed). The events of the files are repeated, each time later and with other ids, until there are N of them.
//! With `--dir` the store is kept there, and one that is there already is only asked.
//!
//! With `--alerts N [--database URL]` instead: alert changes a second, a hundred a commit with their audit entries, in
//! SQLite or in the PostgreSQL database.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use watchfloor::config::Config;
use watchfloor::config::alert_store::{AlertsAt, Server};
use watchfloor::model::episode::{AlertChange, OpenEpisode};
use watchfloor::model::event::Event;
use watchfloor::model::field;
use watchfloor::model::noise::EpisodeNoise;
use watchfloor::model::query::EventFilter;
use watchfloor::model::record::{Batch, Flush, Framing, Record, Shape, Stream};
use watchfloor::model::severity::Severity;
use watchfloor::normalise::{Decoder, Output, Settings};
use watchfloor::stdx::id::IdHasher;
use watchfloor::stdx::time::Timestamp;
use watchfloor::store::{Commit, EventScan, EventStore, Follower, Store};

/// Events of a commit.
const COMMIT: usize = 5_000;
/// A page.
const PAGE: usize = 100;

#[derive(Default)]
struct Wanted {
    events: usize,
    alerts: u64,
    database: Option<String>,
    dir: Option<PathBuf>,
    files: Vec<String>,
}

fn main() {
    let mut wanted = Wanted::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--events" => wanted.events = arguments.next().unwrap().parse().unwrap(),
            "--alerts" => wanted.alerts = arguments.next().unwrap().parse().unwrap(),
            "--database" => wanted.database = arguments.next(),
            "--dir" => wanted.dir = arguments.next().map(PathBuf::from),
            "--bench" => {}
            file => wanted.files.push(file.to_owned()),
        }
    }
    let scratch = tempfile::tempdir().unwrap();
    let dir = wanted.dir.clone().unwrap_or_else(|| scratch.path().join("store"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut config = Config::default();
    if wanted.alerts > 0 {
        if let Some(url) = wanted.database {
            config.store.alerts = AlertsAt::Postgres(Server { url, password: None });
        }
        let store = runtime.block_on(Store::open(&dir, &config.store, &config.alert)).unwrap();
        return alerts(&runtime, &store, wanted.alerts);
    }
    let open = || runtime.block_on(Store::open(&dir, &config.store, &config.alert)).unwrap();
    if !dir.join("watchfloor.db").exists() {
        let (events, raw) = read(&wanted.files);
        println!(
            "{} events in the files, {:.0} raw bytes each",
            events.len(),
            raw as f64 / events.len() as f64
        );
        let count = wanted.events.max(events.len());
        let store = open();
        append(&runtime, &store, &events, count);
        index(&store, count);
        drop(store);
        sizes(&dir, raw as f64 / events.len() as f64 * count as f64);
    }
    let store = open();
    let EventStore::Embedded(reader) = store.event_store() else { return };
    println!("{} events stored; index: {:?}", reader.totals().0, reader.index_status());
    ask(&runtime, &store);
}

/// Alert changes: each commit has two hundred events and a hundred alerts that grow by two of them.
fn alerts(runtime: &tokio::runtime::Runtime, store: &Store, changes: u64) {
    const A_COMMIT: u64 = 100;
    const ALERTS: u64 = 4_000;
    let mut episodes: Vec<OpenEpisode> = (0..ALERTS).map(episode).collect();
    let (began, cpu) = (Instant::now(), cpu_nanos());
    for first in (0..changes).step_by(A_COMMIT as usize) {
        let mut commit = Commit { at: Timestamp(5), ..Commit::default() };
        for change in first..first + A_COMMIT {
            let episode = &mut episodes[(change % ALERTS) as usize];
            for number in [2 * change, 2 * change + 1] {
                let mut event = Event::with_capacity(4, 64);
                event.id = IdHasher::new("event").number(number).finish();
                event.timestamp = Timestamp(1_790_000_000_000_000 + number as i64);
                event.push_str(field::HOST_NAME, "web01");
                event.push_str(
                    field::MESSAGE,
                    "Failed password for root from 192.0.2.7 port 22 ssh2",
                );
                episode.count += 1;
                episode.last_seen = event.timestamp;
                episode.evidence.push(event.id);
                commit.events.push(event);
            }
            commit.alerts.push(AlertChange::Grown(Box::new(episode.clone())));
        }
        runtime.block_on(store.commit(&commit)).unwrap();
    }
    say("alert changes", changes as usize, began.elapsed(), cpu_nanos() - cpu);
}

fn episode(number: u64) -> OpenEpisode {
    let first_seen = Timestamp(1_790_000_000_000_000);
    OpenEpisode {
        alert: IdHasher::new("alert").number(number).finish(),
        key: IdHasher::new("episode").number(number).finish(),
        tenant: "default".to_owned(),
        rule_id: format!("rule-{number}"),
        rule_name: "Failed logons".to_owned(),
        severity: Severity::High,
        tags: Vec::new(),
        host: "web01".to_owned(),
        user: "root".to_owned(),
        group: Vec::new(),
        matched: vec![("message".to_owned(), "Failed password for root".to_owned())],
        count: 0,
        first_seen,
        last_seen: first_seen,
        evidence: Vec::new(),
        correlated: false,
        backfill: false,
        risk: 60,
        risk_parts: vec![("level high".to_owned(), 60)],
        bundle: None,
        near: 0,
        fixed_parts: Vec::new(),
        touched: 1,
        noise: EpisodeNoise::default(),
    }
}

/// The events of the captures and how many bytes they had.
fn read(files: &[String]) -> (Vec<Event>, u64) {
    let settings = Arc::new(Settings::new(&Config::default()).unwrap());
    let (mut events, mut raw) = (Vec::new(), 0);
    for path in files {
        let data = std::fs::read(path).unwrap();
        raw += data.len() as u64;
        let stream = Arc::new(Stream::of_path("bench", path));
        let mut decoder = Decoder::new(&stream, Arc::clone(&settings));
        for batch in split(&stream, data) {
            let mut out = Output::default();
            decoder.decode(&batch, &mut out);
            events.extend(out.events);
        }
    }
    events.sort_by_key(|event| event.timestamp);
    (events, raw)
}

fn append(runtime: &tokio::runtime::Runtime, store: &Store, events: &[Event], count: usize) {
    let first = events[0].timestamp.micros();
    // As if the captures followed each other, each squeezed into two hours.
    let turn = 7_200_000_000_i64;
    let span = (events[events.len() - 1].timestamp.micros() - first).max(1);
    let (mut cpu, mut clock) = (0, Duration::ZERO);
    let mut done = 0;
    while done < count {
        let some: Vec<Event> = (done..count.min(done + COMMIT))
            .map(|number| {
                let mut event = events[number % events.len()].clone();
                let round = (number / events.len()) as i64;
                let within = (event.timestamp.micros() - first) as i128 * i128::from(turn)
                    / i128::from(span);
                event.timestamp = Timestamp(1_790_000_000_000_000 + round * turn + within as i64);
                event.id = IdHasher::new("bench").number(number as u64).finish();
                event
            })
            .collect();
        done += some.len();
        let commit = Commit { at: Timestamp(1), events: some, ..Commit::default() };
        // Making the events is not the store's work.
        let (began, before) = (Instant::now(), cpu_nanos());
        runtime.block_on(store.commit(&commit)).unwrap();
        cpu += cpu_nanos() - before;
        clock += began.elapsed();
    }
    say("append", count, clock, cpu);
}

fn index(store: &Store, count: usize) {
    let EventStore::Embedded(reader) = store.event_store() else { return };
    let mut follower = Follower::new(reader).unwrap();
    follower.prepare(false);
    let (began, cpu) = (Instant::now(), cpu_nanos());
    follower.catch_up(&mut |_| ()).unwrap();
    say("index", count, began.elapsed(), cpu_nanos() - cpu);
}

fn say(what: &str, count: usize, clock: Duration, cpu: u64) {
    let seconds = cpu as f64 / 1e9;
    println!(
        "{what}: {:.0} events a second of processor time, {:.0} by the clock",
        count as f64 / seconds,
        count as f64 / clock.as_secs_f64(),
    );
}

fn sizes(dir: &Path, raw: f64) {
    let size = |path: &Path| -> u64 {
        walkdir::WalkDir::new(path)
            .into_iter()
            .filter_map(Result::ok)
            .filter_map(|entry| entry.metadata().ok())
            .filter(std::fs::Metadata::is_file)
            .map(|data| data.len())
            .sum()
    };
    let (log, index, all) = (size(&dir.join("events")), size(&dir.join("index")), size(dir));
    println!(
        "stored for a raw byte: {:.3} (events {:.3}, index {:.3}); {all} bytes",
        all as f64 / raw,
        log as f64 / raw,
        index as f64 / raw
    );
}

fn ask(runtime: &tokio::runtime::Runtime, store: &Store) {
    println!(
        "{:<58} {:>6} {:>8} {:>9} {:>9}",
        "first page of 100", "found", "judged", "first ms", "median ms"
    );
    let queries = std::env::var("QUERIES").unwrap_or_else(|_| {
        "process:powershell.exe|host:ws*|user:pgustavo|process.executable:*\\net.exe|cmd:\"-enc\"|\
         cmd:\"net.exe localgroup\"|process.executable:c:\\windows\\system32\\w*|port:5985|port>=50000|ip:10.0.0.0/8|\
         code:4688 user:pgustavo|class:network_connect port:88|registry.path:*\\run\\*|cmd~\"bypass\"|cmd~/by.?pass/|cmd~onexistentwor|\
         file.path:*\\temp\\*.exe|process.executable~/\\\\net1?\\.exe$/|\
         file.path:*.ps1|process:nothing.exe|winlog.event_data.TargetUserName:pgustavo|\
         time>2026-09-23T10:00 time<2026-09-23T11:00 code:1"
            .to_owned()
    });
    for query in queries.split('|').map(str::trim) {
        let now = Timestamp::now();
        let Ok(filter) = EventFilter::parse(query) else {
            println!("{query}: not a filter");
            continue;
        };
        let narrow = filter.narrow(now);
        let scan = EventScan { from: narrow.from, to: narrow.to, host: narrow.host, limit: PAGE };
        let mut times = Vec::new();
        let mut found = Default::default();
        for _ in 0..5 {
            let began = Instant::now();
            let answer = store.event_store().find(scan.clone(), filter.clone(), now);
            found = runtime.block_on(answer).unwrap();
            times.push(began.elapsed().as_secs_f64() * 1e3);
        }
        let first = times[0];
        times.sort_by(f64::total_cmp);
        let found: watchfloor::store::Found = found;
        println!(
            "{query:<58} {:>6} {:>8} {first:>9.1} {:>9.1}",
            found.events.len(),
            found.judged,
            times[2]
        );
    }
}

/// Time of this process on processors, all threads, kernel included.
fn cpu_nanos() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
fn split(stream: &Arc<Stream>, data: Vec<u8>) -> Vec<Batch> {
    let mut records = Vec::new();
    let mut start = 0_usize;
    for line in data.split(|byte| *byte == b'\n') {
        if !line.is_empty() {
            records.push(Record {
                start: start as u32,
                len: line.len() as u32,
                offset: start as u64,
                framing: Framing::Whole,
                shape: Shape::Line,
            });
        }
        start += line.len() + 1;
    }
    let data = Arc::new(data);
    records
        .chunks(1_000)
        .map(|chunk| {
            let first = chunk.first().unwrap().start;
            let last = chunk.last().unwrap();
            let range = first as usize..(last.start + last.len) as usize;
            Batch {
                data: data.get(range).unwrap().to_vec(),
                records: chunk
                    .iter()
                    .map(|record| Record { start: record.start - first, ..*record })
                    .collect(),
                ..Batch::new(Arc::clone(stream), Flush::No)
            }
        })
        .collect()
}
