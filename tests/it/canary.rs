//! The canary through a running daemon: it is timed, leaves no trace among events, and says when the path is stuck.

use crate::support::daemon::{Daemon, command, run_json, run_ndjson};
use crate::support::path::wait_until;

const RULE: &str = "title: Anything at all\nid: 3f0f3c52-8d0f-4f0e-9d4e-0a0c5b1d7a11\nlogsource:\n  category: any\n\
                    detection:\n  keywords:\n    - canary\n    - root\n  condition: keywords\nlevel: high\n";

fn config(folder: &std::path::Path, more: &str) -> std::path::PathBuf {
    let (log, rules) = (folder.join("auth.log"), folder.join("rules"));
    let line = "2026-11-22T08:00:00Z web01 sshd[1]: Failed password for root from 203.0.113.7 port 4022 ssh2\n";
    std::fs::write(&log, line).unwrap();
    std::fs::create_dir_all(&rules).unwrap();
    std::fs::write(rules.join("any.yml"), RULE.replace("  category: any\n", "  product: linux\n"))
        .unwrap();
    let path = folder.join("w.toml");
    let text = format!(
        "[rules]\npaths = [\"{}\"]\n{more}\n[[sources]]\nname = \"auth\"\npaths = [\"{}\"]\ncanary = \"1s\"\n",
        rules.display(),
        log.display()
    );
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn a_canary_comes_through_the_whole_path_and_is_no_event_of_anybody() {
    let folder = tempfile::tempdir().unwrap();
    let config = config(folder.path(), "");
    let data = folder.path().join("data");
    let mut daemon = Daemon::start(&config, &data);
    let status = || run_json(&config, &["status", "--format", "json"]);
    let mut seen = std::collections::BTreeSet::new();
    wait_until("several canaries and the record", || {
        let row = status()["sources"][0].clone();
        seen.extend(row["numbers"]["canary_us"].as_i64().filter(|took| *took > 0));
        seen.len() >= 3 && row["stored"] == 1
    });
    let status = status();
    let row = &status["sources"][0];
    assert_eq!(
        (&row["received"], &row["events"], &row["balances"]),
        (&1.into(), &1.into(), &true.into()),
        "{row}"
    );
    assert_eq!(status["status"], "ok", "{status}");
    daemon.stop();
    // With the row of the canary in the store it starts again, and nothing of it is anywhere.
    let mut daemon = Daemon::start(&config, &data);
    for (query, wanted) in [("class:logon_failure", 1), ("message:canary", 0)] {
        let found = run_ndjson(&config, &["events", "search", query, "--limit", "100"]);
        assert_eq!(found.len(), wanted, "{query}: {found:?}");
    }
    let status = run_json(&config, &["status", "--format", "json"]);
    assert_eq!(status["events"], 1, "{status}");
    let rejects = run_ndjson(&config, &["rejects", "list", "--format", "ndjson"]);
    assert_eq!(rejects.len(), 0);
    let alerts = run_ndjson(&config, &["alerts", "list", "--format", "ndjson"]);
    assert_eq!(alerts.len(), 1, "the rule finds the record of the user alone: {alerts:?}");
    daemon.stop();
}

#[test]
fn a_canary_that_does_not_come_back_is_said_with_its_source() {
    let folder = tempfile::tempdir().unwrap();
    // No disk has so much free: nothing can be committed.
    let config = config(folder.path(), "[store]\nfree_bytes_min = 4000000000000000");
    let data = folder.path().join("data");
    let mut daemon = Daemon::spawn(&config, &data);
    daemon.wait_listening(&data);
    // The command says by its exit code that something is wrong.
    let status = || -> serde_json::Value {
        let output = command(&config).args(["status", "--format", "json"]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    };
    let wanted = "source auth: its canary, sent every 1 s, has not come through the path for";
    wait_until("the problem", || status()["problems"].to_string().contains(wanted));
    let numbers = status()["sources"].to_string();
    assert!(numbers.contains("canary_us"), "how long it has been under way: {numbers}");
    drop(daemon);
}
