//! Many rows into a table at once, whatever is there under their keys already.

use std::fmt::Write;

use hashbrown::HashMap;
use sqlx::postgres::PgArguments;
use sqlx::{Arguments, AssertSqlSafe};

use crate::store::sql::{Connection, Value, query, to_postgres};

/// Rows of one statement on SQLite: few enough for its limit of bound values.
const SQLITE_ROWS: usize = 200;
/// Rows of one statement on PostgreSQL, where a column is one bound array.
const POSTGRES_ROWS: usize = 2_000;

/// The kind of a column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A whole number.
    Int,
    /// A text.
    Text,
    /// Bytes.
    Bytes,
}

/// A table to put rows into.
pub(crate) struct Table<const N: usize> {
    /// Its name.
    pub name: &'static str,
    /// How many of the columns, the first ones, are the key. 0: a row that is there already is an error.
    pub keys: usize,
    /// The columns.
    pub columns: [(&'static str, Kind); N],
    /// A row that is there under the key is replaced; else it stays.
    pub replace: bool,
}

impl<const N: usize> Table<N> {
    /// Put rows in. Of rows with the same key the last one counts, or the first where the table keeps what is there.
    pub(crate) async fn put<'q>(
        &self,
        sql: &mut Connection,
        rows: Vec<[Value<'q>; N]>,
    ) -> Result<(), sqlx::Error> {
        match sql {
            Connection::Sqlite(_) => {
                let mut rows = rows.into_iter();
                while rows.len() > 0 {
                    let count = rows.len().min(SQLITE_ROWS);
                    let mut statement = query(AssertSqlSafe(self.with_values(count))).once();
                    for value in rows.by_ref().take(count).flatten() {
                        statement = statement.bind(value);
                    }
                    statement.execute(&mut *sql).await?;
                }
                Ok(())
            }
            Connection::Postgres(link) => {
                let rows = self.one_a_key(rows);
                for chunk in rows.chunks(POSTGRES_ROWS) {
                    let arguments = self.arrays(chunk)?;
                    let text = AssertSqlSafe(self.with_arrays());
                    let mut lent = link.lend()?;
                    let answer = async {
                        let done = sqlx::query_with(text, arguments).execute(&mut lent).await;
                        (lent, done)
                    };
                    link.settle(answer).await?;
                }
                Ok(())
            }
        }
    }

    /// The conflict clause and what is before the rows.
    fn around(&self) -> (String, String) {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let head = format!("INSERT INTO {} ({}) ", self.name, names.join(", "));
        if self.keys == 0 {
            return (head, String::new());
        }
        let (keys, rest) = names.split_at(self.keys.min(names.len()));
        let mut tail = format!(" ON CONFLICT ({}) DO ", keys.join(", "));
        if self.replace && !rest.is_empty() {
            let sets: Vec<String> =
                rest.iter().map(|name| format!("{name} = excluded.{name}")).collect();
            let _ = write!(tail, "UPDATE SET {}", sets.join(", "));
        } else {
            tail.push_str("NOTHING");
        }
        (head, tail)
    }

    /// Plain `?`: SQLite looks for every named placeholder among all before it.
    fn with_values(&self, rows: usize) -> String {
        let (head, tail) = self.around();
        let row = format!("({})", vec!["?"; N].join(", "));
        format!("{head}VALUES {}{tail}", vec![row.as_str(); rows].join(", "))
    }

    fn with_arrays(&self) -> String {
        let (mut text, tail) = self.around();
        text.push_str("SELECT * FROM unnest(");
        for (at, (_, kind)) in self.columns.iter().enumerate() {
            let comma = if at == 0 { "" } else { ", " };
            let array = match kind {
                Kind::Int => "bigint[]",
                Kind::Text => "text[]",
                Kind::Bytes => "bytea[]",
            };
            let _ = write!(text, "{comma}${}::{array}", at + 1);
        }
        text.push(')');
        text.push_str(&tail);
        text
    }

    /// PostgreSQL refuses a statement that touches one row twice.
    fn one_a_key<'q>(&self, rows: Vec<[Value<'q>; N]>) -> Vec<[Value<'q>; N]> {
        if self.keys == 0 {
            return rows;
        }
        let mut kept: Vec<[Value<'q>; N]> = Vec::new();
        let mut places: HashMap<Vec<Value<'q>>, usize> = HashMap::new();
        for row in rows {
            let key: Vec<Value<'q>> = row.iter().take(self.keys).cloned().collect();
            let next = kept.len();
            let place = *places.entry(key).or_insert(next);
            match kept.get_mut(place) {
                Some(slot) if self.replace => *slot = row,
                Some(_) => {}
                None => kept.push(row),
            }
        }
        kept
    }

    fn arrays(&self, rows: &[[Value<'_>; N]]) -> Result<PgArguments, sqlx::Error> {
        let mut arguments = PgArguments::default();
        for (at, (_, kind)) in self.columns.iter().enumerate() {
            let column = rows.iter().filter_map(|row| row.get(at));
            let added = match kind {
                Kind::Int => arguments.add(column.map(int).collect::<Vec<Option<i64>>>()),
                Kind::Text => arguments.add(column.map(text).collect::<Vec<Option<String>>>()),
                Kind::Bytes => arguments.add(column.map(bytes).collect::<Vec<Option<&[u8]>>>()),
            };
            added.map_err(sqlx::Error::Encode)?;
        }
        Ok(arguments)
    }
}

fn int(value: &Value<'_>) -> Option<i64> {
    match value {
        Value::Int(number) => *number,
        Value::Text(_) | Value::Bytes(_) => None,
    }
}

fn text(value: &Value<'_>) -> Option<String> {
    match value {
        Value::Text(text) => text.as_deref().map(|text| to_postgres(text.into())),
        Value::Int(_) | Value::Bytes(_) => None,
    }
}

fn bytes<'v>(value: &'v Value<'_>) -> Option<&'v [u8]> {
    match value {
        Value::Bytes(bytes) => bytes.as_deref(),
        Value::Int(_) | Value::Text(_) => None,
    }
}

/// `$1, $2, …`: placeholders for `count` values.
pub(crate) fn list(count: usize) -> String {
    let numbers: Vec<String> = (1..=count).map(|number| format!("${number}")).collect();
    numbers.join(", ")
}
