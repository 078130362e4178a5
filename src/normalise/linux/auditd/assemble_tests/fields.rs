//! What an event holds: its fields, its arguments, its processes, and what is missing.

use super::*;

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
