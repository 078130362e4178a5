//! Files of records without expectations: the record itself is one. A JSON record agrees when every value of it is a
//! value of its event and a format of ours claimed it; an access-log line when its address, method, target, status and
//! size, found by one independent expression, are those of its event.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::model::event::Event;
use crate::scoreboard::feed::{Feed, text_of};
use crate::scoreboard::golden::{flatten, same, same_time};
use crate::scoreboard::{Case, ScoreError, TestFile, Verdict};

/// The part of an access-log line that every server writes.
static ACCESS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"^([0-9A-Fa-f:.]+[:.][0-9A-Fa-f:.]*|[\w-]+\.[\w.-]+) \S+ .*?\[[^\]]+\] "(?:([A-Z]+) (\S+)[^"]*|[^"]*)" (\d{3}) (\d+|-)"#).ok()
});

/// What kind of file it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Kubernetes audit events.
    Kubernetes,
    /// JSON records of a web server.
    Nginx,
    /// Access-log lines.
    Access,
}

/// By its first record.
pub fn recognise(file: &TestFile<'_>) -> Option<Kind> {
    let head = file.text.trim_start();
    if head.starts_with('{') {
        let first: String = head.chars().take(4_000).collect();
        if first.contains("\"auditID\"") && first.contains("\"stage\"") {
            return Some(Kind::Kubernetes);
        }
        return (first.contains("\"nginx_version\"") || first.contains("\"remote_user\""))
            .then_some(Kind::Nginx);
    }
    let known = ACCESS.as_ref().is_some_and(|regex| {
        let mut lines = file.text.lines().filter(|line| !line.is_empty()).take(20).peekable();
        lines.peek().is_some() && lines.all(|line| regex.is_match(line))
    });
    known.then_some(Kind::Access)
}

/// Judge every record.
///
/// # Errors
/// The file cannot be read.
pub fn judge(file: &TestFile<'_>, kind: Kind, feed: &Feed) -> Result<Vec<Case>, ScoreError> {
    let seen = feed.file(file.path)?;
    let mut cases = Vec::new();
    for (number, event) in seen.events.iter().enumerate() {
        let input = text_of(event, "event.original");
        let verdict = match kind {
            Kind::Access => access(&input, event),
            Kind::Kubernetes | Kind::Nginx => object(&input, event),
        };
        cases.push(Case { file: file.name.to_owned(), line: number as u64 + 1, input, verdict });
    }
    for (at, why) in seen.rejects {
        cases.push(Case {
            file: file.name.to_owned(),
            line: at,
            input: String::new(),
            verdict: Verdict::Differing(why),
        });
    }
    Ok(cases)
}

fn object(input: &str, event: &Event) -> Verdict {
    if text_of(event, "event.dataset").is_empty() {
        return Verdict::NotCovered("no format claims it".to_owned());
    }
    let Ok(parsed) = serde_json::from_str::<serde_json::Value>(input) else {
        return Verdict::Differing("event.original is no JSON".to_owned());
    };
    let mut leaves = BTreeMap::new();
    flatten(&parsed, "", &mut leaves);
    let texts: BTreeSet<String> = event
        .iter()
        .filter(|(field, _)| field.name() != "event.original")
        .map(|(_, value)| value.to_text().into_owned())
        .collect();
    let at = event.timestamp.to_string();
    let lost: Vec<String> = leaves
        .iter()
        .filter(|(_, value)| !value.is_empty() && !texts.contains(*value))
        .filter(|(_, value)| !same_time(&at, value) && !texts.iter().any(|text| same(text, value)))
        .map(|(path, value)| format!("{path} = {value:?} is nowhere"))
        .collect();
    if lost.is_empty() { Verdict::Agreed } else { Verdict::Differing(lost.join("; ")) }
}

fn access(line: &str, event: &Event) -> Verdict {
    let Some(found) = ACCESS.as_ref().and_then(|regex| regex.captures(line)) else {
        return Verdict::NotCovered("no access-log line".to_owned());
    };
    let part = |at: usize| found.get(at).map_or("", |part| part.as_str());
    let mut wrong = Vec::new();
    for (names, wanted) in [
        (&["source.ip", "source.domain", "source.address"][..], part(1)),
        (&["http.request.method"][..], part(2)),
        (&["url.original"][..], part(3)),
        (&["http.response.status_code"][..], part(4)),
        (&["http.response.body.bytes", "http.response.bytes"][..], part(5)),
    ] {
        if matches!(wanted, "" | "-") {
            continue;
        }
        if !names.iter().any(|name| text_of(event, name) == wanted) {
            wrong.push(format!("{} is not {wanted:?}", names.first().unwrap_or(&"")));
        }
    }
    if text_of(event, "event.dataset").is_empty() {
        return Verdict::NotCovered("no format claims it".to_owned());
    }
    if wrong.is_empty() { Verdict::Agreed } else { Verdict::Differing(wrong.join("; ")) }
}
