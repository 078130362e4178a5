//! Rows of alerts and episodes: the model's types to columns and back.

use std::sync::Arc;

use sqlx::sqlite::{Sqlite, SqliteRow};
use sqlx::{QueryBuilder, Row, SqliteConnection};

use crate::model::alert::{Alert, AlertId, Status};
use crate::model::episode::OpenEpisode;
use crate::model::severity::Severity;
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;
use crate::store::StoreError;
use crate::store::board::BoardRow;
use crate::wire::stored_v1;

/// Rows of one INSERT: few enough for SQLite's limit of bound values.
pub(crate) const ROWS_AT_ONCE: usize = 200;

/// A count as SQLite holds it.
pub(crate) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A count as it was.
pub(crate) fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

/// An id column.
pub(crate) fn id_at(row: &SqliteRow, column: &str) -> Id128 {
    Id128::from_slice(row.get::<&[u8], _>(column)).unwrap_or_default()
}

/// Write alerts as they are now.
pub(crate) async fn put_alerts(
    connection: &mut SqliteConnection,
    rows: &[BoardRow],
) -> Result<(), StoreError> {
    for chunk in rows.chunks(ROWS_AT_ONCE) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT OR REPLACE INTO alerts (id, tenant, status, severity, risk, rule_id, rule_name,
             host, user_name, count, first_seen, last_seen, created, updated, assignee,
             snoozed_until, backfill, bundle, changed_since_closed, revision, touched_revision,
             touched_actor, detail) ",
        );
        query.push_values(chunk, |mut values, row| {
            let alert = &row.alert;
            values
                .push_bind(alert.id.as_bytes().to_vec())
                .push_bind(alert.tenant.as_str())
                .push_bind(alert.status.as_str())
                .push_bind(i64::from(alert.severity.rank()))
                .push_bind(i64::from(alert.risk))
                .push_bind(alert.rule_id.as_str())
                .push_bind(alert.rule_name.as_str())
                .push_bind(alert.host.as_str())
                .push_bind(alert.user.as_str())
                .push_bind(signed(alert.count))
                .push_bind(alert.first_seen.0)
                .push_bind(alert.last_seen.0)
                .push_bind(alert.created.0)
                .push_bind(alert.updated.0)
                .push_bind(alert.assignee.as_deref())
                .push_bind(alert.snoozed_until.map(|at| at.0))
                .push_bind(alert.backfill)
                .push_bind(alert.bundle.map(|bundle| bundle.as_bytes().to_vec()))
                .push_bind(alert.changed_since_closed)
                .push_bind(signed(alert.revision))
                .push_bind(signed(row.touched_revision))
                .push_bind(&*row.touched_actor)
                .push_bind(stored_v1::write_detail(alert));
        });
        let done = query.build().persistent(false).execute(&mut *connection).await;
        done.map_err(|source| StoreError::sql("write alerts", source))?;
    }
    Ok(())
}

/// Every alert.
pub(crate) async fn read_alerts(
    connection: &mut SqliteConnection,
) -> Result<Vec<BoardRow>, StoreError> {
    let rows = sqlx::query("SELECT * FROM alerts")
        .fetch_all(connection)
        .await
        .map_err(|source| StoreError::sql("read alerts", source))?;
    rows.iter().map(board_row).collect()
}

fn board_row(row: &SqliteRow) -> Result<BoardRow, StoreError> {
    let status: String = row.get("status");
    let unknown = || {
        StoreError::Row(stored_v1::StoredError::Unknown { what: "status", word: status.clone() })
    };
    let rank = u8::try_from(row.get::<i64, _>("severity")).unwrap_or(0);
    let mut alert = Alert {
        id: id_at(row, "id"),
        tenant: row.get("tenant"),
        status: Status::parse(&status).ok_or_else(unknown)?,
        severity: Severity::from_rank(rank).unwrap_or(Severity::Info),
        risk: u8::try_from(row.get::<i64, _>("risk")).unwrap_or(0),
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
        snoozed_until: row.get::<Option<i64>, _>("snoozed_until").map(Timestamp),
        backfill: row.get("backfill"),
        bundle: row.get::<Option<&[u8]>, _>("bundle").and_then(Id128::from_slice),
        changed_since_closed: row.get("changed_since_closed"),
        revision: unsigned(row.get("revision")),
    };
    stored_v1::read_detail(row.get("detail"), &mut alert).map_err(StoreError::Row)?;
    Ok(BoardRow {
        alert: Arc::new(alert),
        touched_revision: unsigned(row.get("touched_revision")),
        touched_actor: row.get::<String, _>("touched_actor").into(),
    })
}

/// Write open episodes.
pub(crate) async fn put_episodes(
    connection: &mut SqliteConnection,
    episodes: &[&OpenEpisode],
) -> Result<(), StoreError> {
    for chunk in episodes.chunks(ROWS_AT_ONCE) {
        let mut query =
            QueryBuilder::<Sqlite>::new("INSERT OR REPLACE INTO episodes (alert, value) ");
        query.push_values(chunk, |mut values, episode| {
            values
                .push_bind(episode.alert.as_bytes().to_vec())
                .push_bind(stored_v1::write_episode(episode));
        });
        let done = query.build().persistent(false).execute(&mut *connection).await;
        done.map_err(|source| StoreError::sql("write episodes", source))?;
    }
    Ok(())
}

/// Remove the rows of closed episodes.
pub(crate) async fn delete_episodes(
    connection: &mut SqliteConnection,
    ids: &[AlertId],
) -> Result<(), StoreError> {
    for id in ids {
        sqlx::query("DELETE FROM episodes WHERE alert = ?")
            .bind(id.as_bytes().as_slice())
            .execute(&mut *connection)
            .await
            .map_err(|source| StoreError::sql("close episodes", source))?;
    }
    Ok(())
}
