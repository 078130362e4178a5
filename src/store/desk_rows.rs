//! Small things that people leave in the store: rules switched off, and drafts of notes.

use sqlx::Row;

use crate::model::alert::AlertId;
use crate::stdx::time::Timestamp;
use crate::store::audit::{self, NewEntry};
use crate::store::verbs::{By, NOTE_BYTES_MAX};
use crate::store::{Store, StoreError, schema};

/// Bytes of a reason.
const REASON_BYTES_MAX: usize = 1 << 10;

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

impl Store {
    /// Rules that are switched off, by id.
    pub async fn rules_off(&self) -> Result<Vec<RuleOff>, StoreError> {
        let rows = sqlx::query("SELECT * FROM rules_off ORDER BY rule")
            .fetch_all(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read which rules are off", source))?;
        let rules = rows.iter().map(|row| RuleOff {
            rule: row.get("rule"),
            actor: row.get("actor"),
            reason: row.get("reason"),
            at: Timestamp(row.get("at")),
        });
        Ok(rules.collect())
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
        let text = reason.unwrap_or_default();
        if reason.is_some() && (text.trim().is_empty() || text.len() > REASON_BYTES_MAX) {
            let limit =
                format!("switching a rule off needs a reason of 1 to {REASON_BYTES_MAX} bytes");
            return Err(StoreError::Invalid(limit));
        }
        let sql = |source| StoreError::sql("switch a rule", source);
        let mut guard = self.hold().await?;
        let mut head = guard.head.clone();
        let detail = serde_json::json!({ "reason": text }).to_string();
        let entry = NewEntry {
            at: now,
            actor: by.actor,
            place: by.place,
            subject: "rule",
            subject_id: rule,
            action: if reason.is_some() { "rule_off" } else { "rule_on" },
            detail: &detail,
        };
        let connection = &mut guard.sql;
        schema::begin(connection).await?;
        guard.unsure = true;
        let connection = &mut guard.sql;
        let outcome = async {
            let query = match reason {
                Some(reason) => sqlx::query(
                    "INSERT OR IGNORE INTO rules_off (rule, actor, reason, at) VALUES (?, ?, ?, ?)",
                )
                .bind(rule)
                .bind(by.actor)
                .bind(reason)
                .bind(now.0),
                None => sqlx::query("DELETE FROM rules_off WHERE rule = ?").bind(rule),
            };
            let done = query.execute(&mut *connection).await.map_err(sql)?;
            let changed = done.rows_affected() > 0;
            if changed {
                audit::append(connection, &mut head, entry).await?;
            }
            Ok(changed)
        }
        .await;
        let ended = schema::end(connection, outcome).await;
        guard.unsure = false;
        let changed = ended?;
        guard.head = head;
        Ok(changed)
    }

    /// The draft that `actor` left on an alert.
    pub async fn draft(&self, actor: &str, alert: AlertId) -> Result<Option<String>, StoreError> {
        sqlx::query_scalar("SELECT text FROM drafts WHERE actor = ? AND alert = ?")
            .bind(actor)
            .bind(alert.as_bytes().as_slice())
            .fetch_optional(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read the draft", source))
    }

    /// Keep a draft, or forget it (`None` or empty).
    pub async fn save_draft(
        &self,
        actor: &str,
        alert: AlertId,
        text: Option<&str>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let text = text.unwrap_or_default();
        if text.len() > NOTE_BYTES_MAX {
            let limit = format!("a draft may have at most {NOTE_BYTES_MAX} bytes");
            return Err(StoreError::Invalid(limit));
        }
        if self.alert(&alert, actor).is_none() {
            return Err(StoreError::NoAlert(alert));
        }
        let mut guard = self.hold().await?;
        let query = if text.is_empty() {
            sqlx::query("DELETE FROM drafts WHERE actor = ? AND alert = ?")
                .bind(actor)
                .bind(alert.as_bytes().as_slice())
        } else {
            sqlx::query(
                "INSERT OR REPLACE INTO drafts (actor, alert, text, at) VALUES (?, ?, ?, ?)",
            )
            .bind(actor)
            .bind(alert.as_bytes().as_slice())
            .bind(text)
            .bind(now.0)
        };
        let done = query.execute(&mut guard.sql).await;
        done.map(|_| ()).map_err(|source| StoreError::sql("keep the draft", source))
    }
}
