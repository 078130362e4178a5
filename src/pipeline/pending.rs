//! What a collector notes before it sends: what the commit will say, under the number of the transaction.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::model::ledger::LedgerDelta;
use crate::model::record::{Position, Reject};
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::time::Timestamp;
use crate::store::{Commit, Delivered, Store, StoreError};

/// Whose the rows are among those of sources; no source's name can be mistaken for it.
const OWNER: &str = "[collect]";
/// The row with the name of this collector.
const ID_ROW: &str = "id";
/// What the keys of pending rows begin with.
const PENDING: &str = "pending/";

/// Work with the store.
pub(super) type Work<'s, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 's>>;

/// What is under way.
#[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Pending {
    positions: Vec<(String, String, Option<String>)>,
    delivered: Vec<(String, String)>,
    /// Source; received, stored, rejected, duplicate, shed.
    books: Vec<(String, [u64; 5])>,
    rejects: Vec<RejectRow>,
}

/// A record that no broker takes.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct RejectRow {
    id: String,
    source: String,
    path: String,
    offset: u64,
    at: i64,
    detail: String,
    head: String,
}

/// The one reason for which a collector rejects.
pub(super) const TOO_LONG: &str = "too_long";

impl Pending {
    /// Of a commit that is to come.
    pub(super) fn of<'l>(commit: &Commit, books: impl Iterator<Item = &'l LedgerDelta>) -> Pending {
        let positions = commit.positions.iter();
        let delivered = commit.delivered.iter();
        Pending {
            positions: positions
                .map(|row| (row.source.to_string(), row.key.clone(), row.value.clone()))
                .collect(),
            delivered: delivered.map(|row| (row.source.to_string(), row.key.to_string())).collect(),
            books: books
                .map(|it| {
                    let counts = [it.received, it.stored, it.rejected, it.duplicate, it.shed];
                    (it.source.clone(), counts)
                })
                .collect(),
            rejects: commit.rejects.iter().map(RejectRow::of).collect(),
        }
    }

    /// Its text.
    pub(super) fn write(&self) -> String {
        // Texts and numbers always have a form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Say it all in a commit.
    pub(super) fn into_commit(self, commit: &mut Commit) {
        commit.positions.extend(self.positions.into_iter().map(|(source, key, value)| Position {
            source: source.into(),
            key,
            value,
        }));
        commit.delivered.extend(self.delivered.into_iter().filter_map(|(source, key)| {
            Some(Delivered { source: source.into(), key: Id128::parse(&key)? })
        }));
        let books = self.books.into_iter();
        commit.ledger.extend(books.map(
            |(source, [received, stored, rejected, duplicate, shed])| LedgerDelta {
                source,
                received,
                stored,
                rejected,
                duplicate,
                shed,
                ..LedgerDelta::default()
            },
        ));
        commit.rejects.extend(self.rejects.into_iter().filter_map(RejectRow::into_reject));
    }
}

impl RejectRow {
    fn of(reject: &Reject) -> RejectRow {
        RejectRow {
            id: reject.id.to_string(),
            source: reject.source.to_string(),
            path: reject.path.to_string(),
            offset: reject.offset,
            at: reject.at.0,
            detail: reject.detail.clone(),
            head: String::from_utf8_lossy(&reject.head).into_owned(),
        }
    }

    fn into_reject(self) -> Option<Reject> {
        Some(Reject {
            id: Id128::parse(&self.id)?,
            source: self.source.into(),
            path: self.path.into(),
            offset: self.offset,
            at: Timestamp(self.at),
            reason: TOO_LONG,
            detail: self.detail,
            head: self.head.into_bytes(),
        })
    }
}

/// The row of a number; without a text it is removed.
pub(super) fn row(number: u64, text: Option<String>) -> Position {
    Position { source: OWNER.into(), key: format!("{PENDING}{number}"), value: text }
}

/// Everything that is pending, by its number.
pub(super) async fn rows(store: &Store) -> Result<Vec<(u64, Pending)>, StoreError> {
    let rows = store.positions(OWNER).await?;
    let mut found: Vec<(u64, Pending)> = rows
        .iter()
        .filter_map(|row| {
            let number = row.key.strip_prefix(PENDING)?.parse().ok()?;
            // Our own words; a row that cannot be read says nothing, and is removed.
            let pending = serde_json::from_str(row.value.as_deref()?).unwrap_or_default();
            Some((number, pending))
        })
        .collect();
    found.sort_by_key(|(number, _)| *number);
    Ok(found)
}

/// The name of this collector among all that write to a cluster: made once for a data folder.
pub(super) async fn id(store: &Store) -> Result<String, StoreError> {
    let rows = store.positions(OWNER).await?;
    let known = rows.into_iter().find(|row| row.key == ID_ROW).and_then(|row| row.value);
    if let Some(id) = known {
        return Ok(id);
    }
    let mut bytes = [0_u8; 16];
    if rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()).is_err() {
        // Without the system's random numbers the clock and the process tell two collectors apart.
        let mut hasher = IdHasher::new("collector");
        hasher.number(Timestamp::now().0.unsigned_abs()).number(u64::from(std::process::id()));
        bytes = hasher.finish().0;
    }
    let id = Id128(bytes).to_string();
    let source: Arc<str> = OWNER.into();
    let row = Position { source, key: ID_ROW.to_owned(), value: Some(id.clone()) };
    store.save_positions(std::slice::from_ref(&row)).await?;
    Ok(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pending_becomes_the_commit_that_it_was_made_from() {
        let mut commit = Commit::default();
        let row = |value: Option<&str>| Position {
            source: "s".into(),
            key: "k".to_owned(),
            value: value.map(str::to_owned),
        };
        commit.positions = vec![row(Some("{\"at\":3}")), row(None)];
        commit.delivered = vec![Delivered { source: "s".into(), key: Id128([3; 16]) }];
        let delta = LedgerDelta {
            source: "s".to_owned(),
            received: 9,
            stored: 5,
            rejected: 1,
            duplicate: 2,
            shed: 1,
            ..LedgerDelta::default()
        };
        commit.rejects = vec![Reject {
            id: Id128([4; 16]),
            source: "s".into(),
            path: "p".into(),
            offset: 7,
            at: Timestamp(8),
            reason: TOO_LONG,
            detail: "d".to_owned(),
            head: b"h".to_vec(),
        }];
        let text = Pending::of(&commit, [&delta].into_iter()).write();
        let mut again = Commit::default();
        serde_json::from_str::<Pending>(&text).unwrap().into_commit(&mut again);
        assert_eq!(again.positions, commit.positions);
        assert_eq!(again.delivered, commit.delivered);
        assert_eq!(again.ledger, [delta]);
        assert_eq!(again.rejects, commit.rejects);
    }
}
