//! Values with a meaning: numbers, durations, times, networks, text patterns.

use std::net::IpAddr;
use std::ops::{Bound, RangeBounds as _};

use regex::{Regex, RegexBuilder};

use crate::model::query::{Op, PATTERN_BYTES_MAX, QueryError, Term, Value};
use crate::model::severity::Severity;
use crate::stdx::time::{SECOND_US, Timestamp};

const DAY_US: i64 = 86_400 * SECOND_US;

/// Can the word be an end of a range?
pub(super) fn is_ordered(word: &str) -> bool {
    number(word).is_some()
        || duration_us(word).is_some()
        || instant(word).is_some()
        || Severity::parse(word).is_some()
}

/// A finite number.
pub(super) fn number(word: &str) -> Option<f64> {
    let starts_well = word.starts_with(|first: char| first.is_ascii_digit() || first == '-');
    word.parse::<f64>().ok().filter(|value| starts_well && value.is_finite())
}

/// `90s`, `30m`, `4h`, `7d`, `2w` in microseconds.
pub(super) fn duration_us(word: &str) -> Option<i64> {
    let unit = word.chars().next_back()?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        'w' => 7 * 86_400,
        _ => return None,
    };
    let count = word.get(..word.len() - 1)?;
    if count.is_empty() || !count.bytes().all(|digit| digit.is_ascii_digit()) {
        return None;
    }
    let count: i64 = count.parse().ok()?;
    count.checked_mul(seconds)?.checked_mul(SECOND_US)
}

/// `2026-11-22`, `2026-11-22T10:00`, or an instant with its zone; without a zone it is UTC.
pub(super) fn instant(word: &str) -> Option<Timestamp> {
    if let Some(at) = Timestamp::parse_rfc3339(word) {
        return Some(at);
    }
    let local: jiff::civil::DateTime = word.parse().ok()?;
    let at = local.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
    Some(Timestamp(at.timestamp().as_microsecond()))
}

fn is_date(word: &str) -> bool {
    word.len() == "2026-11-22".len() && !word.contains(':')
}

/// Both ends of what is allowed.
pub(super) type Bounds<T> = (Bound<T>, Bound<T>);

/// The bounds that a term's operator and value spell, when every end reads as `T`.
pub(super) fn bounds<T: Copy>(term: &Term, read: impl Fn(&str) -> Option<T>) -> Option<Bounds<T>> {
    let word = match &term.value {
        Value::Word(word) | Value::Quoted(word) => word,
        Value::Range(low, high) if matches!(term.op, Op::Is | Op::Equal) => {
            return Some((Bound::Included(read(low)?), Bound::Included(read(high)?)));
        }
        _ => return None,
    };
    let value = read(word)?;
    Some(match term.op {
        Op::Is | Op::Equal => (Bound::Included(value), Bound::Included(value)),
        Op::Greater => (Bound::Excluded(value), Bound::Unbounded),
        Op::GreaterEqual => (Bound::Included(value), Bound::Unbounded),
        Op::Less => (Bound::Unbounded, Bound::Excluded(value)),
        Op::LessEqual => (Bound::Unbounded, Bound::Included(value)),
        Op::Like | Op::NotEqual => return None,
    })
}

/// A check of a number.
pub(super) fn numbers(term: &Term, name: &str) -> Result<Bounds<f64>, QueryError> {
    bounds(term, number).ok_or_else(|| {
        let message = format!("{name} takes a number");
        QueryError::new(message, term.value_span.clone()).hint(format!("{name}>=10, {name}:10..20"))
    })
}

/// A check of a time: by how long ago it was, or by when it was.
#[derive(Clone, Debug)]
pub(super) enum When {
    /// Microseconds ago.
    Ago(Bounds<i64>),
    /// Microseconds since the epoch.
    At(Bounds<i64>),
}

impl When {
    pub(super) fn read(term: &Term, name: &str) -> Result<When, QueryError> {
        if let Some(ago) = bounds(term, duration_us) {
            return Ok(When::Ago(ago));
        }
        if let (Value::Word(day), Op::Is | Op::Equal) = (&term.value, term.op)
            && let Some(at) = instant(day).filter(|_| is_date(day))
        {
            let next = at.plus_micros(DAY_US).micros();
            return Ok(When::At((Bound::Included(at.micros()), Bound::Excluded(next))));
        }
        let at = bounds(term, |word| instant(word).map(Timestamp::micros));
        at.map(When::At).ok_or_else(|| {
            let message = format!("{name} takes a duration or a time");
            QueryError::new(message, term.value_span.clone())
                .hint(format!("{name}<4h, {name}>30m, {name}:2026-11-22"))
        })
    }

    /// The earliest and the latest time that can fit, both included.
    pub(super) fn span(&self, now: Timestamp) -> (Option<Timestamp>, Option<Timestamp>) {
        let edge = |bound: &Bound<i64>| match bound {
            Bound::Included(value) | Bound::Excluded(value) => Some(*value),
            Bound::Unbounded => None,
        };
        match self {
            When::At((low, high)) => (edge(low).map(Timestamp), edge(high).map(Timestamp)),
            When::Ago((low, high)) => {
                let at = |ago: i64| Timestamp(now.micros().saturating_sub(ago));
                (edge(high).map(at), edge(low).map(at))
            }
        }
    }

    /// The instants that fit, microseconds.
    pub(super) fn at(&self, now: Timestamp) -> Bounds<i64> {
        match self {
            When::At(bounds) => *bounds,
            When::Ago((low, high)) => {
                let at = |ago: i64| now.micros().saturating_sub(ago);
                (high.map(at), low.map(at))
            }
        }
    }

    pub(super) fn contains(&self, at: Timestamp, now: Timestamp) -> bool {
        match self {
            When::Ago(bounds) => bounds.contains(&now.micros_since(at)),
            When::At(bounds) => bounds.contains(&at.micros()),
        }
    }
}

/// A network, or a single address.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Network {
    base: u128,
    mask: u128,
    v4: bool,
}

impl Network {
    /// `10.20.0.0/16`, `2001:db8::/32`, `10.0.0.7`.
    pub(super) fn parse(text: &str) -> Option<Network> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u32>().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let (bits, width, v4) = number_of(address);
        let prefix = prefix.unwrap_or(width);
        if prefix > width {
            return None;
        }
        let mask = u128::MAX.checked_shl(width - prefix).unwrap_or(0);
        Some(Network { base: bits & mask, mask, v4 })
    }

    /// Its first address and how many bits of it count.
    pub(super) fn parts(&self) -> (IpAddr, u32) {
        match (self.v4, u32::try_from(self.base)) {
            (true, Ok(base)) => {
                let ones = self.mask.wrapping_shl(96).leading_ones();
                (IpAddr::V4(base.into()), ones)
            }
            _ => (IpAddr::V6(self.base.into()), self.mask.leading_ones()),
        }
    }

    /// Is the text an address in this network?
    pub(super) fn contains(&self, text: &str) -> bool {
        let Ok(address) = text.parse::<IpAddr>() else {
            return false;
        };
        let (bits, _, v4) = number_of(address);
        v4 == self.v4 && bits & self.mask == self.base
    }
}

fn number_of(address: IpAddr) -> (u128, u32, bool) {
    match address.to_canonical() {
        IpAddr::V4(v4) => (u128::from(u32::from(v4)), 32, true),
        IpAddr::V6(v6) => (u128::from(v6), 128, false),
    }
}

/// How `:` reads a plain word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Natural {
    /// Names: the whole value.
    Whole,
    /// Prose: anywhere in the value.
    Containing,
    /// Ids: people see and copy their beginning.
    Beginning,
}

/// What a pattern asks of a text, for those who keep texts sorted: a necessary and, unless it is a regular
/// expression, sufficient description.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Texts that stand in this order, with anything between them.
    Pieces {
        /// As written; a first or last one may be empty.
        pieces: Vec<String>,
        /// The first piece begins the text.
        start: bool,
        /// The last piece ends the text.
        end: bool,
        /// Gaps may be of any length; otherwise some are of exactly one letter.
        any_gaps: bool,
    },
    /// A regular expression, searched anywhere, in any case.
    Regex(String),
}

/// A check of text, in any case.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    regex: Regex,
    shape: Shape,
}

impl Pattern {
    /// The check that a term spells for text.
    pub(super) fn read(term: &Term, natural: Natural) -> Result<Pattern, QueryError> {
        let containing = match term.op {
            Op::Like => true,
            Op::Is => natural == Natural::Containing,
            Op::Equal | Op::NotEqual => false,
            Op::Greater | Op::GreaterEqual | Op::Less | Op::LessEqual => {
                let message = "text has no order";
                let error = QueryError::new(message, term.value_span.clone());
                return Err(error.hint("use : = != or ~"));
            }
        };
        let literal = |text: &str, start: bool, end: bool| Shape::Pieces {
            pieces: vec![text.to_owned()],
            start,
            end,
            any_gaps: true,
        };
        let shape = match &term.value {
            Value::Regex(source) => Shape::Regex(source.clone()),
            Value::Quoted(text) => literal(text, !containing, !containing),
            Value::Word(word) if natural == Natural::Beginning && !is_glob(word) => {
                literal(word, true, false)
            }
            Value::Range(low, high) => literal(&format!("{low}..{high}"), true, true),
            // A word with wild cards describes the whole value, except after `~`.
            Value::Word(word) => {
                let whole = !(containing && (term.op == Op::Like || !is_glob(word)));
                let pieces = word.split(['*', '?']).map(str::to_owned).collect();
                Shape::Pieces { pieces, start: whole, end: whole, any_gaps: !word.contains('?') }
            }
            Value::List(_) => {
                return Err(QueryError::new("a list in a list", term.value_span.clone()));
            }
        };
        let source = match (&term.value, &shape) {
            (Value::Word(word), Shape::Pieces { start, end, .. }) => {
                let (open, close) =
                    (if *start { r"\A" } else { "" }, if *end { r"\z" } else { "" });
                format!("{open}{}{close}", glob(word))
            }
            (_, Shape::Pieces { pieces, start, end, .. }) => {
                let (open, close) =
                    (if *start { r"\A" } else { "" }, if *end { r"\z" } else { "" });
                format!("{open}{}{close}", regex::escape(&pieces.concat()))
            }
            (_, Shape::Regex(source)) => source.clone(),
        };
        match Pattern::compile(&source) {
            Ok(regex) => Ok(Pattern { regex, shape }),
            Err(reason) => {
                let message = format!("this pattern is not valid: {reason}");
                Err(QueryError::new(message, term.value_span.clone()))
            }
        }
    }

    fn compile(source: &str) -> Result<Regex, &'static str> {
        RegexBuilder::new(source)
            .case_insensitive(true)
            .dot_matches_new_line(true)
            .size_limit(PATTERN_BYTES_MAX)
            .dfa_size_limit(PATTERN_BYTES_MAX)
            .build()
            .map_err(|error| match error {
                regex::Error::CompiledTooBig(_) => "it is too big",
                _ => "it is not a regular expression",
            })
    }

    /// The check of a whole text.
    pub(super) fn whole(text: &str) -> Option<Pattern> {
        let shape =
            Shape::Pieces { pieces: vec![text.to_owned()], start: true, end: true, any_gaps: true };
        let source = format!(r"\A{}\z", regex::escape(text));
        Pattern::compile(&source).ok().map(|regex| Pattern { regex, shape })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    pub(super) fn shape(&self) -> &Shape {
        &self.shape
    }
}

/// The one text, in lower case, that a term asks for as a whole value; `None`: it asks for something else.
pub(super) fn literal(term: &Term) -> Option<String> {
    match (&term.value, term.op) {
        (Value::Word(word), Op::Is | Op::Equal) if !is_glob(word) => Some(word.to_lowercase()),
        (Value::Quoted(text), Op::Is | Op::Equal) => Some(text.to_lowercase()),
        _ => None,
    }
}

fn is_glob(word: &str) -> bool {
    word.contains(['*', '?'])
}

fn glob(word: &str) -> String {
    let mut out = String::with_capacity(word.len() + 8);
    let mut buffer = [0_u8; 4];
    for letter in word.chars() {
        match letter {
            '*' => out.push_str(".*"),
            '?' => out.push('.'),
            other => out.push_str(&regex::escape(other.encode_utf8(&mut buffer))),
        }
    }
    out
}
