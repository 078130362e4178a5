//! A part of a segment goes (what a tenant has of a kind), the rest stays: it is written to a segment of their own,
//! which then takes the place of the old one in one transaction. It keeps the age of the old one, and who hands events on
//! does not see it: they were handed on when they came.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use hashbrown::HashMap;

use crate::model::event::{Event, EventId};
use crate::model::retention::{SegmentGone, Share};
use crate::stdx::task;
use crate::stdx::time::Timestamp;
use crate::store::audit::{self, NewEntry};
use crate::store::event_log::{SEGMENT_MAGIC, SEGMENT_START, segment_path, sync_folder};
use crate::store::events::{Segment, read_block, walk_frames};
use crate::store::frame::{Frame, Packer};
use crate::store::recent::EvidenceRow;
use crate::store::retention::files::{kept_path, note_left, settle_files};
use crate::store::retention::parts::{Part, Sums, share_of, write_parts};
use crate::store::rows::{id_at, signed};
use crate::store::{By, Store, StoreError, Writer, folder, local, sql};
use crate::wire::event_v1;

/// What is written while nobody waits; it gets a number only when it takes a segment's place.
const DRAFT: &str = "draft.kept";

/// What goes of a segment, and what stays whoever's it is.
struct Sieve {
    segment: Segment,
    goes: BTreeSet<Share>,
    /// Events of open alerts.
    open: BTreeSet<EventId>,
    /// When the segment was written to last.
    written: SystemTime,
    now: Timestamp,
    level: i32,
}

/// What stays, in a file without a number.
struct Kept {
    path: PathBuf,
    length: u64,
    raw_bytes: u64,
    first: Timestamp,
    last: Timestamp,
    events: u64,
    /// Evidence of open alerts among them that would have gone.
    carried: u64,
    places: HashMap<EventId, EvidenceRow>,
    parts: Vec<Part>,
    /// Events of open alerts when it was begun.
    open: BTreeSet<EventId>,
}

impl Store {
    /// Take `row.only` out of a segment. `None`: it has changed meanwhile, and waits for the next time;
    /// otherwise how many events of open alerts were kept.
    pub(super) async fn sieve(
        &self,
        row: &SegmentGone,
        by: By<'_>,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        let known = self.events.segments().into_iter().find(|one| one.number == row.number);
        let Some(segment) = known else { return Ok(None) };
        let events = folder::events_folder(&self.dir);
        let source = segment_path(&events, segment.number);
        let written = std::fs::metadata(&source).and_then(|meta| meta.modified());
        let sieve = Sieve {
            segment,
            goes: row.only.iter().cloned().collect(),
            open: self.open_evidence(),
            written: written.map_err(|error| StoreError::io("look at", &source, error))?,
            now,
            level: self.config.compression_level,
        };
        folder::check_space(&events, self.config.free_bytes_min.saturating_add(segment.length))?;
        let work = move || {
            sieve.write(&events).inspect_err(|_| {
                let _ = std::fs::remove_file(events.join(DRAFT));
            })
        };
        let kept = task::blocking("sieve a segment", work).await;
        let kept = kept.map_err(|panic| StoreError::Invalid(panic.to_string()))??;
        let mut guard = self.hold().await?;
        let done = self.adopt(&mut guard, segment, &kept, row, by, now).await;
        if !matches!(done, Ok(Some(_))) {
            let _ = std::fs::remove_file(&kept.path);
        }
        done
    }

    /// What is kept takes the place of its segment.
    async fn adopt(
        &self,
        writer: &mut Writer,
        segment: Segment,
        kept: &Kept,
        row: &SegmentGone,
        by: By<'_>,
        now: Timestamp,
    ) -> Result<Option<u64>, StoreError> {
        let events = folder::events_folder(&self.dir);
        let number = writer.log.next_number();
        let mut named = self.evidence_rows_of(&mut writer.sql, segment.number).await?;
        let open = self.open_evidence();
        if self.lacks(&named, &open, kept).await? {
            return Ok(None);
        }
        // Also of what alerts name without that its place was known.
        named.extend(open);
        let places = named.iter().filter_map(|event| kept.places.get(event));
        let evidence: Vec<EvidenceRow> =
            places.map(|place| EvidenceRow { segment: number, ..*place }).collect();
        let waiting = kept_path(&events, number);
        std::fs::rename(&kept.path, &waiting)
            .and_then(|()| sync_folder(&events))
            .map_err(|error| StoreError::io("rename", &kept.path, error))?;
        let mut head = writer.head.clone();
        sql::begin(&mut writer.sql).await?;
        writer.unsure = true;
        let exchange = Exchange { segment, number, kept, evidence, row, by, now };
        let outcome = exchange.write(&mut writer.sql, &mut head).await;
        // A failed COMMIT may have reached the disk all the same: the books are read again before anything else is written,
        // and say then which of the two files is a segment.
        sql::end(&mut writer.sql, outcome).await?;
        writer.head = head;
        // From here on it is real; what fails now is made good when the books are read again. Who searches meanwhile finds
        // the one file or the other.
        let name = segment_path(&events, number);
        std::fs::rename(&waiting, &name).map_err(|error| StoreError::io("rename", &name, error))?;
        writer.log.go_behind(number);
        self.events.swap(
            segment.number,
            Segment {
                number,
                length: kept.length,
                events: kept.events,
                first: kept.first,
                last: kept.last,
                copied: true,
            },
        );
        writer.recent.forget(&[segment.number]);
        settle_files(&mut writer.sql, &events).await?;
        writer.unsure = false;
        Ok(Some(kept.carried))
    }

    /// Have alerts come to name something since the draft was begun that may lie in the segment and is not kept?
    async fn lacks(
        &self,
        named: &BTreeSet<EventId>,
        open: &BTreeSet<EventId>,
        kept: &Kept,
    ) -> Result<bool, StoreError> {
        let missing = open.iter().filter(|event| !kept.places.contains_key(*event));
        let fresh: Vec<EventId> =
            missing.filter(|event| !kept.open.contains(*event)).copied().collect();
        if fresh.iter().any(|event| named.contains(event)) {
            return Ok(true);
        }
        let placed = self.evidence_places(&fresh).await?;
        Ok(fresh.iter().any(|event| placed.iter().all(|place| place.event != *event)))
    }

    /// The events of a segment that alerts name.
    async fn evidence_rows_of(
        &self,
        link: &mut sql::Connection,
        segment: u64,
    ) -> Result<BTreeSet<EventId>, StoreError> {
        let rows = sql::query("SELECT event FROM evidence WHERE segment = $1")
            .bind(signed(segment))
            .fetch_all(link)
            .await
            .map_err(|source| StoreError::sql("read evidence places", source))?;
        Ok(rows.iter().map(|row| id_at(row, "event")).collect())
    }
}

/// One segment takes the place of another one.
struct Exchange<'a> {
    segment: Segment,
    number: u64,
    kept: &'a Kept,
    evidence: Vec<EvidenceRow>,
    row: &'a SegmentGone,
    by: By<'a>,
    now: Timestamp,
}

impl Exchange<'_> {
    /// The transaction: rows of the one go, those of the other come.
    async fn write(
        &self,
        link: &mut sql::Connection,
        head: &mut audit::ChainHead,
    ) -> Result<(), StoreError> {
        let Exchange { segment, number, kept, row, .. } = self;
        forget_segment(link, segment.number).await?;
        note_left(link, [segment.number]).await?;
        insert_copy(link, *number, kept).await?;
        local::write_evidence(link, &self.evidence).await?;
        write_parts(link, *number, &kept.parts).await?;
        let only: Vec<String> = row.only.iter().map(ToString::to_string).collect();
        let detail = serde_json::json!({
            "segment": segment.number, "kept_in": number, "only": only, "why": row.why,
            "events": segment.events.saturating_sub(kept.events), "events_kept": kept.events,
        })
        .to_string();
        let entry = NewEntry {
            at: self.now,
            actor: self.by.actor,
            place: self.by.place,
            subject: "store",
            subject_id: "retention",
            action: "removed",
            detail: &detail,
        };
        audit::append(link, head, entry).await
    }
}

/// Take a segment out of the books.
pub(super) async fn forget_segment(
    link: &mut sql::Connection,
    number: u64,
) -> Result<(), StoreError> {
    for text in [
        "DELETE FROM segments WHERE number = $1",
        "DELETE FROM evidence WHERE segment = $1",
        "DELETE FROM segment_parts WHERE segment = $1",
    ] {
        let query = sql::query(text).bind(signed(number));
        let done = query.execute(&mut *link).await;
        done.map_err(|source| StoreError::sql("remove what is old", source))?;
    }
    Ok(())
}

async fn insert_copy(
    link: &mut sql::Connection,
    number: u64,
    kept: &Kept,
) -> Result<(), StoreError> {
    sql::query(
        "INSERT INTO segments (number, length, events, raw_bytes, first_us, last_us, copied)
         VALUES ($1, $2, $3, $4, $5, $6, 1)",
    )
    .bind(signed(number))
    .bind(signed(kept.length))
    .bind(signed(kept.events))
    .bind(signed(kept.raw_bytes))
    .bind(kept.first.0)
    .bind(kept.last.0)
    .execute(link)
    .await
    .map_err(|source| StoreError::sql("record what is kept of a segment", source))?;
    Ok(())
}

impl Sieve {
    /// Write what stays to a draft that reaches the disk.
    fn write(self, events: &Path) -> Result<Kept, StoreError> {
        let path = events.join(DRAFT);
        let source = segment_path(events, self.segment.number);
        let failed = |error| StoreError::io("sieve the event segment", &source, error);
        // Not into a file that a call which was abandoned may still be writing to.
        let _ = std::fs::remove_file(&path);
        let mut draft = File::options();
        draft.write(true).create_new(true).mode(0o600);
        let mut draft = draft.open(&path).map_err(failed)?;
        let mut kept = Kept {
            path,
            length: SEGMENT_START,
            raw_bytes: 0,
            first: Timestamp(i64::MAX),
            last: Timestamp(i64::MIN),
            events: 0,
            carried: 0,
            places: HashMap::new(),
            parts: Vec::new(),
            open: BTreeSet::new(),
        };
        let mut sums = Sums::of(self.written.into());
        let mut packer = Packer::new(self.level).map_err(failed)?;
        draft.write_all(&SEGMENT_MAGIC).map_err(failed)?;
        let file = File::open(&source).map_err(failed)?;
        let frames = walk_frames(&source, SEGMENT_START, self.segment.length, u64::MAX);
        for (offset, header) in frames.map_err(failed)? {
            let mut stay = Vec::new();
            for block in &header.blocks {
                let damaged = || std::io::Error::from(std::io::ErrorKind::InvalidData);
                let raw = read_block(&file, offset, block).map_err(failed)?;
                let raw = raw.ok_or_else(|| failed(damaged()))?;
                for line in raw.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    let event = event_v1::read_flat(line).ok_or_else(|| failed(damaged()))?;
                    if self.stays(&event, line.len(), &mut sums, &mut kept.carried) {
                        stay.push(event);
                    }
                }
            }
            if !stay.is_empty() {
                let frame = packer.pack(&stay).map_err(failed)?;
                draft.write_all(&frame.bytes).map_err(failed)?;
                kept.add(&frame);
            }
        }
        draft.set_modified(self.written).and_then(|()| draft.sync_all()).map_err(failed)?;
        kept.parts = sums.parts(kept.length);
        kept.open = self.open;
        Ok(kept)
    }

    fn stays(&self, event: &Event, bytes: usize, sums: &mut Sums, carried: &mut u64) -> bool {
        let share = share_of(event);
        if !self.goes.contains(&share) {
            sums.add(share, event, bytes);
            return true;
        }
        let named = self.open.contains(&event.id);
        if named {
            // Its time begins anew, or it would be due again at once.
            sums.put(share, bytes, self.now);
            *carried += 1;
        }
        named
    }
}

impl Kept {
    fn add(&mut self, frame: &Frame) {
        for (event, place) in &frame.places {
            let Some(block) = frame.header.blocks.get(place.block as usize) else { continue };
            let place = EvidenceRow {
                event: *event,
                // Not known before it takes a segment's place.
                segment: 0,
                block_offset: self.length + block.offset,
                block_bytes: block.bytes,
                raw_bytes: block.raw,
                place: *place,
            };
            self.places.insert(*event, place);
        }
        self.length += frame.bytes.len() as u64;
        self.raw_bytes += frame.raw_bytes;
        self.events += u64::from(frame.header.count);
        self.first = self.first.min(frame.header.first);
        self.last = self.last.max(frame.header.last);
    }
}
