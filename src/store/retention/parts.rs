//! What each tenant has in each segment that is not written to any more, by kind. Counted once a segment, by reading it, and
//! only where ages differ; kept in the books.

use std::io::{Error, ErrorKind};
use std::path::Path;

use hashbrown::HashMap;

use crate::model::event::Event;
use crate::model::retention::{EventKind, SegmentGone, Share};
use crate::model::{field, inference};
use crate::stdx::task;
use crate::stdx::time::Timestamp;
use crate::store::event_log::{SEGMENT_START, segment_path};
use crate::store::events::{Segment, read_block, walk_frames};
use crate::store::rows::{signed, unsigned};
use crate::store::{Store, StoreError, folder, sql};
use crate::wire::event_v1;

/// Segments that one look counts: each takes about a second.
const COUNTED_MAX: usize = 32;
/// Whose events they are where nobody says.
const TENANT: &str = "default";

/// What a tenant has of a kind in a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// Whose, and what. An empty tenant: nobody's; the segment holds what cannot be read, and only goes as a whole.
    pub share: Share,
    pub events: u64,
    /// Its share of the file.
    pub bytes: u64,
    /// When its newest event was stored or happened, whichever is later.
    pub newest: Timestamp,
}

/// The parts of segments, by number.
pub(super) type Parts = HashMap<u64, Vec<Part>>;

/// Whose event it is, and what.
pub(super) fn share_of(event: &Event) -> Share {
    let tenant = event.str(field::ORGANIZATION_ID).filter(|tenant| !tenant.is_empty());
    let kind = match inference::is_judgement(event) {
        true => EventKind::Inference,
        false => EventKind::Event,
    };
    Share { tenant: tenant.unwrap_or(TENANT).to_owned(), kind }
}

/// When an event was stored or happened, whichever is later: a clock that went slow makes nothing old. What is said to
/// happen yet says nothing.
pub(super) fn later(stored: Timestamp, happened: Timestamp, now: Timestamp) -> Timestamp {
    if happened > now { stored } else { stored.max(happened) }
}

/// Sums up parts while events go by.
pub(super) struct Sums {
    /// Events, raw bytes, newest.
    shares: HashMap<Share, (u64, u64, Timestamp)>,
    /// When events without a time of ingest were stored.
    written: Timestamp,
    now: Timestamp,
}

impl Sums {
    /// Of a segment that was written to last at `written`.
    pub(super) fn of(written: Timestamp, now: Timestamp) -> Sums {
        Sums { shares: HashMap::new(), written, now }
    }

    /// An event of so many raw bytes.
    pub(super) fn add(&mut self, share: Share, event: &Event, bytes: usize) {
        let stored = if event.ingested.0 > 0 { event.ingested } else { self.written };
        self.put(share, bytes, later(stored, event.timestamp, self.now));
    }

    /// An event that counts from `at` on.
    pub(super) fn put(&mut self, share: Share, bytes: usize, at: Timestamp) {
        let sum = self.shares.entry(share).or_default();
        sum.0 += 1;
        sum.1 += bytes as u64;
        sum.2 = sum.2.max(at);
    }

    /// The parts of a file of so many bytes, in order.
    pub(super) fn parts(self, length: u64) -> Vec<Part> {
        let raw: u64 = self.shares.values().map(|sum| sum.1).sum();
        let packed = |bytes: u64| u128::from(bytes) * u128::from(length) / u128::from(raw.max(1));
        let part = |(share, (events, bytes, newest))| Part {
            share,
            events,
            bytes: u64::try_from(packed(bytes)).unwrap_or(u64::MAX),
            newest,
        };
        let mut parts: Vec<Part> = self.shares.into_iter().map(part).collect();
        parts.sort_by(|one, other| one.share.cmp(&other.share));
        parts
    }
}

impl Store {
    /// The parts of these segments; of those that were not counted before, the oldest [`COUNTED_MAX`] are read now.
    pub(super) async fn parts_of(
        &self,
        dated: &[SegmentGone],
        now: Timestamp,
    ) -> Result<Parts, StoreError> {
        let mut parts = self.known_parts().await?;
        let segments: HashMap<u64, Segment> =
            self.events.segments().into_iter().map(|one| (one.number, one)).collect();
        let new: Vec<_> = dated.iter().filter(|row| !parts.contains_key(&row.number)).collect();
        for row in new.into_iter().take(COUNTED_MAX) {
            let Some(segment) = segments.get(&row.number).copied() else { continue };
            let path = segment_path(&folder::events_folder(&self.dir), row.number);
            let written = row.newest;
            let file = path.clone();
            let work = move || count(&file, segment, written, now);
            let counted = task::blocking("count what tenants have", work).await;
            let counted = counted.map_err(|panic| StoreError::Invalid(panic.to_string()))?;
            let counted = match counted {
                Ok(counted) => counted,
                // It is tried again; until then it is nobody's.
                Err(error) => {
                    let path = path.display();
                    tracing::warn!(%path, %error, "what tenants have in a segment is not known");
                    continue;
                }
            };
            let mut guard = self.hold().await?;
            if self.events.durable_length(row.number).is_none() {
                continue;
            }
            sql::begin(&mut guard.sql).await?;
            let outcome = write_parts(&mut guard.sql, row.number, &counted).await;
            sql::end(&mut guard.sql, outcome).await?;
            parts.insert(row.number, counted);
        }
        Ok(parts)
    }

    /// Count a segment anew the next time.
    pub(super) async fn forget_parts(&self, segment: u64) -> Result<(), StoreError> {
        let mut guard = self.hold().await?;
        sql::query("DELETE FROM segment_parts WHERE segment = $1")
            .bind(signed(segment))
            .execute(&mut guard.sql)
            .await
            .map_err(|source| StoreError::sql("forget what tenants have", source))?;
        Ok(())
    }

    async fn known_parts(&self) -> Result<Parts, StoreError> {
        let rows = sql::query("SELECT * FROM segment_parts ORDER BY segment, tenant, kind")
            .fetch_all(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read what tenants have", source))?;
        let mut parts = Parts::new();
        for row in rows {
            parts.entry(unsigned(row.get("segment"))).or_default().push(Part {
                share: Share {
                    tenant: row.get("tenant"),
                    kind: EventKind::parse(&row.get::<String>("kind")).unwrap_or_default(),
                },
                events: unsigned(row.get("events")),
                bytes: unsigned(row.get("bytes")),
                newest: Timestamp(row.get("newest_us")),
            });
        }
        Ok(parts)
    }
}

/// Put the parts of a segment into the books.
pub(super) async fn write_parts(
    link: &mut sql::Connection,
    segment: u64,
    parts: &[Part],
) -> Result<(), StoreError> {
    for part in parts {
        sql::query(
            "INSERT INTO segment_parts (segment, tenant, kind, events, bytes, newest_us)
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (segment, tenant, kind) DO UPDATE SET
               events = excluded.events, bytes = excluded.bytes, newest_us = excluded.newest_us",
        )
        .bind(signed(segment))
        .bind(part.share.tenant.as_str())
        .bind(part.share.kind.as_str())
        .bind(signed(part.events))
        .bind(signed(part.bytes))
        .bind(part.newest.0)
        .execute(&mut *link)
        .await
        .map_err(|source| StoreError::sql("note what tenants have", source))?;
    }
    Ok(())
}

/// Read a segment. Damage makes it nobody's.
fn count(
    path: &Path,
    segment: Segment,
    written: Timestamp,
    now: Timestamp,
) -> std::io::Result<Vec<Part>> {
    match sums(path, segment, Sums::of(written, now)) {
        Ok(sums) => Ok(sums.parts(segment.length)),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            tracing::warn!(path = %path.display(), "a segment with damaged events only goes as a whole");
            Ok(vec![Part {
                share: Share::default(),
                events: segment.events,
                bytes: segment.length,
                newest: written,
            }])
        }
        Err(error) => Err(error),
    }
}

fn sums(path: &Path, segment: Segment, mut sums: Sums) -> std::io::Result<Sums> {
    let damaged = || Error::from(ErrorKind::InvalidData);
    let file = std::fs::File::open(path)?;
    let frames = walk_frames(&file, SEGMENT_START, segment.length, u64::MAX)?;
    for (offset, header) in frames {
        for block in &header.blocks {
            let raw = read_block(&file, offset, block)?.ok_or_else(damaged)?;
            for line in raw.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                let event = event_v1::read_line(line).ok_or_else(damaged)?;
                sums.add(share_of(&event), &event, line.len());
            }
        }
    }
    Ok(sums)
}
