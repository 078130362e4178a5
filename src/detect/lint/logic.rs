//! What a rule's detections and condition do: names without use, filters the wrong way round, tests that hold always or
//! never.

use std::collections::BTreeSet;

use rsigma_parser::{
    ConditionExpr, Detection, DetectionItem, Detections, FilterRule, Modifier, SigmaRule,
    SigmaValue,
};

use crate::detect::lint::file::Page;
use crate::detect::lint::{Finding, Weight, patterns};

/// Beginnings of names that say that something is taken away.
const TAKEN_AWAY: [&str; 4] = ["filter", "falsepositive", "whitelist", "allowlist"];
/// Beginnings of names that say that something is looked for.
const LOOKED_FOR: [&str; 2] = ["selection", "keyword"];

/// A detection rule.
pub(super) fn rule(page: &Page<'_>, rule: &SigmaRule, found: &mut Vec<Finding>) {
    let (mut plain, mut negated) = (BTreeSet::new(), BTreeSet::new());
    for condition in &rule.detection.conditions {
        uses(condition, &rule.detection, false, &mut plain, &mut negated);
    }
    detections(page, &rule.detection, &plain, &negated, found);
    let mut names: Vec<&String> = rule.detection.named.keys().collect();
    names.sort();
    for name in names {
        let line = page.detection(name);
        let starts =
            |list: &[&str]| list.iter().any(|start| name.to_lowercase().starts_with(start));
        if !plain.contains(name) && !negated.contains(name) {
            let text = format!("the condition never uses {name}");
            found.push(page.finding("unused_detection", Weight::Warning, line, text));
        } else if starts(&TAKEN_AWAY) && !negated.contains(name) {
            let text =
                format!("{name} is required, not taken away: the condition has no `not` before it");
            found.push(page.finding("filter_not_negated", Weight::Warning, line, text));
        } else if starts(&LOOKED_FOR) && !plain.contains(name) {
            let text = format!("{name} is only taken away: the condition has `not` before it");
            found.push(page.finding("selection_negated", Weight::Info, line, text));
        }
    }
}

/// A filter: its condition is joined to the rule's with `and` as it is written.
pub(super) fn filter(page: &Page<'_>, filter: &FilterRule, found: &mut Vec<Finding>) {
    let (mut plain, mut negated) = (BTreeSet::new(), BTreeSet::new());
    for condition in &filter.detection.conditions {
        uses(condition, &filter.detection, false, &mut plain, &mut negated);
    }
    detections(page, &filter.detection, &plain, &negated, found);
    if negated.is_empty() {
        let line = page.key("filter").map_or(page.document.line, |(at, _)| at);
        let text = "the filter keeps only what it describes, because its condition has no `not`; \
                    a filter that describes harmless events needs one";
        found.push(page.finding("filter_polarity", Weight::Warning, line, text.to_owned()));
    }
}

/// The detections that a condition names, by whether `not` stands before them.
fn uses(
    condition: &ConditionExpr,
    all: &Detections,
    under_not: bool,
    plain: &mut BTreeSet<String>,
    negated: &mut BTreeSet<String>,
) {
    match condition {
        ConditionExpr::And(inner) | ConditionExpr::Or(inner) => {
            inner.iter().for_each(|one| uses(one, all, under_not, plain, negated));
        }
        ConditionExpr::Not(inner) => uses(inner, all, !under_not, plain, negated),
        ConditionExpr::Identifier(name) => {
            let list = if under_not { negated } else { plain };
            list.insert(name.clone());
        }
        ConditionExpr::Selector { pattern, .. } => {
            let list = if under_not { negated } else { plain };
            let named = all.named.keys().filter(|name| pattern.matches_detection_name(name));
            list.extend(named.cloned());
        }
    }
}

fn detections(
    page: &Page<'_>,
    all: &Detections,
    plain: &BTreeSet<String>,
    negated: &BTreeSet<String>,
    found: &mut Vec<Finding>,
) {
    let mut named: Vec<_> = all.named.iter().collect();
    named.sort_by_key(|(name, _)| name.as_str());
    for (name, detection) in named {
        let line = page.detection(name);
        let only = plain.contains(name) && plain.len() == 1;
        if holds_always(detection) {
            // Everything but what filters take away may be meant; everything, hardly.
            let weight = match (only, negated.is_empty()) {
                (true, true) => Weight::Error,
                (true, false) => Weight::Warning,
                (false, _) => Weight::Info,
            };
            let text = format!("{name} matches every event that has its fields");
            found.push(page.finding("matches_everything", weight, line, text));
        }
        walk(page, detection, only, line, found);
    }
}

fn holds_always(detection: &Detection) -> bool {
    match detection {
        Detection::AllOf(items) => !items.is_empty() && items.iter().all(item_holds_always),
        Detection::AnyOf(inner) => inner.iter().any(holds_always),
        Detection::And(inner) => inner.iter().all(holds_always),
        Detection::Keywords(values) => values.iter().any(|value| {
            matches!(value, SigmaValue::String(text) if matches!(text.original.as_str(), "*" | ""))
        }),
        Detection::ArrayMatch { .. } | Detection::Conditional { .. } => false,
    }
}

fn item_holds_always(item: &DetectionItem) -> bool {
    let mut holds = item.values.iter().map(|value| patterns::matches_all(item, value));
    if item.field.has_modifier(Modifier::All) { holds.all(|one| one) } else { holds.any(|one| one) }
}

/// `only`: no other detection of the rule narrows it down.
fn walk(page: &Page<'_>, detection: &Detection, only: bool, line: u32, found: &mut Vec<Finding>) {
    match detection {
        Detection::AllOf(items) => {
            let alone = only && items.len() == 1;
            items.iter().for_each(|one| item(page, one, alone, line, found));
        }
        Detection::AnyOf(inner) => {
            inner.iter().for_each(|one| walk(page, one, only, line, found));
        }
        Detection::And(inner) => {
            let only = only && inner.len() == 1;
            inner.iter().for_each(|one| walk(page, one, only, line, found));
        }
        Detection::ArrayMatch { body, .. } => walk(page, body, false, line, found),
        Detection::Keywords(_) | Detection::Conditional { .. } => {}
    }
}

fn item(page: &Page<'_>, item: &DetectionItem, alone: bool, line: u32, found: &mut Vec<Finding>) {
    let field = item.field.name.as_deref().unwrap_or_default();
    let at = page.text_after(line, field).unwrap_or(line);
    let all = patterns::values(item, alone);
    let mut told = BTreeSet::new();
    for ((id, weight, text), value) in &all {
        // Lists of thousands of short values exist; they are one finding.
        if !told.insert(*id) {
            continue;
        }
        let more = all.iter().filter(|((other, _, _), _)| other == id).count() - 1;
        let more = if more > 0 { format!(" (and {more} more values)") } else { String::new() };
        let head: String = value.chars().take(40).collect();
        let at = page.text_after(at, &head).unwrap_or(at);
        found.push(page.finding(id, *weight, at, format!("{field}: {text}{more}")));
    }
    let mut say = |id: &str, weight: Weight, text: String| {
        found.push(page.finding(id, weight, at, text));
    };
    let star =
        |value: &SigmaValue| matches!(value, SigmaValue::String(text) if text.original == "*");
    if item.values.iter().any(star) && !alone {
        let text = format!(
            "{field}: `*` only asks whether the field is there; write `{field}|exists: true`"
        );
        say("wildcard_alone", Weight::Hint, text);
    }
    all_confusion(item, field, &mut say);
}

/// `all` where it cannot hold, or where one value says more than another.
fn all_confusion(item: &DetectionItem, field: &str, say: &mut dyn FnMut(&str, Weight, String)) {
    let has = |modifier| item.field.has_modifier(modifier);
    let texts: Vec<String> = item
        .values
        .iter()
        .filter_map(|value| match value {
            SigmaValue::String(text) if text.is_plain() => Some(text.original.to_lowercase()),
            _ => None,
        })
        .collect();
    // Keywords are searched in any text, so that all of them can be there.
    let keywords = item.field.name.is_none();
    if !has(Modifier::All) || texts.len() < 2 || has(Modifier::Re) || keywords {
        return;
    }
    let several = |test: &dyn Fn(&str, &str) -> bool| {
        let mut pairs = texts.iter().flat_map(|a| texts.iter().map(move |b| (a, b)));
        pairs.find(|(a, b)| a != b && test(a, b)).map(|(a, b)| (a.clone(), b.clone()))
    };
    if !has(Modifier::Contains) {
        let never = if has(Modifier::StartsWith) {
            several(&|a, b| !a.starts_with(b) && !b.starts_with(a))
        } else if has(Modifier::EndsWith) {
            several(&|a, b| !a.ends_with(b) && !b.ends_with(a))
        } else {
            several(&|_, _| true)
        };
        if let Some((a, b)) = never {
            let text = format!(
                "{field}: no value can be both \"{a}\" and \"{b}\"; leave `all` out, or use `contains`"
            );
            say("all_never", Weight::Error, text);
        }
    } else if let Some((long, short)) = several(&|a, b| a.contains(b)) {
        let text =
            format!("{field}: who contains \"{long}\" contains \"{short}\" too; was `all` meant?");
        say("all_redundant", Weight::Info, text);
    }
}
