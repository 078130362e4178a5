//! The SQLite database: opening it the way durability needs, and bringing its schema up to date.

use std::fs::{File, OpenOptions};
use std::io::Read;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{ConnectOptions, SqliteConnection};

use crate::config::alert_store::AlertsAt;
use crate::config::store::StoreConfig;
use crate::store::node::Node;
use crate::store::sql::{Connection, Pool, Server, begin, end, for_sqlite};
use crate::store::{StoreError, folder};

/// Schema steps, for both dialects; the database's `user_version` is how many of them it has had.
pub(crate) const MIGRATIONS: &[&str] = &[
    include_str!("migrations/0001_first.sql"),
    include_str!("migrations/0002_rule_life.sql"),
    include_str!("migrations/0003_noise.sql"),
    include_str!("migrations/0004_bundles.sql"),
    include_str!("migrations/0005_deliveries.sql"),
    include_str!("migrations/0006_keys.sql"),
    include_str!("migrations/0007_nodes.sql"),
    include_str!("migrations/0008_shards.sql"),
    include_str!("migrations/0009_tenants.sql"),
    include_str!("migrations/0010_removed.sql"),
    include_str!("migrations/0011_frames.sql"),
];
/// "WFLR": says whose database it is.
pub(crate) const APPLICATION_ID: i64 = 0x5746_4c52;
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
/// A file up to this size is checked at every start: 0.1 s for each 32 MiB.
const CHECKED_BYTES_MAX: u64 = 64 << 20;
/// Where SQLite keeps `user_version` in the first page.
const USER_VERSION_AT: usize = 60;

/// An alert store, open.
pub(crate) struct Opened {
    pub writer: Connection,
    pub readers: Pool,
    pub warnings: Vec<String>,
}

/// Open what the configuration names, made and brought up to date if need be.
pub(crate) async fn open(dir: &Path, config: &StoreConfig) -> Result<Opened, StoreError> {
    let server = match &config.alerts {
        AlertsAt::Postgres(server) => server,
        AlertsAt::DataDir | AlertsAt::File(_) => {
            let path = config.alerts.file(dir).unwrap_or_else(|| folder::database_path(dir));
            let elsewhere = path.parent().filter(|parent| *parent != dir);
            let warnings = elsewhere.and_then(folder::filesystem_warning).into_iter().collect();
            let writer = open_writer(&path).await.map_err(|error| error.of_file(&path))?;
            return Ok(Opened { writer, readers: open_readers(&path).await?, warnings });
        }
    };
    let server = Server::new(server, Node::of(dir, &config.node_name)?)?;
    let mut link = server.connect_as_node().await?;
    server.migrate(&mut link).await?;
    let warnings = server.dangers(&mut link).await;
    let readers = server.readers().await?;
    Ok(Opened { writer: Connection::of_server(link, server), readers, warnings })
}

/// The writer of a file, connected and migrated.
async fn open_writer(path: &Path) -> Result<Connection, StoreError> {
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
    check_pages(&mut writer, path).await?;
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

/// A small file is read through at every start: a damaged page is found now and not when an alert is wanted. What is
/// larger is found out where it is read.
async fn check_pages(writer: &mut SqliteConnection, path: &Path) -> Result<(), StoreError> {
    if std::fs::metadata(path).is_ok_and(|about| about.len() > CHECKED_BYTES_MAX) {
        return Ok(());
    }
    let found: String = sqlx::query_scalar("PRAGMA quick_check(1)")
        .fetch_one(writer)
        .await
        .map_err(|source| StoreError::sql("be checked", source))?;
    if found == "ok" {
        return Ok(());
    }
    let what = found.lines().collect::<Vec<_>>().join(" ");
    Err(StoreError::Corrupt { file: path.to_owned(), what })
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
            writer.script(sqlx::AssertSqlSafe(for_sqlite(step))).await.map_err(sql)?;
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
