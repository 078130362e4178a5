//! Does a filter do what its author meant? A filter's condition is joined with `and` as it is written, so one that
//! describes harmless events must say `not`. Forgetting it hides everything else, silently.

use std::collections::BTreeSet;

use rsigma_parser::{ConditionExpr, Detection, FilterRule, Quantifier, SigmaRule};

/// Detections of one filter up to which every combination is tried.
const NAMES_MAX: usize = 12;

/// What is odd about a filter, whatever rule it is for.
pub fn of_filter(filter: &FilterRule) -> Option<&'static str> {
    let names: Vec<&str> = filter.detection.named.keys().map(String::as_str).collect();
    if names.len() > NAMES_MAX {
        return None;
    }
    let holds = |combination: u32| {
        let is_true = |name: &str| {
            let place = names.iter().position(|known| *known == name);
            place.is_some_and(|place| combination & (1 << place) != 0)
        };
        filter.detection.conditions.iter().any(|condition| eval(condition, &names, &is_true))
    };
    let all = 1_u32 << names.len();
    if (0..all).all(|combination| !holds(combination)) {
        return Some("its condition can never hold: it hides everything its rules find");
    }
    if (0..all).all(holds) {
        return Some("its condition always holds: it hides nothing");
    }
    (!holds(0)).then_some(
        "it keeps only the events that it describes and hides all others; to hide what it describes, write `not` in its condition",
    )
}

/// A filter that denies just what a rule looks for hides everything that the rule can find.
pub fn hides_rule(filter: &FilterRule, rule: &SigmaRule) -> bool {
    // Of several conditions one is enough, so that none alone hides anything.
    let only = match filter.detection.conditions.as_slice() {
        [only] => Some(only),
        _ => None,
    };
    let denied: Vec<&Detection> = only
        .into_iter()
        .filter_map(|condition| match condition {
            ConditionExpr::Not(inner) => match inner.as_ref() {
                ConditionExpr::Identifier(name) => filter.detection.named.get(name),
                _ => None,
            },
            _ => None,
        })
        .collect();
    let needed = needed(rule);
    denied.iter().any(|denied| match denied {
        Detection::AllOf(items) => {
            !items.is_empty()
                && items.iter().all(|item| {
                    needed.iter().any(|needed| {
                        matches!(needed, Detection::AllOf(theirs) if theirs.contains(item))
                    })
                })
        }
        other => needed.contains(other),
    })
}

/// The detections that must hold whenever the rule does.
fn needed(rule: &SigmaRule) -> Vec<&Detection> {
    fn names<'r>(condition: &'r ConditionExpr, out: &mut BTreeSet<&'r str>) {
        match condition {
            ConditionExpr::Identifier(name) => drop(out.insert(name)),
            ConditionExpr::And(inner) => inner.iter().for_each(|inner| names(inner, out)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    if let [condition] = rule.detection.conditions.as_slice() {
        names(condition, &mut found);
    }
    found.into_iter().filter_map(|name| rule.detection.named.get(name)).collect()
}

fn eval(condition: &ConditionExpr, names: &[&str], is_true: &impl Fn(&str) -> bool) -> bool {
    match condition {
        ConditionExpr::And(inner) => inner.iter().all(|inner| eval(inner, names, is_true)),
        ConditionExpr::Or(inner) => inner.iter().any(|inner| eval(inner, names, is_true)),
        ConditionExpr::Not(inner) => !eval(inner, names, is_true),
        ConditionExpr::Identifier(name) => is_true(name),
        ConditionExpr::Selector { quantifier, pattern } => {
            let mut chosen = names.iter().filter(|name| pattern.matches_detection_name(name));
            match quantifier {
                Quantifier::All => chosen.all(|name| is_true(name)),
                Quantifier::Any => chosen.any(|name| is_true(name)),
                Quantifier::Count(least) => {
                    chosen.filter(|name| is_true(name)).count() as u64 >= *least
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use rsigma_parser::parse_sigma_yaml;

    use super::*;

    fn filter(condition: &str) -> FilterRule {
        let text = format!(
            "title: f\nlogsource: {{product: windows}}\nfilter:\n  rules: any\n  benign: {{User: admin}}\n  \
             tool: {{Image: x}}\n  condition: {condition}\n"
        );
        parse_sigma_yaml(&text).unwrap().filters.remove(0)
    }

    fn rule(detection: &str) -> SigmaRule {
        let text = format!("title: r\nlogsource: {{product: windows}}\ndetection: {detection}\n");
        parse_sigma_yaml(&text).unwrap().rules.remove(0)
    }

    #[test]
    fn a_filter_without_not_is_named() {
        assert!(of_filter(&filter("benign")).unwrap().contains("write `not`"));
        assert!(of_filter(&filter("benign or tool")).unwrap().contains("write `not`"));
        assert_eq!(of_filter(&filter("not benign")), None);
        assert_eq!(of_filter(&filter("not 1 of them")), None);
        assert_eq!(of_filter(&filter("not (benign and tool)")), None);
        assert_eq!(of_filter(&filter("not 2 of them")), None);
        assert_eq!(of_filter(&filter("[not benign, not tool]")), None);
    }

    #[test]
    fn a_filter_that_hides_everything_or_nothing_is_named() {
        assert!(of_filter(&filter("benign and not benign")).unwrap().contains("never"));
        assert!(of_filter(&filter("benign or not benign")).unwrap().contains("nothing"));
    }

    #[test]
    fn a_filter_that_denies_what_a_rule_looks_for_is_named() {
        let denies = filter("not benign");
        assert!(hides_rule(&denies, &rule("{s: {User: admin, Image: y}, condition: s}")));
        assert!(hides_rule(&denies, &rule("{s: {User: admin}, t: {a: b}, condition: s and t}")));
        assert!(!hides_rule(&denies, &rule("{s: {User: root}, condition: s}")));
        assert!(!hides_rule(&denies, &rule("{s: {User: admin}, t: {a: b}, condition: s or t}")));
    }
}
