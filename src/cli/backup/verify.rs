//! `watchfloor backup verify`: can it be restored?

use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::backup::{progress, say};
use crate::cli::progress::Progress;
use crate::cli::{Outcome, owner};
use crate::pipeline::backup::{self, Manifest};

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor backup verify watchfloor-20261126T020000Z.tar.zst
  watchfloor backup verify old.tar.zst --scratch /mnt/large

Every checksum, row count and length is compared, the audit log's chain is walked, and the store is opened. It needs as much
room as the store for a while: beside the file, or in --scratch.")]
pub(crate) struct Arguments {
    /// The archive
    file: PathBuf,
    /// Where to restore it for a while [default: the archive's folder]
    #[arg(long, value_name = "DIR")]
    scratch: Option<PathBuf>,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let manifest = check(&arguments.file, arguments.scratch.as_deref(), arguments.quiet)?;
    say(&arguments.file, &manifest, true)?;
    Ok(Outcome::Done)
}

/// Restore it into a scratch folder and compare.
pub(super) fn check(file: &Path, scratch: Option<&Path>, quiet: bool) -> anyhow::Result<Manifest> {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let scratch = scratch.or(parent).unwrap_or(Path::new("."));
    let runtime = owner::runtime()?;
    let bar = Progress::files(!quiet);
    let told = progress(&bar);
    let manifest = runtime.block_on(backup::verify(file, scratch, &told))?;
    bar.finish();
    Ok(manifest)
}
