//! Saved state of stages by the beginning of its keys.

use crate::store::{Store, StoreError};

impl Store {
    /// State rows (key, value) whose keys begin with `prefix`, by key.
    pub async fn detection_rows_under(
        &self,
        prefix: &str,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        sqlx::query_as("SELECT key, value FROM detection WHERE key >= ? AND key < ? ORDER BY key")
            .bind(prefix)
            .bind(format!("{prefix}\u{10ffff}"))
            .fetch_all(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read saved state", source))
    }
}
