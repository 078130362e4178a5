//! The members of one model on one runtime: opened, held to the golden window, run and averaged.

use std::sync::Arc;
use std::time::Instant;

use crate::infer::Tensors;
use crate::infer::artifact::golden::{ANOMALY, WHOLE};
use crate::infer::artifact::manifest::{Anomaly, Quantiles};
use crate::infer::artifact::{Fault, Model};
use crate::infer::scorer::choose::Backend;
use crate::infer::scorer::feed::{self, Feed, TURNS};
use crate::infer::scorer::onnxruntime::OrtSession;
use crate::infer::scorer::tract::TractSession;
use crate::infer::scorer::{ScoreError, Scorer, Scores, Wants};

/// Outputs that are read, by name.
pub const OUTPUTS: [&str; 3] = ["attack_logit", "embedding", "query_nll"];
/// `top10` is the mean of so many surprises.
const TOP: usize = 10;

/// What one member said in one run, in the order of [`OUTPUTS`]; empty: nothing.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answer([Vec<f32>; 3]);

impl Answer {
    /// Note an output.
    pub fn set(&mut self, which: usize, numbers: Vec<f32>) {
        if let Some(place) = self.0.get_mut(which) {
            *place = numbers;
        }
    }

    /// The output of this name.
    pub fn get(&self, name: &str) -> &[f32] {
        let named = OUTPUTS.iter().zip(&self.0).find(|(known, _)| **known == name);
        named.map_or(&[], |(_, numbers)| numbers)
    }
}

/// One member on the runtime that was chosen.
pub enum Session {
    /// Run by tract.
    Tract(Box<TractSession>),
    /// Run by ONNX Runtime.
    OnnxRuntime(Box<OrtSession>),
}

impl Session {
    fn open(backend: &Backend, bytes: &[u8]) -> Result<Session, ScoreError> {
        Ok(match backend {
            Backend::Tract => Session::Tract(Box::new(TractSession::open(bytes)?)),
            Backend::OnnxRuntime(library) => {
                Session::OnnxRuntime(Box::new(OrtSession::open(library, bytes)?))
            }
        })
    }

    fn run(&mut self, feed: &Feed<'_>) -> Result<Answer, ScoreError> {
        match self {
            Session::Tract(session) => session.run(feed),
            Session::OnnxRuntime(session) => session.run(feed),
        }
    }
}

/// A model's members, open.
pub struct GraphScorer {
    model: Arc<Model>,
    id: String,
    runtime: String,
    sessions: Vec<Session>,
    /// From anomaly to score.
    table: Vec<(f32, f32)>,
    golden: f32,
}

impl GraphScorer {
    /// Open a model and hold it to its golden window.
    pub fn open(model: Arc<Model>, backend: &Backend) -> Result<GraphScorer, Fault> {
        let mut sessions = Vec::new();
        for member in &model.members {
            let session = Session::open(backend, &member.bytes).map_err(|error| {
                let fix = "use another model, or another infer.runtime";
                Fault::new(model.file(&member.file), format!("cannot be opened: {error}"), fix)
            })?;
            sessions.push(session);
        }
        let quantiles = model.manifest.calibration.quantiles.as_ref();
        let table = quantiles.map(Quantiles::points);
        let mut scorer = GraphScorer {
            id: model.manifest.id(),
            runtime: backend.to_string(),
            sessions,
            table: table.unwrap_or_default(),
            golden: 0.0,
            model,
        };
        scorer.golden = scorer.hold_to_golden()?;
        Ok(scorer)
    }

    /// How far the members were from the golden window's outputs.
    pub fn golden_difference(&self) -> f32 {
        self.golden
    }

    /// The model it runs.
    pub fn artifact(&self) -> &Arc<Model> {
        &self.model
    }

    /// One member's raw outputs in one run.
    pub fn raw(&mut self, member: usize, feed: &Feed<'_>) -> Result<Answer, ScoreError> {
        let session = self.sessions.get_mut(member);
        session.ok_or_else(|| ScoreError::Answer("there is no such member".to_owned()))?.run(feed)
    }

    fn hold_to_golden(&mut self) -> Result<f32, Fault> {
        let model = Arc::clone(&self.model);
        let golden = &model.golden;
        let inputs = &model.manifest.inputs;
        let feed = feed::asked(golden, inputs);
        let mut worst = 0.0_f32;
        for (at, member) in model.members.iter().enumerate() {
            let said = golden.outputs.get(&member.file);
            let fault = |text: String| {
                let fix = format!("copy the folder again, or do not use {}", self.runtime);
                Fault::new(model.file(&member.file), text, fix)
            };
            let answer = self.sessions.get_mut(at).map(|session| session.run(&feed));
            let answer = answer
                .unwrap_or_else(|| Ok(Answer::default()))
                .map_err(|error| fault(format!("fails on the golden window: {error}")))?;
            let mut pairs: Vec<(&str, Vec<f32>)> =
                OUTPUTS.iter().map(|name| (*name, answer.get(name).to_vec())).collect();
            if let (Some(window), Some(session)) = (&golden.window, self.sessions.get_mut(at)) {
                let (whole, surprises) = whole_and_turns(session, &model, window)
                    .map_err(|error| fault(format!("fails on the golden window: {error}")))?;
                pairs.push((WHOLE, whole.get("attack_logit").to_vec()));
                pairs.push((ANOMALY, vec![reduce(surprises, model.manifest.calibration.anomaly)]));
            }
            for (name, found) in pairs {
                let Some(wanted) = said.and_then(|said| said.get(name)) else { continue };
                let off = difference(wanted, &found);
                if off > golden.tolerance {
                    let (runtime, tolerance) = (&self.runtime, golden.tolerance);
                    return Err(fault(format!(
                        "says on the golden window, run by {runtime}, a {name} that is {off:e} off; {tolerance:e} is allowed"
                    )));
                }
                worst = worst.max(off);
            }
        }
        Ok(worst)
    }
}

/// The whole window, and the surprises of all turns.
fn whole_and_turns(
    session: &mut Session,
    model: &Model,
    window: &Tensors,
) -> Result<(Answer, Vec<f32>), ScoreError> {
    let inputs = &model.manifest.inputs;
    let whole = session.run(&feed::whole(window, inputs))?;
    let surprises =
        if model.manifest.outputs.query_nll { turns(session, model, window)? } else { Vec::new() };
    Ok((whole, surprises))
}

fn turns(session: &mut Session, model: &Model, window: &Tensors) -> Result<Vec<f32>, ScoreError> {
    let mut surprises = Vec::new();
    for turn in 0..TURNS {
        if let Some(feed) = feed::hidden(window, &model.manifest.inputs, turn) {
            surprises.extend_from_slice(session.run(&feed)?.get("query_nll"));
        }
    }
    Ok(surprises)
}

/// The largest difference; infinite where there is nothing to compare or a number is none.
pub fn difference(wanted: &[f32], found: &[f32]) -> f32 {
    if wanted.len() != found.len() {
        return f32::INFINITY;
    }
    let off = |(wanted, found): (&f32, &f32)| {
        let off = (wanted - found).abs();
        if off.is_nan() { f32::INFINITY } else { off }
    };
    wanted.iter().zip(found).map(off).fold(0.0, f32::max)
}

/// One number of a window from the surprises of its edges; no edge is no surprise.
fn reduce(mut surprises: Vec<f32>, how: Anomaly) -> f32 {
    if how == Anomaly::Top10 {
        surprises.sort_by(|a, b| b.total_cmp(a));
        surprises.truncate(TOP);
    }
    if surprises.is_empty() {
        return 0.0;
    }
    let sum: f64 = surprises.iter().map(|surprise| f64::from(*surprise)).sum();
    (sum / surprises.len() as f64) as f32
}

/// The score of an anomaly: along the straight line between two points, the ends beyond them.
fn along(table: &[(f32, f32)], anomaly: f32) -> f32 {
    let at = table.partition_point(|(value, _)| *value <= anomaly);
    let (below, above) = (at.checked_sub(1).and_then(|at| table.get(at)), table.get(at));
    match (below, above) {
        (Some((x0, y0)), Some((x1, y1))) => {
            let share = if x1 > x0 { (anomaly - x0) / (x1 - x0) } else { 0.0 };
            y0 + share * (y1 - y0)
        }
        (Some((_, score)), None) | (None, Some((_, score))) => *score,
        (None, None) => 0.0,
    }
}

impl Scorer for GraphScorer {
    fn model(&self) -> &str {
        &self.id
    }

    fn runtime(&self) -> &str {
        &self.runtime
    }

    fn score(&mut self, window: &Tensors, wants: Wants) -> Result<Scores, ScoreError> {
        let begun = Instant::now();
        let model = Arc::clone(&self.model);
        let manifest = &model.manifest;
        feed::check(window, &manifest.inputs)?;
        let head = manifest.outputs.attack_logit;
        let surprise = manifest.outputs.query_nll && (wants.anomaly || !head);
        let mut scores = Scores::default();
        let mut anomalies = Vec::new();
        for (at, session) in self.sessions.iter_mut().enumerate() {
            // Without an attack head only the first member's embedding is wanted of the whole window.
            if head || at == 0 {
                let answer = session.run(&feed::whole(window, &manifest.inputs))?;
                if head {
                    let logit = one(answer.get("attack_logit"), "attack_logit")?;
                    scores.members.push(sigmoid(logit / manifest.calibration.temperature));
                }
                if at == 0 {
                    scores.embedding = answer.get("embedding").to_vec();
                }
            }
            if surprise {
                let how = manifest.calibration.anomaly;
                let anomaly = reduce(turns(session, &model, window)?, how);
                anomalies.push(one(&[anomaly], "query_nll")?);
                if !head {
                    scores.members.push(along(&self.table, anomaly));
                }
            }
        }
        scores.score = mean(&scores.members);
        scores.spread = spread(&scores.members);
        scores.anomaly = surprise.then(|| mean(&anomalies));
        scores.milliseconds = begun.elapsed().as_secs_f32() * 1_000.0;
        Ok(scores)
    }
}

fn one(numbers: &[f32], name: &str) -> Result<f32, ScoreError> {
    match numbers {
        [number] if number.is_finite() => Ok(*number),
        _ => Err(ScoreError::Answer(format!("a member said no number as {name}"))),
    }
}

fn sigmoid(logit: f32) -> f32 {
    1.0 / (1.0 + (-logit).exp())
}

fn mean(numbers: &[f32]) -> f32 {
    numbers.iter().sum::<f32>() / numbers.len().max(1) as f32
}

fn spread(numbers: &[f32]) -> f32 {
    let most = numbers.iter().copied().fold(f32::MIN, f32::max);
    let least = numbers.iter().copied().fold(f32::MAX, f32::min);
    (most - least).max(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_of_anomalies_rises_and_ends_at_its_ends() {
        let table = [(1.0, 0.0), (2.0, 0.5), (2.0, 0.6), (4.0, 1.0)];
        assert_eq!(along(&table, 0.0), 0.0);
        assert_eq!(along(&table, 1.5), 0.25);
        assert_eq!(along(&table, 2.0), 0.6);
        assert_eq!(along(&table, 3.0), 0.8);
        assert_eq!(along(&table, 9.0), 1.0);
        assert_eq!(along(&[], 9.0), 0.0);
    }

    #[test]
    fn surprises_become_one_number() {
        assert_eq!(reduce(vec![1.0, 3.0], Anomaly::Mean), 2.0);
        let many = (0..20).map(|at| at as f32).collect();
        assert_eq!(reduce(many, Anomaly::Top10), 14.5);
        assert_eq!(reduce(Vec::new(), Anomaly::Top10), 0.0);
        assert_eq!(spread(&[0.25, 0.75, 0.5]), 0.5);
        assert_eq!(spread(&[]), 0.0);
        assert_eq!(difference(&[1.0], &[f32::NAN]), f32::INFINITY);
        assert_eq!(difference(&[1.0, 2.0], &[1.0]), f32::INFINITY);
    }
}
