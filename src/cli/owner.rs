//! Owning a store: open it, run the pipeline on it, listen on its socket, and stop all that in order.
//! `serve`, the plain workbench, `open` and `demo` are this with different front ends.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::runtime::Runtime;

use crate::api;
use crate::config::Config;
use crate::desk::Desk;
use crate::model::desk::{Problem, ProblemKind};
use crate::pipeline::inputs::Inputs;
use crate::pipeline::opening::{self, Opening};
use crate::pipeline::running::{self, Parts, Running};
use crate::pipeline::shared::Shared;
use crate::service::Workbench;
use crate::stdx::stop::StopToken;
use crate::stdx::task;

/// How long a store's holder may take to let go or to listen.
const HOLDER_WAIT_MAX: Duration = Duration::from_secs(5);
/// How often that is looked at.
const HOLDER_ASKED_EVERY: Duration = Duration::from_millis(50);

/// A store that is ours, with everything that runs on it.
pub(crate) struct Owner {
    pub(crate) runtime: Runtime,
    pub(crate) bench: Workbench,
    shared: Arc<Shared>,
    running: Option<Running>,
    stop: StopToken,
    fronts: Vec<tokio::task::JoinHandle<Option<()>>>,
}

/// What came of wanting a store.
pub(crate) enum Owned {
    /// It is ours and running.
    Ours(Box<Owner>),
    /// Another process has it.
    InUse(Option<u32>),
}

/// What should run on the store.
#[derive(Clone, Debug, Default)]
pub(crate) struct Wanted {
    /// The configured sources, the rules, the commit.
    pub(crate) pipeline: bool,
    /// Read once beside the sources.
    pub(crate) evidence: Option<Inputs>,
    /// The socket.
    pub(crate) listen: bool,
}

/// The runtime of a command: few threads, because CPU work has threads of its own.
pub(crate) fn runtime() -> anyhow::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("io")
        .enable_all()
        .build()
        .context("cannot start the runtime")
}

/// The socket of a configuration.
pub(crate) fn socket(config: &Config) -> PathBuf {
    config.api.socket_path(&config.data_dir)
}

/// Open the store and start what is wanted.
pub(crate) fn own(config: &Config, wanted: Wanted) -> anyhow::Result<Owned> {
    // Whatever the store and the libraries under it write is its owner's alone.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    let runtime = runtime()?;
    let opened = match runtime.block_on(opening::open(config))? {
        Opening::Ours(opened) => opened,
        Opening::InUse { pid } => return Ok(Owned::InUse(pid)),
    };
    let shared = opened.shared.clone();
    let bench = Workbench::new(opened.store.clone(), shared.clone(), opened.muted.clone());
    let stop = StopToken::new();
    let mut fronts = Vec::new();
    let guard = runtime.enter();
    if wanted.listen {
        let listener = api::listen(&socket(config), config.api.socket_group.as_deref())?;
        let (api_bench, api_stop) = (bench.clone(), stop.clone());
        fronts.push(task::spawn("api", async move {
            if let Err(error) = api::serve(listener, api_bench, api_stop).await {
                tracing::error!(
                    error = format!("{:#}", anyhow::Error::from(error)),
                    "the socket failed"
                );
            }
        }));
    }
    if let Some(address) = config.metrics.listen.filter(|_| wanted.listen && wanted.pipeline) {
        let listener = api::metrics::listen(address)?;
        let (metrics_bench, metrics_stop) = (bench.clone(), stop.clone());
        fronts.push(task::spawn("metrics", async move {
            if let Err(error) = api::metrics::serve(listener, metrics_bench, metrics_stop).await {
                tracing::error!(error = error.to_string(), "the listener for metrics failed");
            }
        }));
    }
    fronts.push(task::spawn("upkeep", bench.clone().run(stop.clone())));
    drop(guard);
    let running = if wanted.pipeline {
        let parts = Parts { config: config.clone(), opened, evidence: wanted.evidence };
        Some(runtime.block_on(running::start(parts))?)
    } else {
        None
    };
    Ok(Owned::Ours(Box::new(Owner { runtime, bench, shared, running, stop, fronts })))
}

impl Owner {
    /// The desk of whoever runs this program.
    pub(crate) fn desk(&self) -> Desk {
        Desk::Local(self.bench.clone())
    }

    /// What the running pipeline shows.
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }

    /// Did a stage end although nobody asked for it?
    pub(crate) fn is_broken(&self) -> bool {
        self.running.as_ref().is_some_and(Running::is_broken)
    }

    /// Sources, drain, commit, front ends, store.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        let stopped = self.running.map(Running::stop).unwrap_or_default();
        self.stop.stop();
        for front in self.fronts {
            // Their failures were logged where they happened.
            let _ = self.runtime.block_on(front);
        }
        drop(self.bench);
        self.runtime.shutdown_timeout(std::time::Duration::from_secs(5));
        if stopped.failures.is_empty() && stopped.commits_given_up == 0 {
            return Ok(());
        }
        let mut text = stopped.failures.join("; ");
        if stopped.commits_given_up > 0 {
            text.push_str(&format!(
                "{} commits could not be made; their records are read again at the next start",
                stopped.commits_given_up
            ));
        }
        Err(Problem::new(ProblemKind::Internal, format!("stopped with trouble: {text}")).into())
    }
}

/// As [`own`], but a store whose holder does not listen is waited for: a script's verb has it for a moment,
/// or a daemon is about to listen or to end.
pub(crate) fn own_soon(config: &Config, wanted: &Wanted) -> anyhow::Result<Owned> {
    let socket = socket(config);
    let deadline = Instant::now() + HOLDER_WAIT_MAX;
    loop {
        let owned = own(config, wanted.clone())?;
        let listens = || std::os::unix::net::UnixStream::connect(&socket).is_ok();
        if matches!(owned, Owned::Ours(_)) || Instant::now() >= deadline || listens() {
            return Ok(owned);
        }
        std::thread::sleep(HOLDER_ASKED_EVERY);
    }
}

/// The error for a store that is somebody else's.
pub(crate) fn in_use(config: &Config, pid: Option<u32>) -> Problem {
    let by = pid.map_or_else(String::new, |pid| format!(" by process {pid}"));
    Problem::new(
        ProblemKind::Conflict,
        format!("the store {} is in use{by}", config.data_dir.display()),
    )
    .hint("watchfloor attach shows the desk of a daemon; any other command lets go when it ends")
}
