//! `watchfloor model features` as a user runs it.

use std::path::Path;

use crate::support::{self, watchfloor};

use super::CAPTURES;

fn export(out: &Path, more: &[&str]) -> Vec<serde_json::Value> {
    let folder = tempfile::tempdir().unwrap();
    let output = watchfloor(folder.path())
        .args(["model", "features", "--quiet", "--out"])
        .arg(out)
        .args(more)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = std::fs::read_to_string(out.join("windows.ndjson")).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn shape(file: &Path) -> Vec<u64> {
    npyz::NpyFile::new(std::fs::File::open(file).unwrap()).unwrap().shape().to_vec()
}

#[test]
fn arrays_lines_and_manifest_agree_and_a_second_run_is_the_same() {
    let Some(file) = support::data(CAPTURES[2]) else { return };
    let file = file.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (one, two) = (folder.path().join("one"), folder.path().join("two"));
    let windows = export(&one, &[file, "--rules", "builtin"]);
    export(&two, &[file, "--rules", "builtin", "--workers", "1"]);
    let read = |folder: &Path| std::fs::read_to_string(folder.join("manifest.json")).unwrap();
    assert_eq!(read(&one), read(&two), "hashes of all files");
    let manifest: serde_json::Value = serde_json::from_str(&read(&one)).unwrap();
    let sum = |key: &str| windows.iter().map(|window| window[key].as_u64().unwrap()).sum::<u64>();
    let (nodes, edges) = (sum("nodes"), sum("edges") * 2);
    let columns = |key: &str| manifest[key].as_array().unwrap().len() as u64;
    assert_eq!(shape(&one.join("node_features.npy")), [nodes, columns("node_features")]);
    assert_eq!(shape(&one.join("edge_features.npy")), [edges, columns("edge_features")]);
    assert_eq!(shape(&one.join("edge_index.npy")), [2, edges]);
    for window in &windows {
        assert!(CAPTURES[2].ends_with(window["file"].as_str().unwrap()));
        let counts = window["counts"].as_object().unwrap();
        let counted: u64 = counts.values().map(|count| count.as_u64().unwrap()).sum();
        assert_eq!(
            Some(counted),
            window["events"].as_u64(),
            "every event of the window is counted"
        );
    }
    assert!(windows.iter().any(|window| window["rule_level"].is_string()), "rules found something");
}

#[test]
fn the_reduced_track_holds_nothing_that_powershell_wrote_about_itself() {
    let Some(file) = support::data(CAPTURES[0]) else { return };
    let folder = tempfile::tempdir().unwrap();
    let powershell = |windows: &[serde_json::Value]| {
        let keys = windows.iter().flat_map(|window| window["counts"].as_object().unwrap().keys());
        keys.filter(|key| key.starts_with("powershell:")).count()
    };
    let file = file.to_str().unwrap();
    assert!(powershell(&export(&folder.path().join("full"), &[file])) > 0);
    let reduced = export(&folder.path().join("reduced"), &[file, "--track", "reduced"]);
    assert!(!reduced.is_empty() && powershell(&reduced) == 0);
}

#[test]
fn a_capture_does_not_count_itself_as_history() {
    let Some(file) = support::data(CAPTURES[2]) else { return };
    let Some(other) = support::data(CAPTURES[3]) else { return };
    let (file, other) = (file.to_str().unwrap(), other.to_str().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let known = |name: &str, more: &[&str]| {
        let out = folder.path().join(name);
        export(&out, &[&[file], more].concat());
        let manifest = std::fs::read_to_string(out.join("manifest.json")).unwrap();
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let names = manifest["node_features"].as_array().unwrap();
        let column = names.iter().position(|name| name == "known").unwrap();
        let file = std::fs::File::open(out.join("node_features.npy")).unwrap();
        let all: Vec<f32> = npyz::NpyFile::new(file).unwrap().into_vec().unwrap();
        all.chunks(names.len()).map(|row| row[column]).collect::<Vec<f32>>()
    };
    let alone = known("alone", &["--history", file]);
    assert!(alone.iter().all(|known| *known == 0.0), "of its own day nothing counts");
    let both = known("both", &["--history", file, "--history", other]);
    assert!(both.iter().any(|known| *known > 0.0), "of the other day programs are known");
    assert_eq!(both, known("other", &["--history", other]));
}
