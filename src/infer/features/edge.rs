//! The columns of edges.

use crate::infer::features::names::EDGE_FEATURES;
use crate::infer::features::{Scene, known, log};
use crate::infer::graph::{EdgeFlag, Graph};
use crate::infer::window::pane::edge_key;

/// The rows of all edges, one way, with what nodes need of them.
pub struct Rows {
    /// edges × [`EDGE_FEATURES`].
    pub features: Vec<f32>,
    /// How known each edge is, and whether it was never seen.
    pub known: Vec<(f32, f32)>,
}

/// Intervals of a window.
pub fn panes(scene: &Scene<'_>) -> f32 {
    (scene.window_ms as f32 / scene.interval_ms.max(1) as f32).max(1.0)
}

/// The rows.
pub fn rows(graph: &Graph, scene: &Scene<'_>) -> Rows {
    let mut features = Vec::with_capacity(graph.edges.len() * EDGE_FEATURES * 2);
    let mut knowns = Vec::with_capacity(graph.edges.len());
    let panes = panes(scene);
    let window = scene.window_ms.max(1) as f32;
    for edge in &graph.edges {
        let ends = (graph.nodes.get(edge.source as usize), graph.nodes.get(edge.target as usize));
        let key = match ends {
            (Some(source), Some(target)) => {
                edge_key(edge.kind as u8, edge.flags, &source.facts, &target.facts)
            }
            _ => None,
        };
        let rarity = known(scene, key);
        let [share, never, ..] = rarity;
        knowns.push(if key.is_some() { (share, never) } else { (1.0, 0.0) });
        features.extend([
            log(edge.count as f32),
            edge.first_ms as f32 / window,
            edge.last_ms as f32 / window,
            f32::from(edge.panes) / panes,
            edge.most as f32 / edge.count.max(1) as f32,
        ]);
        features.extend(rarity);
        let flag = |(flag, _, _): &(EdgeFlag, _, _)| {
            f32::from(u8::from(edge.flags & (1 << *flag as u8) != 0))
        };
        features.extend(EdgeFlag::ALL.iter().map(flag));
    }
    Rows { features, known: knowns }
}
