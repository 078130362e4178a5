//! What the analyst does with endpoints' windows: takes results, closes those of quiet endpoints, hands over what closed.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::model::finding::Finding;
use crate::pipeline::analyst::{Analyst, IDLE_LOOK};
use crate::pipeline::infer;
use crate::pipeline::shard::Shard;
use crate::stdx::time::Timestamp;
use crate::store::Commit;

/// How often results are looked for while windows are being scored.
const RESULTS_LOOK: Duration = Duration::from_millis(10);
/// How often it is looked whether windows of quiet endpoints close.
const CLOCK_LOOK: Duration = Duration::from_millis(100);

impl Analyst {
    /// How long to wait for the next batch: results of windows and windows of quiet endpoints are looked for more often.
    pub(super) fn patience(&self) -> Duration {
        let Some(inferrer) = &self.inferrer else { return IDLE_LOOK };
        let mut stages = self.shards.values().filter_map(|shard| shard.infer.as_ref());
        if inferrer.has_results() || stages.any(|stage| stage.pending() > 0) {
            RESULTS_LOOK
        } else {
            CLOCK_LOOK
        }
    }

    /// Results of windows, and windows of quiet endpoints that close by the clock: what follows from them.
    pub(super) fn judge_windows(&mut self) -> Vec<Commit> {
        self.hear_feedback();
        let Some(inferrer) = &self.inferrer else { return Vec::new() };
        let (now, results) = (Instant::now(), inferrer.has_results());
        let due = |shard: &Shard| {
            shard.infer.as_ref().is_some_and(|stage| {
                stage.has_closed() || (results && stage.pending() > 0) || stage.clock_is_due(now)
            })
        };
        let keys: Vec<Arc<str>> = self
            .shards
            .iter()
            .filter(|(_, shard)| due(shard))
            .map(|(key, _)| Arc::clone(key))
            .collect();
        let mut commits = Vec::new();
        for key in keys {
            let Some(mut shard) = self.shards.remove(&key) else { continue };
            let mut commit =
                Commit { shard: Arc::clone(&key), at: Timestamp::now(), ..Commit::default() };
            let findings = self.settle_windows(&key, &mut shard, &mut commit);
            if !commit.detection.is_empty() || !commit.placed.is_empty() {
                self.conclude(&mut shard, &mut commit, findings);
                commits.push(commit);
            }
            self.shards.insert(key, shard);
        }
        commits
    }

    /// What people accept as attacks now, if that changed: each stage hears it with its next commit.
    pub(super) fn hear_feedback(&mut self) {
        if self.inferrer.is_some() && self.shared.take_feedback() {
            let accepted = self.loader.store.alerts_that(&infer::feedback::is_accepted);
            self.accepted = Some(accepted);
            let stages = self.shards.values_mut().filter_map(|shard| shard.infer.as_mut());
            stages.for_each(infer::Stage::deafen);
        }
    }

    /// Take results into a commit of their shard, and hand over what closed.
    pub(super) fn settle_windows(
        &mut self,
        key: &Arc<str>,
        shard: &mut Shard,
        commit: &mut Commit,
    ) -> Vec<Finding> {
        let (Some(inferrer), Some(stage)) = (&self.inferrer, &mut shard.infer) else {
            return Vec::new();
        };
        stage.look_at_clock(Instant::now(), commit);
        if let Some(accepted) = self.accepted.as_ref().filter(|_| stage.is_deaf()) {
            stage.hear(accepted, commit);
        }
        stage.settle(commit, key, inferrer.take_of(key), inferrer)
    }
}
