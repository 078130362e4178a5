//! A match on its way to where its group is counted, when the parts of a stream are read by several nodes.

use crate::model::event::EventId;
use crate::stdx::time::Timestamp;

/// The name of the form in which matches travel, as the format of their stream.
pub const FORMAT: &str = "correlation_match";

/// What one event gives to one group of one correlation. Everything that counts of the event is in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CorrelationMatch {
    /// The correlation and what it does: a changed one has another name.
    pub correlation: String,
    /// `organization.id` of the event.
    pub tenant: String,
    /// Values of the group-by fields, in their order.
    pub group: Vec<String>,
    /// What counts: a hash of values, the bits of a number, or a bit for each step.
    pub value: u64,
    /// Event time.
    pub timestamp: Timestamp,
    /// The event.
    pub event: EventId,
    /// Its endpoint, or empty.
    pub host: String,
    /// Its user, or empty.
    pub user: String,
    /// From a first read of old logs.
    pub backfill: bool,
}
