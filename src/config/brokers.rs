//! Keys of a connection to Kafka brokers: the same for a source, a sink and `watchfloor topics`.

use std::path::PathBuf;
use std::sync::Arc;

use crate::config::reader::Reader;
use crate::config::secret::{SecretError, SecretRef};
use crate::stdx::kafka::TokenSource;

/// The topics of the data path by their standard names: raw records in, our own stream out.
pub const TOPICS: [&str; 8] = [
    "sysmon-logs",
    "linux-auditd-logs",
    "linux-ebpf-process-logs",
    "linux-ebpf-file-logs",
    "linux-ebpf-network-logs",
    EVENTS_TOPIC,
    INFERENCE_TOPIC,
    ALERTS_TOPIC,
];
/// Where normalised events go.
pub const EVENTS_TOPIC: &str = "normalized-endpoint-events";
/// Where results of inference go.
pub const INFERENCE_TOPIC: &str = "inference-results";
/// Where alerts go.
pub const ALERTS_TOPIC: &str = "alerts";
/// Where nodes hand each other matches of correlations, see `[regroup]`.
pub const REGROUP_TOPIC: &str = "correlation-matches";
/// Partitions of a topic that `topics create` makes.
pub const PARTITIONS: u64 = 6;

/// A Kafka cluster and how to log in.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BrokerConfig {
    /// `host:port` of some of its brokers.
    pub brokers: Vec<String>,
    /// How we call ourselves.
    pub client_id: String,
    /// Speak TLS; `None`: no TLS.
    pub tls: Option<BrokerTls>,
    /// Log in; `None`: no login.
    pub sasl: Option<Sasl>,
}

/// TLS towards brokers.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct BrokerTls {
    /// Who may have signed the broker's certificate, PEM; `None`: whom the system trusts.
    pub ca: Option<PathBuf>,
    /// Our certificate for mutual TLS, and its key, PEM.
    pub pair: Option<(PathBuf, PathBuf)>,
    /// The password of that key.
    pub key_password: Option<SecretRef>,
}

/// How to log in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sasl {
    /// User and password.
    Password {
        /// `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
        mechanism: &'static str,
        /// The user.
        user: String,
        /// Where the password is.
        password: SecretRef,
    },
    /// A token that somebody else renews; read again whenever the broker wants a fresh one.
    Bearer {
        /// Where the token is.
        token: SecretRef,
    },
}

#[derive(Clone, Copy)]
enum Mechanism {
    Off,
    Password(&'static str),
    Bearer,
}

impl BrokerConfig {
    /// Take the keys under `prefix`. Brokers are needed.
    pub fn take(reader: &mut Reader, prefix: &str) -> BrokerConfig {
        let config = BrokerConfig::read(reader, prefix);
        if config.brokers.is_empty() {
            let hint = "for example brokers = [\"kafka1:9092\"]".to_owned();
            let message = "at least one broker is needed".to_owned();
            reader.complain(&format!("{prefix}.brokers"), message, hint);
        }
        config
    }

    /// The same where a cluster need not be named.
    pub fn read(reader: &mut Reader, prefix: &str) -> BrokerConfig {
        let key = |name: &str| format!("{prefix}.{name}");
        let brokers =
            reader.texts(&key("brokers"), &[], "host:port of some brokers of the cluster.");
        for broker in brokers.iter().filter(|broker| broker.contains("://") || broker.contains(','))
        {
            let message = format!("{broker:?} is no host:port");
            reader.complain(
                &key("brokers"),
                message,
                "one host:port each, without a scheme".to_owned(),
            );
        }
        BrokerConfig {
            client_id: reader.text(
                &key("client_id"),
                "watchfloor",
                "How we call ourselves to the brokers.",
            ),
            tls: take_tls(reader, prefix),
            sasl: take_sasl(reader, prefix),
            brokers,
        }
    }

    /// The settings of a client, secrets included: hand them to the client and nobody else.
    ///
    /// # Errors
    /// A secret that cannot be read.
    pub fn settings(&self) -> Result<Vec<(&'static str, String)>, SecretError> {
        let mut settings = vec![
            ("bootstrap.servers", self.brokers.join(",")),
            ("client.id", self.client_id.clone()),
            // A topic is made by `watchfloor topics create`, never by asking for it.
            ("allow.auto.create.topics", "false".to_owned()),
            ("security.protocol", self.protocol().to_owned()),
            ("reconnect.backoff.max.ms", "5000".to_owned()),
        ];
        if let Some(tls) = &self.tls {
            let ca =
                tls.ca.as_ref().map_or_else(|| "probe".to_owned(), |ca| ca.display().to_string());
            settings.push(("ssl.ca.location", ca));
            if let Some((cert, key)) = &tls.pair {
                settings.push(("ssl.certificate.location", cert.display().to_string()));
                settings.push(("ssl.key.location", key.display().to_string()));
            }
            if let Some(password) = &tls.key_password {
                settings.push(("ssl.key.password", text(password)?));
            }
        }
        match &self.sasl {
            None => {}
            Some(Sasl::Password { mechanism, user, password }) => {
                settings.push(("sasl.mechanism", (*mechanism).to_owned()));
                settings.push(("sasl.username", user.clone()));
                settings.push(("sasl.password", text(password)?));
            }
            Some(Sasl::Bearer { .. }) => {
                settings.push(("sasl.mechanism", "OAUTHBEARER".to_owned()))
            }
        }
        Ok(settings)
    }

    /// Reads the bearer token whenever a client asks for it, if that is how we log in.
    pub fn token_source(&self) -> Option<TokenSource> {
        let Some(Sasl::Bearer { token }) = &self.sasl else { return None };
        let token = token.clone();
        Some(Arc::new(move || {
            let bytes = token.read().map_err(std::io::Error::other)?;
            Ok(String::from_utf8_lossy(&bytes).into_owned())
        }))
    }

    fn protocol(&self) -> &'static str {
        match (&self.tls, &self.sasl) {
            (None, None) => "plaintext",
            (Some(_), None) => "ssl",
            (None, Some(_)) => "sasl_plaintext",
            (Some(_), Some(_)) => "sasl_ssl",
        }
    }
}

fn text(secret: &SecretRef) -> Result<String, SecretError> {
    Ok(String::from_utf8_lossy(&secret.read()?).into_owned())
}

fn take_tls(reader: &mut Reader, prefix: &str) -> Option<BrokerTls> {
    let key = |name: &str| format!("{prefix}.{name}");
    let path = |text: Option<String>| text.map(PathBuf::from);
    let on = reader.truth(&key("tls"), false, "Speak TLS to the brokers.");
    let doc =
        "Who may have signed the broker's certificate, PEM; if not given, whom the system trusts.";
    let ca = path(reader.optional_text(&key("tls_ca"), doc));
    let cert = path(reader.optional_text(&key("tls_cert"), "Our certificate for mutual TLS, PEM."));
    let private =
        path(reader.optional_text(&key("tls_key"), "Private key that belongs to tls_cert, PEM."));
    let names =
        (key("tls_key_password"), key("tls_key_password.env"), key("tls_key_password.file"));
    let docs = ("Variable with the password of tls_key.", "File with the password of tls_key.");
    let key_password = SecretRef::take(reader, (&names.0, &names.1, &names.2), docs);
    if cert.is_some() != private.is_some() {
        let missing = if cert.is_some() { "tls_key" } else { "tls_cert" };
        let message = "tls_cert and tls_key are given together".to_owned();
        reader.complain(&key(missing), message, "or neither".to_owned());
    }
    if !on && (ca.is_some() || cert.is_some() || private.is_some()) {
        let message = "certificates are named, but TLS is off".to_owned();
        reader.complain(&key("tls"), message, "tls = true".to_owned());
    }
    on.then(|| BrokerTls { ca, pair: cert.zip(private), key_password })
}

fn take_sasl(reader: &mut Reader, prefix: &str) -> Option<Sasl> {
    let key = |name: &str| format!("{prefix}.{name}");
    let mechanisms = [
        ("none", Mechanism::Off),
        ("plain", Mechanism::Password("PLAIN")),
        ("scram-sha-256", Mechanism::Password("SCRAM-SHA-256")),
        ("scram-sha-512", Mechanism::Password("SCRAM-SHA-512")),
        ("oauthbearer", Mechanism::Bearer),
    ];
    let doc =
        "How to log in at the brokers: none, plain, scram-sha-256, scram-sha-512, oauthbearer.";
    let mechanism = reader.choice(&key("sasl"), "none", &mechanisms, doc);
    let user = reader.optional_text(&key("user"), "Who logs in.");
    let names = (key("password"), key("password.env"), key("password.file"));
    let docs = ("Variable with the password.", "File with the password.");
    let password = SecretRef::take(reader, (&names.0, &names.1, &names.2), docs);
    let names = (key("token"), key("token.env"), key("token.file"));
    let docs = (
        "Variable with the bearer token.",
        "File with the bearer token; read again when the broker wants a fresh one.",
    );
    let token = SecretRef::take(reader, (&names.0, &names.1, &names.2), docs);
    match mechanism? {
        Mechanism::Off => {
            let given = user.is_some() || password.is_some() || token.is_some();
            if given {
                let message = "a login is named, but not how to log in".to_owned();
                reader.complain(
                    &key("sasl"),
                    message,
                    "for example sasl = \"scram-sha-512\"".to_owned(),
                );
            }
            None
        }
        Mechanism::Password(mechanism) => match (user, password) {
            (Some(user), Some(password)) => Some(Sasl::Password { mechanism, user, password }),
            (user, _) => {
                let missing = if user.is_some() { "password" } else { "user" };
                let hint = "password = { file = \"PATH\" }".to_owned();
                reader.complain(&key(missing), "user and password are needed".to_owned(), hint);
                None
            }
        },
        Mechanism::Bearer => {
            if token.is_none() {
                let hint = "token = { file = \"PATH\" }".to_owned();
                reader.complain(&key("token"), "a token is needed".to_owned(), hint);
            }
            token.map(|token| Sasl::Bearer { token })
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn taken(text: &str) -> (BrokerConfig, Vec<String>) {
        let mut reader = Reader::default();
        reader.add_file(Path::new("w.toml"), &format!("[k]\n{text}"));
        let config = BrokerConfig::take(&mut reader, "k");
        reader.finish();
        (config, reader.problems.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_login_is_whole_or_refused_with_its_key() {
        let (config, problems) = taken("brokers = ['a:1']");
        assert_eq!((config.protocol(), problems.len()), ("plaintext", 0));
        let all = "brokers = ['a:1']\ntls = true\nsasl = 'scram-sha-512'\nuser = 'u'\npassword = { env = 'P' }";
        let (config, problems) = taken(all);
        assert_eq!((config.protocol(), problems.len()), ("sasl_ssl", 0));
        assert!(config.settings().is_err(), "the variable is not set");
        for (text, word) in [
            ("", "k.brokers"),
            ("brokers = ['http://a:1']", "k.brokers"),
            ("brokers = ['a:1']\ntls_ca = 'x'", "k.tls"),
            ("brokers = ['a:1']\ntls = true\ntls_cert = 'x'", "k.tls_key"),
            ("brokers = ['a:1']\nuser = 'x'", "k.sasl"),
            ("brokers = ['a:1']\nsasl = 'plain'\nuser = 'x'", "k.password"),
            ("brokers = ['a:1']\nsasl = 'oauthbearer'", "k.token"),
            ("brokers = ['a:1']\nsasl = 'plain'\nuser = 'x'\npassword = 'secret'", "k.password"),
        ] {
            let (_, problems) = taken(text);
            assert!(problems.iter().any(|said| said.contains(word)), "{text}: {problems:?}");
        }
    }
}
