//! Where rows come from and where they go: a SQLite file or a PostgreSQL server.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use crate::config::alert_store::AlertsAt;
use crate::config::store::StoreConfig;
use crate::store::audit::{self, AuditVerdict};
use crate::store::backup::{BackupError, FORMAT, FORMAT_SERVER, Head, Manifest};
use crate::store::backup::{dump, load, server};
use crate::store::{StoreError, folder, schema, sql};

/// One moment of an alert store.
pub(super) enum Moment {
    File(dump::Dump),
    Server(Box<server::Dump>),
}

impl Moment {
    /// Begin to read.
    pub(super) async fn open(dir: &Path, config: &StoreConfig) -> Result<Moment, StoreError> {
        if let AlertsAt::Postgres(at) = &config.alerts {
            let dump = server::Dump::open(dir, at, &config.node_name).await?;
            return Ok(Moment::Server(Box::new(dump)));
        }
        let path = config.alerts.file(dir).unwrap_or_else(|| folder::database_path(dir));
        Ok(Moment::File(dump::Dump::open(&path).await?))
    }

    /// What is said of it first.
    pub(super) fn describe(&self, head: &mut Head) {
        match self {
            Moment::File(dump) => (head.format, head.schema) = (FORMAT, dump.version),
            Moment::Server(dump) => {
                (head.format, head.schema) = (FORMAT_SERVER, dump.version());
                head.server = Some(dump.head.clone());
            }
        }
    }

    /// Its tables, by the names that the archive has for them.
    pub(super) fn tables(&self) -> Vec<String> {
        match self {
            Moment::File(dump) => dump.tables.clone(),
            Moment::Server(dump) => dump.tables(),
        }
    }

    /// Bytes of the database, about.
    pub(super) async fn bytes(&mut self) -> Result<u64, StoreError> {
        match self {
            Moment::File(dump) => dump.bytes().await,
            Moment::Server(dump) => dump.bytes().await,
        }
    }

    /// What of each event segment is durable.
    pub(super) async fn segments(&mut self) -> Result<Vec<dump::SegmentRow>, StoreError> {
        match self {
            Moment::File(dump) => dump.segments().await,
            Moment::Server(dump) => dump.segments().await,
        }
    }

    /// The end of the audit log.
    pub(super) async fn audit_head(&mut self) -> Result<(u64, String), StoreError> {
        match self {
            Moment::File(dump) => dump.audit_head().await,
            Moment::Server(dump) => dump.audit_head().await,
        }
    }

    /// Hand on every row of a table, in parts.
    pub(super) async fn table<E: From<StoreError>>(
        &mut self,
        name: &str,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        match self {
            Moment::File(dump) => dump.table(name, take).await,
            Moment::Server(dump) => dump.table(name, take).await,
        }
    }

    /// Let the moment go.
    pub(super) async fn close(self) -> Result<(), StoreError> {
        match self {
            Moment::File(dump) => dump.close().await,
            Moment::Server(dump) => dump.close().await,
        }
    }
}

/// A place being filled.
pub(super) enum Filling {
    File(load::Load),
    Server(Box<server::Load>),
    Trial(Box<server::Trial>),
}

/// A place that is filled, and what was found in it.
pub(super) struct Filled {
    pub counts: BTreeMap<String, u64>,
    pub books: Vec<(i64, i64)>,
    pub audit: AuditVerdict,
    /// A server's transaction; nothing of it stands yet.
    pub open: Option<Box<server::Filled>>,
}

impl Filling {
    /// Put in a part of a table.
    pub(super) async fn part(
        &mut self,
        table: &str,
        from: &mut dyn Read,
    ) -> Result<u64, BackupError> {
        match self {
            Filling::File(load) => load.part(table, from).await,
            Filling::Server(load) => load.part(table, from).await,
            Filling::Trial(load) => load.part(table, from).await,
        }
    }

    /// Everything is in. `place`: the folder where a file is.
    pub(super) async fn finish(
        self,
        place: &Path,
        manifest: &Manifest,
    ) -> Result<Filled, BackupError> {
        let tables: Vec<String> = manifest.tables.keys().cloned().collect();
        let counts = match self {
            Filling::File(load) => load.finish(&tables).await?.into_iter().collect(),
            Filling::Trial(load) => load.finish(&tables).await?,
            Filling::Server(load) => {
                let mut filled = load.finish().await?;
                let counts = std::mem::take(&mut filled.counts);
                let books = std::mem::take(&mut filled.books);
                let audit = filled.audit.clone();
                return Ok(Filled { counts, books, audit, open: Some(Box::new(filled)) });
            }
        };
        let readers = schema::open_readers(&folder::database_path(place)).await?;
        let audit = audit::verify(&readers).await?;
        let books = sql::query("SELECT number, length FROM segments")
            .fetch_all(&readers)
            .await
            .map_err(|source| StoreError::sql("list the segments", source))?;
        let books = books.iter().map(|row| (row.get(0), row.get(1))).collect();
        readers.close().await;
        Ok(Filled { counts, books, audit, open: None })
    }
}
