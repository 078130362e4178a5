//! The order of an alert list, as `AlertQuery::sort` writes it: `-risk,last_seen`.

use std::cmp::Ordering;

use crate::model::alert::Alert;

/// A field that alerts can be sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SortField {
    /// Live before backfill.
    Backfill,
    /// By risk.
    Risk,
    /// By severity.
    Severity,
    /// By state, in the order of life.
    Status,
    /// By matches.
    Count,
    /// By event time of the first match.
    FirstSeen,
    /// By event time of the last match.
    LastSeen,
    /// By when it was raised.
    Created,
    /// By when it changed.
    Updated,
    /// By endpoint.
    Host,
    /// By rule title.
    Rule,
    /// By user name.
    User,
    /// By owner.
    Assignee,
}

/// One field and its direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SortKey {
    /// The field.
    pub field: SortField,
    /// Highest first.
    pub descending: bool,
}

/// A word that is no field to sort by.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("cannot sort by {word:?}: use one of {NAMES}")]
pub struct UnknownSortField {
    /// The word.
    pub word: String,
}

const NAMES: &str = "risk, severity, status, count, first_seen, last_seen, created, updated, host.name, rule.name, user.name, assignee, backfill";

/// The order when none is asked for: live ones first, worst first, newest first.
pub const DEFAULT: [SortKey; 3] = [
    SortKey { field: SortField::Backfill, descending: false },
    SortKey { field: SortField::Risk, descending: true },
    SortKey { field: SortField::LastSeen, descending: true },
];

/// Read `-risk,last_seen`; empty is [`DEFAULT`].
pub fn parse(text: &str) -> Result<Vec<SortKey>, UnknownSortField> {
    if text.trim().is_empty() {
        return Ok(DEFAULT.to_vec());
    }
    text.split(',').map(|word| key(word.trim())).collect()
}

fn key(word: &str) -> Result<SortKey, UnknownSortField> {
    let (name, descending) = word.strip_prefix('-').map_or((word, false), |name| (name, true));
    let field = match name {
        "backfill" => SortField::Backfill,
        "risk" => SortField::Risk,
        "severity" | "level" => SortField::Severity,
        "status" => SortField::Status,
        "count" => SortField::Count,
        "first_seen" => SortField::FirstSeen,
        "last_seen" => SortField::LastSeen,
        "created" => SortField::Created,
        "updated" => SortField::Updated,
        "host" | "host.name" => SortField::Host,
        "rule" | "rule.name" => SortField::Rule,
        "user" | "user.name" => SortField::User,
        "assignee" => SortField::Assignee,
        _ => return Err(UnknownSortField { word: name.to_owned() }),
    };
    Ok(SortKey { field, descending })
}

/// Compare two alerts by keys; ids decide ties, so that an order is always the same.
pub fn compare(a: &Alert, b: &Alert, keys: &[SortKey]) -> Ordering {
    for key in keys {
        let order = by_field(a, b, key.field);
        let order = if key.descending { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.id.cmp(&b.id)
}

/// Keys that a [`leading`] value covers.
pub const LEADING_MAX: usize = 3;

/// The first keys as numbers that sort the same way, up to the first text key: most comparisons of a
/// long list end here, without a look at the alerts. Equal numbers say nothing; then [`compare`] decides.
pub fn leading(alert: &Alert, keys: &[SortKey]) -> [i64; LEADING_MAX] {
    let mut numbers = [0; LEADING_MAX];
    for (slot, key) in numbers.iter_mut().zip(keys) {
        let Some(number) = number_of(alert, key.field) else { break };
        // `!` turns the order round and cannot overflow.
        *slot = if key.descending { !number } else { number };
    }
    numbers
}

fn number_of(alert: &Alert, field: SortField) -> Option<i64> {
    let number = match field {
        SortField::Backfill => i64::from(alert.backfill),
        SortField::Risk => i64::from(alert.risk),
        SortField::Severity => i64::from(alert.severity.rank()),
        SortField::Status => alert.status as i64,
        SortField::Count => i64::try_from(alert.count).unwrap_or(i64::MAX),
        SortField::FirstSeen => alert.first_seen.0,
        SortField::LastSeen => alert.last_seen.0,
        SortField::Created => alert.created.0,
        SortField::Updated => alert.updated.0,
        SortField::Host | SortField::Rule | SortField::User | SortField::Assignee => return None,
    };
    Some(number)
}

fn by_field(a: &Alert, b: &Alert, field: SortField) -> Ordering {
    match field {
        SortField::Backfill => a.backfill.cmp(&b.backfill),
        SortField::Risk => a.risk.cmp(&b.risk),
        SortField::Severity => a.severity.cmp(&b.severity),
        SortField::Status => (a.status as u8).cmp(&(b.status as u8)),
        SortField::Count => a.count.cmp(&b.count),
        SortField::FirstSeen => a.first_seen.cmp(&b.first_seen),
        SortField::LastSeen => a.last_seen.cmp(&b.last_seen),
        SortField::Created => a.created.cmp(&b.created),
        SortField::Updated => a.updated.cmp(&b.updated),
        SortField::Host => a.host.cmp(&b.host),
        SortField::Rule => a.rule_name.cmp(&b.rule_name),
        SortField::User => a.user.cmp(&b.user),
        SortField::Assignee => a.assignee.cmp(&b.assignee),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_directions() {
        let keys = parse("-risk, host.name").unwrap();
        assert_eq!(keys[0], SortKey { field: SortField::Risk, descending: true });
        assert_eq!(keys[1], SortKey { field: SortField::Host, descending: false });
        assert_eq!(parse("").unwrap(), DEFAULT);
        assert_eq!(parse("risk,--x").unwrap_err().word, "-x");
    }
}
