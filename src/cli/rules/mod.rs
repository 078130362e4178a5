//! `watchfloor rules`: everything that is done with rules from the command line, one file a verb.

mod backtest;
mod by_hour;
mod check;
mod conflicts;
mod coverage;
mod dead;
mod decide;
mod disable;
mod dry_run;
mod enable;
mod expect;
mod explain;
mod history;
mod import;
mod junit;
mod keygen;
mod lint;
mod list;
mod over;
mod packs;
mod parked;
mod profile;
mod release;
mod remove;
mod resolve;
mod rollback;
mod sign;
mod states;
mod test;
mod vectors;
mod verify;

use std::os::unix::fs::DirBuilderExt;

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::cli::open_desk::{self, Opened};
use crate::cli::{Common, Outcome, load};
use crate::config::Config;
use crate::config::rules::RulesConfig;
use crate::pipeline::rule_life::resolve::configured;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules check ~/sigma/rules
  watchfloor rules list --min-level high --format ndjson
  watchfloor rules explain 097fff85 /var/log/auth.log
  watchfloor rules test detections/ --junit rules.xml
  watchfloor rules import sigma.tar.zst --name sigma
  watchfloor rules dry-run pack:sigma level:low --reason 'looking first'
  watchfloor rules rollback --reason 'too loud'")]
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
    /// Judge events by index and by plain evaluation, and compare
    Verify(verify::Arguments),
    /// What each rule costs on the events of files, worst first
    Profile(profile::Arguments),
    /// Run the unit tests beside rules (exit 1 if one fails)
    Test(test::Arguments),
    /// What fail2ban, crowdsec and wazuh find in the logs of their own tests, and what we find (exit 1 below a bar)
    Vectors(vectors::Arguments),
    /// List the rules that run, with their states and what dry runs counted
    List(list::Arguments),
    /// Import a pack of rules: a folder, a .zip or a .tar.zst; a newer version keeps local edits
    Import(import::Arguments),
    /// Imported packs: version, licence, where from, when, who, how much
    Packs(packs::Arguments),
    /// Stop using a pack; rollback brings it back
    Remove(remove::Arguments),
    /// Let findings of rules become alerts
    Enable(enable::Arguments),
    /// Let findings of rules go no further
    Disable(disable::Arguments),
    /// Count findings of rules, and alert none
    DryRun(dry_run::Arguments),
    /// What was decided about which rules, the most specific first
    States(states::Arguments),
    /// Rules that made too many alerts in a day, with what is kept back
    Parked(parked::Arguments),
    /// Let parked rules go on; their alerts appear
    Release(release::Arguments),
    /// Every change of packs and states: when, who, why, what it replaced
    History(history::Arguments),
    /// Go back to an earlier set of packs, edits and states
    Rollback(rollback::Arguments),
    /// Edited files that do not fit their pack's new version
    Conflicts(conflicts::Arguments),
    /// Decide which text of a conflict is wanted
    Resolve(resolve::Arguments),
    /// Sign a pack's archive
    Sign(sign::Arguments),
    /// Make a pair of keys for signing packs
    Keygen(keygen::Arguments),
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        Verb::Backtest(arguments) => backtest::run(common, arguments),
        Verb::Check(arguments) => check::run(common, arguments),
        Verb::Coverage(arguments) => coverage::run(common, arguments),
        Verb::Dead(arguments) => dead::run(common, arguments),
        Verb::Explain(arguments) => explain::run(common, arguments),
        Verb::Lint(arguments) => lint::run(common, arguments),
        Verb::Vectors(arguments) => vectors::run(common, arguments),
        Verb::List(arguments) => list::run(common, arguments),
        Verb::Verify(arguments) => verify::run(common, arguments),
        Verb::Profile(arguments) => profile::run(common, arguments),
        Verb::Test(arguments) => test::run(common, arguments),
        Verb::Import(arguments) => import::run(common, arguments),
        Verb::Packs(arguments) => packs::run(common, arguments),
        Verb::Remove(arguments) => remove::run(common, arguments),
        Verb::Enable(arguments) => enable::run(common, arguments),
        Verb::Disable(arguments) => disable::run(common, arguments),
        Verb::DryRun(arguments) => dry_run::run(common, arguments),
        Verb::States(arguments) => states::run(common, arguments),
        Verb::Parked(arguments) => parked::run(common, arguments),
        Verb::Release(arguments) => release::run(common, arguments),
        Verb::History(arguments) => history::run(common, arguments),
        Verb::Rollback(arguments) => rollback::run(common, arguments),
        Verb::Conflicts(arguments) => conflicts::run(common, arguments),
        Verb::Resolve(arguments) => resolve::run(common, arguments),
        Verb::Sign(arguments) => sign::run(arguments),
        Verb::Keygen(arguments) => keygen::run(arguments),
    }
}

/// The rules of the named paths and no others, or those of the configuration with the packs in use.
fn rules(mut config: Config, named: &[String]) -> anyhow::Result<RulesConfig> {
    if !named.is_empty() {
        config.rules.paths = named.to_vec();
        config.rules.only_named = true;
    }
    Ok(configured(&config)?)
}

/// The desk of the store, which is made if there is none: rules may be set up before the first event.
fn desk(common: &Common) -> anyhow::Result<Opened> {
    let config = load::config(common)?;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir);
    made.with_context(|| format!("cannot make the data folder {}", config.data_dir.display()))?;
    open_desk::open(common)
}

/// Who runs the command, for provenance.
fn who() -> String {
    crate::service::local_actor().0
}
