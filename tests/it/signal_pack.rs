//! Every shipped signal stands beside a `.test` file with raw records, which our decoders read: each part
//! `== fires` must give a finding, each part `== stays silent` none. And the listener that shows what they count.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use watchfloor::config::Config;
use watchfloor::desk::Desk;
use watchfloor::model::alert::AlertId;
use watchfloor::model::explanation::Explanation;

use crate::support::daemon::{Daemon, run_ndjson};
use crate::support::{PATIENCE, free_port, root, watchfloor};

fn run(arguments: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    watchfloor(folder.path()).args(arguments).output().unwrap()
}

fn text(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn every_shipped_signal_fires_on_its_records_and_on_no_others() {
    let pack = root().join("config/signals");
    let output = run(&["signals", "test", pack.to_str().unwrap()]);
    let said = text(&output);
    assert!(output.status.success(), "{said}");
    let number: usize = said.lines().last().unwrap().split(' ').next().unwrap().parse().unwrap();
    assert!(number >= 40, "the pack holds {number} signals");
    let listed = text(&run(&["signals", "list", "--format", "ndjson"]));
    assert_eq!(listed.lines().count(), number, "a file a signal, all of them built in");
    let built_in = run(&["signals", "test", "builtin"]);
    assert!(built_in.status.success(), "{}", text(&built_in));
    assert_eq!(text(&built_in).lines().last(), said.lines().last(), "the same from the program");
    let one = run(&["signals", "test", "builtin/web/nothing.yml"]);
    assert_eq!(one.status.code(), Some(1), "{}", text(&one));
}

#[test]
fn shipped_signals_say_what_they_are_for() {
    let listed = text(&run(&["signals", "list", "--format", "ndjson"]));
    let names = |key: &str| -> Vec<String> {
        let each =
            listed.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
        each.map(|signal| signal[key].as_str().unwrap().to_owned()).collect()
    };
    let kinds: BTreeSet<String> = names("condition").into_iter().collect();
    for kind in [
        "absence",
        "allow",
        "burst",
        "count",
        "deny",
        "distinct",
        "each",
        "first_seen",
        "off_hours",
        "percentile",
        "rate",
        "ratio",
        "sum",
        "travel",
        "value",
    ] {
        assert!(kinds.contains(kind), "no shipped signal shows {kind}");
    }
    let ids: BTreeSet<String> = names("rule.id").into_iter().collect();
    for id in [
        "agent-bulk-delete",
        "agent-cost-guard",
        "agent-latency-slo",
        "agent-pii-guard",
        "agent-token-budget",
        "agent-cite-sources",
    ] {
        assert!(ids.contains(id), "{id}");
    }
}

#[test]
fn problems_of_a_signal_file_name_file_line_key_and_the_nearest_word() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mine.yml");
    let signal = "title: t\nid: mine\nwhen:\n  event.action: x\nalert:\n  cuont: { within: 1m, at_least: 2 }\n";
    fs::write(&file, signal).unwrap();
    let output = run(&["signals", "check", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1));
    let said = text(&output);
    let first = said.lines().next().unwrap();
    assert!(first.ends_with("mine.yml:6: alert.cuont: unknown key (did you mean count)"), "{said}");
    assert!(said.contains("0 signals run"), "{said}");
    fs::write(&file, signal.replace("cuont", "count")).unwrap();
    let output = run(&["signals", "test", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(1), "no test stands beside it");
}

fn guesses(path: &Path, count: usize) {
    let mut log = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
    for number in 0..count {
        let line = format!(
            "2026-11-20T10:00:{:02}+00:00 web01 sshd[900]: Failed password for user{number} from 203.0.113.7 port 4000 ssh2",
            number % 60
        );
        writeln!(log, "{line}").unwrap();
    }
}

#[test]
fn scan_judges_signals_unless_it_is_told_not_to() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("auth.log");
    guesses(&log, 9);
    let scan = |more: &[&str]| {
        let mut arguments = vec!["scan", "--quiet", "--format", "ndjson", log.to_str().unwrap()];
        arguments.extend(more);
        text(&run(&arguments))
    };
    let found = scan(&[]);
    assert!(found.contains("\"rule.id\":\"ssh-password-spray\""), "{found}");
    assert!(found.contains("8 values of user.name within 10 min"), "{found}");
    assert!(!scan(&["--no-signals"]).contains("ssh-password-spray"));
    let own = folder.path().join("own.yml");
    fs::write(&own, "title: t\nid: own\nwhen: { event.provider: sshd }\nalert: { each: true }\n")
        .unwrap();
    let found = scan(&["--signals", own.to_str().unwrap()]);
    assert_eq!(found.matches("\"rule.id\":\"own\"").count(), 9, "{found}");
    assert!(!found.contains("ssh-password-spray"), "instead of the configured ones");
}

/// One request by hand, so that headers are ours.
fn get(port: u16, path: &str, host: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
}

fn why(data: &Path, alert: &str) -> Explanation {
    let socket = Config::default().api.socket_path(data);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let desk = Desk::attach(&socket).await.unwrap();
        desk.alert_why(AlertId::parse(alert).unwrap()).await.unwrap()
    })
}

#[test]
fn findings_of_signals_are_alerts_and_counters_and_survive_kill_9() {
    let folder = tempfile::tempdir().unwrap();
    let (log, data) = (folder.path().join("auth.log"), folder.path().join("data"));
    // Four before the kill and four after it: only a row that survived makes eight.
    guesses(&log, 4);
    let port = free_port();
    let config = folder.path().join("w.toml");
    let section = format!(
        "[metrics]\nlisten = \"127.0.0.1:{port}\"\n[[sources]]\nname = \"auth\"\npaths = [\"{}\"]\n",
        log.display()
    );
    fs::write(&config, section).unwrap();
    let daemon = Daemon::start(&config, &data);
    let address = format!("127.0.0.1:{port}");
    let wait = |wanted: &str| {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let (code, page) = get(port, "/metrics", &address);
            assert_eq!(code, 200);
            if page.contains(wanted) {
                return page;
            }
            assert!(Instant::now() < deadline, "no {wanted} in\n{page}");
            std::thread::sleep(Duration::from_millis(50));
        }
    };
    wait("watchfloor_records_total{source=\"auth\",state=\"stored\"} 4");
    daemon.kill();
    let mut file = fs::OpenOptions::new().append(true).open(&log).unwrap();
    for number in 4..8 {
        let at = format!("2026-11-20T10:01:{number:02}+00:00");
        writeln!(
            file,
            "{at} web01 sshd[900]: Failed password for user{number} from 203.0.113.7 port 4000 ssh2"
        )
        .unwrap();
    }
    let mut daemon = Daemon::start(&config, &data);
    let page =
        wait("watchfloor_signal_results_total{signal=\"ssh-password-spray\",result=\"fail\"} 1");
    assert!(page.contains("watchfloor_signal_events_total{signal=\"ssh-password-spray\",tenant=\"default\",source_ip=\"203.0.113.7\"} 8"), "{page}");
    assert!(
        page.contains("watchfloor_events_total{dataset=\"system.auth\",action=\"ssh_login\"} 4"),
        "{page}"
    );
    // What is judged is shown at once, the books with the commit.
    wait("watchfloor_records_total{source=\"auth\",state=\"stored\"} 8");
    let (code, health) = get(port, "/health", "localhost");
    let health: serde_json::Value = serde_json::from_str(&health).unwrap();
    assert_eq!((code, health["status"].as_str()), (200, Some("ok")));
    let (_, stats) = get(port, "/stats", &address);
    let stats: serde_json::Value = serde_json::from_str(&stats).unwrap();
    assert_eq!(stats["status"]["sources"][0]["received"], 8, "{stats}");
    assert_eq!(get(port, "/metrics", "evil.example").0, 400, "a page of another site");
    let alerts = run_ndjson(&config, &["alerts", "list", "--format", "ndjson"]);
    let ids: Vec<&str> = alerts.iter().filter_map(|one| one["rule.id"].as_str()).collect();
    assert_eq!(ids.iter().filter(|id| **id == "ssh-password-spray").count(), 1, "{ids:?}");
    let alert = alerts.iter().find(|one| one["rule.id"] == "ssh-password-spray").unwrap();
    let why = why(&data, alert["id"].as_str().unwrap());
    assert!(why.fires() && why.rule_id == "ssh-password-spray", "{why:?}");
    assert!(why.rows.iter().any(|row| row.name == "event.provider" && row.holds), "{why:?}");
    daemon.stop();
}
