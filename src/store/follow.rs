//! Reading on: events and changes of alerts in the order in which they became real, from a place that somebody keeps.

use std::fs::File;
use std::os::unix::fs::FileExt;

use crate::model::alert::AlertId;
use crate::model::event::Event;
use crate::model::record::Position;
use crate::store::event_log::{SEGMENT_START, segment_path};
use crate::store::events::{EventReader, Segment, read_block};
use crate::store::frame::{self, FIXED_BYTES, Header};
use crate::store::rows::{signed, unsigned};
use crate::store::{Store, StoreError, sql};
use crate::wire::event_v1;

/// Entries of the audit log that are read at once.
const ENTRIES_MAX: i64 = 500;

/// A place in the event log: behind a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct LogPlace {
    /// The segment's number.
    pub segment: u64,
    /// The offset in it.
    pub offset: u64,
}

/// What lies behind a place.
#[derive(Debug, Default)]
pub struct Followed {
    /// The events of one commit; empty: there is nothing more.
    pub events: Vec<Event>,
    /// Behind them.
    pub next: LogPlace,
    /// Bytes of the log behind that.
    pub left: u64,
    /// The segment of the place is gone: events were deleted before they were read.
    pub gone: bool,
}

impl EventReader {
    /// The place behind everything that is durable.
    pub fn log_end(&self) -> LogPlace {
        let segments = self.segments.read();
        segments.last().map_or_else(LogPlace::default, |last| LogPlace {
            segment: last.number,
            offset: last.length,
        })
    }

    /// The events of the first commit behind a place. Copies of older ones are passed over, since they were handed on when they
    /// came, but for those up to segment `copies`: they were there before the reader began. Reads on the calling thread.
    ///
    /// # Errors
    /// A segment that cannot be read.
    pub fn follow(&self, place: LogPlace, copies: u64) -> Result<Followed, StoreError> {
        let segments = self.segments.read().clone();
        let known = segments.iter().any(|segment| segment.number == place.segment);
        let gone = place.segment > 0 && !known && !segments.is_empty();
        let mut found = Followed { next: place, gone, ..Followed::default() };
        let is_new = |one: &Segment| !one.copied || one.number <= copies;
        let segments: Vec<Segment> = segments.into_iter().filter(is_new).collect();
        for segment in segments.iter().filter(|segment| segment.number >= place.segment) {
            let offset = match segment.number == place.segment {
                true => place.offset.max(SEGMENT_START),
                false => SEGMENT_START,
            };
            if offset >= segment.length {
                continue;
            }
            let path = segment_path(&self.folder, segment.number);
            let io = |source| StoreError::io("read the event segment", &path, source);
            let file = File::open(&path).map_err(io)?;
            let header = read_header(&file, offset).map_err(io)?;
            for block in &header.blocks {
                let Some(raw) = read_block(&file, offset, block).map_err(io)? else {
                    tracing::warn!(path = %path.display(), offset, "a damaged block of events");
                    continue;
                };
                let lines = raw.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                found.events.extend(lines.filter_map(event_v1::read_line));
            }
            found.next = LogPlace { segment: segment.number, offset: offset + header.frame_bytes };
            break;
        }
        let behind = segments.iter().filter(|segment| segment.number >= found.next.segment);
        found.left = behind.fold(0, |left, segment| {
            let from = if segment.number == found.next.segment { found.next.offset } else { 0 };
            left + segment.length.saturating_sub(from)
        });
        Ok(found)
    }
}

fn read_header(file: &File, offset: u64) -> std::io::Result<Header> {
    let damaged = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    let mut bytes = vec![0; FIXED_BYTES];
    file.read_exact_at(&mut bytes, offset)?;
    if let Err(frame::Bad::Short(needed)) = frame::read_header(&bytes) {
        bytes.resize(usize::try_from(needed).map_err(|_| damaged())?.max(FIXED_BYTES), 0);
        file.read_exact_at(&mut bytes, offset)?;
    }
    frame::read_header(&bytes).map_err(|_| damaged())
}

/// Alerts that changed.
#[derive(Debug, Default)]
pub struct AlertsFollowed {
    /// Each once, in the order of the last change.
    pub alerts: Vec<AlertId>,
    /// The sequence of the last entry that was looked at.
    pub next: u64,
    /// Entries behind that.
    pub left: u64,
}

impl Store {
    /// The audit log's last sequence.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn audit_end(&self) -> Result<u64, StoreError> {
        let end: Option<i64> = sql::scalar("SELECT max(sequence) FROM audit")
            .fetch_one(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read the audit log", source))?;
        Ok(unsigned(end.unwrap_or(0)))
    }

    /// Alerts that entries of the audit log behind `after` are about.
    ///
    /// # Errors
    /// The database cannot be read.
    pub async fn alerts_after(&self, after: u64) -> Result<AlertsFollowed, StoreError> {
        let failed = |source| StoreError::sql("read the audit log", source);
        let rows = sql::query(
            "SELECT sequence, subject, subject_id FROM audit WHERE sequence > $1 ORDER BY sequence LIMIT $2",
        )
        .bind(signed(after))
        .bind(ENTRIES_MAX)
        .fetch_all(&self.readers)
        .await
        .map_err(failed)?;
        let mut found = AlertsFollowed { next: after, ..AlertsFollowed::default() };
        for row in &rows {
            found.next = unsigned(row.get("sequence"));
            let id = AlertId::parse(row.get::<String>("subject_id").as_str());
            if let Some(id) = id.filter(|_| row.get::<String>("subject") == "alert") {
                found.alerts.retain(|known| *known != id);
                found.alerts.push(id);
            }
        }
        found.left = self.audit_end().await?.saturating_sub(found.next);
        Ok(found)
    }

    /// Save positions of somebody who reads behind the commit. Small, and not a commit: waits for one that is under way.
    ///
    /// # Errors
    /// The database cannot be written.
    pub async fn save_positions(&self, positions: &[Position]) -> Result<(), StoreError> {
        let mut guard = self.hold().await?;
        let link = &mut guard.sql;
        sql::begin(link).await?;
        let outcome = async {
            for position in positions {
                sql::query(
                    "INSERT INTO positions (source, key, value) VALUES ($1, $2, $3)
                     ON CONFLICT (source, key) DO UPDATE SET value = excluded.value",
                )
                .bind(&*position.source)
                .bind(position.key.as_str())
                .bind(position.value.as_deref().unwrap_or_default())
                .execute(&mut *link)
                .await
                .map_err(|source| StoreError::sql("write positions", source))?;
            }
            Ok(())
        }
        .await;
        sql::end(link, outcome).await
    }
}
