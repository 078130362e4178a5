//! The audit log: append-only rows, each with the hash of itself and the row before.

use hashbrown::HashSet;

use crate::model::alert::{AlertId, AuditEntry};
use crate::stdx::time::Timestamp;
use crate::store::sql::{self, Connection, Kind, Pool, Row, Table};
use crate::store::{Store, StoreError, chain};

/// The hash before the first entry.
pub(crate) const GENESIS: &str = "0000000000000000000000000000000000000000000000000000000000000000";
/// Rows read at once by [`Store::audit_verify`].
const VERIFY_ROWS: i64 = 5_000;
/// Who the product itself is.
pub(crate) const PRODUCT: &str = "watchfloor";

const AUDIT: Table<9> = Table {
    name: "audit",
    keys: 0,
    columns: [
        ("sequence", Kind::Int),
        ("at", Kind::Int),
        ("actor", Kind::Text),
        ("place", Kind::Text),
        ("subject", Kind::Text),
        ("subject_id", Kind::Text),
        ("action", Kind::Text),
        ("detail", Kind::Text),
        ("hash", Kind::Text),
    ],
    replace: false,
};

/// The end of the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ChainHead {
    pub sequence: u64,
    pub hash: String,
}

/// An entry before it has its place in the chain.
#[derive(Clone, Debug)]
pub(crate) struct NewEntry<'a> {
    pub at: Timestamp,
    pub actor: &'a str,
    pub place: &'a str,
    pub subject: &'a str,
    pub subject_id: &'a str,
    pub action: &'a str,
    pub detail: &'a str,
}

/// What walking the chain found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditVerdict {
    /// Entries that were walked and are right.
    pub entries: u64,
    /// The hash of the last right one.
    pub head: String,
    /// Where and how the chain is broken, if it is.
    pub broken: Option<(u64, &'static str)>,
}

/// Read the end of the chain.
pub(crate) async fn read_head(connection: &mut Connection) -> Result<ChainHead, StoreError> {
    let row = sql::query("SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1")
        .fetch_optional(connection)
        .await
        .map_err(|source| StoreError::sql("read the end of the audit log", source))?;
    let Some(row) = row else {
        return Ok(ChainHead { sequence: 0, hash: GENESIS.to_owned() });
    };
    Ok(ChainHead { sequence: unsigned(row.get(0)), hash: row.get(1) })
}

/// Add an entry and move `head`. The caller keeps the old head until the transaction is committed.
pub(crate) async fn append(
    connection: &mut Connection,
    head: &mut ChainHead,
    entry: NewEntry<'_>,
) -> Result<(), StoreError> {
    append_all(connection, head, &[entry]).await
}

/// Add entries, in order, and move `head` as [`append`] does.
pub(crate) async fn append_all(
    connection: &mut Connection,
    head: &mut ChainHead,
    entries: &[NewEntry<'_>],
) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    // From here on no other node adds entries.
    chain::take_head(connection, head).await?;
    let mut rows = Vec::with_capacity(entries.len());
    for entry in entries {
        let sequence = head.sequence + 1;
        let hash = link(&head.hash, sequence, entry);
        rows.push([
            signed(sequence).into(),
            entry.at.0.into(),
            entry.actor.into(),
            entry.place.into(),
            entry.subject.into(),
            entry.subject_id.into(),
            entry.action.into(),
            entry.detail.into(),
            hash.clone().into(),
        ]);
        *head = ChainHead { sequence, hash };
    }
    let done = AUDIT.put(connection, rows).await;
    done.map_err(|source| StoreError::sql("add to the audit log", source))
}

/// BLAKE3 over the hash before and every column, each with its length.
fn link(before: &str, sequence: u64, entry: &NewEntry<'_>) -> String {
    let mut hasher = blake3::Hasher::new();
    let (number, at) = (sequence.to_le_bytes(), entry.at.0.to_le_bytes());
    let parts: [&[u8]; 9] = [
        before.as_bytes(),
        &number,
        &at,
        entry.actor.as_bytes(),
        entry.place.as_bytes(),
        entry.subject.as_bytes(),
        entry.subject_id.as_bytes(),
        entry.action.as_bytes(),
        entry.detail.as_bytes(),
    ];
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    hasher.finalize().to_hex().to_string()
}

fn entry_of(row: &Row) -> AuditEntry {
    AuditEntry {
        sequence: unsigned(row.get("sequence")),
        at: Timestamp(row.get("at")),
        actor: row.get("actor"),
        place: row.get("place"),
        subject: row.get("subject"),
        subject_id: row.get("subject_id"),
        action: row.get("action"),
        detail: row.get("detail"),
        hash: row.get("hash"),
    }
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or(0)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

impl Store {
    /// The audit entries about one thing, oldest first (`alert` and its id, `rule` and its id).
    pub async fn history(
        &self,
        subject: &str,
        subject_id: &str,
    ) -> Result<Vec<AuditEntry>, StoreError> {
        let rows = sql::query(
            "SELECT * FROM audit WHERE subject = $1 AND subject_id = $2 ORDER BY sequence",
        )
        .bind(subject)
        .bind(subject_id)
        .fetch_all(&self.readers)
        .await
        .map_err(|source| StoreError::sql("read the audit log", source))?;
        Ok(rows.iter().map(entry_of).collect())
    }

    /// Alerts that somebody wrote a note about.
    pub async fn noted(&self) -> Result<HashSet<AlertId>, StoreError> {
        let ids: Vec<String> = sql::scalar(
            "SELECT DISTINCT subject_id FROM audit WHERE subject = 'alert' AND action = 'note'",
        )
        .fetch_all(&self.readers)
        .await
        .map_err(|source| StoreError::sql("read which alerts have notes", source))?;
        Ok(ids.iter().filter_map(|id| AlertId::parse(id)).collect())
    }

    /// The newest audit entries, newest first.
    pub async fn audit_newest(&self, limit: usize) -> Result<Vec<AuditEntry>, StoreError> {
        let rows = sql::query("SELECT * FROM audit ORDER BY sequence DESC LIMIT $1")
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read the audit log", source))?;
        Ok(rows.iter().map(entry_of).collect())
    }

    /// Walk the whole chain.
    pub async fn audit_verify(&self) -> Result<AuditVerdict, StoreError> {
        verify(&self.readers).await
    }
}

/// Walk the whole chain of a database.
pub(crate) async fn verify(readers: &Pool) -> Result<AuditVerdict, StoreError> {
    let mut verdict = beginning();
    loop {
        let rows = page(&verdict).fetch_all(readers).await.map_err(unread)?;
        if !walk(&mut verdict, &rows) {
            return Ok(verdict);
        }
    }
}

/// The same inside of a transaction.
pub(crate) async fn verify_within(sql: &mut Connection) -> Result<AuditVerdict, StoreError> {
    let mut verdict = beginning();
    loop {
        let rows = page(&verdict).fetch_all(&mut *sql).await.map_err(unread)?;
        if !walk(&mut verdict, &rows) {
            return Ok(verdict);
        }
    }
}

fn beginning() -> AuditVerdict {
    AuditVerdict { entries: 0, head: GENESIS.to_owned(), broken: None }
}

fn unread(source: sqlx::Error) -> StoreError {
    StoreError::sql("read the audit log", source)
}

/// The rows behind what was walked.
fn page(verdict: &AuditVerdict) -> sql::Query<'static> {
    sql::query("SELECT * FROM audit WHERE sequence > $1 ORDER BY sequence LIMIT $2")
        .bind(signed(verdict.entries))
        .bind(VERIFY_ROWS)
}

/// Walk over some rows. Is there more to walk?
fn walk(verdict: &mut AuditVerdict, rows: &[Row]) -> bool {
    for entry in rows.iter().map(entry_of) {
        if let Some(fault) = check(verdict, &entry) {
            verdict.broken = Some((entry.sequence, fault));
            return false;
        }
        verdict.entries = entry.sequence;
        verdict.head = entry.hash;
    }
    !rows.is_empty()
}

fn check(before: &AuditVerdict, entry: &AuditEntry) -> Option<&'static str> {
    if entry.sequence != before.entries + 1 {
        return Some("an entry is missing before it");
    }
    let new = NewEntry {
        at: entry.at,
        actor: &entry.actor,
        place: &entry.place,
        subject: &entry.subject,
        subject_id: &entry.subject_id,
        action: &entry.action,
        detail: &entry.detail,
    };
    if link(&before.head, entry.sequence, &new) != entry.hash {
        return Some("its hash does not match what it says");
    }
    None
}
