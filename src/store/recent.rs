//! Where the events of the last commits lie: an alert that joins events of several batches learns the
//! places of all of them. Bounded; what is older is found by a search over host and time.

use std::collections::VecDeque;

use hashbrown::HashSet;

use crate::model::event::EventId;
use crate::store::event_log::Appended;
use crate::store::events::Segment;
use crate::store::frame::{Block, Frame, Place};

/// Events remembered.
const EVENTS_MAX: usize = 100_000;

/// A row of the evidence table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EvidenceRow {
    pub event: EventId,
    pub segment: u64,
    /// Offset of the block in the segment.
    pub block_offset: u64,
    pub block_bytes: u32,
    pub raw_bytes: u32,
    pub place: Place,
}

/// The last commits' events.
#[derive(Default)]
pub(crate) struct Recent {
    commits: VecDeque<Stored>,
    events: usize,
}

struct Stored {
    segment: u64,
    offset: u64,
    blocks: Vec<Block>,
    places: Vec<(EventId, Place)>,
}

impl Recent {
    /// Remember a commit; forget the oldest.
    pub(crate) fn add(&mut self, frame: Frame, at: Appended) {
        self.events += frame.places.len();
        self.commits.push_back(Stored {
            segment: at.segment,
            offset: at.offset,
            blocks: frame.header.blocks,
            places: frame.places,
        });
        while self.events > EVENTS_MAX && self.commits.len() > 1 {
            let gone = self.commits.pop_front().map_or(0, |stored| stored.places.len());
            self.events -= gone;
        }
    }

    /// Only these segments are there.
    pub(crate) fn keep(&mut self, segments: &[Segment]) {
        self.commits.retain(|stored| segments.iter().any(|one| one.number == stored.segment));
        self.events = self.commits.iter().map(|stored| stored.places.len()).sum();
    }

    /// Segments are gone.
    pub(crate) fn forget(&mut self, segments: &[u64]) {
        self.commits.retain(|stored| !segments.contains(&stored.segment));
        self.events = self.commits.iter().map(|stored| stored.places.len()).sum();
    }

    /// Places of `wanted` in the frame being committed and in those remembered.
    pub(crate) fn locate(
        &self,
        now: Option<(&Frame, Appended)>,
        wanted: &HashSet<EventId>,
    ) -> Vec<EvidenceRow> {
        let mut found: Vec<EvidenceRow> = Vec::new();
        if wanted.is_empty() {
            return found;
        }
        if let Some((frame, at)) = now {
            let blocks = &frame.header.blocks;
            collect(&frame.places, blocks, at.segment, at.offset, wanted, &mut found);
        }
        for stored in self.commits.iter().rev() {
            if found.len() >= wanted.len() {
                break;
            }
            let Stored { segment, offset, blocks, places } = stored;
            collect(places, blocks, *segment, *offset, wanted, &mut found);
        }
        found
    }
}

fn collect(
    places: &[(EventId, Place)],
    blocks: &[Block],
    segment: u64,
    offset: u64,
    wanted: &HashSet<EventId>,
    found: &mut Vec<EvidenceRow>,
) {
    for (event, place) in places.iter().filter(|(event, _)| wanted.contains(event)) {
        let Some(block) = blocks.get(place.block as usize) else { continue };
        found.push(EvidenceRow {
            event: *event,
            segment,
            block_offset: offset + block.offset,
            block_bytes: block.bytes,
            raw_bytes: block.raw,
            place: *place,
        });
    }
}
