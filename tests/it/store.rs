//! Alerts and their store together: whatever moment the program dies at, the same records give the
//! same alerts, counts and ids as an undisturbed run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proptest::prelude::*;
use watchfloor::alert::{Engine, Restored};
use watchfloor::config::alert::AlertConfig;
use watchfloor::config::alert_store::{AlertsAt, Server};
use watchfloor::config::store::StoreConfig;
use watchfloor::model::alert::Alert;
use watchfloor::model::event::Event;
use watchfloor::model::field;
use watchfloor::model::finding::{Finding, RuleInfo};
use watchfloor::model::ledger::LedgerDelta;
use watchfloor::model::record::Position;
use watchfloor::model::severity::Severity;
use watchfloor::stdx::id::IdHasher;
use watchfloor::stdx::time::Timestamp;
use watchfloor::store::{Commit, EventScan, Store};

use crate::support::services::postgres;

const BATCH: u64 = 7;

/// The record with this number: its event, and the finding that every third of them is.
fn record(number: u64) -> (Event, Option<Finding>) {
    let mut event = Event::with_capacity(4, 64);
    event.id = IdHasher::new("event").number(number).finish();
    // Forwards, with some that come late, and pauses longer than the gap.
    let minutes =
        number as i64 + (number / 20) as i64 * 7 - if number.is_multiple_of(5) { 4 } else { 0 };
    event.timestamp = Timestamp::from_seconds(1_700_000_000 + minutes * 60);
    let host = format!("h{}", number % 2);
    event.push_str(field::HOST_NAME, &host);
    event.push_str(field::MESSAGE, "failed password for root \u{1b}[31m");
    let finding = number.is_multiple_of(3).then(|| Finding {
        rule: rule(),
        timestamp: event.timestamp,
        tenant: "default".into(),
        host,
        user: "root".to_owned(),
        event: event.id,
        contributing: number.checked_sub(8).map(|n| record(n).0.id).into_iter().collect(),
        matched: Vec::new(),
        group: Vec::new(),
        backfill: false,
        origin: Default::default(),
    });
    (event, finding)
}

fn rule() -> Arc<RuleInfo> {
    Arc::new(RuleInfo {
        id: "r1".to_owned(),
        title: "Failed passwords".to_owned(),
        level: Severity::Medium,
        tags: Vec::new(),
        description: String::new(),
        false_positives: Vec::new(),
        file: "test.yml".to_owned(),
        line: 1,
        group_by: Vec::new(),
    })
}

struct Run {
    runtime: tokio::runtime::Runtime,
    dir: PathBuf,
    /// Where alerts are, when they are not in the folder.
    url: Option<String>,
    store: Option<Store>,
    engine: Engine,
    next: u64,
}

impl Run {
    fn open(dir: &Path, url: Option<String>) -> Run {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        // Small segments, so that a crash also falls on a change of segment.
        let mut config = StoreConfig { segment_bytes_max: 1_500, ..StoreConfig::default() };
        if let Some(url) = url.clone() {
            config.alerts = AlertsAt::Postgres(Server { url, password: None });
        }
        let (store, rows, next) = runtime.block_on(async {
            let store = Store::open(dir, &config, &AlertConfig::default()).await.unwrap();
            let saved = store.saved("").await.unwrap();
            let rows = Restored {
                episodes: saved.episodes,
                bundles: saved.bundles,
                counts: saved.rule_counts,
            };
            let positions = store.positions("auth").await.unwrap();
            let next = positions.first().and_then(|position| position.value.as_ref());
            let next = next.map_or(0, |text| text.parse().unwrap());
            (store, rows, next)
        });
        let engine = Engine::new(AlertConfig::default()).restore(rows);
        Run { runtime, dir: dir.to_owned(), url, store: Some(store), engine, next }
    }

    /// One batch from where the books say.
    fn step(&mut self) {
        let end = self.next + BATCH;
        let (events, findings): (Vec<Event>, Vec<Option<Finding>>) =
            (self.next..end).map(record).unzip();
        let commit = Commit {
            at: Timestamp(1),
            alerts: self.engine.apply(findings.into_iter().flatten().collect()),
            bundles: self.engine.take_bundles(),
            rule_counts: self.engine.take_counts(),
            positions: vec![Position {
                source: "auth".into(),
                key: "file".to_owned(),
                value: Some(end.to_string()),
            }],
            ledger: vec![LedgerDelta {
                source: "auth".to_owned(),
                received: BATCH,
                stored: BATCH,
                events: BATCH,
                ..LedgerDelta::default()
            }],
            events,
            ..Commit::default()
        };
        let store = self.store.as_ref().unwrap();
        self.runtime.block_on(store.commit(&commit)).unwrap();
        self.next = end;
    }

    /// Die while the next batch is being committed: its frame is on disk up to `part` of its bytes,
    /// the transaction is not.
    fn die_in_commit(mut self, part: f64) -> Run {
        self.runtime.block_on(self.store.take().unwrap().close()).unwrap();
        let (dir, copy) = (self.dir.clone(), tempfile::tempdir().unwrap());
        copy_folder(&dir, copy.path());
        let copied = self.url.as_ref().map(|url| postgres::shared().unwrap().copy_of(url));
        let mut ahead = Run::open(copy.path(), copied);
        ahead.step();
        ahead.runtime.block_on(ahead.store.take().unwrap().close()).unwrap();
        for entry in std::fs::read_dir(copy.path().join("events")).unwrap() {
            let after = entry.unwrap();
            let before = dir.join("events").join(after.file_name());
            let old = std::fs::read(&before).unwrap_or_default();
            let new = std::fs::read(after.path()).unwrap();
            let extra = ((new.len() - old.len()) as f64 * part) as usize;
            if new.len() > old.len() {
                std::fs::write(&before, &new[..old.len() + extra]).unwrap();
            }
        }
        Run::open(&dir, self.url.clone())
    }

    fn alerts(&self) -> Vec<Alert> {
        let store = self.store.as_ref().unwrap();
        let mut rows = store.alerts_page("ana", &|_| true, &[], 10_000, 0).rows;
        for alert in &mut rows {
            let found = self.runtime.block_on(store.evidence(alert)).unwrap();
            assert_eq!(found.len(), alert.evidence.len(), "evidence can be read");
            // How often it was written depends on batches, not on what happened.
            alert.revision = 0;
        }
        rows
    }

    fn check_books(&self) {
        let store = self.store.as_ref().unwrap();
        let ledger = self.runtime.block_on(store.ledger()).unwrap();
        assert!(ledger[0].ledger.balances());
        assert_eq!(ledger[0].ledger.stored, self.next);
        let scan = EventScan { limit: 100_000, ..EventScan::default() };
        let found = store.events().search(&scan, &|_| true).unwrap();
        assert_eq!(found.events.len() as u64, self.next);
        assert_eq!(store.counts().events, self.next);
        let audit = self.runtime.block_on(store.audit_verify()).unwrap();
        assert_eq!(audit.broken, None);
        assert_eq!(audit.entries, store.counts().alerts, "one entry for each alert raised");
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            std::fs::create_dir_all(&target).unwrap();
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// A quiet and a rough life of the same records come to the same.
fn live(deaths: &[Option<f64>], url: impl Fn() -> Option<String>) {
    let (quiet, rough) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut undisturbed = Run::open(quiet.path(), url());
    let mut run = Run::open(rough.path(), url());
    for death in deaths {
        undisturbed.step();
        if let Some(part) = death {
            run = run.die_in_commit(*part);
        }
        run.step();
    }
    run.check_books();
    assert_eq!(run.alerts(), undisturbed.alerts());
    assert!(run.alerts().len() > 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn dying_at_any_moment_changes_nothing(
        deaths in proptest::collection::vec(proptest::option::weighted(0.6, 0.0..=1.0_f64), 12),
    ) {
        live(&deaths, || None);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn dying_at_any_moment_changes_nothing_on_postgresql(
        deaths in proptest::collection::vec(proptest::option::weighted(0.6, 0.0..=1.0_f64), 12),
    ) {
        if let Some(server) = postgres::shared() {
            live(&deaths, || Some(server.database()));
        }
    }
}
