//! What the server is, and what must be there before the first event: the template that new indices are made from.

use std::fmt;
use std::time::Instant;

use elasticsearch::http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use crate::store::StoreError;
use crate::store::event_server::write::{AT, KEY, MARK, WHOLE};
use crate::store::event_server::{EventServer, SETUP_TRUSTED};

/// Texts longer than this have no term on the server: its terms have 32,766 bytes at most, a letter up to four.
pub(crate) const TERM_LETTERS_MAX: usize = 8_191;
/// Fields an index may have. Events with others are kept in a form that always fits.
const FIELDS_MAX: u32 = 5_000;
/// Fields whose numbers are compared.
pub(crate) const NUMBERS: [&str; 6] = [
    "source.port",
    "destination.port",
    "server.port",
    "process.pid",
    "process.parent.pid",
    "http.response.status_code",
];
/// Fields whose addresses are matched with networks.
pub(crate) const ADDRESSES: [&str; 5] =
    ["source.ip", "destination.ip", "server.ip", "host.ip", "related.ip"];

/// Which engine it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Product {
    pub opensearch: bool,
    pub version: String,
}

impl fmt::Display for Product {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = if self.opensearch { "OpenSearch" } else { "Elasticsearch" };
        write!(out, "{name} {}", self.version)
    }
}

impl EventServer {
    /// Ask what it is and put the template there, unless both were so a moment ago.
    pub(crate) async fn set_up(&self) -> Result<(), StoreError> {
        let fresh = self.state.lock().set_up.is_some_and(|at| at.elapsed() < SETUP_TRUSTED);
        if fresh {
            return Ok(());
        }
        let product = self.recognise().await?;
        const WHAT: &str = "take the index template";
        let path = format!("/_index_template/{}", self.index);
        let template = self.template().to_string();
        self.must(WHAT, Method::Put, &path, Some(template)).await?;
        let count = format!("/{}/_count", self.everywhere());
        let count = self.must("count its events", Method::Get, &count, None).await?;
        let mut state = self.state.lock();
        state.events = count.get("count").and_then(Json::as_u64).unwrap_or(0);
        state.product = Some(product);
        state.set_up = Some(Instant::now());
        Ok(())
    }

    /// The template or an index is not what it was: look again before the next write.
    pub(crate) fn distrust(&self) {
        self.state.lock().set_up = None;
    }

    /// What is behind the address. Its front page is refused by some; the nodes tell it too, and so does a header.
    async fn recognise(&self) -> Result<Product, StoreError> {
        const WHAT: &str = "say what it is";
        let front = self.request(WHAT, Method::Get, "/", None).await?;
        let told = front.product.clone();
        let version = |body: &Json| {
            let version = body.get("version")?;
            let opensearch =
                version.get("distribution").and_then(Json::as_str) == Some("opensearch");
            let version = version.get("number")?.as_str()?.to_owned();
            Some(Product { opensearch, version })
        };
        if front.status.is_success()
            && let Some(product) = version(&front.body)
        {
            return Ok(product);
        }
        let refused = [
            StatusCode::METHOD_NOT_ALLOWED,
            StatusCode::FORBIDDEN,
            StatusCode::NOT_FOUND,
            StatusCode::BAD_REQUEST,
        ];
        if !front.status.is_success() && !refused.contains(&front.status) {
            return Err(self.error(WHAT, front.reason()));
        }
        let nodes = self.request(WHAT, Method::Get, "/_nodes/_all/version,build", None).await?;
        let node =
            nodes.body.get("nodes").and_then(Json::as_object).and_then(|all| all.values().next());
        let number = node.and_then(|node| node.get("version")).and_then(Json::as_str);
        let told = told.or(nodes.product);
        if let Some(number) = number {
            let elastic = told.is_some_and(|name| name == "Elasticsearch");
            return Ok(Product { opensearch: !elastic, version: number.to_owned() });
        }
        // Whoever may not look at nodes may look at the health, if it is such a server at all.
        let health = self.request(WHAT, Method::Get, "/_cluster/health", None).await?;
        if health.body.get("cluster_name").is_some() {
            let elastic = told.or(health.product).is_some_and(|name| name == "Elasticsearch");
            let version = "of unknown version".to_owned();
            return Ok(Product { opensearch: !elastic, version });
        }
        Err(self.error(WHAT, "it answers, but not as Elasticsearch or OpenSearch do"))
    }

    /// Every text is one term, so that a filter means the same as elsewhere; ports and addresses are kept twice.
    fn template(&self) -> Json {
        let mut template = self.plain_template();
        if self.state.lock().ilm
            && let Some(settings) =
                template.pointer_mut("/template/settings").and_then(Json::as_object_mut)
        {
            settings.insert("index.lifecycle.name".to_owned(), Json::from(self.index.as_str()));
        }
        template
    }

    fn plain_template(&self) -> Json {
        let text = json!({"type": "keyword", "ignore_above": TERM_LETTERS_MAX});
        let mut fields = json!({
            "@timestamp": {"type": "date", "ignore_malformed": true},
            "event.ingested": {"type": "date", "ignore_malformed": true},
            "event.original": {"type": "keyword", "index": false, "doc_values": false},
            "message": text,
        });
        let mut put = |name: &str, mapping: Json| {
            if let Some(fields) = fields.as_object_mut() {
                fields.insert(name.to_owned(), mapping);
            }
        };
        put(AT, json!({"type": "long"}));
        put(KEY, json!({"type": "keyword"}));
        put(MARK, json!({"type": "boolean"}));
        put(WHOLE, json!({"type": "keyword", "index": false, "doc_values": false}));
        for (names, sub, kind) in
            [(&NUMBERS[..], "number", "long"), (&ADDRESSES[..], "address", "ip")]
        {
            for name in names {
                let mut both = text.clone();
                if let Some(both) = both.as_object_mut() {
                    let second = json!({sub: {"type": kind, "ignore_malformed": true}});
                    both.insert("fields".to_owned(), second);
                }
                put(name, both);
            }
        }
        json!({
            "index_patterns": [self.everywhere()],
            "priority": 300,
            "template": {
                "settings": {
                    "index.number_of_shards": 1,
                    "index.auto_expand_replicas": "0-1",
                    "index.codec": "best_compression",
                    "index.refresh_interval": "5s",
                    "index.mapping.total_fields.limit": FIELDS_MAX,
                },
                "mappings": {
                    "date_detection": false,
                    "numeric_detection": false,
                    "dynamic_templates": [
                        {"texts": {"match_mapping_type": "string", "mapping": text}},
                        {"wholes": {"match_mapping_type": "long", "mapping": text}},
                        {"fractions": {"match_mapping_type": "double", "mapping": text}},
                        {"truths": {"match_mapping_type": "boolean", "mapping": text}},
                    ],
                    "properties": nested(&fields),
                },
                "aliases": {self.index.as_str(): {}},
            },
            "_meta": {"managed_by": "watchfloor"},
        })
    }
}

/// Dotted names as the tree that the server wants.
fn nested(flat: &Json) -> Json {
    let mut root = serde_json::Map::new();
    for (name, mapping) in flat.as_object().into_iter().flatten() {
        let mut at = &mut root;
        let mut parts = name.split('.').peekable();
        while let Some(part) = parts.next() {
            if parts.peek().is_none() {
                at.insert(part.to_owned(), mapping.clone());
                break;
            }
            let inner = at.entry(part).or_insert_with(|| json!({"properties": {}}));
            let Some(inner) = inner.get_mut("properties").and_then(Json::as_object_mut) else {
                break;
            };
            at = inner;
        }
    }
    Json::Object(root)
}
