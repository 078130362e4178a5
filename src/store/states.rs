//! Saved state of stages by the beginning of its keys.

use crate::store::{Store, StoreError, sql};

impl Store {
    /// State rows (key, value) whose keys begin with `prefix`, by key.
    pub async fn detection_rows_under(
        &self,
        prefix: &str,
    ) -> Result<Vec<(String, Vec<u8>)>, StoreError> {
        let text = "SELECT key, value FROM detection WHERE key >= $1 AND key < $2 ORDER BY key";
        let rows = sql::query(text)
            .bind(prefix)
            .bind(format!("{prefix}\u{10ffff}"))
            .fetch_all(&self.readers)
            .await
            .map_err(|source| StoreError::sql("read saved state", source))?;
        Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
    }
}
