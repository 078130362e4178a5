//! Shards that move between nodes on one database.

use std::sync::Arc;

use super::*;

const SHARD: &str = "auth/linux-auditd/3";

fn nodes() -> Option<(Place, Place)> {
    let place = Place::postgres()?;
    let AlertsAt::Postgres(server) = &place.config.alerts else { panic!("not on a server") };
    let other = Place::at(&server.url);
    Some((place, other))
}

/// What comes of events `numbers`, as state of a shard.
fn sharded(
    key: &Arc<str>,
    engine: &mut Episodes,
    numbers: std::ops::Range<u64>,
    found: &[u64],
) -> Commit {
    Commit { shard: Arc::clone(key), ..batch(engine, numbers, found) }
}

async fn take(store: &Store) -> Option<Taken> {
    store.take_shard(SHARD, "auth").await.unwrap()
}

/// Cut the session of a node's writer.
async fn cut(store: &Store, by: &Store) {
    let pid: i64 = sql::scalar("SELECT pg_backend_pid()::bigint")
        .fetch_one(&mut store.writer.lock().await.sql)
        .await
        .unwrap();
    sql::query("SELECT pg_terminate_backend($1::int)")
        .bind(pid)
        .fetch_all(&by.readers)
        .await
        .unwrap();
    // It ends a moment later.
    for _ in 0..200 {
        let left: i64 =
            sql::scalar("SELECT count(*)::bigint FROM pg_stat_activity WHERE pid = $1::int")
                .bind(pid)
                .fetch_one(&by.readers)
                .await
                .unwrap();
        if left == 0 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("the session lives on");
}

/// The first try finds that the session is gone, the next that the shard is.
async fn assert_gone(store: &Store, late: &Commit) {
    let mut outcome = store.commit(late).await;
    if !matches!(outcome, Err(StoreError::ShardGone(_))) {
        outcome = store.commit(late).await;
    }
    assert!(matches!(outcome, Err(StoreError::ShardGone(_))), "{outcome:?}");
}

#[tokio::test]
async fn a_shard_goes_to_another_node_with_everything_that_is_remembered_of_it() {
    let Some((place, other)) = nodes() else { return };
    let (east, west) = (open(&place).await, open(&other).await);
    let taken = take(&east).await.unwrap();
    assert!(taken.positions.is_empty());
    let mut engine = Episodes::default();
    east.commit(&sharded(&taken.key, &mut engine, 0..100, &[3, 50])).await.unwrap();
    let before = east.saved(&taken.key).await.unwrap();
    assert_eq!((before.episodes.len(), before.detection.len(), before.decoders.len()), (1, 1, 1));
    let books = east.shard_ledger(&taken.key).await.unwrap();
    assert_eq!(books[0].ledger.received, 101);
    // The node's own tables know nothing of it.
    assert!(east.saved("").await.unwrap().episodes.is_empty());
    assert!(east.positions("auth").await.unwrap().is_empty());
    assert!(east.ledger().await.unwrap().is_empty());

    assert!(take(&west).await.is_none(), "two nodes have one shard");
    east.give_shard(&taken.key).await.unwrap();
    let gone = east.commit(&sharded(&taken.key, &mut engine, 100..101, &[])).await;
    assert!(matches!(gone, Err(StoreError::ShardGone(name)) if name == SHARD));
    let again = take(&west).await.unwrap();
    assert_ne!(again.key, taken.key);
    assert_eq!(again.cluster, taken.cluster);
    assert_eq!(again.positions[0].value.as_deref(), Some("100"));
    let saved = west.saved(&again.key).await.unwrap();
    assert_eq!(saved.episodes, before.episodes);
    assert_eq!((saved.detection, saved.decoders), (before.detection, before.decoders));
    west.commit(&sharded(&again.key, &mut engine, 100..200, &[150])).await.unwrap();
    assert_eq!(west.shard_ledger(&again.key).await.unwrap()[0].ledger.received, 202);
    let alerts = west.alerts_page("ana", &|_| true, &[], 10, 0).rows;
    assert_eq!((alerts.len(), alerts[0].count), (1, 3), "the alert grew on the other node");
}

#[tokio::test]
async fn who_lost_his_session_and_the_shard_writes_nothing_more_of_it() {
    let Some((place, other)) = nodes() else { return };
    let (east, west) = (open(&place).await, open(&other).await);
    let mine = take(&east).await.unwrap();
    let mut engine = Episodes::default();
    east.commit(&sharded(&mine.key, &mut engine, 0..10, &[3])).await.unwrap();
    cut(&east, &west).await;
    let theirs = take(&west).await.expect("the lock outlived the session");
    west.commit(&sharded(&theirs.key, &mut engine.clone(), 10..20, &[])).await.unwrap();
    let late = sharded(&mine.key, &mut engine, 10..20, &[15]);
    assert_gone(&east, &late).await;
    assert_eq!(west.shard_ledger(&theirs.key).await.unwrap()[0].ledger.received, 22);
    // What is the node's own goes on.
    east.commit(&batch(&mut engine, 500..510, &[])).await.unwrap();
}

#[tokio::test]
async fn who_lost_only_his_session_goes_on() {
    let Some((place, other)) = nodes() else { return };
    let (east, west) = (open(&place).await, open(&other).await);
    let mine = take(&east).await.unwrap();
    let mut engine = Episodes::default();
    east.commit(&sharded(&mine.key, &mut engine, 0..10, &[3])).await.unwrap();
    cut(&east, &west).await;
    let next = sharded(&mine.key, &mut engine, 10..20, &[15]);
    if east.commit(&next).await.is_err() {
        east.commit(&next).await.unwrap();
    }
    assert!(take(&west).await.is_none(), "the shard was not locked again");
    assert_eq!(east.shard_ledger(&mine.key).await.unwrap()[0].ledger.received, 22);
}

#[tokio::test]
async fn a_shard_that_passed_through_other_hands_meanwhile_is_not_written_under_the_old_key() {
    let Some((place, other)) = nodes() else { return };
    let (east, west) = (open(&place).await, open(&other).await);
    let mine = take(&east).await.unwrap();
    let mut engine = Episodes::default();
    cut(&east, &west).await;
    let theirs = take(&west).await.unwrap();
    west.commit(&sharded(&theirs.key, &mut engine.clone(), 0..10, &[])).await.unwrap();
    west.give_shard(&theirs.key).await.unwrap();
    let late = sharded(&mine.key, &mut engine, 0..10, &[]);
    assert_gone(&east, &late).await;
    assert!(take(&west).await.is_some(), "it was left locked");
}
