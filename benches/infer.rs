//! Scoring a window of 100 nodes and 150 edges by one member of the shipped size, on each runtime; explaining such windows by all
//! members of the shipped model, as a median and a 95th percentile; judging a score by its endpoint's history. `ORT_DYLIB_PATH` names
//! the library of ONNX Runtime; without one only tract is measured.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stderr,
    missing_docs,
    dead_code
)]

#[path = "../tests/it/support/tiny_model.rs"]
mod tiny_model;

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use criterion::{Criterion, criterion_group, criterion_main};
use tiny_model::{Spec, window};
use watchfloor::config::infer::{Device, InferConfig};
use watchfloor::infer::artifact::{Expected, Source, load};
use watchfloor::infer::calibrate::{Calibrations, Seen, Settings};
use watchfloor::infer::explain::{candidates, explain};
use watchfloor::infer::scorer::{Backend, GraphScorer, Scorer, Wants, choose};
use watchfloor::model::platform::Platform;

/// Windows that are explained.
const EXPLAINED: u64 = 200;

fn score(criterion: &mut Criterion) {
    let spec = Spec { members: 1, ..Spec::full_size() };
    let folder = tempfile::tempdir().unwrap();
    spec.write(folder.path());
    let models = load(&Source::Folder(folder.path().to_owned()), &spec.expected()).unwrap();
    let model = Arc::new(models.into_iter().next().unwrap());
    for (name, backend) in backends() {
        let mut scorer = GraphScorer::open(Arc::clone(&model), &backend).unwrap();
        for (nodes, edges) in [(10, 15), (100, 150), (256, 2_048)] {
            let window = window(&spec, nodes, edges, 1);
            let title = format!("score {nodes} nodes, {edges} edges, one member, {name}");
            criterion.bench_function(&title, |bench| {
                bench.iter(|| scorer.score(black_box(&window), Wants::default()).unwrap().score);
            });
        }
        let window = window(&spec, 100, 150, 1);
        let wants = Wants { anomaly: true };
        criterion.bench_function(&format!("score and surprise of 100 nodes, {name}"), |bench| {
            bench.iter(|| scorer.score(black_box(&window), wants).unwrap().score);
        });
    }
}

/// tract, and ONNX Runtime where there is one.
fn backends() -> Vec<(&'static str, Backend)> {
    let config = InferConfig { device: Device::Cpu, ..InferConfig::default() };
    let mut backends = vec![("tract", Backend::Tract)];
    match choose(&config).map(|chosen| chosen.backend) {
        Ok(library @ Backend::OnnxRuntime(_)) => backends.push(("onnxruntime", library)),
        _ => eprintln!("no library of ONNX Runtime was found: only tract is measured"),
    }
    backends
}

/// Each window is another one, so that the 95th percentile says something of windows and not only of the machine.
fn explain_shipped(_: &mut Criterion) {
    let spec = Spec::of_program();
    let models = load(&Source::Builtin, &Expected::of(&InferConfig::default())).unwrap();
    let windows = models.into_iter().find(|model| model.manifest.platform == "windows");
    let model = Arc::new(windows.unwrap());
    for (name, backend) in backends() {
        let mut scorer = GraphScorer::open(Arc::clone(&model), &backend).unwrap();
        let (mut took, mut runs, mut tried) = (Vec::new(), 0, 0);
        for seed in 0..EXPLAINED {
            let window = window(&spec, 100, 150, seed);
            let whole = scorer.score(&window, Wants::default()).unwrap().score;
            let parts = candidates(&window, |_| 0.0);
            let begun = Instant::now();
            let explanation = explain(&mut scorer, (&window, whole), &parts);
            took.push(begun.elapsed().as_secs_f64() * 1_000.0);
            runs = runs.max(explanation.runs);
            tried = tried.max(explanation.factors.len());
        }
        took.sort_by(f64::total_cmp);
        eprintln!(
            "explain 100 nodes, 150 edges, {} members, {name}: {} windows, median {:.1} ms, p95 {:.1} ms, at most {:.1} ms; {tried} candidates and {runs} runs at most",
            model.members.len(),
            took.len(),
            took[took.len() / 2],
            took[took.len() * 95 / 100],
            took[took.len() - 1],
        );
    }
}

fn judge(criterion: &mut Criterion) {
    let mut calibrations = Calibrations::new(Settings { budget: 1, window_s: 180 });
    let mut at = 0_i64;
    let mut next = || {
        at += 1;
        Seen {
            tenant: "t",
            host: "pc",
            platform: Platform::Windows,
            role: "",
            model: "m 1",
            threshold: 0.9,
            end: at * 30,
            score: (at * 7_919 % 1_000) as f32 / 1_100.0,
            excluded: false,
        }
    };
    for _ in 0..10_000 {
        calibrations.judge(&next());
    }
    criterion.bench_function("judge a score by a full history", |bench| {
        bench.iter(|| calibrations.judge(black_box(&next())).p);
    });
}

criterion_group!(benches, score, explain_shipped, judge);
criterion_main!(benches);
