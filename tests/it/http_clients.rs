//! Programs of others send to a source of type `http`: OpenTelemetry's exporters by HTTP and by gRPC, Elastic's client.

use std::path::PathBuf;
use std::process::{Command, Output};

use crate::support::daemon::run_ndjson;
use crate::support::free_port;
use crate::support::http::Site;
use crate::support::root;

/// Where downloads are kept.
fn services() -> PathBuf {
    std::env::var_os("WATCHFLOOR_SERVICES").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/watchfloor/services"),
        PathBuf::from,
    )
}

fn client(script: &str, arguments: &[&str]) -> Output {
    let (verb, rest) = arguments.split_first().unwrap();
    Command::new(root().join("tests/services").join(script))
        .arg(verb)
        .arg(services())
        .args(rest)
        .output()
        .unwrap()
}

/// Is the client there? A missing one is a failure in CI and a loud skip elsewhere.
fn is_there(script: &str) -> bool {
    let fetched = client(script, &["fetch"]);
    if fetched.status.success() {
        return true;
    }
    let why = String::from_utf8_lossy(&fetched.stderr).into_owned();
    assert!(std::env::var_os("CI").is_none(), "{script}: {why}");
    eprintln!("SKIPPED: {script} cannot fetch its client: {why}");
    false
}

fn found(site: &Site, query: &str) -> usize {
    run_ndjson(&site.config, &["events", "search", query, "--limit", "100000"]).len()
}

#[test]
fn exporters_are_answered_when_their_records_stand() {
    if !is_there("otel.sh") {
        return;
    }
    let otel = |arguments: &[&str]| client("otel.sh", arguments);
    let grpc = free_port();
    let mut site = Site::start(&format!("grpc_listen = \"127.0.0.1:{grpc}\""), "");
    let certificate = site.folder.path().join("cert.pem");
    let certificate = certificate.to_str().unwrap();
    for (protocol, endpoint) in
        [("http", site.base.clone()), ("grpc", format!("https://localhost:{grpc}"))]
    {
        let refused = otel(&["send", protocol, &endpoint, certificate, "wrong", "1"]);
        assert!(!refused.status.success(), "a wrong key by {protocol}");
        let sent = otel(&["send", protocol, &endpoint, certificate, &site.key, "1000"]);
        let said = String::from_utf8_lossy(&sent.stdout).into_owned();
        let errors = String::from_utf8_lossy(&sent.stderr).into_owned();
        assert!(sent.status.success(), "{protocol}: {said} {errors}");
    }
    site.kill();
    site.start_daemon();
    assert_eq!(
        found(&site, "host:web07"),
        4_000,
        "two protocols, logs and spans: {}",
        site.books()
    );
    assert_eq!(found(&site, "\"order 7 of grpc\""), 1);
    assert_eq!(site.books()["rejected"], 0, "{}", site.books());
}

#[test]
fn elastics_client_sends_in_bulk_and_a_repeat_counts_once() {
    const SCRIPT: &str = "elasticsearch_client.sh";
    if !is_there(SCRIPT) {
        return;
    }
    let site = Site::start("", "");
    let certificate = site.folder.path().join("cert.pem");
    let certificate = certificate.to_str().unwrap();
    for _ in 0..2 {
        let sent = client(SCRIPT, &["send", &site.base, certificate, &site.key, "1200"]);
        let errors = String::from_utf8_lossy(&sent.stderr).into_owned();
        assert!(sent.status.success(), "{errors}");
        assert_eq!(String::from_utf8_lossy(&sent.stdout), "8.17.0\n1200 0\n", "{errors}");
    }
    assert_eq!(found(&site, "host:web08"), 1_200);
    let books = site.books();
    assert_eq!((&books["stored"], &books["duplicate"]), (&1_200.into(), &1_200.into()), "{books}");
}
