//! The SQLite database: opening it the way durability needs, and bringing its schema up to date.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};

use crate::store::StoreError;
use crate::store::sql::{Connection, Pool, begin, end};

/// Schema steps; the database's `user_version` is how many of them it has had.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_rule_life.sql"),
    include_str!("migrations/0003_noise.sql"),
    include_str!("migrations/0004_bundles.sql"),
    include_str!("migrations/0005_deliveries.sql"),
    include_str!("migrations/0006_keys.sql"),
];
/// "WFLR": says whose database it is.
const APPLICATION_ID: i64 = 0x5746_4c52;
/// How long a connection waits for another one's lock.
const BUSY: Duration = Duration::from_secs(5);
/// Readers beside the one writer.
const READERS: u32 = 3;
/// Rows that a connection's thread may read ahead of us.
const ROWS_AHEAD: usize = 1_000;
/// Page cache of one connection: negative means KiB.
const CACHE_KIB: &str = "-8192";
/// Pages of the write-ahead log before it is folded into the database (4 KiB each).
const CHECKPOINT_PAGES: &str = "4000";
/// Where SQLite keeps `user_version` in the first page.
const USER_VERSION_AT: usize = 60;

/// The writer, connected and migrated.
pub(crate) async fn open_writer(path: &Path) -> Result<Connection, StoreError> {
    refuse_newer_header(path)?;
    OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| StoreError::io("create the database", path, source))?;
    refuse_newer_log(path).await?;
    let mut writer = options(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .pragma("wal_autocheckpoint", CHECKPOINT_PAGES)
        .connect()
        .await
        .map_err(|source| StoreError::sql("be opened", source))?;
    let mode: String = sqlx::query_scalar("PRAGMA journal_mode")
        .fetch_one(&mut writer)
        .await
        .map_err(|source| StoreError::sql("say its journal mode", source))?;
    if mode != "wal" {
        let what = format!("the write-ahead log cannot be switched on (it is {mode:?})");
        return Err(StoreError::Damaged { file: path.to_owned(), what });
    }
    let version = user_version(&mut writer).await?;
    let mut writer = Connection::Sqlite(writer);
    migrate(&mut writer, version).await?;
    Ok(writer)
}

/// The newest version of the tables.
pub(crate) fn newest() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// A new database with the tables of a version, to be filled.
pub(crate) async fn create_at(path: &Path, version: i64) -> Result<SqliteConnection, StoreError> {
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|source| StoreError::io("create the database", path, source))?;
    let writer = options(path)
        .foreign_keys(false)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await
        .map_err(|source| StoreError::sql("be opened", source))?;
    let mut writer = Connection::Sqlite(writer);
    migrate_to(&mut writer, 0, usize::try_from(version).unwrap_or(0)).await?;
    writer.close().await?;
    options(path)
        .foreign_keys(false)
        .connect()
        .await
        .map_err(|source| StoreError::sql("be opened", source))
}

/// One read-only connection, beside whoever writes.
pub(crate) async fn open_reader(path: &Path) -> Result<SqliteConnection, StoreError> {
    options(path)
        .pragma("query_only", "ON")
        .connect()
        .await
        .map_err(|source| StoreError::sql("be opened for reading", source))
}

/// A few read-only connections.
pub(crate) async fn open_readers(path: &Path) -> Result<Pool, StoreError> {
    let pool = SqlitePoolOptions::new()
        .max_connections(READERS)
        .connect_with(options(path).pragma("query_only", "ON"))
        .await
        .map_err(|source| StoreError::sql("be opened for reading", source))?;
    Ok(Pool::Sqlite(pool))
}

fn options(path: &Path) -> SqliteConnectOptions {
    SqliteConnectOptions::new()
        .filename(path)
        .create_if_missing(false)
        .foreign_keys(true)
        .busy_timeout(BUSY)
        .row_buffer_size(ROWS_AHEAD)
        .pragma("cache_size", CACHE_KIB)
        .disable_statement_logging()
}

/// Look at the header of the file itself: a newer store is not opened at all.
fn refuse_newer_header(path: &Path) -> Result<(), StoreError> {
    let mut head = [0_u8; USER_VERSION_AT + 4];
    let Ok(mut file) = File::open(path) else { return Ok(()) };
    if file.read_exact(&mut head).is_err() {
        return Ok(());
    }
    let version = head.last_chunk::<4>().map_or(0, |bytes| u32::from_be_bytes(*bytes));
    refuse_newer(path, i64::from(version))
}

/// The newest pages may still lie in the write-ahead log.
async fn refuse_newer_log(path: &Path) -> Result<(), StoreError> {
    let mut reader = options(path)
        .pragma("query_only", "ON")
        .connect()
        .await
        .map_err(|source| StoreError::sql("be opened", source))?;
    let found = user_version(&mut reader).await?;
    sqlx::Connection::close(reader).await.map_err(|source| StoreError::sql("be closed", source))?;
    refuse_newer(path, found)
}

fn refuse_newer(path: &Path, found: i64) -> Result<(), StoreError> {
    let known = i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX);
    if found > known {
        return Err(StoreError::Newer { file: path.to_owned(), found, known });
    }
    Ok(())
}

pub(crate) async fn user_version(connection: &mut SqliteConnection) -> Result<i64, StoreError> {
    sqlx::query_scalar("PRAGMA user_version")
        .fetch_one(connection)
        .await
        .map_err(|source| StoreError::sql("say its version", source))
}

async fn migrate(writer: &mut Connection, version: i64) -> Result<(), StoreError> {
    migrate_to(writer, version, MIGRATIONS.len()).await
}

/// Bring the schema from a version up to its first `steps` steps.
async fn migrate_to(writer: &mut Connection, version: i64, steps: usize) -> Result<(), StoreError> {
    let sql = |source| StoreError::sql("be brought up to date", source);
    let done = usize::try_from(version).unwrap_or(0);
    for (index, step) in MIGRATIONS.iter().enumerate().take(steps).skip(done) {
        begin(writer).await?;
        let version = format!("PRAGMA user_version = {}", index + 1);
        let owner = format!("PRAGMA application_id = {APPLICATION_ID}");
        let outcome = async {
            writer.script(*step).await.map_err(sql)?;
            for pragma in [version, owner] {
                // Numbers of ours only: PRAGMA takes no parameters.
                let pragma = sqlx::AssertSqlSafe(pragma);
                writer.script(pragma).await.map_err(sql)?;
            }
            Ok(())
        }
        .await;
        end(writer, outcome).await?;
    }
    Ok(())
}
