//! The demo, played without a screen: both chains are found on their hosts, nobody else is accused, and every
//! alert is explained in the scenario file. The same bar on several seeds.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::daemon::Daemon;
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

/// A demo that was played, and where everything of it lies.
struct Played {
    _folder: tempfile::TempDir,
    config: PathBuf,
    data: PathBuf,
}

fn play(seed: u64) -> Played {
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
    Played { config, data: keep.join("data"), _folder: folder }
}

impl Played {
    fn ask(&self, arguments: &[&str]) -> Vec<serde_json::Value> {
        let data = ["--data-dir", self.data.to_str().unwrap()];
        daemon::run_ndjson(&self.config, &[&data, arguments].concat())
    }

    /// Alerts as (host, rule title): those of rules, and those of models.
    fn found(&self) -> (BTreeSet<(String, String)>, Vec<String>) {
        let (mut rules, mut models) = (BTreeSet::new(), Vec::new());
        for alert in self.ask(&["alerts", "list", "--format", "ndjson"]) {
            let host = alert["host.name"].as_str().unwrap();
            let host = host.split('.').next().unwrap().to_owned();
            if alert["rule.id"].as_str().unwrap().starts_with("watchfloor.model.") {
                models.push(host);
            } else {
                rules.insert((host, alert["rule.name"].as_str().unwrap().to_owned()));
            }
        }
        models.sort();
        (rules, models)
    }
}

#[test]
fn both_chains_are_found_and_nobody_else_is_accused() {
    let expected = expected();
    for seed in [1, 42, 20_261_123] {
        let played = play(seed);
        let data = played.data.to_str().unwrap();
        let ledger = ["--data-dir", data, "status", "--format", "json"];
        let ledger = daemon::run_json(&played.config, &ledger);
        for source in ledger["sources"].as_array().unwrap() {
            assert_eq!(source["balances"], true, "{source}");
            assert_eq!(
                source["rejected"], 0,
                "the decoders must read every record of ours: {source}"
            );
            assert!(source["stored"].as_u64().unwrap() > 500, "{source}");
        }
        let (found, _) = played.found();
        assert_eq!(found, expected, "seed {seed}");
        for host in ["fin-ws-01", "web-01"] {
            assert!(
                found.iter().filter(|(known, _)| known == host).count() >= 8,
                "{host}: {found:?}"
            );
        }
    }
}

/// Windows that are open when the demo ends are closed by the clock of whoever opens its store next.
#[test]
fn each_chain_has_one_story_of_rules_and_model_on_its_own_host() {
    let seed = u64::from(std::process::id());
    let played = play(seed);
    // A daemon without a source has nothing to wait for.
    let quiet = played.data.with_extension("log");
    std::fs::write(&quiet, "").unwrap();
    let source = format!(
        "[infer]\nenabled = true\n[[sources]]\nname = \"quiet\"\npaths = [\"{}\"]\n",
        quiet.display()
    );
    std::fs::write(&played.config, source).unwrap();
    let mut daemon = Daemon::start(&played.config, &played.data);
    let deadline = Instant::now() + PATIENCE;
    while played.found().1 != ["fin-ws-01", "web-01"] {
        let found = played.found().1;
        assert!(Instant::now() < deadline, "seed {seed}: models' alerts on {found:?}");
        std::thread::sleep(Duration::from_millis(500));
    }
    for alert in played.ask(&["alerts", "list", "rule:watchfloor.model.*", "--format", "ndjson"]) {
        let data = played.data.to_str().unwrap();
        let id = alert["id"].as_str().unwrap();
        let text = daemon::run_text(&played.config, &["--data-dir", data, "alerts", "show", id]);
        assert!(text.contains("rules") && text.contains(" without "), "{text}");
    }
    // The alert's own window is explained, or the one that it goes on with.
    for host in ["fin-ws-01*", "web-01"] {
        let query = format!("event.dataset:watchfloor.inference host:{host}");
        let said = played.ask(&["events", "search", &query]);
        let told = said
            .iter()
            .filter_map(|event| event["watchfloor"]["inference"]["explanation"].as_str());
        let nodes: Vec<usize> = told
            .map(|text| serde_json::from_str::<serde_json::Value>(text).unwrap())
            .map(|told| told["nodes"].as_array().unwrap().len())
            .collect();
        assert!(
            !nodes.is_empty() && nodes.iter().all(|count| (1..=15).contains(count)),
            "{host}: {nodes:?}"
        );
    }
    daemon.stop();
}
