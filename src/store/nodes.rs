//! The nodes that share a database: who is there, and which shards each has.

use std::collections::BTreeMap;

use crate::model::desk::{NodeReport, ShardReport};
use crate::stdx::time::Timestamp;
use crate::store::sql::{self, Connection};
use crate::store::{Store, StoreError};

/// A node without shards that was not seen for so long is left out, microseconds.
const FORGOTTEN_US: i64 = 24 * 3_600 * 1_000_000;

impl Store {
    /// Say that this node is here, and read who else is, by name. Nobody where the store is not shared.
    pub async fn nodes(&self, now: Timestamp) -> Result<Vec<NodeReport>, StoreError> {
        let mut guard = self.hold().await?;
        let sql = &mut guard.sql;
        let Some(own) = sql.node().map(|node| node.id.clone()) else { return Ok(Vec::new()) };
        sql::query("UPDATE nodes SET seen = $1 WHERE id = $2")
            .bind(now.0)
            .bind(own.as_str())
            .execute(&mut *sql)
            .await
            .map_err(|source| StoreError::sql("say that this node is here", source))?;
        let mut shards = shards(sql).await?;
        let rows =
            sql::query("SELECT id, name, version, started, seen FROM nodes ORDER BY name, id")
                .fetch_all(sql)
                .await
                .map_err(|source| StoreError::sql("name its nodes", source))?;
        let nodes = rows.iter().map(|row| {
            let id: String = row.get("id");
            NodeReport {
                shards: shards.remove(&id).unwrap_or_default(),
                here: id == own,
                id,
                name: row.get("name"),
                version: row.get("version"),
                started: Timestamp(row.get("started")),
                seen: Timestamp(row.get("seen")),
            }
        });
        let known =
            |node: &NodeReport| !node.shards.is_empty() || now.0 - node.seen.0 < FORGOTTEN_US;
        Ok(nodes.filter(known).collect())
    }
}

/// By the node that has them.
async fn shards(sql: &mut Connection) -> Result<BTreeMap<String, Vec<ShardReport>>, StoreError> {
    let rows = sql::query("SELECT name, node, taken, lag FROM shards ORDER BY name")
        .fetch_all(sql)
        .await
        .map_err(|source| StoreError::sql("name its shards", source))?;
    let mut found: BTreeMap<String, Vec<ShardReport>> = BTreeMap::new();
    for row in &rows {
        found.entry(row.get("node")).or_default().push(ShardReport {
            name: row.get("name"),
            taken: Timestamp(row.get("taken")),
            lag: row.get("lag"),
        });
    }
    Ok(found)
}
