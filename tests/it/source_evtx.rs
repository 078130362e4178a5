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

/// End of the path; records read and damaged places; what the independent reader counts; why they differ.
type Difference = (&'static str, (u64, u64), u64, &'static str);

/// The logs whose counts are not the independent reader's. Record numbers are those of the chunks' own headers.
const DIFFERENCES: [Difference; 6] = [
    (
        "etw_rpc_zerologon.evtx",
        (415, 0),
        1,
        "The other reader stopped with an error of its own at the second record. The chunks hold the numbers 1 to 415, the file's header says that 416 is next.",
    ),
    (
        "2-vss_0-Microsoft-Windows-RemoteDesktopServices-RdpCoreTS%4Operational.evtx",
        (1_910, 4),
        95,
        "A log restored from a shadow copy, with foreign bytes in two chunks. The other reader stopped at the first of them; we read on behind it. Of 1,912 records that can be found by their marks two cannot be decoded, and behind each the rest of its chunk is overwritten.",
    ),
    (
        "sample-with-zero-data-size-event.evtx",
        (449, 1),
        2,
        "The third record states a length of zero. The other reader stopped there; we reject that record and go on. The chunks hold the numbers 1 to 450.",
    ),
    (
        "sample_with_a_bad_chunk_magic.evtx",
        (301, 3),
        14,
        "Two chunks have no mark, and in a third records were overwritten. The other reader stopped at the first gap; we reject each place and read on behind it.",
    ),
    (
        "samples/sysmon.evtx",
        (358, 8),
        358,
        "Behind the ninth chunk the file holds eight blocks that were never chunks of this log. Both readers read the same records; the other one stopped with an error at the first block, we count each as damaged.",
    ),
    (
        "ID4622-New SSP loaded in LSA (only legitim).evtx",
        (420, 0),
        420,
        "Both read 420 records. The other reader could not turn 70 of them into its own form; ours gives all of them.",
    ),
];

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
    let (mut files, mut records, mut damaged_total) = (0, 0, 0);
    let (mut explained, mut odd) = (0, Vec::new());
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
            if (whole, damaged) == (wanted, unreadable) {
                continue;
            }
            let known = DIFFERENCES.iter().position(|row| name.ends_with(row.0));
            match known.and_then(|at| DIFFERENCES.get(at)) {
                Some((_, ours, theirs, _)) if (*ours, *theirs) == ((whole, damaged), wanted) => {
                    explained += 1;
                }
                _ => odd.push(format!(
                    "{name}: {whole} read, {damaged} damaged {reasons:?}, wanted {wanted} with {unreadable} unreadable"
                )),
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
    assert!(odd.is_empty(), "{odd:#?}");
    assert_eq!(explained, DIFFERENCES.len());
    page(files, records, damaged_total);
}

/// Write or compare `docs/evtx-records.md`.
fn page(files: u64, records: u64, damaged: u64) {
    let equal = files - DIFFERENCES.len() as u64;
    let mut page = format!(
        "# Records of the shared event logs\n\n\
         Written by `tests/it/source_evtx.rs` (`WATCHFLOOR_BLESS=1 cargo test --test it source_evtx` writes it again). Of {files} event logs {equal} give exactly\n\
         the records that an independent reader counts; together {records} records are read and {damaged} places are damaged, each a rejected record with its reason.\n\
         These differ:\n\n\
         | log | read | damaged | independent reader | why |\n| --- | --- | --- | --- | --- |\n"
    );
    for (name, (whole, broken), theirs, why) in DIFFERENCES {
        page.push_str(&format!("| {name} | {whole} | {broken} | {theirs} | {why} |\n"));
    }
    let path = crate::support::root().join("docs/evtx-records.md");
    if std::env::var_os("WATCHFLOOR_BLESS").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(written, page, "docs/evtx-records.md is old: run this test with WATCHFLOOR_BLESS=1");
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
