//! Which shards this node holds now: sources take and give them, the analyst and the committer forget what is given.

use std::collections::BTreeSet;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::runtime::Handle;

use crate::source::context::{Shards, TakenShard};
use crate::store::{Store, Taken};

/// The keys of shards that are held.
#[derive(Debug, Default)]
pub(crate) struct ShardKeys(Mutex<BTreeSet<Arc<str>>>);

impl ShardKeys {
    /// Is the shard still ours? The node's own, without a key, always is.
    pub(crate) fn holds(&self, key: &str) -> bool {
        key.is_empty() || self.0.lock().contains(key)
    }

    /// The shard is not ours any more.
    pub(crate) fn forget(&self, key: &str) {
        self.0.lock().remove(key);
    }

    fn add(&self, key: &Arc<str>) {
        self.0.lock().insert(Arc::clone(key));
    }
}

/// Takes and gives shards for sources. It waits: not for a runtime's thread.
pub(crate) struct ShardDesk {
    pub(crate) store: Arc<Store>,
    pub(crate) keys: Arc<ShardKeys>,
    pub(crate) runtime: Handle,
}

impl Shards for ShardDesk {
    fn take(&self, name: &str, source: &str) -> Option<TakenShard> {
        let taken = self.runtime.block_on(self.store.take_shard(name, source));
        let taken = taken.inspect_err(|error| {
            let error: &dyn std::error::Error = error;
            tracing::warn!(error, shard = name, "a shard cannot be taken; it is tried again");
        });
        let Taken { key, positions, cluster } = taken.ok()??;
        self.keys.add(&key);
        Some(TakenShard { key, positions, cluster })
    }

    fn give(&self, key: &str) {
        self.keys.forget(key);
        if let Err(error) = self.runtime.block_on(self.store.give_shard(key)) {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, shard = key, "a shard was let go with its session");
        }
    }

    fn note_lags(&self, lags: &[(String, i64)]) {
        if let Err(error) = self.runtime.block_on(self.store.note_lags(lags)) {
            tracing::debug!(%error, "how far behind shards are was not noted");
        }
    }
}
