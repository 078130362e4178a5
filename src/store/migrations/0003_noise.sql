-- What budgets of rules and memories of last matches keep, a row a rule or a part of a memory.
CREATE TABLE noise (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

-- Alerts of parked rules: they appear when the rule is released. `open`: repeats may still join.
CREATE TABLE held (
    alert BLOB PRIMARY KEY,
    tenant TEXT NOT NULL,
    rule TEXT NOT NULL,
    open INTEGER NOT NULL,
    value TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX held_by_rule ON held (rule, tenant);

-- How rare the first match of an alert was, as JSON.
CREATE TABLE rarity (alert BLOB PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
