//! One interval of event time of one endpoint: what was observed in it, repeats merged. An event goes into its pane once,
//! however many windows the pane belongs to.

use ahash::AHashMap;
use serde::{Deserialize, Serialize};

use crate::infer::graph::{EdgeFlag, EdgeKind, Facts, NodeKind, Observation, mix};
use crate::stdx::id::Id128;

/// Nodes of a pane; beyond, the commonest go, see [`reduce`](super::reduce).
pub const PANE_NODES_MAX: usize = 512;
/// Edges of a pane.
pub const PANE_EDGES_MAX: usize = 4_096;

/// A node as seen in one pane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaneNode {
    /// [`NodeKind`] as its number.
    pub kind: u8,
    /// Its key.
    pub key: u64,
    /// What was observed.
    pub facts: Facts,
    /// Milliseconds from the pane's start to the first sight.
    pub first_ms: u32,
}

/// An edge as seen in one pane.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PaneEdge {
    /// [`EdgeKind`] as its number.
    pub kind: u8,
    /// Place of the doer in the pane.
    pub source: u16,
    /// Place of the other.
    pub target: u16,
    /// How often.
    pub count: u32,
    /// Milliseconds from the pane's start to the first time.
    pub first_ms: u32,
    /// To the last time.
    pub last_ms: u32,
    /// [`EdgeFlag`](crate::infer::graph::EdgeFlag)s.
    pub flags: u32,
    /// The earliest event that shows it, of equals the one with the smallest id.
    pub event: [u8; 16],
}

/// One interval.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Pane {
    /// Its start, in milliseconds of event time.
    pub start_ms: i64,
    /// All events of the endpoint in it.
    pub events: u32,
    /// Those that are in the graph.
    pub graph_events: u32,
    /// Milliseconds from the start to the first event of any kind.
    pub first_ms: u32,
    /// To the last one.
    pub last_ms: u32,
    /// Nodes, in order of arrival.
    pub nodes: Vec<PaneNode>,
    /// Edges, in order of arrival.
    pub edges: Vec<PaneEdge>,
    /// Nodes left out.
    pub nodes_dropped: u32,
    /// Edges left out.
    pub edges_dropped: u32,
    /// Where nodes and edges stand; made when it is needed.
    #[serde(skip)]
    index: Option<Box<Index>>,
}

impl PartialEq for Pane {
    fn eq(&self, other: &Pane) -> bool {
        let counts = |pane: &Pane| {
            (
                pane.start_ms,
                pane.events,
                pane.graph_events,
                pane.first_ms,
                pane.last_ms,
                pane.nodes_dropped,
                pane.edges_dropped,
            )
        };
        counts(self) == counts(other) && self.nodes == other.nodes && self.edges == other.edges
    }
}

#[derive(Clone, Debug, Default)]
struct Index {
    nodes: AHashMap<u64, u16>,
    edges: AHashMap<(u8, u16, u16), u16>,
}

impl Pane {
    /// An empty pane.
    pub fn new(start_ms: i64) -> Pane {
        Pane { start_ms, ..Pane::default() }
    }

    /// Take in an event with what it says.
    pub fn see(&mut self, at_ms: i64, event: Id128, seen: &Observation) {
        let offset = u32::try_from(at_ms.saturating_sub(self.start_ms).max(0)).unwrap_or(u32::MAX);
        if self.events == 0 {
            (self.first_ms, self.last_ms) = (offset, offset);
        }
        self.events = self.events.saturating_add(1);
        self.first_ms = self.first_ms.min(offset);
        self.last_ms = self.last_ms.max(offset);
        if seen.is_empty() {
            return;
        }
        self.graph_events = self.graph_events.saturating_add(1);
        let mut index = self.index.take().unwrap_or_else(|| Box::new(self.indexed()));
        let mut places = [u16::MAX; crate::infer::graph::observation::OBSERVED_MAX];
        for (node, place) in seen.nodes.iter().zip(&mut places) {
            *place = self.node(&mut index, node.kind, node.key, &node.facts, offset);
        }
        for edge in &seen.edges {
            let ends = (places.get(edge.source), places.get(edge.target));
            let (Some(source), Some(target)) = ends else { continue };
            self.edge(&mut index, edge.kind, (*source, *target), edge.flags, offset, event);
        }
        self.index = Some(index);
        if self.nodes.len() > PANE_NODES_MAX || self.edges.len() > PANE_EDGES_MAX {
            super::reduce::pane(self);
            self.index = None;
        }
    }

    fn node(
        &mut self,
        index: &mut Index,
        kind: NodeKind,
        key: u64,
        facts: &Facts,
        offset: u32,
    ) -> u16 {
        let new = u16::try_from(self.nodes.len()).unwrap_or(u16::MAX);
        let place = *index.nodes.entry(mix(kind as u64, key, 0)).or_insert(new);
        match self.nodes.get_mut(usize::from(place)) {
            Some(node) => {
                node.facts.join(facts);
                node.first_ms = node.first_ms.min(offset);
            }
            None => {
                let node =
                    PaneNode { kind: kind as u8, key, facts: facts.clone(), first_ms: offset };
                self.nodes.push(node);
            }
        }
        place
    }

    fn edge(
        &mut self,
        index: &mut Index,
        kind: EdgeKind,
        (source, target): (u16, u16),
        flags: u32,
        offset: u32,
        event: Id128,
    ) {
        let new = u16::try_from(self.edges.len()).unwrap_or(u16::MAX);
        let place = *index.edges.entry((kind as u8, source, target)).or_insert(new);
        match self.edges.get_mut(usize::from(place)) {
            Some(edge) => {
                edge.count = edge.count.saturating_add(1);
                if (offset, event.0) < (edge.first_ms, edge.event) {
                    (edge.first_ms, edge.event) = (offset, event.0);
                }
                edge.last_ms = edge.last_ms.max(offset);
                edge.flags |= flags;
            }
            None => self.edges.push(PaneEdge {
                kind: kind as u8,
                source,
                target,
                count: 1,
                first_ms: offset,
                last_ms: offset,
                flags,
                event: event.0,
            }),
        }
    }

    /// Begin at an earlier time; what was seen stays where it was.
    pub fn move_to(&mut self, start_ms: i64) {
        let by = u32::try_from(self.start_ms.saturating_sub(start_ms)).unwrap_or(0);
        if by == 0 {
            return;
        }
        self.start_ms = start_ms;
        let nodes = self.nodes.iter_mut().map(|node| &mut node.first_ms);
        let edges = self.edges.iter_mut().flat_map(|edge| [&mut edge.first_ms, &mut edge.last_ms]);
        let own = [&mut self.first_ms, &mut self.last_ms];
        own.into_iter().chain(nodes).chain(edges).for_each(|ms| *ms = ms.saturating_add(by));
    }

    /// Is a kept pane within the bounds?
    pub fn is_sound(&self) -> bool {
        let ends = |edge: &PaneEdge| usize::from(edge.source.max(edge.target)) < self.nodes.len();
        self.nodes.len() <= PANE_NODES_MAX
            && self.edges.len() <= PANE_EDGES_MAX
            && self.edges.iter().all(ends)
    }

    fn indexed(&self) -> Index {
        let mut index = Index::default();
        for (place, node) in (0_u16..).zip(&self.nodes) {
            index.nodes.insert(mix(u64::from(node.kind), node.key, 0), place);
        }
        for (place, edge) in (0_u16..).zip(&self.edges) {
            index.edges.insert((edge.kind, edge.source, edge.target), place);
        }
        index
    }

    /// Free what only a pane that grows needs.
    pub fn rest(&mut self) {
        self.index = None;
        self.nodes.shrink_to_fit();
        self.edges.shrink_to_fit();
    }

    /// The keys by which what is in it is counted elsewhere: of nodes, of their texts, of edges. Sorted, each once.
    pub fn rarity_keys(&self) -> Vec<u64> {
        let mut keys = Vec::with_capacity(self.nodes.len() * 2 + self.edges.len());
        for node in &self.nodes {
            keys.extend(node_key(node.kind, &node.facts));
            keys.extend(text_key(&node.facts));
        }
        for edge in &self.edges {
            let ends = (
                self.nodes.get(usize::from(edge.source)),
                self.nodes.get(usize::from(edge.target)),
            );
            if let (Some(source), Some(target)) = ends {
                keys.extend(edge_key(edge.kind, edge.flags, &source.facts, &target.facts));
            }
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Bytes held, about.
    pub fn heap_bytes(&self) -> usize {
        let index = self
            .index
            .as_ref()
            .map_or(0, |index| index.nodes.capacity() * 11 + index.edges.capacity() * 9);
        self.nodes.capacity() * size_of::<PaneNode>()
            + self.edges.capacity() * size_of::<PaneEdge>()
            + index
    }
}

/// How a node is counted elsewhere; `None`: nothing is known of it.
pub fn node_key(kind: u8, facts: &Facts) -> Option<u64> {
    (facts.label != 0).then(|| mix(0x100 + u64::from(kind), facts.label, 1))
}

/// How a text's shape is counted, with what runs it.
pub fn text_key(facts: &Facts) -> Option<u64> {
    (facts.shape != 0).then(|| mix(0x200, facts.shape, facts.label))
}

/// How an edge is counted: what, between what, and how far it went.
pub fn edge_key(kind: u8, flags: u32, source: &Facts, target: &Facts) -> Option<u64> {
    const STEPS: [EdgeFlag; 6] = [
        EdgeFlag::TraceUnknown,
        EdgeFlag::RemoteThread,
        EdgeFlag::AccessAll,
        EdgeFlag::AccessWrite,
        EdgeFlag::AccessRead,
        EdgeFlag::Deleted,
    ];
    let step = STEPS.iter().position(|step| flags & (1 << *step as u8) != 0);
    let kind = 0x300 + u64::from(kind) + 0x1000 * step.map_or(0, |step| step as u64 + 1);
    let known = source.label != 0 && target.label != 0;
    known.then(|| mix(kind, source.label, target.label))
}
