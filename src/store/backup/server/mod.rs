//! A backup of a PostgreSQL database and its way back: every schema of ours that the catalogue names, of one moment.
//!
//! A schema of ours is `watchfloor` or begins with `watchfloor_`, and has a table `version`. Tables and columns come from the
//! catalogue too, so what a later version adds is saved without a word here.

mod copy;
mod dump;
mod load;
mod target;
mod trial;

pub(super) use dump::Dump;
pub(super) use load::{Filled, Load};
pub(super) use trial::Trial;

use sqlx::postgres::PgConnection;

/// The schemas of ours, with the version of their tables.
const SCHEMAS: &str = "SELECT n.nspname::text FROM pg_namespace n
    JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = 'version' AND c.relkind = 'r'
    WHERE n.nspname = 'watchfloor' OR n.nspname LIKE 'watchfloor\\_%' ORDER BY 1";

/// The names of the schemas of ours.
async fn schemas(sql: &mut PgConnection) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar(SCHEMAS).fetch_all(sql).await
}

/// Schemas, tables and sequences of ours have such names; anything else is not put into a statement.
fn is_tame(name: &str) -> bool {
    let tame = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    !name.is_empty() && name.len() <= 63 && name.bytes().all(tame)
}
