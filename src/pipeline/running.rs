//! The running pipeline: [`opening`](crate::pipeline::opening) happens before, [`start`] spawns, [`Running::stop`] drains.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::JoinHandle;

use anyhow::Context;
use tokio::runtime::Handle;

use crate::config::Config;
use crate::config::collect::Roles;
use crate::config::sources::{SourceConfig, SourceKind};
use crate::model::record::Batch;
use crate::normalise::Settings;
use crate::pipeline::analyst::Analyst;
use crate::pipeline::backup;
use crate::pipeline::canary;
use crate::pipeline::collect::{Collector, Gate};
use crate::pipeline::committer::{Committer, Ready};
use crate::pipeline::exports;
use crate::pipeline::infer;
use crate::pipeline::inputs::{Inputs, Plan};
use crate::pipeline::keys::KeyRing;
use crate::pipeline::mappings;
use crate::pipeline::opening::{Opened, index_follower};
use crate::pipeline::regroup;
use crate::pipeline::repeats::Repeats;
use crate::pipeline::retention;
use crate::pipeline::rule_life::reload::Reloader;
use crate::pipeline::shard::Loader;
use crate::pipeline::shard_keys::ShardDesk;
use crate::pipeline::shared::{Health, Shared};
use crate::pipeline::signal_reload;
use crate::pipeline::watch::Next;
use crate::source::context::Shards;
use crate::source::keys::KeyCheck;
use crate::source::{self, Source};
use crate::stdx::stop::StopToken;
use crate::stdx::{limits, queue, task};
use crate::store::Store;

/// Commits that may wait while one is made: with one, reading and judging go on during the disk's sync.
const COMMITS_WAITING_MAX: usize = 1;
/// Small batches that may wait where they weigh little.
const SMALL_BATCHES_WAITING_MAX: usize = 4_096;

/// What to run.
pub struct Parts {
    /// The checked configuration.
    pub config: Config,
    /// Its open store.
    pub opened: Opened,
    /// Read once beside the configured sources, as old logs (`watchfloor open`).
    pub evidence: Option<Inputs>,
}

/// The threads of a running pipeline.
pub struct Running {
    stop: StopToken,
    sources: Vec<(String, JoinHandle<()>)>,
    analyst: JoinHandle<()>,
    committer: JoinHandle<u64>,
    watchers: Vec<(&'static str, JoinHandle<()>)>,
}

/// Restore all state from the store, then start every thread. Call on a runtime.
pub async fn start(parts: Parts) -> anyhow::Result<Running> {
    let Parts { mut config, opened: Opened { store, shared, muted }, evidence } = parts;
    if evidence.is_some() {
        // Who looks at logs wants to see what is in them.
        config.roles = Roles::default();
    }
    let roles = config.roles;
    if roles.only_collects() {
        // Nothing is judged here.
        (config.rules.paths, config.signals.paths) = (Vec::new(), Vec::new());
    }
    shared.set_upkeep("roles", roles.names().join(", "), Vec::new());
    let built = open_sources(&config, &shared, &store)?;
    let sinks = if roles.export { exports::open(&config, &store, &shared)? } else { Vec::new() };
    warn_without_keys(&config, &store).await?;
    let mut noise = config.rules.noise.clone();
    if evidence.is_some() {
        // Who looks at one day of one machine wants all of it; budgets are for what goes on and on.
        noise.budget = 0;
    }
    let settings = Arc::new(Settings::new(&config)?);
    let next = Arc::new(Next::default());
    let (reloader, rules) = Reloader::start(
        config.rules.clone(),
        &config.data_dir,
        Arc::clone(&muted),
        Arc::clone(&shared),
        Arc::clone(&next),
    );
    let next_signals = Arc::new(Next::default());
    let (signal_reloader, set) = signal_reload::Reloader::start(
        config.signals.clone(),
        Arc::clone(&shared),
        Arc::clone(&next_signals),
    );
    let inference =
        if roles.only_collects() { None } else { infer::start::start(&config, &shared)? };
    let config = Arc::new(config);
    let loader = Loader {
        models: inference.as_ref().map(|started| Arc::clone(&started.models)),
        store: Arc::clone(&store),
        config: Arc::clone(&config),
        runtime: Handle::current(),
    };
    let own = loader.load("", rules, set).await?;
    let repeats = Repeats::restore(store.deliveries().await?);
    let stop = StopToken::new();
    let collector = match roles.only_collects() {
        true => Some(Collector::open(&config, &store, &shared, &settings, &stop).await?),
        false => None,
    };
    let gate = collector.as_ref().map(Collector::gate);
    let mut watchers = watch(reloader, signal_reloader, &settings, &shared, &stop)?;
    watchers.extend(upkeep(&config, &store, &shared, &stop)?);
    watchers.extend(exports::start(sinks, &stop)?);
    if let Some(started) = &inference {
        let (reloader, own) = (started.reloader(&shared), stop.clone());
        watchers.push(("models", task::thread("models", move || reloader.watch(&own))?));
    }
    let inference = inference.map(|started| {
        watchers.push(("inference", started.thread));
        (started.inferrer, started.next)
    });
    let analyst = Analyst::new(
        settings,
        loader,
        own,
        (muted, next, next_signals),
        Arc::clone(&shared),
        (noise, repeats),
        inference,
    );

    let (batch_sender, batches) = batch_queue();
    let (commit_sender, commits) = queue::bounded::<Ready>("commits", COMMITS_WAITING_MAX);
    let mut second_opinions = None;
    if let Some(config) = config.infer.llm.clone() {
        let (store, shared) = (Arc::clone(&store), Arc::clone(&shared));
        let (asker, desk) =
            infer::second_opinion::Asker::open(config, store, shared, Handle::current())?;
        second_opinions = Some(desk);
        let own = stop.clone();
        let work = move || asker.run(&own);
        watchers.push(("second opinion", task::thread("second opinion", work)?));
    }
    let ledger = store.ledger().await?;
    shared.add_queue(batch_sender.gauge());
    shared.add_queue(commit_sender.gauge());
    shared.update(|snapshot| snapshot.sources.clone_from(&ledger));
    let committer = Committer {
        store: Arc::clone(&store),
        shared: Arc::clone(&shared),
        runtime: Handle::current(),
        stop: stop.clone(),
        books: BTreeMap::from([("".into(), ledger)]),
        regroup: regroup::Sender::open(&config, &shared)?,
        second_opinions,
    };
    let committer = task::thread("commit", move || committer.run(&commits))?;
    let analyst = match collector {
        Some(collector) => {
            task::thread("collect", move || collector.run(&batches, &commit_sender))?
        }
        None => task::thread("analyse", move || analyst.run(&batches, &commit_sender))?,
    };
    // A collector judges nothing, so there is nothing that a canary could come out of.
    let judges = !roles.only_collects();
    if judges && let Some(job) = canary::Job::new(&config.sources, &shared, &batch_sender) {
        let own = stop.clone();
        watchers.push(("canary", task::thread("canary", move || job.run(&own))?));
    }
    let mut sources = Vec::new();
    for (section, built) in sources_here(&config).zip(built) {
        let saved = store.positions(&section.name).await?;
        let run = SourceRun { shared: Arc::clone(&shared), stop: stop.clone(), gate: gate.clone() };
        let sender = batch_sender.clone();
        let name = section.name.clone();
        let thread =
            task::thread(&format!("source {name}"), move || run.run(built, saved, sender))?;
        sources.push((name, thread));
    }
    if let Some(inputs) = evidence {
        let plan = Plan::new(&config, &inputs, config.store.keep_original)?;
        for problem in &plan.problems {
            shared.set_problem(problem, Some((Health::Degraded, problem.clone())));
        }
        let (shared, stop) = (Arc::clone(&shared), stop.clone());
        let thread =
            task::thread("evidence", move || read_evidence(&plan, &batch_sender, &shared, &stop))?;
        sources.push(("evidence".to_owned(), thread));
    }
    Ok(Running { stop, sources, analyst, committer, watchers })
}

/// The sources that the roles of this process run.
fn sources_here(config: &Config) -> impl Iterator<Item = &SourceConfig> {
    config.sources.iter().filter(|source| config.roles.runs(&source.kind))
}

/// What waits for the middle of the path: as many batches as weigh no more than two full ones. Where records of many
/// senders come one by one, or a sender waits for answers, a commit would hold a handful otherwise.
fn batch_queue() -> (queue::Sender<Batch>, queue::Receiver<Batch>) {
    let bytes = limits::READ_AHEAD_BATCHES_MAX * limits::BATCH_BYTES_MAX;
    queue::weighed("batches", SMALL_BATCHES_WAITING_MAX, bytes, |batch: &Batch| {
        std::mem::size_of::<Batch>() + batch.data.len() + std::mem::size_of_val(&*batch.records)
    })
}

/// Set up every source, before anything runs.
fn open_sources(
    config: &Config,
    shared: &Arc<Shared>,
    store: &Arc<Store>,
) -> anyhow::Result<Vec<Box<dyn Source>>> {
    let keys: Arc<dyn KeyCheck> = Arc::new(KeyRing::new(Arc::clone(store)));
    let shards = store.is_shared().then(|| -> Arc<dyn Shards> {
        let (store, keys) = (Arc::clone(store), Arc::clone(shared.shards()));
        Arc::new(ShardDesk { store, keys, runtime: Handle::current() })
    });
    let names = || sources_here(config).map(|source| source.name.clone()).collect();
    shared.update(|snapshot| snapshot.source_names = names());
    let mut sources = Vec::new();
    for section in sources_here(config) {
        let failed = || format!("cannot set up the source {}", section.name);
        let mut source = source::build(section, &config.limits).with_context(failed)?;
        let (key, told) = (format!("source {}", section.name), Arc::clone(shared));
        let context = source::Context::new(config.data_dir.clone(), move |trouble| {
            told.set_problem(&key, trouble.map(|text| (Health::Degraded, text)));
        });
        let context = context.with_keys(Arc::clone(&keys)).with_shards(shards.clone());
        let (store, runtime) = (Arc::clone(store), Handle::current());
        let context = context.with_positions(move |source| {
            let rows = runtime.block_on(store.positions(source));
            rows.unwrap_or_else(|error| {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, source, "cannot read positions");
                Vec::new()
            })
        });
        source.open(&context).with_context(failed)?;
        shared.add_gauges(&section.name, Arc::clone(&context.gauges));
        sources.push(source);
    }
    Ok(sources)
}

/// A source that asks for keys refuses everybody while there is none.
async fn warn_without_keys(config: &Config, store: &Store) -> anyhow::Result<()> {
    let asks = |source: &&SourceConfig| matches!(&source.kind, SourceKind::Http(it) if it.keys);
    let Some(source) = sources_here(config).find(asks) else { return Ok(()) };
    if store.keys().await?.iter().all(|row| row.key.revoked.is_some()) {
        tracing::warn!(
            source = source.name,
            "nobody can send yet: watchfloor keys create --scope ingest makes a key"
        );
    }
    Ok(())
}

/// The threads that look after the store.
fn upkeep(
    config: &Config,
    store: &Arc<Store>,
    shared: &Arc<Shared>,
    stop: &StopToken,
) -> anyhow::Result<Vec<(&'static str, JoinHandle<()>)>> {
    let job = retention::Job {
        store: Arc::clone(store),
        shared: Arc::clone(shared),
        runtime: Handle::current(),
    };
    let own = stop.clone();
    let mut threads = vec![("retention", task::thread("retention", move || job.run(&own))?)];
    if let Some(follower) = index_follower(store) {
        let own = stop.clone();
        threads.push(("index", task::thread("index", move || follower.run(&own))?));
    }
    if config.backup.folder.is_some() {
        let job = backup::Job {
            config: config.backup.clone(),
            what: backup::what(config),
            store: Arc::clone(store),
            shared: Arc::clone(shared),
            runtime: Handle::current(),
        };
        let own = stop.clone();
        threads.push(("backup", task::thread("backup", move || job.run(&own))?));
    }
    Ok(threads)
}

/// The threads that look for changed files.
fn watch(
    rules: Reloader,
    signals: signal_reload::Reloader,
    settings: &Arc<Settings>,
    shared: &Arc<Shared>,
    stop: &StopToken,
) -> anyhow::Result<Vec<(&'static str, JoinHandle<()>)>> {
    let own = stop.clone();
    let mut watchers = vec![("rules", task::thread("rules", move || rules.watch(&own))?)];
    if signals.has_files() {
        let own = stop.clone();
        watchers.push(("signals", task::thread("signals", move || signals.watch(&own))?));
    }
    if mappings::are_configured(settings) {
        let (settings, shared, own) = (Arc::clone(settings), Arc::clone(shared), stop.clone());
        let work = move || mappings::watch(&settings, &shared, &own);
        watchers.push(("mappings", task::thread("mappings", work)?));
    }
    Ok(watchers)
}

/// What a source's thread needs beside the source.
struct SourceRun {
    shared: Arc<Shared>,
    stop: StopToken,
    /// What it waits at before it begins.
    gate: Option<Arc<Gate>>,
}

impl SourceRun {
    fn run(
        self,
        source: Box<dyn Source>,
        saved: Vec<crate::model::record::Position>,
        out: queue::Sender<Batch>,
    ) {
        let name = source.name().to_owned();
        let saved = match &self.gate {
            None => saved,
            Some(gate) => match gate.positions(&name, &self.stop) {
                Some(saved) => saved,
                None => return,
            },
        };
        if let Err(error) = source.run(saved, out, self.stop) {
            let text = format!("{:#}", anyhow::Error::from(error));
            tracing::error!(source = name, error = text, "a source stopped");
            self.shared.set_problem(&format!("source {name}"), Some((Health::Degraded, text)));
        }
    }
}

fn read_evidence(plan: &Plan, out: &queue::Sender<Batch>, shared: &Shared, stop: &StopToken) {
    for input in &plan.inputs {
        let problems = plan.batches(input, &mut |batch| {
            if stop.is_stopped() || !out.send(batch) {
                return std::ops::ControlFlow::Break(());
            }
            std::ops::ControlFlow::Continue(())
        });
        for problem in problems {
            shared.set_problem(&problem, Some((Health::Degraded, problem.clone())));
        }
        if stop.is_stopped() {
            return;
        }
    }
}

/// How a stop ended.
#[derive(Debug, Default)]
pub struct Stopped {
    /// Commits that could not be made; their records are read again at the next start.
    pub commits_given_up: u64,
    /// Threads that failed, in a person's words.
    pub failures: Vec<String>,
}

impl Running {
    /// Has every source come to its end (standard input, evidence)?
    pub fn sources_are_over(&self) -> bool {
        self.sources.iter().all(|(_, thread)| thread.is_finished())
    }

    /// Did a thread of the path end although nobody asked for it?
    pub fn is_broken(&self) -> bool {
        !self.stop.is_stopped()
            && (self.committer.is_finished() || self.analyst.is_finished())
            && !self.sources_are_over()
    }

    /// Stop the sources, drain down the path, commit what was read. Blocks until that is done.
    pub fn stop(self) -> Stopped {
        self.stop.stop();
        let mut stopped = Stopped::default();
        for (name, thread) in self.sources {
            if let Err(panic) = thread.join() {
                stopped.failures.push(format!("source {name}: {}", task::panic_text(&*panic)));
            }
        }
        if let Err(panic) = self.analyst.join() {
            stopped.failures.push(format!("analyse: {}", task::panic_text(&*panic)));
        }
        for (name, thread) in self.watchers {
            if let Err(panic) = thread.join() {
                stopped.failures.push(format!("{name}: {}", task::panic_text(&*panic)));
            }
        }
        match self.committer.join() {
            Ok(given_up) => stopped.commits_given_up = given_up,
            Err(panic) => stopped.failures.push(format!("commit: {}", task::panic_text(&*panic))),
        }
        stopped
    }
}
