//! Models on disk: what is wrong with one is one sentence that names the file and what to do.

use std::fs;
use std::path::Path;

use watchfloor::config::infer::InferConfig;
use watchfloor::infer::artifact::golden::TOLERANCE_MAX;
use watchfloor::infer::artifact::load::{Expected, Source, load};
use watchfloor::infer::scorer::{Backend, GraphScorer};

use crate::support::tiny_model::{Spec, hash};
use crate::support::watchfloor;

/// Change a text file of a model.
fn edit(folder: &Path, file: &str, old: &str, new: &str) {
    let path = folder.join(file);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.contains(old), "{file} holds no {old:?}");
    fs::write(path, text.replacen(old, new, 1)).unwrap();
}

/// The one sentence about a model that was spoiled.
fn fault(spec: &Spec, spoil: impl FnOnce(&Path)) -> String {
    let folder = tempfile::tempdir().unwrap();
    spec.write(folder.path());
    spoil(folder.path());
    let faults = load(&Source::Folder(folder.path().to_owned()), &spec.expected()).unwrap_err();
    assert_eq!(faults.len(), 1, "{faults:?}");
    let text = faults[0].to_string();
    assert_eq!(text.lines().count(), 1, "one sentence: {text}");
    assert!(
        text.starts_with(&folder.path().display().to_string()) && text.ends_with(')'),
        "{text}"
    );
    text
}

#[test]
fn a_good_model_is_read_and_keeps_to_its_golden_window() {
    for attack in [true, false] {
        let spec = Spec { attack, ..Spec::default() };
        let folder = tempfile::tempdir().unwrap();
        spec.write(folder.path());
        let models = load(&Source::Folder(folder.path().to_owned()), &spec.expected()).unwrap();
        assert_eq!((models.len(), models[0].members.len()), (1, 2));
        let model = std::sync::Arc::new(models.into_iter().next().unwrap());
        let scorer = GraphScorer::open(model, &Backend::Tract).unwrap();
        assert!(scorer.golden_difference() < 1e-6, "{}", scorer.golden_difference());
    }
}

#[test]
fn files_that_were_changed_or_cut_off_are_refused_by_name() {
    let spec = Spec::default();
    let cut = fault(&spec, |folder| {
        let path = folder.join("member-2.onnx");
        let bytes = fs::read(&path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    });
    assert!(cut.contains("member-2.onnx: has sha256") && cut.contains("cut off"), "{cut}");
    let changed = fault(&spec, |folder| edit(folder, "golden.json", "inputs", "imputs"));
    assert!(changed.contains("golden.json: has sha256"), "{changed}");
    let missing = fault(&spec, |folder| fs::remove_file(folder.join("member-1.onnx")).unwrap());
    assert!(missing.contains("member-1.onnx: cannot be read"), "{missing}");
    let damaged =
        fault(&spec, |folder| edit(folder, "manifest.toml", "opset = 17", "opset = = 17"));
    assert!(damaged.contains("manifest.toml:7: "), "{damaged}");
    let text =
        fault(&spec, |folder| fs::write(folder.join("manifest.toml"), [0xff, 0xfe]).unwrap());
    assert!(text.contains("manifest.toml: is no text"), "{text}");
}

/// Put other bytes in the place of a member, with the right hash.
fn replace(folder: &Path, bytes: &[u8]) {
    let path = folder.join("member-1.onnx");
    let old = hash(&fs::read(&path).unwrap());
    fs::write(path, bytes).unwrap();
    edit(folder, "manifest.toml", &old, &hash(bytes));
}

#[test]
fn an_onnx_file_that_is_not_what_the_manifest_says_is_refused() {
    let spec = Spec::default();
    let cut = fault(&spec, |folder| {
        let bytes = spec.onnx(1);
        replace(folder, &bytes[..bytes.len() - 100]);
    });
    assert!(cut.contains("member-1.onnx: is no whole ONNX file"), "{cut}");
    let other = |other: Spec| fault(&spec, |folder| replace(folder, &other.onnx(1)));
    let opset = other(Spec { opset: 18, ..spec.clone() });
    assert!(opset.contains("was written for opset 18, and the manifest says 17"), "{opset}");
    let wide = other(Spec { node_features: 9, ..spec.clone() });
    assert!(
        wide.contains("takes node_features as [any, 9], and the manifest says [any, 6]"),
        "{wide}"
    );
    let headless = other(Spec { attack: false, ..spec.clone() });
    assert!(headless.contains("has no output \"attack_logit\""), "{headless}");
    let none = fault(&spec, |folder| replace(folder, b"no model at all"));
    assert!(none.contains("member-1.onnx: "), "{none}");
}

#[test]
fn a_model_for_another_program_is_refused() {
    let spec = Spec::default();
    let version = fault(&spec, |folder| {
        edit(folder, "manifest.toml", "feature_version = \"test\"", "feature_version = 7");
    });
    assert!(
        version.contains("was trained on feature version 7, and this program makes"),
        "{version}"
    );
    let inputs = fault(&spec, |folder| {
        edit(folder, "manifest.toml", "edge_features = 3", "edge_features = 4");
    });
    assert!(inputs.contains("inputs.edge_features is 4, and this program makes 3"), "{inputs}");
    let window =
        fault(&spec, |folder| edit(folder, "manifest.toml", "window_s = 180", "window_s = 300"));
    assert!(window.contains("set infer.window = \"300s\""), "{window}");
    let outside = fault(&spec, |folder| {
        edit(folder, "manifest.toml", "\"member-1.onnx\"", "\"../../etc/passwd\"");
    });
    assert!(outside.contains("is no name of a file in the model's folder"), "{outside}");
}

#[test]
fn a_golden_window_that_does_not_fit_is_refused() {
    let spec = Spec::default();
    let golden = |old: &str, new: &str| {
        fault(&spec, |folder| {
            let before = hash(&fs::read(folder.join("golden.json")).unwrap());
            edit(folder, "golden.json", old, new);
            let after = hash(&fs::read(folder.join("golden.json")).unwrap());
            edit(folder, "manifest.toml", &before, &after);
        })
    };
    let loose = golden("\"tolerance\":0.0001", "\"tolerance\":0.5");
    assert!(
        loose.contains(&format!("tolerance 0.5 is not between 0 and {TOLERANCE_MAX}")),
        "{loose}"
    );
    let silent = golden("member-2.onnx", "member-3.onnx");
    assert!(silent.contains("does not say what member-2.onnx should say"), "{silent}");
    let mute = golden("\"attack_logit\":", "\"attack_logic\":");
    assert!(mute.contains("does not say what member-1.onnx should say"), "{mute}");
    let nonsense = golden("\"node_type\":[", "\"node_type\":[99,");
    assert!(nonsense.contains("golden.json: "), "{nonsense}");
}

#[test]
fn a_model_that_says_something_else_than_it_did_is_refused_when_it_is_opened() {
    let spec = Spec::default();
    let folder = tempfile::tempdir().unwrap();
    spec.write(folder.path());
    // Other weights, and a manifest that agrees with them: only the golden window knows.
    replace(folder.path(), &spec.onnx(77));
    let models = load(&Source::Folder(folder.path().to_owned()), &spec.expected()).unwrap();
    let model = std::sync::Arc::new(models.into_iter().next().unwrap());
    let Err(fault) = GraphScorer::open(model, &Backend::Tract) else { panic!("it was opened") };
    let fault = fault.to_string();
    assert!(fault.contains("member-1.onnx: says on the golden window, run by tract"), "{fault}");
    assert!(fault.contains("copy the folder again, or do not use tract"), "{fault}");
}

#[test]
fn of_several_models_the_last_by_name_is_used_for_each_platform_and_every_fault_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let spec =
        |platform, version: &str| Spec { platform, version: version.to_owned(), ..Spec::default() };
    for (name, platform) in
        [("linux-2026-01", "linux"), ("windows-2026-01", "windows"), ("windows-2026-02", "windows")]
    {
        spec(platform, name).write(&folder.path().join(name));
    }
    fs::write(folder.path().join("README.md"), "notes").unwrap();
    let source = Source::Folder(folder.path().to_owned());
    let expected = Spec::default().expected();
    let models = load(&source, &expected).unwrap();
    let versions: Vec<&str> = models.iter().map(|m| m.manifest.version.0.as_str()).collect();
    assert_eq!(versions, ["linux-2026-01", "windows-2026-02"]);
    for name in ["linux-2026-01", "windows-2026-01"] {
        fs::remove_file(folder.path().join(name).join("golden.json")).unwrap();
    }
    assert_eq!(load(&source, &expected).unwrap_err().len(), 2);
    let empty = tempfile::tempdir().unwrap();
    let fault = load(&Source::Folder(empty.path().to_owned()), &expected).unwrap_err();
    assert!(fault[0].to_string().contains("holds no manifest.toml"), "{}", fault[0]);
    assert!(load(&Source::parse("/nowhere/at/all"), &expected).is_err());
}

#[test]
fn what_ships_in_the_program_fits_the_program() {
    let models =
        load(&Source::Builtin, &Expected::of(&InferConfig::default())).unwrap_or_else(|faults| {
            panic!("{faults:?}");
        });
    for model in models {
        let place = model.place.clone();
        GraphScorer::open(std::sync::Arc::new(model), &Backend::Tract)
            .unwrap_or_else(|fault| panic!("{place}: {fault}"));
    }
}

#[test]
fn model_check_tells_faults_on_the_command_line_and_fails() {
    let folder = tempfile::tempdir().unwrap();
    Spec::default().write(folder.path());
    let check = |arguments: &[&str]| {
        let output =
            watchfloor(folder.path()).args(["model", "check"]).args(arguments).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), said)
    };
    let (code, _, said) = check(&[folder.path().to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(said.contains("manifest.toml: was trained on feature version test"), "{said}");
    let (code, out, said) = check(&["--set", "infer.runtime=tract", "--format", "json"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("models run on tract, as infer.runtime says"), "{said}");
    let rows: Vec<serde_json::Value> = serde_json::from_str(&out).unwrap();
    assert!(rows.iter().all(|row| row["runtime"].is_string()), "{out}");
    let (code, _, said) = check(&["--set", "infer.library=/nowhere/libonnxruntime.so"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("infer.library named it"), "{said}");
}
