//! Compound audit events of a real lab against the audit system's own `ausearch -i`, field by field, on a seeded sample;
//! and the whole lab through the program: no record is rejected and every time and serial is one event.

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use watchfloor::config::Config;
use watchfloor::model::event::{Event, Value};
use watchfloor::model::field::FieldId;
use watchfloor::model::record::{Batch, Flush, Shape, Stream};
use watchfloor::normalise::{Decoder, Output, Settings};
use watchfloor::stdx::time::Timestamp;

use crate::support;

/// Logs of ordinary work, runs 1 and 2 of five hosts.
const LOGS: [&str; 10] = [
    "ci01/audit.log.zst",
    "ci01/audit.run2.log.zst",
    "db01/audit.log.zst",
    "db01/audit.run2.log.zst",
    "dev01/audit.log.zst",
    "dev01/audit.run2.log.zst",
    "files01/audit.log.zst",
    "files01/audit.run2.log.zst",
    "web01/audit.log.zst",
    "web01/audit.run2.log.zst",
];
/// 200 events in all.
const SAMPLE_OF_LOG: usize = 20;
/// And 100 single records of PAM, sudo and the tools of accounts.
const SINGLES_OF_LOG: usize = 10;
/// Fixed, so that a failure is the same again.
const SEED: u64 = 0x00a0_d17d;
/// Lines decoded before and after a sampled event's own: it is put together in the middle of its neighbours.
const NEIGHBOURS: usize = 60;

/// `ausearch`, of the Debian package auditd. Its absence is a failure in CI and a loud skip elsewhere.
fn ausearch() -> Option<PathBuf> {
    let found = ["/usr/sbin/ausearch", "/sbin/ausearch", "/usr/bin/ausearch"]
        .iter()
        .map(PathBuf::from)
        .find(|path| path.exists());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "ausearch is missing: script/bootstrap tests");
        eprintln!("SKIPPED: ausearch is missing (Debian package auditd; script/bootstrap tests)");
    }
    found
}

/// `audit(1795336781.150:303311)` of a line.
fn stamp(line: &[u8]) -> Option<&[u8]> {
    let start = line.windows(6).take(64).position(|bytes| bytes == b"audit(")?;
    let rest = &line[start..];
    let end = rest.iter().take(64).position(|byte| *byte == b')')?;
    Some(&rest[..end])
}

/// One sampled event: its own lines, and the first and the last line of its surroundings.
struct Sample<'a> {
    serial: u64,
    own: Vec<&'a [u8]>,
    first: usize,
    last: usize,
}

fn samples<'a>(lines: &[&'a [u8]], random: &mut ChaCha8Rng) -> Vec<Sample<'a>> {
    let mut of_stamp: HashMap<&[u8], Vec<usize>> = HashMap::new();
    let mut order: Vec<&[u8]> = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let Some(stamp) = stamp(line) else { continue };
        let places = of_stamp.entry(stamp).or_default();
        if places.is_empty() {
            order.push(stamp);
        }
        places.push(index);
    }
    let mut chosen = BTreeMap::new();
    let (mut compound, mut single) = (0, 0);
    while compound < SAMPLE_OF_LOG || single < SINGLES_OF_LOG {
        let stamp = order[random.next_u64() as usize % order.len()];
        let places = &of_stamp[stamp];
        let wanted = match places.len() {
            1 if lines[places[0]].starts_with(b"type=SYSCALL") => continue,
            1 => (&mut single, SINGLES_OF_LOG),
            _ => (&mut compound, SAMPLE_OF_LOG),
        };
        if *wanted.0 >= wanted.1 || chosen.contains_key(&places[0]) {
            continue;
        }
        *wanted.0 += 1;
        let text = std::str::from_utf8(stamp).unwrap();
        let serial = text.rsplit(':').next().unwrap().parse().unwrap();
        let (first, last) = (places[0], places[places.len() - 1]);
        chosen.insert(
            first,
            Sample {
                serial,
                own: places.iter().map(|place| lines[*place]).collect(),
                first: first.saturating_sub(NEIGHBOURS),
                last: (last + NEIGHBOURS).min(lines.len()),
            },
        );
    }
    chosen.into_values().collect()
}

/// The lines as one stream, without redaction: what is compared is the text itself.
pub fn decode(lines: &[&[u8]]) -> Output {
    let mut config = Config::default();
    config.redact.secrets = false;
    let settings = Arc::new(Settings::new(&config).unwrap());
    let stream = Arc::new(Stream {
        host: Some(Arc::from("lab")),
        modified: Timestamp::now(),
        backfill: false,
        ..Stream::of_path("lab", "audit.log")
    });
    let mut batch = Batch::new(Arc::clone(&stream), Flush::End);
    batch.extend(lines.iter().map(|line| (Shape::Line, *line)));
    let mut out = Output::default();
    Decoder::new(&stream, settings).decode(&batch, &mut out);
    assert_eq!(out.received, out.stored + out.rejected);
    out
}

/// What `ausearch -i` prints: serial → (record type, text), in its order.
fn interpreted(program: &Path, log: &Path) -> HashMap<u64, Vec<(String, String)>> {
    let output = Command::new(program).args(["-i", "-if"]).arg(log).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let mut events: HashMap<u64, Vec<(String, String)>> = HashMap::new();
    for line in text.lines().filter(|line| line.starts_with("type=")) {
        let (head, body) = line.split_once(" : ").unwrap();
        let kind = head.strip_prefix("type=").unwrap().split(' ').next().unwrap();
        let serial = head.rsplit(':').next().unwrap().trim_end_matches(')').parse().unwrap();
        let body = body.strip_suffix(' ').unwrap_or(body);
        events.entry(serial).or_default().push((kind.to_owned(), body.to_owned()));
    }
    events
}

/// Compares one event; collects what differs.
struct Check<'a> {
    event: &'a Event,
    accounts: &'a HashMap<String, String>,
    compared: usize,
    differences: Vec<String>,
}

impl Check<'_> {
    fn all(&self, name: &str) -> Vec<String> {
        let Some(field) = FieldId::lookup(name) else { return Vec::new() };
        self.event.all(field).map(|value: Value<'_>| value.to_text().into_owned()).collect()
    }

    /// One of our fields holds it; what the other calls nothing we leave out.
    fn holds(&mut self, what: &str, names: &[&str], theirs: &str) {
        self.compared += 1;
        let ours: Vec<String> = names.iter().flat_map(|name| self.all(name)).collect();
        let nothing = matches!(theirs, "" | "(none)" | "(null)" | "?");
        let same = if nothing {
            !ours.iter().any(|value| value == theirs)
        } else {
            ours.iter().any(|value| visible(value) == theirs)
        };
        if !same {
            self.differences.push(format!("{what}: {theirs:?} there, {ours:?} here"));
        }
    }

    fn same<T: PartialEq + std::fmt::Debug>(&mut self, what: &str, theirs: T, ours: T) {
        self.compared += 1;
        if theirs != ours {
            self.differences.push(format!("{what}: {theirs:?} there, {ours:?} here"));
        }
    }

    /// A user or group as a number: `unknown(7021)`, or a name of the machine that runs the test.
    fn id(&self, file: &str, text: &str) -> String {
        if let Some(number) = text.strip_prefix("unknown(").and_then(|rest| rest.strip_suffix(')'))
        {
            return number.to_owned();
        }
        self.accounts.get(&format!("{file}:{text}")).cloned().unwrap_or_else(|| text.to_owned())
    }

    fn record(&mut self, kind: &str, body: &str) {
        match kind {
            "SYSCALL" => self.syscall(body),
            "CWD" => self.holds("cwd", &["process.working_directory"], &body["cwd=".len()..]),
            "PROCTITLE" => self.holds("proctitle", &["process.title"], &body["proctitle=".len()..]),
            "EXECVE" => self.execve(body),
            "SOCKADDR" => self.socket(body),
            "OBJ_PID" => {
                for key in ["opid", "ocomm", "oses"] {
                    self.holds(key, &[&format!("auditd.data.{key}")], value(body, key).unwrap());
                }
                let user = self.id("passwd", value(body, "ouid").unwrap());
                self.holds("ouid", &["auditd.data.ouid"], &user);
            }
            "LOGIN" => {
                for key in ["old-auid", "auid"] {
                    let user = self.id("passwd", value(body, key).unwrap());
                    self.holds(key, &["user.audit.id", &format!("auditd.data.{key}")], &user);
                }
                self.holds("ses", &["auditd.session"], value(body, "ses").unwrap());
            }
            _ if body.contains("msg='") => self.user_space(body),
            _ => {}
        }
    }

    fn syscall(&mut self, body: &str) {
        let of = |key: &str| value(body, key).unwrap_or_else(|| panic!("{key}: {body}"));
        self.holds("syscall", &["auditd.data.syscall"], of("syscall"));
        self.holds("arch", &["auditd.data.arch"], of("arch"));
        self.holds("comm", &["process.name"], of("comm"));
        self.holds("exe", &["process.executable"], of("exe"));
        self.holds("pid", &["process.pid"], of("pid"));
        self.holds("ppid", &["process.parent.pid"], of("ppid"));
        self.holds("ses", &["auditd.session"], of("ses"));
        self.holds("tty", &["process.tty"], of("tty"));
        self.holds("items", &["auditd.data.items"], of("items"));
        let exit = of("exit").split('(').next().unwrap();
        self.holds("exit", &["auditd.data.exit"], exit);
        let worked = if of("success") == "yes" { "success" } else { "fail" };
        self.holds("success", &["auditd.result"], worked);
        let outcome = if of("success") == "yes" { "success" } else { "failure" };
        if exit != "EINPROGRESS" {
            self.holds("outcome", &["event.outcome"], outcome);
        }
        for key in of("key").split(" or ") {
            self.holds("key", &["auditd.data.key"], key);
        }
        for (key, name) in [
            ("auid", "user.audit.id"),
            ("uid", "user.id"),
            ("euid", "user.effective.id"),
            ("suid", "auditd.data.suid"),
            ("fsuid", "auditd.data.fsuid"),
        ] {
            let user = self.id("passwd", of(key));
            self.holds(key, &[name], &user);
        }
        for (key, name) in
            [("gid", "group.id"), ("egid", "auditd.data.egid"), ("sgid", "auditd.data.sgid")]
        {
            let group = self.id("group", of(key));
            self.holds(key, &[name], &group);
        }
    }

    /// The whole text, put together from our arguments.
    fn execve(&mut self, body: &str) {
        let arguments = self.all("process.args");
        let mut text = format!("argc={}", arguments.len());
        for (index, argument) in arguments.iter().enumerate() {
            text.push_str(&format!(" a{index}={}", visible(argument)));
        }
        self.same("execve", body.to_owned(), text);
        self.same("command line", arguments.join(" "), self.all("process.command_line").concat());
    }

    /// `saddr={ saddr_fam=inet laddr=10.77.0.13 lport=5432 }`.
    fn socket(&mut self, body: &str) {
        let of = |key: &str| value(body, key).unwrap_or("");
        let (family, rest) = match of("saddr_fam") {
            "inet" => ("ipv4", true),
            "inet6" => ("ipv6", true),
            "local" => ("unix", false),
            "netlink" => ("netlink", false),
            _ => ("unspecified", false),
        };
        self.holds("family", &["auditd.data.socket_family"], family);
        if rest {
            let ips = ["source.ip", "destination.ip", "server.ip"];
            let ports = ["source.port", "destination.port", "server.port"];
            let address = of("laddr").strip_prefix("::ffff:").unwrap_or(of("laddr"));
            self.holds("address", &ips, address);
            self.holds("port", &ports, of("lport"));
        }
        if family == "unix" {
            self.holds("path", &["auditd.data.socket_path"], of("path"));
        }
    }

    fn user_space(&mut self, body: &str) {
        let user = self.id("passwd", value(body, "uid").unwrap());
        self.holds("uid", &["user.id", "process.user.id"], &user);
        let user = self.id("passwd", value(body, "auid").unwrap());
        self.holds("auid", &["user.audit.id"], &user);
        self.holds("pid", &["process.pid"], value(body, "pid").unwrap());
        let (_, inner) = body.split_once("msg='").unwrap();
        let inner = inner.trim_end_matches('\'');
        for (key, names) in [
            ("op", &["auditd.data.op"][..]),
            ("grantors", &["auditd.data.grantors"]),
            ("acct", &["user.name", "user.effective.name", "user.target.name", "group.name"]),
            ("exe", &["process.executable"]),
            ("addr", &["source.ip"]),
            ("terminal", &["auditd.data.terminal"]),
            ("cwd", &["process.working_directory"]),
            ("cmd", &["process.command_line"]),
            ("res", &["event.outcome"]),
        ] {
            let Some(text) = value(inner, key) else { continue };
            let text = if text == "failed" { "failure" } else { text };
            self.holds(key, names, text);
        }
        if let Some(id) = value(inner, "id") {
            let (user, group) = (self.id("passwd", id), self.id("group", id));
            let id = if user == id { group } else { user };
            self.holds("id", &["user.target.id", "user.id", "group.id"], &id);
        }
    }

    /// The items in order: names as recorded (ours stand with what they resolve to), inodes, types, owners.
    fn paths(&mut self, mut bodies: Vec<&str>) {
        bodies.sort_by_key(|body| value(body, "item").unwrap().parse::<u32>().unwrap());
        let list = |key: &str| -> Vec<String> {
            let values = bodies.iter().filter_map(|body| value(body, key));
            values.filter(|text| *text != "(null)").map(str::to_owned).collect()
        };
        let mut ours = self.all("auditd.data.name").into_iter().peekable();
        for name in list("name") {
            let found = ours.next().map(|name| visible(&name)).unwrap_or_default();
            if !name.starts_with('/') && found == name {
                // What a relative name resolves to.
                ours.next_if(|next| next.starts_with('/') && next.ends_with(last_part(&name)));
            } else if found == name {
                // The same without double slashes and dots.
                ours.next_if(|next| *next != name && tidy(&name) == *next);
            }
            self.same("name", name, found);
        }
        self.same("names left", Vec::<String>::new(), ours.collect());
        self.same("nametype", list("nametype"), self.all("auditd.data.nametype"));
        self.same("inode", list("inode"), self.all("auditd.paths.inode"));
        self.same("dev", list("dev"), self.all("auditd.paths.dev"));
        let users = list("ouid").iter().map(|user| self.id("passwd", user)).collect::<Vec<_>>();
        self.same("ouid", users, self.all("auditd.paths.ouid"));
        let bits =
            |mode: &String| u32::from_str_radix(mode.rsplit(',').next().unwrap(), 8).unwrap();
        let theirs: Vec<u32> = list("mode").iter().map(bits).collect();
        let ours = self.all("auditd.paths.mode");
        let ours = ours.iter().map(|mode| u32::from_str_radix(mode, 8).unwrap() & 0o777).collect();
        self.same("mode", theirs, ours);
    }
}

fn last_part(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    let last = path.rsplit('/').next().unwrap_or(path);
    // `.` and `..` resolve to something else.
    if matches!(last, "." | "..") { "" } else { last }
}

fn tidy(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

/// The value behind ` key=`, up to the next word that has `=` in it. Values may hold spaces.
fn value<'a>(body: &'a str, key: &str) -> Option<&'a str> {
    let start = match body.strip_prefix(&format!("{key}=")) {
        Some(_) => key.len() + 1,
        None => body.find(&format!(" {key}="))? + key.len() + 2,
    };
    let rest = &body[start..];
    let mut end = rest.len();
    for (at, _) in rest.match_indices(' ') {
        let word = rest[at + 1..].split(' ').next().unwrap_or("");
        let known = word.split_once('=').is_some_and(|(key, _)| {
            !key.is_empty()
                && key
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
        });
        if known || word == "}" {
            end = at;
            break;
        }
    }
    Some(&rest[..end])
}

/// Control characters as `ausearch` shows them.
fn visible(text: &str) -> String {
    let mut shown = String::new();
    for character in text.chars() {
        match character {
            '\0'..='\u{1f}' => shown.push_str(&format!("\\{:03o}", u32::from(character))),
            other => shown.push(other),
        }
    }
    shown
}

/// `passwd:root` → `0`, `group:shadow` → `42`, of the machine that runs the test.
fn accounts() -> HashMap<String, String> {
    let mut numbers = HashMap::new();
    for file in ["passwd", "group"] {
        let text = std::fs::read_to_string(format!("/etc/{file}")).unwrap_or_default();
        for line in text.lines() {
            let mut parts = line.split(':');
            if let (Some(name), Some(number)) = (parts.next(), parts.nth(1)) {
                numbers.insert(format!("{file}:{name}"), number.to_owned());
            }
        }
    }
    numbers.insert("passwd:unset".to_owned(), "unset".to_owned());
    numbers
}

#[test]
fn two_hundred_compound_events_equal_what_ausearch_makes_of_them() {
    let Some(program) = ausearch() else { return };
    let folder = tempfile::tempdir().unwrap();
    let accounts = accounts();
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let (mut compound, mut single, mut compared) = (0, 0, 0);
    let mut types: BTreeMap<String, usize> = BTreeMap::new();
    let mut differences = Vec::new();
    for log in LOGS {
        let Some(path) = support::data(&format!("linux/benign_lab/{log}")) else { return };
        let bytes = zstd::decode_all(std::fs::File::open(path).unwrap()).unwrap();
        let lines: Vec<&[u8]> =
            bytes.split(|byte| *byte == b'\n').filter(|l| !l.is_empty()).collect();
        let samples = samples(&lines, &mut random);
        let own: Vec<&[u8]> = samples.iter().flat_map(|sample| sample.own.clone()).collect();
        let sampled = folder.path().join("sampled.log");
        std::fs::write(&sampled, [own.join(&b'\n'), b"\n".to_vec()].concat()).unwrap();
        let theirs = interpreted(&program, &sampled);
        for sample in &samples {
            let decoded = decode(&lines[sample.first..sample.last]);
            assert_eq!(decoded.rejected, 0);
            let sequence = FieldId::lookup("event.sequence").unwrap();
            let wanted = Some(Value::Int(i64::try_from(sample.serial).unwrap()));
            let event = decoded.events.iter().find(|event| event.get(sequence) == wanted).unwrap();
            assert_eq!(event.records as usize, sample.own.len());
            let records = &theirs[&sample.serial];
            assert_eq!(records.len(), sample.own.len(), "ausearch left records out");
            let mut check =
                Check { event, accounts: &accounts, compared: 0, differences: Vec::new() };
            for (kind, body) in records {
                *types.entry(kind.clone()).or_default() += 1;
                check.record(kind, body);
            }
            let paths: Vec<&str> = records
                .iter()
                .filter(|(kind, _)| kind == "PATH")
                .map(|(_, body)| body.as_str())
                .collect();
            check.paths(paths);
            compared += check.compared;
            *if sample.own.len() > 1 { &mut compound } else { &mut single } += 1;
            differences.extend(
                check.differences.iter().map(|text| format!("{log} {}: {text}", sample.serial)),
            );
        }
    }
    eprintln!(
        "{compound} compound and {single} single events, {compared} fields, records: {types:?}"
    );
    assert_eq!(compound, LOGS.len() * SAMPLE_OF_LOG);
    assert_eq!(single, LOGS.len() * SINGLES_OF_LOG);
    assert!(
        differences.is_empty(),
        "{} of {compared} differ:\n{}",
        differences.len(),
        differences.join("\n")
    );
}

/// 312 MB; only with the release build that `script/test` makes, or on request.
#[test]
fn no_record_of_the_lab_is_rejected_and_each_time_and_serial_is_one_event() {
    let release = std::env::var_os("WATCHFLOOR_BIN").is_some();
    if !release && std::env::var_os("WATCHFLOOR_TEST_FULL").is_none() {
        eprintln!(
            "SKIPPED: the whole lab takes a release build (WATCHFLOOR_BIN) or WATCHFLOOR_TEST_FULL=1"
        );
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut command = support::watchfloor(folder.path());
    command.arg("normalise").stdout(std::process::Stdio::null());
    for log in LOGS {
        let Some(path) = support::data(&format!("linux/benign_lab/{log}")) else { return };
        command.arg(path);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}");
    let ledger = "1505100 records received = 1505100 stored + 0 rejected + 0 in flight; 355139 events in 10 files";
    assert!(said.lines().any(|line| line == ledger), "{said}");
}
