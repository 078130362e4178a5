//! What follows from a scored window: how unusual it is where it was seen, whether it may become an alert, and what rules
//! say to it.

use crate::config::infer::Alone;
use crate::infer::calibrate::budget::{Admitted, Candidate};
use crate::infer::calibrate::watch::Disagreement;
use crate::infer::calibrate::{Basis, Judged, Seen};
use crate::infer::scorer::Scores;
use crate::model::finding::Finding;
use crate::model::inference::{Hit, Inference, Outcome, Prediction};
use crate::model::origin::Origin;
use crate::model::severity::Severity;
use crate::pipeline::infer::job::{HitSeen, Job};
use crate::pipeline::infer::models::Facts;
use crate::pipeline::infer::stage::Stage;
use crate::pipeline::infer::worker::{Done, GOES_ON_MS};
use crate::stdx::id::Id128;

/// Links that a finding takes over from rules that confirm it.
const LINKS_MAX: usize = 32;

impl Stage {
    /// The result of a window, and the finding that it is, if it may become an alert.
    pub(super) fn conclude(&mut self, done: Done) -> (Inference, Option<Finding>) {
        let job = &done.job;
        let mut inference = outline(job, &done.lineages);
        inference.model = done.scored.model.to_string();
        let facts = self.models.facts.get(&job.platform()).cloned();
        let (scores, facts) = match (&done.scored.result, facts) {
            (Ok(scores), Some(facts)) => (scores, facts),
            (Err(failure), _) => {
                inference.reason = failure.to_string();
                return (inference, None);
            }
            (Ok(_), None) => {
                inference.reason = format!("no model for {} is in force any more", job.platform());
                return (inference, None);
            }
        };
        take_scores(&mut inference, scores, &facts);
        inference.ablation = done.ablation;
        if inference.prediction == Prediction::Attack {
            inference.embedding = small(&scores.embedding);
        }
        let judged = self.judge(job, scores, &facts);
        inference.p = Some(judged.p);
        inference.p_floor = Some(judged.floor);
        inference.blocks = judged.n as u64;
        inference.basis = judged.basis.as_str().to_owned();
        inference.cold = judged.cold;
        self.decide(job, &judged, &facts, &done.lineages, &mut inference);
        let raises = match inference.outcome {
            Outcome::Alert => true,
            // What only rules tell of is in all windows that overlap, and in the rules' own alerts: without another hit there
            // is nothing new, and what somebody closed stays closed.
            Outcome::More => inference.prediction == Prediction::Attack || self.hits_are_new(job),
            _ => false,
        };
        self.counts.alerts += u64::from(inference.outcome == Outcome::Alert);
        let finding = raises.then(|| finding(job, &inference, &facts, self.explained_before(job)));
        (inference, finding)
    }

    /// Did a rule of level medium or above hit since the window before, or since the last one that had a score?
    fn hits_are_new(&self, job: &Job) -> bool {
        let last = self.about.get(&job.endpoint()).and_then(|about| about.last);
        let before_ms = job.end_ms.saturating_sub(self.interval_s.saturating_mul(1_000));
        let before_ms = before_ms.min(last.map_or(i64::MIN, |(end_ms, _)| end_ms));
        job.hits.iter().any(|hit| hit.at_ms >= before_ms && hit.severity() >= Severity::Medium)
    }

    /// Judgement and events of the window that this one goes on with, where that one was explained.
    fn explained_before(&self, job: &Job) -> Vec<Id128> {
        let explained = self.about.get(&job.endpoint()).and_then(|about| about.explained.as_ref());
        let near = explained.filter(|it| (0..=GOES_ON_MS).contains(&(job.end_ms - it.end_ms)));
        near.map(|it| it.events.iter().map(|id| Id128(*id)).collect()).unwrap_or_default()
    }

    fn judge(&mut self, job: &Job, scores: &Scores, facts: &Facts) -> Judged {
        self.calibrations.judge(&Seen {
            tenant: &job.tenant,
            host: &job.host,
            platform: job.platform(),
            role: "",
            model: &facts.id,
            threshold: facts.threshold,
            end: job.end_ms.div_euclid(1_000),
            score: scores.score,
            excluded: job.hits.iter().any(|hit| hit.severity() >= Severity::High),
        })
    }

    fn decide(
        &mut self,
        job: &Job,
        judged: &Judged,
        facts: &Facts,
        lineages: &[u64],
        inference: &mut Inference,
    ) {
        let (start, end) = (job.start_ms.div_euclid(1_000), job.end_ms.div_euclid(1_000));
        let score = inference.score.unwrap_or(0.0) as f32;
        let by_rules = job.is_rules_too();
        // Members that all speak of an attack disagree about nothing that matters.
        let agree = inference.members.iter().all(|score| *score >= f64::from(facts.threshold));
        if !agree && !by_rules {
            let one = Disagreement {
                tenant: job.tenant.clone(),
                host: job.host.clone(),
                start,
                end,
                windows: 1,
                spread: inference.spread as f32,
                score,
            };
            if self.watch.note(one, facts.disagreement, self.interval_s) {
                inference.outcome = Outcome::Watch;
                return;
            }
        }
        // Where no rule hit, the model has to be surer, and something must be known of how it scores here: a threshold of one
        // laboratory says little in another.
        let known = judged.basis != Basis::Trained;
        let alone = self.alone == Alone::Sure && known && score >= facts.sure;
        let above = judged.above && (!job.hits.is_empty() || alone);
        if judged.above && !above && !by_rules {
            inference.outcome = Outcome::Watch;
            return;
        }
        if !above && !by_rules {
            return;
        }
        // What only rules tell of must not use up what the model has.
        let budgets = if above { &mut self.budgets } else { &mut self.by_rules };
        let pointed = job.hit_lineages();
        let lineages = if above { lineages } else { pointed.as_slice() };
        let admitted = budgets.admit(&Candidate {
            tenant: &job.tenant,
            host: &job.host,
            window: job.id(),
            start,
            end,
            score,
            p: judged.p,
            lineages,
        });
        let (outcome, episode) = match admitted {
            Admitted::Alert(id) => (Outcome::Alert, id),
            Admitted::More(id) => (Outcome::More, id),
            Admitted::OverBudget(id) => (Outcome::OverBudget, id),
        };
        inference.outcome = outcome;
        inference.episode = Some(episode);
    }
}

fn outline(job: &Job, lineages: &[u64]) -> Inference {
    Inference {
        id: job.id(),
        tenant: job.tenant.clone(),
        host: job.name.clone(),
        platform: job.platform().as_str().to_owned(),
        start: Stage::at(job.start_ms),
        end: Stage::at(job.end_ms),
        observed_ms: job.observed_ms,
        events: u64::from(job.events),
        nodes: job.node_count() as u64,
        edges: job.edge_count() as u64,
        dropped: u64::from(job.dropped),
        hits: hits(job, lineages),
        ..Inference::default()
    }
}

/// Each rule once, those of the same lineage and of the highest level first.
fn hits(job: &Job, lineages: &[u64]) -> Vec<Hit> {
    let same = |hit: &HitSeen| hit.lineages.iter().any(|lineage| lineages.contains(lineage));
    let mut seen: Vec<&HitSeen> = job.hits.iter().collect();
    seen.sort_by_key(|hit| (std::cmp::Reverse((same(hit), hit.level)), hit.at_ms));
    let mut hits: Vec<Hit> = Vec::new();
    for hit in seen {
        if hits.iter().all(|known| known.rule != hit.rule) {
            hits.push(Hit {
                rule: hit.rule.clone(),
                title: hit.title.clone(),
                level: hit.severity().as_str().to_owned(),
                same_lineage: same(hit),
            });
        }
    }
    hits
}

fn take_scores(inference: &mut Inference, scores: &Scores, facts: &Facts) {
    inference.score = Some(f64::from(scores.score));
    inference.members = scores.members.iter().map(|score| f64::from(*score)).collect();
    inference.spread = f64::from(scores.spread);
    inference.threshold = f64::from(facts.threshold);
    inference.anomaly = scores.anomaly.map(f64::from);
    inference.milliseconds = f64::from(scores.milliseconds);
    inference.prediction =
        if scores.score >= facts.threshold { Prediction::Attack } else { Prediction::Benign };
}

/// A place among others in a byte a number: the direction counts, not the length.
fn small(embedding: &[f32]) -> Vec<i8> {
    let most = embedding.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
    if most <= 0.0 || !most.is_finite() {
        return Vec::new();
    }
    embedding.iter().map(|number| (number / most * 127.0).round() as i8).collect()
}

fn finding(job: &Job, inference: &Inference, facts: &Facts, before: Vec<Id128>) -> Finding {
    let confirmed = inference.both_say_so();
    let rule = if confirmed { &facts.confirmed } else { &facts.rule };
    let mut links: Vec<Id128> = Vec::new();
    let same = inference.hits.iter().filter(|hit| hit.same_lineage);
    for hit in same.flat_map(|hit| job.hits.iter().filter(|seen| seen.rule == hit.rule)) {
        for link in hit.links.iter().map(|link| Id128(*link)) {
            if links.len() < LINKS_MAX && !links.contains(&link) {
                links.push(link);
            }
        }
    }
    Finding {
        rule: std::sync::Arc::clone(rule),
        timestamp: inference.end,
        tenant: job.tenant.as_str().into(),
        host: job.name.clone(),
        user: String::new(),
        event: inference.id,
        contributing: if inference.ablation.is_some() { inference.contributing() } else { before },
        matched: vec![
            ("model".to_owned(), inference.line()),
            ("unusual".to_owned(), inference.unusual()),
            ("rules".to_owned(), inference.rules_say()),
            ("together".to_owned(), inference.together()),
        ],
        group: Vec::new(),
        backfill: job.backfill,
        origin: Origin { links, labels: Vec::new() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_embedding_keeps_its_direction_in_a_byte_a_number() {
        assert_eq!(small(&[0.5, -1.0, 0.25]), [64, -127, 32]);
        assert!(small(&[0.0, 0.0]).is_empty() && small(&[f32::NAN, f32::INFINITY]).is_empty());
    }
}
