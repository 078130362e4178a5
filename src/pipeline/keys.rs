//! The keys of the store, for sources that ask: a hash once for each key and ten minutes, few at a time, and a revoked key
//! is known within seconds.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ahash::AHashMap;
use lru::LruCache;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::model::key::KeyScope;
use crate::source::keys::{Checked, Checking, KeyCheck};
use crate::stdx::{api_key, task};
use crate::store::{KeyRow, Store};

/// The table of keys is read again after this long.
const READ_EVERY: Duration = Duration::from_secs(2);
/// With a table older than this nobody is let in: a key may have been revoked.
const STALE_MAX: Duration = Duration::from_secs(60);
/// How long a key that was verified is not hashed again, and a wrong one neither.
const REMEMBERED: Duration = Duration::from_secs(600);
/// Verified keys that are remembered, and as many wrong ones.
const REMEMBERED_MAX: NonZeroUsize = NonZeroUsize::new(10_000).unwrap();
/// Hashes that are made at once: each takes a core and 19 MiB.
const HASHES_MAX: usize = 2;
/// How long a request waits for its turn to be hashed.
const TURN_WAIT_MAX: Duration = Duration::from_secs(2);

/// Says whether keys are good.
pub(crate) struct KeyRing {
    store: Arc<Store>,
    table: Mutex<Table>,
    /// Held by who reads the table.
    reading: tokio::sync::Mutex<()>,
    good: Mutex<Memory>,
    /// Apart from the good ones, so that a flood of wrong keys pushes none of those out.
    wrong: Mutex<Memory>,
    turns: Semaphore,
}

type Memory = LruCache<[u8; 32], Instant>;

#[derive(Default)]
struct Table {
    rows: Arc<AHashMap<String, KeyRow>>,
    read: Option<Instant>,
}

impl KeyRing {
    pub(crate) fn new(store: Arc<Store>) -> KeyRing {
        KeyRing {
            store,
            table: Mutex::default(),
            reading: tokio::sync::Mutex::default(),
            good: Mutex::new(LruCache::new(REMEMBERED_MAX)),
            wrong: Mutex::new(LruCache::new(REMEMBERED_MAX)),
            turns: Semaphore::new(HASHES_MAX),
        }
    }

    /// The keys, at most [`READ_EVERY`] old where the store can be read. `None`: too old to be trusted.
    async fn rows(&self) -> Option<Arc<AHashMap<String, KeyRow>>> {
        let age = |table: &Table| table.read.map(|at| at.elapsed());
        let fresh = |table: &Table| {
            age(table).filter(|age| *age < READ_EVERY).map(|_| Arc::clone(&table.rows))
        };
        let known = fresh(&self.table.lock());
        if known.is_some() {
            return known;
        }
        let _one = self.reading.lock().await;
        if age(&self.table.lock()).is_none_or(|age| age >= READ_EVERY) {
            match self.store.keys().await {
                Ok(rows) => {
                    let rows = rows.into_iter().map(|row| (row.key.id.clone(), row)).collect();
                    let read = Some(Instant::now());
                    *self.table.lock() = Table { rows: Arc::new(rows), read };
                }
                Err(error) => {
                    let error: &dyn std::error::Error = &error;
                    tracing::warn!(error, "the keys cannot be read again");
                }
            }
        }
        let table = self.table.lock();
        age(&table).filter(|age| *age < STALE_MAX).map(|_| Arc::clone(&table.rows))
    }

    async fn look(&self, key: &str, source: &str) -> Checked {
        let Some(id) = api_key::id_of(key) else { return Checked::Wrong };
        let Some(rows) = self.rows().await else { return Checked::Unavailable };
        let Some(row) = rows.get(id) else { return Checked::Wrong };
        let for_other = row.key.source.as_deref().is_some_and(|only| only != source);
        if row.key.revoked.is_some() || row.key.scope != KeyScope::Ingest || for_other {
            return Checked::Wrong;
        }
        let digest = api_key::digest(key);
        if is_remembered(&self.good, &digest) {
            return Checked::Good(row.key.name.clone());
        }
        if is_remembered(&self.wrong, &digest) {
            return Checked::Wrong;
        }
        let Ok(Ok(turn)) = tokio::time::timeout(TURN_WAIT_MAX, self.turns.acquire()).await else {
            return Checked::Busy;
        };
        if is_remembered(&self.good, &digest) {
            return Checked::Good(row.key.name.clone());
        }
        let (text, hash) = (key.to_owned(), row.hash.clone());
        let verified = task::blocking("verify a key", move || api_key::verify(&text, &hash)).await;
        drop(turn);
        match verified {
            Ok(true) => {
                self.good.lock().put(digest, Instant::now());
                Checked::Good(row.key.name.clone())
            }
            Ok(false) => {
                self.wrong.lock().put(digest, Instant::now());
                Checked::Wrong
            }
            Err(_) => Checked::Unavailable,
        }
    }
}

fn is_remembered(memory: &Mutex<Memory>, digest: &[u8; 32]) -> bool {
    let mut memory = memory.lock();
    match memory.get(digest).map(Instant::elapsed) {
        Some(age) if age < REMEMBERED => true,
        Some(_) => {
            memory.pop(digest);
            false
        }
        None => false,
    }
}

impl KeyCheck for KeyRing {
    fn check<'a>(&'a self, key: &'a str, source: &'a str) -> Checking<'a> {
        Box::pin(self.look(key, source))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::alert::AlertConfig;
    use crate::config::store::StoreConfig;
    use crate::model::key::ApiKey;
    use crate::stdx::time::Timestamp;
    use crate::store::By;

    const BY: By<'_> = By { actor: "ana", place: "here" };

    async fn ring(dir: &std::path::Path, source: Option<&str>) -> (KeyRing, api_key::NewKey) {
        let (store, alerts) = (StoreConfig::default(), AlertConfig::default());
        let store = Arc::new(Store::open(dir, &store, &alerts).await.unwrap());
        let made = api_key::make().unwrap();
        let key = ApiKey {
            id: made.id.clone(),
            name: "beats".to_owned(),
            scope: KeyScope::Ingest,
            source: source.map(str::to_owned),
            created: Timestamp(1),
            creator: String::new(),
            revoked: None,
            revoker: None,
        };
        store.add_key(&KeyRow { key, hash: made.hash.clone() }, BY).await.unwrap();
        (KeyRing::new(store), made)
    }

    #[tokio::test]
    async fn a_key_is_good_until_it_is_revoked_and_hashed_once() {
        let dir = tempfile::tempdir().unwrap();
        let (ring, made) = ring(dir.path(), None).await;
        let good = Checked::Good("beats".to_owned());
        assert_eq!(ring.check(&made.text, "web").await, good);
        ring.turns.close();
        assert_eq!(ring.check(&made.text, "web").await, good, "no turn is needed again");
        let wrong = format!("{}x", made.text);
        assert_eq!(ring.check(&wrong, "web").await, Checked::Busy, "another is hashed");
        assert_eq!(ring.check("wfk_000000000000_x", "web").await, Checked::Wrong, "and this not");
        assert_eq!(ring.check("", "web").await, Checked::Wrong);

        assert!(ring.store.revoke_key(&made.id, BY, Timestamp(2)).await.unwrap());
        ring.table.lock().read = None;
        assert_eq!(ring.check(&made.text, "web").await, Checked::Wrong);
    }

    #[tokio::test]
    async fn a_wrong_secret_is_wrong_and_a_key_of_another_source_too() {
        let dir = tempfile::tempdir().unwrap();
        let (ring, made) = ring(dir.path(), Some("web")).await;
        let wrong = format!("{}x", made.text);
        assert_eq!(ring.check(&wrong, "web").await, Checked::Wrong);
        ring.turns.close();
        assert_eq!(ring.check(&wrong, "web").await, Checked::Wrong, "it is remembered as wrong");
        assert_eq!(ring.check(&made.text, "mail").await, Checked::Wrong);
    }
}
