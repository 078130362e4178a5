//! What people decided about rules, and every change of it: rows that are only added.

use crate::model::noise::Release;
use crate::model::rule_life::{
    PACKS_MAX, REASON_BYTES_MAX, RuleBook, RuleChange, RuleState, STATES_MAX, Selector, StateRow,
};
use crate::stdx::time::Timestamp;
use crate::store::audit::{self, NewEntry};
use crate::store::rows::{signed, unsigned};
use crate::store::sql::{self, Connection, Row};
use crate::store::verbs::By;
use crate::store::{Store, StoreError, chain};
use crate::wire::rules_v1::{BadBook, read_book, write_book};

/// The kind of a change that lets a parked rule go on.
pub(crate) const RELEASE: &str = "release";

/// A rule that somebody switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleOff {
    /// The rule's id.
    pub rule: String,
    /// Who did it.
    pub actor: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// What is said about a change.
#[derive(Clone, Copy, Debug)]
pub struct Said<'a> {
    /// `state`, `import`, `upgrade`, `resolve`, `remove` or `rollback`.
    pub kind: &'a str,
    /// What is changed, for a person.
    pub subject: &'a str,
    /// Why.
    pub reason: &'a str,
}

impl Store {
    /// The book as the last change left it.
    pub async fn rule_book(&self) -> Result<RuleBook, StoreError> {
        let row = sql::query("SELECT after FROM rule_changes ORDER BY id DESC LIMIT 1")
            .fetch_optional(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read the book of rules", source))?;
        row.map_or_else(|| Ok(RuleBook::default()), |row| book(row.get("after")))
    }

    /// Changes of rules behind one that is known: the newest, and the releases among them, oldest first.
    pub async fn rule_news(&self, known: u64) -> Result<(u64, Vec<Release>), StoreError> {
        let text = "SELECT id, kind, actor, subject FROM rule_changes WHERE id > $1 ORDER BY id";
        let rows = sql::query(text)
            .bind(signed(known))
            .fetch_all(&self.readers)
            .await
            .map_err(|source| StoreError::sql("say what is new about rules", source))?;
        let newest = rows.last().map_or(known, |row| unsigned(row.get("id")));
        let releases = rows.iter().filter(|row| row.get::<&str>("kind") == RELEASE);
        let releases = releases.map(|row| Release {
            change: unsigned(row.get("id")),
            rule: row.get("subject"),
            actor: row.get("actor"),
        });
        Ok((newest, releases.collect()))
    }

    /// The newest changes, newest first.
    pub async fn rule_changes(&self, limit: usize) -> Result<Vec<RuleChange>, StoreError> {
        let rows = sql::query("SELECT * FROM rule_changes ORDER BY id DESC LIMIT $1")
            .bind(i64::try_from(limit).unwrap_or(i64::MAX))
            .fetch_all(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read the history of rules", source))?;
        rows.iter().map(change_of).collect()
    }

    /// One change.
    pub async fn rule_change(&self, id: u64) -> Result<Option<RuleChange>, StoreError> {
        let row = sql::query("SELECT * FROM rule_changes WHERE id = $1")
            .bind(signed(id))
            .fetch_optional(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read the history of rules", source))?;
        row.as_ref().map(change_of).transpose()
    }

    /// Change the book in one transaction with its row of history and an audit entry. `change` gets the book as it is
    /// and says whether it changed anything. `None`: it was that way already.
    pub async fn change_rules(
        &self,
        said: Said<'_>,
        by: By<'_>,
        now: Timestamp,
        change: impl FnOnce(&mut RuleBook) -> bool + Send,
    ) -> Result<Option<RuleChange>, StoreError> {
        let mut guard = self.hold().await?;
        let writer = &mut *guard;
        let mut head = writer.head.clone();
        sql::begin(&mut writer.sql).await?;
        writer.unsure = true;
        let sql = &mut writer.sql;
        let outcome = async {
            // One node after the other, so that none changes a book it has not seen.
            chain::take_head(sql, &mut head).await?;
            let before = newest(sql).await?;
            let mut after = before.clone();
            if !change(&mut after) {
                return Ok(None);
            }
            check(said, &after)?;
            let id = insert(sql, said, by, now, &before, &after).await?;
            let (subject, subject_id, action) = audited(said, &before, &after);
            let reason = said.reason;
            let detail = serde_json::json!({ "reason": reason, "change": id }).to_string();
            let entry = NewEntry {
                at: now,
                actor: by.actor,
                place: by.place,
                subject,
                subject_id: &subject_id,
                action: &action,
                detail: &detail,
            };
            audit::append(sql, &mut head, entry).await?;
            Ok(Some(RuleChange {
                id,
                at: now,
                actor: by.actor.to_owned(),
                place: by.place.to_owned(),
                kind: said.kind.to_owned(),
                subject: said.subject.to_owned(),
                reason: reason.to_owned(),
                before,
                after,
            }))
        }
        .await;
        let ended = sql::end(sql, outcome).await;
        writer.unsure = ended.is_err() && writer.sql.is_lost();
        let done = ended?;
        if done.is_some() {
            writer.head = head;
        }
        Ok(done)
    }

    /// Rules that are switched off one by one, by id.
    pub async fn rules_off(&self) -> Result<Vec<RuleOff>, StoreError> {
        let book = self.rule_book().await?;
        let mut off: Vec<RuleOff> = book.states.into_iter().filter_map(off_of).collect();
        off.sort_by(|one, other| one.rule.cmp(&other.rule));
        Ok(off)
    }

    /// Switch a rule off (with the reason) or on again (`None`), with an audit entry. `false`: it was
    /// that way already.
    pub async fn set_rule_off(
        &self,
        rule: &str,
        reason: Option<&str>,
        by: By<'_>,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        let selector = Selector::of_rule(rule);
        let row = reason.map(|reason| StateRow {
            selector: selector.clone(),
            state: RuleState::Off,
            reason: reason.to_owned(),
            actor: by.actor.to_owned(),
            at: now,
        });
        if reason.is_some_and(|reason| !is_reason(reason)) {
            let limit =
                format!("switching a rule off needs a reason of 1 to {REASON_BYTES_MAX} bytes");
            return Err(StoreError::Invalid(limit));
        }
        let subject = selector.to_string();
        let said = Said {
            kind: "state",
            subject: &subject,
            reason: reason.unwrap_or("switched on again"),
        };
        let done = self.change_rules(said, by, now, |book| book.put_state(&selector, row)).await?;
        Ok(done.is_some())
    }
}

fn off_of(row: StateRow) -> Option<RuleOff> {
    let plain = row.selector == Selector::of_rule(row.selector.rule.as_deref()?);
    let StateRow { selector, state, reason, actor, at } = row;
    let rule = selector.rule.filter(|_| plain && state == RuleState::Off)?;
    Some(RuleOff { rule, actor, reason, at })
}

fn is_reason(reason: &str) -> bool {
    !reason.trim().is_empty() && reason.len() <= REASON_BYTES_MAX
}

fn check(said: Said<'_>, after: &RuleBook) -> Result<(), StoreError> {
    if !is_reason(said.reason) {
        let text = format!("a change of rules needs a reason of 1 to {REASON_BYTES_MAX} bytes");
        return Err(StoreError::Invalid(text));
    }
    if after.states.len() > STATES_MAX {
        let text = format!(
            "there are {STATES_MAX} decisions about rules, which is the most: take some back with `watchfloor rules enable --forget`"
        );
        return Err(StoreError::Invalid(text));
    }
    if after.packs.len() > PACKS_MAX {
        return Err(StoreError::Invalid(format!("more than {PACKS_MAX} packs cannot be in use")));
    }
    Ok(())
}

/// Subject, its id and the action for the audit log. One rule that goes off or on keeps the words it always had.
fn audited(said: Said<'_>, before: &RuleBook, after: &RuleBook) -> (&'static str, String, String) {
    let plain = |book: &RuleBook| -> Vec<String> {
        book.states.iter().cloned().filter_map(off_of).map(|off| off.rule).collect()
    };
    if said.kind == "state" {
        let (old, new) = (plain(before), plain(after));
        if let Some(rule) = new.iter().find(|rule| !old.contains(rule)) {
            return ("rule", rule.clone(), "rule_off".to_owned());
        }
        if let Some(rule) = old.iter().find(|rule| !new.contains(rule)) {
            return ("rule", rule.clone(), "rule_on".to_owned());
        }
    }
    ("rules", said.subject.to_owned(), format!("rules_{}", said.kind))
}

async fn newest(sql: &mut Connection) -> Result<RuleBook, StoreError> {
    let row = sql::query("SELECT after FROM rule_changes ORDER BY id DESC LIMIT 1")
        .fetch_optional(sql)
        .await
        .map_err(|source| StoreError::sql("read the book of rules", source))?;
    row.map_or_else(|| Ok(RuleBook::default()), |row| book(row.get("after")))
}

async fn insert(
    sql: &mut Connection,
    said: Said<'_>,
    by: By<'_>,
    now: Timestamp,
    before: &RuleBook,
    after: &RuleBook,
) -> Result<u64, StoreError> {
    let id: i64 = sql::scalar(
        "INSERT INTO rule_changes (at, actor, place, kind, subject, reason, before, after)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id",
    )
    .bind(now.0)
    .bind(by.actor)
    .bind(by.place)
    .bind(said.kind)
    .bind(said.subject)
    .bind(said.reason)
    .bind(write_book(before))
    .bind(write_book(after))
    .fetch_one(sql)
    .await
    .map_err(|source| StoreError::sql("keep a change of rules", source))?;
    Ok(unsigned(id))
}

fn book(text: &str) -> Result<RuleBook, StoreError> {
    read_book(text).map_err(|source: BadBook| StoreError::Book(source))
}

fn change_of(row: &Row) -> Result<RuleChange, StoreError> {
    Ok(RuleChange {
        id: unsigned(row.get("id")),
        at: Timestamp(row.get("at")),
        actor: row.get("actor"),
        place: row.get("place"),
        kind: row.get("kind"),
        subject: row.get("subject"),
        reason: row.get("reason"),
        before: book(row.get("before"))?,
        after: book(row.get("after"))?,
    })
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Executor};

    use super::*;
    use crate::config::alert::AlertConfig;
    use crate::config::store::StoreConfig;

    async fn open(dir: &Path) -> Store {
        Store::open(dir, &StoreConfig::default(), &AlertConfig::default()).await.unwrap()
    }

    #[tokio::test]
    async fn rules_that_were_off_in_an_older_store_stay_off() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("watchfloor.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let mut sql = options.connect().await.unwrap();
        sql.execute(sqlx::raw_sql(include_str!("migrations/0001_first.sql"))).await.unwrap();
        let rows =
            "INSERT INTO rules_off VALUES ('a \"1\"', 'ana', 'too ''loud''', 1795334400123456);
            PRAGMA user_version = 1";
        sql.execute(sqlx::raw_sql(rows)).await.unwrap();
        sqlx::Connection::close(sql).await.unwrap();
        let store = open(dir.path()).await;
        let off = store.rules_off().await.unwrap();
        assert_eq!((off[0].rule.as_str(), off[0].reason.as_str()), ("a \"1\"", "too 'loud'"));
        assert_eq!(off[0].at, Timestamp(1_795_334_400_000_000), "to the second");
        assert_eq!(store.rule_changes(10).await.unwrap().len(), 1);
    }

    #[tokio::test]
    async fn the_history_of_rules_is_only_added_to_and_needs_reasons() {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path()).await;
        assert!(store.rule_changes(10).await.unwrap().is_empty(), "a new store has no history");
        let by = By { actor: "ana", place: "here" };
        assert!(store.set_rule_off("r", Some("x"), by, Timestamp(1)).await.unwrap());
        let said = Said { kind: "rollback", subject: "s", reason: " " };
        let back = |book: &mut RuleBook| {
            *book = RuleBook::default();
            true
        };
        assert!(store.change_rules(said, by, Timestamp(2), back).await.is_err());
        assert_eq!(store.rules_off().await.unwrap().len(), 1, "a refused change changes nothing");
        let said = Said { reason: "why", ..said };
        let done = store.change_rules(said, by, Timestamp(2), back).await.unwrap().unwrap();
        assert_eq!((done.before.states.len(), done.after.states.len()), (1, 0));
        assert_eq!(store.rule_change(done.id).await.unwrap(), Some(done));
        for forbidden in ["UPDATE rule_changes SET actor = 'x'", "DELETE FROM rule_changes"] {
            let mut writer = store.writer.lock().await;
            let error = sql::query(forbidden).execute(&mut writer.sql).await.unwrap_err();
            assert!(error.to_string().contains("append-only"), "{error}");
        }
        assert_eq!(store.audit_verify().await.unwrap().broken, None);
    }
}
