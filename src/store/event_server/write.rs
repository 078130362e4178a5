//! Writing: one bulk request after the other, each answer read item by item.
//!
//! An item that is there already is fine: the commit was repeated. One that the server is too busy for fails the
//! commit, which is tried again as a whole. One whose form the server refuses is written again in a form that fits any
//! index: the event as one text beside its head, with the reason. So nothing is lost, and nothing waits for ever.

use elasticsearch::http::{Method, StatusCode};
use serde_json::{Value as Json, json};

use crate::model::event::{Event, Value};
use crate::store::StoreError;
use crate::store::event_server::EventServer;
use crate::store::event_server::setup::{NUMBERS, TERM_LETTERS_MAX};
use crate::wire::event_v1::FlatWriter;

/// Event time in microseconds: what is sorted and compared.
pub(crate) const AT: &str = "watchfloor.at";
/// The event's id, to sort by.
pub(crate) const KEY: &str = "watchfloor.key";
/// The server's fields cannot answer for this event: every question asks for it.
pub(crate) const MARK: &str = "watchfloor.unsearchable";
/// The event as one text, where its own fields were refused.
pub(crate) const WHOLE: &str = "watchfloor.whole";
/// Why they were.
const REASON: &str = "watchfloor.refused";
/// Bytes of one bulk request.
const BULK_BYTES_MAX: usize = 6 << 20;
/// Events of one bulk request.
const BULK_EVENTS_MAX: usize = 5_000;
/// What is kept of a reason.
const REASON_BYTES_MAX: usize = 500;

/// What became of one item.
enum Fate {
    Stored,
    Again,
    Busy(String),
    Refused(String),
}

impl EventServer {
    /// Store events; those that are there already stay as they are. After an error some of them may be there.
    pub(crate) async fn append(&self, events: &[Event]) -> Result<(), StoreError> {
        if events.is_empty() {
            return Ok(());
        }
        self.set_up().await?;
        let mut writer = FlatWriter::new();
        let mut body = String::new();
        let mut bulk: Vec<&Event> = Vec::new();
        for event in events {
            self.put(event, None, &mut writer, &mut body);
            bulk.push(event);
            if body.len() >= BULK_BYTES_MAX || bulk.len() >= BULK_EVENTS_MAX {
                self.send(&bulk, std::mem::take(&mut body), true).await?;
                bulk.clear();
            }
        }
        if !bulk.is_empty() {
            self.send(&bulk, body, true).await?;
        }
        Ok(())
    }

    fn put(
        &self,
        event: &Event,
        refused: Option<&str>,
        writer: &mut FlatWriter,
        body: &mut String,
    ) {
        let id = event.id.to_string();
        let action = json!({"create": {"_index": self.index_of(event.timestamp), "_id": id}});
        body.push_str(&action.to_string());
        body.push('\n');
        let mut line = Vec::with_capacity(1_024);
        writer.write(event, &mut line);
        let line = String::from_utf8_lossy(&line);
        let head = json!({AT: event.timestamp.micros(), KEY: id});
        match refused {
            None => {
                let marked =
                    if is_plain(event) { String::new() } else { format!(",\"{MARK}\":true") };
                let own = head.to_string();
                // Two objects become one: the head's inside before the event's.
                let own = own.strip_prefix('{').and_then(|own| own.strip_suffix('}'));
                body.push('{');
                body.push_str(own.unwrap_or_default());
                body.push_str(&marked);
                body.push(',');
                body.push_str(line.strip_prefix('{').unwrap_or_default());
            }
            Some(reason) => {
                let mut whole = head;
                if let Some(fields) = whole.as_object_mut() {
                    fields.insert("@timestamp".to_owned(), Json::from(event.timestamp.to_string()));
                    fields.insert(MARK.to_owned(), Json::from(true));
                    fields.insert(REASON.to_owned(), Json::from(cut(reason)));
                    fields.insert(WHOLE.to_owned(), Json::from(line.as_ref()));
                }
                body.push_str(&whole.to_string());
            }
        }
        body.push('\n');
    }

    /// One bulk request. What is refused is sent once more as a whole text, if `again`.
    async fn send(&self, events: &[&Event], body: String, again: bool) -> Result<(), StoreError> {
        const WHAT: &str = "take events";
        let answer = self.request(WHAT, Method::Post, "/_bulk", Some(body)).await?;
        if !answer.status.is_success() {
            self.distrust();
            return Err(self.error(WHAT, busy_words(answer.status, &answer.reason())));
        }
        let items = answer.body.get("items").and_then(Json::as_array);
        let items = items.filter(|items| items.len() == events.len());
        let Some(items) = items else {
            return Err(self.error(WHAT, "its answer does not name every event"));
        };
        let (mut stored, mut repeated) = (0, 0);
        let mut busy: Option<String> = None;
        let mut refused: Vec<(&Event, String)> = Vec::new();
        for (event, item) in events.iter().zip(items) {
            match fate(item) {
                Fate::Stored => stored += 1,
                Fate::Again => repeated += 1,
                Fate::Busy(why) => busy = Some(why),
                Fate::Refused(why) => refused.push((event, why)),
            }
        }
        self.state.lock().unseen = true;
        self.state.lock().events += stored;
        self.numbers.add("events_again", repeated);
        if let Some(why) = busy {
            // The index may be blocked, gone, or made without the template.
            self.distrust();
            return Err(self.error(WHAT, why));
        }
        if refused.is_empty() {
            return Ok(());
        }
        if !again {
            let why = refused.swap_remove(0).1;
            return Err(self.error(WHAT, format!("an event is refused even as plain text: {why}")));
        }
        tracing::warn!(
            events = refused.len(),
            reason = refused.first().map_or("", |(_, why)| why.as_str()),
            "the event store refuses the fields of events; they are kept as text"
        );
        let mut writer = FlatWriter::new();
        let mut body = String::new();
        for (event, why) in &refused {
            self.put(event, Some(why), &mut writer, &mut body);
        }
        let count = i64::try_from(refused.len()).unwrap_or(i64::MAX);
        let events: Vec<&Event> = refused.into_iter().map(|(event, _)| event).collect();
        Box::pin(self.send(&events, body, false)).await?;
        self.numbers.add("events_refused_kept_as_text", count);
        Ok(())
    }
}

/// What an item of a bulk answer says.
fn fate(item: &Json) -> Fate {
    let item = item.get("create").unwrap_or(item);
    let status = item.get("status").and_then(Json::as_u64).unwrap_or(0);
    let error = item.get("error");
    let word = |key: &str| {
        error.and_then(|error| error.get(key)).and_then(Json::as_str).unwrap_or_default().to_owned()
    };
    let kind = word("type");
    let cause =
        error.and_then(|error| error.get("caused_by")).and_then(|cause| cause.get("reason"));
    let cause = cause.and_then(Json::as_str).unwrap_or_default();
    let why = format!("{kind}: {} {cause}", word("reason"));
    match status {
        200..=299 => Fate::Stored,
        409 => Fate::Again,
        400 if !kind.contains("block")
            && !kind.contains("validation")
            && !kind.contains("index_closed") =>
        {
            Fate::Refused(why)
        }
        status => {
            let code = u16::try_from(status).ok().and_then(|code| StatusCode::from_u16(code).ok());
            Fate::Busy(busy_words(code.unwrap_or(StatusCode::SERVICE_UNAVAILABLE), &why))
        }
    }
}

/// What a person can do about it.
fn busy_words(status: StatusCode, why: &str) -> String {
    let hint = if why.contains("flood") || why.contains("read-only") || why.contains("block") {
        "; its disk is nearly full or the index is blocked: free space there, the program goes on by itself"
    } else if status == StatusCode::TOO_MANY_REQUESTS {
        "; it has too much to do, and is tried again"
    } else if why.contains("maximum") && why.contains("shards") {
        "; it has too many indices: drop old days or raise cluster.max_shards_per_node"
    } else {
        "; it is tried again"
    };
    format!("{why}{hint}")
}

fn cut(text: &str) -> &str {
    let mut end = text.len().min(REASON_BYTES_MAX);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// Do the server's fields tell all that a filter can ask of this event? Not where a letter outside of ASCII equals one
/// inside in another case, where a text is longer than a term, or where a number is written in another way.
fn is_plain(event: &Event) -> bool {
    event.iter().all(|(field, value)| match value {
        Value::Str(text) => {
            let long = text.len() > TERM_LETTERS_MAX && text.chars().count() > TERM_LETTERS_MAX;
            let odd = !text.is_ascii() && text.contains(['\u{17f}', '\u{212a}']);
            let numeric = !NUMBERS.contains(&field.name())
                || (!text.is_empty()
                    && text.len() < 16
                    && text.bytes().all(|byte| byte.is_ascii_digit()));
            !long && !odd && numeric
        }
        Value::Float(_) => false,
        Value::Int(_) | Value::Bool(_) | Value::Null => true,
    })
}
