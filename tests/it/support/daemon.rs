//! A `watchfloor serve` of a test: started, asked, stopped or killed.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use crate::support::program;

/// A running daemon; killed when dropped.
pub struct Daemon {
    child: Child,
    /// Its configuration file, which also names its data folder.
    pub config: PathBuf,
}

/// A command on a configuration, with nothing else from the environment.
pub fn command(config: &Path) -> Command {
    let mut command = Command::new(program());
    command.arg("--config").arg(config).env_remove("WATCHFLOOR_CONFIG");
    for (name, _) in std::env::vars() {
        let ours = name.starts_with("WATCHFLOOR_") && name.contains("__");
        if ours || name == "WATCHFLOOR_DATA_DIR" {
            command.env_remove(name);
        }
    }
    crate::support::quiet_disk(&mut command);
    // What models say are events too, and when they come depends on the machine: tests of other parts count without them.
    let text = std::fs::read_to_string(config).unwrap_or_default();
    if !text.contains("[infer]") {
        command.env("WATCHFLOOR_INFER__ENABLED", "false");
    }
    command
}

impl Daemon {
    /// Start it and wait until it answers.
    pub fn start(config: &Path, data: &Path) -> Daemon {
        let mut daemon = Daemon::spawn(config, data);
        daemon.wait_listening(data);
        daemon.wait_ready();
        daemon
    }

    /// Start it and return at once. The data folder is written into the configuration.
    pub fn spawn(config: &Path, data: &Path) -> Daemon {
        Daemon::spawn_by(config, data, |command| command)
    }

    /// The same by another command made of the usual one; it must become the daemon, not start it.
    pub fn spawn_by(config: &Path, data: &Path, wrap: impl FnOnce(Command) -> Command) -> Daemon {
        let text = std::fs::read_to_string(config).unwrap();
        if !text.contains("data_dir") {
            let line = format!("data_dir = \"{}\"\n", data.display());
            std::fs::write(config, line + &text).unwrap();
        }
        let mut serve = command(config);
        serve.arg("serve");
        let child = wrap(serve)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::options().create(true).append(true).open(log(config)).unwrap())
            .spawn()
            .unwrap();
        Daemon { child, config: config.to_owned() }
    }

    /// What it wrote to its standard error until now.
    pub fn said(&self) -> String {
        std::fs::read_to_string(log(&self.config)).unwrap_or_default()
    }

    /// Wait for its socket, so that what asks next is answered by it and does not open the store itself.
    pub fn wait_listening(&mut self, data: &Path) {
        let socket = watchfloor::config::Config::default().api.socket_path(data);
        let deadline = Instant::now() + PATIENCE;
        while std::os::unix::net::UnixStream::connect(&socket).is_err() {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none(), "the daemon ended: {}", self.said());
            assert!(Instant::now() < deadline, "{} is silent: {}", socket.display(), self.said());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Wait until `status` comes from the daemon (it holds the store, so only it can answer).
    pub fn wait_ready(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let output =
                command(&self.config).args(["status", "--format", "json"]).output().unwrap();
            if output.status.success() {
                return;
            }
            let said = std::fs::read_to_string(log(&self.config)).unwrap_or_default();
            assert!(
                Instant::now() < deadline,
                "the daemon does not answer: {}\n{said}",
                String::from_utf8_lossy(&output.stderr)
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// It ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// kill -9.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM, then wait for a clean end.
    pub fn stop(&mut self) {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                let said = std::fs::read_to_string(log(&self.config)).unwrap_or_default();
                assert!(status.success(), "serve ended with {status}: {said}");
                assert!(
                    !said.contains('\u{1b}'),
                    "a log that nobody watches has colours: {said:?}"
                );
                return;
            }
            assert!(Instant::now() < deadline, "serve did not stop within 30 s of SIGTERM");
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn log(config: &Path) -> PathBuf {
    config.with_extension("log")
}

/// Run a command and read its standard output as one JSON document.
pub fn run_json(config: &Path, arguments: &[&str]) -> serde_json::Value {
    serde_json::from_str(&run_text(config, arguments)).unwrap()
}

/// Run a command and read its standard output as JSON lines.
pub fn run_ndjson(config: &Path, arguments: &[&str]) -> Vec<serde_json::Value> {
    run_text(config, arguments).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Run a command that must succeed and return its standard output. `status` says by its exit code that no daemon runs.
pub fn run_text(config: &Path, arguments: &[&str]) -> String {
    let output = command(config).args(arguments).output().unwrap();
    let is_status = matches!(arguments, ["status", ..] | ["--data-dir", _, "status", ..]);
    assert!(
        output.status.success() || is_status && output.status.code() == Some(1),
        "watchfloor {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}
