//! What each tenant has in each segment that is not written to any more. Counted once a segment, by reading it, and only
//! where a tenant has a retention of its own; kept in the books.

use std::path::{Path, PathBuf};

use hashbrown::HashMap;

use crate::model::event::Event;
use crate::model::field;
use crate::model::retention::SegmentGone;
use crate::stdx::task;
use crate::stdx::time::Timestamp;
use crate::store::event_log::{SEGMENT_START, segment_path};
use crate::store::events::{Segment, read_block, walk_frames};
use crate::store::rows::{signed, unsigned};
use crate::store::{Store, StoreError, folder, sql};
use crate::wire::event_v1;

/// Whose events they are where nobody says.
const TENANT: &str = "default";

/// What a tenant has in a segment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// Empty: nobody's; the segment holds what cannot be read, and only goes as a whole.
    pub tenant: String,
    pub events: u64,
    /// Its share of the file.
    pub bytes: u64,
    /// When its newest event was stored or happened, whichever is later.
    pub newest: Timestamp,
}

/// The parts of segments, by number.
pub(super) type Parts = HashMap<u64, Vec<Part>>;

/// Whose event it is.
pub(super) fn tenant_of(event: &Event) -> &str {
    event.str(field::ORGANIZATION_ID).filter(|tenant| !tenant.is_empty()).unwrap_or(TENANT)
}

/// Sums up parts while events go by.
pub(super) struct Sums {
    /// Events, raw bytes, newest, by tenant.
    by_tenant: HashMap<String, (u64, u64, Timestamp)>,
    /// When events without a time of ingest were stored.
    written: Timestamp,
}

impl Sums {
    /// Of a segment that was written to last at `written`.
    pub(super) fn of(written: Timestamp) -> Sums {
        Sums { by_tenant: HashMap::new(), written }
    }

    /// An event of so many raw bytes.
    pub(super) fn add(&mut self, event: &Event, bytes: usize) {
        let stored = if event.ingested.0 > 0 { event.ingested } else { self.written };
        self.put(tenant_of(event), bytes, event.timestamp.max(stored));
    }

    /// An event of a tenant that counts from `at` on.
    pub(super) fn put(&mut self, tenant: &str, bytes: usize, at: Timestamp) {
        let sum = self.by_tenant.entry_ref(tenant).or_default();
        sum.0 += 1;
        sum.1 += bytes as u64;
        sum.2 = sum.2.max(at);
    }

    /// The parts of a file of so many bytes, by tenant.
    pub(super) fn parts(self, length: u64) -> Vec<Part> {
        let raw: u64 = self.by_tenant.values().map(|sum| sum.1).sum();
        let share = |bytes: u64| u128::from(bytes) * u128::from(length) / u128::from(raw.max(1));
        let part = |(tenant, (events, bytes, newest))| Part {
            tenant,
            events,
            bytes: u64::try_from(share(bytes)).unwrap_or(u64::MAX),
            newest,
        };
        let mut parts: Vec<Part> = self.by_tenant.into_iter().map(part).collect();
        parts.sort_by(|one, other| one.tenant.cmp(&other.tenant));
        parts
    }
}

impl Store {
    /// The parts of these segments; what was not counted before is read now.
    pub(super) async fn parts_of(&self, dated: &[SegmentGone]) -> Result<Parts, StoreError> {
        let mut parts = self.known_parts().await?;
        let segments: HashMap<u64, Segment> =
            self.events.segments().into_iter().map(|one| (one.number, one)).collect();
        for row in dated.iter().filter(|row| !parts.contains_key(&row.number)).collect::<Vec<_>>() {
            let Some(segment) = segments.get(&row.number).copied() else { continue };
            let path = segment_path(&folder::events_folder(&self.dir), row.number);
            let written = row.newest;
            let work = move || count(path, segment, written);
            let counted = task::blocking("count what tenants have", work).await;
            let counted = counted.map_err(|panic| StoreError::Invalid(panic.to_string()))?;
            let mut guard = self.hold().await?;
            sql::begin(&mut guard.sql).await?;
            let outcome = write_parts(&mut guard.sql, row.number, &counted).await;
            sql::end(&mut guard.sql, outcome).await?;
            parts.insert(row.number, counted);
        }
        Ok(parts)
    }

    async fn known_parts(&self) -> Result<Parts, StoreError> {
        let rows = sql::query("SELECT segment, tenant, events, bytes, newest_us FROM segment_parts ORDER BY segment, tenant")
            .fetch_all(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read what tenants have", source))?;
        let mut parts = Parts::new();
        for row in rows {
            parts.entry(unsigned(row.get("segment"))).or_default().push(Part {
                tenant: row.get("tenant"),
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
            "INSERT INTO segment_parts (segment, tenant, events, bytes, newest_us)
             VALUES ($1, $2, $3, $4, $5) ON CONFLICT (segment, tenant) DO UPDATE SET
               events = excluded.events, bytes = excluded.bytes, newest_us = excluded.newest_us",
        )
        .bind(signed(segment))
        .bind(part.tenant.as_str())
        .bind(signed(part.events))
        .bind(signed(part.bytes))
        .bind(part.newest.0)
        .execute(&mut *link)
        .await
        .map_err(|source| StoreError::sql("note what tenants have", source))?;
    }
    Ok(())
}

/// Read a segment. What cannot be read makes it nobody's.
fn count(path: PathBuf, segment: Segment, written: Timestamp) -> Vec<Part> {
    match sums(&path, segment, written) {
        Some(sums) => sums.parts(segment.length),
        None => {
            tracing::warn!(path = %path.display(), "a segment with damaged events only goes as a whole");
            vec![Part {
                tenant: String::new(),
                events: segment.events,
                bytes: segment.length,
                newest: written,
            }]
        }
    }
}

fn sums(path: &Path, segment: Segment, written: Timestamp) -> Option<Sums> {
    let mut sums = Sums::of(written);
    let frames = walk_frames(path, SEGMENT_START, segment.length, u64::MAX).ok()?;
    let file = std::fs::File::open(path).ok()?;
    for (offset, header) in frames {
        for block in &header.blocks {
            let raw = read_block(&file, offset, block).ok()??;
            for line in raw.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                sums.add(&event_v1::read_flat(line)?, line.len());
            }
        }
    }
    Some(sums)
}
