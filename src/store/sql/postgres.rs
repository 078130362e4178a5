//! A PostgreSQL server as the alert store: how it is reached, whose schemas lie there, and one writer a node.
//!
//! What nodes share lies in the schema `watchfloor`, what is a node's own in `watchfloor_node_ID`; the search path of a node's
//! connections is both, so that the same statements serve every node and SQLite.

use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Row};

use crate::config::alert_store;
use crate::store::schema::{APPLICATION_ID, MIGRATIONS, newest};
use crate::store::sql::dialect::{self, Whose};
use crate::store::sql::{Pool, is_cut};
use crate::store::{StoreError, node::Node};

/// What all nodes share.
pub(crate) const SHARED: &str = "watchfloor";
/// What begins the names of shards' schemas.
pub(crate) const SHARDS: &str = "watchfloor_shard_";
/// How long a connection may take to come.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Readers beside the one writer.
const READERS: u32 = 4;
/// Tries to become the one writer of a node, and the pause between: a session that was cut may live on for a moment.
const LOCK_TRIES: u32 = 20;
const LOCK_PAUSE: Duration = Duration::from_millis(250);
/// What the server does for us: it ends transactions of nodes that are gone, and does not wait for ever for rows.
const SESSION: [(&str, &str); 7] = [
    ("idle_in_transaction_session_timeout", "30s"),
    ("lock_timeout", "30s"),
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
    // A commit that was answered is on the server's disk, whatever its configuration says.
    ("synchronous_commit", "on"),
    ("jit", "off"),
];

/// A server and the node that speaks to it.
#[derive(Clone)]
pub(crate) struct Server {
    options: PgConnectOptions,
    node: Node,
}

impl Server {
    /// As the configuration has it. Reads the password, connects to nothing.
    pub(crate) fn new(config: &alert_store::Server, node: Node) -> Result<Server, StoreError> {
        let mut options = PgConnectOptions::from_str(&config.url)
            .map_err(|source| StoreError::sql("be found: its URL cannot be read", source))?;
        if let Some(password) = &config.password {
            let secret = password.read().map_err(StoreError::Secret)?;
            let secret = String::from_utf8_lossy(&secret).into_owned();
            options = options.password(&secret);
        }
        let path = format!("{},{SHARED}", schema_of(&node));
        options = options
            .application_name(&format!("watchfloor {}", node.name))
            .options([("search_path", path.as_str())])
            .options(SESSION)
            .disable_statement_logging();
        Ok(Server { options, node })
    }

    /// `host:port/database`, for people.
    pub(crate) fn describe(&self) -> String {
        let host = self.options.get_host();
        let database = self.options.get_database().unwrap_or(self.options.get_username());
        format!("postgres://{host}:{}/{database}", self.options.get_port())
    }

    pub(crate) async fn connect(&self) -> Result<PgConnection, StoreError> {
        let connecting = tokio::time::timeout(CONNECT_MAX, self.options.connect());
        let connected = connecting.await.unwrap_or(Err(sqlx::Error::PoolTimedOut));
        connected.map_err(|source| self.refused(source))
    }

    /// The words for a connection that did not come.
    fn refused(&self, source: sqlx::Error) -> StoreError {
        let code = source.as_database_error().and_then(|error| error.code());
        let fix = match code.as_deref() {
            Some("28P01" | "28000") => {
                "check the user in store.alerts, store.alerts_password and the server's pg_hba.conf"
            }
            Some("3D000") => "make it: createdb --owner=USER --encoding=UTF8 --template=template0",
            _ if is_cut(&source) => "is the server up and reachable?",
            _ => "see docs/stores.md",
        };
        StoreError::Unreachable { server: self.describe(), fix, source }
    }

    /// A connection as the one writer of this node.
    pub(crate) async fn connect_as_node(&self) -> Result<PgConnection, StoreError> {
        let mut connection = self.connect().await?;
        for _ in 0..LOCK_TRIES {
            let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                .bind(self.node.lock_key())
                .fetch_one(&mut connection)
                .await
                .map_err(|source| StoreError::sql("be taken", source))?;
            if taken {
                return Ok(connection);
            }
            tokio::time::sleep(LOCK_PAUSE).await;
        }
        Err(StoreError::NodeInUse { node: self.node.id.clone(), server: self.describe() })
    }

    /// A few connections that read.
    pub(crate) async fn readers(&self) -> Result<Pool, StoreError> {
        let options = self
            .options
            .clone()
            .options([("default_transaction_read_only", "on"), ("statement_timeout", "60s")]);
        let pool = PgPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(CONNECT_MAX)
            .connect_with(options)
            .await
            .map_err(|source| self.refused(source))?;
        Ok(Pool::Postgres(pool))
    }

    /// Bring the schemas up to date, both in one transaction, one node after the other.
    pub(crate) async fn migrate(&self, connection: &mut PgConnection) -> Result<(), StoreError> {
        let failed = |source| StoreError::sql("be brought up to date", source);
        self.check_encoding(connection).await?;
        let mut steps = sqlx::Connection::begin(connection).await.map_err(failed)?;
        sqlx::query("SELECT pg_advisory_xact_lock($1)")
            .bind(APPLICATION_ID)
            .execute(&mut *steps)
            .await
            .map_err(failed)?;
        for (whose, schema) in
            [(Whose::Shared, SHARED.to_owned()), (Whose::Local, schema_of(&self.node))]
        {
            self.migrate_one(&mut steps, whose, &schema, newest()).await?;
        }
        self.sign_in(&mut steps).await.map_err(failed)?;
        steps.commit().await.map_err(failed)
    }

    /// Make or bring up to date the schema of a shard.
    pub(super) async fn migrate_shard(
        &self,
        connection: &mut PgConnection,
        schema: &str,
    ) -> Result<(), StoreError> {
        let failed = |source| StoreError::sql("be brought up to date", source);
        let mut steps = sqlx::Connection::begin(connection).await.map_err(failed)?;
        self.migrate_one(&mut steps, Whose::Shard, schema, newest()).await?;
        steps.commit().await.map_err(failed)
    }

    /// The node that speaks.
    pub(super) fn node(&self) -> &Node {
        &self.node
    }

    /// Where statements about a shard look for their tables: first in its own schema.
    pub(super) fn path_of(&self, schema: &str) -> String {
        format!("{schema},{},{SHARED}", schema_of(&self.node))
    }

    /// Texts are UTF-8.
    pub(crate) async fn check_encoding(
        &self,
        connection: &mut PgConnection,
    ) -> Result<(), StoreError> {
        let encoding: String = sqlx::query_scalar("SHOW server_encoding")
            .fetch_one(connection)
            .await
            .map_err(|source| StoreError::sql("be brought up to date", source))?;
        if encoding == "UTF8" {
            return Ok(());
        }
        Err(StoreError::Invalid(format!(
            "{} has the encoding {encoding}, the alert store needs UTF8: make the database with createdb --encoding=UTF8 --template=template0",
            self.describe()
        )))
    }

    /// Inside a transaction: make a schema of ours with the tables of a version, to be filled.
    pub(crate) async fn make_schema(
        &self,
        steps: &mut PgConnection,
        schema: &str,
        version: i64,
    ) -> Result<(), StoreError> {
        let whose = match schema {
            SHARED => Whose::Shared,
            shard if shard.starts_with(SHARDS) => Whose::Shard,
            _ => Whose::Local,
        };
        self.migrate_one(steps, whose, schema, version).await
    }

    async fn migrate_one(
        &self,
        steps: &mut PgConnection,
        whose: Whose,
        schema: &str,
        known: i64,
    ) -> Result<(), StoreError> {
        let failed = |source| StoreError::sql("be brought up to date", source);
        let there: bool = sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL")
            .bind(format!("{schema}.version"))
            .fetch_one(&mut *steps)
            .await
            .map_err(failed)?;
        // Names of ours: a word and a number in hexadecimal.
        let path = format!("SET LOCAL search_path TO {schema},{SHARED}");
        let mut texts = vec![path];
        if !there {
            texts.push(format!("CREATE SCHEMA IF NOT EXISTS {schema}"));
            texts.push(format!(
                "CREATE TABLE {schema}.version (one BIGINT PRIMARY KEY, version BIGINT NOT NULL)"
            ));
            texts.push(format!("INSERT INTO {schema}.version VALUES (1, 0)"));
        }
        run(steps, texts).await.map_err(failed)?;
        let found: i64 =
            sqlx::query_scalar(AssertSqlSafe(format!("SELECT version FROM {schema}.version")))
                .fetch_one(&mut *steps)
                .await
                .map_err(failed)?;
        if found > known {
            return Err(StoreError::Newer { file: self.describe().into(), found, known });
        }
        if found == known {
            return Ok(());
        }
        let done = usize::try_from(found).unwrap_or(0);
        let wanted = MIGRATIONS.iter().take(usize::try_from(known).unwrap_or(0)).skip(done);
        run(steps, wanted.flat_map(|step| dialect::for_postgres(step, whose)).collect())
            .await
            .map_err(failed)?;
        run(steps, vec![format!("UPDATE {schema}.version SET version = {known}")])
            .await
            .map_err(failed)
    }

    /// Say who is here.
    async fn sign_in(&self, steps: &mut PgConnection) -> Result<(), sqlx::Error> {
        let now = crate::stdx::time::Timestamp::now();
        sqlx::query(
            "INSERT INTO nodes (id, name, version, started, seen) VALUES ($1, $2, $3, $4, $4)
             ON CONFLICT (id) DO UPDATE SET name = excluded.name, version = excluded.version,
               started = excluded.started, seen = excluded.seen",
        )
        .bind(&self.node.id)
        .bind(&self.node.name)
        .bind(env!("CARGO_PKG_VERSION"))
        .bind(now.0)
        .execute(steps)
        .await
        .map(|_| ())
    }

    /// Sentences about settings of the server under which what is acknowledged could be lost.
    pub(crate) async fn dangers(&self, connection: &mut PgConnection) -> Vec<String> {
        let text =
            "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'full_page_writes')";
        let rows = sqlx::query(text).fetch_all(connection).await.unwrap_or_default();
        let off = rows.iter().filter(|row| row.get::<&str, _>(1) == "off");
        off.map(|row| {
            let name: &str = row.get(0);
            format!(
                "{} runs with {name} = off: a crash of its machine loses alerts that were acknowledged; set it to on",
                self.describe()
            )
        })
        .collect()
    }
}

/// The schema of what is a node's own.
pub(crate) fn schema_of(node: &Node) -> String {
    format!("{SHARED}_node_{}", node.id)
}

/// Statements of ours, one after the other.
async fn run(connection: &mut PgConnection, texts: Vec<String>) -> Result<(), sqlx::Error> {
    for text in texts {
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut *connection).await?;
    }
    Ok(())
}
