//! A daemon with a source of type `http`, and a client for it.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use reqwest::{Body, StatusCode};
use tokio::runtime::Runtime;

use super::daemon::{Daemon, command, run_json};
use super::free_port;
use crate::support::PATIENCE;

/// Write a certificate for `localhost` and its key. Returns the certificate.
pub fn certificate(folder: &Path, expired: bool) -> String {
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let mut parameters = rcgen::CertificateParams::new(names).unwrap();
    if expired {
        parameters.not_before = rcgen::date_time_ymd(2020, 1, 1);
        parameters.not_after = rcgen::date_time_ymd(2021, 1, 1);
    }
    let key = rcgen::KeyPair::generate().unwrap();
    let pem = parameters.self_signed(&key).unwrap().pem();
    std::fs::write(folder.join("key.pem"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("cert.pem"), &pem).unwrap();
    pem
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {}", self.text))
    }
}

/// A daemon with a source named `push`.
pub struct Site {
    pub folder: tempfile::TempDir,
    pub config: PathBuf,
    pub daemon: Option<Daemon>,
    pub base: String,
    pub port: u16,
    pub key: String,
    pub client: reqwest::Client,
    pub runtime: Runtime,
}

impl Site {
    /// A site with TLS and a key; `extra` are keys of the source, `below` is put at the end of the file.
    pub fn start(extra: &str, below: &str) -> Site {
        let mut site = Site::prepare(extra, below);
        site.start_daemon();
        site
    }

    /// The same without a daemon.
    pub fn prepare(extra: &str, below: &str) -> Site {
        let folder = tempfile::tempdir().unwrap();
        let pem = certificate(folder.path(), false);
        let port = free_port();
        let config = folder.path().join("watchfloor.toml");
        let text = format!(
            "data_dir = \"{0}/data\"\n[[sources]]\nname = \"push\"\ntype = \"http\"\nlisten = \"127.0.0.1:{port}\"\n\
             tls_cert = \"{0}/cert.pem\"\ntls_key = \"{0}/key.pem\"\n{extra}\n{below}\n",
            folder.path().display()
        );
        std::fs::write(&config, text).unwrap();
        let output =
            command(&config).args(["keys", "create", "--scope", "ingest"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let key = String::from_utf8(output.stdout).unwrap().trim().to_owned();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let client = client(&pem);
        let base = format!("https://localhost:{port}");
        Site { folder, config, daemon: None, base, port, key, client, runtime }
    }

    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub fn start_daemon(&mut self) {
        self.daemon = Some(Daemon::start(&self.config, &self.data()));
    }

    /// kill -9.
    pub fn kill(&mut self) {
        self.daemon.take().unwrap().kill();
    }

    /// Ask with the key.
    pub fn post(&self, path: &str, headers: &[(&str, &str)], body: impl Into<Body>) -> Answer {
        let key = self.key.clone();
        let mut all = vec![("x-api-key", key.as_str())];
        all.extend_from_slice(headers);
        self.ask("POST", path, &all, body).unwrap()
    }

    /// Ask with exactly these headers.
    pub fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: impl Into<Body>,
    ) -> reqwest::Result<Answer> {
        let url = format!("{}{path}", self.base);
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            map.insert(name, HeaderValue::from_str(value).unwrap());
        }
        let method = reqwest::Method::from_bytes(method.as_bytes()).unwrap();
        let request = self.client.request(method, url).headers(map).body(body);
        self.runtime.block_on(async {
            let response = request.send().await?;
            let (status, headers) = (response.status(), response.headers().clone());
            Ok(Answer { status, headers, text: response.text().await? })
        })
    }

    /// The row of the ledger.
    pub fn books(&self) -> serde_json::Value {
        let status = run_json(&self.config, &["status", "--format", "json"]);
        let rows = status["sources"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == "push").cloned().unwrap_or_default()
    }

    /// A number that the source shows.
    pub fn number(&self, name: &str) -> i64 {
        let books = self.books();
        let numbers = &books["numbers"];
        numbers[name].as_i64().unwrap_or(0)
    }

    /// Wait until something is so, without asking the daemon.
    pub fn until_quiet(&self, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "it never came to that");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// Wait until something is so.
    pub fn until(&self, what: &str, mut is_so: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so() {
            assert!(Instant::now() < deadline, "{what}: {}", self.books());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// A client that trusts this certificate and no other.
pub fn client(pem: &str) -> reqwest::Client {
    reqwest::Client::builder()
        .tls_built_in_root_certs(false)
        .add_root_certificate(reqwest::Certificate::from_pem(pem.as_bytes()).unwrap())
        .pool_max_idle_per_host(0)
        .timeout(Duration::from_secs(60))
        .build()
        .unwrap()
}
