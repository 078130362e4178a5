//! What is common, counted over the files of a history before features are made.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::infer::features::rarity::{History, Snapshot};
use crate::infer::window::{EndpointKey, Histories, Take, Timing, Window, Windows};
use crate::pipeline::features::{FeatureOptions, capture};
use crate::pipeline::inputs::{Plan, Watcher, name, size};
use crate::stdx::pool;

/// What a capture that is part of the history leaves out of it, so that its features are like those of new captures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LeaveOut {
    /// All captures of its day.
    Day,
    /// Itself, and captures of other endpoints whose file has the same name.
    File,
}

/// The history with the snapshots that were asked for.
pub struct Past {
    history: History,
    /// The group (day or file) of each of its files.
    groups: BTreeMap<String, i64>,
    made: Mutex<BTreeMap<Option<i64>, Arc<Snapshot>>>,
}

impl Past {
    /// The snapshot for a file: without its group if it is part of the history.
    pub fn of(&self, path: &str, _day: i64) -> Option<Arc<Snapshot>> {
        if self.groups.is_empty() {
            return None;
        }
        let group = self.groups.get(path).copied();
        let mut made = self.made.lock();
        let snapshot = made.entry(group).or_insert_with(|| Arc::new(self.history.without(group)));
        Some(Arc::clone(snapshot))
    }

    /// The whole of it, as a model brings it; `None`: there is no history.
    pub fn whole(&self) -> Option<Snapshot> {
        (!self.groups.is_empty()).then(|| self.history.without(None))
    }

    /// Groups, pairs and keys.
    pub fn size(&self) -> (usize, u32, usize) {
        self.history.size()
    }
}

#[derive(Default)]
struct Keys(BTreeMap<EndpointKey, BTreeSet<u64>>);

impl Take for Keys {
    fn window(&mut self, _window: Window) {}

    fn folded(&mut self, endpoint: &EndpointKey, keys: &[u64]) {
        match self.0.get_mut(endpoint) {
            Some(known) => known.extend(keys),
            None => {
                self.0.insert(endpoint.clone(), keys.iter().copied().collect());
            }
        }
    }
}

/// Count the history's files.
pub fn read(plan: &Plan, options: &FeatureOptions, timing: Timing, watcher: &dyn Watcher) -> Past {
    let mut pairs: BTreeMap<(i64, EndpointKey), BTreeSet<u64>> = BTreeMap::new();
    let mut groups = BTreeMap::new();
    let mut names: BTreeMap<String, i64> = BTreeMap::new();
    pool::ordered(
        options.workers,
        &plan.inputs,
        |input| {
            let (events, _) = capture::events(plan, input, options.track);
            let mut windows = Windows::new(timing, Histories::default()).only_keys();
            let mut keys = Keys::default();
            for event in &events {
                windows.see(event, &mut keys);
            }
            windows.finish(&mut keys);
            watcher.read_bytes(size(input));
            (name(input), capture::day(&events), keys.0)
        },
        |(path, day, keys)| {
            if keys.is_empty() {
                return ControlFlow::Continue(());
            }
            let group = match options.leave_out {
                LeaveOut::Day => day,
                LeaveOut::File => {
                    let file = path.rsplit('/').next().unwrap_or(&path).to_owned();
                    let next = names.len() as i64;
                    *names.entry(file).or_insert(next)
                }
            };
            groups.insert(path, group);
            for (endpoint, keys) in keys {
                pairs.entry((group, endpoint)).or_default().extend(keys);
            }
            ControlFlow::Continue(())
        },
    );
    let mut history = History::default();
    for ((group, _), keys) in pairs {
        history.add(group, keys);
    }
    Past { history, groups, made: Mutex::default() }
}
