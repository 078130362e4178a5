//! What is old enough to go.

use crate::model::desk::Problem;
use crate::model::retention::RetentionReport;
use crate::service::Workbench;
use crate::service::problem::not_done;
use crate::stdx::time::Timestamp;

impl Workbench {
    /// What a run of retention would take away now.
    pub async fn retention_plan(&self) -> Result<RetentionReport, Problem> {
        let config = self.core.shared.snapshot().retention_config;
        let plan = self.core.store.retention_plan(&config, Timestamp::now()).await;
        plan.map_err(|error| not_done(&error))
    }

    /// Take it away now.
    pub async fn retention_run(&self) -> Result<RetentionReport, Problem> {
        let config = self.core.shared.snapshot().retention_config;
        let done = self.core.store.retention_run(&config, self.by(), Timestamp::now()).await;
        done.map_err(|error| not_done(&error))
    }
}
