//! Events that are too old: whole days at once, and of single tenants by their own ages.

use elasticsearch::http::Method;
use serde_json::{Value as Json, json};

use crate::model::inference;
use crate::model::retention::EventKind;
use crate::stdx::time::Timestamp;
use crate::store::StoreError;
use crate::store::event_server::write::AT;
use crate::store::event_server::{EventServer, REST, day_name};

/// Events that one request deletes at most, so that none takes long; a search gives no more.
const AT_ONCE: u64 = 5_000;
const WHAT: &str = "drop old events";
/// Whose events they are where nobody says.
const TENANT: &str = "default";

/// Whose events go.
#[derive(Clone, Copy, Debug)]
pub enum Whose<'a> {
    /// One tenant's.
    Tenant(&'a str),
    /// All but these tenants'.
    AllBut(&'a [&'a str]),
}

impl EventServer {
    /// Delete the indices of whole days that happened before a time and were made before another. How many.
    pub(crate) async fn drop_days_before(
        &self,
        happened: Timestamp,
        stored: Timestamp,
    ) -> Result<u64, StoreError> {
        let path = format!(
            "/_cat/indices/{}?format=json&h=index,creation.date&expand_wildcards=all",
            self.everywhere()
        );
        let list = self.must(WHAT, Method::Get, &path, None).await?;
        let Some(oldest) = day_name(happened) else { return Ok(0) };
        let kept = format!("{}-{oldest}", self.index);
        let mut gone = 0;
        for row in list.as_array().into_iter().flatten() {
            let name = row.get("index").and_then(Json::as_str).unwrap_or_default();
            let ours = name.len() == kept.len() && name.starts_with(&format!("{}-", self.index));
            let made =
                row.get("creation.date").and_then(Json::as_str).and_then(|text| text.parse().ok());
            let made = made.is_some_and(|milliseconds: i64| {
                milliseconds.saturating_mul(1_000) < stored.micros()
            });
            // Names of days sort as days do.
            if ours && made && name < kept.as_str() && !name.ends_with(REST) {
                self.must(WHAT, Method::Delete, &format!("/{name}"), None).await?;
                gone += 1;
            }
        }
        Ok(gone)
    }

    /// Delete the events of a kind of some tenants that both happened and were stored before a time. How many.
    pub(crate) async fn drop_events_before(
        &self,
        whose: Whose<'_>,
        kind: EventKind,
        until: Timestamp,
    ) -> Result<u64, StoreError> {
        let query = json!({"bool": {"filter": [
            {"range": {AT: {"lt": until.micros()}}},
            {"range": {"event.ingested": {"lt": until.to_string()}}},
            of(whose),
            of_kind(kind),
        ]}});
        // Asked for and deleted by id: not every server deletes by a question.
        let body = json!({"size": AT_ONCE, "query": query, "_source": false, "sort": ["_doc"]});
        let path = format!("/{}/_search?ignore_unavailable=true", self.everywhere());
        let mut gone = 0;
        loop {
            let answer = self.must(WHAT, Method::Post, &path, Some(body.to_string())).await?;
            let hits = answer.pointer("/hits/hits").and_then(Json::as_array);
            let hits = hits.ok_or_else(|| self.error(WHAT, "its answer has no hits"))?;
            let deleted = self.delete(hits).await?;
            gone += deleted;
            // Fewer than asked for: nothing is left, or somebody else deletes the same right now.
            if deleted < AT_ONCE {
                return Ok(gone);
            }
        }
    }

    /// Delete what a search found; the next search does not see it any more. How many were there.
    async fn delete(&self, hits: &[Json]) -> Result<u64, StoreError> {
        if hits.is_empty() {
            return Ok(0);
        }
        let mut body = String::new();
        for hit in hits {
            let name = |key: &str| hit.get(key).cloned().unwrap_or_default();
            let line = json!({"delete": {"_index": name("_index"), "_id": name("_id")}});
            body.push_str(&line.to_string());
            body.push('\n');
        }
        let answer = self.must(WHAT, Method::Post, "/_bulk?refresh=true", Some(body)).await?;
        let mut deleted = 0;
        for item in answer.get("items").and_then(Json::as_array).into_iter().flatten() {
            match item.pointer("/delete/status").and_then(Json::as_u64) {
                Some(200) => deleted += 1,
                Some(404) => {}
                _ => return Err(self.error(WHAT, item.to_string())),
            }
        }
        Ok(deleted)
    }
}

fn of_kind(kind: EventKind) -> Json {
    let judgement = json!({"term": {"event.dataset": inference::DATASET}});
    match kind {
        EventKind::Inference => judgement,
        EventKind::Event => json!({"bool": {"must_not": judgement}}),
    }
}

fn of(whose: Whose<'_>) -> Json {
    const FIELD: &str = "organization.id";
    let nobody = json!({"bool": {"must_not": {"exists": {"field": FIELD}}}});
    match whose {
        Whose::Tenant(TENANT) => {
            json!({"bool": {"should": [{"term": {FIELD: TENANT}}, nobody], "minimum_should_match": 1}})
        }
        Whose::Tenant(tenant) => json!({"term": {FIELD: tenant}}),
        Whose::AllBut(tenants) => {
            let mut others = vec![json!({"terms": {FIELD: tenants}})];
            if tenants.contains(&TENANT) {
                others.push(nobody);
            }
            json!({"bool": {"must_not": others}})
        }
    }
}
