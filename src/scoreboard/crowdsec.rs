//! crowdsec's parser tests: a folder with `config.yaml` (which log, of which type), the log, and `parser.assert` (what
//! every stage made of every line). One case is one asserted field of `Evt.Parsed` or `Evt.Meta` of one line; where
//! several stages assert it, the last one counts. All of them are the denominator.
//!
//! `config/scoreboard/crowdsec.toml` says which of our fields say the same (twins) and what a word means in our
//! fields. A field without either differs, unless it is on the list of reviewed ones.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::model::event::Event;
use crate::scoreboard::feed::{Feed, Line, Seen, gist, values};
use crate::scoreboard::tables::{Crowdsec, How, Twin};
use crate::scoreboard::{Case, ScoreError, TestFile, Verdict, clock, failure, read};
use crate::stdx::time::Timestamp;

/// Newer than every line of the suite that states no year (2024-12-31).
const ANCHOR: Timestamp = Timestamp(1_735_603_200_000_000);

static ASSERTION: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(
        r#"^(basename\()?results\["([^"]+)"\]\["([^"]+)"\]\[(\d+)\]\.Evt\.(Parsed|Meta)\["([^"]+)"\](?:\[4:\])?\)? == (.*)$"#,
    )
    .ok()
});

/// A value that a stage asserts.
#[derive(Clone)]
struct Asserted {
    /// The line in `parser.assert`, from 1.
    at: u64,
    /// Where its first four characters are left out (a year), it begins with the `-` after them.
    value: String,
}

/// What one parser made of one event: field → value.
type Fields = BTreeMap<String, Asserted>;

/// What is asserted of one line of the log.
#[derive(Default)]
struct Expected {
    fields: Fields,
    /// The parser of the family stage, without its author.
    parser: String,
}

/// Is it the assertions of such a test?
pub fn recognise(file: &TestFile<'_>) -> bool {
    file.path.file_name().is_some_and(|name| name == "parser.assert")
        && file.path.with_file_name("config.yaml").is_file()
}

/// The verdict on every asserted field.
pub fn judge(file: &TestFile<'_>, feed: &Feed, table: &Crowdsec) -> Result<Vec<Case>, ScoreError> {
    let folder = file.path.parent().and_then(|folder| folder.file_name());
    let test = folder.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let config = read(&file.path.with_file_name("config.yaml"))?;
    let setting = |name: &str| {
        let line = config.lines().find_map(|line| line.strip_prefix(name))?;
        line.strip_prefix(':').map(|value| value.trim().trim_matches('"').to_owned())
    };
    let Some(log) = setting("log_file") else { return Ok(Vec::new()) };
    let results = results(file.text);
    if results.is_empty() {
        return Ok(Vec::new());
    }
    let text = read(&file.path.with_file_name(&log))?;
    let lines: Vec<Line<'_>> = (1_u64..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| Line { number, text: Cow::Borrowed(line) })
        .collect();
    let named = table.format.get(&test).cloned().or_else(|| setting("log_type"));
    // `syslog` is what their lines come in; which family they are is for the decoder to find.
    let format = named.filter(|name| name != "syslog").unwrap_or_default();
    let seen = feed.decode(&log, &format, ANCHOR, &lines);
    let mut cases = Vec::new();
    for (index, expected) in by_line(&results, &lines) {
        let Some(line) = lines.get(index) else { continue };
        for (field, asserted) in &expected.fields {
            let verdict =
                field_verdict(field, asserted, &expected.parser, line.number, &seen, table);
            let verdict = match verdict {
                Verdict::Differing(why) => match table.accepted(&test, field) {
                    Some(reason) => Verdict::Accepted(format!("{why}; {reason}")),
                    None => Verdict::Differing(why),
                },
                other => other,
            };
            let input = format!("{field} of {log}:{}: {}", line.number, line.text);
            cases.push(Case { file: file.name.to_owned(), line: asserted.at, input, verdict });
        }
    }
    Ok(cases)
}

/// By stage and parser: what each asserts of its n-th event.
type Results = BTreeMap<(String, String), BTreeMap<usize, Fields>>;

fn results(text: &str) -> Results {
    let mut results = Results::new();
    for (at, line) in (1_u64..).zip(text.lines()) {
        let Some(found) = ASSERTION.as_ref().and_then(|pattern| pattern.captures(line.trim()))
        else {
            continue;
        };
        let part = |index: usize| found.get(index).map_or("", |part| part.as_str());
        let Ok(index) = part(4).parse::<usize>() else { continue };
        let asserted = Asserted { at, value: unquoted(part(7)) };
        let key = (part(2).to_owned(), part(3).to_owned());
        let fields = results.entry(key).or_default().entry(index).or_default();
        fields.insert(format!("{}.{}", part(5), part(6)), asserted);
    }
    results
}

/// A Go string: quoted with escapes, or raw in backquotes.
fn unquoted(text: &str) -> String {
    if let Some(raw) = text.strip_prefix('`').and_then(|rest| rest.strip_suffix('`')) {
        return raw.to_owned();
    }
    // The escapes that occur are those of JSON.
    serde_json::from_str::<String>(text).unwrap_or_else(|_| text.trim_matches('"').to_owned())
}

/// Give every event of every stage its line: the next one that holds the asserted message, else the one with its number.
fn by_line(results: &Results, lines: &[Line<'_>]) -> BTreeMap<usize, Expected> {
    let mut expected: BTreeMap<usize, Expected> = BTreeMap::new();
    let mut parsed: BTreeSet<usize> = BTreeSet::new();
    for ((stage, parser), events) in results {
        let mut taken = BTreeSet::new();
        for (index, fields) in events {
            let message = fields.get("Parsed.message").map(|asserted| asserted.value.as_str());
            let line = match message {
                Some(message) => (0..lines.len()).find(|at| {
                    !taken.contains(at)
                        && lines.get(*at).is_some_and(|line| line.text.contains(message))
                }),
                None if stage == "s02-enrich" => parsed.iter().nth(*index).copied(),
                None => Some(*index),
            };
            let Some(line) = line else { continue };
            taken.insert(line);
            let here = expected.entry(line).or_default();
            here.fields.extend(fields.iter().map(|(name, value)| (name.clone(), value.clone())));
            if stage == "s01-parse" {
                parsed.insert(line);
                here.parser = parser.rsplit('/').next().unwrap_or(parser).to_owned();
            }
        }
        if stage == "s00-raw" && !results.keys().any(|(stage, _)| stage == "s01-parse") {
            parsed.extend(taken);
        }
    }
    expected
}

fn field_verdict(
    field: &str,
    asserted: &Asserted,
    parser: &str,
    line: u64,
    seen: &Seen,
    table: &Crowdsec,
) -> Verdict {
    if let Some(reviewed) = table.reviewed.iter().find(|reviewed| reviewed.field == field) {
        return Verdict::Accepted(reviewed.reason.clone());
    }
    let mut events = seen.at(line).peekable();
    if events.peek().is_none() {
        return Verdict::Differing(seen.nothing(line));
    }
    let words = table.word.iter().filter(|word| word.field == field);
    if let Some(word) = words.clone().find(|word| word.value == asserted.value) {
        let mut missing = String::new();
        for event in events {
            match word.needs.iter().find(|need| !holds(event, need)) {
                None => return Verdict::Agreed,
                Some(need) => missing = format!("{} needs {need}: {}", asserted.value, gist(event)),
            }
        }
        return Verdict::Differing(missing);
    }
    let of_field = |twin: &&Twin| twin.fields.iter().any(|name| name == field);
    let of_parser = |twin: &&Twin| !twin.parser.is_empty() && twin.parser == parser;
    let twins = || table.twin.iter().filter(of_field);
    let twin = twins().find(of_parser).or_else(|| twins().find(|twin| twin.parser.is_empty()));
    let Some(twin) = twin else {
        let why = match words.count() {
            0 => "no field of ours says this".to_owned(),
            _ => format!("no meaning is written down for {}", asserted.value),
        };
        return Verdict::Differing(why);
    };
    let mut found = Vec::new();
    for event in events {
        match compare(event, twin, asserted) {
            None => return Verdict::Agreed,
            Some(held) => found.extend(held),
        }
    }
    let names = twin.ecs.join(", ");
    Verdict::Differing(format!("{:?} expected, {found:?} in {names}", asserted.value))
}

/// `None`: one of the twins says it. Else what they say.
fn compare(event: &Event, twin: &Twin, asserted: &Asserted) -> Option<Vec<String>> {
    let held: Vec<String> = twin.ecs.iter().flat_map(|name| values(event, name)).collect();
    let theirs = asserted.value.as_str();
    if twin.how == How::Time {
        return (!clock::agrees_as_written(event.timestamp, theirs)).then_some(held);
    }
    let nothing = |text: &str| matches!(text, "" | "-");
    if nothing(theirs) && held.iter().all(|ours| nothing(ours)) {
        return None;
    }
    let agrees = held.iter().any(|ours| same(twin.how, theirs, ours));
    // The length of what is not there is nought.
    let agrees = agrees || (twin.how == How::Length && theirs == "0" && held.is_empty());
    (!agrees).then_some(held)
}

fn same(how: How, theirs: &str, ours: &str) -> bool {
    let equal = theirs.eq_ignore_ascii_case(ours)
        || matches!((theirs.parse::<f64>(), ours.parse::<f64>()), (Ok(one), Ok(two)) if one == two);
    let base = |text: &str| text.rsplit('/').next().unwrap_or(text).to_owned();
    match how {
        How::Equal | How::Time => equal,
        How::Base => equal || base(theirs) == ours || base(ours) == theirs,
        How::Contains => ours.contains(theirs),
        How::Length => theirs.parse() == Ok(ours.len()),
        How::Millis => match (theirs.parse::<f64>(), ours.parse::<f64>()) {
            (Ok(millis), Ok(nanos)) => (millis * 1e6 - nanos).abs() < 1e6,
            _ => false,
        },
        How::Peer => failure::same_peer(theirs, ours),
    }
}

/// `field=value|value` of an event; `failure=true` asks for the shared meaning of a failure.
fn holds(event: &Event, need: &str) -> bool {
    let Some((name, wanted)) = need.split_once('=') else { return false };
    if name == "failure" {
        return failure::is_failure(event) == (wanted == "true");
    }
    values(event, name).iter().any(|value| wanted.split('|').any(|word| word == value))
}
