//! The loop of the source: messages into batches, batches down the path, answers back to the group.

mod gather;
mod holes;
mod lag;

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::error::RDKafkaErrorCode;

use super::collected::Collected;
use super::group::{Group, Shared};
use super::seats::{Ack, Mark, Place, Ready, row};
use super::{shards, topics};
use crate::config::sources::KafkaSource;
use crate::model::record::{Batch, Flush, Shape, Stream};
use crate::source::Context;
use crate::source::file::FileSettings;
use crate::stdx::id::IdHasher;
use crate::stdx::queue::{self, Offered};
use crate::stdx::stop::StopToken;
use crate::stdx::ticket::Ticket;
use crate::stdx::time::Timestamp;

/// One wait for messages, and one for room.
const TURN: Duration = Duration::from_millis(100);
/// A batch waits no longer than this for more messages.
const LINGER: Duration = Duration::from_millis(100);
/// A path that is busy for so long pauses the partitions.
const PAUSE_AFTER: Duration = Duration::from_secs(2);
/// How often the group is told.
const TELL_EVERY: Duration = Duration::from_secs(1);
/// How often the lag is measured, and trouble looked at.
const LAG_EVERY: Duration = Duration::from_secs(5);
/// How long one question to the brokers may take.
const ASK: Duration = Duration::from_secs(3);
/// A partition that is quiet this long closes what waits for more records.
const IDLE: Duration = Duration::from_secs(2);
/// How long deleted messages are shown as trouble.
const LOSS_SHOWN: Duration = Duration::from_secs(3_600);

/// In which era of its offsets a partition is read, and under the key of which shard.
type Holding = (u32, Option<Arc<str>>);

/// What a reader does next, and when.
struct Clock {
    told: Instant,
    lag: Instant,
    topics: Instant,
}

pub(super) struct Reader {
    config: KafkaSource,
    settings: Arc<FileSettings>,
    group: Arc<Group>,
    context: Context,
    out: queue::Sender<Batch>,
    shape: Shape,
    collected: Collected,
    clock: Clock,
    blocked: Option<Instant>,
    paused: bool,
    /// The receiver is gone.
    closed: bool,
    topic_trouble: Option<String>,
    loss: Option<(Instant, String)>,
    /// The client works no more.
    end: Option<String>,
    said: Option<String>,
}

impl Reader {
    pub(super) fn new(
        config: KafkaSource,
        settings: Arc<FileSettings>,
        group: Arc<Group>,
        context: Context,
        out: queue::Sender<Batch>,
    ) -> Reader {
        let shape = match &*settings.format {
            "otlp_protobuf" => Shape::Otlp,
            "journal_export" => Shape::JournalExport,
            _ => Shape::Line,
        };
        let now = Instant::now();
        Reader {
            config,
            settings,
            group,
            context,
            out,
            shape,
            collected: Collected::default(),
            clock: Clock { told: now, lag: now, topics: now },
            blocked: None,
            paused: false,
            closed: false,
            topic_trouble: None,
            loss: None,
            end: None,
            said: None,
        }
    }

    pub(super) fn run(mut self, consumer: &BaseConsumer<Shared>, checked: bool, stop: &StopToken) {
        if !checked && !self.wait_for_topics(consumer, stop) {
            return;
        }
        self.say();
        let names: Vec<&str> = self.config.topics.iter().map(String::as_str).collect();
        if let Err(error) = consumer.subscribe(&names) {
            self.topic_trouble = Some(error.to_string());
            self.say();
            return;
        }
        while !stop.is_stopped() && !self.closed {
            self.group.take_acks();
            self.group.mend(consumer);
            self.save_beginnings();
            self.hand_on(consumer);
            if self.blocked.is_none() || self.paused {
                self.poll(consumer);
            }
            self.chores(consumer);
        }
        // What is under way becomes durable while the path drains; the group hears of it.
        let places: Vec<Place> = self.group.seats.lock().all.keys().cloned().collect();
        if !self.closed {
            self.group.wait(&places);
        }
        self.group.tell(consumer, CommitMode::Sync, None);
        self.group.give_shards(&places);
    }

    /// Brokers did not answer at the start, or topics were missing when they did: look until all is there.
    fn wait_for_topics(&mut self, consumer: &BaseConsumer<Shared>, stop: &StopToken) -> bool {
        loop {
            if self.look_at_topics(consumer) {
                return true;
            }
            let until = Instant::now() + LAG_EVERY;
            while Instant::now() < until {
                if stop.is_stopped() {
                    return false;
                }
                drop(consumer.poll(TURN));
            }
        }
    }

    /// Are the topics there now? Says so if not.
    fn look_at_topics(&mut self, consumer: &BaseConsumer<Shared>) -> bool {
        let found = crate::stdx::kafka::topics(consumer.client(), ASK);
        self.topic_trouble = match found {
            Ok(there) => {
                self.group.ears.content();
                topics::check(&self.config, &there).err().map(|error| error.to_string())
            }
            Err(error) => {
                let why = self.group.ears.reason().unwrap_or_else(|| error.to_string());
                Some(topics::unreachable(&self.config, &why))
            }
        };
        self.say();
        self.topic_trouble.is_none()
    }

    /// Show what hinders, once.
    fn say(&mut self) {
        if self.loss.as_ref().is_some_and(|(at, _)| at.elapsed() > LOSS_SHOWN) {
            self.loss = None;
        }
        let alone = self.topic_trouble.is_none() && self.end.is_none();
        let complaint = self.group.ears.complaint().filter(|_| alone);
        let complaint = complaint.map(|why| topics::unreachable(&self.config, &why));
        let loss = self.loss.as_ref().map(|(_, text)| text.clone());
        let all: Vec<String> = [self.end.clone(), self.topic_trouble.clone(), complaint, loss]
            .into_iter()
            .flatten()
            .collect();
        let now = Some(all.join("; ")).filter(|text| !text.is_empty());
        if now != self.said {
            match &now {
                Some(text) => tracing::warn!(source = &*self.settings.source, "{text}"),
                None => tracing::info!(source = &*self.settings.source, "the brokers answer"),
            }
            self.context.trouble(now.clone());
            self.said = now;
        }
    }

    /// The stream of a partition, in an era of its offsets and under the key of its shard. Its id knows nothing of the
    /// cluster's address, so that a moved cluster is the same one.
    fn stream(
        &self,
        place: &Place,
        (era, shard): Holding,
        tenant: Option<&Arc<str>>,
        host: Option<&Arc<str>>,
    ) -> Stream {
        let mut id = IdHasher::new("stream");
        id.text(&self.settings.tenant).text(&self.settings.source).text("kafka").text(&place.topic);
        id.number(u64::try_from(place.partition).unwrap_or(0)).number(u64::from(era));
        let stream = self.settings.stream(id.finish(), &place.key(), Timestamp::now());
        Stream {
            live: true,
            shard: shard.unwrap_or_default(),
            tenant: tenant.cloned().unwrap_or(stream.tenant),
            host: host.cloned().or(stream.host),
            ..stream
        }
    }

    /// Where partitions begin that have no row yet.
    fn save_beginnings(&self) {
        let mut seats = self.group.seats.lock();
        let due: Vec<(Place, Mark, Option<Arc<str>>)> = seats
            .all
            .iter_mut()
            .filter_map(|(place, seat)| {
                let due = std::mem::take(&mut seat.unsaved) && seat.owned;
                let next = seat.expected.filter(|_| due)?;
                Some((place.clone(), Mark { era: seat.era, next }, seat.shard.clone()))
            })
            .collect();
        for (place, mark, shard) in due {
            let stream = self.stream(&place, (mark.era, shard), None, None);
            let mut batch = Batch::new(Arc::new(stream), Flush::No);
            batch.positions.push(row(&self.settings.source, place.key(), mark.write()));
            seats.ready.push_back(Ready { place, mark: Some(mark), batch });
        }
    }

    /// Hand on what is ready, as far as there is room.
    fn hand_on(&mut self, consumer: &BaseConsumer<Shared>) {
        loop {
            let (next, before) = {
                let mut seats = self.group.seats.lock();
                let Some(next) = seats.ready.pop_front() else { break };
                let mut before = None;
                if let Some(seat) = seats.all.get_mut(&next.place) {
                    // As many as there are tickets: one that waits here has its own already, which is answered once.
                    seat.outstanding += usize::from(next.batch.delivery.ticket.is_none());
                    before = seat.handed;
                    seat.handed = seat.handed.max(next.mark);
                }
                (next, before)
            };
            let Ready { place, mark, mut batch } = next;
            if batch.delivery.ticket.is_none() {
                let (acks, at) = (self.group.acks.0.clone(), place.clone());
                let shard = Arc::clone(&batch.stream.shard);
                batch.delivery.ticket = Some(Ticket::new(move |outcome| {
                    // Nobody listens after the end of the source.
                    let _ = acks.send(Ack { place: at, shard, mark, outcome });
                }));
            }
            match self.out.offer(batch, TURN) {
                Offered::Taken => self.blocked = None,
                Offered::Closed => {
                    self.closed = true;
                    return;
                }
                Offered::Full(batch) => {
                    let mut seats = self.group.seats.lock();
                    if let Some(seat) = seats.all.get_mut(&place) {
                        // It waits here and would go with the partition.
                        seat.handed = before;
                    }
                    seats.ready.push_front(Ready { place, mark, batch });
                    drop(seats);
                    self.pause(consumer);
                    return;
                }
            }
        }
        self.blocked = None;
        if std::mem::take(&mut self.paused) {
            self.set_paused(consumer, false);
        }
    }

    /// The path is busy: after a while the partitions are paused, so that polling brings no messages.
    fn pause(&mut self, consumer: &BaseConsumer<Shared>) {
        let since = *self.blocked.get_or_insert_with(Instant::now);
        let changed = std::mem::take(&mut self.group.seats.lock().changed);
        if since.elapsed() >= PAUSE_AFTER && (!self.paused || changed) {
            self.paused = true;
            self.set_paused(consumer, true);
        }
    }

    fn set_paused(&self, consumer: &BaseConsumer<Shared>, paused: bool) {
        self.group.gauges.set("paused", i64::from(paused));
        let seats = self.group.seats.lock();
        // Those that wait for their shard stay as they are.
        let sharded = self.group.shards.is_some();
        let ours = seats.all.iter().filter(|(_, seat)| seat.owned);
        let ours = ours.filter(|(_, seat)| !sharded || seat.shard.is_some());
        let places: Vec<Place> = ours.map(|(place, _)| place.clone()).collect();
        drop(seats);
        shards::set_paused(consumer, &places.iter().collect::<Vec<_>>(), paused);
    }

    /// What is due by the clock.
    fn chores(&mut self, consumer: &BaseConsumer<Shared>) {
        self.close_all(LINGER);
        self.tell_quiet();
        self.collected.tell_quiet(&mut self.group.seats.lock(), Instant::now());
        if self.clock.told.elapsed() >= TELL_EVERY {
            self.clock.told = Instant::now();
            self.end = self.end.take().or_else(|| self.look_for_the_end(consumer));
            self.group.tell(consumer, CommitMode::Async, None);
            self.say();
        }
        if self.clock.lag.elapsed() >= LAG_EVERY {
            self.clock.lag = Instant::now();
            let troubled = self.topic_trouble.is_some() || self.group.ears.complaint().is_some();
            if troubled {
                self.clock.topics = Instant::now();
                self.look_at_topics(consumer);
            } else {
                self.measure_lag(consumer);
            }
        }
        if self.clock.topics.elapsed() >= self.config.metadata_every {
            self.clock.topics = Instant::now();
            self.look_at_topics(consumer);
        }
    }

    /// Did the client meet something that it cannot go on after?
    fn look_for_the_end(&self, consumer: &BaseConsumer<Shared>) -> Option<String> {
        let (code, reason) = consumer.client().fatal_error()?;
        let instance = self.config.instance.as_deref().unwrap_or_default();
        Some(match code {
            RDKafkaErrorCode::FencedInstanceId => format!(
                "another member of the group is called {instance:?} too and has put this one out, which reads nothing \
                 until it is started again; give every node an `instance` of its own"
            ),
            _ => format!("{reason}: nothing is read until the program is started again"),
        })
    }

    /// Partitions that are quiet close what waits for more records.
    fn tell_quiet(&self) {
        let mut seats = self.group.seats.lock();
        let quiet: Vec<(Place, Holding)> = seats
            .all
            .iter_mut()
            .filter(|(_, seat)| {
                seat.open.is_none() && seat.stirred.is_some_and(|at| at.elapsed() >= IDLE)
            })
            .map(|(place, seat)| {
                seat.stirred = None;
                (place.clone(), (seat.era, seat.shard.clone()))
            })
            .collect();
        for (place, holding) in quiet {
            let batch = Batch::new(Arc::new(self.stream(&place, holding, None, None)), Flush::Idle);
            seats.ready.push_back(Ready { place, mark: None, batch });
        }
    }
}
