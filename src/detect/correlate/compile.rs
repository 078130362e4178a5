//! A correlation rule as what the engine needs: inputs with their group fields, a span, and a test.

use ahash::AHashMap;
use rsigma_parser::{
    ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType, WindowMode,
};
use thiserror::Error;

use crate::detect::view::{Slot, SlotTable};
use crate::stdx::id::IdHasher;
use crate::stdx::time::SECOND_US;

/// A threshold above this would make rows of megabytes.
pub const THRESHOLD_MAX: u64 = 10_000;
/// Longest timespan.
const SPAN_SECONDS_MAX: u64 = 366 * 86_400;
/// Most rules that one correlation joins.
const STEPS_MAX: usize = 64;

/// Why a correlation rule does not run.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CorrelationError {
    /// A type that we do not evaluate.
    #[error("correlation type {0} is not evaluated; event_count and temporal_ordered are")]
    Type(&'static str),
    /// A window that we do not evaluate.
    #[error("window {0} is not evaluated; leave it out for the specification's sliding window")]
    Window(&'static str),
    /// A condition that is not of the type.
    #[error("the condition is not one that {0} has: {1}")]
    Condition(&'static str, &'static str),
    /// No rules, or too many.
    #[error(
        "correlation joins {0} rules; 1 to {STEPS_MAX} (temporal_ordered: at least 2) are possible"
    )]
    Rules(usize),
    /// Too long, or nothing.
    #[error("timespan of {0} s is not between 1 s and 366 days")]
    Span(u64),
    /// An alias without a field for one of the rules.
    #[error("the alias {0} gives no field for the rule {1}")]
    Alias(String, String),
    /// A reference to nothing.
    #[error("refers to the rule {0}, which is not loaded")]
    Reference(String),
    /// More field names than slots.
    #[error("the rules name more than 65,535 different fields")]
    Fields,
}

/// What must be true of a group's events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// Every comparison of the number of events in a window.
    Count(Vec<(ConditionOperator, u64)>),
    /// An event of each step, in order; how many steps.
    Ordered(u8),
}

/// A rule whose matches go into a correlation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The rule's place in the rule set.
    pub rule: u32,
    /// Its step, from 0; always 0 for counts.
    pub step: u8,
    /// The fields that give the group, in the order of `group-by`.
    pub group: Vec<Slot>,
}

/// A compiled correlation.
#[derive(Clone, Debug)]
pub struct Correlation {
    /// Its place in the rule set.
    pub rule: u32,
    /// Its findings are findings; a correlation that only serves others has none.
    pub alerts: bool,
    /// What its rows' keys begin with: its id and a fingerprint of what it does, so that a changed rule
    /// does not read the rows of the old one.
    pub key: String,
    /// What goes in.
    pub inputs: Vec<Input>,
    /// The names of `group-by`.
    pub group_names: Vec<String>,
    /// Microseconds.
    pub span_us: i64,
    /// What must be true.
    pub test: Test,
}

/// Compile `rule`, whose place will be `number`; `ids` knows the places of the rules it may refer to.
pub fn compile(
    rule: &CorrelationRule,
    id: &str,
    number: u32,
    ids: &AHashMap<String, u32>,
    slots: &mut SlotTable,
) -> Result<Correlation, CorrelationError> {
    let test = test(rule)?;
    if rule.window != WindowMode::Sliding {
        return Err(CorrelationError::Window(rule.window.as_str()));
    }
    let seconds = rule.timespan.seconds;
    if seconds == 0 || seconds > SPAN_SECONDS_MAX {
        return Err(CorrelationError::Span(seconds));
    }
    let mut inputs = Vec::new();
    for (place, reference) in rule.rules.iter().enumerate() {
        let input =
            *ids.get(reference).ok_or_else(|| CorrelationError::Reference(reference.clone()))?;
        let step = match test {
            Test::Count(_) => 0,
            Test::Ordered(_) => u8::try_from(place).unwrap_or(u8::MAX),
        };
        inputs.push(Input { rule: input, step, group: group(rule, reference, input, ids, slots)? });
    }
    Ok(Correlation {
        rule: number,
        alerts: true,
        key: format!("correlation/{id}/{}", fingerprint(rule)),
        inputs,
        group_names: rule.group_by.clone(),
        span_us: i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(SECOND_US),
        test,
    })
}

fn test(rule: &CorrelationRule) -> Result<Test, CorrelationError> {
    let kind = rule.correlation_type;
    let least = match kind {
        CorrelationType::EventCount => 1,
        CorrelationType::TemporalOrdered => 2,
        other => return Err(CorrelationError::Type(other.as_str())),
    };
    let steps = rule.rules.len();
    if !(least..=STEPS_MAX).contains(&steps) {
        return Err(CorrelationError::Rules(steps));
    }
    let refused = |why| Err(CorrelationError::Condition(kind.as_str(), why));
    let predicates = match &rule.condition {
        CorrelationCondition::Extended(_) => return refused("an expression over rules"),
        CorrelationCondition::Threshold { field: Some(_), .. } => {
            return refused("it names a field");
        }
        CorrelationCondition::Threshold { predicates, .. } => predicates,
    };
    if kind == CorrelationType::EventCount {
        if predicates.iter().any(|(_, number)| *number > THRESHOLD_MAX) {
            return refused("a threshold above 10,000");
        }
        return Ok(Test::Count(predicates.clone()));
    }
    // The parser gives `gte: 1` for a condition that was left out: every step.
    let number = steps as u64;
    let every = matches!(
        predicates.as_slice(),
        [(ConditionOperator::Gte, wanted)] if *wanted == 1 || *wanted == number)
        || matches!(predicates.as_slice(), [(ConditionOperator::Eq, wanted)] if *wanted == number);
    if !every {
        return refused("it must ask for all steps, or be left out");
    }
    Ok(Test::Ordered(u8::try_from(steps).unwrap_or(u8::MAX)))
}

/// The fields of one input that give the group; an alias says which field is meant in which rule.
fn group(
    rule: &CorrelationRule,
    reference: &str,
    input: u32,
    ids: &AHashMap<String, u32>,
    slots: &mut SlotTable,
) -> Result<Vec<Slot>, CorrelationError> {
    let mut out = Vec::new();
    for name in &rule.group_by {
        let field = match rule.aliases.iter().find(|alias| alias.alias == *name) {
            None => name,
            Some(alias) => {
                let meant = |(known, _): &(&String, &String)| {
                    *known == reference || ids.get(*known) == Some(&input)
                };
                let mapped = alias.mapping.iter().find(meant).map(|(_, field)| field);
                mapped.ok_or_else(|| CorrelationError::Alias(name.clone(), reference.to_owned()))?
            }
        };
        out.push(slots.slot(field).ok_or(CorrelationError::Fields)?);
    }
    Ok(out)
}

fn fingerprint(rule: &CorrelationRule) -> String {
    let mut hasher = IdHasher::new("correlation");
    hasher.text(rule.correlation_type.as_str()).number(rule.timespan.seconds);
    rule.rules.iter().chain(&rule.group_by).for_each(|text| {
        hasher.text(text);
    });
    let mut text = hasher.finish().to_string();
    text.truncate(8);
    text
}
