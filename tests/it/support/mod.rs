//! What integration tests share: where data lies, the release binary, scratch folders.
#![allow(dead_code)]

#[path = "services/certificates.rs"]
pub mod certificates;
pub mod daemon;
pub mod http;
#[path = "services/kafka.rs"]
pub mod kafka;
pub mod onnxruntime;
#[path = "services/path.rs"]
pub mod path;
pub mod ports;
pub mod proxy;
pub mod pty;
#[path = "services/rabbitmq.rs"]
pub mod rabbitmq;
pub mod services;
#[path = "services/shippers.rs"]
pub mod shippers;
pub mod stub;
pub mod tiny_model;
pub mod unruly;
pub mod vocabulary;
pub mod wire;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

pub use ports::free_port;

/// How long a test waits for what must come: far longer than anything takes, so that a busy machine gets its time.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// The repository's root.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file or folder of the third-party test data. Missing data is a failure in CI and a loud skip elsewhere.
pub fn data(relative: &str) -> Option<PathBuf> {
    let base = std::env::var_os("WATCHFLOOR_TEST_DATA")
        .map_or_else(|| root().join("../shared/data"), PathBuf::from);
    let path = base.join(relative);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "test data is missing: {}", path.display());
    eprintln!("SKIPPED: test data is missing: {} (set WATCHFLOOR_TEST_DATA)", path.display());
    None
}

/// The program: the release build where `script/test` made one, else the test profile's.
pub fn program() -> PathBuf {
    std::env::var_os("WATCHFLOOR_BIN")
        .map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_watchfloor")), PathBuf::from)
}

/// How full the disk of who runs the tests is, is no matter of theirs.
pub fn quiet_disk(command: &mut Command) {
    command.env("WATCHFLOOR_RETENTION__DISK_WARN", "100");
    command.env("WATCHFLOOR_RETENTION__DISK_DROP", "100");
}

/// A command of the program with no configuration but what the test gives.
pub fn watchfloor(data_dir: &Path) -> Command {
    let mut command = Command::new(program());
    command.env("WATCHFLOOR_DATA_DIR", data_dir).env("XDG_CONFIG_HOME", data_dir);
    command.env_remove("WATCHFLOOR_CONFIG");
    quiet_disk(&mut command);
    command
}
