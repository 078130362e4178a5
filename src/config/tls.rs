//! Keys of a listener's TLS: the same for every source and section that listens.

use std::path::PathBuf;

use crate::config::reader::Reader;

/// Certificates of a listener. The files are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListenerTls {
    /// The certificate chain, PEM.
    pub cert: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Peers must show a certificate that one of these (PEM) signed.
    pub client_ca: Option<PathBuf>,
}

impl ListenerTls {
    /// Take `PREFIX.tls_cert`, `PREFIX.tls_key` and `PREFIX.tls_client_ca`; `None` when none is given.
    pub fn take(reader: &mut Reader, prefix: &str) -> Option<ListenerTls> {
        let key = |name: &str| format!("{prefix}.{name}");
        let path = |text: Option<String>| text.map(PathBuf::from);
        let doc = "Certificate chain of the listener, PEM; read again when it changes.";
        let cert = path(reader.optional_text(&key("tls_cert"), doc));
        let doc = "Private key that belongs to tls_cert, PEM.";
        let private = path(reader.optional_text(&key("tls_key"), doc));
        let doc = "Peers must show a certificate signed by one of these, PEM.";
        let client_ca = path(reader.optional_text(&key("tls_client_ca"), doc));
        match (cert, private) {
            (Some(cert), Some(key)) => Some(ListenerTls { cert, key, client_ca }),
            (None, None) => {
                if client_ca.is_some() {
                    let hint = "give tls_cert and tls_key as well".to_owned();
                    let message = "says who may connect by TLS, but there is no TLS".to_owned();
                    reader.complain(&key("tls_client_ca"), message, hint);
                }
                None
            }
            (cert, _) => {
                let missing = if cert.is_some() { "tls_key" } else { "tls_cert" };
                let message = "tls_cert and tls_key are given together".to_owned();
                reader.complain(&key(missing), message, "or neither".to_owned());
                None
            }
        }
    }
}
