//! Rows of bundles that may still grow, and how often each rule has fired.

use crate::model::bundle::{BundleChange, OpenBundle};
use crate::model::episode::RuleCount;
use crate::store::StoreError;
use crate::store::rows::{signed, unsigned};
use crate::store::sql::{self, Connection, Kind, Table, Target};
use crate::wire::bundle_v1;

const BUNDLES: Table<2> = Table {
    name: "bundles",
    keys: 1,
    columns: [("id", Kind::Bytes), ("value", Kind::Text)],
    replace: true,
};

const COUNTS: Table<4> = Table {
    name: "rule_counts",
    keys: 3,
    columns: [
        ("tenant", Kind::Text),
        ("rule_id", Kind::Text),
        ("host", Kind::Text),
        ("alerts", Kind::Int),
    ],
    replace: true,
};

/// Write what changed, in the commit's transaction.
pub(crate) async fn write(
    sql: &mut Connection,
    changes: &[BundleChange],
) -> Result<(), StoreError> {
    let failed = |source| StoreError::sql("write bundles", source);
    let kept = changes.iter().filter_map(|(_, row)| row.as_ref());
    let values =
        kept.map(|row| [row.id.as_bytes().as_slice().into(), bundle_v1::write(row).into()]);
    BUNDLES.put(sql, values.collect()).await.map_err(failed)?;
    for (id, _) in changes.iter().filter(|(_, row)| row.is_none()) {
        let query = sql::query("DELETE FROM bundles WHERE id = $1").bind(id.as_bytes().as_slice());
        query.execute(&mut *sql).await.map_err(failed)?;
    }
    Ok(())
}

/// Write counts that changed, in the commit's transaction.
pub(crate) async fn write_counts(
    sql: &mut Connection,
    counts: &[RuleCount],
) -> Result<(), StoreError> {
    let values = counts.iter().map(|count| {
        [
            count.tenant.as_str().into(),
            count.rule_id.as_str().into(),
            count.host.as_str().into(),
            signed(count.alerts).into(),
        ]
    });
    let done = COUNTS.put(sql, values.collect()).await;
    done.map_err(|source| StoreError::sql("write counts of rules", source))
}

/// Open bundles.
pub(crate) async fn read(from: Target<'_>) -> Result<Vec<OpenBundle>, StoreError> {
    let texts: Vec<String> = sql::scalar("SELECT value FROM bundles")
        .fetch_all(from)
        .await
        .map_err(|source| StoreError::sql("read bundles", source))?;
    let bundles = texts.iter().map(|text| bundle_v1::read(text));
    bundles.collect::<Result<_, _>>().map_err(StoreError::Row)
}

/// How many alerts there are of each rule on each endpoint.
pub(crate) async fn read_counts(from: Target<'_>) -> Result<Vec<RuleCount>, StoreError> {
    let rows = sql::query("SELECT tenant, rule_id, host, alerts FROM rule_counts")
        .fetch_all(from)
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
