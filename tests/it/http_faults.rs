//! Clients that send until they are told that it stands, over a network that cuts and stalls, to a daemon that is killed
//! again and again: at the end every record is there, and none is there twice.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::kill::Numbers;
use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, run_ndjson};
use crate::support::http::Site;
use crate::support::unruly::Proxy;

const CLIENTS: usize = 4;
const DELIVERIES: usize = 25;

/// The lines of one delivery; every one is unlike all others.
fn body(client: usize, delivery: usize) -> (usize, String) {
    let lines = 1 + (client * 131 + delivery * 37) % 300;
    let line = |n: usize| {
        format!(
            "2026-11-22T08:{:02}:00Z web{client:02} app[{n}]: delivery {delivery} line {n}\n",
            delivery % 60
        )
    };
    (lines, (0..lines).map(line).collect())
}

/// Send one delivery until it is acknowledged. Returns how many tries it took.
async fn deliver(client: &reqwest::Client, url: &str, key: &str, name: &str, body: &str) -> usize {
    let deadline = Instant::now() + PATIENCE;
    for tries in 1.. {
        let request = client.post(url).header("x-api-key", key).header("idempotency-key", name);
        let answer = request.body(body.to_owned()).send().await;
        if answer.is_ok_and(|answer| answer.status() == 200) {
            return tries;
        }
        assert!(Instant::now() < deadline, "{name} is never acknowledged");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    unreachable!()
}

#[test]
fn nothing_is_lost_and_nothing_is_there_twice_whatever_is_cut_and_killed() {
    let kills = if std::env::var_os("WATCHFLOOR_TEST_FULL").is_some() { 60 } else { 6 };
    let mut site = Site::start("", "[limits]\nbatch_records_max = 100\n");
    let to = ([127, 0, 0, 1], site.port).into();
    let seed = u64::from(std::process::id());
    let proxy = Proxy::start(site.runtime.handle(), to, seed, 40_000);
    let url = format!("https://localhost:{}/ingest", proxy.port);
    let (mut sending, done) = (Vec::new(), Arc::new(AtomicUsize::new(0)));
    for number in 0..CLIENTS {
        let (client, url, key) = (site.client.clone(), url.clone(), site.key.clone());
        let done = Arc::clone(&done);
        sending.push(site.runtime.spawn(async move {
            let mut tries = 0;
            for delivery in 0..DELIVERIES {
                let name = format!("{number}-{delivery}");
                tries += deliver(&client, &url, &key, &name, &body(number, delivery).1).await;
                done.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            tries
        }));
    }
    let mut numbers = Numbers(seed);
    for number in 1..=kills {
        // Something is acknowledged by every daemon before it is killed.
        let wanted = number * CLIENTS * DELIVERIES / (kills + 1);
        site.until_quiet(|| done.load(Ordering::Relaxed) >= wanted);
        std::thread::sleep(Duration::from_millis(numbers.below(60)));
        site.kill();
        let daemon = Daemon::spawn(&site.config, &site.data());
        site.daemon = Some(daemon);
    }
    let tries: usize = sending.into_iter().map(|task| site.runtime.block_on(task).unwrap()).sum();
    site.daemon.as_ref().unwrap().wait_ready();

    let deliveries = (0..CLIENTS).flat_map(|client| (0..DELIVERIES).map(move |it| (client, it)));
    let expected: usize = deliveries.map(|(client, delivery)| body(client, delivery).0).sum();
    let books = site.books();
    assert_eq!(books["stored"], expected, "seed {seed}: {books}");
    assert_eq!(books["balances"], true, "{books}");
    let events = run_ndjson(&site.config, &["events", "search", "", "--limit", "100000"]);
    let texts: std::collections::HashSet<String> = events
        .iter()
        .map(|event| event["message"].to_string() + &event["host"].to_string())
        .collect();
    assert_eq!((events.len(), texts.len()), (expected, expected), "seed {seed}");
    assert!(tries > CLIENTS * DELIVERIES, "nothing was cut: {tries}");
    assert!(proxy.cuts.load(Ordering::Relaxed) > 0);
}
