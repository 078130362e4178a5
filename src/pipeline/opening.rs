//! Before the pipeline runs: opening its store, and what is done to a store that no pipeline has.

use std::sync::Arc;

use crate::config::Config;
use crate::pipeline::exports;
use crate::pipeline::muted::{self, Muted};
use crate::pipeline::rule_life::adopt;
use crate::pipeline::shared::{Health, Shared};
use crate::stdx::time::Timestamp;
use crate::store::{self, Adopted, By, EventStore, Follower, Store, StoreError};

/// The store is open and ours; nothing runs yet.
pub struct Opened {
    /// The store.
    pub store: Arc<Store>,
    /// What front ends see.
    pub shared: Arc<Shared>,
    /// Rules that are off.
    pub muted: Arc<Muted>,
}

/// What came of opening the store.
pub enum Opening {
    /// It is ours.
    Ours(Opened),
    /// Another process has it.
    InUse {
        /// That process, where it is known.
        pid: Option<u32>,
    },
}

/// Open the store of a configuration, making it if need be. Call on a runtime.
pub async fn open(config: &Config) -> anyhow::Result<Opening> {
    let store = match Store::open(&config.data_dir, &config.store, &config.alert).await {
        Ok(store) => store,
        Err(StoreError::InUse { pid, .. }) => return Ok(Opening::InUse { pid }),
        Err(error) => return Err(error.into()),
    };
    store.set_readers(exports::readers(config));
    let shared = Arc::new(Shared::default());
    shared.update(|snapshot| {
        snapshot.gaps_config = config.gaps.clone();
        snapshot.retention_config = config.retention.clone();
    });
    for warning in store.warnings() {
        shared.set_problem(warning, Some((Health::Degraded, warning.clone())));
    }
    let book = store.rule_book().await?;
    if let Err(problem) = adopt::recover(&config.data_dir, &book) {
        shared.set_problem("rules folder", Some((Health::Degraded, problem.to_string())));
    }
    let muted = Muted::default();
    muted.set_book(book);
    muted.restore(store.detection_rows_under(muted::KEY_PREFIX).await?);
    Ok(Opening::Ours(Opened { store: Arc::new(store), shared, muted: Arc::new(muted) }))
}

/// Is there a store in the data folder? Touches nothing.
pub fn store_is_made(config: &Config) -> bool {
    store::is_made(&config.data_dir, &config.store)
}

/// Settings of the alert store's server that are not as advised. Takes no store, makes none.
pub async fn store_advice(config: &Config) -> anyhow::Result<Vec<String>> {
    Ok(store::advice(&config.data_dir, &config.store).await?)
}

/// The process that has the store, if one does. Touches nothing.
pub fn store_owner(config: &Config) -> Option<u32> {
    store::owner(&config.data_dir)
}

/// Take into the books what lies beyond them (`doctor --adopt-tail`). No process may have the store.
pub async fn adopt_tail(config: &Config, actor: &str, place: &str) -> anyhow::Result<Adopted> {
    let by = By { actor, place };
    Ok(store::adopt_tail(&config.data_dir, &config.store, by, Timestamp::now()).await?)
}

/// Make the index of the stored events anew. `progress` hears how many events are left. No process may have the store.
/// How many events are in it; `None`: the events are on a server, which has an index of its own.
pub async fn reindex(
    config: &Config,
    progress: &mut (dyn FnMut(u64) + Send),
) -> anyhow::Result<Option<u64>> {
    let store = Store::open(&config.data_dir, &config.store, &config.alert).await?;
    let Some(mut follower) = index_follower(&store) else { return Ok(None) };
    follower.restart();
    let followed = follower.catch_up(progress);
    followed?;
    let events = store.event_store().status().index.map_or(0, |index| index.events);
    store.close().await?;
    Ok(Some(events))
}

/// Who brings the index after the log, where there is one.
pub(super) fn index_follower(store: &Store) -> Option<Follower> {
    match store.event_store() {
        EventStore::Embedded(reader) => Follower::new(reader),
        EventStore::Server(_) => None,
    }
}
