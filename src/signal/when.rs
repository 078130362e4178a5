//! `when`: which events a signal is about. Fields by ECS name; a value is a literal, a list of them, or tests by name.

use regex::{Regex, RegexBuilder};

use crate::model::event::{Event, Value};
use crate::model::field::FieldId;
use crate::signal::load::{Issue, Reader};
use crate::stdx::yaml::{Kind, Node};

/// The event's class, which is no field.
pub const CLASS: &str = "watchfloor.class";
/// Compiled size of one regular expression.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// Tests of a field, by name.
const TESTS: [&str; 12] = [
    "matches", "contains", "starts", "ends", "not", "exists", "lt", "lte", "gt", "gte", "list",
    "is",
];

/// All of one alternative must hold; one alternative is enough.
#[derive(Clone, Debug, Default)]
pub struct When {
    alternatives: Vec<Vec<Item>>,
}

#[derive(Clone, Debug)]
struct Item {
    place: Place,
    test: Test,
    /// What stands in the file, for people.
    wanted: String,
}

/// One test of an alternative, held against an event.
pub struct Held<'w> {
    /// What was looked at.
    pub place: Place,
    /// What was wanted of it.
    pub wanted: &'w str,
    /// Does it hold?
    pub holds: bool,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// A field of the event.
    Field(FieldId),
    /// What kind of thing happened.
    Class,
}

#[derive(Clone, Debug)]
enum Test {
    Any(Vec<Test>),
    Every(Vec<Test>),
    Not(Box<Test>),
    Exists(bool),
    Text(String),
    Number(f64),
    Truth(bool),
    Nothing,
    Regex(Box<Regex>),
    Contains(Vec<String>),
    Starts(Vec<String>),
    Ends(Vec<String>),
    Compare(Compare, f64),
    Glob(Vec<Glob>),
}

#[derive(Clone, Copy, Debug)]
enum Compare {
    Lt,
    Lte,
    Gt,
    Gte,
}

/// A pattern of an allow or deny list: literal text with `*` for any run of characters, without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<String>);

impl Glob {
    /// Read it.
    pub fn new(text: &str) -> Glob {
        Glob(text.to_lowercase().split('*').map(str::to_owned).collect())
    }

    /// Does it fit a text that is lower case?
    pub fn fits(&self, lower: &str) -> bool {
        let [first, middle @ .., last] = self.0.as_slice() else {
            return self.0.first().is_some_and(|only| only == lower);
        };
        let Some(mut rest) = lower.strip_prefix(first.as_str()) else { return false };
        for part in middle {
            let Some((_, behind)) = rest.split_once(part.as_str()) else { return false };
            rest = behind;
        }
        rest.len() >= last.len() && rest.ends_with(last.as_str())
    }
}

impl Place {
    /// The place of a name; `None` when the table of names is full.
    pub fn of(name: &str) -> Option<Place> {
        if name == CLASS { Some(Place::Class) } else { FieldId::intern(name).map(Place::Field) }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Place::Field(field) => field.name(),
            Place::Class => CLASS,
        }
    }

    /// The first value that is not nothing, as text.
    pub fn text(self, event: &Event) -> Option<std::borrow::Cow<'_, str>> {
        match self {
            Place::Class => Some(event.class.as_str().into()),
            Place::Field(field) => {
                let said = |value: &Value<'_>| !matches!(value, Value::Null);
                event.all(field).find(said).map(Value::to_text).filter(|text| !text.is_empty())
            }
        }
    }

    /// The first value that is a number.
    pub fn number(self, event: &Event) -> Option<f64> {
        match self {
            Place::Class => None,
            Place::Field(field) => event.all(field).find_map(number),
        }
    }
}

fn number(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Int(number) => Some(number as f64),
        Value::Float(number) => Some(number),
        Value::Str(text) => text.trim().parse().ok(),
        Value::Bool(_) | Value::Null => None,
    }
    .filter(|number: &f64| number.is_finite())
}

impl When {
    /// Read a mapping of fields, or a list of such mappings.
    pub fn read(node: &Node, reader: &mut Reader<'_>) -> When {
        let maps: Vec<&Node> = match &node.kind {
            Kind::List(items) => items.iter().collect(),
            _ => vec![node],
        };
        let mut when = When::default();
        for map in maps {
            let Kind::Map(entries) = &map.kind else {
                reader.complain(map.line, Issue::Form("fields with values", map.kind.what()));
                continue;
            };
            if entries.is_empty() {
                reader.complain(map.line, Issue::Empty);
            }
            let mut items = Vec::new();
            for entry in entries {
                reader.enter(&entry.key);
                let test = test(&entry.value, reader);
                match (Place::of(&entry.key), test) {
                    (Some(place), Some(test)) => {
                        items.push(Item { place, test, wanted: entry.value.kind.flow() });
                    }
                    (None, _) => reader.complain(entry.line, Issue::Names),
                    (Some(_), None) => {}
                }
                reader.leave();
            }
            when.alternatives.push(items);
        }
        when
    }

    /// Does the event fit?
    pub fn fits(&self, event: &Event) -> bool {
        self.alternatives
            .iter()
            .any(|items| items.iter().all(|item| item.test.holds(item.place, event)))
    }

    /// Each alternative, test by test.
    pub fn held<'w>(&'w self, event: &Event) -> Vec<Vec<Held<'w>>> {
        let held = |item: &'w Item| Held {
            place: item.place,
            wanted: &item.wanted,
            holds: item.test.holds(item.place, event),
        };
        self.alternatives.iter().map(|items| items.iter().map(held).collect()).collect()
    }

    /// The fields it names.
    pub fn places(&self) -> impl Iterator<Item = Place> {
        self.alternatives.iter().flatten().map(|item| item.place)
    }

    /// For each alternative the literals of one of `places`, the first that has any, in lower case: only events with
    /// one of them there can fit. `None` for an alternative that has none.
    pub fn anchors(&self, places: &[Place]) -> Vec<Option<(Place, Vec<String>)>> {
        let anchor = |items: &Vec<Item>| {
            places.iter().find_map(|place| {
                let literals = items
                    .iter()
                    .filter(|item| item.place == *place)
                    .find_map(|item| item.test.literals())?;
                Some((*place, literals))
            })
        };
        self.alternatives.iter().map(anchor).collect()
    }
}

fn test(node: &Node, reader: &mut Reader<'_>) -> Option<Test> {
    match &node.kind {
        Kind::Map(entries) => {
            let mut all = Vec::new();
            for entry in entries {
                reader.enter(&entry.key);
                let read = named_test(&entry.key, entry.line, &entry.value, reader);
                reader.leave();
                all.push(read?);
            }
            if all.is_empty() {
                reader.complain(node.line, Issue::Empty);
            }
            Some(if all.len() == 1 { all.remove(0) } else { Test::Every(all) })
        }
        Kind::List(items) => {
            if items.is_empty() {
                reader.complain(node.line, Issue::Empty);
            }
            let tests: Option<Vec<Test>> = items.iter().map(|item| test(item, reader)).collect();
            tests.map(Test::Any)
        }
        Kind::Text(text) => Some(Test::Text(text.clone())),
        Kind::Int(number) => Some(Test::Number(*number as f64)),
        Kind::Float(number) => Some(Test::Number(*number)),
        Kind::Bool(truth) => Some(Test::Truth(*truth)),
        Kind::Null => Some(Test::Nothing),
    }
}

fn named_test(name: &str, line: u32, node: &Node, reader: &mut Reader<'_>) -> Option<Test> {
    let compare = match name {
        "lt" => Some(Compare::Lt),
        "lte" => Some(Compare::Lte),
        "gt" => Some(Compare::Gt),
        "gte" => Some(Compare::Gte),
        _ => None,
    };
    if let Some(compare) = compare {
        let Some(number) = node.kind.number() else {
            reader.complain(node.line, Issue::Form("a number", node.kind.what()));
            return None;
        };
        return Some(Test::Compare(compare, number));
    }
    match name {
        "is" => test(node, reader),
        "not" => test(node, reader).map(|inner| Test::Not(Box::new(inner))),
        "exists" => match node.kind {
            Kind::Bool(truth) => Some(Test::Exists(truth)),
            _ => {
                reader.complain(node.line, Issue::Form("true or false", node.kind.what()));
                None
            }
        },
        "matches" => {
            let patterns = reader.texts(node);
            let tests: Option<Vec<Test>> =
                patterns.iter().map(|(line, pattern)| regex(*line, pattern, reader)).collect();
            tests.map(Test::Any)
        }
        "contains" => Some(Test::Contains(lower(&reader.texts(node)))),
        "starts" => Some(Test::Starts(lower(&reader.texts(node)))),
        "ends" => Some(Test::Ends(lower(&reader.texts(node)))),
        "list" => reader.list(node).map(Test::Glob),
        _ => {
            reader.unknown(line, &TESTS);
            None
        }
    }
}

fn lower(texts: &[(u32, String)]) -> Vec<String> {
    texts.iter().map(|(_, text)| text.to_lowercase()).collect()
}

/// Regular expressions are for the whole value, as if `^` and `$` stood around them.
fn regex(line: u32, pattern: &str, reader: &mut Reader<'_>) -> Option<Test> {
    // By itself first: `a)|(b` must not undo the anchors.
    let build = |text: &str| RegexBuilder::new(text).size_limit(REGEX_BYTES_MAX).build();
    match build(pattern).and_then(|_| build(&format!("^(?s:{pattern})$"))) {
        Ok(regex) => Some(Test::Regex(Box::new(regex))),
        Err(error) => {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().to_owned();
            reader.complain(line, Issue::Regex(reason));
            None
        }
    }
}

impl Test {
    fn holds(&self, place: Place, event: &Event) -> bool {
        match self {
            Test::Every(tests) => return tests.iter().all(|test| test.holds(place, event)),
            Test::Not(test) => return !test.holds(place, event),
            Test::Any(tests) => return tests.iter().any(|test| test.holds(place, event)),
            _ => {}
        }
        let Place::Field(field) = place else {
            return self.value(Value::Str(event.class.as_str()));
        };
        match self {
            Test::Exists(wanted) => {
                let said = |value: Value<'_>| match value {
                    Value::Null => false,
                    Value::Str(text) => !text.is_empty(),
                    _ => true,
                };
                event.all(field).any(said) == *wanted
            }
            _ => event.all(field).any(|value| self.value(value)),
        }
    }

    fn value(&self, value: Value<'_>) -> bool {
        match self {
            Test::Text(wanted) => value.to_text().eq_ignore_ascii_case(wanted),
            Test::Number(wanted) => number(value) == Some(*wanted),
            Test::Truth(wanted) => match value {
                Value::Bool(truth) => truth == *wanted,
                Value::Str(text) => {
                    text.eq_ignore_ascii_case(if *wanted { "true" } else { "false" })
                }
                _ => false,
            },
            Test::Nothing => matches!(value, Value::Null),
            Test::Regex(regex) => regex.is_match(&value.to_text()),
            Test::Contains(parts) => {
                let text = value.to_text().to_lowercase();
                parts.iter().any(|part| text.contains(part.as_str()))
            }
            Test::Starts(parts) => {
                let text = value.to_text().to_lowercase();
                parts.iter().any(|part| text.starts_with(part.as_str()))
            }
            Test::Ends(parts) => {
                let text = value.to_text().to_lowercase();
                parts.iter().any(|part| text.ends_with(part.as_str()))
            }
            Test::Compare(how, bound) => number(value).is_some_and(|number| match how {
                Compare::Lt => number < *bound,
                Compare::Lte => number <= *bound,
                Compare::Gt => number > *bound,
                Compare::Gte => number >= *bound,
            }),
            Test::Glob(globs) => {
                let text = value.to_text().to_lowercase();
                globs.iter().any(|glob| glob.fits(&text))
            }
            Test::Exists(wanted) => *wanted,
            Test::Any(_) | Test::Every(_) | Test::Not(_) => false,
        }
    }

    fn literals(&self) -> Option<Vec<String>> {
        match self {
            Test::Text(text) => Some(vec![text.to_ascii_lowercase()]),
            Test::Any(tests) => {
                let all: Option<Vec<Vec<String>>> = tests.iter().map(Test::literals).collect();
                all.map(Vec::into_iter).map(Iterator::flatten).map(Iterator::collect)
            }
            Test::Every(tests) => tests.iter().find_map(Test::literals),
            _ => None,
        }
    }
}
