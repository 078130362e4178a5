//! The processes of one endpoint that were seen of late: which sights are the same process, and what its start said.
//!
//! Sensors name a process by an id of their own, or by its number only, which the system uses again. A sight without an
//! id joins the process that has the number now, a start begins a new one. The table is bounded: the process that was
//! seen longest ago goes first.

use std::collections::VecDeque;

use ahash::AHashMap;
use serde::{Deserialize, Serialize};

use crate::infer::graph::{Facts, Flag, hash};
use crate::infer::shape::path::PathShape;

/// Processes of an endpoint that are remembered.
pub const PROCESSES_MAX: usize = 256;
/// A process that was not seen for so long is forgotten, in milliseconds: 30 min.
pub const PROCESS_AGE_MS_MAX: i64 = 30 * 60 * 1_000;
/// Login sessions that are remembered.
pub const SESSIONS_MAX: usize = 64;
/// Two sensors tell of one start within this, in milliseconds.
const SAME_START_MS: i64 = 3_000;
/// Ancestors that are followed.
pub const DEPTH_MAX: u8 = 16;

/// What is remembered of a process.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Known {
    /// The key of its node.
    pub key: u64,
    /// Hash of the sensor's id; 0: none yet.
    pub entity: u64,
    /// Its number.
    pub pid: u32,
    /// The key of its parent; 0: unknown.
    pub parent: u64,
    /// Hash of its account; 0: unknown.
    pub account: u64,
    /// When it started, in milliseconds of event time; 0: its start was not seen.
    pub started_ms: i64,
    /// When it ended; 0: not yet.
    pub ended_ms: i64,
    /// When it was seen last.
    pub seen_ms: i64,
    /// Its place among those that were met: what decides when two were seen at the same time.
    pub order: u64,
    /// What its start and its image say.
    pub facts: Facts,
}

/// How an event names a process.
#[derive(Clone, Copy, Debug, Default)]
pub struct Named<'a> {
    /// The sensor's id, or empty.
    pub entity: &'a str,
    /// Its number, or 0.
    pub pid: u32,
    /// Its program, or empty.
    pub image: &'a str,
    /// When, in milliseconds.
    pub at_ms: i64,
    /// Is this its start?
    pub start: bool,
}

/// The processes of one endpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Processes {
    known: AHashMap<u64, Known>,
    by_entity: AHashMap<u64, u64>,
    by_pid: AHashMap<u32, u64>,
    sessions: VecDeque<Session>,
    next: u64,
}

/// A login session: how it was entered, as the number of a [`Flag`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Session {
    id: u64,
    entered: u8,
    seen_ms: i64,
}

/// The table in the form of the state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Kept {
    known: Vec<Known>,
    pids: Vec<(u32, u64)>,
    sessions: Vec<Session>,
    next: u64,
}

impl Processes {
    /// The process that an event names; made when it is new. `None`: it names none.
    pub fn see(&mut self, named: Named<'_>, shape: &PathShape) -> Option<&mut Known> {
        let entity =
            if named.entity.is_empty() { 0 } else { hash(&[b"e", named.entity.as_bytes()]) };
        if entity == 0 && named.pid == 0 && named.image.is_empty() {
            return None;
        }
        let key = match self.find(entity, &named, shape.facts.label) {
            Some(key) => key,
            None => self.add(entity, &named),
        };
        let known = self.known.get_mut(&key)?;
        if entity != 0 && known.entity == 0 {
            known.entity = entity;
            self.by_entity.insert(entity, key);
        }
        if named.pid != 0 {
            known.pid = named.pid;
            self.by_pid.insert(named.pid, key);
        }
        known.seen_ms = known.seen_ms.max(named.at_ms);
        if named.start && (known.started_ms == 0 || named.at_ms < known.started_ms) {
            known.started_ms = named.at_ms;
        }
        if !named.image.is_empty() {
            known.facts.join(&shape.facts);
        }
        Some(known)
    }

    /// The process of a key.
    pub fn get(&self, key: u64) -> Option<&Known> {
        self.known.get(&key)
    }

    /// The same, to note something.
    pub fn get_mut(&mut self, key: u64) -> Option<&mut Known> {
        self.known.get_mut(&key)
    }

    /// How many ancestors are known, up to [`DEPTH_MAX`]; a circle ends the count.
    pub fn depth(&self, key: u64) -> u8 {
        let mut depth = 0;
        let mut at = self.get(key).map_or(0, |known| known.parent);
        while at != 0 && at != key && depth < DEPTH_MAX {
            depth += 1;
            at = self.get(at).map_or(0, |known| known.parent);
        }
        depth
    }

    /// Forget what was not seen for long; `now_ms` is the endpoint's newest event time.
    pub fn age(&mut self, now_ms: i64) {
        let old = now_ms.saturating_sub(PROCESS_AGE_MS_MAX);
        let before = self.known.len();
        self.known.retain(|_, known| known.seen_ms >= old);
        if self.known.is_empty() {
            (self.known, self.by_entity, self.by_pid) = Default::default();
        } else if self.known.len() != before {
            let known = &self.known;
            self.by_entity.retain(|_, key| known.contains_key(key));
            self.by_pid.retain(|_, key| known.contains_key(key));
        }
        self.sessions.retain(|session| session.seen_ms >= old);
        if self.sessions.is_empty() {
            self.sessions = VecDeque::new();
        }
    }

    /// A login session began, or was seen again: how it was entered.
    pub fn session(&mut self, id: &str, entered: Option<Flag>, at_ms: i64) -> Option<Flag> {
        if id.is_empty() || id == "0x0" {
            return None;
        }
        let id = hash(&[b"s", id.as_bytes()]);
        if let Some(known) = self.sessions.iter_mut().find(|session| session.id == id) {
            known.seen_ms = known.seen_ms.max(at_ms);
            if let Some(entered) = entered {
                known.entered = entered as u8;
            }
            let entered = known.entered;
            return Flag::ALL.get(usize::from(entered)).map(|(flag, _, _)| *flag);
        }
        let entered = entered?;
        if self.sessions.len() >= SESSIONS_MAX {
            self.sessions.pop_front();
        }
        self.sessions.push_back(Session { id, entered: entered as u8, seen_ms: at_ms });
        Some(entered)
    }

    /// What holds of any ancestor that is remembered.
    pub fn ancestors(&self, key: u64) -> u128 {
        let (mut flags, mut depth) = (0, 0);
        let mut at = self.get(key).map_or(0, |known| known.parent);
        while at != 0 && at != key && depth < DEPTH_MAX {
            let Some(known) = self.get(at) else { break };
            flags |= known.facts.flags;
            depth += 1;
            at = known.parent;
        }
        flags
    }

    /// The oldest ancestor that is remembered, else the process itself: what tells one lineage from another.
    pub fn root(&self, key: u64) -> u64 {
        let (mut at, mut depth) = (key, 0);
        while depth < DEPTH_MAX {
            let parent = self.get(at).map_or(0, |known| known.parent);
            if parent == 0 || parent == key || self.get(parent).is_none() {
                break;
            }
            at = parent;
            depth += 1;
        }
        at
    }

    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// None?
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The table for the state.
    pub fn kept(&self) -> Kept {
        let mut known: Vec<Known> = self.known.values().cloned().collect();
        known.sort_unstable_by_key(|known| known.key);
        let mut pids: Vec<(u32, u64)> = self.by_pid.iter().map(|(pid, key)| (*pid, *key)).collect();
        pids.sort_unstable();
        Kept { known, pids, sessions: self.sessions.iter().cloned().collect(), next: self.next }
    }

    /// The table that [`Processes::kept`] gave.
    pub fn restore(kept: Kept) -> Processes {
        let known: AHashMap<u64, Known> =
            kept.known.into_iter().take(PROCESSES_MAX).map(|known| (known.key, known)).collect();
        let by_entity = known.values().filter(|known| known.entity != 0);
        let by_entity = by_entity.map(|known| (known.entity, known.key)).collect();
        let by_pid = kept.pids.into_iter().filter(|(_, key)| known.contains_key(key)).collect();
        let sessions = kept.sessions.into_iter().take(SESSIONS_MAX).collect();
        Processes { known, by_entity, by_pid, sessions, next: kept.next }
    }

    /// Bytes held, about.
    pub fn heap_bytes(&self) -> usize {
        self.known.capacity() * (size_of::<Known>() + 9)
            + self.by_entity.capacity() * 17
            + self.by_pid.capacity() * 17
            + self.sessions.capacity() * size_of::<Session>()
    }

    fn find(&self, entity: u64, named: &Named<'_>, label: u64) -> Option<u64> {
        if entity != 0
            && let Some(found) = self.by_entity.get(&entity)
        {
            return Some(*found);
        }
        if named.pid == 0 {
            let key = image_key(named);
            return (entity == 0 && self.known.contains_key(&key)).then_some(key);
        }
        let found = *self.by_pid.get(&named.pid)?;
        let known = self.known.get(&found)?;
        let other_id = entity != 0 && known.entity != 0 && known.entity != entity;
        let other_program = label != 0 && known.facts.label != 0 && known.facts.label != label;
        let started_before = named.start
            && known.started_ms != 0
            && named.at_ms.saturating_sub(known.started_ms).abs() > SAME_START_MS;
        let ended =
            known.ended_ms != 0 && named.at_ms > known.ended_ms.saturating_add(SAME_START_MS);
        // Seen before its start: the number was another process's.
        let reused = named.start
            && known.started_ms == 0
            && known.seen_ms < named.at_ms.saturating_sub(SAME_START_MS);
        let same = !(other_id || other_program || started_before || ended || reused);
        same.then_some(found)
    }

    fn add(&mut self, entity: u64, named: &Named<'_>) -> u64 {
        let key = if entity != 0 {
            entity
        } else if named.pid == 0 {
            image_key(named)
        } else {
            hash(&[
                b"p",
                &named.pid.to_le_bytes(),
                named.image.to_ascii_lowercase().as_bytes(),
                &named.at_ms.to_le_bytes(),
            ])
        };
        // Its number went to another process in the same millisecond and came back: what is known of it stays.
        if self.known.contains_key(&key) {
            return key;
        }
        if self.known.len() >= PROCESSES_MAX {
            let oldest = self.known.values().min_by_key(|known| (known.seen_ms, known.order));
            let oldest = oldest.map(|known| known.key);
            if let Some(gone) = oldest.and_then(|key| self.known.remove(&key)) {
                if self.by_entity.get(&gone.entity) == Some(&gone.key) {
                    self.by_entity.remove(&gone.entity);
                }
                self.by_pid.retain(|_, key| *key != gone.key);
            }
        }
        let known = Known {
            key,
            entity: 0,
            pid: named.pid,
            parent: 0,
            account: 0,
            started_ms: 0,
            ended_ms: 0,
            seen_ms: named.at_ms,
            order: self.next,
            facts: Facts::default(),
        };
        self.next = self.next.saturating_add(1);
        self.known.insert(key, known);
        key
    }
}

/// The key of a process of which only the program is known.
fn image_key(named: &Named<'_>) -> u64 {
    hash(&[b"i", named.image.to_ascii_lowercase().as_bytes()])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::shape::path;
    use crate::model::platform::Platform;

    #[test]
    fn a_number_that_comes_back_in_the_same_millisecond_is_the_process_it_was() {
        let mut all = Processes::default();
        let mut see = |entity, image, at_ms| {
            let named = Named { entity, pid: 5, image, at_ms, start: false };
            all.see(named, &path::shape(Platform::Windows, image)).unwrap().key
        };
        let first = see("", r"C:\Windows\a.exe", 7);
        assert_eq!(see("{id}", r"C:\Windows\a.exe", 8), first);
        assert_ne!(see("", r"C:\Windows\b.exe", 8), first, "another program has the number");
        assert_eq!(see("", r"C:\Windows\a.exe", 7), first);
        assert_ne!(all.get(first).unwrap().entity, 0, "its id is still known");
        assert_eq!(Processes::restore(all.kept()), all);
    }
}
