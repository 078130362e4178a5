//! What is a hole, what fills it, and what is a new numbering.

use proptest::prelude::*;

use super::number::{Kind, Numbered, of_event};
use super::saved::{Saved, Whose};
use super::track::{Track, Trust};
use super::{Engine, HOLES_MAX, RULE_ID, report_of};
use crate::config::gaps::GapsConfig;
use crate::model::event::Event;
use crate::model::field;
use crate::model::record::{Batch, Flush, Numbering, Shape, Stream};
use crate::stdx::id::Id128;
use crate::stdx::time::{SECOND_US, Timestamp};
use std::sync::Arc;
use std::time::Duration;

const TRUST: Trust = Trust { complete: true, consecutive: 10_000 };

fn at(second: i64) -> Timestamp {
    Timestamp(second * SECOND_US)
}

fn numbered(kind: Kind, number: u64, second: i64) -> Numbered<'static> {
    let event = Id128([u8::try_from(number % 251).unwrap() + 1; 16]);
    Numbered { kind, name: "", host: "web01", number, at: at(second), event, restarts: false }
}

fn holes(track: &Track) -> Vec<(u64, u64)> {
    track.holes().map(|hole| (hole.from, hole.to)).collect()
}

fn see(track: &mut Track, kind: Kind, records: &[(u64, i64)]) {
    for (number, second) in records {
        track.see(&numbered(kind, *number, *second), at(0), TRUST);
    }
}

#[test]
fn a_missing_number_is_a_hole_until_it_comes_late() {
    let mut track = Track::default();
    see(&mut track, Kind::WindowsRecord, &[(5, 100), (6, 101), (10, 105), (11, 106)]);
    assert_eq!(holes(&track), [(7, 9)]);
    see(&mut track, Kind::WindowsRecord, &[(8, 103)]);
    assert_eq!(holes(&track), [(7, 7), (9, 9)]);
    see(&mut track, Kind::WindowsRecord, &[(9, 104), (7, 102), (7, 102)]);
    assert_eq!((holes(&track), track.filled), (vec![], 3));
    // What was there before the first one that was met.
    see(&mut track, Kind::WindowsRecord, &[(2, 98), (4, 99), (3, 98)]);
    assert_eq!((holes(&track), track.restarts), (vec![], 0));
}

#[test]
fn numbers_that_begin_again_later_are_no_hole() {
    for kind in [Kind::WindowsRecord, Kind::AuditSerial, Kind::SyslogSequence] {
        let mut track = Track::default();
        see(&mut track, kind, &[(900, 1_000), (901, 1_001), (3, 2_000), (4, 2_001), (6, 2_003)]);
        assert_eq!((holes(&track), track.restarts), (vec![(5, 5)], 1), "{kind:?}");
        // A straggler of the time before the boot, and one of the boot.
        see(&mut track, kind, &[(899, 999), (5, 2_002)]);
        assert_eq!((holes(&track), track.restarts), (vec![], 1), "{kind:?}");
    }
}

#[test]
fn a_restored_snapshot_begins_in_the_middle_of_what_was_there() {
    let mut track = Track::default();
    let before: Vec<(u64, i64)> = (100..200).map(|n| (n, n as i64)).collect();
    see(&mut track, Kind::WindowsRecord, &before);
    see(&mut track, Kind::WindowsRecord, &[(150, 9_000), (151, 9_001)]);
    assert_eq!((holes(&track), track.restarts, track.last()), (vec![], 1, 151));
}

#[test]
fn logs_of_an_earlier_boot_may_be_read_behind_those_of_a_later_one() {
    let mut track = Track::default();
    see(&mut track, Kind::AuditSerial, &[(1, 5_000), (2, 5_001), (3, 5_002)]);
    see(&mut track, Kind::AuditSerial, &[(70_000, 1_000), (70_001, 1_001), (70_003, 1_003)]);
    assert_eq!(holes(&track), [(70_002, 70_002)]);
    see(&mut track, Kind::AuditSerial, &[(4, 5_003), (6, 5_005)]);
    assert_eq!(holes(&track), [(70_002, 70_002), (5, 5)]);
}

#[test]
fn a_counter_that_wraps_goes_on_and_holes_around_it_are_named_as_written() {
    let mut track = Track::default();
    let last = u64::from(u32::MAX);
    see(&mut track, Kind::AuditSerial, &[(last - 1, 100), (2, 101), (3, 102)]);
    let written: Vec<_> = holes(&track)
        .iter()
        .map(|(from, to)| (Kind::AuditSerial.written(*from), Kind::AuditSerial.written(*to)))
        .collect();
    assert_eq!((written, track.restarts), (vec![(last, last), (1, 1)], 0));
    see(&mut track, Kind::AuditSerial, &[(last, 100), (1, 101)]);
    assert_eq!(holes(&track), []);

    let mut track = Track::default();
    let last = i32::MAX as u64;
    see(&mut track, Kind::SyslogSequence, &[(last - 1, 1), (last, 2), (1, 3), (3, 5)]);
    let written: Vec<_> =
        holes(&track).iter().map(|(from, _)| Kind::SyslogSequence.written(*from)).collect();
    assert_eq!((written, track.restarts), (vec![2], 0));
}

fn runs(from: u64, read: &[(u64, u64)]) -> Numbering {
    Numbering { name: "auth/3".into(), tenant: "default".into(), from, read: read.to_vec() }
}

#[test]
fn offsets_that_come_again_are_repeats_and_those_before_the_first_that_was_due_are_not_missing() {
    let mut track = Track::default();
    for seen in [runs(10, &[(10, 12)]), runs(10, &[(10, 12), (15, 15)])] {
        track.see_runs(&seen, at(0), TRUST);
    }
    assert_eq!((holes(&track), track.restarts, track.last()), (vec![(13, 14)], 0, 15));
    // Another member of the group read those up to 99.
    track.see_runs(&runs(100, &[(102, 110)]), at(0), TRUST);
    assert_eq!(holes(&track), [(13, 14), (100, 101)]);
    // A restored store reads again, and what was missing is there.
    track.see_runs(&runs(14, &[(14, 100)]), at(0), TRUST);
    assert_eq!((holes(&track), track.filled), (vec![(13, 13), (101, 101)], 2));

    // What was due and is missing before the first that came, up to the very first offset.
    for (from, missing) in [(40, (40, 49)), (0, (0, 49)), (50, (9, 9)), (90, (9, 9))] {
        let mut track = Track::default();
        track.see_runs(&runs(from, &[(50, 60)]), at(0), TRUST);
        let wanted = if missing == (9, 9) { vec![] } else { vec![missing] };
        assert_eq!(holes(&track), wanted, "from {from}");
    }
}

#[test]
fn ten_thousand_in_a_row_prove_a_stream_and_a_thousand_holes_disprove_it() {
    let mut track = Track::default();
    let trust = Trust { complete: false, consecutive: 10_000 };
    let see = |track: &mut Track, number: u64| {
        track.see(&numbered(Kind::AuditSerial, number, number as i64), at(0), trust);
    };
    for number in (1..=2_000).map(|n| n * 2) {
        see(&mut track, number);
    }
    assert_eq!((track.holes().count(), track.proved), (HOLES_MAX, false));
    assert_eq!(track.given_up, (1_999 - 64, 1_999 - 64));
    for number in 4_001..14_001 {
        see(&mut track, number);
    }
    assert!(track.proved);
    assert!(!track.waits(), "what was missing before is no alert");
    see(&mut track, 14_002);
    assert_eq!(track.ripe(at(0)).len(), 1);
    assert_eq!(track.ripe(at(0)).len(), 0, "told once");
    for number in (7_002..8_100).map(|n| n * 2) {
        see(&mut track, number);
    }
    assert!(!track.proved);
}

fn windows(host: &str, number: u64, second: i64) -> Event {
    let mut event = Event::with_capacity(4, 64);
    event.id = Id128([u8::try_from(number % 250).unwrap() + 1; 16]);
    event.timestamp = at(second);
    event.push_str(field::HOST_NAME, host);
    event.push_str(field::WINLOG_CHANNEL, "Security");
    event.push_str(field::WINLOG_RECORD_ID, &number.to_string());
    event
}

fn config(grace: u64) -> GapsConfig {
    GapsConfig { grace: Duration::from_secs(grace), ..GapsConfig::default() }
}

fn batch(source: &str) -> Batch {
    Batch::new(Arc::new(Stream::of_path(source, "x")), Flush::No)
}

#[test]
fn a_gap_is_told_when_its_grace_is_over_and_survives_a_restart() {
    let mut engine = Engine::new(&config(60), ["dc".to_owned()]);
    let events = [windows("dc01", 7, 10), windows("dc01", 9, 12), windows("dc01", 14, 15)];
    engine.see(&batch("dc"), &events, at(1_000));
    engine.see(&batch("other"), &events, at(1_000));
    let mut findings = Vec::new();
    engine.tell(at(1_059), &mut findings);
    assert!(findings.is_empty(), "late records may still come");
    let rows: Vec<(String, Vec<u8>)> =
        engine.take_changes().into_iter().map(|(key, value)| (key, value.unwrap())).collect();
    assert_eq!(rows.len(), 2);
    assert!(engine.take_changes().is_empty());

    let mut next = Engine::new(&config(60), ["dc".to_owned()]);
    next.restore(rows.clone());
    next.tell(at(1_060), &mut findings);
    assert_eq!(findings.len(), 1, "only where the source says that it is complete");
    let told = &findings[0];
    assert_eq!(told.rule.title, "records missing on dc01: 5 between 7 and 14");
    assert_eq!(
        (told.rule.id.as_str(), told.host.as_str(), told.timestamp),
        (RULE_ID, "dc01", at(15))
    );
    let missing: Vec<&str> = told
        .matched
        .iter()
        .filter(|(name, _)| name == "missing")
        .map(|(_, text)| text.as_str())
        .collect();
    assert_eq!(missing, ["8", "10-13"]);
    next.tell(at(9_999), &mut findings);
    assert_eq!(findings.len(), 1, "once");

    let saved = next.take_changes();
    assert_eq!(saved.len(), 1, "only what changed");
    let mut all: std::collections::BTreeMap<String, Vec<u8>> = rows.into_iter().collect();
    all.extend(saved.into_iter().map(|(key, value)| (key, value.unwrap())));
    let report = report_of(all, &config(60), at(2_000));
    let states: Vec<(&str, &str, u64)> = report
        .streams
        .iter()
        .map(|one| (one.source.as_str(), one.gaps[0].state.as_str(), one.missing()))
        .collect();
    assert_eq!(states, [("dc", "alerted", 5), ("other", "missing", 5)]);
}

#[test]
fn streams_are_bounded_and_what_is_given_up_is_counted() {
    let mut engine = Engine::new(&GapsConfig { streams_max: 2, ..config(0) }, None);
    for host in ["a", "b", "a", "c"] {
        engine.see(&batch("dc"), &[windows(host, 1, 1)], at(0));
    }
    let rows = engine.take_changes();
    assert_eq!(rows.iter().filter(|(_, value)| value.is_none()).count(), 1);
    let kept = rows.into_iter().filter_map(|(key, value)| Some((key, value?)));
    let report = report_of(kept, &config(0), at(0));
    let hosts: Vec<&str> = report.streams.iter().map(|one| one.host.as_str()).collect();
    assert_eq!((hosts, report.streams_evicted), (vec!["a", "c"], 1));
}

#[test]
fn offsets_are_numbers_only_where_the_source_says_so_and_belong_to_their_partition() {
    let mut engine = Engine::new(&config(0), ["bus".to_owned()]);
    let mut batch = batch("bus");
    for offset in [5, 6, 9] {
        batch.push(b"x", offset, Shape::Line);
    }
    engine.see(&batch, &[], at(0));
    assert!(engine.take_changes().is_empty());
    batch.delivery.numbering = Some(runs(5, &[(5, 6), (9, 9)]));
    engine.see(&batch, &[], at(0));
    // The records of another tenant stand between.
    let other = Stream { tenant: "acme".into(), ..(*batch.stream).clone() };
    batch.stream = Arc::new(other);
    batch.delivery.numbering = Some(runs(10, &[(10, 11)]));
    engine.see(&batch, &[], at(0));
    let mut findings = Vec::new();
    engine.tell(at(0), &mut findings);
    assert_eq!(findings.len(), 1);
    assert_eq!(findings[0].rule.title, "records missing on auth/3: 2 between 6 and 9");
}

#[test]
fn the_audit_daemons_own_records_have_other_numbers() {
    let mut event = Event::with_capacity(4, 64);
    event.push_str(field::EVENT_PROVIDER, "auditd");
    event.push_int(field::EVENT_SEQUENCE, 4711);
    event.push_str(field::AUDITD_TYPE, "DAEMON_START");
    assert!(of_event(&event).is_none());
    event.set_str(field::AUDITD_TYPE, "SYSCALL");
    assert_eq!(of_event(&event).map(|one| (one.kind, one.number)), Some((Kind::AuditSerial, 4711)));
}

#[test]
fn a_damaged_row_is_dropped_and_its_stream_begins_anew() {
    let mut engine = Engine::new(&config(0), None);
    engine.restore([("gaps/x".to_owned(), b"{".to_vec())]);
    assert_eq!(engine.take_changes(), [("gaps/x".to_owned(), None)]);
}

proptest! {
    /// Whatever is left out and however the rest is mixed within a window: exactly what is left out is missing.
    #[test]
    fn exactly_what_was_left_out_is_missing(
        start in 1_u64..5_000_000_000,
        out in prop::collection::btree_set(1_u64..400, 0..60),
        swaps in prop::collection::vec((0_usize..340, 0_usize..20), 0..200),
    ) {
        let mut records: Vec<u64> = (0..=400).filter(|n| !out.contains(n)).map(|n| start + n).collect();
        for (place, by) in swaps {
            let other = (place + by).min(records.len() - 1);
            let place = place.min(records.len() - 1);
            records.swap(place, other);
        }
        let mut track = Track::default();
        for number in &records {
            let second = 1_000 + i64::try_from((number - start) / 10).unwrap();
            track.see(&numbered(Kind::WindowsRecord, *number, second), at(0), TRUST);
        }
        let missing: Vec<u64> = track.holes().flat_map(|hole| hole.from..=hole.to).collect();
        let wanted: Vec<u64> = out.into_iter().map(|n| start + n).collect();
        prop_assert_eq!(missing, wanted);
        let whose = Whose {
            source: "s".into(), tenant: "t".into(), host: "h".into(),
            kind: Kind::WindowsRecord, name: "n".into(),
        };
        let saved = Saved::decode(&Saved::encode(&whose, &track, true, 5)).unwrap();
        prop_assert_eq!(saved.track, track);
    }

    /// The same of offsets, however they are cut into batches, and with pieces read again.
    #[test]
    fn exactly_the_offsets_that_were_left_out_are_missing(
        start in 0_u64..100,
        out in prop::collection::btree_set(0_u64..400, 0..60),
        cuts in prop::collection::vec((1_usize..60, 0_usize..60), 1..60),
    ) {
        let kept: Vec<u64> = (0..=400).filter(|n| !out.contains(n)).map(|n| start + n).collect();
        let (mut track, mut done, mut turn) = (Track::default(), 0, cuts.iter().cycle());
        while done < kept.len() {
            let (long, again) = *turn.next().unwrap();
            // A restart reads some of it again, with the place of then.
            let begin = done.saturating_sub(again % long);
            let end = (begin + long).min(kept.len());
            let due = begin.checked_sub(1).map_or(start, |before| kept[before] + 1);
            let mut seen = runs(due, &[]);
            kept[begin..end].iter().for_each(|offset| seen.take(*offset, *offset));
            track.see_runs(&seen, at(0), TRUST);
            done = end;
        }
        let missing: Vec<u64> = track.holes().flat_map(|hole| hole.from..=hole.to).collect();
        let last = kept.last().copied().unwrap();
        let wanted: Vec<u64> = out.iter().map(|n| start + n).filter(|n| *n < last).collect();
        prop_assert_eq!(missing, wanted);
        let whose = Whose {
            source: "s".into(), tenant: "t".into(), host: String::new(),
            kind: Kind::Offset, name: "auth/3".into(),
        };
        let saved = Saved::decode(&Saved::encode(&whose, &track, true, 5)).unwrap();
        prop_assert_eq!(saved.track, track);
    }

    /// A row from a damaged store never breaks the arithmetic.
    #[test]
    fn any_bytes_are_a_row_or_none(bytes in prop::collection::vec(any::<u8>(), 0..200), number in any::<u64>()) {
        if let Some(mut saved) = Saved::decode(&bytes) {
            saved.track.see(&numbered(Kind::AuditSerial, number, 5), at(0), TRUST);
            saved.track.see_runs(&runs(number, &[(number, u64::MAX)]), at(0), TRUST);
        }
    }
}
