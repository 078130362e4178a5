//! wazuh's rule tests: ini files whose sections hold log lines (`log 1 pass = …`; `fail`: the rule must not fire), the
//! rule, its level and the decoder. They do not state fields; what a line must give is worked out here, from the
//! line itself and from the section:
//!
//! - **family**: by file and decoder, `config/scoreboard/wazuh.toml`;
//! - **program**, **address**, **user**: from the line, by patterns that know nothing of our decoders ([`wazuh_line`]);
//! - **outcome**: from the words of the section's title, where they are clear and the line must pass ([`outcome`]).
//!
//! A case is one line; it agrees when one event of it agrees in everything that applies. Files that are no log format
//! of ours (tests of the rule language, products that we do not claim) are not covered, with the reason.

use std::borrow::Cow;
use std::sync::LazyLock;

use regex::Regex;

use crate::model::event::Event;
use crate::scoreboard::feed::{Feed, Line, Seen, gist, values};
use crate::scoreboard::tables::{Family, Wazuh};
use crate::scoreboard::wazuh_line::{self, Facts};
use crate::scoreboard::{Case, TestFile, Verdict, failure};
use crate::stdx::time::Timestamp;

/// Newer than every line that states no year (2024-12-31).
const ANCHOR: Timestamp = Timestamp(1_735_603_200_000_000);

static LOG: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^log \d+ (pass|fail) ?= ?(.*)$").ok());

/// One section of an ini file.
#[derive(Default)]
pub(crate) struct Section<'a> {
    pub(crate) title: &'a str,
    decoder: &'a str,
    /// The level of its rule.
    pub(crate) level: Option<u64>,
    /// Line number, must pass, text.
    pub(crate) logs: Vec<(u64, bool, &'a str)>,
}

/// What is expected of one line.
struct Expected<'a> {
    names: &'a [String],
    facts: Facts,
    outcome: Option<Outcome>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Outcome {
    Failure,
    Success,
}

/// Is it an ini file of rule tests?
pub fn recognise(file: &TestFile<'_>) -> bool {
    file.path.extension().is_some_and(|end| end == "ini")
        && file.text.lines().any(|line| line.starts_with("rule"))
        && file.text.lines().any(|line| LOG.as_ref().is_some_and(|log| log.is_match(line)))
}

/// The verdict on every line.
pub fn judge(file: &TestFile<'_>, feed: &Feed, table: &Wazuh) -> Vec<Case> {
    let base = file.path.file_name().map(|name| name.to_string_lossy()).unwrap_or_default();
    let mut cases = Vec::new();
    for section in sections(file.text) {
        let lines: Vec<Line<'_>> = section
            .logs
            .iter()
            .map(|(number, _, text)| Line { number: *number, text: Cow::Borrowed(text) })
            .collect();
        let family = table.family.get(base.as_ref());
        let seen = family.map(|family| feed.decode(&base, &family.format, ANCHOR, &lines));
        for (number, pass, text) in &section.logs {
            let verdict = match (family, &seen) {
                (Some(family), Some(seen)) => {
                    let expected = expected(family, &section, *pass, text);
                    match differs(&expected, *number, seen) {
                        None => Verdict::Agreed,
                        Some(why) => match table.accepted(&base, text) {
                            Some(reason) => Verdict::Accepted(format!("{why}; {reason}")),
                            None => Verdict::Differing(why),
                        },
                    }
                }
                _ => {
                    let why = table.other.get(base.as_ref()).map(String::as_str);
                    Verdict::NotCovered(why.unwrap_or("not in the table of families").to_owned())
                }
            };
            let (file, input) = (file.name.to_owned(), (*text).to_owned());
            cases.push(Case { file, line: *number, input, verdict });
        }
    }
    cases
}

/// The sections of an ini file.
pub(crate) fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    for (number, line) in (1_u64..).zip(text.lines()) {
        if let Some(title) =
            line.strip_prefix('[').and_then(|rest| rest.trim_end().strip_suffix(']'))
        {
            sections.push(Section { title, ..Section::default() });
            continue;
        }
        let Some(section) = sections.last_mut() else { continue };
        if let Some(found) = LOG.as_ref().and_then(|log| log.captures(line)) {
            if let (Some(word), Some(log)) = (found.get(1), found.get(2)) {
                section.logs.push((number, word.as_str() == "pass", log.as_str()));
            }
        } else if let Some(decoder) = line.strip_prefix("decoder") {
            section.decoder = decoder.trim_start_matches([' ', '=']).trim();
        } else if let Some(level) = line.strip_prefix("alert") {
            section.level = level.trim_start_matches([' ', '=']).trim().parse().ok();
        }
    }
    sections
}

fn expected<'a>(family: &'a Family, section: &Section<'_>, pass: bool, text: &str) -> Expected<'a> {
    let names = family.decoder.get(section.decoder).unwrap_or(&family.names);
    let outcome = if pass { outcome(section.title) } else { None };
    Expected { names, facts: wazuh_line::facts(text), outcome }
}

/// The outcome that a title states: words of failure or words of success, and not both.
fn outcome(title: &str) -> Option<Outcome> {
    const FAILURE: [&str; 12] = [
        "fail",
        "denied",
        "deny",
        "drop",
        "block",
        "reject",
        "refused",
        "invalid user",
        "illegal user",
        "unauthori",
        "non-existent user",
        "wrong password",
    ];
    const SUCCESS: [&str; 6] =
        ["success", "accepted", "session opened", "allowed", "permitted", "logged in"];
    // Words that turn the meaning round or speak of something else.
    const UNCLEAR: [&str; 3] = ["not ", "reason", "attempt to"];
    let title = title.to_lowercase().replace("unsuccessful", "fail");
    let has = |words: &[&str]| words.iter().any(|word| title.contains(word));
    match (has(&FAILURE), has(&SUCCESS), has(&UNCLEAR)) {
        (true, false, false) => Some(Outcome::Failure),
        (false, true, false) => Some(Outcome::Success),
        _ => None,
    }
}

/// What is wrong with the best event of a line, if no event has everything right.
fn differs(expected: &Expected<'_>, line: u64, seen: &Seen) -> Option<String> {
    let mut best: Option<Vec<String>> = None;
    for event in seen.at(line) {
        let wrong = wrong(expected, event);
        if wrong.is_empty() {
            return None;
        }
        if best.as_ref().is_none_or(|best| wrong.len() < best.len()) {
            best = Some(wrong.into_iter().chain([format!("({})", gist(event))]).collect());
        }
    }
    Some(best.map_or_else(|| seen.nothing(line), |wrong| wrong.join("; ")))
}

fn wrong(expected: &Expected<'_>, event: &Event) -> Vec<String> {
    let mut wrong = Vec::new();
    let names = values(event, "family");
    if !names.iter().any(|name| expected.names.contains(name)) {
        wrong.push(format!("family {:?} expected, {names:?} found", expected.names));
    }
    let facts = &expected.facts;
    let held = |fields: &[&str]| -> Vec<String> {
        fields.iter().flat_map(|name| values(event, name)).collect()
    };
    if let Some(program) = &facts.program {
        let found = held(&["process.name", "log.syslog.appname"]);
        let same = |name: &String| {
            name == program || name.rsplit('/').next() == program.rsplit('/').next()
        };
        if !found.iter().any(same) {
            wrong.push(format!("program {program} expected, {found:?} found"));
        }
    }
    if let Some(address) = &facts.address {
        let mut found = failure::peers(event);
        found.extend(held(&["related.ip"]));
        if !found.iter().any(|peer| failure::same_peer(peer, address)) {
            wrong.push(format!("address {address} expected, {found:?} found"));
        }
    }
    if let Some(user) = &facts.user {
        let fields = [
            "user.name",
            "user.target.name",
            "user.effective.name",
            "user.email",
            "source.user.name",
            "user.changes.name",
            "related.user",
            "user.id",
            "user.domain",
        ];
        let found = held(&fields);
        if !found.iter().any(|name| wazuh_line::same_user(name, user)) {
            wrong.push(format!("user {user} expected, {found:?} found"));
        }
    }
    let failed = failure::is_failure(event);
    let succeeded = held(&["event.outcome"]).iter().any(|word| word == "success")
        || held(&["event.type"]).iter().any(|word| word == "allowed");
    let right = match expected.outcome {
        None => true,
        Some(Outcome::Failure) => failed,
        Some(Outcome::Success) => succeeded && !failed,
    };
    if !right {
        wrong.push(format!("outcome {:?} expected", expected.outcome));
    }
    wrong
}
