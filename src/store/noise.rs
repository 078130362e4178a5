//! What is kept from the queue, in the transaction of the commit: budgets, alerts of parked rules, how rare a match was.

use hashbrown::HashSet;
use sqlx::sqlite::Sqlite;
use sqlx::{QueryBuilder, Row, SqliteConnection};

use crate::model::alert::AlertId;
use crate::model::episode::{AlertChange, OpenEpisode};
use crate::model::noise::{FieldRarity, NoiseChanges, ParkedRule, Release, Released};
use crate::stdx::time::Timestamp;
use crate::store::audit::{self, ChainHead, NewEntry};
use crate::store::commit::Commit;
use crate::store::rows::{ROWS_AT_ONCE, signed, unsigned};
use crate::store::{Store, StoreError};
use crate::wire::{noise_v1, stored_v1};

/// Releases that are read at a start: more than can be waiting.
const RELEASES_MAX: i64 = 10_000;

impl Store {
    /// Rows about noise, for the alert stage.
    pub async fn noise_rows(&self, _shard: &str) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        sqlx::query_as("SELECT key, value FROM noise ORDER BY key")
            .fetch_all(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read budgets of rules", source))
    }

    /// Open episodes of parked rules, for the alert stage.
    pub async fn held_episodes(&self, _shard: &str) -> Result<Vec<OpenEpisode>, StoreError> {
        let texts: Vec<String> = sqlx::query_scalar("SELECT value FROM held WHERE open = 1")
            .fetch_all(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read alerts of parked rules", source))?;
        let episodes = texts.iter().map(|text| stored_v1::read_episode(text));
        episodes.collect::<Result<_, _>>().map_err(StoreError::Row)
    }

    /// Rules that are parked, by id.
    pub async fn parked_rules(&self) -> Result<Vec<ParkedRule>, StoreError> {
        let query = "SELECT value FROM noise WHERE key >= 'budget/' AND key < 'budget0'";
        let rows: Vec<Vec<u8>> = sqlx::query_scalar(query)
            .fetch_all(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read budgets of rules", source))?;
        let read = rows.iter().filter_map(|row| noise_v1::read_rule(row).ok()?.parked);
        let mut parked: Vec<ParkedRule> = read.collect();
        parked.sort_by(|one, other| (&one.rule, &one.tenant).cmp(&(&other.rule, &other.tenant)));
        Ok(parked)
    }

    /// How rare the first match of an alert was; empty: nothing is known.
    pub async fn rarity(&self, alert: AlertId) -> Result<Vec<FieldRarity>, StoreError> {
        let text: Option<String> = sqlx::query_scalar("SELECT value FROM rarity WHERE alert = ?")
            .bind(alert.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read how rare a match was", source))?;
        // A note that cannot be read is no reason to hide the alert.
        Ok(text.and_then(|text| noise_v1::read_rarity(&text).ok()).unwrap_or_default())
    }

    /// Releases that no commit has carried out, oldest first.
    pub async fn releases(&self) -> Result<Vec<Release>, StoreError> {
        let rows = sqlx::query(
            "SELECT id, actor, subject FROM rule_changes WHERE kind = 'release' AND id > coalesce(
               (SELECT CAST(CAST(value AS TEXT) AS INTEGER) FROM noise WHERE key = 'released'), 0)
             ORDER BY id LIMIT ?",
        )
        .bind(RELEASES_MAX)
        .fetch_all(&self.readers)
        .await
        .map_err(|source| StoreError::sql("read releases of rules", source))?;
        let releases = rows.iter().map(|row| Release {
            change: unsigned(row.get("id")),
            rule: row.get("subject"),
            actor: row.get("actor"),
        });
        Ok(releases.collect())
    }
}

/// Alerts that a commit lets appear: those kept back of the rules it releases, without what it writes itself.
pub(crate) async fn appearing(
    sql: &mut SqliteConnection,
    commit: &Commit,
) -> Result<Vec<OpenEpisode>, StoreError> {
    if commit.noise.released.is_empty() {
        return Ok(Vec::new());
    }
    let own: HashSet<AlertId> = commit
        .alerts
        .iter()
        .filter_map(|change| match change {
            AlertChange::Grown(episode) => Some(episode.alert),
            AlertChange::Closed(_) => None,
        })
        .collect();
    let mut found = Vec::new();
    for Released { tenant, rule, .. } in &commit.noise.released {
        let texts: Vec<String> =
            sqlx::query_scalar("SELECT value FROM held WHERE rule = ? AND tenant = ?")
                .bind(rule.as_str())
                .bind(tenant.as_str())
                .fetch_all(&mut *sql)
                .await
                .map_err(|source| StoreError::sql("read alerts of parked rules", source))?;
        for text in texts {
            let episode = stored_v1::read_episode(&text).map_err(StoreError::Row)?;
            if !own.contains(&episode.alert) {
                found.push(episode);
            }
        }
    }
    found.sort_by_key(|episode| (episode.first_seen, episode.alert));
    Ok(found)
}

/// Write what a commit says about noise.
pub(crate) async fn write(
    sql: &mut SqliteConnection,
    changes: &NoiseChanges,
    closed: &[AlertId],
    at: Timestamp,
    head: &mut ChainHead,
) -> Result<(), StoreError> {
    for released in &changes.released {
        let query = sqlx::query("DELETE FROM held WHERE rule = ? AND tenant = ?");
        let done = query.bind(released.rule.as_str()).bind(released.tenant.as_str());
        let done = done.execute(&mut *sql).await;
        done.map_err(|source| StoreError::sql("release a rule", source))?;
        let detail = serde_json::json!({ "rule.id": released.rule }).to_string();
        let entry = NewEntry {
            at,
            actor: &released.actor,
            place: "pipeline",
            subject: "alert",
            subject_id: &released.marker.to_string(),
            action: "released",
            detail: &detail,
        };
        audit::append(sql, head, entry).await?;
    }
    write_rows(sql, &changes.rows).await?;
    write_held(sql, &changes.held, closed).await?;
    for chunk in changes.rarity.chunks(ROWS_AT_ONCE) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT OR IGNORE INTO rarity (alert, value) ");
        query.push_values(chunk, |mut values, (alert, rarity)| {
            values.push_bind(alert.as_bytes().to_vec()).push_bind(noise_v1::write_rarity(rarity));
        });
        let done = query.build().persistent(false).execute(&mut *sql).await;
        done.map_err(|source| StoreError::sql("write how rare a match was", source))?;
    }
    Ok(())
}

async fn write_rows(
    sql: &mut SqliteConnection,
    rows: &[(String, Option<Vec<u8>>)],
) -> Result<(), StoreError> {
    let failed = |source| StoreError::sql("write budgets of rules", source);
    let kept: Vec<(&str, &[u8])> =
        rows.iter().filter_map(|(key, value)| Some((&**key, value.as_deref()?))).collect();
    for chunk in kept.chunks(ROWS_AT_ONCE) {
        let mut query = QueryBuilder::<Sqlite>::new("INSERT OR REPLACE INTO noise (key, value) ");
        query.push_values(chunk, |mut values, (key, value)| {
            values.push_bind(*key).push_bind(*value);
        });
        query.build().persistent(false).execute(&mut *sql).await.map_err(failed)?;
    }
    for (key, _) in rows.iter().filter(|(_, value)| value.is_none()) {
        let query = sqlx::query("DELETE FROM noise WHERE key = ?").bind(key.as_str());
        query.execute(&mut *sql).await.map_err(failed)?;
    }
    Ok(())
}

async fn write_held(
    sql: &mut SqliteConnection,
    held: &[OpenEpisode],
    closed: &[AlertId],
) -> Result<(), StoreError> {
    let failed = |source| StoreError::sql("write alerts of parked rules", source);
    for chunk in held.chunks(ROWS_AT_ONCE) {
        let mut query = QueryBuilder::<Sqlite>::new(
            "INSERT OR REPLACE INTO held (alert, tenant, rule, open, value) ",
        );
        query.push_values(chunk, |mut values, episode| {
            values
                .push_bind(episode.alert.as_bytes().to_vec())
                .push_bind(episode.tenant.as_str())
                .push_bind(episode.rule_id.as_str())
                .push_bind(signed(1))
                .push_bind(stored_v1::write_episode(episode));
        });
        query.build().persistent(false).execute(&mut *sql).await.map_err(failed)?;
    }
    for chunk in closed.chunks(ROWS_AT_ONCE) {
        let mut query = QueryBuilder::<Sqlite>::new("UPDATE held SET open = 0 WHERE alert IN (");
        let mut list = query.separated(", ");
        for id in chunk {
            list.push_bind(id.as_bytes().to_vec());
        }
        query.push(")");
        query.build().persistent(false).execute(&mut *sql).await.map_err(failed)?;
    }
    Ok(())
}
