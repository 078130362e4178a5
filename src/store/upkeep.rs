//! What the program does to the store by itself, in the audit log.

use crate::stdx::time::Timestamp;
use crate::store::audit::{self, NewEntry};
use crate::store::{By, Store, StoreError, sql};

impl Store {
    /// Note something that was done to the store as a whole.
    pub async fn note_upkeep(
        &self,
        what: &str,
        action: &str,
        detail: &serde_json::Value,
        by: By<'_>,
        at: Timestamp,
    ) -> Result<(), StoreError> {
        let mut guard = self.hold().await?;
        let writer = &mut *guard;
        let mut head = writer.head.clone();
        let detail = detail.to_string();
        let entry = NewEntry {
            at,
            actor: by.actor,
            place: by.place,
            subject: "store",
            subject_id: what,
            action,
            detail: &detail,
        };
        sql::begin(&mut writer.sql).await?;
        writer.unsure = true;
        let outcome = audit::append(&mut writer.sql, &mut head, entry).await;
        sql::end(&mut writer.sql, outcome).await?;
        writer.head = head;
        writer.unsure = false;
        Ok(())
    }
}
