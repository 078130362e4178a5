//! What the library's engine does around single rules and we do ourselves: filters, and names that must exist.

use ahash::AHashSet;
use rsigma_parser::{
    ConditionExpr, Detections, FilterRule, FilterRuleTarget, LogSource, SigmaRule,
};

use crate::detect::load::RuleProblem;
use crate::detect::polarity;

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
    // A leading underscore keeps the names out of the rule's own `1 of them`.
    let prefix = format!("_filter_{number}_");
    for (name, detection) in &filter.detection.named {
        rule.detection.named.insert(format!("{prefix}{name}"), detection.clone());
    }
    let names: Vec<&String> = filter.detection.named.keys().collect();
    for condition in &mut rule.detection.conditions {
        let own = std::mem::replace(condition, ConditionExpr::And(Vec::new()));
        let mut both = vec![own];
        both.extend(
            filter.detection.conditions.iter().map(|added| renamed(added, &prefix, &names)),
        );
        *condition = ConditionExpr::And(both);
    }
}

fn renamed(condition: &ConditionExpr, prefix: &str, names: &[&String]) -> ConditionExpr {
    let inner =
        |list: &[ConditionExpr]| list.iter().map(|one| renamed(one, prefix, names)).collect();
    match condition {
        ConditionExpr::And(list) => ConditionExpr::And(inner(list)),
        ConditionExpr::Or(list) => ConditionExpr::Or(inner(list)),
        ConditionExpr::Not(one) => ConditionExpr::Not(Box::new(renamed(one, prefix, names))),
        ConditionExpr::Identifier(name) => ConditionExpr::Identifier(format!("{prefix}{name}")),
        ConditionExpr::Selector { quantifier, pattern } => {
            let mut chosen: Vec<_> = names
                .iter()
                .filter(|name| pattern.matches_detection_name(name))
                .map(|name| ConditionExpr::Identifier(format!("{prefix}{name}")))
                .collect();
            chosen.sort_by_key(ToString::to_string);
            match quantifier {
                rsigma_parser::Quantifier::All => ConditionExpr::And(chosen),
                // Counts above one are not in the specification for filters; any is the weaker reading.
                rsigma_parser::Quantifier::Any | rsigma_parser::Quantifier::Count(_) => {
                    ConditionExpr::Or(chosen)
                }
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
