//! The shipped program in a terminal: a verdict given, undone and given again outlives kill -9, alone and attached
//! to a daemon; two desks share one store; the log goes to a file and never onto the screen.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use portable_pty::CommandBuilder;
use rustix::process::Signal;
use serde_json::Value;

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, command, run_ndjson, run_text};
use crate::support::program;
use crate::support::pty::Session;
use crate::support::vocabulary;

const NOTE: &str = "known scanner of the audit team";

/// The workbench of a configuration in a terminal, with nothing else from the environment.
pub fn desk(config: &Path, arguments: &[&str], columns: u16, rows: u16) -> Session {
    let mut command = CommandBuilder::new(program());
    command.args(arguments);
    command.arg("--config");
    command.arg(config);
    for (name, _) in std::env::vars() {
        if name.starts_with("WATCHFLOOR_") {
            command.env_remove(name);
        }
    }
    for name in ["NO_COLOR", "COLORTERM", "TMUX", "LC_ALL", "LC_CTYPE"] {
        command.env_remove(name);
    }
    command.env("TERM", "xterm-256color");
    command.env("LANG", "C.UTF-8");
    Session::start(command, columns, rows)
}

/// A store of two alerts, password guessing and the log-in that followed it, and its configuration.
struct Place {
    folder: tempfile::TempDir,
    config: PathBuf,
}

impl Place {
    fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("auth.log");
        let line = |second: usize, text: &str| {
            format!(
                "2026-11-22T08:00:{second:02}Z web01 sshd[4711]: {text} from 192.0.2.7 port 4022 ssh2\n"
            )
        };
        let mut text: String =
            (0..8).map(|n| line(n, "Failed password for invalid user admin")).collect();
        text.push_str(&line(20, "Accepted password for deploy"));
        std::fs::write(&log, text).unwrap();
        let config = folder.path().join("w.toml");
        let source = format!("[[sources]]\nname = \"auth\"\npaths = [\"{}\"]\n", log.display());
        std::fs::write(&config, source).unwrap();
        Place { folder, config }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// `serve` until both alerts are stored.
    fn serve(&self) -> Daemon {
        let daemon = Daemon::start(&self.config, &self.data());
        let deadline = Instant::now() + PATIENCE;
        while self.alerts().len() != 2 {
            let status = run_text(&self.config, &["status"]);
            assert!(Instant::now() < deadline, "{:?}\n{status}", self.alerts());
            std::thread::sleep(Duration::from_millis(100));
        }
        daemon
    }

    fn alerts(&self) -> Vec<Value> {
        run_ndjson(&self.config, &["alerts", "list", "--format", "ndjson"])
    }

    /// The alert that the list shows first.
    fn first(&self) -> String {
        let all = self.alerts();
        let alert = all.iter().find(|alert| alert["severity"] == "high").unwrap();
        alert["id"].as_str().unwrap().to_owned()
    }

    fn show(&self, id: &str) -> Value {
        serde_json::from_str(&run_text(&self.config, &["alerts", "show", id, "--json"])).unwrap()
    }

    /// What was done to an alert, oldest first, without its creation.
    fn history(&self, id: &str) -> Vec<String> {
        let shown = self.show(id);
        let entries = shown["history"].as_array().unwrap().iter();
        let names = entries.map(|entry| entry["action"].as_str().unwrap().to_owned());
        names.filter(|name| name != "created" && name != "alert_created").collect()
    }

    fn assert_audit_is_whole(&self) {
        let output = command(&self.config).arg("doctor").output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(said.contains("the chain is whole"), "{said}");
    }
}

fn until(what: &str, done: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "waited for {what}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn kill(mut session: Session) {
    session.signal(Signal::KILL);
    session.wait_end();
}

/// Both alerts in rows of their own: they are one bundle.
fn ready(session: &mut Session) {
    session.wait_for("SSH log-in after");
    session.press("b");
    session.wait_until("rows of their own", |session| !session.text().contains("[+]"));
    session.press("gg");
}

/// `v f`, then `u`, then the sheet with a note.
fn decide(session: &mut Session) {
    ready(session);
    session.press("vf");
    session.wait_for("undo: false positive");
    session.press("u");
    session.wait_until("no undo left", |session| !session.text().contains("undo: "));
    session.wait_for("SSH log-in after");
    session.press("gg");
    session.press("vv");
    session.wait_for("VERDICT");
    session.press("f");
    session.press("\t\t\t");
    session.press(NOTE);
    session.wait_for(NOTE);
    session.press("\x13");
    session.wait_for("undo: false positive");
}

/// State, note and history of the decided alert, on the screen.
fn assert_shown(session: &mut Session) {
    session.wait_for("TRIAGE");
    session.press("\x06");
    ready(session);
    session.press("\r");
    session.press("1");
    session.wait_for(NOTE);
    assert!(session.text().to_lowercase().contains("false positive"), "{}", session.text());
    session.press("4");
    session.wait_for(NOTE);
    let text = session.text();
    assert!(text.contains("verdict to false positive"), "{text}");
    assert_eq!(
        text.matches("verdict to false positive").count(),
        1,
        "undone means no trace: {text}"
    );
}

fn quit(mut session: Session) {
    session.press("Q");
    assert!(session.wait_end().success());
    vocabulary::check(vocabulary::inside(&session.bytes())).unwrap();
}

#[test]
fn a_verdict_outlives_kill_9_of_the_workbench() {
    let place = Place::new();
    place.serve().stop();
    let id = place.first();
    let mut session = desk(&place.config, &["--set", "alert.undo=5s"], 100, 30);
    decide(&mut session);
    until("the verdict", || place.show(&id)["status"] == "false_positive");
    kill(session);
    let mut session = desk(&place.config, &[], 100, 30);
    assert_shown(&mut session);
    quit(session);
    let shown = place.show(&id);
    assert_eq!(shown["status"], "false_positive");
    assert_eq!(shown["verdict"]["note"], NOTE);
    let verdicts = place.history(&id).iter().filter(|action| *action == "verdict").count();
    assert_eq!(verdicts, 1, "{:?}", place.history(&id));
    place.assert_audit_is_whole();
}

#[test]
fn a_pending_verdict_outlives_kill_9() {
    let place = Place::new();
    place.serve().stop();
    let id = place.first();

    // Killed before the deadline, started before it: it can still be undone, and then leaves no trace.
    let before = place.history(&id);
    let mut session = desk(&place.config, &["--set", "alert.undo=10m"], 100, 30);
    ready(&mut session);
    session.press("vf");
    session.wait_for("undo: false positive");
    kill(session);
    let mut session = desk(&place.config, &[], 100, 30);
    session.wait_for("undo: false positive");
    session.press("u");
    session.wait_for("undone: false positive");
    session.press("r");
    ready(&mut session);
    quit(session);
    assert_eq!(place.show(&id)["status"], "open");
    assert_eq!(place.history(&id), before);

    // Killed before the deadline, started after it: it is applied, once.
    let mut session = desk(&place.config, &["--set", "alert.undo=2s"], 100, 30);
    ready(&mut session);
    session.press("vf");
    session.wait_for("undo: false positive");
    kill(session);
    std::thread::sleep(Duration::from_secs(3));
    let session = desk(&place.config, &[], 100, 30);
    session.wait_for("SSH password guessing");
    until("the verdict", || place.show(&id)["status"] == "false_positive");
    quit(session);
    let verdicts = place.history(&id).iter().filter(|action| *action == "verdict").count();
    assert_eq!(verdicts, 1, "{:?}", place.history(&id));
    place.assert_audit_is_whole();
}

#[test]
fn a_verdict_outlives_kill_9_of_daemon_and_attached_desk() {
    let place = Place::new();
    let text = std::fs::read_to_string(&place.config).unwrap();
    std::fs::write(&place.config, text + "[alert]\nundo = \"5s\"\n").unwrap();
    let daemon = place.serve();
    let id = place.first();
    let mut session = desk(&place.config, &["attach"], 100, 30);
    decide(&mut session);
    until("the verdict", || place.show(&id)["status"] == "false_positive");
    daemon.kill();
    kill(session);
    let mut daemon = Daemon::start(&place.config, &place.data());
    let mut session = desk(&place.config, &["attach"], 100, 30);
    assert_shown(&mut session);
    quit(session);
    assert_eq!(place.show(&id)["verdict"]["note"], NOTE);
    place.assert_audit_is_whole();
    daemon.stop();
    place.assert_audit_is_whole();
}

#[test]
fn a_second_workbench_attaches_and_a_daemon_refuses() {
    let place = Place::new();
    place.serve().stop();
    let mut owner = desk(&place.config, &["--set", "alert.undo=2s"], 100, 30);
    ready(&mut owner);
    let mut second = desk(&place.config, &[], 100, 30);
    ready(&mut second);
    let refused = command(&place.config).arg("serve").output().unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("in use by process") && said.contains("watchfloor attach"), "{said}");

    // What one does, the other sees, both ways.
    second.press("vf");
    owner.wait_for(" fp ");
    owner.press("gg");
    owner.press("ak");
    second.wait_until("the other's state", |session| session.text().contains("ack"));

    // The owner goes; the second says so and ends in order.
    quit(owner);
    second.wait_for("OFFLINE");
    quit(second);
    place.assert_audit_is_whole();
}

#[test]
fn the_log_goes_to_a_file_and_not_onto_the_screen() {
    let place = Place::new();
    place.serve().stop();
    // A source that can never be read is complained about as long as the desk is open.
    let text = std::fs::read_to_string(&place.config).unwrap();
    let missing = place.folder.path().join("nothing-here/app.log");
    let source = format!("[[sources]]\nname = \"gone\"\npaths = [\"{}\"]\n", missing.display());
    std::fs::write(&place.config, text + &source).unwrap();
    let mut session = desk(&place.config, &["-vv"], 100, 30);
    ready(&mut session);
    let log = place.data().join("watchfloor.log");
    until("the log", || std::fs::read_to_string(&log).is_ok_and(|text| !text.is_empty()));
    let first = std::fs::read_to_string(&log).unwrap().lines().next().unwrap().to_owned();
    let mode = std::os::unix::fs::PermissionsExt::mode(&log.metadata().unwrap().permissions());
    assert_eq!(mode & 0o077, 0, "others can read the log");
    session.press("jk");
    let bytes = String::from_utf8_lossy(&session.bytes()).into_owned();
    assert!(!bytes.contains(first.trim()), "{first}");
    assert!(!bytes.contains("INFO") && !bytes.contains("DEBUG") && !bytes.contains("WARN"));
    quit(session);
}
