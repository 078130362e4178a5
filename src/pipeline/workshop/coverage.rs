//! Which tactics and techniques of ATT&CK the rules speak of, and which of them can be detected on what arrives.

use std::collections::{BTreeMap, BTreeSet};

use crate::config::rules::RulesConfig;
use crate::detect::load::{self, Parsed};
use crate::detect::reach::{Names, Reach, reach};
use crate::model::attack;

pub use crate::detect::telemetry::Telemetry;

/// What the rules cover.
#[derive(Debug, Default)]
pub struct CoverageReport {
    /// A row a technique that some rule tags, by id.
    pub techniques: Vec<TechniqueRow>,
    /// Rules with no technique among their tags.
    pub without_technique: usize,
    /// Rules looked at.
    pub rules: usize,
    /// What can be detected on each endpoint that sent something.
    pub endpoints: BTreeMap<String, EndpointRow>,
    /// Techniques that rules tag and the table does not have, with how many rules.
    pub unknown: BTreeMap<String, usize>,
    /// Rule files that could not be used, in a person's words.
    pub problems: Vec<String>,
}

/// One endpoint.
#[derive(Clone, Debug, Default)]
pub struct EndpointRow {
    /// Kinds of events that it sent.
    pub kinds: usize,
    /// Rules that can fire there.
    pub rules: usize,
    /// Techniques that one of them tags. It is blind for the others of the report.
    pub techniques: BTreeSet<&'static str>,
}

/// One technique.
#[derive(Clone, Debug, Default)]
pub struct TechniqueRow {
    /// `T1059.001`.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
    /// Its tactics, as tags spell them.
    pub tactics: Vec<&'static str>,
    /// Rules that tag it.
    pub rules: usize,
    /// Of these, the ones that can fire on what arrived.
    pub live: usize,
    /// The endpoints on which one of them can.
    pub endpoints: BTreeSet<String>,
    /// Why none can, by how many rules say so; empty when one can.
    pub causes: BTreeMap<String, usize>,
}

/// One rule and whether it can fire.
#[derive(Clone, Debug)]
pub struct RuleReach {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// `file:line`.
    pub place: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Where it can fire, or why not.
    pub reach: Reach,
}

/// Every rule, held against what arrived.
pub fn reaches(
    config: &RulesConfig,
    telemetry: &Telemetry,
    problems: &mut Vec<String>,
) -> Vec<RuleReach> {
    let mut trouble = Vec::new();
    let parsed = load::read(config, &mut trouble);
    problems.extend(trouble.iter().map(ToString::to_string));
    let mut names = Names::default();
    let mut out: Vec<RuleReach> = parsed
        .rules
        .iter()
        .map(|(rule, place)| RuleReach {
            id: rule.id.clone().unwrap_or_else(|| load::id_of(&rule.title)),
            title: rule.title.clone(),
            place: format!("{}:{}", place.file, place.line),
            tags: rule.tags.clone(),
            reach: reach(rule, telemetry, &mut names),
        })
        .collect();
    joined(&parsed, &mut out);
    out
}

/// A correlation can fire where all rules that go into it can. Correlations of correlations come after their inputs.
fn joined(parsed: &Parsed, out: &mut Vec<RuleReach>) {
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for (number, (rule, _)) in parsed.rules.iter().enumerate() {
        let id = rule.id.clone().unwrap_or_else(|| load::id_of(&rule.title));
        known.extend([(id, number)]);
        known.extend(rule.name.clone().map(|name| (name, number)));
    }
    let mut waiting: Vec<_> = parsed.correlations.iter().collect();
    while !waiting.is_empty() {
        let before = waiting.len();
        waiting.retain(|(rule, place)| {
            let inputs: Option<Vec<usize>> =
                rule.rules.iter().map(|name| known.get(name).copied()).collect();
            let Some(inputs) = inputs else { return true };
            let mut reach = Reach::default();
            let mut first = true;
            for input in inputs.iter().filter_map(|input| out.get(*input)) {
                let here = &input.reach.endpoints;
                reach.endpoints = if first {
                    here.clone()
                } else {
                    reach.endpoints.intersection(here).cloned().collect()
                };
                first = false;
                if input.reach.is_dead() {
                    reach.causes.push(format!("{} cannot fire", input.title));
                }
            }
            if reach.endpoints.is_empty() && reach.causes.is_empty() {
                reach.causes.push("no endpoint has all of its rules".to_owned());
            }
            let id = rule.id.clone().unwrap_or_else(|| load::id_of(&rule.title));
            known.extend([(id.clone(), out.len())]);
            known.extend(rule.name.clone().map(|name| (name, out.len())));
            out.push(RuleReach {
                id,
                title: rule.title.clone(),
                place: format!("{}:{}", place.file, place.line),
                tags: rule.tags.clone(),
                reach,
            });
            false
        });
        if waiting.len() == before {
            return;
        }
    }
}

/// Count techniques. `telemetry` empty: only what the rules say; live counts are zero then.
pub fn coverage(config: &RulesConfig, telemetry: &Telemetry) -> CoverageReport {
    let mut report = CoverageReport::default();
    let rules = reaches(config, telemetry, &mut report.problems);
    let mut rows: BTreeMap<&'static str, TechniqueRow> = BTreeMap::new();
    for (host, endpoint) in &telemetry.endpoints {
        let row = EndpointRow { kinds: endpoint.kinds(), ..EndpointRow::default() };
        report.endpoints.insert(host.clone(), row);
    }
    for rule in &rules {
        report.rules += 1;
        for host in &rule.reach.endpoints {
            if let Some(row) = report.endpoints.get_mut(host) {
                row.rules += 1;
            }
        }
        let mut any = false;
        let mut seen = BTreeSet::new();
        for tag in &rule.tags {
            let tag = tag.to_lowercase();
            let numbered = tag.strip_prefix("attack.t").is_some_and(|rest| {
                rest.len() >= 4 && rest.chars().all(|c| c.is_ascii_digit() || c == '.')
            });
            if !numbered {
                continue;
            }
            any = true;
            let Some(found) = attack::of_tag(&tag) else {
                *report
                    .unknown
                    .entry(tag.replacen("attack.", "", 1).to_uppercase())
                    .or_default() += 1;
                continue;
            };
            // A rule that tags an id that is gone covers what took its place.
            let current = found.replaced_by.and_then(|id| attack::techniques().get(id));
            let technique = current.unwrap_or(found);
            if seen.insert(technique.id) {
                add(&mut rows, technique, &rule.reach);
            }
        }
        report.without_technique += usize::from(!any);
    }
    for row in rows.values_mut().filter(|row| row.live > 0) {
        row.causes.clear();
    }
    for row in rows.values() {
        for host in &row.endpoints {
            if let Some(endpoint) = report.endpoints.get_mut(host) {
                endpoint.techniques.insert(row.id);
            }
        }
    }
    report.techniques = rows.into_values().collect();
    report
}

fn add(
    rows: &mut BTreeMap<&'static str, TechniqueRow>,
    technique: &'static attack::Technique,
    reach: &Reach,
) {
    let row = rows.entry(technique.id).or_insert_with(|| TechniqueRow {
        id: technique.id,
        name: technique.name,
        tactics: technique.tactics.clone(),
        ..TechniqueRow::default()
    });
    row.rules += 1;
    if reach.is_dead() {
        for cause in &reach.causes {
            *row.causes.entry(cause.clone()).or_default() += 1;
        }
    } else {
        row.live += 1;
        row.endpoints.extend(reach.endpoints.iter().cloned());
    }
}

/// By tactic in the matrix's order: its name, techniques covered, techniques there are, rules, live techniques.
pub fn by_tactic(report: &CoverageReport) -> Vec<(String, usize, usize, usize, usize)> {
    let all = attack::techniques();
    attack::TACTICS
        .iter()
        .filter_map(|(tactic, _)| {
            let own = || report.techniques.iter().filter(|row| row.tactics.contains(tactic));
            let there = all
                .values()
                .filter(|row| row.replaced_by.is_none() && row.tactics.contains(tactic))
                .count();
            let rules = own().map(|row| row.rules).sum();
            let live = own().filter(|row| row.live > 0).count();
            Some((attack::tactic_name(tactic)?, own().count(), there, rules, live))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pack_covers_techniques_and_without_events_nothing_is_live() {
        let report = coverage(&RulesConfig::default(), &Telemetry::default());
        assert!(report.techniques.len() > 15, "{}", report.techniques.len());
        assert_eq!(report.unknown, BTreeMap::new());
        assert!(report.techniques.iter().all(|row| row.live == 0 && !row.causes.is_empty()));
        let rows = by_tactic(&report);
        let (_, covered, there, rules, _) =
            rows.iter().find(|row| row.0 == "Credential Access").unwrap();
        assert!(*covered > 0 && covered < there && rules >= covered);
        assert!(rows.iter().any(|row| row.0 == "Stealth (was Defense Evasion)"), "{rows:?}");
    }
}
