//! What is old enough to go, and what went.

use std::fmt;

use crate::stdx::time::Timestamp;

/// A segment of events that goes as a whole, or what goes of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SegmentGone {
    /// Its number.
    pub number: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Events in it.
    pub events: u64,
    /// When it was last written or its newest event happened, whichever is later.
    pub newest: Timestamp,
    /// `age`, `size` or `disk`.
    pub why: String,
    /// Only these go, and the numbers are theirs; empty: all.
    pub only: Vec<Share>,
}

/// Events that have an age of their own.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share {
    /// `organization.id`.
    pub tenant: String,
    /// Which of the tenant's.
    pub kind: EventKind,
}

/// What an event is to retention.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventKind {
    /// Of an endpoint or server.
    #[default]
    Event,
    /// What a model says of an endpoint.
    Inference,
}

impl EventKind {
    /// Both.
    pub const ALL: [EventKind; 2] = [EventKind::Event, EventKind::Inference];

    /// `event` or `inference`.
    pub const fn as_str(self) -> &'static str {
        match self {
            EventKind::Event => "event",
            EventKind::Inference => "inference",
        }
    }

    /// The kind of this name.
    pub fn parse(text: &str) -> Option<EventKind> {
        EventKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            EventKind::Event => out.write_str(&self.tenant),
            EventKind::Inference => write!(out, "{} (inference)", self.tenant),
        }
    }
}

/// What a run of retention takes away, or took.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RetentionReport {
    /// Segments of events, oldest first.
    pub segments: Vec<SegmentGone>,
    /// Evidence of open alerts in them, which is copied to the newest segment first.
    pub events_carried: u64,
    /// Rejected records.
    pub rejects: u64,
    /// Endpoints that were not heard of any more.
    pub endpoints: u64,
    /// Closed alerts.
    pub alerts: u64,
    /// Why segments stay this time, if they do.
    pub postponed: String,
    /// What went wrong with the rest, after what is listed here went.
    pub problem: String,
    /// Events that stay, and their bytes.
    pub events_left: u64,
    /// Bytes of segments that stay.
    pub bytes_left: u64,
    /// Per cent of the disk that are in use.
    pub disk_used: u64,
}

impl RetentionReport {
    /// Events that go.
    pub fn events(&self) -> u64 {
        self.segments.iter().map(|segment| segment.events).sum()
    }

    /// Bytes that go.
    pub fn bytes(&self) -> u64 {
        self.segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Does nothing go?
    pub fn is_empty(&self) -> bool {
        self.segments.is_empty() && self.rejects + self.endpoints + self.alerts == 0
    }
}
