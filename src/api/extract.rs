//! Requests in, answers out: parameters, bodies and problems as JSON.

use axum::Json;
use axum::extract::rejection::{JsonRejection, PathRejection, QueryRejection};
use axum::extract::{ConnectInfo, FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::{IntoResponse, Response};
use serde::de::DeserializeOwned;

use crate::api::Api;
use crate::api::listen::Peer;
use crate::model::desk::{Problem, ProblemKind};
use crate::service::Workbench;
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;
use crate::wire::problem_v1::{Envelope, WireError};

/// A problem as an answer.
#[derive(Debug)]
pub(super) struct Refusal(pub(super) Problem);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = match self.0.kind {
            ProblemKind::Invalid => StatusCode::BAD_REQUEST,
            ProblemKind::NotFound => StatusCode::NOT_FOUND,
            ProblemKind::Conflict => StatusCode::CONFLICT,
            ProblemKind::Forbidden => StatusCode::FORBIDDEN,
            ProblemKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ProblemKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        (status, Json(Envelope::from(&self.0))).into_response()
    }
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        Refusal(problem)
    }
}

impl From<WireError> for Refusal {
    fn from(error: WireError) -> Refusal {
        invalid(error.to_string())
    }
}

fn invalid(message: impl Into<String>) -> Refusal {
    Refusal(Problem::new(ProblemKind::Invalid, message))
}

/// The workbench under the peer's name.
pub(super) struct Bench(pub(super) Workbench);

impl FromRequestParts<Api> for Bench {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Bench, Refusal> {
        let peer = ConnectInfo::<Peer>::from_request_parts(parts, api).await;
        match peer.map(|ConnectInfo(peer)| peer) {
            Ok(Peer::Known { actor, place }) => Ok(Bench(api.bench.with_actor(&actor, &place))),
            Ok(Peer::Unknown) | Err(_) => {
                let message = "the system does not say who is asking";
                Err(Refusal(Problem::new(ProblemKind::Forbidden, message)))
            }
        }
    }
}

/// The query string.
pub(super) struct Params<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Api> for Params<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Params<T>, Refusal> {
        let query: Result<Query<T>, QueryRejection> = Query::from_request_parts(parts, api).await;
        let Query(query) = query.map_err(|rejection| invalid(rejection.body_text()))?;
        Ok(Params(query))
    }
}

/// One part of the path.
pub(super) struct Segment(pub(super) String);

impl FromRequestParts<Api> for Segment {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Segment, Refusal> {
        let path: Result<Path<String>, PathRejection> = Path::from_request_parts(parts, api).await;
        let Path(segment) = path.map_err(|rejection| invalid(rejection.body_text()))?;
        Ok(Segment(segment))
    }
}

impl Segment {
    /// The part as an alert's id.
    pub(super) fn id(&self) -> Result<Id128, Refusal> {
        Id128::parse(&self.0).ok_or_else(|| {
            let problem = Problem::new(ProblemKind::Invalid, format!("{} is no alert id", self.0));
            Refusal(problem.hint("an id has 32 hexadecimal digits"))
        })
    }
}

/// The body as JSON.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Api> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Result<Body<T>, Refusal> {
        let body: Result<Json<T>, JsonRejection> = Json::from_request(request, api).await;
        let Json(body) = body.map_err(|rejection| invalid(rejection.body_text()))?;
        Ok(Body(body))
    }
}

/// A time in the query string.
pub(super) fn time(name: &str, text: &str) -> Result<Timestamp, Refusal> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| {
        let problem = Problem::new(ProblemKind::Invalid, format!("{name} is no time: {text}"));
        Refusal(problem.hint("2026-11-22T10:00:00Z"))
    })
}
