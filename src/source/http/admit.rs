//! Who is let in: keys, signatures, rates, places and memory. Every refusal is counted under its reason.

use std::num::{NonZeroU32, NonZeroUsize};
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::Request;
use axum::http::HeaderMap;
use axum::http::request::Parts;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use governor::clock::Clock;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use lru::LruCache;
use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::body::{self, Bounds, Coding, Memory, Share};
use super::refusal::{Reason, Refusal};
use crate::config::sources::HttpSource;
use crate::source::Context;
use crate::source::keys::{Checked, KeyCheck};
use crate::source::push::Inlet;
use crate::stdx::gauges::Gauges;
use crate::stdx::signature::{SIGNATURE_HEADER, Signed, TIMESTAMP_HEADER};
use crate::stdx::time::{SECOND_US, Timestamp};

/// Where a request comes from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) std::net::SocketAddr);

/// The header that tells repeats.
const IDEMPOTENCY_KEY: &str = "idempotency-key";
/// A longer one is refused.
const IDEMPOTENCY_KEY_BYTES_MAX: usize = 256;
/// Signatures that are remembered, so that none is used twice in its time.
const SIGNATURES_MAX: NonZeroUsize = NonZeroUsize::new(200_000).unwrap();
/// Rates of bytes are counted in pieces of this many.
const RATE_PIECE_BYTES: u64 = 1 << 10;

/// What all requests of a source share.
pub(super) struct Gate {
    pub(super) source: String,
    pub(super) config: HttpSource,
    pub(super) inlet: Inlet,
    pub(super) gauges: Arc<Gauges>,
    pub(super) bounds: Bounds,
    pub(super) memory: Memory,
    /// When something was last handed on whose decoder may wait for more.
    pub(super) unflushed: Mutex<Option<Instant>>,
    places: Arc<Semaphore>,
    requests: Option<DefaultDirectRateLimiter>,
    bytes: Option<DefaultDirectRateLimiter>,
    keys: Option<Arc<dyn KeyCheck>>,
    secret: Option<Vec<u8>>,
    used: Mutex<LruCache<String, Instant>>,
}

/// Somebody who may send.
pub(super) struct Admitted {
    /// A name that a person knows it by.
    pub(super) visitor: String,
    /// Given back when the request is over.
    pub(super) place: OwnedSemaphorePermit,
}

/// A request with its body.
pub(super) struct Received {
    pub(super) admitted: Admitted,
    pub(super) head: Parts,
    pub(super) packed: Vec<u8>,
    pub(super) coding: Coding,
    pub(super) share: Share,
    /// What the client calls the delivery; empty: nothing.
    pub(super) key: String,
    /// To be remembered when the delivery stands.
    pub(super) signature: Option<String>,
}

impl Gate {
    pub(super) fn new(
        source: String,
        config: HttpSource,
        ratio_max: u64,
        inlet: Inlet,
        context: &Context,
        secret: Option<Vec<u8>>,
    ) -> Gate {
        let bounds = Bounds {
            packed_max: config.body_bytes_max,
            unpacked_max: config.unpacked_bytes_max,
            ratio_max,
            time: config.read_timeout,
        };
        Gate {
            bounds,
            memory: Memory::new(config.memory_max),
            unflushed: Mutex::default(),
            places: Arc::new(Semaphore::new(config.requests_max.min(Semaphore::MAX_PERMITS))),
            requests: limiter(config.requests_per_second, config.requests_burst),
            bytes: limiter(
                config.bytes_per_second.div_ceil(RATE_PIECE_BYTES),
                config.bytes_burst.div_ceil(RATE_PIECE_BYTES),
            ),
            keys: context.keys.clone().filter(|_| config.keys),
            secret,
            used: Mutex::new(LruCache::new(SIGNATURES_MAX)),
            gauges: Arc::clone(&context.gauges),
            source,
            config,
            inlet,
        }
    }

    /// Count a refusal.
    pub(super) fn refused(&self, refusal: Refusal) -> Refusal {
        self.gauges.add(refusal.reason.gauge(), 1);
        tracing::debug!(
            source = self.source,
            reason = refusal.reason.word(),
            message = refusal.message,
            "refused"
        );
        refusal
    }

    /// Let a request in, before anything of its body is read.
    pub(super) async fn admit(&self, head: &Parts) -> Result<Admitted, Refusal> {
        self.gauges.add("requests", 1);
        let address = head.extensions.get::<Peer>().map(|Peer(address)| address.ip());
        let address =
            address.map_or_else(String::new, |address| address.to_canonical().to_string());
        // Keys first: who has none must not take the places and rates of those who do.
        let visitor = match self.name_of(&head.headers).await? {
            Some(name) => format!("{address} ({name})"),
            None => address,
        };
        if let Some(limiter) = &self.requests
            && let Err(until) = limiter.check()
        {
            let wait = until.wait_time_from(limiter.clock().now());
            return Err(too_fast("requests_per_second", wait));
        }
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| Refusal::new(Reason::Busy, "requests_max requests are in work"))?;
        Ok(Admitted { visitor, place })
    }

    /// Are all places taken?
    pub(super) fn is_full(&self) -> bool {
        self.places.available_permits() == 0
    }

    async fn name_of(&self, headers: &HeaderMap) -> Result<Option<String>, Refusal> {
        if !self.config.keys {
            // Any page that is open on this machine could send something here.
            let browser = ["origin", "sec-fetch-site"];
            if browser.iter().any(|name| headers.contains_key(*name)) {
                let message = "a browser sends nothing here: this source knows no keys";
                return Err(Refusal::new(Reason::NoKey, message));
            }
            return Ok(None);
        }
        let Some(key) = key_of(headers) else {
            let message = "show a key: X-API-KEY: KEY, or Authorization: Bearer KEY";
            return Err(Refusal::new(Reason::NoKey, message));
        };
        let checked = match &self.keys {
            Some(keys) => keys.check(&key, &self.source).await,
            None => Checked::Unavailable,
        };
        match checked {
            Checked::Good(name) => Ok(Some(name)),
            Checked::Wrong => {
                let message = "the key is not good for this source, or was revoked";
                Err(Refusal::new(Reason::WrongKey, message))
            }
            Checked::Busy => {
                Err(Refusal::new(Reason::Busy, "too many keys are being verified at once"))
            }
            Checked::Unavailable => {
                Err(Refusal::new(Reason::Busy, "the keys cannot be read at the moment"))
            }
        }
    }

    /// Let a request in and read its body.
    pub(super) async fn receive(&self, request: Request) -> Result<Received, Refusal> {
        let (head, body) = request.into_parts();
        let admitted = async {
            let admitted = self.admit(&head).await?;
            Ok((admitted, Coding::of(&head.headers)?, idempotency_key(&head.headers)?))
        };
        let (admitted, coding, key) = match admitted.await {
            Ok(admitted) => admitted,
            Err(refusal) => {
                body::discard(&mut body.into_data_stream()).await;
                return Err(refusal);
            }
        };
        let mut share = Share::default();
        let packed = body::read(&head.headers, body, self.bounds, &self.memory, &mut share).await?;
        self.gauges.add("bytes", i64::try_from(packed.len()).unwrap_or(i64::MAX));
        let signature = self.check_signature(&head, &key, &packed)?;
        Ok(Received { admitted, head, packed, coding, share, key, signature })
    }

    /// May so many unpacked bytes come now?
    pub(super) fn admit_bytes(&self, bytes: usize) -> Result<(), Refusal> {
        let Some(limiter) = &self.bytes else { return Ok(()) };
        let pieces = (bytes as u64).div_ceil(RATE_PIECE_BYTES).max(1);
        let pieces = NonZeroU32::new(u32::try_from(pieces).unwrap_or(u32::MAX));
        match pieces.map(|pieces| limiter.check_n(pieces)) {
            Some(Ok(Err(until))) => {
                let wait = until.wait_time_from(limiter.clock().now());
                Err(too_fast("bytes_per_second", wait))
            }
            Some(Err(_)) => {
                Err(Refusal::new(Reason::TooLarge, "the body is longer than bytes_burst"))
            }
            _ => Ok(()),
        }
    }

    /// A gRPC call cannot be signed: what is sent of it is not what the client saw.
    pub(super) fn refuse_unsigned(&self) -> Result<(), Refusal> {
        if self.secret.is_none() {
            return Ok(());
        }
        let message = "this source takes signed requests only, which gRPC cannot make";
        Err(Refusal::new(Reason::Signature, message))
    }

    fn check_signature(
        &self,
        head: &Parts,
        key: &str,
        body: &[u8],
    ) -> Result<Option<String>, Refusal> {
        let Some(secret) = &self.secret else { return Ok(None) };
        let refuse = |message: &str| Err(Refusal::new(Reason::Signature, message));
        let text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(timestamp), Some(signature)) = (text(TIMESTAMP_HEADER), text(SIGNATURE_HEADER))
        else {
            return refuse(
                "this source takes signed requests only: X-Watchfloor-Timestamp and X-Watchfloor-Signature",
            );
        };
        let Ok(seconds) = timestamp.parse::<i64>() else {
            return refuse("X-Watchfloor-Timestamp is no number of seconds since 1970");
        };
        let now = Timestamp::now().micros() / SECOND_US;
        let window = self.config.signature_window.as_secs();
        if now.abs_diff(seconds) > window {
            return refuse("the signature is of another time, or the clocks differ");
        }
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        let signed = Signed { timestamp, method: head.method.as_str(), target, key, body };
        if !signed.is_signed(secret, signature) {
            return refuse("the signature does not belong to this request");
        }
        let signature = signature.to_ascii_lowercase();
        if self.used.lock().contains(&signature) {
            return refuse("the signature was used before: sign a repeat anew");
        }
        Ok(Some(signature))
    }

    /// A signature whose delivery stands is not taken again. One of a delivery that failed is: its client tries again.
    pub(super) fn use_up(&self, signature: Option<String>) {
        let Some(signature) = signature else { return };
        let mut used = self.used.lock();
        // What is older than the window is refused for its time; the rest is bounded.
        let window = self.config.signature_window.saturating_mul(2);
        while used.peek_lru().is_some_and(|(_, at)| at.elapsed() > window) {
            used.pop_lru();
        }
        used.put(signature, Instant::now());
    }
}

fn limiter(per_second: u64, burst: u64) -> Option<DefaultDirectRateLimiter> {
    let narrow = |number: u64| NonZeroU32::new(u32::try_from(number).unwrap_or(u32::MAX));
    let (per_second, burst) = (narrow(per_second)?, narrow(burst.max(1))?);
    Some(RateLimiter::direct(Quota::per_second(per_second).allow_burst(burst)))
}

fn too_fast(key: &str, wait: Duration) -> Refusal {
    let refusal = Refusal::new(Reason::Rate, format!("more than {key} allows"));
    Refusal { retry_after: Some(wait), ..refusal }
}

/// The key that a request shows, in any of the ways that shippers have.
fn key_of(headers: &HeaderMap) -> Option<String> {
    if let Some(key) = headers.get("x-api-key") {
        return Some(key.to_str().ok()?.trim().to_owned());
    }
    let value = headers.get(axum::http::header::AUTHORIZATION)?.to_str().ok()?.trim();
    let (scheme, rest) = value.split_once(' ')?;
    let rest = rest.trim();
    let decoded = || {
        let bytes = STANDARD.decode(rest).ok()?;
        let text = String::from_utf8(bytes).ok()?;
        text.split_once(':').map(|(_, key)| key.to_owned())
    };
    match scheme.to_ascii_lowercase().as_str() {
        "bearer" | "splunk" => Some(rest.to_owned()),
        // Elasticsearch's clients send a key's name and the key in one.
        "apikey" => decoded().or_else(|| Some(rest.to_owned())),
        // The user's name says nothing, the password is the key.
        "basic" => decoded(),
        _ => None,
    }
}

fn idempotency_key(headers: &HeaderMap) -> Result<String, Refusal> {
    let Some(value) = headers.get(IDEMPOTENCY_KEY) else { return Ok(String::new()) };
    let text = value.to_str().ok().map(str::trim);
    let fits = |text: &&str| !text.is_empty() && text.len() <= IDEMPOTENCY_KEY_BYTES_MAX;
    text.filter(fits).map(str::to_owned).ok_or_else(|| {
        Refusal::format(format!(
            "Idempotency-Key has 1 to {IDEMPOTENCY_KEY_BYTES_MAX} visible characters"
        ))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;
    use axum::http::header::AUTHORIZATION;
    use proptest::prelude::*;

    use super::*;

    fn shown(name: &'static str, value: &str) -> Option<String> {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        key_of(&headers)
    }

    #[test]
    fn a_key_is_found_in_every_way_that_shippers_show_it() {
        let key = Some("wfk_1_x".to_owned());
        let basic = STANDARD.encode("elastic:wfk_1_x");
        assert_eq!(shown("x-api-key", " wfk_1_x "), key);
        for value in [
            "Bearer wfk_1_x".to_owned(),
            "bearer  wfk_1_x".to_owned(),
            "Splunk wfk_1_x".to_owned(),
            "ApiKey wfk_1_x".to_owned(),
            format!("ApiKey {basic}"),
            format!("Basic {basic}"),
        ] {
            assert_eq!(shown("authorization", &value), key, "{value}");
        }
        for value in ["", "wfk_1_x", "Digest x", "Basic wfk_1_x"] {
            assert_eq!(shown("authorization", value), None, "{value}");
        }
        assert_eq!(key_of(&HeaderMap::new()), None);
    }

    #[test]
    fn idempotency_keys_are_short() {
        let of = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IDEMPOTENCY_KEY, HeaderValue::from_str(value).unwrap());
            idempotency_key(&headers).ok()
        };
        assert_eq!(idempotency_key(&HeaderMap::new()).unwrap(), "");
        assert_eq!(of("a-1").as_deref(), Some("a-1"));
        assert_eq!(of(""), None);
        assert_eq!(of(&"x".repeat(257)), None);
    }

    #[test]
    fn rates_let_a_burst_through_and_then_say_when() {
        let limiter = limiter(1, 3).unwrap();
        assert!((0..3).all(|_| limiter.check().is_ok()));
        assert!(limiter.check().is_err());
        assert!(super::limiter(0, 3).is_none(), "0: no limit");
    }

    proptest! {
        #[test]
        fn any_header_does_no_harm(value in "[ -~]{0,80}") {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, HeaderValue::from_str(&value).unwrap());
            let _ = key_of(&headers);
        }
    }
}
