//! Shards: parts of a stream (a partition of a topic) that move between nodes on one PostgreSQL, with everything that is
//! remembered of them.
//!
//! A shard's positions, state and books lie in a schema of their own. Who holds it is decided by an advisory lock of the
//! writer's session: it ends with the session, and a commit goes through the same session, so that nobody writes a shard
//! that he does not hold. Each taking has a number, which is part of the key: what an earlier holder left under way does
//! not fit any more.

use std::collections::BTreeMap;
use std::sync::Arc;

use sqlx::AssertSqlSafe;

use crate::model::ledger::SourceLedger;
use crate::model::record::Position;
use crate::stdx::time::Timestamp;
use crate::store::commit::Attempt;
use crate::store::sql::{self, Connection, SHARDS, Target};
use crate::store::states::Saved;
use crate::store::{Store, StoreError, Writer, commit, reads};

/// Hexadecimal digits of a schema's name behind that.
const SCHEMA_DIGITS: usize = 16;

/// A shard that was taken.
#[derive(Debug)]
pub struct Taken {
    /// Names the shard and this taking of it: commits of its state bear it.
    pub key: Arc<str>,
    /// Positions of its source, as the last commit of whoever had it left them.
    pub positions: Vec<Position>,
    /// What the nodes of this database call themselves together.
    pub cluster: String,
}

/// A shard that this node holds.
pub(crate) struct Held {
    schema: String,
    lock: i64,
    /// Its commits so far.
    pub(crate) commits: u64,
}

/// By key.
pub(crate) type Shards = BTreeMap<Arc<str>, Held>;

impl Held {
    fn new(name: &str) -> Held {
        let hash = blake3::hash(format!("watchfloor shard {name}").as_bytes());
        let digits: String = hash.to_hex().chars().take(SCHEMA_DIGITS).collect();
        let lock = hash.as_bytes().last_chunk().map_or(0, |bytes| i64::from_le_bytes(*bytes));
        Held { schema: format!("{SHARDS}{digits}"), lock, commits: 0 }
    }
}

/// The shard that a key was given for.
fn name_of(key: &str) -> &str {
    key.rsplit_once('#').map_or(key, |(name, _)| name)
}

impl Writer {
    /// Commits so far: of the node, or of a shard that it holds.
    pub(crate) fn commits_of(&self, shard: &str) -> Result<u64, StoreError> {
        if shard.is_empty() {
            return Ok(self.commits);
        }
        self.shards.get(shard).map(|held| held.commits).ok_or_else(|| gone(shard))
    }

    /// A commit stands.
    pub(crate) fn count(&mut self, shard: &str, number: u64) {
        if shard.is_empty() {
            self.commits = number;
        } else if let Some(held) = self.shards.get_mut(shard) {
            held.commits = number;
        }
    }

    /// The number of the last commit as the database has it.
    pub(crate) async fn counted(&mut self, shard: &str) -> Result<u64, StoreError> {
        match self.shards.get(shard) {
            Some(held) => commits_in(&mut self.sql, &held.schema).await,
            None => commit::commits(&mut self.sql).await,
        }
    }

    /// Inside a transaction: the tables of this shard, until its end.
    pub(crate) async fn look_in(&mut self, shard: &str) -> Result<(), StoreError> {
        let Some(held) = self.shards.get(shard) else {
            return if shard.is_empty() { Ok(()) } else { Err(gone(shard)) };
        };
        let looked = self.sql.look_in(&held.schema).await;
        looked.map_err(|source| StoreError::sql("look at a shard", source))
    }

    /// After trouble: which shards are still ours? A new session holds nothing and asks again; what counts other commits
    /// than we know was in other hands meanwhile.
    pub(crate) async fn keep_shards(
        &mut self,
        session_is_new: bool,
        attempt: Option<&Attempt>,
    ) -> Result<(), StoreError> {
        let keys: Vec<Arc<str>> = self.shards.keys().cloned().collect();
        for key in keys {
            let Some(held) = self.shards.get(&key) else { continue };
            let (lock, known) = (held.lock, held.commits);
            let ours = !session_is_new || lock_it(&mut self.sql, lock).await?;
            let counted = self.counted(&key).await?;
            let under_way = attempt.is_some_and(|attempt| attempt.is(&key, counted));
            if ours && (counted == known || under_way) {
                self.count(&key, counted);
                continue;
            }
            tracing::warn!(shard = &*key, "a shard went to another node");
            self.shards.remove(&key);
            if ours {
                unlock(&mut self.sql, lock).await?;
            }
        }
        Ok(())
    }

    async fn let_go(&mut self, key: &str) -> Result<(), StoreError> {
        let Some(held) = self.shards.remove(key) else { return Ok(()) };
        if self.sql.is_lost() {
            // The locks went with the session.
            return Ok(());
        }
        sql::query("UPDATE shards SET node = '' WHERE name = $1")
            .bind(name_of(key))
            .execute(&mut self.sql)
            .await
            .map_err(|source| StoreError::sql("let a shard go", source))?;
        unlock(&mut self.sql, held.lock).await
    }
}

fn gone(key: &str) -> StoreError {
    StoreError::ShardGone(name_of(key).to_owned())
}

impl Store {
    /// Take a shard, with the positions of a source in it. `None`: another node has it.
    ///
    /// # Errors
    /// The server, or a store that is no server.
    pub async fn take_shard(&self, name: &str, source: &str) -> Result<Option<Taken>, StoreError> {
        let mut guard = self.hold().await?;
        let writer = &mut *guard;
        let before = writer.shards.keys().find(|key| name_of(key) == name).cloned();
        if let Some(key) = before {
            writer.let_go(&key).await?;
        }
        let held = Held::new(name);
        let lock = held.lock;
        if !lock_it(&mut writer.sql, lock).await? {
            return Ok(None);
        }
        let taken = take(writer, held, name, source).await;
        if taken.is_err() && !writer.sql.is_lost() {
            unlock(&mut writer.sql, lock).await?;
        }
        taken.map(Some)
    }

    /// Let a shard go. What is under way for it finds no shard any more.
    pub async fn give_shard(&self, key: &str) -> Result<(), StoreError> {
        let mut writer = self.writer.lock().await;
        let outcome = writer.let_go(key).await;
        if outcome.is_err() {
            // A session in doubt could hold the lock for ever.
            writer.sql.hang_up();
            writer.unsure = true;
        }
        outcome
    }

    /// Everything that is remembered of a shard that this node holds; of the node itself where the key is empty.
    pub async fn saved(&self, shard: &str) -> Result<Saved, StoreError> {
        if shard.is_empty() {
            return Saved::read(Target::Pool(&self.readers)).await;
        }
        self.in_shard(shard, async |sql| Saved::read(Target::Connection(sql)).await).await
    }

    /// The books of a shard that this node holds.
    pub async fn shard_ledger(&self, shard: &str) -> Result<Vec<SourceLedger>, StoreError> {
        self.in_shard(shard, async |sql| reads::ledger_of(Target::Connection(sql)).await).await
    }

    async fn in_shard<T>(
        &self,
        shard: &str,
        read: impl AsyncFnOnce(&mut Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let mut guard = self.hold().await?;
        let writer = &mut *guard;
        writer.commits_of(shard)?;
        sql::begin(&mut writer.sql).await?;
        writer.unsure = true;
        let outcome = match writer.look_in(shard).await {
            Ok(()) => read(&mut writer.sql).await,
            Err(error) => Err(error),
        };
        let outcome = sql::end(&mut writer.sql, outcome).await;
        writer.unsure = false;
        outcome
    }

    /// How far behind shards are, for those who look.
    pub async fn note_lags(&self, lags: &[(String, i64)]) -> Result<(), StoreError> {
        let mut guard = self.hold().await?;
        for (name, lag) in lags {
            sql::query("UPDATE shards SET lag = $1 WHERE name = $2 AND lag <> $1")
                .bind(*lag)
                .bind(name.as_str())
                .execute(&mut guard.sql)
                .await
                .map_err(|source| StoreError::sql("note how far behind shards are", source))?;
        }
        Ok(())
    }

    /// The schemas in which a table of shards lies, as they stand before its name: first the node's own, which needs none.
    pub(super) async fn places(&self) -> Result<Vec<String>, StoreError> {
        let mut places = vec![String::new()];
        if self.is_shared() {
            let text = "SELECT nspname::text FROM pg_namespace WHERE starts_with(nspname::text, $1) ORDER BY 1";
            let schemas: Vec<String> = sql::scalar(text)
                .bind(SHARDS)
                .fetch_all(&self.readers)
                .await
                .map_err(|source| StoreError::sql("name its shards", source))?;
            places.extend(schemas.into_iter().map(|schema| schema + "."));
        }
        Ok(places)
    }
}

async fn take(
    writer: &mut Writer,
    held: Held,
    name: &str,
    source: &str,
) -> Result<Taken, StoreError> {
    let failed = |source| StoreError::sql("take a shard", source);
    let Some(node) = writer.sql.node().map(|node| node.id.clone()) else {
        return Err(StoreError::Invalid("shards need a server that nodes share".to_owned()));
    };
    writer.sql.prepare_shard(&held.schema).await?;
    let epoch: i64 = sql::scalar(
        "INSERT INTO shards (name, node, epoch, taken, lag) VALUES ($1, $2, 1, $3, 0)
         ON CONFLICT (name) DO UPDATE SET node = excluded.node, epoch = shards.epoch + 1,
           taken = excluded.taken RETURNING epoch",
    )
    .bind(name)
    .bind(node.as_str())
    .bind(Timestamp::now().0)
    .fetch_one(&mut writer.sql)
    .await
    .map_err(failed)?;
    let cluster = cluster_name(&mut writer.sql).await.map_err(failed)?;
    let commits = commits_in(&mut writer.sql, &held.schema).await?;
    let text = format!("SELECT key, value FROM {}.positions WHERE source = $1", held.schema);
    let rows = sql::query(AssertSqlSafe(text)).bind(source).fetch_all(&mut writer.sql).await;
    let rows = rows.map_err(failed)?;
    let positions = rows.iter().map(|row| Position {
        source: source.into(),
        key: row.get("key"),
        value: Some(row.get("value")),
    });
    let positions = positions.collect();
    let key: Arc<str> = format!("{name}#{epoch}").into();
    writer.shards.insert(Arc::clone(&key), Held { commits, ..held });
    Ok(Taken { key, positions, cluster })
}

/// The name of all nodes together, made by the first who asks.
async fn cluster_name(sql: &mut Connection) -> Result<String, sqlx::Error> {
    sql::query(
        "INSERT INTO cluster (one, name) VALUES (1, gen_random_uuid()::text) ON CONFLICT DO NOTHING",
    )
    .execute(&mut *sql)
    .await?;
    sql::scalar("SELECT name FROM cluster WHERE one = 1").fetch_one(sql).await
}

async fn commits_in(sql: &mut Connection, schema: &str) -> Result<u64, StoreError> {
    // A name of ours.
    let text = format!("SELECT value FROM {schema}.meta WHERE key = 'commits'");
    let found: Option<String> = sql::scalar(AssertSqlSafe(text))
        .fetch_optional(sql)
        .await
        .map_err(|source| StoreError::sql("say how many commits a shard has", source))?;
    Ok(found.and_then(|text| text.parse().ok()).unwrap_or(0))
}

async fn lock_it(sql: &mut Connection, lock: i64) -> Result<bool, StoreError> {
    let text = "SELECT CASE WHEN pg_try_advisory_lock($1) THEN 1::bigint ELSE 0::bigint END";
    let got: i64 = sql::scalar(text)
        .bind(lock)
        .fetch_one(sql)
        .await
        .map_err(|source| StoreError::sql("lock a shard", source))?;
    Ok(got == 1)
}

async fn unlock(sql: &mut Connection, lock: i64) -> Result<(), StoreError> {
    sql::query("SELECT pg_advisory_unlock($1)")
        .bind(lock)
        .execute(sql)
        .await
        .map(|_| ())
        .map_err(|source| StoreError::sql("let a shard go", source))
}
