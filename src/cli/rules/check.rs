//! `watchfloor rules check`: compile every rule and say what does not run.

use clap::Args;

use crate::cli::checked::{self, Checked};
use crate::cli::{Common, Outcome, load};
use crate::pipeline::rules::check_all;

#[derive(Args)]
pub(crate) struct Arguments {
    /// `builtin`, `pack:NAME`, files or folders [default: rules.paths of the configuration]
    paths: Vec<String>,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let report = check_all(&super::rules(load::config(common)?, &arguments.paths)?);
    checked::print(&Checked {
        what: "rules",
        run: report.rules.len(),
        by_level: &report.by_level,
        aside: format!("; {} correlations", report.correlations),
        problems: &report.problems,
        warnings: &report.warnings,
        rest: format!(
            "{} do not run, {} are for logs that are not read",
            report.problems.len(),
            report.unbound.len()
        ),
    })
}
