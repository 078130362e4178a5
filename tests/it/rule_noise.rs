//! The shipped rules and signals on the benign lab: five Linux hosts on which nobody attacks (runs 1 and 2), and the same
//! hosts with eight staged attacks beside ordinary work (run 3).

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support;

const HOSTS: [&str; 5] = ["dev01", "ci01", "db01", "web01", "files01"];
/// Seconds by which what an attack did may be told before its script says it began, or after it ended.
const EDGE_S: (f64, f64) = (5.0, 60.0);

/// All hosts take a release build (`WATCHFLOOR_BIN`) or `WATCHFLOOR_TEST_FULL`; else the two with the fewest records.
fn everything() -> bool {
    ["WATCHFLOOR_BIN", "WATCHFLOOR_TEST_FULL"].iter().any(|name| std::env::var_os(name).is_some())
}

/// The logs of a host whose names say they are of that run (`""`: the first).
fn logs(folder: &Path, run: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let of_run = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if run.is_empty() { !name.contains(".run") } else { name.contains(run) }
    };
    let mut logs: Vec<PathBuf> = all.filter(of_run).collect();
    logs.sort();
    logs
}

fn rows(bytes: &[u8]) -> Vec<Value> {
    let text = std::str::from_utf8(bytes).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn where_nobody_attacks_no_host_has_more_than_one_alert_an_hour() {
    let Some(lab) = support::data("linux/benign_lab") else { return };
    let mut files = Vec::new();
    for host in HOSTS {
        files.extend(logs(&lab.join(host), ".run2"));
        if everything() || matches!(host, "dev01" | "web01") {
            files.extend(logs(&lab.join(host), ""));
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = support::watchfloor(folder.path());
    command.args(["rules", "backtest", "builtin", "--signals", "--host-from-path", "1"]);
    command.args(["--by", "hour", "--at-most", "1", "--format", "ndjson", "--over"]).args(&files);
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    assert!(said.contains("on 5 endpoints"), "{said}");
    // Reviewed in docs/benign-lab.md; one more is one more to look at.
    let all: Vec<(String, String, u64)> = rows(&output.stdout)
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            (text("host.name"), text("rule.name"), row["alerts"].as_u64().unwrap())
        })
        .collect();
    assert_eq!(all, [("db01".into(), "sudo rules changed without visudo".into(), 1)]);
}

#[test]
fn staged_attacks_are_told_and_the_ordinary_work_beside_them_is_not() {
    let Some(lab) = support::data("linux/benign_lab") else { return };
    let text = std::fs::read(lab.join("episodes.run3.jsonl")).unwrap();
    let episodes = rows(&text);
    let mut seen = vec![0; episodes.len()];
    let mut ordinary = Vec::new();
    for host in HOSTS {
        let small = matches!(host, "dev01" | "web01");
        if !small && !everything() {
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let mut command = support::watchfloor(folder.path());
        command.args(["scan", "--quiet", "--format", "ndjson", "--host", host]);
        let output = command.args(logs(&lab.join(host), ".run3")).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        for row in rows(&output.stdout) {
            let at: jiff::Timestamp = row["@timestamp"].as_str().unwrap().parse().unwrap();
            let at = at.as_microsecond() as f64 / 1e6;
            let during = episodes.iter().position(|one| {
                one["endpoint"] == host
                    && at >= one["start"].as_f64().unwrap() - EDGE_S.0
                    && at <= one["end"].as_f64().unwrap() + EDGE_S.1
            });
            match during {
                Some(number) => seen[number] += 1,
                None => ordinary.push(format!("{host} {} {}", row["@timestamp"], row["rule.name"])),
            }
        }
    }
    for (episode, findings) in episodes.iter().zip(&seen) {
        let host = episode["endpoint"].as_str().unwrap();
        let looked_at = everything() || matches!(host, "dev01" | "web01");
        assert!(*findings > 0 || !looked_at, "nothing told of {episode}");
    }
    assert_eq!(ordinary, Vec::<String>::new());
}
