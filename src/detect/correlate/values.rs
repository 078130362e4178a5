//! What of an event goes into a correlation: the values of its group, of a tuple, a number; and words for people.

use std::borrow::Cow;
use std::fmt::Write as _;

use rsigma_parser::CorrelationType;

use crate::detect::correlate::compile::{Correlation, Input, Source};
use crate::detect::correlate::condition::Test;
use crate::detect::correlate::state::Seen;
use crate::detect::view::View;
use crate::model::event::Value;
use crate::stdx::id::Id128;

/// A value of a group or of a tuple is compared and kept up to this many bytes.
const VALUE_BYTES_MAX: usize = 1_024;

/// A part with its length before it, so that `("ab", "c")` and `("a", "bc")` differ.
pub fn add_part(out: &mut Vec<u8>, part: &str) {
    out.extend_from_slice(&(part.len() as u64).to_le_bytes());
    out.extend_from_slice(part.as_bytes());
}

/// The first 128 bits of the hash.
pub fn hash(bytes: &[u8]) -> Id128 {
    let hash = blake3::hash(bytes);
    Id128(hash.as_bytes().first_chunk().copied().unwrap_or_default())
}

/// The value that a source has, cut to the limit; `None` if there is none, or it says nothing.
pub fn text<'s, 'e: 's>(
    source: Source,
    seen: &Seen<'s>,
    view: &'s View<'_, 'e>,
) -> Option<Cow<'s, str>> {
    let value: Cow<'s, str> = match source {
        Source::Child(place) => seen.group.get(usize::from(place))?.as_str().into(),
        Source::Field(slot) => {
            view.first(slot).filter(|value| !matches!(value, Value::Null))?.to_text()
        }
    };
    if value.is_empty() {
        return None;
    }
    if value.len() <= VALUE_BYTES_MAX {
        return Some(value);
    }
    let mut end = VALUE_BYTES_MAX;
    while !value.is_char_boundary(end) {
        end -= 1;
    }
    Some(value.get(..end)?.to_owned().into())
}

/// The finite number that a source has, also as text.
pub fn number(source: Source, seen: &Seen<'_>, view: &View<'_, '_>) -> Option<f64> {
    let number = match source {
        Source::Child(place) => seen.group.get(usize::from(place))?.trim().parse().ok()?,
        Source::Field(slot) => match view.first(slot)? {
            Value::Int(number) => number as f64,
            Value::Float(number) => number,
            Value::Str(text) => text.trim().parse().ok()?,
            Value::Bool(_) | Value::Null => return None,
        },
    };
    // Adding zero makes the negative one positive: they are one number.
    Some(number + 0.0).filter(|number: &f64| number.is_finite())
}

/// The texts of a group that has them all.
pub fn group_texts(input: &Input, seen: &Seen<'_>, view: &View<'_, '_>) -> Vec<String> {
    let texts = input.group.iter().map(|source| text(*source, seen, view));
    texts.map(|text| text.map(Cow::into_owned).unwrap_or_default()).collect()
}

/// A line of explanation: how many events of what.
pub fn explanation(correlation: &Correlation, number: f64) -> (String, String) {
    let span = span_text(correlation.span_us / 1_000_000);
    let fields = correlation.value_names.join(", ");
    let mut text = String::new();
    let _ = match &correlation.test {
        Test::Count(_) => write!(text, "{number} events within {span}"),
        Test::Distinct(_) => write!(text, "{number} values of {fields} within {span}"),
        Test::Sum(_) => write!(text, "{fields} sums to {number} within {span}"),
        Test::Average(_) => write!(text, "{fields} averages {number} within {span}"),
        Test::Percentile(..) if correlation.kind == CorrelationType::ValueMedian => {
            write!(text, "{fields} has the median {number} within {span}")
        }
        Test::Percentile(rank, _) => {
            write!(text, "{fields} has the percentile {rank} at {number} within {span}")
        }
        Test::Steps(_) | Test::Any(_) => write!(text, "{number} rules within {span}"),
        Test::Ordered(_) => write!(text, "{number} steps in order within {span}"),
    };
    (correlation.kind.as_str().to_owned(), text)
}

fn span_text(seconds: i64) -> String {
    match seconds {
        s if s % 86_400 == 0 => format!("{} d", s / 86_400),
        s if s % 3_600 == 0 => format!("{} h", s / 3_600),
        s if s % 60 == 0 => format!("{} min", s / 60),
        s => format!("{s} s"),
    }
}
