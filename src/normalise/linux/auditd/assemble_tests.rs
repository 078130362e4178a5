//! Tests of the assembler: closing, bounds, state, and that no record is lost or counted twice.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::model::event::{Event, Value};
use crate::model::field;
use crate::model::record::{Framing, Record, Shape};
use crate::normalise::linux::scrub::tests::{plain_settings, settings};

fn stream() -> Stream {
    Stream {
        id: IdHasher::new("test").finish(),
        delivery: None,
        shard: "".into(),
        source: Arc::from("s"),
        path: Arc::from("/var/log/audit/audit.log"),
        tenant: Arc::from("default"),
        host: None,
        format: Arc::from("auto"),
        labels: Arc::from([]),
        modified: Timestamp(0),
        live: false,
        backfill: false,
    }
}

/// Feeds lines and keeps what comes out.
struct Bench {
    stream: Stream,
    settings: Settings,
    assembler: Assembler,
    out: Output,
    offset: u64,
}

impl Bench {
    fn new(assemblies_max: usize) -> Bench {
        Bench::with(assemblies_max, settings())
    }

    fn with(assemblies_max: usize, settings: Settings) -> Bench {
        Bench {
            stream: stream(),
            settings,
            assembler: Assembler::new(assemblies_max),
            out: Output::default(),
            offset: 0,
        }
    }

    /// Without redaction.
    fn plain(assemblies_max: usize) -> Bench {
        Bench::with(assemblies_max, plain_settings())
    }

    fn feed(&mut self, bytes: &[u8]) {
        let record = Record {
            start: 0,
            len: u32::try_from(bytes.len()).unwrap(),
            offset: self.offset,
            framing: Framing::Whole,
            shape: Shape::Line,
        };
        self.offset += bytes.len() as u64 + 1;
        let ingested = Timestamp(2_000_000_000_000_000);
        let context = Context {
            stream: &self.stream,
            record: &record,
            bytes,
            settings: &self.settings,
            ingested,
            envelope: None,
        };
        self.out.received += 1;
        self.assembler.decode(&context, &mut self.out);
        self.balance();
    }

    fn end(&mut self) {
        let now = Timestamp(2_000_000_000_000_000);
        self.assembler.flush(Flush::End, now, &self.stream, &self.settings, &mut self.out);
        self.balance();
        assert_eq!(self.assembler.open_records(), 0);
    }

    fn balance(&self) {
        let out = &self.out;
        assert_eq!(out.received, out.stored + out.rejected + self.assembler.open_records());
        let in_events: u64 = out.events.iter().map(|event| u64::from(event.records)).sum();
        assert_eq!(in_events, out.stored);
    }
}

const EXEC: &str = "type=SYSCALL msg=audit(100.5:7): arch=c000003e syscall=59 success=yes exit=0 a0=1f a1=2 ppid=10 pid=11 auid=1000 uid=0 euid=0 tty=pts0 ses=3 comm=\"id\" exe=\"/usr/bin/id\" key=\"exec\"\u{1d}ARCH=x86_64 SYSCALL=execve AUID=\"bob\" UID=\"root\"
type=EXECVE msg=audit(100.5:7): argc=2 a0=\"id\" a1=\"-u\"
type=CWD msg=audit(100.5:7): cwd=\"/root\"
type=PATH msg=audit(100.5:7): item=0 name=\"/usr/bin/id\" inode=5 mode=0100755 nametype=NORMAL cap_fp=0
type=PROCTITLE msg=audit(100.5:7): proctitle=6964002D75";

#[test]
fn an_exec_is_one_event() {
    let mut bench = Bench::new(10);
    EXEC.lines().for_each(|line| bench.feed(line.as_bytes()));
    assert_eq!(bench.assembler.open_records(), 5);
    bench.feed(b"type=EOE msg=audit(100.5:7): ");
    assert_eq!(bench.out.events.len(), 1);
    let event = bench.out.events.first().unwrap();
    assert_eq!(event.records, 6);
    assert_eq!(event.timestamp, Timestamp(100_500_000));
    assert_eq!(event.class, crate::model::class::Class::ProcessStart);
    for (name, value) in [
        (field::PROCESS_COMMAND_LINE, "id -u"),
        (field::PROCESS_EXECUTABLE, "/usr/bin/id"),
        (field::PROCESS_NAME, "id"),
        (field::PROCESS_TITLE, "id -u"),
        (field::PROCESS_WORKING_DIRECTORY, "/root"),
        (field::AUDITD_SYSCALL, "execve"),
        (field::AUDITD_KEY, "exec"),
        (field::AUDITD_RESULT, "success"),
        (field::USER_NAME, "root"),
        (field::USER_AUDIT_NAME, "bob"),
        (field::EVENT_OUTCOME, "success"),
    ] {
        assert_eq!(event.str(name), Some(value), "{}", name.name());
    }
    assert_eq!(all(event, "auditd.data.a0"), ["id", "1f"]);
    assert_eq!(
        all(event, "auditd.message_type"),
        ["SYSCALL", "EXECVE", "CWD", "PATH", "PROCTITLE", "EOE"]
    );
}

#[test]
fn the_table_for_rules_is_what_the_decoder_writes() {
    let mut bench = Bench::new(10);
    EXEC.lines().for_each(|line| bench.feed(line.as_bytes()));
    bench.feed(b"type=USER_AUTH msg=audit(100.5:8): pid=1 uid=0 auid=7 ses=9 msg='op=password acct=\"eve\" exe=\"/usr/sbin/sshd\" hostname=? addr=192.0.2.7 terminal=ssh res=failed'");
    bench.end();
    let exec = bench.out.events.first().unwrap();
    for (name, value) in [
        ("type", "EXECVE"),
        ("SYSCALL", "execve"),
        ("exe", "/usr/bin/id"),
        ("comm", "id"),
        ("cwd", "/root"),
        ("proctitle", "id -u"),
        ("pid", "11"),
        ("ppid", "10"),
        ("tty", "pts0"),
        ("uid", "0"),
        ("auid", "1000"),
        ("euid", "0"),
        ("ses", "3"),
        ("success", "success"),
        ("key", "exec"),
        ("a0", "id"),
        ("a1", "-u"),
        ("a0", "1f"),
        ("name", "/usr/bin/id"),
        ("nametype", "NORMAL"),
        ("argc", "2"),
        ("exit", "0"),
    ] {
        let field = crate::model::linux_fields::auditd(name);
        assert!(
            all(exec, &field).iter().any(|held| held == value),
            "{name} at {field}: {:?}",
            all(exec, &field)
        );
    }
    let login = bench.out.events.get(1).unwrap();
    assert_eq!(login.class, crate::model::class::Class::LogonFailure);
    assert_eq!(login.str(field::USER_NAME), Some("eve"));
    assert_eq!(login.str(field::SOURCE_IP), Some("192.0.2.7"));
    assert_eq!(login.str(field::EVENT_OUTCOME), Some("failure"));
}

#[test]
fn a_secret_is_in_no_field_of_the_event() {
    let mut bench = Bench::new(10);
    let secret = "hunter2hunter2";
    let title: String = format!("mysql\0--password={secret}\0-e\0x")
        .bytes()
        .map(|byte| format!("{byte:02X}"))
        .collect();
    bench.feed(b"type=SYSCALL msg=audit(1.0:1): arch=c000003e syscall=59 success=yes pid=1 exe=\"/usr/bin/mysql\"");
    bench.feed(format!("type=EXECVE msg=audit(1.0:1): argc=4 a0=\"mysql\" a1=\"--password={secret}\" a2=\"-e\" a3=\"x\"").as_bytes());
    bench.feed(format!("type=PROCTITLE msg=audit(1.0:1): proctitle={title}").as_bytes());
    bench.end();
    let event = bench.out.events.first().unwrap();
    for (field, value) in event.iter() {
        let text = value.to_text();
        assert!(!text.contains(secret) && !text.contains(&title), "{}: {text}", field.name());
    }
    assert!(event.str(field::PROCESS_COMMAND_LINE).unwrap().contains("<redacted:"));
    assert!(event.str(field::EVENT_ORIGINAL).unwrap().contains("a2=\"-e\""));
}

fn all(event: &Event, name: &str) -> Vec<String> {
    let field = field::FieldId::intern(name).unwrap();
    event.all(field).map(|value: Value<'_>| value.to_text().into_owned()).collect()
}

#[test]
fn interleaved_events_come_apart_and_time_closes_them() {
    let mut bench = Bench::new(10);
    bench.feed(b"type=SYSCALL msg=audit(1.0:1): pid=1");
    bench.feed(b"type=SYSCALL msg=audit(1.0:2): pid=2");
    bench.feed(b"type=PROCTITLE msg=audit(1.0:1): proctitle=\"one\"");
    bench.feed(b"type=PATH msg=audit(1.0:1): name=\"/x\"");
    bench.feed(b"type=PROCTITLE msg=audit(1.0:2): proctitle=\"two\"");
    bench.feed(b"type=SYSCALL msg=audit(3.0:3): pid=3");
    assert!(bench.out.events.is_empty(), "exactly two seconds are not more than two");
    bench.feed(b"type=SYSCALL msg=audit(3.001:4): pid=4");
    let records: Vec<u32> = bench.out.events.iter().map(|event| event.records).collect();
    assert_eq!(records, [3, 2]);
    bench.end();
    assert_eq!(bench.out.events.len(), 4);
}

#[test]
fn a_full_table_closes_the_oldest_and_a_late_part_keeps_its_own_id() {
    let mut bench = Bench::new(2);
    bench.feed(b"type=SYSCALL msg=audit(1.0:1): pid=1");
    bench.feed(b"type=SYSCALL msg=audit(1.0:2): pid=2");
    bench.feed(b"type=SYSCALL msg=audit(1.0:3): pid=3");
    assert_eq!(bench.assembler.closed_early(), 1);
    bench.feed(b"type=PATH msg=audit(1.0:1): name=\"/x\"");
    bench.end();
    let mut ids: Vec<_> = bench.out.events.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), 4);
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), 4);
}

#[test]
fn an_event_that_stays_open_does_not_let_the_queue_grow() {
    let mut bench = Bench::plain(3);
    bench.feed(b"type=SYSCALL msg=audit(4102444801.0:1): pid=1");
    bench.feed(b"type=SYSCALL msg=audit(4102444801.0:2): pid=1");
    for second in 0..200 {
        bench.feed(format!("type=SYSCALL msg=audit({second}.0:3): pid=1").as_bytes());
        bench.feed(format!("type=EOE msg=audit({second}.0:3): ").as_bytes());
        assert!(bench.assembler.queue.len() <= QUEUE_TIMES * 3 + 1);
    }
    assert_eq!(bench.assembler.closed_early(), 0);
    bench.end();
    assert_eq!(bench.out.events.len(), 202);
}

#[test]
fn state_is_restored_exactly() {
    let mut whole = Bench::new(10);
    let mut cut = Bench::new(10);
    for (index, line) in EXEC.lines().enumerate() {
        whole.feed(line.as_bytes());
        cut.feed(line.as_bytes());
        let state = cut.assembler.state().unwrap();
        let mut fresh = Assembler::new(10);
        fresh.restore(&state);
        assert_eq!(fresh.open_records(), index as u64 + 1);
        assert_eq!(fresh.state(), Some(state));
        cut.assembler = fresh;
    }
    whole.end();
    cut.end();
    assert_eq!(whole.out.events, cut.out.events);
    let mut broken = Assembler::new(10);
    broken.restore(b"not json");
    assert_eq!(broken.open_records(), 0);
}

#[test]
fn nodes_have_clocks_of_their_own_and_idle_goes_by_the_wall() {
    let mut bench = Bench::new(10);
    bench.feed(b"node=a type=SYSCALL msg=audit(1.0:1): pid=1");
    bench.feed(b"node=b type=SYSCALL msg=audit(900.0:1): pid=1");
    assert!(bench.out.events.is_empty());
    let soon = Timestamp(2_000_000_000_000_000 + SECOND_US);
    bench.assembler.flush(Flush::Idle, soon, &bench.stream, &bench.settings, &mut bench.out);
    assert!(bench.out.events.is_empty());
    let later = soon.plus_micros(2 * SECOND_US);
    bench.assembler.flush(Flush::Idle, later, &bench.stream, &bench.settings, &mut bench.out);
    assert_eq!(bench.out.events.len(), 2);
    assert_eq!(bench.out.events.first().unwrap().host(), "a");
}

#[test]
fn bad_lines_are_rejected_with_a_reason() {
    let mut bench = Bench::new(10);
    bench.feed(b"type=SYSCALL msg=audit(x.0:1): pid=1");
    bench.feed(b"\xff\xfe\x00");
    bench.feed(b"");
    assert_eq!(bench.out.rejected, 3);
    assert_eq!(bench.out.by_reason.get("bad_auditd"), Some(&3));
}

fn one(bench: &Bench, name: &str) -> Vec<String> {
    bench.out.events.iter().flat_map(|event| all(event, name)).collect()
}

#[test]
fn missing_records_are_named() {
    let mut bench = Bench::plain(10);
    bench.feed(
        b"type=SYSCALL msg=audit(1.0:1): arch=c000003e syscall=59 success=yes exit=0 items=2 pid=1",
    );
    bench.feed(b"type=EXECVE msg=audit(1.0:1): argc=3 a0=\"sh\" a2=\"x\"");
    bench.feed(b"type=PATH msg=audit(1.0:1): item=0 name=\"/bin/sh\" nametype=NORMAL");
    bench.feed(b"type=CWD msg=audit(1.0:2): cwd=\"/\"");
    bench.feed(b"type=EXECVE msg=audit(1.0:3): argc=1 a0=\"id\"");
    bench.end();
    let missing: Vec<Vec<String>> =
        bench.out.events.iter().map(|event| all(event, "auditd.missing")).collect();
    assert_eq!(missing, [vec!["PATH", "EXECVE"], vec!["SYSCALL"], vec!["SYSCALL"]]);
    assert_eq!(one(&bench, "process.command_line"), ["sh x", "id"]);
    let actions = one(&bench, "event.action");
    assert_eq!(actions, ["executed", "cwd", "executed"]);
}

#[test]
fn duplicates_are_taken_once_and_counted_as_received() {
    let mut bench = Bench::plain(10);
    for _ in 0..2 {
        EXEC.lines().for_each(|line| bench.feed(line.as_bytes()));
    }
    // The same serial at another time is another event; a second call under one stamp loses nothing.
    bench.feed(
        b"type=SYSCALL msg=audit(100.6:7): arch=c000003e syscall=59 success=yes pid=12 exe=\"/a\"",
    );
    bench.feed(
        b"type=SYSCALL msg=audit(100.6:7): arch=c000003e syscall=59 success=yes pid=13 exe=\"/b\"",
    );
    bench.end();
    assert_eq!(bench.out.events.len(), 2);
    let first = bench.out.events.first().unwrap();
    assert_eq!(first.records, 10);
    assert_eq!(all(first, "process.args"), ["id", "-u"]);
    assert_eq!(all(first, "auditd.data.name"), ["/usr/bin/id"]);
    let second = bench.out.events.get(1).unwrap();
    assert_eq!(all(second, "process.pid"), ["12"]);
    assert_eq!(all(second, "auditd.data.pid"), ["13"]);
    assert_eq!(all(second, "process.executable"), ["/a"]);
    assert_eq!(all(second, "auditd.data.exe"), ["/b"]);
}

#[test]
fn counts_of_arguments_that_cannot_be_cost_nothing() {
    let mut bench = Bench::plain(10);
    bench.feed(b"type=EXECVE msg=audit(1.0:1): argc=4294967295 a0=\"x\" a4294967295=\"y\" a1[4294967295]=7A a99999999999999999999=\"z\" a2_len=9");
    let mut many = b"type=EXECVE msg=audit(1.0:2): argc=40000".to_vec();
    for index in 0..40_000 {
        many.extend(format!(" a{index}=\"{index}\"").bytes());
    }
    bench.feed(&many);
    bench.end();
    assert_eq!(one(&bench, "auditd.missing"), ["SYSCALL", "EXECVE", "SYSCALL"]);
    let first = bench.out.events.first().unwrap();
    assert_eq!(all(first, "process.args"), ["x", "z", "y"]);
    let second = bench.out.events.get(1).unwrap();
    assert_eq!(
        all(second, "process.args").len(),
        crate::normalise::linux::auditd::command::ARGS_MAX
    );
    assert!(all(second, "process.command_line").concat().ends_with(" 39999"));
}

#[test]
fn clocks_that_are_wrong_keep_the_record_and_leave_others_whole() {
    let mut bench = Bench::plain(10);
    bench.feed(b"type=SYSCALL msg=audit(100.0:1): pid=1");
    bench.feed(b"type=SYSCALL msg=audit(-100.0:2): pid=2");
    bench.feed(b"type=SYSCALL msg=audit(4102444801.0:3): pid=3");
    bench.feed(b"type=PROCTITLE msg=audit(100.0:1): proctitle=\"one\"");
    bench.end();
    assert_eq!(bench.out.rejected, 0);
    let shown: Vec<(Vec<String>, u32, Vec<String>)> = bench
        .out
        .events
        .iter()
        .map(|event| (all(event, "process.pid"), event.records, all(event, "event.time_problem")))
        .collect();
    let text = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    assert!(shown.contains(&(text(&["1"]), 2, text(&[]))), "{shown:?}");
    assert!(shown.contains(&(text(&["2"]), 1, text(&["bad_time"]))), "{shown:?}");
    assert!(shown.contains(&(text(&["3"]), 1, text(&["future_time"]))), "{shown:?}");
}

#[test]
fn processes_keep_their_identity_and_know_their_parents() {
    let call = |at: u32, number: u32, pid: u32, ppid: u32, exit: u32, exe: &str| {
        format!(
            "type=SYSCALL msg=audit({at}.0:{at}): arch=c000003e syscall={number} success=yes exit={exit} a0=0 ppid={ppid} pid={pid} ses=3 exe=\"{exe}\""
        )
    };
    let mut bench = Bench::plain(100);
    let mut feed = |text: String| bench.feed(text.as_bytes());
    feed(call(10, 59, 7, 1, 0, "/bin/bash"));
    feed("type=EXECVE msg=audit(10.0:10): argc=2 a0=\"bash\" a1=\"-i\"".to_owned());
    feed(call(11, 57, 7, 1, 8, "/bin/bash"));
    feed(call(12, 59, 8, 7, 0, "/bin/ls"));
    feed("type=EXECVE msg=audit(12.0:12): argc=1 a0=\"ls\"".to_owned());
    feed(call(13, 82, 8, 7, 0, "/bin/ls"));
    // Id 8 once more: forked again, another process before and after its exec.
    feed(call(20, 57, 7, 1, 8, "/bin/bash"));
    feed(call(21, 82, 8, 7, 0, "/bin/bash"));
    feed(call(22, 59, 8, 7, 0, "/bin/ls"));
    bench.end();
    let ids = one(&bench, "process.entity_id");
    let parents = one(&bench, "process.parent.entity_id");
    let [bash, fork, ls, rename, fork_again, subshell, ls_again] = &ids[..] else {
        panic!("{ids:?}")
    };
    assert_eq!(bash, fork);
    assert_eq!(bash, fork_again);
    assert_eq!(ls, rename);
    assert!(ls != subshell && subshell != ls_again && ls != ls_again && ls != bash);
    assert!(parents[2..4].iter().chain(&parents[5..]).all(|parent| parent == bash));
    let start = bench.out.events.get(2).unwrap();
    for (name, value) in [
        ("process.parent.executable", "/bin/bash"),
        ("process.parent.name", "bash"),
        ("process.parent.command_line", "bash -i"),
    ] {
        assert_eq!(all(start, name), [value], "{name}");
    }
}

#[test]
fn containers_and_policies() {
    let mut bench = Bench::plain(10);
    bench.feed(b"type=SYSCALL msg=audit(1.0:1): arch=c000003e syscall=59 success=yes exit=0 pid=1 exe=\"/bin/sh\"");
    bench.feed(b"type=CONTAINER_ID msg=audit(1.0:1): contid=123456");
    // Permissive: noted, but the program did start.
    bench.feed(b"type=AVC msg=audit(1.0:2): avc:  denied  { execute } for  pid=2 comm=\"sh\" path=\"/tmp/x\" tclass=file permissive=1");
    bench.feed(b"type=SYSCALL msg=audit(1.0:2): arch=c000003e syscall=59 success=yes exit=0 pid=2 exe=\"/tmp/x\"");
    bench.feed(b"type=AVC msg=audit(1.0:3): apparmor=\"DENIED\" operation=\"open\" profile=\"p\" name=\"/etc/shadow\" pid=3 comm=\"x\" requested_mask=\"r\" denied_mask=\"r\"");
    bench.feed(b"type=SECCOMP msg=audit(1.0:4): pid=4 comm=\"x\" exe=\"/x\" sig=0 arch=c000003e syscall=59 code=0x7ffc0000");
    bench.end();
    assert_eq!(one(&bench, "container.id"), ["123456"]);
    assert_eq!(
        one(&bench, "event.action"),
        ["executed", "executed", "violated-apparmor-policy", "violated-seccomp-policy"]
    );
    assert_eq!(one(&bench, "event.outcome"), ["success", "success", "failure", "success"]);
    let denied = bench.out.events.get(2).unwrap();
    assert_eq!(all(denied, "file.path"), ["/etc/shadow"]);
    assert_eq!(all(denied, "event.category"), ["file"]);
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        let mut bench = Bench::plain(3);
        bench.feed(&bytes);
        let mut framed = b"type=EXECVE msg=audit(1.0:1): ".to_vec();
        framed.extend(bytes.iter().filter(|byte| **byte != b'\n'));
        bench.feed(&framed);
        bench.end();
    }

    #[test]
    fn arbitrary_fields_never_panic(
        kind in "SYSCALL|EXECVE|PATH|SOCKADDR|AVC|USER_LOGIN|USER_CMD|PROCTITLE|CWD|TTY|[A-Z]{1,8}",
        body in "( ?(a0|a1\\[0\\]|comm|exe|name|saddr|proctitle|msg|key|arch|syscall|exit|uid|nametype)=[\"']?[0-9A-F/.?(){}\"' a-z]{0,12}){0,8}",
    ) {
        let mut bench = Bench::plain(3);
        bench.feed(format!("type={kind} msg=audit(1.0:1): {body}").as_bytes());
        bench.end();
        prop_assert_eq!(bench.out.events.len(), 1);
    }

    /// Whatever the order, every record is in exactly one event or rejected, at any size of the table.
    #[test]
    fn records_balance_in_any_order(
        order in proptest::collection::vec((0_u8..6, 0_u8..4, 0_u8..5), 0..80),
        assemblies_max in 1_usize..6,
    ) {
        let mut bench = Bench::plain(assemblies_max);
        for (seconds, serial, kind) in order {
            let kind = ["SYSCALL", "PATH", "EOE", "PROCTITLE", ""][usize::from(kind)];
            bench.feed(format!("type={kind} msg=audit({seconds}.5:{serial}): a=b").as_bytes());
        }
        bench.end();
        let received = bench.out.received;
        prop_assert_eq!(bench.out.stored + bench.out.rejected, received);
    }
}
