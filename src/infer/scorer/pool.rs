//! Threads that score, away from everything else. A panic costs one window, a stall costs one window and its thread, and
//! three stalls switch scoring off, loudly. The model is exchanged between two windows, never within one.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::infer::Tensors;
use crate::infer::artifact::Fault;
use crate::infer::scorer::guard::Guard;
use crate::infer::scorer::{ScoreError, Scorer, Scores, Wants};
use crate::model::platform::Platform;
use crate::stdx::queue::{self, Received};
use crate::stdx::task;

/// A run that takes longer has stalled: its thread is given up. Unoptimised, on a busy machine, an honest one takes seconds.
pub const RUN_MAX: Duration = Duration::from_secs(if cfg!(debug_assertions) { 20 } else { 2 });
/// So many threads given up switch scoring off.
pub const RETIRED_MAX: usize = 3;
/// Windows that wait for each thread.
const WAITING_A_WORKER: usize = 4;
/// How often it is looked for stalls.
const STEP: Duration = Duration::from_millis(20);

/// The scorers of one thread, by platform.
pub type Scorers = BTreeMap<Platform, Box<dyn Scorer>>;

/// How scorers are made: each thread has its own.
#[derive(Clone)]
pub struct Engine {
    /// Models and runtime, for people.
    pub name: Arc<str>,
    make: Arc<dyn Fn() -> Result<Scorers, Fault> + Send + Sync>,
}

impl Engine {
    /// An engine of this name.
    pub fn new(
        name: &str,
        make: impl Fn() -> Result<Scorers, Fault> + Send + Sync + 'static,
    ) -> Engine {
        Engine { name: Arc::from(name), make: Arc::new(make) }
    }
}

/// A window to be scored.
#[derive(Clone, Debug)]
pub struct Window {
    /// Names it; two windows never have one name.
    pub id: String,
    /// Whose models.
    pub platform: Platform,
    /// Its numbers.
    pub tensors: Tensors,
    /// What is worked out.
    pub wants: Wants,
}

/// What came of a window.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The model's name and version; empty where none came to it.
    pub model: Arc<str>,
    /// Its scores, or why there are none.
    pub result: Result<Scores, Failure>,
}

/// Why a window has no score. Expected, counted, and no outage, but for the last.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// The scorer says so.
    #[error(transparent)]
    Score(#[from] ScoreError),
    /// There is no model for this platform.
    #[error("no model for {0} is loaded")]
    NoModel(Platform),
    /// The scorers could not be made.
    #[error(transparent)]
    Make(#[from] Fault),
    /// A bug, here or in a library.
    #[error("scoring failed: {0}")]
    Panic(String),
    /// It took too long.
    #[error("scoring took longer than {0:?}, and its thread was given up")]
    Stalled(Duration),
    /// Scoring is off.
    #[error("{0}")]
    Off(Arc<str>),
    /// More windows close than can be scored.
    #[error(
        "scoring is behind: {0} windows wait, so this one is left out (infer.runtime = \"onnxruntime\" is faster)"
    )]
    Behind(usize),
}

/// What the pool has done, for the status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolState {
    /// Models and runtime.
    pub engine: String,
    /// Why scoring is off; `None`: it is on.
    pub off: Option<String>,
    /// Threads given up since the engine was set.
    pub retired: usize,
    /// Windows with a score.
    pub scored: u64,
    /// Windows without.
    pub failed: u64,
    /// Of these, panics.
    pub panics: u64,
    /// Of these, stalls.
    pub stalls: u64,
}

/// Threads that score.
pub struct Pool {
    shared: Arc<Shared>,
    jobs: queue::Sender<Job>,
    run_max: Duration,
    guard: Option<Guard>,
}

struct Shared {
    waiting: Mutex<queue::Receiver<Job>>,
    inner: Mutex<Inner>,
}

struct Inner {
    engine: Engine,
    before: Option<Engine>,
    /// Which engine it is: threads that hold another make their scorers anew.
    generation: u64,
    next: u64,
    running: BTreeMap<u64, Running>,
    off: Option<Arc<str>>,
    /// Threads given up that have no replacement.
    short: usize,
    state: PoolState,
}

/// A run that has begun.
struct Running {
    batch: u64,
    at: usize,
    since: Instant,
}

struct Job {
    batch: u64,
    at: usize,
    window: Window,
    reply: queue::Sender<(usize, Scored)>,
}

impl Pool {
    /// Start threads. The engine is tried here once, so that what cannot work stops the start.
    pub fn start(engine: Engine, workers: usize, guard: Option<Guard>) -> Result<Pool, Fault> {
        Pool::start_with(engine, workers, guard, RUN_MAX)
    }

    fn start_with(
        engine: Engine,
        workers: usize,
        guard: Option<Guard>,
        run_max: Duration,
    ) -> Result<Pool, Fault> {
        try_out(&engine, guard.as_ref())?;
        Ok(Pool::of(engine, workers, guard, run_max))
    }

    fn of(engine: Engine, workers: usize, guard: Option<Guard>, run_max: Duration) -> Pool {
        let workers = workers.max(1);
        let (jobs, waiting) = queue::bounded("infer", workers * WAITING_A_WORKER);
        let inner = Inner {
            state: PoolState { engine: engine.name.to_string(), ..PoolState::default() },
            engine,
            before: None,
            generation: 0,
            next: 0,
            running: BTreeMap::new(),
            off: None,
            short: 0,
        };
        let shared = Arc::new(Shared { waiting: Mutex::new(waiting), inner: Mutex::new(inner) });
        let pool = Pool { shared, jobs, run_max, guard };
        (0..workers).for_each(|_| pool.add_worker());
        pool
    }

    /// Threads for an engine that is not tried, because it is off for this reason.
    pub fn start_off(engine: Engine, guard: Option<Guard>, reason: &str) -> Pool {
        let pool = Pool::of(engine, 1, guard, RUN_MAX);
        pool.switch_off(reason);
        pool
    }

    /// Switch scoring off, for a reason that is shown.
    pub fn switch_off(&self, reason: &str) {
        self.shared.inner.lock().switch_off(reason);
    }

    /// What it has done.
    pub fn state(&self) -> PoolState {
        let inner = self.shared.inner.lock();
        PoolState { off: inner.off.as_deref().map(str::to_owned), ..inner.state.clone() }
    }

    /// Exchange the engine between two windows. One that cannot be made changes nothing. Scoring is on again.
    pub fn swap(&self, engine: Engine) -> Result<(), Fault> {
        try_out(&engine, self.guard.as_ref())?;
        let lost = {
            let mut inner = self.shared.inner.lock();
            let before = std::mem::replace(&mut inner.engine, engine);
            inner.before = Some(before);
            inner.renewed()
        };
        (0..lost).for_each(|_| self.add_worker());
        Ok(())
    }

    /// Take the engine before the last exchange again; a second call takes that back. `false`: there is none.
    pub fn roll_back(&self) -> Result<bool, Fault> {
        let before = self.shared.inner.lock().before.clone();
        before.map_or(Ok(false), |engine| self.swap(engine).map(|()| true))
    }

    /// Score windows, in whatever order; results stand in the order of the windows. Waits for all of them, so this is no
    /// call for the runtime's own threads.
    pub fn score(&self, windows: Vec<Window>) -> Vec<Scored> {
        let names: Vec<String> = windows.iter().map(|window| window.id.clone()).collect();
        self.mark(|guard| guard.enter(&names));
        let (results, stalled) = self.score_marked(windows);
        // A thread that was given up may still kill the process: its window stays marked.
        let done = names.into_iter().enumerate().filter(|(at, _)| !stalled.contains(at));
        let done: Vec<String> = done.map(|(_, name)| name).collect();
        self.mark(|guard| guard.leave(&done));
        results
    }

    fn mark(&self, work: impl FnOnce(&Guard) -> std::io::Result<()>) {
        if let Some(Err(error)) = self.guard.as_ref().map(work) {
            tracing::warn!(%error, "the marker of scoring cannot be written");
        }
    }

    fn score_marked(&self, windows: Vec<Window>) -> (Vec<Scored>, Vec<usize>) {
        let mut done: Vec<Option<Scored>> = windows.iter().map(|_| None).collect();
        let (reply, replies) = queue::bounded("infer results", done.len().max(1));
        let batch = self.shared.inner.lock().next_number();
        let mut waiting = windows.into_iter().enumerate().map(|(at, window)| Job {
            batch,
            at,
            window,
            reply: reply.clone(),
        });
        let (mut next, mut stalled) = (None, Vec::new());
        while done.iter().any(Option::is_none) {
            if let Some(reason) = self.shared.inner.lock().off.clone() {
                let off = Scored { model: Arc::from(""), result: Err(Failure::Off(reason)) };
                for place in &mut done {
                    place.get_or_insert_with(|| off.clone());
                }
                break;
            }
            next = next.or_else(|| waiting.next());
            while let Some(job) = next.take() {
                match self.jobs.try_send(job) {
                    Ok(()) => next = waiting.next(),
                    Err(job) => {
                        next = Some(job);
                        break;
                    }
                }
            }
            if let Received::Item((at, scored)) = replies.receive_timeout(STEP)
                && let Some(place) = done.get_mut(at)
            {
                *place = Some(scored);
            }
            for at in self.retire(batch) {
                let result = Err(Failure::Stalled(self.run_max));
                stalled.push(at);
                if let Some(place) = done.get_mut(at) {
                    *place = Some(Scored { model: Arc::from(""), result });
                }
            }
        }
        let results: Vec<Scored> = done.into_iter().flatten().collect();
        self.shared.inner.lock().count(&results);
        (results, stalled)
    }

    /// Give up threads whose run of this batch takes too long; which windows that were.
    fn retire(&self, batch: u64) -> Vec<usize> {
        let (lost, off) = {
            let mut inner = self.shared.inner.lock();
            let late = |run: &Running| run.batch == batch && run.since.elapsed() > self.run_max;
            let gone: Vec<u64> = inner
                .running
                .iter()
                .filter(|(_, run)| late(run))
                .map(|(worker, _)| *worker)
                .collect();
            let lost: Vec<usize> = gone
                .iter()
                .filter_map(|worker| inner.running.remove(worker).map(|run| run.at))
                .collect();
            inner.state.retired += lost.len();
            if inner.state.retired >= RETIRED_MAX && inner.off.is_none() {
                let reason = format!(
                    "inference is off: {} threads were given up, each after a run of more than {:?} with {} (use \
                     another model or runtime, or start again)",
                    inner.state.retired, self.run_max, inner.engine.name
                );
                inner.switch_off(&reason);
            }
            let off = inner.off.is_some();
            inner.short += if off { lost.len() } else { 0 };
            (lost, off)
        };
        if !off {
            lost.iter().for_each(|_| self.add_worker());
        }
        lost
    }

    fn add_worker(&self) {
        let shared = Arc::clone(&self.shared);
        let worker = self.shared.inner.lock().next_number();
        if let Err(error) = task::thread("infer", move || work(&shared, worker)) {
            self.switch_off(&format!("inference is off: no thread can be started: {error}"));
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.mark(Guard::close);
    }
}

/// Make the scorers once: a model that cannot be opened is known before it is needed. A library that kills the process
/// here is noted too.
fn try_out(engine: &Engine, guard: Option<&Guard>) -> Result<(), Fault> {
    let name = [format!("start of {}", engine.name)];
    if let Some(guard) = guard {
        let _ = guard.enter(&name);
    }
    let made =
        catch_unwind(AssertUnwindSafe(|| (engine.make)().map(drop))).unwrap_or_else(|panic| {
            let text = format!("cannot be started: {}", task::panic_text(&*panic));
            Err(Fault::new(&*engine.name, text, "use another model or another infer.runtime"))
        });
    if let Some(guard) = guard {
        let _ = guard.leave(&name);
    }
    made
}

impl Inner {
    fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    fn switch_off(&mut self, reason: &str) {
        tracing::error!("{reason}");
        self.off = Some(Arc::from(reason));
    }

    /// Another engine: on again, with as many threads as there were.
    fn renewed(&mut self) -> usize {
        self.generation += 1;
        self.off = None;
        self.state.engine = self.engine.name.to_string();
        self.state.retired = 0;
        std::mem::take(&mut self.short)
    }

    fn count(&mut self, results: &[Scored]) {
        for scored in results {
            match &scored.result {
                Ok(_) => self.state.scored += 1,
                Err(failure) => {
                    self.state.failed += 1;
                    self.state.panics += u64::from(matches!(failure, Failure::Panic(_)));
                    self.state.stalls += u64::from(matches!(failure, Failure::Stalled(_)));
                }
            }
        }
    }
}

/// One thread: window after window until the pool is gone or the thread was given up.
fn work(shared: &Shared, worker: u64) {
    let mut held: Option<(u64, Scorers)> = None;
    loop {
        // The lock is held while waiting: one thread waits for the queue, the others for the lock.
        let Some(job) = shared.waiting.lock().receive() else { return };
        let (generation, engine) = {
            let mut inner = shared.inner.lock();
            let run = Running { batch: job.batch, at: job.at, since: Instant::now() };
            inner.running.insert(worker, run);
            (inner.generation, inner.engine.clone())
        };
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            if held.as_ref().is_none_or(|(made, _)| *made != generation) {
                held = Some((generation, (engine.make)()?));
            }
            let scorers = held.as_mut().map(|(_, scorers)| scorers);
            run(scorers, &job.window)
        }));
        let scored = match outcome {
            Ok(Ok(scored)) => scored,
            Ok(Err(fault)) => failed(Failure::Make(fault)),
            Err(panic) => {
                // What a panic left of the scorers is not used again.
                held = None;
                let text = task::panic_text(&*panic);
                tracing::error!(window = job.window.id, "scoring failed: {text}");
                failed(Failure::Panic(text))
            }
        };
        if shared.inner.lock().running.remove(&worker).is_none() {
            return; // It was given up meanwhile; somebody else has its place.
        }
        let _ = job.reply.send((job.at, scored));
    }
}

fn failed(failure: Failure) -> Scored {
    Scored { model: Arc::from(""), result: Err(failure) }
}

fn run(scorers: Option<&mut Scorers>, window: &Window) -> Result<Scored, Fault> {
    let Some(scorer) = scorers.and_then(|scorers| scorers.get_mut(&window.platform)) else {
        return Ok(failed(Failure::NoModel(window.platform)));
    };
    let result = scorer.score(&window.tensors, window.wants).map_err(Failure::Score);
    Ok(Scored { model: Arc::from(scorer.model()), result })
}

#[cfg(test)]
#[path = "pool_tests.rs"]
mod tests;
