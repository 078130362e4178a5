//! Who scores windows: the shipped model and its parts, rules, and the plain counts that a model has to beat.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::infer::InferConfig;
use crate::infer::Track;
use crate::infer::artifact::load::Model;
use crate::infer::artifact::manifest::Fusion;
use crate::infer::calibrate::budget::{Admitted, Budgets, Candidate};
use crate::infer::scorer::{GraphScorer, Scorer as _, Scores, Wants};
use crate::infer::track::is_powershell_code;
use crate::model::platform::Platform;
use crate::model::severity::Severity;
use crate::pipeline::evaluate::EvalOptions;
use crate::pipeline::evaluate::line::ScoreLine;
use crate::pipeline::features::capture::Row;
use crate::stdx::id::IdHasher;

/// Scores of the model are kept this far from 0 and 1 before their odds are taken.
const CHANCE_MIN: f64 = 1e-4;

macro_rules! scorers {
    ($($(#[doc = $doc:literal])* $name:ident = $text:literal,)*) => {
        /// Who scores.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum ScorerName {
            $($(#[doc = $doc])* $name,)*
        }

        impl ScorerName {
            /// All, in the order of the file.
            pub const ALL: &'static [ScorerName] = &[$(ScorerName::$name,)*];

            /// Its name in the file.
            pub fn as_str(self) -> &'static str {
                match self { $(ScorerName::$name => $text,)* }
            }

            /// Read the name.
            pub fn parse(text: &str) -> Option<ScorerName> {
                ScorerName::ALL.iter().copied().find(|scorer| scorer.as_str() == text)
            }
        }
    };
}

scorers! {
    /// The shipped graph model: the mean of its members
    Gat = "gat",
    /// How surprising the window's edges are to it
    Anomaly = "anomaly",
    /// Rules and the model together, by the manifest's weights
    Fusion = "fusion",
    /// The highest level of a rule that matched (0 none to 5 critical)
    SigmaLevel = "sigma-level",
    /// The sum of rule levels: low 1, medium 5, high 25, critical 100
    SigmaSum = "sigma-sum",
    /// Events in the window
    TotalEvents = "total-events",
    /// The same for each observed second
    TotalEventsPerSecond = "total-events-per-second",
    /// Events of PowerShell's own logs
    PowershellEvents = "powershell-events",
    /// Always alarm
    AlwaysAlarm = "always-alarm",
}

impl ScorerName {
    /// Does it need a model?
    pub fn asks_a_model(self) -> bool {
        matches!(self, ScorerName::Gat | ScorerName::Anomaly | ScorerName::Fusion)
    }
}

/// The model for a platform and track.
pub fn model_for(models: &[Arc<Model>], platform: Platform, track: Track) -> Option<&Arc<Model>> {
    models.iter().find(|model| model.role() == (platform, track))
}

/// Everybody who scores, from any thread.
pub struct Judges<'o> {
    options: &'o EvalOptions,
    config: &'o InferConfig,
    /// Open models that nobody uses now.
    idle: Mutex<Vec<GraphScorer>>,
}

impl<'o> Judges<'o> {
    /// Open each model once, so that a fault is told before files are read.
    pub fn new(options: &'o EvalOptions, config: &'o InferConfig) -> anyhow::Result<Judges<'o>> {
        let mut idle = Vec::new();
        if options.scorers.iter().any(|scorer| scorer.asks_a_model()) {
            for platform in [Platform::Windows, Platform::Linux] {
                if let Some(model) = model_for(&options.models, platform, options.track) {
                    idle.push(GraphScorer::open(Arc::clone(model), &options.backend)?);
                }
            }
        }
        Ok(Judges { options, config, idle: Mutex::new(idle) })
    }

    /// The lines of a file: by scorer, then as the windows come (by endpoint and end).
    pub fn judge(&self, file: &str, rows: &[Row]) -> anyhow::Result<Vec<ScoreLine>> {
        let said = self.ask_models(rows)?;
        let mut lines = Vec::with_capacity(rows.len() * self.options.scorers.len());
        for scorer in &self.options.scorers {
            let mut budgets = Budgets::new(self.config.budget, self.config.interval.as_secs());
            for (row, said) in rows.iter().zip(&said) {
                let verdict = self.verdict(*scorer, row, said.as_ref());
                lines.push(line(file, *scorer, row, verdict, &mut budgets));
            }
        }
        Ok(lines)
    }

    fn ask_models(&self, rows: &[Row]) -> anyhow::Result<Vec<Option<Scores>>> {
        let mut said = Vec::with_capacity(rows.len());
        let asks = self.options.scorers.iter().any(|scorer| scorer.asks_a_model());
        let wants = Wants { anomaly: self.options.scorers.contains(&ScorerName::Anomaly) };
        for row in rows {
            let model = model_for(&self.options.models, row.platform, self.options.track);
            let (Some(model), true, true) = (model, asks, row.tensors.nodes >= 2) else {
                said.push(None);
                continue;
            };
            let mut scorer = self.take(model)?;
            said.push(scorer.score(&row.tensors, wants).ok());
            self.idle.lock().push(scorer);
        }
        Ok(said)
    }

    fn take(&self, model: &Arc<Model>) -> anyhow::Result<GraphScorer> {
        let mut idle = self.idle.lock();
        let at = idle.iter().position(|scorer| Arc::ptr_eq(scorer.artifact(), model));
        if let Some(at) = at {
            return Ok(idle.swap_remove(at));
        }
        drop(idle);
        Ok(GraphScorer::open(Arc::clone(model), &self.options.backend)?)
    }

    fn verdict(&self, scorer: ScorerName, row: &Row, said: Option<&Scores>) -> Option<Verdict> {
        let model = model_for(&self.options.models, row.platform, self.options.track);
        let level = row.levels.keys().max().copied();
        let sum = sigma_sum(row);
        let seconds = (row.observed_ms as f64 / 1_000.0).max(1.0);
        let plain = |score: f64| Some(Verdict { score, scores: vec![score], above: None });
        match scorer {
            ScorerName::Gat => {
                let (said, model) = (said?, model?);
                Some(Verdict {
                    score: f64::from(said.score),
                    scores: said.members.iter().map(|score| f64::from(*score)).collect(),
                    above: Some(said.score > model.manifest.threshold()),
                })
            }
            ScorerName::Anomaly => {
                let score = f64::from(said?.anomaly?);
                let limit = model?.manifest.thresholds.surprise;
                let above = limit.map(|limit| score > f64::from(limit));
                Some(Verdict { score, scores: vec![score], above })
            }
            ScorerName::Fusion => {
                let (said, model) = (said?, model?);
                let medium = level >= Some(Severity::Medium);
                let weights = model.manifest.fusion.as_ref()?;
                let score = fused(weights, f64::from(said.score), sum, medium);
                // A rule of any level confirms it, without one it has to be surer: what the daemon asks before it asks how
                // rare the score is.
                let confirmed = level.is_some() && said.score > model.manifest.threshold();
                let above = medium || confirmed || said.score > model.manifest.sure();
                Some(Verdict { score, scores: vec![score], above: Some(above) })
            }
            ScorerName::SigmaLevel => {
                let score = level.map_or(0.0, |level| f64::from(level.rank()) + 1.0);
                let above = Some(level >= Some(Severity::Medium));
                Some(Verdict { score, scores: vec![score], above })
            }
            ScorerName::SigmaSum => plain(sum),
            ScorerName::TotalEvents => plain(f64::from(row.events)),
            ScorerName::TotalEventsPerSecond => plain(f64::from(row.events) / seconds),
            ScorerName::PowershellEvents => plain(f64::from(powershell(row))),
            ScorerName::AlwaysAlarm => {
                Some(Verdict { score: 1.0, scores: vec![1.0], above: Some(true) })
            }
        }
    }
}

struct Verdict {
    score: f64,
    scores: Vec<f64>,
    above: Option<bool>,
}

/// Events that the reduced track leaves out.
fn powershell(row: &Row) -> u32 {
    let ours = |name: &str| {
        let Some((source, code)) = name.rsplit_once(':') else { return false };
        source.contains("powershell") && code.parse().is_ok_and(is_powershell_code)
    };
    row.counts.iter().filter(|(name, _)| ours(name)).map(|(_, count)| *count).sum()
}

fn sigma_sum(row: &Row) -> f64 {
    let weight = |level: &Severity| match level {
        Severity::Info => 0.0,
        Severity::Low => 1.0,
        Severity::Medium => 5.0,
        Severity::High => 25.0,
        Severity::Critical => 100.0,
    };
    row.levels.iter().map(|(level, count)| weight(level) * f64::from(*count)).sum()
}

/// Log-odds of the fused judgement.
fn fused(weights: &Fusion, chance: f64, sum: f64, medium: bool) -> f64 {
    let chance = chance.clamp(CHANCE_MIN, 1.0 - CHANCE_MIN);
    let odds = (chance / (1.0 - chance)).ln();
    let medium = f64::from(u8::from(medium));
    weights.bias + weights.model * odds + weights.rules * sum.ln_1p() + weights.medium * medium
}

fn line(
    file: &str,
    scorer: ScorerName,
    row: &Row,
    verdict: Option<Verdict>,
    budgets: &mut Budgets,
) -> ScoreLine {
    let (start, end) = (row.start_ms.div_euclid(1_000), row.end_ms.div_euclid(1_000));
    let above = verdict.as_ref().and_then(|verdict| verdict.above);
    let score = verdict.as_ref().map(|verdict| verdict.score);
    let alerted = above == Some(true) && {
        let mut hasher = IdHasher::new("eval window");
        hasher.text(file).text(&row.host).number(u64::try_from(end).unwrap_or(0));
        let admitted = budgets.admit(&Candidate {
            tenant: file,
            host: &row.host,
            window: hasher.finish(),
            start,
            end,
            score: score.unwrap_or(0.0) as f32,
            p: 0.0,
            lineages: &[],
        });
        !matches!(admitted, Admitted::OverBudget(_))
    };
    let prediction = match (score, above) {
        (None, _) => "error",
        (Some(_), Some(true)) => "attack",
        (Some(_), _) => "benign",
    };
    ScoreLine {
        file: file.to_owned(),
        host: row.host.clone(),
        scorer: scorer.as_str().to_owned(),
        start,
        end,
        observed_s: row.observed_ms as f64 / 1_000.0,
        nodes: row.tensors.nodes,
        edges: row.tensors.edges / 2,
        prediction: prediction.to_owned(),
        score,
        scores: verdict.map(|verdict| verdict.scores).unwrap_or_default(),
        above_threshold: above,
        alerted_after_budget: alerted,
        rule_level: row.levels.keys().max().map(|level| level.as_str().to_owned()),
    }
}
