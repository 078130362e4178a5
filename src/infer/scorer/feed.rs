//! What goes into a member: the window as it stands, or without the edges that it is then asked about.

use std::borrow::Cow;

use crate::infer::Tensors;
use crate::infer::artifact::Golden;
use crate::infer::artifact::manifest::Inputs;

/// Turns in which each edge is left out once and asked about.
pub const TURNS: usize = 4;

/// The inputs of one run: nodes and edges, and edges asked about.
#[derive(Clone, Debug, PartialEq)]
pub struct Feed<'t> {
    /// Nodes × features.
    pub node_features: &'t [f32],
    /// Kinds of nodes.
    pub node_type: &'t [i64],
    /// All sources, then all targets.
    pub edge_index: Cow<'t, [i64]>,
    /// Kinds of edges.
    pub edge_type: Cow<'t, [i64]>,
    /// Edges × features.
    pub edge_features: Cow<'t, [f32]>,
    /// Features of an edge; said apart, because there may be no edge.
    pub edge_width: usize,
    /// Sources, then targets, of edges asked about.
    pub query_index: Cow<'t, [i64]>,
    /// Their kinds.
    pub query_type: Cow<'t, [i64]>,
}

/// One input with its shape.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Slice<'f> {
    /// Numbers.
    Real([usize; 2], &'f [f32]),
    /// Whole numbers in rows.
    Rows([usize; 2], &'f [i64]),
    /// Whole numbers in one row.
    Row(&'f [i64]),
}

impl Feed<'_> {
    /// The input of this name.
    pub fn input(&self, name: &str) -> Option<Slice<'_>> {
        let (nodes, edges) = (self.node_type.len(), self.edge_type.len());
        let width = |numbers: usize, rows: usize| numbers.checked_div(rows);
        Some(match name {
            "node_features" => {
                let features = width(self.node_features.len(), nodes)?;
                Slice::Real([nodes, features], self.node_features)
            }
            "node_type" => Slice::Row(self.node_type),
            "edge_index" => Slice::Rows([2, edges], &self.edge_index),
            "edge_type" => Slice::Row(&self.edge_type),
            "edge_features" => Slice::Real([edges, self.edge_width], &self.edge_features),
            "query_index" => Slice::Rows([2, self.query_type.len()], &self.query_index),
            "query_type" => Slice::Row(&self.query_type),
            _ => return None,
        })
    }
}

/// The whole window, with nothing asked.
pub fn whole<'t>(tensors: &'t Tensors, inputs: &Inputs) -> Feed<'t> {
    Feed {
        node_features: &tensors.node_features,
        node_type: &tensors.node_type,
        edge_index: Cow::Borrowed(&tensors.edge_index),
        edge_type: Cow::Borrowed(&tensors.edge_type),
        edge_features: Cow::Borrowed(&tensors.edge_features),
        edge_width: inputs.edge_features,
        query_index: Cow::Borrowed(&[]),
        query_type: Cow::Borrowed(&[]),
    }
}

/// A golden window with the edges that it is asked about.
pub fn asked<'g>(golden: &'g Golden, inputs: &Inputs) -> Feed<'g> {
    Feed {
        query_index: Cow::Borrowed(&golden.query_index),
        query_type: Cow::Borrowed(&golden.query_type),
        ..whole(&golden.tensors, inputs)
    }
}

/// The window without every fourth edge from `turn` on, asked about just these. `None`: there is none of them.
pub fn hidden<'t>(tensors: &'t Tensors, inputs: &Inputs, turn: usize) -> Option<Feed<'t>> {
    let (edges, forward) = (tensors.edges, tensors.edges / 2);
    let asked: Vec<usize> = (turn..forward).step_by(TURNS).collect();
    if asked.is_empty() {
        return None;
    }
    let stays = |edge: &usize| forward == 0 || (edge % forward) % TURNS != turn;
    let kept: Vec<usize> = (0..edges).filter(stays).collect();
    let (sources, targets) = tensors.edge_index.split_at_checked(edges)?;
    let pick = |from: &[i64], at: &[usize]| -> Vec<i64> {
        at.iter().filter_map(|at| from.get(*at).copied()).collect()
    };
    let both = |at: &[usize]| [pick(sources, at), pick(targets, at)].concat();
    let width = inputs.edge_features;
    let row = |at: &usize| tensors.edge_features.get(at * width..(at + 1) * width).unwrap_or(&[]);
    Some(Feed {
        node_features: &tensors.node_features,
        node_type: &tensors.node_type,
        edge_index: Cow::Owned(both(&kept)),
        edge_type: Cow::Owned(pick(&tensors.edge_type, &kept)),
        edge_features: Cow::Owned(kept.iter().flat_map(row).copied().collect()),
        edge_width: width,
        query_index: Cow::Owned(both(&asked)),
        query_type: Cow::Owned(pick(&tensors.edge_type, &asked)),
    })
}

/// Why numbers are no window.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadTensors {
    /// A graph needs two nodes.
    #[error("too few nodes: {0}, and a graph needs two")]
    TooFewNodes(usize),
    /// A list is longer or shorter than it says.
    #[error("{name} holds {found} numbers where {wanted} belong")]
    Length {
        /// Which list.
        name: &'static str,
        /// Its length.
        found: usize,
        /// The length it should have.
        wanted: usize,
    },
    /// A kind or an end of an edge that does not exist.
    #[error("{name} holds {value}, and the largest that exists is {largest}")]
    OutOfRange {
        /// Which list.
        name: &'static str,
        /// What it holds.
        value: i64,
        /// The largest allowed.
        largest: i64,
    },
    /// NaN or infinite.
    #[error("{name} holds a number that is not finite")]
    NotFinite {
        /// Which list.
        name: &'static str,
    },
    /// Edges must come in pairs.
    #[error("{0} edges, and each must stand there in both directions")]
    OddEdges(usize),
}

/// Refuse what would make a model fail or say nonsense: wrong lengths, ends of edges that are no nodes, NaN.
pub fn check(window: &Tensors, inputs: &Inputs) -> Result<(), BadTensors> {
    let (nodes, edges) = (window.nodes, window.edges);
    if nodes < 2 {
        return Err(BadTensors::TooFewNodes(nodes));
    }
    if !edges.is_multiple_of(2) {
        return Err(BadTensors::OddEdges(edges));
    }
    length("node_features", window.node_features.len(), nodes, inputs.node_features)?;
    length("node_type", window.node_type.len(), nodes, 1)?;
    length("edge_index", window.edge_index.len(), edges, 2)?;
    length("edge_type", window.edge_type.len(), edges, 1)?;
    length("edge_features", window.edge_features.len(), edges, inputs.edge_features)?;
    below("node_type", &window.node_type, inputs.node_kinds)?;
    below("edge_index", &window.edge_index, nodes)?;
    below("edge_type", &window.edge_type, inputs.edge_kinds)?;
    finite("node_features", &window.node_features)?;
    finite("edge_features", &window.edge_features)
}

fn length(name: &'static str, found: usize, rows: usize, width: usize) -> Result<(), BadTensors> {
    let wanted = rows.saturating_mul(width);
    if found == wanted { Ok(()) } else { Err(BadTensors::Length { name, found, wanted }) }
}

fn below(name: &'static str, values: &[i64], bound: usize) -> Result<(), BadTensors> {
    let bound = i64::try_from(bound).unwrap_or(i64::MAX);
    match values.iter().find(|value| !(0..bound).contains(*value)) {
        None => Ok(()),
        Some(value) => Err(BadTensors::OutOfRange { name, value: *value, largest: bound - 1 }),
    }
}

fn finite(name: &'static str, values: &[f32]) -> Result<(), BadTensors> {
    if values.iter().all(|value| value.is_finite()) {
        Ok(())
    } else {
        Err(BadTensors::NotFinite { name })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INPUTS: Inputs =
        Inputs { node_features: 3, edge_features: 2, node_kinds: 7, edge_kinds: 22 };

    fn two() -> Tensors {
        Tensors {
            nodes: 2,
            edges: 2,
            node_features: vec![0.0; 6],
            node_type: vec![0, 1],
            edge_index: vec![0, 1, 1, 0],
            edge_type: vec![1, 12],
            edge_features: vec![0.0; 4],
        }
    }

    #[test]
    fn what_a_model_cannot_take_is_refused_with_its_reason() {
        let refused = |change: fn(&mut Tensors)| {
            let mut window = two();
            change(&mut window);
            check(&window, &INPUTS).unwrap_err().to_string()
        };
        assert_eq!(check(&two(), &INPUTS), Ok(()));
        assert_eq!(refused(|w| w.nodes = 1), "too few nodes: 1, and a graph needs two");
        let text = refused(|w| w.node_features[4] = f32::NAN);
        assert_eq!(text, "node_features holds a number that is not finite");
        let text = refused(|w| w.edge_index[3] = 2);
        assert_eq!(text, "edge_index holds 2, and the largest that exists is 1");
        let text = refused(|w| w.edge_type[0] = -1);
        assert_eq!(text, "edge_type holds -1, and the largest that exists is 21");
        let text = refused(|w| w.node_features.truncate(5));
        assert_eq!(text, "node_features holds 5 numbers where 6 belong");
        assert!(refused(|w| w.edges = 1).contains("both directions"));
    }

    #[test]
    fn each_edge_is_left_out_once_with_its_twin_and_asked_about_then() {
        let forward = 6_i64;
        let window = Tensors {
            nodes: 7,
            edges: 12,
            node_features: vec![0.0; 21],
            node_type: vec![0; 7],
            edge_index: (0..6)
                .chain((0..6).map(|at| at + 1))
                .chain((0..6).map(|at| at + 1))
                .chain(0..6)
                .collect(),
            edge_type: (0..6).chain(11..17).collect(),
            edge_features: (0..24).map(|at| at as f32).collect(),
        };
        check(&window, &INPUTS).unwrap();
        let mut asked = Vec::new();
        for turn in 0..TURNS {
            let Some(graph) = hidden(&window, &INPUTS, turn) else { panic!() };
            let queries = graph.query_type.len();
            assert_eq!(graph.edge_type.len(), 12 - 2 * queries);
            assert_eq!(graph.edge_index.len(), 2 * graph.edge_type.len());
            assert_eq!(graph.edge_features.len(), 2 * graph.edge_type.len());
            for kind in graph.query_type.iter() {
                assert!(!graph.edge_type.contains(kind) && !graph.edge_type.contains(&(kind + 11)));
                // Edge k leads from node k to node k + 1.
                let at = graph.query_type.iter().position(|other| other == kind).unwrap();
                assert_eq!(
                    (graph.query_index[at], graph.query_index[queries + at]),
                    (*kind, kind + 1)
                );
            }
            asked.extend(graph.query_type.iter().copied());
        }
        asked.sort_unstable();
        assert_eq!(asked, (0..forward).collect::<Vec<_>>());
        assert_eq!(hidden(&two(), &INPUTS, 1), None, "one edge is asked about in one turn");
    }
}
