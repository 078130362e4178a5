//! How far behind a source is.

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::{Offset, TopicPartitionList};

use super::super::group::Shared;
use super::{ASK, Reader};

impl Reader {
    /// How far behind the ends of its partitions the durable state is.
    pub(super) fn measure_lag(&self, consumer: &BaseConsumer<Shared>) {
        let mut ends = TopicPartitionList::new();
        let mut durable = Vec::new();
        for (place, seat) in self.group.seats.lock().all.iter().filter(|(_, seat)| seat.owned) {
            // The end's own mark in place of a time asks for the end.
            if ends.add_partition_offset(&place.topic, place.partition, Offset::End).is_ok() {
                durable.push((place.clone(), seat.durable.map(|mark| mark.next)));
            }
        }
        if durable.is_empty() {
            self.group.gauges.set("lag_total", 0);
            self.group.gauges.set("lag_worst", 0);
            return;
        }
        let Ok(ends) = consumer.offsets_for_times(ends, ASK) else { return };
        let (mut total, mut worst) = (0_i64, 0);
        let mut lags = Vec::new();
        for (place, next) in durable {
            let end =
                ends.find_partition(&place.topic, place.partition).map(|found| found.offset());
            let Some(Offset::Offset(end)) = end else { continue };
            // Behind the last record of a collector stands the mark of its transaction.
            let end = end - i64::from(self.config.from_collectors);
            let lag = end.saturating_sub(next.unwrap_or(0)).max(0);
            total = total.saturating_add(lag);
            worst = worst.max(lag);
            lags.push((place, lag));
        }
        if let Some(shards) = &self.group.shards {
            let lags = lags.iter().map(|(place, lag)| (shards.name(place), *lag));
            shards.from.note_lags(&lags.collect::<Vec<_>>());
        }
        self.group.gauges.set("lag_total", total);
        self.group.gauges.set("lag_worst", worst);
    }
}
