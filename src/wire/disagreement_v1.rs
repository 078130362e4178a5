//! Where models and analysts do not agree, as JSON.

use serde::{Deserialize, Serialize};

use crate::model::disagreement as model;
use crate::model::verdict::VerdictKind;
use crate::wire::problem_v1::{WireError, id, time};

/// All that are known, with counts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disagreements {
    /// The newest first.
    pub rows: Vec<Disagreement>,
    /// Alerts of models that have a verdict.
    pub model_judged: u64,
    /// Of those, the verdict says attack.
    pub model_right: u64,
    /// Alerts of rules that were called true, on endpoints that were judged at that time.
    pub rule_true: u64,
    /// The same on endpoints that were not.
    pub unseen: u64,
    /// There are older alerts than were looked at.
    pub more: bool,
}

/// One disagreement.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Disagreement {
    /// `model_only`, `analyst_only`.
    pub side: String,
    /// The alert.
    pub alert: String,
    /// The title of its rule.
    pub title: String,
    /// Its endpoint.
    #[serde(rename = "host.name")]
    pub host: String,
    /// The last event of the alert.
    pub at: String,
    /// The highest score of a window at that time.
    pub attack_prob: Option<f64>,
    /// The verdict.
    pub verdict: String,
    /// Who gave it.
    pub who: String,
    /// The note with it.
    pub note: String,
}

impl From<&model::Disagreements> for Disagreements {
    fn from(found: &model::Disagreements) -> Disagreements {
        Disagreements {
            rows: found.rows.iter().map(Disagreement::from).collect(),
            model_judged: found.model_judged,
            model_right: found.model_right,
            rule_true: found.rule_true,
            unseen: found.unseen,
            more: found.more,
        }
    }
}

impl TryFrom<Disagreements> for model::Disagreements {
    type Error = WireError;

    fn try_from(wire: Disagreements) -> Result<model::Disagreements, WireError> {
        let rows: Result<_, _> = wire.rows.into_iter().map(model::Disagreement::try_from).collect();
        Ok(model::Disagreements {
            rows: rows?,
            model_judged: wire.model_judged,
            model_right: wire.model_right,
            rule_true: wire.rule_true,
            unseen: wire.unseen,
            more: wire.more,
        })
    }
}

impl From<&model::Disagreement> for Disagreement {
    fn from(row: &model::Disagreement) -> Disagreement {
        Disagreement {
            side: row.side.as_str().to_owned(),
            alert: row.alert.to_string(),
            title: row.title.clone(),
            host: row.host.clone(),
            at: row.at.to_string(),
            attack_prob: row.score,
            verdict: row.verdict.as_str().to_owned(),
            who: row.who.clone(),
            note: row.note.clone(),
        }
    }
}

impl TryFrom<Disagreement> for model::Disagreement {
    type Error = WireError;

    fn try_from(wire: Disagreement) -> Result<model::Disagreement, WireError> {
        Ok(model::Disagreement {
            side: model::Side::parse(&wire.side)
                .ok_or_else(|| WireError::new("side", &wire.side))?,
            alert: id("alert", &wire.alert)?,
            title: wire.title,
            host: wire.host,
            at: time("at", &wire.at)?,
            score: wire.attack_prob,
            verdict: VerdictKind::parse(&wire.verdict)
                .ok_or_else(|| WireError::new("verdict", &wire.verdict))?,
            who: wire.who,
            note: wire.note,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::id::Id128;
    use crate::stdx::time::Timestamp;

    #[test]
    fn there_and_back() {
        let found = model::Disagreements {
            rows: vec![model::Disagreement {
                side: model::Side::AnalystOnly,
                alert: Id128([4; 16]),
                title: "t".to_owned(),
                host: "h\u{1b}".to_owned(),
                at: Timestamp::from_seconds(9),
                score: Some(0.25),
                verdict: VerdictKind::TruePositive,
                who: "ana".to_owned(),
                note: "n".to_owned(),
            }],
            model_judged: 3,
            model_right: 1,
            rule_true: 2,
            unseen: 4,
            more: true,
        };
        let text = serde_json::to_string(&Disagreements::from(&found)).unwrap();
        let wire: Disagreements = serde_json::from_str(&text).unwrap();
        assert_eq!(model::Disagreements::try_from(wire).unwrap(), found);
        let bad: Disagreements =
            serde_json::from_str(&text.replace("analyst_only", "nobody")).unwrap();
        assert_eq!(model::Disagreements::try_from(bad).unwrap_err().field, "side");
    }
}
