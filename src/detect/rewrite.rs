//! Where the library reads a rule otherwise than the specification: the rule is written differently for it.
//!
//! - Words without a field stand anywhere in the event; with `all` each of them may stand in another field.
//! - `*` and `?` stand for new lines too: logs hold scripts and command lines of several lines.
//! - A part of a time can be compared (`hour|gte: 22`): the numbers that fulfil it are listed.

use ahash::AHashSet;
use regex::{Regex, RegexSet};
use rsigma_eval::EvalError;
use rsigma_eval::compiler::{CompiledDetection, CompiledRule};
use rsigma_eval::matcher::CompiledMatcher;
use rsigma_parser::{Detection, DetectionItem, Modifier, SigmaRule, SigmaValue};

/// Write a parsed rule so that the library reads it as the specification does.
pub fn before(rule: &mut SigmaRule) {
    rule.detection.named.values_mut().for_each(detection);
}

fn detection(found: &mut Detection) {
    match found {
        Detection::AllOf(items) => {
            items.iter_mut().for_each(time_part);
            if let Some(apart) = words(items) {
                *found = apart;
            }
        }
        Detection::AnyOf(inner) | Detection::And(inner) => inner.iter_mut().for_each(detection),
        Detection::ArrayMatch { body, .. } => detection(body),
        Detection::Conditional { named, .. } => named.values_mut().for_each(detection),
        Detection::Keywords(_) => {}
    }
}

/// Items without a field, each word apart.
fn words(items: &mut Vec<DetectionItem>) -> Option<Detection> {
    let is_words = |item: &DetectionItem| {
        item.field.name.is_none() && !item.field.has_modifier(Modifier::Exists)
    };
    if !items.iter().any(is_words) {
        return None;
    }
    let (words, fields): (Vec<_>, Vec<_>) = std::mem::take(items).into_iter().partition(is_words);
    let mut all: Vec<Detection> = Vec::new();
    if !fields.is_empty() {
        all.push(Detection::AllOf(fields));
    }
    for mut item in words {
        const PLACED: [Modifier; 5] = [
            Modifier::Contains,
            Modifier::StartsWith,
            Modifier::EndsWith,
            Modifier::Re,
            Modifier::Cidr,
        ];
        if !PLACED.iter().any(|placed| item.field.has_modifier(*placed)) {
            item.field.modifiers.push(Modifier::Contains);
        }
        if item.field.has_modifier(Modifier::All) {
            item.field.modifiers.retain(|modifier| *modifier != Modifier::All);
            let alone = |value| DetectionItem { field: item.field.clone(), values: vec![value] };
            let each = item.values.into_iter().map(alone);
            all.extend(each.map(|one| Detection::AllOf(vec![one])));
        } else {
            all.push(Detection::AllOf(vec![item]));
        }
    }
    Some(match all.pop() {
        Some(only) if all.is_empty() => only,
        Some(last) => {
            all.push(last);
            Detection::And(all)
        }
        None => Detection::And(Vec::new()),
    })
}

/// The numbers a part of a time can have.
fn numbers(part: Modifier) -> Option<std::ops::RangeInclusive<i64>> {
    Some(match part {
        Modifier::Minute => 0..=59,
        Modifier::Hour => 0..=23,
        Modifier::Day => 1..=31,
        Modifier::Week => 1..=53,
        Modifier::Month => 1..=12,
        Modifier::Year => 1601..=2300,
        _ => return None,
    })
}

fn time_part(item: &mut DetectionItem) {
    let Some(numbers) = item.field.modifiers.iter().find_map(|part| numbers(*part)) else { return };
    let compares = |modifier: &Modifier| {
        use Modifier::{Gt, Gte, Lt, Lte, Neq};
        matches!(modifier, Gt | Gte | Lt | Lte | Neq)
    };
    let Some(comparison) = item.field.modifiers.iter().copied().find(|it| compares(it)) else {
        return;
    };
    let all: Option<Vec<i64>> = item
        .values
        .iter()
        .map(|value| match value {
            SigmaValue::Integer(number) => Some(*number),
            _ => None,
        })
        .collect();
    let Some(limits) = all else { return };
    let holds = |number: &i64| {
        limits.iter().any(|limit| match comparison {
            Modifier::Gt => number > limit,
            Modifier::Gte => number >= limit,
            Modifier::Lt => number < limit,
            Modifier::Lte => number <= limit,
            _ => number != limit,
        })
    };
    item.values = numbers.filter(holds).map(SigmaValue::Integer).collect();
    item.field.modifiers.retain(|modifier| !compares(modifier));
}

/// Compile a rule as the specification reads it.
///
/// # Errors
/// What the library refuses.
pub fn compile(rule: &SigmaRule) -> Result<CompiledRule, EvalError> {
    let mut rule = rule.clone();
    before(&mut rule);
    let mut compiled = rsigma_eval::compile_rule(&rule)?;
    after(&rule, &mut compiled);
    Ok(compiled)
}

/// Let wildcards of a compiled rule stand for new lines; expressions that the rule itself writes stay.
pub fn after(rule: &SigmaRule, compiled: &mut CompiledRule) {
    let mut own = AHashSet::new();
    rule.detection.named.values().for_each(|found| expressions(found, &mut own));
    compiled.detections.values_mut().for_each(|found| of_detection(found, &own));
}

fn expressions<'r>(found: &'r Detection, out: &mut AHashSet<&'r str>) {
    match found {
        Detection::AllOf(items) => {
            for item in items.iter().filter(|item| item.field.has_modifier(Modifier::Re)) {
                out.extend(item.values.iter().filter_map(|value| match value {
                    SigmaValue::String(text) => Some(text.original.as_str()),
                    _ => None,
                }));
            }
        }
        Detection::AnyOf(inner) | Detection::And(inner) => {
            inner.iter().for_each(|inner| expressions(inner, out));
        }
        Detection::ArrayMatch { body, .. } => expressions(body, out),
        Detection::Conditional { named, .. } => {
            named.values().for_each(|inner| expressions(inner, out));
        }
        Detection::Keywords(_) => {}
    }
}

fn of_detection(found: &mut CompiledDetection, own: &AHashSet<&str>) {
    match found {
        CompiledDetection::AllOf(items) => {
            items.iter_mut().for_each(|item| of_matcher(&mut item.matcher, own));
        }
        CompiledDetection::AnyOf(inner) | CompiledDetection::And(inner) => {
            inner.iter_mut().for_each(|inner| of_detection(inner, own));
        }
        CompiledDetection::Keywords(matcher) => of_matcher(matcher, own),
        CompiledDetection::ArrayMatch { body, .. } => of_detection(body, own),
        CompiledDetection::Conditional { named, .. } => {
            named.values_mut().for_each(|inner| of_detection(inner, own));
        }
    }
}

fn of_matcher(matcher: &mut CompiledMatcher, own: &AHashSet<&str>) {
    match matcher {
        CompiledMatcher::Regex(regex) => {
            if let Some(wider) = wider(regex.as_str(), own)
                && let Ok(wider) = Regex::new(&wider)
            {
                *regex = wider;
            }
        }
        CompiledMatcher::RegexSetMatch { set, .. } => {
            let widened: Vec<String> = set
                .patterns()
                .iter()
                .map(|pattern| wider(pattern, own).unwrap_or_else(|| pattern.clone()))
                .collect();
            if widened != set.patterns()
                && let Ok(widened) = RegexSet::new(&widened)
            {
                *set = widened;
            }
        }
        CompiledMatcher::AnyOf(inner)
        | CompiledMatcher::AllOf(inner)
        | CompiledMatcher::CaseInsensitiveGroup { children: inner, .. } => {
            inner.iter_mut().for_each(|inner| of_matcher(inner, own));
        }
        CompiledMatcher::Not(inner) => of_matcher(inner, own),
        _ => {}
    }
}

/// The expression of a value with wildcards, with new lines among what they stand for.
fn wider(pattern: &str, own: &AHashSet<&str>) -> Option<String> {
    if own.iter().any(|text| !text.is_empty() && pattern.ends_with(text)) {
        return None;
    }
    Some(match pattern.strip_prefix("(?i)") {
        Some(rest) => format!("(?is){rest}"),
        None => format!("(?s){pattern}"),
    })
}
