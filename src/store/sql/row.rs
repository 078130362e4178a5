//! A row of either database, and the types its columns are read as.

use sqlx::Row as _;
use sqlx::postgres::PgRow;
use sqlx::sqlite::SqliteRow;

use crate::store::sql::from_postgres;

/// A row.
pub(crate) enum Row {
    /// Of SQLite.
    Sqlite(SqliteRow),
    /// Of PostgreSQL.
    Postgres(PgRow),
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Row {
        Row::Sqlite(row)
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Row {
        Row::Postgres(row)
    }
}

/// A column by name or place.
#[derive(Clone, Copy)]
pub(crate) enum At<'c> {
    Name(&'c str),
    Place(usize),
}

impl<'c> From<&'c str> for At<'c> {
    fn from(name: &'c str) -> At<'c> {
        At::Name(name)
    }
}

impl From<usize> for At<'_> {
    fn from(place: usize) -> Self {
        At::Place(place)
    }
}

impl Row {
    /// A column. Which columns there are and of what kind is ours to know: a wrong one is a bug.
    pub(crate) fn get<'r, 'c, T: Get<'r>>(&'r self, column: impl Into<At<'c>>) -> T {
        T::get(self, column.into())
    }
}

/// What a column can be read as.
pub(crate) trait Get<'r>: Sized {
    /// Read it.
    fn get(row: &'r Row, column: At<'_>) -> Self;
}

macro_rules! plain {
    ($($of:ty),*) => { $(
        impl<'r> Get<'r> for $of {
            fn get(row: &'r Row, column: At<'_>) -> Self {
                match (row, column) {
                    (Row::Sqlite(row), At::Name(name)) => row.get(name),
                    (Row::Sqlite(row), At::Place(place)) => row.get(place),
                    (Row::Postgres(row), At::Name(name)) => row.get(name),
                    (Row::Postgres(row), At::Place(place)) => row.get(place),
                }
            }
        }
    )* };
}

/// `&'r str` is for texts of ours (JSON): they never hold what PostgreSQL cannot.
struct Raw<T>(T);

macro_rules! raw {
    ($($of:ty),*) => { $(
        impl<'r> Get<'r> for Raw<$of> {
            fn get(row: &'r Row, column: At<'_>) -> Self {
                Raw(match (row, column) {
                    (Row::Sqlite(row), At::Name(name)) => row.get(name),
                    (Row::Sqlite(row), At::Place(place)) => row.get(place),
                    (Row::Postgres(row), At::Name(name)) => row.get(name),
                    (Row::Postgres(row), At::Place(place)) => row.get(place),
                })
            }
        }
    )* };
}

plain!(i64, Option<i64>, &'r str, &'r [u8], Option<&'r [u8]>, Vec<u8>);
raw!(Option<String>);

impl<'r> Get<'r> for Option<String> {
    fn get(row: &'r Row, column: At<'_>) -> Self {
        let Raw(text) = Raw::<Option<String>>::get(row, column);
        match row {
            Row::Sqlite(_) => text,
            Row::Postgres(_) => text.map(from_postgres),
        }
    }
}

impl<'r> Get<'r> for String {
    fn get(row: &'r Row, column: At<'_>) -> Self {
        // NULL cannot be there: every such column is NOT NULL.
        Option::<String>::get(row, column).unwrap_or_default()
    }
}

impl<'r> Get<'r> for bool {
    fn get(row: &'r Row, column: At<'_>) -> Self {
        i64::get(row, column) != 0
    }
}
