//! The tree of processes on what real machines and bad ones say.

use proptest::prelude::*;

use super::*;
use crate::stdx::id::Id128;

fn start(second: i64, pid: i64, parent: i64, name: &str) -> Event {
    let mut event = Event::with_capacity(6, 64);
    event.id = Id128([u8::try_from(second % 251).unwrap(); 16]);
    event.class = Class::ProcessStart;
    event.timestamp = Timestamp::from_seconds(second);
    event.push_int(field::PROCESS_PID, pid);
    event.push_int(field::PROCESS_PARENT_PID, parent);
    event.push_str(field::PROCESS_NAME, name);
    event
}

fn drawn(lines: &[Process]) -> Vec<(usize, &str, usize)> {
    lines.iter().map(|line| (line.depth, &*line.name, line.children)).collect()
}

#[test]
fn children_stand_under_their_parents_in_order_of_start() {
    let events = [start(30, 3, 2, "c.exe"), start(10, 2, 1, "b.exe"), start(20, 4, 2, "a.exe")];
    assert_eq!(
        drawn(&all(&events)),
        [(0, "", 1), (1, "b.exe", 2), (2, "a.exe", 0), (2, "c.exe", 0)]
    );
    let lines = all(&events);
    assert_eq!((lines[0].pid, lines[0].started), (Some(1), None), "its start was not seen");
}

#[test]
fn a_number_that_comes_again_is_another_process() {
    let events = [
        start(10, 7, 1, "old.exe"),
        start(20, 8, 7, "of old.exe"),
        start(90, 7, 1, "new.exe"),
        start(95, 9, 7, "of new.exe"),
    ];
    let lines = all(&events);
    let drawn: Vec<(usize, &str)> = lines.iter().map(|line| (line.depth, &*line.name)).collect();
    assert_eq!(
        drawn,
        [(0, ""), (1, "old.exe"), (2, "of old.exe"), (1, "new.exe"), (2, "of new.exe")]
    );
}

#[test]
fn a_process_that_is_its_own_parent_and_a_circle_end() {
    let mut own = start(10, 5, 5, "own.exe");
    let mut one = start(20, 6, 0, "one.exe");
    let mut two = start(30, 7, 0, "two.exe");
    for (event, entity, parent) in
        [(&mut own, "{5}", "{5}"), (&mut one, "{6}", "{7}"), (&mut two, "{7}", "{6}")]
    {
        event.push_str(field::PROCESS_ENTITY_ID, entity);
        event.push_str(field::PROCESS_PARENT_ENTITY_ID, parent);
    }
    let lines = all(&[own, one, two]);
    let drawn: Vec<(usize, &str)> = lines.iter().map(|line| (line.depth, &*line.name)).collect();
    assert_eq!(drawn, [(0, "own.exe"), (0, "one.exe"), (1, "two.exe")]);
}

#[test]
fn one_start_in_two_logs_is_one_process() {
    let mut sensor = start(10, 7, 1, "a.exe");
    sensor.push_str(field::PROCESS_ENTITY_ID, "{a}");
    let mut log = start(11, 7, 1, "A.EXE");
    log.push_str(field::USER_NAME, "ana");
    let lines = all(&[sensor, log]);
    assert_eq!(drawn(&lines), [(0, "", 1), (1, "a.exe", 0)]);
    assert_eq!(lines[1].user, "ana");
}

#[test]
fn the_tree_of_an_alert_has_what_is_above_and_below_its_events_and_marks_them() {
    let around = [
        start(10, 2, 1, "b.exe"),
        start(20, 3, 2, "c.exe"),
        start(30, 4, 3, "d.exe"),
        start(40, 5, 2, "beside.exe"),
    ];
    let mut wrote = start(25, 3, 2, "c.exe");
    wrote.class = Class::FileCreate;
    wrote.id = Id128([200; 16]);
    let lines = lineage(&around, &[wrote]);
    let drawn: Vec<(&str, u64)> = lines.iter().map(|line| (&*line.name, line.marked)).collect();
    assert_eq!(drawn, [("", 0), ("b.exe", 0), ("c.exe", 1), ("d.exe", 0)]);
}

#[test]
fn an_event_whose_process_was_not_seen_to_start_still_has_a_line() {
    let mut wrote = start(25, 3, 2, "c.exe");
    wrote.class = Class::FileCreate;
    let lines = lineage(&[], &[wrote.clone(), wrote]);
    let drawn: Vec<(usize, &str, u64)> =
        lines.iter().map(|line| (line.depth, &*line.name, line.marked)).collect();
    assert_eq!(drawn, [(0, "", 0), (1, "c.exe", 2)]);
    assert!(lineage(&[], &[Event::default()]).is_empty());
}

proptest! {
    #[test]
    fn every_start_stands_once_whoever_says_what(
        rows in prop::collection::vec((0_i64..200, 0_i64..6, 0_i64..6, 0_u8..4, 0_u8..4), 0..40)
    ) {
        let events: Vec<Event> = rows
            .iter()
            .map(|(second, pid, parent, entity, of)| {
                let mut event = start(*second * 10, *pid, *parent, "x");
                if *entity > 0 {
                    event.push_str(field::PROCESS_ENTITY_ID, &entity.to_string());
                }
                if *of > 0 {
                    event.push_str(field::PROCESS_PARENT_ENTITY_ID, &of.to_string());
                }
                event
            })
            .collect();
        let lines = all(&events);
        let started = lines.iter().filter(|line| line.started.is_some()).count();
        prop_assert!(started <= events.len());
        let keys: HashSet<&str> = lines.iter().map(|line| &*line.key).collect();
        prop_assert_eq!(keys.len(), lines.len());
        let marked = lineage(&events, &events);
        prop_assert_eq!(marked.iter().map(|line| line.marked).sum::<u64>(), events.len() as u64);
    }
}
