//! Topics of a Kafka cluster, read as a member of a consumer group.
//!
//! The position of a partition is a row of our own commit (`topic/partition` → the next offset), and that row is the truth
//! (where nodes share a store it lies in the partition's shard):
//! a partition begins there whatever the group says. The group is told afterwards, so that others see the lag and a member
//! with another store finds its place. A message's place is topic, partition and offset, so a redelivery makes the same
//! events. When the path is busy the partitions are paused and the broker is still polled: the session lives for as
//! long as it takes.

mod collected;
mod group;
mod reader;
mod seats;
mod shards;
mod topics;

use std::sync::Arc;
use std::time::Duration;

use rdkafka::config::FromClientConfigAndContext;
use rdkafka::consumer::{BaseConsumer, Consumer};

use super::file::FileSettings;
use super::{Context, Source, SourceError};
use crate::config::limits::LimitsConfig;
use crate::config::sources::{KafkaSource, SourceConfig};
use crate::model::record::{Batch, Position};
use crate::stdx::kafka::{self, Ears};
use crate::stdx::queue;
use crate::stdx::stop::StopToken;
use group::{Group, Shared};
use reader::Reader;
use seats::{STORE_ROW, new_store_name, read_rows};
use shards::Shards;

/// How long a start waits for the brokers before it goes on without them.
const OPEN_PATIENCE: Duration = Duration::from_secs(5);
/// Messages that the client holds ready, in KiB.
const PREFETCH_KIB: u32 = 16 << 10;
/// A client whose queue was full asks again after so long. A full queue lasts a few tenths of a second at most; the second
/// that clients wait by themselves would leave the path idle for most of it.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// The source.
pub struct Kafka {
    config: KafkaSource,
    settings: Arc<FileSettings>,
    connected: Option<Connected>,
}

struct Connected {
    consumer: BaseConsumer<Shared>,
    group: Arc<Group>,
    context: Context,
    /// The topics were seen to be there.
    checked: bool,
}

impl Kafka {
    /// A source as configured. Opens nothing yet.
    pub fn new(config: &SourceConfig, kafka: KafkaSource, limits: &LimitsConfig) -> Kafka {
        let settings = FileSettings { backfill: false, ..FileSettings::new(config, limits) };
        Kafka { config: kafka, settings: Arc::new(settings), connected: None }
    }

    fn client_config(&self) -> Result<rdkafka::ClientConfig, SourceError> {
        let settings = self.config.cluster.settings().map_err(|error| self.wrong(&error))?;
        let mut client = kafka::config(&settings);
        let millis = |time: Duration| time.as_millis().to_string();
        let poll_interval = self.config.poll_interval.max(self.config.session_timeout);
        client
            .set("group.id", &self.config.group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", "earliest")
            .set("isolation.level", "read_committed")
            .set("session.timeout.ms", millis(self.config.session_timeout))
            .set("heartbeat.interval.ms", millis(self.config.session_timeout / 10))
            .set("max.poll.interval.ms", millis(poll_interval))
            .set("queued.max.messages.kbytes", PREFETCH_KIB.to_string())
            .set("fetch.queue.backoff.ms", millis(ASK_AGAIN));
        if let Some(instance) = &self.config.instance {
            client.set("group.instance.id", instance);
        }
        Ok(client)
    }

    fn wrong(&self, error: &dyn std::error::Error) -> SourceError {
        SourceError::Start { what: self.config.cluster.brokers.join(","), why: error.to_string() }
    }
}

impl Source for Kafka {
    fn name(&self) -> &str {
        &self.settings.source
    }

    fn open(&mut self, context: &Context) -> Result<(), SourceError> {
        let client = self.client_config()?;
        let token = self.config.cluster.token_source();
        let gauges = Arc::clone(&context.gauges);
        let shards = context.shards.clone();
        let shards = shards.map(|from| Shards { from, source: Arc::clone(&self.settings.source) });
        let (from, revoke_wait) = (self.config.from, self.config.revoke_wait);
        let group = Group::new(Ears::new(token), gauges, from, revoke_wait, shards);
        let group = Arc::new(group);
        let shared = Shared { ears: group.ears.clone(), notes: Arc::clone(&group) };
        let consumer = BaseConsumer::from_config_and_context(&client, shared)
            .map_err(|error| self.wrong(&error))?;
        // A login by token begins only when somebody listens.
        drop(consumer.poll(Duration::from_millis(50)));
        let checked = match kafka::topics(consumer.client(), OPEN_PATIENCE) {
            Ok(there) => {
                topics::check(&self.config, &there)?;
                true
            }
            Err(error) => {
                drop(consumer.poll(Duration::from_millis(50)));
                let why = group.ears.reason().unwrap_or_else(|| error.to_string());
                context.trouble(Some(topics::unreachable(&self.config, &why)));
                false
            }
        };
        self.connected = Some(Connected { consumer, group, context: context.clone(), checked });
        Ok(())
    }

    fn run(
        self: Box<Self>,
        saved: Vec<Position>,
        out: queue::Sender<Batch>,
        stop: StopToken,
    ) -> Result<(), SourceError> {
        let Kafka { config, settings, connected } = *self;
        let Some(Connected { consumer, group, context, checked }) = connected else {
            return Ok(());
        };
        let (_, store) = read_rows(&saved);
        {
            let mut seats = group.seats.lock();
            seats.store_is_new = store.is_none();
            seats.store = store.unwrap_or_else(new_store_name);
        }
        *group.recall.lock() = recall(&context, &settings.source, saved);
        Reader::new(config, settings, group, context, out).run(&consumer, checked, &stop);
        Ok(())
    }
}

/// The rows as the store has them now. A context without a store has those of the start; what was made durable since is
/// known beside them.
fn recall(
    context: &Context,
    source: &Arc<str>,
    saved: Vec<Position>,
) -> Arc<dyn Fn() -> Vec<Position> + Send + Sync> {
    let (context, source) = (context.clone(), Arc::clone(source));
    Arc::new(move || {
        let rows = context.positions(&source);
        let known = rows.iter().any(|row| row.key != STORE_ROW);
        if known { rows } else { saved.clone() }
    })
}
