//! Which address is which dialect.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get, head, post};

use super::admit::Gate;
use super::refusal::{Reason, Refusal};
use super::{bulk, hec, ingest, otlp};

/// All dialects on one listener.
pub(super) fn router(gate: Arc<Gate>) -> Router {
    Router::new()
        .route("/ingest", post(ingest::ingest))
        .route("/health", get(health))
        .merge(elasticsearch())
        .merge(splunk())
        .merge(telemetry())
        .fallback(nowhere)
        .method_not_allowed_fallback(nowhere)
        .with_state(gate)
}

fn elasticsearch() -> Router<Arc<Gate>> {
    let set_up = any(bulk::set_up);
    Router::new()
        .route("/_bulk", post(bulk::bulk).put(bulk::bulk))
        .route("/{index}/_bulk", post(bulk::bulk).put(bulk::bulk))
        .route("/", get(bulk::root))
        .route("/_license", get(bulk::license))
        .route("/_xpack", get(bulk::license))
        .route("/_cluster/health", get(bulk::health))
        .route("/_template/{name}", set_up.clone())
        .route("/_index_template/{name}", set_up.clone())
        .route("/_component_template/{name}", set_up.clone())
        .route("/_ilm/policy/{name}", set_up.clone())
        .route("/_data_stream/{name}", set_up.clone())
        .route("/_ingest/pipeline/{name}", set_up)
        .route("/{index}", head(bulk::set_up).put(bulk::set_up))
}

fn splunk() -> Router<Arc<Gate>> {
    Router::new()
        .route("/services/collector", post(hec::events))
        .route("/services/collector/event", post(hec::events))
        .route("/services/collector/event/1.0", post(hec::events))
        .route("/services/collector/raw", post(hec::raw))
        .route("/services/collector/raw/1.0", post(hec::raw))
        .route("/services/collector/health", get(hec::health))
        .route("/services/collector/health/1.0", get(hec::health))
}

fn telemetry() -> Router<Arc<Gate>> {
    const PACKAGE: &str = "/opentelemetry.proto.collector";
    Router::new()
        .route("/v1/logs", post(otlp::http))
        .route("/v1/traces", post(otlp::http))
        .route(&format!("{PACKAGE}.logs.v1.LogsService/Export"), post(otlp::grpc))
        .route(&format!("{PACKAGE}.trace.v1.TraceService/Export"), post(otlp::grpc))
}

/// For those who ask whether anybody is there. Says nothing else.
async fn health() -> &'static str {
    "ok\n"
}

async fn nowhere(State(gate): State<Arc<Gate>>, request: Request) -> Response {
    let path: String = request.uri().path().chars().take(200).collect();
    let message = format!(
        "{} {path} is nothing here: POST /ingest, /_bulk, /services/collector, /v1/logs and /v1/traces are",
        request.method()
    );
    gate.refused(Refusal::new(Reason::NoSuchPlace, message)).into_response()
}
