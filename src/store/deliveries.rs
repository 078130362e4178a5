//! Keys of deliveries that were made real: what tells a sender's repeat from something new, also after a restart.

use std::sync::Arc;

use sqlx::sqlite::Sqlite;
use sqlx::{QueryBuilder, Row, SqliteConnection};

use crate::stdx::id::Id128;
use crate::stdx::limits::{DELIVERIES_KEPT_MAX, DELIVERY_AGE_US_MAX};
use crate::stdx::time::Timestamp;
use crate::store::rows::{ROWS_AT_ONCE, id_at, signed};
use crate::store::{Store, StoreError};

/// Old keys are looked for once in this many commits.
const PRUNE_EVERY: u64 = 256;

/// A batch that became real under the key its sender would repeat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The configured source's name.
    pub source: Arc<str>,
    /// The key.
    pub key: Id128,
}

impl Store {
    /// Keys of deliveries that are remembered, oldest first.
    pub async fn deliveries(&self) -> Result<Vec<Delivered>, StoreError> {
        let rows = sqlx::query("SELECT source, key FROM deliveries ORDER BY source, at")
            .fetch_all(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read keys of deliveries", source))?;
        let read = |row| Delivered {
            source: Row::get::<String, _>(row, "source").into(),
            key: id_at(row, "key"),
        };
        Ok(rows.iter().map(read).collect())
    }
}

/// Remember the keys of a commit, and forget the oldest now and then.
pub(crate) async fn write(
    sql: &mut SqliteConnection,
    delivered: &[Delivered],
    at: Timestamp,
    commit: u64,
) -> Result<(), StoreError> {
    let failed = |source| StoreError::sql("write keys of deliveries", source);
    for chunk in delivered.chunks(ROWS_AT_ONCE) {
        let mut query =
            QueryBuilder::<Sqlite>::new("INSERT OR REPLACE INTO deliveries (source, key, at) ");
        query.push_values(chunk, |mut values, row| {
            values.push_bind(&*row.source).push_bind(row.key.as_bytes().as_slice()).push_bind(at.0);
        });
        query.build().persistent(false).execute(&mut *sql).await.map_err(failed)?;
    }
    if !commit.is_multiple_of(PRUNE_EVERY) {
        return Ok(());
    }
    sqlx::query("DELETE FROM deliveries WHERE at < ?")
        .bind(at.0 - DELIVERY_AGE_US_MAX)
        .execute(&mut *sql)
        .await
        .map_err(failed)?;
    let sources: Vec<String> = sqlx::query_scalar("SELECT DISTINCT source FROM deliveries")
        .fetch_all(&mut *sql)
        .await
        .map_err(failed)?;
    for source in sources {
        sqlx::query(
            "DELETE FROM deliveries WHERE source = ?1 AND at < coalesce(
               (SELECT at FROM deliveries WHERE source = ?1 ORDER BY at DESC LIMIT 1 OFFSET ?2), 0)",
        )
        .bind(source.as_str())
        .bind(signed(DELIVERIES_KEPT_MAX as u64))
        .execute(&mut *sql)
        .await
        .map_err(failed)?;
    }
    Ok(())
}
