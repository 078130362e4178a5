//! What is known of streams whose records are numbered by their sender: which numbers never came.

use crate::stdx::time::Timestamp;

/// Numbers that are missing between two that came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gap {
    /// The first number that is missing.
    pub from: u64,
    /// The last one.
    pub to: u64,
    /// When it was noticed, by the wall clock.
    pub noticed: Timestamp,
    /// Event time of the record behind it; zero where records have none.
    pub at: Timestamp,
    /// `waiting` (late records may fill it), `missing`, or `alerted`.
    pub state: String,
}

impl Gap {
    /// How many numbers are missing.
    pub fn numbers(&self) -> u64 {
        self.to.saturating_sub(self.from).saturating_add(1)
    }
}

/// One numbered stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NumberedStream {
    /// The configured source.
    pub source: String,
    /// `organization.id`.
    pub tenant: String,
    /// The endpoint; empty for offsets.
    pub host: String,
    /// What is numbered: `windows_record`, `audit_serial`, `syslog_sequence`, `offset`.
    pub kind: String,
    /// The channel, or topic and partition; empty where an endpoint has one stream of the kind.
    pub name: String,
    /// The newest number.
    pub last: u64,
    /// Why a hole is an alert: `complete` (the source says so), `proved` (shown by its numbers), or `no`.
    pub trusted: String,
    /// How often numbering began anew.
    pub restarts: u64,
    /// Numbers that came late and filled a hole.
    pub filled: u64,
    /// What is missing, oldest first.
    pub gaps: Vec<Gap>,
    /// Holes that are no longer listed because there were too many, and the numbers in them.
    pub given_up: (u64, u64),
}

impl NumberedStream {
    /// Numbers that are missing and not waited for any more, those no longer listed included.
    pub fn missing(&self) -> u64 {
        let listed = self.gaps.iter().filter(|gap| gap.state != "waiting").map(Gap::numbers);
        self.given_up.1.saturating_add(listed.sum())
    }
}

/// Everything known about missing numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GapReport {
    /// A row a stream, by source, endpoint, kind and name.
    pub streams: Vec<NumberedStream>,
    /// Streams that made room for others.
    pub streams_evicted: u64,
}
