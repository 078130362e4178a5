//! Backup and restore of everything: one archive (tar, zstd), written beside a running daemon.
//!
//! The database is read in one transaction, so every row is of one moment; event segments are read up to the lengths which
//! that moment records, and they only ever grow, so both fit together. Rows travel as JSON lines, a table a folder:
//! `dump` and `load` know SQLite, `server` knows PostgreSQL, `rows` chooses. `archive` is the file, `write` and `read` use it.

mod archive;
mod dump;
mod load;
mod read;
mod rows;
mod server;
mod write;

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use read::{RestoreTo, Restored, head_of, restore, verify};
pub use write::{What, write};

use crate::store::StoreError;

/// The form of the archive with the rows of a SQLite file, and with those of a server.
pub(crate) const FORMAT: u32 = 1;
pub(crate) const FORMAT_SERVER: u32 = 2;
/// Held by whoever reads segments by their names, so that retention does not take them away.
pub(crate) const LOCK: &str = "segments.lock";

/// Where a restore puts files from outside the data folder.
const BESIDE: &str = "from-backup";

/// Is told how far it has come: bytes done, bytes expected.
pub type Progress<'a> = &'a (dyn Fn(u64, u64) + Sync);

/// The first entry: what a reader must know before it unpacks anything.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The form of the archive.
    pub format: u32,
    /// The program that wrote it.
    pub version: String,
    /// The version of the database's tables.
    pub schema: i64,
    /// When.
    pub made: String,
    /// From which data folder.
    pub data_dir: String,
    /// Bytes that will follow, about.
    pub bytes: u64,
    /// The server, where the rows are of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server: Option<ServerHead>,
}

/// A PostgreSQL database as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerHead {
    /// Where it was, without user and password.
    pub at: String,
    /// The schema of the node whose data folder is in the archive.
    pub own: String,
    /// Every schema of ours.
    pub schemas: BTreeMap<String, SchemaHead>,
}

/// A schema as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SchemaHead {
    /// The version of its tables.
    pub version: i64,
    /// Its tables.
    pub tables: Vec<String>,
    /// The last number of each sequence that was used.
    pub sequences: BTreeMap<String, i64>,
}

/// The last entry: what must have come.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The first entry again.
    pub head: Head,
    /// Rows by table; those of a server as `SCHEMA.TABLE`.
    pub tables: BTreeMap<String, u64>,
    /// Event segments.
    pub segments: u64,
    /// Events in them, as the database says.
    pub events: u64,
    /// Entries of the audit log, and the hash of the last.
    pub audit: (u64, String),
    /// Every entry but this one.
    pub files: Vec<FileRow>,
}

impl Manifest {
    /// How many alerts there are.
    pub fn alerts(&self) -> u64 {
        let key = if self.head.server.is_some() { "watchfloor.alerts" } else { "alerts" };
        self.tables.get(key).copied().unwrap_or(0)
    }
}

/// One entry of the archive.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRow {
    /// Its name in the archive.
    pub name: String,
    /// Where it was, for files from outside the data folder.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub origin: String,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256.
    pub sha256: String,
}

/// Why a backup could not be written, read or restored.
#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    /// The store refused.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A file operation failed.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// There is something at that place already.
    #[error("{} is there already: {hint}", path.display())]
    Exists {
        /// The place.
        path: PathBuf,
        /// What to do.
        hint: String,
    },
    /// This database is not restored into.
    #[error("{database} {why}")]
    Refused {
        /// Which.
        database: String,
        /// Why not, and what to do.
        why: String,
    },
    /// A newer version wrote it.
    #[error("{} was written by version {version} (form {form}, tables {tables}), which is newer than this program: use that version", file.display())]
    Newer {
        /// The archive.
        file: PathBuf,
        /// Its program's version.
        version: String,
        /// Its form.
        form: u32,
        /// Its tables.
        tables: i64,
    },
    /// The archive is not what was written.
    #[error("{} is damaged: {what}", file.display())]
    Damaged {
        /// The archive.
        file: PathBuf,
        /// How.
        what: String,
    },
}

impl BackupError {
    pub(crate) fn io(
        what: &'static str,
        path: &std::path::Path,
    ) -> impl FnOnce(io::Error) -> BackupError {
        let path = path.to_owned();
        move |source| BackupError::Io { what, path, source }
    }
}
