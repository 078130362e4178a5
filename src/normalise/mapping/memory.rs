//! What one record leaves for later ones of its stream: requests that wait for their response, and the names of columns
//! that a header line gave. Bounded, and part of the commit.

use std::collections::VecDeque;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::event::{Event, Value};
use crate::model::field::FieldId;
use crate::normalise::complete::EventTime;
use crate::normalise::kept::KeptFields;
use crate::normalise::mapping::facts::Facts;
use crate::normalise::mapping::rules::{Mapping, Remember};
use crate::stdx::time::Timestamp;

/// Records of one stream that are remembered; the oldest gives way and is not joined.
pub const REMEMBERED_MAX: usize = 512;
/// Columns of a header.
const COLUMNS_MAX: usize = 500;

/// The memory of one stream.
#[derive(Debug, Default, Serialize, Deserialize, PartialEq)]
pub struct Memory {
    kept: VecDeque<Kept>,
    /// The columns in force.
    pub columns: Option<Columns>,
    /// What kind of log Zeek's head says that this is (`conn`, `dns`); the fact `_path` of its lines.
    #[serde(default)]
    pub path: Option<String>,
}

/// Columns that a header line named.
#[derive(Clone, Debug, Serialize, Deserialize, PartialEq)]
pub struct Columns {
    /// The mapping that they are for.
    pub mapping: Arc<str>,
    /// Their names in order.
    pub names: Vec<String>,
    /// What stands between them.
    pub between: char,
}

#[derive(Debug, Serialize, Deserialize, PartialEq)]
struct Kept {
    mapping: Arc<str>,
    key: String,
    at_us: i64,
    fields: KeptFields,
}

impl Memory {
    /// Nothing to remember?
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty() && self.columns.is_none()
    }

    /// Take note of a header line: the columns of the lines after it.
    pub fn header(&mut self, mapping: &Arc<str>, columns: &str, between: char) {
        let names = if between == ' ' {
            columns.split_whitespace().take(COLUMNS_MAX).map(str::to_owned).collect()
        } else {
            columns.split(between).take(COLUMNS_MAX).map(|name| name.trim().to_owned()).collect()
        };
        self.columns = Some(Columns { mapping: Arc::clone(mapping), names, between });
    }

    /// Keep a record for later ones, or give the event what an earlier record kept for it.
    pub fn join(&mut self, mapping: &Mapping, facts: &Facts, time: EventTime, event: &mut Event) {
        let Some(rule) = &mapping.remember else { return };
        let Some(key) = key(rule, facts) else { return };
        let holds = |list: &[(FieldId, super::rules::Matcher)]| {
            list.iter().all(|(name, matcher)| matcher.holds(facts.get(*name)))
        };
        let at_us = match time {
            EventTime::At(at) | EventTime::Guessed(at, _) => at.0,
            EventTime::None(_) => 0,
        };
        if holds(&rule.keep) {
            self.keep(mapping, key, at_us, event);
        } else if holds(&rule.take) {
            self.take(mapping, &key, at_us, event);
        }
    }

    fn keep(&mut self, mapping: &Mapping, key: String, at_us: i64, event: &Event) {
        let of_record = ["event.", "message", "log.", "organization.", "watchfloor.", "related."];
        let fields =
            KeptFields::of(event, |name| !of_record.iter().any(|prefix| name.starts_with(prefix)));
        if self.kept.len() >= REMEMBERED_MAX {
            self.kept.pop_front();
        }
        self.kept.push_back(Kept { mapping: Arc::clone(&mapping.name), key, at_us, fields });
    }

    fn take(&mut self, mapping: &Mapping, key: &str, at_us: i64, event: &mut Event) {
        let found =
            self.kept.iter().rposition(|kept| kept.mapping == mapping.name && kept.key == key);
        let Some(kept) = found.and_then(|at| self.kept.remove(at)) else { return };
        kept.fields.fill(event);
        if kept.at_us > 0 && at_us >= kept.at_us {
            event.push_named("event.start", Value::Str(&Timestamp(kept.at_us).to_string()));
            // ECS counts a duration in nanoseconds.
            event.push_named(
                "event.duration",
                Value::Int((at_us - kept.at_us).saturating_mul(1_000)),
            );
        }
    }
}

fn key(rule: &Remember, facts: &Facts) -> Option<String> {
    let parts: Option<Vec<String>> =
        rule.key.iter().map(|name| Some(facts.get(*name)?.to_text().into_owned())).collect();
    parts.map(|parts| parts.join("\u{1f}")).filter(|key| !key.is_empty() && key.len() <= 512)
}
