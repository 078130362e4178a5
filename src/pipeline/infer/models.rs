//! The models that judge, as the path needs them: thresholds and rules of alerts by platform, and how scorers are made.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::anyhow;

use crate::config::infer::{InferConfig, TrackWanted};
use crate::infer::Track;
use crate::infer::artifact::load::{Expected, Model, Source, load};
use crate::infer::scorer::pool::{Engine, Scorers};
use crate::infer::scorer::{Backend, GraphScorer, Scorer, choose};
use crate::infer::window::Histories;
use crate::model::finding::RuleInfo;
use crate::model::inference::RULE_PREFIX;
use crate::model::platform::Platform;
use crate::model::severity::Severity;

/// What is known of the model of one platform.
#[derive(Clone, Debug)]
pub struct Facts {
    /// Name and version.
    pub id: String,
    /// Which events it was trained with.
    pub track: Track,
    /// From which score on a window stands out.
    pub threshold: f32,
    /// The same where no rule hit in it.
    pub sure: f32,
    /// From which spread on its members disagree.
    pub disagreement: f32,
    /// The rule of its alerts.
    pub rule: Arc<RuleInfo>,
    /// The same at the level of windows that rules confirm.
    pub confirmed: Arc<RuleInfo>,
}

/// The models in force.
pub struct Models {
    /// By platform.
    pub facts: BTreeMap<Platform, Facts>,
    /// What is common where they were trained.
    pub histories: Histories,
    /// How scorers are made.
    pub engine: Engine,
    /// Which runtime and why, for the log and the status.
    pub line: String,
}

impl Models {
    /// Read what the configuration names, every model with its hashes and golden window. `None`: there is no model.
    ///
    /// # Errors
    /// Every fault of every model, or a runtime that was named and cannot be had: nothing judges with half of what was
    /// asked for.
    pub fn load(config: &InferConfig) -> anyhow::Result<Option<Models>> {
        let source = Source::parse(&config.models);
        let found = load(&source, &Expected::of(config)).map_err(|faults| {
            let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
            anyhow!("the models cannot be used:\n  {}", lines.join("\n  "))
        })?;
        let wanted = match config.track {
            TrackWanted::Full => Track::Full,
            TrackWanted::Reduced => Track::Reduced,
        };
        let models = of_track(found, wanted);
        if models.is_empty() {
            return Ok(None);
        }
        let chosen = choose(config).map_err(|error| anyhow!("{error}"))?;
        Ok(Some(Models::new(models, &chosen.backend, chosen.line)))
    }

    fn new(models: Vec<Arc<Model>>, backend: &Backend, line: String) -> Models {
        let facts = models.iter().map(|model| (model.role().0, facts(model)));
        let history = |platform| {
            let model = models.iter().find(|model| model.role().0 == platform)?;
            model.history.clone()
        };
        let histories =
            Histories { windows: history(Platform::Windows), linux: history(Platform::Linux) };
        let names: Vec<String> = models.iter().map(|model| model.manifest.id()).collect();
        let name = format!("{} on {backend}", names.join(", "));
        let facts = facts.collect();
        let backend = backend.clone();
        let engine = Engine::new(&name, move || {
            let mut scorers = Scorers::new();
            for model in &models {
                let platform = model.role().0;
                let scorer: Box<dyn Scorer> =
                    Box::new(GraphScorer::open(Arc::clone(model), &backend)?);
                scorers.insert(platform, scorer);
            }
            Ok(scorers)
        });
        Models { facts, histories, engine, line }
    }

    /// The rules under which these models raise alerts.
    pub fn rules(&self) -> Vec<Arc<RuleInfo>> {
        self.facts.values().map(|facts| Arc::clone(&facts.rule)).collect()
    }
}

/// One model a platform: of the wanted track, else of the other.
fn of_track(found: Vec<Model>, wanted: Track) -> Vec<Arc<Model>> {
    let mut chosen: BTreeMap<Platform, Arc<Model>> = BTreeMap::new();
    for model in found {
        let platform = model.role().0;
        let better = model.manifest.track == wanted;
        if better || !chosen.contains_key(&platform) {
            chosen.insert(platform, Arc::new(model));
        }
    }
    chosen.into_values().collect()
}

fn facts(model: &Model) -> Facts {
    let manifest = &model.manifest;
    let rule = rule(model, Severity::Medium);
    Facts {
        id: manifest.id(),
        track: manifest.track,
        threshold: manifest.threshold(),
        sure: manifest.sure(),
        disagreement: manifest.thresholds.disagreement.unwrap_or(f32::INFINITY),
        confirmed: Arc::new(RuleInfo { level: Severity::High, ..rule.clone() }),
        rule: Arc::new(rule),
    }
}

fn rule(model: &Model, level: Severity) -> RuleInfo {
    let manifest = &model.manifest;
    let platform = &manifest.platform;
    let (title, what) = if manifest.outputs.attack_logit {
        (
            "Minutes like an attack (rules and model)",
            "Rules hit in the endpoint's last minutes, or a model trained on recorded attacks scores them above its threshold; the card says whether each confirms the other.",
        )
    } else {
        (
            "Unusual minutes (rules and anomaly model)",
            "Rules hit in the endpoint's last minutes, or a model of ordinary activity finds them surprising (it has seen no attack in training); the card says whether each confirms the other.",
        )
    };
    RuleInfo {
        id: format!("{RULE_PREFIX}{platform}"),
        title: title.to_owned(),
        level,
        tags: Vec::new(),
        description: format!("{what} docs/model.md says what it was measured to do."),
        false_positives: vec!["activity that its training environments did not have".to_owned()],
        file: model.place.clone(),
        line: 1,
        group_by: Vec::new(),
    }
}
