//! How fresh the desk's data is, and the totals of the conservation ledger.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::alert::{Alert, AlertId};
use crate::model::desk::StatusReport;
use crate::model::ledger::Ledger;
use crate::stdx::time::{SECOND_US, Timestamp};

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

    /// Wall time minus event time of the newest event, if known, microseconds. No report comes while nothing arrives, and
    /// the lag grows all the same: by whole seconds, so that a key redraws it no more often than that.
    pub fn lag_us(&self, now: Timestamp) -> Option<i64> {
        let report = self.status.as_ref().filter(|report| report.lag_us >= 0)?;
        let since_s = now.micros_since(self.status_at).max(0) / SECOND_US;
        Some(report.lag_us.saturating_add(since_s.saturating_mul(SECOND_US)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lag_grows_while_no_report_comes() {
        let mut live = Live::default();
        assert_eq!(live.lag_us(Timestamp(5)), None);
        live.report(StatusReport { lag_us: 400_000, ..StatusReport::default() }, Timestamp(10));
        assert_eq!(live.lag_us(Timestamp(999_000)), Some(400_000));
        assert_eq!(live.lag_us(Timestamp(61_500_000)), Some(61_400_000));
        assert_eq!(live.lag_us(Timestamp(0)), Some(400_000), "a clock that was put back");
        live.report(StatusReport { lag_us: -1, ..StatusReport::default() }, Timestamp(10));
        assert_eq!(live.lag_us(Timestamp(61_500_000)), None, "no event yet");
    }
}
