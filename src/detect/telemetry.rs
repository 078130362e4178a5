//! What arrives, endpoint by endpoint: kinds of events and the fields they carry. From it follows which rules can fire
//! at all, and why the others cannot. [`crate::detect::reach`] asks.

use std::collections::BTreeMap;

use ahash::AHashMap;

use crate::detect::logsource::{Kind, Product};
use crate::model::class::Class;
use crate::model::event::{Event, Value};
use crate::model::field::FieldId;

/// Endpoints that are told apart; what comes from others is counted and left out.
const ENDPOINTS_MAX: usize = 5_000;
/// Kinds of events of one endpoint.
const KINDS_MAX: usize = 2_000;

/// What has been seen.
#[derive(Debug, Default)]
pub struct Telemetry {
    /// By endpoint (empty: events that name none).
    pub endpoints: BTreeMap<String, Endpoint>,
    /// Events seen.
    pub events: u64,
    /// Events that did not fit the limits.
    pub left_out: u64,
}

/// One endpoint.
#[derive(Debug, Default)]
pub struct Endpoint {
    /// By kind: the fields.
    pub(super) kinds: AHashMap<Sort, Fields>,
}

/// Fields of one kind of event, with the forms of their values.
pub(super) type Fields = AHashMap<FieldId, Forms>;

/// Forms of values, as bits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Forms(u8);

impl Forms {
    const NUMBER: u8 = 1;
    const HEX: u8 = 2;
    const TEXT: u8 = 4;

    fn see(&mut self, value: Value<'_>) {
        self.0 |= match value {
            Value::Int(_) | Value::Float(_) => Forms::NUMBER,
            Value::Str(text) if text.parse::<f64>().is_ok() => Forms::NUMBER,
            Value::Str(text) if text.starts_with("0x") || text.starts_with("0X") => Forms::HEX,
            Value::Str(_) | Value::Bool(_) => Forms::TEXT,
            Value::Null => 0,
        };
    }

    /// Was any value a number?
    pub fn has_number(self) -> bool {
        self.0 & Forms::NUMBER != 0
    }

    /// Were all values hexadecimal?
    pub fn only_hex(self) -> bool {
        self.0 == Forms::HEX
    }

    /// Were all values numbers?
    pub fn only_number(self) -> bool {
        self.0 == Forms::NUMBER
    }
}

/// What of an event decides which rules look at it, owned.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Sort {
    product: Option<Product>,
    channel: String,
    pub provider: String,
    pub code: Option<u32>,
    class: Class,
    program: String,
    facility: String,
    audit: bool,
    dataset: String,
}

impl Sort {
    fn of(kind: &Kind<'_>) -> Sort {
        Sort {
            product: kind.product,
            channel: kind.channel.to_owned(),
            provider: kind.provider.to_owned(),
            code: kind.code,
            class: kind.class,
            program: kind.program.to_owned(),
            facility: kind.facility.to_owned(),
            audit: kind.audit,
            dataset: kind.dataset.to_owned(),
        }
    }

    /// As bindings see it.
    pub fn kind(&self) -> Kind<'_> {
        Kind {
            product: self.product,
            channel: &self.channel,
            provider: &self.provider,
            code: self.code,
            class: self.class,
            program: &self.program,
            facility: &self.facility,
            audit: self.audit,
            dataset: &self.dataset,
        }
    }
}

impl Endpoint {
    /// How many kinds of events it sent.
    pub fn kinds(&self) -> usize {
        self.kinds.len()
    }
}

impl Telemetry {
    /// Take note of an event.
    pub fn see(&mut self, event: &Event) {
        self.events += 1;
        let host = event.host();
        if !self.endpoints.contains_key(host) {
            if self.endpoints.len() >= ENDPOINTS_MAX {
                self.left_out += 1;
                return;
            }
            self.endpoints.insert(host.to_owned(), Endpoint::default());
        }
        let Some(endpoint) = self.endpoints.get_mut(host) else { return };
        let sort = Sort::of(&Kind::of(event));
        if !endpoint.kinds.contains_key(&sort) && endpoint.kinds.len() >= KINDS_MAX {
            self.left_out += 1;
            return;
        }
        let fields = endpoint.kinds.entry(sort).or_default();
        for (id, value) in event.iter() {
            fields.entry(id).or_default().see(value);
        }
    }
}
