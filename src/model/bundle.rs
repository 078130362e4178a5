//! Bundles: alerts of one endpoint that belong together by process lineage or by time.

use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

/// A bundle's id: hash of the id of its first alert. It never changes, whatever joins.
pub type BundleId = Id128;

/// A bundle that alerts may still join: a row in the store, restored at start. Every value is absolute, so
/// writing the same row twice changes nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBundle {
    /// Its id.
    pub id: BundleId,
    /// `organization.id`.
    pub tenant: String,
    /// The endpoint.
    pub host: String,
    /// Event time of the earliest match of its alerts.
    pub first: Timestamp,
    /// Event time of the latest match of its alerts.
    pub last: Timestamp,
    /// Alerts in it.
    pub alerts: u64,
    /// Hashes of the processes, sessions or users its alerts come from, newest last, bounded.
    pub links: Vec<Id128>,
    /// Hashes of the rules that fired in it, with event time of each one's latest match, bounded.
    pub rules: Vec<(Id128, Timestamp)>,
    /// Running number of the last match: the order of eviction when the table is full.
    pub touched: u64,
    /// A model's alert began it: alerts of rules do not join.
    pub models: bool,
}

/// What the alert stage asks the commit to write: a row, or that it goes. The alerts keep their bundle.
pub type BundleChange = (BundleId, Option<OpenBundle>);
