//! `watchfloor rules lint`: what is wrong, risky or unusual in rule files, and mending of what is safe to mend.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome};
use crate::pipeline::rules::{LintFinding, LintReport, LintWeight, lint};
use crate::stdx::time::Timestamp;

/// The columns of machine formats, in CSV's order.
const COLUMNS: [&str; 6] = ["severity", "id", "file", "line", "message", "fixable"];

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules lint detections/
  watchfloor rules lint detections/ --fix
  watchfloor rules lint new_rule.yml --level hint --format ndjson

A comment in the file says what is meant to be so:   # watchfloor: allow regex_nested, title_case

--fix writes missing ids, spellings of tags, forms of dates, and removes spaces at the ends of lines; a `modified`
date follows. It never changes what a rule looks for, and writes nothing outside the paths named.

Exit code: 0; 1 when there is a warning or an error.")]
pub(crate) struct Arguments {
    /// `builtin`, files or folders
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Mend what is safe to mend, in place
    #[arg(long)]
    fix: bool,
    /// Findings of this weight and above: hint, info, warning, error
    #[arg(long, default_value = "info", value_parser = weight)]
    level: LintWeight,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

fn weight(text: &str) -> Result<LintWeight, BadWeight> {
    LintWeight::ALL
        .iter()
        .find(|(_, word)| *word == text)
        .map(|(weight, _)| *weight)
        .ok_or(BadWeight)
}

#[derive(Debug, thiserror::Error)]
#[error("expected hint, info, warning or error")]
struct BadWeight;

pub(crate) fn run(_common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let now = Timestamp::now().to_string();
    let today = now.get(..10).unwrap_or(&now);
    let report = lint(&arguments.paths, arguments.fix, today)?;
    let told: Vec<&LintFinding> =
        report.findings.iter().filter(|finding| finding.weight >= arguments.level).collect();
    let mut out = output::stdout();
    if arguments.format == Format::Table {
        for finding in &told {
            let fix = if finding.edit.is_some() { "  [--fix]" } else { "" };
            let LintFinding { id, weight, file, line, message, .. } = finding;
            let text = format!("{file}:{line}: {}: {message} ({id}){fix}", weight.as_str());
            writeln!(out, "{}", output::plain(&text).replace('\n', " "))?;
        }
    } else {
        let records = told.iter().map(|finding| {
            serde_json::json!({
                "severity": finding.weight.as_str(), "id": finding.id, "file": finding.file,
                "line": finding.line, "message": finding.message, "fixable": finding.edit.is_some(),
            })
        });
        output::records(&mut out, arguments.format, &COLUMNS, records)?;
    }
    out.flush()?;
    output::complain(&summary(&report));
    let bad = report.findings.iter().any(|finding| finding.weight >= LintWeight::Warning);
    Ok(if bad { Outcome::Failed } else { Outcome::Done })
}

fn summary(report: &LintReport) -> String {
    let mut counts: BTreeMap<LintWeight, usize> = BTreeMap::new();
    for finding in &report.findings {
        *counts.entry(finding.weight).or_default() += 1;
    }
    let counts: Vec<String> = LintWeight::ALL
        .iter()
        .rev()
        .map(|(weight, word)| format!("{} {word}", counts.get(weight).unwrap_or(&0)))
        .collect();
    let mut text = format!("{} files: {}", report.files, counts.join(", "));
    let fixable = report.findings.iter().filter(|finding| finding.edit.is_some()).count();
    if fixable > 0 {
        text.push_str(&format!("; {fixable} can be mended with --fix"));
    }
    if report.allowed > 0 {
        text.push_str(&format!("; {} allowed by comments", report.allowed));
    }
    if !report.fixed.is_empty() {
        let lines: usize = report.fixed.values().sum();
        text.push_str(&format!("; mended {lines} lines of {} files", report.fixed.len()));
    }
    text
}
