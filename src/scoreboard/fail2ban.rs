//! fail2ban's sample logs: a comment `# failJSON: {…}` before a line says whether that line must be taken for a
//! failure, from which host and at which time.
//!
//! A line that must match agrees when one of its events is a failure ([`failure::is_failure`]) that names the host and
//! has the time ([`clock::agrees_with_fail2ban`]). A line that must not match agrees when no event of it is a failure
//! that names somebody: fail2ban bans hosts, and a failure without host is none for it.
//!
//! A file is covered when at least one of its must-match lines gives a failure with the right host; of other files
//! nothing can be said, and they count as not covered.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::Value as Json;

use crate::model::event::Event;
use crate::model::field;
use crate::scoreboard::feed::{Feed, Line, Seen, gist};
use crate::scoreboard::tables::Fail2ban;
use crate::scoreboard::{Case, TestFile, Verdict, clock, failure};
use crate::stdx::time::Timestamp;

/// Noon of 2005-08-14 in Zurich, where the clock of fail2ban's tests stands.
pub(crate) const CLOCK: Timestamp = Timestamp(1_124_013_600_000_000);
/// Lines of `logtype: journal` come without the stamp that the journal keeps beside them.
const JOURNAL_STAMP: &str = "2005-08-14T12:00:00+02:00 ";
/// How many lines before a must-match line may hold the failure that its address completes.
const JOINED_LINES_MAX: u64 = 5;

static NOTE: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^#+ ?(?:normal mode # )?(failJSON|filterOptions) ?:(.+)$").ok());

/// What a comment says about the line after it.
pub(crate) struct Expected {
    pub(crate) matches: bool,
    pub(crate) host: Option<String>,
    time: Option<String>,
}

/// One line of the log in a test file.
pub(crate) struct Sample<'a> {
    pub(crate) line: Line<'a>,
    pub(crate) expected: Option<Expected>,
}

/// Is it one of these files?
pub fn recognise(file: &TestFile<'_>) -> bool {
    file.text.lines().any(|line| line.starts_with('#') && line.contains("failJSON"))
}

/// The verdict on every annotated line.
pub fn judge(file: &TestFile<'_>, feed: &Feed, table: &Fail2ban) -> Vec<Case> {
    let samples = samples(file.text);
    let base = file.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let format = table.format.get(base.as_ref()).map_or("auto", String::as_str);
    let lines: Vec<Line<'_>> = samples.iter().map(|sample| sample.line.clone()).collect();
    let seen = feed.decode(&base, format, CLOCK, &lines);
    let covered = samples.iter().any(|sample| {
        let expected = sample.expected.as_ref().filter(|expected| expected.matches);
        expected.is_some_and(|expected| {
            candidates(&seen, &samples, sample).any(|event| {
                failure::is_failure(event)
                    && expected.host.as_deref().is_none_or(|host| names(event, host))
            })
        })
    });
    let both = expected_both_ways(&samples);
    let mut cases = Vec::new();
    for sample in &samples {
        let Some(expected) = &sample.expected else { continue };
        let input = sample.line.text.to_string();
        let verdict = if !covered {
            Verdict::NotCovered(
                "no decoder makes a failure with its address of any line".to_owned(),
            )
        } else if both.contains(input.as_str()) && !expected.matches {
            Verdict::Accepted(
                "the same line must match under other options of the filter".to_owned(),
            )
        } else {
            match differs(expected, sample, &seen, &samples) {
                None => Verdict::Agreed,
                Some(why) => match table.accepted(&base, &input) {
                    Some(reason) => Verdict::Accepted(format!("{why}; {reason}")),
                    None => Verdict::Differing(why),
                },
            }
        };
        cases.push(Case { file: file.name.to_owned(), line: sample.line.number, input, verdict });
    }
    cases
}

/// Lines that one comment wants to match and another does not.
pub(crate) fn expected_both_ways<'a>(samples: &'a [Sample<'_>]) -> BTreeSet<&'a str> {
    let of = |wanted: bool| -> BTreeSet<&'a str> {
        let like = samples
            .iter()
            .filter(move |sample| sample.expected.as_ref().is_some_and(|e| e.matches == wanted));
        like.map(|sample| sample.line.text.as_ref()).collect()
    };
    of(true).intersection(&of(false)).copied().collect()
}

/// The lines of a test file with what its comments say about them.
pub(crate) fn samples(text: &str) -> Vec<Sample<'_>> {
    let mut samples = Vec::new();
    let mut expected = None;
    let mut prefix: Option<String> = None;
    for (number, line) in (1_u64..).zip(text.lines()) {
        let noted = NOTE.as_ref().and_then(|note| note.captures(line));
        if let Some(captures) = noted {
            let (Some(word), Some(json)) = (captures.get(1), captures.get(2)) else { continue };
            let json: Json = serde_json::from_str(json.as_str()).unwrap_or(Json::Null);
            if word.as_str() == "failJSON" {
                expected = Some(expectation(&json));
            } else {
                prefix = journal_prefix(&json);
            }
            continue;
        }
        // An annotated line may begin with `#`; nothing else that does is a line.
        if line.trim().is_empty() || (line.starts_with('#') && expected.is_none()) {
            continue;
        }
        let text = match &prefix {
            Some(prefix) => Cow::Owned(format!("{JOURNAL_STAMP}{prefix}{line}")),
            None => Cow::Borrowed(line),
        };
        samples.push(Sample { line: Line { number, text }, expected: expected.take() });
    }
    samples
}

fn expectation(json: &Json) -> Expected {
    let text = |name: &str| json.get(name).and_then(Json::as_str).map(str::to_owned);
    Expected {
        matches: json.get("match").and_then(Json::as_bool).unwrap_or(false),
        host: text("host"),
        time: text("time"),
    }
}

/// With `logtype: journal` lines have no stamp, and may have a prefix that the journal would add.
fn journal_prefix(options: &Json) -> Option<String> {
    let first = match options {
        Json::Array(all) => all.first()?,
        one => one,
    };
    if first.get("logtype").and_then(Json::as_str) != Some("journal") {
        return None;
    }
    let prefix = first.get("test.prefix-line").and_then(Json::as_str);
    Some(prefix.unwrap_or_default().to_owned())
}

/// The events that may answer a must-match line: its own, and those of the lines just before it that need not match
/// themselves (a failure that is named first and gets its address in a later line).
fn candidates<'a>(
    seen: &'a Seen,
    samples: &'a [Sample<'_>],
    sample: &'a Sample<'_>,
) -> impl Iterator<Item = &'a Event> {
    let own = sample.line.number;
    let position = samples.iter().position(|other| other.line.number == own).unwrap_or(0);
    let before = samples
        .iter()
        .take(position)
        .rev()
        .take_while(move |other| {
            own - other.line.number <= JOINED_LINES_MAX
                && other.expected.as_ref().is_none_or(|expected| !expected.matches)
        })
        .map(|other| other.line.number);
    std::iter::once(own).chain(before).flat_map(|line| seen.at(line))
}

fn names(event: &Event, host: &str) -> bool {
    failure::peers(event).iter().any(|peer| failure::same_peer(peer, host))
}

/// Why we do not say what the comment expects, if so.
fn differs(
    expected: &Expected,
    sample: &Sample<'_>,
    seen: &Seen,
    samples: &[Sample<'_>],
) -> Option<String> {
    if expected.matches {
        return misses(expected, sample, seen, samples);
    }
    let line = sample.line.number;
    let accused = seen
        .at(line)
        .find(|event| failure::is_failure(event) && !failure::peers(event).is_empty())?;
    // The failure belongs to a later line that must match and completes it.
    let later = samples.iter().filter(|other| {
        other.line.number > line && other.expected.as_ref().is_some_and(|e| e.matches)
    });
    let claimed = later.take(1).any(|other| {
        candidates(seen, samples, other).any(|event| event.id == accused.id)
            && seen.at(other.line.number).next().is_none()
    });
    (!claimed).then(|| format!("a failure where none is expected: {}", gist(accused)))
}

fn misses(
    expected: &Expected,
    sample: &Sample<'_>,
    seen: &Seen,
    samples: &[Sample<'_>],
) -> Option<String> {
    let line = sample.line.number;
    let mut why = seen.nothing(line);
    let mut depth = 0;
    for event in candidates(seen, samples, sample) {
        let failed = failure::is_failure(event);
        let named = expected.host.as_deref().is_none_or(|host| names(event, host));
        let timed = expected.time.as_deref().is_none_or(|time| {
            clock::agrees_with_fail2ban(event.timestamp, time, &sample.line.text)
        });
        let (reached, reason) = match (failed, named, timed) {
            (true, true, true) => return None,
            (false, ..) => (1, format!("no failure: {}", gist(event))),
            (_, false, _) => {
                let peers = failure::peers(event).join(", ");
                let host = expected.host.as_deref().unwrap_or_default();
                (2, format!("host {host} expected, [{peers}] found: {}", gist(event)))
            }
            (.., false) => {
                let time = expected.time.as_deref().unwrap_or_default();
                // Without a time of its own an event has that of its reading, another one every time.
                let found = match event.str(field::EVENT_TIME_PROBLEM) {
                    Some(problem) => problem.to_owned(),
                    None => event.timestamp.to_string(),
                };
                (3, format!("time {time} expected, {found} found"))
            }
        };
        if reached > depth {
            (depth, why) = (reached, reason);
        }
    }
    Some(why)
}
