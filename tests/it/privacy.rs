//! Privacy through the whole stage and the program: what real logs lose, what the commit keeps, what the configuration
//! can ask for.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use watchfloor::config::Config;
use watchfloor::config::redact::{Addresses, Personal, RedactConfig, Users};
use watchfloor::config::secret::SecretRef;
use watchfloor::model::event::Event;
use watchfloor::model::field;
use watchfloor::model::record::{Batch, Flush, Shape, Stream};
use watchfloor::normalise::state::{Section, section};
use watchfloor::normalise::{Decoder, Output, Settings};

use crate::support::{self, watchfloor};

/// Bytes of one file that are read.
const FILE_BYTES_MAX: u64 = 8 << 20;

fn stream(name: &str) -> Arc<Stream> {
    Arc::new(Stream::of_path("test", name))
}

fn batch(stream: &Arc<Stream>, lines: &[&[u8]], flush: Flush) -> Batch {
    let mut batch = Batch::new(Arc::clone(stream), flush);
    batch.extend(lines.iter().map(|line| (Shape::Line, *line)));
    batch
}

fn settings(change: impl FnOnce(&mut Config)) -> Arc<Settings> {
    let mut config = Config::default();
    change(&mut config);
    Arc::new(Settings::new(&config).unwrap())
}

fn decode(lines: &[&[u8]], settings: &Arc<Settings>) -> Output {
    let stream = stream("test");
    let mut out = Output::default();
    Decoder::new(&stream, Arc::clone(settings))
        .decode(&batch(&stream, lines, Flush::End), &mut out);
    out
}

fn decode_text(text: &str, settings: &Arc<Settings>) -> Output {
    let lines: Vec<&[u8]> = text.lines().map(str::as_bytes).collect();
    decode(&lines, settings)
}

/// Every text that would be stored.
fn stored(out: &Output) -> String {
    let texts = |event: &Event| {
        event.iter().map(|(_, value)| value.to_text().into_owned()).collect::<Vec<_>>().join("\n")
    };
    let mut all: Vec<String> = out.events.iter().map(texts).collect();
    for reject in &out.rejects {
        all.push(reject.detail.clone());
        all.push(String::from_utf8_lossy(&reject.head).into_owned());
    }
    all.join("\n")
}

fn files(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        let log = path.extension().is_none_or(|end| end != "yaml" && end != "csv" && end != "md");
        match path.is_dir() {
            true => files(&path, found),
            false if log => found.push(path),
            false => {}
        }
    }
}

/// What real logs lose, by kind. Each was looked at: passwords of `net user`, hashes that credential dumpers print or are
/// given, passwords that a honeypot was tried with. Nothing else may go.
#[test]
fn real_logs_lose_their_secrets_and_nothing_else() {
    let settings = settings(|_| {});
    let lost = lost(
        &[
            "windows/otrf",
            "linux/benign_lab",
            "linux/otrf_atomic_auditd",
            "vectors/auditd",
            "vectors/auth",
            "vectors/nginx",
            "vectors/apache",
            "vectors/k8s_audit",
            "vectors/vault_audit",
            "vectors/fail2ban",
        ],
        1,
        500,
        &settings,
    );
    let Some(lost) = lost else { return };
    assert_eq!(
        lost,
        ["windows/otrf hash 13", "windows/otrf password 24", "vectors/fail2ban password 4",]
    );
}

/// Even where it is looked for everywhere: numbers of machines are taken neither for phones nor for ids.
#[test]
fn logs_of_machines_hold_no_personal_data_but_addresses_to_write_to() {
    let settings = settings(|config| {
        config.redact.secrets = false;
        config.redact.personal = Personal::Everywhere;
    });
    let folders =
        ["windows/otrf", "linux/benign_lab", "vectors/auditd", "vectors/auth", "vectors/apache"];
    // Every fifth file: the addresses that crawlers give.
    let Some(lost) = lost(&folders, 5, 300, &settings) else { return };
    assert_eq!(lost, ["vectors/apache email 22"]);
}

/// What the first lines of the logs in these folders lose, of every so manieth file: `folder kind count`.
fn lost(
    folders: &[&str],
    every: usize,
    lines_max: usize,
    settings: &Arc<Settings>,
) -> Option<Vec<String>> {
    let mut lost = Vec::new();
    for folder in folders {
        let path = support::data(folder)?;
        let (mut all, mut records) = (Vec::new(), 0);
        files(&path, &mut all);
        let mut found: BTreeMap<Arc<str>, u64> = BTreeMap::new();
        for file in all.iter().step_by(every) {
            let lines = lines(file, lines_max);
            let lines: Vec<&[u8]> = lines.iter().map(Vec::as_slice).collect();
            let out = decode(&lines, settings);
            records += out.received;
            for (kind, count) in out.redacted {
                *found.entry(kind).or_default() += count;
            }
        }
        assert!(records > 0, "{folder}: nothing in {} files", all.len());
        lost.extend(found.iter().map(|(kind, count)| format!("{folder} {kind} {count}")));
    }
    Some(lost)
}

fn lines(file: &Path, lines_max: usize) -> Vec<Vec<u8>> {
    let mut bytes = Vec::new();
    let reader = std::fs::File::open(file).unwrap();
    if file.extension().is_some_and(|end| end == "zst") {
        let reader = zstd::stream::Decoder::new(reader).unwrap();
        reader.take(FILE_BYTES_MAX).read_to_end(&mut bytes).unwrap();
    } else {
        reader.take(FILE_BYTES_MAX).read_to_end(&mut bytes).unwrap();
    }
    let lines = bytes.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.take(lines_max).map(<[u8]>::to_vec).collect()
}

const KEY: &str = "0123456789abcdef0123";

/// A configuration that asks for everything.
fn strict(folder: &Path) -> RedactConfig {
    let file = folder.join("key");
    std::fs::write(&file, KEY).unwrap();
    RedactConfig {
        users: Users::Pseudonym,
        addresses: Addresses::Truncate,
        personal: Personal::Everywhere,
        key: Some(SecretRef::File(file)),
        ..RedactConfig::default()
    }
}

/// One line of each family that carries people, addresses and secrets.
const LINES: &str = r#"Nov 22 08:00:00 web01 sshd[7]: Failed password for invalid user alice from 192.0.2.57 port 22 ssh2
Nov 22 08:00:01 web01 sudo: alice : TTY=pts/0 ; PWD=/home/alice ; USER=root ; COMMAND=/usr/bin/mysql -u root -pHunter2! db
{"@timestamp":"2026-11-22T08:00:00Z","event":{"original":"alice 192.0.2.57"},"user":{"name":"alice"},"password":"Hunter2!","text":"mail alice@example.org"}
{"@timestamp":"2026-11-22T08:00:00Z","winlog":{"channel":"Security","event_id":4624,"computer_name":"WEB01","provider_name":"Microsoft-Windows-Security-Auditing","event_data":{"TargetUserName":"Alice","TargetDomainName":"CORP","IpAddress":"192.0.2.57","LogonType":"3","CommandLine":"net user bob Hunter2! /add"}},"message":"An account was logged on: CORP\\Alice from 192.0.2.57"}
type=USER_LOGIN msg=audit(1795334400.123:45): pid=7 uid=0 auid=1000 ses=3 msg='op=login acct="alice" exe="/usr/sbin/sshd" hostname=192.0.2.57 addr=192.0.2.57 terminal=ssh res=success'
type=EXECVE msg=audit(1795334401.123:46): argc=3 a0="cat" a1=2F686F6D652F616C6963652F78 a2="--password=Hunter2!"
{"user":"alice","password":"Hunter2!","from":"192.0.2.57",
nobody can read this: user=alice from 192.0.2.57 --password Hunter2!"#;

#[test]
fn strict_settings_leave_nothing_of_a_person() {
    let folder = tempfile::tempdir().unwrap();
    let redact = strict(folder.path());
    let settings = settings(|config| config.redact = redact);
    let out = decode_text(LINES, &settings);
    assert_eq!((out.events.len(), out.rejects.len()), (6, 2), "{:?}", out.by_reason);
    let text = stored(&out);
    let hex = "616C696365";
    for word in ["alice", "Alice", "192.0.2.57", "Hunter2", hex] {
        let at = text.find(word).map(|at| &text[at.saturating_sub(80)..at + word.len()]);
        assert_eq!(at, None, "{word}");
    }
    // One person, one name: all families and both kinds of host join.
    let names: std::collections::BTreeSet<&str> = out
        .events
        .iter()
        .flat_map(|event| event.all(field::USER_NAME).chain(event.all(field::USER_TARGET_NAME)))
        .filter_map(watchfloor::model::event::Value::as_str)
        .filter(|name| *name != "root")
        .collect();
    assert_eq!(names.len(), 1, "{names:?}");
    assert!(text.contains("192.0.2.0") && text.contains("<redacted:email>"));
    for kind in ["password", "user_name", "address", "email"] {
        assert!(out.redacted.contains_key(kind), "{kind}: {:?}", out.redacted);
    }
    // The same again gives the same names.
    assert_eq!(stored(&decode_text(LINES, &settings)), text);
}

#[test]
fn without_originals_none_is_kept() {
    let settings = settings(|config| config.store.keep_original = false);
    let out = decode_text(LINES, &settings);
    assert!(out.events.iter().all(|event| !event.has(field::EVENT_ORIGINAL)));
    assert_eq!(out.rejects.len(), 2);
    assert!(out.rejects.iter().all(|reject| reject.head.is_empty() && !reject.detail.is_empty()));
}

#[test]
fn originals_and_rejects_hold_no_secret() {
    let out = decode_text(LINES, &settings(|_| {}));
    assert!(out.events.iter().all(|event| event.has(field::EVENT_ORIGINAL)));
    assert!(out.rejects.iter().all(|reject| !reject.head.is_empty()));
    assert!(!stored(&out).contains("Hunter2"), "{}", stored(&out));
    // The command of sudo is a text of its own, and a line is looked at before it is rejected; else each secret counts
    // once, and neither the input nor what repeats it is counted again.
    assert_eq!(out.redacted.values().sum::<u64>(), 8, "{:?}", out.redacted);
}

#[test]
fn what_the_commit_keeps_of_a_log_holds_no_secret() {
    let settings = settings(|_| {});
    let stream = stream("state");
    let line = "Nov 22 08:00:00 web01 app[7]: started with --password Hunter2! by alice";
    let mut decoder = Decoder::new(&stream, Arc::clone(&settings));
    let mut out = Output::default();
    decoder.decode(&batch(&stream, &[line.as_bytes()], Flush::No), &mut out);
    let state = decoder.state().unwrap();
    let linux = section(&state, Section::Linux).unwrap();
    let plain = zstd::stream::decode_all(&linux[1..]).unwrap();
    let plain = String::from_utf8_lossy(&plain);
    assert!(plain.contains("<redacted:password>") && !plain.contains("Hunter2"), "{plain}");
    let mut decoder = Decoder::new(&stream, settings);
    decoder.restore(&state);
    let mut out = Output::default();
    let again = b"Nov 22 08:00:05 web01 last message repeated 2 times";
    decoder.decode(&batch(&stream, &[again], Flush::End), &mut out);
    assert_eq!(out.events.len(), 2);
    assert!(out.events[0].str(field::MESSAGE).unwrap().contains("--password <redacted:password>"));
}

#[test]
fn steps_of_agents_lose_personal_data_by_default() {
    let mut event = Event::default();
    event.class = watchfloor::model::class::Class::AgentStep;
    event.push_str(field::MESSAGE, "send it to bob@example.org, IBAN DE89370400440532013000");
    let settings = settings(|_| {});
    settings.redactor.people.event(&mut event, &mut BTreeMap::new());
    assert_eq!(
        event.str(field::MESSAGE),
        Some("send it to <redacted:email>, IBAN <redacted:iban>")
    );
}

#[test]
fn the_program_says_what_is_wrong_with_a_key_and_uses_a_good_one() {
    let folder = tempfile::tempdir().unwrap();
    let (config, log) = (folder.path().join("w.toml"), folder.path().join("a.log"));
    std::fs::write(&log, LINES).unwrap();
    let run = |text: &str, key: Option<&str>, arguments: &[&str]| {
        std::fs::write(&config, text).unwrap();
        let mut command = watchfloor(folder.path());
        command.arg("--config").arg(&config).args(arguments).env_remove("WF_TEST_KEY");
        if let Some(key) = key {
            command.env("WF_TEST_KEY", key);
        }
        let output = command.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        (output.status.success(), String::from_utf8(output.stdout).unwrap(), said)
    };
    let normalise = ["normalise", log.to_str().unwrap()];
    let (works, out, said) = run("[redact]\nusers = 'pseudonym'", None, &["config", "check"]);
    assert!(!works && (said + &out).contains("redact.users: pseudonyms need a key"));
    let with_key = "[redact]\nusers = 'pseudonym'\nkey = { env = 'WF_TEST_KEY' }";
    let (works, _, said) = run(with_key, None, &normalise);
    assert!(!works && said.contains("redact.key: the variable WF_TEST_KEY is not set"), "{said}");
    let (works, _, said) = run(with_key, Some("short"), &normalise);
    assert!(!works && said.contains("fewer than 16 bytes"), "{said}");
    let (works, out, said) = run(with_key, Some(KEY), &normalise);
    assert!(works, "{said}");
    assert!(out.contains("\"user-") && !out.contains("alice"), "{out}");
    let (_, other, _) = run(with_key, Some("another key of some length"), &normalise);
    assert_ne!(out, other);
    let (works, shown, _) = run(with_key, Some(KEY), &["config", "show"]);
    assert!(works && !shown.contains(KEY));
}
