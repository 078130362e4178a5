//! Linux logs of real hosts through the normalise stage: counts that are known, exact accounting, stable ids.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use watchfloor::config::Config;
use watchfloor::model::class::Class;
use watchfloor::model::event::Event;
use watchfloor::model::field;
use watchfloor::model::record::{Batch, Flush, Shape, Stream};
use watchfloor::normalise::{Decoder, Output, Settings};
use watchfloor::stdx::time::Timestamp;

use crate::support;

fn stream(path: &str, modified: Timestamp) -> Arc<Stream> {
    let host = Some(Arc::from("fallback"));
    Arc::new(Stream { host, modified, backfill: false, ..Stream::of_path("test", path) })
}

/// The lines of `bytes`, `lines_max` a batch; the decoder is saved and restored between batches, as after a restart.
pub fn decode(bytes: &[u8], modified: Timestamp, lines_max: usize) -> Output {
    let settings = Arc::new(Settings::new(&Config::default()).unwrap());
    let stream = stream("test.log", modified);
    let mut out = Output::default();
    let mut state: Option<Vec<u8>> = None;
    let mut offset = 0_u64;
    let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
    let chunks: Vec<&[&[u8]]> = lines.chunks(lines_max).collect();
    for (index, chunk) in chunks.iter().enumerate() {
        let mut decoder = Decoder::new(&stream, Arc::clone(&settings));
        if let Some(state) = &state {
            decoder.restore(state);
        }
        let flush = if index + 1 == chunks.len() { Flush::End } else { Flush::No };
        let mut batch = Batch::new(Arc::clone(&stream), flush);
        for line in *chunk {
            batch.push(line.strip_suffix(b"\n").unwrap_or(line), offset, Shape::Line);
            offset += line.len() as u64;
        }
        decoder.decode(&batch, &mut out);
        assert_eq!(out.received, out.stored + out.rejected + decoder.open_records());
        state = decoder.state();
    }
    out
}

fn read(path: &Path) -> Vec<u8> {
    let bytes = std::fs::read(path).unwrap();
    if path.extension().is_some_and(|extension| extension == "zst") {
        return zstd::decode_all(bytes.as_slice()).unwrap();
    }
    bytes
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(text).unwrap()
}

fn text(event: &Event, field: field::FieldId) -> String {
    event.str(field).unwrap_or("").to_owned()
}

fn is_failed_password(event: &Event) -> bool {
    event.class == Class::LogonFailure && event.str(field::SSH_METHOD) == Some("password")
}

fn distinct_ids(out: &Output) {
    let ids: BTreeSet<_> = out.events.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), out.events.len(), "two events share an id");
}

#[test]
fn a_cloud_hosts_auth_log_has_1038_failed_passwords_from_105_addresses() {
    let Some(path) = support::data("vectors/auth/elastic-examples/auth.log") else { return };
    let bytes = read(&path);
    let out = decode(&bytes, at("2026-11-23T00:00:00Z"), 700);
    assert_eq!((out.received, out.stored, out.rejected), (7_121, 7_121, 0));
    distinct_ids(&out);
    let mut by_address: BTreeMap<String, u64> = BTreeMap::new();
    for event in out.events.iter().filter(|event| is_failed_password(event)) {
        *by_address.entry(text(event, field::SOURCE_IP)).or_default() += 1;
    }
    assert_eq!(by_address.values().sum::<u64>(), 1_038);
    assert_eq!(by_address.len(), 105);
    let mut counts: Vec<u64> = by_address.into_values().collect();
    counts.sort_unstable_by(|one, two| two.cmp(one));
    assert_eq!(counts[..5], [157, 120, 43, 36, 30]);
    let first = out.events.first().unwrap();
    assert_eq!(first.host(), "ip-10-77-20-248");
    assert_eq!(first.timestamp, at("2026-03-27T13:06:56Z"));
    assert!(out.events.is_sorted_by_key(|event| event.timestamp));
    let mapped = out.events.iter().filter(|event| event.has(field::EVENT_ACTION)).count();
    assert!(
        mapped * 100 > out.events.len() * 93,
        "{mapped} of {} have an action",
        out.events.len()
    );
    // The same file in one batch gives the same events: state and ids do not depend on batches.
    let whole = decode(&bytes, at("2026-11-23T00:00:00Z"), usize::MAX);
    let ids = |out: &Output| {
        out.events.iter().map(|event| (event.id, event.timestamp)).collect::<Vec<_>>()
    };
    assert_eq!(ids(&out), ids(&whole));
}

#[test]
fn an_ssh_log_under_brute_force_agrees_with_its_templates() {
    let Some(path) = support::data("vectors/auth/loghub/OpenSSH_2k.log") else { return };
    let Some(table) = support::data("vectors/auth/loghub/OpenSSH_2k.log_structured.csv") else {
        return;
    };
    let out = decode(&read(&path), at("2026-11-23T00:00:00Z"), 300);
    assert_eq!((out.received, out.rejected), (2_000, 0));
    let mut failed = 0_u64;
    let mut accepted = 0_u64;
    let mut invalid = 0_u64;
    let mut rows = csv::Reader::from_path(table).unwrap();
    let content = rows.headers().unwrap().iter().position(|name| name == "Content").unwrap();
    for row in rows.records() {
        let row = row.unwrap();
        let content = row.get(content).unwrap();
        failed += u64::from(content.starts_with("Failed password for"));
        accepted += u64::from(content.starts_with("Accepted "));
        invalid += u64::from(content.starts_with("Invalid user"));
        if let Some((count, rest)) =
            content.strip_prefix("message repeated ").and_then(|rest| rest.split_once(" times: "))
            && rest.contains("Failed password")
        {
            failed += count.parse::<u64>().unwrap();
        }
    }
    let count = |wanted: &dyn Fn(&Event) -> bool| {
        out.events.iter().filter(|event| wanted(event)).count() as u64
    };
    assert_eq!(count(&is_failed_password), failed);
    assert_eq!(count(&|event| event.class == Class::Logon), accepted);
    let invalid_user = |event: &Event| {
        event.str(field::EVENT_ACTION) == Some("ssh_invalid_user")
            && text(event, field::MESSAGE).starts_with("Invalid")
    };
    assert_eq!(count(&invalid_user), invalid);
    let unmapped: BTreeSet<String> = out
        .events
        .iter()
        .filter(|event| !event.has(field::EVENT_ACTION))
        .map(|event| text(event, field::MESSAGE))
        .collect();
    assert!(unmapped.len() <= 3, "{unmapped:#?}");
}

#[test]
fn ordinary_hosts_auth_logs_are_understood() {
    for host in ["dev01", "ci01", "db01", "web01", "files01"] {
        let Some(path) = support::data(&format!("linux/benign_lab/{host}/auth.run3.log")) else {
            return;
        };
        let out = decode(&read(&path), at("2026-11-23T00:00:00Z"), 1_000);
        assert_eq!(out.rejected, 0, "{host}");
        assert!(out.events.iter().all(|event| event.host() == host));
        let mapped = out.events.iter().filter(|event| event.has(field::EVENT_ACTION)).count();
        assert!(mapped * 10 > out.events.len() * 6, "{host}: {mapped} of {}", out.events.len());
    }
}

#[test]
fn a_hosts_audit_log_becomes_whole_events() {
    let Some(path) = support::data("linux/benign_lab/files01/audit.run2.log.zst") else { return };
    let bytes = read(&path);
    let end = bytes
        .iter()
        .enumerate()
        .filter(|(_, byte)| **byte == b'\n')
        .nth(20_000)
        .map_or(bytes.len(), |(at, _)| at);
    let bytes = &bytes[..end];
    let out = decode(bytes, at("2026-11-23T00:00:00Z"), 1_700);
    assert_eq!(out.rejected, 0, "{:?}", out.by_reason);
    assert_eq!(out.received, out.stored);
    distinct_ids(&out);
    let stamps: BTreeSet<&[u8]> = bytes
        .split(|byte| *byte == b'\n')
        .filter_map(|line| line.split(|byte| *byte == b' ').nth(1))
        .collect();
    assert_eq!(out.events.len(), stamps.len(), "one event a time and serial");
    for event in &out.events {
        assert_eq!(event.host(), "fallback");
        // The recording begins in the middle of an event: one call stands alone.
        if event.class == Class::ProcessStart && event.records > 1 {
            assert!(event.has(field::PROCESS_COMMAND_LINE) && event.has(field::PROCESS_EXECUTABLE));
            assert!(event.has(field::PROCESS_PARENT_PID) && event.has(field::USER_AUDIT_ID));
        }
        if event.class == Class::NetworkConnect {
            assert!(event.has(field::DESTINATION_IP) || event.has(field::SOURCE_IP));
        }
    }
    let whole = decode(bytes, at("2026-11-23T00:00:00Z"), usize::MAX);
    assert!(
        out.events
            .iter()
            .zip(&whole.events)
            .all(|(one, two)| one.id == two.id && one.class == two.class)
    );
}

#[test]
fn two_attack_traces_keep_their_command_lines() {
    for (file, command) in [
        ("sh_arp_cache_2020-11-10074812.log", "arp -a"),
        ("sh_binary_padding_dd_2020-11-10081941.log", "dd if=/dev/zero bs=1 count=1"),
    ] {
        let Some(path) = support::data(&format!("linux/otrf_atomic_auditd/{file}")) else { return };
        let out = decode(&read(&path), at("2026-11-23T00:00:00Z"), 2);
        assert_eq!(out.rejected, 0);
        let found =
            out.events.iter().any(|event| event.str(field::PROCESS_COMMAND_LINE) == Some(command));
        assert!(found, "{command}");
    }
}
