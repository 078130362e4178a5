//! Sliding windows of event time for all endpoints.
//!
//! A pane is one interval (`infer.interval`, 30 s) of one endpoint, aligned to the epoch, or by a phase of its own behind it
//! ([`Windows::spread`]); a window is the panes of the last `infer.window` (180 s) before its end. An event goes into its pane once. A window closes when the endpoint's newest event
//! time is `infer.lateness` (half a second) past its end, or when somebody says that time went on ([`Windows::close_until`], [`Windows::finish`]). An event that comes later is
//! still in the windows after it: they overlap.

pub mod endpoint;
pub mod pane;
pub mod reduce;
pub mod seen;

use std::net::IpAddr;
use std::sync::Arc;

use ahash::AHashMap;

use crate::infer::features::rarity::Snapshot;
use crate::infer::features::{self, Tensors};
use crate::infer::graph::{Graph, Node, NodeKind, Observation, observe};
use crate::infer::shape::memo::Memo;
use crate::model::event::Event;
use crate::model::field;
use crate::model::platform::Platform;

pub use endpoint::{Endpoint, Timing};

/// Which endpoint: tenant, host in its short form, platform.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointKey {
    /// `organization.id`, or empty.
    pub tenant: Box<str>,
    /// The host's name: lower case, first label; an address stays whole.
    pub host: Box<str>,
    /// Windows or Linux.
    pub platform: Platform,
}

impl EndpointKey {
    /// The endpoint of an event. `None`: it could be of any platform.
    pub fn of(event: &Event) -> Option<EndpointKey> {
        let platform = Platform::of(event)?;
        let tenant = event.str(field::ORGANIZATION_ID).unwrap_or_default();
        Some(EndpointKey { tenant: tenant.into(), host: short(event.host()).into(), platform })
    }
}

/// The short form of a host's name: full and short names are one endpoint.
pub fn short(host: &str) -> String {
    let lower = host.to_ascii_lowercase();
    if lower.parse::<IpAddr>().is_ok() {
        return lower;
    }
    lower.split('.').next().unwrap_or_default().to_owned()
}

/// A window of an endpoint, as numbers and as the graph behind them.
#[derive(Clone, Debug)]
pub struct Window {
    /// Which endpoint.
    pub endpoint: Arc<EndpointKey>,
    /// Its start, in milliseconds of event time.
    pub start_ms: i64,
    /// Its end.
    pub end_ms: i64,
    /// From the first to the last event of any kind, in milliseconds.
    pub observed_ms: i64,
    /// Events of any kind.
    pub events: u32,
    /// Events in the graph.
    pub graph_events: u32,
    /// The graph.
    pub graph: Graph,
    /// The same as numbers.
    pub tensors: Tensors,
    /// Of each node that is a process: the key of its oldest known ancestor, else of itself; 0 of others.
    pub lineages: Vec<u64>,
}

/// What is common elsewhere, for each platform: models bring it.
#[derive(Clone, Debug, Default)]
pub struct Histories {
    /// On Windows.
    pub windows: Option<Arc<Snapshot>>,
    /// On Linux.
    pub linux: Option<Arc<Snapshot>>,
}

impl From<Option<Arc<Snapshot>>> for Histories {
    /// One for both.
    fn from(snapshot: Option<Arc<Snapshot>>) -> Histories {
        Histories { windows: snapshot.clone(), linux: snapshot }
    }
}

impl Histories {
    fn of(&self, platform: Platform) -> Option<&Snapshot> {
        match platform {
            Platform::Windows => self.windows.as_deref(),
            Platform::Linux => self.linux.as_deref(),
        }
    }
}

/// Who takes windows.
pub trait Take {
    /// A window has closed.
    fn window(&mut self, window: Window);
    /// A pane is over: the keys by which its content is counted.
    fn folded(&mut self, _endpoint: &EndpointKey, _keys: &[u64]) {}
}

/// The windows of all endpoints.
#[derive(Default)]
pub struct Windows {
    timing: Timing,
    history: Histories,
    endpoints: AHashMap<Arc<EndpointKey>, Endpoint>,
    memo: Memo,
    observation: Observation,
    features_off: bool,
    spread: bool,
}

impl Windows {
    /// Windows with a history of what is common.
    pub fn new(timing: Timing, history: impl Into<Histories>) -> Windows {
        Windows { timing, history: history.into(), ..Windows::default() }
    }

    /// Only count keys, make no windows.
    #[must_use]
    pub fn only_keys(mut self) -> Windows {
        self.features_off = true;
        self
    }

    /// Windows of different endpoints end at different times, so that there is always a little to score and never much at once.
    /// Where captures are compared they are not: a window must not depend on a name.
    #[must_use]
    pub fn spread(mut self) -> Windows {
        self.spread = true;
        self
    }

    /// Count keys only, or make windows again: for events that were seen before and only bring the state forward.
    pub fn set_only_keys(&mut self, only: bool) {
        self.features_off = only;
    }

    /// What is common elsewhere, for windows from now on.
    pub fn set_history(&mut self, history: Histories) {
        self.history = history;
    }

    /// Take in an event. `false`: it is of no known platform, or too late.
    pub fn see(&mut self, event: &Event, take: &mut dyn Take) -> bool {
        EndpointKey::of(event).is_some_and(|key| self.see_of(&key, event, take))
    }

    /// Take in an event of a known endpoint. `false`: it is too late.
    pub fn see_of(&mut self, key: &EndpointKey, event: &Event, take: &mut dyn Take) -> bool {
        let at_ms = event.timestamp.micros().div_euclid(1_000);
        let at_ms = at_ms.clamp(-endpoint::TIME_MS_MAX, endpoint::TIME_MS_MAX);
        let ingested_ms = event.ingested.micros().div_euclid(1_000);
        let key = match self.endpoints.get_key_value(key) {
            Some((known, _)) => Arc::clone(known),
            None => {
                let key = Arc::new(key.clone());
                self.endpoints.insert(Arc::clone(&key), Endpoint::default());
                key
            }
        };
        let timing = self.timing_of(&key);
        let closing = Closing {
            timing,
            history: self.history.of(key.platform),
            features: !self.features_off,
        };
        let Some(endpoint) = self.endpoints.get_mut(&key) else { return false };
        // Before the event is read, which says something of processes: a window that the clock closed knew none of it.
        let newest = endpoint.newest_with(&timing, (at_ms, ingested_ms));
        closing.close(&key, endpoint, newest, take);
        let mut context = observe::Context {
            event,
            platform: key.platform,
            at_ms,
            processes: &mut endpoint.processes,
            memo: &mut self.memo,
            out: &mut self.observation,
        };
        observe::observe(&mut context);
        let taken = endpoint.see(&timing, (at_ms, ingested_ms), event.id, &self.observation);
        if endpoint.wants_closing() {
            closing.close(&key, endpoint, i64::MAX, take);
        }
        let now = endpoint.newest_ms();
        closing.close(&key, endpoint, now, take);
        taken
    }

    /// The lineages of the processes that the last event named.
    pub fn lineages_of_last(&self, key: &EndpointKey) -> Vec<u64> {
        let Some(endpoint) = self.endpoints.get(key) else { return Vec::new() };
        let processes = self.observation.nodes.iter().filter(|node| node.kind == NodeKind::Process);
        let mut roots: Vec<u64> = processes.map(|node| endpoint.processes.root(node.key)).collect();
        roots.sort_unstable();
        roots.dedup();
        roots
    }

    /// Close what is due on one endpoint when its event time has come to `now_ms`, as when time goes on without events.
    /// `false`: nothing was.
    pub fn close_until(&mut self, key: &EndpointKey, now_ms: i64, take: &mut dyn Take) -> bool {
        let Some((key, _)) = self.endpoints.get_key_value(key) else { return false };
        let key = Arc::clone(key);
        let closing = Closing {
            timing: self.timing_of(&key),
            history: self.history.of(key.platform),
            features: !self.features_off,
        };
        let Some(endpoint) = self.endpoints.get_mut(&key) else { return false };
        let due = endpoint.due(&closing.timing, now_ms).is_some();
        closing.close(&key, endpoint, now_ms, take);
        due
    }

    /// One endpoint.
    pub fn endpoint(&self, key: &EndpointKey) -> Option<&Endpoint> {
        self.endpoints.get(key)
    }

    /// How many endpoints are known.
    pub fn len(&self) -> usize {
        self.endpoints.len()
    }

    /// None?
    pub fn is_empty(&self) -> bool {
        self.endpoints.is_empty()
    }

    /// Forget an endpoint.
    pub fn forget(&mut self, key: &EndpointKey) {
        self.endpoints.remove(key);
    }

    /// How windows lie in time, but for an endpoint's phase.
    pub fn timing(&self) -> &Timing {
        &self.timing
    }

    fn timing_of(&self, key: &EndpointKey) -> Timing {
        if self.spread { self.timing.spread(&key.tenant, &key.host) } else { self.timing }
    }

    /// Forget what endpoints without events need no more; `now_ms` is event time elsewhere. Changes no later window.
    pub fn rest(&mut self, now_ms: i64) {
        for endpoint in self.endpoints.values_mut().filter(|endpoint| endpoint.is_idle()) {
            endpoint.rest(now_ms);
        }
    }

    /// Close every window, as at the end of a file. Endpoints go in the order of their keys.
    pub fn finish(&mut self, take: &mut dyn Take) {
        let mut keys: Vec<Arc<EndpointKey>> = self.endpoints.keys().cloned().collect();
        keys.sort_unstable();
        for key in keys {
            let closing = Closing {
                timing: self.timing_of(&key),
                history: self.history.of(key.platform),
                features: !self.features_off,
            };
            if let Some(endpoint) = self.endpoints.get_mut(&key) {
                closing.close(&key, endpoint, i64::MAX, take);
            }
        }
    }

    /// Every endpoint, in no order.
    pub fn endpoints(&self) -> impl Iterator<Item = (&Arc<EndpointKey>, &Endpoint)> {
        self.endpoints.iter()
    }

    /// Put an endpoint back as it was kept, whatever interval there was.
    pub fn restore(&mut self, key: EndpointKey, mut endpoint: Endpoint) {
        endpoint.move_to(&self.timing_of(&key));
        self.endpoints.insert(Arc::new(key), endpoint);
    }
}

/// What closing needs beside the endpoint.
struct Closing<'a> {
    timing: Timing,
    history: Option<&'a Snapshot>,
    features: bool,
}

impl Closing<'_> {
    fn close(
        &self,
        key: &Arc<EndpointKey>,
        endpoint: &mut Endpoint,
        now_ms: i64,
        take: &mut dyn Take,
    ) {
        while let Some(end_ms) = endpoint.due(&self.timing, now_ms) {
            if self.features
                && let Some(closed) = endpoint.window(&self.timing, end_ms)
            {
                let start_ms = end_ms - self.timing.window_ms;
                let scene = features::Scene {
                    window_ms: self.timing.window_ms,
                    interval_ms: self.timing.interval_ms,
                    start_ms,
                    observed_ms: closed.observed_ms,
                    processes: &endpoint.processes,
                    seen: &endpoint.seen,
                    history: self.history,
                };
                let tensors = features::tensors(&closed.graph, &scene);
                let root = |node: &Node| match node.kind {
                    NodeKind::Process => endpoint.processes.root(node.key),
                    _ => 0,
                };
                let lineages = closed.graph.nodes.iter().map(root).collect();
                take.window(Window {
                    endpoint: Arc::clone(key),
                    start_ms,
                    end_ms,
                    observed_ms: closed.observed_ms,
                    events: closed.events,
                    graph_events: closed.graph_events,
                    graph: closed.graph,
                    tensors,
                    lineages,
                });
            }
            endpoint.slide(&self.timing, end_ms, &mut |keys| take.folded(key, keys));
        }
    }
}
