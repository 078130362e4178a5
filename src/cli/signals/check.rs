//! `watchfloor signals check`: read every signal and say what does not run.

use std::io::Write;

use clap::Args;

use crate::cli::{Common, Outcome, output};
use crate::model::severity::Severity;
use crate::pipeline::signals::check;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor signals check
  watchfloor signals check my-signals/ other.yml")]
pub(crate) struct Arguments {
    /// `builtin`, files or folders [default: signals.paths of the configuration]
    paths: Vec<String>,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let report = check(&super::config(common, &arguments.paths)?);
    let mut out = output::stdout();
    for problem in &report.problems {
        writeln!(out, "{}", output::plain(problem))?;
    }
    let levels: Vec<String> = Severity::ALL
        .iter()
        .map(|level| format!("{} {level}", report.by_level.get(level).unwrap_or(&0)))
        .collect();
    writeln!(
        out,
        "{} signals run ({}), {} of them are asked about every event, {} problems",
        report.signals.len(),
        levels.join(", "),
        report.asked_always,
        report.problems.len(),
    )?;
    out.flush()?;
    Ok(if report.problems.is_empty() { Outcome::Done } else { Outcome::Failed })
}
