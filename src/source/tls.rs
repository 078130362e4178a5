//! TLS of listeners: certificates from files, read again when they change, so that a rotation needs no restart.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
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

fn stamps(config: &ListenerTls) -> Vec<Option<SystemTime>> {
    let files = [Some(&config.cert), Some(&config.key), config.client_ca.as_ref()];
    let changed = |path: &std::path::PathBuf| std::fs::metadata(path).ok()?.modified().ok();
    files.into_iter().flatten().map(changed).collect()
}

fn read(config: &ListenerTls, alpn: &[Vec<u8>]) -> Result<ServerConfig, SourceError> {
    let chain = certificates(&config.cert)?;
    let key = PrivateKeyDer::from_pem_file(&config.key)
        .map_err(|error| wrong(&config.key, &format!("no private key in PEM: {error}")))?;
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

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, SourceError> {
    let all = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| wrong(path, &format!("no certificates in PEM: {error}")))?;
    match all.is_empty() {
        true => Err(wrong(path, "holds no certificate")),
        false => Ok(all),
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
}
