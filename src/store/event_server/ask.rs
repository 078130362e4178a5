//! Asking: a filter's necessary condition in the server's query language, pages from the newest on, and the filter
//! itself over what comes back.

use std::ops::Bound;

use elasticsearch::http::Method;
use serde_json::{Value as Json, json};

use crate::model::event::Event;
use crate::model::query::{EventFilter, Need, Shape, ValueTest};
use crate::stdx::time::Timestamp;
use crate::store::StoreError;
use crate::store::event_server::EventServer;
use crate::store::event_server::setup::{ADDRESSES, NUMBERS};
use crate::store::event_server::write::{AT, KEY, MARK, WHOLE};
use crate::store::events::{EventScan, Found, overlaps};
use crate::wire::event_v1;

/// Events of one page.
pub(crate) const PAGE: usize = 1_000;
/// A pattern longer than this is left to the filter.
const PATTERN_BYTES_MAX: usize = 500;

/// One document that came back.
pub(crate) struct Hit {
    /// `None`: it is no event of ours.
    pub event: Option<Event>,
    /// Where the next page goes on.
    sort: Json,
}

impl EventServer {
    /// The newest events that the filter lets through, newest first.
    pub(crate) async fn find(
        &self,
        scan: &EventScan,
        filter: &EventFilter,
        now: Timestamp,
    ) -> Result<Found, StoreError> {
        self.set_up().await?;
        self.refresh().await?;
        let query = question(scan, &filter.needs(now));
        let mut found = Found::default();
        let mut after = None;
        while found.events.len() < scan.limit {
            let wanted = PAGE.min(scan.limit.saturating_sub(found.events.len()).max(64));
            let (hits, more) = self.page(&query, wanted, after.as_ref()).await?;
            for hit in hits {
                after = Some(hit.sort);
                found.judged += 1;
                let Some(event) = hit.event else { continue };
                let host_fits = scan.host.as_ref().is_none_or(|host| event.host() == host);
                let in_time = overlaps(scan, event.timestamp, event.timestamp);
                if host_fits && in_time && filter.matches(&event, now) {
                    found.events.push(event);
                }
            }
            if !more {
                break;
            }
        }
        found.events.truncate(scan.limit);
        Ok(found)
    }

    /// Let a search see what was written.
    async fn refresh(&self) -> Result<(), StoreError> {
        let unseen = std::mem::take(&mut self.state.lock().unseen);
        if unseen {
            let path = format!("/{}/_refresh?ignore_unavailable=true", self.everywhere());
            let done = self.must("show what was written", Method::Post, &path, None).await;
            if done.is_err() {
                self.state.lock().unseen = true;
            }
            done?;
        }
        Ok(())
    }

    /// One page, and whether there may be another.
    pub(crate) async fn page(
        &self,
        query: &Json,
        size: usize,
        after: Option<&Json>,
    ) -> Result<(Vec<Hit>, bool), StoreError> {
        const WHAT: &str = "search events";
        let mut body = json!({
            "size": size,
            "query": query,
            "sort": [{AT: {"order": "desc", "unmapped_type": "long"}}, {KEY: {"order": "desc", "unmapped_type": "keyword"}}],
            "track_total_hits": false,
        });
        if let (Some(after), Some(body)) = (after, body.as_object_mut()) {
            body.insert("search_after".to_owned(), after.clone());
        }
        let path = format!(
            "/{}/_search?ignore_unavailable=true&allow_partial_search_results=false",
            self.everywhere()
        );
        let mut answer = self.must(WHAT, Method::Post, &path, Some(body.to_string())).await?;
        let hits = answer.pointer_mut("/hits/hits").map(Json::take);
        let Some(Json::Array(hits)) = hits else {
            return Err(self.error(WHAT, "its answer has no hits"));
        };
        let more = hits.len() == size;
        let hits = hits.into_iter().map(|mut hit| {
            let sort = hit.get_mut("sort").map(Json::take).unwrap_or_default();
            Hit { event: hit.get_mut("_source").and_then(event_of), sort }
        });
        Ok((hits.collect(), more))
    }
}

/// The event of a document.
fn event_of(source: &mut Json) -> Option<Event> {
    let fields = source.as_object_mut()?;
    if let Some(whole) = fields.get(WHOLE).and_then(Json::as_str) {
        return event_v1::read_flat(whole.as_bytes());
    }
    for own in [AT, KEY, MARK] {
        fields.shift_remove(own);
    }
    event_v1::read_flat(serde_json::to_string(source).ok()?.as_bytes())
}

/// The whole question.
fn question(scan: &EventScan, need: &Need) -> Json {
    let mut filters = Vec::new();
    if scan.from.is_some() || scan.to.is_some() {
        let from = scan.from.map_or(Bound::Unbounded, |at| Bound::Included(at.micros()));
        let to = scan.to.map_or(Bound::Unbounded, |at| Bound::Included(at.micros()));
        filters.push(range(AT, from, to));
    }
    let host = scan.host.as_ref().filter(|host| !host.is_empty());
    let mut wanted: Vec<Json> = host
        .map(|host| pieces("host.name", std::slice::from_ref(host), true, true))
        .into_iter()
        .collect();
    wanted.extend(clause(need));
    if !wanted.is_empty() {
        let all = json!({"bool": {"filter": wanted}});
        filters.push(any(vec![all, json!({"term": {MARK: true}})]));
    }
    json!({"bool": {"filter": filters}})
}

fn any(parts: Vec<Json>) -> Json {
    json!({"bool": {"should": parts, "minimum_should_match": 1}})
}

/// The clause of a need; `None`: any event may pass.
fn clause(need: &Need) -> Option<Json> {
    match need {
        Need::Any | Need::Not(_) | Need::Anywhere(_) => None,
        Need::And(parts) => {
            let clauses: Vec<Json> = parts.iter().filter_map(clause).collect();
            (!clauses.is_empty()).then(|| json!({"bool": {"filter": clauses}}))
        }
        Need::Or(parts) => parts.iter().map(clause).collect::<Option<Vec<Json>>>().map(any),
        Need::Field { names, test } => {
            let clauses = names.iter().map(|name| field(name, test));
            clauses.collect::<Option<Vec<Json>>>().map(any)
        }
        Need::Time(low, high) => Some(range(AT, *low, *high)),
    }
}

fn range<T: serde::Serialize>(field: &str, low: Bound<T>, high: Bound<T>) -> Json {
    let mut ends = serde_json::Map::new();
    for (bound, with, without) in [(low, "gte", "gt"), (high, "lte", "lt")] {
        let (name, value) = match bound {
            Bound::Included(value) => (with, value),
            Bound::Excluded(value) => (without, value),
            Bound::Unbounded => continue,
        };
        ends.insert(name.to_owned(), serde_json::to_value(value).unwrap_or_default());
    }
    json!({"range": {field: ends}})
}

fn field(name: &str, test: &ValueTest) -> Option<Json> {
    // Not indexed there.
    if name == "event.original" || name == "event.ingested" || name == "@timestamp" {
        return None;
    }
    let name = if name == "event.id" { KEY } else { name };
    if let Some((low, high)) = test.numbers() {
        return NUMBERS.contains(&name).then(|| range(&format!("{name}.number"), low, high));
    }
    if let Some((address, prefix)) = test.network() {
        let network = format!("{address}/{prefix}");
        return ADDRESSES
            .contains(&name)
            .then(|| json!({"term": {format!("{name}.address"): network}}));
    }
    match test.shape()? {
        // Its language of patterns is another one.
        Shape::Regex(_) => None,
        Shape::Pieces { pieces: parts, start, end, .. } => {
            let long = parts.iter().map(String::len).sum::<usize>() > PATTERN_BYTES_MAX;
            (!long).then(|| pieces(name, parts, *start, *end))
        }
    }
}

/// Texts in order, with anything in between. Letters outside of ASCII match any letter, in whatever case they come.
fn pieces(name: &str, parts: &[String], start: bool, end: bool) -> Json {
    if let ([one], true, true) = (parts, start, end)
        && one.is_ascii()
    {
        // Where there is no case it is not asked for: OpenSearch then finds no empty text.
        let cased = one.bytes().any(|byte| byte.is_ascii_alphabetic());
        return match cased {
            true => json!({"term": {name: {"value": one, "case_insensitive": true}}}),
            false => json!({"term": {name: {"value": one}}}),
        };
    }
    let mut pattern = String::new();
    for (number, part) in parts.iter().enumerate() {
        if number > 0 || !start {
            pattern.push('*');
        }
        for letter in part.chars() {
            match letter {
                '*' | '?' | '\\' => {
                    pattern.push('\\');
                    pattern.push(letter);
                }
                '\0'..='\x7f' => pattern.push(letter),
                _ => pattern.push('?'),
            }
        }
    }
    if !end {
        pattern.push('*');
    }
    json!({"wildcard": {name: {"value": pattern, "case_insensitive": true}}})
}
