//! What is sent, and what is read off a process.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Map, Value};

use super::ways::Way;
use crate::support;

/// One record in so many is marked, so that it makes an alert.
const MARKED_EVERY: u64 = 50;
/// Records are sent in this rhythm.
const TICK: Duration = Duration::from_millis(10);
/// Longer records are left out: some transports refuse them.
const RECORD_BYTES_MAX: usize = 48 << 10;

/// Where records of the public captures say when they happened.
const TIMES: [&str; 7] = [
    "EventTime",
    "EventReceivedTime",
    "TimeCreated",
    "TimeGenerated",
    "SystemTime",
    "UtcTime",
    "timestamp",
];

/// So many records of the public captures, the same share of each.
pub fn captures(count: usize) -> Option<Vec<String>> {
    let mut files: Vec<PathBuf> = walkdir::WalkDir::new(support::data("windows/otrf")?)
        .into_iter()
        .filter_map(Result::ok)
        .map(walkdir::DirEntry::into_path)
        .filter(|path| path.to_string_lossy().ends_with(".json.zst"))
        .collect();
    files.sort_by_key(|path| (std::fs::metadata(path).unwrap().len(), path.clone()));
    let mut records = Vec::with_capacity(count);
    for (number, path) in files.iter().enumerate() {
        let share = (count - records.len()).div_ceil(files.len() - number);
        let packed = std::fs::File::open(path).unwrap();
        let lines = BufReader::new(zstd::stream::read::Decoder::new(packed).unwrap()).lines();
        let fitting = lines
            .map(Result::unwrap)
            .filter(|line| line.starts_with('{') && line.len() <= RECORD_BYTES_MAX);
        records.extend(fitting.take(share));
    }
    Some(records)
}

/// The record as if another host had written it.
pub fn at_host(record: &str, number: usize) -> String {
    let keys = ["\"Hostname\":\"", "\"computer_name\":\"", "\"Computer\":\"", "\"hostname\":\""];
    let name = keys.iter().find_map(|key| record.split_once(key)?.1.split('"').next());
    match name {
        Some(name) if name.len() > 2 => record.replace(name, &format!("host{number:04}.example")),
        _ => record.to_owned(),
    }
}

/// The record as if it happened now, with a number of its own.
pub fn again(record: &str, number: u64) -> String {
    let now = jiff::Timestamp::now().to_string();
    let mut fields: Map<String, Value> = serde_json::from_str(record).unwrap();
    fields.iter_mut().for_each(|(key, value)| move_to(&now, key, value));
    fields.insert("@timestamp".to_owned(), now.into());
    fields.insert("sent_as".to_owned(), number.into());
    Value::Object(fields).to_string()
}

fn move_to(now: &str, key: &str, value: &mut Value) {
    match value {
        Value::String(text) if TIMES.contains(&key) => now.clone_into(text),
        Value::Object(below) => below.iter_mut().for_each(|(key, value)| move_to(now, key, value)),
        // Some writers put the event's data into a text of its own.
        Value::String(text) if text.starts_with('{') => {
            if let Ok(mut below) = serde_json::from_str::<Value>(text) {
                move_to(now, key, &mut below);
                *text = below.to_string();
            }
        }
        _ => {}
    }
}

/// A syslog line. `WFATTACK` in it makes an alert of the host.
pub fn numbered(number: u64, text: &str) -> String {
    let at = jiff::Timestamp::from_second(super::START + (number / 1_000) as i64).unwrap();
    format!("{at} lat-{number:08} app[7]: {text} {number:08}")
}

/// User and system time of a process.
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}

/// The same of this process's children that have ended.
pub fn children_cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[13].parse::<u64>().unwrap() + fields[14].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}

/// Memory of a process, bytes.
#[derive(Clone, Copy)]
pub struct Memory {
    /// All that is resident, with what of files is mapped: the program, the index.
    pub now: u64,
    /// The most that was.
    pub most: u64,
    /// What it holds itself: the system cannot take it back, as it can pages of files.
    pub own: u64,
}

/// Read it.
pub fn memory(pid: u32) -> Memory {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = |key: &str| {
        let line = text.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() << 10
    };
    Memory { now: line("VmRSS"), most: line("VmHWM"), own: line("RssAnon") }
}

/// Open files of a process.
pub fn handles(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count()
}

/// When the alert of each marked host was first told.
pub type Seen = Arc<Mutex<BTreeMap<u64, Instant>>>;

/// Listen to the changes that a desk is told, until the daemon ends.
pub fn watch_alerts(data: &Path) -> Seen {
    let socket = watchfloor::config::Config::default().api.socket_path(data);
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(b"GET /api/v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let seen = Seen::default();
    let told = Arc::clone(&seen);
    std::thread::spawn(move || {
        let (mut held, mut piece) = (Vec::new(), vec![0; 64 << 10]);
        while let Ok(count) = stream.read(&mut piece)
            && count > 0
        {
            let now = Instant::now();
            held.extend_from_slice(&piece[..count]);
            let whole = held.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
            let text = String::from_utf8_lossy(&held[..whole]).into_owned();
            held.drain(..whole);
            for line in text.lines().filter(|line| line.starts_with("data:")) {
                if let Some(number) = marked(line) {
                    told.lock().unwrap().entry(number).or_insert(now);
                }
            }
        }
    });
    seen
}

/// The number in the first `lat-NUMBER`.
fn marked(line: &str) -> Option<u64> {
    line.split_once("lat-")?.1.get(..8)?.parse().ok()
}

/// Send at a rate; when each marked record was given to its sender.
pub fn send_steadily(way: &Way, rate: u64, seconds: u64) -> BTreeMap<u64, Instant> {
    let ticks = seconds * 1_000 / TICK.as_millis() as u64;
    let (mut sent, mut number) = (BTreeMap::new(), 1);
    let began = Instant::now();
    for tick in 0..ticks {
        let due = began + TICK * tick as u32;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        let end = 1 + (tick + 1) * rate * seconds / ticks;
        let now = Instant::now();
        let records: Vec<String> = (number..end)
            .map(|number| {
                let is_marked = number % MARKED_EVERY == 0;
                if is_marked {
                    sent.insert(number, now);
                }
                numbered(number, if is_marked { "WFATTACK" } else { "record" })
            })
            .collect();
        number = end;
        way.send(&records);
    }
    sent
}

/// From the sender's hand to the desk's ear.
pub fn delays(sent: &BTreeMap<u64, Instant>, seen: &Seen) -> Vec<Duration> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while seen.lock().unwrap().len() < sent.len() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    let seen = seen.lock().unwrap();
    let one = |(number, at): (&u64, &Instant)| Some(seen.get(number)?.duration_since(*at));
    sent.iter().filter_map(one).collect()
}
