//! `watchfloor endpoint …`: one endpoint at a glance.

mod show;

use clap::{Args, Subcommand};

use crate::cli::{Common, Outcome};

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor endpoint show web01
  watchfloor endpoint show fin-ws-044 --format json | jq '.judgements[0]'")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// What models said of it, its alerts, its last events, its processes, and what is usual on it
    Show(show::Arguments),
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        Verb::Show(arguments) => show::run(common, arguments),
    }
}
