//! The `_bulk` of Elasticsearch, and the few calls that shippers make before it: so that Beats, Vector, Fluent Bit and
//! Logstash can point at us. Documents become records; nothing of indices, templates and life cycles is kept.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use super::admit::Gate;
use super::deliver::Taken;
use super::refusal::{Reason, Refusal};
use super::split::Packer;
use crate::carrier::{Bounds, Chunk};
use crate::model::record::Shape;

/// The version that we say we are: what shippers of today talk to.
const VERSION: &str = "8.17.0";
/// Elasticsearch's clients look for this header and stop without it.
const PRODUCT: (HeaderName, HeaderValue) =
    (HeaderName::from_static("x-elastic-product"), HeaderValue::from_static("Elasticsearch"));
/// An answer's text of a client's name.
const NAME_CHARS_MAX: usize = 512;

/// The line before a document.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    Index(Meta),
    Create(Meta),
    Update(Meta),
    Delete(Meta),
}

#[derive(Debug, Default, Deserialize)]
struct Meta {
    #[serde(rename = "_index", default)]
    index: String,
    #[serde(rename = "_id", default)]
    id: Option<String>,
}

/// One item of the answer.
#[derive(Debug, PartialEq, Eq)]
struct Item {
    action: &'static str,
    index: String,
    id: String,
    /// Why it was not taken.
    fault: Option<&'static str>,
}

/// `POST /_bulk` and `POST /INDEX/_bulk`.
pub(super) async fn bulk(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    match take(&gate, request).await {
        Ok((taken, items)) => of_elasticsearch(Json(answer(taken, &items)).into_response()),
        Err(refusal) => refuse(&gate, refusal),
    }
}

async fn take(gate: &Gate, request: Request) -> Result<(Taken, Vec<Item>), Refusal> {
    let received = gate.receive(request).await?;
    let path = received.head.uri.path();
    let index = path.strip_suffix("/_bulk").unwrap_or_default().trim_start_matches('/').to_owned();
    let bounds = gate.inlet.settings.bounds;
    let salt = index.clone();
    let taken = gate.take("bulk", salt, received, move |body| parse(body, &index, bounds)).await?;
    let faults = taken.1.iter().filter(|item| item.fault.is_some()).count();
    gate.gauges.add("refused_items", i64::try_from(faults).unwrap_or(i64::MAX));
    Ok(taken)
}

/// The documents and the items of the answer. A line that is no action makes all of it a mistake, as in Elasticsearch.
fn parse(body: &[u8], index: &str, bounds: Bounds) -> Result<(Vec<Chunk>, Vec<Item>), Refusal> {
    let mut packer = Packer::new(bounds);
    let mut items = Vec::new();
    let mut lines = body.split(|byte| *byte == b'\n').enumerate();
    while let Some((number, line)) = lines.next() {
        if line.trim_ascii().is_empty() {
            continue;
        }
        let malformed = |error: &dyn std::fmt::Display| {
            let number = number + 1;
            Refusal::format(format!("Malformed action/metadata line [{number}]: {error}"))
        };
        let action: Action = serde_json::from_slice(line).map_err(|error| malformed(&error))?;
        let (word, meta, mut fault) = match action {
            Action::Index(meta) => ("index", meta, None),
            Action::Create(meta) => ("create", meta, None),
            Action::Update(meta) => ("update", meta, Some("a log is not updated")),
            Action::Delete(meta) => ("delete", meta, Some("nothing is deleted from a log")),
        };
        if word != "delete" {
            let Some((_, document)) = lines.next() else {
                return Err(malformed(&"the document behind it is missing"));
            };
            let document = document.trim_ascii();
            match (fault, document.is_empty()) {
                // What is no JSON is kept with its reason further on: a shipper throws away what it is told to be wrong.
                (None, false) => packer.push(document, Shape::Json),
                (None, true) => fault = Some("the document is empty"),
                (Some(_), _) => {}
            }
        }
        let short = |text: &str| text.chars().take(NAME_CHARS_MAX).collect::<String>();
        items.push(Item {
            action: word,
            index: short(if meta.index.is_empty() { index } else { &meta.index }),
            id: meta.id.as_deref().map_or_else(|| format!("r{number}"), short),
            fault,
        });
    }
    if items.is_empty() {
        return Err(Refusal::format("request body is required"));
    }
    Ok((packer.finish(), items))
}

fn answer(taken: Taken, items: &[Item]) -> Value {
    let repeated = taken.is_repeat();
    let rows: Vec<Value> = items
        .iter()
        .map(|item| {
            let (index, id) = (&item.index, &item.id);
            let row = match item.fault {
                Some(fault) => json!({
                    "_index": index, "_id": id, "status": 400,
                    "error": { "type": "document_parsing_exception", "reason": fault },
                }),
                None => json!({
                    "_index": index, "_id": id, "_version": 1,
                    "result": if repeated { "noop" } else { "created" },
                    "status": if repeated { 200 } else { 201 },
                }),
            };
            json!({ item.action: row })
        })
        .collect();
    let errors = items.iter().any(|item| item.fault.is_some());
    json!({ "took": 0, "errors": errors, "items": rows })
}

fn of_elasticsearch(mut answer: Response) -> Response {
    let (name, value) = PRODUCT;
    answer.headers_mut().insert(name, value);
    answer
}

fn refuse(gate: &Gate, refusal: Refusal) -> Response {
    let refusal = gate.refused(refusal);
    let kind = match refusal.reason {
        Reason::NoKey | Reason::WrongKey | Reason::Signature => "security_exception",
        Reason::Rate | Reason::Busy | Reason::NotDurable => "es_rejected_execution_exception",
        Reason::TooLarge => "content_too_long_exception",
        _ => "illegal_argument_exception",
    };
    let cause = json!({ "type": kind, "reason": refusal.message });
    let body = json!({
        "error": { "root_cause": [cause], "type": kind, "reason": refusal.message },
        "status": refusal.reason.status().as_u16(),
    });
    of_elasticsearch(refusal.mark(Json(body).into_response()))
}

/// `GET /`: who we are to a client of Elasticsearch.
pub(super) async fn root(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let answer = json!({
        "name": "watchfloor", "cluster_name": "watchfloor", "cluster_uuid": "watchfloor",
        "version": {
            "number": VERSION, "build_flavor": "default", "build_type": "tar",
            "lucene_version": "9.12.0", "minimum_wire_compatibility_version": "7.17.0",
            "minimum_index_compatibility_version": "7.0.0",
        },
        "tagline": "You Know, for Search",
    });
    known(&gate, request, answer).await
}

/// `GET /_license` and `/_xpack`.
pub(super) async fn license(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let license =
        json!({ "status": "active", "uid": "watchfloor", "type": "basic", "mode": "basic" });
    known(&gate, request, json!({ "license": license, "features": {} })).await
}

/// `GET /_cluster/health`.
pub(super) async fn health(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let answer = json!({ "cluster_name": "watchfloor", "status": "green", "timed_out": false });
    known(&gate, request, answer).await
}

/// Templates, policies and indices: they are there, and what is put is not needed.
pub(super) async fn set_up(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let answer = match *request.method() {
        Method::PUT | Method::POST => json!({ "acknowledged": true }),
        _ => json!({}),
    };
    known(&gate, request, answer).await
}

async fn known(gate: &Gate, request: Request, answer: Value) -> Response {
    let (head, _) = request.into_parts();
    match gate.admit(&head).await {
        Ok(_) => of_elasticsearch((StatusCode::OK, Json(answer)).into_response()),
        Err(refusal) => refuse(gate, refusal),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parsed(body: &str) -> Result<(Vec<String>, Vec<Item>), Refusal> {
        let (chunks, items) = parse(body.as_bytes(), "logs", Bounds::default())?;
        let text = |chunk: &Chunk| {
            let of = |record| String::from_utf8(chunk.bytes(record).to_vec()).unwrap();
            chunk.records.iter().map(of).collect::<Vec<_>>()
        };
        Ok((chunks.iter().flat_map(text).collect(), items))
    }

    #[test]
    fn documents_are_taken_and_every_item_is_answered() {
        let body = "{\"create\":{}}\n{\"a\":1}\n\r\n{\"index\":{\"_index\":\"x\",\"_id\":\"7\",\"pipeline\":\"p\"}}\r\n{\"b\":2}\r\n\
                    {\"delete\":{\"_id\":\"7\"}}\n{\"update\":{\"_id\":\"8\"}}\n{\"doc\":{}}\n{\"create\":{}}\nno json\n{\"create\":{}}\n \n";
        let (documents, items) = parsed(body).unwrap();
        assert_eq!(documents, ["{\"a\":1}", "{\"b\":2}", "no json"]);
        let of = |item: &Item| (item.action, item.index.clone(), item.fault.is_some());
        let items_seen: Vec<_> = items.iter().map(of).collect();
        assert_eq!(
            items_seen,
            [
                ("create", "logs".to_owned(), false),
                ("index", "x".to_owned(), false),
                ("delete", "logs".to_owned(), true),
                ("update", "logs".to_owned(), true),
                ("create", "logs".to_owned(), false),
                ("create", "logs".to_owned(), true),
            ]
        );
        let said = answer(Taken { records: 3, repeated: 0 }, &items);
        assert_eq!(said["errors"], true);
        assert_eq!(said["items"][1]["index"]["status"], 201);
        assert_eq!(said["items"][1]["index"]["_id"], "7");
        assert_eq!(said["items"][5]["create"]["status"], 400);
        let said = answer(Taken { records: 3, repeated: 3 }, &items);
        assert_eq!(said["items"][0]["create"]["result"], "noop");
    }

    #[test]
    fn a_malformed_action_refuses_all_of_it() {
        let fault = |body: &str| parsed(body).unwrap_err().message;
        assert!(fault("{\"create\":{}}\n{\"a\":1}\n{\"a\":1}\n{}").contains("[3]"));
        assert!(fault("{\"create\":{}}\n{}\n{\"create\":{}}").contains("missing"));
        assert!(fault("\n\n").contains("required"));
    }

    proptest! {
        #[test]
        fn any_body_does_no_harm(body in "(\\{\"(create|index|delete)\":\\{\\}\\}\n|[ -~]{0,20}\n){0,6}") {
            if let Ok((documents, items)) = parsed(&body) {
                let taken = items.iter().filter(|item| item.fault.is_none()).count();
                prop_assert_eq!(documents.len(), taken);
            }
        }
    }
}
