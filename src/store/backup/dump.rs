//! The rows of the database as JSON lines, all of one moment.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{Column, Connection, Row, TypeInfo, ValueRef};

use crate::store::{StoreError, schema};

/// A table is handed on in parts of about this size.
const PART_BYTES: usize = 4 << 20;

/// One moment of a database.
pub(super) struct Dump {
    sql: SqliteConnection,
    /// The version of its tables.
    pub version: i64,
    /// Its tables, by name.
    pub tables: Vec<String>,
}

/// An event segment as that moment records it.
pub(super) struct SegmentRow {
    pub number: u64,
    pub length: u64,
    pub events: u64,
}

impl From<(i64, i64, i64)> for SegmentRow {
    fn from((number, length, events): (i64, i64, i64)) -> SegmentRow {
        let whole = |n| u64::try_from(n).unwrap_or(0);
        SegmentRow { number: whole(number), length: whole(length), events: whole(events) }
    }
}

fn failed(source: sqlx::Error) -> StoreError {
    StoreError::sql("be read for a backup", source)
}

impl Dump {
    /// Begin to read. What others write from now on is not seen.
    pub(super) async fn open(database: &Path) -> Result<Dump, StoreError> {
        let mut sql = schema::open_reader(database).await?;
        sqlx::query("BEGIN").execute(&mut sql).await.map_err(failed)?;
        // The first read takes the moment.
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
                .fetch_all(&mut sql)
                .await
                .map_err(failed)?;
        let version = schema::user_version(&mut sql).await?;
        let own = |name: &String| !name.starts_with("sqlite_") || name == "sqlite_sequence";
        Ok(Dump { sql, version, tables: tables.into_iter().filter(own).collect() })
    }

    /// Bytes of the database, about.
    pub(super) async fn bytes(&mut self) -> Result<u64, StoreError> {
        let pages: i64 = sqlx::query_scalar(
            "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()",
        )
        .fetch_one(&mut self.sql)
        .await
        .map_err(failed)?;
        Ok(u64::try_from(pages).unwrap_or(0))
    }

    /// What of each segment is durable.
    pub(super) async fn segments(&mut self) -> Result<Vec<SegmentRow>, StoreError> {
        let rows: Vec<(i64, i64, i64)> =
            sqlx::query_as("SELECT number, length, events FROM segments ORDER BY number")
                .fetch_all(&mut self.sql)
                .await
                .map_err(failed)?;
        Ok(rows.into_iter().map(SegmentRow::from).collect())
    }

    /// The end of the audit log.
    pub(super) async fn audit_head(&mut self) -> Result<(u64, String), StoreError> {
        let text = "SELECT sequence, hash FROM audit ORDER BY sequence DESC LIMIT 1";
        let last: Option<(i64, String)> =
            sqlx::query_as(text).fetch_optional(&mut self.sql).await.map_err(failed)?;
        let (sequence, hash) = last.unwrap_or_else(|| (0, crate::store::audit::GENESIS.to_owned()));
        Ok((u64::try_from(sequence).unwrap_or(0), hash))
    }

    /// Hand on every row of a table in parts: the names of the columns in the first line, then a list a row. Returns how
    /// many rows there were. Tables without a row give one part all the same.
    pub(super) async fn table<E: From<StoreError>>(
        &mut self,
        name: &str,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        // The name comes from the database itself; quoted all the same.
        let text = format!("SELECT * FROM \"{}\"", name.replace('"', "\"\""));
        let mut rows = sqlx::query(sqlx::AssertSqlSafe(text)).fetch(&mut self.sql);
        let mut parts = Parts::new(take);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            let names = || json!(row.columns().iter().map(Column::name).collect::<Vec<_>>());
            parts.add(names, &values(&row).map_err(failed)?)?;
        }
        parts.finish()
    }

    /// Let the moment go.
    pub(super) async fn close(self) -> Result<(), StoreError> {
        self.sql.close().await.map_err(failed)
    }
}

/// Lines, handed on in parts.
pub(super) struct Parts<'t, E> {
    take: &'t mut dyn FnMut(&[u8]) -> Result<(), E>,
    part: Vec<u8>,
    count: u64,
}

impl<'t, E> Parts<'t, E> {
    pub(super) fn new(take: &'t mut dyn FnMut(&[u8]) -> Result<(), E>) -> Parts<'t, E> {
        Parts { take, part: Vec::new(), count: 0 }
    }

    /// Add a row. `names`: of its columns.
    pub(super) fn add(&mut self, names: impl FnOnce() -> Value, row: &Value) -> Result<(), E> {
        if self.part.is_empty() {
            line(&mut self.part, &names());
        }
        line(&mut self.part, row);
        self.count += 1;
        if self.part.len() >= PART_BYTES {
            (self.take)(&self.part)?;
            self.part.clear();
        }
        Ok(())
    }

    /// Hand on the rest; one part at least. How many rows there were.
    pub(super) fn finish(self) -> Result<u64, E> {
        if self.count == 0 || !self.part.is_empty() {
            (self.take)(&self.part)?;
        }
        Ok(self.count)
    }
}

fn line(out: &mut Vec<u8>, value: &Value) {
    out.extend_from_slice(value.to_string().as_bytes());
    out.push(b'\n');
}

/// A row as a list: numbers, texts and nulls as they are, bytes as `{"b": base64}`.
fn values(row: &SqliteRow) -> Result<Value, sqlx::Error> {
    let mut list = Vec::with_capacity(row.columns().len());
    for index in 0..row.columns().len() {
        let raw = row.try_get_raw(index)?;
        let kind = raw.type_info().name().to_owned();
        list.push(match kind.as_str() {
            _ if raw.is_null() => Value::Null,
            "INTEGER" | "BOOLEAN" => json!(row.try_get_unchecked::<i64, _>(index)?),
            "REAL" => json!(row.try_get_unchecked::<f64, _>(index)?),
            "BLOB" => json!({"b": STANDARD.encode(row.try_get_unchecked::<Vec<u8>, _>(index)?)}),
            _ => json!(row.try_get_unchecked::<String, _>(index)?),
        });
    }
    Ok(Value::Array(list))
}
