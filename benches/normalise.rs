//! Times the decoders on files, beside what only parsing the same bytes costs in the same run:
//! `cargo bench --bench normalise -- FILE…` (decompressed). A line a file: records and megabytes for a second of processor
//! time (kernel included), the ratio to the bare parse (JSON: `sonic_rs` to a value; text: lines split and checked to be
//! UTF-8), allocations and their bytes for an event, and what was rejected. `SHOW=1` prints the first event,
//! `NO_REDACT=1` and `NO_ORIGINAL=1` leave a step out.
#![allow(clippy::print_stdout, clippy::unwrap_used, unsafe_code, missing_docs)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use watchfloor::config::Config;
use watchfloor::model::record::{Batch, Flush, Framing, Record, Shape, Stream};
use watchfloor::normalise::{Decoder, Output, Settings};

/// Counts allocations.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);
static ALLOCATED: AtomicU64 = AtomicU64::new(0);

// Nothing but counting is added to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        ALLOCATED.fetch_add(layout.size() as u64, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        ALLOCATED.fetch_add(size.saturating_sub(layout.size()) as u64, Ordering::Relaxed);
        unsafe { System.realloc(pointer, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn main() {
    let mut config = Config::default();
    config.redact.secrets = std::env::var("NO_REDACT").is_err();
    config.store.keep_original = std::env::var("NO_ORIGINAL").is_err();
    let began = cpu_nanos();
    let settings = Arc::new(Settings::new(&config).unwrap());
    println!("settings {} us", (cpu_nanos() - began) / 1_000);
    println!(
        "{:<28} {:>9} {:>11} {:>8} {:>8} {:>7} {:>7} {:>8}  rejected",
        "file", "records", "records/s", "MB/s", "bare", "ratio", "allocs", "bytes"
    );
    for path in std::env::args().skip(1).filter(|path| !path.starts_with("--")) {
        one(&path, &settings);
    }
}

fn one(path: &str, settings: &Arc<Settings>) {
    let data = std::fs::read(path).unwrap();
    let megabytes = data.len() as f64 / 1e6;
    let stream = Arc::new(Stream::of_path("bench", path));
    let batches = split(&stream, data);
    let bare = bare(&batches);
    let mut decoder = Decoder::new(&stream, Arc::clone(settings));
    let (mut nanos, mut records, mut events) = (0_u64, 0_u64, 0_u64);
    let mut rejected = std::collections::BTreeMap::new();
    let counted = (ALLOCATIONS.load(Ordering::Relaxed), ALLOCATED.load(Ordering::Relaxed));
    for batch in &batches {
        let mut out = Output::default();
        let began = cpu_nanos();
        decoder.decode(batch, &mut out);
        nanos += cpu_nanos() - began;
        records += out.received;
        events += out.events.len() as u64;
        if let Some(event) = out.events.first().filter(|_| std::env::var("SHOW").is_ok()) {
            let json = watchfloor::wire::event_v1::to_nested(event);
            println!("{}", serde_json::to_string_pretty(&json).unwrap());
        }
        out.by_reason.into_iter().for_each(|(k, n)| *rejected.entry(k).or_insert(0) += n);
    }
    let allocations = ALLOCATIONS.load(Ordering::Relaxed) - counted.0;
    let allocated = ALLOCATED.load(Ordering::Relaxed) - counted.1;
    let seconds = nanos as f64 / 1e9;
    let name = path.rsplit('/').next().unwrap();
    println!(
        "{name:<28} {records:>9} {:>11.0} {:>8.0} {:>8.0} {:>7.2} {:>7.1} {:>8.0}  {rejected:?}",
        records as f64 / seconds,
        megabytes / seconds,
        megabytes / (bare as f64 / 1e9),
        nanos as f64 / bare as f64,
        allocations as f64 / events.max(1) as f64,
        allocated as f64 / events.max(1) as f64,
    );
}

/// Processor time of only parsing the records.
fn bare(batches: &[Batch]) -> u64 {
    let began = cpu_nanos();
    for batch in batches {
        for record in &batch.records {
            let text = std::str::from_utf8(batch.bytes(record)).unwrap_or_default();
            if text.starts_with('{') {
                black_box(sonic_rs::from_str::<sonic_rs::Value>(text).ok());
            } else {
                black_box(memchr::memchr_iter(b' ', text.as_bytes()).count());
            }
        }
    }
    cpu_nanos() - began
}

/// Time of this thread on a processor, kernel included; not disturbed by what else the machine does.
fn cpu_nanos() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
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
