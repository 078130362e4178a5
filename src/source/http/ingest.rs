//! `POST /ingest`: a JSON array, JSON lines, or any format that a file could have.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Request, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};

use super::admit::Gate;
use super::deliver::Taken;
use super::refusal::Refusal;
use super::split;

/// Take a body and answer when its records stand.
pub(super) async fn ingest(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    match take(&gate, request).await {
        Ok(taken) => Json(answer(taken)).into_response(),
        Err(refusal) => gate.refused(refusal).into_response(),
    }
}

async fn take(gate: &Gate, request: Request) -> Result<Taken, Refusal> {
    let received = gate.receive(request).await?;
    let kind = received.head.headers.get(header::CONTENT_TYPE);
    let json = kind.and_then(|kind| kind.to_str().ok()).is_some_and(|kind| kind.contains("json"));
    let settings = Arc::clone(&gate.inlet.settings);
    let (taken, ()) = gate
        .take("ingest", String::new(), received, move |body| {
            let chunks = split::split(body, &settings.format, json, settings.bounds)?;
            if chunks.is_empty() {
                return Err(Refusal::format("the body holds no record"));
            }
            Ok((chunks, ()))
        })
        .await?;
    Ok(taken)
}

fn answer(taken: Taken) -> serde_json::Value {
    let status = if taken.is_repeat() { "repeated" } else { "stored" };
    serde_json::json!({
        "status": status, "records": taken.records, "repeated": taken.repeated,
    })
}
