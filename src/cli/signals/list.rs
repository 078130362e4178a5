//! `watchfloor signals list`: the signals that run.

use std::io::Write;

use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, load};
use crate::model::severity::Severity;
use crate::pipeline::signals::check;

/// The columns, in CSV's order.
const COLUMNS: [&str; 7] =
    ["rule.level", "rule.id", "condition", "labels", "rule.name", "rule.tags", "file"];

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor signals list --min-level high
  watchfloor signals list --format ndjson my-signals/")]
pub(crate) struct Arguments {
    /// `builtin`, files or folders [default: signals.paths of the configuration]
    paths: Vec<String>,
    /// Signals of this level and above
    #[arg(long, default_value = "info", value_parser = load::severity)]
    min_level: Severity,
    /// Only checks of agents
    #[arg(long)]
    checks: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let report = check(&super::config(common, &arguments.paths)?);
    for problem in &report.problems {
        output::complain(&format!("watchfloor: {problem}"));
    }
    let records = report
        .signals
        .iter()
        .filter(|signal| signal.info.level >= arguments.min_level)
        .filter(|signal| signal.check || !arguments.checks)
        .map(|signal| {
            serde_json::json!({
                "rule.level": signal.info.level.as_str(), "rule.id": signal.info.id,
                "condition": signal.condition, "labels": signal.labels,
                "rule.name": signal.info.title, "rule.tags": signal.info.tags,
                "check": signal.check, "file": signal.info.file, "line": signal.info.line,
            })
        });
    let mut out = output::stdout();
    output::records(&mut out, arguments.format, &COLUMNS, records)?;
    out.flush()?;
    Ok(Outcome::Done)
}
