//! The decoders: every record ends in exactly one column of the books, a decoder that was saved and restored in the
//! middle makes the same events, ids are distinct, and no event is out of proportion to its records.

use std::sync::{Arc, OnceLock};

use watchfloor::carrier::Chunk;
use watchfloor::config::Config;
use watchfloor::model::event::Event;
use watchfloor::model::field;
use watchfloor::model::record::{Batch, Flush, Framing, Record, Shape, Stream};
use watchfloor::normalise::linux::{
    accounts, cron, kernel, pam, scrub::Scrub, sshd, su, sudo, systemd,
};
use watchfloor::normalise::{Decoder, Output, Settings};
use watchfloor::scenario::{self, plan};
use watchfloor::stdx::id::IdHasher;
use watchfloor::stdx::time::Timestamp;

use crate::target::Seen;

/// Bytes that an event may hold beside so many times those of its records.
const EVENT_BYTES_FREE: usize = 16 << 10;
const EVENT_BYTES_TIMES: usize = 24;
/// Names and words may come from the input: this many are told apart.
const FIELD_BUCKETS: u64 = 512;

/// With redaction, as in operation.
fn settings() -> Arc<Settings> {
    static SETTINGS: OnceLock<Arc<Settings>> = OnceLock::new();
    let made =
        || Arc::new(Settings::new(&Config::default()).expect("the built-in patterns compile"));
    Arc::clone(SETTINGS.get_or_init(made))
}

fn stream(format: &str) -> Arc<Stream> {
    Arc::new(Stream {
        id: IdHasher::new("fuzz").finish(),
        delivery: None,
        shard: "".into(),
        source: Arc::from("fuzz"),
        path: Arc::from("fuzz.log"),
        tenant: Arc::from("default"),
        host: Some(Arc::from("host")),
        format: Arc::from(format),
        labels: Arc::from([]),
        modified: Timestamp::now(),
        live: false,
        backfill: false,
    })
}

fn batch(stream: &Arc<Stream>, lines: &[(u64, &[u8])], flush: Flush) -> Batch {
    let mut batch = Batch::new(Arc::clone(stream), flush);
    for (offset, line) in lines {
        batch.records.push(Record {
            start: u32::try_from(batch.data.len()).expect("small"),
            len: u32::try_from(line.len()).expect("small"),
            offset: *offset,
            framing: Framing::Whole,
            shape: Shape::Line,
        });
        batch.data.extend_from_slice(line);
    }
    batch
}

/// Lines through the decoder of a format, whole and with a restart in the middle.
pub fn run(format: &str, input: &[u8], seen: &mut Seen) {
    let mut at = 0;
    let mut lines: Vec<(u64, &[u8])> = Vec::new();
    for line in input.split(|byte| *byte == b'\n') {
        lines.push((at, line));
        at += line.len() as u64 + 1;
    }
    let stream = stream(format);
    let mut whole = Output::default();
    let mut decoder = Decoder::new(&stream, settings());
    decoder.decode(&batch(&stream, &lines, Flush::End), &mut whole);
    check(&whole, decoder.open_records(), input.len());
    // A restart: what the decoder leaves is all that the next one knows.
    let (first, second) = lines.split_at(lines.len() / 2);
    let mut cut = Output::default();
    let mut before = Decoder::new(&stream, settings());
    before.decode(&batch(&stream, first, Flush::No), &mut cut);
    let state = before.state();
    let mut after = Decoder::new(&stream, settings());
    if let Some(state) = &state {
        after.restore(state);
        assert_eq!(after.open_records(), before.open_records(), "open records after a restart");
        assert_eq!(after.state().as_ref(), Some(state), "the state after a restart");
    }
    after.decode(&batch(&stream, second, Flush::End), &mut cut);
    same(&whole, &cut);
    note(&whole, seen);
}

/// Records of a carrier through the decoder.
pub fn chunks(chunks: Vec<Chunk>, seen: &mut Seen) {
    let stream = stream("auto");
    let mut out = Output::default();
    let mut decoder = Decoder::new(&stream, settings());
    let mut bytes = 0;
    for chunk in chunks {
        bytes += chunk.data.len();
        let Chunk { data, records } = chunk;
        let batch = Batch { data, records, ..Batch::new(Arc::clone(&stream), Flush::End) };
        decoder.decode(&batch, &mut out);
    }
    check_books(&out, decoder.open_records());
    check_sizes(&out, bytes);
    note(&out, seen);
}

/// What must hold for the output of any input.
fn check(out: &Output, open: u64, bytes: usize) {
    check_books(out, open);
    check_sizes(out, bytes);
    // A Windows event has the id of its record: delivered twice, it is the same one.
    let own = out.events.iter().filter(|event| !event.has(field::WINLOG_RECORD_ID));
    let mut ids: Vec<_> = own.map(|event| event.id).collect();
    let events = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), events, "two events have one id");
}

fn check_books(out: &Output, open: u64) {
    assert_eq!(open, 0, "records are open after the end");
    assert_eq!(out.received, out.stored + out.rejected, "the books do not balance");
    // A list of records is one record; each of its elements that cannot be read is kept with its reason.
    assert!(out.rejected as usize <= out.rejects.len(), "rejects are counted but not kept");
    let by_reason: u64 = out.by_reason.values().sum();
    assert_eq!(out.rejects.len() as u64, by_reason, "reasons do not add up");
}

fn check_sizes(out: &Output, bytes: usize) {
    for event in &out.events {
        let size = event.heap_bytes();
        assert!(
            size <= EVENT_BYTES_FREE + EVENT_BYTES_TIMES * bytes,
            "an event of {size} bytes of {bytes}"
        );
        for (field, value) in event.iter() {
            if field == field::HOST_NAME {
                let host = value.to_text();
                assert_eq!(host.to_lowercase(), host.as_ref(), "a host in capitals");
            }
        }
    }
}

/// The same events whether or not the decoder was restarted. Times that could not be read are those of reading.
fn same(whole: &Output, cut: &Output) {
    assert_eq!(whole.received, cut.received);
    assert_eq!(
        (whole.stored, whole.rejected),
        (cut.stored, cut.rejected),
        "a restart changes the books"
    );
    assert_eq!(whole.events.len(), cut.events.len(), "a restart changes the number of events");
    for (one, two) in whole.events.iter().zip(&cut.events) {
        assert_eq!(one.id, two.id, "a restart changes ids");
        let fields = |event: &Event| {
            let fields =
                event.iter().map(|(field, value)| (field.name(), value.to_text().into_owned()));
            fields.collect::<Vec<_>>()
        };
        let (mine, other) = (fields(one), fields(two));
        for (mine, other) in mine.iter().zip(&other) {
            assert_eq!(mine, other, "a restart changes a field");
        }
        assert_eq!(mine.len(), other.len(), "a restart changes the number of fields");
    }
}

fn note(out: &Output, seen: &mut Seen) {
    for event in &out.events {
        seen.note("class", event.class.as_str());
        seen.size("records", event.records as usize);
        for (field, value) in event.iter() {
            seen.note_one_of("field", field.name(), FIELD_BUCKETS);
            if matches!(
                field,
                field::EVENT_ACTION | field::EVENT_PROVIDER | field::EVENT_TIME_PROBLEM
            ) {
                seen.note_one_of(field.name(), &value.to_text(), FIELD_BUCKETS);
            }
        }
    }
    for reject in &out.rejects {
        seen.note("reject", reject.reason);
        seen.note_one_of("detail", &reject.detail, FIELD_BUCKETS);
    }
    for kind in out.redacted.keys() {
        seen.note("redacted", kind);
    }
}

/// Every family of Linux programs gets the message, whatever program it comes from.
pub fn programs(input: &[u8], seen: &mut Seen) {
    let text = String::from_utf8_lossy(input);
    let settings = settings();
    let mut out = Output::default();
    let mut scrub = Scrub::new(&settings, &mut out);
    let mut one = |name: &str, run: &mut dyn FnMut(&mut Event, &mut Scrub<'_>) -> bool| {
        let mut event = Event::default();
        let known = run(&mut event, &mut scrub);
        let size = event.heap_bytes();
        assert!(size <= EVENT_BYTES_FREE + EVENT_BYTES_TIMES * text.len(), "{name}: {size} bytes");
        if known {
            assert!(event.has(field::EVENT_ACTION), "{name} knows the message and names no action");
            seen.note(name, event.str(field::EVENT_ACTION).unwrap_or(""));
            for (field, _) in event.iter() {
                seen.note(name, field.name());
            }
        }
    };
    one("sshd", &mut |event, _| sshd::map(&text, event));
    one("dropbear", &mut |event, _| sshd::dropbear::map(&text, event));
    one("pam", &mut |event, _| pam::map(&text, event));
    one("sudo", &mut |event, scrub| sudo::map(&text, scrub, event));
    one("doas", &mut |event, scrub| sudo::map_doas(&text, scrub, event));
    one("pkexec", &mut |event, scrub| sudo::map_pkexec(&text, scrub, event));
    one("su", &mut |event, _| su::map(&text, event));
    one("login", &mut |event, _| su::map_login(&text, event));
    one("cron", &mut |event, scrub| cron::map(&text, scrub, event));
    one("accounts", &mut |event, _| accounts::map("usermod", &text, event));
    one("groups", &mut |event, _| accounts::map("groupmod", &text, event));
    one("kernel", &mut |event, _| kernel::map(&text, event));
    one("firewalld", &mut |event, scrub| kernel::firewalld::map(&text, scrub, event));
    one("systemd", &mut |event, _| systemd::map(&text, event));
}

/// What the built-in scenario writes, by the end of the file's name.
fn simulated(ending: &str) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for (name, _) in scenario::BUILTIN {
        let Ok(scenario) = scenario::load(name) else { continue };
        let planned = plan::plan(&scenario, 1, Timestamp(1_750_000_000_000_000), 1.0);
        let texts = planned.iter().filter(|planned| planned.file.ends_with(ending));
        found.extend(texts.map(|planned| planned.text.clone().into_bytes()).take(400));
    }
    found
}

fn texts(lines: &[&str]) -> Vec<Vec<u8>> {
    lines.iter().map(|line| line.as_bytes().to_vec()).collect()
}

pub fn auditd_examples() -> Vec<Vec<u8>> {
    let mut found = simulated("audit.log");
    found.extend(texts(&[
        "type=SYSCALL msg=audit(100.5:7): arch=c000003e syscall=59 success=yes exit=0 a0=1f a1=2 a2=3 a3=4 items=2 ppid=10 pid=11 auid=1000 uid=0 gid=0 euid=0 tty=pts0 ses=3 comm=\"id\" exe=\"/usr/bin/id\" key=\"exec\"\u{1d}ARCH=x86_64 SYSCALL=execve AUID=\"bob\" UID=\"root\"\n\
         type=EXECVE msg=audit(100.5:7): argc=3 a0=\"id\" a1=\"-u\" a2_len=8 a2[0]=6162 a2[1]=\"cd\"\n\
         type=CWD msg=audit(100.5:7): cwd=\"/root\"\n\
         type=PATH msg=audit(100.5:7): item=0 name=\"/usr/bin/id\" inode=5 dev=08:01 mode=0100755 ouid=0 ogid=0 rdev=00:00 nametype=NORMAL cap_fp=0\n\
         type=PROCTITLE msg=audit(100.5:7): proctitle=6964002D75\n\
         type=EOE msg=audit(100.5:7): ",
        "node=web1 type=USER_AUTH msg=audit(101.0:8): pid=1 uid=0 auid=4294967295 ses=4294967295 msg='op=PAM:authentication grantors=? acct=\"eve\" exe=\"/usr/sbin/sshd\" hostname=192.0.2.7 addr=192.0.2.7 terminal=ssh res=failed'",
        "type=SYSCALL msg=audit(102.0:9): arch=c000003e syscall=42 success=no exit=-115 a0=3 pid=12 exe=\"/usr/bin/curl\"\ntype=SOCKADDR msg=audit(102.0:9): saddr=02000050C00002070000000000000000",
        "type=AVC msg=audit(103.0:10): avc:  denied  { read write } for  pid=13 comm=\"x\" name=\"y\" dev=sda1 ino=5 scontext=a:b:c:s0 tcontext=a:b:d:s0 tclass=file permissive=0",
        "type=AVC msg=audit(104.0:11): apparmor=\"DENIED\" operation=\"open\" profile=\"p\" name=\"/etc/shadow\" pid=14 comm=\"x\" requested_mask=\"r\" denied_mask=\"r\" fsuid=0 ouid=0",
        "type=SECCOMP msg=audit(105.0:12): auid=1 uid=1 gid=1 ses=1 pid=15 comm=\"x\" exe=\"/x\" sig=31 arch=40000003 syscall=132 compat=0 ip=0xb7670aac code=0x80000000",
        "type=TTY msg=audit(106.0:13): tty pid=16 uid=0 auid=1 ses=1 major=136 minor=0 comm=\"bash\" data=6C730D",
        "type=CONFIG_CHANGE msg=audit(107.0:14): op=set audit_enabled=0 old=1 auid=0 ses=1 res=1",
        "Mar 27 13:06:56 web1 kernel: [ 12.3] audit: type=1400 audit(108.0:15): apparmor=\"STATUS\" operation=\"profile_load\" name=\"x\" pid=17 comm=\"apparmor_parser\"",
    ]));
    found
}

pub fn syslog_examples() -> Vec<Vec<u8>> {
    let mut found = simulated("auth.log");
    found.extend(message_examples().iter().enumerate().map(|(index, message)| {
        let program = [
            "sshd[7]",
            "sudo",
            "su",
            "login",
            "CRON[7]",
            "useradd[7]",
            "kernel",
            "systemd[1]",
            "dropbear[7]",
        ];
        let text = String::from_utf8_lossy(message);
        format!("Feb 22 10:00:00 web1 {}: {text}", program[index % program.len()]).into_bytes()
    }));
    found.extend(texts(&[
        "<34>1 2026-02-22T10:00:00.5+01:00 web1 sshd 7 ID47 [x@1 a=\"b\\\"c\" d=\"e\"][y@2 f=\"g\"] \u{feff}Failed password for root from 192.0.2.7 port 22 ssh2",
        "Feb 22 10:00:00 web1 sshd[7]: Failed password for root from 192.0.2.7 port 22 ssh2\nFeb 22 10:00:01 web1 last message repeated 3 times",
        "Feb 22 10:00:00 web1 sshd[7]: message repeated 2 times: [ Failed password for root from 192.0.2.7 port 22 ssh2]",
        "Jun 21 16:47:46 <auth.info> box sshd[1]: Connection closed by 192.0.2.7 port 22 [preauth]",
        "2026-11-22 10:00:00.123456-0700  localhost su[1]: BAD SU bob to root on /dev/ttys001",
    ]));
    found
}

pub fn message_examples() -> Vec<Vec<u8>> {
    texts(&[
        "Failed password for invalid user admin from 192.0.2.7 port 22 ssh2",
        "Accepted publickey for bob from 2001:db8::7 port 22 ssh2: ED25519 SHA256:abc",
        "Disconnected from authenticating user root 192.0.2.7 port 22 [preauth]",
        "error: maximum authentication attempts exceeded for invalid user a from 192.0.2.7 port 9 ssh2 [preauth]",
        "drop connection #10 from [192.0.2.7]:5000 on [198.51.100.1]:22 past MaxStartups",
        "open \"/home/bob/a.txt\" flags WRITE,CREATE,TRUNCATE mode 0644",
        "Bad password attempt for 'root' from 192.0.2.7:5000",
        "Exit before auth (user 'root', 3 fails): Max auth tries reached - user 'root' from 192.0.2.7:5000",
        "pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=192.0.2.7  user=root",
        "pam_unix(sudo:session): session opened for user root(uid=0) by bob(uid=1000)",
        "bob : 3 incorrect password attempts ; TTY=pts/1 ; PWD=/ ; USER=root ; COMMAND=/bin/su",
        "bob ran command whoami as root from /home/bob",
        "bob: Executing command [USER=root] [TTY=/dev/pts/0] [CWD=/home/bob] [COMMAND=/usr/bin/id]",
        "FAILED SU (to root) bob on pts/0",
        "FAILED LOGIN (1) on '/dev/tty1' FOR 'bob', Authentication failure",
        "(root) CMD (   cd / && run-parts --report /etc/cron.hourly)",
        "new user: name=eve, UID=1001, GID=1001, home=/home/eve, shell=/bin/bash, from=none",
        "add 'eve' to group 'sudo'",
        "[UFW BLOCK] IN=eth0 OUT= MAC=00:11:22:33:44:55:66:77:88:99:aa:bb:08:00 SRC=192.0.2.1 DST=192.0.2.2 LEN=103 PROTO=UDP SPT=53 DPT=36427 LEN=83",
        "Out of memory: Killed process 42 (name) total-vm:1kB, anon-rss:2kB, UID:7 pgtables:1kB",
        "usb 1-1: New USB device found, idVendor=0930, idProduct=6544, bcdDevice=1",
        "a.out[77]: segfault at 0 ip 0 sp 0 error 4 in libc.so.6[7f+1]",
        "New session '5' of user 'bob' with class 'user' and type 'tty'.",
        "nginx.service: Failed with result 'exit-code'.",
        "2026-01-02 10:51:43 ERROR: COMMAND_FAILED: '/sbin/iptables -D X -g Y' failed: no chain",
    ])
}

pub fn windows_examples() -> Vec<Vec<u8>> {
    let mut found = simulated("windows.jsonl");
    found.extend(texts(&[
        "{\"@timestamp\":\"2026-02-22T10:00:00Z\",\"winlog\":{\"channel\":\"Security\",\"event_id\":4625,\"computer_name\":\"A\",\"record_id\":7,\"event_data\":{\"TargetUserName\":\"bob\",\"IpAddress\":\"192.0.2.7\",\"LogonType\":\"3\"}}}",
        "{\"EventTime\":\"2026-02-22 10:00:00\",\"Hostname\":\"A\",\"Channel\":\"Microsoft-Windows-Sysmon/Operational\",\"EventID\":1,\"RecordNumber\":7,\"Image\":\"C:\\\\a.exe\",\"Hashes\":\"SHA256=00,MD5=11\",\"ProcessGuid\":\"{1}\",\"UtcTime\":\"2026-02-22 10:00:00.123\"}",
        "{\"Event\":{\"System\":{\"Provider\":{\"#attributes\":{\"Name\":\"Microsoft-Windows-Security-Auditing\"}},\"EventID\":4624,\"Channel\":\"Security\",\"Computer\":\"A\",\"EventRecordID\":7,\"TimeCreated\":{\"#attributes\":{\"SystemTime\":\"2026-02-22T10:00:00Z\"}}},\"EventData\":{\"TargetUserName\":\"bob\"}}}",
    ]));
    found
}

pub fn json_examples() -> Vec<Vec<u8>> {
    texts(&[
        "{\"time\":\"2026-02-22T10:00:00Z\",\"host\":\"a\",\"n\":1.5,\"list\":[1,\"x\",null,{\"y\":true}],\"password\":\"hunter2\"}",
        "[{\"a\":1},{\"b\":[[[]]]},{\"c\":\"\\ud83d\\ude00\"}]",
        "{\n  \"a\": {\n    \"b\": \"c\"\n  }\n}\n{\"ts\":1750000000123,\"message\":\"x\"}",
    ])
}

pub fn all_examples() -> Vec<Vec<u8>> {
    [auditd_examples(), syslog_examples(), windows_examples(), json_examples()].concat()
}
