//! `[retention]`: how long what is kept, and what goes first when the disk fills.

use std::time::Duration;

use crate::config::reader::Reader;

const DAY: u64 = 86_400;

/// Ages and sizes. A zero: for ever.
#[derive(Clone, Debug, PartialEq)]
pub struct RetentionConfig {
    /// Raw events.
    pub events: Duration,
    /// Bytes of raw events on disk.
    pub events_bytes_max: u64,
    /// Rejected records.
    pub rejects: Duration,
    /// Endpoints that nothing was heard of.
    pub endpoints: Duration,
    /// Closed alerts.
    pub closed_alerts: Duration,
    /// How often the daemon looks.
    pub every: Duration,
    /// Per cent of the disk in use at which it is told.
    pub disk_warn: u64,
    /// Per cent of the disk in use at which the oldest events go before their time.
    pub disk_drop: u64,
    /// Events that are younger stay, whatever the disk says.
    pub disk_keep: Duration,
}

impl Default for RetentionConfig {
    fn default() -> RetentionConfig {
        RetentionConfig {
            events: Duration::from_secs(90 * DAY),
            events_bytes_max: 0,
            rejects: Duration::from_secs(90 * DAY),
            endpoints: Duration::from_secs(365 * DAY),
            closed_alerts: Duration::ZERO,
            every: Duration::from_secs(600),
            disk_warn: 80,
            disk_drop: 90,
            disk_keep: Duration::from_secs(DAY),
        }
    }
}

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> RetentionConfig {
    let default = RetentionConfig::default();
    let events = reader.duration(
        "retention.events",
        default.events,
        "Events go this long after they were stored and happened; `0s`: never. Evidence of open alerts stays.",
    );
    let events_bytes_max = reader.size(
        "retention.events_bytes_max",
        default.events_bytes_max,
        "Bytes of events on disk; over it the oldest segments go. `0 B`: no limit.",
    );
    let rejects = reader.duration(
        "retention.rejects",
        default.rejects,
        "Rejected records go after this long; `0s`: never.",
    );
    let endpoints = reader.duration(
        "retention.endpoints",
        default.endpoints,
        "Endpoints go when nothing was heard of them for this long and none of their events is left; `0s`: never.",
    );
    let closed_alerts = reader.duration(
        "retention.closed_alerts",
        default.closed_alerts,
        "Closed alerts go this long after their last change; `0s`: never, which is the default. The audit log stays.",
    );
    let every = reader.duration("retention.every", default.every, "How often the daemon looks.");
    let disk_warn = reader.number(
        "retention.disk_warn",
        default.disk_warn,
        1,
        "Per cent of the disk in use at which there is a problem and an alert.",
    );
    let disk_drop = reader.number(
        "retention.disk_drop",
        default.disk_drop,
        1,
        "Per cent of the disk in use at which the oldest events go before their time; 100: they never do.",
    );
    if disk_warn > 100 || disk_drop > 100 {
        let hint = "write a number from 1 to 100".to_owned();
        reader.complain("retention.disk_drop", "more than 100 per cent".to_owned(), hint);
    }
    let disk_keep = reader.duration(
        "retention.disk_keep",
        default.disk_keep,
        "Events younger than this stay, however full the disk is.",
    );
    RetentionConfig {
        events,
        events_bytes_max,
        rejects,
        endpoints,
        closed_alerts,
        every,
        disk_warn,
        disk_drop,
        disk_keep,
    }
}
