//! Event data that an exporter left as text: Azure's JSON, Sentinel's XML. Read only where it says something new.

use crate::normalise::document::{Document, Leaf};
use crate::normalise::names::{Names, NodeId};
use crate::normalise::windows::head::Head;

/// Add the event data written in the record's `EventData` text to the document's leaves.
pub fn unfold(document: &mut Document, names: &mut Names, head: &Head) {
    let Some(text) = head.data_text.and_then(|leaf: Leaf| document.value(leaf).as_str()) else {
        return;
    };
    let pairs = match text.trim_ascii_start().as_bytes().first() {
        Some(b'{') => from_json(text),
        Some(b'<') => from_xml(text),
        _ => vec![("Data".to_owned(), text.to_owned())],
    };
    let data = names.child(NodeId::ROOT, "EventData");
    for (name, value) in pairs {
        // Sentinel writes the same fields flat as well.
        let flat = names.child(NodeId::ROOT, &name);
        if document.leaves().iter().any(|leaf| leaf.node == flat) {
            continue;
        }
        let node = names.child(data, &name);
        document.push_text(node, &value);
    }
}

/// What the head of an event's XML says that renderings put into words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct System {
    /// `Level`
    pub level: Option<i64>,
    /// `Task`
    pub task: Option<i64>,
    /// `Opcode`
    pub opcode: Option<i64>,
    /// `Keywords`
    pub keywords: Option<String>,
    /// The whole message; renderings keep its first line and put the rest into objects.
    pub message: Option<String>,
}

/// Read the head and the message of an event's XML.
pub fn system(xml: &str) -> System {
    let head = between(xml, "<System>", "</System>").unwrap_or_default();
    let element = |open: &str, close: &str| between(head, open, close);
    let rendering = xml.rsplit_once("<RenderingInfo").map_or("", |(_, rest)| rest);
    let number = |text: Option<&str>| text.and_then(|text| text.trim().parse().ok());
    System {
        level: number(element("<Level>", "</Level>")),
        task: number(element("<Task>", "</Task>")),
        opcode: number(element("<Opcode>", "</Opcode>")),
        keywords: element("<Keywords>", "</Keywords>").map(unescape),
        message: between(rendering, "<Message>", "</Message>").map(unescape),
    }
}

fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(open)?;
    rest.split_once(close).map(|(text, _)| text)
}

fn from_json(text: &str) -> Vec<(String, String)> {
    let Ok(object) = sonic_rs::from_str::<serde_json::Map<String, serde_json::Value>>(text) else {
        return vec![("Data".to_owned(), text.to_owned())];
    };
    let plain = |value: serde_json::Value| match value {
        serde_json::Value::String(text) => text,
        serde_json::Value::Null => String::new(),
        other => other.to_string(),
    };
    object.into_iter().map(|(name, value)| (name, plain(value))).collect()
}

/// `<Data Name="X">value</Data>` and `<Data>value</Data>`, in order; anything else is passed over.
fn from_xml(text: &str) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once("<Data") {
        let Some((attributes, body)) = after.split_once('>') else { break };
        let name = attribute(attributes).unwrap_or("Data").to_owned();
        if attributes.trim_end().ends_with('/') {
            pairs.push((name, String::new()));
            rest = body;
            continue;
        }
        let Some((value, after)) = body.split_once("</Data>") else { break };
        pairs.push((name, unescape(value)));
        rest = after;
    }
    pairs
}

fn attribute(attributes: &str) -> Option<&str> {
    let (_, value) = attributes.split_once("Name=")?;
    let quote = value.chars().next().filter(|mark| matches!(mark, '"' | '\''))?;
    value.strip_prefix(quote)?.split_once(quote).map(|(name, _)| name)
}

/// The five named entities and numeric ones; anything else stays as it is.
pub(super) fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        out.push_str(before);
        let entity = after.split_once(';').filter(|(name, _)| name.len() <= 8);
        match entity.and_then(|(name, tail)| Some((decode(name)?, tail))) {
            Some((character, tail)) => {
                out.push(character);
                rest = tail;
            }
            None => {
                out.push('&');
                rest = after;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The character that an entity stands for: one of the five with a name, or by its number.
pub(super) fn decode(entity: &str) -> Option<char> {
    match entity {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = entity.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn xml_data_is_read_with_names_and_entities() {
        let text = r#"<EventData xmlns="x"><Data Name="A">1 &lt; 2 &#38; 3</Data><Data Name="B"/><Data>c</Data></EventData>"#;
        let expected = [("A", "1 < 2 & 3"), ("B", ""), ("Data", "c")];
        let pairs = from_xml(text);
        assert_eq!(pairs.len(), expected.len());
        for ((name, value), (want_name, want_value)) in pairs.iter().zip(expected) {
            assert_eq!((name.as_str(), value.as_str()), (want_name, want_value));
        }
    }

    #[test]
    fn the_head_of_an_event_is_read() {
        let xml = "<Event><System><Level>0</Level><Task>12544</Task><Opcode>x</Opcode><Keywords>0x80</Keywords></System><EventData><Level>9</Level></EventData><RenderingInfo Culture='en-US'><Message>a &amp; b</Message></RenderingInfo></Event>";
        let expected = System {
            level: Some(0),
            task: Some(12_544),
            opcode: None,
            keywords: Some("0x80".into()),
            message: Some("a & b".into()),
        };
        assert_eq!(system(xml), expected);
        assert_eq!(system("<System><Level>1"), System::default());
    }

    #[test]
    fn json_data_is_read() {
        let pairs = from_json(r#"{"A":"x","B":5,"C":null}"#);
        assert_eq!(pairs[1], ("B".to_owned(), "5".to_owned()));
        assert_eq!(from_json("{broken")[0].0, "Data");
    }

    proptest! {
        #[test]
        fn never_panics(text in "[<>&;#xaDataNme=\"'/ 0-9]{0,60}") {
            let _ = from_xml(&text);
            let _ = unescape(&text);
            let _ = system(&text);
        }
    }
}
