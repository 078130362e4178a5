//! JSON lines back into a database: schemas of the versions they were written with, and all rows, in one transaction.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use sqlx::AssertSqlSafe;
use sqlx::postgres::PgConnection;

use crate::config::alert_store;
use crate::store::StoreError;
use crate::store::audit::{self, AuditVerdict};
use crate::store::backup::server::{copy, is_tame, target};
use crate::store::backup::{BackupError, SchemaHead, ServerHead};
use crate::store::node::Node;
use crate::store::sql::{Connection, SHARED, Server};

/// Rows are sent in pieces of about this size.
const PIECE_BYTES: usize = 256 << 10;

/// A database being filled.
pub(crate) struct Load {
    sql: PgConnection,
    server: Server,
    archive: PathBuf,
    head: ServerHead,
    /// Schemas that were renamed to make room.
    pub(crate) moved: Vec<String>,
}

/// A database that is filled; nobody sees it yet.
pub(crate) struct Filled {
    sql: Connection,
    /// Rows by table.
    pub(crate) counts: BTreeMap<String, u64>,
    /// The lengths of the own node's segments.
    pub(crate) books: Vec<(i64, i64)>,
    /// What walking the audit log found.
    pub(crate) audit: AuditVerdict,
}

fn failed(source: sqlx::Error) -> BackupError {
    StoreError::sql("be filled from a backup", source).into()
}

impl Load {
    /// Make room, and the tables. `word`: the name of the database, where there is something to move aside.
    pub(crate) async fn create(
        config: &alert_store::Server,
        word: Option<&str>,
        head: &ServerHead,
        archive: &Path,
    ) -> Result<Load, BackupError> {
        let node = Node { id: "restore".to_owned(), name: "restore".to_owned() };
        let server = Server::new(config, node)?;
        let mut sql = server.connect().await?;
        let moved = target::take(&server, &mut sql, word).await?;
        let (archive, head) = (archive.to_owned(), head.clone());
        let mut load = Load { sql, server, archive, head, moved };
        // The shared one first: steps for others may look into it.
        let mut schemas: Vec<_> = load.head.schemas.clone().into_iter().collect();
        schemas.sort_by_key(|(name, _)| (name != SHARED, name.clone()));
        for (name, schema) in schemas {
            load.make(&name, &schema).await?;
        }
        Ok(load)
    }

    fn damaged(&self, table: &str, what: &str) -> BackupError {
        BackupError::Damaged { file: self.archive.clone(), what: format!("table {table}: {what}") }
    }

    /// Make a schema as it was, without a row.
    async fn make(&mut self, name: &str, schema: &SchemaHead) -> Result<(), BackupError> {
        if !is_tame(name) || !name.starts_with(SHARED) {
            return Err(self.damaged(name, "its schema is none of ours"));
        }
        self.server.make_schema(&mut self.sql, name, schema.version).await?;
        let text =
            "SELECT c.relname::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
             WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND NOT c.relispartition";
        let made: Vec<String> =
            sqlx::query_scalar(text).bind(name).fetch_all(&mut self.sql).await.map_err(failed)?;
        if let Some(table) = schema.tables.iter().find(|table| !made.contains(table)) {
            let what = "this program has no such table: restore with the version that wrote it";
            return Err(self.damaged(&format!("{name}.{table}"), what));
        }
        for table in made {
            // What the steps put into tables comes from the backup too; tables that were not there stay away.
            let what = if schema.tables.contains(&table) { "TRUNCATE" } else { "DROP TABLE" };
            let text = AssertSqlSafe(format!("{what} {name}.{table}"));
            sqlx::raw_sql(text).execute(&mut self.sql).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Put in a part of a table.
    pub(crate) async fn part(
        &mut self,
        key: &str,
        from: &mut dyn Read,
    ) -> Result<u64, BackupError> {
        let known = key.split_once('.').is_some_and(|(schema, table)| {
            let schema = self.head.schemas.get(schema);
            schema.is_some_and(|schema| schema.tables.iter().any(|name| name == table))
        });
        if !known {
            return Err(self.damaged(key, "it is not in the archive's description"));
        }
        let mut lines = BufReader::new(from).lines();
        let Some(first) = lines.next() else { return Ok(0) };
        let first = first.map_err(|_| self.damaged(key, "it cannot be read"))?;
        let columns: Vec<String> = serde_json::from_str(&first)
            .map_err(|_| self.damaged(key, "the names of its columns cannot be read"))?;
        let names: Vec<String> =
            columns.iter().map(|name| format!("\"{}\"", name.replace('"', "\"\""))).collect();
        let text = format!("COPY {key} ({}) FROM STDIN", names.join(", "));
        let mut bad = None;
        let mut copying = self.sql.copy_in_raw(&text).await.map_err(failed)?;
        let mut piece = Vec::with_capacity(PIECE_BYTES + 4096);
        for line in lines {
            let added = line
                .map_err(|_| "a row cannot be read")
                .and_then(|line| copy::line(&line, columns.len(), &mut piece));
            if let Err(what) = added {
                bad = Some(what);
                break;
            }
            if piece.len() >= PIECE_BYTES {
                copying.send(piece.as_slice()).await.map_err(failed)?;
                piece.clear();
            }
        }
        if let Some(what) = bad {
            copying.abort(what).await.map_err(failed)?;
            return Err(self.damaged(key, what));
        }
        copying.send(piece.as_slice()).await.map_err(failed)?;
        copying.finish().await.map_err(failed)
    }

    /// Everything is in: count it, and walk the audit log. Nothing stands before [`Filled::commit`].
    pub(crate) async fn finish(mut self) -> Result<Filled, BackupError> {
        let mut counts = BTreeMap::new();
        for (name, schema) in &self.head.schemas {
            for (sequence, last) in &schema.sequences {
                let text = "SELECT setval(format('%I.%I', $1::text, $2::text)::regclass, $3)";
                let set = sqlx::query(text).bind(name).bind(sequence).bind(last);
                set.execute(&mut self.sql).await.map_err(failed)?;
            }
            for table in &schema.tables {
                let text = AssertSqlSafe(format!("SELECT count(*) FROM {name}.{table}"));
                let count: i64 =
                    sqlx::query_scalar(text).fetch_one(&mut self.sql).await.map_err(failed)?;
                counts.insert(format!("{name}.{table}"), u64::try_from(count).unwrap_or(0));
            }
        }
        let own = format!("{}.segments", self.head.own);
        let books = if counts.contains_key(&own) {
            let text = AssertSqlSafe(format!("SELECT number, length FROM {own}"));
            sqlx::query_as(text).fetch_all(&mut self.sql).await.map_err(failed)?
        } else {
            Vec::new()
        };
        let text = AssertSqlSafe(format!("SET LOCAL search_path TO {SHARED}"));
        sqlx::raw_sql(text).execute(&mut self.sql).await.map_err(failed)?;
        let mut sql = Connection::of_server(self.sql, self.server);
        let audit = audit::verify_within(&mut sql).await?;
        Ok(Filled { sql, counts, books, audit })
    }
}

impl Filled {
    /// Make it stand.
    pub(crate) async fn commit(mut self) -> Result<(), BackupError> {
        self.sql.script("COMMIT").await.map_err(failed)?;
        Ok(self.sql.close().await?)
    }
}
