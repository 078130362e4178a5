//! The database that is restored into: nobody works on it, and it holds nothing of ours, or what it holds is moved aside.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use crate::stdx::time::Timestamp;
use crate::store::StoreError;
use crate::store::backup::BackupError;
use crate::store::backup::server::{is_tame, schemas};
use crate::store::node::Node;
use crate::store::schema::APPLICATION_ID;
use crate::store::sql::{SHARED, Server};

/// Looks for sessions that ended a moment ago, and the pause between.
const LOOKS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(200);
/// Files are unpacked in the middle of the transaction: it may wait for the disk.
const NO_LIMITS: &str = "SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0";

fn failed(source: sqlx::Error) -> BackupError {
    StoreError::sql("be restored", source).into()
}

/// Begin the transaction of a restore and make room in it. The schemas that were moved aside, by their new names.
pub(super) async fn take(
    server: &Server,
    sql: &mut PgConnection,
    word: Option<&str>,
) -> Result<Vec<String>, BackupError> {
    server.check_encoding(sql).await?;
    for text in [NO_LIMITS, "BEGIN"] {
        sqlx::raw_sql(text).execute(&mut *sql).await.map_err(failed)?;
    }
    let refused = |why| BackupError::Refused { database: server.describe(), why };
    // Nodes take it when they start: none does until we are through.
    if !lock(sql, APPLICATION_ID).await? {
        let why = "is being started on or restored by another process: wait for its end";
        return Err(refused(why.to_owned()));
    }
    if let Some(who) = at_work(sql).await? {
        let why = format!("is in use by {who}: stop every node before a restore");
        return Err(refused(why));
    }
    let found = schemas(sql).await.map_err(failed)?;
    for schema in &found {
        let Some(id) = schema.strip_prefix(SHARED).and_then(|rest| rest.strip_prefix("_node_"))
        else {
            continue;
        };
        let node = Node { id: id.to_owned(), name: String::new() };
        if !lock(sql, node.lock_key()).await? {
            return Err(refused(format!(
                "is in use by the node {id}: stop every node before a restore"
            )));
        }
    }
    let name: String = sqlx::query_scalar("SELECT current_database()::text")
        .fetch_one(&mut *sql)
        .await
        .map_err(failed)?;
    if !found.is_empty() && word != Some(name.as_str()) {
        return Err(refused(format!(
            "holds a store already: name an empty database, or say --overwrite-database {name} to have its schemas renamed"
        )));
    }
    move_aside(sql, &found).await
}

/// Taken until the end of the transaction, if nobody has it.
async fn lock(sql: &mut PgConnection, key: i64) -> Result<bool, BackupError> {
    let taken = sqlx::query_scalar("SELECT pg_try_advisory_xact_lock($1)").bind(key);
    taken.fetch_one(sql).await.map_err(failed)
}

/// Sessions of nodes, after giving those that just ended a moment to be gone.
async fn at_work(sql: &mut PgConnection) -> Result<Option<String>, BackupError> {
    let mut found = Vec::new();
    for _ in 0..LOOKS {
        sqlx::raw_sql("SELECT pg_stat_clear_snapshot()")
            .execute(&mut *sql)
            .await
            .map_err(failed)?;
        let text = "SELECT DISTINCT application_name FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name LIKE 'watchfloor %'
             ORDER BY 1 LIMIT 5";
        found = sqlx::query_scalar::<_, String>(text).fetch_all(&mut *sql).await.map_err(failed)?;
        if found.is_empty() {
            return Ok(None);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(Some(found.join(", ")))
}

async fn move_aside(sql: &mut PgConnection, found: &[String]) -> Result<Vec<String>, BackupError> {
    let now = Timestamp::now().to_jiff().strftime("%Y%m%d%H%M%S").to_string();
    let mut moved = Vec::new();
    for schema in found {
        let new = format!("old_{now}_{schema}");
        if !is_tame(schema) || !is_tame(&new) {
            let why = format!("the schema {schema} has a name that is none of ours: rename it");
            return Err(StoreError::Invalid(why).into());
        }
        let text = AssertSqlSafe(format!("ALTER SCHEMA {schema} RENAME TO {new}"));
        sqlx::raw_sql(text).execute(&mut *sql).await.map_err(failed)?;
        moved.push(new);
    }
    Ok(moved)
}
