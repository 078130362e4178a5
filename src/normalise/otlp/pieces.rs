//! A request taken apart into its log records and spans, each of which is read on its own: one that cannot be read takes
//! away nothing but itself. A resource or a scope that cannot be read takes away what is in it, for nobody knows what
//! that would be. Only the nesting is known here; what the fields mean stands in [`super::messages`].

use prost::Message;
use serde::Deserialize;
use serde_json::value::RawValue;

use super::messages::{LogRecord, Resource, ResourceLogs, Scope, ScopeLogs, Span};
use super::{OtlpError, Signal, Work};
use crate::carrier::protobuf;

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Written<'a> {
    #[serde(borrow)]
    resource_logs: Vec<&'a RawValue>,
    #[serde(borrow)]
    resource_spans: Vec<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WrittenResource<'a> {
    resource: Option<Resource>,
    #[serde(borrow, alias = "instrumentationLibraryLogs")]
    scope_logs: Vec<&'a RawValue>,
    #[serde(borrow, alias = "instrumentationLibrarySpans")]
    scope_spans: Vec<&'a RawValue>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct WrittenScope<'a> {
    #[serde(alias = "instrumentationLibrary")]
    scope: Option<Scope>,
    #[serde(borrow)]
    log_records: Vec<&'a RawValue>,
    #[serde(borrow)]
    spans: Vec<&'a RawValue>,
}

/// Take a request in JSON apart.
pub(super) fn json<'b>(bytes: &'b [u8], work: &mut Work<'_, '_, 'b>) -> Result<(), OtlpError> {
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let Written { resource_logs, resource_spans } =
        serde_json::from_slice(text).map_err(OtlpError::json)?;
    for resource in resource_logs {
        json_resource(resource.get(), Signal::Log, work);
    }
    for resource in resource_spans {
        json_resource(resource.get(), Signal::Span, work);
    }
    Ok(())
}

fn json_resource<'b>(text: &'b str, signal: Signal, work: &mut Work<'_, '_, 'b>) {
    let WrittenResource { resource, scope_logs, scope_spans } = match serde_json::from_str(text) {
        Ok(resource) => resource,
        Err(error) => return work.unreadable(text.as_bytes(), OtlpError::json(error)),
    };
    let scopes = match signal {
        Signal::Log => scope_logs,
        Signal::Span => scope_spans,
    };
    for raw in scopes {
        let WrittenScope { scope, log_records, spans } = match serde_json::from_str(raw.get()) {
            Ok(scope) => scope,
            Err(error) => {
                work.unreadable(raw.get().as_bytes(), OtlpError::json(error));
                continue;
            }
        };
        let (resource, scope) = (resource.as_ref(), scope.as_ref());
        let records = match signal {
            Signal::Log => log_records,
            Signal::Span => spans,
        };
        for raw in records {
            let text = raw.get();
            let done = match signal {
                Signal::Log => serde_json::from_str::<LogRecord>(text)
                    .map(|record| work.log(resource, scope, &record)),
                Signal::Span => {
                    serde_json::from_str::<Span>(text).map(|span| work.span(resource, scope, &span))
                }
            };
            if let Err(error) = done {
                work.unreadable(text.as_bytes(), OtlpError::json(error));
            }
        }
    }
}

/// Take a request in protobuf apart.
pub(super) fn protobuf<'b>(bytes: &'b [u8], work: &mut Work<'_, '_, 'b>) -> Result<(), OtlpError> {
    let signal = signal(bytes);
    for resource in Level::read(bytes, RESOURCES)?.inner {
        protobuf_resource(resource, signal, work);
    }
    Ok(())
}

fn protobuf_resource<'b>(bytes: &'b [u8], signal: Signal, work: &mut Work<'_, '_, 'b>) {
    // Around what they list, logs and traces have the same fields.
    let read = Level::read(bytes, SCOPES)
        .and_then(|level| Ok((decode::<ResourceLogs>(&level.about)?.resource, level.inner)));
    let (resource, scopes) = match read {
        Ok(read) => read,
        Err(error) => return work.unreadable(bytes, error),
    };
    for bytes in scopes {
        let read = Level::read(bytes, RECORDS)
            .and_then(|level| Ok((decode::<ScopeLogs>(&level.about)?.scope, level.inner)));
        let (scope, records) = match read {
            Ok(read) => read,
            Err(error) => {
                work.unreadable(bytes, error);
                continue;
            }
        };
        let (resource, scope) = (resource.as_ref(), scope.as_ref());
        for bytes in records {
            let done = match signal {
                Signal::Log => decode(bytes).map(|record| work.log(resource, scope, &record)),
                Signal::Span => decode(bytes).map(|span| work.span(resource, scope, &span)),
            };
            if let Err(error) = done {
                work.unreadable(bytes, error);
            }
        }
    }
}

/// The number of the field of a request that holds a resource's telemetry.
const RESOURCES: u32 = 1;
/// The number of the field of a resource's telemetry that holds a scope's.
const SCOPES: u32 = 2;
/// The number of the field of a scope's telemetry that holds a log record or a span.
const RECORDS: u32 = 2;

/// One level of the nesting: what it says of itself, and what it lists.
struct Level<'b> {
    about: Vec<u8>,
    inner: Vec<&'b [u8]>,
}

impl<'b> Level<'b> {
    fn read(bytes: &'b [u8], list: u32) -> Result<Level<'b>, OtlpError> {
        let mut level = Level { about: Vec::new(), inner: Vec::new() };
        let mut rest = bytes;
        while !rest.is_empty() {
            let Some((field, after)) = protobuf::field(rest) else {
                return Err(OtlpError::NotProtobuf("a field cannot be read".to_owned()));
            };
            match field.content {
                Some(content) if field.number == list => level.inner.push(content),
                None if field.number == list => {
                    let why = format!("field {list} is no message");
                    return Err(OtlpError::NotProtobuf(why));
                }
                _ => level.about.extend_from_slice(field.whole),
            }
            rest = after;
        }
        Ok(level)
    }
}

fn decode<M: Message + Default>(bytes: &[u8]) -> Result<M, OtlpError> {
    M::decode(bytes).map_err(|error| OtlpError::NotProtobuf(error.to_string()))
}

/// Logs and traces nest alike in protobuf. The first field of a span is its trace's id, that of a log record a time; both
/// may be left out, but then others tell. The most of those that tell decide, so that a damaged one says nothing of the
/// others.
fn signal(bytes: &[u8]) -> Signal {
    let inner = |bytes, number| {
        fields(bytes).filter(move |it| it.number == number).filter_map(|it| it.content)
    };
    let records =
        inner(bytes, RESOURCES).flat_map(|it| inner(it, SCOPES)).flat_map(|it| inner(it, RECORDS));
    let told = records.take(RECORDS_LOOKED_AT).filter_map(|record| {
        fields(record).find_map(|field| {
            match (field.number, field.whole.first().map(|tag| tag & 7)) {
                (1 | 2, Some(2)) | (7 | 8, Some(1)) => Some(Signal::Span),
                (1, Some(1)) | (2, Some(0)) | (8, Some(5)) | (11, Some(1)) => Some(Signal::Log),
                _ => None,
            }
        })
    });
    let (spans, logs): (Vec<Signal>, Vec<Signal>) = told.partition(|it| *it == Signal::Span);
    if spans.len() > logs.len() { Signal::Span } else { Signal::Log }
}

/// Records that are looked at to tell logs from traces.
const RECORDS_LOOKED_AT: usize = 100;

fn fields(mut bytes: &[u8]) -> impl Iterator<Item = protobuf::Field<'_>> {
    std::iter::from_fn(move || {
        let (one, rest) = protobuf::field(bytes)?;
        bytes = rest;
        Some(one)
    })
}
