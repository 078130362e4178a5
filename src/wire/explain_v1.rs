//! Why a rule held or not, as JSON.

use serde::{Deserialize, Serialize};

use crate::model::explanation as model;
use crate::wire::problem_v1::{WireError, id, time};

/// One event held against one rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    /// The rule.
    pub rule_id: String,
    /// Its title.
    pub rule_title: String,
    /// The event.
    pub event_id: String,
    /// When it happened.
    pub timestamp: String,
    /// Its endpoint.
    pub host: String,
    /// Would this be a match?
    pub fires: bool,
    /// The rule looks at events of this kind.
    pub source_fits: bool,
    /// What the rule is for.
    pub source_wanted: String,
    /// What the event is.
    pub source_is: String,
    /// The conditions hold.
    pub holds: bool,
    /// How many single conditions would have to be different.
    pub short: u32,
    /// Those conditions.
    pub missing: Vec<String>,
    /// The condition tree, top down.
    pub rows: Vec<Row>,
    /// Rows that did not fit.
    pub rows_left_out: u32,
}

/// One node of the condition tree.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// How deep it stands.
    pub depth: u8,
    /// `group`, `not`, `named`, `field`, `keyword`, `array`.
    pub kind: String,
    /// Does it hold?
    pub holds: bool,
    /// The field as the rule names it, or the words of a group.
    pub name: String,
    /// The field of ours.
    pub field: String,
    /// What stands there; `null`: nothing.
    pub actual: Option<String>,
    /// What the rule wants.
    pub wanted: String,
    /// The value of the rule that fits, or the first that is missing.
    pub value: String,
}

impl From<&model::Explanation> for Explanation {
    fn from(found: &model::Explanation) -> Explanation {
        Explanation {
            rule_id: found.rule_id.clone(),
            rule_title: found.rule_title.clone(),
            event_id: found.event.to_string(),
            timestamp: found.timestamp.to_string(),
            host: found.host.clone(),
            fires: found.fires(),
            source_fits: found.source_fits,
            source_wanted: found.source_wanted.clone(),
            source_is: found.source_is.clone(),
            holds: found.holds,
            short: found.short,
            missing: found.missing.clone(),
            rows: found.rows.iter().map(Row::from).collect(),
            rows_left_out: found.rows_left_out,
        }
    }
}

impl From<&model::Row> for Row {
    fn from(row: &model::Row) -> Row {
        Row {
            depth: row.depth,
            kind: row.kind.as_str().to_owned(),
            holds: row.holds,
            name: row.name.clone(),
            field: row.ours.clone(),
            actual: row.actual.clone(),
            wanted: row.wanted.clone(),
            value: row.value.clone(),
        }
    }
}

impl TryFrom<Explanation> for model::Explanation {
    type Error = WireError;

    fn try_from(wire: Explanation) -> Result<model::Explanation, WireError> {
        let rows: Result<_, _> = wire.rows.into_iter().map(model::Row::try_from).collect();
        Ok(model::Explanation {
            rule_id: wire.rule_id,
            rule_title: wire.rule_title,
            event: id("event_id", &wire.event_id)?,
            timestamp: time("timestamp", &wire.timestamp)?,
            host: wire.host,
            source_fits: wire.source_fits,
            source_wanted: wire.source_wanted,
            source_is: wire.source_is,
            holds: wire.holds,
            short: wire.short,
            missing: wire.missing,
            rows: rows?,
            rows_left_out: wire.rows_left_out,
        })
    }
}

impl TryFrom<Row> for model::Row {
    type Error = WireError;

    fn try_from(wire: Row) -> Result<model::Row, WireError> {
        let kind = model::RowKind::parse(&wire.kind);
        Ok(model::Row {
            depth: wire.depth,
            kind: kind.ok_or_else(|| WireError::new("kind", &wire.kind))?,
            holds: wire.holds,
            name: wire.name,
            ours: wire.field,
            actual: wire.actual,
            wanted: wire.wanted,
            value: wire.value,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::time::Timestamp;

    #[test]
    fn explanations_come_back_as_they_went() {
        let row = model::Row {
            depth: 1,
            kind: model::RowKind::Field,
            holds: false,
            name: "Image".into(),
            ours: "process.executable".into(),
            actual: Some("/bin/ls".into()),
            wanted: "ends with \"/curl\"".into(),
            value: String::new(),
        };
        let found = model::Explanation {
            rule_id: "r".into(),
            rule_title: "R".into(),
            event: crate::stdx::id::Id128::parse(&"07".repeat(16)).unwrap(),
            timestamp: Timestamp::from_seconds(1_763_000_000),
            host: "web01".into(),
            source_fits: true,
            source_wanted: "linux/process_creation".into(),
            source_is: "linux/auditd".into(),
            holds: false,
            short: 1,
            missing: vec!["Image ends with \"/curl\"".into()],
            rows: vec![row],
            rows_left_out: 0,
        };
        let text = serde_json::to_string(&Explanation::from(&found)).unwrap();
        let back: Explanation = serde_json::from_str(&text).unwrap();
        assert_eq!(model::Explanation::try_from(back).unwrap(), found);
        let bad = text.replace("\"field\",", "\"fied\",");
        assert!(
            model::Explanation::try_from(serde_json::from_str::<Explanation>(&bad).unwrap())
                .is_err()
        );
    }
}
