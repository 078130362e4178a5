//! Parts of times (`hour: 3`): numbers that no time has are refused, numbers can be compared (`hour|gte: 22`: those that
//! fulfil it are listed), and a record's time is understood in the forms that records have.

use std::ops::RangeInclusive;

use rsigma_eval::EvalError;
use rsigma_eval::compiler::CompiledDetection;
use rsigma_eval::matcher::CompiledMatcher;
use rsigma_parser::{DetectionItem, Modifier, SigmaValue};

use crate::stdx::time::Timestamp;

/// What a field's name ends with where a rule asks for a part of its time.
const MARK: &str = " (time)";

/// The field's own name, if it is one that is read as a time.
pub fn read_as_time(name: &str) -> Option<&str> {
    name.strip_suffix(MARK)
}

/// The seconds of a record's time. One without a zone is UTC, as Sysmon writes its times.
pub fn seconds(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Some(at) = Timestamp::parse_rfc3339(text) {
        return Some(at.seconds());
    }
    if !text.contains(':') {
        return None;
    }
    let written: jiff::civil::DateTime = text.parse().ok()?;
    Some(written.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().as_second())
}

/// Let the fields of which a part of their time is asked be read as times. Members of lists stay as they are.
pub fn mark(found: &mut CompiledDetection) {
    match found {
        CompiledDetection::AllOf(items) => {
            for item in items.iter_mut().filter(|item| asks_part(&item.matcher)) {
                item.field = item.field.take().map(|name| format!("{name}{MARK}"));
            }
        }
        CompiledDetection::AnyOf(inner) | CompiledDetection::And(inner) => {
            inner.iter_mut().for_each(mark);
        }
        CompiledDetection::Keywords(_)
        | CompiledDetection::ArrayMatch { .. }
        | CompiledDetection::Conditional { .. } => {}
    }
}

fn asks_part(matcher: &CompiledMatcher) -> bool {
    match matcher {
        CompiledMatcher::TimestampPart { .. } => true,
        CompiledMatcher::AnyOf(inner) | CompiledMatcher::AllOf(inner) => {
            inner.iter().any(asks_part)
        }
        CompiledMatcher::Not(inner) => asks_part(inner),
        _ => false,
    }
}

/// The name of a part of a time, and the numbers that it can have.
fn part(modifier: Modifier) -> Option<(&'static str, RangeInclusive<i64>)> {
    Some(match modifier {
        Modifier::Minute => ("minute", 0..=59),
        Modifier::Hour => ("hour", 0..=23),
        Modifier::Day => ("day", 1..=31),
        Modifier::Week => ("week", 1..=53),
        Modifier::Month => ("month", 1..=12),
        Modifier::Year => ("year", 1601..=2300),
        _ => return None,
    })
}

fn number(value: &SigmaValue) -> Option<i64> {
    match value {
        SigmaValue::Integer(number) => Some(*number),
        SigmaValue::String(text) => text.original.trim().parse().ok(),
        _ => None,
    }
}

/// Check the numbers of an item, and write them out where they are compared.
///
/// # Errors
/// A number that the part of a time never is.
pub fn item(item: &mut DetectionItem) -> Result<(), EvalError> {
    use Modifier::{Gt, Gte, Lt, Lte, Neq};
    let asked = item.field.modifiers.iter().find_map(|modifier| part(*modifier));
    let Some((name, numbers)) = asked else { return Ok(()) };
    let Some(limits) = item.values.iter().map(number).collect::<Option<Vec<i64>>>() else {
        // What is no number is told by the library.
        return Ok(());
    };
    let compares = |modifier: &Modifier| matches!(modifier, Gt | Gte | Lt | Lte | Neq);
    let comparison = item.field.modifiers.iter().copied().find(|modifier| compares(modifier));
    let (first, last) = (*numbers.start(), *numbers.end());
    let never = |number: i64| {
        let reason = format!("{name} is a number from {first} to {last}, which {number} is not");
        EvalError::IncompatibleValue(reason)
    };
    if matches!(comparison, None | Some(Neq))
        && let Some(wrong) = limits.iter().find(|number| !numbers.contains(number))
    {
        return Err(never(*wrong));
    }
    let Some(comparison) = comparison else { return Ok(()) };
    let holds = |number: &i64| {
        let by = |limit: &i64| match comparison {
            Gt => number > limit,
            Gte => number >= limit,
            Lt => number < limit,
            Lte => number <= limit,
            _ => number != limit,
        };
        // `neq` of a list is none of it.
        if comparison == Neq { limits.iter().all(by) } else { limits.iter().any(by) }
    };
    let fulfilling: Vec<i64> = numbers.filter(holds).collect();
    if let (true, Some(limit)) = (fulfilling.is_empty(), limits.first()) {
        return Err(never(*limit));
    }
    item.values = fulfilling.into_iter().map(SigmaValue::Integer).collect();
    item.field.modifiers.retain(|modifier| !compares(modifier));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_of_records_times_are_understood() {
        let at = seconds("2025-03-04T22:05:06Z");
        assert!(at.is_some());
        for same in [
            "2025-03-04 22:05:06.123",
            "2025-03-04 22:05:06",
            "2025-03-04T22:05:06.1234567Z",
            "2025-03-04T23:05:06+01:00",
            " 2025-03-04 22:05:06.000 ",
        ] {
            assert_eq!(seconds(same), at, "{same}");
        }
        for none in ["", "x", "22:05", "2025-03-04", "1741126306"] {
            assert_eq!(seconds(none), None, "{none}");
        }
    }
}
