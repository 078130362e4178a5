-- Several nodes on one database: who they are, and the number of the last change of what they share.
CREATE TABLE nodes (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    version TEXT NOT NULL,
    started INTEGER NOT NULL,
    seen INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TABLE chain (one INTEGER PRIMARY KEY, change INTEGER NOT NULL);
INSERT INTO chain (one, change) VALUES (1, 0);

-- Under which of these changes an alert was written last; always 0 on SQLite, which has one writer.
ALTER TABLE alerts ADD COLUMN change INTEGER NOT NULL DEFAULT 0;
-- postgres only
CREATE INDEX alerts_by_change ON alerts (change);

-- A commit counts on from the number before it, or does not happen.
INSERT INTO meta (key, value) VALUES ('commits', '0') ON CONFLICT (key) DO NOTHING;
