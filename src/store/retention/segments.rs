//! Which segments are old enough, too big together, or in the way of a full disk; and of which only a part is.

use hashbrown::HashMap;

use crate::config::retention::RetentionConfig;
use crate::model::retention::{SegmentGone, Share};
use crate::stdx::time::{Timestamp, micros};
use crate::store::event_log::segment_path;
use crate::store::events::Segment;
use crate::store::retention::files::disk_used;
use crate::store::retention::parts::{Part, Parts, later};
use crate::store::retention::until;
use crate::store::{Store, folder};

/// After the disk was too full, so many per cent are made free below the mark.
const DISK_SLACK: u64 = 5;

/// What is due of a segment.
enum Due {
    Nothing,
    All(&'static str),
    Some(&'static str, Vec<Part>),
}

/// Parts and their ages, while segments go by from the oldest on.
struct Ages<'a> {
    config: &'a RetentionConfig,
    parts: &'a Parts,
    now: Timestamp,
    /// Bytes that each tenant with a limit has.
    bytes: HashMap<&'a str, u64>,
}

impl Store {
    /// Every segment but the newest, which is written to, with its age; oldest first.
    pub(super) fn dated_segments(&self, now: Timestamp) -> Vec<SegmentGone> {
        let mut segments = self.events.segments();
        segments.sort_unstable_by_key(|segment| segment.number);
        segments.pop();
        let mut rows: Vec<SegmentGone> = segments.iter().map(|one| self.dated(one, now)).collect();
        rows.sort_by_key(|row| (row.newest, row.number));
        rows
    }

    /// Segments that go: by age, by size, by the disk; and those of which only some parts do.
    pub(super) fn old_segments(
        &self,
        config: &RetentionConfig,
        parts: &Parts,
        now: Timestamp,
    ) -> Vec<SegmentGone> {
        let keep = now.plus_micros(-micros(config.disk_keep));
        let mut bytes = self.events.totals().1;
        let (used, total) = disk_used(&self.dir);
        let mut too_full = if used >= config.disk_drop && config.disk_drop < 100 {
            total / 100 * (used + DISK_SLACK).saturating_sub(config.disk_drop)
        } else {
            0
        };
        let rows = self.dated_segments(now);
        let mut ages = Ages::new(config, parts, &rows, now);
        let mut gone = Vec::new();
        for mut row in rows {
            let is_over = config.events_bytes_max > 0 && bytes > config.events_bytes_max;
            let due = ages.due(&row);
            row.why = match due {
                Due::All(why) => why.to_owned(),
                _ if is_over => "size".to_owned(),
                _ if too_full > 0 && row.newest < keep => "disk".to_owned(),
                Due::Some(why, parts) => {
                    row.events = parts.iter().map(|part| part.events).sum();
                    row.bytes = parts.iter().map(|part| part.bytes).sum();
                    row.newest = parts.iter().map(|part| part.newest).max().unwrap_or(row.newest);
                    row.only = parts.into_iter().map(|part| part.share).collect();
                    why.to_owned()
                }
                Due::Nothing => continue,
            };
            bytes = bytes.saturating_sub(row.bytes);
            too_full = too_full.saturating_sub(row.bytes);
            gone.push(row);
        }
        gone
    }

    /// A segment with its age: old logs that were read yesterday are a day old.
    fn dated(&self, segment: &Segment, now: Timestamp) -> SegmentGone {
        let path = segment_path(&folder::events_folder(&self.dir), segment.number);
        let written = std::fs::metadata(&path).and_then(|meta| meta.modified());
        let written = written.map_or(segment.last, Timestamp::from);
        SegmentGone {
            number: segment.number,
            bytes: segment.length,
            events: segment.events,
            newest: later(written, segment.last, now),
            ..SegmentGone::default()
        }
    }
}

impl<'a> Ages<'a> {
    fn new(
        config: &'a RetentionConfig,
        parts: &'a Parts,
        rows: &[SegmentGone],
        now: Timestamp,
    ) -> Ages<'a> {
        let mut bytes: HashMap<&str, u64> = HashMap::new();
        for part in rows.iter().filter_map(|row| parts.get(&row.number)).flatten() {
            if config.events_bytes_of(&part.share.tenant) > 0 {
                *bytes.entry(part.share.tenant.as_str()).or_default() += part.bytes;
            }
        }
        Ages { config, parts, now, bytes }
    }

    fn due(&mut self, row: &SegmentGone) -> Due {
        // Without parts, or with what cannot be read, nobody's events may be taken for somebody else's.
        let parts = self.parts.get(&row.number).map(Vec::as_slice).unwrap_or_default();
        if parts.iter().all(|part| part.share.tenant.is_empty()) {
            let limit = until(self.now, self.config.events_longest());
            let is_old = limit.is_some_and(|limit| row.newest < limit);
            return if is_old { Due::All("age") } else { Due::Nothing };
        }
        let mut why = "size";
        let mut due = Vec::new();
        for part in parts {
            let Share { tenant, kind } = &part.share;
            let limit = until(self.now, self.config.events_of(tenant, *kind));
            let is_old = limit.is_some_and(|limit| part.newest < limit);
            let most = self.config.events_bytes_of(tenant);
            let has = self.bytes.get_mut(tenant.as_str());
            // What is newer than its segment is evidence that a sieve kept: it does not go for room.
            let is_free = part.newest <= row.newest;
            let is_over = most > 0 && is_free && has.as_ref().is_some_and(|bytes| **bytes > most);
            if !is_old && !is_over {
                continue;
            }
            if is_old {
                why = "age";
            }
            if let Some(bytes) = has {
                *bytes = bytes.saturating_sub(part.bytes);
            }
            due.push(part.clone());
        }
        match due.len() {
            0 => Due::Nothing,
            all if all == parts.len() => Due::All(why),
            _ => Due::Some(why, due),
        }
    }
}
