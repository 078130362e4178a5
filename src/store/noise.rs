//! What is kept from the queue, in the transaction of the commit: budgets, alerts of parked rules, how rare a match was.

use hashbrown::HashSet;
use sqlx::AssertSqlSafe;

use crate::model::alert::AlertId;
use crate::model::episode::{AlertChange, OpenEpisode};
use crate::model::noise::{FieldRarity, NoiseChanges, ParkedRule, Release, Released};
use crate::stdx::time::Timestamp;
use crate::store::audit::{self, ChainHead, NewEntry};
use crate::store::commit::Commit;
use crate::store::rows::{ROWS_AT_ONCE, unsigned};
use crate::store::sql::{self, Connection, Kind, Table, Target};
use crate::store::{Store, StoreError};
use crate::wire::{noise_v1, stored_v1};

const NOISE: Table<2> = Table {
    name: "noise",
    keys: 1,
    columns: [("key", Kind::Text), ("value", Kind::Bytes)],
    replace: true,
};

const HELD: Table<5> = Table {
    name: "held",
    keys: 1,
    columns: [
        ("alert", Kind::Bytes),
        ("tenant", Kind::Text),
        ("rule", Kind::Text),
        ("open", Kind::Int),
        ("value", Kind::Text),
    ],
    replace: true,
};

const RARITY: Table<2> = Table {
    name: "rarity",
    keys: 1,
    columns: [("alert", Kind::Bytes), ("value", Kind::Text)],
    replace: false,
};

/// Releases that are read at a start: more than can be waiting.
const RELEASES_MAX: i64 = 10_000;

impl Store {
    /// Rules that are parked, by id.
    pub async fn parked_rules(&self) -> Result<Vec<ParkedRule>, StoreError> {
        let mut parked: Vec<ParkedRule> = Vec::new();
        for place in self.places().await? {
            // A name of ours.
            let text = format!(
                "SELECT value FROM {place}noise WHERE key >= 'budget/' AND key < 'budget0'"
            );
            let rows: Vec<Vec<u8>> = sql::scalar(AssertSqlSafe(text))
                .fetch_all(&self.readers)
                .await
                .map_err(|source| StoreError::sql("read budgets of rules", source))?;
            parked.extend(rows.iter().filter_map(|row| noise_v1::read_rule(row).ok()?.parked));
        }
        parked.sort_by(|one, other| (&one.rule, &one.tenant).cmp(&(&other.rule, &other.tenant)));
        Ok(parked)
    }

    /// How rare the first match of an alert was; empty: nothing is known.
    pub async fn rarity(&self, alert: AlertId) -> Result<Vec<FieldRarity>, StoreError> {
        let text: Option<String> = sql::scalar("SELECT value FROM rarity WHERE alert = $1")
            .bind(alert.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read how rare a match was", source))?;
        // A note that cannot be read is no reason to hide the alert.
        Ok(text.and_then(|text| noise_v1::read_rarity(&text).ok()).unwrap_or_default())
    }
}

/// Rows about noise.
pub(crate) async fn read_rows(from: Target<'_>) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
    let rows = sql::query("SELECT key, value FROM noise ORDER BY key")
        .fetch_all(from)
        .await
        .map_err(|source| StoreError::sql("read budgets of rules", source))?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// Open episodes of parked rules.
pub(crate) async fn held_episodes(from: Target<'_>) -> Result<Vec<OpenEpisode>, StoreError> {
    let texts: Vec<String> = sql::scalar("SELECT value FROM held WHERE open = 1")
        .fetch_all(from)
        .await
        .map_err(|source| StoreError::sql("read alerts of parked rules", source))?;
    let episodes = texts.iter().map(|text| stored_v1::read_episode(text));
    episodes.collect::<Result<_, _>>().map_err(StoreError::Row)
}

/// Releases that no commit has carried out, oldest first.
pub(crate) async fn releases(mut from: Target<'_>) -> Result<Vec<Release>, StoreError> {
    let done: Option<Vec<u8>> = sql::scalar("SELECT value FROM noise WHERE key = 'released'")
        .fetch_optional(from.again())
        .await
        .map_err(|source| StoreError::sql("read releases of rules", source))?;
    let done = done.and_then(|text| String::from_utf8(text).ok()?.parse::<i64>().ok());
    let rows = sql::query(
        "SELECT id, actor, subject FROM rule_changes WHERE kind = 'release' AND id > $1
         ORDER BY id LIMIT $2",
    )
    .bind(done.unwrap_or(0))
    .bind(RELEASES_MAX)
    .fetch_all(from)
    .await
    .map_err(|source| StoreError::sql("read releases of rules", source))?;
    let releases = rows.iter().map(|row| Release {
        change: unsigned(row.get("id")),
        rule: row.get("subject"),
        actor: row.get("actor"),
    });
    Ok(releases.collect())
}

/// Alerts that a commit lets appear: those kept back of the rules it releases, without what it writes itself.
pub(crate) async fn appearing(
    sql: &mut Connection,
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
            sql::scalar("SELECT value FROM held WHERE rule = $1 AND tenant = $2")
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
    sql: &mut Connection,
    changes: &NoiseChanges,
    closed: &[AlertId],
    at: Timestamp,
    head: &mut ChainHead,
) -> Result<(), StoreError> {
    for released in &changes.released {
        let query = sql::query("DELETE FROM held WHERE rule = $1 AND tenant = $2");
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
    let values = changes.rarity.iter().map(|(alert, rarity)| {
        [alert.as_bytes().as_slice().into(), noise_v1::write_rarity(rarity).into()]
    });
    let done = RARITY.put(sql, values.collect()).await;
    done.map_err(|source| StoreError::sql("write how rare a match was", source))
}

async fn write_rows(
    sql: &mut Connection,
    rows: &[(String, Option<Vec<u8>>)],
) -> Result<(), StoreError> {
    let failed = |source| StoreError::sql("write budgets of rules", source);
    let kept = rows.iter().filter_map(|(key, value)| Some((&**key, value.as_deref()?)));
    let values = kept.map(|(key, value)| [key.into(), value.into()]);
    NOISE.put(sql, values.collect()).await.map_err(failed)?;
    for (key, _) in rows.iter().filter(|(_, value)| value.is_none()) {
        let query = sql::query("DELETE FROM noise WHERE key = $1").bind(key.as_str());
        query.execute(&mut *sql).await.map_err(failed)?;
    }
    Ok(())
}

async fn write_held(
    sql: &mut Connection,
    held: &[OpenEpisode],
    closed: &[AlertId],
) -> Result<(), StoreError> {
    let failed = |source| StoreError::sql("write alerts of parked rules", source);
    let values = held.iter().map(|episode| {
        [
            episode.alert.as_bytes().as_slice().into(),
            episode.tenant.as_str().into(),
            episode.rule_id.as_str().into(),
            true.into(),
            stored_v1::write_episode(episode).into(),
        ]
    });
    HELD.put(sql, values.collect()).await.map_err(failed)?;
    for chunk in closed.chunks(ROWS_AT_ONCE) {
        let ids = sql::list(chunk.len());
        // Placeholders only.
        let text = AssertSqlSafe(format!("UPDATE held SET open = 0 WHERE alert IN ({ids})"));
        let mut query = sql::query(text).once();
        for id in chunk {
            query = query.bind(id.as_bytes().as_slice());
        }
        query.execute(&mut *sql).await.map_err(failed)?;
    }
    Ok(())
}
