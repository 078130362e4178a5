//! What can go wrong with a store, in the words a person needs to act.

use std::io;
use std::path::{Path, PathBuf};

use crate::model::alert::AlertId;
use crate::wire::stored_v1::StoredError;

/// Why a store could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another program holds the store.
    #[error("the store {} is in use{}", dir.display(), by(*pid))]
    InUse {
        /// The data folder.
        dir: PathBuf,
        /// The process that holds it, where it said so.
        pid: Option<u32>,
    },
    /// A newer version made it. Nothing was touched.
    #[error("{} was made by a newer version (format {found}, this program knows {known}): use that version", file.display())]
    Newer {
        /// The database.
        file: PathBuf,
        /// Its format.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// More events lie in the segments than the database knows of.
    #[error(
        "more than one batch of events lies beyond what the database records, in {}: run `watchfloor doctor --adopt-tail` to take them in, or move these files aside",
        list(files)
    )]
    TailTooLong {
        /// The segments.
        files: Vec<PathBuf>,
    },
    /// A file is not what was written.
    #[error("{} is damaged: {what}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// How.
        what: String,
    },
    /// No space is left. Nothing of the commit stands; the same commit can be tried again.
    #[error("the disk of {} is full: {detail}; free some space, the program goes on by itself", dir.display())]
    DiskFull {
        /// The data folder or a file in it.
        dir: PathBuf,
        /// What was seen.
        detail: String,
    },
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
    /// The database refused. After a failed commit nothing of it stands.
    #[error("the alert store cannot {what}")]
    Sql {
        /// What was attempted.
        what: &'static str,
        /// Why not.
        source: sqlx::Error,
    },
    /// The server that keeps the events cannot be reached, or does not take them. The same commit can be tried again.
    #[error("the event store {url} cannot {what}: {detail}")]
    EventServer {
        /// Its address.
        url: String,
        /// What was attempted.
        what: &'static str,
        /// What it said, and what can be done.
        detail: String,
    },
    /// The server of the alert store was not reached, or let nobody in.
    #[error("the alert store {server} cannot be used ({fix})")]
    Unreachable {
        /// Which.
        server: String,
        /// What to do.
        fix: &'static str,
        /// Why not.
        source: sqlx::Error,
    },
    /// Another process is this node.
    #[error(
        "the node {node} is at work on {server} in another process: every node needs a data folder of its own, a copied one must lose its file `node`"
    )]
    NodeInUse {
        /// Its id.
        node: String,
        /// Where.
        server: String,
    },
    /// The commit counter was moved by what a lost connection had begun: the books are read again and the commit is decided.
    #[error("the alert store finished an earlier commit only now")]
    Overtaken,
    /// Another node has the shard, or took it meanwhile: what was begun for it here is begun again there.
    #[error("the shard {0} is not this node's any more")]
    ShardGone(String),
    /// The password of the alert store could not be had.
    #[error("the password of the alert store cannot be read (store.alerts_password)")]
    Secret(#[source] crate::config::secret::SecretError),
    /// The database file is damaged.
    #[error(
        "the alert store {} is damaged ({what}): stop, keep a copy of the file, and bring back the last backup with `watchfloor restore`",
        file.display()
    )]
    Corrupt {
        /// The file.
        file: PathBuf,
        /// What SQLite says.
        what: String,
    },
    /// A row is not what was written.
    #[error("a row of the alert store cannot be read")]
    Row(#[source] StoredError),
    /// The book of rules is not what was written.
    #[error("what people decided about rules cannot be read")]
    Book(#[source] crate::wire::rules_v1::BadBook),
    /// No such alert.
    #[error("there is no alert {0}")]
    NoAlert(AlertId),
    /// Nothing to take back.
    #[error("{0}")]
    NothingToUndo(&'static str),
    /// Somebody else changed every alert of the action since.
    #[error(
        "somebody else changed the alert since: look at it again before taking the action back"
    )]
    Conflict,
    /// The request breaks a limit.
    #[error("{0}")]
    Invalid(String),
}

impl StoreError {
    /// A file error; running out of space has its own kind.
    pub(crate) fn io(what: &'static str, path: &Path, source: io::Error) -> StoreError {
        let full = matches!(
            source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        );
        if full {
            return StoreError::DiskFull { dir: path.to_owned(), detail: source.to_string() };
        }
        StoreError::Io { what, path: path.to_owned(), source }
    }

    /// A database error; a full disk has its own kind.
    pub(crate) fn sql(what: &'static str, source: sqlx::Error) -> StoreError {
        // SQLITE_CORRUPT, SQLITE_FULL, SQLITE_NOTADB; extended codes keep them in the low byte.
        const CORRUPT: i64 = 11;
        const FULL: i64 = 13;
        const NOT_A_DATABASE: i64 = 26;
        // PostgreSQL's words for it.
        const SERVER_FULL: &str = "53100";
        let Some(database) = source.as_database_error() else {
            return StoreError::Sql { what, source };
        };
        let code = database.code().unwrap_or_default();
        let is_file = database.try_downcast_ref::<sqlx::sqlite::SqliteError>().is_some();
        let low = code.parse::<i64>().ok().filter(|_| is_file).map(|code| code & 0xff);
        let detail = database.message().to_owned();
        if low == Some(FULL) || (!is_file && code == SERVER_FULL) {
            return StoreError::DiskFull { dir: PathBuf::from("the alert store"), detail };
        }
        if matches!(low, Some(CORRUPT | NOT_A_DATABASE)) {
            return StoreError::Corrupt { file: PathBuf::from("database"), what: detail };
        }
        StoreError::Sql { what, source }
    }

    /// The same error, saying which file it is about.
    pub(crate) fn of_file(self, path: &Path) -> StoreError {
        match self {
            StoreError::Corrupt { what, .. } => StoreError::Corrupt { file: path.to_owned(), what },
            other => other,
        }
    }

    /// Will the same call work later, without anything else being changed?
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            StoreError::DiskFull { .. }
                | StoreError::Sql { .. }
                | StoreError::Io { .. }
                | StoreError::Unreachable { .. }
                | StoreError::Overtaken
        )
    }
}

fn by(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" by process {pid}"))
}

fn list(files: &[PathBuf]) -> String {
    let names: Vec<String> = files.iter().map(|file| file.display().to_string()).collect();
    names.join(", ")
}
