//! The schema in both dialects from one source: the steps are written for SQLite and rewritten for PostgreSQL.
//!
//! A line `-- sqlite only` or `-- postgres only` before a statement keeps it from the other one.

use std::sync::LazyLock;

use regex::Regex;

/// Tables that speak of one node's own things: its event segments, its positions, the state of its stages. On PostgreSQL
/// they lie in the node's own schema, so that the same statements serve every node. All others are shared.
const LOCAL: &[&str] = &[
    "meta",
    "segments",
    "segment_parts",
    "episodes",
    "evidence",
    "detection",
    "decoders",
    "positions",
    "ledger",
    "rejects",
    "noise",
    "held",
    "bundles",
    "rule_counts",
    "deliveries",
];

/// Of these, the tables that a shard has again in a schema of its own: they move with it from node to node. Event segments,
/// rejects and keys of deliveries stay with the node that took them.
const SHARDED: &[&str] = &[
    "meta",
    "episodes",
    "detection",
    "decoders",
    "positions",
    "ledger",
    "noise",
    "held",
    "bundles",
    "rule_counts",
];

/// Whose tables a statement changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Whose {
    /// All nodes'.
    Shared,
    /// This node's.
    Local,
    /// A shard's.
    Shard,
}

/// A step for SQLite.
pub(crate) fn for_sqlite(step: &str) -> String {
    statements(step)
        .into_iter()
        .filter(|(only, _)| *only != Some(Only::Postgres))
        .map(|(_, text)| text + ";\n")
        .collect()
}

/// The statements of a step for PostgreSQL that change tables of `whose`.
pub(crate) fn for_postgres(step: &str, whose: Whose) -> Vec<String> {
    statements(step)
        .into_iter()
        .filter(|(only, text)| *only != Some(Only::Sqlite) && belongs(text, whose))
        .map(|(_, text)| translate(&text))
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Only {
    Sqlite,
    Postgres,
}

/// Statements without comments and without the semicolon behind them.
fn statements(step: &str) -> Vec<(Option<Only>, String)> {
    let (mut found, mut only, mut text) = (Vec::new(), None, String::new());
    for line in step.lines() {
        match line.trim() {
            "-- sqlite only" => only = Some(Only::Sqlite),
            "-- postgres only" => only = Some(Only::Postgres),
            comment if comment.starts_with("--") => {}
            _ => {
                text.push_str(line);
                text.push('\n');
            }
        }
        let whole = text.trim();
        let is_trigger = whole.starts_with("CREATE TRIGGER");
        if whole.ends_with(';') && (!is_trigger || whole.ends_with("END;")) {
            found.push((only.take(), whole.trim_end_matches(';').to_owned()));
            text.clear();
        }
    }
    found
}

fn belongs(statement: &str, whose: Whose) -> bool {
    static TABLE: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let text = r"(?s)^(?:CREATE (?:UNIQUE )?INDEX \w+ ON|CREATE TRIGGER \w+ BEFORE \w+ ON|CREATE TABLE|ALTER TABLE|DROP TABLE|INSERT INTO|UPDATE|DELETE FROM)\s+(\w+)";
        Regex::new(text).ok()
    });
    let found = TABLE.as_ref().and_then(|table| table.captures(statement)).and_then(|c| c.get(1));
    let table = found.map_or("", |table| table.as_str());
    match whose {
        Whose::Shared => !LOCAL.contains(&table),
        Whose::Local => LOCAL.contains(&table),
        Whose::Shard => SHARDED.contains(&table),
    }
}

fn translate(statement: &str) -> String {
    static TRIGGER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let text = r"(?s)^CREATE TRIGGER (\w+) BEFORE (UPDATE|DELETE) ON (\w+)\s+BEGIN SELECT RAISE\(ABORT, ('[^']*')\); END$";
        Regex::new(text).ok()
    });
    static WORDS: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(r"INTEGER PRIMARY KEY AUTOINCREMENT|WITHOUT ROWID|INTEGER|BLOB|TEXT").ok()
    });
    if let Some(found) = TRIGGER.as_ref().and_then(|trigger| trigger.captures(statement)) {
        let [name, event, table, message] =
            [1, 2, 3, 4].map(|at| found.get(at).map_or("", |part| part.as_str()));
        return format!(
            "CREATE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
               RAISE EXCEPTION USING MESSAGE = {message}; END $$;
             CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
        );
    }
    let is_table = statement.starts_with("CREATE TABLE") || statement.starts_with("ALTER TABLE");
    match WORDS.as_ref().filter(|_| is_table) {
        None => statement.to_owned(),
        Some(words) => words
            .replace_all(statement, |word: &regex::Captures<'_>| match &word[0] {
                "INTEGER" => "BIGINT",
                "BLOB" => "BYTEA",
                // The order of bytes, as SQLite has it, whatever the database's language.
                "TEXT" => "TEXT COLLATE \"C\"",
                "WITHOUT ROWID" => "",
                _ => "BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY",
            })
            .into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: &str =
        "-- Words.\nCREATE TABLE meta (key TEXT PRIMARY KEY, n INTEGER) WITHOUT ROWID;
CREATE TABLE pending (\n    id INTEGER PRIMARY KEY AUTOINCREMENT,\n    value BLOB\n);
CREATE TRIGGER no_update BEFORE UPDATE ON pending
    BEGIN SELECT RAISE(ABORT, 'never; ever'); END;
-- sqlite only\nINSERT INTO pending SELECT 1;\n-- postgres only\nCREATE INDEX i ON pending (id);\n";

    #[test]
    fn a_step_is_written_for_both() {
        let local = for_postgres(STEP, Whose::Local);
        assert_eq!(local, ["CREATE TABLE meta (key TEXT COLLATE \"C\" PRIMARY KEY, n BIGINT) "]);
        assert_eq!(for_postgres(STEP, Whose::Shard), local);
        let shared = for_postgres(STEP, Whose::Shared);
        assert_eq!(shared.len(), 3);
        assert!(shared[0].contains("id BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,"));
        assert!(shared[0].contains("value BYTEA"));
        assert!(shared[1].contains("MESSAGE = 'never; ever'"), "{}", shared[1]);
        assert_eq!(shared[2], "CREATE INDEX i ON pending (id)");
        let sqlite = for_sqlite(STEP);
        assert!(sqlite.contains("INSERT INTO pending") && !sqlite.contains("CREATE INDEX"));
        assert!(sqlite.contains("END;\n"));
    }
}
