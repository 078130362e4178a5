//! A connection or a pool of either database, and transactions on a connection.

use sqlx::postgres::PgConnection;
use sqlx::{Executor, PgPool, SqlSafeStr, SqliteConnection, SqlitePool};

use crate::store::StoreError;

/// The writer's connection.
pub(crate) enum Connection {
    /// To the file.
    Sqlite(SqliteConnection),
    /// To the server.
    Postgres(Box<Link>),
}

/// A connection to a server, made again when it is lost.
pub(crate) struct Link {
    connection: Option<PgConnection>,
}

/// Connections that only read.
pub(crate) enum Pool {
    /// To the file.
    Sqlite(SqlitePool),
    /// To the server.
    Postgres(PgPool),
}

/// Where a statement runs.
pub(crate) enum Target<'a> {
    Connection(&'a mut Connection),
    Pool(&'a Pool),
}

/// The library's own kind of what a statement runs on.
pub(super) enum Held<'a> {
    Sqlite(&'a mut SqliteConnection),
    Postgres(&'a mut PgConnection),
    SqlitePool(&'a SqlitePool),
    PostgresPool(&'a PgPool),
}

impl<'a> From<&'a mut Connection> for Target<'a> {
    fn from(connection: &'a mut Connection) -> Target<'a> {
        Target::Connection(connection)
    }
}

impl<'a> From<&'a Pool> for Target<'a> {
    fn from(pool: &'a Pool) -> Target<'a> {
        Target::Pool(pool)
    }
}

impl<'a> Target<'a> {
    pub(super) fn hold(self) -> Result<Held<'a>, sqlx::Error> {
        Ok(match self {
            Target::Connection(Connection::Sqlite(link)) => Held::Sqlite(link),
            Target::Connection(Connection::Postgres(link)) => Held::Postgres(link.live()?),
            Target::Pool(Pool::Sqlite(pool)) => Held::SqlitePool(pool),
            Target::Pool(Pool::Postgres(pool)) => Held::PostgresPool(pool),
        })
    }
}

impl Link {
    /// The connection, where it is not lost.
    pub(super) fn live(&mut self) -> Result<&mut PgConnection, sqlx::Error> {
        self.connection.as_mut().ok_or(sqlx::Error::WorkerCrashed)
    }
}

impl Pool {
    /// Close every connection.
    pub(crate) async fn close(&self) {
        match self {
            Pool::Sqlite(pool) => pool.close().await,
            Pool::Postgres(pool) => pool.close().await,
        }
    }
}

impl Connection {
    /// Close it in good order.
    pub(crate) async fn close(self) -> Result<(), StoreError> {
        let closed = match self {
            Connection::Sqlite(link) => sqlx::Connection::close(link).await,
            Connection::Postgres(link) => match link.connection {
                Some(link) => sqlx::Connection::close(link).await,
                None => Ok(()),
            },
        };
        closed.map_err(|source| StoreError::sql("be closed", source))
    }

    /// Statements without values.
    pub(crate) async fn script(&mut self, text: impl SqlSafeStr) -> Result<(), sqlx::Error> {
        let text = sqlx::raw_sql(text);
        match self {
            Connection::Sqlite(link) => text.execute(link).await.map(|_| ()),
            Connection::Postgres(link) => text.execute(link.live()?).await.map(|_| ()),
        }
    }

    /// A plain statement without values.
    async fn plain(&mut self, text: &'static str) -> Result<(), sqlx::Error> {
        match self {
            Connection::Sqlite(link) => link.execute(text).await.map(|_| ()),
            Connection::Postgres(link) => link.live()?.execute(text).await.map(|_| ()),
        }
    }

    async fn begin(&mut self) -> Result<(), sqlx::Error> {
        let text = match self {
            Connection::Sqlite(_) => "BEGIN IMMEDIATE",
            Connection::Postgres(_) => "BEGIN",
        };
        self.plain(text).await
    }
}

/// Begin a transaction. Plain statements, not the library's own kind: SQLite ends a transaction by
/// itself when the disk is full, and the library would wait for that one for ever.
pub(crate) async fn begin(sql: &mut Connection) -> Result<(), StoreError> {
    if sql.begin().await.is_ok() {
        return Ok(());
    }
    // An abandoned call may have left one open.
    abandon(sql).await;
    sql.begin().await.map_err(|source| StoreError::sql("begin a transaction", source))
}

/// End it: commit what went well, roll back what did not.
pub(crate) async fn end<T>(
    sql: &mut Connection,
    outcome: Result<T, StoreError>,
) -> Result<T, StoreError> {
    let outcome = match outcome {
        Ok(value) => match sql.plain("COMMIT").await {
            Ok(()) => return Ok(value),
            Err(source) => Err(StoreError::sql("commit", source)),
        },
        Err(error) => Err(error),
    };
    abandon(sql).await;
    outcome
}

/// Roll back whatever is open. Fails when nothing is, or SQLite has done it already: both are well.
pub(crate) async fn abandon(sql: &mut Connection) {
    let _ = sql.plain("ROLLBACK").await;
}
