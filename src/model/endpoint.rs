//! Endpoints as the inventory lists them.

use crate::model::severity::Severity;
use crate::stdx::time::Timestamp;

/// One endpoint's row.
#[derive(Clone, Debug, PartialEq)]
pub struct Endpoint {
    /// `host.name`, lower case.
    pub host: String,
    /// `windows`, `linux` or empty while unknown.
    pub os: String,
    /// Events stored.
    pub events: u64,
    /// Event time of the first event.
    pub first_seen: Timestamp,
    /// Event time of the newest event.
    pub last_seen: Timestamp,
    /// Alerts that are not closed.
    pub alerts_open: u64,
    /// The worst of them.
    pub worst: Option<Severity>,
    /// What a model said last, 0 to 1; none where no window was judged since the start.
    pub score: Option<f32>,
    /// The end of that window.
    pub scored: Option<Timestamp>,
    /// The highest of the day before it.
    pub highest: Option<f32>,
}
