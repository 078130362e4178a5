//! The data folder and the store in it: there, owner-only, readable, whole, with space left.

use std::io::Write;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::cli::doctor::{Findings, in_the_way};
use crate::cli::owner::{self, Owned, Wanted};
use crate::cli::{Common, Outcome, load, output};
use crate::config::Config;
use crate::desk::Desk;
use crate::model::desk::{Problem, ProblemKind, StatusReport};
use crate::pipeline::opening;
use crate::service::{local_actor, user_name};

/// Less free space than this many times the least is worth a word.
const FREE_WARN_FACTOR: u64 = 10;
/// How far an event may be ahead of the clock before the clock is suspect (µs): 5 minutes.
const AHEAD_US_MAX: i64 = 300 * crate::stdx::time::SECOND_US;

pub(super) fn look(config: &Config, findings: &mut Findings) {
    let dir = &config.data_dir;
    space(config, findings);
    if !opening::store_is_made(config) {
        findings.ok("store", format!("{} does not exist yet; serve makes it", dir.display()));
        return;
    }
    let is_ours = modes(dir, findings);
    server(config, findings);
    if let Some(pid) = opening::store_owner(config) {
        in_use(config, pid, findings);
        return;
    }
    if !is_ours {
        // Opening it would leave files that its own user cannot read.
        findings.warn("store", "it belongs to another user and was not opened", "run as that user");
        return;
    }
    let checked = owner::own(config, Wanted::default()).and_then(|owned| match owned {
        Owned::InUse(pid) => Err(owner::in_use(config, pid).into()),
        Owned::Ours(owner) => {
            findings.ok("store", "opens, its format is known; no other process has it");
            let asked = owner.runtime.block_on(ask(&owner.desk(), findings));
            owner.finish()?;
            Ok(asked?)
        }
    });
    if let Err(error) = checked {
        findings.error("store", &error);
    }
}

/// The settings of the alert store's server.
fn server(config: &Config, findings: &mut Findings) {
    if config.store.alerts.file(&config.data_dir).is_some() {
        return;
    }
    let asked =
        owner::runtime().and_then(|runtime| runtime.block_on(opening::store_advice(config)));
    match asked {
        Ok(advice) if advice.is_empty() => {
            findings.ok("alert store", "the server's settings are as advised");
        }
        Ok(advice) => {
            for line in advice {
                findings.warn("alert store", line, "docs/stores.md has the settings");
            }
        }
        Err(error) => findings.error("alert store", &error),
    }
}

/// The desk of the process that has the store answers for it.
fn in_use(config: &Config, pid: u32, findings: &mut Findings) {
    let socket = owner::socket(config);
    let asked = owner::runtime().and_then(|runtime| {
        runtime.block_on(async {
            let desk = Desk::attach(&socket).await?;
            let what = format!("in use by process {pid}, which takes us for {}", desk.actor());
            findings.ok("store", what);
            Ok(ask(&desk, findings).await?)
        })
    });
    if let Err(error) = asked {
        findings.warn("store", format!("in use by process {pid}"), "");
        findings.error("store", &error);
    }
}

async fn ask(desk: &Desk, findings: &mut Findings) -> Result<(), Problem> {
    let audit = desk.audit_verify().await?;
    match audit.broken_at {
        None => {
            let head = audit.head.get(..12).unwrap_or("none");
            findings
                .ok("audit", format!("{} entries, the chain is whole, head {head}", audit.entries));
        }
        Some(sequence) => findings.fail(
            "audit",
            format!(
                "the chain of hashes is broken at entry {sequence}: entries were changed or lost"
            ),
            "keep a copy of the data folder, compare with a backup",
        ),
    }
    status(&desk.status().await?, findings);
    Ok(())
}

fn status(status: &StatusReport, findings: &mut Findings) {
    for problem in &status.problems {
        findings.warn("store", problem.clone(), "");
    }
    let unbalanced = status.sources.iter().filter(|source| !source.ledger.balances());
    for source in unbalanced {
        let what = format!("the ledger of {} does not balance", source.name);
        findings.fail("ledger", what, "watchfloor status --format json shows it: please report it");
    }
    let newest = status.sources.iter().map(|source| source.newest_event_us).max().unwrap_or(0);
    if newest > status.now.micros().saturating_add(AHEAD_US_MAX) {
        let what = "the newest event is ahead of this machine's clock";
        findings.warn("clock", what, "synchronise the clocks of this machine and its sources");
    }
    let (alerts, events) = (status.alerts, status.events);
    findings.ok("store", format!("{alerts} alerts, {events} events"));
}

/// Everything in the folder is the user's own and closed to others. Says whether it is the user's own.
fn modes(dir: &Path, findings: &mut Findings) -> bool {
    let me = rustix::process::geteuid().as_raw();
    let mut wide = Vec::new();
    let mut foreign = None;
    for path in entries(dir) {
        let Ok(about) = std::fs::symlink_metadata(&path) else { continue };
        if about.uid() != me {
            foreign = foreign.or(Some((path.clone(), about.uid())));
        }
        // The socket is for a group; that is checked by who may enter its folder.
        if about.mode() & 0o077 != 0 && !about.file_type().is_socket() {
            wide.push(path);
        }
    }
    if let Some(first) = wide.first() {
        let count = wide.len();
        let what =
            format!("{count} files or folders are open to other users, first {}", first.display());
        findings.fail("store", what, format!("chmod -R go-rwx {}", dir.display()));
    } else {
        findings.ok("store", format!("{} is owner-only", dir.display()));
    }
    if let Some((path, uid)) = &foreign {
        let (me, owner) = (user_name(me), user_name(*uid));
        let what = format!("{} belongs to {owner}, this is {me}", path.display());
        findings.warn("store", what, format!("run doctor as {owner}"));
    }
    foreign.is_none()
}

/// The folder, what is in it and in its folders.
fn entries(dir: &Path) -> Vec<PathBuf> {
    let list = |dir: &Path| -> Vec<PathBuf> {
        let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
        entries.map(|entry| entry.path()).collect()
    };
    let mut all = vec![dir.to_owned()];
    for path in list(dir) {
        let below = if path.is_dir() && !path.is_symlink() { list(&path) } else { Vec::new() };
        all.push(path);
        all.extend(below);
    }
    all
}

fn space(config: &Config, findings: &mut Findings) {
    let existing = config.data_dir.ancestors().find(|path| path.exists());
    let Some(Ok(disk)) = existing.map(rustix::fs::statvfs) else {
        let what = format!("cannot tell the free space of {}", config.data_dir.display());
        findings.warn("disk", what, "");
        return;
    };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let least = config.store.free_bytes_min;
    let what = format!("{} MiB free, {} MiB are kept free", free >> 20, least >> 20);
    let fix = "free some space, or set data_dir to a larger disk";
    if free < least {
        findings.fail("disk", what, fix);
    } else if free < least.saturating_mul(FREE_WARN_FACTOR) {
        findings.warn("disk", what, fix);
    } else {
        findings.ok("disk", what);
    }
}

/// The repair of `--adopt-tail`.
pub(super) fn adopt_tail(common: &Common) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    if !opening::store_is_made(&config) {
        let message = format!("there is no store at {}", config.data_dir.display());
        return Err(Problem::new(ProblemKind::NotFound, message)
            .hint("--data-dir names another place")
            .into());
    }
    if let Some(pid) = opening::store_owner(&config) {
        return Err(in_the_way(owner::in_use(&config, Some(pid))).into());
    }
    let (actor, place) = local_actor();
    let runtime = owner::runtime()?;
    let adopted = runtime.block_on(opening::adopt_tail(&config, &actor, &place))?;
    let mut out = output::stdout();
    writeln!(
        out,
        "{} events in {} batches of {} segments taken in, {} torn bytes cut",
        adopted.events, adopted.frames, adopted.segments, adopted.bytes_cut
    )?;
    out.flush()?;
    Ok(Outcome::Done)
}
