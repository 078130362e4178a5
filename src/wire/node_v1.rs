//! Version 1 of a node among those that share a database, as `status` shows it.

use serde::{Deserialize, Serialize};

use crate::model::desk::{NodeReport, ShardReport};
use crate::wire::problem_v1::{WireError, time};

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Node {
    /// Its id, 12 hexadecimal digits.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// The version of its program.
    pub version: String,
    /// When it started last.
    pub started: String,
    /// When it was here last.
    pub seen: String,
    /// Is it the one that answers?
    pub here: bool,
    /// What it reads.
    pub shards: Vec<Shard>,
}

/// A part of a stream that moves between nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// `source/topic/partition`
    pub name: String,
    /// Since when its node has it.
    pub taken: String,
    /// Records that are not yet read.
    pub lag: i64,
}

impl From<&NodeReport> for Node {
    fn from(node: &NodeReport) -> Node {
        let shards = node.shards.iter().map(|shard| Shard {
            name: shard.name.clone(),
            taken: shard.taken.to_string(),
            lag: shard.lag,
        });
        Node {
            id: node.id.clone(),
            name: node.name.clone(),
            version: node.version.clone(),
            started: node.started.to_string(),
            seen: node.seen.to_string(),
            here: node.here,
            shards: shards.collect(),
        }
    }
}

impl TryFrom<Node> for NodeReport {
    type Error = WireError;

    fn try_from(wire: Node) -> Result<NodeReport, WireError> {
        let shards = wire.shards.into_iter().map(|shard| {
            let taken = time("nodes.shards.taken", &shard.taken)?;
            Ok(ShardReport { name: shard.name, taken, lag: shard.lag })
        });
        Ok(NodeReport {
            started: time("nodes.started", &wire.started)?,
            seen: time("nodes.seen", &wire.seen)?,
            shards: shards.collect::<Result<_, WireError>>()?,
            id: wire.id,
            name: wire.name,
            version: wire.version,
            here: wire.here,
        })
    }
}
