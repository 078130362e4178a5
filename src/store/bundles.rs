//! Rows of bundles that may still grow, and how often each rule has fired.

use sqlx::sqlite::Sqlite;
use sqlx::{QueryBuilder, Row, SqliteConnection};

use crate::model::bundle::{BundleChange, OpenBundle};
use crate::model::episode::RuleCount;
use crate::store::rows::{ROWS_AT_ONCE, signed, unsigned};
use crate::store::{Store, StoreError};
use crate::wire::bundle_v1;

/// Write what changed, in the commit's transaction.
pub(crate) async fn write(
    sql: &mut SqliteConnection,
    changes: &[BundleChange],
) -> Result<(), StoreError> {
    let failed = |source| StoreError::sql("write bundles", source);
    let kept: Vec<&OpenBundle> = changes.iter().filter_map(|(_, row)| row.as_ref()).collect();
    for chunk in kept.chunks(ROWS_AT_ONCE) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT OR REPLACE INTO bundles (id, value) ");
        query.push_values(chunk, |mut values, row| {
            values.push_bind(row.id.as_bytes().to_vec()).push_bind(bundle_v1::write(row));
        });
        query.build().persistent(false).execute(&mut *sql).await.map_err(failed)?;
    }
    for (id, _) in changes.iter().filter(|(_, row)| row.is_none()) {
        let query = sqlx::query("DELETE FROM bundles WHERE id = ?").bind(id.as_bytes().as_slice());
        query.execute(&mut *sql).await.map_err(failed)?;
    }
    Ok(())
}

/// Write counts that changed, in the commit's transaction.
pub(crate) async fn write_counts(
    sql: &mut SqliteConnection,
    counts: &[RuleCount],
) -> Result<(), StoreError> {
    for chunk in counts.chunks(ROWS_AT_ONCE) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT OR REPLACE INTO rule_counts (tenant, rule_id, host, alerts) ",
        );
        query.push_values(chunk, |mut values, count| {
            values
                .push_bind(count.tenant.as_str())
                .push_bind(count.rule_id.as_str())
                .push_bind(count.host.as_str())
                .push_bind(signed(count.alerts));
        });
        let done = query.build().persistent(false).execute(&mut *sql).await;
        done.map_err(|source| StoreError::sql("write counts of rules", source))?;
    }
    Ok(())
}

impl Store {
    /// Open bundles, for the alert stage.
    pub async fn bundles(&self, _shard: &str) -> Result<Vec<OpenBundle>, StoreError> {
        let texts: Vec<String> = sqlx::query_scalar("SELECT value FROM bundles")
            .fetch_all(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read bundles", source))?;
        let bundles = texts.iter().map(|text| bundle_v1::read(text));
        bundles.collect::<Result<_, _>>().map_err(StoreError::Row)
    }

    /// How many alerts there are of each rule on each endpoint, for the alert stage.
    pub async fn rule_counts(&self, _shard: &str) -> Result<Vec<RuleCount>, StoreError> {
        let rows = sqlx::query("SELECT tenant, rule_id, host, alerts FROM rule_counts")
            .fetch_all(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read counts of rules", source))?;
        let counts = rows.iter().map(|row| RuleCount {
            tenant: row.get("tenant"),
            rule_id: row.get("rule_id"),
            host: row.get("host"),
            alerts: unsigned(row.get("alerts")),
        });
        Ok(counts.collect())
    }
}
