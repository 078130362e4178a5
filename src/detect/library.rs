//! What the library's engine does around single rules and we do ourselves: filters, and names that must exist.

use std::collections::BTreeMap;

use ahash::AHashSet;
use rsigma_eval::EvalError;
use rsigma_parser::{
    ConditionExpr, Detection, Detections, FilterRule, FilterRuleTarget, LogSource, Quantifier,
    SelectorPattern, SigmaRule, parse_sigma_yaml,
};
use thiserror::Error;

use crate::detect::load::RuleProblem;
use crate::detect::{placeholders, polarity, rewrite};

/// A rule into which a filter's detections are put to see whether they can run.
const SHELL: &str =
    "title: filter\nlogsource: {product: any}\ndetection: {s: {a: b}, condition: s}\n";

/// Why a filter is not used.
#[derive(Debug, Error)]
pub enum FilterError {
    /// Its condition names nothing.
    #[error("the filter is not used: its condition names {0}, which is no detection of the filter")]
    Missing(String),
    /// It has a placeholder that means nothing.
    #[error("the filter is not used: it {0}")]
    Placeholder(#[from] placeholders::PlaceholderError),
    /// The library refuses it.
    #[error("the filter is not used: {0}")]
    Compile(#[from] EvalError),
}

/// Fill in a filter's placeholders and see that it could be joined to a rule: a broken filter must not take the rules
/// that it is for with it.
///
/// # Errors
/// What is wrong with it.
pub fn ready(
    filter: &mut FilterRule,
    values: &BTreeMap<String, Vec<String>>,
) -> Result<(), FilterError> {
    if let Some(name) = missing_detection(&filter.detection) {
        return Err(FilterError::Missing(name));
    }
    let shell = parse_sigma_yaml(SHELL).map(|shell| shell.rules.into_iter().next());
    let Ok(Some(mut rule)) = shell else { return Ok(()) };
    rule.detection = filter.detection.clone();
    placeholders::expand(&mut rule, values)?;
    rewrite::compile(&rule)?;
    filter.detection = rule.detection;
    Ok(())
}

/// Add every filter's condition to the rules it is for.
///
/// The condition is joined with `and` as it is written: a filter that describes harmless events must say `not`.
pub fn apply_filters<P>(
    rules: &mut dyn Iterator<Item = &mut SigmaRule>,
    filters: &[(FilterRule, P)],
    place: impl Fn(&P) -> (String, u32),
    problems: &mut Vec<RuleProblem>,
    warnings: &mut Vec<RuleProblem>,
) {
    if filters.is_empty() {
        return;
    }
    for (filter, at) in filters {
        if let Some(odd) = polarity::of_filter(filter) {
            let (file, line) = place(at);
            warnings.push(RuleProblem::new(file, line, format!("the filter is odd: {odd}")));
        }
    }
    let mut used = vec![false; filters.len()];
    for rule in rules {
        for (number, (filter, at)) in filters.iter().enumerate() {
            if is_for(filter, rule) {
                if polarity::hides_rule(filter, rule) {
                    let (file, line) = place(at);
                    let reason =
                        format!("the filter hides everything that the rule {} finds", rule.title);
                    warnings.push(RuleProblem::new(file, line, reason));
                }
                join(rule, filter, number);
                if let Some(used) = used.get_mut(number) {
                    *used = true;
                }
            }
        }
    }
    for ((_, at), _) in filters.iter().zip(&used).filter(|(_, used)| !**used) {
        let (file, line) = place(at);
        problems.push(RuleProblem::new(
            file,
            line,
            "the filter is for no rule that is loaded".to_owned(),
        ));
    }
}

fn is_for(filter: &FilterRule, rule: &SigmaRule) -> bool {
    let named = match &filter.rules {
        FilterRuleTarget::Any => true,
        FilterRuleTarget::Specific(names) => names.iter().any(|name| {
            rule.id.as_deref() == Some(name)
                || rule.name.as_deref() == Some(name)
                || rule.title == *name
        }),
    };
    named && filter.logsource.as_ref().is_none_or(|source| includes(source, &rule.logsource))
}

/// Everything that the filter's logsource says, the rule's says too.
fn includes(filter: &LogSource, rule: &LogSource) -> bool {
    let same = |filter: &Option<String>, rule: &Option<String>| match (filter, rule) {
        (None, _) => true,
        (Some(wanted), Some(there)) => wanted.eq_ignore_ascii_case(there),
        (Some(_), None) => false,
    };
    same(&filter.product, &rule.product)
        && same(&filter.category, &rule.category)
        && same(&filter.service, &rule.service)
}

fn join(rule: &mut SigmaRule, filter: &FilterRule, number: usize) {
    let mut joint = Joint { number, filter: &filter.detection, counted: Vec::new() };
    let mut added: Vec<ConditionExpr> =
        filter.detection.conditions.iter().map(|one| joint.renamed(one)).collect();
    // A list of conditions is joined by or, as in a rule.
    let added = match added.pop() {
        Some(only) if added.is_empty() => only,
        last => {
            added.extend(last);
            ConditionExpr::Or(added)
        }
    };
    for (name, detection) in &filter.detection.named {
        rule.detection.named.insert(joint.name(name), detection.clone());
    }
    rule.detection.named.extend(joint.counted);
    for condition in &mut rule.detection.conditions {
        let own = std::mem::replace(condition, ConditionExpr::And(Vec::new()));
        *condition = ConditionExpr::And(vec![own, added.clone()]);
    }
}

/// A filter on its way into a rule.
struct Joint<'f> {
    number: usize,
    filter: &'f Detections,
    /// Detections that stand again under names of their own, so that a selector can count them.
    counted: Vec<(String, Detection)>,
}

impl Joint<'_> {
    /// A leading underscore keeps the names out of the rule's own `1 of them`.
    fn name(&self, name: &str) -> String {
        format!("_filter_{}_{name}", self.number)
    }

    fn renamed(&mut self, condition: &ConditionExpr) -> ConditionExpr {
        match condition {
            ConditionExpr::And(list) => {
                ConditionExpr::And(list.iter().map(|one| self.renamed(one)).collect())
            }
            ConditionExpr::Or(list) => {
                ConditionExpr::Or(list.iter().map(|one| self.renamed(one)).collect())
            }
            ConditionExpr::Not(one) => ConditionExpr::Not(Box::new(self.renamed(one))),
            ConditionExpr::Identifier(name) => ConditionExpr::Identifier(self.name(name)),
            ConditionExpr::Selector { quantifier, pattern } => self.selector(quantifier, pattern),
        }
    }

    fn selector(&mut self, quantifier: &Quantifier, pattern: &SelectorPattern) -> ConditionExpr {
        let mut chosen: Vec<(&String, &Detection)> = self
            .filter
            .named
            .iter()
            .filter(|(name, _)| pattern.matches_detection_name(name))
            .collect();
        chosen.sort_by_key(|(name, _)| name.as_str());
        let named = || chosen.iter().map(|(name, _)| ConditionExpr::Identifier(self.name(name)));
        match quantifier {
            Quantifier::All => ConditionExpr::And(named().collect()),
            Quantifier::Any | Quantifier::Count(1) => ConditionExpr::Or(named().collect()),
            Quantifier::Count(_) => {
                let prefix = format!("_count_{}_{}_", self.number, self.counted.len());
                let again = chosen
                    .iter()
                    .map(|(name, found)| (format!("{prefix}{name}"), (*found).clone()));
                self.counted.extend(again);
                let pattern = SelectorPattern::Pattern(format!("{prefix}*"));
                ConditionExpr::Selector { quantifier: quantifier.clone(), pattern }
            }
        }
    }
}

/// A name in the rule's conditions that is no detection of it; the library would take it for one that never holds.
pub fn missing_detection(detections: &Detections) -> Option<String> {
    let names: AHashSet<&str> = detections.named.keys().map(String::as_str).collect();
    detections.conditions.iter().find_map(|condition| missing(condition, &names))
}

fn missing(condition: &ConditionExpr, names: &AHashSet<&str>) -> Option<String> {
    match condition {
        ConditionExpr::And(list) | ConditionExpr::Or(list) => {
            list.iter().find_map(|one| missing(one, names))
        }
        ConditionExpr::Not(one) => missing(one, names),
        ConditionExpr::Identifier(name) => (!names.contains(name.as_str())).then(|| name.clone()),
        ConditionExpr::Selector { pattern, .. } => {
            let any = names.iter().any(|name| pattern.matches_detection_name(name));
            (!any).then(|| pattern.to_string())
        }
    }
}
