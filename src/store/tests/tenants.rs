//! Tenants with ages and sizes of their own: theirs goes, what others have in the same segment stays where it can be found.

use std::collections::BTreeSet;
use std::time::{Duration, SystemTime};

use super::proxy::{Cut, Proxy};
use super::*;
use crate::config::retention::{RetentionConfig, TenantRetention};
use crate::model::alert::Status;
use crate::model::record::Position;
use crate::model::retention::RetentionReport;
use crate::store::event_log::segment_path;
use crate::store::follow::LogPlace;

const DAY: Duration = Duration::from_secs(86_400);
const BY: By<'_> = By { actor: "ana", place: "test" };

/// Every commit in a segment of its own.
async fn small(place: &Place) -> Store {
    let config = StoreConfig { segment_bytes_max: 1, ..place.config.clone() };
    Store::open(place.path(), &config, &AlertConfig::default()).await.unwrap()
}

fn tenant(tenant: &str, days: u32, events_bytes_max: u64) -> TenantRetention {
    let tenant = tenant.to_owned();
    let (events, closed_alerts) = (DAY * days, Duration::ZERO);
    TenantRetention { tenant, events, inference: events, events_bytes_max, closed_alerts }
}

fn policy(days: u32, tenants: &[TenantRetention]) -> RetentionConfig {
    // The disk of who runs the tests is not asked.
    RetentionConfig {
        events: DAY * days,
        inference: DAY * days,
        disk_drop: 100,
        tenants: tenants.to_vec(),
        ..RetentionConfig::default()
    }
}

/// Of three events one is of acme, one of nobody in particular, one of initech.
fn mixed(number: u64) -> Event {
    let mut event = event(number);
    match number % 3 {
        0 => event.push_str(field::ORGANIZATION_ID, "acme"),
        1 => {}
        _ => event.push_str(field::ORGANIZATION_ID, "initech"),
    }
    event
}

/// Four segments of 30 events; the first was written half a day less than so many days ago, each next one a day later. The alert `r` names
/// two events of acme in the first and one of nobody's.
async fn filled(place: &Place, days: u32) -> Store {
    let store = small(place).await;
    let mut engine = Episodes::default();
    for part in 0..4 {
        let mut commit = Commit::default();
        commit.events.extend((part * 30..part * 30 + 30).map(mixed));
        if part == 0 {
            commit.alerts = engine.apply([3, 9, 10].map(|number| finding(number, "r")).into());
        }
        store.commit(&commit).await.unwrap();
        let path = segment_path(&place.path().join("events"), part + 1);
        let file = std::fs::File::options().write(true).open(path).unwrap();
        let days = days - u32::try_from(part).unwrap();
        file.set_modified(SystemTime::now() - DAY * days + DAY / 2).unwrap();
    }
    store
}

fn left(store: &Store) -> BTreeSet<u64> {
    let number = |event: &Event| (event.timestamp.0 - 1_000_000_000_000) as u64;
    all(store).iter().map(number).collect()
}

fn rows(report: &RetentionReport) -> Vec<(u64, u64, &str, String)> {
    let row = |one: &'_ crate::model::retention::SegmentGone| {
        (
            one.number,
            one.events,
            one.why.clone(),
            one.only.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "),
        )
    };
    let rows: Vec<_> = report.segments.iter().map(row).collect();
    rows.into_iter()
        .map(|(number, events, why, tenants)| {
            let why = ["age", "size", "disk"].into_iter().find(|known| *known == why).unwrap();
            (number, events, why, tenants)
        })
        .collect()
}

async fn one_tenant_goes_and_the_others_stay(place: Place) {
    let store = filled(&place, 10).await;
    let alert =
        store.alerts_page("ana", &|_| true, &crate::model::sort::DEFAULT, 1, 0).rows.remove(0);
    let evidence = store.evidence(&alert).await.unwrap();
    assert_eq!(evidence.len(), 3);
    let now = Timestamp::now();
    let policy = policy(90, &[tenant("acme", 8, 0)]);
    let due = |n| (n, 10, "age", "acme".to_owned());
    let plan = store.retention_plan(&policy, now).await.unwrap();
    assert_eq!(rows(&plan), [due(1), due(2)]);
    assert_eq!(left(&store).len(), 120, "a plan changes nothing");

    let done = store.retention_run(&policy, BY, now).await.unwrap();
    assert_eq!(rows(&done), [due(1), due(2)]);
    assert_eq!(done.events_carried, 2);
    let expected: BTreeSet<u64> = (0..120)
        .filter(|number| *number >= 60 || number % 3 != 0 || [3, 9].contains(number))
        .collect();
    assert_eq!(left(&store), expected, "evidence of an open alert stays, whoever's it is");
    assert_eq!(store.evidence(&alert).await.unwrap(), evidence);
    assert_eq!(store.counts().events, expected.len() as u64);
    assert_eq!(rows(&store.retention_run(&policy, BY, now).await.unwrap()), [], "once");

    let mut handed_on = BTreeSet::new();
    let mut at = LogPlace::default();
    loop {
        let found = store.events().follow(at, 0).unwrap();
        if found.next == at {
            assert_eq!(found.left, 0);
            break;
        }
        at = found.next;
        handed_on.extend(found.events.iter().map(|event| event.timestamp.0));
    }
    assert_eq!(handed_on.len(), 60, "copies are not handed on again");
    let first = |copies| store.events().follow(LogPlace { segment: 4, offset: u64::MAX }, copies);
    assert!(first(0).unwrap().events.is_empty());
    let new = first(9).unwrap();
    assert_eq!((new.next.segment, new.events.len()), (5, 22), "but to who begins after them");

    let audit = store.history("store", "retention").await.unwrap();
    assert_eq!(audit.len(), 2);
    assert!(audit[0].detail.contains("\"only\":[\"acme\"]"), "{}", audit[0].detail);
    assert_eq!(store.audit_verify().await.unwrap().broken, None);
    drop(store);

    let store = small(&place).await;
    assert_eq!((left(&store), store.evidence(&alert).await.unwrap()), (expected.clone(), evidence));
    let more = Commit { events: vec![mixed(1_000)], ..Commit::default() };
    store.commit(&more).await.unwrap();
    assert_eq!(store.events().log_end().segment, 7, "a copy is not written on");
    assert_eq!(left(&store).len(), expected.len() + 1);
    // What was kept is as old as it was: it goes with the rest, but for evidence.
    let later = now.plus_micros(crate::stdx::time::micros(DAY * 81));
    let done = store.retention_run(&policy, BY, later).await.unwrap();
    let gone: Vec<u64> = done.segments.iter().map(|one| one.number).collect();
    assert!(gone.contains(&5), "{done:?}");
    assert_eq!(store.evidence(&alert).await.unwrap().len(), 3);
}

async fn what_a_sink_has_not_read_waits(place: Place) {
    let store = filled(&place, 10).await;
    store.set_readers(vec!["sinks[a]".to_owned(), "sinks[b]".to_owned()]);
    let at = |sink: &str, segment: u64| Position {
        source: format!("sinks[{sink}]").into(),
        key: "events".to_owned(),
        value: Some(format!("[{segment},100,0]")),
    };
    let (policy, now) = (policy(90, &[tenant("acme", 8, 0)]), Timestamp::now());
    store.save_positions(&[at("a", 9)]).await.unwrap();
    let held = store.retention_run(&policy, BY, now).await.unwrap();
    assert_eq!((rows(&held), held.postponed.is_empty()), (Vec::new(), false), "b never began");
    store.save_positions(&[at("b", 2)]).await.unwrap();
    let done = store.retention_run(&policy, BY, now).await.unwrap();
    assert_eq!(rows(&done), [(1, 10, "age", "acme".to_owned())]);
    assert!(done.postponed.contains("sink"), "{done:?}");
}

async fn evidence_that_was_kept_is_not_rewritten_for_room(place: Place) {
    let store = filled(&place, 10).await;
    let (policy, now) = (policy(90, &[tenant("acme", 90, 1)]), Timestamp::now());
    let mut rounds = 0;
    while !store.retention_run(&policy, BY, now).await.unwrap().is_empty() {
        rounds += 1;
        assert!(rounds < 6, "it comes to an end");
    }
    let segments: Vec<u64> = store.events().segments().iter().map(|one| one.number).collect();
    assert!(left(&store).contains(&3) && left(&store).contains(&9), "{segments:?}");
}

async fn a_stray_file_with_the_name_of_what_is_kept_is_replaced(place: Place) {
    let store = filled(&place, 10).await;
    let events = place.path().join("events");
    // A commit that failed left the beginning of the segment that comes next.
    std::fs::write(segment_path(&events, 5), b"WFSEG\0\0\x01junk").unwrap();
    let policy = policy(90, &[tenant("acme", 9, 0)]);
    store.retention_run(&policy, BY, Timestamp::now()).await.unwrap();
    let expected = left(&store);
    assert_eq!(expected.len(), 112);
    drop(store);
    // And a crash between the transaction and the name.
    let kept = segment_path(&events, 5);
    std::fs::rename(&kept, kept.with_extension("kept")).unwrap();
    std::fs::write(&kept, b"WFSEG\0\0\x01junk").unwrap();
    assert_eq!(left(&small(&place).await), expected);
}

async fn judgements_have_an_age_of_their_own(place: Place) {
    let store = small(&place).await;
    for part in 0..3 {
        let mut events: Vec<Event> = (part * 10..part * 10 + 10).map(mixed).collect();
        for event in events.iter_mut().step_by(5) {
            event.push_str(field::EVENT_DATASET, crate::model::inference::DATASET);
        }
        store.commit(&Commit { events, ..Commit::default() }).await.unwrap();
        let path = segment_path(&place.path().join("events"), part + 1);
        let file = std::fs::File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - DAY * 10).unwrap();
    }
    let acme = TenantRetention { inference: DAY * 20, ..tenant("acme", 90, 0) };
    let policy = RetentionConfig { inference: DAY * 5, ..policy(90, &[acme]) };
    let done = store.retention_run(&policy, BY, Timestamp::now()).await.unwrap();
    // 0, 5, 10 and 15 are judgements; 0 and 15 acme's.
    let only = |number, whose: &str| (number, 1, "age", whose.to_owned());
    assert_eq!(rows(&done), [only(1, "initech (inference)"), only(2, "default (inference)")]);
    assert_eq!(left(&store), (0..30).filter(|number| ![5, 10].contains(number)).collect());
}

async fn a_tenant_may_stay_longer_than_all_others(place: Place) {
    let store = filled(&place, 40).await;
    let now = Timestamp::now();
    let policy = policy(30, &[tenant("acme", 0, 0), tenant("initech", 38, 0)]);
    let done = store.retention_run(&policy, BY, now).await.unwrap();
    let rest = |n| (n, 10, "age", "default".to_owned());
    let both = |n| (n, 20, "age", "default initech".to_owned());
    assert_eq!(rows(&done), [both(1), both(2), rest(3)]);
    let expected: BTreeSet<u64> = (0..120)
        .filter(|number| match number {
            0..60 => number % 3 == 0 || *number == 10,
            60..90 => number % 3 != 1,
            _ => true,
        })
        .collect();
    assert_eq!(left(&store), expected);
}

async fn a_tenant_has_room_of_its_own(place: Place) {
    let store = filled(&place, 10).await;
    let now = Timestamp::now();
    // Of three segments that are not written to any more a third is acme's; what two and a half of them hold may stay.
    let sealed: u64 = store.events().segments().iter().take(3).map(|one| one.length).sum();
    let policy = policy(90, &[tenant("acme", 90, sealed / 3 * 5 / 6)]);
    let over = |n| (n, 10, "size", "acme".to_owned());
    let done = store.retention_run(&policy, BY, now).await.unwrap();
    assert_eq!(rows(&done), [over(1)]);
    // Behind the copy the fourth segment is not written to either, so it counts.
    assert_eq!(rows(&store.retention_run(&policy, BY, now).await.unwrap()), [over(2)]);
    assert_eq!(rows(&store.retention_run(&policy, BY, now).await.unwrap()), []);
}

async fn closed_alerts_of_a_tenant_go_by_its_own_age(place: Place) {
    let store = filled(&place, 1 + 3).await;
    let id = store.alerts_page("ana", &|_| true, &crate::model::sort::DEFAULT, 1, 0).rows[0].id;
    let resolve = Action::Status(Status::Resolved);
    store.act(&[(id, None)], resolve, BY, Timestamp(10)).await.unwrap();
    store.apply_now("ana", Timestamp(20)).await.unwrap();
    let over = Commit { alerts: vec![AlertChange::Closed(id)], ..Commit::default() };
    store.commit(&over).await.unwrap();
    let now = Timestamp::now();
    let closed = |name: &str| TenantRetention { closed_alerts: DAY, ..tenant(name, 0, 0) };
    let other = store.retention_plan(&policy(0, &[closed("acme")]), now).await.unwrap();
    let own = store.retention_plan(&policy(0, &[closed("default")]), now).await.unwrap();
    assert_eq!((other.alerts, own.alerts), (0, 1));
}

async fn damaged_events_are_nobodys_and_keep_their_segment(place: Place) {
    let store = filled(&place, 10).await;
    let now = Timestamp::now();
    let acme = policy(90, &[tenant("acme", 8, 0)]);
    assert_eq!(store.retention_plan(&acme, now).await.unwrap().segments.len(), 2, "counted");
    let path = segment_path(&place.path().join("events"), 1);
    let written = std::fs::metadata(&path).unwrap().modified().unwrap();
    let mut bytes = std::fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    std::fs::File::options().write(true).open(&path).unwrap().set_modified(written).unwrap();
    // It is said once that a segment cannot be read; the others go on, and what went of them is counted.
    let done = store.retention_run(&acme, BY, now).await.unwrap();
    assert_eq!(rows(&done), [(2, 10, "age", "acme".to_owned())]);
    assert!(done.problem.starts_with("segment 1: "), "{done:?}");
    let history = store.history("store", "retention").await.unwrap();
    assert!(history.iter().any(|entry| entry.detail.contains("\"segment\":2")), "{history:?}");
    assert_eq!(rows(&store.retention_run(&acme, BY, now).await.unwrap()), []);
    let done = store.retention_run(&policy(9, &[tenant("acme", 8, 0)]), BY, now).await.unwrap();
    assert_eq!(rows(&done)[0], (1, 30, "age", String::new()), "it goes when all would");
}

async fn a_crash_around_the_commit_leaves_the_old_segment_or_what_is_kept(place: Place) {
    let store = filled(&place, 10).await;
    let events = place.path().join("events");
    let policy = policy(90, &[tenant("acme", 9, 0)]);
    store.retention_run(&policy, BY, Timestamp::now()).await.unwrap();
    let expected = left(&store);
    drop(store);
    // Died behind the transaction: the file has not got its name. And before another one: a draft, and one with a number.
    let kept = segment_path(&events, 5);
    let bytes = std::fs::read(&kept).unwrap();
    std::fs::rename(&kept, kept.with_extension("kept")).unwrap();
    for name in ["0000000006.kept", "draft.kept"] {
        std::fs::write(events.join(name), &bytes).unwrap();
    }
    let store = small(&place).await;
    assert_eq!(left(&store), expected);
    let names: BTreeSet<String> = std::fs::read_dir(&events)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
        .collect();
    let wanted = [2, 3, 4, 5].map(|number| format!("{number:010}.seg"));
    assert_eq!(names, wanted.into());
    let position =
        Position { source: "s".into(), key: "k".to_owned(), value: Some("1".to_owned()) };
    let commit =
        Commit { events: vec![mixed(7_000)], positions: vec![position], ..Commit::default() };
    store.commit(&commit).await.unwrap();
    assert_eq!(left(&store).len(), expected.len() + 1);
}

/// The connection is lost while a run commits, before or behind the server's doing it.
#[tokio::test]
async fn an_answer_that_is_lost_loses_nothing() {
    let Some(server) = server::shared() else { return };
    let url = server.database();
    let proxy = Proxy::before(server.port());
    let place = Place::at(&url.replace(&server.port().to_string(), &proxy.port.to_string()));
    let store = filled(&place, 10).await;
    let alert =
        store.alerts_page("ana", &|_| true, &crate::model::sort::DEFAULT, 1, 0).rows.remove(0);
    let evidence = store.evidence(&alert).await.unwrap();
    let now = Timestamp::now();
    let acme = policy(90, &[tenant("acme", 9, 0)]);
    for (cut, rest) in [(Cut::Before, 120), (Cut::After, 112)] {
        // What tenants have is counted, so that the next COMMIT is the one that matters.
        assert_eq!(store.retention_plan(&acme, now).await.unwrap().events(), 10);
        proxy.next_commit(cut);
        let done = store.retention_run(&acme, BY, now).await.unwrap();
        assert!(done.is_empty() && !done.problem.is_empty(), "{cut:?}: {done:?}");
        store.commit(&Commit::default()).await.ok();
        assert_eq!(left(&store).len(), rest, "{cut:?}");
        assert_eq!(store.evidence(&alert).await.unwrap(), evidence, "{cut:?}");
    }
    // The same where a whole segment goes, now that the copy is not the newest, and its evidence is carried on.
    store.commit(&Commit { events: vec![mixed(999)], ..Commit::default() }).await.unwrap();
    let all = policy(9, &[]);
    for (cut, rest) in [(Cut::Before, 113), (Cut::After, 94)] {
        proxy.next_commit(cut);
        store.retention_run(&all, BY, now).await.unwrap_err();
        store.commit(&Commit::default()).await.ok();
        assert_eq!(left(&store).len(), rest, "{cut:?}");
        assert_eq!(store.evidence(&alert).await.unwrap(), evidence, "{cut:?}");
    }
    let more = Commit { events: vec![mixed(1_000)], ..Commit::default() };
    store.commit(&more).await.unwrap();
    let expected = left(&store);
    drop(store);
    assert_eq!(left(&small(&place).await), expected);
}

on_both! {
    one_tenant_goes_and_the_others_stay,
    judgements_have_an_age_of_their_own,
    what_a_sink_has_not_read_waits,
    evidence_that_was_kept_is_not_rewritten_for_room,
    a_stray_file_with_the_name_of_what_is_kept_is_replaced,
    a_tenant_may_stay_longer_than_all_others,
    a_tenant_has_room_of_its_own,
    closed_alerts_of_a_tenant_go_by_its_own_age,
    damaged_events_are_nobodys_and_keep_their_segment,
    a_crash_around_the_commit_leaves_the_old_segment_or_what_is_kept,
}
