//! Events to `/ingest` of another Watchfloor: JSON lines, signed, with a key that makes a repeat harmless.

use std::time::Duration;

use reqwest::{Certificate, Client, Response, StatusCode, Url};
use tokio::runtime::Handle;

use super::{Outgoing, SinkError};
use crate::config::secret::SecretRef;
use crate::config::sinks::ForwardSink;
use crate::model::alert::Alert;
use crate::model::event::Event;
use crate::model::inference;
use crate::stdx::id::IdHasher;
use crate::stdx::signature::{SIGNATURE_HEADER, Signed, TIMESTAMP_HEADER};
use crate::stdx::time::Timestamp;
use crate::wire::event_v1;

/// How long a request may take: the other side answers when it is durable there.
const REQUEST: Duration = Duration::from_secs(60);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(10);
/// What is shown of an answer.
const ANSWER_BYTES_MAX: usize = 200;

/// The sink.
pub(super) struct Forward {
    config: ForwardSink,
    client: Client,
    runtime: Handle,
}

/// How a request ended that is not to be repeated as it is.
enum Sent {
    Taken,
    TooLarge,
}

impl Forward {
    pub(super) fn new(config: &ForwardSink, runtime: Handle) -> Result<Forward, SinkError> {
        let wrong = |what: String, why: String| SinkError::Start { what, why };
        let mut builder = Client::builder()
            .timeout(REQUEST)
            .connect_timeout(CONNECT)
            .user_agent(concat!("watchfloor/", env!("CARGO_PKG_VERSION")))
            // What is signed for one address goes to no other.
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy();
        if let Some(path) = &config.ca {
            let name = || path.display().to_string();
            let pem = std::fs::read(path).map_err(|error| wrong(name(), error.to_string()))?;
            let roots = Certificate::from_pem_bundle(&pem)
                .map_err(|error| wrong(name(), error.to_string()))?;
            for root in roots {
                builder = builder.add_root_certificate(root);
            }
        }
        let client =
            builder.build().map_err(|error| wrong(config.url.clone(), error.to_string()))?;
        for secret in [&config.api_key, &config.secret].into_iter().flatten() {
            secret.read().map_err(|error| wrong(config.url.clone(), error.to_string()))?;
        }
        Ok(Forward { config: config.clone(), client, runtime })
    }

    /// Send lines, in halves where the other side wants less at once. Returns those it will never take.
    fn send(&self, lines: &[Vec<u8>]) -> Result<u64, SinkError> {
        let mut refused = 0;
        // Halves that wait, the first on top.
        let mut parts = vec![lines];
        while let Some(part) = parts.pop() {
            let bytes: usize = part.iter().map(Vec::len).sum();
            let over = u64::try_from(bytes).unwrap_or(u64::MAX) > self.config.request_bytes_max;
            if part.len() > 1 && over {
                let (first, second) = part.split_at(part.len() / 2);
                parts.extend([second, first]);
                continue;
            }
            match (self.runtime.block_on(self.post(&part.concat()))?, part.len()) {
                (Sent::Taken, _) => {}
                (Sent::TooLarge, 0 | 1) => {
                    tracing::warn!(
                        url = self.config.url,
                        bytes,
                        "an event is too long for the other side"
                    );
                    refused += 1;
                }
                (Sent::TooLarge, count) => {
                    let (first, second) = part.split_at(count / 2);
                    parts.extend([second, first]);
                }
            }
        }
        Ok(refused)
    }

    async fn post(&self, body: &[u8]) -> Result<Sent, SinkError> {
        let url = format!("{}/ingest", self.config.url);
        // The events' ids are in the body, so equal bodies are the same delivery.
        let key = IdHasher::new("forward").bytes(body).finish().to_string();
        let mut request = self
            .client
            .post(&url)
            .header("Content-Type", "application/x-ndjson")
            .header("Idempotency-Key", &key)
            .body(body.to_vec());
        if let Some(api_key) = &self.config.api_key {
            request = request.header("X-API-KEY", self.secret(api_key)?);
        }
        if let Some(secret) = &self.config.secret {
            let timestamp = Timestamp::now().seconds().to_string();
            let path = Url::parse(&url).map_or_else(|_| String::new(), |url| url.path().to_owned());
            let signed =
                Signed { timestamp: &timestamp, method: "POST", target: &path, key: &key, body };
            request = request
                .header(SIGNATURE_HEADER, signed.sign(&self.secret(secret)?))
                .header(TIMESTAMP_HEADER, timestamp.as_str());
        }
        let answer = request.send().await.map_err(|error| {
            // Its text names the address and the cause, never what was sent.
            SinkError::Later(format!("{url}: {}", chain(&error)))
        })?;
        judge(&url, answer).await
    }

    fn secret(&self, secret: &SecretRef) -> Result<Vec<u8>, SinkError> {
        secret.read().map_err(|error| SinkError::Later(format!("{}: {error}", self.config.url)))
    }
}

async fn judge(url: &str, answer: Response) -> Result<Sent, SinkError> {
    let status = answer.status();
    if status.is_success() {
        return Ok(Sent::Taken);
    }
    if status == StatusCode::PAYLOAD_TOO_LARGE {
        return Ok(Sent::TooLarge);
    }
    let after =
        answer.headers().get("Retry-After").and_then(|value| value.to_str().ok()?.parse().ok());
    let mut text = answer.text().await.unwrap_or_default();
    let cut = (0..=ANSWER_BYTES_MAX.min(text.len())).rev().find(|at| text.is_char_boundary(*at));
    text.truncate(cut.unwrap_or(0));
    let why = format!("{url} answers {status}: {}", text.trim());
    Err(match after {
        Some(seconds) => SinkError::Wait { why, after: Duration::from_secs(seconds) },
        None => SinkError::Later(why),
    })
}

fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

impl Outgoing for Forward {
    fn takes_events(&self) -> bool {
        true
    }

    fn takes(&self, event: &Event) -> bool {
        // The other side judges by its own models.
        !inference::is_judgement(event)
    }

    fn takes_alerts(&self) -> bool {
        // The other side makes its own from the events.
        false
    }

    fn open(&mut self) -> Result<(), SinkError> {
        // There is nothing to look at without sending something.
        Ok(())
    }

    fn events(&mut self, events: &[Event]) -> Result<u64, SinkError> {
        let lines: Vec<Vec<u8>> = events
            .iter()
            .map(|event| {
                let mut line = event_v1::to_nested(event).to_string().into_bytes();
                line.push(b'\n');
                line
            })
            .collect();
        self.send(&lines)
    }

    fn alerts(&mut self, _: &[Alert]) -> Result<u64, SinkError> {
        Ok(0)
    }
}
