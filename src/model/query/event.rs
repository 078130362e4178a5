//! The filter language over events: any ECS name, and short names for the usual ones.

use std::collections::BTreeMap;
use std::ops::RangeBounds as _;

use crate::model::class::Class;
use crate::model::ecs;
use crate::model::event::{Event, Value as FieldValue};
use crate::model::field::{self, FieldId};
use crate::model::query::alert::{choice, network};
use crate::model::query::scalar::{self, Bounds, Natural, Network, Pattern, When};
use crate::model::query::{Node, Op, Query, QueryError, Term, Value, nearest, unknown_field};
use crate::stdx::time::Timestamp;

/// The short names with a word of help. Beside them, any dotted ECS name (`process.command_line`).
pub const FIELDS: [(&str, &str); 19] = [
    ("class", "what kind of thing happened: logon_failure, process_start, …"),
    ("host", "host.name"),
    ("user", "user.name, user.target.name, user.effective.name"),
    ("ip", "an address or network in source.ip, destination.ip, host.ip, related.ip"),
    ("port", "source.port, destination.port"),
    ("process", "process.name, process.executable"),
    ("parent", "process.parent.name, process.parent.executable"),
    ("pid", "process.pid"),
    ("cmd", "process.command_line"),
    ("file", "file.path"),
    ("code", "event.code"),
    ("action", "event.action"),
    ("outcome", "event.outcome"),
    ("provider", "event.provider, winlog.provider_name"),
    ("channel", "winlog.channel"),
    ("source", "the configured source's name"),
    ("id", "event.id"),
    ("age", "time since the event: age<4h"),
    ("time", "when it happened: time>2026-11-22T10:00"),
];

/// How like (Jaro-Winkler) a name must be to one of the schema's to be taken for it misspelt.
const MISSPELT: f64 = 0.92;

/// A filter of events, ready to match.
#[derive(Clone, Debug)]
pub struct EventFilter {
    pub(super) root: Node<Check>,
}

/// What every event that matches has in common: a search may skip the rest unread.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Narrow {
    /// The endpoint, lower case.
    pub host: Option<String>,
    /// Not before.
    pub from: Option<Timestamp>,
    /// Not after.
    pub to: Option<Timestamp>,
}

#[derive(Clone, Debug)]
pub(super) enum Check {
    /// Text in any value.
    Bare(Pattern),
    Class(Class),
    ClassText(Pattern),
    Id(Pattern),
    /// One endpoint by its whole name, lower case.
    Host(String),
    Time(When),
    Field(Names, Test),
}

#[derive(Clone, Debug)]
pub(super) enum Names {
    Known(&'static [FieldId]),
    /// Looked up when matching: the first event with this name may come later. Never interned, so that
    /// filters cannot fill the table of names.
    Named(String),
}

/// A check of one field's value.
#[derive(Clone, Debug)]
pub(super) enum Test {
    Text(Pattern),
    Number(Bounds<f64>),
    Ip(Network),
}

impl EventFilter {
    /// The filter that lets everything through.
    pub fn all() -> EventFilter {
        EventFilter { root: Node::All }
    }

    /// Read a filter of events; every name and value is checked.
    pub fn parse(text: &str) -> Result<EventFilter, QueryError> {
        EventFilter::of(&Query::parse(text)?)
    }

    /// Give a parsed filter its meaning for events.
    pub fn of(query: &Query) -> Result<EventFilter, QueryError> {
        if query.sort.is_some() {
            let error = QueryError::new("events are listed by time and cannot be sorted", 0..0);
            return Err(error.hint("leave out sort:"));
        }
        Ok(EventFilter { root: Node::build(&query.root, &mut check)? })
    }

    /// Names that neither the schema nor our extensions of it know and that are nearly one of the schema's, with that one.
    /// Names that are like none are left alone: mappings make names of their own.
    pub fn misspelt(&self) -> BTreeMap<&str, &'static str> {
        let mut found = BTreeMap::new();
        self.root.each(&mut |check| {
            if let Check::Field(Names::Named(name), _) = check
                && ecs::type_of(name).is_none()
                && !ecs::is_extension(name)
                && let Some(near) = nearest(name, MISSPELT, ecs::names())
            {
                found.insert(name.as_str(), near);
            }
        });
        found
    }

    /// What every event that matches has in common. `now` is for ages.
    pub fn narrow(&self, now: Timestamp) -> Narrow {
        let mut narrow = Narrow::default();
        let parts = match &self.root {
            Node::And(parts) => parts.as_slice(),
            other => std::slice::from_ref(other),
        };
        for part in parts {
            match part {
                Node::Check(Check::Host(host)) => narrow.host = Some(host.clone()),
                Node::Check(Check::Time(when)) => {
                    let (from, to) = when.span(now);
                    narrow.from = narrow.from.max(from);
                    narrow.to = match (narrow.to, to) {
                        (Some(one), Some(other)) => Some(one.min(other)),
                        (one, other) => one.or(other),
                    };
                }
                _ => {}
            }
        }
        narrow
    }

    /// Does the filter let this event through? `now` is for ages.
    pub fn matches(&self, event: &Event, now: Timestamp) -> bool {
        self.root.matches(&|check| check.matches(event, now))
    }
}

/// How `:` reads a word for a field: whole for names, containing for long text.
pub(super) fn natural(name: &str) -> Natural {
    const PROSE: [&str; 8] = [
        "message",
        "event.original",
        "process.command_line",
        "process.parent.command_line",
        "process.title",
        "user_agent.original",
        "url.original",
        "winlog.event_data.ScriptBlockText",
    ];
    if PROSE.iter().any(|known| known.eq_ignore_ascii_case(name)) {
        Natural::Containing
    } else {
        Natural::Whole
    }
}

fn check(term: &Term) -> Result<Check, QueryError> {
    let Some(name) = term.field.as_deref() else {
        return Ok(Check::Bare(Pattern::read(term, Natural::Containing)?));
    };
    let known =
        |fields, natural| Ok(Check::Field(Names::Known(fields), Test::read(term, name, natural)?));
    match name {
        "class" => class(term, name),
        "id" | "event.id" => Ok(Check::Id(Pattern::read(term, Natural::Beginning)?)),
        "age" | "time" | "@timestamp" => Ok(Check::Time(When::read(term, name)?)),
        "host" | "host.name" => match scalar::literal(term) {
            Some(host) => Ok(Check::Host(host)),
            None => known(&[field::HOST_NAME], Natural::Whole),
        },
        "user" => known(
            &[field::USER_NAME, field::USER_TARGET_NAME, field::USER_EFFECTIVE_NAME],
            Natural::Whole,
        ),
        "ip" => {
            let addresses =
                &[field::SOURCE_IP, field::DESTINATION_IP, field::HOST_IP, field::RELATED_IP];
            Ok(Check::Field(Names::Known(addresses), Test::Ip(network(term, name)?)))
        }
        "port" => known(&[field::SOURCE_PORT, field::DESTINATION_PORT], Natural::Whole),
        "process" => known(&[field::PROCESS_NAME, field::PROCESS_EXECUTABLE], Natural::Whole),
        "parent" => {
            known(&[field::PROCESS_PARENT_NAME, field::PROCESS_PARENT_EXECUTABLE], Natural::Whole)
        }
        "pid" => known(&[field::PROCESS_PID], Natural::Whole),
        "cmd" => known(&[field::PROCESS_COMMAND_LINE], Natural::Containing),
        "file" => known(&[field::FILE_PATH], Natural::Whole),
        "code" => known(&[field::EVENT_CODE], Natural::Whole),
        "action" => known(&[field::EVENT_ACTION], Natural::Whole),
        "outcome" => known(&[field::EVENT_OUTCOME], Natural::Whole),
        "provider" => known(&[field::EVENT_PROVIDER, field::WINLOG_PROVIDER_NAME], Natural::Whole),
        "channel" => known(&[field::WINLOG_CHANNEL], Natural::Whole),
        "source" => known(&[field::SOURCE_NAME], Natural::Whole),
        // Names without a dot are few; one that no decoder uses is a typing mistake.
        dotted if dotted.contains('.') || FieldId::lookup(dotted).is_some() => Ok(Check::Field(
            Names::Named(dotted.to_owned()),
            Test::read(term, name, natural(dotted))?,
        )),
        _ => Err(unknown_field(term, name, &FIELDS)),
    }
}

fn class(term: &Term, name: &str) -> Result<Check, QueryError> {
    match &term.value {
        Value::Word(word) if term.op == Op::Is && !word.contains(['*', '?']) => {
            let words: Vec<(&str, Class)> =
                Class::ALL.iter().map(|class| (class.as_str(), *class)).collect();
            Ok(Check::Class(choice(term, name, &words)?))
        }
        _ => Ok(Check::ClassText(Pattern::read(term, Natural::Whole)?)),
    }
}

impl Test {
    /// The check that a term spells for the values of a field.
    pub(super) fn read(term: &Term, name: &str, natural: Natural) -> Result<Test, QueryError> {
        match (&term.value, term.op) {
            (Value::Range(..), _)
            | (_, Op::Greater | Op::GreaterEqual | Op::Less | Op::LessEqual) => {
                Ok(Test::Number(scalar::numbers(term, name)?))
            }
            (Value::Word(word), Op::Is | Op::Equal) if word.contains('/') => {
                match Network::parse(word) {
                    Some(network) => Ok(Test::Ip(network)),
                    None => Ok(Test::Text(Pattern::read(term, natural)?)),
                }
            }
            _ => Ok(Test::Text(Pattern::read(term, natural)?)),
        }
    }

    pub(super) fn matches(&self, value: FieldValue<'_>) -> bool {
        match self {
            Test::Text(pattern) => text_matches(value, pattern),
            Test::Number(bounds) => number_of(value).is_some_and(|number| bounds.contains(&number)),
            Test::Ip(network) => value.as_str().is_some_and(|text| network.contains(text)),
        }
    }
}

impl Check {
    fn matches(&self, event: &Event, now: Timestamp) -> bool {
        match self {
            Check::Bare(pattern) => event.iter().any(|(_, value)| text_matches(value, pattern)),
            Check::Class(class) => event.class == *class,
            Check::ClassText(pattern) => pattern.matches(event.class.as_str()),
            Check::Id(pattern) => pattern.matches(&event.id.to_string()),
            Check::Host(host) => event.host() == host,
            Check::Time(when) => when.contains(event.timestamp, now),
            Check::Field(Names::Known(fields), test) => {
                fields.iter().any(|field| any_value(event, *field, test))
            }
            Check::Field(Names::Named(name), test) => {
                FieldId::lookup(name).is_some_and(|field| any_value(event, field, test))
            }
        }
    }
}

fn any_value(event: &Event, field: FieldId, test: &Test) -> bool {
    event.all(field).any(|value| test.matches(value))
}

fn text_matches(value: FieldValue<'_>, pattern: &Pattern) -> bool {
    match value {
        FieldValue::Str(text) => pattern.matches(text),
        FieldValue::Null => false,
        other => pattern.matches(&other.to_text()),
    }
}

fn number_of(value: FieldValue<'_>) -> Option<f64> {
    match value {
        #[allow(clippy::cast_precision_loss, reason = "a comparison of numbers for people")]
        FieldValue::Int(number) => Some(number as f64),
        FieldValue::Float(number) => Some(number),
        FieldValue::Str(text) => scalar::number(text),
        FieldValue::Bool(_) | FieldValue::Null => None,
    }
}
