//! Why a request was not taken: one list of reasons for all dialects, each with its status, its counter and what the
//! client should do. Nothing of a refused request is kept, unless it says otherwise.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

/// Why. The names of the counters are fixed here, so that metrics do not grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// No key was shown.
    NoKey,
    /// The key is none, revoked, or for another source.
    WrongKey,
    /// No signature, a wrong one, one of another time, or one that was used.
    Signature,
    /// Too long, packed or unpacked.
    TooLarge,
    /// More requests or bytes than allowed in this time.
    Rate,
    /// All places, all memory or the path are taken.
    Busy,
    /// It was not committed in time, or will not be.
    NotDurable,
    /// The client took too long.
    Slow,
    /// The connection ended in the middle of the body.
    HalfBody,
    /// It cannot be unpacked.
    Packing,
    /// It is not what the address takes.
    Format,
    /// There is nothing at the address, or not with this method.
    NoSuchPlace,
}

impl Reason {
    pub(super) fn status(self) -> StatusCode {
        match self {
            Reason::NoKey | Reason::WrongKey | Reason::Signature => StatusCode::UNAUTHORIZED,
            Reason::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Reason::Rate => StatusCode::TOO_MANY_REQUESTS,
            Reason::Busy | Reason::NotDurable => StatusCode::SERVICE_UNAVAILABLE,
            Reason::Slow => StatusCode::REQUEST_TIMEOUT,
            Reason::HalfBody | Reason::Format => StatusCode::BAD_REQUEST,
            Reason::Packing => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Reason::NoSuchPlace => StatusCode::NOT_FOUND,
        }
    }

    /// The number that counts it.
    pub(super) fn gauge(self) -> &'static str {
        match self {
            Reason::NoKey => "refused_no_key",
            Reason::WrongKey => "refused_wrong_key",
            Reason::Signature => "refused_signature",
            Reason::TooLarge => "refused_too_large",
            Reason::Rate => "refused_rate",
            Reason::Busy => "refused_busy",
            Reason::NotDurable => "refused_not_durable",
            Reason::Slow => "refused_slow",
            Reason::HalfBody => "refused_half_body",
            Reason::Packing => "refused_packing",
            Reason::Format => "refused_format",
            Reason::NoSuchPlace => "refused_no_such_place",
        }
    }

    /// The word in the answer.
    pub(super) fn word(self) -> &'static str {
        self.gauge().strip_prefix("refused_").unwrap_or_default()
    }
}

/// A refusal.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    pub(super) reason: Reason,
    pub(super) message: String,
    /// When to try again.
    pub(super) retry_after: Option<Duration>,
}

impl Refusal {
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Refusal {
        let retry_after = match reason {
            Reason::Busy | Reason::NotDurable | Reason::Rate => Some(Duration::from_secs(1)),
            _ => None,
        };
        Refusal { reason, message: message.into(), retry_after }
    }

    pub(super) fn format(message: impl Into<String>) -> Refusal {
        Refusal::new(Reason::Format, message)
    }

    /// Whole seconds, at least one.
    fn retry_seconds(&self) -> Option<u64> {
        self.retry_after.map(|wait| wait.as_millis().div_ceil(1_000).max(1) as u64)
    }

    /// Put what every dialect shares into an answer.
    pub(super) fn mark(&self, mut answer: Response) -> Response {
        *answer.status_mut() = self.reason.status();
        let headers = answer.headers_mut();
        if let Some(seconds) = self.retry_seconds() {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        match self.reason {
            Reason::NoKey | Reason::WrongKey => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            Reason::Packing => {
                let known = HeaderValue::from_static("gzip, zstd, identity");
                headers.insert(header::ACCEPT_ENCODING, known);
            }
            // What may still come of the body is not read.
            Reason::Slow | Reason::HalfBody => {
                headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            _ => {}
        }
        answer
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "error": { "reason": self.reason.word(), "message": self.message }
        });
        self.mark(Json(body).into_response())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_be_tried_again_says_when() {
        let refusal = Refusal {
            retry_after: Some(Duration::from_millis(1_200)),
            ..Refusal::new(Reason::Rate, "too many")
        };
        let answer = refusal.into_response();
        assert_eq!(answer.status(), StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(answer.headers()[header::RETRY_AFTER], "2");
        let answer = Refusal::format("no JSON").into_response();
        assert_eq!(answer.status(), StatusCode::BAD_REQUEST);
        assert!(answer.headers().get(header::RETRY_AFTER).is_none());
        assert_eq!(Reason::WrongKey.word(), "wrong_key");
    }
}
