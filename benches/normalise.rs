//! Times the decoder on files of JSON lines: `cargo bench --bench normalise -- FILE…` (decompressed). Prints a line for each file and
//! the sum: records, events, rejects by reason, microseconds of processor time for a record (kernel included).
#![allow(clippy::print_stdout, clippy::unwrap_used)]

use std::sync::Arc;

use watchfloor::config::Config;
use watchfloor::model::record::{Batch, Flush, Framing, Record, Shape, Stream};
use watchfloor::normalise::{Decoder, Output, Settings};
use watchfloor::stdx::id::Id128;
use watchfloor::stdx::time::Timestamp;

fn main() {
    let mut config = Config::default();
    config.redact.secrets = std::env::var("NO_REDACT").is_err();
    config.store.keep_original = std::env::var("NO_ORIGINAL").is_err();
    let began = cpu_nanos();
    let settings = Arc::new(Settings::new(&config).unwrap());
    println!("settings {} us", (cpu_nanos() - began) / 1_000);
    let (mut records, mut nanos, mut bytes) = (0_u64, 0_u64, 0_u64);
    let mut sum = Output::default();
    for path in std::env::args().skip(1).filter(|path| !path.starts_with("--")) {
        let data = std::fs::read(&path).unwrap();
        bytes += data.len() as u64;
        let stream = Arc::new(Stream {
            id: Id128([1; 16]),
            source: "bench".into(),
            path: path.as_str().into(),
            tenant: "default".into(),
            host: None,
            format: "auto".into(),
            labels: Arc::new([]),
            modified: Timestamp(0),
            live: false,
            backfill: true,
        });
        let batches = split(&stream, data);
        let mut decoder = Decoder::new(stream, Arc::clone(&settings));
        for batch in &batches {
            let mut out = Output::default();
            let began = cpu_nanos();
            decoder.decode(batch, &mut out);
            nanos += cpu_nanos() - began;
            records += out.received;
            if let Some(event) = out.events.first().filter(|_| std::env::var("SHOW").is_ok()) {
                let json = watchfloor::wire::event_v1::to_nested(event);
                println!("{}", serde_json::to_string_pretty(&json).unwrap());
            }
            sum.stored += out.stored;
            sum.rejected += out.rejected;
            sum.fields_dropped += out.fields_dropped;
            out.by_reason.into_iter().for_each(|(k, n)| *sum.by_reason.entry(k).or_default() += n);
            out.time_problems
                .into_iter()
                .for_each(|(k, n)| *sum.time_problems.entry(k).or_default() += n);
            out.redacted.into_iter().for_each(|(k, n)| *sum.redacted.entry(k).or_default() += n);
        }
    }
    println!(
        "{records} records, {bytes} bytes, {} stored, {} rejected {:?}, times {:?}, redacted {:?}, dropped fields {}, {:.2} us/record",
        sum.stored,
        sum.rejected,
        sum.by_reason,
        sum.time_problems,
        sum.redacted,
        sum.fields_dropped,
        nanos as f64 / 1e3 / records.max(1) as f64
    );
}

/// Time of this thread on a processor, kernel included; not disturbed by what else the machine does.
fn cpu_nanos() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split(' ').next().unwrap().parse().unwrap()
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
                stream: Arc::clone(stream),
                data: data.get(range).unwrap().to_vec(),
                records: chunk
                    .iter()
                    .map(|record| Record { start: record.start - first, ..*record })
                    .collect(),
                flush: Flush::No,
                positions: Vec::new(),
            }
        })
        .collect()
}
