//! The properties of a record that exist once: found in one pass over its leaves.

use std::borrow::Cow;

use crate::model::event::Value;
use crate::normalise::document::{Document, Leaf};
use crate::normalise::names::Names;
use crate::normalise::windows::paths::{Role, SLOTS, Writer};
use crate::normalise::windows::times::Times;

/// Bits of the keywords of an audit event.
const AUDIT_FAILURE: u64 = 0x0010_0000_0000_0000;
const AUDIT_SUCCESS: u64 = 0x0020_0000_0000_0000;

/// Where the properties are among the leaves.
pub struct Head {
    slots: [Option<u32>; SLOTS],
    writer: Option<Writer>,
    utc: Option<u32>,
    /// `EventData` as text, to be unfolded.
    pub data_text: Option<Leaf>,
    /// The whole event as XML, beside its rendering.
    raw: Option<Leaf>,
}

impl Head {
    /// Look through the leaves; of several for one property the first with a value counts.
    pub fn of(document: &Document, names: &Names) -> Head {
        let mut head =
            Head { slots: [None; SLOTS], writer: None, utc: None, data_text: None, raw: None };
        for (at, leaf) in document.leaves().iter().enumerate() {
            let role = names.meaning(leaf.node).role;
            let Ok(at) = u32::try_from(at) else { break };
            if let Some(slot) = role.slot().and_then(|slot| head.slots.get_mut(slot)) {
                if slot.is_none() && document.value(*leaf) != Value::Null {
                    *slot = Some(at);
                    if let Role::Code(writer) = role {
                        head.writer = Some(writer);
                    }
                }
            } else if role == Role::DataText {
                let text = document.value(*leaf).as_str().unwrap_or_default();
                head.data_text = head.data_text.or((!text.is_empty()).then_some(*leaf));
            } else if role == Role::RawXml {
                head.raw = head.raw.or(Some(*leaf));
            } else if head.utc.is_none()
                && matches!(role, Role::Data | Role::RootOther)
                && names.key(leaf.node) == "UtcTime"
            {
                head.utc = Some(at);
            }
        }
        head
    }

    /// Who wrote the record, if it has an event id at all.
    pub fn writer(&self) -> Option<Writer> {
        self.writer
    }

    /// Is the property there?
    pub fn has(&self, role: Role) -> bool {
        self.at(role).is_some()
    }

    /// The property's leaf.
    pub fn leaf(&self, document: &Document, role: Role) -> Option<Leaf> {
        document.leaves().get(self.at(role)? as usize).copied()
    }

    /// The property as text, if it says anything.
    pub fn text<'a>(&self, document: &'a Document, role: Role) -> Option<Cow<'a, str>> {
        let text = document.value(self.leaf(document, role)?).to_text();
        (!text.trim_ascii().is_empty()).then_some(text)
    }

    /// The provider's name: `ProviderName` is event data where another property says it.
    pub fn provider<'a>(&self, document: &'a Document) -> Option<Cow<'a, str>> {
        self.text(document, Role::Provider).or_else(|| self.text(document, Role::ProviderName))
    }

    /// The event's own XML, where the record has it beside its rendering.
    pub fn raw<'a>(&self, document: &'a Document) -> Option<&'a str> {
        document.value(self.raw?).as_str()
    }

    /// The times of the record.
    pub fn times<'a>(&self, document: &'a Document, names: &Names) -> Times<'a> {
        let value = |role| self.leaf(document, role).map(|leaf| document.value(leaf));
        let stamp = value(Role::Stamp);
        let beats = matches!(self.writer, Some(Writer::Beats6 | Writer::Beats7));
        let utc = self.utc.and_then(|at| document.leaves().get(at as usize));
        let utc = utc.filter(|leaf| names.key(leaf.node) == "UtcTime");
        Times {
            created: value(Role::Time).or(stamp.filter(|_| beats)),
            clock: value(Role::ClockTime),
            received: value(Role::ClockReceived),
            arrival: stamp.or(value(Role::Generated)),
            utc: utc.map(|leaf| document.value(*leaf)),
        }
    }

    /// Success or failure by the audit keywords, if there are any.
    pub fn audit(&self, document: &Document) -> Option<&'static str> {
        let event_type = self.text(document, Role::EventType);
        match event_type.as_deref() {
            Some("AUDIT_SUCCESS") => return Some("success"),
            Some("AUDIT_FAILURE") => return Some("failure"),
            _ => {}
        }
        let keywords = document.value(self.leaf(document, Role::Keywords)?);
        let bits = match keywords {
            Value::Int(number) => number as u64,
            Value::Str(text) => match text.trim_ascii() {
                "Audit Success" => AUDIT_SUCCESS,
                "Audit Failure" => AUDIT_FAILURE,
                hex => u64::from_str_radix(hex.trim_start_matches("0x"), 16).unwrap_or(0),
            },
            _ => 0,
        };
        match (bits & AUDIT_FAILURE != 0, bits & AUDIT_SUCCESS != 0) {
            (true, _) => Some("failure"),
            (_, true) => Some("success"),
            _ => None,
        }
    }

    fn at(&self, role: Role) -> Option<u32> {
        role.slot().and_then(|slot| self.slots.get(slot).copied().flatten())
    }
}

/// NXLog writes its own kind of event under `EventType`, unless event data of this name took its place.
pub fn is_event_type(value: Value<'_>) -> bool {
    matches!(
        value.as_str(),
        Some(
            "INFO"
                | "WARNING"
                | "ERROR"
                | "AUDIT_SUCCESS"
                | "AUDIT_FAILURE"
                | "VERBOSE"
                | "CRITICAL"
                | "DEBUG"
        )
    )
}
