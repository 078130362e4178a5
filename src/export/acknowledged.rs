//! A producer that waits until the brokers have every message: idempotent, all copies, a chunk at a time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext, PurgeConfig};

use super::SinkError;
use crate::config::brokers::BrokerConfig;
use crate::config::reader::nearest;
use crate::stdx::kafka::{self, Ears, Heard, Topic, is_too_large};

/// How long the brokers may take to answer a question.
const ASK: Duration = Duration::from_secs(5);
/// One wait for the client's own events.
const TURN: Duration = Duration::from_millis(50);
/// One wait for deliveries: the client waits for all of it, also behind the last one.
const LOOK: Duration = Duration::from_millis(2);

/// What became of the messages of a chunk.
#[derive(Clone, Debug, Default)]
struct Deliveries {
    done: u64,
    refused: u64,
    failed: Option<String>,
}

type Shared = Heard<Arc<Mutex<Deliveries>>>;

impl ProducerContext for Shared {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): Self::DeliveryOpaque) {
        let mut deliveries = self.notes.lock();
        match result {
            Ok(_) => deliveries.done += 1,
            Err((error, _)) if is_too_large(error) => deliveries.refused += 1,
            Err((error, _)) => deliveries.failed = Some(error.to_string()),
        }
    }
}

/// A message on its way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Message<'m> {
    /// Which form the body has.
    pub schema: &'static str,
    /// Whoever gets it twice knows it by this.
    pub id: &'m str,
    /// Messages of one key stand in one partition.
    pub key: &'m str,
    /// The body.
    pub body: &'m [u8],
}

/// How a producer works.
#[derive(Clone, Copy, Debug)]
pub(super) struct Manner {
    /// So long messages wait for others.
    pub linger: Duration,
    /// So long a message is tried before the whole chunk is.
    pub deliver: Duration,
    /// So much goes into one write: brokers take or refuse it as a whole.
    pub write_bytes: usize,
}

/// The producer.
pub(super) struct Acknowledged {
    cluster: BrokerConfig,
    manner: Manner,
    producer: BaseProducer<Shared>,
    shared: Shared,
}

impl Acknowledged {
    /// A producer. Connects to nothing yet.
    ///
    /// # Errors
    /// The configuration is of no use.
    pub(super) fn new(cluster: &BrokerConfig, manner: Manner) -> Result<Acknowledged, SinkError> {
        let name = cluster.brokers.join(",");
        let wrong = |why: String| SinkError::Start { what: name.clone(), why };
        let settings = cluster.settings().map_err(|error| wrong(error.to_string()))?;
        let mut client = kafka::config(&settings);
        client
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("compression.type", "zstd")
            .set("linger.ms", manner.linger.as_millis().to_string())
            .set("batch.size", manner.write_bytes.to_string())
            .set("queue.buffering.max.kbytes", "65536")
            .set("message.timeout.ms", manner.deliver.as_millis().to_string());
        let shared = Shared { ears: Ears::new(cluster.token_source()), notes: Arc::default() };
        let producer = BaseProducer::from_config_and_context(&client, shared.clone())
            .map_err(|error| wrong(error.to_string()))?;
        Ok(Acknowledged { cluster: cluster.clone(), manner, producer, shared })
    }

    /// Are these topics there?
    ///
    /// # Errors
    /// `Start` names the first that is not, `Later` when nobody answers.
    pub(super) fn check<'t>(
        &self,
        topics: impl IntoIterator<Item = &'t String>,
    ) -> Result<(), SinkError> {
        self.producer.poll(TURN);
        let there = kafka::topics(self.producer.client(), ASK).map_err(|error| {
            self.producer.poll(TURN);
            self.later(&error.to_string())
        })?;
        match topics.into_iter().find(|name| !there.contains_key(*name)) {
            Some(name) => Err(missing_topic(name, &self.cluster.brokers, &there)),
            None => Ok(()),
        }
    }

    fn later(&self, why: &str) -> SinkError {
        let why = self.shared.ears.reason().unwrap_or_else(|| why.to_owned());
        SinkError::Later(format!("{}: {why}", self.cluster.brokers.join(",")))
    }

    /// Queue one message, waiting while the client's own queue is full. `false`: the client says it is too long.
    pub(super) fn queue(&self, topic: &str, message: Message<'_>) -> Result<bool, SinkError> {
        let headers = OwnedHeaders::new()
            .insert(Header { key: "schema", value: Some(message.schema) })
            .insert(Header { key: "id", value: Some(message.id) });
        let (key, body) = (message.key, message.body);
        let mut record = BaseRecord::to(topic).key(key).payload(body).headers(headers);
        let end = Instant::now() + self.manner.deliver;
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
                Err((error, _)) => return Err(self.abandon(&error.to_string())),
            }
        }
    }

    /// Wait until the brokers have `sent` messages. Returns those they refused.
    pub(super) fn settle(&self, sent: u64) -> Result<u64, SinkError> {
        let end = Instant::now() + self.manner.deliver * 2;
        loop {
            self.producer.poll(LOOK);
            let now = self.shared.notes.lock().clone();
            if let Some(why) = now.failed {
                return Err(self.abandon(&why));
            }
            if now.done + now.refused >= sent {
                self.shared.ears.content();
                return Ok(now.refused);
            }
            if Instant::now() > end {
                return Err(self.abandon("the brokers do not answer"));
            }
        }
    }

    /// What is still under way must not be taken for the next try's.
    fn abandon(&self, why: &str) -> SinkError {
        self.producer.purge(PurgeConfig::default().queue().inflight());
        let _ = self.producer.flush(self.manner.deliver);
        self.later(why)
    }

    /// A chunk begins. A client that met what it cannot go on after is replaced.
    ///
    /// # Errors
    /// The configuration is of no use.
    pub(super) fn begin(&mut self) -> Result<(), SinkError> {
        if let Some((code, why)) = self.producer.client().fatal_error() {
            tracing::warn!(%code, why, "a producer is made anew");
            *self = Acknowledged::new(&self.cluster, self.manner)?;
        }
        *self.shared.notes.lock() = Deliveries::default();
        Ok(())
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
