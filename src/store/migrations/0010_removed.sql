-- Under which change alerts went last: other nodes see what changed, but not what is no more.
ALTER TABLE chain ADD COLUMN removed INTEGER NOT NULL DEFAULT 0;
