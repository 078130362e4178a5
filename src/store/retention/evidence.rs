//! Events that open alerts name: what of them would go with old segments, and is copied on instead.
//!
//! Where an event lies is noted when an alert comes to name it, if it is known then. If it is not (an alert of another node,
//! events of long before), the segments in which it can lie by its time are read through before they go.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{Error, ErrorKind};
use std::path::Path;

use hashbrown::{HashMap, HashSet};

use crate::model::event::{Event, EventId};
use crate::model::retention::SegmentGone;
use crate::stdx::task;
use crate::stdx::time::Timestamp;
use crate::store::event_log::{SEGMENT_START, segment_path};
use crate::store::events::{Segment, read_block, walk};
use crate::store::reads::CORRELATION_REACH_US;
use crate::store::recent::EvidenceRow;
use crate::store::{Store, StoreError, folder};
use crate::wire::event_v1;

/// Ids of one question.
const IDS_AT_ONCE: usize = 500;

/// Events that open alerts name, each with the time in which it must have happened.
pub(super) type Named = BTreeMap<EventId, (Timestamp, Timestamp)>;

/// Can an event of this time lie in this segment?
pub(super) fn can_lie_in(time: (Timestamp, Timestamp), segment: &Segment) -> bool {
    time.0 <= segment.last && time.1 >= segment.first
}

/// Events of unknown place, found by reading segments through.
#[derive(Default)]
pub(super) struct Strays {
    /// What was looked for in each segment.
    looked: HashMap<u64, HashSet<EventId>>,
    found: Vec<(u64, Event)>,
    /// Segments that could not be read.
    unread: HashSet<u64>,
}

/// What is copied on before segments go.
#[derive(Default)]
pub(super) struct Carried {
    pub events: Vec<Event>,
    /// Segments that must stay: of something in them it is not known yet whether an alert names it, or it cannot be read now.
    pub stay: BTreeSet<u64>,
}

impl Store {
    /// The events that open alerts name.
    pub(super) fn open_evidence(&self) -> Named {
        let board = self.board.read();
        let mut named = Named::new();
        for alert in board.alerts().filter(|alert| !alert.status.is_closed()) {
            let first = alert.first_seen.plus_micros(-CORRELATION_REACH_US);
            let last = alert.last_seen.plus_micros(CORRELATION_REACH_US);
            for event in &alert.evidence {
                let time = named.entry(*event).or_insert((first, last));
                *time = (time.0.min(first), time.1.max(last));
            }
        }
        named
    }

    /// Read segments that would go for what alerts name in them without that its place is known. Not while others wait.
    pub(super) async fn strays(&self, going: &[SegmentGone]) -> Result<Strays, StoreError> {
        let mut strays = Strays::default();
        let going = self.whole(going);
        let named = self.open_evidence();
        if going.is_empty() || named.is_empty() {
            return Ok(strays);
        }
        let placed = self.places_of(named.keys().copied()).await?;
        let unplaced: Named =
            named.into_iter().filter(|(id, _)| !placed.contains_key(id)).collect();
        for segment in going {
            let near = unplaced.iter().filter(|(_, time)| can_lie_in(**time, &segment));
            let wanted: HashSet<EventId> = near.map(|(id, _)| *id).collect();
            if wanted.is_empty() {
                continue;
            }
            strays.looked.insert(segment.number, wanted.clone());
            let path = segment_path(&folder::events_folder(&self.dir), segment.number);
            let shown = path.display().to_string();
            let work = move || look_through(&path, segment, &wanted);
            let found = task::blocking("look for evidence", work).await;
            match found.map_err(|panic| StoreError::Invalid(panic.to_string()))? {
                Ok(found) => {
                    strays.found.extend(found.into_iter().map(|event| (segment.number, event)));
                }
                Err(error) => {
                    tracing::warn!(path = shown, %error, "a segment stays: evidence in it cannot be looked for");
                    strays.unread.insert(segment.number);
                }
            }
        }
        Ok(strays)
    }

    /// What is copied on when these segments go.
    pub(super) async fn evidence_in(
        &self,
        going: &[SegmentGone],
        strays: &Strays,
    ) -> Result<Carried, StoreError> {
        let going = self.whole(going);
        if going.is_empty() {
            return Ok(Carried::default());
        }
        let gone: HashSet<u64> = going.iter().map(|segment| segment.number).collect();
        let named = self.open_evidence();
        let placed = self.places_of(named.keys().copied()).await?;
        let mut stay: BTreeSet<u64> = strays.unread.intersection(&gone).copied().collect();
        for (id, time) in named.iter().filter(|(id, _)| !placed.contains_key(*id)) {
            let looked =
                |number: &u64| strays.looked.get(number).is_some_and(|ids| ids.contains(id));
            let near = going.iter().filter(|segment| can_lie_in(*time, segment));
            stay.extend(near.map(|segment| segment.number).filter(|number| !looked(number)));
        }
        let rows: Vec<EvidenceRow> =
            placed.into_values().flatten().filter(|row| gone.contains(&row.segment)).collect();
        let read = self.events.by_place(&rows);
        stay.extend(read.unread);
        let mut events: HashMap<EventId, Event> = read.events;
        let found = strays
            .found
            .iter()
            .filter(|(segment, event)| gone.contains(segment) && named.contains_key(&event.id));
        events.extend(found.map(|(_, event)| (event.id, event.clone())));
        let mut events: Vec<Event> = events.into_values().collect();
        events.sort_by_key(|event| (event.timestamp, event.id));
        Ok(Carried { events, stay })
    }

    /// The places that are known, by event.
    pub(super) async fn places_of(
        &self,
        ids: impl Iterator<Item = EventId>,
    ) -> Result<HashMap<EventId, Vec<EvidenceRow>>, StoreError> {
        let ids: Vec<EventId> = ids.collect();
        let mut places: HashMap<EventId, Vec<EvidenceRow>> = HashMap::new();
        for chunk in ids.chunks(IDS_AT_ONCE) {
            for row in self.evidence_places(chunk).await? {
                places.entry(row.event).or_default().push(row);
            }
        }
        Ok(places)
    }

    /// Those that go as a whole.
    fn whole(&self, going: &[SegmentGone]) -> Vec<Segment> {
        let numbers: HashSet<u64> =
            going.iter().filter(|one| one.only.is_empty()).map(|one| one.number).collect();
        let segments = self.events.segments().into_iter();
        segments.filter(|segment| numbers.contains(&segment.number)).collect()
    }
}

/// The events with these ids. What is damaged cannot be carried on whatever is done; what cannot be read now can be later.
fn look_through(
    path: &Path,
    segment: Segment,
    wanted: &HashSet<EventId>,
) -> std::io::Result<Vec<Event>> {
    let is_damage = |error: &Error| {
        matches!(
            error.kind(),
            ErrorKind::InvalidData | ErrorKind::UnexpectedEof | ErrorKind::NotFound
        )
    };
    let file = match File::open(path) {
        Err(error) if is_damage(&error) => return Ok(Vec::new()),
        file => file?,
    };
    let mut frames = Vec::new();
    match walk(&file, SEGMENT_START, segment.length, u64::MAX, &mut frames) {
        Err(error) if !is_damage(&error) => return Err(error),
        // What stands before the damage is read.
        _ => {}
    }
    let mut found = Vec::new();
    for (offset, header) in frames {
        for block in &header.blocks {
            let raw = match read_block(&file, offset, block) {
                Err(error) if is_damage(&error) => continue,
                raw => raw?,
            };
            let Some(raw) = raw else { continue };
            for line in raw.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
                found.extend(event_v1::read_line(line).filter(|event| wanted.contains(&event.id)));
            }
        }
    }
    Ok(found)
}
