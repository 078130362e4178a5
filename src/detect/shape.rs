//! What the library reads in a document without understanding it: keys of filters and correlations that it passes over,
//! and levels that it drops. What passes over the word that narrows a filter or groups a correlation makes another one.

use rsigma_parser::{Level, SigmaCollection, Timespan};

use crate::config::reader::nearest;
use crate::detect::files::RULE_ALIASES_MAX;
use crate::stdx::yaml::{self, Entry, Kind, Node};

/// A row of the document, from 1, and what is wrong there.
type Misread = (u32, String);

/// Keys of a filter document.
const FILTER_DOCUMENT: &[&str] = &[
    "title",
    "id",
    "name",
    "description",
    "author",
    "date",
    "modified",
    "taxonomy",
    "logsource",
    "filter",
    "status",
    "level",
    "license",
    "references",
    "related",
    "tags",
    "fields",
    "falsepositives",
    "scope",
    "sigma-version",
    "custom_attributes",
];
const LOGSOURCE: &[&str] = &["category", "product", "service", "definition"];
const CORRELATION: &[&str] = &[
    "type",
    "rules",
    "group-by",
    "timespan",
    "timeframe",
    "condition",
    "aliases",
    "generate",
    "window",
    "gap",
];
const CONDITION: &[&str] = &["lt", "lte", "gt", "gte", "eq", "neq", "field", "percentile"];

/// What the filter or correlation of a document says that the library passes over; then it is not used.
pub fn misread(text: &str, collection: &SigmaCollection) -> Vec<Misread> {
    let plain = collection.filters.is_empty()
        && collection.correlations.is_empty()
        && collection.errors.is_empty();
    if plain {
        return Vec::new();
    }
    let top = match yaml::parse_rule(text, RULE_ALIASES_MAX) {
        Ok(Node { kind: Kind::Map(top), .. }) => top,
        Ok(_) => return Vec::new(),
        // Several documents that change each other (`action:`): nobody can say whom a filter in them is for.
        Err(_) if collection.filters.is_empty() => return Vec::new(),
        Err(error) => {
            let reason = format!("the filter is not used: it cannot be checked ({})", error.reason);
            return vec![(error.line, reason)];
        }
    };
    let mut out = Vec::new();
    if let Some(correlation) = entry(&top, "correlation") {
        correlation_document(&top, correlation, &mut out);
    } else if let Some(filter) = entry(&top, "filter") {
        filter_document(&top, filter, &mut out);
    }
    out
}

/// Levels are read without regard to case, and what is said wrongly beside the detection is a remark, because the rule
/// runs. Gives the remarks; a rule whose level nobody knows stays an error, and goes.
pub fn settle(collection: &mut SigmaCollection) -> Vec<String> {
    let mut remarks = Vec::new();
    let mut unknown = false;
    let mut meant: Option<Level> = None;
    for error in std::mem::take(&mut collection.errors) {
        if let Some(written) = error.strip_prefix("invalid level: ") {
            meant = written.trim_matches('\'').trim().to_ascii_lowercase().parse().ok();
            if meant.is_none() {
                unknown = true;
                let known = "informational, low, medium, high or critical";
                collection.errors.push(format!("the level {written} is none of {known}"));
            }
        } else if ["invalid status", "'related'", "related[", "invalid sigma-version"]
            .iter()
            .any(|start| error.starts_with(start))
        {
            remarks.push(error);
        } else {
            collection.errors.push(error);
        }
    }
    if unknown {
        collection.rules.retain(|rule| rule.level.is_some());
        collection.correlations.retain(|rule| rule.level.is_some());
    } else {
        let rules = collection.rules.iter_mut().map(|rule| &mut rule.level);
        let correlations = collection.correlations.iter_mut().map(|rule| &mut rule.level);
        for level in rules.chain(correlations) {
            *level = level.or(meant);
        }
    }
    remarks
}

fn entry<'n>(entries: &'n [Entry], key: &str) -> Option<&'n Entry> {
    entries.iter().find(|entry| entry.key == key)
}

fn unknown(entries: &[Entry], known: &[&str], whose: &str, out: &mut Vec<Misread>) {
    for entry in entries.iter().filter(|entry| !known.contains(&entry.key.as_str())) {
        let near = nearest(&entry.key.replace('_', "-"), known.to_vec());
        let hint = if near.is_empty() { String::new() } else { format!(" ({near})") };
        out.push((entry.line, format!("{whose} has no key {}{hint}", entry.key)));
    }
}

/// Is it a text, or a list of texts with at least one?
fn is_texts(node: &Node) -> bool {
    let is_text = |kind: &Kind| matches!(kind, Kind::Text(text) if !text.trim().is_empty());
    match &node.kind {
        Kind::List(items) => !items.is_empty() && items.iter().all(|item| is_text(&item.kind)),
        kind => is_text(kind),
    }
}

fn filter_document(top: &[Entry], filter: &Entry, out: &mut Vec<Misread>) {
    unknown(top, FILTER_DOCUMENT, "a filter", out);
    if let Some(Entry { value: Node { kind: Kind::Map(source), .. }, .. }) = entry(top, "logsource")
    {
        unknown(source, LOGSOURCE, "a logsource", out);
        for entry in source.iter().filter(|entry| LOGSOURCE.contains(&entry.key.as_str())) {
            if !matches!(entry.value.kind, Kind::Text(_)) {
                let what = entry.value.kind.what();
                out.push((entry.line, format!("logsource.{} is {what}, not text", entry.key)));
            }
        }
    }
    let Kind::Map(inner) = &filter.value.kind else { return };
    let rules = inner.iter().find(|entry| entry.key == "rules");
    let name = "name the rules by id, or write `rules: any` for all";
    match rules {
        Some(entry) if !is_texts(&entry.value) => {
            out.push((entry.line, format!("filter.rules is no list of texts: {name}")));
        }
        Some(_) => {}
        None => {
            let near = |entry: &&Entry| !nearest(&entry.key, vec!["rules"]).is_empty();
            let (line, found) = match inner.iter().find(near) {
                Some(entry) => (entry.line, format!(" ({} is no key of it)", entry.key)),
                None => (filter.line, String::new()),
            };
            out.push((line, format!("the filter has no `rules`{found}: {name}")));
        }
    }
    for entry in inner.iter().filter(|entry| !matches!(entry.key.as_str(), "rules" | "condition")) {
        if !matches!(entry.value.kind, Kind::List(_) | Kind::Map(_)) {
            let near = nearest(&entry.key, vec!["rules", "condition"]);
            let hint = if near.is_empty() { String::new() } else { format!(" ({near})") };
            let text = format!("filter.{} is neither a key of a filter nor a detection", entry.key);
            out.push((entry.line, format!("{text}{hint}")));
        }
    }
}

fn correlation_document(top: &[Entry], correlation: &Entry, out: &mut Vec<Misread>) {
    for entry in top.iter().filter(|entry| is_misplaced(&entry.key)) {
        let text = format!("{} stands beside `correlation` and not in it", entry.key);
        out.push((entry.line, text));
    }
    let Kind::Map(inner) = &correlation.value.kind else { return };
    unknown(inner, CORRELATION, "a correlation", out);
    for entry in inner {
        let kind = &entry.value.kind;
        let wrong = match (entry.key.as_str(), kind) {
            ("rules" | "group-by", Kind::Null) => false,
            ("rules" | "group-by", Kind::List(items)) if items.is_empty() => false,
            ("rules" | "group-by", _) if !is_texts(&entry.value) => true,
            ("aliases", kind) => !is_aliases(kind),
            ("generate", kind) => !matches!(kind, Kind::Bool(_)),
            ("timespan" | "timeframe", kind) => {
                span(entry, kind, out);
                false
            }
            ("condition", Kind::Map(condition)) => {
                condition_keys(condition, out);
                false
            }
            _ => false,
        };
        if wrong {
            let text = format!("correlation.{} cannot be {} like this", entry.key, kind.what());
            out.push((entry.line, text));
        }
    }
}

/// Is it a key of a correlation, in whatever spelling, that no document has beside it?
fn is_misplaced(key: &str) -> bool {
    let spelled = key.replace('_', "-");
    CORRELATION.contains(&spelled.as_str()) && spelled != "generate"
}

fn is_aliases(kind: &Kind) -> bool {
    let Kind::Map(aliases) = kind else { return matches!(kind, Kind::Null) };
    aliases.iter().all(|alias| match &alias.value.kind {
        Kind::Map(fields) => fields.iter().all(|field| matches!(field.value.kind, Kind::Text(_))),
        _ => false,
    })
}

fn span(entry: &Entry, kind: &Kind, out: &mut Vec<Misread>) {
    let written = match kind {
        Kind::Text(text) if Timespan::parse(text).is_ok() => return,
        Kind::Text(text) => text.clone(),
        Kind::Int(number) => number.to_string(),
        other => other.what().to_owned(),
    };
    let text = format!(
        "correlation.{}: {written} is no span of time; write a number with its unit, such as 90s, 5m, 1h or 7d",
        entry.key
    );
    out.push((entry.line, text));
}

fn condition_keys(condition: &[Entry], out: &mut Vec<Misread>) {
    unknown(condition, CONDITION, "the condition of a correlation", out);
    for entry in condition {
        let wrong = match entry.key.as_str() {
            "field" => !is_texts(&entry.value),
            "percentile" => !matches!(entry.value.kind, Kind::Int(0..)),
            _ => false,
        };
        if wrong {
            let what = entry.value.kind.what();
            let text = format!("correlation.condition.{} cannot be {what} like this", entry.key);
            out.push((entry.line, text));
        }
    }
}

#[cfg(test)]
mod tests {
    use rsigma_parser::parse_sigma_yaml;

    use super::*;

    fn settled(level: &str) -> (SigmaCollection, Vec<String>) {
        let text = format!(
            "title: r\n{level}\nlogsource: {{product: linux}}\ndetection: {{s: {{a: b}}, condition: s}}\n"
        );
        let mut collection = parse_sigma_yaml(&text).unwrap();
        let remarks = settle(&mut collection);
        (collection, remarks)
    }

    #[test]
    fn levels_are_read_without_regard_to_case() {
        for (written, meant) in [
            ("level: Critical", Some(Level::Critical)),
            ("level: HIGH", Some(Level::High)),
            ("level: low", Some(Level::Low)),
            ("", None),
        ] {
            let (found, _) = settled(written);
            assert_eq!(found.errors, Vec::<String>::new());
            assert_eq!(found.rules[0].level, meant, "{written}");
        }
    }

    #[test]
    fn a_rule_of_a_level_that_nobody_knows_does_not_run_at_another_one() {
        let (found, _) = settled("level: urgent");
        assert!(found.rules.is_empty());
        assert!(
            found.errors[0].contains("'urgent' is none of informational"),
            "{:?}",
            found.errors
        );
    }

    #[test]
    fn what_is_wrong_beside_the_detection_is_a_remark_because_the_rule_runs() {
        let (found, remarks) = settled("status: shiny");
        assert_eq!((found.rules.len(), found.errors.len()), (1, 0));
        assert_eq!(remarks, ["invalid status: 'shiny'"]);
    }
}
