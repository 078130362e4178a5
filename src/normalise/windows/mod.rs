//! Windows events as JSON, in every shape that shippers and exporters write, to ECS. [`paths`] knows the shapes, [`kinds`] what
//! each event means, [`values`] how its data becomes fields, [`refine`] what follows from several of them.
//!
//! Event ids. A record of an event log itself (EVTX) has coordinates that every copy of the log has again:
//! computer, channel, record id, time. A JSON line in a file has its place in the file: stream and offset.
//! Lines are not given coordinates, because a file may hold honest repeats of one record (a forwarder that sent
//! twice), each counts, and ids must be unique within a stream; the place is the same again on redelivery.
//!
//! Left out, on purpose: the shipper's own metadata (`@metadata`, `@version`, NXLog's module names). The host in
//! a shipper's record is where the shipper runs, often a collector, and is kept as `observer.*`.

pub mod application;
pub mod arguments;
pub mod codes;
pub mod describe;
pub mod embedded;
pub mod fields;
pub mod head;
pub mod kinds;
pub mod network;
pub mod paths;
pub mod policy;
pub mod powershell;
pub mod protection;
pub mod refine;
pub mod scripts;
pub mod security;
pub mod sysmon;
pub mod system;
pub mod tasks;
pub mod times;
pub mod values;
pub mod wazuh;
pub mod xml;

use crate::model::class::Class;
use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};
use crate::normalise::Context;
use crate::normalise::complete::{self, Place};
use crate::normalise::document::{Document, Leaf};
use crate::normalise::names::Names;
use crate::normalise::output::Output;
use crate::normalise::redact::Redaction;
use crate::normalise::windows::head::Head;
use crate::normalise::windows::kinds::Kind;
use crate::normalise::windows::paths::{Role, Writer};
use crate::stdx::id::{Id128, IdHasher};

pub use crate::normalise::windows::fields::Fields;

/// Fields that every event gets besides its leaves.
const EXTRA_FIELDS: usize = 24;
/// And bytes.
const EXTRA_BYTES: usize = 512;

/// Decode the document if it is a Windows event; false: it is none, and nothing was handed on.
pub fn decode(
    context: &Context<'_>,
    document: &mut Document,
    names: &mut Names,
    original: &str,
    out: &mut Output,
) -> bool {
    let mut head = Head::of(document, names);
    let Some(writer) = head.writer() else { return false };
    let Some(code) = head.text(document, Role::Code(writer)) else { return false };
    let code = code.into_owned();
    let provider = head.provider(document).map(|name| name.into_owned());
    if provider.is_none() && head.text(document, Role::Channel).is_none() {
        return false;
    }
    if head.data_text.is_some() {
        embedded::unfold(document, names, &head);
        head = Head::of(document, names);
    }
    let number = code.parse().ok();
    let kind =
        provider.as_deref().and_then(|provider| context.settings.windows.find(provider, number?));
    // What a script did is written once more in words of its own.
    let scripts = provider.as_deref().is_some_and(|name| name.contains("PowerShell"));
    let room = document.text_bytes() * if scripts { 2 } else { 1 } + EXTRA_BYTES;
    let mut build = Build {
        event: Event::with_capacity(
            document.leaves().len() + EXTRA_FIELDS,
            room + context.room_for_original(original),
        ),
        redaction: Redaction::of_document(
            &context.settings.redactor,
            document,
            original.as_bytes(),
        ),
        kind,
        code: number.unwrap_or(0),
        services: provider.as_deref() == Some("Service Control Manager"),
        writer,
        nxlog: head.has(Role::ClockTime),
        provider_is_data: head.has(Role::Provider),
        unnamed: 0,
        unnamed_field: context.settings.windows_fields.data,
        system: head.raw(document).map(embedded::system).unwrap_or_default(),
        taken: Vec::new(),
    };
    build.event.fields_dropped = document.left_out;
    build.head(document, &head, &code, provider.as_deref());
    build.leaves(document, names, out);
    finish(context, document, names, &head, build, original, out);
    true
}

fn finish(
    context: &Context<'_>,
    document: &Document,
    names: &Names,
    head: &Head,
    build: Build<'_>,
    original: &str,
    out: &mut Output,
) {
    let Build { mut event, redaction, kind, code, .. } = build;
    let kind = kind.map(|kind| (kind, code));
    refine::refine(&mut event, kind, head.audit(document), &context.settings.windows_fields);
    let time = times::event_time(&head.times(document, names));
    event.id = event_id(context, document, head, &event, time);
    let computer = head.text(document, Role::Computer);
    let place = Place::of(context);
    complete::finish(&mut event, time, computer.as_deref(), None, &place, out);
    identify_process(&mut event, &context.stream.tenant);
    if context.settings.keep_original {
        event.push_str(field::EVENT_ORIGINAL, &redaction.json(original));
    }
    out.event(event);
}

fn event_id(
    context: &Context<'_>,
    document: &Document,
    head: &Head,
    event: &Event,
    time: complete::EventTime,
) -> Id128 {
    let at = match time {
        complete::EventTime::At(at) if head.writer() == Some(Writer::Evtx) => at,
        _ => return context.place_id(),
    };
    let coordinates = (
        head.text(document, Role::Computer),
        event.str(field::WINLOG_CHANNEL),
        head.text(document, Role::RecordId),
    );
    let (Some(computer), Some(channel), Some(record)) = coordinates else {
        return context.place_id();
    };
    IdHasher::new("event.windows")
        .text(&context.stream.tenant)
        .text(&computer.to_lowercase())
        .text(channel)
        .text(&record)
        .number(at.0 as u64)
        .finish()
}

/// A started process that no sensor gave an identity: endpoint, process id and start tell it from all others.
fn identify_process(event: &mut Event, tenant: &str) {
    if event.class != Class::ProcessStart || event.has(field::PROCESS_ENTITY_ID) {
        return;
    }
    let Some(pid) = event.get(field::PROCESS_PID).and_then(Value::as_int) else { return };
    let id = IdHasher::new("process.entity")
        .text(tenant)
        .text(event.host())
        .number(pid as u64)
        .number(event.timestamp.0 as u64)
        .finish();
    event.push_str(field::PROCESS_ENTITY_ID, &id.to_string());
}

/// An event in the making.
struct Build<'a> {
    event: Event,
    redaction: Redaction<'a>,
    kind: Option<&'a Kind>,
    code: u32,
    /// It is the service control manager's.
    services: bool,
    writer: Writer,
    nxlog: bool,
    /// `ProviderName` beside another property that names the provider is event data.
    provider_is_data: bool,
    /// Unnamed values so far.
    unnamed: usize,
    unnamed_field: Option<FieldId>,
    /// What the event's own XML says, where a shipper gives it beside its rendering.
    system: embedded::System,
    /// Fields that a shipper's own mapping may not fill again (true) or may (false).
    taken: Vec<(FieldId, bool)>,
}

impl Build<'_> {
    /// What the record says about itself.
    fn head(&mut self, document: &Document, head: &Head, code: &str, provider: Option<&str>) {
        let event = &mut self.event;
        event.push_str(field::EVENT_CODE, code);
        if let Some(name) = provider {
            event.push_str(field::EVENT_PROVIDER, name);
            event.push_str(field::WINLOG_PROVIDER_NAME, name);
        }
        if let Some(channel) = head.text(document, Role::Channel) {
            event.push_str(field::WINLOG_CHANNEL, &channel);
        }
        if let Some(computer) = head.text(document, Role::Computer) {
            event.push_str(field::WINLOG_COMPUTER_NAME, &computer);
        }
        if let Some(record) = head.text(document, Role::RecordId) {
            event.push_str(field::WINLOG_RECORD_ID, &record);
        }
        let system = if provider == Some("Linux-Sysmon") { "linux" } else { "windows" };
        event.push_str(field::HOST_OS_TYPE, system);
        if let Some(kind) = self.kind {
            event.class = kind.spec.class;
            kind.spec.category.iter().for_each(|word| event.push_str(field::EVENT_CATEGORY, word));
            kind.spec.types.iter().for_each(|word| event.push_str(field::EVENT_TYPE, word));
            event.push_str(field::EVENT_ACTION, kind.spec.action);
        }
        if let Some(level) = self.system.level {
            push_level(event, Value::Int(level));
        } else if let Some(level) = head.leaf(document, Role::Level) {
            push_level(event, document.value(level));
        }
    }

    /// Everything else, in the order of the record; a shipper's own mapping last, where ours says nothing.
    fn leaves(&mut self, document: &Document, names: &mut Names, out: &mut Output) {
        let mut shippers = false;
        for leaf in document.leaves().iter().copied() {
            let field = match names.meaning(leaf.node).role {
                Role::Data => names.data_field(leaf.node),
                Role::RootOther if self.writer == Writer::Flat => names.data_field(leaf.node),
                Role::RootOther => {
                    shippers = true;
                    continue;
                }
                Role::Account if self.account_is_data() => names.data_field(leaf.node),
                Role::ProviderName if self.provider_is_data => names.data_field(leaf.node),
                Role::ProcessId if self.nxlog => names.data_field(leaf.node),
                Role::EventType if !head::is_event_type(document.value(leaf)) => {
                    names.data_field(leaf.node)
                }
                Role::Message => {
                    let whole = self.system.message.take();
                    let value = whole.as_deref().map_or(document.value(leaf), Value::Str);
                    self.push(field::MESSAGE, value, out);
                    continue;
                }
                Role::Keywords => {
                    self.keywords(document.value(leaf));
                    continue;
                }
                Role::Plain | Role::Account | Role::ProcessId => {
                    let to = names.windows_field(leaf.node);
                    self.property(to, document.value(leaf), out);
                    continue;
                }
                _ => continue,
            };
            self.data(field, document.value(leaf), out);
        }
        if shippers {
            for leaf in document.leaves().iter().copied() {
                if names.meaning(leaf.node).role == Role::RootOther {
                    self.shippers(names.windows_field(leaf.node), document, leaf, out);
                }
            }
        }
    }

    /// Keywords: those of the event's own XML rather than their rendering.
    fn keywords(&mut self, value: Value<'_>) {
        match &self.system.keywords {
            Some(own) if self.event.has(field::WINLOG_KEYWORDS) || own.is_empty() => {}
            Some(own) => self.event.push_str(field::WINLOG_KEYWORDS, own),
            None => self.event.push_value(field::WINLOG_KEYWORDS, value),
        }
    }

    /// A property of the record.
    fn property(&mut self, to: Option<FieldId>, value: Value<'_>, out: &mut Output) {
        let own = match to {
            Some(field::WINLOG_TASK) => self.system.task,
            Some(field::WINLOG_OPCODE) => self.system.opcode,
            _ => None,
        };
        match (own, value) {
            (Some(number), _) => self.push_or_drop(to, Value::Int(number), out),
            // An empty element of the record's head says nothing.
            (None, Value::Null) => {}
            (None, value) => self.push_or_drop(to, value, out),
        }
    }

    /// `AccountName` and its kin are the record's user in NXLog's shape only; a service's account is data.
    fn account_is_data(&self) -> bool {
        !self.nxlog || self.services
    }

    fn data(&mut self, to: Option<FieldId>, value: Value<'_>, out: &mut Output) {
        let Some(to) = to else {
            self.event.fields_dropped += 1;
            return;
        };
        let rule = if self.unnamed_field == Some(to) {
            self.unnamed += 1;
            self.kind.and_then(|kind| kind.unnamed(self.unnamed - 1))
        } else {
            self.kind.and_then(|kind| kind.rule(to))
        };
        let redacted;
        let value = match value {
            Value::Str(text) => {
                redacted = self.redaction.text(text, &mut out.redacted);
                Value::Str(&redacted)
            }
            other => other,
        };
        let moved = match rule {
            Some(rule) => values::apply(&mut self.event, rule, value) && rule.moved,
            None => false,
        };
        if !moved {
            self.event.push_value(to, value);
        }
    }

    fn push(&mut self, to: FieldId, value: Value<'_>, out: &mut Output) {
        match value {
            Value::Str(text) => {
                let text = self.redaction.text(text, &mut out.redacted);
                self.event.push_str(to, &text);
            }
            other => self.event.push_value(to, other),
        }
    }

    fn push_or_drop(&mut self, to: Option<FieldId>, value: Value<'_>, out: &mut Output) {
        match to {
            Some(to) => self.push(to, value, out),
            None => self.event.fields_dropped += 1,
        }
    }

    fn shippers(&mut self, to: Option<FieldId>, document: &Document, leaf: Leaf, out: &mut Output) {
        let Some(to) = to else {
            self.event.fields_dropped += 1;
            return;
        };
        let known = self.taken.iter().find(|(known, _)| *known == to).map(|(_, taken)| *taken);
        let taken = known.unwrap_or_else(|| {
            let taken = self.event.has(to);
            self.taken.push((to, taken));
            taken
        });
        if !taken {
            self.push(to, document.value(leaf), out);
        }
    }
}

const LEVELS: [&str; 6] = ["information", "critical", "error", "warning", "information", "verbose"];

fn push_level(event: &mut Event, level: Value<'_>) {
    if let Some(number) = level.as_int() {
        event.push_int(field::WINLOG_LEVEL, number);
        let word = usize::try_from(number).ok().and_then(|number| LEVELS.get(number));
        event.push_str(field::LOG_LEVEL, word.copied().unwrap_or("information"));
        return;
    }
    let word = level.to_text().to_ascii_lowercase();
    let (number, word) = match word.as_str() {
        "critical" | "crit" => (1, "critical"),
        "error" => (2, "error"),
        "warning" | "warn" => (3, "warning"),
        "verbose" | "debug" => (5, "verbose"),
        "information" | "info" | "" => (4, "information"),
        other => {
            event.push_str(field::LOG_LEVEL, other);
            return;
        }
    };
    event.push_int(field::WINLOG_LEVEL, number);
    event.push_str(field::LOG_LEVEL, word);
}

#[cfg(test)]
mod tests;
