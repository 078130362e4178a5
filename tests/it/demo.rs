//! The demo, played without a screen: both chains are found on their hosts, nobody else is accused, and every
//! alert is explained in the scenario file. The same bar on several seeds.

use std::collections::BTreeSet;
use std::process::Command;

use crate::support::{daemon, program, root};

/// (host, rule title) pairs that the scenario file expects, hosts as short names.
fn expected() -> BTreeSet<(String, String)> {
    let text = std::fs::read_to_string(root().join("config/scenarios/two-chains.toml")).unwrap();
    let scenario: toml::Table = text.parse().unwrap();
    let mut expected = BTreeSet::new();
    for chain in scenario["chains"].as_array().unwrap() {
        let host = chain["endpoint"].as_str().unwrap();
        for step in chain["steps"].as_array().unwrap() {
            for rule in step.get("expect").and_then(|e| e.as_array()).into_iter().flatten() {
                assert!(!step["why"].as_str().unwrap().is_empty());
                expected.insert((host.to_owned(), rule.as_str().unwrap().to_owned()));
            }
        }
    }
    expected
}

fn found(seed: u64) -> BTreeSet<(String, String)> {
    let folder = tempfile::tempdir().unwrap();
    let keep = folder.path().join("demo");
    let config = folder.path().join("empty.toml");
    std::fs::write(&config, "").unwrap();
    let status = Command::new(program())
        .arg("--config")
        .arg(&config)
        .args(["demo", "--headless", "--speed", "12", "--seed", &seed.to_string(), "--keep"])
        .arg(&keep)
        .status()
        .unwrap();
    assert!(status.success());
    let data = keep.join("data");
    let data = data.to_str().unwrap();
    let ledger = daemon::run_json(&config, &["--data-dir", data, "status", "--format", "json"]);
    for source in ledger["sources"].as_array().unwrap() {
        assert_eq!(source["balances"], true, "{source}");
        assert_eq!(source["rejected"], 0, "the decoders must read every record of ours: {source}");
        assert!(source["stored"].as_u64().unwrap() > 500, "{source}");
    }
    let list = ["--data-dir", data, "alerts", "list", "--format", "ndjson"];
    daemon::run_ndjson(&config, &list)
        .iter()
        .map(|alert| {
            let host = alert["host.name"].as_str().unwrap();
            let host = host.split('.').next().unwrap().to_owned();
            (host, alert["rule.name"].as_str().unwrap().to_owned())
        })
        .collect()
}

#[test]
fn both_chains_are_found_and_nobody_else_is_accused() {
    let expected = expected();
    for seed in [1, 42, 20_261_123] {
        let found = found(seed);
        assert_eq!(found, expected, "seed {seed}");
        for host in ["fin-ws-01", "web-01"] {
            assert!(
                found.iter().filter(|(known, _)| known == host).count() >= 8,
                "{host}: {found:?}"
            );
        }
    }
}
