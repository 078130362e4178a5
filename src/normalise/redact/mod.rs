//! What must not be stored is replaced before anything is: secrets by `<redacted:kind>`, everywhere; what tells about
//! people where the configuration says so. Only the value goes; switches, names, ids and numbers stay. A text without a
//! hit is not copied, and what was replaced is not replaced again.
//!
//! Secrets, while a record is decoded, in two steps: one search for what announces a secret ([`prefilter`]), and only
//! where something does the expressions ([`rules`]) that find it. People, at the end, in one place ([`identity`]). What
//! an attacker hides (encoded commands) stays hidden.

pub mod addresses;
pub mod cards;
pub mod commands;
pub mod identity;
pub mod keys;
pub mod national;
pub mod pairs;
pub mod personal;
pub mod prefilter;
pub mod rules;
pub mod tokens;
pub mod users;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::config::redact::RedactConfig;
use crate::config::secret::SecretError;
use crate::model::event::Value;
use crate::normalise::document::Document;
use crate::normalise::redact::identity::People;
use crate::normalise::redact::prefilter::Prefilter;
use crate::normalise::redact::rules::Rule;

pub use crate::normalise::redact::keys::secret_key;

/// How often a text is gone through until nothing more is found.
const PASSES_MAX: usize = 4;
/// How a replaced secret begins.
const MARK: &str = "<redacted:";
/// The longest mark: it is looked for this far back.
const MARK_BYTES_MAX: usize = 80;

/// Secrets replaced, by kind.
pub type Counts = BTreeMap<Arc<str>, u64>;

/// The configuration asks for something that cannot be done.
#[derive(Debug, thiserror::Error)]
pub enum RedactError {
    /// A pattern that is no regular expression with one group.
    #[error("redact.patterns: the pattern for {kind:?} is not usable: {problem}")]
    Pattern {
        /// The kind it was given for.
        kind: String,
        /// What is wrong.
        problem: String,
    },
    /// The key of the pseudonyms cannot be had.
    #[error("redact.key: {0}")]
    Key(SecretError),
    /// The key of the pseudonyms is no key.
    #[error("redact.key: the key has fewer than {} bytes", users::KEY_BYTES_MIN)]
    ShortKey,
    /// Pseudonyms without a key.
    #[error("redact.users: pseudonyms need a key (redact.key)")]
    NoKey,
}

/// Finds and replaces; cheap to clone.
#[derive(Clone, Debug)]
pub struct Redactor {
    inner: Option<Arc<Inner>>,
    /// What becomes of what tells about people.
    pub people: People,
}

#[derive(Debug)]
struct Inner {
    prefilter: &'static Prefilter,
    builtin: &'static [Rule],
    /// Rules of the configuration: no word announces them, so they are tried on every text.
    own: Vec<Rule>,
}

impl Redactor {
    /// Everything that is wrong with the configuration: the key within its section, and one line.
    pub fn problems(config: &RedactConfig) -> Vec<(String, String)> {
        let say = |error: RedactError| match error {
            // An expression is shown with its fault over several lines, and the last names it.
            RedactError::Pattern { problem, .. } => {
                let last = problem.lines().last().unwrap_or_default();
                format!("the pattern is not usable: {}", last.trim_start_matches("error: "))
            }
            RedactError::Key(error) => error.to_string(),
            RedactError::ShortKey => format!("fewer than {} bytes", users::KEY_BYTES_MIN),
            RedactError::NoKey => "pseudonyms need a key".to_owned(),
        };
        let patterns = config.patterns.iter().filter_map(|(kind, pattern)| {
            Some((format!("patterns.{kind}"), Rule::own(kind, pattern).err()?))
        });
        let key =
            config.key.as_ref().map_or("users".to_owned(), |key| format!("key.{}", key.key()));
        let people = People::new(config).err().map(|error| (key, error));
        patterns.chain(people).map(|(key, error)| (key, say(error))).collect()
    }

    /// From the configuration.
    pub fn new(config: &RedactConfig) -> Result<Redactor, RedactError> {
        let people = People::new(config)?;
        if !config.secrets && config.patterns.is_empty() {
            return Ok(Redactor { inner: None, people });
        }
        let mut own = Vec::new();
        for (kind, pattern) in &config.patterns {
            own.push(Rule::own(kind, pattern)?);
        }
        let builtin = if config.secrets { rules::builtin() } else { &[] };
        let inner = Inner { prefilter: Prefilter::shared(), builtin, own };
        Ok(Redactor { inner: Some(Arc::new(inner)), people })
    }

    /// The text with its secrets replaced, counted by kind. Borrowed when there is none.
    pub fn text<'a>(&self, text: &'a str, counts: &mut Counts) -> Cow<'a, str> {
        match &self.inner {
            Some(inner) if inner.may_hold(text.as_bytes()) => inner.replace(text, counts),
            _ => Cow::Borrowed(text),
        }
    }

    /// As [`Redactor::text`] for a text that says once more what was counted already.
    pub fn copy<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.text(text, &mut Counts::new())
    }
}

impl Inner {
    fn may_hold(&self, bytes: &[u8]) -> bool {
        !self.own.is_empty() || (!self.builtin.is_empty() && self.prefilter.finds(bytes))
    }

    fn replace<'a>(&self, text: &'a str, counts: &mut Counts) -> Cow<'a, str> {
        let mut current = Cow::Borrowed(text);
        for _ in 0..PASSES_MAX {
            let found = self.find(&current);
            if found.is_empty() {
                break;
            }
            current = Cow::Owned(substitute(&current, &found, counts));
        }
        current
    }

    /// Secrets in order, none overlapping another.
    fn find(&self, text: &str) -> Vec<Hit> {
        let mut hits = Hits::default();
        if !self.builtin.is_empty() {
            let near = self.prefilter.which(text.as_bytes());
            let fits =
                |rule: &&Rule| rule.words.meets(&near.words) || (rule.of_addresses && near.address);
            for rule in self.builtin.iter().filter(fits) {
                hits.take(text, rule.secrets(text), &rule.kind);
            }
            if near.card {
                hits.take(text, cards::find(text), &cards::KIND.into());
            }
        }
        for rule in &self.own {
            hits.take(text, rule.secrets(text), &rule.kind);
        }
        hits.in_order()
    }
}

/// Where something is to be replaced, and its kind.
type Hit = (Range<usize>, Arc<str>);

/// What was found in one text; of two that overlap the one that holds the other wins, else the first.
#[derive(Default)]
struct Hits(Vec<Hit>);

impl Hits {
    fn take(&mut self, text: &str, spans: Vec<Range<usize>>, kind: &Arc<str>) {
        for span in spans {
            let secret = text.get(span.clone()).unwrap_or_default();
            if secret.is_empty() || touches_mark(text, &span) {
                continue;
            }
            let overlaps = |other: &Range<usize>| span.start < other.end && other.start < span.end;
            let holds = |other: &Range<usize>| {
                span.start <= other.start && other.end <= span.end && span != *other
            };
            if self.0.iter().all(|(other, _)| !overlaps(other) || holds(other)) {
                self.0.retain(|(other, _)| !overlaps(other));
                self.0.push((span, Arc::clone(kind)));
            }
        }
    }

    fn in_order(mut self) -> Vec<Hit> {
        self.0.sort_by_key(|(span, _)| span.start);
        self.0
    }
}

/// Is the span (part of) something that was replaced already?
fn touches_mark(text: &str, span: &Range<usize>) -> bool {
    let secret = text.get(span.clone()).unwrap_or_default();
    if secret.contains(MARK) {
        return true;
    }
    let mut from = span.start.saturating_sub(MARK_BYTES_MAX);
    while !text.is_char_boundary(from) {
        from -= 1;
    }
    let before = text.get(from..span.start).unwrap_or_default();
    match before.rfind('<') {
        Some(open) => {
            let tail = text.get(from + open..).unwrap_or_default();
            tail.starts_with(MARK) && !before.get(open..).unwrap_or_default().contains('>')
        }
        None => false,
    }
}

fn substitute(text: &str, found: &[Hit], counts: &mut Counts) -> String {
    let mut out = String::with_capacity(text.len() + 16 * found.len());
    let mut at = 0;
    for (span, kind) in found {
        out.push_str(text.get(at..span.start).unwrap_or_default());
        out.push_str(MARK);
        out.push_str(kind);
        out.push('>');
        at = span.end;
        *counts.entry(Arc::clone(kind)).or_default() += 1;
    }
    out.push_str(text.get(at..).unwrap_or_default());
    out
}

/// The redaction of one record: its bytes are searched once, and when nothing announces a secret, nothing of it is
/// searched again.
#[derive(Debug)]
pub struct Redaction<'a> {
    inner: Option<&'a Inner>,
    hit: bool,
    /// A value was replaced because of its key: the input must be gone through.
    by_key: Cell<bool>,
}

impl<'a> Redaction<'a> {
    /// Search the record.
    pub fn new(redactor: &'a Redactor, record: &[u8]) -> Redaction<'a> {
        let inner = redactor.inner.as_deref();
        let hit = inner.is_some_and(|inner| inner.may_hold(record));
        Redaction { inner, hit, by_key: Cell::new(false) }
    }

    /// Search the texts of a JSON document instead of the record that it was read from: what stands between them (keys,
    /// numbers) is no secret, and escapes hide nothing. Texts that did not fit are in the record only, and so is what
    /// an XML record says outside its values.
    pub fn of_document(
        redactor: &'a Redactor,
        document: &Document,
        record: &[u8],
    ) -> Redaction<'a> {
        let whole = document.left_out > 0 || !record.trim_ascii_start().starts_with(b"{");
        Redaction::new(redactor, if whole { record } else { document.text().as_bytes() })
    }

    /// A text of the record, its secrets replaced.
    pub fn text<'t>(&self, text: &'t str, counts: &mut Counts) -> Cow<'t, str> {
        match self.inner {
            Some(inner) if self.hit && inner.may_hold(text.as_bytes()) => {
                inner.replace(text, counts)
            }
            _ => Cow::Borrowed(text),
        }
    }

    /// A value of a pair: a secret as a whole because of its key, else a text whose secrets are replaced. `None`: the value
    /// stays as it is.
    pub fn value<'t>(
        &self,
        key: &str,
        value: Value<'t>,
        counts: &mut Counts,
    ) -> Option<Cow<'t, str>> {
        match value {
            Value::Str(text) => Some(match secret_key(key) {
                Some(kind) => self.whole(text, kind, counts),
                None => self.text(text, counts),
            }),
            Value::Int(number) if number >= 10_i64.pow(keys::NUMBER_DIGITS_MIN as u32 - 1) => {
                let kind = secret_key(key).filter(|kind| *kind == "password")?;
                match self.whole(&number.to_string(), kind, counts) {
                    Cow::Owned(mark) => Some(Cow::Owned(mark)),
                    Cow::Borrowed(_) => None,
                }
            }
            _ => None,
        }
    }

    /// A value that is a secret as a whole, because of its key.
    pub fn whole<'t>(
        &self,
        text: &'t str,
        kind: &'static str,
        counts: &mut Counts,
    ) -> Cow<'t, str> {
        if self.inner.is_none_or(|inner| inner.builtin.is_empty())
            || rules::says_nothing(text)
            || text.contains(MARK)
        {
            return Cow::Borrowed(text);
        }
        self.by_key.set(true);
        *counts.entry(kind.into()).or_default() += 1;
        Cow::Owned(format!("{MARK}{kind}>"))
    }

    /// The record itself, a JSON document: its strings are read, redacted and written again; all else stays byte
    /// for byte. Not counted: the fields were.
    pub fn json<'t>(&self, record: &'t str) -> Cow<'t, str> {
        if !self.hit && !self.by_key.get() {
            return Cow::Borrowed(record);
        }
        if !record.trim_start().starts_with(['{', '[']) {
            // XML, rows of columns: no quotes to go by.
            return self.text(record, &mut Counts::new());
        }
        let mut out = String::with_capacity(record.len() + 64);
        let mut copied = 0;
        let mut key = String::new();
        let mut unused = Counts::new();
        let by_key = |key: &str| secret_key(key).filter(|_| self.by_key.get());
        for (span, token) in tokens_of(record) {
            let text = record.get(span.clone()).unwrap_or_default();
            let clean = if token == Token::Number {
                let number = text.parse().map_or(Value::Null, Value::Int);
                by_key(&key).and_then(|_| self.value(&key, number, &mut unused))
            } else {
                let Ok(value) = serde_json::from_str::<String>(text) else { continue };
                if token == Token::Key {
                    key = value;
                    continue;
                }
                let clean = match by_key(&key) {
                    Some(kind) => self.whole(&value, kind, &mut unused),
                    None => self.text(&value, &mut unused),
                };
                (clean != value).then(|| Cow::Owned(clean.into_owned()))
            };
            let Some(clean) = clean else { continue };
            out.push_str(record.get(copied..span.start).unwrap_or_default());
            out.push_str(&serde_json::Value::String(clean.into_owned()).to_string());
            copied = span.end;
        }
        out.push_str(record.get(copied..).unwrap_or_default());
        Cow::Owned(out)
    }
}

/// What a token of a JSON document is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token {
    Key,
    Text,
    /// A whole number that is the value of a key.
    Number,
}

/// The tokens of a valid JSON document that may hold a secret: strings, with their quotes, and whole numbers after a key.
fn tokens_of(json: &str) -> Vec<(Range<usize>, Token)> {
    let bytes = json.as_bytes();
    let mut spans = Vec::new();
    let mut at = 0;
    while let Some(open) = memchr::memchr(b'"', bytes.get(at..).unwrap_or_default()) {
        let start = at + open;
        let mut end = start + 1;
        loop {
            match bytes.get(end) {
                None => return spans,
                Some(b'\\') => end += 2,
                Some(b'"') => break,
                Some(_) => end += 1,
            }
        }
        end += 1;
        at = end;
        let colon = skip_blanks(bytes, end);
        if bytes.get(colon) != Some(&b':') {
            spans.push((start..end, Token::Text));
            continue;
        }
        spans.push((start..end, Token::Key));
        let value = skip_blanks(bytes, colon + 1);
        let digits = bytes.get(value..).unwrap_or_default();
        let digits = digits.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if digits > 0 && !matches!(bytes.get(value + digits), Some(b'.' | b'e' | b'E')) {
            spans.push((value..value + digits, Token::Number));
        }
    }
    spans
}

fn skip_blanks(bytes: &[u8], from: usize) -> usize {
    let rest = bytes.get(from..).unwrap_or_default();
    from + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

#[cfg(test)]
mod tests;
