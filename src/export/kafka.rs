//! Events and alerts to Kafka topics, by an idempotent producer that waits for all copies.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use super::{Outgoing, SinkError};
use crate::config::reader::nearest;
use crate::config::sinks::KafkaSink;
use crate::model::alert::Alert;
use crate::model::event::{Event, Value};
use crate::model::field;
use crate::model::inference;
use crate::stdx::kafka::{self, Ears, Topic};
use crate::wire::{alert_v1, event_v1};

/// How long the brokers may take to answer a question.
const ASK: Duration = Duration::from_secs(5);
/// How long a message is tried before the whole chunk is.
const DELIVER: Duration = Duration::from_secs(30);
/// One wait for deliveries.
const TURN: Duration = Duration::from_millis(50);

/// What became of the messages of a chunk.
#[derive(Clone, Debug, Default)]
struct Deliveries {
    done: u64,
    refused: u64,
    failed: Option<String>,
}

#[derive(Clone)]
struct Shared {
    ears: Ears,
    deliveries: Arc<Mutex<Deliveries>>,
}

impl ClientContext for Shared {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        self.ears.log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.ears.error(error, reason);
    }

    fn generate_oauth_token(
        &self,
        config: Option<&str>,
    ) -> Result<OAuthToken, Box<dyn std::error::Error>> {
        self.ears.generate_oauth_token(config)
    }
}

impl ProducerContext for Shared {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): Self::DeliveryOpaque) {
        let mut deliveries = self.deliveries.lock();
        match result {
            Ok(_) => deliveries.done += 1,
            Err((error, _)) if is_too_large(error) => deliveries.refused += 1,
            Err((error, _)) => deliveries.failed = Some(error.to_string()),
        }
    }
}

fn is_too_large(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::MessageSizeTooLarge)
}

/// The sink.
pub(super) struct ToKafka {
    config: KafkaSink,
    producer: BaseProducer<Shared>,
    shared: Shared,
}

impl ToKafka {
    pub(super) fn new(config: &KafkaSink) -> Result<ToKafka, SinkError> {
        let name = config.cluster.brokers.join(",");
        let wrong = |why: String| SinkError::Start { what: name.clone(), why };
        let settings = config.cluster.settings().map_err(|error| wrong(error.to_string()))?;
        let mut client = kafka::config(&settings);
        client
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            .set("linger.ms", "5")
            .set("queue.buffering.max.kbytes", "65536")
            .set("message.timeout.ms", DELIVER.as_millis().to_string());
        let token = config.cluster.token_source();
        let shared = Shared { ears: Ears::new(token), deliveries: Arc::default() };
        let producer = BaseProducer::from_config_and_context(&client, shared.clone())
            .map_err(|error| wrong(error.to_string()))?;
        Ok(ToKafka { config: config.clone(), producer, shared })
    }

    fn check(&self, there: &BTreeMap<String, Topic>) -> Result<(), SinkError> {
        let config = &self.config;
        let topics = [&config.events_topic, &config.alerts_topic, &config.inference_topic];
        for name in topics.into_iter().flatten() {
            if there.contains_key(name) {
                continue;
            }
            return Err(missing_topic(name, &self.config.cluster.brokers, there));
        }
        Ok(())
    }

    /// What models say goes into a topic of its own.
    fn topic_of(&self, event: &Event) -> Option<&str> {
        let config = &self.config;
        let topic = match inference::is_judgement(event) {
            true => &config.inference_topic,
            false => &config.events_topic,
        };
        topic.as_deref()
    }

    fn later(&self, why: &str) -> SinkError {
        let why = self.shared.ears.reason().unwrap_or_else(|| why.to_owned());
        SinkError::Later(format!("{}: {why}", self.config.cluster.brokers.join(",")))
    }

    /// Queue one message, waiting while the client's own queue is full. `false`: the client says it is too long.
    fn queue(
        &self,
        topic: &str,
        schema: &str,
        id: &str,
        key: &str,
        body: &[u8],
    ) -> Result<bool, SinkError> {
        let headers = OwnedHeaders::new()
            .insert(Header { key: "schema", value: Some(schema) })
            .insert(Header { key: "id", value: Some(id) });
        let mut record = BaseRecord::to(topic).key(key).payload(body).headers(headers);
        let end = Instant::now() + DELIVER;
        loop {
            match self.producer.send(record) {
                Ok(()) => return Ok(true),
                Err((error, _)) if is_too_large(&error) => return Ok(false),
                Err((error, back))
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull)
                        && Instant::now() < end =>
                {
                    record = back;
                    self.producer.poll(TURN);
                }
                Err((error, _)) => return Err(self.later(&error.to_string())),
            }
        }
    }

    /// Wait until the brokers have `sent` messages. Returns those they refused.
    fn settle(&self, sent: u64) -> Result<u64, SinkError> {
        let end = Instant::now() + DELIVER * 2;
        loop {
            self.producer.poll(TURN);
            let now = self.shared.deliveries.lock().clone();
            if let Some(why) = now.failed {
                // What is still under way must not be taken for the next try's.
                self.producer.purge(rdkafka::producer::PurgeConfig::default().queue().inflight());
                let _ = self.producer.flush(DELIVER);
                return Err(self.later(&why));
            }
            if now.done + now.refused >= sent {
                self.shared.ears.content();
                return Ok(now.refused);
            }
            if Instant::now() > end {
                return Err(self.later("the brokers do not answer"));
            }
        }
    }

    fn begin(&self) {
        *self.shared.deliveries.lock() = Deliveries::default();
    }
}

/// The topic is not there: what it may have been meant to be, and what to do.
pub(super) fn missing_topic(
    name: &str,
    brokers: &[String],
    there: &BTreeMap<String, Topic>,
) -> SinkError {
    let near = match nearest(name, there.keys().map(String::as_str).collect()) {
        hint if hint.is_empty() => String::new(),
        hint => format!(" ({hint})"),
    };
    let why = format!(
        "is not on {}{near}; a topic is never made by accident: correct the name, or make it with \
         `watchfloor topics create`",
        brokers.join(",")
    );
    SinkError::Start { what: format!("topic {name:?}"), why }
}

/// Which partition: all of an endpoint stands in one.
fn key_of(tenant: &str, host: &str) -> String {
    format!("{tenant}/{host}")
}

impl Outgoing for ToKafka {
    fn takes_events(&self) -> bool {
        self.config.events_topic.is_some() || self.config.inference_topic.is_some()
    }

    fn takes(&self, event: &Event) -> bool {
        self.topic_of(event).is_some()
    }

    fn takes_alerts(&self) -> bool {
        self.config.alerts_topic.is_some()
    }

    fn open(&mut self) -> Result<(), SinkError> {
        self.producer.poll(TURN);
        match kafka::topics(self.producer.client(), ASK) {
            Ok(there) => self.check(&there),
            Err(error) => {
                self.producer.poll(TURN);
                Err(self.later(&error.to_string()))
            }
        }
    }

    fn events(&mut self, events: &[Event]) -> Result<u64, SinkError> {
        self.begin();
        let (mut sent, mut long) = (0, 0);
        for event in events {
            let Some(topic) = self.topic_of(event) else { continue };
            let tenant = match event.get(field::ORGANIZATION_ID) {
                Some(Value::Str(tenant)) => tenant,
                _ => "default",
            };
            let body = event_v1::to_nested(event).to_string();
            let (id, key) = (event.id.to_string(), key_of(tenant, event.host()));
            match self.queue(topic, "event_v1", &id, &key, body.as_bytes())? {
                true => sent += 1,
                false => long += 1,
            }
        }
        Ok(long + self.settle(sent)?)
    }

    fn alerts(&mut self, alerts: &[Alert]) -> Result<u64, SinkError> {
        let Some(topic) = self.config.alerts_topic.clone() else { return Ok(0) };
        self.begin();
        let (mut sent, mut long) = (0, 0);
        for alert in alerts {
            let wire = alert_v1::Alert::from(alert);
            let body =
                serde_json::to_vec(&wire).map_err(|error| SinkError::Later(error.to_string()))?;
            let key = key_of(&wire.tenant, &wire.host);
            match self.queue(&topic, "alert_v1", &wire.id, &key, &body)? {
                true => sent += 1,
                false => long += 1,
            }
        }
        Ok(long + self.settle(sent)?)
    }
}
