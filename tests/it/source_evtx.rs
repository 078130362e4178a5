//! The event logs of the shared captures against an independent reader's counts.

use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::ops::ControlFlow;
use std::path::PathBuf;

use watchfloor::carrier::{Bounds, evtx};
use watchfloor::model::record::{Framing, Shape};

/// The folder of shared captures, or `None` after saying so loudly; in CI it must be there.
pub fn captures() -> Option<PathBuf> {
    let folder = std::env::var_os("WATCHFLOOR_TEST_DATA").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared/data"),
        PathBuf::from,
    );
    if folder.is_dir() {
        return Some(folder);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing", folder.display());
    eprintln!("SKIPPED: no captures at {}; set WATCHFLOOR_TEST_DATA", folder.display());
    None
}

/// The members of an uncompressed tar stream.
pub fn members(mut tar: &[u8]) -> Vec<(String, &[u8])> {
    let mut members = Vec::new();
    let mut long_name = None;
    while tar.len() > 512 && tar[0] != 0 {
        let text = |range: std::ops::Range<usize>| {
            String::from_utf8_lossy(&tar[range]).trim_end_matches(['\0', ' ']).to_owned()
        };
        let size = usize::from_str_radix(text(124..136).trim(), 8).unwrap();
        let body = &tar[512..512 + size];
        match tar[156] {
            b'L' => {
                long_name = Some(String::from_utf8_lossy(body).trim_end_matches('\0').to_owned())
            }
            b'0' | 0 => {
                let prefix =
                    if &tar[257..262] == b"ustar" { text(345..500) } else { String::new() };
                let short = if prefix.is_empty() {
                    text(0..100)
                } else {
                    format!("{prefix}/{}", text(0..100))
                };
                members.push((long_name.take().unwrap_or(short), body));
            }
            _ => {}
        }
        tar = &tar[512 + size.next_multiple_of(512)..];
    }
    members
}

fn count(log: &[u8]) -> (u64, u64, Vec<String>) {
    let (mut whole, mut damaged, mut reasons) = (0, 0, Vec::new());
    let mut log = std::io::Cursor::new(log);
    let _ = evtx::read_file(&mut log, Bounds::default(), &mut |chunk| {
        for record in &chunk.records {
            assert_eq!(record.shape, Shape::Evtx);
            match record.framing {
                Framing::Damaged => {
                    damaged += 1;
                    reasons.push(String::from_utf8_lossy(chunk.bytes(record)).into_owned());
                }
                _ => {
                    whole += 1;
                    assert!(chunk.bytes(record).starts_with(b"{\"Event\":"));
                }
            }
        }
        ControlFlow::Continue(())
    })
    .unwrap();
    (whole, damaged, reasons)
}

/// Every whole record of the shared event logs, as JSON text; `None` when they are not there.
pub fn each_record(take: &mut dyn FnMut(&[u8])) -> Option<()> {
    let folder = captures()?.join("windows/evtx");
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        if !path.to_string_lossy().ends_with(".tar.zst") {
            continue;
        }
        let tar = zstd::decode_all(fs::File::open(&path).unwrap()).unwrap();
        for (_, log) in members(&tar).iter().filter(|(name, _)| name.ends_with(".evtx")) {
            let _ =
                evtx::read_file(&mut std::io::Cursor::new(log), Bounds::default(), &mut |chunk| {
                    let whole =
                        chunk.records.iter().filter(|record| record.framing == Framing::Whole);
                    whole.for_each(|record| take(chunk.bytes(record)));
                    ControlFlow::Continue(())
                })
                .unwrap();
        }
    }
    Some(())
}

#[test]
fn every_record_that_an_independent_reader_counts_is_there() {
    let Some(captures) = captures() else { return };
    let folder = captures.join("windows/evtx");
    let manifest = fs::read_to_string(folder.join("manifest.jsonl")).unwrap();
    let mut expected: HashMap<(String, String), (u64, u64)> = HashMap::new();
    for line in manifest.lines() {
        let entry: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| entry[key].as_str().unwrap().to_owned();
        let number = |key: &str| entry[key].as_u64().unwrap_or(0);
        let counts = (number("records"), number("unreadable_records"));
        expected.insert((text("archive"), text("path")), counts);
    }
    let (mut files, mut records, mut damaged_total, mut less) = (0, 0, 0, Vec::new());
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let archive = path.file_name().unwrap().to_string_lossy().into_owned();
        if !archive.ends_with(".tar.zst") {
            continue;
        }
        let mut tar = Vec::new();
        zstd::Decoder::new(fs::File::open(&path).unwrap()).unwrap().read_to_end(&mut tar).unwrap();
        for (name, body) in members(&tar) {
            // The first folder is the archive's own name.
            let (_, inner) = name.split_once('/').unwrap();
            let key = (archive.clone(), inner.to_owned());
            let Some((wanted, unreadable)) = expected.remove(&key) else { continue };
            files += 1;
            let (whole, damaged, reasons) = count(body);
            records += whole;
            damaged_total += damaged;
            // Ours may read what the other could not, and count a damaged run as one.
            if whole + damaged < wanted || whole < wanted - unreadable.min(wanted) {
                less.push(format!("{name}: {whole} read, {damaged} damaged {reasons:?}, wanted {wanted} with {unreadable} unreadable"));
            }
        }
    }
    eprintln!(
        "{files} files, {records} records, {damaged_total} damaged, {} not found",
        expected.len()
    );
    assert_eq!(
        files,
        409,
        "not in the archives: {:?}",
        expected.keys().take(3).collect::<Vec<_>>()
    );
    assert!(less.is_empty(), "{less:#?}");
}

#[test]
fn a_log_cut_short_keeps_what_can_be_read() {
    let Some(captures) = captures() else { return };
    let archive = captures.join("windows/evtx/sans-blue-team__DeepBlueCLI.tar.zst");
    let mut tar = Vec::new();
    zstd::Decoder::new(fs::File::open(archive).unwrap()).unwrap().read_to_end(&mut tar).unwrap();
    let logs = members(&tar);
    let (_, log) = logs
        .iter()
        .filter(|(name, _)| name.ends_with(".evtx"))
        .max_by_key(|(_, log)| log.len())
        .unwrap();
    let (all, ..) = count(log);
    let used = log.len() - 4_096 - 65_536;
    let (cut, damaged, _) = count(&log[..4_096 + used / 2 + 10_000]);
    assert!(cut > all / 4 && cut < all, "{cut} of {all}");
    assert!(damaged <= 2);
    // The file header is gone.
    let mut headless = log.to_vec();
    headless[..4_096].fill(0xee);
    assert_eq!(count(&headless).0, all);
}
