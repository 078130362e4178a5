//! OpenTelemetry's logs and traces, as JSON (`{"resourceLogs": […]}`, `{"resourceSpans": […]}`) or protobuf: one set of
//! leaves for each log record and each span. One that cannot be read is said with its own bytes and takes nothing away from
//! the others.
//!
//! The leaves: `signal` (`log` or `span`), `time` (ISO 8601; of a span its begin), `trace_id`, `span_id`, the attributes
//! under `attributes.`, those of the resource under `resource.`, the scope under `scope.`. A log record has `message`
//! (a body that is a text; another is under `body.`), `severity_number`, `severity_text`, `event_name`,
//! `observed_time`. A span has `name`, `kind`, `parent_span_id`, `end_time`, `duration` (nanoseconds), `status`,
//! `status_message`, `events.`.

pub mod messages;
mod pieces;

use std::fmt::Write;

use base64::Engine;

use self::messages::{AnyValue, KeyValue, Kind, LogRecord, Resource, Scope, Span};
use crate::model::event::Value;
use crate::normalise::document::Document;
use crate::normalise::names::{Names, NodeId};
use crate::stdx::limits::JSON_DEPTH_MAX;
use crate::stdx::time::Timestamp;

/// Why a record holds no telemetry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OtlpError {
    /// No JSON of this form.
    #[error("not OTLP as JSON: {0}")]
    NotJson(String),
    /// No message of this form.
    #[error("not OTLP as protobuf: {0}")]
    NotProtobuf(String),
    /// A request without log records or spans.
    #[error("a request without log records and spans")]
    Empty,
}

impl OtlpError {
    /// The stable word it is counted by.
    pub fn reason(&self) -> &'static str {
        match self {
            OtlpError::NotJson(_) => "not_otlp_json",
            OtlpError::NotProtobuf(_) => "not_otlp",
            OtlpError::Empty => "empty_list",
        }
    }

    fn json(error: serde_json::Error) -> OtlpError {
        OtlpError::NotJson(error.to_string())
    }
}

/// How a request is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As JSON.
    Json,
    /// As protobuf.
    Protobuf,
}

/// What a set of leaves is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signal {
    /// A log record.
    Log,
    /// A span.
    Span,
}

/// One log record or span.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Item {
    /// Which of them.
    pub signal: Signal,
    /// When it happened, or when it was collected.
    pub time: Option<Timestamp>,
    /// Its number in the request, from 0.
    pub index: u64,
}

/// What a request holds and nobody can read: a log record or a span, or the telemetry of a whole scope or resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable<'b> {
    /// Its number in the request, from 0.
    pub index: u64,
    /// It as it came.
    pub bytes: &'b [u8],
    /// Why.
    pub error: OtlpError,
}

/// Takes one log record or span; the document holds its leaves. Or what cannot be read.
pub type Each<'e, 'b> = dyn FnMut(Result<Item, Unreadable<'b>>, &mut Document, &mut Names) + 'e;

/// Does this JSON text look like a request, by its first key?
pub fn is_request(json: &str) -> bool {
    let rest = json.trim_start().strip_prefix('{').map(str::trim_start);
    rest.is_some_and(|rest| {
        rest.starts_with("\"resourceLogs\"") || rest.starts_with("\"resourceSpans\"")
    })
}

/// Read a request; `each` is called for every log record and span, and may change the document as it likes, and for
/// everything in it that cannot be read. Returns how many there were.
///
/// # Errors
/// The bytes are no request, or one without anything; `each` was not called then.
pub fn read<'b>(
    bytes: &'b [u8],
    form: Form,
    document: &mut Document,
    names: &mut Names,
    each: &mut Each<'_, 'b>,
) -> Result<u64, OtlpError> {
    let mut work = Work { document, names, each, index: 0 };
    match form {
        Form::Json => pieces::json(bytes, &mut work)?,
        Form::Protobuf => pieces::protobuf(bytes, &mut work)?,
    }
    if work.index == 0 { Err(OtlpError::Empty) } else { Ok(work.index) }
}

struct Work<'a, 'e, 'b> {
    document: &'a mut Document,
    names: &'a mut Names,
    each: &'a mut Each<'e, 'b>,
    index: u64,
}

impl<'b> Work<'_, '_, 'b> {
    fn log(&mut self, resource: Option<&Resource>, scope: Option<&Scope>, record: &LogRecord) {
        self.begin("log", resource, scope);
        let time = instant(record.time_unix_nano);
        let observed = instant(record.observed_time_unix_nano);
        self.time("time", time.map_or(record.observed_time_unix_nano, |_| record.time_unix_nano));
        self.time("observed_time", record.observed_time_unix_nano);
        if record.severity_number != 0 {
            self.value("severity_number", Value::Int(record.severity_number.into()));
        }
        self.text("severity_text", &record.severity_text);
        self.text("event_name", &record.event_name);
        self.id("trace_id", &record.trace_id);
        self.id("span_id", &record.span_id);
        match record.body.as_ref().and_then(|body| body.value.as_ref()) {
            Some(Kind::Text(text)) => self.value("message", Value::Str(text)),
            Some(other) => {
                let node = self.root("body");
                self.any(node, other, 0);
            }
            None => {}
        }
        self.attributes("attributes", &record.attributes);
        self.end(Signal::Log, time.or(observed));
    }

    fn span(&mut self, resource: Option<&Resource>, scope: Option<&Scope>, span: &Span) {
        self.begin("span", resource, scope);
        let (start, end) = (span.start_time_unix_nano, span.end_time_unix_nano);
        self.time("time", start);
        self.time("end_time", end);
        if let Some(duration) = end.checked_sub(start).filter(|_| start > 0) {
            self.value("duration", Value::Int(i64::try_from(duration).unwrap_or(i64::MAX)));
        }
        self.id("trace_id", &span.trace_id);
        self.id("span_id", &span.span_id);
        self.id("parent_span_id", &span.parent_span_id);
        self.text("name", &span.name);
        let kind = match span.kind {
            1 => "internal",
            2 => "server",
            3 => "client",
            4 => "producer",
            5 => "consumer",
            _ => "",
        };
        self.text("kind", kind);
        if let Some(status) = &span.status {
            let code = match status.code {
                1 => "ok",
                2 => "error",
                _ => "",
            };
            self.text("status", code);
            self.text("status_message", &status.message);
        }
        self.attributes("attributes", &span.attributes);
        for event in &span.events {
            let node = self.root("events");
            let name = self.names.child(node, "name");
            self.document.push_text(name, &event.name);
            let below = self.names.child(node, "attributes");
            self.members(below, &event.attributes, 0);
        }
        self.end(Signal::Span, instant(start).or(instant(end)));
    }

    fn begin(&mut self, signal: &str, resource: Option<&Resource>, scope: Option<&Scope>) {
        self.document.clear();
        self.value("signal", Value::Str(signal));
        if let Some(resource) = resource {
            self.attributes("resource", &resource.attributes);
        }
        if let Some(scope) = scope {
            let node = self.root("scope");
            for (key, text) in [("name", &scope.name), ("version", &scope.version)] {
                if !text.is_empty() {
                    let node = self.names.child(node, key);
                    self.document.push_text(node, text);
                }
            }
            let below = self.names.child(node, "attributes");
            self.members(below, &scope.attributes, 0);
        }
    }

    fn end(&mut self, signal: Signal, time: Option<Timestamp>) {
        let item = Item { signal, time, index: self.index };
        self.index += 1;
        (self.each)(Ok(item), self.document, self.names);
    }

    fn unreadable(&mut self, bytes: &'b [u8], error: OtlpError) {
        let unreadable = Unreadable { index: self.index, bytes, error };
        self.index += 1;
        (self.each)(Err(unreadable), self.document, self.names);
    }

    fn root(&mut self, key: &str) -> NodeId {
        self.names.child(NodeId::ROOT, key)
    }

    fn value(&mut self, key: &str, value: Value<'_>) {
        let node = self.root(key);
        self.document.push_value(node, value);
    }

    fn text(&mut self, key: &str, text: &str) {
        if !text.is_empty() {
            self.value(key, Value::Str(text));
        }
    }

    fn time(&mut self, key: &str, nanos: u64) {
        if let Some(at) = instant(nanos) {
            self.value(key, Value::Str(&at.to_string()));
        }
    }

    /// An id of nothing but zeroes is none.
    fn id(&mut self, key: &str, id: &[u8]) {
        if id.iter().all(|byte| *byte == 0) {
            return;
        }
        let mut text = String::with_capacity(2 * id.len());
        for byte in id {
            // Writing into a text cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        self.value(key, Value::Str(&text));
    }

    fn attributes(&mut self, key: &str, attributes: &[KeyValue]) {
        if !attributes.is_empty() {
            let node = self.root(key);
            self.members(node, attributes, 0);
        }
    }

    fn members(&mut self, node: NodeId, members: &[KeyValue], depth: usize) {
        for member in members {
            if let Some(value) = member.value.as_ref().and_then(|value| value.value.as_ref()) {
                let child = self.names.child(node, &member.key);
                self.any(child, value, depth + 1);
            }
        }
    }

    fn any(&mut self, node: NodeId, value: &Kind, depth: usize) {
        if depth > JSON_DEPTH_MAX {
            self.document.left_out = self.document.left_out.saturating_add(1);
            return;
        }
        match value {
            Kind::Text(text) => self.document.push_text(node, text),
            Kind::Truth(truth) => self.document.push_value(node, Value::Bool(*truth)),
            Kind::Whole(number) => self.document.push_value(node, Value::Int(*number)),
            Kind::Float(number) => self.document.push_value(node, Value::Float(*number)),
            Kind::Bytes(bytes) => {
                let text = base64::engine::general_purpose::STANDARD.encode(bytes);
                self.document.push_text(node, &text);
            }
            Kind::List(list) => {
                let values = list.values.iter().filter_map(|AnyValue { value }| value.as_ref());
                values.for_each(|value| self.any(node, value, depth + 1));
            }
            Kind::Object(object) => self.members(node, &object.values, depth),
        }
    }
}

/// Nanoseconds since the epoch; 0 is none.
fn instant(nanos: u64) -> Option<Timestamp> {
    let micros = i64::try_from(nanos / 1_000).ok()?;
    (nanos > 0).then_some(Timestamp(micros))
}

#[cfg(test)]
mod tests;
