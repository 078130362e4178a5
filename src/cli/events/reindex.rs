//! `watchfloor events reindex`: make the index of the stored events anew.

use std::io::Write;

use clap::Args;

use crate::cli::progress::Progress;
use crate::cli::{Common, Outcome, load, output, owner};
use crate::pipeline::opening;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor events reindex
  watchfloor --data-dir /var/lib/watchfloor events reindex

The index only says where to look: searches are complete without it, and slower. A running
daemon keeps it up by itself and makes it anew when it is damaged, so that this is rarely needed.
Stop the daemon first.")]
pub(crate) struct Arguments {}

pub(crate) fn run(common: &Common, _arguments: &Arguments) -> anyhow::Result<Outcome> {
    load::logging(common, false);
    let config = load::config(common)?;
    if !opening::store_is_made(&config) {
        anyhow::bail!("there is no store at {}", config.data_dir.display());
    }
    if let Some(pid) = opening::store_owner(&config) {
        return Err(owner::in_use(&config, Some(pid)).into());
    }
    let bar = Progress::events();
    let runtime = owner::runtime()?;
    let done = runtime.block_on(opening::reindex(&config, &mut |left| bar.left(left)));
    bar.finish();
    let mut out = output::stdout();
    match done? {
        Some(events) => writeln!(out, "{events} events are in the index")?,
        None => writeln!(out, "the events are on a server, which has an index of its own")?,
    }
    out.flush()?;
    Ok(Outcome::Done)
}
