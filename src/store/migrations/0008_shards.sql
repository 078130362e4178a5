-- Parts of a stream that move between nodes (a partition of a topic): who has each, and how often it was taken.
CREATE TABLE shards (
    name TEXT PRIMARY KEY,
    node TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    taken INTEGER NOT NULL,
    lag INTEGER NOT NULL
) WITHOUT ROWID;
-- What the nodes of this database call themselves together, for brokers that remember who read how far.
CREATE TABLE cluster (one INTEGER PRIMARY KEY, name TEXT NOT NULL);
