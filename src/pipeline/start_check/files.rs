//! Files and variables with what sources and sinks show and trust: certificates, keys, passwords.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};

use crate::config::brokers::{BrokerConfig, Sasl};
use crate::config::secret::SecretRef;
use crate::config::sinks::{SinkConfig, SinkKind};
use crate::config::sources::{SourceConfig, SourceKind};
use crate::config::tls::ListenerTls;
use crate::pipeline::start_check::{Finding, chain};
use crate::source::{SourceError, ssh, tls};

pub(super) struct Files<'f> {
    pub(super) findings: &'f mut Vec<Finding>,
}

impl Files<'_> {
    pub(super) fn source(&mut self, prefix: &str, source: &SourceConfig) {
        match &source.kind {
            SourceKind::Http(http) => {
                self.listener(prefix, http.tls.as_ref());
                self.secret(prefix, "hmac_secret", http.hmac_secret.as_ref());
            }
            SourceKind::Syslog(syslog) => self.listener(prefix, syslog.listen.tls.as_ref()),
            SourceKind::Relp(relp) => self.listener(prefix, relp.listen.tls.as_ref()),
            SourceKind::Forward(forward) => {
                self.listener(prefix, forward.listen.tls.as_ref());
                self.secret(prefix, "shared_key", forward.shared_key.as_ref());
            }
            SourceKind::Kafka(kafka) => self.cluster(prefix, &kafka.cluster),
            SourceKind::Amqp(amqp) => {
                self.secret(prefix, "password", amqp.password.as_ref());
                self.certificates(prefix, "tls_ca", amqp.ca.as_deref());
                self.pair(prefix, amqp.pair.as_ref());
            }
            SourceKind::Ssh(config) => self.all(prefix, ssh::problems(config)),
            SourceKind::File(_) | SourceKind::Stdin | SourceKind::Journald(_) => {}
        }
    }

    pub(super) fn sink(&mut self, prefix: &str, sink: &SinkConfig) {
        match &sink.kind {
            SinkKind::Kafka(kafka) => self.cluster(prefix, &kafka.cluster),
            SinkKind::Watchfloor(forward) => {
                self.secret(prefix, "api_key", forward.api_key.as_ref());
                self.secret(prefix, "hmac", forward.secret.as_ref());
                self.certificates(prefix, "tls_ca", forward.ca.as_deref());
            }
        }
    }

    pub(super) fn cluster(&mut self, prefix: &str, cluster: &BrokerConfig) {
        if let Some(tls) = &cluster.tls {
            self.certificates(prefix, "tls_ca", tls.ca.as_deref());
            self.pair(prefix, tls.pair.as_ref());
            self.secret(prefix, "tls_key_password", tls.key_password.as_ref());
        }
        // A token is read when the brokers ask for one, and somebody else may write it until then.
        if let Some(Sasl::Password { password, .. }) = &cluster.sasl {
            self.secret(prefix, "password", Some(password));
        }
    }

    fn listener(&mut self, prefix: &str, config: Option<&ListenerTls>) {
        if let Some(config) = config {
            self.all(prefix, tls::problems(config));
        }
    }

    fn all(&mut self, prefix: &str, problems: Vec<(&'static str, SourceError)>) {
        for (name, error) in problems {
            self.findings.push(Finding::stops(format!("{prefix}.{name}"), chain(&error), ""));
        }
    }

    fn secret(&mut self, prefix: &str, name: &str, secret: Option<&SecretRef>) {
        let Some(secret) = secret else { return };
        if let Err(error) = secret.read() {
            let key = format!("{prefix}.{name}.{}", secret.key());
            self.findings.push(Finding::stops(key, error.to_string(), ""));
        }
    }

    fn certificates(&mut self, prefix: &str, name: &str, path: Option<&Path>) {
        if let Some(Err(error)) = path.map(tls::certificates) {
            self.findings.push(Finding::stops(format!("{prefix}.{name}"), error.to_string(), ""));
        }
    }

    /// A certificate of ours and its key, which may be locked by a password: whether it is one is for the client to say.
    fn pair(&mut self, prefix: &str, pair: Option<&(PathBuf, PathBuf)>) {
        let Some((cert, key)) = pair else { return };
        self.certificates(prefix, "tls_cert", Some(cert));
        if let Err(error) = readable(key) {
            let message = format!("{}: {error}", key.display());
            self.findings.push(Finding::stops(format!("{prefix}.tls_key"), message, ""));
        }
    }
}

fn readable(path: &Path) -> io::Result<()> {
    match File::open(path)?.metadata()?.is_file() {
        true => Ok(()),
        false => Err(io::Error::other("not a file")),
    }
}
