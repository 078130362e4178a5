//! A part of a segment goes (what a tenant has of a kind), the rest stays: it is written to a segment of their own,
//! which then takes the place of the old one in one transaction. It keeps the age of the old one, and who hands events on
//! does not see it: they were handed on when they came.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use hashbrown::HashMap;

use crate::model::event::{Event, EventId};
use crate::model::retention::{SegmentGone, Share};
use crate::stdx::task;
use crate::stdx::time::Timestamp;
use crate::store::audit::{self, ChainHead, NewEntry};
use crate::store::event_log::{SEGMENT_MAGIC, SEGMENT_START, segment_path, sync_folder};
use crate::store::events::{Segment, read_block, walk_frames};
use crate::store::frame::{Frame, Packer};
use crate::store::recent::EvidenceRow;
use crate::store::retention::evidence::{Named, can_lie_in};
use crate::store::retention::files::{kept_path, note_left, remove_or_say};
use crate::store::retention::parts::{Part, Sums, share_of, write_parts};
use crate::store::rows::{id_at, signed};
use crate::store::{By, Store, StoreError, Writer, folder, local, sql};
use crate::wire::event_v1;

/// Each draft has a name of its own: a call that was abandoned may still be writing to its.
static DRAFTS: AtomicU64 = AtomicU64::new(0);

/// What goes of a segment, and what stays whoever's it is.
struct Sieve {
    segment: Segment,
    goes: BTreeSet<Share>,
    /// What open alerts name.
    open: Named,
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
    /// What open alerts named when it was begun.
    open: Named,
}

/// What went of a segment.
pub(super) struct Sieved {
    /// Events of open alerts that were due, and stay.
    pub carried: u64,
    /// Events that were due, those among them.
    pub events: u64,
    /// Bytes that went.
    pub bytes: u64,
}

impl Store {
    /// Take `row.only` out of a segment. `None`: it has changed meanwhile, or alerts came to name something in it, and it
    /// waits for the next time.
    pub(super) async fn sieve(
        &self,
        row: &SegmentGone,
        by: By<'_>,
        now: Timestamp,
    ) -> Result<Option<Sieved>, StoreError> {
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
        // It gets a number only when it takes the segment's place.
        let draft = format!("draft-{}.kept", DRAFTS.fetch_add(1, Ordering::Relaxed));
        let draft = events.join(draft);
        let work = move || sieve.write(&events, &draft);
        let kept = task::blocking("sieve a segment", work).await;
        let kept = kept.map_err(|panic| StoreError::Invalid(panic.to_string()))??;
        let mut guard = self.hold().await?;
        match self.adopt(&mut guard, segment, &kept, row, by, now).await {
            Err(StoreError::Conflict) => Ok(None),
            done => done.map(Some),
        }
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
    ) -> Result<Sieved, StoreError> {
        let events = folder::events_folder(&self.dir);
        let number = writer.log.next_number();
        let waiting = kept_path(&events, number);
        std::fs::rename(&kept.path, &waiting)
            .and_then(|()| sync_folder(&events))
            .map_err(|error| StoreError::io("rename", &kept.path, error))?;
        if let Err(error) = sql::begin(&mut writer.sql).await {
            let _ = std::fs::remove_file(&waiting);
            return Err(error);
        }
        writer.unsure = true;
        let exchange = Exchange { segment, number, kept, row, by, now };
        let outcome = self.exchange(writer, exchange).await;
        let is_named = matches!(outcome, Err(StoreError::Conflict));
        // A failed COMMIT may have reached the disk all the same: the books are read again before anything else is written,
        // and say then which of the two files is a segment.
        let ended = sql::end(&mut writer.sql, outcome).await;
        if is_named {
            let _ = std::fs::remove_file(&waiting);
            self.settled(writer, false);
        }
        let (head, change) = ended?;
        writer.head = head;
        self.shared_until(writer, change);
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
        writer.unsure = false;
        remove_or_say(&mut writer.sql, &events).await;
        Ok(Sieved {
            carried: kept.carried,
            events: segment.events.saturating_sub(kept.events) + kept.carried,
            bytes: segment.length.saturating_sub(kept.length),
        })
    }

    /// The transaction. [`StoreError::Conflict`]: alerts came to name something that may lie in the segment and is not kept.
    async fn exchange(
        &self,
        writer: &mut Writer,
        exchange: Exchange<'_>,
    ) -> Result<(ChainHead, i64), StoreError> {
        let Exchange { segment, number, kept, .. } = exchange;
        // What other nodes did comes first.
        let change = self.share(writer).await?;
        let mut named = self.evidence_rows_of(&mut writer.sql, segment.number).await?;
        let open = self.open_evidence();
        if self.lacks(&named, &open, kept, &segment).await? {
            return Err(StoreError::Conflict);
        }
        // Also of what alerts name without that its place was known.
        named.extend(open.into_keys());
        let places = named.iter().filter_map(|event| kept.places.get(event));
        let evidence: Vec<EvidenceRow> =
            places.map(|place| EvidenceRow { segment: number, ..*place }).collect();
        let mut head = writer.head.clone();
        exchange.write(&mut writer.sql, &evidence, &mut head).await?;
        Ok((head, change))
    }

    /// Have alerts come to name something since the draft was begun that may lie in the segment and is not kept?
    async fn lacks(
        &self,
        named: &BTreeSet<EventId>,
        open: &Named,
        kept: &Kept,
        segment: &Segment,
    ) -> Result<bool, StoreError> {
        let missing = open.iter().filter(|(event, _)| !kept.places.contains_key(*event));
        let fresh: Vec<_> = missing.filter(|(event, _)| !kept.open.contains_key(*event)).collect();
        if fresh.iter().any(|(event, _)| named.contains(*event)) {
            return Ok(true);
        }
        // Of the others it only matters where they are if they can be here.
        let near = fresh.into_iter().filter(|(_, time)| can_lie_in(**time, segment));
        let near: Vec<EventId> = near.map(|(event, _)| *event).collect();
        let placed = self.places_of(near.iter().copied()).await?;
        Ok(near.iter().any(|event| !placed.contains_key(event)))
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
    row: &'a SegmentGone,
    by: By<'a>,
    now: Timestamp,
}

impl Exchange<'_> {
    /// The transaction: rows of the one go, those of the other come.
    async fn write(
        &self,
        link: &mut sql::Connection,
        evidence: &[EvidenceRow],
        head: &mut ChainHead,
    ) -> Result<(), StoreError> {
        let Exchange { segment, number, kept, row, .. } = self;
        forget_segment(link, segment.number).await?;
        note_left(link, [segment.number]).await?;
        insert_copy(link, *number, kept).await?;
        local::write_evidence(link, evidence).await?;
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
    fn write(self, events: &Path, path: &Path) -> Result<Kept, StoreError> {
        let source = segment_path(events, self.segment.number);
        let failed = |error| StoreError::io("sieve the event segment", &source, error);
        let mut draft = File::options();
        draft.write(true).create_new(true).mode(0o600);
        let mut draft = draft.open(path).map_err(failed)?;
        let mut kept = Kept {
            path: path.to_owned(),
            length: SEGMENT_START,
            raw_bytes: 0,
            first: Timestamp(i64::MAX),
            last: Timestamp(i64::MIN),
            events: 0,
            carried: 0,
            places: HashMap::new(),
            parts: Vec::new(),
            open: Named::new(),
        };
        let mut sums = Sums::of(self.written.into(), self.now);
        let mut packer = Packer::new(self.level).map_err(failed)?;
        draft.write_all(&SEGMENT_MAGIC).map_err(failed)?;
        let file = File::open(&source).map_err(failed)?;
        let frames = walk_frames(&file, SEGMENT_START, self.segment.length, u64::MAX);
        for (offset, header) in frames.map_err(failed)? {
            let mut stay = Vec::new();
            for block in &header.blocks {
                let damaged = || std::io::Error::from(std::io::ErrorKind::InvalidData);
                let raw = read_block(&file, offset, block).map_err(failed)?;
                let raw = raw.ok_or_else(|| failed(damaged()))?;
                for line in raw.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                    let event = event_v1::read_line(line).ok_or_else(|| failed(damaged()))?;
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
        let named = self.open.contains_key(&event.id);
        if named {
            // Its time begins anew, or it would be due again at once.
            sums.put(share, bytes, self.now);
            *carried += 1;
        }
        named
    }
}

impl Drop for Kept {
    /// A draft that got no number is nobody's, whoever gave it up.
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
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
