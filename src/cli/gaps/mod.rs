//! `watchfloor gaps`: numbered records that never came, one file a verb.

mod list;

use clap::{Args, Subcommand};

use crate::cli::{Common, Outcome};

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor gaps list
  watchfloor gaps list --streams
  watchfloor gaps list --host dc01 --format ndjson

docs/gaps.md says what is numbered and when a gap is an alert.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the numbers that are missing, or the numbered streams
    List(list::Arguments),
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        Verb::List(arguments) => list::run(common, arguments),
    }
}
