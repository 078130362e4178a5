//! Layer 9: the command line. One file a command; this one holds the list, the common flags and the
//! single place where an error is printed.

mod alert_text;
mod alerts;
mod attach;
mod backup;
mod checked;
mod completions;
mod config;
mod demo;
mod doctor;
mod endpoint;
mod events;
mod formats;
mod gaps;
mod keymap;
mod keys;
mod load;
mod model;
mod normalise;
mod normalise_explain;
mod open_desk;
mod output;
mod owner;
mod progress;
mod rejects;
mod restore;
mod retention;
mod rules;
mod scan;
mod scan_summary;
mod serve;
mod signals;
mod simulate;
mod status;
mod theme;
mod topics;
mod workbench;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::model::desk::{Problem, ProblemKind};

/// Findings were found and `--exit-code` was given.
const EXIT_FINDINGS: u8 = 3;

#[derive(Parser)]
#[command(name = "watchfloor", bin_name = "watchfloor", version, about, max_term_width = 100, after_help = EXAMPLES)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    command: Option<Command>,
}

const EXAMPLES: &str = "Examples:
  watchfloor demo                                the workbench on a built-in scenario
  watchfloor scan /var/log --rules ~/sigma       one-shot detection over files
  watchfloor serve --config watchfloor.toml      the headless daemon
  watchfloor attach                              the workbench on a running daemon
  watchfloor alerts list 'is:open sev>=high'     the queue for scripts";

/// Flags every command understands.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Common {
    /// The configuration file [default: the user's or /etc/watchfloor/watchfloor.toml]
    #[arg(long, global = true, value_name = "FILE", env = "WATCHFLOOR_CONFIG")]
    config: Option<PathBuf>,
    /// Where stores, positions and audit live
    #[arg(long, global = true, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Set one configuration key, for example --set alert.dedupe=10m
    #[arg(long, global = true, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Say more on standard error (-v info, -vv debug)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
}

#[derive(Subcommand)]
enum Command {
    /// The workbench on a built-in scenario with Windows and Linux endpoints
    Demo(demo::Arguments),
    /// The headless daemon
    Serve(serve::Arguments),
    /// The workbench on a running daemon
    Attach(attach::Arguments),
    /// The workbench on a folder of logs, in a scratch store
    Open(workbench::OpenArguments),
    /// List, show and decide alerts
    Alerts(alerts::Arguments),
    /// Search stored events
    Events(events::Arguments),
    /// One endpoint at a glance
    Endpoint(endpoint::Arguments),
    /// Records that could not be read, and whether they could be now
    Rejects(rejects::Arguments),
    /// Numbered records that never came
    Gaps(gaps::Arguments),
    /// One archive of everything, beside a running daemon
    Backup(backup::Arguments),
    /// What is old enough to go
    Retention(retention::Arguments),
    /// A data folder from a backup
    Restore(restore::Arguments),
    /// Sources with their ledger, queues, stores, rules
    Status(status::Arguments),
    /// Judge log files with Sigma rules and print the findings
    Scan(scan::Arguments),
    /// Print the ECS events of log files as JSON lines
    Normalise(normalise::Arguments),
    /// Realistic raw records from a scenario
    Simulate(simulate::Arguments),
    /// Check and list Sigma rules
    Rules(rules::Arguments),
    /// The models that judge endpoints: check, evaluate, make features for training
    Model(model::Arguments),
    /// Keys of the programs that send to the daemon: make, list, revoke
    Keys(keys::Arguments),
    /// Check, list and test signals
    Signals(signals::Arguments),
    /// Kafka topics: which are missing, and make them
    Topics(topics::Arguments),
    /// Check, show or write the configuration
    Config(config::Arguments),
    /// Look at everything the program needs and say what is wrong
    Doctor(doctor::Arguments),
    /// The log formats that can be read, and the names for --as
    Formats(formats::Arguments),
    /// Which key does what, and where that is written
    Keymap(keymap::Arguments),
    /// Check theme files
    Theme(theme::Arguments),
    /// Shell completions for bash, zsh, fish, elvish or PowerShell
    Completions(completions::Arguments),
}

/// How a command ended well.
pub(crate) enum Outcome {
    /// Exit code 0.
    Done,
    /// Exit code 3: there were findings, and the caller asked to be told so.
    Findings,
    /// Exit code 1, everything was said already.
    Failed,
}

/// Run the program with these arguments.
pub fn main(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap prints help and version to standard output, errors to standard error.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    match run(arguments) {
        Ok(Outcome::Done) => ExitCode::SUCCESS,
        Ok(Outcome::Findings) => ExitCode::from(EXIT_FINDINGS),
        Ok(Outcome::Failed) => ExitCode::FAILURE,
        Err(error) => report(&error),
    }
}

fn run(arguments: Arguments) -> anyhow::Result<Outcome> {
    let common = arguments.common;
    match arguments.command {
        Some(Command::Demo(arguments)) => demo::run(&common, &arguments),
        Some(Command::Serve(arguments)) => serve::run(&common, &arguments),
        Some(Command::Attach(arguments)) => attach::run(&common, &arguments),
        Some(Command::Open(arguments)) => workbench::open(&common, &arguments),
        Some(Command::Alerts(arguments)) => alerts::run(&common, &arguments),
        Some(Command::Events(arguments)) => events::run(&common, &arguments),
        Some(Command::Endpoint(arguments)) => endpoint::run(&common, &arguments),
        Some(Command::Status(arguments)) => status::run(&common, &arguments),
        Some(Command::Gaps(arguments)) => gaps::run(&common, &arguments),
        Some(Command::Backup(arguments)) => backup::run(&common, &arguments),
        Some(Command::Retention(arguments)) => retention::run(&common, &arguments),
        Some(Command::Restore(arguments)) => restore::run(&common, &arguments),
        Some(Command::Rejects(arguments)) => rejects::run(&common, &arguments),
        Some(Command::Doctor(arguments)) => doctor::run(&common, &arguments),
        Some(Command::Simulate(arguments)) => simulate::run(&arguments),
        Some(Command::Scan(arguments)) => scan::run(&common, &arguments),
        Some(Command::Normalise(arguments)) => normalise::run(&common, &arguments),
        Some(Command::Rules(arguments)) => rules::run(&common, &arguments),
        Some(Command::Model(arguments)) => model::run(&common, &arguments),
        Some(Command::Keys(arguments)) => keys::run(&common, &arguments),
        Some(Command::Signals(arguments)) => signals::run(&common, &arguments),
        Some(Command::Topics(arguments)) => topics::run(&common, &arguments),
        Some(Command::Config(arguments)) => config::run(&common, &arguments),
        Some(Command::Formats(arguments)) => formats::run(&common, &arguments),
        Some(Command::Keymap(arguments)) => keymap::run(&common, &arguments),
        Some(Command::Theme(arguments)) => theme::run(&common, &arguments),
        Some(Command::Completions(arguments)) => completions::run(&arguments),
        None => workbench::run(&common),
    }
}

/// The one printer of errors: the chain of causes, then what to do. A closed pipe is not an error.
fn report(error: &anyhow::Error) -> ExitCode {
    let broken_pipe = error.chain().any(|cause| {
        let io = cause.downcast_ref::<std::io::Error>().map(std::io::Error::kind);
        let json = cause.downcast_ref::<serde_json::Error>().and_then(|e| e.io_error_kind());
        io.or(json) == Some(std::io::ErrorKind::BrokenPipe)
    });
    if broken_pipe {
        return ExitCode::SUCCESS;
    }
    output::complain(&format!("watchfloor: {error:#}"));
    let problem = error.chain().find_map(|cause| cause.downcast_ref::<Problem>());
    if let Some(problem) = problem {
        if !problem.detail.is_empty() {
            output::complain(&format!("  {}", problem.detail));
        }
        if !problem.hint.is_empty() {
            output::complain(&format!("  hint: {}", problem.hint));
        }
        if problem.kind == ProblemKind::Invalid {
            return ExitCode::from(2);
        }
    }
    ExitCode::FAILURE
}

/// The whole command tree, for completions and for the tests of the documentation.
pub fn command() -> clap::Command {
    <Arguments as clap::CommandFactory>::command()
}
