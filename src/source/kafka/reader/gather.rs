//! Messages into batches: what a partition's open batch takes, and when it is closed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::consumer::BaseConsumer;
use rdkafka::message::{BorrowedMessage, Headers};

use super::holes::number;
use super::{LINGER, Reader, TURN};
use crate::model::record::{Batch, Flush, Framing, Record, Shape};
use crate::source::kafka::collected;
use crate::source::kafka::group::Shared;
use crate::source::kafka::seats::{Open, Place};
use crate::stdx::limits::REJECT_HEAD_BYTES_MAX;

/// Messages that are taken at once, before what is due by the clock is looked at.
const MESSAGES_A_TURN: usize = 64;
/// A name in a header or key is no longer than this.
const NAME_BYTES_MAX: usize = 255;

/// Why an offset is not the expected one.
enum Step {
    Next,
    /// Some are missing before it.
    Gap(i64),
    /// They began anew.
    Back,
}

impl Reader {
    /// Take messages until there is something to hand on or no more are there. Nothing comes also where partitions were dealt
    /// out anew: then what begins with them is due before the next message.
    pub(super) fn poll(&mut self, consumer: &BaseConsumer<Shared>) {
        let begun = Instant::now();
        for number in 0..MESSAGES_A_TURN {
            let (idle, full) = {
                let seats = self.group.seats.lock();
                let full = seats.open_bytes() >= self.settings.bounds.chunk_bytes_max;
                (seats.ready.is_empty(), full)
            };
            if number > 0 && (!idle || full || begun.elapsed() >= LINGER) {
                return;
            }
            let wait = if idle && number == 0 { TURN } else { Duration::ZERO };
            match consumer.poll(wait) {
                Some(Ok(message)) => self.take(consumer, &message),
                Some(Err(error)) => {
                    self.group.ears.complain(error.rdkafka_error_code(), &error.to_string())
                }
                None => {
                    if number == 0 {
                        self.close_all(Duration::ZERO);
                    }
                    return;
                }
            }
        }
    }

    /// Close what has been gathered for so long.
    pub(super) fn close_all(&self, age: Duration) {
        let mut seats = self.group.seats.lock();
        let full = seats.open_bytes() >= self.settings.bounds.chunk_bytes_max;
        let due: Vec<Place> = seats
            .all
            .iter()
            .filter(|(_, seat)| {
                seat.open.as_ref().is_some_and(|open| full || open.since.elapsed() >= age)
            })
            .map(|(place, _)| place.clone())
            .collect();
        due.iter().for_each(|place| seats.close(place, &self.settings.source));
    }

    fn take(&mut self, consumer: &BaseConsumer<Shared>, message: &BorrowedMessage<'_>) {
        let place = Place::new(message.topic(), message.partition());
        let offset = message.offset();
        let Some(seen) = self.seen(consumer, &place, offset) else { return };
        let payload = message.payload().unwrap_or_default();
        if self.config.from_collectors
            && let Some(piece) = collected::read(message)
        {
            let mut seats = self.group.seats.lock();
            let at = (&mut *seats, &place, &self.settings.source);
            let next = offset.saturating_add(1);
            if self.collected.gather(at, (payload, next), &piece, &self.settings.bounds) {
                return;
            }
        }
        let counter = match message.payload() {
            None => Some("tombstones"),
            Some(bytes) if bytes.trim_ascii().is_empty() => Some("empty"),
            Some(_) => None,
        };
        if let Some(name) = counter {
            self.group.gauges.add(name, 1);
        }
        let (tenant, host) = (self.tenant_of(message), self.host_of(message));
        let mut seats = self.group.seats.lock();
        let Some(seat) = seats.all.get(&place) else { return };
        let bounds = &self.settings.bounds;
        let other =
            seat.open.as_ref().is_some_and(|open| open.tenant != tenant || open.host != host);
        let full = seat.open.as_ref().is_some_and(|open| {
            open.batch.records.len() >= bounds.chunk_records_max
                || open.batch.data.len() + payload.len() > bounds.chunk_bytes_max
        });
        if other || full {
            seats.close(&place, &self.settings.source);
        }
        let fair = bounds.chunk_bytes_max / seats.all.len().max(1);
        let Some(seat) = seats.all.get_mut(&place) else { return };
        let holding = (seat.era, seat.shard.clone());
        // What all partitions may hold together is bounded by what is in them, not by what they have room for.
        let room = seat.room.min(fair);
        let open = seat.open.get_or_insert_with(|| {
            let numbering = self.numbering(&place, holding.0, seen.0);
            let stream = self.stream(&place, holding, tenant.as_ref(), host.as_ref());
            let mut batch = Batch::new(Arc::new(stream), Flush::No);
            batch.delivery.numbering = Some(numbering);
            batch.data.reserve(room);
            Open { batch, tenant, host, next: offset, since: Instant::now() }
        });
        if let Some(numbering) = &mut open.batch.delivery.numbering {
            numbering.take(number(seen.1), number(offset));
        }
        if counter.is_none() {
            self.push(&mut open.batch, payload, offset);
        }
        open.next = offset.saturating_add(1);
        seat.expected = Some(open.next);
        seat.stirred = Some(Instant::now());
    }

    /// Where reading went on, and up to where it is known that nothing is missing. `None`: the partition is not ours any more.
    fn seen(
        &mut self,
        consumer: &BaseConsumer<Shared>,
        place: &Place,
        offset: i64,
    ) -> Option<(i64, i64)> {
        match self.step(place, offset)? {
            Step::Next => {}
            Step::Gap(expected) => {
                let deleted = self.look_at_gap(consumer, place, expected, offset);
                let present = if self.config.numbered { offset } else { expected + deleted };
                return Some((expected, present));
            }
            Step::Back => {
                let what = format!(
                    "{}: offsets began anew at {offset}: the topic was made again; it is read from there as a new one",
                    place.key()
                );
                self.loss = Some((Instant::now(), what));
            }
        }
        Some((offset, offset))
    }

    /// Compare the offset with the expected one. `None`: the partition is not ours any more.
    fn step(&self, place: &Place, offset: i64) -> Option<Step> {
        let mut seats = self.group.seats.lock();
        let sharded = self.group.shards.is_some();
        let seat = seats.all.get_mut(place).filter(|seat| seat.owned)?;
        if sharded && seat.shard.is_none() {
            return None;
        }
        let Some(expected) = seat.expected else { return Some(Step::Next) };
        if offset > expected {
            return Some(Step::Gap(expected));
        }
        if offset == expected {
            return Some(Step::Next);
        }
        seats.close(place, &self.settings.source);
        if let Some(seat) = seats.all.get_mut(place) {
            seat.era = seat.era.saturating_add(1);
        }
        Some(Step::Back)
    }

    fn push(&self, batch: &mut Batch, payload: &[u8], offset: i64) {
        let offset = number(offset);
        let long = payload.len() > self.settings.bounds.record_bytes_max;
        let bytes = match (long, self.shape) {
            (true, _) => payload.get(..REJECT_HEAD_BYTES_MAX).unwrap_or(payload),
            (false, Shape::Line) => payload.trim_ascii_end(),
            (false, _) => payload,
        };
        let (Ok(start), Ok(len)) = (u32::try_from(batch.data.len()), u32::try_from(bytes.len()))
        else {
            return;
        };
        batch.data.extend_from_slice(bytes);
        let framing = if long { Framing::TooLong } else { Framing::Whole };
        batch.records.push(Record { start, len, offset, framing, shape: self.shape });
    }

    fn tenant_of(&self, message: &BorrowedMessage<'_>) -> Option<Arc<str>> {
        header(message, self.config.tenant_header.as_deref()?)
    }

    fn host_of(&self, message: &BorrowedMessage<'_>) -> Option<Arc<str>> {
        let named = self.config.host_header.as_deref().and_then(|name| header(message, name));
        let name = named.or_else(|| {
            let key = message.key().filter(|_| self.config.key_is_host)?;
            name(key)
        })?;
        Some(self.settings.alias(&name))
    }
}

/// A header's value as a name.
fn header(message: &BorrowedMessage<'_>, wanted: &str) -> Option<Arc<str>> {
    let found = message.headers()?.iter().find(|header| header.key == wanted)?;
    name(found.value?)
}

/// Bytes from outside as a name: short text without control characters, or nothing.
fn name(bytes: &[u8]) -> Option<Arc<str>> {
    let text = std::str::from_utf8(bytes).ok()?.trim();
    let fits =
        !text.is_empty() && text.len() <= NAME_BYTES_MAX && !text.chars().any(char::is_control);
    fits.then(|| text.into())
}
