//! `/metrics`, `/health` and `/stats` on a loopback address, for a scraper on this machine. It reads and never changes
//! anything, and it knows no users, which is why no other address is taken.

use std::future::IntoFuture;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;

use crate::api::extract::Refusal;
use crate::model::desk::{Problem, ProblemKind};
use crate::service::Workbench;
use crate::stdx::stop::StopToken;
use crate::wire::metrics_v1;

/// Requests in work at once; more are refused with 503.
const REQUESTS_MAX: usize = 16;
/// How long open requests may go on after a stop was asked for.
const STOP_GRACE: Duration = Duration::from_secs(1);

/// Why we cannot listen.
#[derive(Debug, thiserror::Error)]
#[error(
    "metrics.listen: cannot listen on {address}; another port, or an empty one, lets the rest start"
)]
pub struct MetricsError {
    address: SocketAddr,
    source: io::Error,
}

#[derive(Clone)]
struct Metrics {
    bench: Workbench,
    requests: Arc<Semaphore>,
}

/// Listen on an address. Call on a runtime.
pub fn listen(address: SocketAddr) -> Result<TcpListener, MetricsError> {
    let failed = |source| MetricsError { address, source };
    let listener = std::net::TcpListener::bind(address).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    TcpListener::from_std(listener).map_err(failed)
}

/// Answer until `stop`.
pub async fn serve(listener: TcpListener, bench: Workbench, stop: StopToken) -> io::Result<()> {
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, "metrics are served");
    }
    let metrics = Metrics { bench, requests: Arc::new(Semaphore::new(REQUESTS_MAX)) };
    let router = Router::new()
        .route("/metrics", get(page))
        .route("/health", get(health))
        .route("/stats", get(stats))
        .fallback(nowhere)
        .layer(middleware::from_fn_with_state(metrics.clone(), admit))
        .with_state(metrics);
    let asked = stop.clone();
    let serving =
        axum::serve(listener, router).with_graceful_shutdown(async move { asked.stopped().await });
    let late = async {
        stop.stopped().await;
        tokio::time::sleep(STOP_GRACE).await;
    };
    tokio::select! {
        done = serving.into_future() => done,
        () = late => Ok(()),
    }
}

/// A page of another site must not read this through a name that it points at this machine.
async fn admit(State(metrics): State<Metrics>, request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).map(|value| value.to_str().unwrap_or("?"));
    if host.is_some_and(|host| !is_this_machine(host)) {
        let problem = Problem::new(ProblemKind::Invalid, "the request is for another host");
        return Refusal(problem).into_response();
    }
    let Ok(_permit) = metrics.requests.try_acquire() else {
        let problem = Problem::new(ProblemKind::Unavailable, "too many requests at once");
        return Refusal(problem).into_response();
    };
    next.run(request).await
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.chars().all(|c| c.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

async fn page(State(metrics): State<Metrics>) -> Result<Response, Refusal> {
    let telemetry = metrics.bench.telemetry().await?;
    let kind = [(header::CONTENT_TYPE, metrics_v1::TEXT_TYPE)];
    Ok((kind, metrics_v1::text(&telemetry)).into_response())
}

async fn stats(State(metrics): State<Metrics>) -> Result<Response, Refusal> {
    let telemetry = metrics.bench.telemetry().await?;
    Ok(Json(metrics_v1::stats(&telemetry)).into_response())
}

async fn health(State(metrics): State<Metrics>) -> Result<Response, Refusal> {
    let telemetry = metrics.bench.telemetry().await?;
    let bad = telemetry.status.health == "unhealthy";
    let code = if bad { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok((code, Json(metrics_v1::health(&telemetry))).into_response())
}

async fn nowhere() -> Refusal {
    let problem = Problem::new(ProblemKind::NotFound, "there is nothing at this address");
    Refusal(problem.hint("/metrics, /health and /stats are"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_requests_for_this_machine_are_answered() {
        for host in ["127.0.0.1:9464", "localhost", "LOCALHOST:80", "[::1]:9464", "127.3.2.1"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["evil.example:9464", "192.0.2.1", "", "localhost.evil.example", "[::2]:1"] {
            assert!(!is_this_machine(host), "{host}");
        }
    }
}
