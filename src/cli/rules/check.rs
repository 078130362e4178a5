//! `watchfloor rules check`: compile every rule and say what does not run.

use std::io::Write;

use clap::Args;

use crate::cli::output;
use crate::cli::{Common, Outcome, load};
use crate::model::severity::Severity;
use crate::pipeline::rules::check_all;

#[derive(Args)]
pub(crate) struct Arguments {
    /// `builtin`, `pack:NAME`, files or folders [default: rules.paths of the configuration]
    paths: Vec<String>,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let report = check_all(&super::rules(load::config(common)?, &arguments.paths)?);
    let mut out = output::stdout();
    for problem in &report.problems {
        writeln!(out, "{}", output::plain(&problem.to_string()))?;
    }
    for warning in &report.warnings {
        writeln!(out, "warning: {}", output::plain(&warning.to_string()))?;
    }
    let levels: Vec<String> = Severity::ALL
        .iter()
        .map(|level| format!("{} {level}", report.by_level.get(level).unwrap_or(&0)))
        .collect();
    writeln!(
        out,
        "{} rules run ({}; {} correlations), {} do not run, {} are for logs that are not read",
        report.rules.len(),
        levels.join(", "),
        report.correlations,
        report.problems.len(),
        report.unbound.len()
    )?;
    out.flush()?;
    Ok(if report.problems.is_empty() { Outcome::Done } else { Outcome::Failed })
}
