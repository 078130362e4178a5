//! A correlation rule as what the engine needs: inputs with their group fields, a span, and a test.

use ahash::AHashMap;
use rsigma_parser::{CorrelationRule, CorrelationType, WindowMode};
use thiserror::Error;

use crate::detect::correlate::condition::{self, ALTERNATIVES_MAX, STEPS_MAX, Test};
use crate::detect::view::{Slot, SlotTable};
use crate::stdx::id::IdHasher;
use crate::stdx::time::SECOND_US;

/// Longest timespan.
const SPAN_SECONDS_MAX: u64 = 366 * 86_400;
/// Most correlations that follow one from another, from the first one over rules to the last.
pub const DEPTH_MAX: u8 = 10;
/// Most fields of one group or one tuple of values.
const FIELDS_MAX: usize = 16;

/// Why a correlation rule does not run.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CorrelationError {
    /// A window that we do not evaluate.
    #[error("window {0} is not evaluated; leave it out for the specification's sliding window")]
    Window(&'static str),
    /// A condition that is not of the type.
    #[error("the condition is not one that {0} has: {1}")]
    Condition(&'static str, &'static str),
    /// A condition that names what the correlation does not join.
    #[error("the condition names {0}, which is not among the correlation's `rules`")]
    Unlisted(String),
    /// A condition with too many cases.
    #[error(
        "the condition can hold in more than {ALTERNATIVES_MAX} ways; split it into two correlations"
    )]
    Alternatives,
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
    /// Too many correlations of correlations.
    #[error(
        "is correlation number {0} of a chain; {DEPTH_MAX} may follow one from another. Join rules, not correlations"
    )]
    Depth(u8),
    /// More fields than make sense.
    #[error("names {0} fields under `{1}`; {FIELDS_MAX} are possible")]
    TooManyFields(usize, &'static str),
    /// More field names than slots.
    #[error("the rules name more than 65,535 different fields")]
    Fields,
}

/// Where a value of an input comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A field of the event.
    Field(Slot),
    /// A group value of the correlation that is the input, by place. All events of its group have it.
    Child(u16),
}

/// A rule whose matches go into a correlation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Input {
    /// The rule's place in the rule set.
    pub rule: u32,
    /// The bit of its step; 0 where the test does not ask which rule it was.
    pub step: u64,
    /// What gives the group, in the order of `group-by`.
    pub group: Vec<Source>,
    /// What gives the value or tuple that counts; empty for tests without values.
    pub values: Vec<Source>,
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
    /// The type as it was written.
    pub kind: CorrelationType,
    /// Correlations of rules are 1, correlations of those 2, and so on.
    pub depth: u8,
    /// What goes in.
    pub inputs: Vec<Input>,
    /// The names of `group-by`.
    pub group_names: Vec<String>,
    /// The names of the fields whose values count.
    pub value_names: Vec<String>,
    /// Microseconds.
    pub span_us: i64,
    /// What must be true.
    pub test: Test,
    /// Events of one group may be of several endpoints; see [`super::spread`].
    pub spread: bool,
}

/// What is loaded already.
pub struct Known<'k> {
    /// Id or name of a rule and its place.
    pub ids: &'k AHashMap<String, u32>,
    /// The correlations, in the order of their places.
    pub correlations: &'k [Correlation],
}

impl Known<'_> {
    fn rule(&self, reference: &str) -> Result<u32, CorrelationError> {
        let known = self.ids.get(reference).copied();
        known.ok_or_else(|| CorrelationError::Reference(reference.to_owned()))
    }

    fn correlation(&self, rule: u32) -> Option<&Correlation> {
        let place = self.correlations.binary_search_by_key(&rule, |known| known.rule).ok()?;
        self.correlations.get(place)
    }
}

/// Compile `rule`, whose place will be `number`.
pub fn compile(
    rule: &CorrelationRule,
    id: &str,
    number: u32,
    known: &Known<'_>,
    slots: &mut SlotTable,
) -> Result<Correlation, CorrelationError> {
    let test = condition::compile(rule)?;
    if rule.window != WindowMode::Sliding {
        return Err(CorrelationError::Window(rule.window.as_str()));
    }
    let seconds = rule.timespan.seconds;
    if seconds == 0 || seconds > SPAN_SECONDS_MAX {
        return Err(CorrelationError::Span(seconds));
    }
    let value_names = condition::fields(rule);
    for (names, key) in [(rule.group_by.as_slice(), "group-by"), (value_names, "field")] {
        if names.len() > FIELDS_MAX {
            return Err(CorrelationError::TooManyFields(names.len(), key));
        }
    }
    let mut inputs = Vec::new();
    let mut depth = 0;
    for (place, reference) in rule.rules.iter().enumerate() {
        let input = known.rule(reference)?;
        depth = depth.max(known.correlation(input).map_or(0, |child| child.depth));
        let bit = u32::try_from(place).ok().and_then(|place| 1_u64.checked_shl(place));
        let step = if test.has_steps() { bit.unwrap_or(0) } else { 0 };
        let mut sources = |names: &[String]| sources(rule, names, reference, input, known, slots);
        let (group, values) = (sources(&rule.group_by)?, sources(value_names)?);
        inputs.push(Input { rule: input, step, group, values });
    }
    let depth = depth.saturating_add(1);
    if depth > DEPTH_MAX {
        return Err(CorrelationError::Depth(depth));
    }
    Ok(Correlation {
        rule: number,
        alerts: true,
        key: format!("correlation/{id}/{}", fingerprint(rule)),
        kind: rule.correlation_type,
        depth,
        inputs,
        group_names: rule.group_by.clone(),
        value_names: value_names.to_vec(),
        span_us: i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(SECOND_US),
        test,
        spread: false,
    })
}

/// Where one input has the values of `names`; an alias says which field is meant in which rule.
fn sources(
    rule: &CorrelationRule,
    names: &[String],
    reference: &str,
    input: u32,
    known: &Known<'_>,
    slots: &mut SlotTable,
) -> Result<Vec<Source>, CorrelationError> {
    let child = known.correlation(input).map(|child| child.group_names.as_slice());
    let child = child.unwrap_or_default();
    let mut out = Vec::new();
    for name in names {
        let field = match rule.aliases.iter().find(|alias| alias.alias == *name) {
            None => name,
            Some(alias) => {
                let meant = |(of, _): &(&String, &String)| {
                    *of == reference || known.ids.get(*of) == Some(&input)
                };
                let mapped = alias.mapping.iter().find(meant).map(|(_, field)| field);
                // A correlation that groups by an alias of the same name has its value.
                let same = child.contains(name).then_some(name);
                let missing = || CorrelationError::Alias(name.clone(), reference.to_owned());
                mapped.or(same).ok_or_else(missing)?
            }
        };
        let place = child.iter().position(|known| known == field);
        out.push(match place.and_then(|place| u16::try_from(place).ok()) {
            Some(place) => Source::Child(place),
            None => Source::Field(slots.slot(field).ok_or(CorrelationError::Fields)?),
        });
    }
    Ok(out)
}

/// What rows depend on. A changed threshold keeps its rows: they hold events, not answers.
fn fingerprint(rule: &CorrelationRule) -> String {
    let mut hasher = IdHasher::new("correlation");
    hasher.text(rule.correlation_type.as_str()).number(rule.timespan.seconds);
    rule.rules.iter().chain(&rule.group_by).chain(condition::fields(rule)).for_each(|text| {
        hasher.text(text);
    });
    let mut aliases: Vec<_> = rule
        .aliases
        .iter()
        .flat_map(|alias| alias.mapping.iter().map(|(of, field)| (&alias.alias, of, field)))
        .collect();
    aliases.sort_unstable();
    for (alias, of, field) in aliases {
        hasher.text(alias).text(of).text(field);
    }
    let mut text = hasher.finish().to_string();
    text.truncate(8);
    text
}
