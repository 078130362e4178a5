//! The thread in the middle of the path: batches in, commits out. It owns all state that must not be
//! shared: decoders, correlation rows, open episodes ([`State`]).
//!
//! Each commit takes what waits, up to the limits of one batch: under light load that is one line, under
//! heavy load thousands, so latency and throughput need no setting.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashMap;

use crate::alert::bundle::BUNDLES_MAX;
use crate::config::limits::LimitsConfig;
use crate::config::noise::NoiseConfig;
use crate::detect::{Detector, RuleSet};
use crate::model::desk::CorrelationReport;
use crate::model::finding::Finding;
use crate::model::ledger::LedgerDelta;
use crate::model::record::{Batch, Flush};
use crate::model::severity::Severity;
use crate::normalise::Settings;
use crate::pipeline::committer::Ready;
use crate::pipeline::muted::Muted;
use crate::pipeline::noise::{self, NoiseRules};
use crate::pipeline::own_numbers;
use crate::pipeline::repeats::Repeats;
use crate::pipeline::shapes::{REPORT_EVERY_US, Shapes};
use crate::pipeline::shared::{Health, Shared};
use crate::pipeline::state::State;
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
    state: State,
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
    /// When it was last looked whether something fell silent.
    looked: Instant,
    /// Something changed since then.
    unreported: bool,
    /// Since the start, by level.
    findings: BTreeMap<Severity, u64>,
    repeats: Repeats,
    /// Who waits for the commit under work.
    tickets: Vec<(Ticket, Outcome)>,
}

impl Analyst {
    pub(crate) fn new(
        settings: Arc<Settings>,
        (state, limits): (State, LimitsConfig),
        rules: (Arc<Muted>, Arc<Next<RuleSet>>, Arc<Next<SignalSet>>),
        shared: Arc<Shared>,
        noise: NoiseConfig,
        repeats: Repeats,
    ) -> Analyst {
        let (muted, next, next_signals) = rules;
        let noise = NoiseRules::new(noise, muted.recommended());
        let mut analyst = Analyst {
            settings,
            limits,
            state,
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
        };
        // What the last commit left is shown from the first look on: a parked rule, groups that are full.
        analyst.report(Timestamp::now());
        analyst.reported = Timestamp::default();
        analyst
    }

    /// Work until the sources are gone and the queue is empty, or the committer is gone.
    pub(crate) fn run(mut self, batches: &queue::Receiver<Batch>, commits: &queue::Sender<Ready>) {
        loop {
            let first = match batches.receive_timeout(IDLE_LOOK) {
                Received::Item(first) => first,
                Received::Nothing => {
                    let commit = self.idle();
                    if commit.is_some_and(|commit| !commits.send(Ready::new(commit))) {
                        return;
                    }
                    continue;
                }
                Received::Closed => return,
            };
            let mut waiting = vec![first];
            let mut records: usize = waiting.iter().map(|batch| batch.records.len()).sum();
            while records < self.limits.batch_records_max {
                let Some(next) = batches.try_receive() else { break };
                records += next.records.len();
                waiting.push(next);
            }
            let commit = self.analyse(&waiting);
            // The batches hold tickets of their own: what is dropped before the commit stands is not lost.
            let tickets = std::mem::take(&mut self.tickets);
            if !commits.send(Ready { commit, tickets }) {
                return;
            }
        }
    }

    /// Everything that follows from these batches, to be made real in one transaction. One set of rules and
    /// one of signals judge them all.
    fn analyse(&mut self, batches: &[Batch]) -> Commit {
        self.take_up();
        let mut commit = Commit { at: Timestamp::now(), ..Commit::default() };
        let mut books: BTreeMap<Arc<str>, LedgerDelta> = BTreeMap::new();
        let mut findings: Vec<Finding> = Vec::new();
        for batch in batches {
            commit.positions.extend(batch.positions.iter().cloned());
            if batch.records.is_empty() && batch.flush == Flush::No && !batch.delivery.counts() {
                // Positions of files that gave no records; no stream stands behind them.
                self.is_new(batch, &mut commit);
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
            let state = &mut self.state;
            let output = state.decode(batch, &self.settings, delta);
            self.shapes.see(source, &output, commit.at, state.detector.rules());
            state.judge(&output.events, batch.stream.backfill, &mut findings);
            state.gaps.see(batch, &output.events, commit.at);
            commit.events.extend(output.events);
            commit.rejects.extend(output.rejects);
            state.save_decoder(batch, &mut commit);
        }
        if self.looked.elapsed() >= IDLE_LOOK {
            self.look_for_silence(&mut findings);
        }
        self.look_at_ourselves(commit.at, &mut findings);
        self.conclude(&mut commit, findings);
        commit.ledger = books.into_values().collect();
        self.report(commit.at);
        commit
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

    /// Go on with sets that were loaded meanwhile, as a whole.
    fn take_up(&mut self) {
        if let Some(rules) = self.next.take() {
            self.state.detector.replace_rules(rules);
            self.noise.renew(self.muted.recommended());
            self.shared.update(|snapshot| snapshot.rules_reloads += 1);
        }
        if let Some(set) = self.next_signals.take() {
            self.state.signals.replace(set);
            self.shared.update(|snapshot| snapshot.signals_reloads += 1);
        }
    }

    /// Series of signals may have fallen silent since something came from their source.
    fn look_for_silence(&mut self, findings: &mut Vec<Finding>) {
        self.looked = Instant::now();
        let (heard, started) = (&self.heard, self.started);
        let idle = |source: &str| heard.get(source).copied().unwrap_or(started).elapsed();
        self.state.signals.idle(idle, findings);
    }

    /// Records that are missing, and what the program has to say of itself.
    fn look_at_ourselves(&mut self, now: Timestamp, findings: &mut Vec<Finding>) {
        self.state.gaps.tell(now, findings);
        findings.extend(self.shared.take_told());
    }

    /// Nothing came for a while: what follows from that.
    fn idle(&mut self) -> Option<Commit> {
        self.take_up();
        let mut findings = Vec::new();
        self.look_for_silence(&mut findings);
        let mut commit = Commit { at: Timestamp::now(), ..Commit::default() };
        self.look_at_ourselves(commit.at, &mut findings);
        own_numbers::show_gaps(&self.state.gaps, &self.shared, commit.at);
        let silent = !findings.is_empty() || !self.muted.releases().is_empty();
        if silent {
            self.conclude(&mut commit, findings);
        }
        // What came last may not have been shown yet.
        if self.unreported || silent {
            self.report(commit.at);
        }
        silent.then_some(commit)
    }

    /// Findings become alerts, and all state that changed goes into the same commit.
    fn conclude(&mut self, commit: &mut Commit, mut findings: Vec<Finding>) {
        for finding in &findings {
            *self.findings.entry(finding.rule.level).or_default() += 1;
        }
        self.muted.retain(&mut findings);
        let engine = &mut self.state.engine;
        engine.release(&self.muted.releases().take());
        let (alerts, noise) = self.noise.apply(engine, findings, &commit.events);
        (commit.alerts, commit.noise) = (alerts, noise);
        self.state.take_changes(commit);
        commit.detection.extend(self.muted.take_changes());
    }

    /// Show what records look like, at most once a second.
    fn report(&mut self, now: Timestamp) {
        self.unreported = now.micros_since(self.reported) < REPORT_EVERY_US;
        if self.unreported {
            return;
        }
        self.reported = now;
        let shapes = self.shapes.report(now);
        let state = &mut self.state;
        let counts = state.detector.counts();
        let correlations = correlations(&state.detector, self.limits.correlation_rows_max);
        let signals = Arc::new(state.signals.report());
        let noise = state.engine.noise_counts();
        let bundles = (state.engine.open_bundles().0, BUNDLES_MAX);
        let findings = self.findings.clone();
        self.shared.update(|snapshot| {
            snapshot.shapes = shapes;
            snapshot.signals = signals;
            snapshot.findings = findings;
            let groups = (correlations.groups, correlations.groups_max);
            snapshot.correlations = correlations;
            snapshot.noise = noise;
            snapshot.queues.insert("correlation groups".to_owned(), groups);
            snapshot.queues.insert("open bundles".to_owned(), bundles);
        });
        state.gaps.reconfigure(&self.shared.gaps_config());
        own_numbers::show_gaps(&state.gaps, &self.shared, now);
        self.shared.set_problem(noise::KEY, noise::problem(noise));
        let problem = counts.warning().map(|text| (Health::Degraded, text));
        self.shared.set_problem("correlation groups", problem);
    }
}

fn correlations(detector: &Detector, groups_max: usize) -> CorrelationReport {
    let counts = detector.counts();
    CorrelationReport {
        groups: detector.rows(),
        groups_max,
        events: detector.row_events(),
        groups_evicted: counts.rows_evicted,
        groups_discarded: counts.rows_discarded,
        events_dropped: counts.events_dropped,
        duplicates: counts.duplicates,
        late: counts.late,
        ungrouped: counts.ungrouped,
        valueless: counts.valueless,
    }
}
