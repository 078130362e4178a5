//! Our side of the consumer group: where partitions begin when they are given to us, and how they are let go.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use parking_lot::Mutex;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer, ConsumerContext};
use rdkafka::error::KafkaResult;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::seats::{Ack, Mark, Place, Seat, Seats, begin, read_rows};
use super::shards::{Shards, offset_of, set_paused, told_at};
use crate::config::sources::From;
use crate::model::record::Position;
use crate::stdx::gauges::Gauges;
use crate::stdx::kafka::{Ears, Heard};

/// How long the group and the brokers may take to say where a partition begins.
const ASK: Duration = Duration::from_secs(5);

/// Reads the rows of positions as the store has them now.
type Recall = Arc<dyn Fn() -> Vec<Position> + Send + Sync>;

/// What the consumer and its owner share. The callbacks run on the owner's thread, inside of a poll.
pub(super) struct Group {
    pub(super) ears: Ears,
    pub(super) seats: Mutex<Seats>,
    pub(super) gauges: Arc<Gauges>,
    /// Rows as the last commit left them: of this process, or of another that shares the store.
    pub(super) recall: Mutex<Recall>,
    pub(super) acks: (Sender<Ack>, Receiver<Ack>),
    pub(super) from: From,
    pub(super) revoke_wait: Duration,
    /// Where nodes share a store: state that moves with partitions.
    pub(super) shards: Option<Shards>,
}

impl Group {
    pub(super) fn new(
        ears: Ears,
        gauges: Arc<Gauges>,
        from: From,
        revoke_wait: Duration,
        shards: Option<Shards>,
    ) -> Group {
        Group {
            ears,
            seats: Mutex::default(),
            gauges,
            recall: Mutex::new(Arc::new(Vec::new)),
            // Never more than the batches that are under way, and those are bounded by the path's queues.
            acks: unbounded(),
            from,
            revoke_wait,
            shards,
        }
    }

    /// Take every answer that is there.
    pub(super) fn take_acks(&self) {
        let mut seats = self.seats.lock();
        while let Ok(ack) = self.acks.1.try_recv() {
            seats.take(&ack);
        }
    }

    /// Tell the group how far what is durable reaches.
    pub(super) fn tell(
        &self,
        consumer: &BaseConsumer<Shared>,
        mode: CommitMode,
        only: Option<&[Place]>,
    ) {
        if matches!(mode, CommitMode::Sync) && self.ears.complaint().is_some() {
            // Nobody would answer; what the group does not know our own rows do.
            return;
        }
        let mut seats = self.seats.lock();
        let mut untold = seats.untold();
        if let Some(only) = only {
            untold.retain(|(place, _)| only.contains(place));
        }
        if untold.is_empty() {
            return;
        }
        seats.tell_again &= only.is_some();
        let mut list = TopicPartitionList::with_capacity(untold.len());
        for (place, next) in &untold {
            let mut element = list.add_partition(&place.topic, place.partition);
            // Offsets of messages are never negative, so this cannot fail.
            let _ = element.set_offset(Offset::Offset(*next));
            element.set_metadata(&seats.store);
            if let Some(seat) = seats.all.get_mut(place) {
                seat.told = Some(*next);
            }
        }
        // The answer comes to a callback, which wants the lock.
        drop(seats);
        if let Err(error) = consumer.commit(&list, mode) {
            tracing::debug!(%error, "kafka: the group was not told");
            self.seats.lock().tell_again = true;
        }
    }

    /// Partitions as shards: those whose shard can be had begin, the others wait.
    fn assign_shards(
        &self,
        consumer: &BaseConsumer<Shared>,
        shards: &Shards,
        list: &mut TopicPartitionList,
    ) {
        let told = consumer.committed_offsets(list.clone(), ASK);
        if let Err(error) = &told {
            tracing::warn!(%error, "kafka: the group does not say where partitions begin");
        }
        let told = told.ok();
        let mut waiting = Vec::new();
        for mut element in list.elements() {
            let place = Place::new(element.topic(), element.partition());
            // It is sought when the shard is here.
            let mut offset = Offset::Beginning;
            if let Some(taken) = shards.take(&place) {
                let start = self.start_in(consumer, &place, &taken, told.as_ref());
                offset = offset_of(start, told.is_some());
                self.sit(&place, start, told.as_ref(), &taken);
            } else {
                let mut seats = self.seats.lock();
                let seat = seats.all.entry(place.clone()).or_default();
                (seat.owned, seat.shard, seat.asked) = (true, None, Some(Instant::now()));
                waiting.push(place);
            }
            let _ = element.set_offset(offset);
        }
        if let Err(error) = consumer.incremental_assign(list) {
            tracing::error!(%error, "kafka: partitions could not be taken");
        }
        if !waiting.is_empty() {
            set_paused(consumer, &waiting.iter().collect::<Vec<_>>(), true);
        }
    }

    /// The shards of partitions go to whoever reads these next.
    pub(super) fn give_shards(&self, places: &[Place]) {
        let Some(shards) = &self.shards else { return };
        let keys: Vec<Arc<str>> = {
            let mut seats = self.seats.lock();
            let places = places.iter();
            let keys = places.filter_map(|place| seats.all.get_mut(place)?.shard.take());
            keys.collect()
        };
        keys.iter().for_each(|key| shards.from.give(key));
    }

    fn assign(&self, consumer: &BaseConsumer<Shared>, list: &mut TopicPartitionList) {
        if let Some(shards) = &self.shards {
            return self.assign_shards(consumer, shards, list);
        }
        let recall = Arc::clone(&self.recall.lock());
        let (rows, _) = read_rows(&recall());
        let group = consumer.committed_offsets(list.clone(), ASK);
        if let Err(error) = &group {
            tracing::warn!(%error, "kafka: the group does not say where partitions begin");
        }
        let group = group.ok();
        let mut seats = self.seats.lock();
        let store = seats.store.clone();
        for mut element in list.elements() {
            let place = Place::new(element.topic(), element.partition());
            let told = told_at(group.as_ref(), &place);
            let told = told.as_ref().map(|(next, by)| (*next, by.as_str()));
            let seat = seats.all.get(&place);
            // What is under way is not in the rows yet and must not be read again.
            let handed = seat.filter(|seat| seat.outstanding > 0).and_then(|seat| seat.handed);
            let known =
                rows.get(&place).copied().max(seat.and_then(|seat| seat.durable)).max(handed);
            let mut start = begin(known, told, &store);
            let topic_is_new = !rows.keys().any(|known| known.topic == place.topic);
            if start.is_none() && group.is_some() && self.from == From::End && topic_is_new {
                let ends = consumer.fetch_watermarks(&place.topic, place.partition, ASK);
                start = ends.ok().map(|(_, high)| Mark { era: 0, next: high });
            }
            let _ = element.set_offset(offset_of(start, group.is_some()));
            let seat = seats.all.entry(place).or_default();
            *seat = Seat {
                owned: true,
                expected: start.map(|mark| mark.next),
                era: start.map_or(seat.era, |mark| mark.era),
                handed: seat.handed,
                durable: seat.durable.max(start),
                outstanding: seat.outstanding,
                told: told.map(|(next, _)| next),
                // Else a restart before the first record would begin somewhere else.
                unsaved: start.is_some() && known.is_none(),
                // What was left open is looked at when nothing more comes.
                stirred: start.map(|_| Instant::now()),
                ..Seat::default()
            };
        }
        seats.changed = true;
        drop(seats);
        if let Err(error) = consumer.incremental_assign(list) {
            tracing::error!(%error, "kafka: partitions could not be taken");
        }
    }

    fn revoke(&self, consumer: &BaseConsumer<Shared>, list: &TopicPartitionList) {
        let places: Vec<Place> = list
            .elements()
            .iter()
            .map(|element| Place::new(element.topic(), element.partition()))
            .collect();
        let lost = consumer.assignment_lost();
        // First nothing more, then what is under way, then the group's books: that the next owner begins behind it.
        let was_owned = !lost;
        {
            let mut seats = self.seats.lock();
            seats.give_up(&places);
            for place in &places {
                if let Some(seat) = seats.all.get_mut(place) {
                    seat.owned = was_owned;
                }
            }
        }
        if !lost {
            self.wait(&places);
            self.tell(consumer, CommitMode::Sync, Some(&places));
        }
        self.seats.lock().give_up(&places);
        self.give_shards(&places);
        // A pause outlives the assignment: who gets the partition back while nothing is ready would never hear of it again.
        if let Err(error) = consumer.resume(list) {
            tracing::debug!(%error, "kafka: partitions that are let go could not be resumed");
        }
        if let Err(error) = consumer.incremental_unassign(list) {
            tracing::error!(%error, "kafka: partitions could not be let go");
        }
    }

    /// Wait until nothing of these partitions is under way.
    pub(super) fn wait(&self, places: &[Place]) {
        let end = Instant::now() + self.revoke_wait;
        loop {
            self.take_acks();
            if self.seats.lock().outstanding(places) == 0 {
                return;
            }
            let left = end.saturating_duration_since(Instant::now());
            match self.acks.1.recv_timeout(left) {
                Ok(ack) => self.seats.lock().take(&ack),
                Err(_) => {
                    tracing::warn!(
                        "kafka: partitions are let go while records of them are under way"
                    );
                    return;
                }
            }
        }
    }
}

/// The same for the consumer, which wants to own it.
pub(super) type Shared = Heard<Arc<Group>>;

impl ConsumerContext for Shared {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Shared>,
        what: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        self.notes.gauges.add("rebalances", 1);
        match what {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.notes.assign(consumer, list)
            }
            _ => self.notes.revoke(consumer, list),
        }
        let owned = self.notes.seats.lock().all.values().filter(|seat| seat.owned).count();
        self.notes.gauges.set("partitions", i64::try_from(owned).unwrap_or(i64::MAX));
        tracing::info!(owned, "kafka: partitions changed hands");
    }

    fn commit_callback(&self, result: KafkaResult<()>, _: &TopicPartitionList) {
        if let Err(error) = result {
            tracing::debug!(%error, "kafka: the group refused what it was told");
            self.notes.seats.lock().tell_again = true;
        }
    }
}
