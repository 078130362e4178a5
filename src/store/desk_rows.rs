//! Small things that people leave in the store: drafts of notes.

use crate::model::alert::AlertId;
use crate::stdx::time::Timestamp;
use crate::store::sql;
use crate::store::verbs::NOTE_BYTES_MAX;
use crate::store::{Store, StoreError};

impl Store {
    /// The draft that `actor` left on an alert.
    pub async fn draft(&self, actor: &str, alert: AlertId) -> Result<Option<String>, StoreError> {
        sql::scalar("SELECT text FROM drafts WHERE actor = $1 AND alert = $2")
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
            sql::query("DELETE FROM drafts WHERE actor = $1 AND alert = $2")
                .bind(actor)
                .bind(alert.as_bytes().as_slice())
        } else {
            sql::query(
                "INSERT INTO drafts (actor, alert, text, at) VALUES ($1, $2, $3, $4)
                 ON CONFLICT (actor, alert) DO UPDATE SET text = excluded.text, at = excluded.at",
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
