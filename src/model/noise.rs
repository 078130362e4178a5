//! What keeps alerts few: rules that were parked, windows of repeats, and how rare a match was. Pure data.

use crate::model::alert::AlertId;
use crate::model::episode::OpenEpisode;
use crate::model::event::EventId;
use crate::model::severity::Severity;
use crate::stdx::time::Timestamp;

/// What an open episode keeps beside its alert.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EpisodeNoise {
    /// Event time of the match that began it: where its window begins.
    pub anchor: Timestamp,
    /// Length of its window of repeats; zero: none.
    pub window_us: i64,
    /// Its rule was parked when it began: it is kept back until the rule is released.
    pub held: bool,
}

/// A rule that made more alerts in a day than it may, and what was kept back since.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParkedRule {
    /// `organization.id`.
    pub tenant: String,
    /// The rule's id.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// Its level.
    pub level: Severity,
    /// Its tags.
    pub tags: Vec<String>,
    /// New alerts a day that it may make.
    pub budget: u64,
    /// Event time of the match that was one too many.
    pub since: Timestamp,
    /// Event time of the newest match kept back.
    pub last: Timestamp,
    /// Matches kept back.
    pub findings: u64,
    /// Alerts kept back: they appear when the rule is released.
    pub held: u64,
    /// Matches that were counted only, because too many alerts are kept back already. Their events are stored.
    pub counted: u64,
    /// The alert that says so.
    pub marker: AlertId,
    /// The first event kept back, and the newest.
    pub evidence: Vec<EventId>,
    /// Every match kept back came from a first read of old logs.
    pub backfill: bool,
}

/// How often a value of the first match had been there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldRarity {
    /// The field.
    pub field: String,
    /// In how many of them it had this value.
    pub seen: u64,
    /// The last matches of the rule on the endpoint before this one.
    pub of: u64,
}

impl FieldRarity {
    /// For a person: `first seen`, `1 of 2000`.
    pub fn words(&self) -> String {
        match (self.seen, self.of) {
            (_, 0) => "first match of this rule on this host".to_owned(),
            (0, of) => format!("first seen on this host (0 of {of})"),
            (seen, of) => format!("{seen} of {of}"),
        }
    }
}

/// Somebody let a parked rule go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The number of the change in the history of rules: each is carried out once.
    pub change: u64,
    /// The rule's id.
    pub rule: String,
    /// Who.
    pub actor: String,
}

/// A rule that is released by a commit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Released {
    /// `organization.id`.
    pub tenant: String,
    /// The rule's id.
    pub rule: String,
    /// The alert that said that it was parked: it is resolved.
    pub marker: AlertId,
    /// Who.
    pub actor: String,
}

/// What a commit makes real beside alerts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct NoiseChanges {
    /// Rows of state (key, value); `None` removes the row.
    pub rows: Vec<(String, Option<Vec<u8>>)>,
    /// Rules whose alerts appear now.
    pub released: Vec<Released>,
    /// Episodes that began or grew and are kept back.
    pub held: Vec<OpenEpisode>,
    /// How rare the first match of new alerts was.
    pub rarity: Vec<(AlertId, Vec<FieldRarity>)>,
}

/// What was kept from the queue since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoiseCounts {
    /// Matches that joined an alert only because of a window of repeats.
    pub suppressed: u64,
    /// Matches of parked rules that were kept back.
    pub held: u64,
    /// Rules that are parked now.
    pub parked: u64,
    /// Memories of last matches that were given up for want of room.
    pub forgotten: u64,
}
