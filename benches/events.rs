//! The event store's figures: bytes stored for a raw byte, events appended and indexed for a second of processor time,
//! and how long a first page takes. `cargo bench --bench events -- [--events N] [--dir DIR] FILE…` (captures,
//! decompressed). The events of the files are repeated, each time later and with other ids, until there are N of them.
//! With `--dir` the store is kept there, and one that is there already is only asked.
#![allow(clippy::print_stdout, clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use watchfloor::config::Config;
use watchfloor::model::event::Event;
use watchfloor::model::query::EventFilter;
use watchfloor::model::record::{Batch, Flush, Framing, Record, Shape, Stream};
use watchfloor::normalise::{Decoder, Output, Settings};
use watchfloor::stdx::id::IdHasher;
use watchfloor::stdx::time::Timestamp;
use watchfloor::store::{Commit, EventScan, EventStore, Follower, Store};

/// Events of a commit.
const COMMIT: usize = 5_000;
/// A page.
const PAGE: usize = 100;

struct Wanted {
    events: usize,
    dir: Option<PathBuf>,
    files: Vec<String>,
}

fn main() {
    let mut wanted = Wanted { events: 0, dir: None, files: Vec::new() };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--events" => wanted.events = arguments.next().unwrap().parse().unwrap(),
            "--dir" => wanted.dir = arguments.next().map(PathBuf::from),
            "--bench" => {}
            file => wanted.files.push(file.to_owned()),
        }
    }
    let scratch = tempfile::tempdir().unwrap();
    let dir = wanted.dir.clone().unwrap_or_else(|| scratch.path().join("store"));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let config = Config::default();
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
    let (began, cpu) = (Instant::now(), cpu_nanos());
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
        runtime.block_on(store.commit(&commit)).unwrap();
    }
    say("append", count, began, cpu);
}

fn index(store: &Store, count: usize) {
    let EventStore::Embedded(reader) = store.event_store() else { return };
    let mut follower = Follower::new(reader).unwrap();
    follower.prepare(false);
    let (began, cpu) = (Instant::now(), cpu_nanos());
    follower.catch_up(&mut |_| ()).unwrap();
    say("index", count, began, cpu);
}

fn say(what: &str, count: usize, began: Instant, cpu: u64) {
    let seconds = (cpu_nanos() - cpu) as f64 / 1e9;
    println!(
        "{what}: {:.0} events a second of processor time, {:.0} by the clock",
        count as f64 / seconds,
        count as f64 / began.elapsed().as_secs_f64(),
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
         code:4688 user:pgustavo|class:network_connect port:88|registry.path:*\\run\\*|\
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
