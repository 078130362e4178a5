//! `watchfloor model features`: files in, training tensors out.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::cli::model::files::FileArguments;
use crate::cli::progress::Progress;
use crate::cli::{Common, Outcome, output};
use crate::pipeline::features::{FeatureOptions, LeaveOut, export};

#[derive(Clone, Copy, ValueEnum)]
enum LeaveOutName {
    Day,
    File,
}

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor model features captures/ --out features/
  watchfloor model features captures/ --out features/ --history captures/ --track reduced
  watchfloor model features lab/ --out features/ --host-from-path 1 --leave-out file --history lab/
  watchfloor model features case.evtx --out features/ --rules builtin

The folder gets windows.ndjson (a line a window), five arrays in NumPy's format and manifest.json.
docs/model-features.md says what each column means.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    files: FileArguments,
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Count what is common over these files first; a capture among them is left out of its own counts
    #[arg(long, value_name = "PATH")]
    history: Vec<String>,
    /// What a capture of the history leaves out: all of its day, or files of its name
    #[arg(long, value_enum, default_value = "day")]
    leave_out: LeaveOutName,
    /// Print no summary on standard error
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let (config, inputs) = arguments.files.open(common)?;
    let options = FeatureOptions {
        out: arguments.out.clone(),
        track: arguments.files.track(),
        history: arguments.history.clone(),
        leave_out: match arguments.leave_out {
            LeaveOutName::Day => LeaveOut::Day,
            LeaveOutName::File => LeaveOut::File,
        },
        rules: arguments.files.names_rules(),
        workers: arguments.files.workers(),
    };
    let progress = Progress::files(!arguments.quiet);
    let report = export(&config, &inputs, &options, &progress).context("cannot make features")?;
    progress.finish();
    for problem in &report.problems {
        output::complain(&format!("watchfloor: {problem}"));
    }
    if !arguments.quiet {
        let (groups, pairs, keys) = report.history;
        output::complain(&format!(
            "{} files, {} events, {} windows ({} with too few nodes), {} nodes, {} edges; left out by bounds: {} nodes, {} edges",
            report.files,
            report.events,
            report.windows,
            report.errors,
            report.nodes,
            report.edges / 2,
            report.dropped.0,
            report.dropped.1
        ));
        if groups > 0 {
            output::complain(&format!(
                "history: {groups} days or files, {pairs} endpoints in them, {keys} keys"
            ));
        }
    }
    Ok(if report.windows == 0 { Outcome::Failed } else { Outcome::Done })
}
