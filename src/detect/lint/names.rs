//! Names, ids, tags and dates: what people and other programs find rules by.

use std::path::Path;

use rsigma_parser::SigmaRule;

use crate::detect::lint::file::Page;
use crate::detect::lint::{Edit, Finding, Weight};
use crate::model::attack;
use crate::stdx::id::IdHasher;

/// Titles longer than this are cut on most screens; the Sigma project's own limit.
const TITLE_CHARS_MAX: usize = 110;
/// Words of fewer letters stay small in a title.
const SMALL_WORD: usize = 4;
/// The Sigma project's limits for names of files.
const FILE_CHARS: std::ops::RangeInclusive<usize> = 10..=70;

/// What a detection rule should say of itself.
pub(super) fn rule(page: &Page<'_>, rule: &SigmaRule, found: &mut Vec<Finding>) {
    let line = page.document.line;
    let title_at = page.key("title").map_or(line, |(at, _)| at);
    let mut say =
        |id: &str, weight, line, text: String| found.push(page.finding(id, weight, line, text));
    if rule.title.chars().count() > TITLE_CHARS_MAX {
        say(
            "title_long",
            Weight::Info,
            title_at,
            format!("the title has more than {TITLE_CHARS_MAX} characters"),
        );
    }
    let long = || rule.title.split_whitespace().filter(|word| word.len() >= SMALL_WORD);
    let big = long().filter(|word| !word.starts_with(|c: char| c.is_lowercase())).count();
    if big * 2 < long().count() {
        say(
            "title_case",
            Weight::Hint,
            title_at,
            "most words of the title are small; Sigma titles are in Title Case".to_owned(),
        );
    }
    if rule.title.ends_with('.') {
        say("title_period", Weight::Hint, title_at, "the title ends with a period".to_owned());
    }
    for (missing, id, weight, text) in [
        (
            rule.status.is_none(),
            "missing_status",
            Weight::Warning,
            "no status; write `status: experimental`, `test` or `stable`",
        ),
        (
            rule.date.is_none(),
            "missing_date",
            Weight::Info,
            "no date; write the day on which the rule was made",
        ),
        (
            rule.falsepositives.is_empty(),
            "missing_falsepositives",
            Weight::Info,
            "no falsepositives; say what harmless thing may look like this",
        ),
        (
            rule.tags.is_empty(),
            "missing_tags",
            Weight::Info,
            "no tags; `rules coverage` cannot count it",
        ),
    ] {
        if missing {
            say(id, weight, line, text.to_owned());
        }
    }
    if rule.id.is_none() {
        found.push(missing_id(page, rule, title_at));
    }
}

/// A rule without an id gets one after its title.
fn missing_id(page: &Page<'_>, rule: &SigmaRule, title_at: u32) -> Finding {
    let message = "no id; alerts, states and references need one".to_owned();
    let mut finding = page.finding("missing_id", Weight::Warning, title_at, message);
    if let Some((_, row)) = page.key("title") {
        let new = vec![row.trim_end().to_owned(), format!("id: {}", fresh_id(page, rule))];
        finding.edit = Some(Edit { old: row.to_owned(), new, content: true });
    }
    finding
}

/// An id in the form of a random UUID: nobody else's, because place, title and text go into it.
fn fresh_id(page: &Page<'_>, rule: &SigmaRule) -> String {
    let mut hasher = IdHasher::new("rule id");
    let hash =
        hasher.text(&page.document.file).text(&rule.title).text(&page.document.text).finish();
    let mut hex: Vec<char> = hash.to_string().chars().filter(char::is_ascii_hexdigit).collect();
    if let Some(version) = hex.get_mut(12) {
        *version = '4';
    }
    if let Some(variant) = hex.get_mut(16) {
        *variant = 'a';
    }
    let mut out = String::new();
    for (at, digit) in hex.into_iter().enumerate() {
        if matches!(at, 8 | 12 | 16 | 20) {
            out.push('-');
        }
        out.push(digit);
    }
    out
}

/// The name of a file.
pub(super) fn file(name: &str, found: &mut Vec<Finding>) {
    let path = Path::new(name);
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let count = stem.chars().count();
    let text = if !stem.chars().all(good) {
        "the file's name has other characters than a-z, 0-9 and _"
    } else if !FILE_CHARS.contains(&count) {
        "the file's name should have 10 to 70 characters"
    } else {
        return;
    };
    found.push(Finding {
        id: "file_name".to_owned(),
        weight: Weight::Hint,
        file: name.to_owned(),
        line: 1,
        message: text.to_owned(),
        edit: None,
    });
}

/// Tags as they are written, row by row.
pub(super) fn tags(page: &Page<'_>, found: &mut Vec<Finding>) {
    let Some((start, first)) = page.key("tags") else { return };
    if let Some((_, list)) = first.split_once('[') {
        let list = list.split(']').next().unwrap_or(list);
        let tags: Vec<&str> = list.split(',').map(bare).filter(|tag| !tag.is_empty()).collect();
        return row_of_tags(page, (start, first), &tags, found);
    }
    for (line, row) in page.rows().skip_while(|(at, _)| *at <= start) {
        let Some(value) = row.trim_start().strip_prefix("- ") else {
            if row.trim().is_empty() || row.trim_start().starts_with('#') {
                continue;
            }
            return;
        };
        let tag = bare(value.split(" #").next().unwrap_or(value));
        row_of_tags(page, (line, row), &[tag], found);
    }
}

/// A tag without blanks and quotes around it.
fn bare(text: &str) -> &str {
    text.trim().trim_matches(['\'', '"'])
}

/// The tags of one row, mended in one edit: a row is written again once.
fn row_of_tags(page: &Page<'_>, (line, row): (u32, &str), tags: &[&str], found: &mut Vec<Finding>) {
    let mut mended = row.trim_end().to_owned();
    let from = found.len();
    for tag in tags {
        let good = spelled(tag);
        if good != *tag {
            let message = format!("the tag {tag} is spelled {good}");
            found.push(page.finding("tag_spelling", Weight::Warning, line, message));
            mended = mended.replacen(tag, &good, 1);
        }
        attack_tag(page, &good, line, found);
    }
    let mut own = found.iter_mut().skip(from);
    if let Some(first) = own.find(|finding| finding.id == "tag_spelling") {
        first.edit = Some(Edit { old: row.to_owned(), new: vec![mended], content: true });
    }
}

/// How a tag is spelled: small letters; `-` between the words of a tactic.
fn spelled(tag: &str) -> String {
    let lower = tag.to_lowercase();
    match lower.strip_prefix("attack.") {
        Some(_) => lower.replace('_', "-"),
        None => lower,
    }
}

fn attack_tag(page: &Page<'_>, tag: &str, line: u32, found: &mut Vec<Finding>) {
    let Some(word) = tag.strip_prefix("attack.") else {
        let form = tag.split_once('.').is_some_and(|(space, name)| {
            let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
            !space.is_empty() && !name.is_empty() && name.chars().all(good)
        });
        if !form {
            let message = format!("the tag {tag} is not in the form space.name");
            found.push(page.finding("tag_form", Weight::Warning, line, message));
        }
        return;
    };
    let numbered = |start: &str| {
        word.strip_prefix(start).is_some_and(|rest| {
            rest.len() >= 4 && rest.chars().all(|c| c.is_ascii_digit() || c == '.')
        })
    };
    if numbered("t") {
        match attack::of_tag(tag) {
            None => {
                let message =
                    format!("ATT&CK {} has no technique {}", attack::VERSION, word.to_uppercase());
                found.push(page.finding("technique_unknown", Weight::Warning, line, message));
            }
            Some(technique) => {
                if let Some(new) = technique.replaced_by {
                    let message = format!(
                        "{} ({}) is gone since ATT&CK {}; {new} took its place",
                        technique.id,
                        technique.name,
                        attack::VERSION
                    );
                    found.push(page.finding("technique_old", Weight::Hint, line, message));
                }
            }
        }
    } else if word == attack::OLD_TACTIC {
        let message =
            "ATT&CK 19 split defense-evasion into stealth and defense-impairment".to_owned();
        found.push(page.finding("tactic_old", Weight::Hint, line, message));
    } else if attack::tactic_of_tag(tag).is_none()
        && !numbered("g")
        && !numbered("s")
        && !numbered("c")
        && !numbered("ds")
    {
        let message =
            format!("{word} is no tactic, technique, group, software or campaign of ATT&CK");
        found.push(page.finding("tactic_unknown", Weight::Warning, line, message));
    }
}

/// Dates that are written with other signs, and rules that were changed before they were made.
pub(super) fn dates(page: &Page<'_>, found: &mut Vec<Finding>) {
    for key in ["date", "modified"] {
        let Some((line, row)) = page.key(key) else { continue };
        let Some((_, value)) = row.split_once(':') else { continue };
        let value = value.split(" #").next().unwrap_or(value).trim().trim_matches(['\'', '"']);
        let good = value.replace(['/', '.'], "-");
        if good != value && is_date(&good) {
            let message = format!("{value} is written {good}");
            let mut finding = page.finding("date_form", Weight::Warning, line, message);
            let new = vec![row.trim_end().replacen(value, &good, 1)];
            finding.edit = Some(Edit { old: row.to_owned(), new, content: false });
            found.push(finding);
        }
    }
}

fn is_date(text: &str) -> bool {
    text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10
}
