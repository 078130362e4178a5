//! Layered values by key path: sections take what they know, the rest is unknown and reported.
//!
//! Taking a key also records its documentation, default and origin: `config show --origin` and the
//! generated reference are that record, so they cannot drift from what is read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use toml::de::{DeTable, DeValue};
use toml::{Spanned, Value};

use crate::config::units::{parse_duration, parse_size, show_duration, show_size};

/// Where a value comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody set it.
    Default,
    /// A line of the configuration file.
    File(PathBuf, usize),
    /// An environment variable.
    Env(String),
    /// A flag of the command line.
    Flag(String),
}

impl fmt::Display for Origin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::Default => out.write_str("default"),
            Origin::File(path, line) => write!(out, "{}:{line}", path.display()),
            Origin::Env(name) | Origin::Flag(name) => out.write_str(name),
        }
    }
}

/// One thing wrong with the configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigProblem {
    /// `store.keep_original`; empty for the file as a whole.
    pub key: String,
    /// Where it stands.
    pub origin: Origin,
    /// What is wrong.
    pub message: String,
    /// What to write instead; may be empty.
    pub hint: String,
}

impl fmt::Display for ConfigProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: ", self.origin)?;
        if !self.key.is_empty() {
            write!(out, "{}: ", self.key)?;
        }
        out.write_str(&self.message)?;
        if !self.hint.is_empty() {
            write!(out, " ({})", self.hint)?;
        }
        Ok(())
    }
}

/// A key with its documentation and the value in force.
#[derive(Clone, Debug)]
pub struct Shown {
    /// The key path.
    pub key: String,
    /// The value as TOML.
    pub value: String,
    /// Where the value comes from.
    pub origin: Origin,
    /// The default as TOML.
    pub default: String,
    /// One sentence.
    pub doc: &'static str,
}

/// Sections of which there may be several: `[[sources]]`.
const LISTS: [&str; 3] = ["sources", "sinks", "assets"];

/// The values given, waiting to be taken.
#[derive(Default)]
pub struct Reader {
    given: BTreeMap<String, (Value, Origin)>,
    /// Where each table of a list begins: `sources[5]`.
    tables: BTreeMap<String, Origin>,
    /// Sections in which nothing is written.
    empty: BTreeMap<String, Origin>,
    taken: BTreeSet<String>,
    open: Vec<String>,
    /// Every key taken so far.
    pub shown: Vec<Shown>,
    /// Everything wrong so far.
    pub problems: Vec<ConfigProblem>,
}

impl Reader {
    /// Add the values of a TOML file. A syntax error is a problem, not a failure.
    pub fn add_file(&mut self, path: &std::path::Path, text: &str) {
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = error.span().map_or(1, |span| line_of(text, span.start));
            self.problems.push(ConfigProblem {
                key: String::new(),
                origin: Origin::File(path.to_owned(), line),
                message: error.message().to_owned(),
                hint: String::new(),
            });
        }
        self.flatten("", table.get_ref(), &|at| Origin::File(path.to_owned(), line_of(text, at)));
    }

    /// Set one value, over whatever was there. Text that reads as TOML (`true`, `5`, `["a"]`) is taken as such.
    pub fn set(&mut self, key: &str, text: &str, origin: Origin) {
        let value = format!("v = {text}")
            .parse::<toml::Table>()
            .ok()
            .and_then(|mut table| table.remove("v"))
            .unwrap_or_else(|| Value::String(text.to_owned()));
        self.given.insert(key.to_owned(), (value, origin));
    }

    /// How many tables stand under `name` (`[[name]]`).
    pub fn tables(&self, name: &str) -> usize {
        let prefix = format!("{name}[");
        self.given
            .keys()
            .filter_map(|key| key.strip_prefix(&prefix)?.split(']').next()?.parse::<usize>().ok())
            .max()
            .map_or(0, |last| last + 1)
    }

    /// Was this key written anywhere?
    pub fn is_given(&self, key: &str) -> bool {
        self.given.contains_key(key)
    }

    /// A key that may not have a value of its own (a table has that name). True if somebody wrote one.
    pub fn refuse(&mut self, key: &str) -> bool {
        self.taken.insert(key.to_owned());
        self.given.contains_key(key)
    }

    /// Text.
    pub fn text(&mut self, key: &str, default: &str, doc: &'static str) -> String {
        self.take(
            key,
            default.to_owned(),
            doc,
            "text",
            |text| quote(text),
            |value| value.as_str().map(str::to_owned),
        )
    }

    /// Text that may be missing.
    pub fn optional_text(&mut self, key: &str, doc: &'static str) -> Option<String> {
        Some(self.text(key, "", doc)).filter(|text| !text.is_empty())
    }

    /// One of a closed set of words.
    pub fn choice<T: Copy>(
        &mut self,
        key: &str,
        default: &str,
        choices: &[(&str, T)],
        doc: &'static str,
    ) -> Option<T> {
        let text = self.text(key, default, doc);
        let found = choices.iter().find(|(word, _)| *word == text).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            self.complain(
                key,
                format!("{text:?} is none of {}", words.join(", ")),
                nearest(&text, words),
            );
        }
        found
    }

    /// True or false.
    pub fn truth(&mut self, key: &str, default: bool, doc: &'static str) -> bool {
        self.take(key, default, doc, "true or false", bool::to_string, |value| match value {
            Value::Boolean(truth) => Some(*truth),
            _ => None,
        })
    }

    /// A whole number, at least `least`.
    pub fn number(&mut self, key: &str, default: u64, least: u64, doc: &'static str) -> u64 {
        let expected = if least > 0 { "a whole number above 0" } else { "a whole number" };
        self.take(key, default, doc, expected, u64::to_string, |value| {
            value.as_integer().and_then(|n| u64::try_from(n).ok()).filter(|n| *n >= least)
        })
    }

    /// A size in bytes: a number or `"64 MiB"`.
    pub fn size(&mut self, key: &str, default: u64, doc: &'static str) -> u64 {
        self.take(
            key,
            default,
            doc,
            "a size such as \"64 MiB\"",
            |n| quote(&show_size(*n)),
            |value| match value {
                Value::Integer(n) => u64::try_from(*n).ok(),
                Value::String(text) => parse_size(text),
                _ => None,
            },
        )
    }

    /// A length of time: `"250ms"`, `"5m"`, `"24h"`.
    pub fn duration(&mut self, key: &str, default: Duration, doc: &'static str) -> Duration {
        let show = |d: &Duration| quote(&show_duration(*d));
        self.take(key, default, doc, "a time such as \"5m\" or \"250ms\"", show, |value| {
            value.as_str().and_then(parse_duration)
        })
    }

    /// A list of texts.
    pub fn texts(&mut self, key: &str, default: &[&str], doc: &'static str) -> Vec<String> {
        let default: Vec<String> = default.iter().map(|text| (*text).to_owned()).collect();
        let show = |list: &Vec<String>| {
            format!("[{}]", list.iter().map(|text| quote(text)).collect::<Vec<_>>().join(", "))
        };
        self.take(key, default, doc, "a list of texts", show, |value| match value {
            Value::String(one) => Some(vec![one.clone()]),
            Value::Array(items) => {
                items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
            }
            _ => None,
        })
    }

    /// A table of free keys with lists of texts.
    pub fn lists(&mut self, key: &str) -> BTreeMap<String, Vec<String>> {
        let prefix = format!("{key}.");
        self.open.push(prefix.clone());
        let mut lists = BTreeMap::new();
        let mut wrong = Vec::new();
        for (path, (value, _)) in self.given.range(prefix.clone()..) {
            let Some(name) = path.strip_prefix(&prefix) else { break };
            let texts = match value {
                Value::Array(items) => {
                    items.iter().map(|item| item.as_str().map(str::to_owned)).collect()
                }
                other => other.as_str().map(|text| vec![text.to_owned()]),
            };
            match texts {
                Some(texts) => drop(lists.insert(name.to_owned(), texts)),
                None => wrong.push(path.clone()),
            }
        }
        for path in wrong {
            self.complain(
                &path,
                "expected a list of texts".to_owned(),
                "[\"a\", \"b*\"]".to_owned(),
            );
        }
        lists
    }

    /// A table of free keys with text values.
    pub fn map(&mut self, key: &str) -> BTreeMap<String, String> {
        let prefix = format!("{key}.");
        self.open.push(prefix.clone());
        let mut map = BTreeMap::new();
        let mut wrong = Vec::new();
        for (path, (value, _)) in self.given.range(prefix.clone()..) {
            let Some(name) = path.strip_prefix(&prefix) else { break };
            match value.as_str() {
                Some(text) => {
                    map.insert(name.to_owned(), text.to_owned());
                }
                None => wrong.push(path.clone()),
            }
        }
        for path in wrong {
            self.complain(&path, "expected a text".to_owned(), String::new());
        }
        map
    }

    /// Report a problem with a key's value.
    pub fn complain(&mut self, key: &str, message: String, hint: String) {
        let origin = self.origin(key);
        self.problems.push(ConfigProblem { key: key.to_owned(), origin, message, hint });
    }

    /// Where a key stands; of one that nobody wrote in a table of a list, where that table begins.
    pub fn origin(&self, key: &str) -> Origin {
        if let Some((_, origin)) = self.given.get(key) {
            return origin.clone();
        }
        if let Some(origin) = self.empty.get(key) {
            return origin.clone();
        }
        let outer = key.match_indices('.').rev().filter_map(|(at, _)| key.get(..at));
        outer.filter_map(|table| self.tables.get(table)).next().cloned().unwrap_or(Origin::Default)
    }

    /// Nobody can say which keys belong below this one: report none of them as unknown.
    pub fn leave(&mut self, key: &str) {
        self.open.push(format!("{key}."));
    }

    /// Report every key that nobody took.
    pub fn finish(&mut self) {
        let section = |key: &str| key.split(['.', '[']).next().unwrap_or_default().to_owned();
        let sections: BTreeSet<String> = self.taken.iter().map(|key| section(key)).collect();
        let near_section = |key: &str| {
            let section = section(key);
            let known = sections.iter().map(String::as_str).collect();
            if sections.contains(&section) { String::new() } else { nearest(&section, known) }
        };
        let is_open = |key: &str| self.open.iter().any(|open| key.starts_with(open.as_str()));
        let mut wrong: Vec<(String, &str, String)> = Vec::new();
        for key in self.empty.keys().filter(|key| !sections.contains(&section(key))) {
            let hint = match LISTS.contains(&key.as_str()) {
                true => format!("it is a list: write [[{key}]]"),
                false => near_section(key),
            };
            wrong.push((key.clone(), "unknown section", hint));
        }
        let is_known = |key: &String| self.taken.contains(key) || is_open(key);
        for key in self.given.keys().filter(|key| !is_known(key)) {
            let near = nearest(key, self.taken.iter().map(String::as_str).collect());
            let hint = if near.is_empty() { near_section(key) } else { near };
            wrong.push((key.clone(), "unknown key", hint));
        }
        for (key, what, hint) in wrong {
            self.complain(&key, what.to_owned(), hint);
        }
    }

    fn take<T>(
        &mut self,
        key: &str,
        default: T,
        doc: &'static str,
        expected: &str,
        show: impl Fn(&T) -> String,
        read: impl Fn(&Value) -> Option<T>,
    ) -> T {
        self.taken.insert(key.to_owned());
        let default_shown = show(&default);
        let given = self.given.get(key).cloned();
        let (value, origin) = match given {
            None => (default, Origin::Default),
            Some((value, origin)) => match read(&value) {
                Some(meant) => (meant, origin),
                None => {
                    self.complain(
                        key,
                        format!("expected {expected}, found {value}"),
                        String::new(),
                    );
                    (default, origin)
                }
            },
        };
        self.shown.push(Shown {
            key: key.to_owned(),
            value: show(&value),
            origin,
            default: default_shown,
            doc,
        });
        value
    }

    fn flatten(&mut self, prefix: &str, table: &DeTable<'_>, origin: &dyn Fn(usize) -> Origin) {
        for (name, value) in table {
            let key = if prefix.is_empty() {
                name.get_ref().to_string()
            } else {
                format!("{prefix}.{}", name.get_ref())
            };
            self.flatten_value(key, value, origin(name.span().start), origin);
        }
    }

    fn flatten_value(
        &mut self,
        key: String,
        value: &Spanned<DeValue<'_>>,
        at: Origin,
        origin: &dyn Fn(usize) -> Origin,
    ) {
        match value.get_ref() {
            DeValue::Table(inner) => {
                if inner.is_empty() {
                    self.empty.insert(key.clone(), at);
                }
                self.flatten(&key, inner, origin);
            }
            DeValue::Array(items)
                if !items.is_empty() && items.iter().all(|item| item.get_ref().is_table()) =>
            {
                for (index, item) in items.iter().enumerate() {
                    if let DeValue::Table(inner) = item.get_ref() {
                        let name = format!("{key}[{index}]");
                        self.flatten(&name, inner, origin);
                        self.tables.insert(name, origin(item.span().start));
                    }
                }
            }
            plain => {
                self.given.insert(key, (to_value(plain), at));
            }
        }
    }
}

fn to_value(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::String(text.to_string()),
        DeValue::Boolean(truth) => Value::Boolean(*truth),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::String(number.as_str().to_owned()), Value::Integer),
        DeValue::Float(number) => {
            number.as_str().parse().map_or(Value::Float(f64::NAN), Value::Float)
        }
        DeValue::Datetime(at) => Value::String(at.to_string()),
        DeValue::Array(items) => {
            Value::Array(items.iter().map(|item| to_value(item.get_ref())).collect())
        }
        DeValue::Table(_) => Value::String(String::new()),
    }
}

fn line_of(text: &str, at: usize) -> usize {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

fn quote(text: &str) -> String {
    Value::String(text.to_owned()).to_string()
}

/// `did you mean X`, or nothing when nothing is near.
pub fn nearest(word: &str, known: Vec<&str>) -> String {
    known
        .into_iter()
        .map(|candidate| (strsim::normalized_damerau_levenshtein(word, candidate), candidate))
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .filter(|(score, _)| *score >= 0.6)
        .map_or_else(String::new, |(_, candidate)| format!("did you mean {candidate}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_that_nobody_knows_are_named_with_what_was_meant() {
        let mut reader = Reader::default();
        reader.add_file("x.toml".as_ref(), "[uii]\n[ui]\n[uo]\nx = 1\n[sources]\n");
        reader.text("ui.theme", "d", "");
        reader.finish();
        let said = |at: usize| {
            let ConfigProblem { key, message, hint, origin } = &reader.problems[at];
            format!("{origin}: {key}: {message} ({hint})")
        };
        assert_eq!(reader.problems.len(), 3, "an empty section that is known says nothing");
        assert_eq!(said(0), "x.toml:5: sources: unknown section (it is a list: write [[sources]])");
        assert_eq!(said(1), "x.toml:1: uii: unknown section (did you mean ui)");
        assert!(said(2).starts_with("x.toml:4: uo.x: unknown key"), "{}", said(2));
    }

    #[test]
    fn later_layers_win_and_remember_where_they_came_from() {
        let mut reader = Reader::default();
        reader.add_file("x.toml".as_ref(), "[ui]\ntheme = \"mono\"\n");
        reader.set("ui.theme", "dark", Origin::Env("WATCHFLOOR_UI__THEME".to_owned()));
        assert_eq!(reader.text("ui.theme", "d", ""), "dark");
        assert_eq!(reader.shown[0].origin.to_string(), "WATCHFLOOR_UI__THEME");
    }
}
