//! Keys of programs: rows with hashes, made and revoked with an audit entry in the same transaction.

use crate::model::key::{ApiKey, KEY_NAME_BYTES_MAX, KEYS_MAX, KeyScope};
use crate::stdx::time::Timestamp;
use crate::store::audit::{self, NewEntry};
use crate::store::sql::{self, Query, Row};
use crate::store::verbs::By;
use crate::store::{Store, StoreError};

/// A key with what proves it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRow {
    /// What everybody may see.
    pub key: ApiKey,
    /// Argon2id of the whole key.
    pub hash: String,
}

impl Store {
    /// Every key, the oldest first.
    pub async fn keys(&self) -> Result<Vec<KeyRow>, StoreError> {
        let rows = sql::query(
            "SELECT id, name, scope, source, hash, created, creator, revoked, revoker
             FROM api_keys ORDER BY created, id",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(|source| StoreError::sql("read the keys", source))?;
        // A scope of a newer version is good for nothing here.
        Ok(rows.iter().filter_map(row_of).collect())
    }

    /// Keep a new key.
    pub async fn add_key(&self, row: &KeyRow, by: By<'_>) -> Result<(), StoreError> {
        let key = &row.key;
        if key.name.trim().is_empty() || key.name.len() > KEY_NAME_BYTES_MAX {
            let text = format!("a key needs a name of 1 to {KEY_NAME_BYTES_MAX} bytes");
            return Err(StoreError::Invalid(text));
        }
        if self.keys().await?.len() >= KEYS_MAX {
            return Err(StoreError::Invalid(format!(
                "there are {KEYS_MAX} keys, which is the most"
            )));
        }
        let detail = serde_json::json!({
            "name": key.name, "scope": key.scope.as_str(), "source": key.source,
        });
        let insert = sql::query(
            "INSERT INTO api_keys (id, name, scope, source, hash, created, creator)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(key.id.as_str())
        .bind(key.name.as_str())
        .bind(key.scope.as_str())
        .bind(key.source.as_deref())
        .bind(row.hash.as_str())
        .bind(key.created.0)
        .bind(by.actor);
        self.change_keys(insert, (&key.id, "key_create", &detail), by, key.created).await?;
        Ok(())
    }

    /// Revoke a key. `false`: there is none with the id, or it was revoked before.
    pub async fn revoke_key(
        &self,
        id: &str,
        by: By<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let update = sql::query(
            "UPDATE api_keys SET revoked = $1, revoker = $2 WHERE id = $3 AND revoked IS NULL",
        )
        .bind(now.0)
        .bind(by.actor)
        .bind(id);
        let detail = serde_json::json!({});
        Ok(self.change_keys(update, (id, "key_revoke", &detail), by, now).await? > 0)
    }

    /// One statement and its audit entry. Returns how many rows it changed; of nothing there is no entry.
    async fn change_keys(
        &self,
        statement: Query<'_>,
        (id, action, detail): (&str, &str, &serde_json::Value),
        by: By<'_>,
        now: Timestamp,
    ) -> Result<u64, StoreError> {
        let mut guard = self.hold().await?;
        let mut head = guard.head.clone();
        sql::begin(&mut guard.sql).await?;
        guard.unsure = true;
        let link = &mut guard.sql;
        let outcome = async {
            let done = statement.execute(&mut *link).await;
            let done = done.map_err(|source| StoreError::sql("change the keys", source))?;
            if done.rows > 0 {
                let detail = detail.to_string();
                let entry = NewEntry {
                    at: now,
                    actor: by.actor,
                    place: by.place,
                    subject: "key",
                    subject_id: id,
                    action,
                    detail: &detail,
                };
                audit::append(link, &mut head, entry).await?;
            }
            Ok(done.rows)
        }
        .await;
        let ended = sql::end(link, outcome).await;
        guard.unsure = false;
        let changed = ended?;
        if changed > 0 {
            guard.head = head;
        }
        Ok(changed)
    }
}

fn row_of(row: &Row) -> Option<KeyRow> {
    let scope: String = row.get("scope");
    let key = ApiKey {
        id: row.get("id"),
        name: row.get("name"),
        scope: KeyScope::parse(&scope)?,
        source: row.get("source"),
        created: Timestamp(row.get("created")),
        creator: row.get("creator"),
        revoked: row.get::<Option<i64>>("revoked").map(Timestamp),
        revoker: row.get("revoker"),
    };
    Some(KeyRow { key, hash: row.get("hash") })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::alert::AlertConfig;
    use crate::config::store::StoreConfig;

    fn row(id: &str) -> KeyRow {
        let key = ApiKey {
            id: id.to_owned(),
            name: "beats".to_owned(),
            scope: KeyScope::Ingest,
            source: Some("web".to_owned()),
            created: Timestamp(5),
            creator: "ana".to_owned(),
            revoked: None,
            revoker: None,
        };
        KeyRow { key, hash: "$argon2id$x".to_owned() }
    }

    #[tokio::test]
    async fn keys_are_kept_revoked_once_and_audited() {
        let dir = tempfile::tempdir().unwrap();
        let (store, alerts) = (StoreConfig::default(), AlertConfig::default());
        let opened = Store::open(dir.path(), &store, &alerts).await.unwrap();
        let by = By { actor: "ana", place: "here" };
        opened.add_key(&row("aa"), by).await.unwrap();
        assert_eq!(opened.keys().await.unwrap(), [row("aa")]);
        assert!(opened.add_key(&row("aa"), by).await.is_err(), "ids are unique");
        let nameless =
            KeyRow { key: ApiKey { name: " ".to_owned(), ..row("bb").key }, ..row("bb") };
        assert!(matches!(opened.add_key(&nameless, by).await, Err(StoreError::Invalid(_))));

        assert!(!opened.revoke_key("zz", by, Timestamp(6)).await.unwrap());
        assert!(opened.revoke_key("aa", by, Timestamp(6)).await.unwrap());
        assert!(!opened.revoke_key("aa", by, Timestamp(7)).await.unwrap(), "only once");
        let kept = opened.keys().await.unwrap();
        assert_eq!(kept[0].key.revoked, Some(Timestamp(6)));
        assert_eq!(kept[0].key.revoker.as_deref(), Some("ana"));
        let history = opened.history("key", "aa").await.unwrap();
        let actions: Vec<&str> = history.iter().map(|entry| entry.action.as_str()).collect();
        assert_eq!(actions, ["key_create", "key_revoke"]);
        assert!(!history[0].detail.contains("argon2"), "the log holds no hashes");
        assert_eq!(opened.audit_verify().await.unwrap().broken, None);
    }
}
