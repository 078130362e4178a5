//! A closed window on its way to its result: everything that scoring and explaining need, as it is kept in the commit.

use serde::{Deserialize, Serialize};

use crate::infer::window::{EndpointKey, Window};
use crate::infer::{EdgeKind, NodeKind, Tensors};
use crate::model::inference::{self, Edge};
use crate::model::platform::Platform;
use crate::model::severity::Severity;
use crate::pipeline::infer::stage::About;
use crate::stdx::id::Id128;

/// The version of the row.
const VERSION: u8 = 1;
/// zstd's level: these rows live for a second.
const LEVEL: i32 = 1;
/// A row that unpacks to more is damaged: the bounds of a graph allow a tenth.
const BYTES_MAX: usize = 64 << 20;

/// A rule hit, as it is remembered beside an endpoint's windows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct HitSeen {
    /// Event time in milliseconds.
    pub at_ms: i64,
    /// Sigma rule id.
    pub rule: String,
    /// Sigma rule title.
    pub title: String,
    /// [`Severity::rank`].
    pub level: u8,
    /// Lineages of the processes that its event names.
    pub lineages: Vec<u64>,
    /// Links of its event, by which bundles go.
    pub links: Vec<[u8; 16]>,
}

impl HitSeen {
    /// Its level.
    pub fn severity(&self) -> Severity {
        Severity::from_rank(self.level).unwrap_or(Severity::Info)
    }
}

/// An edge of the window's graph.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Kept {
    kind: u8,
    source: u32,
    target: u32,
    count: u32,
    first_ms: u32,
    event: [u8; 16],
}

/// A closed window.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    id: [u8; 16],
    /// Its place in the order in which windows closed: results are concluded in it, also after a start.
    pub sequence: u64,
    /// `organization.id`, or empty.
    pub tenant: String,
    /// The endpoint, in its short form.
    pub host: String,
    /// The endpoint as its events name it.
    pub name: String,
    linux: bool,
    /// Its start, in milliseconds of event time.
    pub start_ms: i64,
    /// Its end.
    pub end_ms: i64,
    /// From its first to its last event.
    pub observed_ms: i64,
    /// Events of any kind.
    pub events: u32,
    /// Nodes and edges left out by the bounds.
    pub dropped: u32,
    /// Its events were read from old logs.
    pub backfill: bool,
    /// Rules that hit within it.
    pub hits: Vec<HitSeen>,
    /// The window as numbers.
    pub tensors: Tensors,
    /// Kind and lineage of each node.
    nodes: Vec<(u8, u64)>,
    edges: Vec<Kept>,
}

impl Job {
    /// Of a window.
    pub fn new(window: Window, sequence: u64, about: Option<&About>, backfill: bool) -> Job {
        let within = |hit: &&HitSeen| (window.start_ms..window.end_ms).contains(&hit.at_ms);
        let hits = about.iter().flat_map(|about| &about.hits).filter(within).cloned().collect();
        let name = about.map(|about| about.name.clone()).filter(|name| !name.is_empty());
        let endpoint = &window.endpoint;
        let platform = endpoint.platform;
        let id = inference::window_id(
            &endpoint.tenant,
            &endpoint.host,
            platform.as_str(),
            window.end_ms,
        );
        let graph = window.graph;
        let nodes = graph.nodes.iter().zip(&window.lineages);
        Job {
            id: id.0,
            sequence,
            tenant: endpoint.tenant.to_string(),
            host: endpoint.host.to_string(),
            name: name.unwrap_or_else(|| endpoint.host.to_string()),
            linux: platform == Platform::Linux,
            start_ms: window.start_ms,
            end_ms: window.end_ms,
            observed_ms: window.observed_ms,
            events: window.events,
            dropped: graph.nodes_dropped.saturating_add(graph.edges_dropped),
            backfill,
            hits,
            nodes: nodes.map(|(node, lineage)| (node.kind as u8, *lineage)).collect(),
            edges: graph
                .edges
                .iter()
                .map(|edge| Kept {
                    kind: edge.kind as u8,
                    source: edge.source,
                    target: edge.target,
                    count: edge.count,
                    first_ms: edge.first_ms,
                    event: edge.event.0,
                })
                .collect(),
            tensors: window.tensors,
        }
    }

    /// The window's id.
    pub fn id(&self) -> Id128 {
        Id128(self.id)
    }

    /// The endpoint.
    pub fn endpoint(&self) -> EndpointKey {
        EndpointKey {
            tenant: self.tenant.as_str().into(),
            host: self.host.as_str().into(),
            platform: self.platform(),
        }
    }

    /// Windows or Linux.
    pub fn platform(&self) -> Platform {
        if self.linux { Platform::Linux } else { Platform::Windows }
    }

    /// Nodes of its graph.
    pub fn node_count(&self) -> usize {
        self.tensors.nodes
    }

    /// Edges of its graph, one way.
    pub fn edge_count(&self) -> usize {
        self.edges.len()
    }

    /// What a node is.
    pub fn node_kind(&self, node: usize) -> Option<NodeKind> {
        self.nodes.get(node).and_then(|(kind, _)| NodeKind::from_number(*kind))
    }

    /// The lineage of a node; 0: it is no process.
    pub fn lineage(&self, node: usize) -> u64 {
        self.nodes.get(node).map_or(0, |(_, lineage)| *lineage)
    }

    /// Ends of an edge: source, then target.
    pub fn ends(&self, edge: usize) -> Option<(usize, usize)> {
        self.edges.get(edge).map(|edge| (edge.source as usize, edge.target as usize))
    }

    /// What an edge is.
    pub fn edge_kind(&self, edge: usize) -> Option<EdgeKind> {
        self.edges.get(edge).and_then(|edge| EdgeKind::from_number(edge.kind))
    }

    /// An edge between two shown nodes, for an explanation.
    pub fn shown(&self, edge: usize, source: usize, target: usize) -> Option<Edge> {
        let kept = self.edges.get(edge)?;
        Some(Edge {
            kind: self.edge_kind(edge)?.as_str().to_owned(),
            source,
            target,
            count: kept.count,
            first_ms: kept.first_ms,
            event: Id128(kept.event).to_string(),
        })
    }

    /// Did a rule of level medium or above hit within it? Then rules and model tell of it together, whatever the model says.
    pub fn is_rules_too(&self) -> bool {
        self.hits.iter().any(|hit| hit.severity() >= Severity::Medium)
    }

    /// Lineages that rules point at.
    pub fn hit_lineages(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self.hits.iter().flat_map(|hit| hit.lineages.clone()).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// All lineages of its processes, each once.
    pub fn lineages(&self) -> Vec<u64> {
        let mut all: Vec<u64> = self
            .nodes
            .iter()
            .map(|(_, lineage)| *lineage)
            .filter(|lineage| *lineage != 0)
            .collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// The row of the commit. Empty only if memory ends.
    pub fn to_bytes(&self) -> Vec<u8> {
        let plain = postcard::to_allocvec(self).unwrap_or_default();
        let mut out = vec![VERSION];
        out.extend(zstd::bulk::compress(&plain, LEVEL).unwrap_or_default());
        out
    }

    /// The window of a row; `None`: it is damaged, or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Option<Job> {
        let packed = bytes.strip_prefix(&[VERSION])?;
        let plain = zstd::bulk::decompress(packed, BYTES_MAX).ok()?;
        postcard::from_bytes(&plain).ok()
    }
}
