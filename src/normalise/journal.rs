//! Entries of the systemd journal in its export format to the leaves that they have as JSON (`MESSAGE`, `_HOSTNAME`,
//! `SYSLOG_IDENTIFIER`, …), so that one mapping is for both; and the journal's JSON with its texts that are written as
//! lists of bytes (whatever holds a control character, a coloured message for one) turned into texts.

use std::borrow::Cow;

use memchr::{memchr, memmem};
use sonic_rs::LazyValue;

use crate::carrier::journal_export::is_name;
use crate::normalise::document::{Document, is_too_deep};
use crate::normalise::names::{Names, NodeId};

/// Why a record is no usable entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum JournalError {
    /// A line that is no field.
    #[error("line {0} is no field of a journal entry")]
    NotField(usize),
    /// A field is longer than what is left.
    #[error("the entry is cut short in line {0}")]
    Cut(usize),
    /// Nothing in it.
    #[error("an entry without fields")]
    Empty,
}

impl JournalError {
    /// The stable word it is counted by.
    pub fn reason(&self) -> &'static str {
        match self {
            JournalError::NotField(_) | JournalError::Empty => "not_journal",
            JournalError::Cut(_) => "cut",
        }
    }
}

/// Read one entry, forgetting the document before. Bytes that are no UTF-8 are replaced.
///
/// # Errors
/// The bytes are no entry; leaves before the fault were added.
pub fn read(entry: &[u8], document: &mut Document, names: &mut Names) -> Result<(), JournalError> {
    document.clear();
    let mut rest = entry;
    let mut number = 0;
    while !rest.is_empty() {
        number += 1;
        let end = memchr(b'\n', rest).unwrap_or(rest.len());
        let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        rest = after.get(1..).unwrap_or_default();
        let (name, value) = match memchr(b'=', line) {
            Some(at) => (line.get(..at), line.get(at + 1..)),
            None => {
                let (length, after) =
                    rest.split_first_chunk::<8>().ok_or(JournalError::Cut(number))?;
                let length = usize::try_from(u64::from_le_bytes(*length));
                let length = length.map_err(|_| JournalError::Cut(number))?;
                let data = after.split_at_checked(length).ok_or(JournalError::Cut(number))?;
                rest = data.1.strip_prefix(b"\n").unwrap_or(data.1);
                (Some(line), Some(data.0))
            }
        };
        let name = name.filter(|name| !name.is_empty() && name.iter().all(is_name));
        let name = name.and_then(|name| std::str::from_utf8(name).ok());
        let (Some(name), Some(value)) = (name, value) else {
            return Err(JournalError::NotField(number));
        };
        let node = names.child(NodeId::ROOT, name);
        document.push_text(node, &String::from_utf8_lossy(value));
    }
    if number == 0 { Err(JournalError::Empty) } else { Ok(()) }
}

/// Is this JSON object an entry of the journal, by what every one has?
pub fn is_entry(json: &str) -> bool {
    let has = |key: &[u8]| memmem::find(json.as_bytes(), key).is_some();
    has(b"\"__REALTIME_TIMESTAMP\"") || has(b"\"__CURSOR\"")
}

/// An entry as JSON whose texts are all texts. What is no object, or has no list of bytes, comes back as it is.
pub fn with_texts(json: &str) -> Cow<'_, str> {
    let whole = || sonic_rs::from_str::<LazyValue<'_>>(json).is_ok();
    if !has_list_of_numbers(json.as_bytes()) || is_too_deep(json) || !whole() {
        return Cow::Borrowed(json);
    }
    let mut out = String::with_capacity(json.len());
    out.push('{');
    let mut changed = false;
    for (number, member) in sonic_rs::to_object_iter(json).enumerate() {
        let Ok((key, value)) = member else { return Cow::Borrowed(json) };
        if number > 0 {
            out.push(',');
        }
        push_string(&mut out, &key);
        out.push(':');
        match bytes_of(&value) {
            Some(bytes) => {
                changed = true;
                push_string(&mut out, &String::from_utf8_lossy(&bytes));
            }
            None => out.push_str(value.as_raw_str()),
        }
    }
    out.push('}');
    if changed { Cow::Owned(out) } else { Cow::Borrowed(json) }
}

/// A list of nothing but numbers below 256, or a list of such lists.
fn bytes_of(value: &LazyValue<'_>) -> Option<Vec<u8>> {
    let raw = value.as_raw_str();
    if !raw.starts_with('[') {
        return None;
    }
    match sonic_rs::from_str::<Vec<u8>>(raw) {
        Ok(bytes) if !bytes.is_empty() => Some(bytes),
        _ => None,
    }
}

/// Could any list of numbers be in here?
fn has_list_of_numbers(json: &[u8]) -> bool {
    memchr::memchr_iter(b'[', json).any(|at| {
        let rest = json.get(at + 1..).unwrap_or_default().trim_ascii_start();
        rest.first().is_some_and(u8::is_ascii_digit)
    })
}

fn push_string(out: &mut String, text: &str) {
    // Writing a text as JSON cannot fail.
    out.push_str(&sonic_rs::to_string(text).unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn leaves(entry: &[u8]) -> Result<Vec<(String, String)>, JournalError> {
        let (mut document, mut names) = (Document::default(), Names::default());
        read(entry, &mut document, &mut names)?;
        let leaf = |leaf: &crate::normalise::document::Leaf| {
            let name = names.key(leaf.node).to_owned();
            (name, document.value(*leaf).to_text().into_owned())
        };
        Ok(document.leaves().iter().map(leaf).collect())
    }

    #[test]
    fn fields_of_both_kinds() {
        let entry = b"__CURSOR=s=1;i=2\nMESSAGE\n\x05\0\0\0\0\0\0\0a\n=\xffb\n_PID=7\nEMPTY=\n";
        let seen = leaves(entry).unwrap();
        let seen: Vec<(&str, &str)> = seen.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(
            seen,
            [("__CURSOR", "s=1;i=2"), ("MESSAGE", "a\n=\u{fffd}b"), ("_PID", "7"), ("EMPTY", "")]
        );
    }

    #[test]
    fn what_is_no_entry_says_why() {
        assert_eq!(leaves(b""), Err(JournalError::Empty));
        assert_eq!(leaves(b"A=1\nlower=2\n"), Err(JournalError::NotField(2)));
        assert_eq!(leaves(b"A=1\nMESSAGE\n\x05\0\0\0\0\0\0\0ab"), Err(JournalError::Cut(2)));
        assert_eq!(leaves(b"MESSAGE\n\xff\xff\xff\xff\xff\xff\xff\xff"), Err(JournalError::Cut(1)));
        assert_eq!(leaves(b"MESSAGE"), Err(JournalError::Cut(1)));
    }

    #[test]
    fn lists_of_bytes_become_texts() {
        let json = r#"{"__CURSOR":"x","MESSAGE":[27,91,51,49,109,104,105],"MANY":["a","b"],"NONE":null,"LIST":[1,300],"_PID":"7"}"#;
        assert!(is_entry(json));
        let back: serde_json::Value = serde_json::from_str(&with_texts(json)).unwrap();
        assert_eq!(back["MESSAGE"], "\u{1b}[31mhi");
        assert_eq!(back["MANY"], serde_json::json!(["a", "b"]));
        assert_eq!(back["LIST"], serde_json::json!([1, 300]));
        assert_eq!(back["_PID"], "7");
        for same in [r#"{"a":[]}"#, "[1,2]", "{\"a\":[1,", "text [1", "{\"a\":[1]}{}"] {
            assert!(matches!(with_texts(same), Cow::Borrowed(_)), "{same}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_do_no_harm(entry in proptest::collection::vec(any::<u8>(), 0..300), text in "[\\[\\]{}\",:0-9a ]{0,60}") {
            let _ = leaves(&entry);
            let _ = with_texts(&text);
        }

        #[test]
        fn bytes_come_back(text in "\\PC{1,30}") {
            let list: Vec<u8> = text.bytes().collect();
            let json = serde_json::json!({"MESSAGE": list, "b": "c"}).to_string();
            let back: serde_json::Value = serde_json::from_str(&with_texts(&json)).unwrap();
            prop_assert_eq!(&back["MESSAGE"], &text);
            prop_assert_eq!(&back["b"], "c");
        }
    }
}
