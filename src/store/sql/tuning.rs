//! What makes PostgreSQL fast for us: indexes that are built while commits go on, and settings that are looked at.

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Row};

use crate::config::alert_store::AlertsAt;
use crate::config::store::StoreConfig;
use crate::store::node::{self, Node};
use crate::store::sql::Server;
use crate::store::{Store, StoreError};

/// Indexes for those who query the database beside us (reports, dashboards); the program itself answers from memory.
const INDEXES: [(&str, &str); 3] = [
    ("alerts_by_time", "(last_seen DESC, severity)"),
    ("alerts_by_host", "(host, last_seen DESC)"),
    ("alerts_unacknowledged", "(last_seen DESC) WHERE status = 'open'"),
];
/// Only one node builds them.
const INDEX_LOCK: i64 = 0x5746_4c52_0001;

/// Settings for many writes, the least that is advised, in the units of `pg_settings` (8 KiB, KiB or MiB).
const ADVISED: [(&str, f64, &str); 9] = [
    ("max_connections", 200.0, "200"),
    ("shared_buffers", 32_768.0, "256MB"),
    ("effective_cache_size", 131_072.0, "1GB"),
    ("maintenance_work_mem", 65_536.0, "64MB"),
    ("checkpoint_completion_target", 0.9, "0.9"),
    ("wal_buffers", 2_048.0, "16MB"),
    ("work_mem", 4_096.0, "4MB"),
    ("min_wal_size", 1_024.0, "1GB"),
    ("max_wal_size", 4_096.0, "4GB"),
];

impl Store {
    /// Build the indexes that are not there, while everything goes on. A failure is logged and tried again at the next start.
    pub async fn build_indexes(&self) {
        let server = match &self.writer.lock().await.sql {
            super::Connection::Sqlite(_) => return,
            super::Connection::Postgres(link) => link.server.clone(),
        };
        match build(&server).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "indexes of alerts were built"),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(
                    error,
                    "indexes of alerts are not built; the next start tries again"
                );
            }
        }
    }
}

async fn build(server: &Server) -> Result<usize, StoreError> {
    let failed = |source| StoreError::sql("build indexes", source);
    let mut connection = server.connect().await?;
    sqlx::query("SET lock_timeout = 0").execute(&mut connection).await.map_err(failed)?;
    let mine: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
        .bind(INDEX_LOCK)
        .fetch_one(&mut connection)
        .await
        .map_err(failed)?;
    let mut built = 0;
    for (name, on) in INDEXES.iter().filter(|_| mine) {
        built += usize::from(build_one(&mut connection, name, on).await.map_err(failed)?);
    }
    sqlx::Connection::close(connection).await.map_err(failed)?;
    Ok(built)
}

async fn build_one(
    connection: &mut PgConnection,
    name: &str,
    on: &str,
) -> Result<bool, sqlx::Error> {
    let valid: Option<bool> =
        sqlx::query_scalar("SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass($1)")
            .bind(format!("watchfloor.{name}"))
            .fetch_optional(&mut *connection)
            .await?;
    if valid == Some(true) {
        return Ok(false);
    }
    // Names and texts of ours only. What was left half built is of no use.
    let mut texts = Vec::new();
    if valid.is_some() {
        texts.push(format!("DROP INDEX CONCURRENTLY watchfloor.{name}"));
    }
    texts.push(format!("CREATE INDEX CONCURRENTLY {name} ON watchfloor.alerts {on}"));
    for text in texts {
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *connection).await?;
    }
    Ok(true)
}

/// Settings of the server that are below what is advised, as `name = found, advised`. Empty for SQLite, and where the store
/// is not made yet.
pub async fn advice(
    dir: &std::path::Path,
    config: &StoreConfig,
) -> Result<Vec<String>, StoreError> {
    let AlertsAt::Postgres(server) = &config.alerts else { return Ok(Vec::new()) };
    if !dir.join(node::FILE).exists() {
        return Ok(Vec::new());
    }
    let server = Server::new(server, Node::of(dir, &config.node_name)?)?;
    let mut connection = server.connect().await?;
    let mut found = server.dangers(&mut connection).await;
    let rows = sqlx::query("SELECT name, setting::float8, current_setting(name) FROM pg_settings WHERE vartype IN ('integer', 'real')")
        .fetch_all(&mut connection)
        .await
        .map_err(|source| StoreError::sql("say its settings", source))?;
    for row in rows {
        let (name, number, shown): (String, f64, String) = (row.get(0), row.get(1), row.get(2));
        let least = ADVISED.iter().find(|(advised, ..)| *advised == name);
        if let Some((_, _, advised)) = least.filter(|(_, least, _)| number < *least) {
            found.push(format!("{name} = {shown}, {advised} is advised"));
        }
    }
    sqlx::Connection::close(connection)
        .await
        .map_err(|source| StoreError::sql("be closed", source))?;
    Ok(found)
}
