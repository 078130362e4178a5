//! Windows: taking in one event, and the numbers of a graph of a hundred nodes.
#![allow(clippy::unwrap_used, missing_docs)]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use watchfloor::infer::features::{self, Scene};
use watchfloor::infer::graph::processes::Processes;
use watchfloor::infer::window::seen::Seen;
use watchfloor::infer::window::{Take, Timing, Window, Windows};
use watchfloor::model::class::Class;
use watchfloor::model::event::Event;
use watchfloor::model::field;
use watchfloor::stdx::id::Id128;
use watchfloor::stdx::time::Timestamp;

struct Last(Option<Window>);

impl Take for Last {
    fn window(&mut self, window: Window) {
        if self.0.as_ref().is_none_or(|last| last.graph.nodes.len() < window.graph.nodes.len()) {
            self.0 = Some(window);
        }
    }
}

/// An event like Sysmon's, about as long as real ones.
fn event(number: u64) -> Event {
    let mut event = Event::with_capacity(40, 2_048);
    event.id = Id128((u128::from(number)).to_be_bytes());
    event.timestamp = Timestamp(1_700_000_000_000_000 + number as i64 * 300_000);
    event.push_str(field::WINLOG_CHANNEL, "Microsoft-Windows-Sysmon/Operational");
    event.push_str(field::WINLOG_PROVIDER_NAME, "Microsoft-Windows-Sysmon");
    event.push_str(field::HOST_NAME, "pc-17.example.org");
    for filler in 0..12 {
        event.push_int(field::EVENT_SEQUENCE, filler);
    }
    let process = number % 13;
    event.push_str(
        field::PROCESS_ENTITY_ID,
        &format!("03ba39f5-672f-5ce0-0000-0010c0b2{process:04}"),
    );
    event.push_int(field::PROCESS_PID, 4_000 + process as i64);
    event
        .push_str(field::PROCESS_EXECUTABLE, &format!(r"C:\Windows\System32\program{process}.exe"));
    match number % 5 {
        0 => {
            event.push_str(field::EVENT_CODE, "1");
            event.class = Class::ProcessStart;
            let line = r#""C:\Windows\System32\program.exe" -noP -sta -w 1 C:\Users\bob\a.txt /q 10.0.0.1"#;
            event.push_str(field::PROCESS_COMMAND_LINE, line);
            event.push_str(field::PROCESS_PARENT_ENTITY_ID, "03ba39f5-672f-5ce0-0000-0010c0b20000");
            event.push_str(field::PROCESS_PARENT_EXECUTABLE, r"C:\Windows\explorer.exe");
            event.push_str(field::USER_NAME, "bob");
        }
        1 => {
            event.push_str(field::EVENT_CODE, "3");
            event.class = Class::NetworkConnect;
            event.push_str(field::DESTINATION_IP, &format!("10.0.0.{}", number % 31));
            event.push_int(field::DESTINATION_PORT, 443);
        }
        2 => {
            event.push_str(field::EVENT_CODE, "13");
            event.class = Class::RegistrySet;
            let key = format!(r"SOFTWARE\Microsoft\Windows\CurrentVersion\Key{}", number % 37);
            event.push_str(field::REGISTRY_HIVE, "HKLM");
            event.push_str(field::REGISTRY_KEY, &key);
            event.push_str(field::REGISTRY_DATA, "DWORD (0x00000001)");
        }
        3 => {
            event.push_str(field::EVENT_CODE, "11");
            event.class = Class::FileCreate;
            let path = format!(r"C:\Users\bob\AppData\Local\Temp\file{}.tmp", number % 41);
            event.push_str(field::FILE_PATH, &path);
        }
        _ => {
            event.push_str(field::EVENT_CODE, "7");
            event.class = Class::ImageLoad;
            event.push_str(
                field::DLL_PATH,
                &format!(r"C:\Windows\System32\library{}.dll", number % 29),
            );
        }
    }
    event
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
