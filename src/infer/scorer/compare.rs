//! One model on several runtimes: how long a window takes on each, and how far apart their answers are.

use std::sync::Arc;
use std::time::Instant;

use crate::infer::Tensors;
use crate::infer::artifact::manifest::Inputs;
use crate::infer::artifact::{Fault, Model};
use crate::infer::scorer::choose::Backend;
use crate::infer::scorer::feed::{self, TURNS};
use crate::infer::scorer::graph::{GraphScorer, OUTPUTS, difference};

/// Nodes and forward edges of the windows that runtimes are compared on; the middle one is timed.
const SIZES: [(usize, usize); 5] = [(2, 0), (2, 1), (12, 20), (100, 150), (256, 2_048)];
/// The size that is timed.
const TIMED: (usize, usize) = (100, 150);
/// Runs of the timed window; their median counts.
const RUNS: usize = 15;

/// A model on one runtime.
#[derive(Clone, Debug, PartialEq)]
pub struct Compared {
    /// The runtime, with version and device.
    pub runtime: String,
    /// How far it was from the golden window's outputs.
    pub golden: f32,
    /// How far it is from the first runtime, over all outputs, members and windows.
    pub difference: f32,
    /// The median time of one member for a window of 100 nodes, in milliseconds.
    pub milliseconds: f32,
}

/// Run a model on each of these.
pub fn compare(model: &Arc<Model>, backends: &[Backend]) -> Result<Vec<Compared>, Fault> {
    let mut compared = Vec::new();
    let mut first: Option<Vec<Vec<f32>>> = None;
    for backend in backends {
        let mut scorer = GraphScorer::open(Arc::clone(model), backend)?;
        let fault = |error| {
            let fix = "use another infer.runtime";
            Fault::new(&model.place, format!("{backend}: {error}"), fix)
        };
        let answers = answers(&mut scorer).map_err(fault)?;
        let milliseconds = time(&mut scorer).map_err(fault)?;
        let difference = first.as_ref().map_or(0.0, |first| {
            let pairs = first.iter().zip(&answers);
            pairs.map(|(one, other)| difference(one, other)).fold(0.0, f32::max)
        });
        first.get_or_insert(answers);
        let (runtime, golden) = (backend.to_string(), scorer.golden_difference());
        compared.push(Compared { runtime, golden, difference, milliseconds });
    }
    Ok(compared)
}

/// All outputs of all members for all windows, whole and in turns.
fn answers(scorer: &mut GraphScorer) -> Result<Vec<Vec<f32>>, super::ScoreError> {
    let model = Arc::clone(scorer.artifact());
    let inputs = &model.manifest.inputs;
    let mut all = Vec::new();
    for (nodes, forward) in SIZES {
        let window = made_up(inputs, nodes, forward);
        let whole = std::iter::once(feed::whole(&window, inputs));
        let turns = (0..TURNS).filter_map(|turn| feed::hidden(&window, inputs, turn));
        for feed in whole.chain(turns) {
            for member in 0..model.members.len() {
                let answer = scorer.raw(member, &feed)?;
                all.extend(OUTPUTS.iter().map(|name| answer.get(name).to_vec()));
            }
        }
    }
    Ok(all)
}

fn time(scorer: &mut GraphScorer) -> Result<f32, super::ScoreError> {
    let model = Arc::clone(scorer.artifact());
    let inputs = &model.manifest.inputs;
    let window = made_up(inputs, TIMED.0, TIMED.1);
    let feed = feed::whole(&window, inputs);
    let mut times = Vec::new();
    for _ in 0..RUNS {
        let begun = Instant::now();
        scorer.raw(0, &feed)?;
        times.push(begun.elapsed().as_secs_f32() * 1_000.0);
    }
    times.sort_by(f32::total_cmp);
    Ok(times.get(RUNS / 2).copied().unwrap_or(0.0))
}

/// A window that no endpoint had: numbers from a fixed sequence, a hub, and every kind of node and edge.
pub fn made_up(inputs: &Inputs, nodes: usize, forward: usize) -> Tensors {
    let mut state = 0x2545_F491_4F6C_DD1D_u64 ^ (nodes as u64) ^ ((forward as u64) << 32);
    let mut unit = move || {
        // Xorshift; the numbers only have to differ.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1_u64 << 24) as f32
    };
    let below = |unit: f32, bound: usize| (unit * bound as f32) as i64;
    let reals = |count: usize, unit: &mut dyn FnMut() -> f32| -> Vec<f32> {
        (0..count).map(|_| 4.0 * unit() - 2.0).collect()
    };
    let node_features = reals(nodes * inputs.node_features, &mut unit);
    let node_type = (0..nodes).map(|at| (at % inputs.node_kinds.max(1)) as i64).collect();
    let (mut sources, mut targets) = (Vec::new(), Vec::new());
    for _ in 0..forward {
        sources.push(below(unit() * unit(), nodes));
        targets.push(below(unit(), nodes));
    }
    let half = inputs.edge_kinds / 2;
    let kinds: Vec<i64> = (0..forward).map(|at| (at % half.max(1)) as i64).collect();
    let back = kinds.iter().map(|kind| kind + half as i64);
    let edge_features = reals(forward * inputs.edge_features, &mut unit);
    Tensors {
        nodes,
        edges: 2 * forward,
        node_features,
        node_type,
        edge_index: [&*sources, &*targets, &*targets, &*sources].concat(),
        edge_type: kinds.iter().copied().chain(back).collect(),
        edge_features: [&*edge_features, &*edge_features].concat(),
    }
}
