//! OTLP's JSON, cut where it may be: one record is the telemetry of one resource, and of one that is too long fewer log
//! records or spans under the same resource and scope. Only the nesting is known here.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::refusal::Refusal;
use super::split::Packer;
use crate::carrier::{Bounds, Chunk};
use crate::model::record::Shape;

/// Bytes around what is put into one document.
const FRAME_BYTES: usize = 128;

#[derive(Deserialize)]
struct Request<'a> {
    #[serde(borrow, default, rename = "resourceLogs")]
    logs: Vec<&'a RawValue>,
    #[serde(borrow, default, rename = "resourceSpans")]
    spans: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Resource<'a> {
    #[serde(borrow, default)]
    resource: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "scopeLogs", alias = "instrumentationLibraryLogs")]
    logs: Vec<Scope<'a>>,
    #[serde(borrow, default, rename = "scopeSpans", alias = "instrumentationLibrarySpans")]
    spans: Vec<Scope<'a>>,
}

#[derive(Deserialize)]
struct Scope<'a> {
    #[serde(borrow, default, alias = "instrumentationLibrary")]
    scope: Option<&'a RawValue>,
    #[serde(borrow, default, rename = "logRecords")]
    logs: Vec<&'a RawValue>,
    #[serde(borrow, default)]
    spans: Vec<&'a RawValue>,
}

#[derive(Serialize)]
struct Part<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<&'a RawValue>,
    #[serde(rename = "logRecords", skip_serializing_if = "<[_]>::is_empty")]
    logs: &'a [&'a RawValue],
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    spans: &'a [&'a RawValue],
}

/// The records of a request.
pub(super) fn split(body: &[u8], bounds: Bounds) -> Result<Vec<Chunk>, Refusal> {
    let failed = |error: serde_json::Error| Refusal::format(format!("not OTLP as JSON: {error}"));
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err(Refusal::format("not OTLP as JSON: no object"));
    }
    let Request { logs, spans } = serde_json::from_slice(body).map_err(failed)?;
    let mut packer = Packer::new(bounds);
    for (raw, is_span) in
        logs.into_iter().map(|raw| (raw, false)).chain(spans.into_iter().map(|raw| (raw, true)))
    {
        let (list, inner) = match is_span {
            false => ("resourceLogs", "scopeLogs"),
            true => ("resourceSpans", "scopeSpans"),
        };
        // What is no object is for the decoder to reject.
        if raw.get().len() + FRAME_BYTES <= bounds.record_bytes_max || !raw.get().starts_with('{') {
            let document = format!("{{\"{list}\":[{}]}}", raw.get());
            packer.push(document.as_bytes(), Shape::Json);
            continue;
        }
        let resource: Resource<'_> = serde_json::from_str(raw.get()).map_err(failed)?;
        let about = resource.resource.map_or("{}", RawValue::get);
        let mut emit = |scope: Option<&RawValue>, items: &[&RawValue]| {
            let (logs, spans): (&[_], &[_]) = if is_span { (&[], items) } else { (items, &[]) };
            let part = serde_json::to_string(&Part { scope, logs, spans }).map_err(failed)?;
            let document =
                format!("{{\"{list}\":[{{\"resource\":{about},\"{inner}\":[{part}]}}]}}");
            packer.push(document.as_bytes(), Shape::Json);
            Ok::<(), Refusal>(())
        };
        let scopes = if is_span { resource.spans } else { resource.logs };
        for Scope { scope, logs, spans } in scopes {
            let around = about.len() + scope.map_or(0, |scope| scope.get().len()) + FRAME_BYTES;
            let room = bounds.record_bytes_max.saturating_sub(around);
            let mut part: Vec<&RawValue> = Vec::new();
            let mut bytes = 0;
            for item in if is_span { spans } else { logs } {
                let len = item.get().len() + 1;
                if !part.is_empty() && bytes + len > room {
                    emit(scope, &part)?;
                    part.clear();
                    bytes = 0;
                }
                part.push(item);
                bytes += len;
            }
            if !part.is_empty() {
                emit(scope, &part)?;
            }
        }
    }
    Ok(packer.finish())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn documents(body: &Value, record_bytes_max: usize) -> Vec<Value> {
        let bounds = Bounds { record_bytes_max, ..Bounds::default() };
        let chunks = split(body.to_string().as_bytes(), bounds).unwrap();
        let of = |chunk: &Chunk| {
            let read = |record| serde_json::from_slice(chunk.bytes(record)).unwrap();
            chunk.records.iter().map(read).collect::<Vec<Value>>()
        };
        chunks.iter().flat_map(of).collect()
    }

    #[test]
    fn one_record_is_one_resource() {
        let one = json!({ "resource": { "attributes": [] }, "scopeLogs": [] });
        let two = json!({ "resource": {}, "scopeLogs": [{ "logRecords": [{}] }] });
        let span = json!({ "scopeSpans": [{ "spans": [{ "name": "a" }] }] });
        let body = json!({ "resourceLogs": [one, two], "resourceSpans": [span] });
        let found = documents(&body, 1 << 20);
        assert_eq!(found[1], json!({ "resourceLogs": [two] }));
        assert_eq!(found[2], json!({ "resourceSpans": [span] }));
        assert_eq!(found.len(), 3);
        assert!(split(b"{\"resourceLogs\":[", Bounds::default()).is_err());
        assert!(split(b"[[]]", Bounds::default()).is_err());
        assert!(split(b"{}", Bounds::default()).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn what_is_too_long_is_cut_and_nothing_is_lost(
            sizes in prop::collection::vec(1_usize..200, 1..40),
            is_span: bool,
        ) {
            let item = |(n, size): (usize, &usize)| json!({ "n": n, "body": "x".repeat(*size) });
            let items: Vec<Value> = sizes.iter().enumerate().map(item).collect();
            let body = match is_span {
                false => json!({ "resourceLogs": [{
                    "resource": { "a": 1 }, "scopeLogs": [{ "scope": { "name": "s" }, "logRecords": items }]
                }] }),
                true => json!({ "resourceSpans": [{
                    "resource": { "a": 1 }, "scopeSpans": [{ "scope": { "name": "s" }, "spans": items }]
                }] }),
            };
            let (list, inner, leaf) = match is_span {
                false => ("resourceLogs", "scopeLogs", "logRecords"),
                true => ("resourceSpans", "scopeSpans", "spans"),
            };
            let mut found = Vec::new();
            for document in documents(&body, 600) {
                prop_assert!(document.to_string().len() <= 600);
                let resource = &document[list][0];
                prop_assert_eq!(&resource["resource"]["a"], 1);
                for scope in resource[inner].as_array().unwrap() {
                    prop_assert_eq!(&scope["scope"]["name"], "s");
                    found.extend(scope[leaf].as_array().unwrap().iter().cloned());
                }
            }
            prop_assert_eq!(found, items);
        }
    }
}
