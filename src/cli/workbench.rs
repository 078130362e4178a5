//! The plain `watchfloor`: the workbench with the pipeline in this process; on a store that is in use, the
//! desk of the process that has it. `watchfloor open PATH…`: the desk on evidence, in a scratch store.

use std::io::IsTerminal;
use std::os::unix::fs::DirBuilderExt;

use anyhow::Context;
use clap::Args;

use crate::cli::owner::{self, Owned, Wanted};
use crate::cli::{Common, Outcome, load};
use crate::config::Config;
use crate::desk::Desk;
use crate::model::desk::{Problem, ProblemKind};
use crate::pipeline::inputs::Inputs;
use crate::pipeline::opening;
use crate::tui;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor open evidence/
  watchfloor open case.zip --rules ~/sigma/rules --keep /srv/cases/42")]
pub(crate) struct OpenArguments {
    /// Files, folders (read recursively) and globs
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Rules to use instead of the configured ones
    #[arg(short, long, value_name = "PATH")]
    rules: Vec<String>,
    /// Read the input as this format instead of looking (see `formats list`)
    #[arg(long = "as", value_name = "NAME", default_value = "auto")]
    read_as: String,
    /// The host of records that do not name one
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Keep the store in this folder instead of a scratch one
    #[arg(long, value_name = "DIR")]
    keep: Option<std::path::PathBuf>,
}

/// The workbench without a subcommand.
pub(crate) fn run(common: &Common) -> anyhow::Result<Outcome> {
    need_terminal()?;
    let config = load::config(common)?;
    let first_time = !config.data_dir.exists() && config.sources.is_empty();
    if first_time {
        return Err(Problem::new(ProblemKind::NotFound, "nothing is set up yet")
            .detail(
                "watchfloor demo             shows the workbench on made-up attacks\n  \
                 watchfloor open /var/log    opens it on logs of this machine\n  \
                 watchfloor config init      writes an annotated configuration",
            )
            .into());
    }
    // Beside a daemon nothing is started here, and what it can read this user may not.
    let config = match opening::store_owner(&config) {
        Some(_) => config,
        None => load::config_to_run(common)?,
    };
    let wanted = Wanted { pipeline: true, evidence: None, listen: true };
    show(common, &config, wanted)
}

/// The workbench on evidence.
pub(crate) fn open(common: &Common, arguments: &OpenArguments) -> anyhow::Result<Outcome> {
    need_terminal()?;
    let mut config = load::config(common)?;
    load::format_name(&config, &arguments.read_as)?;
    let scratch = Scratch::new("open")?;
    config.data_dir = arguments.keep.clone().unwrap_or_else(|| scratch.path.clone());
    config.api.socket = None;
    config.metrics.listen = None;
    config.sources.clear();
    // Evidence goes nowhere.
    config.sinks.clear();
    if !arguments.rules.is_empty() {
        config.rules.paths.clone_from(&arguments.rules);
    }
    let evidence = Inputs {
        paths: arguments.paths.clone(),
        format: arguments.read_as.clone(),
        host: arguments.host.as_deref().map(str::to_lowercase),
        host_from_path: None,
        explain: false,
    };
    show(common, &config, Wanted { pipeline: true, evidence: Some(evidence), listen: true })
}

/// Own the store and show its desk, or attach to whoever owns it.
pub(crate) fn show(common: &Common, config: &Config, wanted: Wanted) -> anyhow::Result<Outcome> {
    // The log lies in the data folder, so that must be there before the store is opened.
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir);
    made.with_context(|| format!("cannot make the data folder {}", config.data_dir.display()))?;
    load::logging_beside_desk(common, &config.data_dir);
    match owner::own_soon(config, &wanted)? {
        Owned::Ours(owner) => {
            let shown = tui::run::desk::show(&config.ui, owner.desk(), owner.runtime.handle());
            let finished = owner.finish();
            shown.and(finished)?;
        }
        Owned::InUse(pid) => {
            let runtime = owner::runtime()?;
            let desk = runtime
                .block_on(Desk::attach(&owner::socket(config)))
                .map_err(|problem| owner::in_use(config, pid).detail(problem.to_string()))?;
            tui::run::desk::show(&config.ui, desk, runtime.handle())?;
            runtime.shutdown_timeout(std::time::Duration::from_secs(2));
        }
    }
    Ok(Outcome::Done)
}

/// The desk needs a terminal on both ends.
pub(crate) fn need_terminal() -> anyhow::Result<()> {
    if std::io::stdin().is_terminal() && std::io::stdout().is_terminal() {
        return Ok(());
    }
    Err(Problem::new(ProblemKind::Invalid, "the workbench needs a terminal")
        .hint("watchfloor serve runs without one; watchfloor --help lists the commands for scripts")
        .into())
}

/// A folder of this run, removed at its end.
pub(crate) struct Scratch {
    pub(crate) path: std::path::PathBuf,
}

impl Scratch {
    /// Make an empty, owner-only folder.
    pub(crate) fn new(what: &str) -> anyhow::Result<Scratch> {
        let base = std::env::temp_dir();
        let pid = std::process::id();
        for number in 0..100 {
            let path = base.join(format!("watchfloor-{what}-{pid}-{number}"));
            match std::fs::DirBuilder::new().mode(0o700).create(&path) {
                Ok(()) => return Ok(Scratch { path }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(error) => {
                    return Err(anyhow::Error::from(error)
                        .context(format!("cannot make the scratch folder {}", path.display())));
                }
            }
        }
        anyhow::bail!("no free name for a scratch folder in {}", base.display())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What is left of a killed run lies in the system's folder for such things.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
