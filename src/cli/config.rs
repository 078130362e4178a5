//! `watchfloor config`: check, show, init.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::cli::{Common, Outcome, load, output};
use crate::config::places::Places;

/// The annotated example that `init` writes; it is also the reference people read.
const EXAMPLE: &str = include_str!("../../config/watchfloor.toml");

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor config check --config watchfloor.toml
  watchfloor config show --origin
  watchfloor config init /etc/watchfloor/watchfloor.toml

Later layers win: defaults, the file, WATCHFLOOR_SECTION__KEY, --set KEY=VALUE.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Report every problem of the configuration and exit 1 if there is one
    Check,
    /// Print every key with the value in force
    Show {
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
        /// Add what each key means and its default
        #[arg(long)]
        docs: bool,
    },
    /// Write the annotated example configuration
    Init {
        /// Where to [default: the place the program reads]
        path: Option<PathBuf>,
        /// Overwrite a file that is there
        #[arg(long)]
        force: bool,
    },
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        Verb::Check => check(common),
        Verb::Show { origin, docs } => show(common, *origin, *docs),
        Verb::Init { path, force } => init(path.clone(), *force),
    }
}

fn check(common: &Common) -> anyhow::Result<Outcome> {
    let checked = load::checked_in_full(common)?;
    for problem in &checked.problems {
        output::complain(&problem.to_string());
    }
    let source = load::file(common)
        .map_or_else(|| "no file, defaults only".to_owned(), |path| path.display().to_string());
    if checked.problems.is_empty() {
        writeln!(output::stdout(), "ok: {source}, {} keys", checked.shown.len())?;
        return Ok(Outcome::Done);
    }
    output::complain(&format!("{} problem(s): {source}", checked.problems.len()));
    Ok(Outcome::Failed)
}

fn show(common: &Common, origin: bool, docs: bool) -> anyhow::Result<Outcome> {
    let checked = load::checked(common)?;
    let mut out = output::stdout();
    for key in &checked.shown {
        if docs {
            writeln!(out, "# {} Default: {}", key.doc, key.default)?;
        }
        if origin {
            writeln!(out, "{} = {}  # {}", key.key, output::plain(&key.value), key.origin)?;
        } else {
            writeln!(out, "{} = {}", key.key, output::plain(&key.value))?;
        }
    }
    out.flush()?;
    for problem in &checked.problems {
        output::complain(&problem.to_string());
    }
    Ok(if checked.problems.is_empty() { Outcome::Done } else { Outcome::Failed })
}

fn init(path: Option<PathBuf>, force: bool) -> anyhow::Result<Outcome> {
    let path = path.unwrap_or_else(|| Places::of_this_user().config_file);
    if path.exists() && !force {
        anyhow::bail!("{} exists already (--force overwrites it)", path.display());
    }
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    std::fs::write(&path, EXAMPLE).with_context(|| format!("cannot write {}", path.display()))?;
    writeln!(output::stdout(), "wrote {}", path.display())?;
    Ok(Outcome::Done)
}
