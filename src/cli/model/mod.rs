//! `watchfloor model`: everything that is done with models from the command line, one file a verb.

mod check;
mod eval;
mod export_labels;
mod features;
mod files;

use clap::{Args, Subcommand};

use crate::cli::{Common, Outcome};

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor model check
  watchfloor model check my-model/
  watchfloor model eval lab/ --labels labels.jsonl --scores scores.ndjson
  watchfloor model export-labels > labels.jsonl
  watchfloor model features captures/ --out features/
  watchfloor model features captures/ --out features/ --track reduced --history captures/

docs/model-runtime.md says what a model is made of and what runs it, docs/model-features.md what it sees.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Check a model and every runtime that can be had (exit 1 if anything is wrong)
    Check(check::Arguments),
    /// Score the windows of log files and compare with labels
    Eval(eval::Arguments),
    /// Print what analysts decided about models' alerts, as labels of windows
    ExportLabels(export_labels::Arguments),
    /// Write the training tensors of log files
    Features(features::Arguments),
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        Verb::Check(arguments) => check::run(common, arguments),
        Verb::Eval(arguments) => eval::run(common, arguments),
        Verb::ExportLabels(arguments) => export_labels::run(common, arguments),
        Verb::Features(arguments) => features::run(common, arguments),
    }
}
