//! `watchfloor backup`: one archive of everything, and whether it can be restored.

mod verify;

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::output;
use crate::cli::progress::Progress;
use crate::cli::{Common, Outcome, load, owner};
use crate::model::desk::{Problem, ProblemKind};
use crate::pipeline::backup::{self, Manifest};
use crate::pipeline::inputs::Watcher;
use crate::pipeline::opening;
use crate::stdx::time::Timestamp;

#[derive(Args)]
#[command(
    args_conflicts_with_subcommands = true,
    after_help = "Examples:
  watchfloor backup
  watchfloor backup /var/backups/watchfloor/before-update.tar.zst
  watchfloor backup verify /var/backups/watchfloor/before-update.tar.zst
  watchfloor restore before-update.tar.zst --to /srv/watchfloor

Works beside a running daemon. [backup] makes one each day. docs/backup.md says what is in it."
)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// The archive to write [default: watchfloor-TIME.tar.zst here]
    file: Option<PathBuf>,
    /// Do not restore it into a scratch folder afterwards
    #[arg(long)]
    no_verify: bool,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Subcommand)]
enum Verb {
    /// Restore a backup into a scratch folder and compare everything with what was saved
    Verify(verify::Arguments),
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    load::logging(common, false);
    match &arguments.verb {
        Some(Verb::Verify(arguments)) => verify::run(arguments),
        None => make(common, arguments),
    }
}

fn make(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    if !opening::store_is_made(&config) {
        let message = format!("there is no store at {}", config.data_dir.display());
        return Err(Problem::new(ProblemKind::NotFound, message)
            .hint("--config or --data-dir names another place")
            .into());
    }
    let now = Timestamp::now();
    let out = arguments.file.clone().unwrap_or_else(|| PathBuf::from(backup::name_at(now)));
    let runtime = owner::runtime()?;
    let bar = Progress::files(!arguments.quiet);
    let told = progress(&bar);
    let manifest = runtime.block_on(backup::make(&backup::what(&config), &out, &told))?;
    bar.finish();
    if !arguments.no_verify {
        verify::check(&out, None, arguments.quiet)?;
    }
    say(&out, &manifest, !arguments.no_verify)?;
    Ok(Outcome::Done)
}

/// What a progress bar is told.
pub(super) fn progress(bar: &Progress) -> impl Fn(u64, u64) + Sync + '_ {
    let seen = std::sync::atomic::AtomicU64::new(0);
    move |done, expected| {
        let before = seen.swap(done, std::sync::atomic::Ordering::AcqRel);
        bar.expect_bytes(expected);
        bar.read_bytes(done.saturating_sub(before));
    }
}

/// One line about an archive.
pub(super) fn say(
    file: &std::path::Path,
    manifest: &Manifest,
    verified: bool,
) -> anyhow::Result<()> {
    let mut out = output::stdout();
    let alerts = manifest.alerts();
    let how = if verified { "restored and compared" } else { "not verified" };
    let name = output::plain(&file.display().to_string());
    writeln!(
        out,
        "{name}: {alerts} alerts, {} events in {} segments, {} audit entries, of {} ({how})",
        manifest.events,
        manifest.segments,
        manifest.audit.0,
        output::plain(&manifest.head.made),
    )?;
    out.flush()?;
    Ok(())
}
