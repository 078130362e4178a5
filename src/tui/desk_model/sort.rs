//! The order of the list: `-risk,-last_seen` and the like. The alert's id is the last key, so an order is total.

use std::cmp::Ordering;

use crate::model::alert::{Alert, Status};
use crate::tui::desk_model::edit::SortEdit;

/// A field to sort by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// `risk`
    Risk,
    /// `severity`
    Severity,
    /// `last_seen`, also `time` and `age`
    LastSeen,
    /// `first_seen`
    FirstSeen,
    /// `host`
    Host,
    /// `user`
    User,
    /// `owner`
    Owner,
    /// `status`
    Status,
    /// `count`
    Count,
    /// `rule`
    Rule,
}

impl Key {
    /// The field of a word.
    pub fn parse(word: &str) -> Option<Key> {
        Some(match word {
            "risk" => Key::Risk,
            "severity" | "sev" => Key::Severity,
            "last_seen" | "time" | "age" => Key::LastSeen,
            "first_seen" => Key::FirstSeen,
            "host" => Key::Host,
            "user" => Key::User,
            "owner" => Key::Owner,
            "status" | "state" => Key::Status,
            "count" => Key::Count,
            "rule" | "title" => Key::Rule,
            _ => return None,
        })
    }

    /// The word of a field.
    pub fn as_str(self) -> &'static str {
        match self {
            Key::Risk => "risk",
            Key::Severity => "severity",
            Key::LastSeen => "last_seen",
            Key::FirstSeen => "first_seen",
            Key::Host => "host",
            Key::User => "user",
            Key::Owner => "owner",
            Key::Status => "status",
            Key::Count => "count",
            Key::Rule => "rule",
        }
    }

    /// Numbers and times start with the largest, words with the first letter.
    fn starts_descending(self) -> bool {
        matches!(self, Key::Risk | Key::Severity | Key::LastSeen | Key::FirstSeen | Key::Count)
    }

    fn compare(self, one: &Alert, two: &Alert) -> Ordering {
        match self {
            // Bundles are soon at the cap: of two there the more severe is the riskier.
            Key::Risk => (one.risk, one.severity).cmp(&(two.risk, two.severity)),
            Key::Severity => one.severity.cmp(&two.severity),
            Key::LastSeen => one.last_seen.cmp(&two.last_seen),
            Key::FirstSeen => one.first_seen.cmp(&two.first_seen),
            Key::Host => one.host.cmp(&two.host),
            Key::User => one.user.cmp(&two.user),
            Key::Owner => one.assignee.cmp(&two.assignee),
            Key::Status => rank(one.status).cmp(&rank(two.status)),
            Key::Count => one.count.cmp(&two.count),
            Key::Rule => one.rule_name.cmp(&two.rule_name),
        }
    }
}

fn rank(status: Status) -> usize {
    Status::ALL.iter().position(|known| *known == status).unwrap_or(0)
}

/// The order of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sort {
    keys: Vec<(Key, bool)>,
}

impl Default for Sort {
    fn default() -> Sort {
        Sort { keys: vec![(Key::Risk, true), (Key::LastSeen, true)] }
    }
}

impl Sort {
    /// Compare two alerts. Alerts of a first read of old logs stand below live ones in orders of urgency.
    pub fn compare(&self, one: &Alert, two: &Alert) -> Ordering {
        let urgency = matches!(self.keys.first(), Some((Key::Risk | Key::Severity, true)));
        if urgency && one.backfill != two.backfill {
            return one.backfill.cmp(&two.backfill);
        }
        for (key, descending) in &self.keys {
            let order = key.compare(one, two);
            let order = if *descending { order.reverse() } else { order };
            if order.is_ne() {
                return order;
            }
        }
        one.id.cmp(&two.id)
    }

    /// Change the order; false when the field is unknown.
    pub fn change(&mut self, step: &SortEdit) -> bool {
        match step {
            SortEdit::By(word) => {
                let Some(key) = Key::parse(word) else { return false };
                let descending = match self.keys.first() {
                    Some((first, descending)) if *first == key => !descending,
                    _ => key.starts_descending(),
                };
                self.keys = vec![(key, descending)];
                for (more, descending) in Sort::default().keys {
                    if more != key {
                        self.keys.push((more, descending));
                    }
                }
            }
            SortEdit::Invert => {
                if let Some((_, descending)) = self.keys.first_mut() {
                    *descending = !*descending;
                }
            }
        }
        true
    }

    /// The first field as shown: `-risk`.
    pub fn label(&self) -> String {
        match self.keys.first() {
            Some((key, true)) => format!("-{}", key.as_str()),
            Some((key, false)) => key.as_str().to_owned(),
            None => String::new(),
        }
    }
}
