//! The panes of one endpoint: taking in events, closing windows, sliding.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::infer::InferConfig;
use crate::infer::graph::processes::{Kept as ProcessesKept, Processes};
use crate::infer::graph::{Edge, EdgeKind, Graph, Node, NodeKind, Observation, mix};
use crate::infer::window::pane::Pane;
use crate::infer::window::reduce;
use crate::infer::window::seen::{SEEN_IDLE_MAX, Seen};
use crate::stdx::id::Id128;
use crate::stdx::mark;

/// How windows lie in time, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// Length of a window.
    pub window_ms: i64,
    /// From one window's end to the next; a pane.
    pub interval_ms: i64,
    /// How long after its end a window waits for late events, in event time.
    pub lateness_ms: i64,
    /// By how much windows end later than at whole intervals since the epoch; below `interval_ms`.
    pub phase_ms: i64,
}

impl Timing {
    /// As it is configured.
    pub fn of(config: &InferConfig) -> Timing {
        let ms = |time: Duration| i64::try_from(time.as_millis()).unwrap_or(i64::MAX);
        Timing {
            window_ms: ms(config.window),
            interval_ms: ms(config.interval),
            lateness_ms: ms(config.lateness),
            phase_ms: 0,
        }
    }

    /// The same with the phase that an endpoint of this name always has. Windows of all endpoints that end at once are scored
    /// at once, and the last result is late by all the others.
    #[must_use]
    pub fn spread(&self, tenant: &str, host: &str) -> Timing {
        let mark = mark::of(&[tenant.as_bytes(), &[0], host.as_bytes()]);
        // Names differ in their last bytes, which reach the low half of the mark last.
        let phase = (mark ^ (mark >> 32)) % u64::try_from(self.interval_ms.max(1)).unwrap_or(1);
        Timing { phase_ms: i64::try_from(phase).unwrap_or(0), ..*self }
    }

    /// The start of the pane of this time.
    pub fn pane_of(&self, at_ms: i64) -> i64 {
        let whole = at_ms.saturating_sub(self.phase_ms).div_euclid(self.interval_ms);
        whole.saturating_mul(self.interval_ms).saturating_add(self.phase_ms)
    }
}

impl Default for Timing {
    fn default() -> Timing {
        Timing { window_ms: 180_000, interval_ms: 30_000, lateness_ms: 500, phase_ms: 0 }
    }
}

/// One endpoint.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Endpoint {
    panes: VecDeque<Pane>,
    /// Newest event time.
    newest_ms: i64,
    /// End of the last window that was closed.
    closed_ms: Option<i64>,
    /// Its processes.
    pub processes: Processes,
    /// What it did before.
    pub seen: Seen,
    /// Events that came after all their windows were closed.
    pub late: u64,
    /// How often its clock went back for good.
    pub rewound: u64,
    /// Late events since the last one that was not.
    late_run: u32,
}

/// So many late events in a row say that the clock went back for good: the endpoint begins anew.
pub const LATE_RUN_MAX: u32 = 64;
/// An event that is further ahead of its ingest than this, in milliseconds, closes no window: its clock is wrong.
pub const AHEAD_MS_MAX: i64 = 60_000;
/// Panes of one endpoint; only wrong clocks make so many.
pub const PANES_MAX: usize = 64;
/// Times beyond this many milliseconds from the epoch are read as this: the year 36,000.
pub const TIME_MS_MAX: i64 = 1 << 50;

/// The form in which an endpoint is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    panes: Vec<Pane>,
    newest_ms: i64,
    closed_ms: Option<i64>,
    processes: ProcessesKept,
    seen: Seen,
    late: u64,
    rewound: u64,
    late_run: u32,
}

/// The version of [`Kept`].
const KEPT_VERSION: u8 = 1;

/// A window that has closed.
#[derive(Clone, Debug, PartialEq)]
pub struct Closed {
    /// Its end, in milliseconds.
    pub end_ms: i64,
    /// Events of any kind.
    pub events: u32,
    /// Events in the graph.
    pub graph_events: u32,
    /// From the first to the last event of any kind, in milliseconds.
    pub observed_ms: i64,
    /// The graph.
    pub graph: Graph,
}

impl Endpoint {
    /// Take in an event that was read at `ingested_ms` (0: not known). `false`: too late, all its windows are closed.
    pub fn see(
        &mut self,
        timing: &Timing,
        (at_ms, ingested_ms): (i64, i64),
        event: Id128,
        seen: &Observation,
    ) -> bool {
        let start = timing.pane_of(at_ms);
        if self.is_too_late(timing, at_ms) {
            self.late = self.late.saturating_add(1);
            self.late_run = self.late_run.saturating_add(1);
            if self.late_run < LATE_RUN_MAX || !self.panes.is_empty() {
                return false;
            }
            self.closed_ms = None;
            self.rewound = self.rewound.saturating_add(1);
        }
        if self.is_full_before(start) {
            self.late = self.late.saturating_add(1);
            return false;
        }
        self.late_run = 0;
        let clock = clock(at_ms, ingested_ms);
        self.newest_ms = if self.panes.is_empty() && self.closed_ms.is_none() {
            clock
        } else {
            self.newest_ms.max(clock)
        };
        // Nearly always the last one.
        let place = self.panes.iter().rposition(|pane| pane.start_ms <= start);
        let known =
            place.and_then(|at| self.panes.get(at)).is_some_and(|pane| pane.start_ms == start);
        let at = match place {
            Some(at) if known => at,
            Some(at) => at + 1,
            None => 0,
        };
        if !known {
            if let Some(before) = at.checked_sub(1).and_then(|at| self.panes.get_mut(at)) {
                before.rest();
            }
            self.panes.insert(at, Pane::new(start));
            self.processes.age(self.newest_ms);
        }
        if let Some(pane) = self.panes.get_mut(at) {
            pane.see(at_ms, event, seen);
        }
        true
    }

    /// The newest event time once an event of these times has been taken in. Windows that are due by then close before
    /// the event is read: nothing of it may be in them, whether it or the clock closes them.
    pub fn newest_with(&self, timing: &Timing, (at_ms, ingested_ms): (i64, i64)) -> i64 {
        let start = timing.pane_of(at_ms);
        if self.is_too_late(timing, at_ms) || self.is_full_before(start) {
            return self.newest_ms;
        }
        self.newest_ms.max(clock(at_ms, ingested_ms))
    }

    /// Has it no room for a pane of a later time?
    fn is_full_before(&self, start_ms: i64) -> bool {
        self.panes.len() >= PANES_MAX
            && self.panes.back().is_some_and(|last| last.start_ms < start_ms)
    }

    /// Are all windows of an event at this time closed?
    pub fn is_too_late(&self, timing: &Timing, at_ms: i64) -> bool {
        let start = timing.pane_of(at_ms);
        self.closed_ms.is_some_and(|closed| start.saturating_add(timing.window_ms) <= closed)
    }

    /// The end of the next window that is due when event time has come to `now_ms`.
    pub fn due(&self, timing: &Timing, now_ms: i64) -> Option<i64> {
        let first = self.panes.front()?.start_ms.saturating_add(timing.interval_ms);
        let next = self
            .closed_ms
            .map_or(first, |closed| first.max(closed.saturating_add(timing.interval_ms)));
        (next.saturating_add(timing.lateness_ms) <= now_ms).then_some(next)
    }

    /// Newest event time.
    pub fn newest_ms(&self) -> i64 {
        self.newest_ms
    }

    /// End of the last window that was closed.
    pub fn closed_ms(&self) -> Option<i64> {
        self.closed_ms
    }

    /// Its clock went back for good, and what is open must be closed before it can begin anew.
    pub fn wants_closing(&self) -> bool {
        self.late_run >= LATE_RUN_MAX && !self.panes.is_empty()
    }

    /// Has it nothing open?
    pub fn is_idle(&self) -> bool {
        self.panes.is_empty()
    }

    /// Build the window that ends at `end_ms`. `None`: nothing in it belongs into a graph.
    pub fn window(&self, timing: &Timing, end_ms: i64) -> Option<Closed> {
        let start = end_ms.saturating_sub(timing.window_ms);
        let within = || {
            self.panes.iter().filter(move |pane| pane.start_ms >= start && pane.start_ms < end_ms)
        };
        let graph_events = within().map(|pane| pane.graph_events).fold(0, u32::saturating_add);
        if graph_events == 0 {
            return None;
        }
        let events = within().map(|pane| pane.events).fold(0, u32::saturating_add);
        let first =
            within().map(|pane| pane.start_ms + i64::from(pane.first_ms)).min().unwrap_or(start);
        let last =
            within().map(|pane| pane.start_ms + i64::from(pane.last_ms)).max().unwrap_or(start);
        let mut graph = merge(start, within());
        reduce::graph(&mut graph);
        Some(Closed { end_ms, events, graph_events, observed_ms: last - first, graph })
    }

    /// The window that ends at `end_ms` is done: panes that no later window needs go. Their keys are handed to `folded`.
    pub fn slide(&mut self, timing: &Timing, end_ms: i64, folded: &mut dyn FnMut(&[u64])) {
        self.closed_ms = Some(end_ms);
        let needed = end_ms + timing.interval_ms - timing.window_ms;
        while self.panes.front().is_some_and(|pane| pane.start_ms < needed) {
            let Some(pane) = self.panes.pop_front() else { break };
            if pane.graph_events > 0 {
                let keys = pane.rarity_keys();
                self.seen.fold(&keys);
                folded(&keys);
            }
        }
        if self.panes.is_empty() {
            self.panes.shrink_to_fit();
            self.seen.shrink(SEEN_IDLE_MAX);
        }
    }

    /// It was kept with windows that lay otherwise in time: what is open goes into the panes of these, each as a whole and so less
    /// than an interval early at most, and the next window ends at the first end of these behind the last one.
    pub fn move_to(&mut self, timing: &Timing) {
        for pane in &mut self.panes {
            pane.move_to(timing.pane_of(pane.start_ms));
        }
        self.closed_ms = self.closed_ms.map(|closed| timing.pane_of(closed));
    }

    /// Forget what an endpoint without events needs no more; `now_ms` is event time elsewhere.
    pub fn rest(&mut self, now_ms: i64) {
        self.processes.age(now_ms);
    }

    /// The state for the commit.
    pub fn to_bytes(&self) -> Vec<u8> {
        let kept = Kept {
            panes: self.panes.iter().cloned().collect(),
            newest_ms: self.newest_ms,
            closed_ms: self.closed_ms,
            processes: self.processes.kept(),
            seen: self.seen.clone(),
            late: self.late,
            rewound: self.rewound,
            late_run: self.late_run,
        };
        let mut out = vec![KEPT_VERSION];
        // Only a writer can fail, and a vector does not.
        out.extend(postcard::to_allocvec(&kept).unwrap_or_default());
        out
    }

    /// The endpoint of a kept state; `None`: it is damaged, or of another version.
    pub fn from_bytes(bytes: &[u8]) -> Option<Endpoint> {
        let kept: Kept = postcard::from_bytes(bytes.strip_prefix(&[KEPT_VERSION])?).ok()?;
        let times = kept.panes.iter().map(|pane| pane.start_ms);
        let times = times.chain(kept.closed_ms).chain([kept.newest_ms]);
        if !times.clone().all(|at| (-2 * TIME_MS_MAX..=2 * TIME_MS_MAX).contains(&at))
            || !kept.panes.iter().all(Pane::is_sound)
        {
            return None;
        }
        Some(Endpoint {
            panes: kept.panes.into(),
            newest_ms: kept.newest_ms,
            closed_ms: kept.closed_ms,
            processes: Processes::restore(kept.processes),
            seen: kept.seen,
            late: kept.late,
            rewound: kept.rewound,
            late_run: kept.late_run,
        })
    }

    /// Bytes held, about.
    pub fn heap_bytes(&self) -> usize {
        self.panes.capacity() * size_of::<Pane>()
            + self.panes.iter().map(Pane::heap_bytes).sum::<usize>()
            + self.processes.heap_bytes()
            + self.seen.heap_bytes()
    }
}

/// What an event says of the time: one from a clock that is ahead must not make all others late.
fn clock(at_ms: i64, ingested_ms: i64) -> i64 {
    match ingested_ms {
        0 => at_ms,
        ingested => at_ms.min(ingested.saturating_add(AHEAD_MS_MAX)),
    }
}

/// Several panes as one graph.
fn merge<'a>(start_ms: i64, panes: impl Iterator<Item = &'a Pane>) -> Graph {
    use ahash::AHashMap;
    let mut nodes: Vec<(u32, usize, Node)> = Vec::new();
    let mut by_key: AHashMap<u64, u32> = AHashMap::new();
    let mut edges: Vec<Edge> = Vec::new();
    let mut by_ends: AHashMap<(u8, u32, u32), u32> = AHashMap::new();
    let mut graph = Graph::default();
    for pane in panes {
        let offset = u32::try_from(pane.start_ms - start_ms).unwrap_or(0);
        let mut places = Vec::with_capacity(pane.nodes.len());
        for node in &pane.nodes {
            let Some(kind) = NodeKind::from_number(node.kind) else {
                places.push(None);
                continue;
            };
            let new = nodes.len() as u32;
            let place = *by_key.entry(mix(u64::from(node.kind), node.key, 0)).or_insert(new);
            match nodes.get_mut(place as usize) {
                Some((_, _, known)) => known.facts.join(&node.facts),
                None => {
                    let fresh = Node { kind, key: node.key, facts: node.facts.clone(), alike: 1 };
                    nodes.push((offset.saturating_add(node.first_ms), new as usize, fresh));
                }
            }
            places.push(Some(place));
        }
        for edge in &pane.edges {
            let place = |at: u16| places.get(usize::from(at)).copied().flatten();
            let (Some(source), Some(target)) = (place(edge.source), place(edge.target)) else {
                continue;
            };
            let Some(kind) = EdgeKind::from_number(edge.kind) else { continue };
            let (first_ms, last_ms) =
                (offset.saturating_add(edge.first_ms), offset.saturating_add(edge.last_ms));
            let at = *by_ends.entry((edge.kind, source, target)).or_insert(edges.len() as u32);
            match edges.get_mut(at as usize) {
                Some(known) => {
                    known.count = known.count.saturating_add(edge.count);
                    known.last_ms = known.last_ms.max(last_ms);
                    known.panes = known.panes.saturating_add(1);
                    known.most = known.most.max(edge.count);
                    known.flags |= edge.flags;
                }
                None => edges.push(Edge {
                    kind,
                    source,
                    target,
                    count: edge.count,
                    first_ms,
                    last_ms,
                    panes: 1,
                    most: edge.count,
                    flags: edge.flags,
                    event: Id128(edge.event),
                }),
            }
        }
        graph.nodes_dropped = graph.nodes_dropped.saturating_add(pane.nodes_dropped);
        graph.edges_dropped = graph.edges_dropped.saturating_add(pane.edges_dropped);
    }
    order(&mut graph, nodes, edges);
    graph
}

/// Nodes in order of first sight, of equals in the order of arrival; edges by kind and ends.
fn order(graph: &mut Graph, nodes: Vec<(u32, usize, Node)>, mut edges: Vec<Edge>) {
    let mut order: Vec<usize> = (0..nodes.len()).collect();
    order.sort_by_key(|at| nodes.get(*at).map(|(first, place, node)| (*first, node.kind, *place)));
    let mut new_place = vec![0_u32; nodes.len()];
    for (new, old) in (0_u32..).zip(&order) {
        if let Some(place) = new_place.get_mut(*old) {
            *place = new;
        }
    }
    for edge in &mut edges {
        let place = |old: u32| new_place.get(old as usize).copied().unwrap_or(0);
        (edge.source, edge.target) = (place(edge.source), place(edge.target));
    }
    edges.sort_by_key(|edge| (edge.kind, edge.source, edge.target));
    let mut sorted: Vec<Option<Node>> = nodes.into_iter().map(|(_, _, node)| Some(node)).collect();
    graph.nodes = order.iter().filter_map(|at| sorted.get_mut(*at)?.take()).collect();
    graph.edges = edges;
}
