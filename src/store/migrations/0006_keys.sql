-- Keys that programs show. `hash`: Argon2id; the key itself is nowhere. Times in microseconds.
CREATE TABLE api_keys (
    id TEXT NOT NULL PRIMARY KEY, name TEXT NOT NULL, scope TEXT NOT NULL, source TEXT, hash TEXT NOT NULL,
    created BIGINT NOT NULL, creator TEXT NOT NULL, revoked BIGINT, revoker TEXT
);
