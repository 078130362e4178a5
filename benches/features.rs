//! Windows: taking in one event, and the numbers of a graph of a hundred nodes.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "support/sysmon.rs"]
mod sysmon;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use sysmon::event;
use watchfloor::infer::features::{self, Scene};
use watchfloor::infer::graph::processes::Processes;
use watchfloor::infer::window::seen::Seen;
use watchfloor::infer::window::{Take, Timing, Window, Windows};
use watchfloor::model::event::Event;

struct Last(Option<Window>);

impl Take for Last {
    fn window(&mut self, window: Window) {
        if self.0.as_ref().is_none_or(|last| last.graph.nodes.len() < window.graph.nodes.len()) {
            self.0 = Some(window);
        }
    }
}

fn windows(criterion: &mut Criterion) {
    let events: Vec<Event> = (0..20_000).map(event).collect();
    let mut all = Windows::new(Timing::default(), None).only_keys();
    let mut last = Last(None);
    let mut at = 0_usize;
    criterion.bench_function("take one event into its pane", |bench| {
        bench.iter(|| {
            if at >= events.len() {
                at = 0;
                all = Windows::new(Timing::default(), None).only_keys();
            }
            if let Some(event) = events.get(at) {
                all.see(black_box(event), &mut last);
            }
            at += 1;
        });
    });
    let mut all = Windows::new(Timing::default(), None);
    for event in events.iter().take(600) {
        all.see(event, &mut last);
    }
    all.finish(&mut last);
    let mut graph = last.0.unwrap().graph;
    graph.nodes.truncate(100);
    graph.edges.retain(|edge| edge.source < 100 && edge.target < 100);
    let (processes, seen) = (Processes::default(), Seen::default());
    let scene = Scene {
        window_ms: 180_000,
        interval_ms: 30_000,
        start_ms: 1_700_000_000_000,
        observed_ms: 170_000,
        processes: &processes,
        seen: &seen,
        history: None,
    };
    let name = format!("features of {} nodes, {} edges", graph.nodes.len(), graph.edges.len());
    criterion.bench_function(&name, |bench| {
        bench.iter(|| features::tensors(black_box(&graph), &scene));
    });
}

criterion_group!(benches, windows);
criterion_main!(benches);
