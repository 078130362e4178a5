//! `watchfloor restore`: a data folder from a backup.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::cli::backup::progress;
use crate::cli::progress::Progress;
use crate::cli::{Common, Outcome, load, output, owner};
use crate::pipeline::backup;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor restore watchfloor-20261126T020000Z.tar.zst --to /srv/watchfloor
  watchfloor restore old.tar.zst --to /var/lib/watchfloor --overwrite watchfloor

A folder with something in it is refused unless --overwrite says its name; it is then moved aside, never removed. A backup of a
newer version is refused. Files from outside the data folder (configuration, rules, keys) are put into from-backup/ in it.")]
pub(crate) struct Arguments {
    /// The archive
    file: PathBuf,
    /// The data folder to make
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// The name of the folder that is there already, to have it moved aside
    #[arg(long, value_name = "FOLDER-NAME")]
    overwrite: Option<String>,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    load::logging(common, false);
    let runtime = owner::runtime()?;
    let bar = Progress::files(!arguments.quiet);
    let told = progress(&bar);
    let (file, to) = (&arguments.file, &arguments.to);
    let overwrite = arguments.overwrite.as_deref();
    let restored = runtime.block_on(backup::restore(file, to, overwrite, &told))?;
    bar.finish();
    let manifest = &restored.manifest;
    let alerts = manifest.tables.get("alerts").copied().unwrap_or(0);
    let mut out = output::stdout();
    writeln!(
        out,
        "{}: {alerts} alerts, {} events, {} audit entries, as of {}",
        output::plain(&to.display().to_string()),
        manifest.events,
        manifest.audit.0,
        output::plain(&manifest.head.made),
    )?;
    out.flush()?;
    if let Some(moved) = &restored.moved {
        output::complain(&format!("what was there is now {}", moved.display()));
    }
    let beside = to.join("from-backup");
    if beside.is_dir() {
        output::complain(&format!("configuration, rules and keys are in {}", beside.display()));
    }
    Ok(Outcome::Done)
}
