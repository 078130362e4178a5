//! What a model says of one window of one endpoint. It is stored and searched as an event of its own
//! (`event.dataset:watchfloor.inference`), so that it goes wherever events go.

mod event;
pub mod similar;
pub mod story;

use serde::{Deserialize, Serialize};

use crate::model::event::EventId;
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::time::Timestamp;

pub use event::{DATASET, is_judgement};

/// What the ids of the rules begin with under which models raise alerts.
pub const RULE_PREFIX: &str = "watchfloor.model.";
/// Nodes that an explanation shows.
pub const NODES_SHOWN_MAX: usize = 15;

/// What came of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// Its score reaches the model's threshold.
    Attack,
    /// It does not.
    Benign,
    /// There is no score: the reason says why.
    #[default]
    Error,
}

impl Prediction {
    /// All, in the order in which they are counted.
    pub const ALL: [Prediction; 3] = [Prediction::Attack, Prediction::Benign, Prediction::Error];

    /// The word as stored and filtered by.
    pub fn as_str(self) -> &'static str {
        match self {
            Prediction::Attack => "attack",
            Prediction::Benign => "benign",
            Prediction::Error => "error",
        }
    }

    /// Read the word.
    pub fn parse(text: &str) -> Option<Prediction> {
        Prediction::ALL.into_iter().find(|prediction| prediction.as_str() == text)
    }
}

/// What followed from a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Nothing: it does not stand out where it was seen.
    #[default]
    None,
    /// It began an alert.
    Alert,
    /// It goes on with one.
    More,
    /// It stands out, and its endpoint has had its alerts of the day.
    OverBudget,
    /// It is worth a look, and no alert: the members do not agree about it, or the model speaks alone and may not or is not
    /// sure, or nothing is known yet of how it scores there.
    Watch,
}

impl Outcome {
    const WORDS: [(Outcome, &'static str); 5] = [
        (Outcome::None, "none"),
        (Outcome::Alert, "alert"),
        (Outcome::More, "more"),
        (Outcome::OverBudget, "over_budget"),
        (Outcome::Watch, "watch"),
    ];

    /// The word as stored and filtered by.
    pub fn as_str(self) -> &'static str {
        Self::WORDS.iter().find(|(one, _)| *one == self).map_or("none", |(_, word)| word)
    }

    /// Read the word.
    pub fn parse(text: &str) -> Option<Outcome> {
        Self::WORDS.iter().find(|(_, word)| *word == text).map(|(one, _)| *one)
    }
}

/// A rule that hit on the endpoint within the window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hit {
    /// Sigma rule id.
    pub rule: String,
    /// Sigma rule title.
    pub title: String,
    /// Sigma level.
    pub level: String,
    /// Its process is of the lineage that the model points at.
    pub same_lineage: bool,
}

/// A node of an explanation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// `process`, `file`, `script`, …
    pub kind: String,
    /// How much lower the score is without it.
    pub drop: f32,
}

/// What one node did to another.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Edge {
    /// `spawned`, `wrote`, …
    pub kind: String,
    /// Place of the doer among the nodes.
    pub source: usize,
    /// Place of the other.
    pub target: usize,
    /// How often.
    pub count: u32,
    /// Milliseconds from the window's start to the first time.
    pub first_ms: u32,
    /// An event that shows it, in hexadecimal digits.
    pub event: String,
}

/// Edges of one kind that go out from one node, taken out together.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Group {
    /// Place of the doer among the nodes.
    pub source: usize,
    /// What it did.
    pub kind: String,
    /// How many edges.
    pub edges: usize,
    /// How much lower the score is without them.
    pub drop: f32,
}

/// Why a window scored as it did, by exact ablation.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Ablation {
    /// At most [`NODES_SHOWN_MAX`], the largest drop first.
    pub nodes: Vec<Node>,
    /// What they did to each other.
    pub edges: Vec<Edge>,
    /// Groups of edges whose removal lowers the score, the largest drop first.
    pub groups: Vec<Group>,
    /// Parts that were tried.
    pub tried: usize,
    /// Parts that there were.
    pub of: usize,
    /// Mean score while the parts that count most are taken out, the most important first: the lower, the truer.
    pub deletion: f32,
    /// Mean score while they are put back: the higher, the truer.
    pub insertion: f32,
}

/// What a model says of one window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Inference {
    /// Of the window: the same whenever it is judged.
    pub id: Id128,
    /// `organization.id`, or empty.
    pub tenant: String,
    /// The endpoint.
    pub host: String,
    /// `windows` or `linux`.
    pub platform: String,
    /// Start of the window, event time.
    pub start: Timestamp,
    /// Its end.
    pub end: Timestamp,
    /// From its first to its last event, in milliseconds.
    pub observed_ms: i64,
    /// Events in it, of any kind.
    pub events: u64,
    /// Nodes of its graph.
    pub nodes: u64,
    /// Edges, one way.
    pub edges: u64,
    /// Nodes and edges that the bounds left out.
    pub dropped: u64,
    /// What came of it.
    pub prediction: Prediction,
    /// 0 to 1, the mean of the members (`attack_prob`); none where it is an error.
    pub score: Option<f64>,
    /// The score of each member.
    pub members: Vec<f64>,
    /// The largest of them minus the smallest.
    pub spread: f64,
    /// From which score on the model was made to speak of an attack.
    pub threshold: f64,
    /// How surprising its edges are, where that was worked out.
    pub anomaly: Option<f64>,
    /// The share of blocks that scored as high, itself counted.
    pub p: Option<f64>,
    /// The smallest p that so much history can say.
    pub p_floor: Option<f64>,
    /// Blocks it was compared with.
    pub blocks: u64,
    /// What it was compared with: `own`, `pooled`, `trained`.
    pub basis: String,
    /// The endpoint has too little history of its own.
    pub cold: bool,
    /// What followed.
    pub outcome: Outcome,
    /// The episode that it belongs to, where it stands out.
    pub episode: Option<Id128>,
    /// Name and version of the model.
    pub model: String,
    /// Why there is no score.
    pub reason: String,
    /// How long scoring took.
    pub milliseconds: f64,
    /// Rules that hit within the window.
    pub hits: Vec<Hit>,
    /// Why it scored as it did, where it reached the threshold.
    pub ablation: Option<Ablation>,
    /// Places the window among others, where it reached the threshold: −127 to 127 each.
    pub embedding: Vec<i8>,
}

/// The id of a window.
pub fn window_id(tenant: &str, host: &str, platform: &str, end_ms: i64) -> Id128 {
    IdHasher::new("inference")
        .text(tenant)
        .text(host)
        .text(platform)
        .bytes(&end_ms.to_le_bytes())
        .finish()
}

impl Inference {
    /// How sure the prediction is: the probability of what was predicted.
    pub fn confidence(&self) -> Option<f64> {
        let score = self.score?;
        Some(if self.prediction == Prediction::Attack { score } else { 1.0 - score })
    }

    /// The highest level of a rule that hit.
    pub fn rule_level(&self) -> Option<&str> {
        let rank = |hit: &&Hit| crate::model::severity::Severity::parse(&hit.level);
        self.hits.iter().max_by_key(rank).map(|hit| &*hit.level)
    }

    /// What rules say to it, in words.
    pub fn rules_say(&self) -> String {
        let same = self.hits.iter().filter(|hit| hit.same_lineage).count();
        match (self.hits.first(), same) {
            (None, _) => "no rule hit in these minutes".to_owned(),
            (Some(_), 0) => format!(
                "{} hit in these minutes, none in this process lineage",
                counted(self.hits.len(), "rule")
            ),
            (Some(_), same) => {
                let named = self.hits.iter().find(|hit| hit.same_lineage);
                let named = named.map(|hit| format!("{} ({})", hit.title, hit.level));
                format!(
                    "confirmed by {} of the same lineage: {}",
                    counted(same, "rule"),
                    named.unwrap_or_default()
                )
            }
        }
    }

    /// Does the model reach its threshold, and a rule hit in the same lineage?
    pub fn both_say_so(&self) -> bool {
        self.prediction == Prediction::Attack && self.hits.iter().any(|hit| hit.same_lineage)
    }

    /// Whether rules and model confirm each other, in words.
    pub fn together(&self) -> String {
        let score = self.score.unwrap_or(0.0);
        match (self.prediction, self.hits.is_empty()) {
            (Prediction::Attack, true) => "the model alone: no rule confirms it".to_owned(),
            (Prediction::Attack, false) if self.both_say_so() => {
                "rules and model confirm each other".to_owned()
            }
            (Prediction::Attack, false) => {
                "rules hit in the same minutes, about other processes than the model".to_owned()
            }
            (_, true) => String::new(),
            (_, false) => format!(
                "rules alone: the model does not confirm them, {score:.3} is below {:.3}",
                self.threshold
            ),
        }
    }

    /// How unusual the score is, in words.
    pub fn unusual(&self) -> String {
        let (Some(p), Some(floor)) = (self.p, self.p_floor) else { return String::new() };
        if self.blocks == 0 {
            return "nothing to compare with yet; the model's own threshold decides (cold)"
                .to_owned();
        }
        let whose = match &*self.basis {
            "own" => "of this endpoint",
            "pooled" => "of its platform and role (this endpoint is cold)",
            _ => "known here, too few to judge by; the model's own threshold decides (cold)",
        };
        format!("p {p:.4} among {} blocks {whose}, no less than {floor:.4}", self.blocks)
    }

    /// Events that show the nodes of its explanation, each once.
    pub fn contributing(&self) -> Vec<EventId> {
        let mut found: Vec<EventId> = Vec::new();
        for edge in self.ablation.iter().flat_map(|ablation| &ablation.edges) {
            if let Some(id) = Id128::parse(&edge.event).filter(|id| !found.contains(id)) {
                found.push(id);
            }
        }
        found
    }

    /// One line for lists.
    pub fn line(&self) -> String {
        match self.score {
            Some(score) => format!(
                "{} {score:.3} by {}, threshold {:.3}; {} in {}, {}",
                self.prediction.as_str(),
                self.model,
                self.threshold,
                counted(self.events as usize, "event"),
                counted(self.nodes as usize, "node"),
                counted(self.edges as usize, "edge"),
            ),
            None => format!("error: {}", self.reason),
        }
    }
}

/// "1 node", "2 nodes".
pub(crate) fn counted(number: usize, what: &str) -> String {
    format!("{number} {what}{}", if number == 1 { "" } else { "s" })
}
