//! `watchfloor model features`: files in, training tensors out.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::cli::progress::Progress;
use crate::cli::{Common, Outcome, load, output};
use crate::pipeline::features::{FeatureOptions, LeaveOut, Track, export};
use crate::pipeline::inputs::Inputs;

#[derive(Clone, Copy, ValueEnum)]
enum TrackName {
    Full,
    Reduced,
}

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
    /// Files, folders (read recursively) and globs; each file is a capture with empty state
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// The folder to write to
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// reduced: without PowerShell's records 4103, 4104, 400, 403, 600 and 800
    #[arg(long, value_enum, default_value = "full")]
    track: TrackName,
    /// Count what is common over these files first; a capture among them is left out of its own counts
    #[arg(long, value_name = "PATH", conflicts_with = "no_history")]
    history: Vec<String>,
    /// What a capture of the history leaves out: all of its day, or files of its name
    #[arg(long, value_enum, default_value = "day")]
    leave_out: LeaveOutName,
    /// Count nothing but earlier events of the same capture
    #[arg(long)]
    no_history: bool,
    /// Judge events with these rules (`builtin`, files or folders) for the column rule_level
    #[arg(short, long, value_name = "PATH")]
    rules: Vec<String>,
    /// Read the input as this format instead of looking (see `formats list`)
    #[arg(long = "as", value_name = "NAME", default_value = "auto")]
    read_as: String,
    /// The host of records that do not name one
    #[arg(long, value_name = "NAME", conflicts_with = "host_from_path")]
    host: Option<String>,
    /// Or the n-th part of a file's path from its end: 1 is its folder
    #[arg(long, value_name = "N")]
    host_from_path: Option<usize>,
    /// Worker threads [default: one a core]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Print no summary on standard error
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut config = load::config(common)?;
    if !arguments.rules.is_empty() {
        config.rules.paths.clone_from(&arguments.rules);
        config.rules.only_named = true;
    }
    load::format_name(&config, &arguments.read_as)?;
    let inputs = Inputs {
        paths: arguments.paths.clone(),
        format: arguments.read_as.clone(),
        host: arguments.host.as_deref().map(str::to_lowercase),
        host_from_path: arguments.host_from_path,
        explain: false,
    };
    let options = FeatureOptions {
        out: arguments.out.clone(),
        track: match arguments.track {
            TrackName::Full => Track::Full,
            TrackName::Reduced => Track::Reduced,
        },
        history: arguments.history.clone(),
        leave_out: match arguments.leave_out {
            LeaveOutName::Day => LeaveOut::Day,
            LeaveOutName::File => LeaveOut::File,
        },
        rules: !arguments.rules.is_empty(),
        workers: arguments.workers.unwrap_or_else(crate::stdx::pool::workers_default),
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
