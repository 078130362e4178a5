//! A running daemon takes a changed configuration up, by itself and by SIGHUP, or keeps the old one and says why.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, run_json};

fn wait(config: &Path, what: &str, done: impl Fn(&Value, &str) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        // A command would read the changed file too: ask with the first one.
        let status = run_json(config, &["status", "--format", "json"]);
        let upkeep = status["upkeep"].as_array().unwrap().iter().find(|u| u["topic"] == "config");
        let text = upkeep.map_or("", |upkeep| upkeep["text"].as_str().unwrap()).to_owned();
        if done(&status, &text) {
            return;
        }
        assert!(Instant::now() < deadline, "{what}: {status}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn a_changed_configuration_is_in_force_or_refused_as_a_whole() {
    let dir = tempfile::tempdir().unwrap();
    let (config, asks) = (dir.path().join("w.toml"), dir.path().join("asks.toml"));
    let first = "[rules]\npaths = []\n[signals]\npaths = []\n[gaps]\ngrace = \"2m\"\n";
    fs::write(&config, first).unwrap();
    let mut daemon = Daemon::start(&config, &dir.path().join("data"));
    let first = fs::read_to_string(&config).unwrap();
    fs::write(&asks, &first).unwrap();

    // By itself, when the file changes.
    fs::write(&config, first.replace("2m", "90s")).unwrap();
    wait(&asks, "in force", |_, text| text == "in force: gaps");

    // One wrong key: nothing of it, not even what is right.
    fs::write(&config, first.replace("2m", "60s") + "[alert]\ndedup = \"5m\"\n").unwrap();
    wait(&asks, "refused", |status, text| {
        let problems = status["problems"].to_string();
        status["status"] == "degraded"
            && problems.contains("the old one stays in force")
            && problems.contains("did you mean alert.dedupe")
            && text == "in force: gaps"
    });

    // A name that only the layers above know, and what a start would miss.
    let source = "[[sources]]\nname = \"a\"\npaths = [\"/nope\"]\nformat = \"sylog\"\n";
    fs::write(&config, first.replace("2m", "60s") + source).unwrap();
    wait(&asks, "refused", |status, text| {
        let problems = status["problems"].to_string();
        problems.contains("sources[0].format: no format is called")
            && problems.contains("did you mean syslog")
            && text == "in force: gaps"
    });

    // What needs a restart is named; SIGHUP asks at once.
    fs::write(&config, first.replace("2m", "60s") + "[alert]\ndedupe = \"7m\"\n").unwrap();
    Command::new("kill").args(["-HUP", &daemon.pid().to_string()]).status().unwrap();
    wait(&asks, "both", |status, text| {
        let problems = status["problems"].to_string();
        text.starts_with("in force: gaps") && problems.contains("restart to use the new alert")
    });
    fs::write(&config, first.replace("2m", "60s")).unwrap();
    wait(&asks, "nothing waits", |status, _| !status["problems"].to_string().contains("restart"));
    daemon.stop();
}

#[test]
fn what_is_changed_or_asked_for_during_the_start_is_taken_up() {
    let dir = tempfile::tempdir().unwrap();
    let (config, asks) = (dir.path().join("w.toml"), dir.path().join("asks.toml"));
    let data = dir.path().join("data");
    let head = format!("data_dir = \"{}\"\n", data.display());
    // Somebody has the store for a moment: the daemon has read its configuration and is still starting.
    fs::create_dir(&data).unwrap();
    let lock = fs::File::create(data.join("lock")).unwrap();
    lock.lock().unwrap();
    let first =
        format!("{head}[rules]\npaths = []\n[signals]\npaths = []\n[gaps]\ngrace = \"2m\"\n");
    fs::write(&config, &first).unwrap();
    fs::write(&asks, &first).unwrap();
    let mut daemon = Daemon::spawn(&config, &data);
    let deadline = Instant::now() + PATIENCE;
    while !daemon.said().contains("no [[sources]] are configured") {
        assert!(Instant::now() < deadline, "{}", daemon.said());
        std::thread::sleep(Duration::from_millis(10));
    }
    fs::write(&config, first.replace("2m", "90s")).unwrap();
    Command::new("kill").args(["-HUP", &daemon.pid().to_string()]).status().unwrap();
    drop(lock);
    daemon.wait_listening(&data);
    wait(&asks, "in force", |_, text| text == "in force: gaps");
    daemon.stop();
}
