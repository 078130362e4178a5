//! Figures, not judgements: `WATCHFLOOR_TEST_FULL=1 cargo test --lib store::tests::speed -- --nocapture`. Without it a short
//! run checks only that every change is there.

use std::time::Instant;

use super::*;

/// Alert changes a second of whole commits: a hundred alerts a commit, of which every second one is new.
async fn commits_of_alert_changes(dir: Place) {
    let store = open(&dir).await;
    let mut engine = Episodes::default();
    let full = std::env::var_os("WATCHFLOOR_TEST_FULL").is_some();
    let (rounds, a_round) = (if full { 60_u64 } else { 3 }, 200_u64);
    let started = Instant::now();
    for round in 0..rounds {
        let numbers = round * a_round..(round + 1) * a_round;
        let mut commit = batch(&mut engine, numbers.clone(), &[]);
        let matches = numbers.map(|n| finding(n, &format!("r{}", n / 2 % 4_000))).collect();
        commit.alerts = engine.apply(matches);
        store.commit(&commit).await.unwrap();
    }
    let took = started.elapsed();
    let changes = rounds * a_round / 2;
    assert_eq!(store.counts().events, rounds * a_round);
    eprintln!("{changes} alert changes in {rounds} commits: {took:?}");
    eprintln!("{:.0} alert changes a second", changes as f64 / took.as_secs_f64());
    let started = Instant::now();
    let small = if full { 300_u64 } else { 10 };
    for round in 0..small {
        let numbers = 100_000 + round..100_001 + round;
        store.commit(&batch(&mut engine, numbers, &[])).await.unwrap();
    }
    eprintln!("small commits a second: {:.0}", small as f64 / started.elapsed().as_secs_f64());
}

on_both! {
    commits_of_alert_changes,
}
