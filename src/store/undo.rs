//! Taking actions back: before the deadline without a trace, after it by a counter-action.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::model::alert::{Action, Alert, Pending};
use crate::model::desk::Undone;
use crate::stdx::time::Timestamp;
use crate::store::rows::{signed, unsigned};
use crate::store::sql::{self, Connection};
use crate::store::verbs::{By, Work, describe, keep, write_entry};
use crate::store::{Store, StoreError, Writer};
use crate::wire::stored_v1::{self, HumanSide};

type Applied = (u64, Action, Vec<HumanSide>);

async fn read_applied(
    sql: &mut Connection,
    actor: &str,
    id: Option<u64>,
) -> Result<Option<Applied>, StoreError> {
    let row = sql::query(
        "SELECT id, action, before FROM applied WHERE actor = $1 AND ($2 IS NULL OR id = $2)
         ORDER BY id DESC LIMIT 1",
    )
    .bind(actor)
    .bind(id.map(signed))
    .fetch_optional(sql)
    .await
    .map_err(|source| StoreError::sql("read the way back", source))?;
    let Some(row) = row else { return Ok(None) };
    let action = stored_v1::read_action(row.get("action")).map_err(StoreError::Row)?;
    let before = stored_v1::read_human(row.get("before")).map_err(StoreError::Row)?;
    Ok(Some((unsigned(row.get("id")), action, before)))
}

impl Store {
    /// Take an action of `by.actor` back: this one, or the actor's newest. Before its deadline it
    /// leaves no trace; after it, a counter-action is recorded. Returns the alerts that changed, too.
    pub async fn undo(
        &self,
        id: Option<u64>,
        by: By<'_>,
        now: Timestamp,
    ) -> Result<(Undone, Vec<Arc<Alert>>), StoreError> {
        self.apply_due(now).await?;
        let mut guard = self.hold().await?;
        let writer = &mut *guard;
        sql::begin(&mut writer.sql).await?;
        writer.unsure = true;
        let outcome = self.take_back(writer, id, by, now).await;
        let ended = sql::end(&mut writer.sql, outcome).await;
        self.settled(writer, ended.is_ok());
        let (work, change, mut undone) = ended?;
        self.shared_until(writer, change);
        writer.head = work.head;
        let changed = self.take_in(work.rows, &work.done);
        if !undone.without_trace {
            undone.alerts = changed.iter().map(|alert| alert.id).collect();
        }
        Ok((undone, changed))
    }

    async fn take_back(
        &self,
        writer: &mut Writer,
        id: Option<u64>,
        by: By<'_>,
        now: Timestamp,
    ) -> Result<(Work, i64, Undone), StoreError> {
        let change = self.share(writer).await?;
        let mut work = Work { head: writer.head.clone(), rows: Vec::new(), done: Vec::new() };
        let waiting = {
            let board = self.board.read();
            let mine = board.pending().iter().filter(|pending| pending.actor == by.actor);
            mine.filter(|pending| id.is_none_or(|id| pending.id == id))
                .max_by_key(|pending| pending.id)
                .cloned()
        };
        let sql = &mut writer.sql;
        if let Some(Pending { id, action, alerts, .. }) = waiting {
            sql::query("DELETE FROM pending WHERE id = $1")
                .bind(signed(id))
                .execute(sql)
                .await
                .map_err(|source| StoreError::sql("take an action back", source))?;
            work.done.push(id);
            return Ok((work, change, Undone { action, without_trace: true, alerts }));
        }
        let applied = read_applied(sql, by.actor, id).await?;
        let (applied_id, action, before) =
            applied.ok_or(StoreError::NothingToUndo("there is no action of yours to take back"))?;
        for side in &before {
            self.counter(sql, side, &action, by, now, &mut work).await?;
        }
        if work.rows.is_empty() && !before.is_empty() {
            return Err(StoreError::Conflict);
        }
        sql::query("DELETE FROM applied WHERE id = $1")
            .bind(signed(applied_id))
            .execute(sql)
            .await
            .map_err(|source| StoreError::sql("take an action back", source))?;
        Ok((work, change, Undone { action, without_trace: false, alerts: Vec::new() }))
    }

    /// Put one alert back, unless somebody else changed it after the action.
    async fn counter(
        &self,
        sql: &mut Connection,
        side: &HumanSide,
        action: &Action,
        by: By<'_>,
        now: Timestamp,
        work: &mut Work,
    ) -> Result<(), StoreError> {
        let ours =
            self.board.read().get(&side.alert).is_some_and(|row| &*row.touched_actor == by.actor);
        let Some(old) = self.current(&side.alert, work).filter(|_| ours) else {
            return Ok(());
        };
        let mut alert = Alert::clone(&old);
        side.restore(&mut alert, now);
        let mut detail = describe(action, &old, &alert);
        if let Some(fields) = detail.as_object_mut() {
            fields.insert("undoes".to_owned(), Json::from(action.kind()));
        }
        let detail = detail.to_string();
        write_entry(sql, &mut work.head, by, now, &side.alert, "undo", &detail).await?;
        keep(sql, work, alert, by.actor).await
    }
}
