//! The state of the program and its endpoints as JSON. `watchfloor status --format json` prints this form.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::desk;
use crate::model::endpoint;
use crate::model::ledger;
use crate::model::severity::Severity;
use crate::model::shape::SourceShape;
use crate::wire::node_v1::Node;
use crate::wire::problem_v1::{WireError, time};
use crate::wire::shape_v1::Shape;

/// The state of the whole program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// `ok`, `degraded` or `unhealthy`.
    pub health: String,
    /// Why it is not ok.
    pub problems: Vec<String>,
    /// The program's version.
    pub version: String,
    /// When it started.
    pub started: String,
    /// Now, by its clock.
    pub now: String,
    /// A row a source.
    pub sources: Vec<Source>,
    /// What the records of each source look like.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub shapes: Vec<Shape>,
    /// Named queues.
    pub queues: Vec<Queue>,
    /// Rules that are on.
    pub rules_loaded: usize,
    /// Rules that did not compile.
    pub rules_failed: usize,
    /// Rules that are off everywhere.
    pub rules_off: usize,
    /// Rules whose findings are only counted.
    #[serde(default)]
    pub rules_dry_run: usize,
    /// Findings that were only counted, since the start.
    #[serde(default)]
    pub dry_run_findings: u64,
    /// How often another set of rules was taken up, since the start.
    #[serde(default)]
    pub rules_reloads: u64,
    /// The same of signals.
    #[serde(default)]
    pub signals_reloads: u64,
    /// What correlations hold and counted.
    #[serde(default)]
    pub correlations: Correlations,
    /// What goes on by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub upkeep: Vec<Upkeep>,
    /// Nodes that share the database; absent where it is not shared.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Node>,
    /// Alerts in the store.
    pub alerts: u64,
    /// Events in the store.
    pub events: u64,
    /// Bytes of the store on disk.
    pub store_bytes: u64,
    /// Where events are.
    #[serde(default)]
    pub event_store: EventStore,
    /// Where the store is.
    pub data_dir: String,
    /// Wall time minus the newest event's, microseconds; `null`: unknown.
    pub lag_us: Option<i64>,
}

/// Where events are, and how that is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct EventStore {
    /// `embedded`, or the server's product and version.
    pub kind: String,
    /// What it counts, by name.
    pub numbers: BTreeMap<String, u64>,
}

/// How something stands that goes on by itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Upkeep {
    /// `backup`, `retention`, `config`.
    pub topic: String,
    /// For a person.
    pub text: String,
    /// Named numbers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<String, i64>,
}

impl From<&desk::Upkeep> for Upkeep {
    fn from(upkeep: &desk::Upkeep) -> Upkeep {
        Upkeep {
            topic: upkeep.topic.clone(),
            text: upkeep.text.clone(),
            numbers: upkeep.numbers.iter().cloned().collect(),
        }
    }
}

impl From<Upkeep> for desk::Upkeep {
    fn from(wire: Upkeep) -> desk::Upkeep {
        let numbers = wire.numbers.into_iter().collect();
        desk::Upkeep { topic: wire.topic, text: wire.text, numbers }
    }
}

/// What correlations hold, and what they counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Correlations {
    /// Groups held.
    pub groups: usize,
    /// Groups there may be.
    pub groups_max: usize,
    /// Events that these groups hold.
    pub events: usize,
    /// Groups that made room for others before their time.
    pub groups_evicted: u64,
    /// Saved groups that could not be read, or belong to a rule that changed or is gone.
    pub groups_discarded: u64,
    /// Events that made room in a full group.
    pub events_dropped: u64,
    /// Events that were there already.
    pub duplicates: u64,
    /// Events that came more than two timespans after newer ones of their group.
    pub late: u64,
    /// Matches without a value for a group-by field.
    pub ungrouped: u64,
    /// Matches without a value, or without a number, for the field whose values count.
    pub valueless: u64,
}

/// One source's ledger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Its name.
    pub name: String,
    /// Records.
    pub received: u64,
    /// Of them stored.
    pub stored: u64,
    /// Of them kept as rejects.
    pub rejected: u64,
    /// Of them met before.
    pub duplicate: u64,
    /// Of them dropped by a named rule.
    pub shed: u64,
    /// Of them not yet decided.
    pub in_flight: u64,
    /// Events made of the stored records.
    pub events: u64,
    /// Event time of the newest event, microseconds; `null`: none.
    pub newest_event_us: Option<i64>,
    /// What the source says of itself, by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub numbers: BTreeMap<String, i64>,
}

/// One queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// Items waiting.
    pub depth: usize,
    /// The bound.
    pub capacity: usize,
}

/// One endpoint.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its name.
    #[serde(rename = "host.name")]
    pub host: String,
    /// `windows`, `linux` or empty.
    #[serde(rename = "host.os.type")]
    pub os: String,
    /// Events stored.
    pub events: u64,
    /// Event time of the first event.
    pub first_seen: String,
    /// Event time of the newest event.
    pub last_seen: String,
    /// Alerts that are not closed.
    pub alerts_open: u64,
    /// The worst of them.
    pub worst: Option<String>,
    /// What a model said last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack_prob: Option<f32>,
    /// The end of that window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scored: Option<String>,
    /// The highest of the day before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attack_prob_highest: Option<f32>,
}

impl From<desk::CorrelationReport> for Correlations {
    fn from(report: desk::CorrelationReport) -> Correlations {
        Correlations {
            groups: report.groups,
            groups_max: report.groups_max,
            events: report.events,
            groups_evicted: report.groups_evicted,
            groups_discarded: report.groups_discarded,
            events_dropped: report.events_dropped,
            duplicates: report.duplicates,
            late: report.late,
            ungrouped: report.ungrouped,
            valueless: report.valueless,
        }
    }
}

impl From<Correlations> for desk::CorrelationReport {
    fn from(wire: Correlations) -> desk::CorrelationReport {
        desk::CorrelationReport {
            groups: wire.groups,
            groups_max: wire.groups_max,
            events: wire.events,
            groups_evicted: wire.groups_evicted,
            groups_discarded: wire.groups_discarded,
            events_dropped: wire.events_dropped,
            duplicates: wire.duplicates,
            late: wire.late,
            ungrouped: wire.ungrouped,
            valueless: wire.valueless,
        }
    }
}

impl From<&desk::StatusReport> for Status {
    fn from(report: &desk::StatusReport) -> Status {
        Status {
            health: report.health.clone(),
            problems: report.problems.clone(),
            version: report.version.clone(),
            started: report.started.to_string(),
            now: report.now.to_string(),
            sources: report.sources.iter().map(Source::from).collect(),
            shapes: report.shapes.iter().map(Shape::from).collect(),
            queues: report
                .queues
                .iter()
                .map(|(name, depth, capacity)| Queue {
                    name: name.clone(),
                    depth: *depth,
                    capacity: *capacity,
                })
                .collect(),
            rules_loaded: report.rules_loaded,
            rules_failed: report.rules_failed,
            rules_off: report.rules_off,
            rules_dry_run: report.rules_dry_run,
            dry_run_findings: report.dry_run_findings,
            rules_reloads: report.rules_reloads,
            signals_reloads: report.signals_reloads,
            correlations: report.correlations.into(),
            upkeep: report.upkeep.iter().map(Upkeep::from).collect(),
            nodes: report.nodes.iter().map(Node::from).collect(),
            alerts: report.alerts,
            events: report.events,
            store_bytes: report.store_bytes,
            event_store: EventStore {
                kind: report.event_store.kind.clone(),
                numbers: report.event_store.numbers.iter().cloned().collect(),
            },
            data_dir: report.data_dir.clone(),
            lag_us: Some(report.lag_us).filter(|lag| *lag >= 0),
        }
    }
}

impl TryFrom<Status> for desk::StatusReport {
    type Error = WireError;

    fn try_from(wire: Status) -> Result<desk::StatusReport, WireError> {
        Ok(desk::StatusReport {
            health: wire.health,
            problems: wire.problems,
            version: wire.version,
            started: time("started", &wire.started)?,
            now: time("now", &wire.now)?,
            sources: wire.sources.into_iter().map(ledger::SourceLedger::from).collect(),
            shapes: wire.shapes.into_iter().map(SourceShape::from).collect(),
            queues: wire
                .queues
                .into_iter()
                .map(|queue| (queue.name, queue.depth, queue.capacity))
                .collect(),
            rules_loaded: wire.rules_loaded,
            rules_failed: wire.rules_failed,
            rules_off: wire.rules_off,
            rules_dry_run: wire.rules_dry_run,
            dry_run_findings: wire.dry_run_findings,
            rules_reloads: wire.rules_reloads,
            signals_reloads: wire.signals_reloads,
            correlations: wire.correlations.into(),
            upkeep: wire.upkeep.into_iter().map(desk::Upkeep::from).collect(),
            nodes: wire
                .nodes
                .into_iter()
                .map(desk::NodeReport::try_from)
                .collect::<Result<_, _>>()?,
            alerts: wire.alerts,
            events: wire.events,
            store_bytes: wire.store_bytes,
            event_store: desk::EventStoreReport {
                kind: wire.event_store.kind,
                numbers: wire.event_store.numbers.into_iter().collect(),
            },
            data_dir: wire.data_dir,
            lag_us: wire.lag_us.unwrap_or(-1),
        })
    }
}

impl From<&ledger::SourceLedger> for Source {
    fn from(source: &ledger::SourceLedger) -> Source {
        let ledger::Ledger { received, stored, rejected, duplicate, shed, in_flight, events } =
            source.ledger;
        Source {
            name: source.name.clone(),
            received,
            stored,
            rejected,
            duplicate,
            shed,
            in_flight,
            events,
            newest_event_us: Some(source.newest_event_us).filter(|newest| *newest != 0),
            numbers: source.numbers.iter().cloned().collect(),
        }
    }
}

impl From<Source> for ledger::SourceLedger {
    fn from(wire: Source) -> ledger::SourceLedger {
        ledger::SourceLedger {
            name: wire.name,
            ledger: ledger::Ledger {
                received: wire.received,
                stored: wire.stored,
                rejected: wire.rejected,
                duplicate: wire.duplicate,
                shed: wire.shed,
                in_flight: wire.in_flight,
                events: wire.events,
            },
            newest_event_us: wire.newest_event_us.unwrap_or(0),
            numbers: wire.numbers.into_iter().collect(),
        }
    }
}

impl From<&endpoint::Endpoint> for Endpoint {
    fn from(endpoint: &endpoint::Endpoint) -> Endpoint {
        Endpoint {
            host: endpoint.host.clone(),
            os: endpoint.os.clone(),
            events: endpoint.events,
            first_seen: endpoint.first_seen.to_string(),
            last_seen: endpoint.last_seen.to_string(),
            alerts_open: endpoint.alerts_open,
            worst: endpoint.worst.map(|worst| worst.as_str().to_owned()),
            attack_prob: endpoint.score,
            scored: endpoint.scored.map(|at| at.to_string()),
            attack_prob_highest: endpoint.highest,
        }
    }
}

impl TryFrom<Endpoint> for endpoint::Endpoint {
    type Error = WireError;

    fn try_from(wire: Endpoint) -> Result<endpoint::Endpoint, WireError> {
        let worst = wire.worst.map(|word| {
            Severity::parse(&word).ok_or_else(|| WireError::new("worst", word.as_str()))
        });
        Ok(endpoint::Endpoint {
            host: wire.host,
            os: wire.os,
            events: wire.events,
            first_seen: time("first_seen", &wire.first_seen)?,
            last_seen: time("last_seen", &wire.last_seen)?,
            alerts_open: wire.alerts_open,
            worst: worst.transpose()?,
            score: wire.attack_prob,
            scored: wire.scored.as_deref().map(|at| time("scored", at)).transpose()?,
            highest: wire.attack_prob_highest,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_status_is_read_and_written_without_loss() {
        let golden = json!({
            "health": "degraded", "problems": ["source auth: no such file"], "version": "0.1.0",
            "started": "2026-11-22T08:00:00.000000Z", "now": "2026-11-22T08:08:48.613002Z",
            "sources": [{"name": "auth", "received": 10, "stored": 7, "rejected": 1, "duplicate": 0, "shed": 0,
                "in_flight": 2, "events": 9, "newest_event_us": null}],
            "queues": [{"name": "batches", "depth": 1, "capacity": 2}],
            "rules_loaded": 45, "rules_failed": 1, "rules_off": 2, "rules_dry_run": 4, "dry_run_findings": 17, "rules_reloads": 3, "signals_reloads": 2,
            "correlations": {
                "groups": 5, "groups_max": 100, "events": 9, "groups_evicted": 1, "groups_discarded": 2,
                "events_dropped": 3, "duplicates": 4, "late": 6, "ungrouped": 7, "valueless": 8,
            },
            "upkeep": [{"topic": "backup", "text": "none yet", "numbers": {"kept": 0}}],
            "nodes": [{"id": "0123456789ab", "name": "east", "version": "0.1.0", "started": "2026-11-22T08:00:00.000000Z",
                "seen": "2026-11-22T08:08:47.000000Z", "here": true, "shards": [{"name": "web/access/0",
                    "taken": "2026-11-22T08:00:01.000000Z", "lag": 12}]}],
            "alerts": 3, "events": 9, "event_store": {"kind": "embedded", "numbers": {"index_events": 9}},
            "store_bytes": 4096, "data_dir": "/var/lib/watchfloor", "lag_us": null,
        });
        let wire: Status = serde_json::from_value(golden.clone()).unwrap();
        let model = desk::StatusReport::try_from(wire).unwrap();
        assert!(model.sources.iter().all(|source| source.ledger.balances()));
        assert_eq!(model.lag_us, -1);
        assert_eq!(serde_json::to_value(Status::from(&model)).unwrap(), golden);
    }

    #[test]
    fn an_endpoint_is_read_and_written_without_loss() {
        let golden = json!({
            "host.name": "web01", "host.os.type": "linux", "events": 5, "alerts_open": 1, "worst": "high",
            "first_seen": "2026-11-22T08:00:00.000000Z", "last_seen": "2026-11-22T08:08:48.613002Z",
        });
        let wire: Endpoint = serde_json::from_value(golden.clone()).unwrap();
        let model = endpoint::Endpoint::try_from(wire).unwrap();
        assert_eq!(serde_json::to_value(Endpoint::from(&model)).unwrap(), golden);
    }
}
