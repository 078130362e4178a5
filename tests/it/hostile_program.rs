//! 200 hostile payloads in real log lines, rules and notes: stored by the daemon, shown by the workbench and printed
//! by the commands. Nothing outside the vocabulary reaches the terminal, and what was altered is visibly marked.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::desk_program::desk;
use crate::hostile::{PAYLOADS, count, payload};
use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, command, run_ndjson, run_text};
use crate::support::pty::Session;
use crate::support::vocabulary;

/// Rules with a hostile title and description, and notes: one for each kind of payload.
const KINDS: usize = 50;

/// A text with everything but plain ASCII as `\uXXXX`, as JSON writes it.
fn json_escaped(text: &str) -> String {
    let mut out = String::new();
    for unit in text.encode_utf16() {
        match u8::try_from(unit) {
            Ok(byte @ (b' '..=b'!' | b'#'..=b'[' | b']'..=b'~')) => out.push(char::from(byte)),
            _ => write!(out, "\\u{unit:04x}").unwrap(),
        }
    }
    out
}

/// The same for a double-quoted YAML scalar.
fn yaml_escaped(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        match c {
            ' '..='!' | '#'..='[' | ']'..='~' => out.push(c),
            _ => write!(out, "\\U{:08x}", u32::from(c)).unwrap(),
        }
    }
    out
}

/// sshd and sudo lines; the user and the command are hostile.
/// Something stands behind every payload: some are white space, and white space ends no line.
fn auth_log() -> String {
    let mut out = String::new();
    for n in 0..PAYLOADS {
        let (minute, second, bad) = (n / 60, n % 60, payload(n));
        let stamp = format!("2026-11-22T08:{minute:02}:{second:02}Z lin{n}");
        writeln!(
            out,
            "{stamp} sshd[71]: Failed password for invalid user user{n:03}{bad} from 192.0.2.7 port 22 ssh2\n\
             {stamp} sudo:   deploy : TTY=pts/0 ; PWD=/tmp ; USER=root ; COMMAND=/bin/command{n:03}{bad} end"
        )
        .unwrap();
    }
    out
}

/// Executed commands whose arguments the kernel wrote as hexadecimal.
fn audit_log() -> String {
    let mut out = String::new();
    for n in 0..PAYLOADS {
        let at = format!("{}.000:{}", 1_795_334_400 + n, 900 + n);
        let hex: String = format!("command{n:03}{}", payload(n))
            .bytes()
            .map(|byte| format!("{byte:02X}"))
            .collect();
        writeln!(
            out,
            "type=SYSCALL msg=audit({at}): arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 a2=3 a3=0 items=1 \
             ppid=1 pid={n} auid=1000 uid=1000 gid=1000 euid=1000 suid=1000 fsuid=1000 egid=1000 sgid=1000 \
             fsgid=1000 tty=pts0 ses=3 comm=\"sh\" exe=\"/usr/bin/sh\" key=\"exec\"\n\
             type=EXECVE msg=audit({at}): argc=2 a0=\"sh\" a1={hex}\n\
             type=EOE msg=audit({at}): "
        )
        .unwrap();
    }
    out
}

/// Windows process creations: host, user and command line.
fn windows_log() -> String {
    let mut out = String::new();
    for n in 0..PAYLOADS {
        let (minute, second, bad) = (n / 60, n % 60, json_escaped(&payload(n)));
        writeln!(
            out,
            "{{\"@timestamp\":\"2026-11-22T09:{minute:02}:{second:02}.000Z\",\"winlog\":{{\
             \"channel\":\"Security\",\"provider_name\":\"Microsoft-Windows-Security-Auditing\",\"event_id\":4688,\
             \"record_id\":{n},\"computer_name\":\"host{n:03}{bad}z\",\"event_data\":{{\
             \"SubjectUserName\":\"user{n:03}{bad}\",\"NewProcessName\":\"C:\\\\x.exe\",\
             \"CommandLine\":\"x.exe kind{}. command{n:03}{bad}\"}}}},\"event\":{{\"code\":\"4688\"}},\
             \"host\":{{\"name\":\"host{n:03}{bad}z\"}}}}",
            n % KINDS
        )
        .unwrap();
    }
    out
}

fn rule(n: usize, title: &str, logsource: &str, level: &str, detection: &str) -> String {
    let bad = yaml_escaped(&payload(n));
    format!(
        "title: \"{title}{bad}\"\nid: 00000000-0000-4000-8000-{n:012}\nstatus: test\n\
         description: \"about{n:03}{bad}\"\nlogsource:\n{logsource}\ndetection:\n    hit:\n        {detection}\n\
         \x20   condition: hit\nfalsepositives:\n    - \"benign{n:03}{bad}\"\nlevel: {level}\n"
    )
}

/// The folder of logs, rules and configuration.
fn place(folder: &Path) -> PathBuf {
    fs::create_dir(folder.join("rules")).unwrap();
    for n in 0..KINDS {
        let windows = "    product: windows\n    category: process_creation";
        let contains = format!("CommandLine|contains: 'kind{n}.'");
        let text = rule(n, &format!("title{n:03}"), windows, "critical", &contains);
        fs::write(folder.join(format!("rules/windows{n}.yml")), text).unwrap();
    }
    let sshd = "    product: linux\n    service: sshd";
    let sudo = "    product: linux\n    service: sudo";
    let execve = "    product: linux\n    category: process_creation";
    for (n, source, detection) in [
        (100, sshd, "message|startswith: 'Failed password'"),
        (101, sudo, "message|contains: 'COMMAND='"),
        (102, execve, "CommandLine|contains: 'command'"),
    ] {
        let text = rule(n, &format!("title{n:03}"), source, "low", detection);
        fs::write(folder.join(format!("rules/linux{n}.yml")), text).unwrap();
    }
    fs::write(folder.join("auth.log"), auth_log()).unwrap();
    fs::write(folder.join("audit.log"), audit_log()).unwrap();
    fs::write(folder.join("windows.json"), windows_log()).unwrap();
    let text = format!(
        "[rules]\npaths = [\"{0}/rules\"]\n\
         [[sources]]\nname = \"auth\"\npaths = [\"{0}/auth.log\"]\n\
         [[sources]]\nname = \"audit\"\npaths = [\"{0}/audit.log\"]\nhost = \"db01\"\nidle = \"500ms\"\n\
         [[sources]]\nname = \"windows\"\npaths = [\"{0}/windows.json\"]\n\
         [infer]\nenabled = false\n\
         [alert]\nundo = \"1s\"\n",
        folder.display()
    );
    let config = folder.join("w.toml");
    fs::write(&config, text).unwrap();
    config
}

fn stored(config: &Path) -> (u64, u64) {
    let status: serde_json::Value =
        serde_json::from_str(&run_text(config, &["status", "--format", "json"])).unwrap();
    let sources = status["sources"].as_array().unwrap().iter();
    sources.fold((0, 0), |(stored, rejected), source| {
        let number = |name: &str| source[name].as_u64().unwrap_or(0);
        (stored + number("stored"), rejected + number("rejected"))
    })
}

/// The strict reader, where lines may end and tabs stand.
fn assert_tame(what: &str, output: &str) {
    for line in output.lines() {
        vocabulary::check(line.as_bytes()).unwrap_or_else(|bad| panic!("{what}: {bad}"));
        assert!(!line.contains('\u{1b}'), "{what}: {line:?}");
    }
}

fn commands(config: &Path, folder: &Path) {
    let alerts = run_ndjson(config, &["alerts", "list", "--limit", "500", "--format", "ndjson"]);
    assert_tame("alerts list", &run_text(config, &["alerts", "list", "--limit", "500"]));
    assert_tame("status", &run_text(config, &["status"]));
    let windows = alerts.iter().filter(|alert| alert["severity"] == "critical");
    for (n, alert) in windows.take(KINDS).enumerate() {
        let id = alert["id"].as_str().unwrap();
        let note = format!("note{n:03}{}", payload(n)).replace('\0', "\u{1}");
        run_text(config, &["alerts", "note", id, &note]);
        assert_tame("alerts show", &run_text(config, &["alerts", "show", id]));
    }
    let rules = folder.join("rules");
    for log in ["auth.log", "windows.json", "audit.log"] {
        let mut scan = command(config);
        let output = scan.arg("scan").arg(folder.join(log)).arg("--rules").arg(&rules).output();
        let output = output.unwrap();
        assert!(output.stdout.len() > 1_000, "{}", String::from_utf8_lossy(&output.stderr));
        assert_tame("scan", std::str::from_utf8(&output.stdout).unwrap());
        assert_tame("scan", std::str::from_utf8(&output.stderr).unwrap());
    }
}

/// How often a name is followed by its payload in JSON's escapes, over the ends of lines.
fn spelled_out(session: &Session, name: &str, n: usize) -> usize {
    let text: String = session.text().split_whitespace().collect();
    text.matches(&format!("{name}{}", json_escaped(&payload(n)))).count()
}

/// What is on the screen bears its marks; what was seen is taken out of `missing`.
fn look(
    session: &Session,
    screen: &str,
    names: &[&str],
    numbers: &[usize],
    missing: &mut BTreeSet<String>,
) {
    session.settle();
    let text = session.text();
    for name in names {
        for n in numbers {
            let wanted = format!("{name}{n:03}");
            if !text.contains(&wanted) {
                continue;
            }
            let (mut seen, mut unmarked) = count(session, &wanted);
            // A record's original that spells the characters out is shown as it is: nothing was altered.
            let mut spelled = if unmarked > 0 { spelled_out(session, &wanted, *n) } else { 0 };
            // On a busy machine half a frame can look like rest: what is wrong must stay wrong.
            for _ in 0..5 {
                if unmarked <= spelled {
                    break;
                }
                std::thread::sleep(Duration::from_millis(300));
                session.settle();
                (seen, unmarked) = count(session, &wanted);
                spelled = spelled_out(session, &wanted, *n);
            }
            assert!(unmarked <= spelled, "{screen}: {wanted} has no mark on\n{}", session.text());
            if seen > 0 {
                missing.remove(&wanted);
            }
        }
    }
}

fn all(names: &[&str]) -> BTreeSet<String> {
    names.iter().flat_map(|name| (0..PAYLOADS).map(move |n| format!("{name}{n:03}"))).collect()
}

/// Every critical alert in full, tab by tab.
fn tour_details(session: &mut Session) {
    let numbers: Vec<usize> = (0..PAYLOADS).collect();
    let mut missing = all(&["host", "user", "command"]);
    session.press("gg");
    for _ in 0..PAYLOADS {
        look(session, "queue", &["host", "user", "title"], &numbers, &mut missing);
        session.keys("\r");
        look(session, "summary", &["host", "user", "command", "about"], &numbers, &mut missing);
        session.keys("2");
        look(session, "why", &["host"], &numbers, &mut missing);
        session.keys("3");
        look(session, "raw", &["host", "user", "command"], &numbers, &mut missing);
        session.keys("4");
        look(session, "history", &["note"], &numbers, &mut missing);
        session.press("q");
        session.keys("j");
    }
    assert!(missing.is_empty(), "never seen: {missing:?}");
}

/// Lists, sheets and overlays.
fn tour_rest(session: &mut Session) {
    let numbers: Vec<usize> = (0..PAYLOADS).collect();
    let mut missing = BTreeSet::new();
    for _ in 0..40 {
        session.keys("\x04");
        look(session, "queue", &["host", "user", "command"], &numbers, &mut missing);
    }
    session.press("gg");
    session.press("e");
    session.wait_for("x.exe");
    look(session, "events", &["host", "user", "command"], &numbers, &mut missing);
    session.press("\r");
    look(session, "event", &["host", "user", "command"], &numbers, &mut missing);
    session.press("q");
    session.press("q");
    session.press("ge");
    session.wait_for("ENDPOINTS");
    for _ in 0..30 {
        session.keys("\x04");
        look(session, "endpoints", &["host"], &numbers, &mut missing);
    }
    session.press("\r");
    session.wait_for("1 Now");
    for tab in ["1", "2", "3", "4", "5"] {
        session.press(tab);
        look(session, "endpoint", &["host", "user", "command"], &numbers, &mut missing);
    }
    session.press("q");
    session.press("q");
    session.press("gf");
    session.wait_for("FEEDBACK");
    look(session, "feedback", &["host", "user", "title"], &numbers, &mut missing);
    session.press("q");
    for (open, close) in
        [("vv", "q"), ("xr", "\x07"), ("?", "\x07"), ("\x10", "\x07"), ("c", "\x1b"), ("F", "q")]
    {
        session.press(open);
        look(session, open, &["host", "user", "title"], &numbers, &mut missing);
        session.press(close);
    }
}

#[test]
fn hostile_logs_rules_and_notes_drive_no_terminal() {
    let folder = tempfile::tempdir().unwrap();
    let config = place(folder.path());
    let mut daemon = Daemon::start(&config, &folder.path().join("data"));
    let deadline = Instant::now() + PATIENCE;
    let records = (PAYLOADS * 2 + PAYLOADS * 3 + PAYLOADS) as u64;
    loop {
        let (stored, rejected) = stored(&config);
        if stored + rejected >= records {
            assert!(rejected <= records / 20, "{stored} stored, {rejected} rejected");
            break;
        }
        assert!(Instant::now() < deadline, "{stored} stored, {rejected} rejected");
        std::thread::sleep(Duration::from_millis(200));
    }
    commands(&config, folder.path());
    daemon.stop();
    let mut session = desk(&config, &[], 160, 50);
    session.wait_for("TRIAGE");
    session.wait_for("title");
    tour_details(&mut session);
    tour_rest(&mut session);
    assert!(session.is_running(), "{}", session.text());
    session.signal(rustix::process::Signal::TERM);
    session.wait_end();
    vocabulary::check(vocabulary::inside(&session.bytes())).unwrap();
}
