//! Several nodes on one database.

use super::*;
use crate::config::retention::RetentionConfig;
use crate::model::alert::Status;
use crate::model::verdict::{Confidence, Verdict, VerdictKind};

fn on(place: &Place) -> Place {
    let AlertsAt::Postgres(server) = &place.config.alerts else { panic!("not on a server") };
    Place::at(&server.url)
}

fn by(actor: &'static str) -> By<'static> {
    By { actor, place: "test" }
}

/// One alert for each of `numbers`, by rules of the name.
fn alerts(engine: &mut Episodes, name: &str, numbers: std::ops::Range<u64>) -> Commit {
    let mut commit = batch(engine, numbers.clone(), &[]);
    let found = numbers.map(|number| finding(number, &format!("{name}{}", number % 10)));
    commit.alerts = engine.apply(found.collect());
    commit
}

#[tokio::test]
async fn a_node_sees_what_the_other_does_and_keeps_what_is_its_own() {
    let Some(place) = Place::postgres() else { return };
    let other = on(&place);
    let (east, west) = (open(&place).await, open(&other).await);
    let mut engine = Episodes::default();
    east.commit(&alerts(&mut engine, "e", 0..10)).await.unwrap();
    assert!(east.follow().await.unwrap().is_empty(), "its own changes are no news");
    assert_eq!(west.follow().await.unwrap().len(), 10);
    assert!(west.follow().await.unwrap().is_empty());
    let id = west.alerts_page("ana", &|_| true, &[], 1, 0).rows[0].id;
    let verdict = Action::Verdict(Verdict {
        kind: VerdictKind::FalsePositive,
        reasons: vec![],
        confidence: Confidence::High,
        note: String::new(),
    });
    west.act(&[(id, None)], verdict, by("ana"), Timestamp(1)).await.unwrap();
    assert!(east.follow().await.unwrap().is_empty(), "nothing is applied yet");
    assert_eq!(east.pending("ana").len(), 1, "ana sees it from the other node too");
    assert_eq!(east.apply_due(Timestamp::now()).await.unwrap().len(), 1);
    assert!(west.apply_due(Timestamp::now()).await.unwrap().is_empty(), "one node was enough");
    assert_eq!(west.alert(&id, "bob"), east.alert(&id, "bob"));
    // A repeat on a node that has not looked yet keeps the verdict.
    west.act(&[(id, None)], Action::Assign(Some("bob".into())), by("bob"), Timestamp(2))
        .await
        .unwrap();
    west.apply_due(Timestamp::now()).await.unwrap();
    east.commit(&alerts(&mut engine, "e", 10..20)).await.unwrap();
    let seen = east.alert(&id, "bob").unwrap();
    assert_eq!(
        (seen.assignee.as_deref(), seen.verdict.is_some(), seen.count),
        (Some("bob"), true, 2)
    );
    // Segments, positions, the ledger and states are each node's own.
    assert!(west.positions("auth").await.unwrap().is_empty());
    assert!(west.ledger().await.unwrap().is_empty());
    assert!(west.saved("").await.unwrap().episodes.is_empty());
    assert_eq!((west.counts().events, west.counts().alerts), (0, 10));
    let mut engine = Episodes::default();
    west.commit(&batch(&mut engine, 500..510, &[])).await.unwrap();
    assert_eq!(west.positions("auth").await.unwrap()[0].value.as_deref(), Some("510"));
    assert_eq!(east.positions("auth").await.unwrap()[0].value.as_deref(), Some("20"));
    assert_eq!(east.endpoints().await.unwrap()[0].events, 30, "endpoints are counted together");
    drop((east, west));
    assert_books_of(&place, 20).await;
}

async fn assert_books_of(place: &Place, events: u64) {
    let store = open(place).await;
    assert_eq!(all(&store).len() as u64, events);
    assert_eq!(store.audit_verify().await.unwrap().broken, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 3)]
async fn nodes_that_write_at_once_lose_no_update_and_keep_one_chain() {
    const ROUNDS: u64 = 25;
    let Some(place) = Place::postgres() else { return };
    let other = on(&place);
    let (east, west) = (open(&place).await, open(&other).await);
    let mut engine = Episodes::default();
    east.commit(&alerts(&mut engine, "e", 0..10)).await.unwrap();
    west.follow().await.unwrap();
    let ids: Vec<AlertId> =
        east.alerts_page("ana", &|_| true, &[], 20, 0).rows.iter().map(|alert| alert.id).collect();
    // East repeats its ten alerts while west's people write notes about them and west raises its own; both apply.
    let repeats = async {
        for round in 1..=ROUNDS {
            let numbers = round * 10..round * 10 + 10;
            east.commit(&alerts(&mut engine, "e", numbers)).await.unwrap();
            east.apply_due(Timestamp::now()).await.unwrap();
        }
    };
    let notes = async {
        let mut engine = Episodes::default();
        for round in 0..ROUNDS {
            let id = ids[usize::try_from(round).unwrap() % ids.len()];
            let note = Action::Note(format!("note {round}"));
            west.act(&[(id, None)], note, by("ana"), Timestamp(1)).await.unwrap();
            west.apply_due(Timestamp::now()).await.unwrap();
            let numbers = 10_000 + round * 10..10_010 + round * 10;
            west.commit(&alerts(&mut engine, "w", numbers)).await.unwrap();
        }
    };
    tokio::join!(repeats, notes);
    east.follow().await.unwrap();
    west.follow().await.unwrap();
    let shown = |store: &Store| {
        let mut rows = store.alerts_page("bob", &|_| true, &[], 100, 0).rows;
        rows.sort_by_key(|alert| alert.id);
        rows
    };
    assert_eq!(shown(&east), shown(&west));
    let counts: u64 = shown(&east).iter().map(|alert| alert.count).sum();
    assert_eq!(counts, 10 + ROUNDS * 20, "every repeat counted once");
    let revisions: u64 = shown(&east).iter().map(|alert| alert.revision).sum();
    assert_eq!(revisions, 10 + ROUNDS * 20 + ROUNDS, "every change was made upon the one before");
    let mut notes = 0;
    for id in &ids {
        let history = east.history("alert", &id.to_string()).await.unwrap();
        notes += history.iter().filter(|entry| entry.action == "note").count() as u64;
    }
    assert_eq!(notes, ROUNDS, "every action was carried out by one node");
    let verdict = west.audit_verify().await.unwrap();
    assert_eq!((verdict.broken, verdict.entries), (None, 20 + ROUNDS));
    assert!(east.pending("ana").is_empty() && west.pending("ana").is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn indexes_are_built_while_commits_go_on() {
    let Some(place) = Place::postgres() else { return };
    let store = open(&place).await;
    let mut engine = Episodes::default();
    let commits = async {
        for round in 0..20 {
            store.commit(&alerts(&mut engine, "e", round * 10..round * 10 + 10)).await.unwrap();
        }
    };
    tokio::join!(commits, store.build_indexes());
    let text = "SELECT count(*) FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
        WHERE indisvalid AND relname IN ('alerts_by_time', 'alerts_by_host', 'alerts_unacknowledged')";
    let count: i64 = sql::scalar(text).fetch_one(&store.readers).await.unwrap();
    assert_eq!(count, 3);
    store.build_indexes().await;
    assert_books(&store, 200, 20).await;
    let advice = advice(place.path(), &place.config).await.unwrap();
    assert!(
        advice.iter().any(|line| line == "shared_buffers = 32MB, 256MB is advised"),
        "{advice:?}"
    );
    assert!(advice.iter().any(|line| line.contains("fsync = off")), "{advice:?}");
}

#[tokio::test]
async fn closed_alerts_go_on_all_nodes_but_for_what_another_node_opened_again() {
    let Some(place) = Place::postgres() else { return };
    let other = on(&place);
    let (east, west) = (open(&place).await, open(&other).await);
    let mut engine = Episodes::default();
    let made = east.commit(&alerts(&mut engine, "e", 0..4)).await.unwrap();
    let ids: Vec<AlertId> = made.alerts.iter().map(|(alert, _)| alert.id).collect();
    let over = ids.iter().map(|id| AlertChange::Closed(*id)).collect();
    east.commit(&Commit { alerts: over, ..Commit::default() }).await.unwrap();
    let targets: Vec<_> = ids.iter().take(3).map(|id| (*id, None)).collect();
    let status = |status| Action::Status(status);
    east.act(&targets, status(Status::Resolved), by("ana"), Timestamp(10)).await.unwrap();
    east.apply_now("ana", Timestamp(20)).await.unwrap();
    // East has not looked since.
    west.act(&[(ids[1], None)], status(Status::Open), by("bob"), Timestamp(30)).await.unwrap();
    west.apply_now("bob", Timestamp(40)).await.unwrap();
    let day = std::time::Duration::from_secs(86_400);
    let config =
        RetentionConfig { closed_alerts: day, disk_drop: 100, ..RetentionConfig::default() };
    let done = east.retention_run(&config, by("ana"), Timestamp::now()).await.unwrap();
    assert_eq!(done.alerts, 2);
    west.follow().await.unwrap();
    for store in [&east, &west] {
        let there: Vec<bool> = ids.iter().map(|id| store.alert(id, "x").is_some()).collect();
        assert_eq!(
            there,
            [false, true, false, true],
            "open ones stay, closed ones went everywhere"
        );
    }
    let note = Action::Note("still there?".to_owned());
    let gone = west.act(&[(ids[0], None)], note, by("bob"), Timestamp(50)).await;
    assert!(matches!(gone, Err(StoreError::NoAlert(_))));
    assert_eq!(east.audit_verify().await.unwrap().broken, None);
}
