-- Keys of batches that were made real, so that a sender's repeat is known. `at`: when, in microseconds.
CREATE TABLE deliveries (
    source TEXT NOT NULL, key BLOB NOT NULL, at INTEGER NOT NULL, PRIMARY KEY (source, key)
) WITHOUT ROWID;
CREATE INDEX deliveries_by_age ON deliveries (source, at);
