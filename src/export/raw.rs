//! Raw records to a topic, in transactions: a record is in the topic once or not at all, whenever we, the brokers or the line
//! die.
//!
//! Every transaction has a number, and writes it as the offset of a consumer group of our own. So after a crash, or when an
//! answer was lost, the brokers can say whether a transaction stands.

use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};
use rdkafka::{Offset, TopicPartitionList};

use super::SinkError;
use super::acknowledged::missing_topic;
use crate::config::collect::CollectConfig;
use crate::stdx::kafka::{self, Ears, Heard, is_too_large};
use crate::wire::collected_v1::{RECORD_HEADER, STREAM_HEADER, VERSION, VERSION_HEADER};

/// How long the brokers may take to answer a question.
const ASK: Duration = Duration::from_secs(10);
/// One wait for deliveries.
const TURN: Duration = Duration::from_millis(50);
/// The same while a write is under way: the client waits for all of it, also behind the last delivery.
const LOOK: Duration = Duration::from_millis(2);
/// A message may be as long as this before the brokers are asked; they have a limit of their own.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Small records share a write, but none shares the fate of a large one.
const WRITE_BYTES_MAX: usize = 256 << 10;

/// One record on its way.
#[derive(Debug)]
pub struct RawMessage<'a> {
    /// Messages of one key stay in order, in one partition.
    pub key: &'a str,
    /// The record.
    pub payload: &'a [u8],
    /// Where it comes from.
    pub stream: &'a str,
    /// Which record it is there.
    pub record: String,
}

/// What became of a transaction.
#[derive(Debug)]
pub enum Wrote {
    /// The brokers have every message.
    All,
    /// They have none, because they will never take these, by their place in the list.
    Refused(Vec<usize>),
}

/// The producer's callbacks leave which messages failed, by their place in the list, and why.
type Listening = Heard<Arc<Mutex<Vec<(usize, KafkaError)>>>>;

impl ProducerContext for Listening {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, place: usize) {
        if let Err((error, _)) = result {
            self.notes.lock().push((place, error.clone()));
        }
    }
}

/// A connection that may write.
struct Link {
    producer: BaseProducer<Listening>,
    /// Never joins its group; it asks where the group stands.
    consumer: BaseConsumer<Ears>,
    listening: Listening,
}

/// The topic, as one collector writes it.
pub struct RawTopic {
    config: CollectConfig,
    id: String,
    link: Option<Link>,
}

impl RawTopic {
    /// The topic for the collector of this id. Connects to nothing yet.
    pub fn new(config: &CollectConfig, id: &str) -> RawTopic {
        RawTopic { config: config.clone(), id: format!("watchfloor-collect-{id}"), link: None }
    }

    fn later(&self, ears: &Ears, why: &dyn std::fmt::Display) -> SinkError {
        let why = ears.reason().unwrap_or_else(|| why.to_string());
        SinkError::Later(format!("{}: {why}", self.config.cluster.brokers.join(",")))
    }

    /// Connect, end what an earlier life of ours left open, and ask for the number of the last transaction that stands.
    ///
    /// # Errors
    /// `Start` when the topic is not there or the configuration is of no use, `Later` when nobody answers.
    pub fn open(&mut self) -> Result<Option<u64>, SinkError> {
        self.link = None;
        let name = self.config.cluster.brokers.join(",");
        let wrong = |why: String| SinkError::Start { what: name.clone(), why };
        let settings = self.config.cluster.settings().map_err(|error| wrong(error.to_string()))?;
        let token = self.config.cluster.token_source();
        let mut asking = kafka::config(&settings);
        asking.set("group.id", &self.id).set("isolation.level", "read_committed");
        let mut writing = kafka::config(&settings);
        writing
            .set("transactional.id", &self.id)
            .set("transaction.timeout.ms", self.config.transaction_timeout.as_millis().to_string())
            .set("compression.type", "zstd")
            .set("linger.ms", "1")
            .set("message.max.bytes", MESSAGE_BYTES_MAX.to_string())
            .set("batch.size", WRITE_BYTES_MAX.to_string());
        let listening = Listening { ears: Ears::new(token.clone()), notes: Arc::default() };
        let producer = BaseProducer::from_config_and_context(&writing, listening.clone())
            .map_err(|error| wrong(error.to_string()))?;
        let consumer = BaseConsumer::from_config_and_context(&asking, Ears::new(token))
            .map_err(|error| wrong(error.to_string()))?;
        producer.poll(TURN);
        let ears = listening.ears.clone();
        let there = kafka::topics(producer.client(), ASK).map_err(|error| {
            producer.poll(TURN);
            self.later(&ears, &error)
        })?;
        if !there.contains_key(&self.config.topic) {
            return Err(missing_topic(&self.config.topic, &self.config.cluster.brokers, &there));
        }
        producer.init_transactions(ASK).map_err(|error| self.later(&ears, &error))?;
        drop(consumer.poll(Duration::ZERO));
        let told = consumer
            .committed_offsets(self.place(Offset::Invalid), ASK)
            .map_err(|error| self.later(&ears, &error))?;
        let told = told
            .elements()
            .first()
            .map(rdkafka::topic_partition_list::TopicPartitionListElem::offset);
        let reached = match told {
            Some(Offset::Offset(number)) => u64::try_from(number).ok(),
            _ => None,
        };
        ears.content();
        self.link = Some(Link { producer, consumer, listening });
        Ok(reached)
    }

    /// Is there a connection that may write?
    pub fn is_open(&self) -> bool {
        self.link.is_some()
    }

    /// The place that holds the number.
    fn place(&self, offset: Offset) -> TopicPartitionList {
        let mut list = TopicPartitionList::with_capacity(1);
        // Only a number out of range is refused.
        let _ = list.add_partition_offset(&self.config.topic, 0, offset);
        list
    }

    /// Write messages as transaction `number`. After an error it is not known whether it stands: [`RawTopic::open`] says so.
    ///
    /// # Errors
    /// Nobody answers, or `give_up` says that there is no more time.
    pub fn write(
        &mut self,
        number: u64,
        messages: &[RawMessage<'_>],
        give_up: &dyn Fn() -> bool,
    ) -> Result<Wrote, SinkError> {
        let Some(link) = self.link.take() else {
            return Err(SinkError::Later("not connected".to_owned()));
        };
        let wrote = self.write_on(&link, number, messages, give_up);
        // Without success the next connection ends what this one began.
        if matches!(wrote, Ok(Wrote::All)) {
            self.link = Some(link);
        }
        wrote
    }

    fn write_on(
        &self,
        link: &Link,
        number: u64,
        messages: &[RawMessage<'_>],
        give_up: &dyn Fn() -> bool,
    ) -> Result<Wrote, SinkError> {
        let Link { producer, consumer, listening } = link;
        let later = |error: &KafkaError| self.later(&listening.ears, error);
        listening.notes.lock().clear();
        producer.begin_transaction().map_err(|error| later(&error))?;
        // Longer than that the brokers do not wait for us.
        let end = Instant::now() + self.config.transaction_timeout;
        let is_over = || Instant::now() > end || give_up();
        let mut refused = Vec::new();
        for (place, message) in messages.iter().enumerate() {
            match self.queue(producer, place, message, &is_over) {
                Ok(()) => {}
                Err(error) if is_too_large(&error) => refused.push(place),
                Err(error) => return Err(later(&error)),
            }
        }
        while producer.in_flight_count() > 0 && refused.is_empty() {
            producer.poll(LOOK);
            let failed = listening.notes.lock();
            refused
                .extend(failed.iter().filter(|(_, error)| is_too_large(error)).map(|(at, _)| *at));
            if let Some((_, error)) = failed.iter().find(|(_, error)| !is_too_large(error))
                && refused.is_empty()
            {
                return Err(later(error));
            }
            drop(failed);
            if is_over() {
                let why = "the brokers do not take the records";
                return Err(self.later(&listening.ears, &why));
            }
        }
        if !refused.is_empty() {
            return Ok(Wrote::Refused(refused));
        }
        let number = i64::try_from(number).unwrap_or(i64::MAX);
        let Some(group) = consumer.group_metadata() else {
            return Err(SinkError::Later("the client has no group".to_owned()));
        };
        producer
            .send_offsets_to_transaction(&self.place(Offset::Offset(number)), &group, ASK)
            .map_err(|error| later(&error))?;
        producer.commit_transaction(ASK).map_err(|error| later(&error))?;
        listening.ears.content();
        Ok(Wrote::All)
    }

    /// Queue one message, waiting while the client's own queue is full.
    fn queue(
        &self,
        producer: &BaseProducer<Listening>,
        place: usize,
        message: &RawMessage<'_>,
        is_over: &dyn Fn() -> bool,
    ) -> Result<(), KafkaError> {
        let headers = OwnedHeaders::new_with_capacity(3)
            .insert(Header { key: VERSION_HEADER, value: Some(VERSION) })
            .insert(Header { key: STREAM_HEADER, value: Some(message.stream) })
            .insert(Header { key: RECORD_HEADER, value: Some(&message.record) });
        let mut record = BaseRecord::with_opaque_to(&self.config.topic, place)
            .key(message.key)
            .payload(message.payload)
            .headers(headers);
        loop {
            match producer.send(record) {
                Ok(()) => return Ok(()),
                Err((error, back))
                    if error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull)
                        && !is_over() =>
                {
                    record = back;
                    producer.poll(TURN);
                }
                Err((error, _)) => return Err(error),
            }
        }
    }
}
