//! OpenTelemetry's messages for logs and traces, as far as we read them: one form for protobuf and JSON, by the numbers
//! and names of `opentelemetry/proto` 1.x. What is not listed is passed over.

use std::fmt;

use base64::Engine;
use prost::Message;
use serde::Deserialize;
use serde::de::{Deserializer, Error, IgnoredAny, MapAccess, Visitor};

/// Logs.
#[derive(Clone, PartialEq, Message)]
pub struct Request {
    /// Logs.
    #[prost(message, repeated, tag = "1")]
    pub resource_logs: Vec<ResourceLogs>,
}

/// The logs of one resource.
#[derive(Clone, PartialEq, Message)]
pub struct ResourceLogs {
    /// What they come from.
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    /// By scope.
    #[prost(message, repeated, tag = "2")]
    pub scope_logs: Vec<ScopeLogs>,
}

/// The logs of one scope.
#[derive(Clone, PartialEq, Message)]
pub struct ScopeLogs {
    /// What wrote them.
    #[prost(message, optional, tag = "1")]
    pub scope: Option<Scope>,
    /// The records.
    #[prost(message, repeated, tag = "2")]
    pub log_records: Vec<LogRecord>,
}

/// Traces.
#[derive(Clone, PartialEq, Message)]
pub struct TraceRequest {
    /// By resource.
    #[prost(message, repeated, tag = "1")]
    pub resource_spans: Vec<ResourceSpans>,
}

/// The spans of one resource.
#[derive(Clone, PartialEq, Message)]
pub struct ResourceSpans {
    /// What they come from.
    #[prost(message, optional, tag = "1")]
    pub resource: Option<Resource>,
    /// By scope.
    #[prost(message, repeated, tag = "2")]
    pub scope_spans: Vec<ScopeSpans>,
}

/// The spans of one scope.
#[derive(Clone, PartialEq, Message)]
pub struct ScopeSpans {
    /// What wrote them.
    #[prost(message, optional, tag = "1")]
    pub scope: Option<Scope>,
    /// The spans.
    #[prost(message, repeated, tag = "2")]
    pub spans: Vec<Span>,
}

/// What telemetry comes from.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Resource {
    /// `service.name`, `host.name`, …
    #[prost(message, repeated, tag = "1")]
    pub attributes: Vec<KeyValue>,
}

/// What wrote telemetry.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Scope {
    /// The library or logger.
    #[prost(string, tag = "1")]
    pub name: String,
    /// Its version.
    #[prost(string, tag = "2")]
    pub version: String,
    /// More about it.
    #[prost(message, repeated, tag = "3")]
    pub attributes: Vec<KeyValue>,
}

/// One log record.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct LogRecord {
    /// When it happened; 0: unknown.
    #[prost(fixed64, tag = "1")]
    #[serde(deserialize_with = "number")]
    pub time_unix_nano: u64,
    /// 1 to 24.
    #[prost(int32, tag = "2")]
    pub severity_number: i32,
    /// As the writer calls it.
    #[prost(string, tag = "3")]
    pub severity_text: String,
    /// The message.
    #[prost(message, optional, tag = "5")]
    pub body: Option<AnyValue>,
    /// More about it.
    #[prost(message, repeated, tag = "6")]
    pub attributes: Vec<KeyValue>,
    /// The trace it belongs to.
    #[prost(bytes = "vec", tag = "9")]
    #[serde(deserialize_with = "hexadecimal")]
    pub trace_id: Vec<u8>,
    /// The span it belongs to.
    #[prost(bytes = "vec", tag = "10")]
    #[serde(deserialize_with = "hexadecimal")]
    pub span_id: Vec<u8>,
    /// When it was collected.
    #[prost(fixed64, tag = "11")]
    #[serde(deserialize_with = "number")]
    pub observed_time_unix_nano: u64,
    /// What kind of event it is.
    #[prost(string, tag = "12")]
    pub event_name: String,
}

/// One span.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Span {
    /// The trace it belongs to.
    #[prost(bytes = "vec", tag = "1")]
    #[serde(deserialize_with = "hexadecimal")]
    pub trace_id: Vec<u8>,
    /// Its own id.
    #[prost(bytes = "vec", tag = "2")]
    #[serde(deserialize_with = "hexadecimal")]
    pub span_id: Vec<u8>,
    /// The span it is within.
    #[prost(bytes = "vec", tag = "4")]
    #[serde(deserialize_with = "hexadecimal")]
    pub parent_span_id: Vec<u8>,
    /// What was done.
    #[prost(string, tag = "5")]
    pub name: String,
    /// 1 internal, 2 server, 3 client, 4 producer, 5 consumer.
    #[prost(int32, tag = "6")]
    pub kind: i32,
    /// When it began.
    #[prost(fixed64, tag = "7")]
    #[serde(deserialize_with = "number")]
    pub start_time_unix_nano: u64,
    /// When it ended.
    #[prost(fixed64, tag = "8")]
    #[serde(deserialize_with = "number")]
    pub end_time_unix_nano: u64,
    /// More about it.
    #[prost(message, repeated, tag = "9")]
    pub attributes: Vec<KeyValue>,
    /// What happened within.
    #[prost(message, repeated, tag = "11")]
    pub events: Vec<SpanEvent>,
    /// How it ended.
    #[prost(message, optional, tag = "15")]
    pub status: Option<Status>,
}

/// Something that happened within a span.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SpanEvent {
    /// When.
    #[prost(fixed64, tag = "1")]
    #[serde(deserialize_with = "number")]
    pub time_unix_nano: u64,
    /// What.
    #[prost(string, tag = "2")]
    pub name: String,
    /// More about it.
    #[prost(message, repeated, tag = "3")]
    pub attributes: Vec<KeyValue>,
}

/// How a span ended.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Status {
    /// In words.
    #[prost(string, tag = "2")]
    pub message: String,
    /// 0 unset, 1 ok, 2 error.
    #[prost(int32, tag = "3")]
    pub code: i32,
}

/// An attribute.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct KeyValue {
    /// Its name.
    #[prost(string, tag = "1")]
    pub key: String,
    /// Its value.
    #[prost(message, optional, tag = "2")]
    pub value: Option<AnyValue>,
}

/// A value of any kind.
#[derive(Clone, PartialEq, Message)]
pub struct AnyValue {
    /// `None`: it says nothing.
    #[prost(oneof = "Kind", tags = "1, 2, 3, 4, 5, 6, 7")]
    pub value: Option<Kind>,
}

/// The kinds of values.
#[derive(Clone, PartialEq, prost::Oneof)]
pub enum Kind {
    /// A text.
    #[prost(string, tag = "1")]
    Text(String),
    /// True or false.
    #[prost(bool, tag = "2")]
    Truth(bool),
    /// A whole number.
    #[prost(int64, tag = "3")]
    Whole(i64),
    /// A floating number.
    #[prost(double, tag = "4")]
    Float(f64),
    /// Several values.
    #[prost(message, tag = "5")]
    List(Values),
    /// Several values with names.
    #[prost(message, tag = "6")]
    Object(Members),
    /// Bytes.
    #[prost(bytes, tag = "7")]
    Bytes(Vec<u8>),
}

/// Several values.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct Values {
    /// In order.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<AnyValue>,
}

/// Several values with names.
#[derive(Clone, PartialEq, Message, Deserialize)]
#[serde(default)]
pub struct Members {
    /// In order.
    #[prost(message, repeated, tag = "1")]
    pub values: Vec<KeyValue>,
}

impl<'de> Deserialize<'de> for AnyValue {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<AnyValue, D::Error> {
        struct Reader;
        impl<'de> Visitor<'de> for Reader {
            type Value = AnyValue;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("a value of OpenTelemetry")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<AnyValue, A::Error> {
                let mut value = None;
                while let Some(key) = map.next_key::<String>()? {
                    value = match key.as_str() {
                        "stringValue" => Some(Kind::Text(map.next_value()?)),
                        "boolValue" => Some(Kind::Truth(map.next_value()?)),
                        "intValue" => Some(Kind::Whole(map.next_value::<Whole>()?.0)),
                        "doubleValue" => Some(Kind::Float(map.next_value::<Float>()?.0)),
                        "arrayValue" => Some(Kind::List(map.next_value()?)),
                        "kvlistValue" => Some(Kind::Object(map.next_value()?)),
                        "bytesValue" => {
                            let text: String = map.next_value()?;
                            let bytes = base64::engine::general_purpose::STANDARD.decode(text);
                            Some(Kind::Bytes(bytes.map_err(A::Error::custom)?))
                        }
                        _ => {
                            map.next_value::<IgnoredAny>()?;
                            value
                        }
                    };
                }
                Ok(AnyValue { value })
            }
        }
        reader.deserialize_map(Reader)
    }
}

/// JSON writes numbers of 64 bits as text, and some writers do not.
#[derive(Deserialize)]
#[serde(untagged)]
enum Either<T> {
    Number(T),
    Text(String),
}

struct Whole(i64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Whole, D::Error> {
        match Either::deserialize(reader)? {
            Either::Number(number) => Ok(Whole(number)),
            Either::Text(text) => text.parse().map(Whole).map_err(D::Error::custom),
        }
    }
}

struct Float(f64);

impl<'de> Deserialize<'de> for Float {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Float, D::Error> {
        match Either::deserialize(reader)? {
            Either::Number(number) => Ok(Float(number)),
            Either::Text(text) => text.parse().map(Float).map_err(D::Error::custom),
        }
    }
}

fn number<'de, D: Deserializer<'de>>(reader: D) -> Result<u64, D::Error> {
    match Either::deserialize(reader)? {
        Either::Number(number) => Ok(number),
        Either::Text(text) if text.is_empty() => Ok(0),
        Either::Text(text) => text.parse().map_err(D::Error::custom),
    }
}

/// JSON writes the ids of traces and spans as hexadecimal digits, unlike other bytes.
fn hexadecimal<'de, D: Deserializer<'de>>(reader: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(reader)?;
    let pairs = text.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    pairs.collect::<Option<_>>().ok_or_else(|| D::Error::custom("an id is no hexadecimal number"))
}
