//! Stored and spoken forms about noise, version 1: budgets of rules, parked rules, how rare a match was. Fields are
//! only added, with a default.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::noise;
use crate::model::severity::Severity;
use crate::stdx::id::Id128;
use crate::wire::problem_v1::{WireError, time};

/// New alerts of a rule by day of event time, and whether it is parked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleDays {
    /// `organization.id`.
    pub tenant: String,
    /// The rule's id.
    pub rule: String,
    /// Alerts by day since 1970.
    pub days: BTreeMap<i64, u64>,
    /// Since when nothing comes of it.
    pub parked: Option<noise::ParkedRule>,
}

#[derive(Serialize, Deserialize)]
struct RuleDaysForm {
    tenant: String,
    rule: String,
    #[serde(default)]
    days: BTreeMap<i64, u64>,
    #[serde(default)]
    parked: Option<Parked>,
}

/// A parked rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Parked {
    /// `organization.id`.
    pub tenant: String,
    /// The rule's id.
    pub rule: String,
    /// Its title.
    pub title: String,
    /// Its level.
    pub level: String,
    /// Its tags.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Its budget.
    pub budget: u64,
    /// Since when.
    pub since: String,
    /// The newest match.
    pub last: String,
    /// Matches kept back.
    pub findings: u64,
    /// Alerts kept back.
    pub held: u64,
    /// Matches that were counted only.
    pub counted: u64,
    /// The alert that says so.
    pub marker: String,
    /// The first event and the newest.
    #[serde(default)]
    pub evidence: Vec<String>,
    /// All from old logs.
    #[serde(default)]
    pub backfill: bool,
}

/// How rare a value was.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rarity {
    /// The field.
    pub field: String,
    /// In how many matches it had the value.
    pub seen: u64,
    /// Of how many.
    pub of: u64,
}

impl From<&noise::ParkedRule> for Parked {
    fn from(parked: &noise::ParkedRule) -> Parked {
        Parked {
            tenant: parked.tenant.clone(),
            rule: parked.rule.clone(),
            title: parked.title.clone(),
            level: parked.level.as_str().to_owned(),
            tags: parked.tags.clone(),
            budget: parked.budget,
            since: parked.since.to_string(),
            last: parked.last.to_string(),
            findings: parked.findings,
            held: parked.held,
            counted: parked.counted,
            marker: parked.marker.to_string(),
            evidence: parked.evidence.iter().map(Id128::to_string).collect(),
            backfill: parked.backfill,
        }
    }
}

impl TryFrom<Parked> for noise::ParkedRule {
    type Error = WireError;

    fn try_from(wire: Parked) -> Result<noise::ParkedRule, WireError> {
        let id = |text: &String| Id128::parse(text).ok_or_else(|| WireError::new("id", text));
        let level = Severity::parse(&wire.level);
        Ok(noise::ParkedRule {
            level: level.ok_or_else(|| WireError::new("level", &wire.level))?,
            since: time("since", &wire.since)?,
            last: time("last", &wire.last)?,
            marker: id(&wire.marker)?,
            evidence: wire.evidence.iter().map(id).collect::<Result<_, _>>()?,
            tenant: wire.tenant,
            rule: wire.rule,
            title: wire.title,
            tags: wire.tags,
            budget: wire.budget,
            findings: wire.findings,
            held: wire.held,
            counted: wire.counted,
            backfill: wire.backfill,
        })
    }
}

impl From<&noise::FieldRarity> for Rarity {
    fn from(rarity: &noise::FieldRarity) -> Rarity {
        Rarity { field: rarity.field.clone(), seen: rarity.seen, of: rarity.of }
    }
}

impl From<Rarity> for noise::FieldRarity {
    fn from(wire: Rarity) -> noise::FieldRarity {
        noise::FieldRarity { field: wire.field, seen: wire.seen, of: wire.of }
    }
}

/// A row that cannot be read back.
#[derive(Debug, thiserror::Error)]
pub enum BadNoise {
    /// Not JSON, or not of this form.
    #[error("a stored row about noise is damaged")]
    Json(#[from] serde_json::Error),
    /// A word that this version does not know.
    #[error("a stored row about noise cannot be read")]
    Word(#[from] WireError),
}

/// The row of a rule.
pub fn write_rule(rule: &RuleDays) -> Vec<u8> {
    let form = RuleDaysForm {
        tenant: rule.tenant.clone(),
        rule: rule.rule.clone(),
        days: rule.days.clone(),
        parked: rule.parked.as_ref().map(Parked::from),
    };
    // Texts and numbers only: nothing in it can fail to be written.
    serde_json::to_vec(&form).unwrap_or_default()
}

/// Read what [`write_rule`] wrote.
pub fn read_rule(bytes: &[u8]) -> Result<RuleDays, BadNoise> {
    let form: RuleDaysForm = serde_json::from_slice(bytes)?;
    let parked = form.parked.map(noise::ParkedRule::try_from).transpose()?;
    Ok(RuleDays { tenant: form.tenant, rule: form.rule, days: form.days, parked })
}

/// How rare a match was, as stored.
pub fn write_rarity(rarity: &[noise::FieldRarity]) -> String {
    let forms: Vec<Rarity> = rarity.iter().map(Rarity::from).collect();
    serde_json::to_string(&forms).unwrap_or_default()
}

/// Read what [`write_rarity`] wrote.
pub fn read_rarity(text: &str) -> Result<Vec<noise::FieldRarity>, BadNoise> {
    let forms: Vec<Rarity> = serde_json::from_str(text)?;
    Ok(forms.into_iter().map(noise::FieldRarity::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::time::Timestamp;

    #[test]
    fn a_parked_rule_comes_back_as_it_went() {
        let parked = noise::ParkedRule {
            tenant: "t".into(),
            rule: "a/\u{1b}?".into(),
            title: "\"x\"".into(),
            level: Severity::Low,
            tags: vec!["attack.t1110".into()],
            budget: 3,
            since: Timestamp(1_795_334_400_000_001),
            last: Timestamp(1_795_334_400_000_002),
            findings: 9,
            held: 2,
            counted: 1,
            marker: Id128([7; 16]),
            evidence: vec![Id128([1; 16])],
            backfill: true,
        };
        let (tenant, rule) = (parked.tenant.clone(), parked.rule.clone());
        let row = RuleDays { tenant, rule, days: [(20_000, 3)].into(), parked: Some(parked) };
        assert_eq!(read_rule(&write_rule(&row)).unwrap(), row);
        assert!(read_rule(b"{").is_err());
    }
}
