//! An alert's episode as the alert stage keeps it, and what it tells the store. Pure data.

use crate::model::alert::AlertId;
use crate::model::bundle::BundleId;
use crate::model::event::EventId;
use crate::model::noise::EpisodeNoise;
use crate::model::severity::Severity;
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

/// The detected side of an alert while repeats may still join it: a row in the store, restored at start.
///
/// Every value is absolute, so writing the same episode twice changes nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct OpenEpisode {
    /// The alert it is.
    pub alert: AlertId,
    /// Hash of tenant, rule, endpoint and group: what a finding must share to join.
    pub key: Id128,
    /// `organization.id`.
    pub tenant: String,
    /// Sigma rule id.
    pub rule_id: String,
    /// Sigma rule title.
    pub rule_name: String,
    /// The highest level seen.
    pub severity: Severity,
    /// Sigma tags.
    pub tags: Vec<String>,
    /// The endpoint.
    pub host: String,
    /// `user.name` of the first match that names one.
    pub user: String,
    /// Values of the rule's group-by fields.
    pub group: Vec<(String, String)>,
    /// Why the first match fired.
    pub matched: Vec<(String, String)>,
    /// Matches so far.
    pub count: u64,
    /// Event time of the earliest match.
    pub first_seen: Timestamp,
    /// Event time of the latest match.
    pub last_seen: Timestamp,
    /// The first event and the newest ones, in order of arrival.
    pub evidence: Vec<EventId>,
    /// Some match joined several events.
    pub correlated: bool,
    /// Every match so far came from a first read of old logs.
    pub backfill: bool,
    /// The bundle, decided when the alert began.
    pub bundle: Option<BundleId>,
    /// Most rules of the bundle that fired near one match of this alert, itself among them.
    pub near: u64,
    /// Parts of the risk that were decided when the alert began: asset, rarity.
    pub fixed_parts: Vec<(String, u8)>,
    /// 0 to 100.
    pub risk: u8,
    /// The parts of `risk`: (what, points).
    pub risk_parts: Vec<(String, u8)>,
    /// Running number of the last finding that joined: the order of eviction when the table is full.
    pub touched: u64,
    /// Its window of repeats, and whether it is kept back.
    pub noise: EpisodeNoise,
}

/// What the alert stage asks the commit to write.
#[derive(Clone, Debug, PartialEq)]
pub enum AlertChange {
    /// The episode began or grew.
    Grown(Box<OpenEpisode>),
    /// Nothing can join the episode any more: its row goes, the alert stays.
    Closed(AlertId),
}

/// Alerts that the store holds of one rule on one endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleCount {
    /// `organization.id`.
    pub tenant: String,
    /// Sigma rule id.
    pub rule_id: String,
    /// The endpoint.
    pub host: String,
    /// How many.
    pub alerts: u64,
}
