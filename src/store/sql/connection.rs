//! A connection or a pool of either database, and transactions on a connection.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{Executor, PgPool, SqlSafeStr, SqliteConnection, SqlitePool};

use crate::store::StoreError;
use crate::store::node::Node;
use crate::store::sql::postgres::Server;

/// A statement of the writer that the server does not answer for this long is given up with its connection.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// The writer's connection.
pub(crate) enum Connection {
    /// To the file.
    Sqlite(SqliteConnection),
    /// To the server.
    Postgres(Box<Link>),
}

/// A connection to a server. It is away while a statement runs: what fails in the middle, or is abandoned there, is closed,
/// and the server takes back what was open.
pub(crate) struct Link {
    connection: Option<PgConnection>,
    pub(super) server: Server,
    /// The number of the change, where this transaction has taken what nodes share.
    change: Option<i64>,
}

/// Connections that only read.
pub(crate) enum Pool {
    /// To the file.
    Sqlite(SqlitePool),
    /// To the server.
    Postgres(PgPool),
}

/// Where a statement runs. The writer's connection, or one of those that read.
pub(crate) enum Target<'a> {
    Connection(&'a mut Connection),
    Pool(&'a Pool),
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

impl Target<'_> {
    /// The same for one more statement.
    pub(crate) fn again(&mut self) -> Target<'_> {
        match self {
            Target::Connection(connection) => Target::Connection(connection),
            Target::Pool(pool) => Target::Pool(pool),
        }
    }
}

impl Link {
    /// The connection, for one statement.
    pub(super) fn lend(&mut self) -> Result<PgConnection, sqlx::Error> {
        self.connection.take().ok_or_else(|| lost("the connection to the server was lost"))
    }

    /// Wait for a statement and keep the connection, unless it is the connection that failed.
    pub(super) async fn settle<T>(
        &mut self,
        answer: impl Future<Output = (PgConnection, Result<T, sqlx::Error>)>,
    ) -> Result<T, sqlx::Error> {
        let Ok((connection, outcome)) = tokio::time::timeout(ANSWER_MAX, answer).await else {
            return Err(lost("the server did not answer in time"));
        };
        if !outcome.as_ref().is_err_and(is_cut) {
            self.connection = Some(connection);
        }
        outcome
    }
}

fn lost(what: &'static str) -> sqlx::Error {
    sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::NotConnected, what))
}

/// Is the connection gone, or the server going?
pub(crate) fn is_cut(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(database) => database.code().is_some_and(|code| {
            // Admin shutdown, crash, not yet up, connection exceptions, too many connections, idle for too long.
            ["57P", "08", "53300", "25P03"].iter().any(|class| code.starts_with(class))
        }),
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        _ => false,
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

    /// Is it a server's?
    pub(crate) fn is_postgres(&self) -> bool {
        matches!(self, Pool::Postgres(_))
    }
}

impl Connection {
    /// A new connection to a server.
    pub(crate) fn of_server(connection: PgConnection, server: Server) -> Connection {
        Connection::Postgres(Box::new(Link { connection: Some(connection), server, change: None }))
    }

    /// Is it a file's?
    pub(crate) fn is_sqlite(&self) -> bool {
        matches!(self, Connection::Sqlite(_))
    }

    /// Was the connection lost?
    pub(crate) fn is_lost(&self) -> bool {
        matches!(self, Connection::Postgres(link) if link.connection.is_none())
    }

    /// Connect again where the connection was lost.
    pub(crate) async fn connect_again(&mut self) -> Result<(), StoreError> {
        if let Connection::Postgres(link) = self
            && link.connection.is_none()
        {
            link.connection = Some(link.server.connect_as_node().await?);
            link.change = None;
        }
        Ok(())
    }

    /// The number under which this transaction changes what nodes share, once it was taken.
    pub(crate) fn change(&self) -> Option<i64> {
        match self {
            Connection::Sqlite(_) => Some(0),
            Connection::Postgres(link) => link.change,
        }
    }

    pub(crate) fn set_change(&mut self, change: i64) {
        if let Connection::Postgres(link) = self {
            link.change = Some(change);
        }
    }

    /// The node that speaks to a server.
    pub(crate) fn node(&self) -> Option<&Node> {
        match self {
            Connection::Sqlite(_) => None,
            Connection::Postgres(link) => Some(link.server.node()),
        }
    }

    /// Inside a transaction, until its end: tables that lie in `schema` are meant before those of the node.
    pub(crate) async fn look_in(&mut self, schema: &str) -> Result<(), sqlx::Error> {
        let Connection::Postgres(link) = self else { return Ok(()) };
        let text = format!("SET LOCAL search_path TO {}", link.server.path_of(schema));
        // Names of ours.
        self.script(sqlx::AssertSqlSafe(text)).await
    }

    /// Make the tables of a shard, or bring them up to date.
    pub(crate) async fn prepare_shard(&mut self, schema: &str) -> Result<(), StoreError> {
        let Connection::Postgres(link) = self else { return Ok(()) };
        let mut lent = link.lend().map_err(|source| StoreError::sql("take a shard", source))?;
        let made = tokio::time::timeout(ANSWER_MAX, link.server.migrate_shard(&mut lent, schema));
        let made = made.await.unwrap_or_else(|_| {
            let source = lost("the server did not answer in time");
            Err(StoreError::sql("take a shard", source))
        });
        // What failed half way is closed, with all that the session held.
        if made.is_ok() {
            link.connection = Some(lent);
        }
        made
    }

    /// Close it at once, with all that the session held.
    pub(crate) fn hang_up(&mut self) {
        if let Connection::Postgres(link) = self {
            link.connection = None;
        }
    }

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
            Connection::Postgres(link) => {
                let mut lent = link.lend()?;
                let answer = async {
                    let outcome = text.execute(&mut lent).await.map(|_| ());
                    (lent, outcome)
                };
                link.settle(answer).await
            }
        }
    }

    async fn begin(&mut self) -> Result<(), sqlx::Error> {
        match self {
            Connection::Sqlite(link) => link.execute("BEGIN IMMEDIATE").await.map(|_| ()),
            Connection::Postgres(link) => {
                link.change = None;
                self.script("BEGIN").await
            }
        }
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
        Ok(value) => {
            let done = match sql {
                Connection::Sqlite(link) => link.execute("COMMIT").await.map(|_| ()),
                Connection::Postgres(_) => sql.script("COMMIT").await,
            };
            match done {
                Ok(()) => return Ok(value),
                Err(source) => Err(StoreError::sql("commit", source)),
            }
        }
        Err(error) => Err(error),
    };
    abandon(sql).await;
    outcome
}

/// Roll back whatever is open. Fails when nothing is, or SQLite has done it already: both are well.
pub(crate) async fn abandon(sql: &mut Connection) {
    let _ = match sql {
        Connection::Sqlite(link) => link.execute("ROLLBACK").await.map(|_| ()),
        Connection::Postgres(_) => sql.script("ROLLBACK").await,
    };
}
