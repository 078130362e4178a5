//! Signal files to signals: every key is known or refused, and every problem names file, line, key and what to write.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use thiserror::Error;

use crate::config::reader::nearest;
use crate::config::signals::SignalsConfig;
use crate::config::units::parse_duration;
use crate::model::finding::RuleInfo;
use crate::model::severity::Severity;
use crate::signal::condition::Condition;
use crate::signal::files::{self, Document};
use crate::signal::set::{Signal, SignalSet};
use crate::signal::when::{Glob, Place, When};
use crate::stdx::id::IdHasher;
use crate::stdx::time::micros;
use crate::stdx::yaml::{self, Entry, Kind, Node};

/// Series that one signal counts apart, where it does not say.
pub const CARDINALITY_DEFAULT: usize = 10_000;
/// Most series that a signal may ask for.
pub const CARDINALITY_MAX: usize = 1_000_000;
/// Labels of one signal.
pub const LABELS_MAX: usize = 8;
/// Longest span of a signal.
const SPAN_MAX: Duration = Duration::from_secs(366 * 86_400);
/// Characters of an id.
const ID_CHARS_MAX: usize = 64;

/// Keys of a signal.
const KEYS: [&str; 15] = [
    "title",
    "id",
    "description",
    "level",
    "warning_level",
    "tags",
    "when",
    "unless",
    "labels",
    "cardinality",
    "alert",
    "check",
    "false_positives",
    "references",
    "status",
];

/// What is wrong with a value.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Issue {
    /// Another kind of value is needed.
    #[error("expected {0}, found {1}")]
    Form(&'static str, &'static str),
    /// The regular expression does not compile.
    #[error("the regular expression cannot be used: {0}")]
    Regex(String),
    /// Nothing stands here.
    #[error("is empty")]
    Empty,
    /// No such key.
    #[error("unknown key")]
    Unknown,
    /// A key that must be there.
    #[error("is missing")]
    Missing,
    /// No such list in the configuration.
    #[error("there is no list {0} under [signals.lists] in the configuration")]
    NoList(String),
    /// The process-wide table of field names is full.
    #[error("too many different field names")]
    Names,
    /// A number out of its bounds.
    #[error("must be between {0} and {1}")]
    Bounds(String, String),
    /// None of the words.
    #[error("{0:?} is none of {1}")]
    Word(String, String),
    /// An id that is used already.
    #[error("the id {0} is used twice; the first one counts")]
    Twice(String),
    /// An id that cannot be one.
    #[error("an id is 3 to 64 of a-z, 0-9, '-', '_' and '.'")]
    Id,
    /// More than one condition, or none.
    #[error("needs exactly one condition of {0}")]
    OneCondition(String),
    /// No threshold, or several.
    #[error("needs exactly one of {0}")]
    OneThreshold(&'static str),
    /// A warning that is not milder than the failure.
    #[error("a warning must come before the threshold itself")]
    Warning,
    /// What the YAML parser says.
    #[error("{0}")]
    Yaml(String),
    /// A file as a whole.
    #[error("{0}")]
    File(String),
}

/// One thing wrong with a signal file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalProblem {
    /// The file.
    pub file: String,
    /// The line, from 1; 0: the file as a whole.
    pub line: u32,
    /// The key's path; may be empty.
    pub key: String,
    /// What is wrong.
    pub issue: Issue,
    /// What to write instead; may be empty.
    pub hint: String,
}

impl SignalProblem {
    /// A problem with a whole file.
    pub fn of_file(file: String, reason: String) -> SignalProblem {
        let issue = Issue::File(reason);
        SignalProblem { file, line: 0, key: String::new(), issue, hint: String::new() }
    }
}

impl fmt::Display for SignalProblem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.file)?;
        if self.line > 0 {
            write!(out, ":{}", self.line)?;
        }
        if !self.key.is_empty() {
            write!(out, ": {}", self.key)?;
        }
        write!(out, ": {}", self.issue)?;
        if !self.hint.is_empty() {
            write!(out, " ({})", self.hint)?;
        }
        Ok(())
    }
}

/// What loading gives.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The signals that run.
    pub set: SignalSet,
    /// What does not run, and why.
    pub problems: Vec<SignalProblem>,
}

/// Load every signal of the configuration. A broken signal never runs and never stops the others.
pub fn load(config: &SignalsConfig) -> Loaded {
    let mut problems = Vec::new();
    let documents = files::documents(&config.paths, &mut problems);
    let mut ids = BTreeSet::new();
    let mut signals = Vec::new();
    for document in &documents {
        let Some(signal) = signal(document, &config.lists, &mut problems) else { continue };
        if ids.insert(signal.info.id.clone()) {
            signals.push(signal);
        } else {
            problems.push(SignalProblem {
                file: document.file.clone(),
                line: signal.info.line,
                key: "id".to_owned(),
                issue: Issue::Twice(signal.info.id.clone()),
                hint: "give it an id of its own".to_owned(),
            });
        }
    }
    Loaded { set: SignalSet::new(signals, config.calendar.clone()), problems }
}

/// One document as a signal; `None` when anything is wrong with it.
pub fn signal(
    document: &Document,
    lists: &BTreeMap<String, Vec<String>>,
    problems: &mut Vec<SignalProblem>,
) -> Option<Signal> {
    let before = problems.len();
    let mut reader = Reader { document, lists, path: Vec::new(), problems };
    let signal = match yaml::parse(&document.text) {
        Ok(tree) => read(&tree, &mut reader),
        Err(error) => {
            reader.complain(error.line, Issue::Yaml(error.reason));
            None
        }
    };
    signal.filter(|_| problems.len() == before)
}

fn read(tree: &Node, reader: &mut Reader<'_>) -> Option<Signal> {
    let map = reader.map(tree, &KEYS)?;
    let get = |key: &str| map.iter().copied().find(|entry| entry.key == key);
    let title = reader.needed(tree.line, get("title"), "title")?;
    let id = reader.needed(tree.line, get("id"), "id")?;
    let plain =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '-' | '_' | '.');
    if !(3..=ID_CHARS_MAX).contains(&id.len()) || !id.chars().all(plain) {
        reader.at(get("id"), |reader, node| {
            reader.complain(node.line, Issue::Id);
            None::<()>
        });
    }
    let when = reader.at(get("when"), |reader, node| Some(When::read(node, reader)));
    if when.is_none() {
        reader.path.push("when".to_owned());
        reader.complain(tree.line, Issue::Missing);
        reader.path.pop();
    }
    let unless = reader.at(get("unless"), |reader, node| Some(When::read(node, reader)));
    let labels =
        reader.at(get("labels"), |reader, node| Some(labels(node, reader))).unwrap_or_default();
    let cardinality = reader
        .at(get("cardinality"), |reader, node| reader.count(node, 1, CARDINALITY_MAX as u64))
        .map_or(CARDINALITY_DEFAULT, |number| {
            usize::try_from(number).unwrap_or(CARDINALITY_DEFAULT)
        });
    let condition =
        reader.at(get("alert"), |reader, node| Condition::read(node, reader)).unwrap_or_default();
    let check = reader.at(get("check"), |reader, node| reader.truth(node)).unwrap_or(false);
    let level = reader.at(get("level"), |reader, node| reader.level(node));
    let warning = reader.at(get("warning_level"), |reader, node| reader.level(node));
    let many = |reader: &mut Reader<'_>, key| {
        let texts = reader.at(get(key), |reader, node| Some(reader.texts(node)));
        texts.unwrap_or_default().into_iter().map(|(_, text)| text).collect::<Vec<String>>()
    };
    let info = RuleInfo {
        id,
        title,
        level: level.unwrap_or(Severity::Medium),
        tags: many(reader, "tags"),
        description: reader.at(get("description"), Reader::text).unwrap_or_default(),
        false_positives: many(reader, "false_positives"),
        file: reader.document.file.clone(),
        line: reader.line(tree.line),
        group_by: labels
            .iter()
            .map(|(_, place): &(String, Place)| place.name().to_owned())
            .collect(),
    };
    many(reader, "references");
    reader.at(get("status"), Reader::text);
    let mut hasher = IdHasher::new("signal");
    for key in ["when", "unless", "labels", "alert"] {
        hasher.text(key);
        if let Some(entry) = get(key) {
            entry.value.kind.fingerprint(&mut hasher);
        }
    }
    let print = hasher.finish().to_string();
    let prefix = format!("{}{}/{}", KEY_PREFIX, info.id, print.get(..8).unwrap_or_default());
    let milder = RuleInfo { level: warning.unwrap_or(Severity::Low), ..info.clone() };
    Some(Signal {
        info: Arc::new(info),
        milder: Arc::new(milder),
        when: when?,
        unless,
        labels,
        cardinality,
        condition,
        alert: get("alert").map(|entry| entry.value.kind.flow()).unwrap_or_default(),
        check,
        prefix,
    })
}

/// What the keys of all rows of signals begin with.
pub const KEY_PREFIX: &str = "signal/";

fn labels(node: &Node, reader: &mut Reader<'_>) -> Vec<(String, Place)> {
    let named: Vec<(u32, String, String)> = match &node.kind {
        Kind::Map(entries) => entries
            .iter()
            .filter_map(|entry| {
                reader.enter(&entry.key);
                let field = reader.text(&entry.value);
                reader.leave();
                Some((entry.line, entry.key.clone(), field?))
            })
            .collect(),
        _ => {
            let texts = reader.texts(node).into_iter();
            texts.map(|(line, field)| (line, field.clone(), field)).collect()
        }
    };
    if named.len() > LABELS_MAX {
        let issue = Issue::Bounds("1".to_owned(), format!("{LABELS_MAX} labels"));
        reader.complain(node.line, issue);
    }
    let mut out = Vec::new();
    for (line, name, field) in named {
        match Place::of(&field) {
            Some(place) => out.push((name, place)),
            None => reader.complain(line, Issue::Names),
        }
    }
    out
}

/// Where reading stands, and what went wrong so far.
pub struct Reader<'a> {
    document: &'a Document,
    lists: &'a BTreeMap<String, Vec<String>>,
    path: Vec<String>,
    problems: &'a mut Vec<SignalProblem>,
}

impl Reader<'_> {
    fn line(&self, line: u32) -> u32 {
        line.saturating_add(self.document.skipped)
    }

    /// Go into a key.
    pub fn enter(&mut self, key: &str) {
        self.path.push(key.to_owned());
    }

    /// And out of it.
    pub fn leave(&mut self) {
        self.path.pop();
    }

    /// Something is wrong at a line.
    pub fn complain(&mut self, line: u32, issue: Issue) {
        self.complain_with(line, issue, String::new());
    }

    fn complain_with(&mut self, line: u32, issue: Issue, hint: String) {
        let problem = SignalProblem {
            file: self.document.file.clone(),
            line: if line == 0 { 0 } else { self.line(line) },
            key: self.path.join("."),
            issue,
            hint,
        };
        self.problems.push(problem);
    }

    /// The key that was entered last is none of these.
    pub fn unknown(&mut self, line: u32, known: &[&str]) {
        let key = self.path.last().cloned().unwrap_or_default();
        let mut hint = nearest(&key, known.to_vec());
        if hint.is_empty() {
            hint = format!("known are {}", known.join(", "));
        }
        self.complain_with(line, Issue::Unknown, hint);
    }

    /// The entries of a mapping whose keys are all known.
    pub fn map<'n>(&mut self, node: &'n Node, known: &[&str]) -> Option<Vec<&'n Entry>> {
        let Kind::Map(entries) = &node.kind else {
            self.complain(node.line, Issue::Form("a mapping", node.kind.what()));
            return None;
        };
        for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
            self.enter(&entry.key);
            self.unknown(entry.line, known);
            self.leave();
        }
        Some(entries.iter().collect())
    }

    /// Read the value of an entry, if it is there, inside its key.
    pub fn at<T>(
        &mut self,
        entry: Option<&Entry>,
        read: impl FnOnce(&mut Self, &Node) -> Option<T>,
    ) -> Option<T>
    where
        Self: Sized,
    {
        let entry = entry?;
        self.enter(&entry.key);
        let value = read(self, &entry.value);
        self.leave();
        value
    }

    fn needed(&mut self, line: u32, entry: Option<&Entry>, key: &str) -> Option<String> {
        if entry.is_none() {
            self.missing(line, key);
        }
        self.at(entry, Reader::text)
    }

    /// A key is not there.
    pub fn missing(&mut self, line: u32, key: &str) {
        self.enter(key);
        self.complain(line, Issue::Missing);
        self.leave();
    }

    /// Text that says something; numbers are taken as they are written.
    pub fn text(&mut self, node: &Node) -> Option<String> {
        let text = match &node.kind {
            Kind::Text(text) => text.trim().to_owned(),
            Kind::Int(number) => number.to_string(),
            other => {
                self.complain(node.line, Issue::Form("text", other.what()));
                return None;
            }
        };
        if text.is_empty() {
            self.complain(node.line, Issue::Empty);
            return None;
        }
        Some(text)
    }

    /// One text or a list of texts, with their lines.
    pub fn texts(&mut self, node: &Node) -> Vec<(u32, String)> {
        match &node.kind {
            Kind::List(items) => {
                items.iter().filter_map(|item| Some((item.line, self.text(item)?))).collect()
            }
            _ => self.text(node).map(|text| (node.line, text)).into_iter().collect(),
        }
    }

    /// True or false.
    pub fn truth(&mut self, node: &Node) -> Option<bool> {
        if let Kind::Bool(truth) = node.kind {
            return Some(truth);
        }
        self.complain(node.line, Issue::Form("true or false", node.kind.what()));
        None
    }

    /// A number above zero.
    pub fn positive(&mut self, node: &Node) -> Option<f64> {
        match node.kind.number() {
            Some(number) if number > 0.0 => Some(number),
            _ => {
                self.complain(node.line, Issue::Form("a number above 0", node.kind.what()));
                None
            }
        }
    }

    /// A whole number between two bounds.
    pub fn count(&mut self, node: &Node, least: u64, most: u64) -> Option<u64> {
        let Kind::Int(number) = node.kind else {
            self.complain(node.line, Issue::Form("a whole number", node.kind.what()));
            return None;
        };
        let number = u64::try_from(number).ok().filter(|number| (least..=most).contains(number));
        if number.is_none() {
            self.complain(node.line, Issue::Bounds(least.to_string(), most.to_string()));
        }
        number
    }

    /// A length of time in microseconds, one second to 366 days.
    pub fn span(&mut self, node: &Node) -> Option<i64> {
        let span = match &node.kind {
            Kind::Text(text) => parse_duration(text),
            _ => None,
        };
        match span {
            None => {
                self.complain(
                    node.line,
                    Issue::Form("a time such as 10m or 24h", node.kind.what()),
                );
                None
            }
            Some(span) if span < Duration::from_secs(1) || span > SPAN_MAX => {
                self.complain(node.line, Issue::Bounds("1s".to_owned(), "366d".to_owned()));
                None
            }
            Some(span) => Some(micros(span)),
        }
    }

    /// The place that a field name means.
    pub fn place(&mut self, node: &Node) -> Option<Place> {
        let name = self.text(node)?;
        let place = Place::of(&name);
        if place.is_none() {
            self.complain(node.line, Issue::Names);
        }
        place
    }

    /// A severity.
    pub fn level(&mut self, node: &Node) -> Option<Severity> {
        let word = self.text(node)?;
        let level = Severity::parse(&word);
        if level.is_none() {
            let words: Vec<&str> = Severity::ALL.iter().map(|level| level.as_str()).collect();
            let hint = nearest(&word, words.clone());
            self.complain_with(node.line, Issue::Word(word, words.join(", ")), hint);
        }
        level
    }

    /// A list of the configuration.
    pub fn list(&mut self, node: &Node) -> Option<Vec<Glob>> {
        let name = self.text(node)?;
        let Some(items) = self.lists.get(&name) else {
            let hint = nearest(&name, self.lists.keys().map(String::as_str).collect());
            self.complain_with(node.line, Issue::NoList(name), hint);
            return None;
        };
        Some(items.iter().map(|item| Glob::new(item)).collect())
    }
}
