//! Partitions as shards, where nodes share a store: a partition is read by who holds its shard, from the positions that lie
//! in it. Who has the partition and not yet the shard (its last owner still commits, or the store does not answer) waits.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::group::{Group, Shared};
use super::seats::{Mark, Place, begin, read_rows};
use crate::config::sources::From;
use crate::source::context::{self, TakenShard};

/// How long the group and the brokers may take to answer.
const ASK: Duration = Duration::from_secs(5);
/// How often a shard that is still in other hands is asked for.
const TRY_EVERY: Duration = Duration::from_millis(500);

/// Shards for the partitions of one source.
pub(super) struct Shards {
    pub(super) from: Arc<dyn context::Shards>,
    pub(super) source: Arc<str>,
}

impl Shards {
    /// What the shard of a partition is called, on every node.
    pub(super) fn name(&self, place: &Place) -> String {
        format!("{}/{}", self.source, place.key())
    }

    /// Take the shard of a partition, if it can be had now.
    pub(super) fn take(&self, place: &Place) -> Option<TakenShard> {
        self.from.take(&self.name(place), &self.source)
    }
}

impl Group {
    /// Partitions that lost their shard, or never had it: ask for it, and begin where it says.
    pub(super) fn mend(&self, consumer: &BaseConsumer<Shared>) {
        let Some(shards) = &self.shards else { return };
        self.stop_lost(consumer, shards);
        let waiting: Vec<Place> = {
            let mut seats = self.seats.lock();
            let waiting = seats.all.iter_mut().filter(|(_, seat)| {
                seat.owned
                    && seat.shard.is_none()
                    && seat.asked.is_none_or(|at| at.elapsed() >= TRY_EVERY)
            });
            let waiting = waiting.map(|(place, seat)| {
                seat.asked = Some(Instant::now());
                place.clone()
            });
            waiting.collect()
        };
        for place in waiting {
            if let Some(taken) = shards.take(&place) {
                self.begin_late(consumer, shards, &place, &taken);
            }
        }
    }

    /// Nothing more of partitions whose shard is gone, until it is had again.
    fn stop_lost(&self, consumer: &BaseConsumer<Shared>, shards: &Shards) {
        let lost: Vec<(Place, Arc<str>)> = {
            let mut seats = self.seats.lock();
            let lost = seats.all.iter_mut().filter(|(_, seat)| seat.owned && seat.lost);
            let lost = lost.filter_map(|(place, seat)| Some((place.clone(), seat.shard.take()?)));
            let lost: Vec<_> = lost.collect();
            lost.iter().for_each(|(place, _)| seats.rest(place));
            lost
        };
        if lost.is_empty() {
            return;
        }
        let places: Vec<&Place> = lost.iter().map(|(place, _)| place).collect();
        set_paused(consumer, &places, true);
        for (place, key) in &lost {
            tracing::warn!(partition = place.key(), "its state went; it is asked for again");
            shards.from.give(key);
        }
    }

    fn begin_late(
        &self,
        consumer: &BaseConsumer<Shared>,
        shards: &Shards,
        place: &Place,
        taken: &TakenShard,
    ) {
        let mut one = TopicPartitionList::new();
        one.add_partition(&place.topic, place.partition);
        let told = consumer.committed_offsets(one, ASK).ok();
        let start = self.start_in(consumer, place, taken, told.as_ref());
        let offset = offset_of(start, told.is_some());
        if let Err(error) = consumer.seek(&place.topic, place.partition, offset, ASK) {
            tracing::warn!(%error, partition = place.key(), "it cannot begin; it is tried again");
            shards.from.give(&taken.key);
            return;
        }
        self.sit(place, start, told.as_ref(), taken);
        set_paused(consumer, &[place], false);
        tracing::info!(partition = place.key(), "its state is here");
    }

    /// Where a partition begins whose shard was taken.
    pub(super) fn start_in(
        &self,
        consumer: &BaseConsumer<Shared>,
        place: &Place,
        taken: &TakenShard,
        told: Option<&TopicPartitionList>,
    ) -> Option<Mark> {
        let (rows, _) = read_rows(&taken.positions);
        let own = rows.get(place).copied();
        let here = told_at(told, place);
        let here = here.as_ref().map(|(next, by)| (*next, by.as_str()));
        let start = begin(own, here, &taken.cluster);
        if start.is_some() || told.is_none() || self.from != From::End {
            return start;
        }
        let ends = consumer.fetch_watermarks(&place.topic, place.partition, ASK);
        ends.ok().map(|(_, high)| Mark { era: 0, next: high })
    }

    /// The partition is read from here on, under the shard that was taken.
    pub(super) fn sit(
        &self,
        place: &Place,
        start: Option<Mark>,
        told: Option<&TopicPartitionList>,
        taken: &TakenShard,
    ) {
        let told = told_at(told, place).map(|(next, _)| next);
        let (rows, _) = read_rows(&taken.positions);
        let mut seats = self.seats.lock();
        seats.store.clone_from(&taken.cluster);
        seats.store_is_new = false;
        let seat = seats.all.entry(place.clone()).or_default();
        seat.owned = true;
        seat.shard = Some(Arc::clone(&taken.key));
        seat.lost = false;
        seat.expected = start.map(|mark| mark.next);
        seat.era = start.map_or(seat.era, |mark| mark.era);
        // What an earlier holder handed on counts only as far as it stands in the rows.
        (seat.handed, seat.durable, seat.told) = (start, start, told);
        // What the last holder left open is looked at when nothing more comes.
        seat.stirred = start.map(|_| Instant::now());
        seat.unsaved = start.is_some() && !rows.contains_key(place);
        seats.changed = true;
    }
}

/// What a group was told of a partition: the next offset, and by which store.
pub(super) fn told_at(told: Option<&TopicPartitionList>, place: &Place) -> Option<(i64, String)> {
    let found = told?.find_partition(&place.topic, place.partition)?;
    match found.offset() {
        Offset::Offset(next) => Some((next, found.metadata().to_owned())),
        _ => None,
    }
}

/// Where the client begins. Without a mark of ours it asks the group again by itself, if that did not answer.
pub(super) fn offset_of(start: Option<Mark>, group_said: bool) -> Offset {
    match start {
        Some(mark) => Offset::Offset(mark.next),
        None if group_said => Offset::Beginning,
        None => Offset::Stored,
    }
}

/// Pause or resume partitions.
pub(super) fn set_paused(consumer: &BaseConsumer<Shared>, places: &[&Place], paused: bool) {
    let mut list = TopicPartitionList::with_capacity(places.len());
    for place in places {
        list.add_partition(&place.topic, place.partition);
    }
    let done = if paused { consumer.pause(&list) } else { consumer.resume(&list) };
    if let Err(error) = done {
        tracing::warn!(%error, paused, "kafka: partitions could not be paused or resumed");
    }
}
