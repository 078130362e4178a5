//! The Sigma project's regression logs: the rule that each was recorded for must fire on it; and the index and our
//! walk over rules must say what the library alone says (the program's own `rules verify`).

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::support;

/// Unpack `archive` of the test data into `folder`.
fn unpack(archive: &str, folder: &Path) -> Option<()> {
    let path = support::data(archive)?;
    let mut tar = Command::new("tar")
        .arg("-x")
        .current_dir(folder)
        .stdin(Stdio::piped())
        .spawn()
        .expect("tar runs");
    let mut pipe = tar.stdin.take().unwrap();
    zstd::stream::copy_decode(File::open(path).unwrap(), &mut pipe).unwrap();
    drop(pipe);
    assert!(tar.wait().unwrap().success());
    Some(())
}

fn files(folder: &Path, extension: &str, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, extension, out);
        } else if path.extension().is_some_and(|found| found == extension) {
            out.push(path);
        }
    }
    out.sort();
}

/// The ids under `rule_metadata` of an `info.yml`.
fn expected(info: &Path) -> BTreeSet<String> {
    let text = fs::read_to_string(info).unwrap();
    let (_, after) = text.split_once("rule_metadata").unwrap();
    let ids = after.lines().filter_map(|line| line.trim().strip_prefix("- id: "));
    ids.map(str::to_owned).collect()
}

#[test]
fn the_rule_of_every_regression_log_fires() {
    let folder = tempfile::tempdir().unwrap();
    let unpacked = unpack("windows/evtx/SigmaHQ__sigma.tar.zst", folder.path())
        .and_then(|()| unpack("rules/sigmahq_8eaafff1.tar.zst", folder.path()));
    if unpacked.is_none() {
        return;
    }
    let logs = folder.path().join("SigmaHQ__sigma");
    let output = support::watchfloor(folder.path())
        .arg("scan")
        .arg(&logs)
        .arg("--rules")
        .arg(folder.path().join("sigma"))
        .args(["--format", "ndjson", "--quiet"])
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut fired: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in String::from_utf8(output.stdout).unwrap().lines() {
        let finding: serde_json::Value = serde_json::from_str(line).unwrap();
        let text = |key: &str| finding[key].as_str().unwrap().to_owned();
        fired.entry(text("source_path")).or_default().insert(text("rule.id"));
    }
    let mut evtx = Vec::new();
    files(&logs, "evtx", &mut evtx);
    assert_eq!(evtx.len(), 95);
    let missed: Vec<_> = evtx
        .iter()
        .filter(|path| {
            let wanted = expected(&path.with_file_name("info.yml"));
            let found = fired.get(&path.display().to_string());
            found.is_none_or(|found| found.is_disjoint(&wanted))
        })
        .collect();
    assert!(missed.is_empty(), "the named rule does not fire on {missed:#?}");
}

/// A clever path is tested against the plain one, on real captures: every sixth event of all of them, or all.
#[test]
fn index_and_tree_say_what_the_library_says() {
    let folder = tempfile::tempdir().unwrap();
    let unpacked = unpack("windows/evtx/SigmaHQ__sigma.tar.zst", folder.path())
        .and_then(|()| unpack("rules/sigmahq_8eaafff1.tar.zst", folder.path()));
    let (Some(()), Some(otrf)) = (unpacked, support::data("windows/otrf")) else { return };
    let full = std::env::var_os("WATCHFLOOR_TEST_FULL").is_some();
    let rules = folder.path().join("sigma");
    let verified = |logs: &Path, every: &str| {
        let output = support::watchfloor(folder.path())
            .args(["rules", "verify", "--every", every, "--rules"])
            .args([&rules, logs])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        assert!(said.contains(" 0 differ"), "{said}");
        let first = |text: &str| text.split(' ').next().unwrap().parse::<u64>().unwrap();
        let matches = said.rsplit_once(": ").map(|(_, rest)| first(rest)).unwrap();
        (first(&said), matches)
    };
    let (events, matches) = verified(&otrf, if full { "1" } else { "6" });
    assert!(events >= 100_000 && matches >= 1_000, "{events} events, {matches} matches");
    let (events, matches) = verified(&folder.path().join("SigmaHQ__sigma"), "1");
    assert!(events >= 95 && matches >= 95, "{events} events, {matches} matches");
}
