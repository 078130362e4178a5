//! One Elasticsearch or OpenSearch node for a suite, by `tests/services/search.sh`.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value as Json;
use watchfloor::config::secret::SecretRef;
use watchfloor::config::store::EventServerConfig;

use crate::support::certificates::certificates;
use crate::support::{free_port, root};

/// A node that runs; killed when dropped.
pub struct SearchNode {
    kind: &'static str,
    folder: tempfile::TempDir,
    port: u16,
}

/// The password of all users of a node with security.
pub const PASSWORD: &str = "watchfloor-test";

impl SearchNode {
    /// Start `elasticsearch`, `opensearch` or `opensearch-secure`. `None`, loudly: it cannot be had here; in CI that is a failure.
    pub fn start(kind: &'static str) -> Option<SearchNode> {
        // The node runs as another user when the tests run as root.
        let folder = tempfile::Builder::new().prefix("wf-search").tempdir_in("/tmp").unwrap();
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
        std::fs::set_permissions(folder.path(), open).unwrap();
        certificates(folder.path());
        let node = SearchNode { kind, folder, port: free_port() };
        if node.script("fetch") && node.script("start") {
            return Some(node);
        }
        assert!(std::env::var_os("CI").is_none(), "{kind} does not start");
        eprintln!("SKIPPED: {kind} does not start; see tests/services/search.sh");
        None
    }

    pub fn url(&self) -> String {
        // The certificate is for a name.
        let start = if self.is_secure() { "https://localhost" } else { "http://127.0.0.1" };
        format!("{start}:{}", self.port)
    }

    /// It speaks TLS and asks for a user.
    pub fn is_secure(&self) -> bool {
        self.kind.ends_with("-secure")
    }

    /// Where events are kept there, by the user who may do no more than that.
    pub fn events(&self, index: &str) -> EventServerConfig {
        let mut config = EventServerConfig {
            url: self.url(),
            index: index.to_owned(),
            ..EventServerConfig::default()
        };
        if self.is_secure() {
            let password = self.folder.path().join("password");
            std::fs::write(&password, PASSWORD).unwrap();
            config.user = Some("watchfloor".to_owned());
            config.password = Some(SecretRef::File(password));
            config.ca = Some(self.folder.path().join("ca.pem"));
        }
        config
    }

    /// Do something there as who may do everything.
    pub fn ask(&self, method: reqwest::Method, path: &str, body: Option<Json>) -> Json {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ca = std::fs::read(self.folder.path().join("ca.pem")).unwrap();
            let ca = reqwest::Certificate::from_pem(&ca).unwrap();
            let client = reqwest::Client::builder().no_proxy().add_root_certificate(ca);
            let mut request =
                client.build().unwrap().request(method, format!("{}{path}", self.url()));
            if self.is_secure() {
                request = request.basic_auth("admin", Some(PASSWORD));
            }
            if let Some(body) = body {
                request = request.json(&body);
            }
            let response = request.send().await.unwrap();
            assert!(response.status().is_success(), "{path}: {}", response.status());
            response.json().await.unwrap()
        })
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
            .env("SEARCH_TLS", self.folder.path())
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
