//! `watchfloor serve`: the headless daemon.

use std::os::unix::fs::MetadataExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use clap::Args;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::owner::{self, Owned, Owner, Wanted};
use crate::cli::{Common, Outcome, load, output};
use crate::config::Config;
use crate::config::collect::Roles;
use crate::model::desk::{Problem, ProblemKind};
use crate::pipeline::config_reload;

/// How often the stages are looked at.
const WATCH: Duration = Duration::from_millis(500);

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor serve --config /etc/watchfloor/watchfloor.toml
  watchfloor serve --data-dir /srv/watchfloor --set rules.min_level=low
  watchfloor serve --roles collect            take records and write them to Kafka (docs/roles.md)
  watchfloor serve --roles analyse,export     read them there, judge, store, send on

SIGHUP, or a changed file: the configuration is read again; what needs a restart is named in watchfloor status.
SIGTERM or SIGINT: the sources stop, what was read is committed, then the program ends.
config/watchfloor.service is a systemd unit for it.")]
pub(crate) struct Arguments {
    /// Logs as JSON lines on standard error
    #[arg(long)]
    log_json: bool,
    /// Which parts of the path run here, instead of all: collect, analyse, export (also: the key `roles`)
    #[arg(long, value_name = "ROLE,...", value_delimiter = ',')]
    roles: Vec<String>,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut common = common.clone();
    // A daemon says what it does; the one-shot commands are quiet.
    common.verbose = common.verbose.max(1);
    load::logging(&common, arguments.log_json);
    if !arguments.roles.is_empty() {
        common.set.push(format!("roles={}", arguments.roles.join(",")));
    }
    // Before anything is read: what is written from here on, also during the start, is a change.
    let early = Early::listen()?;
    let stamp = stamp_of(&common);
    let config = load::config_to_run(&common)?;
    if config.sources.is_empty() {
        output::complain("watchfloor: no [[sources]] are configured: nothing will be read");
    } else if !config.sources.iter().any(|source| config.roles.runs(&source.kind)) {
        let roles = config.roles.names().join(", ");
        output::complain(&format!(
            "watchfloor: none of the [[sources]] runs with the roles {roles}: nothing will be read; \
             analyse alone reads Kafka and AMQP"
        ));
    }
    if config.roles != Roles::default() && config.roles.export && config.sinks.is_empty() {
        output::complain("watchfloor: the role export has no [[sinks]]: nothing will be sent");
    }
    let wanted = Wanted { pipeline: true, evidence: None, listen: true };
    let owner = match owner::own_soon(&config, &wanted)? {
        Owned::Ours(owner) => owner,
        Owned::InUse(pid) => return Err(owner::in_use(&config, pid).into()),
    };
    tracing::info!(
        data_dir = %config.data_dir.display(),
        sources = config.sources.len(),
        version = env!("CARGO_PKG_VERSION"),
        "serving"
    );
    let asked = owner.runtime.block_on(wait(&owner, &common, config, stamp, &early));
    match asked {
        Ended::Signal(name) => tracing::info!(signal = name, "stopping"),
        Ended::Broken => tracing::error!("a stage ended by itself, stopping"),
    }
    let broken = matches!(asked, Ended::Broken);
    owner.finish()?;
    tracing::info!("stopped");
    if broken {
        return Err(Problem::new(ProblemKind::Internal, "a stage of the pipeline failed").into());
    }
    Ok(Outcome::Done)
}

/// What signals asked for before the daemon waits for them: sources that listen may have taken something already.
struct Early {
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

impl Early {
    fn listen() -> std::io::Result<Early> {
        let early = Early { stop: Arc::default(), reload: Arc::default() };
        for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
            signal_hook::flag::register(signal, Arc::clone(&early.stop))?;
        }
        signal_hook::flag::register(signal_hook::consts::SIGHUP, Arc::clone(&early.reload))?;
        Ok(early)
    }
}

#[derive(Clone, Copy)]
enum Ended {
    Signal(&'static str),
    Broken,
}

async fn wait(
    owner: &Owner,
    common: &Common,
    mut config: Config,
    mut stamp: Option<Stamp>,
    early: &Early,
) -> Ended {
    let signals = (
        signal(SignalKind::terminate()),
        signal(SignalKind::interrupt()),
        signal(SignalKind::hangup()),
    );
    let (Ok(mut terminate), Ok(mut interrupt), Ok(mut hangup)) = signals else {
        return Ended::Broken;
    };
    loop {
        if early.stop.load(Ordering::Relaxed) {
            return Ended::Signal("SIGTERM or SIGINT");
        }
        // The flag is raised by every SIGHUP, also by those that the select below hears of.
        if early.reload.swap(false, Ordering::Relaxed) {
            stamp = stamp_of(common);
            reload(owner, common, &mut config);
        }
        tokio::select! {
            _ = hangup.recv() => {}
            _ = terminate.recv() => return Ended::Signal("SIGTERM"),
            _ = interrupt.recv() => return Ended::Signal("SIGINT"),
            () = tokio::time::sleep(WATCH) => {
                if owner.is_broken() {
                    return Ended::Broken;
                }
                let now = stamp_of(common);
                // A file that is gone for a moment is being replaced.
                if now.is_some() && now != stamp {
                    stamp = now;
                    reload(owner, common, &mut config);
                }
            }
        }
    }
}

/// By which a changed file is known.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: SystemTime,
    bytes: u64,
    inode: u64,
}

fn stamp_of(common: &Common) -> Option<Stamp> {
    let meta = std::fs::metadata(load::file(common)?).ok()?;
    Some(Stamp { modified: meta.modified().ok()?, bytes: meta.len(), inode: meta.ino() })
}

/// All or nothing: a wrong key leaves everything as it is.
fn reload(owner: &Owner, common: &Common, config: &mut Config) {
    let shared = owner.shared();
    match load::checked_to_run(common) {
        Ok(checked) if checked.problems.is_empty() => {
            let reloaded = config_reload::apply(config, checked.config, shared);
            tracing::info!(
                in_force = reloaded.applied.join(", "),
                after_a_restart = reloaded.restart.join(", "),
                "the configuration was read again"
            );
        }
        Ok(checked) => config_reload::refuse(&checked.problems, shared),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "the configuration cannot be read");
            config_reload::refuse(&[], shared);
        }
    }
}
