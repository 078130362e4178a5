//! One Elasticsearch or OpenSearch node for a suite, by `tests/services/search.sh`.

use std::path::PathBuf;
use std::process::Command;

use crate::support::root;

/// A node that runs; killed when dropped.
pub struct SearchNode {
    kind: &'static str,
    folder: tempfile::TempDir,
    port: u16,
}

impl SearchNode {
    /// Start `elasticsearch` or `opensearch`. `None`, loudly: it cannot be had here; in CI that is a failure.
    pub fn start(kind: &'static str) -> Option<SearchNode> {
        // The node runs as another user when the tests run as root.
        let folder = tempfile::Builder::new().prefix("wf-search").tempdir_in("/tmp").unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        let node = SearchNode { kind, folder, port: free_ports() };
        if node.script("fetch") && node.script("start") {
            return Some(node);
        }
        assert!(std::env::var_os("CI").is_none(), "{kind} does not start");
        eprintln!("SKIPPED: {kind} does not start; see tests/services/search.sh");
        None
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// kill -9.
    pub fn kill(&self) {
        assert!(self.script("kill"));
    }

    /// Start the killed node again, with its data.
    pub fn start_again(&self) {
        assert!(self.script("start"), "{} does not start again", self.kind);
    }

    fn script(&self, verb: &str) -> bool {
        let script: PathBuf = root().join("tests/services/search.sh");
        let status = Command::new(script)
            .args([verb, self.folder.path().join("node").to_str().unwrap(), &self.port.to_string()])
            .env("SEARCH_KIND", self.kind)
            .env("SEARCH_EXTRA", "cluster.routing.allocation.disk.threshold_enabled: false\n")
            .status();
        status.is_ok_and(|status| status.success())
    }
}

impl Drop for SearchNode {
    fn drop(&mut self) {
        self.script("kill");
    }
}

/// A port that is free now, and the one behind it.
fn free_ports() -> u16 {
    loop {
        let first = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = first.local_addr().unwrap().port();
        if port < u16::MAX && std::net::TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}
