//! `watchfloor signals`: everything that is done with signals from the command line, one file a verb.

mod check;
mod list;
mod test;

use clap::{Args, Subcommand};

use crate::cli::{Common, Outcome, load};
use crate::config::signals::SignalsConfig;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor signals list
  watchfloor signals check my-signals/
  watchfloor signals test my-signals/vault_token_spike.yml

docs/signals.md says what a signal may hold.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Check every signal; list what does not run with file, line, key and reason (exit 1 if there is any)
    Check(check::Arguments),
    /// List the signals that run
    List(list::Arguments),
    /// Run the .test files that stand beside signals (exit 1 if one does not hold)
    Test(test::Arguments),
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        Verb::Check(arguments) => check::run(common, arguments),
        Verb::List(arguments) => list::run(common, arguments),
        Verb::Test(arguments) => test::run(common, arguments),
    }
}

/// The configured signals, with other paths if some are named.
fn config(common: &Common, named: &[String]) -> anyhow::Result<SignalsConfig> {
    let mut config = load::config(common)?.signals;
    if !named.is_empty() {
        config.paths = named.to_vec();
    }
    Ok(config)
}
