//! `watchfloor rules`: everything that is done with rules from the command line, one file a verb.

mod backtest;
mod check;
mod coverage;
mod dead;
mod expect;
mod explain;
mod history;
mod junit;
mod lint;
mod list;
mod profile;
mod test;
mod verify;

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
    /// What rules would have said over files or stored history: counts, a forecast, a comparison of versions
    Backtest(backtest::Arguments),
    /// Compile every rule; list what does not run with file, line and reason (exit 1 if there is any)
    Check(check::Arguments),
    /// Tactics and techniques of ATT&CK that the rules speak of; --live: that can be detected on what arrives
    Coverage(coverage::Arguments),
    /// Rules that can never fire on what arrives, with the cause
    Dead(dead::Arguments),
    /// Why a rule holds for the events of a log, or does not; nearest misses first
    Explain(explain::Arguments),
    /// What is wrong, risky or unusual in rule files; --fix mends what is safe (exit 1 if there is a warning)
    Lint(lint::Arguments),
    /// List the rules that run
    List(list::Arguments),
    /// Judge events by index and by plain evaluation, and compare
    Verify(verify::Arguments),
    /// What each rule costs on the events of files, worst first
    Profile(profile::Arguments),
    /// Run the unit tests beside rules (exit 1 if one fails)
    Test(test::Arguments),
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        Verb::Backtest(arguments) => backtest::run(common, arguments),
        Verb::Check(arguments) => check::run(common, arguments),
        Verb::Coverage(arguments) => coverage::run(common, arguments),
        Verb::Dead(arguments) => dead::run(common, arguments),
        Verb::Explain(arguments) => explain::run(common, arguments),
        Verb::Lint(arguments) => lint::run(common, arguments),
        Verb::List(arguments) => list::run(common, arguments),
        Verb::Verify(arguments) => verify::run(common, arguments),
        Verb::Profile(arguments) => profile::run(common, arguments),
        Verb::Test(arguments) => test::run(common, arguments),
    }
}

/// The named paths, or those of the configuration.
fn paths(config: &Config, named: &[String]) -> Vec<String> {
    if named.is_empty() { config.rules.paths.clone() } else { named.to_vec() }
}
