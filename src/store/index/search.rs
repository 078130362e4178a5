//! A search with the index: what it covers is looked up, the rest of the log is scanned, and every event found is asked
//! by the filter itself. So the answer is that of a scan of everything.

use std::collections::BTreeMap;
use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};

use tantivy::TantivyError;

use crate::model::event::Event;
use crate::model::query::{EventFilter, Need};
use crate::stdx::task::panic_text;
use crate::stdx::time::Timestamp;
use crate::store::StoreError;
use crate::store::event_log::segment_path;
use crate::store::events::{
    EventReader, EventScan, Found, Newest, header_at, overlaps, read_block,
};
use crate::store::index::ask;
use crate::store::index::follow::place;
use crate::store::index::partition::{AT, FRAME, ROW};
use crate::store::index::{Cursor, Day, Snapshot};
use crate::wire::event_v1;

/// Candidates that are read together at least.
const CANDIDATES_MIN: usize = 64;
/// And at most: a larger page is read in several turns.
const CANDIDATES_MAX: usize = 4_096;

/// A row that may match: its time, the part of the index, the row in it.
type Candidate = (i64, u32, u32);

impl EventReader {
    /// The newest events that the filter lets through, newest first.
    pub fn find(
        &self,
        scan: &EventScan,
        filter: &EventFilter,
        now: Timestamp,
    ) -> Result<Found, StoreError> {
        let matches = |event: &Event| filter.matches(event, now);
        let need = filter.needs(now);
        let Some(index) = self.index().filter(|_| ask::helps(&need)) else {
            return self.search(scan, &matches);
        };
        // What the snapshot does not cover was durable before it, or comes in the scan.
        let Some(snapshot) = index.snapshot() else { return self.search(scan, &matches) };
        let mut newest = Newest::new(scan.limit);
        let mut found = Found::default();
        let end = self.log_end();
        self.scan(scan, snapshot.cursor, &matches, &mut newest, &mut found)?;
        let mut asked = Asked { reader: self, scan, matches: &matches, newest, found, gone: false };
        // Damage may show itself as anything.
        let looked = catch_unwind(AssertUnwindSafe(|| asked.look(&snapshot, &need)));
        let problem = match looked {
            Ok(Ok(())) => {
                let Asked { mut newest, mut found, gone, .. } = asked;
                if gone || self.has_copies_from(end.segment + 1) {
                    // The rows of what was moved or carried on meanwhile led nowhere.
                    let from = Cursor { segment: end.segment, offset: end.offset };
                    self.scan(scan, from, &matches, &mut newest, &mut found)?;
                }
                found.events = newest.into_events();
                return Ok(found);
            }
            Ok(Err(Wrong::Log(error))) => return Err(error),
            Ok(Err(Wrong::Index(error))) => error.to_string(),
            Err(panic) => panic_text(&*panic),
        };
        index.report_damage(&problem);
        self.search(scan, &matches)
    }
}

enum Wrong {
    Index(TantivyError),
    Log(StoreError),
}

impl From<TantivyError> for Wrong {
    fn from(error: TantivyError) -> Wrong {
        Wrong::Index(error)
    }
}

struct Asked<'a> {
    reader: &'a EventReader,
    scan: &'a EventScan,
    matches: &'a (dyn Fn(&Event) -> bool + Sync),
    newest: Newest,
    found: Found,
    /// Rows led to segments that are gone.
    gone: bool,
}

impl Asked<'_> {
    fn look(&mut self, snapshot: &Snapshot, need: &Need) -> Result<(), Wrong> {
        for day in &snapshot.days {
            if overlaps(self.scan, day.first, day.last) && self.newest.wants(day.last) {
                self.look_in(snapshot, day, need)?;
            }
        }
        Ok(())
    }

    /// The day's candidates, the newest first, until nothing newer can come.
    fn look_in(&mut self, snapshot: &Snapshot, day: &Day, need: &Need) -> Result<(), Wrong> {
        let mut parts = Vec::new();
        for part in day.searcher.segment_readers() {
            let rows = ask::rows(need, part, snapshot.fields)?;
            parts.push((part.fast_fields().i64(AT)?, part.max_doc(), rows));
        }
        let mut before: Option<Candidate> = None;
        loop {
            let wanted = self.scan.limit.clamp(CANDIDATES_MIN, CANDIDATES_MAX);
            let mut best = Best { wanted, kept: Vec::new(), floor: None };
            for (number, (at, count, rows)) in parts.iter().enumerate() {
                let number = u32::try_from(number).unwrap_or(u32::MAX);
                let mut take = |row: u32| {
                    let time = at.first(row).unwrap_or_default();
                    let candidate = (time, number, row);
                    let time = Timestamp(time);
                    if before.is_none_or(|before| candidate < before)
                        && overlaps(self.scan, time, time)
                    {
                        best.put(candidate);
                    }
                };
                match rows {
                    Some(rows) => rows.iter().for_each(&mut take),
                    None => (0..*count).for_each(&mut take),
                }
            }
            let candidates = best.finish();
            let Some((newest, last)) = candidates.first().copied().zip(candidates.last().copied())
            else {
                return Ok(());
            };
            if !self.newest.wants(Timestamp(newest.0)) {
                return Ok(());
            }
            self.read(day, &candidates)?;
            if candidates.len() < wanted {
                return Ok(());
            }
            before = Some(last);
        }
    }

    fn read(&mut self, day: &Day, candidates: &[Candidate]) -> Result<(), Wrong> {
        let mut frames: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
        for (_, number, row) in candidates {
            let part = day.searcher.segment_reader(*number);
            let frame = part.fast_fields().u64(FRAME)?.first(*row).unwrap_or_default();
            let row = part.fast_fields().u64(ROW)?.first(*row).unwrap_or_default();
            frames.entry(frame).or_default().push(row);
        }
        let mut open: Option<(u64, Option<File>)> = None;
        for (frame, mut rows) in frames {
            let (segment, offset) = place(frame);
            // Retention took the segment, or the books were set back.
            let known = self.reader.durable_length(segment).is_some_and(|length| offset < length);
            if !known {
                self.gone = true;
                continue;
            }
            if open.as_ref().is_none_or(|(number, _)| *number != segment) {
                open =
                    Some((segment, File::open(segment_path(self.reader.folder(), segment)).ok()));
            }
            let Some((_, Some(file))) = &open else {
                self.gone = true;
                continue;
            };
            rows.sort_unstable();
            self.read_rows(file, segment, offset, &rows)?;
        }
        Ok(())
    }

    /// Ask the events in these rows of a frame.
    fn read_rows(
        &mut self,
        file: &File,
        segment: u64,
        offset: u64,
        rows: &[u64],
    ) -> Result<(), Wrong> {
        let io = |source| {
            let path = segment_path(self.reader.folder(), segment);
            Wrong::Log(StoreError::io("read events from", &path, source))
        };
        let header = header_at(file, offset).map_err(io)?;
        let mut first = 0_u64;
        let mut rows = rows.iter().copied().peekable();
        for block in &header.blocks {
            let end = first + u64::from(block.count);
            if rows.peek().is_some_and(|row| *row < end) {
                let raw = read_block(file, offset, block).map_err(io)?;
                if raw.is_none() {
                    tracing::warn!(segment, offset, "a damaged block of events");
                    self.found.blocks_damaged += 1;
                }
                let raw = raw.unwrap_or_default();
                let mut lines = raw.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
                let mut passed = first;
                while let Some(row) = rows.next_if(|row| *row < end) {
                    let skip = usize::try_from(row.saturating_sub(passed)).unwrap_or(usize::MAX);
                    let line = lines.nth(skip);
                    passed = row + 1;
                    if let Some(event) = line.and_then(event_v1::read_line) {
                        self.judge(event);
                    }
                }
            }
            first = end;
        }
        Ok(())
    }

    fn judge(&mut self, event: Event) {
        self.found.judged += 1;
        let at = event.timestamp;
        let host_fits = self.scan.host.as_ref().is_none_or(|host| event.host() == host);
        if host_fits
            && overlaps(self.scan, at, at)
            && self.newest.wants(at)
            && (self.matches)(&event)
        {
            self.newest.add(event);
        }
    }
}

/// The greatest candidates, without sorting all of them.
struct Best {
    wanted: usize,
    kept: Vec<Candidate>,
    /// What is not above this is not among the greatest.
    floor: Option<Candidate>,
}

impl Best {
    fn put(&mut self, candidate: Candidate) {
        if self.floor.is_some_and(|floor| candidate <= floor) {
            return;
        }
        self.kept.push(candidate);
        if self.kept.len() >= self.wanted * 4 {
            self.shrink();
        }
    }

    fn shrink(&mut self) {
        if self.kept.len() > self.wanted {
            let last = self.wanted - 1;
            let (_, floor, _) = self.kept.select_nth_unstable_by(last, |one, other| other.cmp(one));
            self.floor = Some(*floor);
            self.kept.truncate(self.wanted);
        }
    }

    /// In descending order.
    fn finish(mut self) -> Vec<Candidate> {
        self.shrink();
        self.kept.sort_unstable_by(|one, other| other.cmp(one));
        self.kept
    }
}
