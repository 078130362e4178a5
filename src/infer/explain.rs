//! Why a window scored as it did, by exact ablation: a part is taken out, the rest is scored again, the drop is what the part
//! was worth. No gradient and no attention weight is read, so what is shown is what the model does.
//!
//! What other nodes' numbers say about a part (how many neighbours they have) stays as it was: the question is what the model would
//! say had it not been shown the part, not had it not happened.

use std::time::Instant;

use crate::infer::Tensors;
use crate::infer::scorer::{Scorer, Wants};
use crate::model::inference::NODES_SHOWN_MAX;

/// Parts that are tried at most.
pub const CANDIDATES_MAX: usize = 40;
/// Factors from which the curves are drawn at most: as many as a card has nodes for by themselves.
pub const CURVES_MAX: usize = NODES_SHOWN_MAX.div_ceil(2);
/// Rests of a window that are scored at once: several threads have work, and few hold memory.
const AT_ONCE: usize = 16;

/// What can be taken out of a window.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// A node with all its edges.
    Node(usize),
    /// Forward edges, by their numbers, with their twins.
    Edges(Vec<usize>),
}

/// A part and what it was worth.
#[derive(Clone, Debug, PartialEq)]
pub struct Factor {
    /// The part.
    pub part: Part,
    /// How much lower the score is without it; negative: it spoke against.
    pub drop: f32,
}

/// Why a window scored as it did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Explanation {
    /// The score of the whole window.
    pub score: f32,
    /// Parts that were tried, the largest drop first.
    pub factors: Vec<Factor>,
    /// Parts that there were.
    pub of: usize,
    /// Mean score while the factors that speak for it are taken out one after the other, the most important first: the lower,
    /// the truer.
    pub deletion: f32,
    /// Mean score while they are put back into the window without them: the higher, the truer.
    pub insertion: f32,
    /// Windows that were scored for it.
    pub runs: usize,
    /// How long it took.
    pub milliseconds: f32,
}

/// Parts to try: nodes by `weight` (contributing events first; equal ones by their edges), then edges of one kind from one node.
pub fn candidates(window: &Tensors, weight: impl Fn(usize) -> f32) -> Vec<Part> {
    let forward = window.edges / 2;
    let ends = |edge: usize| {
        let end =
            |at: usize| window.edge_index.get(at).and_then(|node| usize::try_from(*node).ok());
        Some((end(edge)?, end(window.edges + edge)?))
    };
    let mut degree = vec![0_usize; window.nodes];
    let mut groups: Vec<((usize, i64), Vec<usize>)> = Vec::new();
    for edge in 0..forward {
        let Some((source, target)) = ends(edge) else { continue };
        for node in [source, target] {
            if let Some(count) = degree.get_mut(node) {
                *count += 1;
            }
        }
        let key = (source, window.edge_type.get(edge).copied().unwrap_or(-1));
        match groups.iter_mut().find(|(known, _)| *known == key) {
            Some((_, edges)) => edges.push(edge),
            None => groups.push((key, vec![edge])),
        }
    }
    let mut nodes: Vec<usize> = (0..window.nodes).collect();
    let edges_of = |node: usize| degree.get(node).copied().unwrap_or(0);
    nodes.sort_by(|a, b| {
        weight(*b).total_cmp(&weight(*a)).then(edges_of(*b).cmp(&edges_of(*a))).then(a.cmp(b))
    });
    groups.sort_by(|a, b| weight(b.0.0).total_cmp(&weight(a.0.0)).then(b.1.len().cmp(&a.1.len())));
    let nodes = nodes.into_iter().map(Part::Node);
    nodes.chain(groups.into_iter().map(|(_, edges)| Part::Edges(edges))).collect()
}

/// The window without these parts. Nodes keep their order.
pub fn without(window: &Tensors, parts: &[&Part]) -> Tensors {
    let forward = window.edges / 2;
    let (mut gone, mut cut) = (vec![false; window.nodes], vec![false; forward]);
    for part in parts {
        match part {
            Part::Node(node) => gone.get_mut(*node).into_iter().for_each(|gone| *gone = true),
            Part::Edges(edges) => {
                edges
                    .iter()
                    .for_each(|edge| cut.get_mut(*edge).into_iter().for_each(|cut| *cut = true));
            }
        }
    }
    let is_gone = |node: usize| gone.get(node).copied().unwrap_or(true);
    let mut place = vec![0_i64; window.nodes];
    let mut kept_nodes = Vec::new();
    for (node, place) in place.iter_mut().enumerate() {
        *place = i64::try_from(kept_nodes.len()).unwrap_or(i64::MAX);
        if !is_gone(node) {
            kept_nodes.push(node);
        }
    }
    let end = |at: usize| window.edge_index.get(at).and_then(|node| usize::try_from(*node).ok());
    let stays = |edge: &usize| {
        let twin = if forward == 0 { 0 } else { edge % forward };
        let ends = [end(*edge), end(window.edges + edge)];
        !cut.get(twin).copied().unwrap_or(true)
            && ends.iter().all(|end| end.is_some_and(|node| !is_gone(node)))
    };
    let kept_edges: Vec<usize> = (0..window.edges).filter(stays).collect();
    let moved = |at: usize| end(at).and_then(|node| place.get(node)).copied().unwrap_or(0);
    let sources = kept_edges.iter().map(|edge| moved(*edge));
    let targets = kept_edges.iter().map(|edge| moved(window.edges + edge));
    Tensors {
        nodes: kept_nodes.len(),
        edges: kept_edges.len(),
        node_features: rows(&window.node_features, window.nodes, &kept_nodes),
        node_type: rows(&window.node_type, window.nodes, &kept_nodes),
        edge_index: sources.chain(targets).collect(),
        edge_type: rows(&window.edge_type, window.edges, &kept_edges),
        edge_features: rows(&window.edge_features, window.edges, &kept_edges),
    }
}

fn rows<T: Copy>(from: &[T], rows: usize, kept: &[usize]) -> Vec<T> {
    let width = from.len().checked_div(rows).unwrap_or(0);
    let row = |at: &usize| from.get(at * width..(at + 1) * width).unwrap_or(&[]);
    kept.iter().flat_map(row).copied().collect()
}

/// Explain a window that scored `whole`: try the first [`CANDIDATES_MAX`] parts that leave a graph.
pub fn explain(
    scorer: &mut dyn Scorer,
    (window, whole): (&Tensors, f32),
    parts: &[Part],
) -> Explanation {
    let begun = Instant::now();
    let mut ablator = Ablator { scorer, window, runs: 0 };
    let mut factors = Vec::new();
    let mut waiting = parts.iter();
    while factors.len() < CANDIDATES_MAX {
        let tried: Vec<&Part> = waiting.by_ref().take(CANDIDATES_MAX - factors.len()).collect();
        if tried.is_empty() {
            break;
        }
        let taken: Vec<&[&Part]> = tried.iter().map(std::slice::from_ref).collect();
        // A window without a part that cannot be scored says nothing about that part, and nothing about the others.
        let scores = tried.iter().zip(ablator.scores(&taken));
        factors.extend(scores.filter_map(|(part, rest)| {
            Some(Factor { part: Part::clone(part), drop: whole - rest? })
        }));
    }
    factors.sort_by(|a, b| b.drop.total_cmp(&a.drop));
    let (deletion, insertion) = curves(&mut ablator, whole, &factors);
    Explanation {
        score: whole,
        factors,
        of: parts.len(),
        deletion,
        insertion,
        runs: ablator.runs,
        milliseconds: begun.elapsed().as_secs_f32() * 1_000.0,
    }
}

/// The areas under both curves, of the factors that speak for the score: the deletion's and the insertion's.
fn curves(ablator: &mut Ablator<'_>, whole: f32, factors: &[Factor]) -> (f32, f32) {
    let speaking = factors.iter().filter(|factor| factor.drop > 0.0).take(CURVES_MAX);
    let (order, alone): (Vec<&Part>, Vec<f32>) =
        speaking.map(|factor| (&factor.part, whole - factor.drop)).unzip();
    let (Some(first), Some(last)) = (alone.first(), alone.last()) else { return (whole, whole) };
    // Both ends of a curve are known: the whole window, and it without one part.
    let taken = (2..=order.len()).filter_map(|count| order.get(..count));
    let kept = (1..order.len() - 1).filter_map(|count| order.get(count..));
    let scores = ablator.scores(&taken.chain(kept).collect::<Vec<_>>());
    let (taken, kept) = scores.split_at(order.len() - 1);
    let but_last = (order.len() > 1).then_some(*last);
    let deletion = mean([whole, *first].iter().chain(taken.iter().flatten()));
    let insertion = mean(kept.iter().flatten().chain(&but_last).chain([&whole]));
    (deletion, insertion)
}

/// Scores what is left of one window, some rests at once.
struct Ablator<'a> {
    scorer: &'a mut dyn Scorer,
    window: &'a Tensors,
    runs: usize,
}

impl Ablator<'_> {
    /// The score without each of these sets of parts; `None`: no graph is left, or it cannot be scored.
    fn scores(&mut self, sets: &[&[&Part]]) -> Vec<Option<f32>> {
        let mut all = Vec::with_capacity(sets.len());
        for some in sets.chunks(AT_ONCE) {
            let rests = some.iter().map(|parts| without(self.window, parts));
            let (places, rests): (Vec<usize>, Vec<Tensors>) =
                rests.enumerate().filter(|(_, rest)| rest.nodes >= 2).unzip();
            self.runs += rests.len();
            let scores = self.scorer.score_all(rests, Wants::default());
            let begin = all.len();
            all.resize(begin + some.len(), None);
            for (place, scores) in places.into_iter().zip(scores) {
                if let Some(known) = all.get_mut(begin + place) {
                    *known = scores.ok().map(|scores| scores.score);
                }
            }
        }
        all
    }
}

fn mean<'n>(numbers: impl Iterator<Item = &'n f32>) -> f32 {
    let (sum, count) = numbers.fold((0.0, 0_usize), |(sum, count), one| (sum + one, count + 1));
    sum / count.max(1) as f32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::scorer::{ScoreError, Scores};
    use proptest::prelude::*;

    /// Scores by the nodes and edges that are left: a node is worth its feature, an edge of kind 1 a tenth. Notes how many
    /// windows it is given at once.
    #[derive(Default)]
    struct Sum(Vec<usize>);

    impl Scorer for Sum {
        fn model(&self) -> &str {
            "sum"
        }

        fn runtime(&self) -> &str {
            "test"
        }

        fn score(&mut self, window: &Tensors, _: Wants) -> Result<Scores, ScoreError> {
            let nodes: f32 = window.node_features.iter().sum();
            let edges = window.edge_type.iter().filter(|kind| **kind == 1).count() as f32;
            Ok(Scores { score: nodes + edges / 10.0, ..Scores::default() })
        }

        fn score_all(
            &mut self,
            windows: Vec<Tensors>,
            wants: Wants,
        ) -> Vec<Result<Scores, ScoreError>> {
            self.0.push(windows.len());
            windows.iter().map(|window| self.score(window, wants)).collect()
        }
    }

    fn window(features: &[f32], edges: &[(i64, i64, i64)]) -> Tensors {
        let (sources, targets): (Vec<i64>, Vec<i64>) = edges.iter().map(|e| (e.0, e.1)).unzip();
        let kinds = edges.iter().map(|edge| edge.2);
        Tensors {
            nodes: features.len(),
            edges: 2 * edges.len(),
            node_features: features.to_vec(),
            node_type: (0..features.len() as i64).map(|at| at % 7).collect(),
            edge_index: [&*sources, &*targets, &*targets, &*sources].concat(),
            edge_type: kinds.clone().chain(kinds.map(|kind| kind + 11)).collect(),
            edge_features: (0..2 * edges.len()).map(|at| at as f32).collect(),
        }
    }

    fn of(sum: &mut Sum, window: &Tensors, weight: impl Fn(usize) -> f32) -> Explanation {
        let whole = Sum::default().score(window, Wants::default()).unwrap().score;
        explain(sum, (window, whole), &candidates(window, weight))
    }

    #[test]
    fn the_drop_of_a_part_is_what_the_score_loses_without_it() {
        let window = window(&[0.0, 0.3, 0.0, 0.05], &[(0, 1, 0), (1, 2, 1), (1, 3, 1), (0, 3, 2)]);
        let parts = candidates(&window, |node| if node == 3 { 1.0 } else { 0.0 });
        assert_eq!(parts[0], Part::Node(3), "contributing ones come first");
        assert!(
            parts.contains(&Part::Edges(vec![1, 2])),
            "edges of one kind from one node: {parts:?}"
        );
        let explained = of(&mut Sum::default(), &window, |node| if node == 3 { 1.0 } else { 0.0 });
        assert!((explained.score - 0.55).abs() < 1e-6);
        assert_eq!(explained.factors[0].part, Part::Node(1), "{:?}", explained.factors);
        assert!((explained.factors[0].drop - 0.5).abs() < 1e-6, "0.3 and two edges");
        let edges = explained.factors.iter().find(|factor| factor.part == Part::Edges(vec![1, 2]));
        assert!((edges.unwrap().drop - 0.2).abs() < 1e-6);
        assert!(explained.deletion < explained.insertion, "{explained:?}");
        assert_eq!(explained.of, parts.len());
    }

    #[test]
    fn no_more_parts_are_tried_than_the_limit_and_a_graph_is_always_left() {
        let features = vec![0.01; 100];
        let edges: Vec<(i64, i64, i64)> = (0..99).map(|at| (at, at + 1, at % 11)).collect();
        let window = window(&features, &edges);
        let mut sum = Sum::default();
        let explained = of(&mut sum, &window, |_| 0.0);
        assert_eq!(sum.0, [16, 16, 8, 13], "some at once, and never many");
        assert_eq!(explained.factors.len(), CANDIDATES_MAX);
        assert_eq!(explained.runs, CANDIDATES_MAX + 2 * CURVES_MAX - 3, "nothing twice");
        let two = self::window(&[0.1, 0.2], &[(0, 1, 1)]);
        let explained = of(&mut Sum::default(), &two, |_| 0.0);
        assert_eq!(explained.factors.len(), 1, "without a node there is no graph: {explained:?}");
        let nothing = explain(&mut Sum::default(), (&Tensors::default(), 0.0), &[]);
        assert_eq!((nothing.factors.len(), nothing.runs), (0, 0));
    }

    #[test]
    fn the_curves_go_over_what_speaks_for_the_score() {
        // What speaks against, or says nothing, is in no curve, and where one node is left there is no graph.
        for (features, deletion, insertion) in [
            (&[0.2, -0.1, 0.3, 0.0][..], [0.4, 0.1, -0.1].as_slice(), [0.2, 0.4].as_slice()),
            (&[0.4, 0.2, 0.1, -0.1], &[0.6, 0.2, 0.0], &[0.3, 0.5, 0.6]),
            (&[0.5, 0.0, -0.1], &[0.4, -0.1], &[0.4]),
            (&[0.0, -0.1, 0.0], &[-0.1], &[-0.1]),
        ] {
            let window = window(features, &[]);
            let explained = of(&mut Sum::default(), &window, |_| 0.0);
            let means = [deletion, insertion].map(|curve| mean(curve.iter()));
            let found = [explained.deletion, explained.insertion];
            let off = means.iter().zip(found).map(|(wanted, found)| (wanted - found).abs());
            assert!(off.fold(0.0, f32::max) < 1e-6, "{features:?}: {explained:?}, not {means:?}");
        }
    }

    proptest! {
        #[test]
        fn what_is_left_is_a_window_again(
            nodes in 1_usize..12,
            edges in prop::collection::vec((0_i64..12, 0_i64..12, 0_i64..11), 0..30),
            gone in prop::collection::vec(0_usize..14, 0..5),
            cut in prop::collection::vec(0_usize..40, 0..5),
        ) {
            let inside = |end: i64| end % nodes as i64;
            let edges: Vec<_> = edges.iter().map(|e| (inside(e.0), inside(e.1), e.2)).collect();
            let window = window(&vec![0.5; nodes], &edges);
            let mut parts: Vec<Part> = gone.iter().map(|node| Part::Node(*node)).collect();
            parts.push(Part::Edges(cut.clone()));
            let rest = without(&window, &parts.iter().collect::<Vec<_>>());
            let left = (0..nodes).filter(|node| !gone.contains(node)).count();
            prop_assert_eq!(rest.nodes, left);
            let stays = edges.iter().enumerate().filter(|(at, (s, t, _))| {
                !cut.contains(at) && !gone.contains(&(*s as usize)) && !gone.contains(&(*t as usize))
            });
            prop_assert_eq!(rest.edges, 2 * stays.count());
            if left >= 2 {
                let inputs = crate::infer::artifact::manifest::Inputs {
                    node_features: 1,
                    edge_features: if rest.edges == 0 { 0 } else { 1 },
                    node_kinds: 7,
                    edge_kinds: 22,
                };
                prop_assert_eq!(crate::infer::scorer::feed::check(&rest, &inputs), Ok(()));
            }
        }
    }
}
