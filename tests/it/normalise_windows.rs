//! The Windows captures through the normalise stage: nothing rejected, nothing without host, channel, event id or
//! believable time, ids unique.

use std::collections::BTreeSet;
use std::io::{BufRead, Read};
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use watchfloor::config::Config;
use watchfloor::model::field;
use watchfloor::model::record::{Batch, Flush, Shape, Stream};
use watchfloor::normalise::{Decoder, Output, Settings};

use crate::support;

/// Events of one capture that the test decodes itself; the whole is read by the program.
const EVENTS_MAX: usize = 2_000;
/// Captures of each environment, so that every shape is met.
const CAPTURES_OF_ENVIRONMENT: usize = 4;

/// The manifest goes by the collector's stamp where the record has one; that is later than the event.
const LAG_SECONDS: f64 = 120.0;

pub struct Capture {
    pub file: String,
    events: u64,
    start: f64,
    end: f64,
    hosts: BTreeSet<String>,
}

pub fn captures() -> Option<Vec<Capture>> {
    let manifest = support::data("windows/otrf/manifest.jsonl")?;
    let text = std::fs::read_to_string(manifest).unwrap();
    let capture = |line: &str| {
        let row: serde_json::Value = serde_json::from_str(line).unwrap();
        Capture {
            file: row["file"].as_str().unwrap().to_owned(),
            events: row["n"].as_u64().unwrap(),
            start: row["start"].as_f64().unwrap(),
            end: row["end"].as_f64().unwrap(),
            hosts: row["hosts"].as_object().unwrap().keys().cloned().collect(),
        }
    };
    // The manifest lists two captures of Linux hosts as well.
    let windows = |capture: &Capture| capture.file.starts_with("windows/");
    Some(text.lines().map(capture).filter(windows).collect())
}

/// The first records of a capture.
pub fn records(file: &Path, events_max: usize) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    let reader = zstd::stream::Decoder::new(std::fs::File::open(file).unwrap()).unwrap();
    reader.take(24 << 20).read_to_end(&mut bytes).unwrap();
    if bytes.starts_with(b"[") {
        let all: Vec<Box<serde_json::value::RawValue>> = serde_json::from_slice(&bytes).unwrap();
        return all.iter().take(events_max).map(|one| one.get().as_bytes().to_vec()).collect();
    }
    let whole = bytes.split_inclusive(|byte| *byte == b'\n').filter(|line| line.ends_with(b"\n"));
    let lines = whole.map(|line| line.trim_ascii().to_vec());
    lines.filter(|line| !line.is_empty()).take(events_max).collect()
}

fn decode(name: &str, records: &[Vec<u8>], settings: &Arc<Settings>) -> Output {
    let stream = Arc::new(Stream::of_path("test", name));
    let mut batch = Batch::new(Arc::clone(&stream), Flush::End);
    batch.extend(records.iter().map(|record| (Shape::Line, record.as_slice())));
    let mut out = Output::default();
    Decoder::new(&stream, Arc::clone(settings)).decode(&batch, &mut out);
    out
}

#[test]
fn every_event_of_the_captures_has_host_channel_event_id_and_time() {
    let Some(captures) = captures() else { return };
    let settings = Arc::new(Settings::new(&Config::default()).unwrap());
    let mut seen: Vec<(&str, usize)> = Vec::new();
    for capture in &captures {
        let environment = capture.file.split('/').nth(2).unwrap();
        let count = seen.iter().filter(|(known, _)| *known == environment).count();
        // The arrays of the last environment are a shape of their own.
        if count >= CAPTURES_OF_ENVIRONMENT && !capture.file.contains("/20220922T0201") {
            continue;
        }
        let Some(path) = support::data(&capture.file) else { return };
        let records = records(&path, EVENTS_MAX);
        seen.push((environment, records.len()));
        let out = decode(&capture.file, &records, &settings);
        assert!(out.rejects.is_empty(), "{}: {:?}", capture.file, out.rejects.first());
        assert_eq!((out.received, out.stored), (records.len() as u64, records.len() as u64));
        let ids: BTreeSet<_> = out.events.iter().map(|event| event.id).collect();
        assert_eq!(ids.len(), out.events.len(), "{}: ids are unique", capture.file);
        for event in &out.events {
            assert!(capture.hosts.contains(event.host()), "{}: {:?}", capture.file, event.host());
            for field in [field::EVENT_CODE, field::WINLOG_CHANNEL, field::EVENT_PROVIDER] {
                assert!(event.has(field), "{}: {} of {event:?}", capture.file, field.name());
            }
            let at = event.timestamp.micros() as f64 / 1e6;
            let within = at >= capture.start - LAG_SECONDS && at <= capture.end + 1.0;
            assert!(within, "{}: {} {event:?}", capture.file, event.timestamp);
        }
    }
    assert!(seen.iter().map(|(_, records)| records).sum::<usize>() > 10_000);
}

#[test]
fn the_program_prints_one_event_for_every_line_of_all_captures() {
    if std::env::var_os("WATCHFLOOR_BIN").is_none() {
        eprintln!("SKIPPED: two gigabytes are for the release build; set WATCHFLOOR_BIN");
        return;
    }
    let Some(captures) = captures() else { return };
    let scratch = tempfile::tempdir().unwrap();
    for capture in &captures {
        let Some(path) = support::data(&capture.file) else { return };
        let mut child = support::watchfloor(scratch.path())
            .args(["normalise", "--flat", "--rejects", "--quiet"])
            .arg(path)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        // A script that PowerShell logged in pieces is told once more as a whole.
        let joined = memchr::memmem::Finder::new("\"event.action\":\"script-block-joined\"");
        let pipe = std::io::BufReader::with_capacity(1 << 18, child.stdout.take().unwrap());
        let lines = pipe.split(b'\n').map(Result::unwrap);
        let lines = lines.filter(|line| joined.find(line).is_none()).count() as u64;
        assert!(child.wait().unwrap().success(), "{}", capture.file);
        assert_eq!(lines, capture.events, "{}", capture.file);
    }
}
