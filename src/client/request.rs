//! One request and its answer: paths, bodies, limits, and errors that say what to do.

use std::error::Error;
use std::io;
use std::path::Path;
use std::time::Duration;

use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::client::{ANSWER_BYTES_MAX, Client, REQUEST_TIME_MAX};
use crate::model::desk::{Problem, ProblemKind};
use crate::wire::problem_v1::{Envelope, WireError};

impl Client {
    pub(super) async fn get<W: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, String)],
        limit: Duration,
    ) -> Result<W, Problem> {
        let request = self.http.get(url(path)?).query(query).timeout(limit);
        self.answer(request).await
    }

    pub(super) async fn send<B: Serialize + Sync, W: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<&B>,
    ) -> Result<W, Problem> {
        let request = self.http.request(method, url(path)?).timeout(REQUEST_TIME_MAX);
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        self.answer(request).await
    }

    /// Open the stream of changes after `last`. Without a time limit: it ends when the connection does.
    pub(super) async fn open_stream(&self, last: Option<&str>) -> Result<Response, Problem> {
        let mut request = self.http.get(url(&["stream"])?).header("accept", "text/event-stream");
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        let response = request.send().await.map_err(|error| unreachable(&self.socket, &error))?;
        match response.status() {
            status if status.is_success() => Ok(response),
            status => Err(refusal(status, &self.body(response).await?)),
        }
    }

    async fn answer<W: DeserializeOwned>(&self, request: RequestBuilder) -> Result<W, Problem> {
        let response = request.send().await.map_err(|error| unreachable(&self.socket, &error))?;
        let status = response.status();
        let body = self.body(response).await?;
        if !status.is_success() {
            return Err(refusal(status, &body));
        }
        serde_json::from_slice(&body).map_err(|error| misread(&error))
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, Problem> {
        let mut body = Vec::new();
        loop {
            let chunk = response.chunk().await;
            let Some(chunk) = chunk.map_err(|error| unreachable(&self.socket, &error))? else {
                return Ok(body);
            };
            if body.len() + chunk.len() > ANSWER_BYTES_MAX {
                let message =
                    format!("the daemon's answer is longer than {ANSWER_BYTES_MAX} bytes");
                return Err(Problem::new(ProblemKind::Invalid, message).hint("ask for fewer rows"));
            }
            body.extend_from_slice(&chunk);
        }
    }
}

/// `/api/v1/…`; every part is one segment whatever characters it has.
fn url(path: &[&str]) -> Result<Url, Problem> {
    let mut url = Url::parse("http://watchfloor/api/v1")
        .map_err(|error| internal("the address could not be built", &error))?;
    if let Ok(mut segments) = url.path_segments_mut() {
        segments.extend(path);
    }
    Ok(url)
}

/// Turn a wire form into the model's.
pub(super) fn model<W, M: TryFrom<W, Error = WireError>>(wire: W) -> Result<M, Problem> {
    M::try_from(wire).map_err(|error| misread(&error))
}

/// Turn wire forms into the model's.
pub(super) fn models<W, M: TryFrom<W, Error = WireError>>(wire: Vec<W>) -> Result<Vec<M>, Problem> {
    wire.into_iter().map(model).collect()
}

pub(super) fn internal(message: &str, error: &dyn Error) -> Problem {
    Problem::new(ProblemKind::Internal, message).detail(chain(error))
}

/// The daemon answered something that this version does not understand.
pub(super) fn misread(error: &dyn Error) -> Problem {
    internal("the daemon's answer could not be read", error)
        .hint("is the daemon of the same version? see watchfloor status and watchfloor --version")
}

fn refusal(status: StatusCode, body: &[u8]) -> Problem {
    match serde_json::from_slice::<Envelope>(body) {
        Ok(envelope) => envelope.into(),
        Err(_) => {
            let kind = match status.as_u16() {
                404 => ProblemKind::NotFound,
                429 | 503 => ProblemKind::Unavailable,
                400..=499 => ProblemKind::Invalid,
                _ => ProblemKind::Internal,
            };
            Problem::new(kind, format!("the daemon refused with {status}"))
        }
    }
}

fn unreachable(socket: &Path, error: &reqwest::Error) -> Problem {
    let socket = socket.display();
    if error.is_timeout() {
        return Problem::new(ProblemKind::Unavailable, "the daemon did not answer in time")
            .detail(chain(error))
            .hint("is it busy? see its log; the request may still be carried out");
    }
    let (kind, message, hint) = match io_kind(error) {
        Some(io::ErrorKind::PermissionDenied) => (
            ProblemKind::Forbidden,
            format!("this user may not use the socket {socket}"),
            "join the group named by api.socket_group, or run as the daemon's user",
        ),
        Some(io::ErrorKind::NotFound) => (
            ProblemKind::Unavailable,
            format!("there is no socket {socket}"),
            "start the daemon with watchfloor serve, or name its socket",
        ),
        Some(io::ErrorKind::ConnectionRefused) => (
            ProblemKind::Unavailable,
            format!("nobody listens on {socket}"),
            "start the daemon with watchfloor serve",
        ),
        _ => (
            ProblemKind::Unavailable,
            format!("the connection to the daemon on {socket} is lost"),
            "start the daemon with watchfloor serve, or look into its log",
        ),
    };
    Problem::new(kind, message).detail(chain(error)).hint(hint)
}

/// The operating system's reason, wherever it is in the chain.
fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut cause: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = cause {
        if let Some(io) = error.downcast_ref::<io::Error>() {
            return Some(io.kind());
        }
        cause = error.source();
    }
    None
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_id_stays_one_segment() {
        let url = url(&["rules", "a/../b ?#", "off"]).unwrap();
        assert_eq!(url.path(), "/api/v1/rules/a%2F..%2Fb%20%3F%23/off");
    }

    #[tokio::test]
    async fn a_dead_daemon_is_unavailable_and_the_hint_says_what_to_do() {
        let dir = tempfile::tempdir().unwrap();
        let missing = Client::connect(&dir.path().join("none.sock")).await.unwrap_err();
        assert_eq!(missing.kind, ProblemKind::Unavailable);
        assert!(missing.message.starts_with("there is no socket"), "{missing:?}");

        let socket = dir.path().join("dead.sock");
        drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
        let dead = Client::connect(&socket).await.unwrap_err();
        assert_eq!(dead.kind, ProblemKind::Unavailable);
        assert!(dead.message.starts_with("nobody listens"), "{dead:?}");
        assert!(dead.hint.contains("watchfloor serve"));
    }
}
