//! The rows of every schema of ours, as JSON lines, all of one moment.

use std::collections::BTreeMap;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::TryStreamExt;
use serde_json::{Value, json};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, Connection, Row};

use crate::config::alert_store;
use crate::store::StoreError;
use crate::store::backup::dump::{Parts, SegmentRow};
use crate::store::backup::server::{is_tame, schemas};
use crate::store::backup::{SchemaHead, ServerHead};
use crate::store::node::Node;
use crate::store::sql::{SHARED, Server, schema_of};

/// The moment lasts as long as the reading does, and we wait for the disk in between.
const NO_LIMITS: &str = "SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0";
/// Every column of every table of some schemas. Of partitions only the whole is read.
const COLUMNS: &str = "SELECT n.nspname::text, c.relname::text, a.attname::text, format_type(a.atttypid, NULL)
    FROM pg_namespace n JOIN pg_class c ON c.relnamespace = n.oid JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE n.nspname::text = ANY($1) AND c.relkind IN ('r', 'p') AND NOT c.relispartition
      AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
    ORDER BY n.nspname, c.relname, a.attnum";

/// How a column is written.
#[derive(Clone, Copy)]
enum Kind {
    Int,
    Bytes,
    /// Texts, and every other type as the server writes it as text.
    Text,
}

struct Column {
    name: String,
    kind: Kind,
}

/// One moment of a database.
pub(crate) struct Dump {
    sql: PgConnection,
    tables: BTreeMap<String, Vec<Column>>,
    /// What was found.
    pub(crate) head: ServerHead,
}

fn failed(source: sqlx::Error) -> StoreError {
    StoreError::sql("be read for a backup", source)
}

impl Dump {
    /// Begin to read, beside all nodes. What they write from now on is not seen.
    pub(crate) async fn open(
        dir: &Path,
        config: &alert_store::Server,
        node_name: &str,
    ) -> Result<Dump, StoreError> {
        let node = Node::of(dir, node_name)?;
        let own = schema_of(&node);
        let server = Server::new(config, node)?;
        let mut sql = server.connect().await?;
        for text in [NO_LIMITS, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"] {
            sqlx::raw_sql(text).execute(&mut sql).await.map_err(failed)?;
        }
        let head = ServerHead { at: server.describe(), own, schemas: BTreeMap::new() };
        let mut dump = Dump { sql, tables: BTreeMap::new(), head };
        dump.look_around().await?;
        Ok(dump)
    }

    /// The first read takes the moment. Sequences are read later, so that they are never behind the rows.
    async fn look_around(&mut self) -> Result<(), StoreError> {
        let names = schemas(&mut self.sql).await.map_err(failed)?;
        let rows: Vec<(String, String, String, String)> =
            sqlx::query_as(COLUMNS).bind(&names).fetch_all(&mut self.sql).await.map_err(failed)?;
        let versions = names.iter().cloned().map(|name| (name, SchemaHead::default()));
        self.head.schemas = versions.collect();
        for (schema, table, column, of) in rows {
            if !is_tame(&schema) || !is_tame(&table) {
                let what = format!(
                    "the table {schema}.{table} is none of ours: move it out of the schema"
                );
                return Err(StoreError::Invalid(what));
            }
            let kind = match of.as_str() {
                "bigint" | "integer" | "smallint" => Kind::Int,
                "bytea" => Kind::Bytes,
                _ => Kind::Text,
            };
            let key = format!("{schema}.{table}");
            if !self.tables.contains_key(&key)
                && let Some(head) = self.head.schemas.get_mut(&schema)
            {
                head.tables.push(table);
            }
            self.tables.entry(key).or_default().push(Column { name: column, kind });
        }
        for name in &names {
            let text = AssertSqlSafe(format!("SELECT version FROM {name}.version"));
            let version =
                sqlx::query_scalar(text).fetch_one(&mut self.sql).await.map_err(failed)?;
            if let Some(head) = self.head.schemas.get_mut(name) {
                head.version = version;
            }
        }
        let used: Vec<(String, String, i64)> = sqlx::query_as(
            "SELECT schemaname::text, sequencename::text, last_value FROM pg_sequences
             WHERE schemaname::text = ANY($1) AND last_value IS NOT NULL",
        )
        .bind(&names)
        .fetch_all(&mut self.sql)
        .await
        .map_err(failed)?;
        for (schema, sequence, last) in used {
            if let Some(head) = self.head.schemas.get_mut(&schema) {
                head.sequences.insert(sequence, last);
            }
        }
        Ok(())
    }

    /// The newest version of any schema's tables.
    pub(crate) fn version(&self) -> i64 {
        self.head.schemas.values().map(|schema| schema.version).max().unwrap_or(0)
    }

    /// The tables, as `SCHEMA.TABLE`.
    pub(crate) fn tables(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }

    /// Bytes of the tables, about.
    pub(crate) async fn bytes(&mut self) -> Result<u64, StoreError> {
        let text = "SELECT coalesce(sum(pg_table_size(name::regclass)), 0)::bigint FROM unnest($1) AS name";
        let bytes: i64 = sqlx::query_scalar(text)
            .bind(self.tables())
            .fetch_one(&mut self.sql)
            .await
            .map_err(failed)?;
        Ok(u64::try_from(bytes).unwrap_or(0))
    }

    /// What of each segment in this node's data folder is durable.
    pub(crate) async fn segments(&mut self) -> Result<Vec<SegmentRow>, StoreError> {
        let table = format!("{}.segments", self.head.own);
        if !self.tables.contains_key(&table) {
            return Ok(Vec::new());
        }
        let text =
            AssertSqlSafe(format!("SELECT number, length, events FROM {table} ORDER BY number"));
        let rows: Vec<(i64, i64, i64)> =
            sqlx::query_as(text).fetch_all(&mut self.sql).await.map_err(failed)?;
        Ok(rows.into_iter().map(SegmentRow::from).collect())
    }

    /// The end of the audit log.
    pub(crate) async fn audit_head(&mut self) -> Result<(u64, String), StoreError> {
        let genesis = || (0, crate::store::audit::GENESIS.to_owned());
        let table = format!("{SHARED}.audit");
        if !self.tables.contains_key(&table) {
            return Ok(genesis());
        }
        let text = format!("SELECT sequence, hash FROM {table} ORDER BY sequence DESC LIMIT 1");
        let last: Option<(i64, String)> = sqlx::query_as(AssertSqlSafe(text))
            .fetch_optional(&mut self.sql)
            .await
            .map_err(failed)?;
        Ok(last.map_or_else(genesis, |(n, hash)| (u64::try_from(n).unwrap_or(0), hash)))
    }

    /// Hand on every row of a table in parts, as [`Parts`] makes them. The server sends them as we take them.
    pub(crate) async fn table<E: From<StoreError>>(
        &mut self,
        key: &str,
        take: &mut dyn FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<u64, E> {
        let Some(columns) = self.tables.get(key) else { return Ok(0) };
        let names: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        let wanted: Vec<String> = columns.iter().map(Column::select).collect();
        let text = format!("SELECT {} FROM {key}", wanted.join(", "));
        let mut rows = sqlx::query(AssertSqlSafe(text)).persistent(false).fetch(&mut self.sql);
        let mut parts = Parts::new(take);
        while let Some(row) = rows.try_next().await.map_err(failed)? {
            parts.add(|| json!(names), &values(&row, columns).map_err(failed)?)?;
        }
        parts.finish()
    }

    /// Let the moment go.
    pub(crate) async fn close(self) -> Result<(), StoreError> {
        self.sql.close().await.map_err(failed)
    }
}

impl Column {
    fn select(&self) -> String {
        let name = format!("\"{}\"", self.name.replace('"', "\"\""));
        match self.kind {
            Kind::Int => format!("{name}::bigint"),
            Kind::Bytes => name,
            Kind::Text => format!("{name}::text"),
        }
    }
}

/// A row as a list: numbers, texts and nulls as they are, bytes as `{"b": base64}`.
fn values(row: &PgRow, columns: &[Column]) -> Result<Value, sqlx::Error> {
    let mut list = Vec::with_capacity(columns.len());
    for (at, column) in columns.iter().enumerate() {
        list.push(match column.kind {
            Kind::Int => json!(row.try_get::<Option<i64>, _>(at)?),
            Kind::Text => json!(row.try_get::<Option<&str>, _>(at)?),
            Kind::Bytes => match row.try_get::<Option<&[u8]>, _>(at)? {
                Some(bytes) => json!({"b": STANDARD.encode(bytes)}),
                None => Value::Null,
            },
        });
    }
    Ok(Value::Array(list))
}
