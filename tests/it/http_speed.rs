//! What a source of type `http` costs beside the floor: the same client, sending to a server that reads and discards. Run with
//! `WATCHFLOOR_TEST_FULL=1` and `WATCHFLOOR_BIN` set to a release build; otherwise a small run that only checks the books.

use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::routing::post;

use crate::support::daemon::run_json;
use crate::support::free_port;
use crate::support::http::Site;

/// Requests at once.
const CLIENTS: usize = 8;
/// Events of one request.
const EVENTS: usize = 500;

fn body(number: usize) -> String {
    let event = |n: usize| {
        format!(
            "{{\"@timestamp\":\"2026-11-22T08:00:00Z\",\"host\":{{\"name\":\"web01\"}},\"request\":{number},\"n\":{n},\"message\":\"{}\"}}\n",
            "GET /orders 200 ".repeat(20)
        )
    };
    (0..EVENTS).map(event).collect()
}

/// Send so many requests; returns how long it took.
fn send(site: &Site, url: &str, requests: usize) -> Duration {
    let bodies: Vec<Bytes> = (0..requests).map(|n| Bytes::from(body(n))).collect();
    let client = reqwest::Client::new();
    let begin = Instant::now();
    let sending: Vec<_> = (0..CLIENTS)
        .map(|first| {
            let (client, url) = (client.clone(), url.to_owned());
            let own: Vec<Bytes> = bodies.iter().skip(first).step_by(CLIENTS).cloned().collect();
            site.runtime.spawn(async move {
                for body in own {
                    let answer = client.post(&url).body(body).send().await.unwrap();
                    assert_eq!(answer.status(), 200);
                }
            })
        })
        .collect();
    sending.into_iter().for_each(|task| site.runtime.block_on(task).unwrap());
    begin.elapsed()
}

/// CPU seconds that a process has used.
fn cpu_seconds(pid: u32) -> f64 {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split(' ').collect();
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    ticks as f64 / 100.0
}

#[test]
fn every_event_of_many_clients_at_once_is_in_the_books() {
    let full = std::env::var_os("WATCHFLOOR_TEST_FULL").is_some();
    let requests = if full { 400 } else { 16 };
    let port = free_port();
    let plain = format!(
        "[[sources]]\nname = \"fast\"\ntype = \"http\"\nauth = \"none\"\nlisten = \"127.0.0.1:{port}\"\n"
    );
    let site = Site::start("", &plain);
    let floor_port = site.runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let router = Router::new()
            .route("/ingest", post(|body: Bytes| async move { body.len().to_string() }))
            .layer(axum::extract::DefaultBodyLimit::disable());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        port
    });
    let floor = send(&site, &format!("http://127.0.0.1:{floor_port}/ingest"), requests);
    let pid = site.daemon.as_ref().unwrap().pid();
    let before = cpu_seconds(pid);
    let ours = send(&site, &format!("http://127.0.0.1:{port}/ingest"), requests);
    let cpu = cpu_seconds(pid) - before;
    let events = requests * EVENTS;
    let status = run_json(&site.config, &["status", "--format", "json"]);
    let rows = status["sources"].as_array().unwrap();
    let books = rows.iter().find(|row| row["name"] == "fast").unwrap();
    assert_eq!((&books["stored"], &books["balances"]), (&events.into(), &true.into()), "{books}");
    if full {
        let rate = |time: Duration| events as f64 / time.as_secs_f64();
        eprintln!(
            "{events} events of {} bytes: {:.0} events/s acknowledged, {:.0} events per CPU second; floor {:.0} events/s",
            body(0).len() / EVENTS,
            rate(ours),
            events as f64 / cpu,
            rate(floor)
        );
    }
}
