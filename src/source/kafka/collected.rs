//! Records that a collector of ours wrote: what their headers say becomes the stream that the collector read from, so the
//! events are those of a source that is read directly.
//!
//! A collector writes a record once. A sender that got no answer may repeat a delivery to another collector, though: the
//! records of a delivery with a key are handed on under that key where they stand together, and the commit knows it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::Message;
use rdkafka::message::{BorrowedMessage, Headers};

use super::seats::{Open, Place, Ready, Seats};
use crate::carrier::Bounds;
use crate::model::record::{Batch, Flush, Framing, Record, Shape, Stream};
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::time::Timestamp;
use crate::wire::collected_v1::{self, Part, RECORD_HEADER, STREAM_HEADER};

/// Streams that are watched for quiet; over it all are told so at once.
const STREAMS_MAX: usize = 10_000;
/// When a quiet stream closes what waits for more records: once soon, and once when whatever was on its way is decoded.
const QUIET: [Duration; 2] = [Duration::from_secs(3), Duration::from_secs(15)];

/// What one message says.
pub(super) struct Piece {
    stream: Arc<[u8]>,
    offset: u64,
    framing: Framing,
    shape: Shape,
    part: Option<Part>,
    written: Timestamp,
}

/// What is known of a partition.
struct Known {
    header: Arc<[u8]>,
    stream: Arc<Stream>,
    /// The delivery that is being gathered, and how much of it came.
    part: Option<(Id128, u32)>,
}

/// The collected records of all partitions.
#[derive(Default)]
pub(super) struct Collected {
    known: BTreeMap<Place, Known>,
    /// Streams that something came of.
    stirred: BTreeMap<(Place, Id128), Stirred>,
}

/// When the last came of a stream, and how often it was told that it is quiet.
struct Stirred {
    stream: Arc<Stream>,
    at: Instant,
    told: usize,
}

/// The headers of a collector; `None`: another wrote the message.
pub(super) fn read(message: &BorrowedMessage<'_>) -> Option<Piece> {
    let (mut stream, mut record) = (None, None);
    for header in message.headers()?.iter() {
        match header.key {
            STREAM_HEADER => stream = header.value,
            RECORD_HEADER => record = header.value,
            _ => {}
        }
    }
    let (offset, framing, shape, part) = collected_v1::read_record(record?)?;
    let written = message.timestamp().to_millis().unwrap_or(0).saturating_mul(1_000);
    Some(Piece {
        stream: stream?.into(),
        offset,
        framing,
        shape,
        part,
        written: Timestamp(written),
    })
}

impl Collected {
    /// Put a record into the batch of its partition, closing one that it does not belong to. `false`: its stream's header
    /// cannot be read.
    pub(super) fn gather(
        &mut self,
        (seats, place, source): (&mut Seats, &Place, &Arc<str>),
        (payload, next): (&[u8], i64),
        piece: &Piece,
        bounds: &Bounds,
    ) -> bool {
        let shard = shard_of(seats, place);
        let known = self.known.get(place);
        let known = known.filter(|it| it.header == piece.stream && it.stream.shard == shard);
        let is_same = known.is_some_and(|known| {
            let goes_on = match (known.part, piece.part) {
                (Some((key, count)), Some(part)) => key == part.key && count == part.index,
                (None, None) => true,
                _ => false,
            };
            let open = seats.all.get(place).and_then(|seat| seat.open.as_ref());
            goes_on
                && open.is_some_and(|open| {
                    Arc::ptr_eq(&open.batch.stream, &known.stream)
                        && open.batch.records.len() < bounds.chunk_records_max
                        && open.batch.data.len() + payload.len() <= bounds.chunk_bytes_max
                })
        });
        if !is_same {
            let Some(stream) = collected_v1::read_stream(&piece.stream) else { return false };
            seats.close(place, source);
            let stream = Arc::new(Stream { shard, ..as_written(stream, piece.written) });
            let header = Arc::clone(&piece.stream);
            self.known.insert(place.clone(), Known { header, stream, part: None });
        }
        let Some(known) = self.known.get_mut(place) else { return false };
        let Some(seat) = seats.all.get_mut(place) else { return true };
        let now = Instant::now();
        let open = seat.open.get_or_insert_with(|| Open {
            batch: Batch::new(Arc::clone(&known.stream), Flush::No),
            tenant: None,
            host: None,
            next,
            since: now,
        });
        let (Ok(start), Ok(len)) =
            (u32::try_from(open.batch.data.len()), u32::try_from(payload.len()))
        else {
            return true;
        };
        open.batch.data.extend_from_slice(payload);
        let Piece { offset, framing, shape, .. } = *piece;
        open.batch.records.push(Record { start, len, offset, framing, shape });
        open.next = next;
        seat.expected = Some(next);
        known.part = piece.part.map(|part| (part.key, part.index + 1));
        let whole = piece.part.filter(|part| {
            part.index + 1 == part.count && open.batch.records.len() == part.count as usize
        });
        if let Some(part) = whole {
            open.batch.delivery.key = Some(key_of(part));
        } else if piece.part.is_some() {
            // The rest of the delivery is on its way.
            open.since = now;
        }
        let stirred = Stirred { stream: Arc::clone(&known.stream), at: now, told: 0 };
        self.stirred.insert((place.clone(), known.stream.id), stirred);
        if whole.is_some() {
            seats.close(place, source);
            self.known.remove(place);
        }
        true
    }

    /// Streams that are quiet close what waits for more records.
    pub(super) fn tell_quiet(&mut self, seats: &mut Seats, now: Instant) {
        let all = self.stirred.len() > STREAMS_MAX;
        self.stirred.retain(|(place, _), stirred| {
            let owned = seats.all.get(place).is_some_and(|seat| seat.owned)
                && shard_of(seats, place) == stirred.stream.shard;
            let age = now.saturating_duration_since(stirred.at);
            let due = all || QUIET.get(stirred.told).is_some_and(|quiet| age >= *quiet);
            if owned && due {
                stirred.told += 1;
                let batch = Batch::new(Arc::clone(&stirred.stream), Flush::Idle);
                seats.ready.push_back(Ready { place: place.clone(), mark: None, batch });
            }
            owned && !all && stirred.told < QUIET.len()
        });
    }
}

/// The key of the shard that a partition is read under.
fn shard_of(seats: &Seats, place: &Place) -> Arc<str> {
    seats.all.get(place).and_then(|seat| seat.shard.clone()).unwrap_or_default()
}

/// The stream as its collector had it: what has no year of its own is dated by when it was collected, not by when it is read
/// here.
fn as_written(stream: Stream, written: Timestamp) -> Stream {
    match stream.live && written.0 > 0 {
        true => Stream { modified: written.max(stream.modified), live: false, ..stream },
        false => stream,
    }
}

/// What a repeat of the same records through another collector would have too.
fn key_of(part: Part) -> Id128 {
    IdHasher::new("collected").bytes(part.key.as_bytes()).number(u64::from(part.count)).finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::kafka::seats::Seat;

    const BOUNDS: Bounds =
        Bounds { record_bytes_max: 1 << 20, chunk_records_max: 100, chunk_bytes_max: 1 << 20 };

    struct Reading {
        seats: Seats,
        place: Place,
        collected: Collected,
        next: i64,
    }

    impl Reading {
        fn new() -> Reading {
            let place = Place::new("t", 0);
            let mut seats = Seats::default();
            seats.all.insert(place.clone(), Seat { owned: true, ..Seat::default() });
            Reading { seats, place, collected: Collected::default(), next: 0 }
        }

        fn take(&mut self, path: &str, record: u64, part: Option<(u8, u32, u32)>) {
            let stream = Stream { live: true, ..Stream::of_path("http", path) };
            let part = part.map(|(key, index, count)| Part { key: Id128([key; 16]), index, count });
            let piece = Piece {
                stream: collected_v1::write_stream(&stream).into_bytes().into(),
                offset: record,
                framing: Framing::Whole,
                shape: Shape::Line,
                part,
                written: Timestamp(5_000_000),
            };
            self.next += 1;
            let source: Arc<str> = "k".into();
            let at = (&mut self.seats, &self.place, &source);
            assert!(self.collected.gather(at, (b"x", self.next), &piece, &BOUNDS));
        }

        fn batches(&mut self) -> Vec<(String, Vec<u64>, bool, String)> {
            self.seats.close(&self.place, &"k".into());
            let ready = self.seats.ready.drain(..);
            ready
                .map(|ready| {
                    let batch = ready.batch;
                    let offsets = batch.records.iter().map(|record| record.offset).collect();
                    let position = batch.positions.last().and_then(|row| row.value.clone());
                    let keyed = batch.delivery.key.is_some();
                    (batch.stream.path.to_string(), offsets, keyed, position.unwrap())
                })
                .collect()
        }
    }

    #[test]
    fn records_of_one_stream_stand_in_a_batch_under_their_own_offsets() {
        let mut reading = Reading::new();
        for (path, record) in [("a", 10), ("a", 20), ("b", 3), ("a", 30)] {
            reading.take(path, record, None);
        }
        let batch = |path: &str, offsets: &[u64], next: &str| {
            (path.to_owned(), offsets.to_vec(), false, next.to_owned())
        };
        let wanted = [batch("a", &[10, 20], "2"), batch("b", &[3], "3"), batch("a", &[30], "4")];
        assert_eq!(reading.batches(), wanted);
        let start = Instant::now();
        for (seconds, told) in [(0, 0), (4, 2), (5, 2), (20, 4), (60, 4)] {
            let now = start + Duration::from_secs(seconds);
            reading.collected.tell_quiet(&mut reading.seats, now);
            assert_eq!(reading.seats.ready.len(), told, "after {seconds} s");
        }
        assert!(reading.seats.ready.iter().all(|ready| ready.batch.flush == Flush::Idle));
    }

    #[test]
    fn only_a_delivery_that_stands_together_has_its_key() {
        let mut reading = Reading::new();
        reading.take("a", 0, Some((1, 0, 2)));
        reading.take("a", 1, Some((1, 1, 2)));
        reading.take("a", 0, Some((2, 0, 2)));
        reading.take("b", 0, Some((3, 0, 1)));
        reading.take("a", 1, Some((2, 1, 2)));
        let keyed: Vec<(Vec<u64>, bool)> =
            reading.batches().into_iter().map(|(_, offsets, keyed, _)| (offsets, keyed)).collect();
        let wanted = [(vec![0, 1], true), (vec![0], false), (vec![0], true), (vec![1], false)];
        assert_eq!(keyed, wanted);
    }

    #[test]
    fn what_was_live_is_dated_by_when_it_was_written() {
        let live = Stream { live: true, ..Stream::of_path("s", "p") };
        let written = as_written(live, Timestamp(7));
        assert_eq!((written.live, written.modified), (false, Timestamp(7)));
        let file = Stream { modified: Timestamp(3), ..Stream::of_path("s", "p") };
        assert_eq!(as_written(file, Timestamp(7)).modified, Timestamp(3));
    }
}
