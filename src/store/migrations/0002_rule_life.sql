-- Every change of what people decided about rules, with the book before and after it: the newest row is what holds.
CREATE TABLE rule_changes (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    place TEXT NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT NOT NULL,
    reason TEXT NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL
);
CREATE TRIGGER rule_changes_no_update BEFORE UPDATE ON rule_changes
    BEGIN SELECT RAISE(ABORT, 'the history of rules is append-only'); END;
CREATE TRIGGER rule_changes_no_delete BEFORE DELETE ON rule_changes
    BEGIN SELECT RAISE(ABORT, 'the history of rules is append-only'); END;

-- Rules that were switched off one by one, taken over.
-- sqlite only
INSERT INTO rule_changes (at, actor, place, kind, subject, reason, before, after)
    SELECT max(at), 'watchfloor', 'new version', 'state', 'rules that were off', 'taken over from an older version', '{}',
        json_object('states', json_group_array(json_object(
            'selector', json_object('rule', rule), 'state', 'off', 'reason', reason, 'actor', actor,
            'at', strftime('%Y-%m-%dT%H:%M:%SZ', at / 1000000, 'unixepoch'))))
    FROM rules_off GROUP BY NULL;
DROP TABLE rules_off;
