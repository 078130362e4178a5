//! `watchfloor signals test`: the tests that stand beside signal files.

use std::io::Write;

use clap::Args;

use crate::cli::{Common, Outcome, load, output};
use crate::model::desk::{Problem, ProblemKind};
use crate::pipeline::signal_test;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor signals test builtin
  watchfloor signals test my-signals/
  watchfloor signals test my-signals/token_spike.yml --why

NAME.test stands beside NAME.yml: raw records under `== fires` and under `== stays silent`.")]
pub(crate) struct Arguments {
    /// `builtin`, files or folders [default: signals.paths of the configuration]
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
    /// Say what the records that fire gave
    #[arg(long)]
    why: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    let paths = if arguments.paths.is_empty() { &config.signals.paths } else { &arguments.paths };
    let tested = signal_test::run(&config, paths)?;
    if tested.is_empty() {
        return Err(Problem::new(ProblemKind::NotFound, "there is no signal file").into());
    }
    let mut out = output::stdout();
    let mut failed = 0;
    for file in &tested {
        failed += usize::from(!file.failures.is_empty());
        for failure in &file.failures {
            writeln!(out, "{}: {}", output::plain(&file.file), output::plain(failure))?;
        }
        for fired in file.fired.iter().filter(|_| arguments.why) {
            writeln!(out, "{}", output::plain(fired))?;
        }
    }
    writeln!(out, "{} signal files tested, {failed} failed", tested.len())?;
    out.flush()?;
    Ok(if failed == 0 { Outcome::Done } else { Outcome::Failed })
}
