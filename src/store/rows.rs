//! Rows of alerts and episodes: the model's types to columns and back.

use std::sync::Arc;

use crate::model::alert::{Alert, AlertId, Status};
use crate::model::episode::OpenEpisode;
use crate::model::severity::Severity;
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;
use crate::store::board::BoardRow;
use crate::store::sql::{self, Connection, Kind, Row, Table};
use crate::store::{StoreError, chain};
use crate::wire::stored_v1;

/// Ids of one list: few enough for SQLite's limit of bound values.
pub(crate) const ROWS_AT_ONCE: usize = 200;

const ALERTS: Table<24> = Table {
    name: "alerts",
    keys: 1,
    columns: [
        ("id", Kind::Bytes),
        ("tenant", Kind::Text),
        ("status", Kind::Text),
        ("severity", Kind::Int),
        ("risk", Kind::Int),
        ("rule_id", Kind::Text),
        ("rule_name", Kind::Text),
        ("host", Kind::Text),
        ("user_name", Kind::Text),
        ("count", Kind::Int),
        ("first_seen", Kind::Int),
        ("last_seen", Kind::Int),
        ("created", Kind::Int),
        ("updated", Kind::Int),
        ("assignee", Kind::Text),
        ("snoozed_until", Kind::Int),
        ("backfill", Kind::Int),
        ("bundle", Kind::Bytes),
        ("changed_since_closed", Kind::Int),
        ("revision", Kind::Int),
        ("touched_revision", Kind::Int),
        ("touched_actor", Kind::Text),
        ("detail", Kind::Text),
        ("change", Kind::Int),
    ],
    replace: true,
};

const EPISODES: Table<2> = Table {
    name: "episodes",
    keys: 1,
    columns: [("alert", Kind::Bytes), ("value", Kind::Text)],
    replace: true,
};

/// A count as SQLite holds it.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count as it was.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// An id column.
pub(crate) fn id_at(row: &Row, column: &str) -> Id128 {
    Id128::from_slice(row.get::<&[u8]>(column)).unwrap_or_default()
}

/// Write alerts as they are now, under the change that this transaction has taken.
pub(crate) async fn put_alerts(
    connection: &mut Connection,
    rows: &[BoardRow],
) -> Result<(), StoreError> {
    if rows.is_empty() {
        return Ok(());
    }
    let change = chain::take(connection).await?;
    let values = rows.iter().map(|row| {
        let alert = &row.alert;
        [
            alert.id.as_bytes().as_slice().into(),
            alert.tenant.as_str().into(),
            alert.status.as_str().into(),
            i64::from(alert.severity.rank()).into(),
            i64::from(alert.risk).into(),
            alert.rule_id.as_str().into(),
            alert.rule_name.as_str().into(),
            alert.host.as_str().into(),
            alert.user.as_str().into(),
            signed(alert.count).into(),
            alert.first_seen.0.into(),
            alert.last_seen.0.into(),
            alert.created.0.into(),
            alert.updated.0.into(),
            alert.assignee.as_deref().into(),
            alert.snoozed_until.map(|at| at.0).into(),
            alert.backfill.into(),
            alert.bundle.map(|bundle| bundle.as_bytes().to_vec()).into(),
            alert.changed_since_closed.into(),
            signed(alert.revision).into(),
            signed(row.touched_revision).into(),
            (&*row.touched_actor).into(),
            stored_v1::write_detail(alert).into(),
            change.into(),
        ]
    });
    let done = ALERTS.put(connection, values.collect()).await;
    done.map_err(|source| StoreError::sql("write alerts", source))
}

/// Every alert.
pub(crate) async fn read_alerts(connection: &mut Connection) -> Result<Vec<BoardRow>, StoreError> {
    let rows = sql::query("SELECT * FROM alerts")
        .fetch_all(connection)
        .await
        .map_err(|source| StoreError::sql("read alerts", source))?;
    rows.iter().map(board_row).collect()
}

/// Alerts that were written under a later change.
pub(crate) async fn read_changed(
    connection: &mut Connection,
    after: i64,
) -> Result<Vec<BoardRow>, StoreError> {
    let rows = sql::query("SELECT * FROM alerts WHERE change > $1")
        .bind(after)
        .fetch_all(connection)
        .await
        .map_err(|source| StoreError::sql("read alerts", source))?;
    rows.iter().map(board_row).collect()
}

fn board_row(row: &Row) -> Result<BoardRow, StoreError> {
    let status: String = row.get("status");
    let unknown = || {
        StoreError::Row(stored_v1::StoredError::Unknown { what: "status", word: status.clone() })
    };
    let rank = u8::try_from(row.get::<i64>("severity")).unwrap_or(0);
    let mut alert = Alert {
        id: id_at(row, "id"),
        tenant: row.get("tenant"),
        status: Status::parse(&status).ok_or_else(unknown)?,
        severity: Severity::from_rank(rank).unwrap_or(Severity::Info),
        risk: u8::try_from(row.get::<i64>("risk")).unwrap_or(0),
        risk_parts: Vec::new(),
        rule_id: row.get("rule_id"),
        rule_name: row.get("rule_name"),
        tags: Vec::new(),
        host: row.get("host"),
        user: row.get("user_name"),
        group: Vec::new(),
        count: unsigned(row.get("count")),
        first_seen: Timestamp(row.get("first_seen")),
        last_seen: Timestamp(row.get("last_seen")),
        created: Timestamp(row.get("created")),
        updated: Timestamp(row.get("updated")),
        matched: Vec::new(),
        evidence: Vec::new(),
        assignee: row.get("assignee"),
        verdict: None,
        snoozed_until: row.get::<Option<i64>>("snoozed_until").map(Timestamp),
        backfill: row.get("backfill"),
        bundle: row.get::<Option<&[u8]>>("bundle").and_then(Id128::from_slice),
        changed_since_closed: row.get("changed_since_closed"),
        revision: unsigned(row.get("revision")),
    };
    stored_v1::read_detail(row.get("detail"), &mut alert).map_err(StoreError::Row)?;
    Ok(BoardRow {
        alert: Arc::new(alert),
        touched_revision: unsigned(row.get("touched_revision")),
        touched_actor: row.get::<String>("touched_actor").into(),
    })
}

/// Write open episodes.
pub(crate) async fn put_episodes(
    connection: &mut Connection,
    episodes: &[&OpenEpisode],
) -> Result<(), StoreError> {
    let values = episodes.iter().map(|episode| {
        [episode.alert.as_bytes().as_slice().into(), stored_v1::write_episode(episode).into()]
    });
    let done = EPISODES.put(connection, values.collect()).await;
    done.map_err(|source| StoreError::sql("write episodes", source))
}

/// Remove the rows of closed episodes.
pub(crate) async fn delete_episodes(
    connection: &mut Connection,
    ids: &[AlertId],
) -> Result<(), StoreError> {
    for id in ids {
        sql::query("DELETE FROM episodes WHERE alert = $1")
            .bind(id.as_bytes().as_slice())
            .execute(&mut *connection)
            .await
            .map_err(|source| StoreError::sql("close episodes", source))?;
    }
    Ok(())
}
