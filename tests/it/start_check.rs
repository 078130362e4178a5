//! What a start would refuse: `config check`, `doctor` and `serve` say the same, with file, line and key.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::support::daemon::command;

fn write(folder: &Path, text: &str) -> PathBuf {
    let config = folder.join("w.toml");
    let text = format!("data_dir = \"{}/data\"\n{text}", folder.display());
    fs::write(&config, text).unwrap();
    config
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn check_serve_and_doctor_refuse_the_same_with_file_line_and_key() {
    let folder = tempfile::tempdir().unwrap();
    let config = write(
        folder.path(),
        "[api]\nsocket = \"/nope/folder/w.sock\"\n\
         [[sources]]\nname = \"a\"\npaths = [\"/x\"]\nformat = \"sylog\"\n\
         [[sources]]\nname = \"b\"\ntype = \"relp\"\nlisten = \"127.0.0.1:1\"\n\
         [[sources]]\nname = \"c\"\ntype = \"relp\"\nlisten = \"127.0.0.1:1\"\n\
         [redact]\nusers = \"pseudonym\"\nkey = { env = \"WATCHFLOOR_SURELY_NOT_SET\" }\n",
    );
    let expected = [
        ":7: sources[0].format: no format is called \"sylog\" (did you mean syslog)",
        ":15: sources[2].listen: 127.0.0.1:1 is where sources[1].listen listens",
        ":18: redact.key.env: the variable WATCHFLOOR_SURELY_NOT_SET is not set\n",
        ":3: api.socket: cannot bind the socket /nope/folder/w.sock: No such file or directory",
    ];
    for words in [&["config", "check"][..], &["serve"]] {
        let output = command(&config).args(words).output().unwrap();
        let said = said(&output);
        assert!(!output.status.success(), "{words:?}: {said}");
        for line in expected {
            assert!(said.contains(&format!("w.toml{line}")), "{words:?}: {line}\n{said}");
        }
        assert!(!said.contains("not set: "), "once: {said}");
    }
    let output = command(&config).arg("doctor").output().unwrap();
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for line in
        ["FAIL  config    sources[0].format: no format is called", "FAIL  config    api.socket"]
    {
        assert!(said.contains(line), "{line}\n{said}");
    }
    assert!(!folder.path().join("data").exists(), "nothing was made");
}

#[test]
fn what_a_daemon_starts_without_is_a_problem_of_the_check_only() {
    let folder = tempfile::tempdir().unwrap();
    let config = write(folder.path(), "[rules]\npaths = [\"builtin\", \"/nope/rules\"]\n");
    let output = command(&config).args(["config", "check"]).output().unwrap();
    let text = said(&output);
    assert!(!output.status.success(), "{text}");
    let line = "w.toml:3: rules.paths: /nope/rules: No such file or directory (os error 2) (the daemon starts without it)";
    assert!(text.contains(line), "{text}");
    let output = command(&config).arg("doctor").output().unwrap();
    assert!(
        said(&output).contains("warn  config    rules.paths: /nope/rules"),
        "{}",
        said(&output)
    );
}

#[test]
fn a_mapping_of_the_configuration_is_a_format() {
    let folder = tempfile::tempdir().unwrap();
    let mappings = folder.path().join("mappings");
    fs::create_dir(&mappings).unwrap();
    let mapping = "title = \"our own\"\nprograms = [\"ours\"]\n";
    fs::write(mappings.join("ours.toml"), mapping).unwrap();
    let text = format!(
        "[mappings]\npaths = [\"builtin\", \"{}\"]\n[[sources]]\nname = \"a\"\npaths = [\"/x\"]\nformat = \"ours\"\n",
        mappings.display()
    );
    let config = write(folder.path(), &text);
    let output = command(&config).args(["config", "check"]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

#[test]
fn models_that_a_start_would_refuse_are_refused_by_the_check() {
    let folder = tempfile::tempdir().unwrap();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    let library = folder.path().join("nothing");
    let cases = [
        ("interval = \"1m\"".to_owned(), "windows of 180 s every 30 s"),
        (format!("models = \"{}\"", empty.display()), "holds no manifest.toml"),
        (
            format!("runtime = \"onnxruntime\"\nlibrary = \"{}\"", library.display()),
            "nothing: cannot be used as ONNX Runtime",
        ),
    ];
    for (line, reason) in cases {
        let config = write(folder.path(), &format!("[infer]\n{line}\n"));
        for words in [&["config", "check"][..], &["doctor"], &["serve"]] {
            let output = command(&config).args(words).output().unwrap();
            let said = said(&output);
            assert!(!output.status.success() && said.contains(reason), "{words:?} {line}: {said}");
        }
    }
}
