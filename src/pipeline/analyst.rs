//! The thread in the middle of the path: batches in, commits out. It owns all state that must not be
//! shared: the shards, with decoders, correlation rows and open episodes.
//!
//! Each commit takes what waits, up to the limits of one batch: under light load that is one line, under
//! heavy load thousands, so latency and throughput need no setting.

mod windows;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashMap;

use crate::alert::bundle::BUNDLES_MAX;
use crate::config::limits::LimitsConfig;
use crate::config::noise::NoiseConfig;
use crate::detect::RuleSet;
use crate::model::alert::Alert;
use crate::model::finding::Finding;
use crate::model::ledger::LedgerDelta;
use crate::model::record::{Batch, Flush};
use crate::model::severity::Severity;
use crate::normalise::Settings;
use crate::pipeline::canary;
use crate::pipeline::committer::Ready;
use crate::pipeline::infer::{self, Inferrer, Models};
use crate::pipeline::muted::Muted;
use crate::pipeline::noise::{self, NoiseRules};
use crate::pipeline::own_numbers;
use crate::pipeline::regroup;
use crate::pipeline::repeats::Repeats;
use crate::pipeline::report;
use crate::pipeline::shapes::{REPORT_EVERY_US, Shapes};
use crate::pipeline::shard::{Loader, Shard};
use crate::pipeline::shared::{Health, Shared};
use crate::pipeline::watch::Next;
use crate::signal::SignalSet;
use crate::stdx::queue::{self, Received};
use crate::stdx::ticket::{Outcome, Ticket};
use crate::stdx::time::Timestamp;
use crate::store::{Commit, Delivered};

/// How often an idle path looks whether something fell silent.
const IDLE_LOOK: Duration = Duration::from_secs(1);

/// Everything between the sources and the commit.
pub(crate) struct Analyst {
    settings: Arc<Settings>,
    limits: LimitsConfig,
    loader: Loader,
    rules: Arc<RuleSet>,
    signals: Arc<SignalSet>,
    /// By key. The node's own, which has none, is always there.
    shards: BTreeMap<Arc<str>, Shard>,
    noise: NoiseRules,
    muted: Arc<Muted>,
    next: Arc<Next<RuleSet>>,
    next_signals: Arc<Next<SignalSet>>,
    shapes: Shapes,
    shared: Arc<Shared>,
    reported: Timestamp,
    /// When something last came from each source; before that, when the path started.
    heard: AHashMap<Arc<str>, Instant>,
    started: Instant,
    /// When it was last looked what quiet shards have to say.
    looked: Instant,
    /// Something changed since then.
    unreported: bool,
    /// Since the start, by level.
    findings: BTreeMap<Severity, u64>,
    repeats: Repeats,
    regroup: regroup::Receiver,
    /// Who waits for the commit under work.
    tickets: Vec<(Ticket, Outcome)>,
    /// Rows of the commit under work that stand for canaries.
    canaries: Vec<(String, Option<Vec<u8>>)>,
    /// Who scores windows, where there is a model.
    inferrer: Option<Inferrer>,
    next_models: Option<Arc<Next<Models>>>,
    /// Models' alerts that people accepted as attacks, once they were asked for.
    accepted: Option<Vec<Alert>>,
}

impl Analyst {
    /// `own`: the unnamed shard, under the rules and signals that are in force.
    pub(crate) fn new(
        settings: Arc<Settings>,
        loader: Loader,
        own: Shard,
        rules: (Arc<Muted>, Arc<Next<RuleSet>>, Arc<Next<SignalSet>>),
        shared: Arc<Shared>,
        (noise, repeats): (NoiseConfig, Repeats),
        inference: Option<(Inferrer, Arc<Next<Models>>)>,
    ) -> Analyst {
        let (muted, next, next_signals) = rules;
        let (inferrer, next_models) = inference.unzip();
        let noise = NoiseRules::new(noise, muted.recommended());
        let mut analyst = Analyst {
            regroup: regroup::Receiver::new(&shared),
            settings,
            limits: loader.config.limits.clone(),
            loader,
            rules: Arc::clone(own.detector.rules()),
            signals: Arc::clone(own.signals.set()),
            shards: BTreeMap::from([("".into(), own)]),
            noise,
            muted,
            next,
            next_signals,
            shapes: Shapes::default(),
            shared,
            reported: Timestamp::default(),
            unreported: false,
            heard: AHashMap::new(),
            started: Instant::now(),
            looked: Instant::now(),
            findings: BTreeMap::new(),
            repeats,
            tickets: Vec::new(),
            canaries: Vec::new(),
            inferrer,
            next_models,
            accepted: None,
        };
        // What the last commit left is shown from the first look on: a parked rule, groups that are full.
        analyst.report(Timestamp::now());
        analyst.reported = Timestamp::default();
        analyst
    }

    /// Work until the sources are gone and the queue is empty, or the committer is gone.
    pub(crate) fn run(mut self, batches: &queue::Receiver<Batch>, commits: &queue::Sender<Ready>) {
        loop {
            let first = match batches.receive_timeout(self.patience()) {
                Received::Item(first) => first,
                Received::Nothing => {
                    let quiet = self.looked.elapsed() >= IDLE_LOOK;
                    let rest = if quiet { self.idle() } else { self.judge_windows() };
                    let mut waiting = rest.into_iter().map(Ready::new);
                    if !waiting.all(|commit| commits.send(commit)) {
                        return;
                    }
                    continue;
                }
                Received::Closed => return,
            };
            let waiting = with_waiting(first, batches, self.limits.batch_records_max);
            self.take_up();
            for (key, batches) in by_shard(waiting) {
                let commit = self.analyse(&key, &batches);
                // The batches hold tickets of their own: what is dropped before the commit stands is not lost.
                let tickets = std::mem::take(&mut self.tickets);
                if commit.is_some_and(|commit| !commits.send(Ready { commit, tickets })) {
                    return;
                }
            }
            // Shards that are quiet while others are not.
            let quiet = self.looked.elapsed() >= IDLE_LOOK;
            let rest = if quiet { self.idle() } else { self.judge_windows() };
            if !rest.into_iter().map(Ready::new).all(|it| commits.send(it)) {
                return;
            }
        }
    }

    /// The shard with this key, loaded if it is new here. `None`: it cannot be had.
    fn take_shard(&mut self, key: &Arc<str>) -> Option<Shard> {
        if let Some(shard) = self.shards.remove(key) {
            return Some(shard);
        }
        let (rules, signals) = (Arc::clone(&self.rules), Arc::clone(&self.signals));
        let loaded = self.loader.runtime.block_on(self.loader.load(key, rules, signals));
        let problem = match &loaded {
            Ok(_) => None,
            // It went to another node before its first record was here.
            Err(_) if !self.shared.shards().holds(key) => None,
            Err(error) => {
                let text = format!("state of {key} cannot be read: {error:#}");
                Some((Health::Degraded, text))
            }
        };
        self.shared.set_problem("state of shards", problem);
        loaded.ok()
    }

    /// Everything that follows from these batches of one shard, to be made real in one transaction. One set of rules and
    /// one of signals judge them all. `None`: the shard cannot be had; the batches are lost for now, their source has to
    /// hand them on again.
    fn analyse(&mut self, key: &Arc<str>, batches: &[Batch]) -> Option<Commit> {
        let mut shard = self.take_shard(key)?;
        let mut commit =
            Commit { shard: Arc::clone(key), at: Timestamp::now(), ..Commit::default() };
        let mut books: BTreeMap<Arc<str>, LedgerDelta> = BTreeMap::new();
        let mut findings: Vec<Finding> = Vec::new();
        for batch in batches {
            if batch.delivery.canary {
                self.pass_canary(batch);
                continue;
            }
            commit.positions.extend(batch.positions.iter().cloned());
            if batch.records.is_empty() && batch.flush == Flush::No && !batch.delivery.counts() {
                // Positions of files that gave no records; no stream stands behind them.
                self.is_new(batch, &mut commit);
                shard.gaps.see(batch, &[], commit.at);
                continue;
            }
            let source = &batch.stream.source;
            let delta = books.entry(Arc::clone(source)).or_insert_with(|| LedgerDelta {
                source: source.to_string(),
                ..LedgerDelta::default()
            });
            self.heard.insert(Arc::clone(source), Instant::now());
            delta.received += batch.delivery.shed + batch.delivery.repeated;
            delta.shed += batch.delivery.shed;
            delta.duplicate += batch.delivery.repeated;
            if !self.is_new(batch, &mut commit) {
                delta.received += batch.records.len() as u64;
                delta.duplicate += batch.records.len() as u64;
                continue;
            }
            if regroup::holds_matches(batch) {
                let books = (&mut commit, delta);
                let (regroup, settings) = (&self.regroup, &self.settings);
                regroup.take(batch, settings, &mut shard.detector, books, &mut findings);
                shard.gaps.see(batch, &[], commit.at);
                continue;
            }
            let output = shard.decode(batch, &self.settings, delta);
            self.shapes.see(source, &output, commit.at, &self.rules);
            let before = findings.len();
            shard.judge(&output.events, batch.stream.backfill, &mut findings);
            if let Some(stage) = &mut shard.infer {
                stage.see(&output.events, findings.get(before..).unwrap_or_default());
            }
            shard.gaps.see(batch, &output.events, commit.at);
            commit.events.extend(output.events);
            commit.rejects.extend(output.rejects);
            shard.save_decoder(batch, &mut commit);
        }
        if shard.looked.elapsed() >= IDLE_LOOK {
            self.look_for_silence(&mut shard, &mut findings);
        }
        shard.gaps.tell(commit.at, &mut findings);
        if key.is_empty() {
            findings.extend(self.shared.take_told());
        }
        findings.extend(self.settle_windows(key, &mut shard, &mut commit));
        self.conclude(&mut shard, &mut commit, findings);
        commit.detection.append(&mut self.canaries);
        commit.ledger = books.into_values().collect();
        self.shards.insert(Arc::clone(key), shard);
        self.report(commit.at);
        Some(commit)
    }

    /// A canary goes on to the commit if decoder and rules took it; otherwise its ticket says that it is lost.
    fn pass_canary(&mut self, batch: &Batch) {
        let Some(row) = canary::pass(batch, &self.settings, &self.rules) else {
            return;
        };
        self.canaries.push(row);
        let ticket = batch.delivery.ticket.iter();
        self.tickets.extend(ticket.map(|ticket| (ticket.clone(), Outcome::Durable)));
    }

    /// Is the batch met for the first time? Its ticket waits for this commit either way: a first delivery may stand in
    /// one that is still under way.
    fn is_new(&mut self, batch: &Batch, commit: &mut Commit) -> bool {
        let source = &batch.stream.source;
        let is_new = batch.delivery.key.is_none_or(|key| self.repeats.is_new(source, key));
        if let Some(ticket) = &batch.delivery.ticket {
            let outcome = if is_new { Outcome::Durable } else { Outcome::Repeated };
            self.tickets.push((ticket.clone(), outcome));
        }
        if let Some(key) = batch.delivery.key.filter(|_| is_new) {
            commit.delivered.push(Delivered { source: Arc::clone(source), key });
        }
        is_new
    }

    /// Go on with sets that were loaded meanwhile, as a whole, and without shards that are not ours any more.
    fn take_up(&mut self) {
        let held = self.shared.shards();
        self.shards.retain(|key, _| held.holds(key));
        if let Some(inferrer) = &self.inferrer {
            inferrer.keep(|key| held.holds(key));
        }
        if let Some(rules) = self.next.take() {
            for shard in self.shards.values_mut() {
                shard.detector.replace_rules(Arc::clone(&rules));
            }
            self.rules = rules;
            self.noise.renew(self.muted.recommended());
            self.shared.update(|snapshot| snapshot.rules_reloads += 1);
        }
        if let Some(set) = self.next_signals.take() {
            for shard in self.shards.values_mut() {
                shard.signals.replace(Arc::clone(&set));
            }
            self.signals = set;
            self.shared.update(|snapshot| snapshot.signals_reloads += 1);
        }
        if let Some(models) = self.next_models.as_ref().and_then(|next| next.take()) {
            for stage in self.shards.values_mut().filter_map(|shard| shard.infer.as_mut()) {
                stage.replace(Arc::clone(&models));
            }
            // Which models are in force is shown now, not with the next record.
            self.unreported = true;
        }
        let releases = self.muted.releases().take();
        if !releases.is_empty() {
            for shard in self.shards.values_mut() {
                shard.engine.release(&releases);
                shard.released = true;
            }
        }
    }

    /// Series of signals may have fallen silent since something came from their source.
    fn look_for_silence(&self, shard: &mut Shard, findings: &mut Vec<Finding>) {
        shard.looked = Instant::now();
        let (heard, started) = (&self.heard, self.started);
        let idle = |source: &str| heard.get(source).copied().unwrap_or(started).elapsed();
        shard.signals.idle(idle, findings);
    }

    /// Nothing came for a while: what follows from that.
    fn idle(&mut self) -> Vec<Commit> {
        self.take_up();
        self.looked = Instant::now();
        let mut commits = Vec::new();
        for key in self.shards.keys().cloned().collect::<Vec<_>>() {
            let unrested = self.shards.get(&key).map(Shard::unrested).unwrap_or_default();
            if !unrested.is_empty() {
                commits.extend(self.analyse(&key, &unrested));
                continue;
            }
            let Some(mut shard) = self.shards.remove(&key) else { continue };
            let mut findings = Vec::new();
            self.look_for_silence(&mut shard, &mut findings);
            let mut commit =
                Commit { shard: Arc::clone(&key), at: Timestamp::now(), ..Commit::default() };
            findings.extend(self.settle_windows(&key, &mut shard, &mut commit));
            shard.gaps.tell(commit.at, &mut findings);
            let mut counted = false;
            if key.is_empty() {
                findings.extend(self.shared.take_told());
                counted = self.muted.has_changes();
            }
            let judged = !commit.detection.is_empty() || !commit.placed.is_empty();
            if !findings.is_empty() || shard.released || counted || judged {
                self.conclude(&mut shard, &mut commit, findings);
                commits.push(commit);
            }
            self.shards.insert(key, shard);
        }
        own_numbers::show_gaps(self.shards.values(), &self.shared, Timestamp::now());
        // What came last may not have been shown yet.
        if self.unreported || !commits.is_empty() {
            self.report(Timestamp::now());
        }
        commits
    }

    /// Findings become alerts, and all state that changed goes into the same commit.
    fn conclude(&mut self, shard: &mut Shard, commit: &mut Commit, mut findings: Vec<Finding>) {
        for finding in &findings {
            *self.findings.entry(finding.rule.level).or_default() += 1;
        }
        self.muted.retain(&mut findings);
        shard.released = false;
        let (alerts, noise) = self.noise.apply(&mut shard.engine, findings, &commit.events);
        (commit.alerts, commit.noise) = (alerts, noise);
        shard.take_changes(commit);
        if commit.shard.is_empty() {
            commit.counts = self.muted.take_changes();
        }
    }

    /// Show what records look like, at most once a second.
    fn report(&mut self, now: Timestamp) {
        self.unreported = now.micros_since(self.reported) < REPORT_EVERY_US;
        if self.unreported {
            return;
        }
        self.reported = now;
        let shapes = self.shapes.report(now);
        let sums = report::sums(self.shards.values(), self.limits.correlation_rows_max);
        if let Some(inferrer) = &self.inferrer {
            let stages = self.shards.values().filter_map(|shard| shard.infer.as_ref());
            infer::report::show(stages, inferrer, &self.shared);
        }
        let findings = self.findings.clone();
        let problem = sums.correlations_warning.map(|text| (Health::Degraded, text));
        self.shared.update(|snapshot| {
            snapshot.shapes = shapes;
            snapshot.signals = Arc::new(sums.signals);
            snapshot.findings = findings;
            let groups = (sums.correlations.groups, sums.correlations.groups_max);
            snapshot.correlations = sums.correlations;
            snapshot.noise = sums.noise;
            snapshot.queues.insert("correlation groups".to_owned(), groups);
            snapshot.queues.insert("open bundles".to_owned(), (sums.bundles, BUNDLES_MAX));
        });
        let gaps = self.shared.gaps_config();
        self.shards.values_mut().for_each(|shard| shard.gaps.reconfigure(&gaps));
        own_numbers::show_gaps(self.shards.values(), &self.shared, now);
        self.shared.set_problem(noise::KEY, noise::problem(sums.noise));
        self.shared.set_problem("correlation groups", problem);
    }
}

/// A batch and what waits behind it, up to so many records: what goes into one commit.
pub(crate) fn with_waiting(
    first: Batch,
    batches: &queue::Receiver<Batch>,
    records_max: usize,
) -> Vec<Batch> {
    let mut records = first.records.len();
    let mut waiting = vec![first];
    while records < records_max {
        let Some(next) = batches.try_receive() else { break };
        records += next.records.len();
        waiting.push(next);
    }
    waiting
}

/// Batches of each shard, in order.
fn by_shard(batches: Vec<Batch>) -> BTreeMap<Arc<str>, Vec<Batch>> {
    let mut shards: BTreeMap<Arc<str>, Vec<Batch>> = BTreeMap::new();
    for batch in batches {
        shards.entry(Arc::clone(&batch.stream.shard)).or_default().push(batch);
    }
    shards
}
