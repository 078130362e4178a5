//! Layer 6: `/api/v1` for front ends of other processes: JSON over a Unix socket, changes by server-sent
//! events. It does what the workbench does, under the name of the peer's user, and nothing else.

mod alerts;
mod extract;
mod keys;
mod listen;
pub mod metrics;
mod rules;
mod stream;
mod system;

use std::future::IntoFuture;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use tokio::sync::Semaphore;

use crate::api::extract::Refusal;
use crate::api::listen::Peer;
use crate::model::desk::{Problem, ProblemKind};
use crate::service::Workbench;
use crate::stdx::stop::StopToken;

pub use listen::{ListenError, Listener, check, listen};

/// Bytes of a request's body.
pub const BODY_BYTES_MAX: usize = 2 << 20;
/// Requests in work at once; more are refused with 503.
pub const REQUESTS_MAX: usize = 256;
/// Streams of changes at once; more are refused with 503.
pub const STREAMS_MAX: usize = 64;
/// How long open requests may go on after a stop was asked for.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// What every handler can reach.
#[derive(Clone)]
struct Api {
    bench: Workbench,
    stop: StopToken,
    requests: Arc<Semaphore>,
    streams: Arc<Semaphore>,
}

/// Answer requests until `stop`, then remove the socket.
pub async fn serve(
    listener: Listener,
    bench: Workbench,
    stop: StopToken,
) -> Result<(), ListenError> {
    let path = listener.path.clone();
    tracing::info!(socket = %path.display(), "listening");
    let api = Api {
        bench,
        stop: stop.clone(),
        requests: Arc::new(Semaphore::new(REQUESTS_MAX)),
        streams: Arc::new(Semaphore::new(STREAMS_MAX)),
    };
    let service = router(api).into_make_service_with_connect_info::<Peer>();
    let asked = stop.clone();
    let serving = axum::serve(listen::Accept(Arc::clone(&listener.inner)), service)
        .with_graceful_shutdown(async move { asked.stopped().await });
    let late = async {
        stop.stopped().await;
        tokio::time::sleep(STOP_GRACE).await;
    };
    tokio::select! {
        done = serving.into_future() => {
            done.map_err(|source| ListenError::Io { what: "serve", path, source })
        }
        () = late => Ok(()),
    }
}

fn router(api: Api) -> Router {
    let v1 = Router::new()
        .route("/health", get(system::health))
        .route("/status", get(system::status))
        .route("/alerts", get(alerts::list))
        .route("/alerts/act", post(alerts::act))
        .route("/alerts/{id}", get(alerts::show))
        .route("/alerts/{id}/why", get(alerts::why))
        .route("/undo", post(alerts::undo))
        .route("/pending", get(alerts::pending))
        .route("/pending/settle", post(alerts::settle))
        .route("/drafts/{id}", get(alerts::draft).put(alerts::save_draft))
        .route("/events", get(system::events))
        .route("/events/around", get(system::events_around))
        .route("/endpoints", get(system::endpoints))
        .route("/endpoints/view", get(system::endpoint_view))
        .route("/disagreements", get(system::disagreements))
        .route("/rejects", get(system::rejects))
        .route("/gaps", get(system::gaps))
        .route("/retention", get(system::retention_plan))
        .route("/retention/run", post(system::retention_run))
        .route("/rules", get(system::rules))
        .route("/rules/book", get(rules::book))
        .route("/rules/history", get(rules::history))
        .route("/rules/change", post(rules::change))
        .route("/rules/{id}/off", post(system::rule_off))
        .route("/rules/{id}/on", post(system::rule_on))
        .route("/keys", get(keys::list).post(keys::create))
        .route("/keys/{id}/revoke", post(keys::revoke))
        .route("/audit/verify", get(system::audit_verify))
        .route("/stream", get(stream::stream));
    Router::new()
        .nest("/api/v1", v1)
        .fallback(nowhere)
        .method_not_allowed_fallback(wrong_method)
        .layer(middleware::from_fn_with_state(api.clone(), admit))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(api)
}

/// At most [`REQUESTS_MAX`] at once: what is over is refused, not queued.
async fn admit(State(api): State<Api>, request: Request, next: Next) -> Response {
    let Ok(_permit) = api.requests.try_acquire() else {
        return busy("requests").into_response();
    };
    next.run(request).await
}

fn busy(what: &str) -> Refusal {
    let message = format!("too many {what} at once");
    Refusal(Problem::new(ProblemKind::Unavailable, message).hint("try again in a moment"))
}

async fn nowhere() -> Refusal {
    Refusal(Problem::new(ProblemKind::NotFound, "there is nothing at this address"))
}

async fn wrong_method() -> Refusal {
    Refusal(Problem::new(ProblemKind::Invalid, "this address does not take this method"))
}
