//! Splunk's HTTP event collector: events in their envelope, raw lines, and the health that forwarders ask for.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::json;
use serde_json::value::RawValue;

use super::admit::Gate;
use super::deliver::Taken;
use super::refusal::{Reason, Refusal};
use super::split::{self, Packer};
use crate::carrier::{Bounds, Chunk};
use crate::model::record::Shape;

/// What the collector calls an event that names no type.
const SOURCETYPE: &str = "httpevent";
/// What is wrong with a body, as the collector says it, with its number.
const FAULTS: [(&str, u16); 4] = [
    ("No data", 5),
    ("Invalid data format", 6),
    ("Event field is required", 12),
    ("Event field cannot be blank", 13),
];

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow, default)]
    event: Option<&'a RawValue>,
    #[serde(default)]
    sourcetype: Option<IgnoredAny>,
}

/// `POST /services/collector/event`: envelopes, one after the other.
pub(super) async fn events(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let bounds = gate.inlet.settings.bounds;
    let taken = async {
        let received = gate.receive(request).await?;
        gate.take("hec", String::new(), received, move |body| Ok((parse(body, bounds)?, ()))).await
    };
    answer(&gate, taken.await)
}

/// `POST /services/collector/raw`: lines, about which the query may say more.
pub(super) async fn raw(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let taken = async {
        let received = gate.receive(request).await?;
        let uri = &received.head.uri;
        let Query(query) = Query::<BTreeMap<String, String>>::try_from_uri(uri)
            .map_err(|error| Refusal::format(error.to_string()))?;
        let salt = uri.query().unwrap_or_default().to_owned();
        let settings = Arc::clone(&gate.inlet.settings);
        let parse = move |body: &[u8]| {
            let chunks = split::split(body, &settings.format, false, settings.bounds)?;
            if chunks.is_empty() {
                return Err(Refusal::format("No data"));
            }
            Ok((wrap(chunks, &query, settings.bounds), ()))
        };
        gate.take("hec raw", salt, received, parse).await
    };
    answer(&gate, taken.await)
}

/// `GET /services/collector/health`.
pub(super) async fn health(State(gate): State<Arc<Gate>>) -> Response {
    if gate.is_full() {
        let body = json!({ "text": "HEC is unhealthy, queues are full", "code": 18 });
        return (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response();
    }
    Json(json!({ "text": "HEC is healthy", "code": 17 })).into_response()
}

fn answer(gate: &Gate, taken: Result<(Taken, ()), Refusal>) -> Response {
    let refusal = match taken {
        Ok((taken, ())) if taken.repeated > 0 => {
            let body = json!({ "text": "Success", "code": 0, "repeated": taken.repeated });
            return Json(body).into_response();
        }
        Ok(_) => return Json(json!({ "text": "Success", "code": 0 })).into_response(),
        Err(refusal) => gate.refused(refusal),
    };
    let fault = FAULTS.iter().find(|(text, _)| refusal.message.starts_with(text));
    let (text, code) = match (refusal.reason, fault) {
        (Reason::NoKey, _) => ("Token is required", 2),
        (Reason::WrongKey, _) => ("Invalid token", 4),
        (Reason::Busy | Reason::NotDurable | Reason::Rate, _) => ("Server is busy", 9),
        (_, Some((text, code))) => (*text, *code),
        _ => ("Invalid data format", 6),
    };
    let body = json!({ "text": text, "code": code, "detail": refusal.message });
    let mut answer = refusal.mark(Json(body).into_response());
    if refusal.reason == Reason::WrongKey {
        *answer.status_mut() = StatusCode::FORBIDDEN;
    }
    answer
}

/// The envelopes of a body. One that is wrong makes all of it a mistake, as in Splunk: nothing of it is taken.
fn parse(body: &[u8], bounds: Bounds) -> Result<Vec<Chunk>, Refusal> {
    let mut packer = Packer::new(bounds);
    let mut any = false;
    let envelopes = serde_json::Deserializer::from_slice(body).into_iter::<&RawValue>();
    for (number, envelope) in envelopes.enumerate() {
        let invalid = |error: serde_json::Error| {
            Refusal::format(format!("Invalid data format: event {number}: {error}"))
        };
        let envelope = envelope.map_err(invalid)?.get();
        if !envelope.starts_with('{') {
            let message = format!("Invalid data format: event {number}: no object");
            return Err(Refusal::format(message));
        }
        let Event { event, sourcetype } = serde_json::from_str(envelope).map_err(invalid)?;
        match event.map(RawValue::get) {
            None | Some("null") => {
                let message = format!("Event field is required: event {number}");
                return Err(Refusal::format(message));
            }
            Some("\"\"") => {
                let message = format!("Event field cannot be blank: event {number}");
                return Err(Refusal::format(message));
            }
            Some(_) => {}
        }
        match (sourcetype, envelope.strip_prefix('{')) {
            // The type is what the envelope is recognised by.
            (None, Some(rest)) => {
                let envelope = format!("{{\"sourcetype\":\"{SOURCETYPE}\",{rest}");
                packer.push(envelope.as_bytes(), Shape::Json);
            }
            _ => packer.push(envelope.as_bytes(), Shape::Json),
        }
        any = true;
    }
    if any { Ok(packer.finish()) } else { Err(Refusal::format("No data")) }
}

/// Raw lines with what the query says about them.
fn wrap(chunks: Vec<Chunk>, query: &BTreeMap<String, String>, bounds: Bounds) -> Vec<Chunk> {
    let about: Vec<_> = ["host", "source", "sourcetype", "index"]
        .into_iter()
        .filter_map(|name| Some((name, query.get(name)?)))
        .collect();
    if about.is_empty() {
        return chunks;
    }
    let mut packer = Packer::new(bounds);
    for chunk in &chunks {
        for record in &chunk.records {
            let bytes = chunk.bytes(record);
            let Some(line) =
                std::str::from_utf8(bytes).ok().filter(|_| record.shape == Shape::Line)
            else {
                packer.keep(bytes, record);
                continue;
            };
            let mut envelope = json!({ "sourcetype": SOURCETYPE, "event": line });
            for (name, value) in &about {
                if let Some(fields) = envelope.as_object_mut() {
                    fields.insert((*name).to_owned(), json!(value));
                }
            }
            packer.push(envelope.to_string().as_bytes(), Shape::Json);
        }
    }
    packer.finish()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(chunks: &[Chunk]) -> Vec<String> {
        let of = |chunk: &Chunk| {
            let text = |record| String::from_utf8(chunk.bytes(record).to_vec()).unwrap();
            chunk.records.iter().map(text).collect::<Vec<_>>()
        };
        chunks.iter().flat_map(of).collect()
    }

    fn parsed(body: &str) -> Result<Vec<String>, Refusal> {
        Ok(texts(&parse(body.as_bytes(), Bounds::default())?))
    }

    #[test]
    fn envelopes_stand_one_after_the_other_with_or_without_space() {
        let found =
            parsed("{\"event\":\"a\",\"sourcetype\":\"t\"}{\"event\":{\"b\":1}}\n{\"event\":2}")
                .unwrap();
        assert_eq!(
            found,
            [
                "{\"event\":\"a\",\"sourcetype\":\"t\"}",
                "{\"sourcetype\":\"httpevent\",\"event\":{\"b\":1}}",
                "{\"sourcetype\":\"httpevent\",\"event\":2}",
            ]
        );
        for (body, says) in [
            ("", "No data"),
            (" \n", "No data"),
            ("{\"event\":1}{\"event\":", "Invalid data format: event 1"),
            ("{\"event\":1} x", "Invalid data format: event 1"),
            ("[]", "Invalid data format: event 0"),
            ("{\"event\":1}{\"time\":1}", "Event field is required: event 1"),
            ("{\"event\":null}", "Event field is required"),
            ("{\"event\":\"\"}", "Event field cannot be blank"),
        ] {
            let error = parsed(body).unwrap_err().message;
            assert!(error.starts_with(says), "{body}: {error}");
            assert!(FAULTS.iter().any(|(text, _)| error.starts_with(text)));
        }
    }

    #[test]
    fn raw_lines_learn_what_the_query_says() {
        let bounds = Bounds::default();
        let chunks = || split::split(b"one\ntwo", "auto", false, bounds).unwrap();
        assert_eq!(texts(&wrap(chunks(), &BTreeMap::new(), bounds)), ["one", "two"]);
        let query = BTreeMap::from([("host".to_owned(), "w\"1".to_owned())]);
        let wrapped = texts(&wrap(chunks(), &query, bounds));
        assert_eq!(wrapped[1], r#"{"sourcetype":"httpevent","event":"two","host":"w\"1"}"#);
    }

    proptest! {
        #[test]
        fn any_body_does_no_harm(body in "(\\{\"event\":[0-9a-z\"{}]{0,5}\\}|[ -~]{0,20}){0,6}") {
            if let Ok(found) = parsed(&body) {
                prop_assert!(!found.is_empty());
            }
        }
    }
}
