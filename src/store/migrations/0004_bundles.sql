-- Bundles: which alerts belong together. Membership stands with the alert; these rows are those that may still grow.
ALTER TABLE alerts ADD COLUMN bundle BLOB;
CREATE TABLE bundles (id BLOB PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;

-- How many alerts there were of each rule on each endpoint: what makes one rare.
CREATE TABLE rule_counts (
    tenant TEXT NOT NULL, rule_id TEXT NOT NULL, host TEXT NOT NULL, alerts INTEGER NOT NULL,
    PRIMARY KEY (tenant, rule_id, host)
) WITHOUT ROWID;
INSERT INTO rule_counts (tenant, rule_id, host, alerts)
    SELECT tenant, rule_id, host, count(*) FROM alerts GROUP BY tenant, rule_id, host;
