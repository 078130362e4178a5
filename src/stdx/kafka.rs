//! What every Kafka client of ours has in common: its log lines and errors in our words, a bearer token that is fetched
//! when the broker wants one, and questions about topics that never make one.
//!
//! Topics are asked for all at once. A question about one topic that is not there makes it on brokers that are set so.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::{Client, ClientContext, OAuthToken};
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::ProducerContext;
use rdkafka::{ClientConfig, Message};

use crate::stdx::time::Timestamp;

/// How long a token that does not say when it ends is used.
const TOKEN_LIFE: Duration = Duration::from_secs(3_600);
/// A token's name when it does not say whose it is.
const TOKEN_PRINCIPAL: &str = "watchfloor";

/// Reads a bearer token.
pub type TokenSource = Arc<dyn Fn() -> std::io::Result<String> + Send + Sync>;

/// The ears of a client.
#[derive(Clone, Default)]
pub struct Ears {
    token: Option<TokenSource>,
    said: Arc<Mutex<Said>>,
}

/// What was not followed by good news.
#[derive(Debug, Default)]
struct Said {
    /// It hinders the client as a whole.
    trouble: Option<String>,
    /// One connection broke.
    detail: Option<String>,
}

impl std::fmt::Debug for Ears {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ears").field("said", &*self.said.lock()).finish_non_exhaustive()
    }
}

impl Ears {
    /// Ears of a client that logs in with a token, if there is one.
    pub fn new(token: Option<TokenSource>) -> Ears {
        Ears { token, said: Arc::default() }
    }

    /// What hinders the client since the last good news.
    pub fn complaint(&self) -> Option<String> {
        self.said.lock().trouble.clone()
    }

    /// The same, or what one broker's connection broke of, where nobody could be reached in time.
    pub fn reason(&self) -> Option<String> {
        let said = self.said.lock();
        said.trouble.clone().or_else(|| said.detail.clone())
    }

    /// Good news.
    pub fn content(&self) {
        *self.said.lock() = Said::default();
    }

    /// Keep a complaint. A connection that breaks is no trouble while others are there; that no broker is left says less
    /// than why.
    pub fn complain(&self, code: Option<RDKafkaErrorCode>, reason: &str) {
        let mut said = self.said.lock();
        match code {
            Some(RDKafkaErrorCode::AllBrokersDown) => {
                let why = said.detail.take().unwrap_or_else(|| shorten(reason));
                said.trouble.get_or_insert(why);
            }
            Some(
                RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::Resolve
                | RDKafkaErrorCode::OperationTimedOut,
            ) => said.detail = Some(shorten(reason)),
            _ => said.trouble = Some(shorten(reason)),
        }
    }
}

/// `sasl_ssl://localhost:9094/bootstrap: why (after 3ms in state X, 1 identical error(s) suppressed)` → without its end.
fn shorten(reason: &str) -> String {
    reason.split(" (after ").next().unwrap_or(reason).to_owned()
}

impl ClientContext for Ears {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        match level {
            RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
                tracing::error!(facility, "kafka: {text}");
            }
            // The same trouble comes as an error, which is shown once.
            _ => tracing::debug!(facility, "kafka: {text}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, "kafka: {reason}");
        self.complain(error.rdkafka_error_code(), reason);
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        let Some(source) = &self.token else {
            return Err("no token is configured".into());
        };
        let token = source()?.trim().to_owned();
        let (principal, until) = claims(&token);
        let end = Timestamp::now().plus_micros(micros(TOKEN_LIFE)).0 / 1_000;
        Ok(OAuthToken {
            token,
            principal_name: principal.unwrap_or_else(|| TOKEN_PRINCIPAL.to_owned()),
            lifetime_ms: until.map_or(end, |seconds| seconds.saturating_mul(1_000)),
        })
    }
}

/// What a client's callbacks share with its owner: ears, and whatever they note.
#[derive(Clone, Debug)]
pub struct Heard<T> {
    /// The ears.
    pub ears: Ears,
    /// What the callbacks note.
    pub notes: T,
}

impl<T: Send + Sync + 'static> ClientContext for Heard<T> {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.ears.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.ears.error(error, reason);
    }

    fn generate_oauth_token(&self, config: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        self.ears.generate_oauth_token(config)
    }
}

/// Will no broker with these settings ever take the message?
pub fn is_too_large(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge)
}

impl ConsumerContext for Ears {}

impl ProducerContext for Ears {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &rdkafka::message::DeliveryResult<'_>, (): Self::DeliveryOpaque) {
        if let Err((error, message)) = result {
            tracing::debug!(%error, topic = message.topic(), "kafka: not delivered");
        }
    }
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

/// Whose a JSON web token is and when it ends, in seconds; not checked: the broker does that.
fn claims(token: &str) -> (Option<String>, Option<i64>) {
    use base64::Engine as _;
    let body = token.split('.').nth(1).unwrap_or_default();
    let engine = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let bytes = engine.decode(body.trim_end_matches('=')).unwrap_or_default();
    let claims: serde_json::Value = serde_json::from_slice(&bytes).unwrap_or_default();
    let subject = claims.get("sub").and_then(serde_json::Value::as_str).map(str::to_owned);
    (subject, claims.get("exp").and_then(serde_json::Value::as_i64))
}

/// What a topic is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Partitions.
    pub partitions: usize,
    /// Copies of the first partition.
    pub replication: usize,
}

/// All topics of the cluster by name.
///
/// # Errors
/// The brokers do not answer in time.
pub fn topics<C: ClientContext>(
    client: &Client<C>,
    patience: Duration,
) -> Result<BTreeMap<String, Topic>, KafkaError> {
    let metadata = client.fetch_metadata(None, patience)?;
    let topics = metadata.topics().iter().filter(|topic| topic.error().is_none());
    Ok(topics
        .map(|topic| {
            let copies = topic.partitions().first().map_or(0, |first| first.replicas().len());
            let about = Topic { partitions: topic.partitions().len(), replication: copies };
            (topic.name().to_owned(), about)
        })
        .collect())
}

/// A client configuration of settings.
pub fn config(settings: &[(&'static str, String)]) -> ClientConfig {
    let mut config = ClientConfig::new();
    for (key, value) in settings {
        config.set(*key, value);
    }
    config
}

/// A client for questions and for making topics.
pub struct Asking {
    client: BaseConsumer<Ears>,
    config: ClientConfig,
    ears: Ears,
}

impl Asking {
    /// Connect in the background.
    ///
    /// # Errors
    /// Settings that make no client, such as a certificate that cannot be read.
    pub fn new(config: ClientConfig, ears: Ears) -> Result<Asking, KafkaError> {
        let client = BaseConsumer::from_config_and_context(&config, ears.clone())?;
        Ok(Asking { client, config, ears })
    }

    /// All topics by name.
    ///
    /// # Errors
    /// What hinders the connection, in the client's words.
    pub fn topics(&self, patience: Duration) -> Result<BTreeMap<String, Topic>, Unreachable> {
        // A login by token begins only when somebody listens.
        drop(self.client.poll(Duration::from_millis(50)));
        topics(self.client.client(), patience).map_err(|error| {
            drop(self.client.poll(Duration::from_millis(50)));
            Unreachable(self.ears.reason().unwrap_or_else(|| error.to_string()))
        })
    }

    /// Make topics. The answer names each with what hindered it.
    ///
    /// # Errors
    /// The brokers do not answer in time.
    pub async fn create(
        &self,
        names: &[String],
        partitions: i32,
        replication: i32,
        patience: Duration,
    ) -> Result<Vec<(String, Option<String>)>, KafkaError> {
        let admin = AdminClient::from_config_and_context(&self.config, self.ears.clone())?;
        let topics: Vec<NewTopic<'_>> = names
            .iter()
            .map(|name| NewTopic::new(name, partitions, TopicReplication::Fixed(replication)))
            .collect();
        let options =
            AdminOptions::new().operation_timeout(Some(patience)).request_timeout(Some(patience));
        let made = admin.create_topics(&topics, &options).await?;
        Ok(made
            .into_iter()
            .map(|result| match result {
                Ok(name) | Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => (name, None),
                Err((name, code)) => (name, Some(code.to_string())),
            })
            .collect())
    }
}

/// No broker gives an answer.
#[derive(Debug, thiserror::Error)]
#[error("no broker answers: {0}")]
pub struct Unreachable(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_says_whose_it_is_and_until_when() {
        let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJ3ZiIsImV4cCI6MTIzfQ.";
        assert_eq!(claims(token), (Some("wf".to_owned()), Some(123)));
        assert_eq!(claims("opaque"), (None, None));
    }

    #[test]
    fn a_refused_login_is_not_hidden_by_no_broker_being_left() {
        let ears = Ears::default();
        let down = || ears.complain(Some(RDKafkaErrorCode::AllBrokersDown), "1/1 brokers are down");
        let broken = Some(RDKafkaErrorCode::BrokerTransportFailure);
        ears.complain(broken, "a:1/1: Connect failed (after 0ms in state CONNECT)");
        assert_eq!(ears.complaint(), None, "others may be there");
        down();
        assert_eq!(ears.complaint().as_deref(), Some("a:1/1: Connect failed"));
        ears.complain(
            Some(RDKafkaErrorCode::Authentication),
            "sasl://a:1/1: refused (after 3ms in state AUTH_REQ)",
        );
        down();
        assert_eq!(ears.complaint().as_deref(), Some("sasl://a:1/1: refused"));
        ears.content();
        assert_eq!(ears.complaint(), None);
    }
}
