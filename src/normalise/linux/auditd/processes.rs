//! Which process a process id means at a time: started when, running what. The audit system gives neither boot nor start
//! time, so they are taken from its own events: an exec starts an identity, a fork starts the child's, an exit or a boot
//! ends them. A process nobody saw start is counted from its first event.
//!
//! A process id that is used again without a recorded exec is noticed by what cannot change otherwise: the program
//! or the login session. The table is bounded and part of the commit; what was used longest ago is forgotten first.

use std::collections::HashMap;

use ahash::RandomState;
use serde::{Deserialize, Serialize};

use crate::stdx::mark;

/// A time (µs) and, within a millisecond, the event's serial number.
pub type Moment = (i64, u64);

/// Processes remembered in one stream.
pub const PROCESSES_MAX: usize = 1_024;
/// A longer command line or path is not remembered.
const TEXT_BYTES_MAX: usize = 1_024;
/// The kernel marks the program of a process whose file is gone.
const DELETED: &str = " (deleted)";

/// One process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    /// When it started, or was first seen.
    start: Moment,
    /// The start of what had this id before: events may end out of order.
    before: Option<Moment>,
    /// Its program, if known.
    pub executable: String,
    /// Its command line, if its exec was seen; without secrets.
    pub command_line: String,
    /// Its login session, if known.
    session: String,
    /// When it was last used; higher is later.
    used: u64,
}

impl Process {
    /// The start to identify the process by that had this id at `at`.
    fn start_at(&self, at: Moment) -> Option<Moment> {
        if at >= self.start { Some(self.start) } else { self.before }
    }
}

/// What an event says about its process.
#[derive(Clone, Copy, Debug)]
pub struct Seen<'a> {
    /// The host the records name, or empty.
    pub node: &'a str,
    /// The event's time and serial.
    pub at: Moment,
    /// `exe`, or empty.
    pub executable: &'a str,
    /// `ses`, or empty.
    pub session: &'a str,
}

/// The processes of one stream.
#[derive(Debug, Default)]
pub struct Processes {
    known: HashMap<(u64, u32), Process, RandomState>,
    uses: u64,
}

/// [`Processes`] as the commit keeps it.
pub type Saved = Vec<(u64, u32, Process)>;

impl Processes {
    /// All of them, in a stable order.
    pub fn saved(&self) -> Saved {
        let mut rows: Saved = self
            .known
            .iter()
            .map(|((node, pid), process)| (*node, *pid, process.clone()))
            .collect();
        rows.sort_unstable_by_key(|(node, pid, _)| (*node, *pid));
        rows
    }

    /// Take up what [`Processes::saved`] gave; what is over the bound is left out.
    pub fn restore(&mut self, saved: Saved) {
        self.known.clear();
        for (node, pid, process) in saved.into_iter().take(PROCESSES_MAX) {
            self.uses = self.uses.max(process.used);
            self.known.insert((node, pid), process);
        }
    }

    /// When the process started that has this id now.
    pub fn start(&mut self, pid: u32, seen: &Seen<'_>) -> Moment {
        self.uses += 1;
        let uses = self.uses;
        let key = (mark::of(&[seen.node.as_bytes()]), pid);
        if let Some(process) = self.known.get_mut(&key) {
            process.used = uses;
            let older = seen.at < process.start;
            if older || !is_another(process, seen) {
                if !older {
                    fill(&mut process.executable, seen.executable);
                    session(&mut process.session, seen.session);
                }
                return process.start_at(seen.at).unwrap_or(seen.at);
            }
        }
        self.begin(pid, seen, seen.executable, "");
        seen.at
    }

    /// The process started: by an exec, or as the child of a fork.
    pub fn begin(&mut self, pid: u32, seen: &Seen<'_>, executable: &str, command_line: &str) {
        let key = (mark::of(&[seen.node.as_bytes()]), pid);
        if !self.known.contains_key(&key) && self.known.len() >= PROCESSES_MAX {
            self.forget_old();
        }
        self.uses += 1;
        let before = self.known.get(&key).map(|process| process.start);
        if before.is_some_and(|start| start > seen.at) {
            // A late event about something that has ended since.
            return;
        }
        let process = Process {
            start: seen.at,
            before,
            executable: bounded(executable.trim_end_matches(DELETED)),
            command_line: bounded(command_line),
            session: if is_session(seen.session) { bounded(seen.session) } else { String::new() },
            used: self.uses,
        };
        self.known.insert(key, process);
    }

    /// What is known of the process that had this id at a time.
    pub fn at(&self, node: &str, pid: u32, at: Moment) -> Option<&Process> {
        self.known.get(&(mark::of(&[node.as_bytes()]), pid)).filter(|process| at >= process.start)
    }

    /// The process ended; a later event with its id is about another one.
    pub fn end(&mut self, node: &str, pid: u32) {
        self.known.remove(&(mark::of(&[node.as_bytes()]), pid));
    }

    /// The host started: no process of before is left.
    pub fn boot(&mut self, node: &str) {
        let node = mark::of(&[node.as_bytes()]);
        self.known.retain(|(known, _), _| *known != node);
    }

    /// Forget the half that was used longest ago.
    fn forget_old(&mut self) {
        let mut uses: Vec<u64> = self.known.values().map(|process| process.used).collect();
        let middle = uses.len() / 2;
        if middle == 0 {
            return self.known.clear();
        }
        let (_, limit, _) = uses.select_nth_unstable(middle);
        let limit = *limit;
        self.known.retain(|_, process| process.used >= limit);
    }
}

/// The same id, but another program or another login session than the one that was seen to start.
fn is_another(process: &Process, seen: &Seen<'_>) -> bool {
    let differs = |known: &str, seen: &str| !known.is_empty() && !seen.is_empty() && known != seen;
    differs(&process.executable, seen.executable.trim_end_matches(DELETED))
        || is_session(seen.session) && differs(&process.session, seen.session)
}

fn is_session(text: &str) -> bool {
    !matches!(text, "" | "unset")
}

fn fill(slot: &mut String, text: &str) {
    if slot.is_empty() {
        *slot = bounded(text.trim_end_matches(DELETED));
    }
}

fn session(slot: &mut String, text: &str) {
    if slot.is_empty() && is_session(text) {
        *slot = bounded(text);
    }
}

fn bounded(text: &str) -> String {
    if text.len() > TEXT_BYTES_MAX { String::new() } else { text.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen<'a>(at: i64, executable: &'a str, session: &'a str) -> Seen<'a> {
        Seen { node: "", at: (at, 0), executable, session }
    }

    #[test]
    fn an_id_that_is_used_again_is_another_process() {
        let mut processes = Processes::default();
        assert_eq!(processes.start(7, &seen(10, "/bin/sh", "1")), (10, 0));
        assert_eq!(processes.start(7, &seen(20, "/bin/sh", "1")), (10, 0));
        // Another program without an exec, another session, an exec, an exit, a boot.
        assert_eq!(processes.start(7, &seen(30, "/bin/ls", "1")), (30, 0));
        assert_eq!(processes.start(7, &seen(40, "/bin/ls", "2")), (40, 0));
        processes.begin(7, &seen(50, "/bin/ls", "2"), "/bin/ls", "ls");
        assert_eq!(processes.start(7, &seen(55, "/bin/ls (deleted)", "2")), (50, 0));
        processes.end("", 7);
        assert_eq!(processes.start(7, &seen(60, "/bin/ls", "2")), (60, 0));
        processes.boot("");
        assert_eq!(processes.start(7, &seen(70, "/bin/ls", "2")), (70, 0));
    }

    #[test]
    fn events_that_end_late_keep_the_identity_of_their_time() {
        let mut processes = Processes::default();
        processes.begin(7, &seen(10, "", ""), "/bin/sh", "sh");
        processes.begin(7, &seen(50, "", ""), "/bin/ls", "ls -l");
        assert_eq!(processes.start(7, &seen(20, "/bin/sh", "")), (10, 0));
        assert_eq!(processes.start(7, &seen(60, "/bin/ls", "")), (50, 0));
        processes.begin(7, &seen(40, "", ""), "/bin/cat", "cat");
        assert_eq!(processes.at("", 7, (60, 0)).unwrap().command_line, "ls -l");
        assert!(processes.at("", 7, (20, 0)).is_none());
        assert!(processes.at("other", 7, (60, 0)).is_none());
    }

    #[test]
    fn two_execs_in_one_millisecond_are_two_processes() {
        let mut processes = Processes::default();
        let at = |serial| Seen { at: (10, serial), ..seen(0, "", "") };
        processes.begin(7, &at(5), "/usr/bin/env", "env python");
        processes.begin(7, &at(6), "/usr/bin/python", "python");
        assert_eq!(processes.start(7, &at(5)), (10, 5));
        assert_eq!(processes.start(7, &at(8)), (10, 6));
    }

    #[test]
    fn the_table_is_bounded_and_comes_back() {
        let mut processes = Processes::default();
        for pid in 0..10 * PROCESSES_MAX as u32 {
            processes.start(pid + 2, &seen(i64::from(pid), "/bin/sh", ""));
            processes.start(1, &seen(i64::from(pid), "/sbin/init", ""));
            assert!(processes.known.len() <= PROCESSES_MAX);
        }
        let saved = processes.saved();
        let mut again = Processes::default();
        again.restore(saved.clone());
        assert_eq!(again.saved(), saved);
        // What is used all the time is never forgotten.
        assert_eq!(again.start(1, &seen(99_999, "/sbin/init", "")), (0, 0));
    }
}
