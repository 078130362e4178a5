-- A segment that holds again what was kept of one that went: whoever hands events on has had them already.
ALTER TABLE segments ADD COLUMN copied INTEGER NOT NULL DEFAULT 0;
-- What each tenant has in a segment that nobody writes to any more, by kind (event, inference), counted where ages differ.
-- `bytes`: its share of the file. The empty tenant: the segment holds what cannot be read.
CREATE TABLE segment_parts (
    segment INTEGER NOT NULL,
    tenant TEXT NOT NULL,
    kind TEXT NOT NULL,
    events INTEGER NOT NULL,
    bytes INTEGER NOT NULL,
    newest_us INTEGER NOT NULL,
    PRIMARY KEY (segment, tenant, kind)
) WITHOUT ROWID;
