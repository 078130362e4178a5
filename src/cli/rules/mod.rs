//! `watchfloor rules`: everything that is done with rules from the command line, one file a verb.

mod check;
mod explain;
mod junit;
mod lint;
mod list;
mod test;

use clap::{Args, Subcommand};

use crate::cli::{Common, Outcome};
use crate::config::Config;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules check ~/sigma/rules
  watchfloor rules list --min-level high --format ndjson
  watchfloor rules explain 097fff85 /var/log/auth.log
  watchfloor rules test detections/ --junit rules.xml")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Compile every rule; list what does not run with file, line and reason (exit 1 if there is any)
    Check(check::Arguments),
    /// Why a rule holds for the events of a log, or does not; nearest misses first
    Explain(explain::Arguments),
    /// What is wrong, risky or unusual in rule files; --fix mends what is safe (exit 1 if there is a warning)
    Lint(lint::Arguments),
    /// List the rules that run
    List(list::Arguments),
    /// Run the unit tests beside rules (exit 1 if one fails)
    Test(test::Arguments),
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        Verb::Check(arguments) => check::run(common, arguments),
        Verb::Explain(arguments) => explain::run(common, arguments),
        Verb::Lint(arguments) => lint::run(common, arguments),
        Verb::List(arguments) => list::run(common, arguments),
        Verb::Test(arguments) => test::run(common, arguments),
    }
}

/// The named paths, or those of the configuration.
fn paths(config: &Config, named: &[String]) -> Vec<String> {
    if named.is_empty() { config.rules.paths.clone() } else { named.to_vec() }
}
