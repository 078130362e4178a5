//! `expand`: a rule's `%Name%` becomes the values that `rules.placeholders.Name` lists.
//!
//! The values are read like any value of a rule, so they may hold wildcards. A rule whose placeholder has no list
//! cannot mean anything and is refused, as the specification demands; `\%` is a plain percent sign.

use std::collections::BTreeMap;

use rsigma_parser::{Detection, DetectionItem, Modifier, SigmaRule, SigmaString, SigmaValue};
use thiserror::Error;

/// Most values that one value of a rule may become.
pub const EXPANSIONS_MAX: usize = 10_000;

/// Why a rule with placeholders does not run.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum PlaceholderError {
    /// No list of that name.
    #[error(
        "uses the placeholder %{0}%, which has no values; list them: rules.placeholders.{0} = [\"…\"]"
    )]
    Unknown(String),
    /// Several placeholders in one value, with long lists.
    #[error("one value becomes more than {EXPANSIONS_MAX} by its placeholders")]
    TooMany,
}

/// Put the listed values in place of every placeholder.
///
/// # Errors
/// A placeholder without a list, or too many values.
pub fn expand(
    rule: &mut SigmaRule,
    lists: &BTreeMap<String, Vec<String>>,
) -> Result<(), PlaceholderError> {
    // By name, so that it is always the same placeholder that a message names.
    let mut named: Vec<_> = rule.detection.named.iter_mut().collect();
    named.sort_by_key(|(name, _)| name.as_str());
    named.into_iter().try_for_each(|(_, detection)| detection_of(detection, lists))
}

fn detection_of(
    detection: &mut Detection,
    lists: &BTreeMap<String, Vec<String>>,
) -> Result<(), PlaceholderError> {
    match detection {
        Detection::AllOf(items) => items.iter_mut().try_for_each(|item| item_of(item, lists)),
        Detection::AnyOf(inner) | Detection::And(inner) => {
            inner.iter_mut().try_for_each(|inner| detection_of(inner, lists))
        }
        Detection::ArrayMatch { body, .. } => detection_of(body, lists),
        Detection::Conditional { named, .. } => {
            named.values_mut().try_for_each(|inner| detection_of(inner, lists))
        }
        Detection::Keywords(_) => Ok(()),
    }
}

fn item_of(
    item: &mut DetectionItem,
    lists: &BTreeMap<String, Vec<String>>,
) -> Result<(), PlaceholderError> {
    if !item.field.has_modifier(Modifier::Expand) {
        return Ok(());
    }
    item.field.modifiers.retain(|modifier| *modifier != Modifier::Expand);
    let mut values = Vec::new();
    for value in item.values.drain(..) {
        match value {
            SigmaValue::String(text) => {
                let texts = expanded(&text.original, lists)?;
                let texts = texts.iter().map(|text| SigmaValue::String(SigmaString::new(text)));
                values.extend(texts);
            }
            other => values.push(other),
        }
        if values.len() > EXPANSIONS_MAX {
            return Err(PlaceholderError::TooMany);
        }
    }
    item.values = values;
    Ok(())
}

/// Every text that `text` can become.
fn expanded(
    text: &str,
    lists: &BTreeMap<String, Vec<String>>,
) -> Result<Vec<String>, PlaceholderError> {
    let mut out = vec![String::new()];
    let mut rest = text;
    while let Some((before, after)) = next_percent(rest) {
        let (name, behind) = match after.split_once('%') {
            Some((name, behind)) if is_name(name) => (name, behind),
            _ => {
                append(&mut out, &[format!("{}%", plain(before))])?;
                rest = after;
                continue;
            }
        };
        let values = lists.get(name).ok_or_else(|| PlaceholderError::Unknown(name.to_owned()))?;
        append(&mut out, &[plain(before)])?;
        append(&mut out, values)?;
        rest = behind;
    }
    append(&mut out, &[plain(rest)])?;
    Ok(out)
}

/// The text before and after the first `%` that no backslash makes plain.
fn next_percent(text: &str) -> Option<(&str, &str)> {
    let place = text
        .match_indices('%')
        .map(|(place, _)| place)
        .find(|place| !text.get(..*place).is_some_and(|before| before.ends_with('\\')))?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

fn plain(text: &str) -> String {
    text.replace("\\%", "%")
}

fn is_name(name: &str) -> bool {
    !name.is_empty()
        && name.chars().all(|letter| letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.'))
}

fn append(out: &mut Vec<String>, values: &[String]) -> Result<(), PlaceholderError> {
    if out.len().saturating_mul(values.len()) > EXPANSIONS_MAX {
        return Err(PlaceholderError::TooMany);
    }
    *out = out
        .iter()
        .flat_map(|start| values.iter().map(move |value| format!("{start}{value}")))
        .collect();
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lists() -> BTreeMap<String, Vec<String>> {
        let list = |values: &[&str]| values.iter().map(|value| (*value).to_owned()).collect();
        [("Admins".to_owned(), list(&["ann", "b*"])), ("Hosts".to_owned(), list(&["h1", "h2"]))]
            .into()
    }

    #[test]
    fn every_placeholder_becomes_every_value_of_its_list() {
        assert_eq!(expanded("x-%Admins%", &lists()).unwrap(), ["x-ann", "x-b*"]);
        assert_eq!(
            expanded("%Hosts%\\%Admins%", &lists()),
            Ok(vec!["h1%Admins%".to_owned(), "h2%Admins%".to_owned()])
        );
        assert_eq!(expanded("%Hosts%/%Admins%", &lists()).unwrap().len(), 4);
    }

    #[test]
    fn percent_signs_that_are_no_placeholder_stay() {
        assert_eq!(expanded("100%", &lists()).unwrap(), ["100%"]);
        assert_eq!(expanded("\\%Admins%x", &lists()).unwrap(), ["%Admins%x"]);
        assert_eq!(expanded("50% of % all", &lists()).unwrap(), ["50% of % all"]);
    }

    #[test]
    fn unknown_names_and_too_many_values_are_refused() {
        assert_eq!(
            expanded("%Nobody%", &lists()),
            Err(PlaceholderError::Unknown("Nobody".to_owned()))
        );
        let many: Vec<String> = (0..200).map(|number| number.to_string()).collect();
        let lists = BTreeMap::from([("Many".to_owned(), many)]);
        assert_eq!(expanded("%Many%%Many%", &lists), Err(PlaceholderError::TooMany));
    }
}
