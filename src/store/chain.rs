//! What several nodes change on one database: taken for the length of a transaction, one node after the other, so that the
//! audit log stays one chain and no change of an alert is lost. Each such transaction has a number, by which the other nodes
//! know what is new. SQLite has one writer: there nothing is taken and the number is always 0.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::model::alert::Alert;
use crate::store::audit::ChainHead;
use crate::store::sql::{self, Connection};
use crate::store::{Store, StoreError, Writer, audit, read_board, rows, verbs};

/// Take what is shared until the end of the transaction. The number of the change; a second call gives the same.
pub(crate) async fn take(sql: &mut Connection) -> Result<i64, StoreError> {
    if let Some(change) = sql.change() {
        return Ok(change);
    }
    let change: i64 =
        sql::scalar("UPDATE chain SET change = change + 1 WHERE one = 1 RETURNING change")
            .fetch_one(&mut *sql)
            .await
            .map_err(|source| StoreError::sql("take its turn", source))?;
    sql.set_change(change);
    Ok(change)
}

/// Take what is shared, and the end of the audit log as it is now, where this transaction has not done so yet.
pub(crate) async fn take_head(
    sql: &mut Connection,
    head: &mut ChainHead,
) -> Result<(), StoreError> {
    if sql.change().is_none() {
        take(sql).await?;
        *head = audit::read_head(sql).await?;
    }
    Ok(())
}

impl Store {
    /// Inside a transaction: take what is shared, and take in what other nodes did to it since. The number of the change.
    pub(super) async fn share(&self, writer: &mut Writer) -> Result<i64, StoreError> {
        if writer.sql.is_sqlite() {
            return Ok(0);
        }
        let change = take(&mut writer.sql).await?;
        if writer.change < change - 1 {
            self.take_in_others(writer, change - 1).await?;
        }
        Ok(change)
    }

    /// A transaction under `change` stands.
    pub(super) fn shared_until(&self, writer: &mut Writer, change: i64) {
        if change > writer.change {
            writer.change = change;
            self.known.store(change, Ordering::Relaxed);
        }
    }

    /// Read what changed behind `writer.change`; all of it is committed up to `change`.
    async fn take_in_others(
        &self,
        writer: &mut Writer,
        change: i64,
    ) -> Result<Vec<Arc<Alert>>, StoreError> {
        let rows = rows::read_changed(&mut writer.sql, writer.change).await?;
        let all = match removed(&mut writer.sql).await? > writer.change {
            true => Some(read_board(&mut writer.sql).await?),
            false => None,
        };
        let pending = verbs::read_pending(&mut writer.sql).await?;
        writer.head = audit::read_head(&mut writer.sql).await?;
        writer.change = change;
        self.known.store(change, Ordering::Relaxed);
        let changed = rows.iter().map(|row| Arc::clone(&row.alert)).collect();
        let mut board = self.board.write();
        if let Some(all) = all {
            *board = all;
        }
        rows.into_iter().for_each(|row| board.put(row));
        board.set_pending(pending);
        Ok(changed)
    }

    /// Do several nodes share this store?
    pub fn is_shared(&self) -> bool {
        self.readers.is_postgres()
    }

    /// Take in what other nodes did since the last look: the alerts they changed. Cheap when there is nothing.
    pub async fn follow(&self) -> Result<Vec<Arc<Alert>>, StoreError> {
        if !self.is_shared() {
            return Ok(Vec::new());
        }
        let newest = newest(&self.readers).await?;
        if newest <= self.known.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
        let mut guard = self.hold().await?;
        let newest = newest_of(&mut guard.sql).await?;
        if newest <= guard.change {
            return Ok(Vec::new());
        }
        self.take_in_others(&mut guard, newest).await
    }
}

async fn newest(readers: &sql::Pool) -> Result<i64, StoreError> {
    let found = sql::scalar("SELECT change FROM chain WHERE one = 1").fetch_one(readers).await;
    found.map_err(|source| StoreError::sql("say what is new", source))
}

/// Note that alerts went under this change: who follows cannot see it by the alerts that are left.
pub(crate) async fn note_removed(sql: &mut Connection, change: i64) -> Result<(), StoreError> {
    let noted = sql::query("UPDATE chain SET removed = $1 WHERE one = 1").bind(change);
    let done = noted.execute(sql).await;
    done.map(|_| ()).map_err(|source| StoreError::sql("note that alerts went", source))
}

/// Under which change alerts went last.
async fn removed(sql: &mut Connection) -> Result<i64, StoreError> {
    let found = sql::scalar("SELECT removed FROM chain WHERE one = 1").fetch_one(sql).await;
    found.map_err(|source| StoreError::sql("say whether alerts went", source))
}

/// The number of the last change.
pub(crate) async fn newest_of(sql: &mut Connection) -> Result<i64, StoreError> {
    let found = sql::scalar("SELECT change FROM chain WHERE one = 1").fetch_one(sql).await;
    found.map_err(|source| StoreError::sql("say what is new", source))
}
