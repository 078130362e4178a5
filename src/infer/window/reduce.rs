//! The bounds of a window and what goes when it has more.
//!
//! 1. Repeats are merged first: an edge is there once for each kind, doer and target, with a count.
//! 2. Nodes beyond the bound: nodes of one kind and label (the same program, the same kind of file) are a group. Every
//!    group keeps the same number, as many as fit, so only groups with more members than that lose any: the commonest
//!    go. In a group those with the most different edges stay, of equals those that came first.
//! 3. Edges of nodes that went go with them; if there are still too many, they are grouped by kind and the labels of
//!    both ends in the same way, and those with the highest count stay.
//!
//! What went is counted. The rule looks at what is in the window, never at the names behind it.

use ahash::AHashMap;

use crate::infer::graph::{Edge, Graph, Node};
use crate::infer::window::pane::{PANE_EDGES_MAX, PANE_NODES_MAX, Pane};

/// Nodes of a window.
pub const NODES_MAX: usize = 256;
/// Edges of a window, one way.
pub const EDGES_MAX: usize = 2_048;

/// Which of the members stay: `groups` names each one's group, `better` orders within a group.
fn keep(
    groups: &[u64],
    max: usize,
    better: impl Fn(usize, usize) -> std::cmp::Ordering,
) -> Vec<bool> {
    let mut members: Vec<Vec<usize>> = Vec::new();
    let mut places: AHashMap<u64, usize> = AHashMap::new();
    for (place, group) in groups.iter().enumerate() {
        let at = *places.entry(*group).or_insert(members.len());
        match members.get_mut(at) {
            Some(list) => list.push(place),
            None => members.push(vec![place]),
        }
    }
    let fits =
        |share: usize| members.iter().map(|list| list.len().min(share)).sum::<usize>() <= max;
    let (mut low, mut high) = (0, groups.len());
    while low < high {
        let middle = (low + high).div_ceil(2);
        if fits(middle) { low = middle } else { high = middle - 1 }
    }
    let taken: usize = members.iter().map(|list| list.len().min(low)).sum();
    let mut more = max.saturating_sub(taken);
    let mut stays = vec![false; groups.len()];
    for list in &mut members {
        list.sort_by(|left, right| better(*left, *right));
        let mut share = low;
        if list.len() > low && more > 0 {
            share += 1;
            more -= 1;
        }
        for place in list.iter().take(share) {
            if let Some(stay) = stays.get_mut(*place) {
                *stay = true;
            }
        }
    }
    stays
}

/// The places of those that stay, by old place.
fn renumber(stays: &[bool]) -> Vec<Option<u32>> {
    let mut next = 0;
    let number = |stay: &bool| {
        stay.then(|| {
            next += 1;
            next - 1
        })
    };
    stays.iter().map(number).collect()
}

/// Bring a window within its bounds.
pub fn graph(graph: &mut Graph) {
    let group = |node: &Node| (node.kind, node.facts.label);
    let mut alike: AHashMap<_, u32> = AHashMap::new();
    for node in &graph.nodes {
        *alike.entry(group(node)).or_default() += 1;
    }
    for node in &mut graph.nodes {
        node.alike = alike.get(&group(node)).copied().unwrap_or(1);
    }
    graph_to(graph, NODES_MAX, EDGES_MAX);
}

fn graph_to(graph: &mut Graph, nodes_max: usize, edges_max: usize) {
    if graph.nodes.len() > nodes_max {
        let mut degree = vec![0_u32; graph.nodes.len()];
        for edge in &graph.edges {
            for end in [edge.source, edge.target] {
                if let Some(count) = degree.get_mut(end as usize) {
                    *count += 1;
                }
            }
        }
        let group = |node: &Node| crate::infer::graph::mix(node.kind as u64, node.facts.label, 7);
        let groups: Vec<u64> = graph.nodes.iter().map(group).collect();
        let stays = keep(&groups, nodes_max, |left, right| {
            degree.get(right).cmp(&degree.get(left)).then(left.cmp(&right))
        });
        retain_nodes(graph, &stays);
    }
    if graph.edges.len() > edges_max {
        let label = |place: u32| graph.nodes.get(place as usize).map_or(0, |node| node.facts.label);
        let group = |edge: &Edge| {
            crate::infer::graph::mix(edge.kind as u64, label(edge.source), label(edge.target))
        };
        let groups: Vec<u64> = graph.edges.iter().map(group).collect();
        let count = |place: usize| graph.edges.get(place).map(|edge| edge.count);
        let stays = keep(&groups, edges_max, |left, right| {
            count(right).cmp(&count(left)).then(left.cmp(&right))
        });
        let before = graph.edges.len();
        let mut flags = stays.iter();
        graph.edges.retain(|_| flags.next().copied().unwrap_or(false));
        graph.edges_dropped += (before - graph.edges.len()) as u32;
    }
}

fn retain_nodes(graph: &mut Graph, stays: &[bool]) {
    let places = renumber(stays);
    let (nodes, edges) = (graph.nodes.len(), graph.edges.len());
    let mut flags = stays.iter();
    graph.nodes.retain(|_| flags.next().copied().unwrap_or(false));
    graph.edges.retain_mut(|edge| {
        let new = |old: u32| places.get(old as usize).copied().flatten();
        let (Some(source), Some(target)) = (new(edge.source), new(edge.target)) else {
            return false;
        };
        (edge.source, edge.target) = (source, target);
        true
    });
    graph.nodes_dropped += (nodes - graph.nodes.len()) as u32;
    graph.edges_dropped += (edges - graph.edges.len()) as u32;
}

/// Bring a pane to half its bounds, by the same rule.
pub fn pane(pane: &mut Pane) {
    let (nodes_max, edges_max) = (PANE_NODES_MAX / 2, PANE_EDGES_MAX / 2);
    let (nodes, edges) = (pane.nodes.len(), pane.edges.len());
    if nodes > PANE_NODES_MAX {
        let mut degree = vec![0_u32; nodes];
        for edge in &pane.edges {
            for end in [edge.source, edge.target] {
                if let Some(count) = degree.get_mut(usize::from(end)) {
                    *count += 1;
                }
            }
        }
        let groups: Vec<u64> = pane
            .nodes
            .iter()
            .map(|node| crate::infer::graph::mix(node.kind.into(), node.facts.label, 7))
            .collect();
        let stays = keep(&groups, nodes_max, |left, right| {
            degree.get(right).cmp(&degree.get(left)).then(left.cmp(&right))
        });
        let places = renumber(&stays);
        let mut flags = stays.iter();
        pane.nodes.retain(|_| flags.next().copied().unwrap_or(false));
        pane.edges.retain_mut(|edge| {
            let new = |old: u16| {
                places
                    .get(usize::from(old))
                    .copied()
                    .flatten()
                    .and_then(|at| u16::try_from(at).ok())
            };
            let (Some(source), Some(target)) = (new(edge.source), new(edge.target)) else {
                return false;
            };
            (edge.source, edge.target) = (source, target);
            true
        });
    }
    if pane.edges.len() > edges_max {
        let label = |at: u16| pane.nodes.get(usize::from(at)).map_or(0, |node| node.facts.label);
        let groups: Vec<u64> = pane
            .edges
            .iter()
            .map(|edge| {
                crate::infer::graph::mix(edge.kind.into(), label(edge.source), label(edge.target))
            })
            .collect();
        let count = |place: usize| pane.edges.get(place).map(|edge| edge.count);
        let stays = keep(&groups, edges_max, |left, right| {
            count(right).cmp(&count(left)).then(left.cmp(&right))
        });
        let mut flags = stays.iter();
        pane.edges.retain(|_| flags.next().copied().unwrap_or(false));
    }
    pane.nodes_dropped += (nodes - pane.nodes.len()) as u32;
    pane.edges_dropped += (edges - pane.edges.len()) as u32;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_commonest_go_first_and_rare_groups_stay_whole() {
        // A hundred of one group, three of another, one of a third; room for ten.
        let groups: Vec<u64> = (0..104)
            .map(|n| {
                if n < 100 {
                    1
                } else if n < 103 {
                    2
                } else {
                    3
                }
            })
            .collect();
        let stays = keep(&groups, 10, |left, right| left.cmp(&right));
        let kept = |from: usize, to: usize| stays[from..to].iter().filter(|stay| **stay).count();
        assert_eq!((kept(0, 100), kept(100, 103), kept(103, 104)), (6, 3, 1));
        assert!(stays[..6].iter().all(|stay| *stay), "of equals the first stay");
    }
}
