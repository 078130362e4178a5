//! What wrappers said about the record within them: shippers, container runtimes, collectors, syslog headers. It is
//! kept on the event that the inner record becomes, wherever that says nothing itself.

use crate::model::event::Event;
use crate::normalise::complete::EventTime;

/// The facts of all wrappers around a record, outermost first.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    /// Fields for the event.
    pub fields: Event,
    /// The host, if a wrapper named one.
    pub host: Option<String>,
    /// The time, for records that state none.
    pub time: Option<EventTime>,
    /// The program that wrote the inner text: it is then a message and no line of its own.
    pub program: Option<String>,
    /// Its process id.
    pub pid: Option<String>,
    /// How many wrappers.
    pub depth: usize,
    /// The inner record is one of several in a list: its number, from 1.
    pub element: Option<u64>,
}

impl Envelope {
    /// The envelope of a record inside a record that has this envelope itself.
    pub fn within(outer: Option<&Envelope>) -> Envelope {
        let mut inner = outer.cloned().unwrap_or_default();
        inner.depth += 1;
        inner.program = None;
        inner.pid = None;
        inner
    }

    /// Take fields of a further wrapper, where the ones before it say nothing.
    pub fn add(&mut self, fields: &Event) {
        copy(fields, &mut self.fields);
    }

    /// Fill the event with what it does not say itself.
    pub fn fill(&self, event: &mut Event) {
        copy(&self.fields, event);
    }
}

fn copy(from: &Event, to: &mut Event) {
    let known: Vec<_> = to.places().collect();
    for (field, value) in from.iter() {
        if !known.contains(&field) {
            to.push_value(field, value);
        }
    }
    if to.class == crate::model::class::Class::Other {
        to.class = from.class;
    }
}
