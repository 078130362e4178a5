//! What the pipeline lends a source: a runtime for network work, and places to say how it goes.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::runtime::Handle;

use super::keys::KeyCheck;
use crate::model::record::Position;
use crate::stdx::gauges::Gauges;

type Say = Arc<dyn Fn(Option<String>) + Send + Sync>;
type Recall = Arc<dyn Fn(&str) -> Vec<Position> + Send + Sync>;

/// A shard that was taken: a part of a source's stream that moves between nodes with everything that is remembered of it.
#[derive(Clone, Debug)]
pub struct TakenShard {
    /// For [`crate::model::record::Stream::shard`] of its records.
    pub key: Arc<str>,
    /// The source's positions in it, as the last commit of whoever had it left them.
    pub positions: Vec<Position>,
    /// What all nodes that share the store call themselves together.
    pub cluster: String,
}

/// Takes and gives shards, where nodes share a store. Waits for the store: not for a runtime's thread.
pub trait Shards: Send + Sync {
    /// Take the shard called `name`, with the positions of `source` in it. `None`: another node still has it, or the store
    /// cannot say; it is worth another try.
    fn take(&self, name: &str, source: &str) -> Option<TakenShard>;

    /// Let a shard go. Batches of it that are under way come back as lost.
    fn give(&self, key: &str);

    /// Note how many records shards are behind, by name.
    fn note_lags(&self, lags: &[(String, i64)]);
}

/// Handed to [`super::Source::open`]; a source keeps a copy of what it needs later.
#[derive(Clone)]
pub struct Context {
    /// Runs what waits for the network.
    pub runtime: Handle,
    /// Numbers shown in status and metrics: connections, lag, what was refused and why.
    pub gauges: Arc<Gauges>,
    /// The data folder, for what a source keeps beside its positions.
    pub data_dir: PathBuf,
    /// Says whether keys that senders show are good; `None`: nobody knows any.
    pub keys: Option<Arc<dyn KeyCheck>>,
    /// Moves parts of the stream between nodes; `None`: the node shares its store with no other.
    pub shards: Option<Arc<dyn Shards>>,
    say: Say,
    recall: Option<Recall>,
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Context").field("data_dir", &self.data_dir).finish_non_exhaustive()
    }
}

impl Context {
    /// A context that reports trouble to `say`. Call on a runtime.
    pub fn new(data_dir: PathBuf, say: impl Fn(Option<String>) + Send + Sync + 'static) -> Context {
        let gauges = Arc::new(Gauges::default());
        let runtime = Handle::current();
        let (keys, shards) = (None, None);
        Context { runtime, gauges, data_dir, keys, shards, say: Arc::new(say), recall: None }
    }

    /// The same context, with who knows the keys of senders.
    #[must_use]
    pub fn with_keys(self, keys: Arc<dyn KeyCheck>) -> Context {
        Context { keys: Some(keys), ..self }
    }

    /// The same context, of a node that shares its store.
    #[must_use]
    pub fn with_shards(self, shards: Option<Arc<dyn Shards>>) -> Context {
        Context { shards, ..self }
    }

    /// The same with a way to the positions as the store has them at any time. Not called on a runtime's thread.
    #[must_use]
    pub fn with_positions(
        self,
        recall: impl Fn(&str) -> Vec<Position> + Send + Sync + 'static,
    ) -> Context {
        Context { recall: Some(Arc::new(recall)), ..self }
    }

    /// The positions of a source as the store has them now, of whichever process that shares it; nothing where there is no
    /// store. It waits: not for a runtime's thread.
    pub fn positions(&self, source: &str) -> Vec<Position> {
        self.recall.as_ref().map_or_else(Vec::new, |recall| recall(source))
    }

    /// Say what hinders the source (shown as degraded until it is over), or that nothing does.
    pub fn trouble(&self, trouble: Option<String>) {
        (self.say)(trouble);
    }
}
