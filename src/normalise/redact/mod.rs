//! Secrets are replaced before anything is stored: only the value, by `<redacted:kind>`; switches, names, ids and
//! numbers stay. A text without a hit is not copied.
//!
//! Two steps: one search for the words that stand near secrets ([`prefilter`]), and only where one is found the
//! expressions ([`rules`]) that find the secret itself. What an attacker hides (encoded commands) stays hidden.

pub mod prefilter;
pub mod rules;

use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::config::redact::RedactConfig;
use crate::normalise::redact::prefilter::Prefilter;
use crate::normalise::redact::rules::{BUILTIN, Rule};

/// How often a text is gone through until nothing more is found.
const PASSES_MAX: usize = 4;
/// The bit that no word has; set so that rules of the configuration are tried on every text.
const OWN: u128 = 1 << 127;
/// How a replaced secret begins.
const MARK: &str = "<redacted:";

/// Secrets replaced, by kind.
pub type Counts = BTreeMap<Arc<str>, u64>;

/// A pattern of the configuration that is no regular expression with one group.
#[derive(Debug, thiserror::Error)]
#[error("redact.patterns: the pattern for {kind:?} is not usable: {problem}")]
pub struct BadPattern {
    /// The kind it was given for.
    pub kind: String,
    /// What is wrong.
    pub problem: String,
}

/// Finds and replaces secrets; cheap to clone.
#[derive(Clone, Debug)]
pub struct Redactor {
    inner: Option<Arc<Inner>>,
}

#[derive(Debug)]
struct Inner {
    prefilter: Prefilter,
    builtin: Vec<Rule>,
    /// Rules of the configuration: no word announces them, so they are tried on every text.
    own: Vec<Rule>,
}

impl Redactor {
    /// From the configuration.
    pub fn new(config: &RedactConfig) -> Result<Redactor, BadPattern> {
        if !config.secrets && config.patterns.is_empty() {
            return Ok(Redactor { inner: None });
        }
        let mut builtin = Vec::new();
        for (kind, check, near, pattern) in BUILTIN.iter().filter(|_| config.secrets) {
            builtin.push(Rule::new(kind, *check, near, pattern)?);
        }
        let mut own = Vec::new();
        for (kind, pattern) in &config.patterns {
            own.push(Rule::own(kind, pattern)?);
        }
        Ok(Redactor { inner: Some(Arc::new(Inner { prefilter: Prefilter::new(), builtin, own })) })
    }

    /// The text with its secrets replaced, counted by kind. Borrowed when there is none.
    pub fn text<'a>(&self, text: &'a str, counts: &mut Counts) -> Cow<'a, str> {
        match &self.inner {
            Some(inner) if inner.may_hold(text.as_bytes()) => inner.replace(text, counts),
            _ => Cow::Borrowed(text),
        }
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
    fn find(&self, text: &str) -> Vec<(Range<usize>, Arc<str>)> {
        let mut found: Vec<(Range<usize>, Arc<str>)> = Vec::new();
        let near = self.prefilter.which(text.as_bytes());
        let near = if self.own.is_empty() { near } else { near | OWN };
        for rule in self.builtin.iter().chain(&self.own).filter(|rule| rule.words & near != 0) {
            for span in rule.secrets(text) {
                let secret = text.get(span.clone()).unwrap_or_default();
                let overlaps =
                    found.iter().any(|(other, _)| span.start < other.end && other.start < span.end);
                if !overlaps && !secret.is_empty() && !touches_mark(text, &span) {
                    found.push((span, Arc::clone(&rule.kind)));
                }
            }
        }
        found.sort_by_key(|(span, _)| span.start);
        found
    }
}

/// Is the span (part of) something that was replaced already?
fn touches_mark(text: &str, span: &Range<usize>) -> bool {
    let secret = text.get(span.clone()).unwrap_or_default();
    if secret.contains(MARK) {
        return true;
    }
    let before = text.get(..span.start).unwrap_or_default();
    match before.rfind('<') {
        Some(open) => {
            let tail = text.get(open..).unwrap_or_default();
            tail.starts_with(MARK) && !before.get(open..).unwrap_or_default().contains('>')
        }
        None => false,
    }
}

fn substitute(text: &str, found: &[(Range<usize>, Arc<str>)], counts: &mut Counts) -> String {
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

    /// A text of the record, its secrets replaced.
    pub fn text<'t>(&self, text: &'t str, counts: &mut Counts) -> Cow<'t, str> {
        match self.inner {
            Some(inner) if self.hit && inner.may_hold(text.as_bytes()) => {
                inner.replace(text, counts)
            }
            _ => Cow::Borrowed(text),
        }
    }

    /// A value that is a secret as a whole, because of its key.
    pub fn whole<'t>(
        &self,
        text: &'t str,
        kind: &'static str,
        counts: &mut Counts,
    ) -> Cow<'t, str> {
        if self.inner.is_none_or(|inner| inner.builtin.is_empty()) || text.starts_with(MARK) {
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
        for (span, is_key) in strings(record) {
            let token = record.get(span.clone()).unwrap_or_default();
            let Ok(value) = serde_json::from_str::<String>(token) else { continue };
            if is_key {
                key = value;
                continue;
            }
            let mut unused = Counts::new();
            let clean = match secret_key(&key).filter(|_| self.by_key.get()) {
                Some(kind) if !value.is_empty() => self.whole(&value, kind, &mut unused),
                _ => self.text(&value, &mut unused),
            };
            if clean == value {
                continue;
            }
            out.push_str(record.get(copied..span.start).unwrap_or_default());
            out.push_str(&serde_json::Value::String(clean.into_owned()).to_string());
            copied = span.end;
        }
        out.push_str(record.get(copied..).unwrap_or_default());
        Cow::Owned(out)
    }
}

/// The string tokens of a valid JSON document, quotes included, and whether each is a key.
fn strings(json: &str) -> Vec<(Range<usize>, bool)> {
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
        let next = bytes.get(end..).unwrap_or_default().trim_ascii_start().first();
        spans.push((start..end, next == Some(&b':')));
        at = end;
    }
    spans
}

/// The kind of secret that a key alone announces, in any writing (`dbPassword`, `api-key`).
pub fn secret_key(key: &str) -> Option<&'static str> {
    if key.len() > 40 {
        return None;
    }
    let plain: String =
        key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect();
    let ends = |words: &[&str]| words.iter().any(|word| plain.ends_with(word));
    if ends(&["password", "passwd", "passphrase"]) || plain == "pwd" {
        Some("password")
    } else if ends(&["apikey", "secretkey", "privatekey", "accountkey", "sharedaccesskey"]) {
        Some("key")
    } else if ends(&["authtoken", "accesstoken", "refreshtoken", "idtoken", "clientsecret"])
        || matches!(plain.as_str(), "token" | "secret" | "authorization")
    {
        Some("token")
    } else {
        None
    }
}

#[cfg(test)]
mod tests;
