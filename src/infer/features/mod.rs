//! A window's graph as numbers: what models read, in training and live.

pub mod edge;
pub mod names;
pub mod node;
pub mod rarity;

pub use names::{EDGE_FEATURES, FEATURE_VERSION, NODE_FEATURES};

use serde::{Deserialize, Serialize};

use crate::infer::graph::processes::Processes;
use crate::infer::graph::{EDGE_KINDS, Graph};
use crate::infer::window::seen::Seen;
use rarity::Snapshot;

/// One window of one endpoint as numbers. Row-major.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tensors {
    /// Nodes.
    pub nodes: usize,
    /// Edges, both ways.
    pub edges: usize,
    /// nodes × [`NODE_FEATURES`].
    pub node_features: Vec<f32>,
    /// Number of the kind of each node.
    pub node_type: Vec<i64>,
    /// 2 × edges: all sources, then all targets.
    pub edge_index: Vec<i64>,
    /// Kind k forward, k + [`EDGE_KINDS`] backward.
    pub edge_type: Vec<i64>,
    /// edges × [`EDGE_FEATURES`].
    pub edge_features: Vec<f32>,
}

/// What the numbers are made from beside the graph.
pub struct Scene<'a> {
    /// Length of the window.
    pub window_ms: i64,
    /// From one window to the next.
    pub interval_ms: i64,
    /// Its start.
    pub start_ms: i64,
    /// What of it was observed.
    pub observed_ms: i64,
    /// The endpoint's processes.
    pub processes: &'a Processes,
    /// What the endpoint did before.
    pub seen: &'a Seen,
    /// What is common elsewhere.
    pub history: Option<&'a Snapshot>,
}

/// The numbers of a window.
pub fn tensors(graph: &Graph, scene: &Scene<'_>) -> Tensors {
    let edges = edge::rows(graph, scene);
    let node_features = node::rows(graph, scene, &edges);
    let forward = graph.edges.len();
    let ends = || graph.edges.iter().map(|edge| (i64::from(edge.source), i64::from(edge.target)));
    let mut edge_index = Vec::with_capacity(forward * 4);
    edge_index.extend(ends().map(|(source, _)| source));
    edge_index.extend(ends().map(|(_, target)| target));
    edge_index.extend(ends().map(|(_, target)| target));
    edge_index.extend(ends().map(|(source, _)| source));
    let kinds = || graph.edges.iter().map(|edge| edge.kind as i64);
    let mut edge_type: Vec<i64> = kinds().collect();
    edge_type.extend(kinds().map(|kind| kind + EDGE_KINDS as i64));
    let mut edge_features = edges.features;
    edge_features.extend_from_within(..);
    Tensors {
        nodes: graph.nodes.len(),
        edges: forward * 2,
        node_features,
        node_type: graph.nodes.iter().map(|node| node.kind as i64).collect(),
        edge_index,
        edge_type,
        edge_features,
    }
}

/// An amount on a logarithmic scale: 0 for 0, 1 for 7, 2 for 63, at most 5.
pub fn log(amount: f32) -> f32 {
    let value = (amount.max(0.0) + 1.0).log2() / 3.0;
    if value.is_finite() { value.min(5.0) } else { 5.0 }
}

/// How known a key is: four columns.
pub fn known(scene: &Scene<'_>, key: Option<u64>) -> [f32; 4] {
    let Some(key) = key else { return [0.0; 4] };
    let (mut share, mut never) = (0.0, 0.0);
    if let Some(history) = scene.history.filter(|history| history.pairs() > 0) {
        let count = history.count(key);
        share = (count as f32 + 1.0).log2() / (history.pairs() as f32 + 1.0).log2();
        never = if count == 0 { 1.0 } else { 0.0 };
    }
    let (mut here, mut new_here) = (0.0, 0.0);
    let panes = scene.seen.panes();
    if panes > 0 {
        let count = scene.seen.count(key);
        here = ((f32::from(count) + 1.0).log2() / (panes as f32 + 1.0).log2()).min(1.0);
        new_here = if panes >= PANES_TO_JUDGE && count == 0 { 1.0 } else { 0.0 };
    }
    [share.min(1.0), never, here, new_here]
}

/// From so many earlier panes on something may be called new on an endpoint.
const PANES_TO_JUDGE: u32 = 4;
