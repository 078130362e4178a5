//! Messages of a queue gathered into batches. Each message stays a delivery of its own, with its own key: what the broker
//! brings again may be cut into other batches and is known all the same.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use lapin::Acker;
use lapin::message::Delivery;
use lapin::options::{BasicAckOptions, BasicNackOptions};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::recent::Recent;
use crate::config::sources::AmqpSource;
use crate::model::record::{Batch, Flush, Framing, Shape};
use crate::source::push::Inlet;
use crate::stdx::gauges::Gauges;
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::limits::REJECT_HEAD_BYTES_MAX;
use crate::stdx::ticket::Outcome;

/// A batch waits no longer than this for more messages.
const LINGER: Duration = Duration::from_millis(100);
/// The same while nothing is under way: what has arrived together goes together, and nothing waits for long.
const LINGER_IDLE: Duration = Duration::from_millis(2);

/// Messages that are being gathered, in the order of their tags.
pub(super) struct Open {
    /// `None`: only messages without content so far.
    batch: Option<Batch>,
    messages: usize,
    /// Of the last message.
    acker: Acker,
    since: Instant,
}

/// A batch that was handed on, at its end.
pub(super) struct Sent {
    pub(super) messages: usize,
    /// Of its last message. Batches are answered in their order, so it may answer for all messages before it.
    acker: Acker,
    outcome: Outcome,
}

impl Open {
    /// Gathering begins with this message.
    pub(super) fn new(acker: Acker) -> Open {
        Open { batch: None, messages: 0, acker, since: Instant::now() }
    }

    /// When it is handed on at the latest.
    pub(super) fn due(&self, is_idle: bool) -> Instant {
        self.since + if is_idle { LINGER_IDLE } else { LINGER }
    }

    /// Is there room for this message, which came from `peer`?
    pub(super) fn has_room(&self, peer: &str, bytes: usize, inlet: &Inlet) -> bool {
        let bounds = &inlet.settings.bounds;
        self.batch.as_ref().is_none_or(|batch| {
            &*batch.stream.path == peer
                && batch.records.len() < bounds.chunk_records_max
                && batch.data.len() + bytes <= bounds.chunk_bytes_max
        })
    }

    /// Has it half of what the broker hands out? Then the other half comes while this one is under way.
    pub(super) fn is_full(&self, config: &AmqpSource) -> bool {
        self.messages >= usize::from(config.prefetch / 2).max(1)
    }

    /// Take a message.
    pub(super) fn take(
        &mut self,
        delivery: Delivery,
        peer: &str,
        (inlet, recent, config): (&Inlet, &mut Recent, &AmqpSource),
        gauges: &Gauges,
    ) {
        self.messages += 1;
        if delivery.redelivered {
            gauges.add("redelivered", 1);
        }
        if delivery.data.trim_ascii().is_empty() {
            gauges.add("empty", 1);
            self.acker = delivery.acker;
            return;
        }
        let body = IdHasher::new("amqp body").bytes(&delivery.data).finish();
        let queue = config.queue.as_bytes();
        let (key, row) = match delivery.properties.message_id() {
            // The body is part of it: a sender that uses an id twice hides nothing.
            Some(id) => {
                let parts = [queue, id.as_str().as_bytes(), body.as_bytes()];
                (inlet.key("amqp id", &parts), None)
            }
            None => {
                let key = recent.key(body, delivery.redelivered);
                let row = recent.row(&inlet.settings.source, body, key);
                (inlet.key("amqp", &[queue, key.as_bytes()]), Some(row))
            }
        };
        let batch = self
            .batch
            .get_or_insert_with(|| Batch::new(Arc::new(inlet.stream(peer, None)), Flush::No));
        if push(batch, &delivery.data, key, inlet) {
            batch.positions.extend(row);
        }
        self.acker = delivery.acker;
    }

    /// Hand it on, waiting while the path is busy. `None`: the path has ended.
    pub(super) async fn send(self, inlet: &Inlet) -> Option<BoxFuture<'static, Sent>> {
        let Open { batch, messages, acker, .. } = self;
        let end = match batch {
            Some(batch) => Some(inlet.send(batch).await?),
            None => None,
        };
        Some(Box::pin(wait(acker, messages, end)))
    }
}

async fn wait(acker: Acker, messages: usize, end: Option<oneshot::Receiver<Outcome>>) -> Sent {
    let outcome = match end {
        Some(end) => end.await.unwrap_or(Outcome::Lost),
        None => Outcome::Durable,
    };
    Sent { messages, acker, outcome }
}

impl Sent {
    /// Tell the broker what became of the messages. Everything before them must be answered already.
    pub(super) async fn answer(&self) -> lapin::Result<bool> {
        if self.outcome.is_safe() {
            return self.acker.ack(BasicAckOptions { multiple: true }).await;
        }
        self.acker.nack(BasicNackOptions { requeue: true, multiple: true }).await
    }
}

/// Add a message to a batch. Its key is its place, so that a redelivery makes the same events.
fn push(batch: &mut Batch, data: &[u8], key: Id128, inlet: &Inlet) -> bool {
    let shape = match &*inlet.settings.format {
        "otlp_protobuf" => Shape::Otlp,
        "journal_export" => Shape::JournalExport,
        _ => Shape::Line,
    };
    let long = data.len() > inlet.settings.bounds.record_bytes_max;
    let bytes = match (long, shape) {
        (true, _) => data.get(..REJECT_HEAD_BYTES_MAX).unwrap_or(data),
        (false, Shape::Line) => data.trim_ascii_end(),
        (false, _) => data,
    };
    if !batch.push(bytes, 0, shape) {
        return false;
    }
    if let Some(record) = batch.records.last_mut().filter(|_| long) {
        record.framing = Framing::TooLong;
    }
    batch.delivery.keys.push(key);
    true
}
