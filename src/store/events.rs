//! Reading the event log: by scan, with whole frames skipped by time and host, and by place for the
//! evidence of an alert. Works beside the writer: it reads only what the books call durable.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, ErrorKind, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hashbrown::HashMap;
use parking_lot::RwLock;

use crate::model::event::{Event, EventId};
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;
use crate::store::StoreError;
use crate::store::event_log::{Appended, SEGMENT_START, segment_path};
use crate::store::frame::{self, Block, FIXED_BYTES, Frame, Header};
use crate::store::index::{Cursor, EventIndex, IndexStatus};
use crate::store::recent::EvidenceRow;
use crate::wire::event_v1;

/// Bytes read ahead while headers are walked.
const WINDOW_BYTES: usize = 64 << 10;
/// Most headers are shorter.
const HEADER_GUESS_BYTES: usize = 4 << 10;

/// What to look for. Times and hosts skip whole frames; `matches` decides.
#[derive(Clone, Debug, Default)]
pub struct EventScan {
    /// Not before this event time.
    pub from: Option<Timestamp>,
    /// Not after this event time.
    pub to: Option<Timestamp>,
    /// Only this endpoint (lower case), if the question names one.
    pub host: Option<String>,
    /// At most this many, the newest.
    pub limit: usize,
}

impl EventScan {
    /// One endpoint, so many minutes before and after a moment.
    pub(crate) fn around(host: &str, at: Timestamp, minutes: u32, limit: usize) -> EventScan {
        let reach = i64::from(minutes) * 60_000_000;
        EventScan {
            from: Some(at.plus_micros(-reach)),
            to: Some(at.plus_micros(reach)),
            host: Some(host.to_owned()),
            limit,
        }
    }
}

/// What a search found and what it looked at.
#[derive(Clone, Debug, Default)]
pub struct Found {
    /// Newest first.
    pub events: Vec<Event>,
    /// Events that were read and judged.
    pub judged: u64,
    /// Blocks that could not be read; logged, and worth a `doctor`.
    pub blocks_damaged: u64,
}

/// What the books say of a segment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment {
    pub number: u64,
    pub length: u64,
    pub events: u64,
    pub first: Timestamp,
    pub last: Timestamp,
    /// It holds again what was kept of one that went.
    pub copied: bool,
}

/// Reads events. Cheap to clone, and every method may be called from any thread.
#[derive(Clone, Debug)]
pub struct EventReader {
    pub(super) folder: Arc<PathBuf>,
    /// Written by the commit only, for the blink of a copy; read at the start of a search.
    pub(super) segments: Arc<RwLock<Vec<Segment>>>,
    /// Knows where to look; `None`: everything is scanned.
    index: Option<Arc<EventIndex>>,
}

impl EventReader {
    pub(crate) fn new(folder: PathBuf, mut segments: Vec<Segment>) -> EventReader {
        segments.sort_unstable_by_key(|segment| segment.number);
        let segments = Arc::new(RwLock::new(segments));
        EventReader { folder: Arc::new(folder), segments, index: None }
    }

    /// With an index behind it.
    pub(crate) fn with_index(mut self, index: EventIndex) -> EventReader {
        self.index = Some(Arc::new(index));
        self
    }

    /// The index, if there is one.
    pub(crate) fn index(&self) -> Option<Arc<EventIndex>> {
        self.index.clone()
    }

    /// Where the segments are.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// What the books say, for tests.
    #[cfg(test)]
    pub(crate) fn books(&self) -> Vec<Segment> {
        self.segments.read().clone()
    }

    /// Durable segments from this one on, ascending: number and length.
    pub(crate) fn segments_from(&self, number: u64) -> Vec<(u64, u64)> {
        let segments = self.segments.read();
        let wanted = segments.iter().filter(|segment| segment.number >= number);
        wanted.map(|segment| (segment.number, segment.length)).collect()
    }

    /// The durable length of a segment.
    pub(crate) fn durable_length(&self, number: u64) -> Option<u64> {
        let segments = self.segments.read();
        segments.iter().find(|segment| segment.number == number).map(|segment| segment.length)
    }

    /// The first segment that is still there.
    pub(crate) fn oldest_segment(&self) -> Option<u64> {
        self.segments.read().first().map(|segment| segment.number)
    }

    /// Event time of the oldest event that is still there.
    pub(crate) fn oldest_event(&self) -> Option<Timestamp> {
        self.segments.read().iter().map(|segment| segment.first).min()
    }

    /// How many events lie behind a point of the log.
    pub(crate) fn events_after(&self, cursor: Cursor) -> u64 {
        let segments = self.segments.read().clone();
        let later = segments.iter().filter(|segment| segment.number > cursor.segment);
        let later: u64 = later.map(|segment| segment.events).sum();
        let here = segments.iter().find(|segment| segment.number == cursor.segment);
        let Some(here) = here.filter(|segment| segment.length > cursor.offset) else {
            return later;
        };
        let file = File::open(segment_path(&self.folder, here.number));
        let frames = file.and_then(|file| walk_frames(&file, cursor.offset, here.length, u64::MAX));
        let frames = frames.unwrap_or_default();
        later + frames.iter().map(|(_, header)| u64::from(header.count)).sum::<u64>()
    }

    /// How fresh the index is.
    pub fn index_status(&self) -> Option<IndexStatus> {
        let index = self.index.as_ref()?;
        let cursor = index.snapshot().map_or(Cursor::START, |known| known.cursor);
        Some(index.status(self.events_after(cursor)))
    }

    /// The books were read again.
    pub(crate) fn replace(&self, mut segments: Vec<Segment>) {
        segments.sort_unstable_by_key(|segment| segment.number);
        *self.segments.write() = segments;
    }

    /// What the books say of every segment.
    pub(crate) fn segments(&self) -> Vec<Segment> {
        self.segments.read().clone()
    }

    /// Segments are gone.
    pub(crate) fn forget(&self, numbers: &[u64]) {
        self.segments.write().retain(|segment| !numbers.contains(&segment.number));
    }

    /// What is kept of a segment took its place.
    pub(crate) fn swap(&self, gone: u64, kept: Segment) {
        let mut segments = self.segments.write();
        segments.retain(|segment| segment.number != gone);
        segments.push(kept);
    }

    /// A frame became durable.
    pub(crate) fn confirm(&self, frame: &Frame, at: Appended) {
        let mut segments = self.segments.write();
        let (first, last) = (frame.header.first, frame.header.last);
        let count = u64::from(frame.header.count);
        if let Some(segment) = segments.iter_mut().rev().find(|known| known.number == at.segment) {
            segment.length = at.end;
            segment.events += count;
            segment.first = segment.first.min(first);
            segment.last = segment.last.max(last);
            return;
        }
        let (number, length, copied) = (at.segment, at.end, false);
        segments.push(Segment { number, length, events: count, first, last, copied });
    }

    /// Events stored, and bytes of the segments on disk.
    pub fn totals(&self) -> (u64, u64) {
        let segments = self.segments.read();
        segments.iter().fold((0, 0), |(events, bytes), segment| {
            (events + segment.events, bytes + segment.length)
        })
    }

    /// The newest events that match, newest first. Reads and judges on the calling thread.
    pub fn search(
        &self,
        scan: &EventScan,
        matches: &(dyn Fn(&Event) -> bool + Sync),
    ) -> Result<Found, StoreError> {
        let mut newest = Newest::new(scan.limit);
        let mut found = Found::default();
        self.scan(scan, Cursor::START, matches, &mut newest, &mut found)?;
        found.events = newest.into_events();
        Ok(found)
    }

    /// Judge everything behind a point of the log that may be among the newest.
    pub(crate) fn scan(
        &self,
        scan: &EventScan,
        from: Cursor,
        matches: &(dyn Fn(&Event) -> bool + Sync),
        newest: &mut Newest,
        found: &mut Found,
    ) -> Result<(), StoreError> {
        let mut from = from;
        loop {
            let mut segments = self.segments.read().clone();
            segments.retain(|segment| segment.number >= from.segment);
            let end = segments.iter().max_by_key(|one| one.number).copied();
            let all_there = self.scan_these(segments, scan, from, matches, newest, found)?;
            // What a retention that ran meanwhile kept of a segment stands behind all that was there.
            let Some(end) = end else { return Ok(()) };
            if all_there && !self.has_copies_from(end.number + 1) {
                return Ok(());
            }
            from = Cursor { segment: end.number, offset: end.length };
        }
    }

    /// Are there copies with this number or a higher one?
    pub(crate) fn has_copies_from(&self, number: u64) -> bool {
        self.segments.read().iter().any(|one| one.copied && one.number >= number)
    }

    /// `false`: some of these are gone.
    fn scan_these(
        &self,
        mut segments: Vec<Segment>,
        scan: &EventScan,
        from: Cursor,
        matches: &(dyn Fn(&Event) -> bool + Sync),
        newest: &mut Newest,
        found: &mut Found,
    ) -> Result<bool, StoreError> {
        let mut all_there = true;
        segments.sort_unstable_by_key(|segment| std::cmp::Reverse((segment.last, segment.number)));
        for segment in segments {
            if !overlaps(scan, segment.first, segment.last) || !newest.wants(segment.last) {
                continue;
            }
            let start = if segment.number == from.segment { from.offset } else { SEGMENT_START };
            let path = segment_path(&self.folder, segment.number);
            let io = |source| StoreError::io("read the event segment", &path, source);
            let file = match File::open(&path) {
                // Retention took it away meanwhile. A file that is open can be read to its end.
                Err(_) if !self.segments().iter().any(|one| one.number == segment.number) => {
                    all_there = false;
                    continue;
                }
                file => file.map_err(io)?,
            };
            let mut frames = walk_frames(&file, start, segment.length, u64::MAX).map_err(io)?;
            frames.retain(|(_, header)| wanted(scan, header));
            frames.sort_by_key(|(_, header)| std::cmp::Reverse(header.last));
            for (offset, header) in frames {
                if !newest.wants(header.last) {
                    break;
                }
                for block in header.blocks.iter().rev() {
                    let Some(raw) = read_block(&file, offset, block).map_err(io)? else {
                        tracing::warn!(path = %path.display(), offset, "a damaged block of events");
                        found.blocks_damaged += 1;
                        continue;
                    };
                    found.judged += u64::from(block.count);
                    judge(&raw, scan, matches, newest);
                }
            }
        }
        Ok(all_there)
    }

    /// The events of one endpoint within `minutes` before and after `at`, oldest first.
    pub fn around(
        &self,
        host: &str,
        at: Timestamp,
        minutes: u32,
        limit: usize,
    ) -> Result<Found, StoreError> {
        let scan = EventScan::around(host, at, minutes, limit);
        let mut found = self.search(&scan, &|_| true)?;
        found.events.reverse();
        Ok(found)
    }

    /// Events by their known places; what cannot be read is left out.
    pub(crate) fn by_place(&self, rows: &[EvidenceRow]) -> ByPlace {
        let mut blocks: BTreeMap<(u64, u64), Vec<&EvidenceRow>> = BTreeMap::new();
        for row in rows {
            blocks.entry((row.segment, row.block_offset)).or_default().push(row);
        }
        let mut found = ByPlace::default();
        let mut open: Option<(u64, File)> = None;
        for ((segment, offset), rows) in blocks {
            let Some(first) = rows.first() else { continue };
            if open.as_ref().is_none_or(|(number, _)| *number != segment) {
                open = found.or_note(segment, File::open(segment_path(&self.folder, segment)));
            }
            let packed =
                open.as_ref().map(|(_, file)| read_packed(file, offset, first.block_bytes));
            let packed = packed.and_then(|packed| found.or_note(segment, packed));
            let raw = packed.and_then(|(_, raw)| frame::unpack(&raw, first.raw_bytes, None));
            let Some(raw) = raw else { continue };
            for row in rows {
                let start = row.place.start as usize;
                let line = raw.get(start..start + row.place.length as usize).unwrap_or_default();
                // The place may be stale (a restored database): the id must agree.
                if let Some(event) = event_v1::read_line(line).filter(|e| e.id == row.event) {
                    found.events.insert(row.event, event);
                }
            }
        }
        found
    }
}

/// Events that were found by their places.
#[derive(Default)]
pub(crate) struct ByPlace {
    pub events: HashMap<EventId, Event>,
    /// Segments that cannot be read now, and perhaps later: damage and files that are gone are for good.
    pub unread: Vec<u64>,
}

impl ByPlace {
    fn or_note<T>(&mut self, segment: u64, read: std::io::Result<T>) -> Option<(u64, T)> {
        let read = read.inspect_err(|error| {
            if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) {
                self.unread.push(segment);
            }
        });
        read.ok().map(|read| (segment, read))
    }
}

/// The newest events so far; an event met twice (redelivered) stands once.
pub(crate) struct Newest {
    limit: usize,
    events: BTreeMap<(Timestamp, Id128), Event>,
}

impl Newest {
    pub(crate) fn new(limit: usize) -> Newest {
        Newest { limit, events: BTreeMap::new() }
    }

    /// Newest first.
    pub(crate) fn into_events(self) -> Vec<Event> {
        self.events.into_values().rev().collect()
    }

    pub(crate) fn wants(&self, at: Timestamp) -> bool {
        self.events.len() < self.limit
            || self.events.first_key_value().is_some_and(|(key, _)| at >= key.0)
    }

    pub(crate) fn add(&mut self, event: Event) {
        self.events.insert((event.timestamp, event.id), event);
        if self.events.len() > self.limit {
            self.events.pop_first();
        }
    }
}

pub(crate) fn overlaps(scan: &EventScan, first: Timestamp, last: Timestamp) -> bool {
    scan.from.is_none_or(|from| last >= from) && scan.to.is_none_or(|to| first <= to)
}

fn wanted(scan: &EventScan, header: &Header) -> bool {
    let host_there = match (&scan.host, &header.hosts) {
        (Some(host), Some(hosts)) => {
            hosts.binary_search_by(|known| known.as_str().cmp(frame::cut(host))).is_ok()
        }
        _ => true,
    };
    host_there && overlaps(scan, header.first, header.last)
}

/// Offsets and headers of the frames from an offset on, until so many events are in them.
pub(crate) fn walk_frames(
    file: &File,
    start: u64,
    length: u64,
    events_max: u64,
) -> std::io::Result<Vec<(u64, Header)>> {
    let mut frames = Vec::new();
    walk(file, start, length, events_max, &mut frames).map(|()| frames)
}

/// The same; what comes before damage is told too.
pub(crate) fn walk(
    file: &File,
    start: u64,
    length: u64,
    events_max: u64,
    frames: &mut Vec<(u64, Header)>,
) -> std::io::Result<()> {
    let mut input = BufReader::with_capacity(WINDOW_BYTES, file);
    input.seek(SeekFrom::Start(start))?;
    let mut offset = start;
    let mut bytes = Vec::new();
    let mut events = 0;
    while offset < length && events < events_max {
        let damaged = || std::io::Error::from(std::io::ErrorKind::InvalidData);
        bytes.resize(FIXED_BYTES, 0);
        input.read_exact(&mut bytes)?;
        let variable = match frame::read_header(&bytes) {
            Err(frame::Bad::Short(needed)) if needed > FIXED_BYTES as u64 => needed,
            Ok(_) => FIXED_BYTES as u64,
            Err(_) => return Err(damaged()),
        };
        bytes.resize(usize::try_from(variable).map_err(|_| damaged())?, 0);
        input.read_exact(bytes.get_mut(FIXED_BYTES..).unwrap_or_default())?;
        let header = frame::read_header(&bytes).map_err(|_| damaged())?;
        let body = header.frame_bytes.saturating_sub(bytes.len() as u64);
        let next = offset + header.frame_bytes;
        events += u64::from(header.count);
        frames.push((offset, header));
        input.seek_relative(i64::try_from(body).map_err(|_| damaged())?)?;
        offset = next;
    }
    Ok(())
}

/// The header of the frame at an offset.
pub(crate) fn header_at(file: &File, offset: u64) -> std::io::Result<Header> {
    let damaged = || std::io::Error::from(std::io::ErrorKind::InvalidData);
    let mut bytes = vec![0; HEADER_GUESS_BYTES];
    let mut have = file.read_at(&mut bytes, offset)?;
    loop {
        match frame::read_header(bytes.get(..have).unwrap_or_default()) {
            Ok(header) => return Ok(header),
            Err(frame::Bad::Short(needed)) if needed > have as u64 => {
                bytes.resize(usize::try_from(needed).map_err(|_| damaged())?, 0);
                file.read_exact_at(&mut bytes, offset)?;
                have = bytes.len();
            }
            Err(_) => return Err(damaged()),
        }
    }
}

pub(crate) fn read_block(
    file: &File,
    frame_at: u64,
    block: &Block,
) -> std::io::Result<Option<Vec<u8>>> {
    let packed = read_packed(file, frame_at + block.offset, block.bytes)?;
    Ok(frame::unpack(&packed, block.raw, Some(block.crc)))
}

fn read_packed(file: &File, offset: u64, bytes: u32) -> std::io::Result<Vec<u8>> {
    let mut packed = vec![0; bytes as usize];
    file.read_exact_at(&mut packed, offset)?;
    Ok(packed)
}

fn judge(
    raw: &[u8],
    scan: &EventScan,
    matches: &(dyn Fn(&Event) -> bool + Sync),
    newest: &mut Newest,
) {
    for line in raw.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let Some(event) = event_v1::read_line(line) else { continue };
        let at = event.timestamp;
        let host_fits = scan.host.as_ref().is_none_or(|host| event.host() == host);
        if host_fits && overlaps(scan, at, at) && newest.wants(at) && matches(&event) {
            newest.add(event);
        }
    }
}
