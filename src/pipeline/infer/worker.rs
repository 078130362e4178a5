//! The thread that scores windows and explains those that stand out, away from the path. It takes windows in the order in
//! which they closed and gives results back in the same order.

use std::sync::Arc;
use std::thread::JoinHandle;

use ahash::AHashMap;
use parking_lot::Mutex;

use crate::infer::explain::{self, Explanation, Part};
use crate::infer::scorer::pool::{Failure, Pool, Scored, Window};
use crate::infer::scorer::{ScoreError, Scorer, Scores, Wants};
use crate::infer::{NodeKind, Tensors};
use crate::model::inference::{Ablation, Group, NODES_SHOWN_MAX, Node};
use crate::pipeline::infer::job::Job;
use crate::pipeline::infer::models::Models;
use crate::stdx::queue;
use crate::stdx::task;

/// Windows that wait for the thread. Who closes more while old logs are read waits; live ones are left out, which is said.
pub(crate) const WAITING_MAX: usize = 512;
/// Windows that are handed to the pool at once.
const BATCH: usize = 16;
/// A window that goes on with one that was explained is explained again only if its score rose by so much.
const RISE: f32 = 0.02;
/// How long after an explained window another of its endpoint goes on with it, in milliseconds of event time.
pub(crate) const GOES_ON_MS: i64 = 300_000;
/// Endpoints whose last explanation is remembered.
const REMEMBERED_MAX: usize = 10_000;
/// Groups of edges that an explanation names.
const GROUPS_MAX: usize = 10;

/// A window with its result.
#[derive(Debug)]
pub(crate) struct Done {
    /// The shard that it is of.
    pub shard: Arc<str>,
    /// The window.
    pub job: Job,
    /// Its scores, or why there are none.
    pub scored: Scored,
    /// Why it scored so, where it reached the threshold.
    pub ablation: Option<Ablation>,
    /// Lineages of the processes that count most.
    pub lineages: Vec<u64>,
}

/// A window on its way to the thread.
struct Waiting {
    shard: Arc<str>,
    job: Job,
    explained: Option<(i64, f32)>,
}

/// The handle to the thread.
pub(crate) struct Inferrer {
    jobs: queue::Sender<Waiting>,
    results: Arc<Mutex<Vec<Done>>>,
    pool: Arc<Pool>,
}

impl Inferrer {
    /// Start the thread.
    ///
    /// # Errors
    /// No thread can be started.
    pub(crate) fn start(
        models: &Arc<Mutex<Arc<Models>>>,
        pool: Pool,
    ) -> std::io::Result<(Inferrer, JoinHandle<()>)> {
        let (jobs, waiting) = queue::bounded("inference", WAITING_MAX);
        let pool = Arc::new(pool);
        let results = Arc::new(Mutex::new(Vec::new()));
        let mut worker = Worker {
            models: Arc::clone(models),
            pool: Arc::clone(&pool),
            results: Arc::clone(&results),
            explained: AHashMap::new(),
        };
        let thread = task::thread("inference", move || worker.run(&waiting))?;
        Ok((Inferrer { jobs, results, pool }, thread))
    }

    /// Hand over a closed window, with end and score of the last one of its endpoint that was explained, as far as that is
    /// concluded. Waits while too many wait.
    pub(crate) fn submit(&self, shard: &Arc<str>, job: Job, explained: Option<(i64, f32)>) {
        let _ = self.jobs.send(Waiting { shard: Arc::clone(shard), job, explained });
    }

    /// The same, unless too many wait: then the window comes back with that as its result. Rules must not wait for models.
    pub(crate) fn offer(
        &self,
        shard: &Arc<str>,
        job: Job,
        explained: Option<(i64, f32)>,
    ) -> Option<Done> {
        let waiting = Waiting { shard: Arc::clone(shard), job, explained };
        let Waiting { shard, job, .. } = self.jobs.try_send(waiting).err()?;
        let result = Err(Failure::Behind(WAITING_MAX));
        let scored = Scored { model: Arc::from(""), result };
        Some(Done { shard, job, scored, ablation: None, lineages: Vec::new() })
    }

    /// Results of a shard so far, in the order in which their windows closed.
    pub(crate) fn take_of(&self, shard: &str) -> Vec<Done> {
        let mut results = self.results.lock();
        let (own, others) =
            std::mem::take(&mut *results).into_iter().partition(|done| &*done.shard == shard);
        *results = others;
        own
    }

    /// Forget results of shards that are not ours any more: whoever has them now scores again.
    pub(crate) fn keep(&self, held: impl Fn(&str) -> bool) {
        self.results.lock().retain(|done| held(&done.shard));
    }

    /// Are there results?
    pub(crate) fn has_results(&self) -> bool {
        !self.results.lock().is_empty()
    }

    /// The threads that score.
    pub(crate) fn pool(&self) -> &Arc<Pool> {
        &self.pool
    }

    /// Windows that wait, and how many may.
    pub(crate) fn queue(&self) -> (usize, usize) {
        self.jobs.gauge().read()
    }
}

struct Worker {
    models: Arc<Mutex<Arc<Models>>>,
    pool: Arc<Pool>,
    results: Arc<Mutex<Vec<Done>>>,
    /// End and score of the last window that was explained, by tenant and endpoint.
    explained: AHashMap<(String, String), (i64, f32)>,
}

impl Worker {
    fn run(&mut self, waiting: &queue::Receiver<Waiting>) {
        while let Some(first) = waiting.receive() {
            let mut batch = vec![first];
            while batch.len() < BATCH
                && let Some(next) = waiting.try_receive()
            {
                batch.push(next);
            }
            let windows = batch.iter().map(|Waiting { job, .. }| Window {
                id: job.id().to_string(),
                platform: job.platform(),
                tensors: job.tensors.clone(),
                wants: Wants::default(),
            });
            let scored = self.pool.score(windows.collect());
            for (Waiting { shard, job, explained }, scored) in batch.into_iter().zip(scored) {
                let (ablation, lineages) = self.explain(&job, &scored, explained);
                let done = Done { shard, job, scored, ablation, lineages };
                self.results.lock().push(done);
            }
        }
    }

    /// Why a window reached the threshold, unless it only goes on with one that was explained.
    fn explain(
        &mut self,
        job: &Job,
        scored: &Scored,
        before: Option<(i64, f32)>,
    ) -> (Option<Ablation>, Vec<u64>) {
        let all = || job.lineages();
        let Ok(scores) = &scored.result else { return (None, Vec::new()) };
        let threshold =
            self.models.lock().facts.get(&job.platform()).map_or(f32::MAX, |facts| facts.threshold);
        if scores.score < threshold && !job.is_rules_too() {
            return (None, all());
        }
        let endpoint = (job.tenant.clone(), job.host.clone());
        // After a start nothing is remembered but what was concluded.
        if let Some((end_ms, score)) = self.explained.get(&endpoint).or(before.as_ref())
            && (0..=GOES_ON_MS).contains(&(job.end_ms - end_ms))
            && scores.score < score + RISE
        {
            return (None, all());
        }
        if self.explained.len() >= REMEMBERED_MAX {
            self.explained.clear();
        }
        self.explained.insert(endpoint, (job.end_ms, scores.score));
        let tensors = &job.tensors;
        let confirmed = job.hit_lineages();
        // What rules point at is tried first, then programs, then what they touched.
        let weight = |node: usize| {
            let hit = confirmed.contains(&job.lineage(node)) && job.lineage(node) != 0;
            let process = job.node_kind(node) == Some(NodeKind::Process);
            f32::from(u8::from(hit)) * 2.0 + f32::from(u8::from(process))
        };
        let parts = explain::candidates(tensors, weight);
        let mut scorer = Pooled { pool: &self.pool, job, runs: 0 };
        let explanation = explain::explain(&mut scorer, (tensors, scores.score), &parts);
        if explanation.factors.is_empty() && explanation.runs > 0 {
            tracing::warn!(window = %job.id(), parts = parts.len(), "a window cannot be explained");
            return (None, all());
        }
        let lineages = top_lineages(job, &explanation);
        let lineages = if lineages.is_empty() { all() } else { lineages };
        (Some(ablation(job, &explanation)), lineages)
    }
}

/// The pool as a scorer: what stalls or panics while it explains is survived in the same way.
struct Pooled<'p> {
    pool: &'p Pool,
    job: &'p Job,
    /// Windows so far: each has its name.
    runs: usize,
}

impl Scorer for Pooled<'_> {
    fn model(&self) -> &str {
        ""
    }

    fn runtime(&self) -> &str {
        ""
    }

    fn score(&mut self, window: &Tensors, wants: Wants) -> Result<Scores, ScoreError> {
        let scored = self.score_all(vec![window.clone()], wants).pop();
        scored.unwrap_or_else(|| Err(ScoreError::Answer("the pool gave no answer".to_owned())))
    }

    fn score_all(
        &mut self,
        windows: Vec<Tensors>,
        wants: Wants,
    ) -> Vec<Result<Scores, ScoreError>> {
        let (id, platform) = (self.job.id(), self.job.platform());
        let named = windows.into_iter().map(|tensors| {
            self.runs += 1;
            let id = format!("{id} explained {}", self.runs);
            Window { id, platform, tensors, wants }
        });
        let scored = self.pool.score(named.collect()).into_iter();
        let error = |failure| match failure {
            Failure::Score(error) => error,
            failure => ScoreError::Answer(failure.to_string()),
        };
        scored.map(|scored| scored.result.map_err(error)).collect()
    }
}

/// Nodes whose removal lowers the score, then those that join them, with what they did to each other.
fn ablation(job: &Job, explanation: &Explanation) -> Ablation {
    let drop_of = |node: usize| {
        let factor = explanation.factors.iter().find(|factor| factor.part == Part::Node(node));
        factor.map_or(0.0, |factor| factor.drop)
    };
    let hit = job.hit_lineages();
    let pointed = |node: usize| job.lineage(node) != 0 && hit.contains(&job.lineage(node));
    let mut shown: Vec<usize> = Vec::new();
    let counting = explanation.factors.iter().filter(|factor| factor.drop > 0.0);
    let counting = counting.filter_map(|factor| match &factor.part {
        Part::Node(node) => Some(*node),
        Part::Edges(_) => None,
    });
    // Half of the room is for what joins them; what rules point at comes first.
    let mut counting: Vec<usize> = counting.collect();
    counting.sort_by_key(|node| !pointed(*node));
    shown.extend(counting.into_iter().take(NODES_SHOWN_MAX.div_ceil(2)));
    if shown.is_empty() {
        let all = (0..job.node_count()).filter(|node| pointed(*node));
        shown.extend(all.take(NODES_SHOWN_MAX.div_ceil(2)));
    }
    let groups: Vec<(usize, &Vec<usize>, f32)> = explanation
        .factors
        .iter()
        .filter(|factor| factor.drop > 0.0)
        .filter_map(|factor| match &factor.part {
            Part::Edges(edges) => Some((job.ends(*edges.first()?)?.0, edges, factor.drop)),
            Part::Node(_) => None,
        })
        .take(GROUPS_MAX)
        .collect();
    for (doer, _, _) in &groups {
        if shown.len() < NODES_SHOWN_MAX && !shown.contains(doer) {
            shown.push(*doer);
        }
    }
    join(job, &mut shown);
    let place = |node: usize| shown.iter().position(|known| *known == node);
    let edges = (0..job.edge_count()).filter_map(|edge| {
        let (source, target) = job.ends(edge)?;
        job.shown(edge, place(source)?, place(target)?)
    });
    Ablation {
        edges: edges.collect(),
        nodes: shown
            .iter()
            .map(|node| Node {
                kind: job.node_kind(*node).map_or("process", NodeKind::as_str).to_owned(),
                drop: drop_of(*node),
            })
            .collect(),
        groups: groups
            .iter()
            .filter_map(|(doer, edges, drop)| {
                Some(Group {
                    source: place(*doer)?,
                    kind: job.edge_kind(*edges.first()?)?.as_str().to_owned(),
                    edges: edges.len(),
                    drop: *drop,
                })
            })
            .collect(),
        tried: explanation.factors.len(),
        of: explanation.of,
        deletion: explanation.deletion,
        insertion: explanation.insertion,
    }
}

/// Add who did something to a shown node, while there is room: a file alone says little. A window of which no part counts shows
/// its first processes.
fn join(job: &Job, shown: &mut Vec<usize>) {
    if shown.is_empty() {
        let processes =
            (0..job.node_count()).filter(|node| job.node_kind(*node) == Some(NodeKind::Process));
        shown.extend(processes.take(3));
    }
    for edge in 0..job.edge_count() {
        if shown.len() >= NODES_SHOWN_MAX {
            return;
        }
        let Some((source, target)) = job.ends(edge) else { continue };
        if shown.contains(&target) && !shown.contains(&source) {
            shown.push(source);
        }
    }
    for edge in 0..job.edge_count() {
        if shown.len() >= NODES_SHOWN_MAX {
            return;
        }
        let Some((source, target)) = job.ends(edge) else { continue };
        if shown.contains(&source) && !shown.contains(&target) {
            shown.push(target);
        }
    }
}

/// Lineages of the processes whose removal lowers the score.
fn top_lineages(job: &Job, explanation: &Explanation) -> Vec<u64> {
    let counting = explanation.factors.iter().filter(|factor| factor.drop > 0.0);
    let mut found: Vec<u64> = counting
        .take(NODES_SHOWN_MAX)
        .filter_map(|factor| match &factor.part {
            Part::Node(node) => Some(job.lineage(*node)),
            Part::Edges(edges) => Some(job.lineage(job.ends(*edges.first()?)?.0)),
        })
        .filter(|lineage| *lineage != 0)
        .collect();
    found.sort_unstable();
    found.dedup();
    found
}
