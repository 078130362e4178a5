//! What is wrong, risky or unusual in rule files, with the line, and what of it can be mended.
//!
//! The form of a document (required keys, types, tags, spans) is checked by the `rsigma-parser` crate's linter, which
//! knows the specification; names, logic, regexes and the whole set of files are ours.

mod file;
mod fix;
mod logic;
mod names;
mod patterns;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use ahash::AHashMap;

use crate::detect::files;
use crate::detect::load::RuleProblem;

pub use fix::FixError;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// A matter of style.
    Hint,
    /// Good to know.
    Info,
    /// Probably not what was meant.
    Warning,
    /// The rule cannot work as it is written.
    Error,
}

impl Weight {
    /// The words, lightest first.
    pub const ALL: [(Weight, &'static str); 4] = [
        (Weight::Hint, "hint"),
        (Weight::Info, "info"),
        (Weight::Warning, "warning"),
        (Weight::Error, "error"),
    ];

    /// The word.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(weight, _)| *weight == self).map_or("info", |(_, word)| word)
    }
}

/// One thing to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// A stable word (`regex_nested`).
    pub id: String,
    /// How bad it is.
    pub weight: Weight,
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// What is wrong, and what to do.
    pub message: String,
    /// How the line would read; `None`: only a person can tell.
    pub edit: Option<Edit>,
}

/// A change of one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The line as it must be for the change to be made.
    pub old: String,
    /// The lines that stand there instead.
    pub new: Vec<String>,
    /// What the rule says changes, so that its `modified` date should.
    pub content: bool,
}

/// What a run found.
#[derive(Debug, Default)]
pub struct LintReport {
    /// In the order of files and lines.
    pub findings: Vec<Finding>,
    /// Files looked at.
    pub files: usize,
    /// Findings that the files themselves allow (`# watchfloor: allow …`).
    pub allowed: usize,
    /// Lines that were changed, by file.
    pub fixed: BTreeMap<String, usize>,
}

/// Look at every rule file under `paths`; with `fix`, first mend what can be mended without changing what a rule means.
/// Only files under `paths` are ever written.
pub fn lint(paths: &[String], fix: bool, today: &str) -> Result<LintReport, FixError> {
    let report = look(paths);
    if !fix {
        return Ok(report);
    }
    let mut fixed = BTreeMap::new();
    let mut by_file: BTreeMap<&str, Vec<&Finding>> = BTreeMap::new();
    for finding in report.findings.iter().filter(|finding| finding.edit.is_some()) {
        by_file.entry(&finding.file).or_default().push(finding);
    }
    for (name, findings) in by_file {
        if files::in_pack(name).is_none() {
            let lines = fix::apply(&PathBuf::from(name), &findings, today)?;
            if lines > 0 {
                fixed.insert(name.to_owned(), lines);
            }
        }
    }
    Ok(LintReport { fixed, ..look(paths) })
}

fn look(paths: &[String]) -> LintReport {
    let mut problems: Vec<RuleProblem> = Vec::new();
    let documents = files::documents(paths, &[], &mut problems);
    let mut report = LintReport::default();
    for problem in problems {
        report.findings.push(Finding {
            id: "file_unreadable".to_owned(),
            weight: Weight::Error,
            file: problem.file,
            line: problem.line,
            message: problem.reason,
            edit: None,
        });
    }
    let mut seen = Seen::default();
    for own in documents.chunk_by(|a, b| a.file == b.file) {
        let Some(name) = own.first().map(|document| document.file.as_str()) else { continue };
        report.files += 1;
        let mut found = Vec::new();
        let mut allowed: BTreeSet<String> = BTreeSet::new();
        for document in own {
            file::document(document, &mut found);
            seen.document(document, &mut found);
        }
        if let Some(text) = text_of(name) {
            file::whole(name, &text, &mut found);
            allowed = file::allowed(&text);
        }
        let before = found.len();
        found.retain(|finding: &Finding| !allowed.contains(&finding.id));
        report.allowed += before - found.len();
        found.sort_by(|a, b| (a.line, &a.id).cmp(&(b.line, &b.id)));
        found.dedup();
        report.findings.extend(found);
    }
    report
}

/// The whole text of a rule file, if it can be read.
fn text_of(name: &str) -> Option<String> {
    match files::in_pack(name) {
        Some(inner) => {
            files::pack_file(inner).map(|bytes| String::from_utf8_lossy(bytes).into_owned())
        }
        None => std::fs::read_to_string(name).ok(),
    }
}

/// What only shows when all files are looked at.
#[derive(Default)]
struct Seen {
    ids: AHashMap<String, String>,
    titles: AHashMap<String, String>,
}

impl Seen {
    fn document(&mut self, document: &files::Document, found: &mut Vec<Finding>) {
        let at = |key: &str| file::line_of(document, key);
        let place = |line: u32| format!("{}:{line}", document.file);
        for (key, id, weight, known) in [
            ("id", "duplicate_id", Weight::Error, &mut self.ids),
            ("title", "duplicate_title", Weight::Info, &mut self.titles),
        ] {
            let (Some(line), Some(value)) = (at(key), file::value_of(document, key)) else {
                continue;
            };
            match known.get(&value.to_lowercase()) {
                Some(other) => found.push(Finding {
                    id: id.to_owned(),
                    weight,
                    file: document.file.clone(),
                    line,
                    message: format!("the {key} {value} is that of {other} too"),
                    edit: None,
                }),
                None => {
                    known.insert(value.to_lowercase(), place(line));
                }
            }
        }
    }
}
