//! When an event is closed, what is remembered, and that no record is lost or counted twice.

use proptest::prelude::*;

use super::*;

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
