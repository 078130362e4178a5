//! `watchfloor signals check`: read every signal and say what does not run.

use clap::Args;

use crate::cli::checked::{self, Checked};
use crate::cli::{Common, Outcome};
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
    checked::print(&Checked {
        what: "signals",
        run: report.signals.len(),
        by_level: &report.by_level,
        aside: String::new(),
        problems: &report.problems,
        warnings: &[],
        rest: format!(
            "{} of them are asked about every event, {} problems",
            report.asked_always,
            report.problems.len()
        ),
    })
}
