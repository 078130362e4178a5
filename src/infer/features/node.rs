//! The columns of nodes.

use crate::infer::features::edge::{Rows, panes};
use crate::infer::features::names::NODE_FEATURES;
use crate::infer::features::{Scene, known, log};
use crate::infer::graph::{EDGE_KINDS, Edge, Flag, Graph, Node, NodeKind, Slot};
use crate::infer::window::pane::{node_key, text_key};

/// What the edges of one node come to.
#[derive(Clone, Debug, Default)]
struct Edges {
    out: [u16; EDGE_KINDS],
    into: [u16; EDGE_KINDS],
    weight_out: u64,
    weight_in: u64,
    first_ms: Option<u32>,
    last_ms: u32,
    panes: u8,
    most: u64,
    rarest_out: f32,
    rarest_in: f32,
    never_out: f32,
    never_in: f32,
}

impl Edges {
    fn add(&mut self, edge: &Edge, (known, never): (f32, f32), out: bool) {
        let kinds = if out { &mut self.out } else { &mut self.into };
        if let Some(count) = kinds.get_mut(edge.kind as usize) {
            *count = count.saturating_add(1);
        }
        let rare = 1.0 - known;
        if out {
            self.weight_out += u64::from(edge.count);
            self.rarest_out = self.rarest_out.max(rare);
            self.never_out += never;
        } else {
            self.weight_in += u64::from(edge.count);
            self.rarest_in = self.rarest_in.max(rare);
            self.never_in += never;
        }
        self.first_ms = Some(self.first_ms.map_or(edge.first_ms, |first| first.min(edge.first_ms)));
        self.last_ms = self.last_ms.max(edge.last_ms);
        self.panes = self.panes.max(edge.panes);
        self.most += u64::from(edge.most);
    }
}

/// The rows of all nodes.
pub fn rows(graph: &Graph, scene: &Scene<'_>, edges: &Rows) -> Vec<f32> {
    let mut sums = vec![Edges::default(); graph.nodes.len()];
    for (edge, known) in graph.edges.iter().zip(&edges.known) {
        let known = if scene.history.is_some() { *known } else { (1.0, 0.0) };
        for (end, out) in [(edge.source, true), (edge.target, false)] {
            if let Some(sum) = sums.get_mut(end as usize) {
                sum.add(edge, known, out);
            }
        }
    }
    let mut features = Vec::with_capacity(graph.nodes.len() * NODE_FEATURES);
    for (node, sum) in graph.nodes.iter().zip(&sums) {
        facts(node, scene, &mut features);
        for kinds in [&sum.out, &sum.into] {
            features.extend(kinds.iter().map(|count| log(f32::from(*count))));
        }
        tail(node, sum, scene, &mut features);
    }
    features
}

/// Classes of a path, without the one that means "not known".
const PLACES: u128 = {
    let mut bits = 0;
    let mut at = Flag::PathSystem as u8;
    while at < Flag::PathNone as u8 {
        if at != Flag::PathUserWritable as u8 && at != Flag::PathHidden as u8 {
            bits |= 1 << at;
        }
        at += 1;
    }
    bits
};

fn facts(node: &Node, scene: &Scene<'_>, out: &mut Vec<f32>) {
    let mut flags = node.facts.flags;
    if flags & PLACES != 0 {
        flags &= !(1 << Flag::PathNone as u8);
    }
    if node.facts.shape != 0 {
        // One sensor gave the command line that another did not.
        flags &= !(1 << Flag::TextMissing as u8);
    }
    if node.kind == NodeKind::Process
        && let Some(process) = scene.processes.get(node.key)
    {
        let end = scene.start_ms.saturating_add(scene.window_ms);
        let within = |at: i64| at != 0 && at >= scene.start_ms && at < end;
        if within(process.ended_ms) {
            flags |= 1 << Flag::EndedHere as u8;
        }
    }
    out.extend(
        Flag::ALL.iter().map(|(flag, _, _)| f32::from(u8::from(flags & (1 << *flag as u8) != 0))),
    );
    for ((slot, _, _), code) in Slot::ALL.iter().zip(&node.facts.slots) {
        out.push(f32::from(*code) / if is_share(*slot) { 255.0 } else { 48.0 });
    }
}

fn is_share(slot: Slot) -> bool {
    matches!(
        slot,
        Slot::NameDigits
            | Slot::NameChanges
            | Slot::TextDigits
            | Slot::TextUpper
            | Slot::TextSpecial
            | Slot::TextEntropy
    )
}

fn tail(node: &Node, sum: &Edges, scene: &Scene<'_>, out: &mut Vec<f32>) {
    let window = scene.window_ms.max(1) as f32;
    let degree = |kinds: &[u16; EDGE_KINDS]| log(kinds.iter().map(|count| f32::from(*count)).sum());
    let weight = (sum.weight_out + sum.weight_in) as f32;
    let minutes = (scene.observed_ms as f32 / 60_000.0).max(1.0 / 60.0);
    let first = sum.first_ms.unwrap_or(0) as f32 / window;
    let last = sum.last_ms as f32 / window;
    out.extend([
        degree(&sum.out),
        degree(&sum.into),
        log(sum.weight_out as f32),
        log(sum.weight_in as f32),
        log(weight / minutes),
        first,
        last,
        (last - first).max(0.0),
        f32::from(sum.panes) / panes(scene),
        sum.most as f32 / weight.max(1.0),
    ]);
    out.push(log(node.alike as f32));
    out.extend(process(node, scene));
    out.extend(known(scene, node_key(node.kind as u8, &node.facts)));
    out.extend(known(scene, text_key(&node.facts)));
    out.extend([sum.rarest_out, sum.rarest_in, log(sum.never_out), log(sum.never_in)]);
}

/// Depth, age and lifetime of a process. What happens after the window's end is not known in it.
fn process(node: &Node, scene: &Scene<'_>) -> [f32; 3] {
    if node.kind != NodeKind::Process {
        return [0.0; 3];
    }
    let Some(process) = scene.processes.get(node.key) else { return [0.0; 3] };
    let end = scene.start_ms.saturating_add(scene.window_ms);
    let seconds = |ms: i64| log(ms.max(0) as f32 / 1_000.0 + 1.0);
    let depth = log(f32::from(scene.processes.depth(node.key)));
    let started = process.started_ms != 0 && process.started_ms < end;
    let ended = process.ended_ms != 0 && process.ended_ms < end;
    let age = if started { seconds(end - process.started_ms) } else { 0.0 };
    let lifetime =
        if started && ended { seconds(process.ended_ms - process.started_ms) } else { 0.0 };
    [depth, age, lifetime]
}
