//! What people do to alerts. An action waits as a durable row until its deadline, seen by its actor
//! only; then it is carried out for all, with its audit entries, in one transaction.

use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::model::alert::{Action, Alert, AlertId, Pending};
use crate::model::desk::Acted;
use crate::model::lifecycle;
use crate::stdx::time::{Timestamp, micros};
use crate::store::audit::{self, ChainHead, NewEntry};
use crate::store::board::BoardRow;
use crate::store::rows::{put_alerts, signed, unsigned};
use crate::store::sql::{self, Connection};
use crate::store::{Store, StoreError, Writer};
use crate::wire::stored_v1::{self, HumanSide};

/// Bytes of a note.
pub const NOTE_BYTES_MAX: usize = 32 << 10;
/// Alerts of one action.
pub const ACTION_ALERTS_MAX: usize = 10_000;
/// Bytes of an actor's, owner's or place's name.
const NAME_BYTES_MAX: usize = 256;
/// Actions waiting for their deadline, of all actors together.
const PENDING_MAX: usize = 10_000;
/// Applied actions of one actor that can still be taken back.
const APPLIED_KEPT: i64 = 100;

/// Who does something, and from where.
#[derive(Clone, Copy, Debug)]
pub struct By<'a> {
    /// A user name.
    pub actor: &'a str,
    /// `local pid 123`, `socket uid 1000`, …
    pub place: &'a str,
}

/// An action that was asked for.
struct Asked<'a> {
    ids: &'a [(AlertId, Option<u64>)],
    action: &'a Action,
    by: By<'a>,
    now: Timestamp,
}

/// Changes that a transaction has written and the board has not taken in yet.
pub(super) struct Work {
    pub(super) head: ChainHead,
    pub(super) rows: Vec<BoardRow>,
    pub(super) done: Vec<u64>,
}

impl Store {
    /// Ask for an action on alerts, each with the revision the actor saw (`None`: whatever it is).
    /// Alerts that somebody else changed since are left alone and reported.
    pub async fn act(
        &self,
        ids: &[(AlertId, Option<u64>)],
        action: Action,
        by: By<'_>,
        now: Timestamp,
    ) -> Result<Acted, StoreError> {
        check_request(ids, &action, by)?;
        let mut guard = self.hold().await?;
        let writer = &mut *guard;
        sql::begin(&mut writer.sql).await?;
        writer.unsure = true;
        let asked = Asked { ids, action: &action, by, now };
        let outcome = self.keep_action(writer, asked).await;
        let ended = sql::end(&mut writer.sql, outcome).await;
        self.settled(writer, ended.is_ok());
        let (pending, change, conflicts) = ended?;
        self.shared_until(writer, change);
        let (id, deadline, alerts) = (pending.id, pending.deadline, pending.alerts.len());
        if alerts > 0 {
            self.board.write().add_pending(pending);
        }
        Ok(Acted { pending_id: id, deadline, alerts, conflicts })
    }

    /// Keep an action, in a transaction: with the alerts that may be changed, the change and the conflicts.
    async fn keep_action(
        &self,
        writer: &mut Writer,
        asked: Asked<'_>,
    ) -> Result<(Pending, i64, Seen), StoreError> {
        let Asked { ids, action, by, now } = asked;
        let change = self.share(writer).await?;
        let (alerts, conflicts) = self.sort_out(ids, by.actor)?;
        let mut pending = Pending {
            id: 0,
            actor: by.actor.to_owned(),
            place: by.place.to_owned(),
            alerts,
            action: action.clone(),
            at: now,
            deadline: now.plus_micros(micros(self.alert_config.undo)),
        };
        if pending.alerts.is_empty() {
            return Ok((pending, change, conflicts));
        }
        if self.board.read().pending().len() >= PENDING_MAX {
            return Err(StoreError::Invalid(
                "too many actions are waiting: try again later".into(),
            ));
        }
        let id: i64 = sql::scalar(
            "INSERT INTO pending (actor, place, alerts, action, at, deadline)
             VALUES ($1, $2, $3, $4, $5, $6) RETURNING id",
        )
        .bind(by.actor)
        .bind(by.place)
        .bind(stored_v1::write_ids(&pending.alerts))
        .bind(stored_v1::write_action(action))
        .bind(now.0)
        .bind(pending.deadline.0)
        .fetch_one(&mut writer.sql)
        .await
        .map_err(|source| StoreError::sql("keep the action", source))?;
        pending.id = unsigned(id);
        Ok((pending, change, conflicts))
    }

    /// A transaction of a verb has ended. Where it failed with its connection, its end is not known.
    pub(super) fn settled(&self, writer: &mut Writer, well: bool) {
        writer.unsure = !well && writer.sql.is_lost();
    }

    /// Alerts that may be changed, and those that changed under the actor's eyes.
    fn sort_out(
        &self,
        ids: &[(AlertId, Option<u64>)],
        actor: &str,
    ) -> Result<(Vec<AlertId>, Seen), StoreError> {
        let board = self.board.read();
        let (mut alerts, mut conflicts) = (Vec::new(), Vec::new());
        for (id, seen) in ids {
            let row = board.get(id).ok_or(StoreError::NoAlert(*id))?;
            // Repeats move the revision all the time; only a person's change makes a conflict.
            let changed = seen.is_some_and(|seen| row.touched_revision > seen);
            if changed && &*row.touched_actor != actor {
                conflicts.push((*id, row.alert.revision));
            } else if !alerts.contains(id) {
                alerts.push(*id);
            }
        }
        Ok((alerts, conflicts))
    }

    /// When the next action falls due.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.board.read().pending().iter().map(|pending| pending.deadline).min()
    }

    /// Carry out every action whose deadline has passed. Returns the alerts that changed.
    pub async fn apply_due(&self, now: Timestamp) -> Result<Vec<Arc<Alert>>, StoreError> {
        self.apply_where(now, |pending| pending.deadline <= now).await
    }

    /// Carry out the actions of `actor` now, without waiting for the deadline (scripts do not undo).
    pub async fn apply_now(
        &self,
        actor: &str,
        now: Timestamp,
    ) -> Result<Vec<Arc<Alert>>, StoreError> {
        self.apply_where(now, |pending| pending.actor == actor).await
    }

    async fn apply_where(
        &self,
        now: Timestamp,
        due: impl Fn(&Pending) -> bool + Sync,
    ) -> Result<Vec<Arc<Alert>>, StoreError> {
        if !self.board.read().pending().iter().any(&due) {
            return Ok(Vec::new());
        }
        let mut guard = self.hold().await?;
        let writer = &mut *guard;
        sql::begin(&mut writer.sql).await?;
        writer.unsure = true;
        let outcome = self.apply_all(writer, now, &due).await;
        let ended = sql::end(&mut writer.sql, outcome).await;
        self.settled(writer, ended.is_ok());
        let (work, change) = ended?;
        self.shared_until(writer, change);
        writer.head = work.head;
        Ok(self.take_in(work.rows, &work.done))
    }

    async fn apply_all(
        &self,
        writer: &mut Writer,
        now: Timestamp,
        due: &(impl Fn(&Pending) -> bool + Sync),
    ) -> Result<(Work, i64), StoreError> {
        let change = self.share(writer).await?;
        let mut actions: Vec<Pending> =
            self.board.read().pending().iter().filter(|pending| due(pending)).cloned().collect();
        actions.sort_by_key(|pending| (pending.deadline, pending.id));
        let mut work = Work { head: writer.head.clone(), rows: Vec::new(), done: Vec::new() };
        for pending in &actions {
            self.apply_one(&mut writer.sql, pending, now, &mut work).await?;
        }
        Ok((work, change))
    }

    async fn apply_one(
        &self,
        sql: &mut Connection,
        pending: &Pending,
        now: Timestamp,
        work: &mut Work,
    ) -> Result<(), StoreError> {
        work.done.push(pending.id);
        let gone = sql::query("DELETE FROM pending WHERE id = $1")
            .bind(signed(pending.id))
            .execute(&mut *sql)
            .await
            .map_err(|source| StoreError::sql("carry out an action", source))?;
        if gone.rows == 0 {
            // Another node was faster, or it was taken back there.
            return Ok(());
        }
        let by = By { actor: &pending.actor, place: &pending.place };
        let mut before: Vec<HumanSide> = Vec::new();
        for id in &pending.alerts {
            let Some(old) = self.current(id, work) else { continue };
            let mut alert = Alert::clone(&old);
            lifecycle::apply(&mut alert, &pending.action, &pending.actor, now);
            let detail = describe(&pending.action, &old, &alert).to_string();
            let kind = pending.action.kind();
            // The entry says when it was asked for: that is when the person decided.
            write_entry(sql, &mut work.head, by, pending.at, id, kind, &detail).await?;
            before.push(HumanSide::of(&old));
            keep(sql, work, alert, by.actor).await?;
        }
        keep_applied(sql, pending, &before).await
    }

    /// An alert as this transaction has left it.
    pub(super) fn current(&self, id: &AlertId, work: &Work) -> Option<Arc<Alert>> {
        let mine = work.rows.iter().rev().find(|row| row.alert.id == *id);
        mine.map(|row| Arc::clone(&row.alert))
            .or_else(|| self.board.read().get(id).map(|row| Arc::clone(&row.alert)))
    }

    pub(super) fn take_in(&self, rows: Vec<BoardRow>, done: &[u64]) -> Vec<Arc<Alert>> {
        let mut board = self.board.write();
        board.remove_pending(done);
        let changed = rows.iter().map(|row| Arc::clone(&row.alert)).collect();
        rows.into_iter().for_each(|row| board.put(row));
        changed
    }
}

/// Write a changed alert and remember it for the board.
pub(super) async fn keep(
    sql: &mut Connection,
    work: &mut Work,
    alert: Alert,
    actor: &str,
) -> Result<(), StoreError> {
    let row = BoardRow {
        touched_revision: alert.revision,
        touched_actor: actor.into(),
        alert: Arc::new(alert),
    };
    put_alerts(sql, std::slice::from_ref(&row)).await?;
    work.rows.push(row);
    Ok(())
}

pub(super) async fn write_entry(
    sql: &mut Connection,
    head: &mut ChainHead,
    by: By<'_>,
    at: Timestamp,
    alert: &AlertId,
    action: &str,
    detail: &str,
) -> Result<(), StoreError> {
    let subject_id = alert.to_string();
    let entry = NewEntry {
        at,
        actor: by.actor,
        place: by.place,
        subject: "alert",
        subject_id: &subject_id,
        action,
        detail,
    };
    audit::append(sql, head, entry).await
}

/// Keep what an applied action replaced, and forget the actor's oldest.
async fn keep_applied(
    sql: &mut Connection,
    pending: &Pending,
    before: &[HumanSide],
) -> Result<(), StoreError> {
    sql::query("INSERT INTO applied (id, actor, action, at, before) VALUES ($1, $2, $3, $4, $5)")
        .bind(signed(pending.id))
        .bind(pending.actor.as_str())
        .bind(stored_v1::write_action(&pending.action))
        .bind(pending.at.0)
        .bind(stored_v1::write_human(before))
        .execute(&mut *sql)
        .await
        .map_err(|source| StoreError::sql("keep the way back", source))?;
    sql::query(
        "DELETE FROM applied WHERE actor = $1 AND id NOT IN
           (SELECT id FROM applied WHERE actor = $1 ORDER BY id DESC LIMIT $2)",
    )
    .bind(pending.actor.as_str())
    .bind(APPLIED_KEPT)
    .execute(&mut *sql)
    .await
    .map_err(|source| StoreError::sql("keep the way back", source))?;
    Ok(())
}

/// Alerts with a revision.
type Seen = Vec<(AlertId, u64)>;

/// Every action that waits, as the database has it.
pub(crate) async fn read_pending(sql: &mut Connection) -> Result<Vec<Pending>, StoreError> {
    let rows = sql::query("SELECT * FROM pending ORDER BY id")
        .fetch_all(sql)
        .await
        .map_err(|source| StoreError::sql("read waiting actions", source))?;
    rows.iter()
        .map(|row| {
            Ok(Pending {
                id: unsigned(row.get("id")),
                actor: row.get("actor"),
                place: row.get("place"),
                alerts: stored_v1::read_ids(row.get("alerts")).map_err(StoreError::Row)?,
                action: stored_v1::read_action(row.get("action")).map_err(StoreError::Row)?,
                at: Timestamp(row.get("at")),
                deadline: Timestamp(row.get("deadline")),
            })
        })
        .collect()
}

/// The body of an audit entry: the action, and the old and new value of what it changed.
pub(super) fn describe(action: &Action, old: &Alert, new: &Alert) -> Json {
    let mut detail = match action {
        Action::Note(note) => json!({ "note": note }),
        Action::Verdict(verdict) => json!({
            "reasons": verdict.reasons, "confidence": verdict.confidence.as_str(),
            "note": verdict.note,
        }),
        Action::Status(_) | Action::ClearVerdict | Action::Assign(_) | Action::Snooze(_) => {
            json!({})
        }
    };
    let kind = |alert: &Alert| alert.verdict.as_ref().map(|verdict| verdict.kind.as_str());
    let snoozed = |alert: &Alert| alert.snoozed_until.map(|at| at.to_string());
    let changes = [
        ("status", Json::from(old.status.as_str()), Json::from(new.status.as_str())),
        ("verdict", Json::from(kind(old)), Json::from(kind(new))),
        ("assignee", Json::from(old.assignee.clone()), Json::from(new.assignee.clone())),
        ("snoozed_until", Json::from(snoozed(old)), Json::from(snoozed(new))),
    ];
    if let Some(fields) = detail.as_object_mut() {
        for (name, before, after) in changes {
            if before != after {
                fields.insert(name.to_owned(), json!({ "from": before, "to": after }));
            }
        }
    }
    detail
}

fn check_request(
    ids: &[(AlertId, Option<u64>)],
    action: &Action,
    by: By<'_>,
) -> Result<(), StoreError> {
    let invalid = |text: String| Err(StoreError::Invalid(text));
    if ids.is_empty() {
        return invalid("no alert was named".to_owned());
    }
    if ids.len() > ACTION_ALERTS_MAX {
        return invalid(format!("one action may change at most {ACTION_ALERTS_MAX} alerts"));
    }
    let owner = match action {
        Action::Assign(Some(who)) => who.as_str(),
        _ => "",
    };
    if by.actor.is_empty() || [by.actor, by.place, owner].iter().any(|t| t.len() > NAME_BYTES_MAX) {
        return invalid(format!("a name must be there and have at most {NAME_BYTES_MAX} bytes"));
    }
    let (note, reasons) = match action {
        Action::Note(note) => (note.as_str(), 0),
        Action::Verdict(verdict) => (verdict.note.as_str(), verdict.reasons.len()),
        _ => ("", 0),
    };
    if note.len() > NOTE_BYTES_MAX {
        return invalid(format!("a note may have at most {NOTE_BYTES_MAX} bytes"));
    }
    if matches!(action, Action::Note(text) if text.trim().is_empty()) {
        return invalid("the note is empty".to_owned());
    }
    if reasons > 16 {
        return invalid("a verdict may have at most 16 reason codes".to_owned());
    }
    Ok(())
}
