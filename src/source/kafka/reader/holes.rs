//! Offsets that bring no message: which of them are messages that were deleted.
//!
//! A client is not shown markers of transactions, messages of a transaction that was given up, and what compaction took;
//! each leaves a hole. The broker says where a partition begins now, and what lies below that was deleted. Of other holes
//! only who knows the topic can say that they mean something (`numbered`).

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer};

use super::super::group::Shared;
use super::super::seats::Place;
use super::{ASK, Reader};
use crate::model::record::Numbering;

/// A hole as small as this is a transaction's marker more often than not: the broker is not asked about each.
const SMALL_HOLE: i64 = 16;
/// How often it is asked about small ones.
const LOOK_EVERY: Duration = Duration::from_millis(100);

impl Reader {
    /// Offsets do not come. Markers of transactions, what was given up in one, and compaction leave such holes; how many at
    /// the beginning of the hole the broker deleted before they were read is said.
    pub(super) fn look_at_gap(
        &mut self,
        consumer: &BaseConsumer<Shared>,
        place: &Place,
        expected: i64,
        offset: i64,
    ) -> i64 {
        {
            let mut seats = self.group.seats.lock();
            let Some(seat) = seats.all.get_mut(place) else { return 0 };
            let small = offset - expected < SMALL_HOLE;
            if small && seat.looked.is_some_and(|at| at.elapsed() < LOOK_EVERY) {
                self.group.gauges.add("offsets_without_message", offset - expected);
                return 0;
            }
            seat.looked = Some(Instant::now());
        }
        let low = match consumer.fetch_watermarks(&place.topic, place.partition, ASK) {
            Ok((low, _)) => low,
            Err(error) => {
                let (place, last) = (place.key(), offset - 1);
                tracing::warn!(%error, "{place}: nobody says whether offsets {expected} to {last} were deleted");
                0
            }
        };
        let deleted = (low.min(offset) - expected).max(0);
        self.group.gauges.add("offsets_without_message", offset - expected - deleted);
        if deleted > 0 {
            self.group.gauges.add("deleted_unread", deleted);
            let what = format!(
                "{}: the broker deleted {deleted} messages before they were read: offsets {expected} to {}; give the topic \
                 a longer retention",
                place.key(),
                expected + deleted - 1
            );
            self.loss = Some((Instant::now(), what));
            self.say();
        }
        deleted
    }

    /// Whose numbers the offsets of a partition are. A topic that was made again is another one.
    pub(super) fn numbering(&self, place: &Place, era: u32, from: i64) -> Numbering {
        let name = match era {
            0 => place.key(),
            era => format!("{}#{era}", place.key()),
        };
        let tenant = Arc::clone(&self.settings.tenant);
        Numbering { name: name.into(), tenant, from: number(from), read: Vec::new() }
    }
}

/// Offsets of messages are never negative.
pub(super) fn number(offset: i64) -> u64 {
    u64::try_from(offset).unwrap_or(0)
}
