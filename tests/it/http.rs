//! The source of type `http` against real clients over TLS: success only after the commit, repeats known, everything else
//! refused with its reason.

use std::io::{Read, Write};

use watchfloor::stdx::signature::{SIGNATURE_HEADER, Signed, TIMESTAMP_HEADER};

use crate::support::daemon::{command, run_ndjson, run_text};
use crate::support::http::{Site, certificate, client};

const LINE: &str = "Nov 22 08:00:00 web01 sshd[4022]: Failed password for invalid user admin from 203.0.113.9 port 4022 ssh2\n";

fn lines(count: usize) -> String {
    (0..count)
        .map(|n| format!("2026-11-22T08:00:00Z web01 app[{n}]: message number {n} of a test\n"))
        .collect()
}

fn found(site: &Site, query: &str) -> Vec<serde_json::Value> {
    run_ndjson(&site.config, &["events", "search", query, "--limit", "100000"])
}

fn messages(site: &Site) -> usize {
    found(site, "").len()
}

#[test]
fn success_means_committed_and_a_repeat_says_so() {
    let mut site = Site::start("", "");
    let answer = site.post("/ingest", &[("idempotency-key", "one")], lines(3));
    site.kill();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["records"], 3);
    assert_eq!(answer.json()["status"], "stored");

    site.start_daemon();
    assert_eq!(messages(&site), 3, "what was acknowledged stands after a kill");
    let answer = site.post("/ingest", &[("idempotency-key", "one")], lines(3));
    assert_eq!((answer.status.as_u16(), answer.json()["status"].as_str()), (200, Some("repeated")));
    let other = site.post("/ingest", &[("idempotency-key", "two")], lines(3));
    assert_eq!(other.json()["repeated"], 0, "the same text under another key is another delivery");
    let books = site.books();
    assert_eq!((&books["stored"], &books["duplicate"]), (&6.into(), &3.into()), "{books}");
    assert_eq!(books["balances"], true, "{books}");
    assert_eq!(messages(&site), 6);
    site.daemon.take().unwrap().stop();
}
