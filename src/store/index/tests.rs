//! The index against the scan: the same answers, however far it has come and whatever happens to its files.

use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::model::class::Class;
use crate::model::event::{Event, Value};
use crate::model::field;
use crate::model::query::EventFilter;
use crate::stdx::id::IdHasher;
use crate::store::event_log::EventLog;
use crate::store::events::{EventReader, EventScan};
use crate::store::frame::Packer;

mod freshness;

/// A log with its reader, without a database.
struct Log {
    folder: tempfile::TempDir,
    log: EventLog,
    packer: Packer,
    reader: EventReader,
}

impl Log {
    fn new(segment_bytes_max: u64) -> Log {
        let folder = tempfile::tempdir().unwrap();
        let events = folder.path().join("events");
        std::fs::create_dir(&events).unwrap();
        let log = EventLog::open(&events, &[], segment_bytes_max).unwrap();
        let index = EventIndex::open(&folder.path().join("index"));
        let reader = EventReader::new(events, Vec::new()).with_index(index);
        Log { folder, log, packer: Packer::new(1).unwrap(), reader }
    }

    fn append(&mut self, events: &[Event]) {
        let frame = self.packer.pack(events).unwrap();
        let place = self.log.append(&frame.bytes).unwrap();
        self.log.confirm(place);
        self.reader.confirm(&frame, place);
    }

    /// The same log, opened again.
    fn reopen(&mut self) {
        let segments = self.reader.books();
        let index = EventIndex::open(&self.folder.path().join("index"));
        self.reader =
            EventReader::new(self.folder.path().join("events"), segments).with_index(index);
    }

    fn follow(&self) {
        let mut follower = Follower::new(&self.reader).unwrap();
        follower.prepare(true);
        follower.catch_up(&mut |_| ()).unwrap();
    }

    fn both(&self, query: &str, limit: usize) -> (Vec<String>, Vec<String>, u64) {
        let filter = EventFilter::parse(query).unwrap();
        let now = Timestamp(NOW);
        let narrow = filter.narrow(now);
        let scan = EventScan { from: narrow.from, to: narrow.to, host: narrow.host, limit };
        let ids = |events: &[Event]| events.iter().map(|event| event.id.to_string()).collect();
        let scanned = self.reader.search(&scan, &|event| filter.matches(event, now)).unwrap();
        let found = self.reader.find(&scan, &filter, now).unwrap();
        (ids(&scanned.events), ids(&found.events), found.judged)
    }

    fn assert_same(&self, query: &str, limit: usize) {
        let (scanned, found, _) = self.both(query, limit);
        assert_eq!(found, scanned, "{query} limit {limit}");
    }
}

const NOW: i64 = 1_795_334_925_000_000;
const DAY: i64 = 86_400_000_000;

const TEXTS: [&str; 14] = [
    "C:\\Windows\\System32\\cmd.exe",
    "powershell.exe -NoProfile -enc SQBFAFgA",
    "web01",
    "WEB01",
    "ſervice",
    "10.0.0.7",
    "2001:DB8::1",
    "443",
    "",
    "größe im Büro GRÖSSE",
    "a_b-c.d/e",
    "root",
    "/usr/bin/curl http://x.example/a.sh",
    "\u{212a}elvin \u{1F600} end",
];
const NAMES: [&str; 14] = [
    "host.name",
    "user.name",
    "process.name",
    "process.executable",
    "process.command_line",
    "message",
    "event.original",
    "source.ip",
    "destination.port",
    "winlog.event_data.Odd",
    "event.code",
    "watchfloor.source",
    "registry.path",
    "user.target.name",
];

fn an_event() -> impl Strategy<Value = Event> {
    let text = prop_oneof![
        4 => proptest::sample::select(&TEXTS[..]).prop_map(str::to_owned),
        1 => "[a-cſKé .\\\\]{0,12}",
        1 => proptest::sample::select(vec!["x".repeat(30), "ab ".repeat(600), "q".repeat(300)]),
    ];
    let fields = proptest::collection::vec((0..NAMES.len(), text, any::<u8>()), 0..7);
    (fields, 0_i64..6, any::<u64>(), 0_usize..4).prop_map(|(fields, age, number, class)| {
        let mut event = Event::with_capacity(8, 64);
        event.id = IdHasher::new("t").number(number).finish();
        event.timestamp = Timestamp(NOW - age * DAY / 2);
        event.class = Class::ALL[class];
        for (name, text, kind) in fields {
            let name = NAMES[name];
            match kind % 8 {
                0 => event.push_named(name, Value::Int(i64::from(kind))),
                1 => event.push_named(name, Value::Float(f64::from(kind) / 3.0)),
                2 => event.push_named(name, Value::Bool(kind > 99)),
                3 => event.push_named(name, Value::Null),
                _ => event.push_named(name, Value::Str(&text)),
            }
        }
        event
    })
}

fn a_term() -> impl Strategy<Value = String> {
    let fields = [
        "host",
        "user",
        "process",
        "cmd",
        "message",
        "ip",
        "port",
        "code",
        "source",
        "registry.path",
        "winlog.event_data.Odd",
        "event.original",
        "process.executable",
        "class",
    ];
    let values = [
        "web01",
        "WEB*",
        "*.exe",
        "*\\cmd.exe",
        "c:\\windows\\*",
        "cmd",
        "pow?rshell",
        "/enc/",
        "/(?-i)NoProfile/",
        "\"-NoProfile -enc\"",
        "\"system32\"",
        "10.0.0.0/8",
        "2001:db8::/32",
        "400..500",
        "root",
        "\"\"",
        "größe",
        "\"GRÖSSE\"",
        "kelvin",
        "ſERVICE",
        "service",
        "true",
        "*",
        "a?b*",
        "qqq",
        "abab",
        "xxxx",
        "q*",
        "0.3333333333333333",
        "end",
        "x.example",
    ];
    let ops = [":", "=", "~", "!="];
    let field = (
        proptest::sample::select(fields.to_vec()),
        proptest::sample::select(ops.to_vec()),
        proptest::sample::select(values.to_vec()),
    );
    prop_oneof![
        8 => field.prop_map(|(field, op, value)| format!("{field}{op}{value}")),
        1 => proptest::sample::select(vec!["port>=100", "port<443", "destination.port>443", "age<30h", "time>2026-11-21"])
            .prop_map(str::to_owned),
        1 => proptest::sample::select(values.to_vec()).prop_map(str::to_owned),
        1 => Just("class:process_start".to_owned()),
    ]
}

fn a_query() -> impl Strategy<Value = String> {
    a_term().prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 1..3).prop_map(|parts| parts.join(" ")),
            proptest::collection::vec(inner.clone(), 2..3)
                .prop_map(|parts| format!("({})", parts.join(" or "))),
            inner.prop_map(|part| format!("not ({part})")),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn the_answer_is_that_of_a_scan(
        events in proptest::collection::vec(an_event(), 1..120),
        queries in proptest::collection::vec((a_query(), 1_usize..200), 60),
        indexed in 0.0..1.0_f64,
    ) {
        let mut log = Log::new(4_000);
        let cut = (events.len() as f64 * indexed) as usize;
        for some in events[..cut].chunks(17) {
            log.append(some);
        }
        log.follow();
        for some in events[cut..].chunks(13) {
            log.append(some);
        }
        for (query, limit) in &queries {
            // Some values are not for some fields; both ways refuse them.
            if EventFilter::parse(query).is_ok() {
                log.assert_same(query, *limit);
            }
        }
    }
}

fn numbered(number: u64) -> Event {
    let mut event = Event::with_capacity(4, 64);
    event.id = IdHasher::new("n").number(number).finish();
    event.timestamp = Timestamp(NOW - 1_000_000 * number as i64);
    event.push_named(
        "host.name",
        Value::Str(if number.is_multiple_of(10) { "rare" } else { "common" }),
    );
    event.push_named("process.command_line", Value::Str(&format!("run job{number} now")));
    event
}

#[test]
fn few_events_are_read_where_the_index_knows() {
    let mut log = Log::new(1 << 20);
    for frame in 0..20_u64 {
        let events: Vec<Event> = (frame * 50..frame * 50 + 50).map(numbered).collect();
        log.append(&events);
    }
    log.follow();
    assert_eq!(log.reader.index_status().unwrap().events, 1_000);
    assert_eq!(log.reader.index_status().unwrap().events_behind, 0);
    for (query, matches) in [
        ("host:rare", 100),
        ("cmd:job77", 11),
        ("cmd:\"run job777 now\"", 1),
        ("cmd~ob99", 11),
        ("host:rar*", 100),
    ] {
        let (scanned, found, judged) = log.both(query, 1_000);
        assert_eq!(found, scanned);
        assert_eq!((found.len(), judged), (matches, matches as u64), "{query}");
    }
}

#[test]
fn what_is_not_indexed_yet_is_found_and_counted_as_behind() {
    let mut log = Log::new(2_000);
    log.append(&[numbered(1), numbered(2)]);
    log.follow();
    log.append(&[numbered(10)]);
    assert_eq!(log.both("host:rare", 10).1.len(), 1);
    assert_eq!(log.reader.index_status().unwrap().events_behind, 1);
    log.reopen();
    assert_eq!(log.reader.index_status().unwrap().events, 2);
    log.follow();
    assert_eq!(log.reader.index_status().unwrap().events, 3);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[test]
fn a_crash_between_two_partitions_loses_and_repeats_nothing() {
    let mut log = Log::new(1 << 20);
    let old: Vec<Event> = (0..30).map(numbered).collect();
    log.append(&old);
    log.follow();
    let index = log.folder.path().join("index");
    let mark = std::fs::read(index.join("cursor")).unwrap();
    let mut later = numbered(500);
    later.timestamp = Timestamp(NOW + 3 * DAY);
    log.append(&[numbered(100), later]);
    log.follow();
    // The partitions are committed, the mark is not; one partition is back where it was.
    std::fs::write(index.join("cursor"), mark).unwrap();
    let day = partition_name(Timestamp(NOW + 3 * DAY));
    std::fs::remove_dir_all(index.join(day)).unwrap();
    log.reopen();
    assert_eq!(log.reader.index_status().unwrap().events_behind, 2);
    log.assert_same("host:common or host:rare", 1_000);
    log.follow();
    assert_eq!(log.reader.index_status().unwrap().events, 32);
    log.assert_same("host:common or host:rare", 1_000);
}

#[test]
fn a_damaged_index_is_set_aside_said_and_made_anew() {
    let mut log = Log::new(1 << 20);
    log.append(&(0..200).map(numbered).collect::<Vec<_>>());
    log.follow();
    let index = log.folder.path().join("index");
    let whole = log.folder.path().join("whole");
    copy(&index, &whole);
    let day = partition_names(&index).unwrap().remove(0);
    let files: Vec<String> = std::fs::read_dir(index.join(&day))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| !name.starts_with('.'))
        .collect();
    assert!(files.len() > 4, "{files:?}");
    for file in files {
        for cut in [true, false] {
            log.reader.index().unwrap().clear();
            std::fs::remove_dir_all(&index).unwrap();
            copy(&whole, &index);
            let path = index.join(&day).join(&file);
            let mut bytes = std::fs::read(&path).unwrap();
            if cut {
                bytes.truncate(bytes.len() / 2);
            } else {
                bytes.iter_mut().for_each(|byte| *byte ^= 0x55);
            }
            std::fs::write(&path, bytes).unwrap();
            log.reopen();
            log.assert_same("host:rare", 1_000);
            log.follow();
            log.assert_same("host:rare", 1_000);
            assert_eq!(log.reader.index_status().unwrap().events, 200, "{file}");
        }
    }
}

#[test]
fn an_index_of_another_log_is_not_believed() {
    let mut log = Log::new(1 << 20);
    log.append(&(0..50).map(numbered).collect::<Vec<_>>());
    log.follow();
    let mut other = Log::new(1 << 20);
    other.append(&(50..90).map(numbered).collect::<Vec<_>>());
    copy(&log.folder.path().join("index"), &other.folder.path().join("index"));
    other.reopen();
    other.follow();
    assert_eq!(other.reader.index_status().unwrap().events, 40);
    other.assert_same("host:rare", 1_000);
}

#[test]
fn days_of_events_that_are_gone_go_too() {
    let mut log = Log::new(1);
    let mut old = numbered(1);
    old.timestamp = Timestamp(NOW - 9 * DAY);
    log.append(&[old]);
    log.append(&[numbered(2)]);
    log.follow();
    let index = log.folder.path().join("index");
    assert_eq!(partition_names(&index).unwrap().len(), 2);
    let books: Vec<_> = log.reader.books().into_iter().skip(1).collect();
    std::fs::remove_file(log.folder.path().join("events/0000000001.seg")).unwrap();
    log.reader.replace(books);
    log.assert_same("host:common", 10);
    log.append(&[numbered(3)]);
    log.follow();
    assert_eq!(partition_names(&index).unwrap().len(), 1);
    log.assert_same("host:common", 10);
}

/// Is a word in a dictionary of the index?
fn has_word(log: &Log, word: &str) -> bool {
    let index = EventIndex::open(&log.folder.path().join("index"));
    let partitions: Vec<_> = index.partitions.lock().values().cloned().collect();
    partitions.iter().any(|partition| {
        partition.searcher().segment_readers().iter().any(|part| {
            let inverted = part.inverted_index(partition::SCHEMA.1.term).unwrap();
            let mut terms = inverted.terms().stream().unwrap();
            std::iter::from_fn(|| terms.advance().then(|| terms.key().to_vec()))
                .any(|key| memchr::memmem::find(&key, word.as_bytes()).is_some())
        })
    })
}

/// Files of the index that belong to no part of it.
fn files_of_nobody(log: &Log) -> Vec<String> {
    let folder = log.folder.path().join("index");
    let index = EventIndex::open(&folder);
    let partitions = index.partitions.lock().clone();
    let mut found = Vec::new();
    for (name, partition) in partitions {
        let parts = partition.index.searchable_segment_ids().unwrap();
        let parts: Vec<String> = parts.iter().map(|part| part.uuid_string()).collect();
        for entry in std::fs::read_dir(folder.join(name)).unwrap() {
            let file = entry.unwrap().file_name().to_string_lossy().into_owned();
            let of = file.split('.').next().unwrap_or_default().to_owned();
            if of.len() == 32 && !parts.contains(&of) {
                found.push(file);
            }
        }
    }
    found
}

/// Six segments of 50 events, each with a word of its own, in the index; the fourth is gone.
fn with_a_segment_gone() -> Log {
    let mut log = Log::new(1);
    for part in 0..6_u64 {
        let mut events: Vec<Event> = (part * 50..part * 50 + 50).map(numbered).collect();
        let word = format!("secret{part}");
        events.iter_mut().for_each(|event| event.push_str(field::USER_NAME, &word));
        log.append(&events);
    }
    log.follow();
    assert!(has_word(&log, "secret3"), "the test sees words where they are");
    assert_eq!(log.reader.index_status().unwrap().events, 300);
    let books: Vec<_> = log.reader.books().into_iter().filter(|one| one.number != 4).collect();
    std::fs::remove_file(log.folder.path().join("events/0000000004.seg")).unwrap();
    log.reader.replace(books);
    log
}

/// What a follower that runs does while nothing new comes.
fn forget_while_idle(log: &Log) {
    let mut follower = Follower::new(&log.reader).unwrap();
    follower.prepare(true);
    assert!(follower.lost_segments(), "after a start nobody knows");
    follower.forget_or_say();
    assert!(!follower.lost_segments());
}

#[test]
fn rows_of_segments_that_are_gone_go_and_their_words_with_them() {
    let mut log = with_a_segment_gone();
    forget_while_idle(&log);
    assert_eq!(files_of_nobody(&log), [""; 0]);
    assert_eq!(log.reader.index_status().unwrap().events, 250);
    log.append(&[numbered(1_000)]);
    log.follow();
    assert_eq!(log.reader.index_status().unwrap().events, 251);
    assert!(!has_word(&log, "secret3"));
    assert!(has_word(&log, "secret2") && has_word(&log, "secret4"));
    log.assert_same("host:common or host:rare", 1_000);
    log.assert_same("user:secret3", 1_000);
    log.assert_same("user:secret4", 1_000);
}

#[test]
fn words_that_an_earlier_look_left_behind_go_with_the_next() {
    let log = with_a_segment_gone();
    // As after a kill between the deletion and the parts that are written anew.
    let place = |number: u64| number << super::follow::OFFSET_BITS;
    let partitions = log.reader.index().unwrap().partitions.lock().clone();
    for partition in partitions.values() {
        let mut writer = partition.deleter().unwrap();
        let gone = place(4)..place(5);
        partition.delete(&mut writer, std::slice::from_ref(&gone)).unwrap();
    }
    drop(partitions);
    assert!(has_word(&log, "secret3"), "the rows are gone, the words are not");
    forget_while_idle(&log);
    assert!(!has_word(&log, "secret3"));
    assert!(has_word(&log, "secret4"));
    assert_eq!(files_of_nobody(&log), [""; 0]);
}
