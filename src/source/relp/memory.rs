//! What was taken from each peer and may come again. librelp sends what it got no answer for again in its next session,
//! in order and under new numbers, so a message is known only by where it stands: the head of a session is compared with
//! the end of earlier ones.
//!
//! A *lane* is what one sender has sent, over all its sessions. Of each the digests of the last messages are kept, here
//! and in the positions of the source, in the commit that made the messages real.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::record::Position;
use crate::stdx::id::IdHasher;
use crate::stdx::stop::StopToken;
use crate::stdx::time::Timestamp;

/// Lanes of one address that are remembered: senders behind it that lost their connection. Over it the oldest is forgotten.
pub const LANES_PEER_MAX: usize = 16;
/// Lanes of all addresses.
pub const LANES_MAX: usize = 4_096;

/// What a message is compared by.
pub fn digest(message: &[u8]) -> u64 {
    let id = IdHasher::new("relp message").bytes(message).finish();
    id.as_bytes().first_chunk::<8>().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// All lanes of a source.
#[derive(Debug)]
pub struct Memory {
    source: Arc<str>,
    window: usize,
    lanes: BTreeMap<u64, Lane>,
    last: u64,
}

#[derive(Debug)]
struct Lane {
    peer: String,
    runs: VecDeque<Run>,
    /// Messages taken so far: the number of the next one.
    next: u64,
    /// Who sends on it now; stopped when the sender is known to have left.
    owner: Option<(u64, StopToken)>,
}

/// Messages of one batch.
#[derive(Debug, Serialize, Deserialize)]
struct Run {
    /// The number of the first.
    first: u64,
    seen: Vec<u64>,
}

/// What was added to a lane.
#[derive(Debug)]
pub struct Added {
    /// The number of the first message.
    pub first: u64,
    /// For the commit.
    pub positions: Vec<Position>,
}

impl Lane {
    fn digests(&self) -> Vec<u64> {
        self.runs.iter().flat_map(|run| run.seen.iter().copied()).collect()
    }
}

impl Memory {
    /// What the last commit left.
    pub fn restore(source: &Arc<str>, window: usize, saved: &[Position]) -> Memory {
        let mut lanes: BTreeMap<u64, Lane> = BTreeMap::new();
        for row in saved {
            let Some((peer, id)) = parse(&row.key) else { continue };
            let run =
                row.value.as_deref().and_then(|value| serde_json::from_str::<Run>(value).ok());
            let Some(run) = run else { continue };
            let lane = lanes.entry(id).or_insert_with(|| Lane {
                peer: peer.to_owned(),
                runs: VecDeque::new(),
                next: 0,
                owner: None,
            });
            lane.runs.push_back(run);
        }
        for lane in lanes.values_mut() {
            lane.runs.make_contiguous().sort_by_key(|run| run.first);
            lane.next = lane.runs.back().map_or(0, |run| run.first + run.seen.len() as u64);
        }
        let last = lanes.keys().next_back().copied().unwrap_or(0);
        Memory { source: Arc::clone(source), window, lanes, last }
    }

    /// Lanes that are remembered.
    pub fn count(&self) -> usize {
        self.lanes.len()
    }

    /// What the head of a new session of this peer is compared with.
    pub fn matching(&self, peer: &str) -> Matching {
        let lanes = self.lanes.iter().filter(|(_, lane)| lane.peer == peer);
        let ends = lanes.map(|(id, lane)| (*id, lane.next, Arc::from(lane.digests())));
        Matching::new(ends.collect())
    }

    /// Go on with the lane that a session was found to continue; whoever had it is stopped. `false`: it has gone on
    /// meanwhile, so it is another sender's.
    pub fn adopt(&mut self, found: &Found, session: u64, stop: &StopToken) -> bool {
        let Some(lane) = self.lanes.get_mut(&found.lane) else { return false };
        if lane.next != found.end {
            return false;
        }
        if let Some((_, stop)) = lane.owner.replace((session, stop.clone())) {
            stop.stop();
        }
        true
    }

    /// A lane for a session that continues none. What had to be forgotten for it comes back for the commit.
    pub fn open(&mut self, peer: &str, session: u64, stop: &StopToken) -> (u64, Vec<Position>) {
        let mut forgotten = Vec::new();
        while self.lanes.values().filter(|lane| lane.peer == peer).count() >= LANES_PEER_MAX {
            if !self.forget_oldest(Some(peer), &mut forgotten) {
                break;
            }
        }
        while self.lanes.len() >= LANES_MAX {
            if !self.forget_oldest(None, &mut forgotten) {
                break;
            }
        }
        // Never an id that was used before, also by a lane that is forgotten: event ids build on it.
        self.last = (self.last + 1).max(Timestamp::now().0.unsigned_abs());
        let lane = Lane {
            peer: peer.to_owned(),
            runs: VecDeque::new(),
            next: 0,
            owner: Some((session, stop.clone())),
        };
        self.lanes.insert(self.last, lane);
        (self.last, forgotten)
    }

    fn forget_oldest(&mut self, peer: Option<&str>, forgotten: &mut Vec<Position>) -> bool {
        let is_free =
            |lane: &Lane| lane.owner.is_none() && peer.is_none_or(|peer| lane.peer == peer);
        let oldest = self.lanes.iter().find(|(_, lane)| is_free(lane)).map(|(id, _)| *id);
        let Some(oldest) = oldest else { return false };
        forgotten.extend(self.forget(oldest));
        true
    }

    /// Messages go down the path. `None`: another session has the lane now.
    pub fn add(&mut self, lane: u64, session: u64, digests: Vec<u64>) -> Option<Added> {
        let (source, window) = (Arc::clone(&self.source), self.window);
        let own = self.lanes.get_mut(&lane)?;
        if own.owner.as_ref().is_none_or(|(owner, _)| *owner != session) {
            return None;
        }
        let first = own.next;
        own.next += digests.len() as u64;
        let run = Run { first, seen: digests };
        let value = serde_json::to_string(&run).ok();
        let row = |first: u64, value| Position {
            source: Arc::clone(&source),
            key: format!("{}/{lane}/{first}", own.peer),
            value,
        };
        let mut positions = vec![row(first, value)];
        own.runs.push_back(run);
        let mut known: usize = own.runs.iter().map(|run| run.seen.len()).sum();
        while let Some(oldest) = own.runs.front()
            && known - oldest.seen.len() >= window
        {
            known -= oldest.seen.len();
            positions.push(row(oldest.first, None));
            own.runs.pop_front();
        }
        Some(Added { first, positions })
    }

    /// The session is over without a word: what it sent may come again.
    pub fn leave(&mut self, lane: u64, session: u64) {
        let Some(own) = self.lanes.get_mut(&lane) else { return };
        if own.owner.as_ref().is_some_and(|(owner, _)| *owner == session) {
            own.owner = None;
            if own.runs.is_empty() {
                self.lanes.remove(&lane);
            }
        }
    }

    /// The sender said that it is done, so nothing comes again. The rows to remove.
    pub fn close(&mut self, lane: u64, session: u64) -> Vec<Position> {
        let owner = self.lanes.get(&lane).and_then(|own| own.owner.as_ref());
        match owner.is_some_and(|(owner, _)| *owner == session) {
            true => self.forget(lane),
            false => Vec::new(),
        }
    }

    fn forget(&mut self, lane: u64) -> Vec<Position> {
        let Some(own) = self.lanes.remove(&lane) else { return Vec::new() };
        let row = |run: &Run| Position {
            source: Arc::clone(&self.source),
            key: format!("{}/{lane}/{}", own.peer, run.first),
            value: None,
        };
        own.runs.iter().map(row).collect()
    }
}

/// `PEER/LANE/FIRST`.
fn parse(key: &str) -> Option<(&str, u64)> {
    let (rest, _) = key.rsplit_once('/')?;
    let (peer, lane) = rest.rsplit_once('/')?;
    Some((peer, lane.parse().ok()?))
}

/// The lane that a session continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub lane: u64,
    /// How many messages of the head are repeats.
    pub repeats: usize,
    /// Where the lane ended when the session began.
    end: u64,
}

/// Compares the head of a session with the ends of lanes: it repeats a lane if it begins with everything that the lane
/// holds from some place on. Of several such places the earliest counts.
#[derive(Debug)]
pub struct Matching {
    /// Lane, its end, its digests, and where in them the head would begin.
    open: Vec<(u64, u64, Arc<[u64]>, usize)>,
    seen: usize,
    found: Option<Found>,
}

impl Matching {
    fn new(lanes: Vec<(u64, u64, Arc<[u64]>)>) -> Matching {
        let places = |(id, end, digests): (u64, u64, Arc<[u64]>)| {
            (0..digests.len()).map(move |at| (id, end, Arc::clone(&digests), at))
        };
        Matching { open: lanes.into_iter().flat_map(places).collect(), seen: 0, found: None }
    }

    /// The next message of the head.
    pub fn see(&mut self, digest: u64) {
        let seen = self.seen;
        self.seen += 1;
        self.open.retain(|(_, _, digests, at)| digests.get(at + seen) == Some(&digest));
        let is_through =
            |(_, _, digests, at): &(u64, u64, Arc<[u64]>, usize)| at + seen + 1 == digests.len();
        // The newest lane last: of equal ones it is the likelier.
        if let Some((lane, end, ..)) = self.open.iter().rfind(|it| is_through(it)) {
            self.found = Some(Found { lane: *lane, repeats: seen + 1, end: *end });
        }
        self.open.retain(|it| !is_through(it));
    }

    /// Can no further message change what was found?
    pub fn is_decided(&self) -> bool {
        self.open.is_empty()
    }

    /// What was found so far.
    pub fn found(&self) -> Option<&Found> {
        self.found.as_ref()
    }
}

#[cfg(test)]
#[path = "memory_tests.rs"]
mod tests;
