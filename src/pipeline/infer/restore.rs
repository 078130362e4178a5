//! Bringing a stage back after a start: from its rows, then, where events stand in a log of this node's own, from the
//! events behind the place at which each row was complete.

use ahash::AHashMap;

use crate::infer::window::endpoint::Endpoint;
use crate::infer::window::{EndpointKey, Take, Window};
use crate::model::event::Event;
use crate::model::inference::is_judgement;
use crate::pipeline::infer::job::Job;
use crate::pipeline::infer::rows::parse_name;
use crate::pipeline::infer::stage::Stage;
use crate::pipeline::infer::{ABOUT, BY_RULES, ENDPOINT, KEY_PREFIX, MARK, PENDING};
use crate::store::{LogPlace, Placed};

/// An endpoint's row that unpacks to more is damaged.
const ENDPOINT_BYTES_MAX: usize = 64 << 20;

/// From where events have to be read again.
#[derive(Debug, Default)]
pub(crate) struct Behind {
    /// Behind the last complete state.
    pub from: LogPlace,
    /// Rows that are newer than that.
    rows: AHashMap<EndpointKey, LogPlace>,
}

/// Windows that close while events are read again closed before: their rows and results are there.
struct Nothing;

impl Take for Nothing {
    fn window(&mut self, _window: Window) {}
}

impl Stage {
    /// Take a row of the last run. `false`: it is none of this stage's.
    pub(crate) fn restore(&mut self, key: &str, value: &[u8], behind: &mut Behind) -> bool {
        let Some(own) = key.strip_prefix(KEY_PREFIX) else { return false };
        let known = if key.starts_with(PENDING) {
            Job::from_bytes(value).map(|job| self.wait_again(job)).is_some()
        } else if key == MARK {
            self.is_marked();
            Placed::split(value).map(|(place, _)| behind.from = place).is_some()
        } else if let Some(name) = key.strip_prefix(ENDPOINT) {
            self.restore_endpoint(name, value, behind)
        } else if let Some(name) = key.strip_prefix(ABOUT) {
            let about = postcard::from_bytes(value).ok();
            let both = parse_name(name).zip(about);
            both.map(|(key, about)| self.about.insert(key, about)).is_some()
        } else {
            self.calibrations.restore(own, value)
                || self.budgets.restore(own, value)
                || own.strip_prefix(BY_RULES).is_some_and(|own| self.by_rules.restore(own, value))
                || self.watch.restore(own, value)
                || self.restore_feedback(own, value)
        };
        if !known {
            // Damaged, or of a version before: it begins anew, which is counted.
            self.counts.unreadable += 1;
            tracing::warn!(key, "a row of the state of windows cannot be read and is left out");
        }
        true
    }

    fn restore_endpoint(&mut self, name: &str, value: &[u8], behind: &mut Behind) -> bool {
        let (Some(key), Some((place, packed))) = (parse_name(name), Placed::split(value)) else {
            return false;
        };
        let plain = zstd::bulk::decompress(packed, ENDPOINT_BYTES_MAX).ok();
        let Some(endpoint) = plain.and_then(|plain| Endpoint::from_bytes(&plain)) else {
            return false;
        };
        self.windows.restore(key.clone(), endpoint);
        behind.rows.insert(key, place);
        true
    }

    /// Events of one commit behind the mark, which ends at `end`.
    pub(crate) fn read_again(&mut self, events: &[Event], end: LogPlace, behind: &Behind) {
        self.windows.set_only_keys(true);
        // What models said stands in the log too, and is nothing that the endpoint did.
        for event in events.iter().filter(|event| !is_judgement(event)) {
            let Some(key) = self.endpoint_of(event) else { continue };
            if behind.rows.get(&key).is_some_and(|place| *place >= end) {
                continue;
            }
            self.windows.see_of(&key, event, &mut Nothing);
            self.changed_again(key);
        }
        self.windows.set_only_keys(false);
    }

    /// Everything is read.
    pub(crate) fn restored(&mut self) {
        self.waits_again();
    }
}
