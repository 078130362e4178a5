//! What one event says: the nodes it names and what was done between them. One buffer, used again for every event.

use crate::infer::graph::{EdgeFlag, EdgeKind, Facts, NodeKind};

/// Nodes and edges that one event may name.
pub const OBSERVED_MAX: usize = 32;

/// A node that the event names.
#[derive(Clone, Debug)]
pub struct SeenNode {
    /// What it is.
    pub kind: NodeKind,
    /// Tells it from others of the endpoint.
    pub key: u64,
    /// What the event says of it.
    pub facts: Facts,
}

/// Something done.
#[derive(Clone, Copy, Debug)]
pub struct SeenEdge {
    /// What.
    pub kind: EdgeKind,
    /// Place of the doer.
    pub source: usize,
    /// Place of the other.
    pub target: usize,
    /// [`EdgeFlag`]s.
    pub flags: u32,
}

/// What one event says.
#[derive(Clone, Debug, Default)]
pub struct Observation {
    /// The nodes.
    pub nodes: Vec<SeenNode>,
    /// What was done.
    pub edges: Vec<SeenEdge>,
}

impl Observation {
    /// Forget everything.
    pub fn clear(&mut self) {
        self.nodes.clear();
        self.edges.clear();
    }

    /// Does the event belong into the graph at all?
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Name a node; the same one again adds its facts.
    pub fn node(&mut self, kind: NodeKind, key: u64, facts: Facts) -> usize {
        let known = self.nodes.iter().position(|node| node.kind == kind && node.key == key);
        if let Some(place) = known {
            if let Some(node) = self.nodes.get_mut(place) {
                node.facts.join(&facts);
            }
            return place;
        }
        if self.nodes.len() < OBSERVED_MAX {
            self.nodes.push(SeenNode { kind, key, facts });
        }
        self.nodes.len() - 1
    }

    /// Something was done by one node to another.
    pub fn edge(&mut self, kind: EdgeKind, source: usize, target: usize, flags: u32) {
        if self.edges.len() < OBSERVED_MAX {
            self.edges.push(SeenEdge { kind, source, target, flags });
        }
    }
}

/// The bit of a fact of an edge.
pub fn bit(flag: EdgeFlag) -> u32 {
    1 << flag as u8
}

/// The bit, if it is so.
pub fn bit_if(truth: bool, flag: EdgeFlag) -> u32 {
    if truth { bit(flag) } else { 0 }
}
