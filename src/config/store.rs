//! `[store]`: what is stored and how.

use std::path::PathBuf;

use crate::config::alert_store::{self, AlertsAt};
use crate::config::reader::Reader;
use crate::config::secret::SecretRef;

/// The stores.
#[derive(Clone, Debug, PartialEq)]
pub struct StoreConfig {
    /// Where alerts, verdicts and audit are kept.
    pub alerts: AlertsAt,
    /// What this node is called beside others that share a database; empty: the host's name.
    pub node_name: String,
    /// Keep the (redacted) input in `event.original`.
    pub keep_original: bool,
    /// zstd level of event segments.
    pub compression_level: i32,
    /// A segment is closed at this size on disk.
    pub segment_bytes_max: u64,
    /// Stop acknowledging when the disk has less than this free.
    pub free_bytes_min: u64,
    /// Events are kept by this server; `None`: in the data folder.
    pub events: Option<EventServerConfig>,
}

/// An Elasticsearch or OpenSearch that keeps the events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventServerConfig {
    /// Its address.
    pub url: String,
    /// Indices are `INDEX-2026.11.22`, a day of event time each; the alias of all is `INDEX`.
    pub index: String,
    /// The user of basic authentication.
    pub user: Option<String>,
    /// Its password.
    pub password: Option<SecretRef>,
    /// An API key, as the server encodes it.
    pub api_key: Option<SecretRef>,
    /// Who signed the server's certificate, PEM; without it, the authorities the system trusts.
    pub ca: Option<PathBuf>,
}

/// The index name when none is given.
pub const EVENTS_INDEX: &str = "watchfloor-events";

impl Default for StoreConfig {
    fn default() -> StoreConfig {
        StoreConfig {
            alerts: AlertsAt::DataDir,
            node_name: String::new(),
            keep_original: true,
            compression_level: 1,
            segment_bytes_max: 64 << 20,
            free_bytes_min: 64 << 20,
            events: None,
        }
    }
}

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> StoreConfig {
    let default = StoreConfig::default();
    let level = reader.number(
        "store.compression_level",
        u64::try_from(default.compression_level).unwrap_or(1),
        1,
        "zstd level of event segments, 1 to 19.",
    );
    if level > 19 {
        let hint = "1 is fastest, 3 packs better".to_owned();
        reader.complain("store.compression_level", "must be 1 to 19".to_owned(), hint);
    }
    StoreConfig {
        alerts: alert_store::read(reader),
        node_name: reader.text(
            "node.name",
            "",
            "What this node is called beside others that share a database; empty: the host's name.",
        ),
        keep_original: reader.truth(
            "store.keep_original",
            default.keep_original,
            "Keep the redacted input: of events in `event.original`, of rejected records their beginning.",
        ),
        compression_level: i32::try_from(level).unwrap_or(1),
        segment_bytes_max: reader.size(
            "store.segment_bytes_max",
            default.segment_bytes_max,
            "An event segment is closed at this size on disk.",
        ),
        free_bytes_min: reader.size(
            "store.free_bytes_min",
            default.free_bytes_min,
            "Stop acknowledging when the disk has less than this free.",
        ),
        events: read_events(reader),
    }
}

/// Where events go.
fn read_events(reader: &mut Reader) -> Option<EventServerConfig> {
    const EMBEDDED: &str = "embedded";
    let url = reader.text(
        "store.events",
        EMBEDDED,
        "`embedded`: events are kept in the data folder. Or the address of an Elasticsearch or OpenSearch.",
    );
    let index = reader.text(
        "store.events_index",
        EVENTS_INDEX,
        "On a server: the alias of the events; an index for each day of event time begins with it.",
    );
    let user = reader.optional_text("store.events_user", "On a server: the user.");
    let password = SecretRef::take(
        reader,
        ("store.events_password", "store.events_password.env", "store.events_password.file"),
        ("The user's password is in this variable.", "The user's password is in this file."),
    );
    let api_key = SecretRef::take(
        reader,
        ("store.events_api_key", "store.events_api_key.env", "store.events_api_key.file"),
        ("An encoded API key is in this variable.", "An encoded API key is in this file."),
    );
    let ca = reader
        .optional_text("store.events_ca", "On a server: who signed its certificate, PEM.")
        .map(PathBuf::from);
    if url == EMBEDDED {
        return None;
    }
    let hint = "embedded, or https://search.example:9200".to_owned();
    let known = ["http://", "https://"].iter().any(|head| url.starts_with(head));
    if !known || reqwest::Url::parse(&url).is_err() {
        reader.complain("store.events", "is no address of a server".to_owned(), hint);
        return None;
    }
    let letters =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-_.".contains(&byte);
    let starts = index.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if !starts || !index.bytes().all(letters) || index.len() > 200 {
        let message = "is no name of an index".to_owned();
        reader.complain("store.events_index", message, format!("lower case, like {EVENTS_INDEX}"));
    }
    if user.is_some() != password.is_some() {
        let message = "store.events_user and store.events_password are given together".to_owned();
        reader.complain("store.events_user", message, "or neither".to_owned());
    }
    if user.is_some() && api_key.is_some() {
        let message = "a user and an API key are both given".to_owned();
        reader.complain("store.events_api_key", message, "give one of them".to_owned());
    }
    Some(EventServerConfig { url, index, user, password, api_key, ca })
}
