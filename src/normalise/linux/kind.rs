//! What kind of thing an event is, in ECS words: class, category, type, action and outcome, set in one call.

use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field;

/// ECS `event.outcome`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It worked.
    Success,
    /// It did not.
    Failure,
    /// The record does not say, or there is nothing to say.
    Unknown,
}

/// The kind of an event. A decoder keeps these as constants beside its patterns.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// For rule routing.
    pub class: Class,
    /// `event.category`; several words make a list.
    pub category: &'static str,
    /// `event.type`; several words make a list.
    pub types: &'static str,
    /// `event.action`.
    pub action: &'static str,
    /// `event.outcome`.
    pub outcome: Outcome,
}

impl Kind {
    /// A kind; the arguments stand in the order of the fields.
    pub const fn new(
        class: Class,
        category: &'static str,
        types: &'static str,
        action: &'static str,
        outcome: Outcome,
    ) -> Kind {
        Kind { class, category, types, action, outcome }
    }

    /// Write it into the event.
    pub fn set(&self, event: &mut Event) {
        event.class = self.class;
        for (field, words) in
            [(field::EVENT_CATEGORY, self.category), (field::EVENT_TYPE, self.types)]
        {
            words.split_ascii_whitespace().for_each(|word| event.push_str(field, word));
        }
        event.push_str(field::EVENT_ACTION, self.action);
        match self.outcome {
            Outcome::Success => event.push_str(field::EVENT_OUTCOME, "success"),
            Outcome::Failure => event.push_str(field::EVENT_OUTCOME, "failure"),
            Outcome::Unknown => {}
        }
    }
}

/// Put an address that a program wrote where ECS wants it: `ip` if it is one, else `domain`.
/// Programs write `?`, `-`, `UNKNOWN` or nothing when they do not know.
pub fn source_address(event: &mut Event, text: &str) {
    let text = text.trim();
    if matches!(text, "" | "?" | "-" | "UNKNOWN" | "(null)") {
        return;
    }
    if !event.push_ip(field::SOURCE_IP, text) {
        event.push_str(field::SOURCE_DOMAIN, text);
    }
}

/// Add a port if the text is one (1 to 65535).
pub fn source_port(event: &mut Event, text: &str) {
    if let Some(port) = text.parse::<u16>().ok().filter(|port| *port != 0) {
        event.push_int(field::SOURCE_PORT, i64::from(port));
    }
}

/// Add `user.name` unless the text is empty or a placeholder.
pub fn user_name(event: &mut Event, text: &str) {
    if !matches!(text, "" | "?" | "(null)" | "(unknown)") {
        event.push_str(field::USER_NAME, text);
    }
}
