//! Where the library reads a rule otherwise than the specification: the rule is written differently for it.
//!
//! - Words without a field stand anywhere in the event; with `all` each of them may stand in another field.
//! - `*` and `?` stand for new lines too: logs hold scripts and command lines of several lines.
//! - Parts of times are in [`times`]; dashes, encodings and wildcards at an end of the value in [`forms`].

use regex::{Regex, RegexSet};
use rsigma_eval::EvalError;
use rsigma_eval::compiler::{CompiledDetection, CompiledRule};
use rsigma_eval::matcher::CompiledMatcher;
use rsigma_parser::{Detection, DetectionItem, Modifier, SigmaRule};

use crate::detect::{forms, times};

/// Write a detection so that the library reads it as the specification does.
fn detection(found: &mut Detection) -> Result<(), EvalError> {
    match found {
        Detection::AllOf(items) => {
            items.iter_mut().try_for_each(times::item)?;
            if let Some(apart) = words(items) {
                *found = apart;
            }
        }
        Detection::AnyOf(inner) | Detection::And(inner) => {
            inner.iter_mut().try_for_each(detection)?;
        }
        Detection::ArrayMatch { body, .. } => detection(body)?,
        Detection::Conditional { named, .. } => named.values_mut().try_for_each(detection)?,
        Detection::Keywords(_) => {}
    }
    Ok(())
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

/// Compile a rule as the specification reads it.
///
/// # Errors
/// What the library refuses, and what we refuse.
pub fn compile(rule: &SigmaRule) -> Result<CompiledRule, EvalError> {
    let mut asked = rule.clone();
    asked.detection.named.values_mut().try_for_each(detection)?;
    let mut plain = asked.clone();
    plain.detection.named.values_mut().for_each(without_dashes);
    let mut compiled = rsigma_eval::compile_rule(&plain)?;
    for (name, found) in &mut compiled.detections {
        if let Some(asked) = asked.detection.named.get(name) {
            of_detection(asked, found)?;
        }
        times::mark(found);
    }
    Ok(compiled)
}

/// Take `windash` from the items that we compile ourselves, of which the library would make too many texts.
fn without_dashes(found: &mut Detection) {
    match found {
        Detection::AllOf(items) => {
            for item in items.iter_mut().filter(|item| forms::is_ours(item)) {
                item.field.modifiers.retain(|modifier| *modifier != Modifier::WindAsh);
            }
        }
        Detection::AnyOf(inner) | Detection::And(inner) => {
            inner.iter_mut().for_each(without_dashes);
        }
        Detection::ArrayMatch { body, .. } => without_dashes(body),
        Detection::Conditional { named, .. } => named.values_mut().for_each(without_dashes),
        Detection::Keywords(_) => {}
    }
}

/// Correct what the library made of a detection; the two have the same shape. Wildcards stand for new lines, and
/// expressions that the rule itself writes stay.
fn of_detection(asked: &Detection, found: &mut CompiledDetection) -> Result<(), EvalError> {
    match (asked, found) {
        (Detection::AllOf(asked), CompiledDetection::AllOf(found)) => {
            for (asked, found) in asked.iter().zip(found) {
                if forms::is_ours(asked) {
                    found.matcher = forms::compile(asked)?;
                } else if !asked.field.has_modifier(Modifier::Re) {
                    of_matcher(&mut found.matcher);
                }
            }
        }
        (Detection::AnyOf(asked), CompiledDetection::AnyOf(found))
        | (Detection::And(asked), CompiledDetection::And(found)) => {
            for (asked, found) in asked.iter().zip(found) {
                of_detection(asked, found)?;
            }
        }
        (
            Detection::ArrayMatch { body: asked, .. },
            CompiledDetection::ArrayMatch { body: found, .. },
        ) => of_detection(asked, found)?,
        (
            Detection::Conditional { named: asked, .. },
            CompiledDetection::Conditional { named: found, .. },
        ) => {
            for (name, found) in found {
                if let Some(asked) = asked.get(name) {
                    of_detection(asked, found)?;
                }
            }
        }
        (_, CompiledDetection::Keywords(matcher)) => of_matcher(matcher),
        _ => {}
    }
    Ok(())
}

fn of_matcher(matcher: &mut CompiledMatcher) {
    match matcher {
        CompiledMatcher::Regex(regex) => {
            if let Ok(wider) = Regex::new(&wider(regex.as_str())) {
                *regex = wider;
            }
        }
        CompiledMatcher::RegexSetMatch { set, .. } => {
            if let Ok(widened) = RegexSet::new(set.patterns().iter().map(|pattern| wider(pattern)))
            {
                *set = widened;
            }
        }
        CompiledMatcher::AnyOf(inner)
        | CompiledMatcher::AllOf(inner)
        | CompiledMatcher::CaseInsensitiveGroup { children: inner, .. } => {
            inner.iter_mut().for_each(of_matcher);
        }
        CompiledMatcher::Not(inner) => of_matcher(inner),
        _ => {}
    }
}

/// The expression of a value with wildcards, with new lines among what they stand for.
fn wider(pattern: &str) -> String {
    match pattern.strip_prefix("(?i)") {
        Some(rest) => format!("(?is){rest}"),
        None => format!("(?s){pattern}"),
    }
}
