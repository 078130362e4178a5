//! TLS of listeners: certificates from files, read again when they change, so that a rotation needs no restart.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use tokio_rustls::TlsAcceptor;

use crate::config::tls::ListenerTls;
use crate::source::SourceError;

/// How often the files are looked at, at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Makes TLS connections with the certificate that the files hold now.
pub struct Certificates {
    config: ListenerTls,
    alpn: Vec<Vec<u8>>,
    current: Mutex<Current>,
}

struct Current {
    server: Arc<ServerConfig>,
    stamps: Vec<Option<SystemTime>>,
    looked: Instant,
}

impl std::fmt::Debug for Certificates {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Certificates").field("config", &self.config).finish_non_exhaustive()
    }
}

impl Certificates {
    /// Read the files. `alpn`: protocols to offer, for example `h2` and `http/1.1`.
    ///
    /// # Errors
    /// A file that cannot be read, or a key that does not belong to the certificate.
    pub fn load(config: &ListenerTls, alpn: &[&str]) -> Result<Certificates, SourceError> {
        let alpn: Vec<Vec<u8>> = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        let stamps = stamps(config);
        let server = Arc::new(read(config, &alpn)?);
        let current = Mutex::new(Current { server, stamps, looked: Instant::now() });
        Ok(Certificates { config: config.clone(), alpn, current })
    }

    /// An acceptor for the next connection. Files that changed are read; when they are wrong the old ones stay, and the
    /// log says so.
    pub fn acceptor(&self) -> TlsAcceptor {
        let mut current = self.current.lock();
        if current.looked.elapsed() >= LOOK_EVERY {
            current.looked = Instant::now();
            let now = stamps(&self.config);
            if now != current.stamps {
                match read(&self.config, &self.alpn) {
                    Ok(server) => {
                        tracing::info!(cert = %self.config.cert.display(), "took up a new certificate");
                        current.server = Arc::new(server);
                        current.stamps = now;
                    }
                    Err(error) => {
                        let error: &dyn std::error::Error = &error;
                        tracing::error!(
                            error,
                            "the new certificate is not used, the old one stays"
                        );
                    }
                }
            }
        }
        TlsAcceptor::from(Arc::clone(&current.server))
    }
}

/// What is wrong with the files, each with the last part of the key that names it.
pub fn problems(config: &ListenerTls) -> Vec<(&'static str, SourceError)> {
    let client_ca = config.client_ca.as_deref().map(certificates);
    let files = [
        ("tls_cert", certificates(&config.cert).err()),
        ("tls_key", private_key(&config.key).err()),
        ("tls_client_ca", client_ca.and_then(Result::err)),
    ];
    let mut found: Vec<_> =
        files.into_iter().filter_map(|(key, error)| Some((key, error?))).collect();
    if found.is_empty()
        && let Err(error) = read(config, &[])
    {
        found.push(("tls_cert", error));
    }
    found
}

fn stamps(config: &ListenerTls) -> Vec<Option<SystemTime>> {
    let files = [Some(&config.cert), Some(&config.key), config.client_ca.as_ref()];
    let changed = |path: &std::path::PathBuf| std::fs::metadata(path).ok()?.modified().ok();
    files.into_iter().flatten().map(changed).collect()
}

fn read(config: &ListenerTls, alpn: &[Vec<u8>]) -> Result<ServerConfig, SourceError> {
    let chain = certificates(&config.cert)?;
    let key = private_key(&config.key)?;
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .map_err(|error| wrong(&config.cert, &error.to_string()))?;
    let builder = match &config.client_ca {
        None => builder.with_no_client_auth(),
        Some(path) => {
            let mut roots = rustls::RootCertStore::empty();
            for root in certificates(path)? {
                roots.add(root).map_err(|error| wrong(path, &error.to_string()))?;
            }
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
                .build()
                .map_err(|error| wrong(path, &error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let mut server = builder.with_single_cert(chain, key).map_err(|error| {
        wrong(&config.cert, &format!("not with {}: {error}", config.key.display()))
    })?;
    server.alpn_protocols = alpn.to_vec();
    Ok(server)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, SourceError> {
    PrivateKeyDer::from_pem_file(path)
        .map_err(|error| wrong(path, &unreadable(&error, "no private key in PEM")))
}

/// The certificates of a file.
///
/// # Errors
/// There is no such file, or no certificate in it.
pub fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SourceError> {
    let all = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(path, &unreadable(&error, "no certificates in PEM")))?;
    match all.is_empty() {
        true => Err(wrong(path, "holds no certificate")),
        false => Ok(all),
    }
}

fn unreadable(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        other => format!("{what}: {other}"),
    }
}

fn wrong(path: &Path, why: &str) -> SourceError {
    SourceError::Start { what: path.display().to_string(), why: why.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(dir: &Path, name: &str) -> ListenerTls {
        let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let (cert, key) = (dir.join("cert.pem"), dir.join("key.pem"));
        std::fs::write(&cert, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        ListenerTls { cert, key, client_ca: None }
    }

    #[test]
    fn a_changed_certificate_is_taken_up_and_a_broken_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let config = write(dir.path(), "one.example");
        let certificates = Certificates::load(&config, &[]).unwrap();
        let first = Arc::as_ptr(&certificates.current.lock().server);
        let look = || {
            let mut current = certificates.current.lock();
            current.looked = current.looked.checked_sub(LOOK_EVERY).unwrap();
            current.stamps.clear();
            drop(current);
            certificates.acceptor();
            Arc::as_ptr(&certificates.current.lock().server)
        };
        std::fs::write(&config.key, "nonsense").unwrap();
        assert_eq!(look(), first, "a broken key is not taken up");
        write(dir.path(), "two.example");
        assert_ne!(look(), first);
        let missing = ListenerTls { cert: dir.path().join("none.pem"), ..config };
        let error = Certificates::load(&missing, &[]).unwrap_err().to_string();
        assert!(error.contains("none.pem"), "{error}");
    }

    #[test]
    fn every_wrong_file_is_named_by_its_key() {
        let dir = tempfile::tempdir().unwrap();
        let config = write(dir.path(), "one.example");
        assert_eq!(problems(&config).len(), 0);
        std::fs::write(&config.key, "nonsense").unwrap();
        let client_ca = Some(dir.path().join("none.pem"));
        let found = problems(&ListenerTls { client_ca, ..config.clone() });
        let keys: Vec<&str> = found.iter().map(|(key, _)| *key).collect();
        assert_eq!(keys, ["tls_key", "tls_client_ca"]);
        assert!(found[0].1.to_string().contains("no private key in PEM"), "{}", found[0].1);
        assert!(found[1].1.to_string().contains("No such file"), "{}", found[1].1);
        // Two that are both good, and not each other's.
        let elsewhere = dir.path().join("other");
        std::fs::create_dir(&elsewhere).unwrap();
        let other = write(&elsewhere, "one.example");
        let found = problems(&ListenerTls { key: other.key, ..config });
        assert_eq!(found.iter().map(|(key, _)| *key).collect::<Vec<_>>(), ["tls_cert"]);
    }
}
