//! The state of the whole program in one report.

use crate::model::desk::{EventStoreReport, NodeReport, Problem, StatusReport};
use crate::model::ledger::SourceLedger;
use crate::model::telemetry::Telemetry;
use crate::service::Workbench;
use crate::service::problem::not_done;
use crate::stdx::time::Timestamp;
use crate::store::EventStatus;

impl Workbench {
    /// The state of the program.
    pub async fn status(&self) -> Result<StatusReport, Problem> {
        let core = &self.core;
        let snapshot = core.shared.snapshot();
        let mut sources = if snapshot.sources.is_empty() {
            core.store.ledger().await.map_err(|error| not_done(&error))?
        } else {
            snapshot.sources.clone()
        };
        for (source, name, number) in core.shared.gauges() {
            if let Some(row) = sources.iter_mut().find(|row| row.name == source) {
                row.numbers.push((name.to_owned(), number));
                continue;
            }
            let numbers = vec![(name.to_owned(), number)];
            sources.push(SourceLedger { name: source, numbers, ..SourceLedger::default() });
        }
        for name in &snapshot.source_names {
            // One from which nothing ever came stands there too: that is what somebody looks for.
            if !sources.iter().any(|row| row.name == *name) {
                sources.push(SourceLedger { name: name.clone(), ..SourceLedger::default() });
            }
        }
        let counts = core.store.counts();
        let now = Timestamp::now();
        let newest = sources.iter().map(|source| source.newest_event_us).max().unwrap_or(0);
        let (off, dry_run) = core.muted.count(&snapshot.rules);
        let off = if snapshot.rules.is_empty() {
            // Without a pipeline: the decisions about single rules are what is known.
            core.store.rules_off().await.map_err(|error| not_done(&error))?.len()
        } else {
            off
        };
        let loaded = snapshot.rules.len().saturating_sub(off + dry_run);
        let mut problems: Vec<String> = core.store.warnings().to_vec();
        let event_store = core.store.event_store().status();
        problems.extend(event_store.index.iter().filter_map(|index| index.problem.clone()));
        for (_, text) in snapshot.problems.values() {
            if !problems.contains(text) {
                problems.push(text.clone());
            }
        }
        Ok(StatusReport {
            health: snapshot.health().to_owned(),
            problems,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started: core.shared.started(),
            now,
            sources,
            shapes: snapshot.shapes.clone(),
            queues: snapshot
                .queues
                .into_iter()
                .map(|(name, (depth, capacity))| (name, depth, capacity))
                .collect(),
            rules_loaded: loaded,
            rules_failed: snapshot.rules_failed,
            rules_off: off,
            rules_dry_run: dry_run,
            dry_run_findings: core.muted.dry_run().values().sum(),
            rules_reloads: snapshot.rules_reloads,
            signals_reloads: snapshot.signals_reloads,
            correlations: snapshot.correlations,
            upkeep: snapshot.upkeep.into_values().collect(),
            nodes: snapshot.nodes,
            alerts: counts.alerts,
            events: counts.events,
            store_bytes: counts.bytes,
            event_store: event_report(event_store),
            data_dir: core.store.dir().display().to_string(),
            // A clock ahead of ours is no negative lag.
            lag_us: if newest > 0 { (now.micros() - newest).max(0) } else { -1 },
        })
    }
}

impl Workbench {
    /// What the program measures about itself.
    pub async fn telemetry(&self) -> Result<Telemetry, Problem> {
        let status = self.status().await?;
        let snapshot = self.core.shared.snapshot();
        Ok(Telemetry {
            status,
            findings: snapshot.findings,
            findings_hidden: self.core.muted.hidden().values().sum(),
            noise: snapshot.noise,
            signals_failed: snapshot.signals_failed,
            signals: snapshot.signals,
        })
    }
}

/// The event store's own words as a report.
fn event_report(status: EventStatus) -> EventStoreReport {
    let mut numbers: Vec<(String, u64)> =
        status.numbers.into_iter().map(|(name, number)| (name.to_owned(), number)).collect();
    if let Some(index) = status.index {
        let own = [
            ("index_events", index.events),
            ("index_events_behind", index.events_behind),
            ("index_seconds_behind", index.seconds_behind),
        ];
        numbers.extend(own.map(|(name, number)| (name.to_owned(), number)));
    }
    numbers.sort();
    EventStoreReport { kind: status.kind, numbers }
}

/// Did anything move that a person would want to see? The lag grows by itself, and desks reckon that themselves.
pub(super) fn differs(one: &StatusReport, other: &StatusReport) -> bool {
    let still = |report: &StatusReport| StatusReport {
        now: Timestamp::default(),
        lag_us: 0,
        store_bytes: 0,
        shapes: Vec::new(),
        nodes: report.nodes.iter().map(without_clock).collect(),
        event_store: EventStoreReport::default(),
        ..report.clone()
    };
    still(one) != still(other)
}

fn without_clock(node: &NodeReport) -> NodeReport {
    let mut node = NodeReport { seen: Timestamp::default(), ..node.clone() };
    node.shards.iter_mut().for_each(|shard| shard.lag = 0);
    node
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_alone_is_no_news() {
        let report = StatusReport { alerts: 3, ..StatusReport::default() };
        let later = StatusReport { now: Timestamp(5), lag_us: 9, ..report.clone() };
        assert!(!differs(&report, &later));
        assert!(differs(&report, &StatusReport { alerts: 4, ..later }));
    }
}
