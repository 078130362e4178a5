//! A line of the scores file: one window as one scorer sees it.

use serde::{Deserialize, Serialize};

/// `watchfloor model eval --scores` writes one a window and scorer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScoreLine {
    /// The file, from the folder that was given on.
    pub file: String,
    /// The endpoint.
    pub host: String,
    /// Who scored.
    pub scorer: String,
    /// Where the window begins, in seconds since 1970.
    pub start: i64,
    /// Where it ends.
    pub end: i64,
    /// From its first to its last event, in seconds.
    pub observed_s: f64,
    /// Nodes of its graph.
    pub nodes: usize,
    /// Edges of its graph.
    pub edges: usize,
    /// `attack`, `benign` or `error`.
    pub prediction: String,
    /// The mean of the members; nothing where there is no score.
    pub score: Option<f64>,
    /// By each member.
    pub scores: Vec<f64>,
    /// From the threshold of the manifest on; nothing where the scorer has none.
    pub above_threshold: Option<bool>,
    /// Whether it would be in an alert, once the budget of its endpoint and day is kept.
    pub alerted_after_budget: bool,
    /// The highest level of a rule that matched in it.
    pub rule_level: Option<String>,
}
