//! One way to speak to SQLite and to PostgreSQL: the same statements with `$1` placeholders, three kinds of values, rows
//! with typed columns. A closed set of two; nothing above this folder knows which one it speaks to.

mod connection;
mod dialect;
mod postgres;
mod row;
mod table;
mod tuning;

use std::borrow::Cow;
use std::marker::PhantomData;

use sqlx::postgres::PgArguments;
use sqlx::sqlite::SqliteArguments;
use sqlx::{Arguments, SqlSafeStr, SqlStr};

pub(crate) use connection::{Connection, Pool, Target, abandon, begin, end, is_cut};
pub(crate) use dialect::for_sqlite;
pub(crate) use postgres::{SHARDS, SHARED, Server, schema_of};
pub(crate) use row::{Get, Row};
pub(crate) use table::{Kind, Table, list};
pub use tuning::advice;

/// Characters that PostgreSQL's texts cannot hold, and the mark of a text in which they are written differently.
const NUL: char = '\0';
const MARK: char = '\u{e000}';

/// A value of a statement. `None` is NULL of that kind.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Value<'q> {
    /// A whole number; truth is 0 or 1.
    Int(Option<i64>),
    /// A text.
    Text(Option<Cow<'q, str>>),
    /// Bytes.
    Bytes(Option<Cow<'q, [u8]>>),
}

macro_rules! value_of {
    ($($kind:ident: $from:ty => $make:expr;)*) => { $(
        impl<'q> From<$from> for Value<'q> {
            fn from(from: $from) -> Value<'q> {
                let make: fn($from) -> _ = $make;
                Value::$kind(make(from))
            }
        }
    )* };
}

value_of! {
    Int: i64 => |number| Some(number);
    Int: Option<i64> => |number| number;
    Int: bool => |truth| Some(i64::from(truth));
    Text: &'q str => |text| Some(Cow::Borrowed(text));
    Text: Option<&'q str> => |text| text.map(Cow::Borrowed);
    Text: String => |text| Some(Cow::Owned(text));
    Bytes: &'q [u8] => |bytes| Some(Cow::Borrowed(bytes));
    Bytes: Vec<u8> => |bytes| Some(Cow::Owned(bytes));
    Bytes: Option<Vec<u8>> => |bytes| bytes.map(Cow::Owned);
}

/// A statement with its values.
pub(crate) struct Query<'q> {
    text: SqlStr,
    values: Vec<Value<'q>>,
    persistent: bool,
}

/// A statement of which the first column is wanted.
pub(crate) struct Scalar<'q, T> {
    query: Query<'q>,
    of: PhantomData<T>,
}

/// A statement.
pub(crate) fn query<'q>(text: impl SqlSafeStr) -> Query<'q> {
    Query { text: text.into_sql_str(), values: Vec::new(), persistent: true }
}

/// A statement of which the first column is wanted.
pub(crate) fn scalar<'q, T>(text: impl SqlSafeStr) -> Scalar<'q, T> {
    Scalar { query: query(text), of: PhantomData }
}

/// What a statement did.
#[derive(Debug)]
pub(crate) struct Done {
    /// Rows it changed.
    pub rows: u64,
}

impl<'q> Query<'q> {
    /// The next value.
    pub(crate) fn bind(mut self, value: impl Into<Value<'q>>) -> Query<'q> {
        self.values.push(value.into());
        self
    }

    /// A statement whose text is made for this one time: not kept prepared.
    pub(crate) fn once(mut self) -> Query<'q> {
        self.persistent = false;
        self
    }

    /// Run it.
    pub(crate) async fn execute(self, target: impl Into<Target<'_>>) -> Result<Done, sqlx::Error> {
        let rows = match target.into() {
            Target::Connection(Connection::Sqlite(link)) => {
                self.for_sqlite()?.execute(link).await?.rows_affected()
            }
            Target::Connection(Connection::Postgres(link)) => {
                let mut lent = link.lend()?;
                let query = self.for_postgres()?;
                let answer = async {
                    let outcome = query.execute(&mut lent).await;
                    (lent, outcome)
                };
                link.settle(answer).await?.rows_affected()
            }
            Target::Pool(Pool::Sqlite(pool)) => {
                self.for_sqlite()?.execute(pool).await?.rows_affected()
            }
            Target::Pool(Pool::Postgres(pool)) => {
                self.for_postgres()?.execute(pool).await?.rows_affected()
            }
        };
        Ok(Done { rows })
    }

    /// All its rows.
    pub(crate) async fn fetch_all(
        self,
        target: impl Into<Target<'_>>,
    ) -> Result<Vec<Row>, sqlx::Error> {
        Ok(match target.into() {
            Target::Connection(Connection::Sqlite(link)) => {
                rows(self.for_sqlite()?.fetch_all(link).await?)
            }
            Target::Connection(Connection::Postgres(link)) => {
                let mut lent = link.lend()?;
                let query = self.for_postgres()?;
                let answer = async {
                    let outcome = query.fetch_all(&mut lent).await;
                    (lent, outcome)
                };
                rows(link.settle(answer).await?)
            }
            Target::Pool(Pool::Sqlite(pool)) => rows(self.for_sqlite()?.fetch_all(pool).await?),
            Target::Pool(Pool::Postgres(pool)) => rows(self.for_postgres()?.fetch_all(pool).await?),
        })
    }

    /// Its first row, if there is one.
    pub(crate) async fn fetch_optional(
        self,
        target: impl Into<Target<'_>>,
    ) -> Result<Option<Row>, sqlx::Error> {
        match target.into() {
            Target::Connection(Connection::Sqlite(link)) => {
                Ok(self.for_sqlite()?.fetch_optional(link).await?.map(Row::from))
            }
            Target::Pool(Pool::Sqlite(pool)) => {
                Ok(self.for_sqlite()?.fetch_optional(pool).await?.map(Row::from))
            }
            server => Ok(self.fetch_all(server).await?.into_iter().next()),
        }
    }

    /// Its first row.
    pub(crate) async fn fetch_one(self, target: impl Into<Target<'_>>) -> Result<Row, sqlx::Error> {
        self.fetch_optional(target).await?.ok_or(sqlx::Error::RowNotFound)
    }

    fn for_sqlite(
        self,
    ) -> Result<sqlx::query::Query<'q, sqlx::Sqlite, SqliteArguments>, sqlx::Error> {
        let mut arguments = SqliteArguments::default();
        arguments.reserve(self.values.len(), 0);
        for value in self.values {
            let added = match value {
                Value::Int(number) => arguments.add(number),
                Value::Text(text) => arguments.add(text.map(Cow::into_owned)),
                Value::Bytes(bytes) => arguments.add(bytes.map(Cow::into_owned)),
            };
            added.map_err(sqlx::Error::Encode)?;
        }
        Ok(sqlx::query_with(self.text, arguments).persistent(self.persistent))
    }

    fn for_postgres(
        self,
    ) -> Result<sqlx::query::Query<'q, sqlx::Postgres, PgArguments>, sqlx::Error> {
        let mut arguments = PgArguments::default();
        arguments.reserve(self.values.len(), 0);
        for value in self.values {
            let added = match value {
                Value::Int(number) => arguments.add(number),
                Value::Text(text) => arguments.add(text.map(to_postgres)),
                Value::Bytes(bytes) => arguments.add(bytes.map(Cow::into_owned)),
            };
            added.map_err(sqlx::Error::Encode)?;
        }
        Ok(sqlx::query_with(self.text, arguments).persistent(self.persistent))
    }
}

impl<'q, T: for<'r> Get<'r>> Scalar<'q, T> {
    /// The next value.
    pub(crate) fn bind(self, value: impl Into<Value<'q>>) -> Scalar<'q, T> {
        Scalar { query: self.query.bind(value), of: PhantomData }
    }

    /// The first column of all rows.
    pub(crate) async fn fetch_all(
        self,
        target: impl Into<Target<'_>>,
    ) -> Result<Vec<T>, sqlx::Error> {
        Ok(self.query.fetch_all(target).await?.iter().map(|row| row.get(0)).collect())
    }

    /// The first column of the first row, if there is one.
    pub(crate) async fn fetch_optional(
        self,
        target: impl Into<Target<'_>>,
    ) -> Result<Option<T>, sqlx::Error> {
        Ok(self.query.fetch_optional(target).await?.map(|row| row.get(0)))
    }

    /// The first column of the first row.
    pub(crate) async fn fetch_one(self, target: impl Into<Target<'_>>) -> Result<T, sqlx::Error> {
        Ok(self.query.fetch_one(target).await?.get(0))
    }
}

fn rows<R>(rows: Vec<R>) -> Vec<Row>
where
    Row: From<R>,
{
    rows.into_iter().map(Row::from).collect()
}

/// A text as PostgreSQL can hold it: one with NUL, or that looks as if it had been changed, gets a mark and its NULs and
/// marks written in two characters.
fn to_postgres(text: Cow<'_, str>) -> String {
    if !text.starts_with(MARK) && !text.contains(NUL) {
        return text.into_owned();
    }
    let mut out = String::with_capacity(text.len() + 8);
    out.push(MARK);
    for letter in text.chars() {
        match letter {
            NUL => out.extend([MARK, '0']),
            MARK => out.extend([MARK, MARK]),
            letter => out.push(letter),
        }
    }
    out
}

/// A text as it was before [`to_postgres`].
pub(crate) fn from_postgres(text: String) -> String {
    let Some(rest) = text.strip_prefix(MARK) else { return text };
    let mut out = String::with_capacity(rest.len());
    let mut letters = rest.chars();
    while let Some(letter) = letters.next() {
        match letter {
            MARK => out.extend(letters.next().map(|next| if next == '0' { NUL } else { next })),
            letter => out.push(letter),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_text_comes_back_from_postgresql_and_none_holds_a_nul(
            text in "[\0\u{e000}0a\u{fffd}]{0,12}",
        ) {
            let kept = to_postgres(Cow::Borrowed(&text));
            prop_assert!(!kept.contains(NUL));
            prop_assert_eq!(from_postgres(kept), text);
        }
    }
}
