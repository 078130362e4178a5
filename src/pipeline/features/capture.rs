//! One capture: its events in order of time, its windows, and beside them the counts that baselines read.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::detect::{Detector, RuleSet};
use crate::infer::Tensors;
use crate::infer::track::Track;
use crate::infer::window::{EndpointKey, Histories, Take, Timing, Window, Windows, short};
use crate::model::event::Event;
use crate::model::field;
use crate::model::finding::Finding;
use crate::model::platform::Platform;
use crate::model::severity::Severity;
use crate::pipeline::inputs::{Input, Plan};

/// One window with what stands beside its tensors.
#[derive(Clone, Debug)]
pub struct Row {
    /// The endpoint's short name.
    pub host: String,
    /// Windows or Linux.
    pub platform: Platform,
    /// Start and end, in milliseconds.
    pub start_ms: i64,
    /// Its end.
    pub end_ms: i64,
    /// First to last event.
    pub observed_ms: i64,
    /// Events of any kind.
    pub events: u32,
    /// Events in the graph.
    pub graph_events: u32,
    /// Nodes and edges left out.
    pub dropped: (u32, u32),
    /// Counts of events by source and code.
    pub counts: BTreeMap<String, u32>,
    /// Counts of events by class.
    pub classes: BTreeMap<&'static str, u32>,
    /// Counts of findings by level.
    pub levels: BTreeMap<Severity, u32>,
    /// The numbers.
    pub tensors: Tensors,
}

/// A capture.
#[derive(Debug, Default)]
pub struct Capture {
    /// Events of the track.
    pub events: u64,
    /// By endpoint and end.
    pub windows: Vec<Row>,
    /// What could not be read.
    pub problems: Vec<String>,
}

/// The events of a file that are of the track, in order of time, and what was wrong with it.
pub fn events(plan: &Plan, input: &Input, track: Track) -> (Vec<Event>, Vec<String>) {
    let mut events = Vec::new();
    let done = plan.read(input, &mut |output| {
        events.extend(output.events.drain(..).filter(|event| track.takes(event)));
        ControlFlow::Continue(())
    });
    // Shippers send hosts and channels in lumps; live, sources are read beside each other.
    events.sort_by_key(|event: &Event| event.timestamp);
    (events, done.problems)
}

/// The day of a capture: that of its first event of a known platform.
pub fn day(events: &[Event]) -> i64 {
    let first = events.iter().find(|event| Platform::of(event).is_some());
    first.map_or(0, |event| event.timestamp.seconds().div_euclid(86_400))
}

/// What one interval of an endpoint held, for baselines.
#[derive(Default)]
struct Beside {
    counts: BTreeMap<String, u32>,
    classes: BTreeMap<&'static str, u32>,
    levels: BTreeMap<Severity, u32>,
}

type Intervals = BTreeMap<(String, i64), Beside>;

/// Read a capture.
pub fn read(
    plan: &Plan,
    input: &Input,
    track: Track,
    timing: Timing,
    rules: Option<&Arc<RuleSet>>,
    history: impl Fn(i64) -> Histories,
) -> Capture {
    let (events, problems) = events(plan, input, track);
    let mut intervals = Intervals::new();
    for event in &events {
        let Some(key) = EndpointKey::of(event) else { continue };
        let beside =
            intervals.entry(interval(&key.host, event.timestamp.seconds(), timing)).or_default();
        *beside.counts.entry(source_and_code(event)).or_default() += 1;
        *beside.classes.entry(event.class.as_str()).or_default() += 1;
    }
    if let Some(rules) = rules {
        let mut detector =
            Detector::new(Arc::clone(rules), plan.config().limits.correlation_rows_max);
        let mut findings: Vec<Finding> = Vec::new();
        detector.analyse(&events, true, &mut findings);
        for finding in &findings {
            let at = interval(&short(&finding.host), finding.timestamp.seconds(), timing);
            *intervals.entry(at).or_default().levels.entry(finding.rule.level).or_default() += 1;
        }
    }
    let mut windows = Windows::new(timing, history(day(&events)));
    let mut taken = Taken::default();
    for event in &events {
        windows.see(event, &mut taken);
    }
    windows.finish(&mut taken);
    let mut rows: Vec<Row> =
        taken.0.into_iter().map(|window| row(window, &intervals, timing)).collect();
    rows.sort_by(|left, right| {
        (left.platform, &left.host, left.end_ms).cmp(&(right.platform, &right.host, right.end_ms))
    });
    Capture { events: events.len() as u64, windows: rows, problems }
}

fn interval(host: &str, seconds: i64, timing: Timing) -> (String, i64) {
    (host.to_owned(), (seconds * 1_000).div_euclid(timing.interval_ms) * timing.interval_ms)
}

#[derive(Default)]
struct Taken(Vec<Window>);

impl Take for Taken {
    fn window(&mut self, window: Window) {
        self.0.push(window);
    }
}

fn row(window: Window, intervals: &Intervals, timing: Timing) -> Row {
    let host = window.endpoint.host.to_string();
    let (mut counts, mut classes, mut levels) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    let mut start = window.start_ms;
    while start < window.end_ms {
        if let Some(beside) = intervals.get(&(host.clone(), start)) {
            add(&mut counts, &beside.counts);
            add(&mut classes, &beside.classes);
            add(&mut levels, &beside.levels);
        }
        start += timing.interval_ms;
    }
    Row {
        host,
        platform: window.endpoint.platform,
        start_ms: window.start_ms,
        end_ms: window.end_ms,
        observed_ms: window.observed_ms,
        events: window.events,
        graph_events: window.graph_events,
        dropped: (window.graph.nodes_dropped, window.graph.edges_dropped),
        counts,
        classes,
        levels,
        tensors: window.tensors,
    }
}

fn add<K: Clone + Ord>(into: &mut BTreeMap<K, u32>, from: &BTreeMap<K, u32>) {
    for (key, count) in from {
        *into.entry(key.clone()).or_default() += count;
    }
}

/// `sysmon:1`, `security:4688`, `audit:execve`, `auth:ssh_login`.
fn source_and_code(event: &Event) -> String {
    if let Some(channel) = event.str(field::WINLOG_CHANNEL) {
        let lower = channel.to_ascii_lowercase();
        let name = lower.strip_prefix("microsoft-windows-").unwrap_or(&lower);
        let name = name.split('/').next().unwrap_or(name);
        let name = if name == "windows powershell" { "powershell" } else { name };
        let code = event.get(field::EVENT_CODE).map(|code| code.to_text().into_owned());
        return format!("{}:{}", name.replace(' ', "-"), code.unwrap_or_default());
    }
    if event.has(field::AUDITD_TYPE) {
        let call = event.str(field::AUDITD_SYSCALL).or_else(|| event.str(field::AUDITD_TYPE));
        return format!("audit:{}", call.unwrap_or_default());
    }
    let dataset = event.str(field::EVENT_DATASET).unwrap_or_default();
    let name = if dataset == "system.auth" { "auth" } else { dataset };
    format!("{name}:{}", event.str(field::EVENT_ACTION).unwrap_or_default())
}
