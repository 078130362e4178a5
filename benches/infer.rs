//! Scoring a window of 100 nodes and 150 edges by one member of the shipped size, on each runtime; explaining it; judging a score
//! by its endpoint's history. `ORT_DYLIB_PATH` names the library of ONNX Runtime; without one only tract is measured.
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

use criterion::{Criterion, criterion_group, criterion_main};
use tiny_model::{Spec, window};
use watchfloor::config::infer::{Device, InferConfig};
use watchfloor::infer::artifact::load::{Source, load};
use watchfloor::infer::calibrate::{Calibrations, Seen, Settings};
use watchfloor::infer::explain::{candidates, explain};
use watchfloor::infer::scorer::{Backend, GraphScorer, Scorer, Wants, choose};
use watchfloor::model::platform::Platform;

fn score(criterion: &mut Criterion) {
    let spec = Spec { members: 1, ..Spec::full_size() };
    let folder = tempfile::tempdir().unwrap();
    spec.write(folder.path());
    let models = load(&Source::Folder(folder.path().to_owned()), &spec.expected()).unwrap();
    let model = Arc::new(models.into_iter().next().unwrap());
    let config = InferConfig { device: Device::Cpu, ..InferConfig::default() };
    let mut backends = vec![("tract", Backend::Tract)];
    match choose(&config).map(|chosen| chosen.backend) {
        Ok(library @ Backend::OnnxRuntime(_)) => backends.push(("onnxruntime", library)),
        _ => eprintln!("no library of ONNX Runtime was found: only tract is measured"),
    }
    for (name, backend) in backends {
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
        let whole = scorer.score(&window, Wants::default()).unwrap().score;
        let parts = candidates(&window, |_| 0.0);
        criterion.bench_function(&format!("explain 100 nodes, {name}"), |bench| {
            bench.iter(|| explain(&mut scorer, (black_box(&window), whole), &parts).runs);
        });
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

criterion_group!(benches, score, judge);
criterion_main!(benches);
