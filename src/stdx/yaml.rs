//! A YAML document as a tree whose every node knows its line, so that a problem can name it.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use serde_saphyr::budget::Budget;

use crate::stdx::id::IdHasher;

/// A document nested deeper is refused.
const DEPTH_MAX: usize = 24;
/// Nodes of one document.
const NODES_MAX: usize = 20_000;

/// A value with its line.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Line in the document, from 1.
    pub line: u32,
    /// What it is.
    pub kind: Kind,
}

/// What a node is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Nothing.
    Null,
    /// True or false.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// A mapping, in its order.
    Map(Vec<Entry>),
}

/// One key of a mapping.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The key.
    pub key: String,
    /// The line of the key.
    pub line: u32,
    /// Its value.
    pub value: Node,
}

/// What is wrong with the text as YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    /// The line, from 1; 0: not known.
    pub line: u32,
    /// What is wrong.
    pub reason: String,
}

impl Kind {
    /// The value in one line, as YAML's flow style writes it, without quotes: for people.
    pub fn flow(&self) -> String {
        match self {
            Kind::Null => "null".to_owned(),
            Kind::Bool(truth) => truth.to_string(),
            Kind::Int(number) => number.to_string(),
            Kind::Float(number) => number.to_string(),
            Kind::Text(text) => text.clone(),
            Kind::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.kind.flow()).collect();
                format!("[{}]", items.join(", "))
            }
            Kind::Map(entries) => {
                let pair = |entry: &Entry| format!("{}: {}", entry.key, entry.value.kind.flow());
                let pairs: Vec<String> = entries.iter().map(pair).collect();
                pairs.join(", ")
            }
        }
    }
}

/// Read one document.
pub fn parse(text: &str) -> Result<Node, YamlError> {
    read(text, 0, false)
}

/// The same as readers of Sigma rules see it: with so many anchors and aliases at most, and with `yes`, `on` and `y` as
/// texts.
pub fn parse_rule(text: &str, aliases_max: usize) -> Result<Node, YamlError> {
    read(text, aliases_max, true)
}

fn read(text: &str, aliases_max: usize, strict_booleans: bool) -> Result<Node, YamlError> {
    let mut budget = Budget::default();
    budget.max_depth = DEPTH_MAX;
    budget.max_nodes = NODES_MAX;
    budget.max_anchors = aliases_max;
    budget.max_aliases = aliases_max;
    budget.max_documents = 1;
    let options = serde_saphyr::options! {
        budget: Some(budget),
        with_snippet: false,
        strict_booleans: strict_booleans,
    };
    let parsed: Result<Spanned<Kind>, _> = serde_saphyr::from_str_with_options(text, options);
    match parsed {
        Ok(spanned) => Ok(node(spanned)),
        Err(error) => {
            let line = error.location().map_or(0, |place| line(place.line()));
            let reason = error.to_string();
            let reason = reason.lines().next().unwrap_or_default().to_owned();
            Err(YamlError { line, reason })
        }
    }
}

fn line(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn node(spanned: Spanned<Kind>) -> Node {
    Node { line: line(spanned.referenced.line()), kind: spanned.value }
}

impl Kind {
    /// What it is, for a sentence.
    pub fn what(&self) -> &'static str {
        match self {
            Kind::Null => "nothing",
            Kind::Bool(_) => "true or false",
            Kind::Int(_) | Kind::Float(_) => "a number",
            Kind::Text(_) => "text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "a mapping",
        }
    }

    /// The number, if it is one.
    pub fn number(&self) -> Option<f64> {
        match self {
            Kind::Int(number) => Some(*number as f64),
            Kind::Float(number) if number.is_finite() => Some(*number),
            _ => None,
        }
    }

    /// Add everything but the lines to a fingerprint.
    pub fn fingerprint(&self, hasher: &mut IdHasher) {
        match self {
            Kind::Null => hasher.text("n"),
            Kind::Bool(truth) => hasher.text(if *truth { "t" } else { "f" }),
            Kind::Int(number) => hasher.text("i").text(&number.to_string()),
            Kind::Float(number) => hasher.text("d").number(number.to_bits()),
            Kind::Text(text) => hasher.text("s").text(text),
            Kind::List(items) => {
                hasher.text("l").number(items.len() as u64);
                items.iter().for_each(|item| item.kind.fingerprint(hasher));
                hasher
            }
            Kind::Map(entries) => {
                hasher.text("m").number(entries.len() as u64);
                for entry in entries {
                    hasher.text(&entry.key);
                    entry.value.kind.fingerprint(hasher);
                }
                hasher
            }
        };
    }
}

impl<'de> Deserialize<'de> for Kind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Kind, D::Error> {
        deserializer.deserialize_any(KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = Kind;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a YAML value")
    }

    fn visit_unit<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_none<E>(self) -> Result<Kind, E> {
        Ok(Kind::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, inner: D) -> Result<Kind, D::Error> {
        inner.deserialize_any(KindVisitor)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Kind, E> {
        Ok(Kind::Bool(truth))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Kind, E> {
        Ok(Kind::Int(number))
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<Kind, E> {
        i64::try_from(number).map(Kind::Int).map_err(|_| E::custom("the number is too large"))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Kind, E> {
        Ok(Kind::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Kind, E> {
        Ok(Kind::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Kind, A::Error> {
        let mut out = Vec::new();
        while let Some(item) = items.next_element::<Spanned<Kind>>()? {
            out.push(node(item));
        }
        Ok(Kind::List(out))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Kind, A::Error> {
        let mut out: Vec<Entry> = Vec::new();
        while let Some(key) = entries.next_key::<Spanned<Kind>>()? {
            let at = line(key.referenced.line());
            let key = match key.value {
                Kind::Text(text) => text,
                Kind::Int(number) => number.to_string(),
                Kind::Bool(truth) => truth.to_string(),
                other => {
                    return Err(A::Error::custom(format!(
                        "a key must be text, not {}",
                        other.what()
                    )));
                }
            };
            let value = node(entries.next_value::<Spanned<Kind>>()?);
            out.push(Entry { key, line: at, value });
        }
        Ok(Kind::Map(out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_node_knows_its_line_and_scalars_their_type() {
        let tree =
            parse("title: t\nwhen:\n  a.b: [1, two, 2.5]\n  c: true\n  d: '7'\n  e:\n").unwrap();
        let Kind::Map(top) = tree.kind else { panic!("{tree:?}") };
        assert_eq!((top[1].key.as_str(), top[1].line), ("when", 2));
        let Kind::Map(when) = &top[1].value.kind else { panic!() };
        let lines: Vec<_> = when.iter().map(|entry| (entry.key.as_str(), entry.line)).collect();
        assert_eq!(lines, [("a.b", 3), ("c", 4), ("d", 5), ("e", 6)]);
        let Kind::List(items) = &when[0].value.kind else { panic!() };
        let kinds: Vec<_> = items.iter().map(|item| item.kind.clone()).collect();
        assert_eq!(kinds, [Kind::Int(1), Kind::Text("two".into()), Kind::Float(2.5)]);
        assert_eq!(when[1].value.kind, Kind::Bool(true));
        assert_eq!(when[2].value.kind, Kind::Text("7".into()));
        assert_eq!(when[3].value.kind, Kind::Null);
    }

    #[test]
    fn what_is_no_yaml_or_too_much_of_it_is_an_error_with_its_line() {
        assert_eq!(parse("a: [1\nb: 2").unwrap_err().line, 2);
        assert!(parse("a: &x [1]\nb: *x\n").is_err(), "anchors are refused");
        let deep = format!("a: {}{}", "[".repeat(60), "]".repeat(60));
        assert!(parse(&deep).is_err());
        assert!(parse("a: 1\na: 2\n").is_err(), "a key stands once");
    }

    #[test]
    fn rules_have_a_few_aliases_and_only_two_words_for_truth() {
        let tree = parse_rule("a: &x [y, on, true]\nb: *x\n", 4).unwrap();
        let Kind::Map(top) = tree.kind else { panic!("{tree:?}") };
        for entry in &top {
            let Kind::List(items) = &entry.value.kind else { panic!("{entry:?}") };
            let kinds: Vec<_> = items.iter().map(|item| item.kind.clone()).collect();
            assert_eq!(kinds, [Kind::Text("y".into()), Kind::Text("on".into()), Kind::Bool(true)]);
        }
        assert!(parse_rule("a: &x [1]\nb: [*x, *x, *x, *x, *x]\n", 4).is_err());
    }
}
