//! Events in Elasticsearch or OpenSearch: an index for each day of event time, behind an alias.
//!
//! The id of a document is that of the event and its index follows from its time, so writing it again changes nothing.
//! Documents are the flat form of the event log, so that reading one gives the very event. What the server's fields
//! cannot answer exactly is marked in the document ([`write::MARK`]), and every question asks for marked ones too; the
//! filter itself then judges every event that comes back. So the answer is that of the embedded store.

mod ask;
mod forget;
mod policy;
mod setup;
mod write;

pub use forget::Whose;
pub use policy::Policy;

use std::time::{Duration, Instant};

use elasticsearch::auth::Credentials;
use elasticsearch::cert::{Certificate, CertificateValidation};
use elasticsearch::http::headers::HeaderMap;
use elasticsearch::http::transport::{SingleNodeConnectionPool, Transport, TransportBuilder};
use elasticsearch::http::{Method, StatusCode, Url};
use parking_lot::Mutex;
use serde_json::Value as Json;

use crate::config::secret::SecretRef;
use crate::config::store::EventServerConfig;
use crate::model::event::{Event, EventId};
use crate::stdx::gauges::Gauges;
use crate::stdx::time::{SECOND_US, Timestamp};
use crate::store::StoreError;

/// How long one request may take.
const REQUEST_MAX: Duration = Duration::from_secs(60);
/// How long the server's answer about itself and the template is believed.
const SETUP_TRUSTED: Duration = Duration::from_secs(30);
/// The index of events whose day has no name.
const REST: &str = "rest";

/// A server that keeps events.
pub struct EventServer {
    url: String,
    /// The alias, and what the names of indices begin with.
    index: String,
    transport: Transport,
    numbers: Gauges,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// What the server said it is.
    product: Option<setup::Product>,
    /// When the template was last there.
    set_up: Option<Instant>,
    /// Events as the server last counted them, and those since.
    events: u64,
    /// Something was written that a search may not see yet.
    unseen: bool,
    /// New indices name a policy of index life-cycle management.
    ilm: bool,
}

impl std::fmt::Debug for EventServer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("EventServer").field("url", &self.url).finish_non_exhaustive()
    }
}

/// What came back.
struct Answer {
    status: StatusCode,
    /// `X-Elastic-Product`
    product: Option<String>,
    body: Json,
}

impl Answer {
    /// The server's own words about what is wrong.
    fn reason(&self) -> String {
        let error = self.body.get("error");
        let text = error.and_then(|error| error.get("reason").or(Some(error)));
        let words = text.map_or_else(String::new, |text| {
            text.as_str().map_or_else(|| text.to_string(), str::to_owned)
        });
        format!("{} {words}", self.status)
    }
}

impl EventServer {
    /// A client; nothing is asked yet, so that a server that is down does not stop the start.
    pub(crate) fn new(config: &EventServerConfig) -> Result<EventServer, StoreError> {
        let failed = |detail: String| StoreError::EventServer {
            url: config.url.clone(),
            what: "be used",
            detail,
        };
        let url = Url::parse(&config.url).map_err(|error| failed(error.to_string()))?;
        let mut builder = TransportBuilder::new(SingleNodeConnectionPool::new(url))
            .enable_meta_header(false)
            .disable_proxy()
            .timeout(REQUEST_MAX);
        let secret = |secret: &SecretRef| {
            let bytes = secret.read().map_err(|error| failed(error.to_string()))?;
            Ok::<String, StoreError>(String::from_utf8_lossy(&bytes).trim().to_owned())
        };
        if let Some(key) = &config.api_key {
            builder = builder.auth(Credentials::EncodedApiKey(secret(key)?));
        } else if let (Some(user), Some(password)) = (&config.user, &config.password) {
            builder = builder.auth(Credentials::Basic(user.clone(), secret(password)?));
        }
        if let Some(path) = &config.ca {
            let pem = std::fs::read(path)
                .map_err(|source| StoreError::io("read the certificate", path, source))?;
            let ca = Certificate::from_pem(&pem);
            let ca = ca.map_err(|error| failed(format!("{}: {error}", path.display())))?;
            builder = builder.cert_validation(CertificateValidation::Full(ca));
        }
        let transport = builder.build().map_err(|error| failed(error.to_string()))?;
        Ok(EventServer {
            url: config.url.clone(),
            index: config.index.clone(),
            transport,
            numbers: Gauges::default(),
            state: Mutex::default(),
        })
    }

    /// Events in it, as far as is known here.
    pub(crate) fn events(&self) -> u64 {
        self.state.lock().events
    }

    /// What it is.
    pub(crate) fn kind(&self) -> String {
        let state = self.state.lock();
        state.product.as_ref().map_or_else(|| "not reached yet".to_owned(), ToString::to_string)
    }

    /// What was counted while writing.
    pub(crate) fn numbers(&self) -> Vec<(&'static str, u64)> {
        let numbers = self.numbers.read();
        numbers.into_iter().map(|(name, value)| (name, value.unsigned_abs())).collect()
    }

    fn error(&self, what: &'static str, detail: impl Into<String>) -> StoreError {
        StoreError::EventServer { url: self.url.clone(), what, detail: detail.into() }
    }

    /// One request. An error only where no answer came, or one that forbids everything.
    async fn request(
        &self,
        what: &'static str,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Answer, StoreError> {
        let unreachable = |error: elasticsearch::Error| {
            let mut text = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(inner) = cause {
                text = format!("{text}: {inner}");
                cause = inner.source();
            }
            self.error(what, format!("{text}; it is tried again"))
        };
        let no_query: Option<&()> = None;
        let sent = self.transport.send(method, path, HeaderMap::new(), no_query, body, None);
        let response = sent.await.map_err(unreachable)?;
        let status = response.status_code();
        let product = response.headers().get("x-elastic-product");
        let product = product.and_then(|value| value.to_str().ok()).map(str::to_owned);
        if status == StatusCode::UNAUTHORIZED {
            let detail =
                "wrong user, password or API key: see store.events_user and store.events_api_key";
            return Err(self.error(what, detail));
        }
        let text = response.text().await.map_err(unreachable)?;
        let body = serde_json::from_str(&text).unwrap_or(Json::Null);
        Ok(Answer { status, product, body })
    }

    /// A request that must succeed.
    async fn must(
        &self,
        what: &'static str,
        method: Method,
        path: &str,
        body: Option<String>,
    ) -> Result<Json, StoreError> {
        let answer = self.request(what, method, path, body).await?;
        if answer.status.is_success() {
            Ok(answer.body)
        } else {
            Err(self.error(what, answer.reason()))
        }
    }

    /// All indices of events.
    fn everywhere(&self) -> String {
        format!("{}-*", self.index)
    }

    /// The index of an event, by its day.
    fn index_of(&self, at: Timestamp) -> String {
        let day = day_name(at);
        format!("{}-{}", self.index, day.as_deref().unwrap_or(REST))
    }

    /// Events by id; what is not there is left out.
    pub(crate) async fn by_ids(&self, ids: &[EventId]) -> Result<Vec<Event>, StoreError> {
        let mut events = Vec::new();
        for some in ids.chunks(ask::PAGE) {
            let values: Vec<String> = some.iter().map(ToString::to_string).collect();
            let query = serde_json::json!({"ids": {"values": values}});
            let (found, _) = self.page(&query, some.len(), None).await?;
            events.extend(found.into_iter().filter_map(|hit| hit.event));
        }
        Ok(events)
    }
}

/// `2026.11.22`; `None` for times that no index is named after.
fn day_name(at: Timestamp) -> Option<String> {
    const YEARS: std::ops::Range<i64> = 0..7_258_118_400;
    if !YEARS.contains(&at.micros().div_euclid(SECOND_US)) {
        return None;
    }
    Some(at.to_string().get(..10)?.replace('-', "."))
}
