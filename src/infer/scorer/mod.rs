//! Scoring: a window as numbers goes in, what the members of a model say of it comes out.
//!
//! `graph` runs a model's members on one of two runtimes: `tract`, which is part of the program, and `onnxruntime`, a library
//! that is loaded at run time (`find`, `choose`). `pool` keeps all of that off the other threads and survives panics and
//! stalls, `guard` remembers that the whole process died.

pub mod choose;
pub mod compare;
pub mod feed;
pub mod find;
pub mod graph;
pub mod guard;
mod kernels;
pub mod onnxruntime;
pub mod pool;
pub mod tract;

pub use choose::{Backend, choose, missing};
pub use graph::GraphScorer;

use crate::infer::Tensors;
use crate::infer::scorer::feed::BadTensors;

/// Whoever can say something of a window.
pub trait Scorer: Send {
    /// The model's name and version.
    fn model(&self) -> &str;
    /// What runs it, for people.
    fn runtime(&self) -> &str;
    /// Score one window.
    fn score(&mut self, window: &Tensors, wants: Wants) -> Result<Scores, ScoreError>;
    /// Score several, each for itself; answers stand in the order of the windows.
    fn score_all(
        &mut self,
        windows: Vec<Tensors>,
        wants: Wants,
    ) -> Vec<Result<Scores, ScoreError>> {
        windows.iter().map(|window| self.score(window, wants)).collect()
    }
}

/// What is worked out beside the score.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wants {
    /// How surprising the window's edges are: four further runs a member.
    pub anomaly: bool,
}

/// What a model says of a window.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scores {
    /// 0 to 1 by each member.
    pub members: Vec<f32>,
    /// Their mean: the score.
    pub score: f32,
    /// The largest minus the smallest.
    pub spread: f32,
    /// The mean surprise of the members, where it was worked out.
    pub anomaly: Option<f32>,
    /// Places the window among others; of the first member, since those of others are other spaces.
    pub embedding: Vec<f32>,
    /// How long it took.
    pub milliseconds: f32,
}

/// Why there is no score.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScoreError {
    /// The numbers are no window.
    #[error("{0}")]
    Window(#[from] BadTensors),
    /// The runtime failed.
    #[error("{runtime} failed: {text}")]
    Runtime {
        /// Which.
        runtime: &'static str,
        /// What it said.
        text: String,
    },
    /// A member said something that is no answer.
    #[error("{0}")]
    Answer(String),
}
