//! `watchfloor model eval` as a user runs it: scores before labels, metrics that say what they cannot say.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::{Value, json};

use crate::support::tiny_model::Spec;
use crate::support::{self, watchfloor};

const CAPTURES: [&str; 2] = [
    "windows/otrf/A-shire.com/20190301T0651_empire_dcsync.json.zst",
    "windows/otrf/B-theshire/20200920T2108_empire_psremoting_stager.json.zst",
];

fn models(folder: &Path) -> String {
    let models = folder.join("models");
    Spec::of_program().write(&models.join("windows-1"));
    format!("infer.models={}", models.display())
}

struct Run {
    scores: String,
    said: String,
    complaints: String,
}

fn eval(folder: &Path, labels: &str, more: &[&str]) -> Run {
    let (label_file, scores) = (folder.join("labels.jsonl"), folder.join("scores.ndjson"));
    std::fs::write(&label_file, labels).unwrap();
    let captures: Vec<_> = CAPTURES.iter().map(|name| support::data(name).unwrap()).collect();
    let output = watchfloor(folder)
        .args(["model", "eval", "--quiet", "--rules", "builtin", "--set", &models(folder)])
        .arg("--labels")
        .arg(label_file)
        .arg("--scores")
        .arg(&scores)
        .args(more)
        .args(&captures)
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{}", text(&output.stderr));
    Run {
        scores: std::fs::read_to_string(scores).unwrap(),
        said: text(&output.stdout),
        complaints: text(&output.stderr),
    }
}

fn label(capture: usize, host: &str, label: &str) -> Value {
    json!({"file": CAPTURES[capture], "host": host, "label": label})
}

fn lines(labels: &[Value]) -> String {
    labels.iter().map(|label| format!("{label}\n")).collect()
}

#[test]
fn labels_change_no_score_and_hosts_without_a_label_are_named() {
    if CAPTURES.iter().any(|name| support::data(name).is_none()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let first = [
        label(0, "IT001.shire.com", "attack"),
        label(0, "hr001", "background"),
        label(1, "workstation5", "attack"),
        label(1, "mordordc", "background"),
        label(1, "ghost", "background"),
    ];
    let mut elsewhere = first.to_vec();
    elsewhere.push(json!({"file": "x/y.json", "host": "it001", "label": "attack"}));
    let run = eval(folder.path(), &lines(&elsewhere), &["--scorer", "all"]);
    let other = [
        label(1, "mordordc", "attack"),
        label(0, "hr001", "attack"),
        label(1, "workstation5", "background"),
        label(0, "it001", "background"),
    ];
    let again = eval(folder.path(), &lines(&other), &["--scorer", "all", "--workers", "1"]);
    assert_eq!(run.scores, again.scores, "the same bytes whatever the labels and workers");
    assert_ne!(run.said, again.said, "and the metrics follow the labels");

    let rows: Vec<Value> =
        run.scores.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let scorers: BTreeSet<&str> = rows.iter().map(|row| row["scorer"].as_str().unwrap()).collect();
    assert_eq!(scorers.len(), 9, "{scorers:?}");
    for row in &rows {
        let scored = row["score"].is_number();
        assert_eq!(scored, row["prediction"] != "error", "{row}");
        assert!(row["end"].as_i64().unwrap() - row["start"].as_i64().unwrap() == 180, "{row}");
        if row["scorer"] == "gat" && scored {
            let members: Vec<f64> =
                row["scores"].as_array().unwrap().iter().map(|s| s.as_f64().unwrap()).collect();
            assert_eq!(members.len(), 2, "{row}");
            let mean = members.iter().sum::<f64>() / 2.0;
            assert!((mean - row["score"].as_f64().unwrap()).abs() < 1e-6, "{row}");
            assert_eq!(row["above_threshold"] == true, row["prediction"] == "attack", "{row}");
        }
    }
    assert!(run.said.contains("labels of files that were not read: 1\n"), "{}", run.said);
    assert!(run.said.contains("hosts without a label: "), "{}", run.said);
    assert!(run.said.contains("labels without a window: 1\n"), "{}", run.said);
    assert!(run.said.contains(" ghost\n"), "{}", run.said);
    assert!(run.said.contains("acct001"), "{}", run.said);
    assert!(run.said.contains("observed hours"), "{}", run.said);
    assert!(run.complaints.is_empty(), "{}", run.complaints);
}

#[test]
fn one_class_has_no_auroc_and_the_reduced_track_wants_its_own_model() {
    if CAPTURES.iter().any(|name| support::data(name).is_none()) {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let attacks = [label(0, "it001", "attack"), label(1, "workstation5", "attack")];
    let run = eval(folder.path(), &lines(&attacks), &["--scorer", "gat"]);
    assert!(run.said.contains("stream AUROC: one class only"), "{}", run.said);

    let run = eval(
        folder.path(),
        &lines(&attacks),
        &["--track", "reduced", "--scorer", "gat,total-events"],
    );
    let rows: Vec<Value> =
        run.scores.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(rows.iter().any(|row| row["scorer"] == "total-events" && row["score"].is_number()));
    assert!(
        rows.iter().filter(|row| row["scorer"] == "gat").all(|row| row["prediction"] == "error")
    );
    assert!(
        run.complaints.contains("no model for windows on the reduced track"),
        "{}",
        run.complaints
    );
}

#[test]
fn what_is_no_label_or_no_scorer_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("a.json");
    std::fs::write(&log, "{}\n").unwrap();
    let run = |more: &[&str]| {
        let scores = folder.path().join("s");
        let mut command = watchfloor(folder.path());
        command.args(["model", "eval", "--quiet", "--scores"]).arg(&scores).arg(&log);
        let output = command.args(more).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let said = run(&["--scorer", "oracle"]);
    assert!(said.contains("\"oracle\" is none of all, gat, anomaly"), "{said}");
    let said = run(&["--labels", "no-such-file"]);
    assert!(said.contains("cannot read the labels no-such-file"), "{said}");
}
