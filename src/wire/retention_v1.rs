//! What goes, or went, as JSON.

use serde::{Deserialize, Serialize};

use crate::model::retention;
use crate::wire::problem_v1::{WireError, time};

/// A plan or what was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Retention {
    /// Segments of events.
    pub segments: Vec<Segment>,
    /// Evidence of open alerts in them, copied on.
    pub events_carried: u64,
    /// Rejected records.
    pub rejects: u64,
    /// Endpoints.
    pub endpoints: u64,
    /// Closed alerts.
    pub closed_alerts: u64,
    /// Why segments stay this time.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub postponed: String,
    /// What went wrong with the rest.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub problem: String,
    /// Events that stay.
    pub events_left: u64,
    /// Bytes of segments that stay.
    pub bytes_left: u64,
    /// Per cent of the disk in use.
    pub disk_used: u64,
}

/// One segment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Its number.
    pub number: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Events in it.
    pub events: u64,
    /// When it was last written or its newest event happened.
    pub newest: String,
    /// `age`, `size` or `disk`.
    pub why: String,
    /// Only these go, and the numbers are theirs; absent: all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub only: Vec<Share>,
}

/// Events of a tenant and kind.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Share {
    /// `organization.id`.
    pub tenant: String,
    /// `event` or `inference`.
    pub kind: String,
}

impl From<&retention::RetentionReport> for Retention {
    fn from(report: &retention::RetentionReport) -> Retention {
        let share = |one: &retention::Share| Share {
            tenant: one.tenant.clone(),
            kind: one.kind.as_str().to_owned(),
        };
        let segment = |one: &retention::SegmentGone| Segment {
            number: one.number,
            bytes: one.bytes,
            events: one.events,
            newest: one.newest.to_string(),
            why: one.why.clone(),
            only: one.only.iter().map(share).collect(),
        };
        Retention {
            segments: report.segments.iter().map(segment).collect(),
            events_carried: report.events_carried,
            rejects: report.rejects,
            endpoints: report.endpoints,
            closed_alerts: report.alerts,
            postponed: report.postponed.clone(),
            problem: report.problem.clone(),
            events_left: report.events_left,
            bytes_left: report.bytes_left,
            disk_used: report.disk_used,
        }
    }
}

impl TryFrom<Retention> for retention::RetentionReport {
    type Error = WireError;

    fn try_from(wire: Retention) -> Result<retention::RetentionReport, WireError> {
        let share = |one: Share| {
            let kind = retention::EventKind::parse(&one.kind);
            let kind = kind.ok_or_else(|| WireError::new("kind", &one.kind))?;
            Ok::<_, WireError>(retention::Share { tenant: one.tenant, kind })
        };
        let segment = |one: Segment| {
            Ok::<_, WireError>(retention::SegmentGone {
                number: one.number,
                bytes: one.bytes,
                events: one.events,
                newest: time("newest", &one.newest)?,
                why: one.why,
                only: one.only.into_iter().map(share).collect::<Result<_, _>>()?,
            })
        };
        Ok(retention::RetentionReport {
            segments: wire.segments.into_iter().map(segment).collect::<Result<_, _>>()?,
            events_carried: wire.events_carried,
            rejects: wire.rejects,
            endpoints: wire.endpoints,
            alerts: wire.closed_alerts,
            postponed: wire.postponed,
            problem: wire.problem,
            events_left: wire.events_left,
            bytes_left: wire.bytes_left,
            disk_used: wire.disk_used,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_goes_is_read_and_written_without_loss() {
        let golden = json!({
            "segments": [{"number": 4, "bytes": 9, "events": 3, "newest": "2026-08-22T08:08:48.613002Z", "why": "age",
                "only": [{"tenant": "acme", "kind": "inference"}]}],
            "events_carried": 1, "rejects": 2, "endpoints": 5, "closed_alerts": 6, "postponed": "x",
            "events_left": 7, "bytes_left": 8, "disk_used": 55,
        });
        let wire: Retention = serde_json::from_value(golden.clone()).unwrap();
        let model = retention::RetentionReport::try_from(wire).unwrap();
        assert_eq!(serde_json::to_value(Retention::from(&model)).unwrap(), golden);
    }
}
