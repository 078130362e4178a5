//! One document and one file: where things stand, what the library's linter says, and what the loader says.

use std::collections::BTreeSet;

use rsigma_parser::{Severity, lint_yaml_str, parse_sigma_yaml};

use crate::detect::files::Document;
use crate::detect::lint::{Edit, Finding, Weight, logic, names};
use crate::detect::shape;

/// What stands before the names of findings that a file allows.
const ALLOW: &str = "watchfloor: allow ";
/// Findings of the library that say less than ours, or that are about things that we do not use.
const NOT_TOLD: [&str; 2] = ["unknown_key", "unknown_rule_reference"];
/// Weights that we see otherwise than the library.
const OTHERWISE: [(&str, Weight); 4] = [
    ("missing_author", Weight::Info),
    ("missing_description", Weight::Warning),
    ("missing_level", Weight::Warning),
    ("unknown_tag_namespace", Weight::Info),
];

/// A document being looked at.
pub(super) struct Page<'a> {
    pub document: &'a Document,
    /// The line of the file on which the document's text begins.
    first: u32,
}

impl<'a> Page<'a> {
    pub fn new(document: &'a Document) -> Page<'a> {
        let skipped = document.text.lines().take_while(|row| {
            let row = row.trim();
            row.is_empty() || row.starts_with('#') || row == "..."
        });
        let skipped = u32::try_from(skipped.count()).unwrap_or(0);
        Page { document, first: document.line.saturating_sub(skipped).max(1) }
    }

    /// The line in the file of a row of the text, counted from 0.
    pub fn line(&self, row: usize) -> u32 {
        self.first.saturating_add(u32::try_from(row).unwrap_or(u32::MAX))
    }

    /// Rows with their lines in the file.
    pub fn rows(&self) -> impl Iterator<Item = (u32, &'a str)> {
        self.document.text.lines().enumerate().map(|(row, text)| (self.line(row), text))
    }

    /// The row of a key at the left edge.
    pub fn key(&self, key: &str) -> Option<(u32, &'a str)> {
        self.rows().find(|(_, row)| row.strip_prefix(key).is_some_and(|rest| rest.starts_with(':')))
    }

    /// The line of the first row at or after `line` in which a text stands.
    pub fn text_after(&self, line: u32, text: &str) -> Option<u32> {
        let mut rows = self.rows().skip_while(|(at, _)| *at < line);
        rows.find(|(_, row)| row.contains(text)).map(|(at, _)| at)
    }

    /// The line of a detection's name.
    pub fn detection(&self, name: &str) -> u32 {
        let start = self.key("detection").or(self.key("filter")).map_or(self.first, |(at, _)| at);
        let mut rows = self.rows().skip_while(|(at, _)| *at <= start);
        let named = |row: &str| {
            let row = row.trim_start();
            let bare = row.strip_prefix(['\'', '"']).unwrap_or(row);
            bare.strip_prefix(name)
                .is_some_and(|rest| rest.trim_start_matches(['\'', '"']).starts_with(':'))
        };
        rows.find(|(_, row)| named(row)).map_or(start, |(at, _)| at)
    }

    /// A finding in this document.
    pub fn finding(&self, id: &str, weight: Weight, line: u32, message: String) -> Finding {
        let file = self.document.file.clone();
        Finding { id: id.to_owned(), weight, file, line, message, edit: None }
    }
}

/// The line of a key of the document.
pub(super) fn line_of(document: &Document, key: &str) -> Option<u32> {
    Page::new(document).key(key).map(|(line, _)| line)
}

/// The value beside a key of the document, without quotes.
pub(super) fn value_of(document: &Document, key: &str) -> Option<String> {
    let (_, row) = Page::new(document).key(key)?;
    let value = row.split_once(':')?.1.trim();
    let value = value.trim_matches(['\'', '"']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// Everything about one document.
pub(super) fn document(document: &Document, found: &mut Vec<Finding>) {
    let page = Page::new(document);
    for warning in lint_yaml_str(&document.text) {
        let id = warning.rule.to_string();
        if NOT_TOLD.contains(&id.as_str()) || id == "invalid_tag" {
            continue;
        }
        let weight = match warning.severity {
            Severity::Error => Weight::Error,
            Severity::Warning => Weight::Warning,
            Severity::Info => Weight::Info,
            Severity::Hint => Weight::Hint,
        };
        let weight = OTHERWISE.iter().find(|(known, _)| *known == id).map_or(weight, |one| one.1);
        let row = warning.span.map_or(0, |span| span.start_line as usize);
        found.push(page.finding(&id, weight, page.line(row), warning.message));
    }
    let Ok(mut collection) = parse_sigma_yaml(&document.text) else { return };
    for (row, reason) in shape::misread(&document.text, &collection) {
        let row = usize::try_from(row.saturating_sub(1)).unwrap_or(0);
        found.push(page.finding("not_loaded", Weight::Error, page.line(row), reason));
    }
    // The library's linter has a word for what only is remarkable.
    shape::settle(&mut collection);
    for error in &collection.errors {
        found.push(page.finding("not_loaded", Weight::Error, document.line, error.clone()));
    }
    for rule in &collection.rules {
        names::rule(&page, rule, found);
        logic::rule(&page, rule, found);
    }
    for filter in &collection.filters {
        logic::filter(&page, filter, found);
    }
    names::tags(&page, found);
    names::dates(&page, found);
}

/// What concerns the file's text as a whole.
pub(super) fn whole(name: &str, text: &str, found: &mut Vec<Finding>) {
    names::file(name, found);
    let at = |line: usize| u32::try_from(line).unwrap_or(u32::MAX).saturating_add(1);
    for (number, row) in text.lines().enumerate() {
        let trimmed = row.trim_end();
        if trimmed.len() < row.len() {
            found.push(Finding {
                id: "trailing_space".to_owned(),
                weight: Weight::Hint,
                file: name.to_owned(),
                line: at(number),
                message: "spaces at the end of the line".to_owned(),
                edit: Some(Edit {
                    old: row.to_owned(),
                    new: vec![trimmed.to_owned()],
                    content: false,
                }),
            });
        }
    }
}

/// Findings that the file allows: `# watchfloor: allow regex_nested, title_case`.
pub(super) fn allowed(text: &str) -> BTreeSet<String> {
    text.lines()
        .filter_map(|row| row.split_once('#')?.1.trim().strip_prefix(ALLOW))
        .flat_map(|list| list.split([',', ' ']))
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}
