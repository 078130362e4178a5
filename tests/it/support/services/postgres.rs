//! A PostgreSQL server for tests: one of its own, or one for the whole test binary with a database a test.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

/// A server on loopback.
pub struct Postgres {
    dir: PathBuf,
    port: u16,
    settings: Vec<(&'static str, String)>,
    /// Ends with this value; the shared one ends with the process.
    own: bool,
}

impl Postgres {
    /// A server of the test's own, ended when dropped. `None`, said aloud, where PostgreSQL is not installed.
    pub fn start(settings: &[(&'static str, &str)]) -> Option<Postgres> {
        Postgres::launch(settings, true)
    }

    fn launch(settings: &[(&'static str, &str)], own: bool) -> Option<Postgres> {
        let there = script().arg("fetch").stdout(Stdio::null()).status();
        if !there.is_ok_and(|status| status.success()) {
            assert!(std::env::var_os("CI").is_none(), "PostgreSQL is not installed");
            eprintln!("SKIPPED: PostgreSQL is not installed (apt-get install postgresql)");
            return None;
        }
        // The server's user must be able to reach it, whoever we are.
        let dir = tempfile::Builder::new().prefix("wf-pg-").tempdir_in("/tmp").unwrap().keep();
        open_to_all(&dir);
        let port = super::ports::free_port();
        let settings = settings.iter().map(|(key, value)| (*key, (*value).to_owned())).collect();
        let server = Postgres { dir, port, settings, own };
        server.go();
        Some(server)
    }

    /// Start it (again).
    pub fn go(&self) {
        let mut command = script();
        command.arg("start").arg(&self.dir).arg(self.port.to_string());
        if !self.own {
            command.arg(std::process::id().to_string());
        }
        command.envs(self.settings.iter().map(|(key, value)| (*key, value)));
        let status = command.stdout(Stdio::null()).status().unwrap();
        assert!(status.success(), "PostgreSQL did not start in {}", self.dir.display());
    }

    /// As a power cut would.
    pub fn kill(&self) {
        self.run("kill");
    }

    /// In good order.
    pub fn stop(&self) {
        self.run("stop");
    }

    fn run(&self, what: &str) {
        let mut command = script();
        command.arg(what).arg(&self.dir).arg(self.port.to_string());
        command.envs(self.settings.iter().map(|(key, value)| (*key, value)));
        assert!(command.stdout(Stdio::null()).status().unwrap().success(), "{what}");
    }

    /// The port on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Make a database; its URL.
    pub fn database(&self) -> String {
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let name = format!("t{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.sql("postgres", &format!("CREATE DATABASE {name}"));
        format!("postgres://postgres@127.0.0.1:{}/{name}", self.port)
    }

    /// A copy of a database that nobody uses; its URL.
    pub fn copy_of(&self, url: &str) -> String {
        let name = url.rsplit('/').next().unwrap();
        let copy = self.database();
        let made = copy.rsplit('/').next().unwrap();
        self.sql("postgres", &format!("DROP DATABASE {made}"));
        // Sessions that were closed a moment ago may still be counted: the server waits five seconds for them.
        self.sql("postgres", &format!("CREATE DATABASE {made} TEMPLATE {name}"));
        copy
    }

    /// Run statements as the superuser; what they print.
    pub fn sql(&self, database: &str, text: &str) -> String {
        let mut command = Command::new("psql");
        command.args([
            "-q",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-h",
            "127.0.0.1",
            "-U",
            "postgres",
        ]);
        command.args(["-p", &self.port.to_string(), "-d", database, "-c", text]);
        let done = command.env("PGPASSWORD", "right").output().unwrap();
        assert!(done.status.success(), "{text}: {}", String::from_utf8_lossy(&done.stderr));
        String::from_utf8_lossy(&done.stdout).trim().to_owned()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.own {
            self.run("kill");
            let _ = std::fs::remove_dir_all(&self.dir);
        }
    }
}

/// The server of this test binary. It ends with the process.
pub fn shared() -> Option<&'static Postgres> {
    static SHARED: OnceLock<Option<Postgres>> = OnceLock::new();
    SHARED.get_or_init(|| Postgres::launch(&[], false)).as_ref()
}

fn script() -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/services/postgres.sh"))
}

fn open_to_all(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o755)).unwrap();
}
