//! Which numbered records are missing.

use crate::gaps::{self, KEY_PREFIX};
use crate::model::desk::Problem;
use crate::model::gap::GapReport;
use crate::service::Workbench;
use crate::service::problem::not_done;
use crate::stdx::time::Timestamp;

impl Workbench {
    /// Every numbered stream with what is missing, as the last commit left it.
    pub async fn gaps(&self) -> Result<GapReport, Problem> {
        let rows = self.core.store.detection_rows_under(KEY_PREFIX).await;
        let rows = rows.map_err(|error| not_done(&error))?;
        let config = self.core.shared.snapshot().gaps_config;
        Ok(gaps::report_of(rows, &config, Timestamp::now()))
    }
}
