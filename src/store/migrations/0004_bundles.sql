-- Bundles: which alerts belong together. Membership stands with the alert; these rows are those that may still grow.
ALTER TABLE alerts ADD COLUMN bundle BLOB;
CREATE TABLE bundles (id BLOB PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
