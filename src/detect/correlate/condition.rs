//! The condition of a correlation, as a test over the events of one window.

use rsigma_parser::{
    ConditionExpr, ConditionOperator, CorrelationCondition, CorrelationRule, CorrelationType,
    Quantifier,
};

use crate::detect::correlate::compile::CorrelationError;

/// A number of events or values above this would make rows of megabytes.
pub const THRESHOLD_MAX: u64 = 10_000;
/// Most rules that one correlation joins; a window's rules are the bits of one word.
pub const STEPS_MAX: usize = 64;
/// Most ways in which a boolean condition may be fulfilled, once it is written out.
pub const ALTERNATIVES_MAX: usize = 64;

/// Comparisons that must all hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds(pub Vec<(ConditionOperator, f64)>);

impl Bounds {
    /// Whether `number` is within. Of a window whose oldest events were given up (not `complete`) only the least is
    /// known: what more events could undo does not hold.
    pub fn hold(&self, number: f64, complete: bool) -> bool {
        self.0.iter().all(|(operator, wanted)| match operator {
            ConditionOperator::Gt => number > *wanted,
            ConditionOperator::Gte => number >= *wanted,
            ConditionOperator::Lt => complete && number < *wanted,
            ConditionOperator::Lte => complete && number <= *wanted,
            ConditionOperator::Eq => complete && number == *wanted,
            ConditionOperator::Neq if complete => number != *wanted,
            ConditionOperator::Neq => number > *wanted,
        })
    }

    /// The largest number that is compared with, as a count.
    pub fn largest(&self) -> usize {
        let largest = self.0.iter().map(|(_, number)| *number).fold(1.0, f64::max);
        // Checked when compiled: counts are small and not negative.
        largest as usize
    }

    /// Whether any whole number from 1 to `most` is within.
    fn possible(&self, most: f64) -> bool {
        let near = self.0.iter().flat_map(|(_, wanted)| [wanted - 1.0, *wanted, wanted + 1.0]);
        near.chain([1.0, most])
            .any(|number| (1.0..=most).contains(&number) && self.hold(number, true))
    }
}

/// One way to fulfil a boolean condition: steps by their bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alternative {
    /// These must have an event in the window.
    pub need: u64,
    /// These must have none.
    pub refuse: u64,
}

/// What must be true of a window.
#[derive(Clone, Debug, PartialEq)]
pub enum Test {
    /// `event_count`: the number of events.
    Count(Bounds),
    /// `value_count`: the number of different values, or tuples of values.
    Distinct(Bounds),
    /// `value_sum`.
    Sum(Bounds),
    /// `value_avg`.
    Average(Bounds),
    /// `value_percentile` and `value_median` (the 50th): the value at this rank of 100.
    Percentile(f64, Bounds),
    /// `temporal` with a number: how many of the rules have an event.
    Steps(Bounds),
    /// `temporal`: the rules that have an event.
    Any(Vec<Alternative>),
    /// `temporal_ordered`: one event of each needed rule, in the order of the rules.
    Ordered(Vec<Alternative>),
}

impl Test {
    /// Do its inputs carry numbers?
    pub fn is_numeric(&self) -> bool {
        matches!(self, Test::Sum(_) | Test::Average(_) | Test::Percentile(..))
    }

    /// Does it look at which rule an event came from?
    pub fn has_steps(&self) -> bool {
        matches!(self, Test::Steps(_) | Test::Any(_) | Test::Ordered(_))
    }
}

/// The rules that a correlation refers to: the list, or, where there is none, what its boolean condition names.
pub fn references(rule: &CorrelationRule) -> Vec<String> {
    let mut out = rule.rules.clone();
    if out.is_empty()
        && let CorrelationCondition::Extended(expression) = &rule.condition
    {
        identifiers(expression, &mut out);
    }
    out
}

fn identifiers(expression: &ConditionExpr, out: &mut Vec<String>) {
    match expression {
        ConditionExpr::And(list) | ConditionExpr::Or(list) => {
            list.iter().for_each(|one| identifiers(one, out));
        }
        ConditionExpr::Not(one) => identifiers(one, out),
        ConditionExpr::Identifier(name) if !out.contains(name) => out.push(name.clone()),
        ConditionExpr::Identifier(_) | ConditionExpr::Selector { .. } => {}
    }
}

/// The names of the fields whose values count; empty for types that look at none.
pub fn fields(rule: &CorrelationRule) -> &[String] {
    match &rule.condition {
        CorrelationCondition::Threshold { field: Some(fields), .. } => fields,
        _ => &[],
    }
}

/// The test that `rule` states over `rule.rules`.
pub fn compile(rule: &CorrelationRule) -> Result<Test, CorrelationError> {
    let kind = rule.correlation_type;
    let least = if kind == CorrelationType::TemporalOrdered { 2 } else { 1 };
    if !(least..=STEPS_MAX).contains(&rule.rules.len()) {
        return Err(CorrelationError::Rules(rule.rules.len()));
    }
    let temporal = matches!(kind, CorrelationType::Temporal | CorrelationType::TemporalOrdered);
    match &rule.condition {
        CorrelationCondition::Extended(expression) if temporal => boolean(rule, expression),
        CorrelationCondition::Extended(_) => Err(CorrelationError::Condition(
            kind.as_str(),
            "a text over rules; write a number, such as `gte: 10`",
        )),
        CorrelationCondition::Threshold { predicates, field, percentile } => {
            let counts = matches!(kind, CorrelationType::EventCount) || temporal;
            let fields = field.as_ref().map_or(0, Vec::len);
            let refused = |why| Err(CorrelationError::Condition(kind.as_str(), why));
            match (counts, fields) {
                (true, 1..) => return refused("it names a field; only value_* types read one"),
                (false, 0) => return refused("it names no field; add `field: NAME`"),
                (false, 2..) if kind != CorrelationType::ValueCount => {
                    return refused("it names several fields; only value_count joins fields");
                }
                _ => {}
            }
            if percentile.is_some_and(|rank| rank > 100) {
                return refused("the percentile is above 100");
            }
            if temporal {
                steps(rule, predicates)
            } else {
                threshold(kind, predicates, *percentile)
            }
        }
    }
}

fn threshold(
    kind: CorrelationType,
    predicates: &[(ConditionOperator, u64)],
    percentile: Option<u64>,
) -> Result<Test, CorrelationError> {
    // The parser keeps a negative number's bits.
    let number = |wanted: u64| wanted.cast_signed() as f64;
    let bounds = Bounds(predicates.iter().map(|(by, wanted)| (*by, number(*wanted))).collect());
    if matches!(kind, CorrelationType::EventCount | CorrelationType::ValueCount) {
        let refused = |why| Err(CorrelationError::Condition(kind.as_str(), why));
        if bounds.0.iter().any(|(_, wanted)| *wanted < 0.0) {
            return refused("a number below 0");
        }
        if predicates.iter().any(|(_, wanted)| *wanted > THRESHOLD_MAX) {
            return refused("a number above 10,000; count over a shorter timespan");
        }
        if !bounds.possible(f64::INFINITY) {
            return refused("no number from 1 on fulfils it (a window always holds an event)");
        }
    }
    Ok(match kind {
        CorrelationType::ValueCount => Test::Distinct(bounds),
        CorrelationType::ValueSum => Test::Sum(bounds),
        CorrelationType::ValueAvg => Test::Average(bounds),
        CorrelationType::ValueMedian => Test::Percentile(50.0, bounds),
        CorrelationType::ValuePercentile => {
            Test::Percentile(percentile.unwrap_or(50) as f64, bounds)
        }
        _ => Test::Count(bounds),
    })
}

/// A temporal type with a number, or without a condition.
fn steps(
    rule: &CorrelationRule,
    predicates: &[(ConditionOperator, u64)],
) -> Result<Test, CorrelationError> {
    let number = rule.rules.len() as u64;
    let ordered = rule.correlation_type == CorrelationType::TemporalOrdered;
    // The parser gives `gte: 1` for a condition that was left out: every rule.
    let every = match predicates {
        [(ConditionOperator::Gte, wanted)] => *wanted == 1 || *wanted == number,
        [(ConditionOperator::Eq, wanted)] => *wanted == number,
        _ => false,
    };
    if every {
        let all = Alternative { need: mask(rule.rules.len()), refuse: 0 };
        return Ok(if ordered { Test::Ordered(vec![all]) } else { Test::Any(vec![all]) });
    }
    let refused = |why| Err(CorrelationError::Condition(rule.correlation_type.as_str(), why));
    if ordered {
        return refused("it must ask for all rules, or be left out, or be a text over rules");
    }
    let bounds = Bounds(predicates.iter().map(|(by, wanted)| (*by, *wanted as f64)).collect());
    if !bounds.possible(number as f64) {
        return refused("no number of these rules fulfils it");
    }
    Ok(Test::Steps(bounds))
}

fn boolean(rule: &CorrelationRule, expression: &ConditionExpr) -> Result<Test, CorrelationError> {
    let kind = rule.correlation_type;
    let mut ways = alternatives(expression, &rule.rules, true)?;
    ways.retain(|way| way.need & way.refuse == 0);
    ways.dedup();
    if ways.is_empty() {
        return Err(CorrelationError::Condition(kind.as_str(), "it can never hold"));
    }
    if kind == CorrelationType::Temporal {
        return Ok(Test::Any(ways));
    }
    if ways.iter().any(|way| way.need == 0) {
        let why = "it can hold without any rule, which has no order";
        return Err(CorrelationError::Condition(kind.as_str(), why));
    }
    Ok(Test::Ordered(ways))
}

/// The bits of `steps` steps.
fn mask(steps: usize) -> u64 {
    u32::try_from(steps)
        .ok()
        .and_then(|steps| 1_u64.checked_shl(steps))
        .map_or(u64::MAX, |bit| bit - 1)
}

/// Every way in which `expression` is `wanted`.
fn alternatives(
    expression: &ConditionExpr,
    names: &[String],
    wanted: bool,
) -> Result<Vec<Alternative>, CorrelationError> {
    match expression {
        ConditionExpr::Not(one) => alternatives(one, names, !wanted),
        ConditionExpr::Identifier(name) => {
            let step = names.iter().position(|known| known == name);
            let step = step.ok_or_else(|| CorrelationError::Unlisted(name.clone()))?;
            Ok(vec![one_step(step, wanted)])
        }
        ConditionExpr::And(list) | ConditionExpr::Or(list) => {
            let all = matches!(expression, ConditionExpr::And(_)) == wanted;
            let inner = list.iter().map(|one| alternatives(one, names, wanted));
            if all { every(inner) } else { either(inner) }
        }
        ConditionExpr::Selector { quantifier, pattern } => {
            let chosen: Vec<usize> = names
                .iter()
                .enumerate()
                .filter(|(_, name)| pattern.matches_detection_name(name))
                .map(|(step, _)| step)
                .collect();
            if chosen.is_empty() {
                return Err(CorrelationError::Unlisted(pattern.to_string()));
            }
            let least = match quantifier {
                Quantifier::Any => 1,
                Quantifier::All => chosen.len(),
                Quantifier::Count(number) => usize::try_from(*number).unwrap_or(usize::MAX),
            };
            // Not at least N of K: of every K - N + 1 of them none is missing that must be.
            let size = if wanted { least } else { (chosen.len() + 1).saturating_sub(least) };
            choices(&chosen, size, wanted)
        }
    }
}

fn one_step(step: usize, wanted: bool) -> Alternative {
    let bit = u32::try_from(step).ok().and_then(|step| 1_u64.checked_shl(step)).unwrap_or(0);
    if wanted { Alternative { need: bit, refuse: 0 } } else { Alternative { need: 0, refuse: bit } }
}

type Ways = Result<Vec<Alternative>, CorrelationError>;

fn either(inner: impl Iterator<Item = Ways>) -> Ways {
    let mut out = Vec::new();
    for ways in inner {
        out.extend(ways?);
        bounded(&out)?;
    }
    Ok(out)
}

fn every(inner: impl Iterator<Item = Ways>) -> Ways {
    let mut out = vec![Alternative { need: 0, refuse: 0 }];
    for ways in inner {
        let ways = ways?;
        let joined = out.iter().flat_map(|one| {
            ways.iter().map(|other| Alternative {
                need: one.need | other.need,
                refuse: one.refuse | other.refuse,
            })
        });
        let mut next: Vec<Alternative> = joined.collect();
        next.dedup();
        bounded(&next)?;
        out = next;
    }
    Ok(out)
}

/// Every choice of `size` of the steps, all of them wanted (or all unwanted).
fn choices(steps: &[usize], size: usize, wanted: bool) -> Ways {
    let mut out = vec![(0_usize, Alternative { need: 0, refuse: 0 })];
    for (place, step) in steps.iter().enumerate() {
        let one = one_step(*step, wanted);
        let left = steps.len() - place - 1;
        let more: Vec<_> = out
            .iter()
            .filter(|(taken, _)| *taken < size)
            .map(|(taken, way)| {
                let way =
                    Alternative { need: way.need | one.need, refuse: way.refuse | one.refuse };
                (taken + 1, way)
            })
            .collect();
        out.extend(more);
        out.retain(|(taken, _)| taken + left >= size);
        if out.len() > ALTERNATIVES_MAX * STEPS_MAX {
            return Err(CorrelationError::Alternatives);
        }
    }
    let ways: Vec<_> =
        out.into_iter().filter(|(taken, _)| *taken == size).map(|(_, way)| way).collect();
    bounded(&ways)?;
    Ok(ways)
}

fn bounded(ways: &[Alternative]) -> Result<(), CorrelationError> {
    if ways.len() > ALTERNATIVES_MAX { Err(CorrelationError::Alternatives) } else { Ok(()) }
}
