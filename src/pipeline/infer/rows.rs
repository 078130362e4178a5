//! The rows of a stage: what changed is in every commit; open windows, which are large, now and then.

use std::time::{Duration, Instant};

use ahash::AHashSet;

use crate::infer::window::EndpointKey;
use crate::model::platform::Platform;
use crate::pipeline::infer::stage::Stage;
use crate::pipeline::infer::{ABOUT, BY_RULES, ENDPOINT, KEY_PREFIX, MARK};
use crate::store::Commit;

/// Events behind the last complete state after which it is written again: what a start has to read once more.
const CHECKPOINT_EVENTS: u64 = 50_000;
/// The same by the clock.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(60);

impl Stage {
    pub(super) fn write_rows(&mut self, commit: &mut Commit) {
        let own = |(key, value): (String, Option<Vec<u8>>)| (format!("{KEY_PREFIX}{key}"), value);
        commit.detection.extend(self.calibrations.take_rows().into_iter().map(own));
        commit.detection.extend(self.budgets.take_rows().into_iter().map(own));
        let by_rules = self.by_rules.take_rows().into_iter();
        let by_rules = by_rules.map(|(key, value)| (format!("{BY_RULES}{key}"), value));
        commit.detection.extend(by_rules.map(own));
        let watch = self.watch.take_row().map(|(key, value)| (key, Some(value)));
        commit.detection.extend(watch.map(own));
        for key in std::mem::take(&mut self.about_changed) {
            let value = self.about.get(&key);
            let value = value.map(|about| postcard::to_allocvec(about).unwrap_or_default());
            commit.detection.push((format!("{ABOUT}{}", name(&key)), value));
        }
        let due = self.events >= CHECKPOINT_EVENTS
            || (self.events > 0 && !self.marked)
            || (self.events > 0 && self.checkpointed.elapsed() >= CHECKPOINT_EVERY);
        if self.every_commit || due {
            self.checkpoint(commit);
        }
    }

    /// All that changed, complete as of this commit.
    fn checkpoint(&mut self, commit: &mut Commit) {
        let placed: AHashSet<String> = commit.placed.iter().map(|(key, _)| key.clone()).collect();
        for key in std::mem::take(&mut self.changed) {
            let row = self.endpoint_row(&key);
            if !placed.contains(&row.0) {
                commit.placed.push(row);
            }
        }
        commit.placed.push((MARK.to_owned(), Some(Vec::new())));
        self.events = 0;
        self.marked = true;
        self.checkpointed = Instant::now();
    }

    pub(super) fn endpoint_row(&self, key: &EndpointKey) -> (String, Option<Vec<u8>>) {
        let value = self.windows.endpoint(key).map(|endpoint| pack(&endpoint.to_bytes()));
        (format!("{ENDPOINT}{}", name(key)), value)
    }
}

/// How an endpoint is named in keys of rows.
pub(super) fn name(key: &EndpointKey) -> String {
    format!("{}/{}/{}", key.platform, key.tenant, key.host)
}

/// The endpoint of a key; `None`: it is none of ours.
pub(super) fn parse_name(text: &str) -> Option<EndpointKey> {
    let (platform, rest) = text.split_once('/')?;
    let (tenant, host) = rest.split_once('/')?;
    Some(EndpointKey {
        tenant: tenant.into(),
        host: host.into(),
        platform: Platform::parse(platform)?,
    })
}

/// Endpoints' rows are mostly texts of zeros.
fn pack(bytes: &[u8]) -> Vec<u8> {
    zstd::bulk::compress(bytes, 1).unwrap_or_default()
}
