//! How fresh the desk's data is, and the totals of the conservation ledger.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::alert::{Alert, AlertId};
use crate::model::desk::StatusReport;
use crate::model::ledger::Ledger;
use crate::stdx::time::Timestamp;

/// The state of the connection to the workbench.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Link {
    /// Changes come in.
    #[default]
    Live,
    /// Nothing has been heard since then.
    Stale(Timestamp),
    /// The connection is gone since then, for that reason.
    Offline(Timestamp, String),
}

/// Freshness of the data.
#[derive(Debug, Default)]
pub struct Live {
    /// The connection.
    pub link: Link,
    /// The analyst froze the screen.
    pub frozen: bool,
    /// Changes that came in while frozen, newest per alert.
    pub held: HashMap<AlertId, Arc<Alert>>,
    /// When the list was last made.
    pub last_merge: Timestamp,
    status: Option<StatusReport>,
    status_at: Timestamp,
}

impl Live {
    /// Take in a status report.
    pub fn report(&mut self, report: StatusReport, now: Timestamp) {
        self.status = Some(report);
        self.status_at = now;
    }

    /// The last report, if one came.
    pub fn status(&self) -> Option<&StatusReport> {
        self.status.as_ref()
    }

    /// When it came.
    pub fn status_at(&self) -> Timestamp {
        self.status_at
    }

    /// The ledger over all sources.
    pub fn ledger(&self) -> Ledger {
        let mut total = Ledger::default();
        for source in self.status.iter().flat_map(|report| &report.sources) {
            total.add(&source.ledger);
        }
        total
    }

    /// Wall time minus event time of the newest event, if known, microseconds.
    pub fn lag_us(&self) -> Option<i64> {
        self.status.as_ref().map(|report| report.lag_us).filter(|lag| *lag >= 0)
    }
}
