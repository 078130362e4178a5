//! The commands that the author of a rule works with, as they are called: explain, lint, coverage, dead, backtest, profile.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::Value;
use watchfloor::desk::Desk;
use watchfloor::stdx::id::Id128;

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, run_ndjson};
use crate::support::{self, watchfloor};

const ESCAPE: &str = "097fff85-f273-5a7d-ae9f-a259680e001e";

fn run(folder: &Path, arguments: &[&str]) -> Output {
    watchfloor(folder).current_dir(folder).arg("rules").args(arguments).output().unwrap()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn lines(output: &Output) -> Vec<Value> {
    out(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn sudo(minute: u32, command: &str) -> String {
    format!(
        "2026-11-20T09:{minute:02}:54+00:00 web01 sudo:   deploy : TTY=pts/0 ; PWD=/tmp ; USER=root ; COMMAND={command}\n"
    )
}

/// A log with one escape by sudo, one harmless sudo, and a line of sshd.
fn log(folder: &Path) {
    let text = [
        sudo(10, "/usr/bin/find /srv -name x"),
        sudo(15, "/usr/bin/find . -exec /bin/sh ;"),
        "2026-11-20T09:16:01+00:00 web01 sshd[7]: Accepted password for deploy from 10.0.0.9 port 4 ssh2\n".to_owned(),
    ];
    fs::write(folder.join("auth.log"), text.concat()).unwrap();
}

#[test]
fn explain_shows_matches_first_then_near_misses_then_other_log_sources() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path());
    let output = run(folder.path(), &["explain", "097fff85", "auth.log", "--format", "ndjson"]);
    let found = lines(&output);
    let seen: Vec<_> = found
        .iter()
        .map(|one| {
            (
                one["fires"].as_bool().unwrap(),
                one["source_fits"].as_bool().unwrap(),
                one["short"].as_u64().unwrap(),
            )
        })
        .collect();
    assert_eq!(seen, [(true, true, 0), (false, true, 1), (false, false, 1)]);
    let text = out(&run(folder.path(), &["explain", ESCAPE, "auth.log"]));
    for part in [
        "3 events: 1 match, 1 one condition short, 1 of another log source",
        "MATCH",
        "it is \"find . -exec\"",
        "one condition short:",
        "NOT LOOKED AT: the rule is for linux/sudo; the event is linux/sshd",
    ] {
        assert!(text.contains(part), "{part:?} is not in\n{text}");
    }
    let id = found[1]["event_id"].as_str().unwrap();
    let only = run(
        folder.path(),
        &["explain", ESCAPE, "auth.log", "--event", &id[..12], "--format", "ndjson"],
    );
    assert_eq!(lines(&only).len(), 1);
    let none = run(folder.path(), &["explain", "no such rule", "auth.log"]);
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("no rule is called"));
}

#[test]
fn lint_names_file_line_and_id_and_mends_only_what_was_named() {
    let folder = tempfile::tempdir().unwrap();
    let bad = "title: Some Rule\ndescription: A rule without much\nlogsource:\n    product: linux\n    service: sudo\n\
               detection:\n    words:\n        message|contains: a\n    condition: words\ntags:\n    - attack.T1548\n";
    for name in ["first_rule.yml", "other_rule.yml"] {
        fs::write(folder.path().join(name), bad.replace("Some", &name[..5])).unwrap();
    }
    let output = run(folder.path(), &["lint", "first_rule.yml", "--format", "ndjson"]);
    assert_eq!(output.status.code(), Some(1));
    let found = lines(&output);
    let place = |id: &str| {
        let one = found.iter().find(|one| one["id"] == id);
        let one = one.unwrap_or_else(|| panic!("{id} is not in {found:#?}"));
        (one["line"].as_u64().unwrap(), one["fixable"].as_bool().unwrap())
    };
    assert_eq!(place("missing_id"), (1, true));
    assert_eq!(place("wildcard_common"), (8, false));
    assert_eq!(place("tag_spelling"), (11, true));
    let fixed = run(folder.path(), &["lint", "first_rule.yml", "--fix"]);
    assert!(
        String::from_utf8_lossy(&fixed.stderr).contains("mended 2 lines of 1 files"),
        "{fixed:?}"
    );
    let text = fs::read_to_string(folder.path().join("first_rule.yml")).unwrap();
    assert!(text.contains("\nid: ") && text.contains("- attack.t1548\n"), "{text}");
    let other = fs::read_to_string(folder.path().join("other_rule.yml")).unwrap();
    assert!(!other.contains("\nid: "));
}

#[test]
fn coverage_and_dead_rules_follow_what_arrived() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path());
    let all = lines(&run(folder.path(), &["coverage", "builtin", "--format", "ndjson"]));
    assert!(all.len() > 15 && all.iter().all(|row| row.get("live_rules").is_none()));
    let live = lines(&run(
        folder.path(),
        &["coverage", "builtin", "--over", "auth.log", "--format", "ndjson"],
    ));
    let row = |id: &str| live.iter().find(|row| row["technique"] == id).unwrap();
    assert_eq!(row("T1548.003")["endpoints"], serde_json::json!(["web01"]));
    let dead: Vec<_> = live.iter().filter(|row| row["live_rules"] == 0).collect();
    assert!(!dead.is_empty());
    assert!(dead.iter().all(|row| !row["missing"].as_array().unwrap().is_empty()));
    let dead = lines(&run(
        folder.path(),
        &["dead", "builtin", "--over", "auth.log", "--format", "ndjson"],
    ));
    let cause = |id: &str| {
        dead.iter()
            .find(|row| row["rule.id"] == id)
            .map(|row| row["cause"].as_str().unwrap().to_owned())
    };
    assert_eq!(cause(ESCAPE), None);
    assert!(
        dead.iter().any(|row| row["cause"] == "no event of windows/security came"),
        "{dead:#?}"
    );
    let table = out(&run(folder.path(), &["coverage", "builtin", "--over", "auth.log"]));
    assert!(table.contains("Privilege Escalation") && table.contains("web01"), "{table}");
}

#[test]
fn backtest_counts_compares_and_holds_against_what_was_expected() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path());
    let rule = |text: &str| {
        format!(
            "title: Find as root\nid: 5b1f9c3e-0000-4000-8000-000000000009\nlogsource:\n    product: linux\n    \
             service: sudo\ndetection:\n    s:\n        message|contains: '{text}'\n    condition: s\n"
        )
    };
    fs::write(folder.path().join("old.yml"), rule("find /srv")).unwrap();
    fs::write(folder.path().join("new.yml"), rule("/usr/bin/find")).unwrap();
    let arguments =
        ["backtest", "new.yml", "--over", "auth.log", "--against", "old.yml", "--format", "ndjson"];
    let rows = lines(&run(folder.path(), &arguments));
    let [row] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!((&row["findings"], &row["alerts"]), (&2.into(), &1.into()), "one episode");
    assert_eq!(
        (&row["both"], &row["only_old"], &row["only_new"]),
        (&1.into(), &0.into(), &1.into())
    );
    assert_eq!(row["samples"][0]["only"], "new");
    assert_eq!(row["method"], "poisson");
    assert_eq!(row["by_host"], serde_json::json!({ "web01": 2 }));
    let expect = |text: &str| {
        fs::write(folder.path().join("expect.toml"), text).unwrap();
        run(
            folder.path(),
            &["backtest", "new.yml", "--over", "auth.log", "--expect", "expect.toml"],
        )
    };
    let id = "\"5b1f9c3e-0000-4000-8000-000000000009\"";
    assert_eq!(expect(&format!("{id} = 2\n")).status.code(), Some(0));
    let wrong = expect(&format!("{id} = \"3..\"\n"));
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("2 findings, expected at least 3"));
    assert_eq!(
        run(folder.path(), &["backtest", "new.yml"]).status.code(),
        Some(2),
        "no history named"
    );
    let store = run(folder.path(), &["backtest", "new.yml", "--store"]);
    let said = String::from_utf8_lossy(&store.stderr).into_owned();
    assert!(said.contains("0 events; 0 of 1 rules fired"), "{said}");
    assert_eq!(store.status.code(), Some(1), "nothing was judged");
}

#[test]
fn profile_counts_evaluations_and_matches_of_the_rules_that_were_tried() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path());
    let output =
        run(folder.path(), &["profile", "auth.log", "--rules", "builtin", "--format", "ndjson"]);
    let rows = lines(&output);
    let row = rows.iter().find(|row| row["rule.id"] == ESCAPE).unwrap();
    assert_eq!(row["matches"], 1);
    assert!(row["evaluations"].as_u64().unwrap() >= 1);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("3 events judged"), "{said}");
}

/// The stored history is asked beside a running daemon, and the daemon explains an alert of its own.
#[test]
fn stored_history_is_judged_again_and_an_alert_is_explained_by_its_daemon() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path());
    let config = folder.path().join("watchfloor.toml");
    let text = format!(
        "[[sources]]\nname = \"auth\"\npaths = [\"{}\"]\nidle = \"200ms\"\nrescan = \"200ms\"\n",
        folder.path().join("auth.log").display()
    );
    fs::write(&config, text).unwrap();
    let data = folder.path().join("data");
    let mut daemon = Daemon::start(&config, &data);
    let deadline = Instant::now() + PATIENCE;
    let alert = loop {
        let alerts = run_ndjson(&config, &["alerts", "list", "--format", "ndjson"]);
        if let Some(alert) = alerts.iter().find(|alert| alert["rule.id"] == ESCAPE) {
            break alert["id"].as_str().unwrap().to_owned();
        }
        assert!(Instant::now() < deadline, "{alerts:?}");
        std::thread::sleep(Duration::from_millis(50));
    };
    let socket = watchfloor::config::Config::default().api.socket_path(&data);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let found = runtime.block_on(async {
        let desk = Desk::attach(&socket).await.unwrap();
        desk.alert_why(Id128::parse(&alert).unwrap()).await.unwrap()
    });
    assert!(found.fires(), "{found:?}");
    assert_eq!(found.rule_id, ESCAPE);
    assert!(found.rows.iter().any(|row| row.value == "find . -exec"), "{found:?}");
    let asked =
        ["rules", "backtest", ESCAPE, "--store", "--since", "2026-11-01", "--format", "ndjson"];
    let rows = run_ndjson(&config, &asked);
    assert_eq!((rows.len(), &rows[0]["findings"]), (1, &1.into()), "{rows:?}");
    let asked = ["rules", "coverage", "--live", "--since", "2026-11-01", "--format", "ndjson"];
    let live = run_ndjson(&config, &asked);
    let row = live.iter().find(|row| row["technique"] == "T1548.003").unwrap();
    assert_eq!(row["endpoints"], serde_json::json!(["web01"]));
    daemon.stop();
}

/// One host sends sudo's log, the other that of a web server: each is blind for what the other tells.
#[test]
fn coverage_is_told_by_endpoint_with_what_is_blind_there() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path());
    for host in ["app01", "web02"] {
        fs::create_dir_all(folder.path().join(host)).unwrap();
    }
    fs::copy(folder.path().join("auth.log"), folder.path().join("app01/auth.log")).unwrap();
    let line = "203.0.113.9 - - [20/Nov/2026:09:15:54 +0000] \"GET /a HTTP/1.1\" 200 12 \"-\" \"curl/8\"\n";
    fs::write(folder.path().join("web02/access.log"), line).unwrap();
    let over = ["--over", "app01", "web02", "--host-from-path", "1"];
    let asked = |more: &[&str]| {
        let mut all = vec!["coverage", "builtin"];
        all.extend(over);
        all.extend(more);
        run(folder.path(), &all)
    };
    let rows = lines(&asked(&["--by", "endpoint", "--format", "ndjson"]));
    let row = |host: &str| rows.iter().find(|row| row["host.name"] == host).unwrap();
    let has = |host: &str, list: &str, id: &str| {
        row(host)[list].as_array().unwrap().iter().any(|known| known == id)
    };
    assert_eq!(rows.len(), 2, "{rows:?}");
    assert!(has("web01", "live_ids", "T1548.003") && has("web02", "blind_ids", "T1548.003"));
    assert!(has("web02", "live_ids", "T1595.003") && has("web01", "blind_ids", "T1595.003"));
    let all =
        row("web02")["techniques"].as_u64().unwrap() + row("web02")["blind"].as_u64().unwrap();
    let covered = lines(&run(folder.path(), &["coverage", "builtin", "--format", "ndjson"])).len();
    assert_eq!(all, covered as u64, "each technique is live or blind");
    let table = out(&asked(&["--by", "endpoint"]));
    assert!(table.contains("blind for") && table.contains("web02"), "{table}");

    let one = lines(&asked(&["--host", "WEB02", "--format", "ndjson"]));
    let sudo = one.iter().find(|row| row["technique"] == "T1548.003").unwrap();
    assert_eq!(sudo["live_rules"], 0);
    let missing = sudo["missing"].to_string();
    assert!(missing.contains("no event of linux/sudo came"), "{missing}");
    let nobody = asked(&["--host", "nobody"]);
    assert!(!nobody.status.success());
    assert!(String::from_utf8_lossy(&nobody.stderr).contains("no event of nobody came"));
}

/// Whatever fired on an endpoint of real captures must be told as detectable there: a rule called dead that fires would
/// make people look away.
#[test]
fn what_fires_on_real_captures_is_live_on_its_endpoint() {
    let Some(otrf) = support::data("windows/otrf") else { return };
    let Some(lab) = support::data("linux/benign_lab/web01") else { return };
    let size = |path: &PathBuf| fs::metadata(path).unwrap().len();
    let mut captures: Vec<PathBuf> =
        fs::read_dir(otrf).unwrap().map(|entry| entry.unwrap().path()).collect();
    captures.retain(|path| path.extension().is_some_and(|end| end == "zst"));
    captures.sort_by_key(size);
    captures.truncate(24);
    captures.push(lab.join("nginx_access.run3.log"));
    captures.push(lab.join("auth.run3.log"));
    let folder = tempfile::tempdir().unwrap();
    let asked = |first: &[&str]| {
        let mut command = watchfloor(folder.path());
        let output = command.args(first).args(&captures).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        lines(&output)
    };
    let by = ["rules", "coverage", "builtin", "--by", "endpoint", "--format", "ndjson", "--over"];
    let rows = asked(&by);
    let listed = |host: &str, list: &str, id: &str| {
        let row = rows.iter().find(|row| row["host.name"] == host).unwrap();
        row[list].as_array().unwrap().iter().any(|known| known == id)
    };
    let found = asked(&["scan", "--no-signals", "--quiet", "--format", "ndjson"]);
    let mut checked = 0;
    for finding in &found {
        let host = finding["host.name"].as_str().unwrap();
        for tag in finding["rule.tags"].as_array().unwrap() {
            let id = tag.as_str().unwrap().replacen("attack.", "", 1).to_uppercase();
            let rule = &finding["rule.name"];
            assert!(!listed(host, "blind_ids", &id), "{rule} fired on {host}, blind for {id}");
            checked += usize::from(listed(host, "live_ids", &id));
        }
    }
    assert!(checked > 20, "{checked} of {} findings", found.len());
}
