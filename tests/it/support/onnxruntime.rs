//! A real library of ONNX Runtime, by `tests/services/onnxruntime.sh`.

use std::path::PathBuf;
use std::process::Command;

use crate::support::root;

/// The library. A missing one is a failure in CI and a loud skip elsewhere.
pub fn library() -> Option<PathBuf> {
    let services = std::env::var_os("WATCHFLOOR_SERVICES").map_or_else(
        || PathBuf::from(std::env::var_os("HOME").unwrap()).join(".cache/watchfloor/services"),
        PathBuf::from,
    );
    let script = root().join("tests/services/onnxruntime.sh");
    let fetched = Command::new(script).arg("fetch").arg(services).output().unwrap();
    if fetched.status.success() {
        return Some(PathBuf::from(String::from_utf8(fetched.stdout).unwrap().trim()));
    }
    let why = String::from_utf8_lossy(&fetched.stderr).into_owned();
    assert!(std::env::var_os("CI").is_none(), "onnxruntime.sh: {why}");
    eprintln!("SKIPPED: ONNX Runtime cannot be fetched: {why}");
    None
}
