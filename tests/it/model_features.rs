//! What the graph model sees: real captures become windows, names and times reach no number, hostile events break
//! nothing, state survives a restart.

mod export;
mod hostile;
mod rename;

use std::ops::ControlFlow;
use std::path::Path;

use watchfloor::config::Config;
use watchfloor::infer::features::{EDGE_FEATURES, NODE_FEATURES};
use watchfloor::infer::graph::{EDGE_KINDS, EdgeKind, Graph, NODE_KINDS, NodeKind};
use watchfloor::infer::shape::path;
use watchfloor::infer::window::{
    Endpoint, EndpointKey, Take, Timing, Window, Windows, endpoint, reduce,
};
use watchfloor::model::event::Event;
use watchfloor::model::platform::Platform;
use watchfloor::pipeline::inputs::{Inputs, Plan};

use crate::support;

/// One capture of each environment, small ones, of all shapes; and Linux.
pub const CAPTURES: [&str; 6] = [
    "windows/otrf/A-shire.com/20190518T2012_empire_net_domain_admins.json.zst",
    "windows/otrf/B-theshire/20200904T0706_empire_persistence_registry_modification_run_keys_standard_user.json.zst",
    "windows/otrf/C-tamper-vm/20220803T0722_cmd_stop_event_logging_controlset_minint_key.json.zst",
    "windows/otrf/E-other/20201019T0330_cmd_psexec_lsa_secrets_dump.json.zst",
    "windows/otrf/E-other/20220921T1059_190319-LocalUserEnumeration-NetUtility__WORKSTATION6_Windows_MicrosoftWindowsSysmonOperational.json.zst",
    "linux/benign_lab/files01/audit.run2.log.zst",
];
/// Events of a capture that a test looks at.
pub const EVENTS_MAX: usize = 6_000;

/// The first events of a file in order of time.
pub fn events(file: &Path) -> Vec<Event> {
    let inputs = Inputs {
        paths: vec![file.display().to_string()],
        format: "auto".to_owned(),
        host: None,
        host_from_path: Some(1),
        explain: false,
    };
    let plan = Plan::new(&Config::default(), &inputs, false).unwrap();
    let mut events = Vec::new();
    plan.read(&plan.inputs[0], &mut |output| {
        events.append(&mut output.events);
        if events.len() >= EVENTS_MAX { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    events.sort_by_key(|event: &Event| event.timestamp);
    events
}

#[derive(Default)]
pub struct Taken(pub Vec<Window>);

impl Take for Taken {
    fn window(&mut self, window: Window) {
        self.0.push(window);
    }
}

/// All windows of events.
pub fn windows(events: &[Event]) -> Vec<Window> {
    let mut windows = Windows::new(Timing::default(), None);
    let mut taken = Taken::default();
    for event in events {
        windows.see(event, &mut taken);
    }
    windows.finish(&mut taken);
    taken.0
}

/// Shapes, kinds and bounds of a window's numbers.
pub fn sound(window: &Window) {
    let tensors = &window.tensors;
    assert!(tensors.nodes <= reduce::NODES_MAX && tensors.edges <= 2 * reduce::EDGES_MAX);
    assert_eq!(tensors.node_features.len(), tensors.nodes * NODE_FEATURES);
    assert_eq!(tensors.edge_features.len(), tensors.edges * EDGE_FEATURES);
    assert_eq!(tensors.edge_index.len(), 2 * tensors.edges);
    let within = |value: &f32| value.is_finite() && (-5.0..=5.5).contains(value);
    assert!(tensors.node_features.iter().chain(&tensors.edge_features).all(within));
    assert!(tensors.node_type.iter().all(|kind| (0..NODE_KINDS as i64).contains(kind)));
    assert!(tensors.edge_type.iter().all(|kind| (0..2 * EDGE_KINDS as i64).contains(kind)));
    assert!(tensors.edge_index.iter().all(|end| (0..tensors.nodes as i64).contains(end)));
    let half = tensors.edges / 2;
    for edge in 0..half {
        assert_eq!(tensors.edge_type[edge] + EDGE_KINDS as i64, tensors.edge_type[edge + half]);
        assert_eq!(tensors.edge_index[edge], tensors.edge_index[tensors.edges + edge + half]);
    }
}

#[test]
fn every_shape_of_capture_gives_windows_of_finite_numbers() {
    for capture in CAPTURES {
        let Some(file) = support::data(capture) else { return };
        let windows = windows(&events(&file));
        assert!(!windows.is_empty(), "{capture}");
        assert!(windows.iter().any(|window| window.graph.edges.len() > 3), "{capture}");
        for window in &windows {
            sound(window);
            assert!(window.observed_ms <= 180_000 && window.end_ms % 30_000 == 0);
        }
    }
}

#[test]
fn a_window_is_the_same_whether_the_clock_or_the_next_event_closes_it() {
    for capture in CAPTURES {
        let Some(file) = support::data(capture) else { return };
        let events = events(&file);
        let mut by_clock = Windows::new(Timing::default(), None);
        let mut taken = Taken::default();
        for event in &events {
            if let Some(key) = EndpointKey::of(event) {
                // As if nothing came until a moment before this event.
                let now = event.timestamp.micros().div_euclid(1_000);
                by_clock.close_until(&key, now, &mut taken);
            }
            by_clock.see(event, &mut taken);
        }
        by_clock.finish(&mut taken);
        let by_events = windows(&events);
        assert_eq!(taken.0.len(), by_events.len(), "{capture}");
        for (one, other) in taken.0.iter().zip(&by_events) {
            let place = format!("{capture}: {} until {}", one.endpoint.host, one.end_ms);
            assert_eq!((&one.endpoint, one.end_ms), (&other.endpoint, other.end_ms), "{place}");
            assert_eq!(one.tensors.node_features, other.tensors.node_features, "{place}");
            assert_eq!(one.tensors.edge_features, other.tensors.edge_features, "{place}");
            assert_eq!(one.lineages, other.lineages, "{place}");
        }
    }
}

/// Windows of endpoints with phases of their own.
fn spread_windows(events: &[Event], mut windows: Windows) -> Vec<Window> {
    let mut taken = Taken::default();
    for event in events {
        windows.see(event, &mut taken);
    }
    windows.finish(&mut taken);
    taken.0
}

#[test]
fn windows_that_are_spread_end_at_the_phase_of_their_endpoint_and_hold_every_event() {
    for capture in CAPTURES {
        let Some(file) = support::data(capture) else { return };
        let events = events(&file);
        let spread = spread_windows(&events, Windows::new(Timing::default(), None).spread());
        assert!(!spread.is_empty(), "{capture}");
        for window in &spread {
            sound(window);
            let key = &window.endpoint;
            let phase = Timing::default().spread(&key.tenant, &key.host).phase_ms;
            assert_eq!(window.end_ms.rem_euclid(30_000), phase, "{capture}: {}", key.host);
        }
        // An event is in as many windows as an interval goes into a window, whenever they end.
        let counted = |all: &[Window]| all.iter().map(|one| u64::from(one.events)).sum::<u64>();
        let whole = windows(&events);
        let (one, other) = (counted(&spread), counted(&whole));
        assert!(one.abs_diff(other) * 20 <= one, "{capture}: {one} and {other}");
    }
}

#[test]
fn endpoints_are_spread_evenly_and_always_in_the_same_way() {
    let phase = |number: usize| Timing::default().spread("", &format!("host{number:04}")).phase_ms;
    let mut seconds = [0_usize; 30];
    (0..3_000).for_each(|number| seconds[phase(number) as usize / 1_000] += 1);
    assert!(seconds.iter().all(|count| (60..=140).contains(count)), "{seconds:?}");
    // Another node and a later version must find the same, or windows would be judged twice.
    assert_eq!([phase(1), phase(2)], [15_539, 26_694]);
    assert_ne!(phase(1), Timing::default().spread("acme", "host0001").phase_ms);
}

#[test]
fn what_was_open_when_windows_lay_otherwise_is_in_the_windows_after_it() {
    let Some(file) = support::data(CAPTURES[1]) else { return };
    let events = events(&file);
    let (before, after) = events.split_at(events.len() / 2);
    let mut old = Windows::new(Timing::default(), None);
    for event in before {
        old.see(event, &mut Taken::default());
    }
    let changed_ms = before[before.len() - 1].timestamp.micros().div_euclid(1_000);
    let other = Timing { interval_ms: 45_000, ..Timing::default() };
    for timing in [Timing::default(), other] {
        let fresh = || Windows::new(timing, None).spread();
        let mut kept = fresh();
        for (key, endpoint) in old.endpoints() {
            let endpoint = Endpoint::from_bytes(&endpoint.to_bytes()).unwrap();
            kept.restore(EndpointKey::clone(key), endpoint);
        }
        let found = spread_windows(after, kept);
        // The same events, had windows always lain so, and had what was open been lost.
        let whole = spread_windows(&events, fresh());
        let lost = spread_windows(after, fresh());
        let events_of = |all: &[Window], window: &Window| {
            let at =
                |one: &&Window| (&one.endpoint, one.end_ms) == (&window.endpoint, window.end_ms);
            all.iter().find(at).map_or(0, |one| one.events)
        };
        let mut more = 0;
        for window in &found {
            sound(window);
            let key = &window.endpoint;
            let phase = timing.spread(&key.tenant, &key.host).phase_ms;
            assert_eq!(window.end_ms.rem_euclid(timing.interval_ms), phase);
            if window.start_ms > changed_ms {
                assert_eq!(window.events, events_of(&whole, window), "{}", window.end_ms);
            }
            more += window.events.saturating_sub(events_of(&lost, window));
        }
        assert!(more > 0, "what was open is in them");
    }
}

/// Is there a process with the label of `parent` that started one with the label of `child`?
fn started(graph: &Graph, parent: &str, child: &str) -> bool {
    let label = |path: &str| path::shape(Platform::Windows, path).facts.label;
    let (parent, child) = (label(parent), label(child));
    graph.edges.iter().any(|edge| {
        let of = |place: u32| &graph.nodes[place as usize];
        edge.kind == EdgeKind::Spawned
            && of(edge.source).kind == NodeKind::Process
            && of(edge.source).facts.label == parent
            && of(edge.target).facts.label == child
    })
}

#[test]
fn the_chain_of_a_known_attack_stands_in_the_graph() {
    let Some(file) = support::data(CAPTURES[0]) else { return };
    let windows = windows(&events(&file));
    let system = r"C:\Windows\System32\";
    let (shell, net, net1) = (
        format!(r"{system}WindowsPowerShell\v1.0\powershell.exe"),
        format!("{system}net.exe"),
        format!("{system}net1.exe"),
    );
    let attacked: Vec<&Window> = windows
        .iter()
        .filter(|window| {
            started(&window.graph, &shell, &net) && started(&window.graph, &net, &net1)
        })
        .collect();
    assert!(!attacked.is_empty(), "PowerShell started net, net started net1");
    assert!(attacked.iter().all(|window| &*window.endpoint.host == "hr001"));
}

#[test]
fn an_event_stands_in_six_windows_and_counts_once_in_each() {
    let mut event = Event::with_capacity(8, 256);
    event.timestamp = watchfloor::stdx::time::Timestamp::from_seconds(1_700_000_000);
    hostile::sysmon(&mut event, "3");
    event.push_str(watchfloor::model::field::DESTINATION_IP, "10.0.0.9");
    event.class = watchfloor::model::class::Class::NetworkConnect;
    let windows = windows(&[event]);
    assert_eq!(windows.len(), 6);
    for window in windows {
        assert_eq!(
            (window.events, window.graph.edges.len(), window.graph.edges[0].count),
            (1, 1, 1)
        );
    }
}

#[test]
fn a_kept_endpoint_goes_on_as_if_nothing_had_happened() {
    for capture in [CAPTURES[0], CAPTURES[5]] {
        let Some(file) = support::data(capture) else { return };
        let events = events(&file);
        let whole = windows(&events);
        let mut taken = Taken::default();
        let mut windows = Windows::new(Timing::default(), None);
        for (place, event) in events.iter().enumerate() {
            if place % 701 == 700 {
                let mut fresh = Windows::new(Timing::default(), None);
                for (key, kept) in windows.endpoints() {
                    let back = Endpoint::from_bytes(&kept.to_bytes()).unwrap();
                    assert!(&back == kept, "{capture}");
                    fresh.restore((**key).clone(), back);
                }
                windows = fresh;
            }
            windows.see(event, &mut taken);
        }
        windows.finish(&mut taken);
        assert_eq!(whole.len(), taken.0.len());
        for (left, right) in whole.iter().zip(&taken.0) {
            assert!(left.tensors == right.tensors, "{capture}");
        }
    }
    assert!(Endpoint::from_bytes(&[]).is_none() && Endpoint::from_bytes(&[1, 200, 3]).is_none());
}

#[test]
fn idle_endpoints_cost_bytes_and_active_ones_little() {
    for capture in CAPTURES {
        let Some(file) = support::data(capture) else { return };
        let mut windows = Windows::new(Timing::default(), None);
        let mut taken = Taken::default();
        let mut most = 0;
        for event in events(&file) {
            windows.see(&event, &mut taken);
            let held = windows.endpoints().map(|(_, endpoint)| endpoint.heap_bytes()).max();
            most = most.max(held.unwrap_or(0) + size_of::<endpoint::Endpoint>());
        }
        windows.finish(&mut taken);
        let newest = windows.endpoints().map(|(_, endpoint)| endpoint.newest_ms()).max().unwrap();
        windows.rest(newest + 3_600_000);
        let idle = windows.endpoints().map(|(_, endpoint)| endpoint.heap_bytes()).max().unwrap();
        let idle = idle + size_of::<endpoint::Endpoint>();
        eprintln!("memory: active at most {most} bytes, idle at most {idle} bytes ({capture})");
        assert!(idle < 2_048, "{capture}: idle {idle}");
        assert!(most < 1 << 20, "{capture}: active {most}");
    }
}
