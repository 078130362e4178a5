//! The store as its callers use it: commits, crashes, full disks, verbs, undo, audit.

use std::collections::BTreeMap;
use std::path::Path;

use super::event_log::Fault;
use super::*;
use crate::config::alert_store::{AlertsAt, Server};
use crate::model::alert::{Action, AlertId};
use crate::model::episode::{AlertChange, OpenEpisode};
use crate::model::event::{Event, EventId};
use crate::model::field;
use crate::model::ledger::LedgerDelta;
use crate::model::record::{Position, Reject};
use crate::model::severity::Severity;
use crate::stdx::id::{Id128, IdHasher};

/// Where a test's store is: a folder, and a database beside it on the server.
struct Place {
    dir: tempfile::TempDir,
    config: StoreConfig,
}

impl Place {
    fn sqlite() -> Place {
        Place { dir: tempfile::tempdir().unwrap(), config: StoreConfig::default() }
    }

    /// A database of its own; `None`, said aloud, where there is no server.
    fn postgres() -> Option<Place> {
        Some(Place::at(&server::shared()?.database()))
    }

    /// A folder of its own on a database that others use.
    fn at(url: &str) -> Place {
        let alerts = AlertsAt::Postgres(Server { url: url.to_owned(), password: None });
        let config = StoreConfig { alerts, ..StoreConfig::default() };
        Place { dir: tempfile::tempdir().unwrap(), config }
    }

    fn path(&self) -> &Path {
        self.dir.path()
    }
}

/// Every test twice, once a database.
macro_rules! on_both {
    ($($(#[$with:meta])* $name:ident,)*) => {
        mod sqlite {
            $(#[tokio::test] $(#[$with])* async fn $name() {
                super::$name(super::Place::sqlite()).await;
            })*
        }
        mod postgres {
            $(#[tokio::test] $(#[$with])* async fn $name() {
                if let Some(place) = super::Place::postgres() {
                    super::$name(place).await;
                }
            })*
        }
    };
}

mod faults;
mod nodes;
#[path = "../../tests/it/support/ports.rs"]
mod ports;
mod proxy;
mod retention;
#[path = "../../tests/it/support/services/postgres.rs"]
#[allow(dead_code, clippy::print_stderr)]
mod server;
mod shards;
mod speed;
mod tenants;
mod verbs;

async fn open(place: &Place) -> Store {
    try_open(place).await.unwrap()
}

async fn try_open(place: &Place) -> Result<Store, StoreError> {
    Store::open(place.path(), &place.config, &AlertConfig::default()).await
}

fn event(number: u64) -> Event {
    let mut event = Event::with_capacity(4, 64);
    event.id = IdHasher::new("event").number(number).finish();
    event.timestamp = Timestamp(1_000_000_000_000 + number as i64);
    event.push_str(field::HOST_NAME, "web01");
    event.push_str(field::HOST_OS_TYPE, "linux");
    event.push_str(field::MESSAGE, "\u{1b}]0;owned\u{7} \u{202e}abc");
    event
}

/// A match as far as the store can tell: the event, the rule, events that contributed.
struct Match {
    event: Event,
    rule: String,
    contributing: Vec<EventId>,
}

fn finding(number: u64, rule: &str) -> Match {
    Match { event: event(number), rule: rule.to_owned(), contributing: Vec::new() }
}

/// The alert stage as far as the store can tell: one endless episode a rule.
#[derive(Clone, Default)]
struct Episodes(BTreeMap<String, OpenEpisode>);

impl Episodes {
    fn apply(&mut self, matches: Vec<Match>) -> Vec<AlertChange> {
        let mut changes = Vec::new();
        for Match { event, rule, contributing } in matches {
            let episode = self.0.entry(rule.clone()).or_insert_with(|| episode(&event, &rule));
            episode.count += 1;
            episode.last_seen = episode.last_seen.max(event.timestamp);
            episode.evidence.extend(contributing);
            episode.evidence.push(event.id);
            changes.retain(|change| !matches!(change, AlertChange::Grown(known) if known.alert == episode.alert));
            changes.push(AlertChange::Grown(Box::new(episode.clone())));
        }
        changes
    }
}

fn episode(event: &Event, rule: &str) -> OpenEpisode {
    OpenEpisode {
        alert: IdHasher::new("alert").text(rule).bytes(event.id.as_bytes()).finish(),
        key: IdHasher::new("episode").text(rule).finish(),
        tenant: "default".to_owned(),
        rule_id: rule.to_owned(),
        rule_name: "rule".to_owned(),
        severity: Severity::High,
        tags: Vec::new(),
        host: "web01".to_owned(),
        user: "root".to_owned(),
        group: Vec::new(),
        matched: vec![("message".to_owned(), "x'; DROP TABLE audit;--".to_owned())],
        count: 0,
        first_seen: event.timestamp,
        last_seen: event.timestamp,
        evidence: Vec::new(),
        correlated: false,
        backfill: false,
        risk: 60,
        risk_parts: vec![("level high".to_owned(), 60)],
        bundle: None,
        near: 0,
        fixed_parts: Vec::new(),
        touched: 1,
        noise: crate::model::noise::EpisodeNoise::default(),
    }
}

/// One batch: events `numbers`, a finding on each of `found`.
fn batch(engine: &mut Episodes, numbers: std::ops::Range<u64>, found: &[u64]) -> Commit {
    let count = numbers.end - numbers.start;
    Commit {
        noise: crate::model::noise::NoiseChanges::default(),
        shard: "".into(),
        counts: Vec::new(),
        at: Timestamp(5),
        alerts: engine.apply(found.iter().map(|number| finding(*number, "r")).collect()),
        bundles: Vec::new(),
        rule_counts: Vec::new(),
        placed: Vec::new(),
        matches: Vec::new(),
        detection: vec![("k".to_owned(), Some(numbers.end.to_le_bytes().to_vec()))],
        decoders: vec![(Id128([7; 16]), Some(b"open".to_vec()))],
        positions: vec![Position {
            source: "auth".into(),
            key: "file".to_owned(),
            value: Some(numbers.end.to_string()),
        }],
        ledger: vec![LedgerDelta {
            source: "auth".to_owned(),
            received: count + 1,
            stored: count,
            rejected: 1,
            events: count,
            ..LedgerDelta::default()
        }],
        delivered: Vec::new(),
        rejects: vec![Reject {
            id: IdHasher::new("reject").number(numbers.start).finish(),
            source: "auth".into(),
            path: "/var/log/auth.log".into(),
            offset: numbers.start,
            at: Timestamp(5),
            reason: "not_json",
            detail: "x".to_owned(),
            head: vec![0xff, 0x1b],
        }],
        events: numbers.map(event).collect(),
    }
}

fn all(store: &Store) -> Vec<Event> {
    let scan = EventScan { limit: 1_000_000, ..EventScan::default() };
    store.events().search(&scan, &|_| true).unwrap().events
}

async fn assert_books(store: &Store, events: u64, commits: u64) {
    let ledger = store.ledger().await.unwrap();
    assert!(ledger[0].ledger.balances());
    assert_eq!(ledger[0].ledger.stored, events);
    assert_eq!(ledger[0].ledger.rejected, commits);
    assert_eq!(all(store).len() as u64, events);
    assert_eq!(store.counts().events, events);
    let query = RejectQuery { limit: 1_000, ..RejectQuery::default() };
    assert_eq!(store.rejects(&query).await.unwrap().len() as u64, commits);
    assert_eq!(store.endpoints().await.unwrap()[0].events, events);
    let verdict = store.audit_verify().await.unwrap();
    assert_eq!(verdict.broken, None);
}

async fn a_commit_is_all_there_after_a_restart(dir: Place) {
    let mut engine = Episodes::default();
    let store = open(&dir).await;
    let done = store.commit(&batch(&mut engine, 0..100, &[3, 50])).await.unwrap();
    assert_eq!(done.alerts.len(), 1);
    store.commit(&batch(&mut engine, 100..150, &[120])).await.unwrap();
    drop(store);

    let store = open(&dir).await;
    assert_books(&store, 150, 2).await;
    let page = store.alerts_page("ana", &|_| true, &crate::model::sort::DEFAULT, 10, 0);
    assert_eq!((page.total, page.matching), (1, 1));
    let alert = &page.rows[0];
    assert_eq!((alert.count, alert.revision), (3, 2));
    let evidence = store.evidence(alert).await.unwrap();
    assert_eq!(evidence, [event(3), event(50), event(120)]);
    let open_episodes: Vec<AlertId> =
        store.saved("").await.unwrap().episodes.iter().map(|episode| episode.alert).collect();
    assert_eq!(open_episodes, [alert.id]);
    assert_eq!(store.positions("auth").await.unwrap()[0].value.as_deref(), Some("150"));
    assert_eq!(store.decoder_state(Id128([7; 16])).await.unwrap().as_deref(), Some(&b"open"[..]));
    assert_eq!(store.saved("").await.unwrap().detection.len(), 1);
    let history = store.history("alert", &alert.id.to_string()).await.unwrap();
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].action, "created");
    let endpoint = &store.endpoints().await.unwrap()[0];
    assert_eq!((endpoint.os.as_str(), endpoint.alerts_open), ("linux", 1));
    assert_eq!(endpoint.worst, Some(Severity::High));
}

#[tokio::test]
async fn a_full_disk_leaves_nothing_and_the_same_commit_succeeds_later() {
    let dir = Place::sqlite();
    let mut engine = Episodes::default();
    let store = open(&dir).await;
    store.commit(&batch(&mut engine, 0..10, &[1])).await.unwrap();
    let next = batch(&mut engine, 10..500, &[20, 21]);

    // Full while events are appended.
    for bytes in [0, 1, 100] {
        store.writer.lock().await.log.fault = Some(Fault::FullAfter(bytes));
        let error = store.commit(&next).await.unwrap_err();
        assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
        assert_books(&store, 10, 1).await;
    }
    store.writer.lock().await.log.fault = None;

    // Full while the database grows: events are on disk already.
    let pages: i64 = {
        let mut writer = store.writer.lock().await;
        let pages = sql::scalar("PRAGMA page_count").fetch_one(&mut writer.sql).await.unwrap();
        let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {pages}"));
        sql::query(limit).execute(&mut writer.sql).await.unwrap();
        pages
    };
    let mut big = next.clone();
    big.detection.extend((0..200).map(|n| (format!("big{n}"), Some(vec![1; 4_000]))));
    let error = store.commit(&big).await.unwrap_err();
    assert!(matches!(error, StoreError::DiskFull { .. }), "{error}");
    assert_books(&store, 10, 1).await;
    {
        let mut writer = store.writer.lock().await;
        let limit = sqlx::AssertSqlSafe(format!("PRAGMA max_page_count = {}", pages + 100_000));
        sql::query(limit).execute(&mut writer.sql).await.unwrap();
    }
    store.commit(&big).await.unwrap();
    assert_books(&store, 500, 2).await;
    drop(store);
    assert_books(&open(&dir).await, 500, 2).await;
}

#[tokio::test]
async fn too_little_space_is_refused_before_anything_is_written() {
    let dir = Place::sqlite();
    let config = StoreConfig { free_bytes_min: u64::MAX, ..StoreConfig::default() };
    let store = Store::open(dir.path(), &config, &AlertConfig::default()).await.unwrap();
    let mut engine = Episodes::default();
    let error = store.commit(&batch(&mut engine, 0..10, &[])).await.unwrap_err();
    assert!(matches!(error, StoreError::DiskFull { .. }) && error.is_temporary());
    assert!(event_log::segment_numbers(&dir.path().join("events")).unwrap().is_empty());
}

#[tokio::test]
async fn one_owner_at_a_time_and_files_are_the_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = Place::sqlite();
    let store = open(&dir).await;
    let again = Store::open(dir.path(), &StoreConfig::default(), &AlertConfig::default()).await;
    let Err(StoreError::InUse { pid, .. }) = again else { panic!("opened twice") };
    assert_eq!(pid, Some(std::process::id()));
    assert_eq!(owner(dir.path()), Some(std::process::id()));
    let mut engine = Episodes::default();
    store.commit(&batch(&mut engine, 0..3, &[1])).await.unwrap();
    let mut files = 0;
    for folder in [dir.path().to_owned(), dir.path().join("events")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap();
            let mode = entry.metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{:?}", entry.path());
            files += 1;
        }
    }
    assert!(files >= 5);
    drop(store);
    assert_eq!(owner(dir.path()), None);
}

#[tokio::test]
async fn a_newer_store_is_refused_untouched() {
    let dir = Place::sqlite();
    open(&dir).await.close().await.unwrap();
    let path = folder::database_path(dir.path());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    std::fs::write(&path, &bytes).unwrap();
    let result = Store::open(dir.path(), &StoreConfig::default(), &AlertConfig::default()).await;
    let Err(StoreError::Newer { found: 99, .. }) = result else { panic!("not refused") };
    assert_eq!(std::fs::read(&path).unwrap(), bytes);
    assert!(!path.with_extension("db-wal").exists());
}

#[tokio::test]
async fn the_search_skips_by_time_and_host_and_gives_the_newest_first() {
    let dir = Place::sqlite();
    let config = StoreConfig { segment_bytes_max: 2_000, ..StoreConfig::default() };
    let store = Store::open(dir.path(), &config, &AlertConfig::default()).await.unwrap();
    for round in 0..20_u64 {
        let events = (round * 10..round * 10 + 10)
            .map(|number| {
                let mut event = event(number);
                event.set_str(field::HOST_NAME, &format!("h{}", round % 4));
                event
            })
            .collect();
        store.commit(&Commit { events, ..Commit::default() }).await.unwrap();
    }
    assert!(event_log::segment_numbers(&dir.path().join("events")).unwrap().len() > 1);
    let scan = EventScan { limit: 5, ..EventScan::default() };
    let found = store.events().search(&scan, &|_| true).unwrap();
    let ids: Vec<Id128> = found.events.iter().map(|event| event.id).collect();
    assert_eq!(ids, [199, 198, 197, 196, 195].map(|number| event(number).id));
    assert!(found.judged < 40, "{} judged", found.judged);
    let scan = EventScan {
        host: Some("h2".to_owned()),
        from: Some(event(50).timestamp),
        to: Some(event(65).timestamp),
        limit: 100,
    };
    let found = store.events().search(&scan, &|_| true).unwrap();
    assert_eq!(found.events.len(), 6);
    assert_eq!(found.judged, 10);
    let around = store.events().around("h2", event(60).timestamp, 1, 100).unwrap();
    assert_eq!(around.events.len(), 50);
    assert!(around.events.is_sorted_by_key(|event| event.timestamp));
}

async fn evidence_of_earlier_batches_is_found_by_place_and_by_search(dir: Place) {
    let mut engine = Episodes::default();
    let store = open(&dir).await;
    store.commit(&batch(&mut engine, 0..10, &[])).await.unwrap();
    let mut joined = finding(15, "r");
    // One of them is newer than the match: that one came late.
    joined.contributing = vec![event(2).id, event(12).id, event(18).id];
    let mut commit = batch(&mut engine, 10..20, &[]);
    commit.alerts = engine.apply(vec![joined]);
    store.commit(&commit).await.unwrap();
    let alert = store.alerts_page("a", &|_| true, &[], 1, 0).rows.remove(0);
    let wanted = [event(2), event(12), event(15), event(18)];
    assert_eq!(store.evidence_places(&alert.evidence).await.unwrap().len(), 4);
    assert_eq!(store.evidence(&alert).await.unwrap(), wanted);
    sql::query("DELETE FROM evidence").execute(&mut store.writer.lock().await.sql).await.unwrap();
    assert_eq!(store.evidence(&alert).await.unwrap(), wanted);
}

#[tokio::test]
async fn a_restored_database_beside_newer_segments_is_refused_until_they_are_adopted() {
    let dir = Place::sqlite();
    let mut engine = Episodes::default();
    let store = open(&dir).await;
    store.commit(&batch(&mut engine, 0..10, &[])).await.unwrap();
    store.close().await.unwrap();
    let path = folder::database_path(dir.path());
    let yesterday = std::fs::read(&path).unwrap();
    let store = open(&dir).await;
    for round in 1..4 {
        store.commit(&batch(&mut engine, round * 10..round * 10 + 10, &[])).await.unwrap();
    }
    store.close().await.unwrap();
    std::fs::write(&path, &yesterday).unwrap();
    let segment = event_log::segment_path(&dir.path().join("events"), 1);
    let mut bytes = std::fs::read(&segment).unwrap();
    bytes.truncate(bytes.len() - 1);
    std::fs::write(&segment, &bytes).unwrap();

    let result = Store::open(dir.path(), &StoreConfig::default(), &AlertConfig::default()).await;
    let Err(error) = result else { panic!("opened") };
    assert!(error.to_string().contains("0000000001.seg"), "{error}");
    assert!(error.to_string().contains("doctor --adopt-tail"), "{error}");
    assert_eq!(std::fs::read(&segment).unwrap(), bytes, "refused means untouched");
    let by = By { actor: "ana", place: "local" };
    let adopted = adopt_tail(dir.path(), &StoreConfig::default(), by, Timestamp(9)).await.unwrap();
    assert_eq!((adopted.frames, adopted.events), (2, 20));
    assert!(adopted.bytes_cut > 0);
    let store = open(&dir).await;
    assert_eq!(all(&store).len(), 30);
    assert_eq!(store.audit_newest(1).await.unwrap()[0].action, "adopt_tail");
    store.commit(&batch(&mut engine, 40..50, &[])).await.unwrap();
    assert_eq!(all(&store).len(), 40);
}

async fn a_call_abandoned_at_any_point_is_made_good_by_the_next_one(dir: Place) {
    let mut engine = Episodes::default();
    let store = open(&dir).await;
    store.commit(&batch(&mut engine, 0..10, &[1])).await.unwrap();
    let mut done = 10;
    for polls in 0..60 {
        let next = batch(&mut engine, done..done + 10, &[done + 1]);
        let mut call = Box::pin(store.commit(&next));
        for _ in 0..polls {
            // The worker thread of the database needs a moment between two looks.
            tokio::time::sleep(std::time::Duration::from_micros(300)).await;
            if futures_util::poll!(&mut call).is_ready() {
                break;
            }
        }
        drop(call);
        let alert = store.alerts_page("ana", &|_| true, &[], 1, 0).rows[0].id;
        let by = By { actor: "ana", place: "test" };
        store.act(&[(alert, None)], Action::ClearVerdict, by, Timestamp(1)).await.unwrap();
        let stored = store.positions("auth").await.unwrap()[0].value.clone().unwrap();
        done = stored.parse().unwrap();
        assert_books(&store, done, done / 10).await;
        let count = store.alert(&alert, "bob").unwrap().count;
        assert_eq!(count, done / 10, "after {polls} polls");
        engine.0.values_mut().for_each(|episode| {
            episode.evidence.truncate(count as usize);
            episode.count = count;
        });
    }
    assert!(done > 100, "some went through");
}

on_both! {
    a_commit_is_all_there_after_a_restart,
    evidence_of_earlier_batches_is_found_by_place_and_by_search,
    a_call_abandoned_at_any_point_is_made_good_by_the_next_one,
}
