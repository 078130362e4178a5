//! The program as scripts meet it: help, exit codes, formats, bad input, closed pipes, stores that are not ours.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::daemon::{Daemon, command as on, run_ndjson, run_text};
use crate::support::{data, watchfloor};

/// Password guesses in [`guesses`]: enough for the shipped rule.
const GUESSES: usize = 60;

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Place {
        Place { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// Run to its end; never longer than [`PATIENCE`], never a panic.
    fn run(&self, arguments: &[&str]) -> Output {
        self.feed(arguments, b"")
    }

    fn feed(&self, arguments: &[&str], input: &[u8]) -> Output {
        let mut child = watchfloor(&self.path("data"))
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let started = Instant::now();
        let mut stdin = child.stdin.take().unwrap();
        let input = input.to_vec();
        // The program may end before it has read everything; that is its right.
        let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(started.elapsed() < PATIENCE, "{arguments:?} took {:?}", started.elapsed());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(!said.contains("panicked"), "{arguments:?}: {said}");
        assert!(output.status.code().is_some(), "{arguments:?} died of {}", output.status);
        output
    }

    fn scan(&self, paths: &[&Path], more: &[&str]) -> Output {
        let mut arguments = vec!["scan"];
        arguments.extend(paths.iter().map(|path| path.to_str().unwrap()));
        arguments.extend(more);
        self.run(&arguments)
    }
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn code(output: &Output) -> i32 {
    output.status.code().unwrap()
}

/// Lines that the shipped rule about password guessing fires on.
fn guesses(user: &str) -> String {
    let line = |n: usize| {
        format!(
            "2026-11-22T08:00:{:02}+00:00 web01 sshd[{}]: Failed password for invalid user {user} from 203.0.113.9 port 4022 ssh2\n",
            n % 60,
            700 + n
        )
    };
    (0..GUESSES).map(line).collect()
}

/// The books of a scan's summary: received, judged, rejected, in flight. They must balance.
fn books(output: &Output) -> (u64, u64, u64) {
    let said = err(output);
    assert!(!said.contains("DOES NOT BALANCE"), "{said}");
    let line = said.lines().find(|line| line.starts_with("records")).unwrap_or_else(|| {
        panic!("no ledger in: {said}");
    });
    let numbers: Vec<u64> = line.split_whitespace().filter_map(|word| word.parse().ok()).collect();
    let [received, judged, rejected, duplicate, shed, in_flight] = numbers[..] else {
        panic!("{line}");
    };
    assert_eq!(received, judged + rejected + duplicate + shed + in_flight, "{line}");
    assert_eq!(in_flight, 0, "a scan ends with nothing open: {line}");
    (received, judged, rejected)
}

fn ndjson(output: &Output) -> Vec<serde_json::Value> {
    out(output).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Nothing that drives a terminal, and no character that hides or turns others.
fn is_tame(text: &str) -> bool {
    text.chars().all(|c| {
        let hidden = matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        !hidden && (c == '\n' || !c.is_control())
    })
}

/// Every command by its words, from the help of the program itself.
fn commands(place: &Place, prefix: &[&str]) -> Vec<Vec<String>> {
    let mut arguments = prefix.to_vec();
    arguments.push("--help");
    let help = out(&place.run(&arguments));
    let Some((_, list)) = help.split_once("\nCommands:\n") else { return Vec::new() };
    let names = list
        .lines()
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help");
    let mut all = Vec::new();
    for name in names {
        let mut words: Vec<&str> = prefix.to_vec();
        words.push(name);
        all.push(words.iter().map(|word| (*word).to_owned()).collect());
        all.extend(commands(place, &words));
    }
    all
}

#[test]
fn every_command_explains_itself() {
    let place = Place::new();
    let all = commands(&place, &[]);
    let top = all.iter().filter(|words| words.len() == 1).count();
    assert!(top >= 18, "{top} commands: {all:?}");
    assert!(all.len() > 35, "sub-commands were not found: {all:?}");
    for words in &all {
        let mut arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        arguments.push("--help");
        let output = place.run(&arguments);
        assert_eq!(code(&output), 0, "{words:?}");
        assert!(out(&output).contains("Usage: watchfloor"), "{words:?}");
        assert!(err(&output).is_empty(), "{words:?}");
        if words.len() == 1 {
            assert!(out(&output).contains("Examples:"), "{words:?} shows no examples");
        }
    }
    assert!(out(&place.run(&["--help"])).contains("Examples:"));
    assert!(out(&place.run(&["--version"])).starts_with("watchfloor "));
}

#[test]
fn exit_codes_say_what_happened() {
    let place = Place::new();
    let log = place.file("auth.log", guesses("admin"));
    let quiet = place.file("quiet.log", "2026-11-22T08:00:00+00:00 web01 cron[7]: nothing\n");
    let missing = place.path("none.log");
    let wanted = [
        (place.run(&["frobnicate"]), 2),
        (place.run(&["scan"]), 2),
        (place.run(&["scan", "--format", "yaml", "x"]), 2),
        (place.run(&["scan", "x", "--as", "syslogg"]), 2),
        (place.run(&["alerts", "verdict", "zz", "true_positive"]), 1),
        (place.scan(&[&missing], &[]), 1),
        (place.scan(&[&log], &[]), 0),
        (place.scan(&[&log], &["--exit-code"]), 3),
        (place.scan(&[&quiet], &["--exit-code"]), 0),
        (place.run(&["rules", "check"]), 0),
        (place.run(&["keymap", "check"]), 0),
        (place.run(&["theme", "check", "mono"]), 0),
        (place.run(&["status"]), 1),
    ];
    for (number, (output, expected)) in wanted.iter().enumerate() {
        assert_eq!(code(output), *expected, "case {number}: {}", err(output));
    }
    // Near misses are answered with what was probably meant.
    assert!(err(&place.run(&["scann", "x"])).contains("scan"));
    assert!(err(&place.run(&["alerts", "lst"])).contains("list"));
    assert!(err(&place.run(&["scan", "x", "--as", "syslogg"])).contains("syslog"));
    assert!(err(&place.run(&["scan", "x", "--min-levl", "low"])).contains("--min-level"));
}

#[test]
fn findings_in_every_format_say_the_same() {
    let place = Place::new();
    let log = place.file("auth.log", guesses("admin"));
    let lines = ndjson(&place.scan(&[&log], &["--format", "ndjson"]));
    assert!(!lines.is_empty(), "the guesses were not found");
    for line in &lines {
        for key in [
            "rule.id",
            "rule.name",
            "rule.level",
            "rule.tags",
            "@timestamp",
            "host.name",
            "event.id",
            "source_path",
        ] {
            assert!(line.get(key).is_some(), "{key} is missing in {line}");
        }
        assert_eq!(line["host.name"], "web01");
        assert_eq!(line["source_path"], log.to_str().unwrap());
    }
    let all = out(&place.scan(&[&log], &["--format", "json"]));
    assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&all).unwrap(), lines);
    let csv_output = place.scan(&[&log], &["--format", "csv"]);
    let mut rows = csv::Reader::from_reader(&csv_output.stdout[..]);
    let header = rows.headers().unwrap().clone();
    let id = header.iter().position(|name| name == "rule.id").unwrap();
    let ids: Vec<String> = rows.records().map(|row| row.unwrap()[id].to_owned()).collect();
    let expected: Vec<&str> = lines.iter().map(|line| line["rule.id"].as_str().unwrap()).collect();
    assert_eq!(ids, expected);

    // Nothing found is still a document.
    let quiet = place.file("quiet.log", "2026-11-22T08:00:00+00:00 web01 cron[7]: nothing\n");
    let empty = out(&place.scan(&[&quiet], &["--format", "json"]));
    assert_eq!(serde_json::from_str::<Vec<serde_json::Value>>(&empty).unwrap().len(), 0);
    let header_only = out(&place.scan(&[&quiet], &["--format", "csv"]));
    assert_eq!(header_only.lines().count(), 1, "{header_only}");
    assert!(out(&place.scan(&[&quiet], &["--format", "ndjson"])).is_empty());
}

#[test]
fn standard_input_is_read_as_a_file_is() {
    let place = Place::new();
    let log = place.file("auth.log", guesses("admin"));
    let from_file = place.scan(&[&log], &["--format", "ndjson"]);
    let from_stdin = place.feed(&["scan", "-", "--format", "ndjson"], guesses("admin").as_bytes());
    let rules = |output: &Output| -> Vec<String> {
        ndjson(output).iter().map(|line| line["rule.id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(rules(&from_file), rules(&from_stdin));
    assert_eq!(books(&from_stdin), (GUESSES as u64, GUESSES as u64, 0));
    let events = place.feed(&["normalise", "-", "--as", "syslog"], guesses("admin").as_bytes());
    assert_eq!(ndjson(&events).len(), GUESSES);
    assert_eq!(ndjson(&events)[0]["host"]["name"], "web01");
}

#[test]
fn what_cannot_be_read_is_said_and_the_rest_goes_on() {
    let place = Place::new();
    let good = place.file("good.log", guesses("admin"));
    let found = |output: &Output| {
        assert_eq!(code(output), 0, "{}", err(output));
        assert!(!ndjson(output).is_empty(), "the good file was not judged: {}", err(output));
        books(output)
    };
    let more = ["--format", "ndjson"];

    let missing = place.path("none.log");
    let output = place.scan(&[&missing, &good], &more);
    assert!(err(&output).contains("none.log: no such file"), "{}", err(&output));
    assert_eq!(found(&output), (60, 60, 0));

    // A regular file whose first read fails, for root too.
    let output = place.scan(&[Path::new("/proc/self/mem"), &good], &more);
    assert!(err(&output).contains("/proc/self/mem: "), "{}", err(&output));
    assert_eq!(found(&output), (60, 60, 0));

    let empty = place.file("empty.log", "");
    assert_eq!(found(&place.scan(&[&empty, &good], &more)), (60, 60, 0));

    fs::create_dir_all(place.path("folder/below")).unwrap();
    place.file("folder/below/auth.log", guesses("admin"));
    let output = place.scan(&[&place.path("folder")], &more);
    assert_eq!(found(&output), (60, 60, 0));

    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(guesses("admin").repeat(50).as_bytes()).unwrap();
    let packed = packed.finish().unwrap();
    let cut = place.file("cut.log.gz", &packed[..packed.len() / 2]);
    let output = place.scan(&[&cut, &good], &more);
    assert!(err(&output).contains("cut.log.gz: "), "{}", err(&output));
    let (received, _, _) = found(&output);
    assert!(received > 60, "what stood before the cut is judged: {received}");
}

#[test]
fn damaged_text_becomes_rejects_with_reasons() {
    let place = Place::new();
    let line = "2026-11-22T08:00:00+00:00 web01 sshd[7]: Server listening on :: port 22.\n";
    let mut binary = line.as_bytes().to_vec();
    binary.extend((0..=255_u8).cycle().take(5_000));
    binary.extend(b"\n");
    binary.extend(line.as_bytes());
    let binary = place.file("binary.log", binary);
    let (received, judged, rejected) = books(&place.scan(&[&binary], &[]));
    assert!(judged >= 2 && rejected >= 1 && received > 3, "{received} {judged} {rejected}");

    let mut long = line.as_bytes().to_vec();
    long.extend(std::iter::repeat_n(b'x', 10 << 20));
    long.extend(b"\n");
    long.extend(line.as_bytes());
    let long = place.file("long.log", long);
    let output = place.scan(&[&long], &[]);
    assert_eq!(books(&output), (3, 2, 1));
    assert!(err(&output).contains("too_long"), "{}", err(&output));

    let mut broken = b"2026-11-22T08:00:00+00:00 web01 sshd[7]: Failed password for \xff\xfe\xc3( from 203.0.113.9 port 1 ssh2\n".to_vec();
    broken.extend(line.as_bytes());
    let broken = place.file("utf8.log", broken);
    let (received, judged, _) = books(&place.scan(&[&broken], &[]));
    assert_eq!(received, 2);
    assert!(judged >= 1);
    let events = place.run(&["normalise", broken.to_str().unwrap(), "--rejects"]);
    assert_eq!(ndjson(&events).len(), 2, "each line is an event or a reject");
}

#[test]
fn a_bomb_is_cut_off() {
    let place = Place::new();
    let good = place.file("good.log", guesses("admin"));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let zeros = vec![0_u8; 1 << 20];
    for _ in 0..64 {
        packed.write_all(&zeros).unwrap();
    }
    let packed = packed.finish().unwrap();
    assert!(packed.len() < 80 << 10, "no bomb: {}", packed.len());
    let bomb = place.file("bomb.gz", packed);
    let limited = ["--format", "ndjson", "--set", "limits.decompressed_bytes_max=4MiB"];
    for more in [&["--format", "ndjson"][..], &limited] {
        let output = place.scan(&[&bomb, &good], more);
        assert!(err(&output).contains("bomb.gz: "), "{}", err(&output));
        assert_eq!(code(&output), 0);
        assert!(!ndjson(&output).is_empty());
        let (received, judged, _) = books(&output);
        assert!(received < 1_000 && judged == 60, "{received} {judged}");
    }
}

#[test]
fn an_event_log_that_is_cut_in_the_middle_gives_what_is_whole() {
    let Some(archive) = data("windows/evtx/WithSecureLabs__chainsaw.tar.zst") else { return };
    let place = Place::new();
    let tar = zstd::decode_all(fs::File::open(archive).unwrap()).unwrap();
    let tar = place.file("all.tar", tar);
    let unpacked = Command::new("tar")
        .args(["-xf", tar.to_str().unwrap(), "-C", place.folder.path().to_str().unwrap()])
        .status()
        .unwrap();
    assert!(unpacked.success());
    fs::remove_file(&tar).unwrap();
    let log = walkdir::WalkDir::new(place.folder.path())
        .into_iter()
        .map(|entry| entry.unwrap().into_path())
        .find(|path| path.extension().is_some_and(|end| end == "evtx"))
        .unwrap();
    let whole = fs::read(&log).unwrap();
    let (all, judged_all, _) = books(&place.scan(&[&log], &[]));
    assert!(all > 0 && judged_all > 0);
    let good = place.file("good.log", guesses("admin"));
    // In the file's header, in a chunk's header, in the middle of the records, near the end.
    for at in [2_000, 4_096 + 100, 4_096 + 700, 20_000, whole.len() - 10] {
        let cut = place.file("cut.evtx", &whole[..at.min(whole.len())]);
        let output = place.scan(&[&cut, &good], &["--format", "ndjson"]);
        assert_eq!(code(&output), 0, "cut at {at}: {}", err(&output));
        let (received, judged, rejected) = books(&output);
        assert!(judged >= 60, "cut at {at}: {judged}");
        let told = rejected > 0 || err(&output).contains("cut.evtx");
        assert!(told || received >= all + 60, "cut at {at} goes unsaid: {}", err(&output));
    }
}

#[test]
fn a_rule_file_that_unfolds_without_end_is_refused_and_the_others_run() {
    let place = Place::new();
    fs::create_dir(place.path("rules")).unwrap();
    let mut laughs = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for n in 1..20 {
        let inner = vec![format!("*a{}", n - 1); 10].join(", ");
        laughs.push_str(&format!("a{n}: &a{n} [{inner}]\n"));
    }
    place.file("rules/laughs.yml", laughs);
    let mut million = String::from("a: &a x\nb: [");
    million.push_str(&"*a,".repeat(1_000_000));
    million.push_str("]\n");
    place.file("rules/million.yml", million);
    place.file("rules/broken.yml", "title: [\n");
    place.file(
        "rules/good.yml",
        "title: Good\nid: 5f0f3f39-3f0c-4a8f-9d5f-0d9b6f5b7a11\nlogsource: {product: linux, service: sshd}\n\
         detection: {s: {'user.name': admin}, condition: s}\nlevel: high\n",
    );
    let rules = place.path("rules");
    let output = place.run(&["rules", "check", rules.to_str().unwrap()]);
    assert_eq!(code(&output), 1);
    let said = out(&output);
    for name in ["laughs.yml", "million.yml", "broken.yml"] {
        assert!(said.contains(name), "{name}: {said}");
    }
    assert!(said.contains("1 rules run"), "{said}");
    let log = place.file("auth.log", guesses("admin"));
    let output = place
        .scan(&[&log], &["--rules", rules.to_str().unwrap(), "--no-signals", "--format", "ndjson"]);
    assert!(err(&output).contains("million.yml"), "{}", err(&output));
    assert_eq!(ndjson(&output).len(), GUESSES, "{}", err(&output));
}

#[test]
fn a_configuration_is_told_everything_that_is_wrong_with_it() {
    let place = Place::new();
    let config = place.file(
        "bad.toml",
        "data_dirr = \"/x\"\n[alert]\ndedupe = \"soon\"\n[[sources]]\ntype = \"fil\"\n",
    );
    let output = place.run(&["config", "check", "--config", config.to_str().unwrap()]);
    assert_eq!(code(&output), 1);
    let said = err(&output);
    for word in
        ["data_dirr", "data_dir", "alert.dedupe", "sources[0].type", "file", "sources[0].name"]
    {
        assert!(said.contains(word), "{word} is not in: {said}");
    }
    assert!(said.contains("bad.toml"), "{said}");
    let no_toml = place.file("no.toml", "[[[\u{1b}[2J");
    let output = place.run(&["config", "check", "--config", no_toml.to_str().unwrap()]);
    assert_eq!(code(&output), 1);
    assert!(is_tame(&err(&output)), "{:?}", err(&output));
    // Any other command names the problems too and does nothing.
    let output = place.run(&["serve", "--config", config.to_str().unwrap()]);
    assert_eq!(code(&output), 2);
    assert!(err(&output).contains("alert.dedupe"));
    let written = place.path("written.toml");
    assert_eq!(code(&place.run(&["config", "init", written.to_str().unwrap()])), 0);
    assert_eq!(code(&place.run(&["config", "check", "--config", written.to_str().unwrap()])), 0);
    assert_eq!(code(&place.run(&["config", "init", written.to_str().unwrap()])), 1, "not twice");
}

#[test]
fn shells_get_their_completions() {
    let place = Place::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = out(&place.run(&["completions", shell]));
        assert!(script.contains("watchfloor") && script.len() > 1_000, "{shell}");
    }
    assert_eq!(code(&place.run(&["completions", "tcsh"])), 2);
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let place = Place::new();
    let log = place.file("auth.log", guesses("admin").repeat(200));
    for arguments in
        [&["normalise"][..], &["scan", "--rules", "builtin", "--format", "ndjson"], &["simulate"]]
    {
        let mut command = watchfloor(&place.path("data"));
        command.args(arguments);
        if arguments[0] != "simulate" {
            command.arg(&log);
        }
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let mut first = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        lines.read_line(&mut first).unwrap();
        assert!(!first.is_empty(), "{arguments:?}");
        drop(lines);
        let output = child.wait_with_output().unwrap();
        assert_eq!(code(&output), 0, "{arguments:?}: {}", err(&output));
        assert!(!err(&output).contains("pipe"), "{arguments:?}: {}", err(&output));
    }
}

#[test]
fn status_says_that_no_daemon_runs_and_what_cannot_be_read() {
    let place = Place::new();
    let config = place.file(
        "w.toml",
        format!(
            "[[sources]]\nname = \"gone\"\npaths = [\"{0}/no.log\"]\n\
             [[sources]]\nname = \"quiet\"\npaths = [\"{0}/drop/*.log\"]\n",
            place.folder.path().display()
        ),
    );
    fs::create_dir(place.path("drop")).unwrap();
    let daemon = Daemon::start(&config, &place.path("data"));
    let asked = || {
        let output = on(&config).args(["status", "--format", "json"]).output().unwrap();
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (code(&output), status)
    };
    let deadline = Instant::now() + PATIENCE;
    let (said, status) = loop {
        let (said, status) = asked();
        if status["status"] == "degraded" || Instant::now() > deadline {
            break (said, status);
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!((said, &status["status"]), (0, &"degraded".into()), "{status}");
    let problems = status["problems"].to_string();
    assert!(problems.contains("source gone: none of its files can be read"), "{problems}");
    assert!(problems.contains("no.log") && !problems.contains("source quiet"), "{problems}");
    let names: Vec<_> = status["sources"].as_array().unwrap().iter().map(|s| &s["name"]).collect();
    assert_eq!(names, ["gone", "quiet"], "a source without a record has its row");
    fs::write(place.path("no.log"), "a line\n").unwrap();
    while asked().1["status"] != "ok" {
        assert!(Instant::now() < deadline, "{:?}", asked());
        std::thread::sleep(Duration::from_millis(100));
    }
    daemon.kill();
    let (said, status) = asked();
    assert_eq!((said, &status["status"]), (1, &"stopped".into()), "{status}");
    assert!(status["started"].is_null() && status["problems"].to_string().contains("no daemon"));
    let table = out(&on(&config).arg("status").output().unwrap());
    assert!(
        table.contains("rules are loaded by a daemon") && !table.contains("rules on"),
        "{table}"
    );
}

#[test]
fn a_scan_whose_rules_cannot_be_used_fails() {
    let place = Place::new();
    let log = place.file("auth.log", guesses("admin"));
    let broken = place.file("broken.yml", "title: [a\n");
    let empty = place.path("empty");
    fs::create_dir(&empty).unwrap();
    for rules in [&broken, &empty, &place.path("nowhere")] {
        let rules = rules.to_str().unwrap();
        let output = place.scan(&[&log], &["--rules", rules, "--no-signals", "-q"]);
        assert_eq!(code(&output), 1, "{rules}: {}", err(&output));
        assert!(err(&output).contains("no rule under --rules can run"), "{}", err(&output));
    }
}

/// Users named to drive a terminal or to fool a reader.
const HOSTILE: [&str; 4] =
    ["\u{1b}[31madmin\u{1b}]0;owned\u{7}", "ad\u{202e}nim", "a\u{9b}2Jb", "=cmd|'/c calc'!A1"];

#[test]
fn hostile_lines_drive_no_terminal() {
    let place = Place::new();
    let text: String = HOSTILE.iter().map(|user| guesses(user)).collect();
    let log = place.file("auth.log", text);
    let output = place.scan(&[&log], &[]);
    assert!(out(&output).lines().count() >= 1);
    assert!(is_tame(&out(&output)), "{:?}", out(&output));
    assert!(is_tame(&err(&output)), "{:?}", err(&output));
    let csv_output = out(&place.scan(&[&log], &["--format", "csv"]));
    assert!(is_tame(&csv_output));
    assert!(!csv_output.contains(",=cmd"), "a spreadsheet would run this");
    let strange = place.path("no\u{1b}[2J\u{202e}where");
    assert!(is_tame(&err(&place.scan(&[&strange], &[]))));
    assert!(is_tame(&err(&place.run(&["scan", "x", "--as", "\u{1b}[2J"]))));
}

/// A daemon on one log with guesses and one unreadable line; returns it when all is stored.
fn serving(place: &Place) -> Daemon {
    let text: String = HOSTILE.iter().map(|user| guesses(user)).collect();
    place.file("auth.log", text + "no time \u{1b}[2J at all\n");
    let config = place.file(
        "w.toml",
        format!(
            "[[sources]]\nname = \"auth\"\npaths = [\"{}\"]\n",
            place.path("auth.log").display()
        ),
    );
    let daemon = Daemon::start(&config, &place.path("data"));
    let deadline = Instant::now() + PATIENCE;
    loop {
        let status = run_text(&config, &["status", "--format", "json"]);
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let source = &status["sources"][0];
        let expected = (HOSTILE.len() * GUESSES) as u64;
        if source["stored"].as_u64() == Some(expected) && source["rejected"].as_u64() == Some(1) {
            return daemon;
        }
        assert!(Instant::now() < deadline, "not read: {status}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn the_verbs_work_beside_a_daemon_and_without_one() {
    let place = Place::new();
    let mut daemon = serving(&place);
    let config = daemon.config.clone();

    // A second daemon refuses, and says who has the store.
    let second = on(&config).arg("serve").output().unwrap();
    assert_eq!(code(&second), 1);
    let said = err(&second);
    assert!(
        said.contains("in use by process") && said.contains(&daemon.pid().to_string()),
        "{said}"
    );
    assert!(said.contains("watchfloor attach"), "{said}");

    verbs(&config, true);
    let adopt = on(&config).args(["doctor", "--adopt-tail"]).output().unwrap();
    assert_eq!(code(&adopt), 1);
    assert!(err(&adopt).contains("stop the daemon first"), "{}", err(&adopt));
    daemon.stop();
    verbs(&config, false);
    let adopt = on(&config).args(["doctor", "--adopt-tail"]).output().unwrap();
    assert_eq!(code(&adopt), 0, "{}", err(&adopt));
    assert!(String::from_utf8_lossy(&adopt.stdout).starts_with("0 events"));

    // Open to others: said, with the way to mend it.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(place.path("data/watchfloor.db"), mode).unwrap();
    let doctor = on(&config).arg("doctor").output().unwrap();
    assert_eq!(code(&doctor), 1);
    let said = String::from_utf8_lossy(&doctor.stdout).into_owned();
    assert!(said.contains("FAIL") && said.contains("chmod -R go-rwx"), "{said}");
}

/// What is asked of a desk, the same with and without a daemon.
fn verbs(config: &Path, served: bool) {
    let alerts = run_ndjson(config, &["alerts", "list", "--format", "ndjson"]);
    let alert = alerts.first().expect("no alert");
    let keys: Vec<&str> = alert.as_object().unwrap().keys().map(String::as_str).collect();
    let documented = [
        "id",
        "status",
        "severity",
        "risk",
        "rule.id",
        "rule.name",
        "host.name",
        "count",
        "first_seen",
        "last_seen",
        "assignee",
        "verdict",
    ];
    assert_eq!(keys[..documented.len()], documented);
    let csv_text = run_text(config, &["alerts", "list", "--format", "csv"]);
    assert_eq!(csv_text.lines().next().unwrap(), documented.join(","));
    for arguments in
        [&["alerts", "list"][..], &["rejects", "list"], &["status"], &["rejects", "show", "1"]]
    {
        let text = run_text(config, arguments);
        assert!(is_tame(&text), "{arguments:?}: {text:?}");
    }

    // A verb is carried out at once, for everybody; the beginning of an id is enough.
    let id = alert["id"].as_str().unwrap();
    let state = if served { "acknowledged" } else { "investigating" };
    let said = run_text(config, &["alerts", "status", &id[..12], state]);
    assert_eq!(said.trim(), format!("1 alert: status {state}"));
    let after = run_ndjson(config, &["alerts", "list", &format!("id:{id}"), "--format", "ndjson"]);
    assert_eq!(after[0]["status"], state);
    let shown = run_text(config, &["alerts", "show", id, "--json"]);
    let shown: serde_json::Value = serde_json::from_str(&shown).unwrap();
    let history = shown["history"].as_array().unwrap();
    assert!(history.iter().any(|entry| entry["action"] == "status"), "{history:?}");
    let nobody = on(config).args(["alerts", "show", "ffffffffffff"]).output().unwrap();
    assert_eq!(code(&nobody), 1, "{}", err(&nobody));
    let inject = on(config).args(["alerts", "show", "x or sev>=info"]).output().unwrap();
    assert_eq!(code(&inject), 2, "{}", err(&inject));

    let rejects = run_ndjson(config, &["rejects", "list", "--format", "ndjson"]);
    assert_eq!(rejects.len(), 1);
    assert_eq!(rejects[0]["source"], "auth");
    let sequence = rejects[0]["sequence"].to_string();
    let by_id = run_text(config, &["rejects", "show", rejects[0]["id"].as_str().unwrap()]);
    assert_eq!(by_id, run_text(config, &["rejects", "show", &sequence]));
    assert!(by_id.contains("no time \\u{1b}[2J at all"), "{by_id}");
    assert_eq!(
        run_ndjson(config, &["rejects", "list", "--reason", "nope", "--format", "ndjson"]).len(),
        0
    );
    let replayed = run_ndjson(config, &["rejects", "replay", "--format", "ndjson"]);
    assert_eq!(replayed[0]["outcome"], "rejected", "{replayed:?}");

    let doctor = run_ndjson(config, &["doctor", "--format", "ndjson"]);
    let bad: Vec<_> = doctor.iter().filter(|line| line["level"] == "FAIL").collect();
    assert!(bad.is_empty(), "{bad:?}");
    let says = |area: &str, part: &str| {
        doctor
            .iter()
            .any(|line| line["area"] == area && line["what"].as_str().unwrap().contains(part))
    };
    assert!(says("audit", "the chain is whole"), "{doctor:?}");
    assert!(says("sources", "1 files, readable"), "{doctor:?}");
    assert!(says("rules", "run"), "{doctor:?}");
    assert_eq!(says("store", "in use by process"), served, "{doctor:?}");
}

#[test]
fn a_store_of_a_newer_version_is_refused_and_left_alone() {
    let place = Place::new();
    let mut daemon = serving(&place);
    daemon.stop();
    let database = place.path("data/watchfloor.db");
    let mut bytes = fs::read(&database).unwrap();
    // SQLite keeps PRAGMA user_version here, big-endian.
    bytes[60..64].copy_from_slice(&99_u32.to_be_bytes());
    fs::write(&database, &bytes).unwrap();
    for arguments in [&["serve"][..], &["alerts", "list"], &["status"]] {
        let output = on(&daemon.config).args(arguments).output().unwrap();
        assert_eq!(code(&output), 1, "{arguments:?}");
        let said = err(&output);
        assert!(said.contains("newer version") && said.contains("99"), "{arguments:?}: {said}");
        assert!(fs::read(&database).unwrap() == bytes, "{arguments:?} touched the store");
    }
    let doctor = on(&daemon.config).arg("doctor").output().unwrap();
    assert_eq!(code(&doctor), 1);
    assert!(String::from_utf8_lossy(&doctor.stdout).contains("newer version"));
    assert!(fs::read(&database).unwrap() == bytes);
}

#[test]
fn events_beyond_the_books_are_taken_in_by_the_doctor() {
    let place = Place::new();
    let mut daemon = serving(&place);
    daemon.stop();
    let config = daemon.config.clone();
    // The newest pages may lie in the write-ahead log beside it.
    let database = ["data/watchfloor.db", "data/watchfloor.db-wal"].map(|name| place.path(name));
    let yesterday = database.clone().map(|file| fs::read(file).unwrap_or_default());
    // Three more batches, then the database of before beside today's segments.
    let log = place.path("auth.log");
    let before = (HOSTILE.len() * GUESSES) as u64;
    for round in 1..=3 {
        let mut file = fs::File::options().append(true).open(&log).unwrap();
        writeln!(
            file,
            "2026-11-22T09:00:0{round}+00:00 web01 sshd[9]: Server listening on :: port 22."
        )
        .unwrap();
        let mut daemon = Daemon::start(&config, &place.path("data"));
        let deadline = Instant::now() + PATIENCE;
        loop {
            let status = run_text(&config, &["status", "--format", "json"]);
            let status: serde_json::Value = serde_json::from_str(&status).unwrap();
            if status["sources"][0]["stored"].as_u64() == Some(before + round) {
                break;
            }
            assert!(Instant::now() < deadline, "not read: {status}");
            std::thread::sleep(Duration::from_millis(50));
        }
        daemon.stop();
    }
    for (file, content) in database.iter().zip(yesterday) {
        fs::write(file, content).unwrap();
    }
    let _ = fs::remove_file(place.path("data/watchfloor.db-shm"));
    for arguments in [&["serve"][..], &["status"]] {
        let refused = on(&config).args(arguments).output().unwrap();
        assert_eq!(code(&refused), 1);
        assert!(err(&refused).contains("watchfloor doctor --adopt-tail"), "{}", err(&refused));
    }
    let doctor = on(&config).arg("doctor").output().unwrap();
    assert_eq!(code(&doctor), 1);
    assert!(out(&doctor).contains("--adopt-tail"), "{}", out(&doctor));
    let adopted = run_text(&config, &["doctor", "--adopt-tail"]);
    assert!(adopted.starts_with("3 events in 3 batches"), "{adopted}");
    let found = run_ndjson(&config, &["events", "search", "Server listening"]);
    assert_eq!(found.len(), 3, "{found:?}");
    let nothing = on(&config).args(["events", "search", "process.nme:sshd"]).output().unwrap();
    assert_eq!((code(&nothing), out(&nothing).as_str()), (0, ""));
    assert!(err(&nothing).contains("did you mean process.name?"), "{}", err(&nothing));
    let doctor = on(&config).arg("doctor").output().unwrap();
    assert_eq!(code(&doctor), 0, "{}", out(&doctor));
}

#[test]
fn the_doctor_names_the_ill_and_the_cure() {
    let place = Place::new();
    let gone = place.path("gone.log");
    let config = place.file(
        "w.toml",
        format!(
            "[[sources]]\nname = \"auth\"\npaths = [\"{}\"]\n[rules]\npaths = [\"{}\"]\n[ui]\nkeymap = \"{}\"\n",
            gone.display(),
            place.path("norules").display(),
            place.path("nokeys.toml").display()
        ),
    );
    let output = place.run(&["doctor", "--format", "ndjson", "--config", config.to_str().unwrap()]);
    assert_eq!(code(&output), 1);
    let lines = ndjson(&output);
    let level = |area: &str| -> Vec<&str> {
        let of_area = lines.iter().filter(|line| line["area"] == area);
        of_area.map(|line| line["level"].as_str().unwrap()).collect()
    };
    assert!(level("rules").contains(&"FAIL"), "{lines:?}");
    assert!(level("keymap").contains(&"FAIL"), "{lines:?}");
    assert!(level("sources").contains(&"warn"), "{lines:?}");
    assert!(!place.path("data").exists(), "looking makes no store");
    // A wrong configuration is one more finding, not the end.
    let bad = place.file("bad.toml", "[alert]\ndedupe = \"soon\"\n");
    let output = place.run(&["doctor", "--config", bad.to_str().unwrap()]);
    assert_eq!(code(&output), 1);
    assert!(
        out(&output).contains("FAIL") && out(&output).contains("alert.dedupe"),
        "{}",
        out(&output)
    );
}

#[test]
fn keys_and_themes_explain_themselves() {
    let place = Place::new();
    let keys = ndjson(&place.run(&["keymap", "list", "queue", "--format", "ndjson"]));
    assert!(keys.len() > 10 && keys.iter().all(|row| row["key"].is_string()), "{keys:?}");
    assert!(out(&place.run(&["keymap", "explain", "v f"])).contains("queue"));
    assert_eq!(code(&place.run(&["keymap", "explain", "ctrl-alt-f9"])), 1);
    assert_eq!(code(&place.run(&["keymap", "list", "nowhere"])), 2);
    let bad = place.file("keys.toml", "schema = 1\n[menu.verdict]\nz = \"no.such.action\"\n");
    let output = place.run(&["keymap", "check", bad.to_str().unwrap()]);
    assert_eq!(code(&output), 1);
    assert!(out(&output).contains("keys.toml:3"), "{}", out(&output));
    let bad = place.file("theme.toml", "nonsense = 1\n");
    let output = place.run(&["theme", "check", bad.to_str().unwrap()]);
    assert_eq!(code(&output), 1);
    assert!(out(&output).contains("theme.toml"), "{}", out(&output));
}
