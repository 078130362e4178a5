//! Windows events as Wazuh's agent writes them, `{"win": {"system": …, "eventdata": …}}`: the event log's own names with
//! a small first letter, turned back into the shape of an event log.

use serde_json::{Map, Value as Json};

use crate::model::event::Value;
use crate::normalise::document::Document;
use crate::normalise::names::Names;

/// The document as an event of an event log; `None`: it is of another shape.
pub fn as_event(document: &Document, names: &Names) -> Option<String> {
    names.known_child_of_root("win")?;
    let (mut system, mut data) = (Map::new(), Map::new());
    let (mut provider, mut execution) = (Map::new(), Map::new());
    let (mut time, mut message) = (None, None);
    for leaf in document.leaves().iter().copied() {
        let path = names.path(leaf.node);
        let value = json(document.value(leaf));
        match path.as_slice() {
            ["win", "system", "providerName"] => {
                provider.insert("Name".to_owned(), value);
            }
            ["win", "system", "providerGuid"] => {
                provider.insert("Guid".to_owned(), value);
            }
            ["win", "system", "systemTime"] => time = Some(value),
            ["win", "system", "message"] => message = Some(value),
            ["win", "system", key @ ("processID" | "threadID")] => {
                execution.insert(capital(key), value);
            }
            ["win", "system", key] => {
                system.insert(capital(key), value);
            }
            ["win", "eventdata", key] => {
                data.insert(capital(key), value);
            }
            _ => {}
        }
    }
    if provider.is_empty() || !system.contains_key("EventID") {
        return None;
    }
    system.insert("Provider".to_owned(), serde_json::json!({ "#attributes": provider }));
    if !execution.is_empty() {
        system.insert("Execution".to_owned(), serde_json::json!({ "#attributes": execution }));
    }
    if let Some(time) = time {
        let stamp = serde_json::json!({ "#attributes": { "SystemTime": time } });
        system.insert("TimeCreated".to_owned(), stamp);
    }
    let mut event = serde_json::json!({ "System": system, "EventData": data });
    if let (Some(message), Some(map)) = (message, event.as_object_mut()) {
        map.insert("RenderingInfo".to_owned(), serde_json::json!({ "Message": message }));
    }
    Some(serde_json::json!({ "Event": event }).to_string())
}

fn json(value: Value<'_>) -> Json {
    match value {
        // The agent writes quotes and backslashes escaped once more than JSON asks for.
        Value::Str(text) => text.replace("\\\\", "\\").replace("\\\"", "\"").into(),
        Value::Int(number) => number.into(),
        Value::Float(number) => number.into(),
        Value::Bool(truth) => truth.into(),
        Value::Null => Json::Null,
    }
}

fn capital(key: &str) -> String {
    let mut letters = key.chars();
    letters
        .next()
        .map(|first| first.to_ascii_uppercase().to_string() + letters.as_str())
        .unwrap_or_default()
}
