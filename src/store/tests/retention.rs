//! What goes, what stays, and what a crash in between leaves.

use std::time::{Duration, SystemTime};

use super::*;
use crate::config::retention::RetentionConfig;
use crate::model::alert::{Action, Status};
use crate::store::event_log::segment_path;

const DAY: Duration = Duration::from_secs(86_400);
const BY: By<'_> = By { actor: "ana", place: "test" };

/// Every commit in a segment of its own.
async fn small(dir: &Path) -> Store {
    let config = StoreConfig { segment_bytes_max: 1, ..StoreConfig::default() };
    Store::open(dir, &config, &AlertConfig::default()).await.unwrap()
}

/// Make segments look as if they had been written so many days ago.
fn age(dir: &Path, numbers: std::ops::RangeInclusive<u64>, days: u32) {
    for number in numbers {
        let file = std::fs::File::options()
            .write(true)
            .open(segment_path(&dir.join("events"), number))
            .unwrap();
        file.set_modified(SystemTime::now() - DAY * days).unwrap();
    }
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir.join("events")).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

fn policy() -> RetentionConfig {
    // The disk of who runs the tests is not asked.
    RetentionConfig { disk_drop: 100, ..RetentionConfig::default() }
}

#[tokio::test]
async fn old_segments_go_as_a_whole_and_evidence_of_open_alerts_is_carried_on() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = Episodes::default();
    let store = small(dir.path()).await;
    for part in 0..4 {
        let from = part * 100;
        let found = if part == 0 { vec![7, 9] } else { Vec::new() };
        store.commit(&batch(&mut engine, from..from + 100, &found)).await.unwrap();
    }
    let now = Timestamp::now();
    assert!(store.retention_plan(&policy(), now).await.unwrap().segments.is_empty(), "read today");
    age(dir.path(), 1..=2, 91);
    age(dir.path(), 3..=3, 89);
    age(dir.path(), 4..=4, 500);

    let plan = store.retention_plan(&policy(), now).await.unwrap();
    assert_eq!(plan.segments.iter().map(|one| one.number).collect::<Vec<_>>(), [1, 2]);
    assert_eq!((plan.events(), plan.events_carried, plan.events_left), (200, 2, 202));
    assert_eq!(all(&store).len(), 400, "a plan changes nothing");
    let alert =
        store.alerts_page("ana", &|_| true, &crate::model::sort::DEFAULT, 1, 0).rows.remove(0);
    let before = store.evidence(&alert).await.unwrap();

    let done = store.retention_run(&policy(), BY, now).await.unwrap();
    assert_eq!(done.events_carried, 2);
    assert_eq!(store.evidence(&alert).await.unwrap(), before, "the evidence is still there");
    let left: Vec<u64> =
        all(&store).iter().map(|one| (one.timestamp.0 - 1_000_000_000_000) as u64).collect();
    assert_eq!(left.len(), 202);
    assert!(left.contains(&7) && left.contains(&9) && !left.contains(&8));
    assert_eq!(store.counts().events, 202);
    assert_eq!(store.endpoints().await.unwrap()[0].events, 400, "counted once");
    let audit = store.history("store", "retention").await.unwrap();
    assert_eq!(audit.len(), 1);
    assert!(audit[0].detail.contains("\"segments_by_age\":2"), "{}", audit[0].detail);
    assert_eq!(store.audit_verify().await.unwrap().broken, None);
    drop(store);

    let store = small(dir.path()).await;
    assert_eq!(store.evidence(&alert).await.unwrap(), before);
    assert_eq!(
        names(dir.path()).len(),
        3,
        "3, 4 and the one that carries: {:?}",
        names(dir.path())
    );
    // The one that was written to is the newest no more.
    let next = store.retention_run(&policy(), BY, now).await.unwrap();
    assert_eq!(next.segments.iter().map(|one| one.number).collect::<Vec<_>>(), [4]);
}

#[tokio::test]
async fn a_crash_before_the_files_are_removed_leaves_no_tail_that_stops_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = Episodes::default();
    let store = small(dir.path()).await;
    for part in 0..4 {
        store.commit(&batch(&mut engine, part * 10..part * 10 + 10, &[])).await.unwrap();
    }
    age(dir.path(), 1..=3, 100);
    let kept: Vec<Vec<u8>> = (1..=3)
        .map(|number| std::fs::read(segment_path(&dir.path().join("events"), number)).unwrap())
        .collect();
    store.retention_run(&policy(), BY, Timestamp::now()).await.unwrap();
    // As if the program had died behind the transaction: the files are there, and still to be removed.
    {
        let mut writer = store.writer.lock().await;
        sql::query("INSERT INTO meta (key, value) VALUES ('segments_dropped', '[1,2,3]')")
            .execute(&mut writer.sql)
            .await
            .unwrap();
    }
    drop(store);
    for (number, bytes) in (1..=3).zip(&kept) {
        std::fs::write(segment_path(&dir.path().join("events"), number), bytes).unwrap();
    }
    let store = small(dir.path()).await;
    assert_eq!(names(dir.path()), ["0000000004.seg"]);
    assert_eq!(all(&store).len(), 10);
}

#[tokio::test]
async fn size_takes_the_oldest_and_a_backup_that_reads_is_waited_for() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = Episodes::default();
    let store = small(dir.path()).await;
    for part in 0..5 {
        store.commit(&batch(&mut engine, part * 10..part * 10 + 10, &[])).await.unwrap();
    }
    for (number, days) in (1..=5).zip([5, 4, 3, 2, 1]) {
        age(dir.path(), number..=number, days);
    }
    let bytes = store.events().totals().1;
    let config = RetentionConfig { events_bytes_max: bytes * 7 / 10, ..policy() };
    let lock = crate::store::folder::lock_file(&dir.path().join("segments.lock")).unwrap();
    lock.lock_shared().unwrap();
    let held = store.retention_run(&config, BY, Timestamp::now()).await.unwrap();
    assert_eq!((held.segments.len(), held.postponed.as_str()), (0, "a backup reads the segments"));
    drop(lock);
    let done = store.retention_run(&config, BY, Timestamp::now()).await.unwrap();
    let gone: Vec<(u64, &str)> =
        done.segments.iter().map(|one| (one.number, one.why.as_str())).collect();
    assert_eq!(gone, [(1, "size"), (2, "size")]);
    assert!(store.events().totals().1 <= config.events_bytes_max);
}

#[tokio::test]
async fn a_full_disk_takes_the_oldest_events_but_none_that_are_young() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = Episodes::default();
    let store = small(dir.path()).await;
    for part in 0..4 {
        store.commit(&batch(&mut engine, part * 10..part * 10 + 10, &[])).await.unwrap();
    }
    age(dir.path(), 1..=2, 3);
    // Every disk is more than 0 % full: far more than these segments would have to go.
    let config = RetentionConfig { disk_drop: 1, disk_keep: DAY * 2, ..RetentionConfig::default() };
    let plan = store.retention_plan(&config, Timestamp::now()).await.unwrap();
    let gone: Vec<(u64, &str)> =
        plan.segments.iter().map(|one| (one.number, one.why.as_str())).collect();
    assert_eq!(gone, [(1, "disk"), (2, "disk")]);
}

#[tokio::test]
async fn closed_alerts_go_only_by_an_explicit_policy_and_open_ones_never() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = Episodes::default();
    let store = small(dir.path()).await;
    let mut commit = batch(&mut engine, 0..10, &[1]);
    commit.alerts.extend(Episodes::default().apply(vec![finding(2, "other")]));
    store.commit(&commit).await.unwrap();
    let alerts = store.alerts_page("ana", &|_| true, &crate::model::sort::DEFAULT, 9, 0).rows;
    let closed = alerts.iter().find(|alert| alert.rule_id == "other").unwrap().id;
    store
        .act(&[(closed, None)], Action::Status(Status::Resolved), BY, Timestamp(10))
        .await
        .unwrap();
    store.apply_now("ana", Timestamp(20)).await.unwrap();
    // It is closed, and its episode is over.
    let over = Commit { alerts: vec![AlertChange::Closed(closed)], ..Commit::default() };
    store.commit(&over).await.unwrap();
    let now = Timestamp::now();
    assert_eq!(store.retention_run(&policy(), BY, now).await.unwrap().alerts, 0);
    let config = RetentionConfig { closed_alerts: DAY, ..policy() };
    assert_eq!(store.retention_run(&config, BY, now).await.unwrap().alerts, 1);
    let left = store.alerts_page("ana", &|_| true, &crate::model::sort::DEFAULT, 9, 0).rows;
    assert_eq!(left.iter().map(|alert| alert.rule_id.as_str()).collect::<Vec<_>>(), ["r"]);
    assert!(store.history("alert", &closed.to_string()).await.unwrap().len() >= 2, "audit stays");
    assert_eq!(
        store.rejects(&RejectQuery { limit: 9, ..RejectQuery::default() }).await.unwrap().len(),
        0
    );
}

#[tokio::test]
async fn evidence_whose_place_is_not_known_is_carried_on_too() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = Episodes::default();
    let store = small(dir.path()).await;
    for part in 0..3 {
        let from = part * 100;
        let found = if part == 0 { vec![7, 9] } else { Vec::new() };
        store.commit(&batch(&mut engine, from..from + 100, &found)).await.unwrap();
    }
    // As where an alert came to name them long after, or on another node.
    let mut writer = store.writer.lock().await;
    sql::query("DELETE FROM evidence WHERE block >= 0").execute(&mut writer.sql).await.unwrap();
    drop(writer);
    age(dir.path(), 1..=2, 91);
    let plan = store.retention_plan(&policy(), Timestamp::now()).await.unwrap();
    assert_eq!((plan.segments.len(), plan.events_carried), (2, 2));
    let done = store.retention_run(&policy(), BY, Timestamp::now()).await.unwrap();
    assert_eq!((done.segments.len(), done.events_carried, done.events_left), (2, 2, 102));
    let alert =
        store.alerts_page("ana", &|_| true, &crate::model::sort::DEFAULT, 1, 0).rows.remove(0);
    assert_eq!(store.evidence(&alert).await.unwrap().len(), 2);
    assert_eq!(all(&store).len(), 102);
}

#[tokio::test]
async fn a_segment_stays_whose_evidence_cannot_be_read_now() {
    let dir = tempfile::tempdir().unwrap();
    let mut engine = Episodes::default();
    let store = small(dir.path()).await;
    for part in 0..4 {
        let found = if part == 0 { vec![7] } else { Vec::new() };
        store.commit(&batch(&mut engine, part * 10..part * 10 + 10, &found)).await.unwrap();
    }
    // A folder can be opened and not be read.
    let path = segment_path(&dir.path().join("events"), 1);
    let aside = path.with_extension("aside");
    std::fs::rename(&path, &aside).unwrap();
    std::fs::create_dir(&path).unwrap();
    let old = SystemTime::now() - DAY * 91;
    std::fs::File::open(&path).unwrap().set_modified(old).unwrap();
    age(dir.path(), 2..=2, 91);
    let now = Timestamp::now();
    let done = store.retention_run(&policy(), BY, now).await.unwrap();
    assert_eq!(done.segments.iter().map(|one| one.number).collect::<Vec<_>>(), [2]);
    assert!(done.postponed.contains("evidence"), "{done:?}");
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    age(dir.path(), 1..=1, 91);
    let done = store.retention_run(&policy(), BY, now).await.unwrap();
    assert_eq!((done.segments.len(), done.events_carried, done.events_left), (1, 1, 21));
}

#[tokio::test]
async fn an_event_of_a_day_to_come_keeps_nothing_young() {
    let dir = tempfile::tempdir().unwrap();
    let store = small(dir.path()).await;
    for number in 0..3 {
        let mut event = event(number);
        event.timestamp = Timestamp::now().plus_micros(crate::stdx::time::micros(DAY * 3_000));
        store.commit(&Commit { events: vec![event], ..Commit::default() }).await.unwrap();
    }
    age(dir.path(), 1..=1, 91);
    let plan = store.retention_plan(&policy(), Timestamp::now()).await.unwrap();
    assert_eq!(plan.segments.iter().map(|one| one.number).collect::<Vec<_>>(), [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_finds_what_a_run_carries_on_while_it_searches() {
    use std::sync::atomic::{AtomicBool, Ordering};
    let dir = tempfile::tempdir().unwrap();
    let mut engine = Episodes::default();
    let store = small(dir.path()).await;
    for part in 0..4 {
        let found = if part == 0 { vec![7, 9] } else { Vec::new() };
        store.commit(&batch(&mut engine, part * 10..part * 10 + 10, &found)).await.unwrap();
    }
    age(dir.path(), 1..=2, 91);
    let (ran, handle) = (AtomicBool::new(false), tokio::runtime::Handle::current());
    let policy = policy();
    let scan = crate::store::EventScan { limit: 1_000, ..Default::default() };
    // The newest segment is read first: at its first event the oldest ones go.
    let found = tokio::task::block_in_place(|| {
        store.events().search(&scan, &|_| {
            if !ran.swap(true, Ordering::Relaxed) {
                let done = store.retention_run(&policy, BY, Timestamp::now());
                assert_eq!(handle.block_on(done).unwrap().segments.len(), 2);
            }
            true
        })
    });
    let numbers: Vec<u64> = found
        .unwrap()
        .events
        .iter()
        .map(|one| (one.timestamp.0 - 1_000_000_000_000) as u64)
        .collect();
    assert!(numbers.contains(&7) && numbers.contains(&9), "{numbers:?}");
    assert_eq!(numbers.len(), 22);
}
