-- Alerts, audit, positions and everything else that one commit makes real together.
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- What of each event segment is durable. `length` is a frame end.
CREATE TABLE segments (
    number INTEGER PRIMARY KEY,
    length INTEGER NOT NULL,
    events INTEGER NOT NULL,
    raw_bytes INTEGER NOT NULL,
    first_us INTEGER NOT NULL,
    last_us INTEGER NOT NULL
);

CREATE TABLE alerts (
    id BLOB PRIMARY KEY,
    tenant TEXT NOT NULL,
    status TEXT NOT NULL,
    severity INTEGER NOT NULL,
    risk INTEGER NOT NULL,
    rule_id TEXT NOT NULL,
    rule_name TEXT NOT NULL,
    host TEXT NOT NULL,
    user_name TEXT NOT NULL,
    count INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    assignee TEXT,
    snoozed_until INTEGER,
    backfill INTEGER NOT NULL,
    changed_since_closed INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    -- The last change by a person: what a stale screen must not overwrite.
    touched_revision INTEGER NOT NULL,
    touched_actor TEXT NOT NULL,
    -- JSON: tags, group, matched, risk parts, evidence, verdict.
    detail TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE episodes (alert BLOB PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- Where the events of alerts lie in the event log.
CREATE TABLE evidence (
    event BLOB PRIMARY KEY,
    segment INTEGER NOT NULL,
    block INTEGER NOT NULL,
    block_bytes INTEGER NOT NULL,
    raw_bytes INTEGER NOT NULL,
    start INTEGER NOT NULL,
    length INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE detection (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE decoders (stream BLOB PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE positions (
    source TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL, PRIMARY KEY (source, key)
) WITHOUT ROWID;

CREATE TABLE ledger (
    source TEXT PRIMARY KEY,
    received INTEGER NOT NULL,
    stored INTEGER NOT NULL,
    rejected INTEGER NOT NULL,
    duplicate INTEGER NOT NULL,
    shed INTEGER NOT NULL,
    in_flight INTEGER NOT NULL,
    events INTEGER NOT NULL,
    newest_us INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE rejects (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT,
    id BLOB NOT NULL UNIQUE,
    source TEXT NOT NULL,
    path TEXT NOT NULL,
    start INTEGER NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    detail TEXT NOT NULL,
    head BLOB NOT NULL
);
CREATE INDEX rejects_by_source ON rejects (source, reason);

CREATE TABLE endpoints (
    host TEXT PRIMARY KEY,
    os TEXT NOT NULL,
    events INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE audit (
    sequence INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    place TEXT NOT NULL,
    subject TEXT NOT NULL,
    subject_id TEXT NOT NULL,
    action TEXT NOT NULL,
    detail TEXT NOT NULL,
    hash TEXT NOT NULL
);
CREATE INDEX audit_by_subject ON audit (subject, subject_id, sequence);
CREATE TRIGGER audit_no_update BEFORE UPDATE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;
CREATE TRIGGER audit_no_delete BEFORE DELETE ON audit
    BEGIN SELECT RAISE(ABORT, 'the audit log is append-only'); END;

-- Shared actions before their deadline: outside the audit chain, seen by their actor only.
CREATE TABLE pending (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    actor TEXT NOT NULL,
    place TEXT NOT NULL,
    alerts TEXT NOT NULL,
    action TEXT NOT NULL,
    at INTEGER NOT NULL,
    deadline INTEGER NOT NULL
);

-- Applied actions that can still be taken back by a counter-action, with what they replaced.
CREATE TABLE applied (
    id INTEGER PRIMARY KEY,
    actor TEXT NOT NULL,
    action TEXT NOT NULL,
    at INTEGER NOT NULL,
    before TEXT NOT NULL
);
CREATE INDEX applied_by_actor ON applied (actor, id);

CREATE TABLE rules_off (
    rule TEXT PRIMARY KEY, actor TEXT NOT NULL, reason TEXT NOT NULL, at INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE drafts (
    actor TEXT NOT NULL, alert BLOB NOT NULL, text TEXT NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (actor, alert)
) WITHOUT ROWID;
