//! The store stage: one data folder with the event log (segments) and the alert store (SQLite there, or PostgreSQL).
//!
//! [`Store::commit`] is the one place where a batch becomes real. Alerts are also held in memory, for
//! lists; the database is what counts. One process owns a store at a time; others go through its socket.

mod audit;
pub mod backup;
mod board;
mod bundles;
mod chain;
mod commit;
mod deliveries;
mod desk_rows;
mod doctor;
mod error;
mod event_log;
mod event_server;
mod event_store;
mod events;
mod folder;
mod follow;
mod frame;
mod index;
mod keys;
mod local;
mod node;
mod nodes;
mod noise;
mod placed;
mod reads;
mod recent;
mod retention;
mod rows;
mod rule_book;
mod schema;
mod shards;
mod sql;
mod states;
#[cfg(test)]
mod tests;
mod undo;
mod upkeep;
mod verbs;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};

use parking_lot::RwLock;

pub use audit::AuditVerdict;
pub use commit::{Commit, Committed};
pub use deliveries::Delivered;
pub use doctor::{Adopted, adopt_tail};
pub use error::StoreError;
pub use event_server::Policy;
pub use event_store::{EventStatus, EventStore};
pub use events::{EventReader, EventScan, Found};
pub use folder::{is_made, owner};
pub use follow::{AlertsFollowed, Followed, LogPlace};
pub use index::{Follower, IndexStatus};
pub use keys::KeyRow;
pub use placed::Placed;
pub use reads::{Counts, RejectQuery};
pub use retention::disk_used;
pub(crate) use rule_book::RELEASE;
pub use rule_book::{RuleOff, Said};
pub use shards::Taken;
pub use sql::advice;
pub use states::Saved;
pub use verbs::{ACTION_ALERTS_MAX, By, NOTE_BYTES_MAX};

use crate::config::alert::AlertConfig;
use crate::config::store::StoreConfig;
use crate::stdx::time::Timestamp;
use board::Board;
use event_log::EventLog;
use events::Segment;
use sql::{Connection, Pool};

/// An open store. Share it behind an `Arc`.
pub struct Store {
    dir: PathBuf,
    config: StoreConfig,
    alert_config: AlertConfig,
    /// Held across awaits on purpose: a transaction is many statements, and there is one writer.
    writer: tokio::sync::Mutex<Writer>,
    readers: Pool,
    /// Written after a commit or a verb, under the writer's lock; read by every list.
    board: RwLock<Board>,
    /// The last change of what nodes share that the board knows; see [`chain`].
    known: AtomicI64,
    events: EventReader,
    /// Where events are, as everybody asks for them.
    event_store: EventStore,
    warnings: Vec<String>,
    /// Whose places in the event log are kept among positions.
    log_readers: RwLock<Vec<String>>,
    _lock: folder::FolderLock,
}

struct Writer {
    sql: Connection,
    log: EventLog,
    packer: frame::Packer,
    head: audit::ChainHead,
    commits: u64,
    shards: shards::Shards,
    /// The last change of what nodes share that is taken in.
    change: i64,
    /// A commit whose end is not known, because the connection was lost in it.
    attempt: Option<commit::Attempt>,
    recent: recent::Recent,
    /// A call was abandoned inside a transaction (a caller went away): what is in memory may be older
    /// than the database, and is read again before anything else is written.
    unsure: bool,
}

impl Store {
    /// Open the store in `dir`, making it if it is not there. Cuts what a crash left beyond the books,
    /// and carries out actions whose deadline has passed.
    pub async fn open(
        dir: &Path,
        config: &StoreConfig,
        alert_config: &AlertConfig,
    ) -> Result<Store, StoreError> {
        folder::prepare(dir)?;
        let lock = folder::lock(dir)?;
        let mut warnings: Vec<String> = folder::filesystem_warning(dir).into_iter().collect();
        let opened = schema::open(dir, config).await?;
        warnings.extend(opened.warnings);
        let mut sql = opened.writer;
        let segments = read_segments(&mut sql).await?;
        let events_folder = folder::events_folder(dir);
        retention::name_kept(&events_folder, &segments)?;
        retention::remove_left(&mut sql, &events_folder).await?;
        let cut = event_log::recover(&events_folder, &lengths(&segments))?;
        if cut > 0 {
            tracing::info!(bytes = cut, "cut events of an unfinished commit");
        }
        let log = open_log(&events_folder, &segments, config)?;
        let packer = frame::Packer::new(config.compression_level)
            .map_err(|source| StoreError::io("set up compression for", dir, source))?;
        let change = newest_change(&mut sql).await?;
        let board = read_board(&mut sql).await?;
        let head = audit::read_head(&mut sql).await?;
        let commits = commit::commits(&mut sql).await?;
        let recent = recent::Recent::default();
        let writer = Writer {
            sql,
            log,
            packer,
            head,
            commits,
            shards: shards::Shards::new(),
            change,
            attempt: None,
            recent,
            unsure: false,
        };
        let events = EventReader::new(events_folder, segments)
            .with_index(index::EventIndex::open(&folder::index_folder(dir)));
        let event_store = EventStore::of(config, &events)?;
        let store = Store {
            dir: dir.to_owned(),
            config: config.clone(),
            alert_config: alert_config.clone(),
            writer: tokio::sync::Mutex::new(writer),
            readers: opened.readers,
            board: RwLock::new(board),
            known: AtomicI64::new(change),
            events,
            event_store,
            warnings,
            log_readers: RwLock::new(Vec::new()),
            _lock: lock,
        };
        store.apply_due(Timestamp::now()).await?;
        Ok(store)
    }

    /// The writer, with memory that agrees with the database.
    async fn hold(&self) -> Result<tokio::sync::MutexGuard<'_, Writer>, StoreError> {
        let mut writer = self.writer.lock().await;
        if writer.unsure || writer.sql.is_lost() {
            self.read_again(&mut writer).await?;
            writer.unsure = false;
        }
        Ok(writer)
    }

    async fn read_again(&self, writer: &mut Writer) -> Result<(), StoreError> {
        tracing::warn!("a call to the store was abandoned or cut: reading the books again");
        // Until everything is read, nothing is sure.
        writer.unsure = true;
        let session_is_new = writer.sql.is_lost();
        writer.sql.connect_again().await?;
        sql::abandon(&mut writer.sql).await;
        let segments = read_segments(&mut writer.sql).await?;
        let folder = folder::events_folder(&self.dir);
        retention::name_kept(&folder, &segments)?;
        // Who searches knows what is gone before its file is.
        self.events.replace(segments.clone());
        retention::remove_or_say(&mut writer.sql, &folder).await;
        writer.log = open_log(&folder, &segments, &self.config)?;
        writer.head = audit::read_head(&mut writer.sql).await?;
        writer.commits = commit::commits(&mut writer.sql).await?;
        let attempt = writer.attempt.take();
        let kept = writer.keep_shards(session_is_new, attempt.as_ref()).await;
        writer.attempt = attempt;
        kept?;
        writer.change = newest_change(&mut writer.sql).await?;
        self.known.store(writer.change, Ordering::Relaxed);
        writer.recent.keep(&segments);
        let board = read_board(&mut writer.sql).await?;
        *self.board.write() = board;
        Ok(())
    }

    /// Where the store is.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Sentences about the place of the store that the operator should know.
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Who reads the event log behind the commit and keeps its place, by the source of its positions.
    pub fn set_readers(&self, readers: Vec<String>) {
        *self.log_readers.write() = readers;
    }

    /// The reading end of the event log: clone it into the thread that searches.
    pub fn events(&self) -> &EventReader {
        &self.events
    }

    /// Where events are asked for.
    pub fn event_store(&self) -> &EventStore {
        &self.event_store
    }

    /// Finish: fold the write-ahead log into the database and close. Dropping is safe too.
    pub async fn close(self) -> Result<(), StoreError> {
        self.readers.close().await;
        let writer = self.writer.into_inner();
        writer.sql.close().await
    }
}

/// Read before the board: what is changed meanwhile is read twice.
async fn newest_change(sql: &mut Connection) -> Result<i64, StoreError> {
    if sql.is_sqlite() {
        return Ok(0);
    }
    chain::newest_of(sql).await
}

async fn read_board(sql: &mut Connection) -> Result<Board, StoreError> {
    let mut board = Board::default();
    rows::read_alerts(sql).await?.into_iter().for_each(|row| board.put(row));
    verbs::read_pending(sql).await?.into_iter().for_each(|row| board.add_pending(row));
    Ok(board)
}

/// Number and durable length of each segment.
fn lengths(segments: &[Segment]) -> Vec<(u64, u64)> {
    segments.iter().map(|segment| (segment.number, segment.length)).collect()
}

/// The writing end behind the newest segment; a copy is not written on.
fn open_log(
    folder: &Path,
    segments: &[Segment],
    config: &StoreConfig,
) -> Result<EventLog, StoreError> {
    let mut log = EventLog::open(folder, &lengths(segments), config.segment_bytes_max)?;
    if let Some(newest) = segments.iter().max_by_key(|one| one.number).filter(|one| one.copied) {
        log.go_behind(newest.number);
    }
    Ok(log)
}

async fn read_segments(sql: &mut Connection) -> Result<Vec<Segment>, StoreError> {
    let rows = sql::query("SELECT number, length, events, first_us, last_us, copied FROM segments")
        .fetch_all(sql)
        .await
        .map_err(|source| StoreError::sql("read the lengths of segments", source))?;
    let segments = rows.iter().map(|row| Segment {
        number: rows::unsigned(row.get("number")),
        length: rows::unsigned(row.get("length")),
        events: rows::unsigned(row.get("events")),
        first: Timestamp(row.get("first_us")),
        last: Timestamp(row.get("last_us")),
        copied: row.get::<i64>("copied") != 0,
    });
    Ok(segments.collect())
}
