//! What one shard holds for judging windows: open windows, what their scores are compared with, and what may become an
//! alert. Owned by the analyst; everything it does becomes real with a commit.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Instant;

use ahash::{AHashMap, AHashSet};
use serde::{Deserialize, Serialize};

use crate::config::infer::{Alone, InferConfig};
use crate::infer::calibrate::budget::{Budgets, OverCounts};
use crate::infer::calibrate::watch::WatchList;
use crate::infer::calibrate::{self, Calibrations};
use crate::infer::window::{Endpoint, EndpointKey, Take, Timing, Window, Windows};
use crate::model::event::Event;
use crate::model::finding::Finding;
use crate::model::inference::{Inference, Prediction};
use crate::pipeline::infer::PENDING;
use crate::pipeline::infer::clock::Clock;
use crate::pipeline::infer::feedback::Accepted;
use crate::pipeline::infer::job::{HitSeen, Job};
use crate::pipeline::infer::models::Models;
use crate::pipeline::infer::worker::Inferrer;
use crate::pipeline::shared::Scores;
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;
use crate::store::Commit;

/// Rule hits that are remembered of one endpoint.
const HITS_MAX: usize = 64;
/// Endpoints with windows; over it those that rest longest are forgotten and counted.
pub(crate) const ENDPOINTS_MAX: usize = 50_000;
/// Events that were read so much later than they happened are from old logs, in microseconds.
const OLD_US: i64 = 3_600 * 1_000_000;

/// What is known beside an endpoint's windows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct About {
    /// The endpoint as its events name it.
    pub name: String,
    /// Rules that hit of late.
    pub hits: VecDeque<HitSeen>,
    /// End in milliseconds and score of the last window.
    pub last: Option<(i64, f32)>,
    /// The same of the highest score of its day.
    pub highest: Option<(i64, f32)>,
    /// The last window that was explained.
    pub explained: Option<Explained>,
}

/// A window that was explained: those that go on with it refer to it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Explained {
    /// Its end in milliseconds.
    pub end_ms: i64,
    /// Its score.
    pub score: f32,
    /// Its judgement, and the events that show its nodes.
    pub events: Vec<[u8; 16]>,
}

/// What was done since the start, for the status.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Windows by what came of them, in the order of [`Prediction::ALL`].
    pub windows: [u64; 3],
    /// Alerts that began.
    pub alerts: u64,
    /// Endpoints forgotten because there were too many.
    pub forgotten: u64,
    /// Rows of the last run that could not be read.
    pub unreadable: u64,
    /// Windows that were not scored because too many waited.
    pub left_out: u64,
    /// Events of endpoints that came after all their windows were closed.
    pub late: u64,
}

/// Judges the windows of one shard.
pub(crate) struct Stage {
    pub(super) windows: Windows,
    pub(super) models: Arc<Models>,
    pub(super) calibrations: Calibrations,
    pub(super) budgets: Budgets,
    /// Of windows that only rules tell of: they must not use up what models have.
    pub(super) by_rules: Budgets,
    pub(super) watch: WatchList,
    pub(super) about: AHashMap<EndpointKey, About>,
    /// Alerts that people accepted as attacks.
    pub(super) accepted: BTreeMap<Id128, Accepted>,
    /// That changed, and this stage has not heard it yet.
    pub(super) deaf: bool,
    pub(super) counts: Counts,
    pub(super) settings: calibrate::Settings,
    pub(super) interval_s: i64,
    /// May the model speak where no rule hit?
    pub(super) alone: Alone,
    /// How time goes on at each endpoint with open windows.
    pub(super) clocks: AHashMap<EndpointKey, Clock>,
    pub(super) closed: Vec<Job>,
    /// The number of the next window that closes.
    pub(super) next: u64,
    /// Endpoints whose row is older than their state.
    pub(super) changed: BTreeSet<EndpointKey>,
    pub(super) about_changed: BTreeSet<EndpointKey>,
    /// Windows that have no result yet.
    pub(super) pending: BTreeSet<Id128>,
    /// Windows of the last run that have no result yet, to be handed over again.
    pub(super) again: Vec<Job>,
    pub(super) events: u64,
    pub(super) checkpointed: Instant,
    /// The rows say from where events are to be read after a start.
    pub(super) marked: bool,
    /// Events do not stand in a log of this node's own: every commit holds the whole state.
    pub(super) every_commit: bool,
}

/// Takes closed windows.
struct Closing<'s> {
    about: &'s AHashMap<EndpointKey, About>,
    out: &'s mut Vec<Job>,
    next: &'s mut u64,
    backfill: bool,
}

impl Take for Closing<'_> {
    fn window(&mut self, window: Window) {
        let about = self.about.get(&*window.endpoint);
        self.out.push(Job::new(window, *self.next, about, self.backfill));
        *self.next += 1;
    }
}

impl Stage {
    /// Nothing is open.
    pub(crate) fn new(models: Arc<Models>, config: &InferConfig, every_commit: bool) -> Stage {
        let settings =
            calibrate::Settings { budget: config.budget, window_s: config.window.as_secs() };
        Stage {
            windows: Windows::new(Timing::of(config), models.histories.clone()).spread(),
            models,
            calibrations: Calibrations::new(settings),
            budgets: Budgets::new(config.budget, config.interval.as_secs()),
            by_rules: Budgets::new(config.budget, config.interval.as_secs()),
            watch: WatchList::default(),
            about: AHashMap::new(),
            accepted: BTreeMap::new(),
            deaf: true,
            counts: Counts::default(),
            settings,
            interval_s: i64::try_from(config.interval.as_secs()).unwrap_or(i64::MAX),
            alone: config.alone,
            clocks: AHashMap::new(),
            closed: Vec::new(),
            next: 0,
            changed: BTreeSet::new(),
            about_changed: BTreeSet::new(),
            pending: BTreeSet::new(),
            again: Vec::new(),
            events: 0,
            checkpointed: Instant::now(),
            marked: false,
            every_commit,
        }
    }

    /// Other models are in force for windows from now on.
    pub(crate) fn replace(&mut self, models: Arc<Models>) {
        self.windows.set_history(models.histories.clone());
        self.models = models;
    }

    /// Does a model look at this event?
    pub(super) fn endpoint_of(&self, event: &Event) -> Option<EndpointKey> {
        let key = EndpointKey::of(event)?;
        let facts = self.models.facts.get(&key.platform)?;
        (!key.host.is_empty() && facts.track.takes(event)).then_some(key)
    }

    /// Take in events in order, with what rules found in them.
    pub(crate) fn see(&mut self, events: &[Event], findings: &[Finding]) {
        let hit: AHashSet<Id128> = findings.iter().map(|finding| finding.event).collect();
        // With the newest event time of each before.
        let mut touched: AHashMap<EndpointKey, Option<i64>> = AHashMap::new();
        for event in events {
            let Some(key) = self.endpoint_of(event) else { continue };
            if !touched.contains_key(&key) {
                self.note_name(&key, event.host());
                touched.insert(key.clone(), self.windows.endpoint(&key).map(Endpoint::newest_ms));
            }
            let backfill = event.ingested.micros_since(event.timestamp) > OLD_US;
            let (out, next) = (&mut self.closed, &mut self.next);
            let mut closing = Closing { about: &self.about, out, next, backfill };
            if !self.windows.see_of(&key, event, &mut closing) {
                self.counts.late += 1;
            }
            self.events += 1;
            if hit.contains(&event.id) {
                self.note_hits(&key, event, findings);
            }
        }
        let now = Instant::now();
        for (key, before) in touched {
            let newest = self.windows.endpoint(&key).map(Endpoint::newest_ms);
            if let Some(newest_ms) = newest {
                let clock = self.clocks.entry(key.clone());
                let clock = clock.or_insert_with(|| Clock::new(newest_ms, now));
                // One of a time that was heard of says nothing new: where times are whole seconds, several have the same.
                if newest != before {
                    clock.hear(newest_ms, now);
                }
            }
            self.changed.insert(key);
        }
        self.bound();
    }

    /// The short form tells endpoints apart; alerts and judgements name them as events do.
    fn note_name(&mut self, key: &EndpointKey, name: &str) {
        if self.about.get(key).is_none_or(|about| about.name != name) {
            name.clone_into(&mut self.about.entry(key.clone()).or_default().name);
            self.about_changed.insert(key.clone());
        }
    }

    fn note_hits(&mut self, key: &EndpointKey, event: &Event, findings: &[Finding]) {
        let lineages = self.windows.lineages_of_last(key);
        let about = self.about.entry(key.clone()).or_default();
        for finding in findings.iter().filter(|finding| finding.event == event.id) {
            about.hits.push_back(HitSeen {
                at_ms: event.timestamp.micros().div_euclid(1_000),
                rule: finding.rule.id.clone(),
                title: finding.rule.title.clone(),
                level: finding.rule.level.rank(),
                lineages: lineages.clone(),
                links: finding.origin.links.iter().map(|link| link.0).collect(),
            });
            if about.hits.len() > HITS_MAX {
                about.hits.pop_front();
            }
        }
        self.about_changed.insert(key.clone());
    }

    /// Too many endpoints: those without open windows that were heard of longest ago are forgotten.
    fn bound(&mut self) {
        if self.windows.len() <= ENDPOINTS_MAX {
            return;
        }
        let idle = self.windows.endpoints().filter(|(_, endpoint)| endpoint.is_idle());
        let mut ages: Vec<(i64, EndpointKey)> =
            idle.map(|(key, endpoint)| (endpoint.newest_ms(), EndpointKey::clone(key))).collect();
        ages.sort();
        for (_, key) in ages.into_iter().take(ENDPOINTS_MAX / 100) {
            self.windows.forget(&key);
            self.about.remove(&key);
            self.about_changed.insert(key.clone());
            self.changed.insert(key);
            self.counts.forgotten += 1;
        }
    }

    /// Does a window of a quiet endpoint close by now?
    pub(crate) fn clock_is_due(&self, now: Instant) -> bool {
        self.clocks.iter().any(|(key, clock)| self.due(key, *clock, now).is_some())
    }

    /// The event time to which an endpoint without events has come, if a window closes by it: time goes on there as here.
    fn due(&self, key: &EndpointKey, clock: Clock, now: Instant) -> Option<i64> {
        let endpoint = self.windows.endpoint(key)?;
        let at = clock.now_ms(now);
        endpoint.due(self.windows.timing(), at).map(|_| at)
    }

    /// Close windows of endpoints that are quiet while time goes on. Their state goes into the commit, since no event
    /// will say that this happened.
    pub(crate) fn look_at_clock(&mut self, now: Instant, commit: &mut Commit) {
        let mut due: Vec<(EndpointKey, i64)> = self
            .clocks
            .iter()
            .filter_map(|(key, clock)| Some((key.clone(), self.due(key, *clock, now)?)))
            .collect();
        due.sort();
        for (key, at) in due {
            let (out, next) = (&mut self.closed, &mut self.next);
            let mut closing = Closing { about: &self.about, out, next, backfill: false };
            self.windows.close_until(&key, at, &mut closing);
            commit.placed.push(self.endpoint_row(&key));
            self.changed.remove(&key);
        }
        self.clocks.retain(|key, _| {
            self.windows.endpoint(key).is_some_and(|endpoint| !endpoint.is_idle())
        });
    }

    /// Conclude results, hand over closed windows, and put all that changed into the commit. Findings are models'.
    pub(crate) fn settle(
        &mut self,
        commit: &mut Commit,
        shard: &Arc<str>,
        done: Vec<super::worker::Done>,
        inferrer: &Inferrer,
    ) -> Vec<Finding> {
        let (mut findings, mut behind) = (Vec::new(), Vec::new());
        for one in done {
            let id = one.job.id();
            if !self.pending.remove(&id) {
                continue;
            }
            commit.detection.push((format!("{PENDING}{id}"), None));
            let endpoint = one.job.endpoint();
            let (inference, finding) = self.conclude(one);
            self.note_score(endpoint, &inference);
            commit.events.push(inference.to_event(commit.at));
            findings.extend(finding);
        }
        for job in self.again.drain(..) {
            let before = explained(&self.about, &job);
            inferrer.submit(shard, job, before);
        }
        for job in self.closed.drain(..) {
            let id = job.id();
            if !self.pending.insert(id) {
                continue;
            }
            let before = explained(&self.about, &job);
            let (row, backfill) = (job.to_bytes(), job.backfill);
            let refused = if backfill {
                inferrer.submit(shard, job, before);
                None
            } else {
                inferrer.offer(shard, job, before)
            };
            match refused {
                None => commit.detection.push((format!("{PENDING}{id}"), Some(row))),
                Some(done) => behind.push(done),
            }
        }
        for done in behind {
            self.pending.remove(&done.job.id());
            self.counts.left_out += 1;
            let endpoint = done.job.endpoint();
            let (inference, _) = self.conclude(done);
            self.note_score(endpoint, &inference);
            commit.events.push(inference.to_event(commit.at));
        }
        self.write_rows(commit);
        findings
    }

    fn note_score(&mut self, key: EndpointKey, inference: &Inference) {
        let at = Prediction::ALL.iter().position(|one| *one == inference.prediction);
        if let Some(count) = at.and_then(|at| self.counts.windows.get_mut(at)) {
            *count += 1;
        }
        let Some(score) = inference.score else { return };
        let about = self.about.entry(key.clone()).or_default();
        let end_ms = inference.end.micros().div_euclid(1_000);
        if inference.ablation.is_some() {
            let events = inference.contributing().into_iter().chain([inference.id]);
            let events = events.map(|id| id.0).collect();
            about.explained = Some(Explained { end_ms, score: score as f32, events });
        }
        let this = (end_ms, score as f32);
        about.last = Some(this);
        let day = 86_400_000;
        let higher = about
            .highest
            .is_none_or(|(at, known)| this.1 >= known || end_ms.saturating_sub(at) > day);
        if higher {
            about.highest = Some(this);
        }
        let old = end_ms.saturating_sub(self.windows.timing().window_ms * 2);
        about.hits.retain(|hit| hit.at_ms >= old);
        self.about_changed.insert(key);
    }

    /// Put a window of the last run back: it is handed over again.
    pub(super) fn wait_again(&mut self, job: Job) {
        self.pending.insert(job.id());
        self.again.push(job);
    }

    /// All windows of the last run are back.
    pub(super) fn waits_again(&mut self) {
        self.again.sort_by_key(|job| job.sequence);
        self.next = self.again.last().map_or(0, |job| job.sequence + 1);
        let now = Instant::now();
        let open = self.windows.endpoints().filter(|(_, endpoint)| !endpoint.is_idle());
        // Where an endpoint was quiet, its time had come at least to where its last window was closed.
        let lateness_ms = self.windows.timing().lateness_ms;
        let come_to = |endpoint: &Endpoint| {
            let closed_ms = endpoint.closed_ms().unwrap_or(i64::MIN);
            closed_ms.saturating_add(lateness_ms).max(endpoint.newest_ms())
        };
        self.clocks = open
            .map(|(key, endpoint)| (EndpointKey::clone(key), Clock::new(come_to(endpoint), now)))
            .collect();
    }

    /// Is it known from where events are to be read again?
    pub(crate) fn has_mark(&self) -> bool {
        self.marked
    }

    /// The mark was there.
    pub(super) fn is_marked(&mut self) {
        self.marked = true;
    }

    /// An endpoint changed behind its row.
    pub(super) fn changed_again(&mut self, key: EndpointKey) {
        self.changed.insert(key);
        self.events += 1;
    }

    /// Are there windows to hand over that nobody has yet?
    pub(crate) fn has_closed(&self) -> bool {
        !self.closed.is_empty() || !self.again.is_empty()
    }

    /// Windows that have no result yet.
    pub(crate) fn pending(&self) -> usize {
        self.pending.len()
    }

    /// Endpoints with open windows, and all that are known.
    pub(crate) fn endpoints(&self) -> (usize, usize) {
        (self.clocks.len(), self.windows.len())
    }

    /// What limits of calibration did.
    pub(crate) fn calibration(&self) -> calibrate::Counts {
        self.calibrations.counts()
    }

    /// What was over budget.
    pub(crate) fn over(&self) -> OverCounts {
        self.budgets.over()
    }

    /// Windows about which members disagree.
    pub(crate) fn disagreements(&self) -> u64 {
        self.watch.windows()
    }

    /// Counts since the start.
    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// The last and the highest score of each endpoint.
    pub(crate) fn scores(&self) -> Scores {
        let known = self.about.iter().filter(|(_, about)| about.last.is_some());
        known
            .map(|(key, about)| {
                ((key.tenant.to_string(), key.host.to_string()), (about.last, about.highest))
            })
            .collect()
    }

    /// The time of an event in the path's clock.
    pub(super) fn at(ms: i64) -> Timestamp {
        Timestamp(ms.saturating_mul(1_000))
    }
}

/// End and score of the last window of the endpoint that was explained.
fn explained(about: &AHashMap<EndpointKey, About>, job: &Job) -> Option<(i64, f32)> {
    let explained = about.get(&job.endpoint())?.explained.as_ref()?;
    Some((explained.end_ms, explained.score))
}
