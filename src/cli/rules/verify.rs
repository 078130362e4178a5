//! `watchfloor rules verify`: is what the index finds what plain evaluation finds?

use std::io::Write;

use clap::Args;

use crate::cli::output::{self};
use crate::cli::progress::Progress;
use crate::cli::{Common, Outcome, load};
use crate::pipeline::inputs::Inputs;
use crate::pipeline::verify::verify;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules verify captures/ --rules ~/sigma/rules
  watchfloor rules verify captures/ --rules ~/sigma/rules --every 6

Plain evaluation tries every rule of an event's logsource by the library alone: it is slow.
Exit code: 1 when the two differ or nothing was judged.")]
pub(crate) struct Arguments {
    /// Files, folders and globs whose events are judged twice
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// `builtin`, files or folders [default: rules.paths of the configuration]
    #[arg(short, long, value_name = "PATH")]
    rules: Vec<String>,
    /// Judge every Nth event of a file
    #[arg(long, value_name = "N", default_value_t = 1)]
    every: u64,
    /// Worker threads [default: one a core]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut config = load::config(common)?;
    config.rules = super::rules(config.clone(), &arguments.rules)?;
    let inputs = Inputs {
        paths: arguments.paths.clone(),
        format: "auto".to_owned(),
        host: None,
        host_from_path: None,
        explain: false,
    };
    let workers = arguments.workers.unwrap_or_else(crate::stdx::pool::workers_default);
    let progress = Progress::files(true);
    let report = verify(&config, &inputs, arguments.every, workers, &progress)?;
    progress.finish();
    for problem in &report.problems {
        output::complain(problem);
    }
    let mut out = output::stdout();
    for difference in &report.differences {
        let who = if difference.by_index { "only the index" } else { "only plain evaluation" };
        writeln!(out, "event {}: {who} matches rule {}", difference.event, difference.rule)?;
    }
    writeln!(
        out,
        "{} of {} events judged twice by {} rules: {} matches, {} differ",
        report.judged, report.events, report.rules, report.matches, report.differing
    )?;
    out.flush()?;
    Ok(if report.differing == 0 && report.judged > 0 { Outcome::Done } else { Outcome::Failed })
}
