//! `watchfloor events …`: what is stored, found by the filter language, and the index behind it.

mod reindex;
mod search;

use clap::{Args, Subcommand};

use crate::cli::{Common, Outcome};

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor events search 'host:web01 class:logon_failure' --limit 20
  watchfloor events search 'process.command_line~/curl.*sh/' --from 2026-11-22
  watchfloor events reindex")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Print matching events as JSON lines, newest first
    Search(search::Arguments),
    /// Make the index of the stored events anew
    Reindex(reindex::Arguments),
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        Verb::Search(arguments) => search::run(common, arguments),
        Verb::Reindex(arguments) => reindex::run(common, arguments),
    }
}
