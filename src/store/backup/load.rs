//! JSON lines back into a database of the version that they were written with.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use sqlx::{Connection, SqliteConnection};

use crate::store::backup::BackupError;
use crate::store::sql::from_postgres;
use crate::store::{StoreError, schema};

/// Where running numbers stand. SQLite keeps it itself, and lets us write it over.
const NUMBERS: &str = "sqlite_sequence";

/// A database being filled.
pub(super) struct Load {
    sql: SqliteConnection,
    archive: PathBuf,
    /// Texts come as PostgreSQL holds them.
    from_server: bool,
}

fn failed(source: sqlx::Error) -> BackupError {
    StoreError::sql("be filled from a backup", source).into()
}

impl Load {
    /// Make the database at `path` with the tables of `version`.
    pub(super) async fn create(
        path: &Path,
        version: i64,
        archive: &Path,
    ) -> Result<Load, BackupError> {
        let mut sql = schema::create_at(path, version).await?;
        // All or nothing; what the migrations put into the tables comes from the backup too.
        sqlx::query("BEGIN IMMEDIATE").execute(&mut sql).await.map_err(failed)?;
        let made =
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name IN ('meta', 'chain')";
        let made: Vec<String> =
            sqlx::query_scalar(made).fetch_all(&mut sql).await.map_err(failed)?;
        for table in made {
            let text = sqlx::AssertSqlSafe(format!("DELETE FROM \"{table}\""));
            sqlx::query(text).execute(&mut sql).await.map_err(failed)?;
        }
        Ok(Load { sql, archive: archive.to_owned(), from_server: false })
    }

    /// The same for the rows of a server, as a trial.
    pub(super) fn of_server(mut self) -> Load {
        self.from_server = true;
        self
    }

    /// The tables that this version has.
    pub(super) async fn tables(&mut self) -> Result<Vec<String>, BackupError> {
        let text = "SELECT name FROM sqlite_master WHERE type = 'table'";
        sqlx::query_scalar(text).fetch_all(&mut self.sql).await.map_err(failed)
    }

    fn damaged(&self, table: &str, what: &str) -> BackupError {
        BackupError::Damaged { file: self.archive.clone(), what: format!("table {table}: {what}") }
    }

    /// Put in a part of a table.
    pub(super) async fn part(
        &mut self,
        table: &str,
        from: &mut dyn Read,
    ) -> Result<u64, BackupError> {
        if table == NUMBERS {
            // The rows put in before made some of their own.
            let text = "DELETE FROM sqlite_sequence";
            sqlx::query(text).execute(&mut self.sql).await.map_err(failed)?;
        }
        let mut lines = BufReader::new(from).lines();
        let Some(first) = lines.next() else { return Ok(0) };
        let text = first.map_err(|_| self.damaged(table, "it cannot be read"))?;
        let columns: Vec<String> = serde_json::from_str(&text)
            .map_err(|_| self.damaged(table, "the names of its columns cannot be read"))?;
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let names: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
        let marks = vec!["?"; columns.len()].join(", ");
        let statement =
            format!("INSERT INTO {} ({}) VALUES ({marks})", quoted(table), names.join(", "));
        let mut count = 0;
        for line in lines {
            let line = line.map_err(|_| self.damaged(table, "a row cannot be read"))?;
            let row: Vec<Value> = serde_json::from_str(&line)
                .map_err(|_| self.damaged(table, "a row cannot be read"))?;
            if row.len() != columns.len() {
                return Err(self.damaged(table, "a row has too few or too many values"));
            }
            let mut query = sqlx::query(sqlx::AssertSqlSafe(statement.as_str()));
            for value in row {
                query = match value {
                    Value::Null => query.bind(None::<i64>),
                    Value::Number(number) => match number.as_i64() {
                        Some(whole) => query.bind(whole),
                        None => query.bind(number.as_f64()),
                    },
                    Value::String(text) if self.from_server => query.bind(from_postgres(text)),
                    Value::String(text) => query.bind(text),
                    Value::Object(object) => {
                        let text = object.get("b").and_then(Value::as_str).unwrap_or_default();
                        let bytes = STANDARD.decode(text);
                        query.bind(bytes.map_err(|_| self.damaged(table, "bytes are no base64"))?)
                    }
                    _ => return Err(self.damaged(table, "a value is of no known kind")),
                };
            }
            query.execute(&mut self.sql).await.map_err(failed)?;
            count += 1;
        }
        Ok(count)
    }

    /// Make it durable, and count the rows of each table.
    pub(super) async fn finish(
        mut self,
        tables: &[String],
    ) -> Result<Vec<(String, u64)>, BackupError> {
        sqlx::query("COMMIT").execute(&mut self.sql).await.map_err(failed)?;
        let mut counts = Vec::new();
        for table in tables {
            let text = format!("SELECT count(*) FROM \"{}\"", table.replace('"', "\"\""));
            let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(text))
                .fetch_one(&mut self.sql)
                .await
                .map_err(failed)?;
            counts.push((table.clone(), u64::try_from(count).unwrap_or(0)));
        }
        self.sql.close().await.map_err(failed)?;
        Ok(counts)
    }
}
