//! Suites of the Ops Agent: `input.log` beside `output_otel.yaml`, which lists for every record the values that another
//! parser found. A record agrees when every one of them is a value of its event.
//!
//! Names differ between the two; what counts is the value, in a field whose name ends as theirs does or that
//! `golden.toml` names as its twin. Field by field this says that nothing was lost and nothing was misread.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::Value as Json;

use crate::model::event::Event;
use crate::normalise::time;
use crate::scoreboard::feed::{Feed, text_of};
use crate::scoreboard::tables::Golden;
use crate::scoreboard::{Case, ScoreError, TestFile, Verdict};

/// What a suite of this kind holds beside its input.
const EXPECTED: &str = "output_otel.yaml";

/// Is the file the input of such a suite?
pub fn recognise(file: &TestFile<'_>) -> bool {
    file.path.file_name().is_some_and(|name| name == "input.log")
        && file.path.with_file_name(EXPECTED).exists()
}

/// Judge every record.
///
/// # Errors
/// A file cannot be read, or the expectations are no YAML.
pub fn judge(file: &TestFile<'_>, feed: &Feed, table: &Golden) -> Result<Vec<Case>, ScoreError> {
    let expected = expectations(&file.path.with_file_name(EXPECTED))?;
    let seen = feed.file(file.path)?;
    let mut cases = Vec::new();
    for (number, wanted) in expected.iter().enumerate() {
        let verdict = match seen.events.get(number) {
            None => Verdict::Differing("no event".to_owned()),
            Some(event) => compare(wanted, event, table),
        };
        let input = seen.events.get(number).map(|event| text_of(event, "event.original"));
        cases.push(Case {
            file: file.name.to_owned(),
            line: number as u64 + 1,
            input: input.unwrap_or_default(),
            verdict,
        });
    }
    if seen.events.len() > expected.len() {
        let why = format!("{} events for {} records", seen.events.len(), expected.len());
        cases.push(Case {
            file: file.name.to_owned(),
            line: 0,
            input: String::new(),
            verdict: Verdict::Differing(why),
        });
    }
    Ok(cases)
}

/// The entries of the expectation file, each as its leaves.
fn expectations(path: &Path) -> Result<Vec<BTreeMap<String, String>>, ScoreError> {
    let text = super::read(path)?;
    let shown = path.display().to_string();
    let parsed: Json = serde_saphyr::from_str(&text)
        .map_err(|error| ScoreError::Expectation { path: shown, reason: error.to_string() })?;
    let mut found = Vec::new();
    for block in parsed.as_array().into_iter().flatten() {
        for entry in block.get("entries").and_then(Json::as_array).into_iter().flatten() {
            let mut leaves = BTreeMap::new();
            for part in ["jsonPayload", "httpRequest"] {
                if let Some(value) = entry.get(part) {
                    flatten(value, "", &mut leaves);
                }
            }
            if let Some(at) = entry.get("timestamp").and_then(Json::as_str) {
                leaves.insert("@timestamp".to_owned(), at.to_owned());
            }
            found.push(leaves);
        }
    }
    Ok(found)
}

/// The leaves of a value by dotted path; elements of lists by number.
pub(super) fn flatten(value: &Json, path: &str, out: &mut BTreeMap<String, String>) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Json::Object(map) => map.iter().for_each(|(key, value)| flatten(value, &below(key), out)),
        Json::Array(list) => list
            .iter()
            .enumerate()
            .for_each(|(number, value)| flatten(value, &below(&number.to_string()), out)),
        Json::String(text) => {
            out.insert(path.to_owned(), text.clone());
        }
        Json::Null => {}
        other => {
            out.insert(path.to_owned(), other.to_string());
        }
    }
}

fn compare(wanted: &BTreeMap<String, String>, event: &Event, table: &Golden) -> Verdict {
    let mut wrong = Vec::new();
    for (path, value) in wanted {
        let rule = table.field.iter().find(|field| *field.name == *last(path));
        // `now`: the other parser could not read the record's time.
        if value.is_empty() || value == "now" || rule.is_some_and(|rule| rule.skip.is_some()) {
            continue;
        }
        let twins = rule.map(|rule| rule.ecs.as_slice()).unwrap_or_default();
        if !holds(event, path, value, twins) {
            wrong.push(format!("{path} is not {value:?}"));
        }
    }
    if wrong.is_empty() { Verdict::Agreed } else { Verdict::Differing(wrong.join("; ")) }
}

/// The last name of a path that is no number.
fn last(path: &str) -> &str {
    path.rsplit('.').find(|part| part.parse::<u32>().is_err()).unwrap_or(path)
}

fn holds(event: &Event, path: &str, value: &str, twins: &[String]) -> bool {
    if path == "@timestamp" {
        return same_time(&event.timestamp.to_string(), value);
    }
    let wanted = plain(last(path));
    event.iter().any(|(field, found)| {
        let name = field.name();
        let named = plain(last(name)) == wanted || twins.iter().any(|twin| twin == name);
        named && same(&found.to_text(), value)
    }) || (twins.iter().any(|twin| twin == "@timestamp")
        && same_time(&event.timestamp.to_string(), value))
}

fn plain(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// The same text, number or instant. White space at line ends is no difference.
pub(super) fn same(found: &str, wanted: &str) -> bool {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let numbers = || Some(found.parse::<f64>().ok()? == wanted.parse::<f64>().ok()?);
    words(found) == words(wanted)
        || words(found).eq_ignore_ascii_case(&words(wanted))
        || numbers().unwrap_or(false)
        || same_time(found, wanted)
}

/// Instants to the microsecond, in RFC 3339 or as Go prints them (`2026-01-16 18:45:59.5782153 +0000`).
pub(super) fn same_time(found: &str, wanted: &str) -> bool {
    let read = |text: &str| {
        if let Some(at) = text.parse().ok().and_then(time::from_epoch_number) {
            return Some(at.micros());
        }
        let joined = text.replacen(' ', "T", 1).replace(' ', "").replace("UTC", "");
        let at = joined.parse::<jiff::Timestamp>().or_else(|_| text.parse()).ok()?;
        Some(at.as_microsecond())
    };
    matches!((read(found), read(wanted)), (Some(a), Some(b)) if a == b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_by_meaning() {
        assert!(same("80", "80.0") && same("a  b\n", "a b") && same("TRUE", "true"));
        assert!(!same("80", "81") && !same("", "x"));
        assert!(same_time("2026-01-16T18:45:59.578215Z", "2026-01-16 18:45:59.5782153 +0000"));
        assert_eq!(last("StringInserts.3"), "StringInserts");
    }
}
