//! What every event that passes a filter must have, in a form that a store can look up in its own index. It may let
//! more through than the filter does, never less: who uses it asks the filter again about each event.

use std::ops::Bound;

use crate::model::event::Value as FieldValue;
use crate::model::query::Node;
use crate::model::query::event::{Check, EventFilter, Names, Test};
use crate::model::query::scalar::{Network, Pattern, Shape};
use crate::stdx::time::Timestamp;

/// A necessary condition of a filter.
#[derive(Clone, Debug)]
pub enum Need {
    /// Nothing is known: any event may pass.
    Any,
    /// All of these.
    And(Vec<Need>),
    /// At least one of these.
    Or(Vec<Need>),
    /// Not this. The inside is only necessary for what is negated, so that this says little by itself.
    Not(Box<Need>),
    /// Some value of one of these fields passes.
    Field {
        /// Dotted names. `watchfloor.class` and `event.id` are what they say.
        names: Vec<String>,
        /// What the value must be.
        test: ValueTest,
    },
    /// Some value of any field has this text.
    Anywhere(ValueTest),
    /// Event time between these, microseconds.
    Time(Bound<i64>, Bound<i64>),
}

/// A check of one value, as text.
#[derive(Clone, Debug)]
pub struct ValueTest(Test);

/// Ends of a check of numbers.
pub type NumberBounds = (Bound<f64>, Bound<f64>);

impl ValueTest {
    /// Does a value with this text pass? Numbers pass by their digits.
    pub fn matches_text(&self, text: &str) -> bool {
        self.0.matches(FieldValue::Str(text))
    }

    /// What it asks of a text, if it is about text.
    pub fn shape(&self) -> Option<&Shape> {
        match &self.0 {
            Test::Text(pattern) => Some(pattern.shape()),
            Test::Number(_) | Test::Ip(_) => None,
        }
    }

    /// The ends, if it is about a number.
    pub fn numbers(&self) -> Option<NumberBounds> {
        match &self.0 {
            Test::Number(bounds) => Some(*bounds),
            Test::Text(_) | Test::Ip(_) => None,
        }
    }

    /// The network as first address and prefix, if it is about addresses.
    pub fn network(&self) -> Option<(std::net::IpAddr, u32)> {
        match &self.0 {
            Test::Ip(network) => Some(Network::parts(network)),
            Test::Text(_) | Test::Number(_) => None,
        }
    }

    fn text(pattern: &Pattern) -> ValueTest {
        ValueTest(Test::Text(pattern.clone()))
    }
}

impl EventFilter {
    /// The necessary condition. `now` is for ages.
    pub fn needs(&self, now: Timestamp) -> Need {
        need(&self.root, now)
    }
}

fn need(node: &Node<Check>, now: Timestamp) -> Need {
    match node {
        Node::All => Need::Any,
        Node::And(parts) => Need::And(parts.iter().map(|part| need(part, now)).collect()),
        Node::Or(parts) => Need::Or(parts.iter().map(|part| need(part, now)).collect()),
        Node::Not(inner) => Need::Not(Box::new(need(inner, now))),
        Node::Check(check) => leaf(check, now),
    }
}

fn leaf(check: &Check, now: Timestamp) -> Need {
    let one = |name: &str, test| Need::Field { names: vec![name.to_owned()], test };
    match check {
        Check::Bare(pattern) => Need::Anywhere(ValueTest::text(pattern)),
        Check::Class(class) => whole("watchfloor.class", class.as_str()),
        Check::ClassText(pattern) => one("watchfloor.class", ValueTest::text(pattern)),
        Check::Id(pattern) => one("event.id", ValueTest::text(pattern)),
        // An event without a host has the empty one.
        Check::Host(host) if host.is_empty() => Need::Any,
        Check::Host(host) => whole("host.name", host),
        Check::Time(when) => {
            let (low, high) = when.at(now);
            Need::Time(low, high)
        }
        Check::Field(names, test) => {
            let names = match names {
                Names::Known(fields) => {
                    fields.iter().map(|field| field.name().to_owned()).collect()
                }
                Names::Named(name) => vec![name.clone()],
            };
            Need::Field { names, test: ValueTest(test.clone()) }
        }
    }
}

fn whole(name: &str, text: &str) -> Need {
    match Pattern::whole(text) {
        Some(pattern) => {
            Need::Field { names: vec![name.to_owned()], test: ValueTest(Test::Text(pattern)) }
        }
        // Too long to be compiled: the filter itself knows.
        None => Need::Any,
    }
}
