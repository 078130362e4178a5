//! `watchfloor status`: sources with their ledger, queues, stores, rules.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, open_desk};
use crate::model::desk::StatusReport;
use crate::model::shape::SourceShape;
use crate::wire::{node_v1, shape_v1, status_v1};

/// Nobody reads anything.
const STOPPED: &str = "stopped";
/// What is said of it.
const NOT_RUNNING: &str =
    "no daemon has this store: these are the numbers that it was left with (watchfloor serve)";

/// A node that was not seen for so long is said to be missing: it shows itself every five.
const NODE_MISSED_SECONDS: i64 = 20;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor status
  watchfloor status --format json | jq '.sources[]'

Exit code: 1 when the program is unhealthy, and when none runs (\"stopped\").")]
pub(crate) struct Arguments {
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let opened = open_desk::open(common)?;
    let mut status = opened.wait(opened.desk.status())?;
    if opened.is_store_alone() {
        STOPPED.clone_into(&mut status.health);
        status.problems.insert(0, NOT_RUNNING.to_owned());
    }
    opened.close();
    let mut out = output::stdout();
    match arguments.format {
        Format::Table => table(&mut out, &status)?,
        Format::Csv => {
            let columns =
                ["name", "received", "stored", "rejected", "duplicate", "shed", "in_flight"];
            output::records(&mut out, Format::Csv, &columns, sources(&status))?;
        }
        Format::Json | Format::Ndjson => writeln!(out, "{}", json(&status))?,
    }
    out.flush()?;
    let is_down = matches!(status.health.as_str(), "unhealthy" | STOPPED);
    Ok(if is_down { Outcome::Failed } else { Outcome::Done })
}

fn sources(status: &StatusReport) -> Vec<serde_json::Value> {
    status
        .sources
        .iter()
        .map(|source| {
            let ledger = &source.ledger;
            serde_json::json!({
                "name": source.name, "received": ledger.received, "stored": ledger.stored,
                "rejected": ledger.rejected, "duplicate": ledger.duplicate, "shed": ledger.shed,
                "in_flight": ledger.in_flight, "events": ledger.events,
                "balances": ledger.balances(),
                "numbers": source.numbers.iter().cloned().collect::<BTreeMap<String, i64>>(),
            })
        })
        .collect()
}

fn json(status: &StatusReport) -> serde_json::Value {
    serde_json::json!({
        "status": status.health, "problems": status.problems, "version": status.version,
        "started": (status.health != STOPPED).then(|| status.started.to_string()), "now": status.now.to_string(),
        "sources": sources(status),
        "shapes": status.shapes.iter().map(shape_v1::Shape::from).collect::<Vec<_>>(),
        "queues": status.queues.iter().map(|(name, depth, capacity)| {
            serde_json::json!({"name": name, "depth": depth, "capacity": capacity})
        }).collect::<Vec<_>>(),
        "rules_loaded": status.rules_loaded, "rules_failed": status.rules_failed,
        "rules_off": status.rules_off, "rules_dry_run": status.rules_dry_run,
        "dry_run_findings": status.dry_run_findings, "rules_reloads": status.rules_reloads,
        "signals_reloads": status.signals_reloads,
        "correlations": status_v1::Correlations::from(status.correlations),
        "upkeep": status.upkeep.iter().map(status_v1::Upkeep::from).collect::<Vec<_>>(),
        "nodes": status.nodes.iter().map(node_v1::Node::from).collect::<Vec<_>>(),
        "alerts_count": status.alerts, "events": status.events,
        "event_store": {
            "kind": status.event_store.kind,
            "numbers": status.event_store.numbers.iter().cloned().collect::<BTreeMap<String, u64>>(),
        },
        "store_bytes": status.store_bytes, "data_dir": status.data_dir, "lag_us": status.lag_us,
    })
}

/// Who shares the database: what each reads, and how far behind it is.
fn nodes(out: &mut impl Write, status: &StatusReport) -> anyhow::Result<()> {
    for node in &status.nodes {
        let seconds = status.now.micros_since(node.seen).max(0) / 1_000_000;
        let seen = match (node.here, seconds) {
            (true, _) => "this one".to_owned(),
            (false, 0..NODE_MISSED_SECONDS) => "here".to_owned(),
            (false, seconds) => format!("NOT SEEN for {seconds} s"),
        };
        let lag: i64 = node.shards.iter().map(|shard| shard.lag).sum();
        let names: Vec<&str> = node.shards.iter().map(|shard| shard.name.as_str()).collect();
        writeln!(
            out,
            "node {} {} {}: {} shards, {lag} records behind{}{}",
            output::plain(&node.name),
            output::plain(&node.version),
            seen,
            names.len(),
            if names.is_empty() { "" } else { ": " },
            output::plain(&names.join(" "))
        )?;
    }
    Ok(())
}

/// Who only opens the store has no rules: that is no daemon without rules.
fn rules(status: &StatusReport) -> String {
    if status.health == STOPPED {
        return "its rules are loaded by a daemon".to_owned();
    }
    format!(
        "{} rules on, {} failed, {} off, {} in dry run ({} findings)",
        status.rules_loaded,
        status.rules_failed,
        status.rules_off,
        status.rules_dry_run,
        status.dry_run_findings
    )
}

fn table(out: &mut impl Write, status: &StatusReport) -> anyhow::Result<()> {
    writeln!(out, "{}  version {}  {}", status.health, status.version, status.data_dir)?;
    for problem in &status.problems {
        writeln!(out, "  ! {}", output::plain(problem))?;
    }
    let (alerts, events, bytes) = (status.alerts, status.events, status.store_bytes);
    writeln!(out, "{alerts} alerts, {events} events, {bytes} bytes on disk; {}", rules(status))?;
    let counted = status.correlations.counters();
    let counted: Vec<String> = counted
        .iter()
        .filter(|(_, _, count)| *count > 0)
        .map(|(name, _, count)| format!("{count} {}", name.replace('_', " ")))
        .collect();
    if status.correlations.groups > 0 || !counted.is_empty() {
        let holds = format!("{} events", status.correlations.events);
        let parts: Vec<String> = std::iter::once(holds).chain(counted).collect();
        writeln!(out, "correlations: {} groups, {}", status.correlations.groups, parts.join(", "))?;
    }
    let numbers: Vec<String> = status
        .event_store
        .numbers
        .iter()
        .map(|(name, number)| format!("{} {number}", name.replace('_', " ")))
        .collect();
    writeln!(out, "events: {}  {}", output::plain(&status.event_store.kind), numbers.join(", "))?;
    for upkeep in &status.upkeep {
        writeln!(out, "{}: {}", upkeep.topic, output::plain(&upkeep.text))?;
    }
    nodes(out, status)?;
    for (name, depth, capacity) in &status.queues {
        writeln!(out, "queue {name}: {depth} of {capacity}")?;
    }
    let rows = status.sources.iter().map(|source| {
        let l = &source.ledger;
        let balance = if l.balances() { "yes" } else { "NO" };
        let numbers =
            [l.received, l.stored, l.rejected, l.duplicate, l.shed, l.in_flight, l.events];
        let mut row = vec![source.name.clone()];
        row.extend(numbers.iter().map(u64::to_string));
        row.push(balance.to_owned());
        row
    });
    let header = [
        "SOURCE",
        "RECEIVED",
        "STORED",
        "REJECTED",
        "DUPLICATE",
        "SHED",
        "IN FLIGHT",
        "EVENTS",
        "BALANCES",
    ];
    writeln!(out, "{}", output::table(&header, rows))?;
    for source in status.sources.iter().filter(|source| !source.numbers.is_empty()) {
        let numbers: Vec<String> =
            source.numbers.iter().map(|(name, number)| format!("{name} {number}")).collect();
        writeln!(out, "source {}: {}", output::plain(&source.name), numbers.join(", "))?;
    }
    status.shapes.iter().try_for_each(|shape| shape_table(out, shape))
}

/// Families, rejects, unknown fields and notes of one source, since the daemon started.
fn shape_table(out: &mut impl Write, shape: &SourceShape) -> anyhow::Result<()> {
    writeln!(out, "source {} since the start:", output::plain(&shape.name))?;
    for family in shape.families.iter().take(FAMILIES_SHOWN) {
        let name = output::plain(&family.name);
        writeln!(out, "  {name:<28} {:>12} events {:>10.1}/s", family.events, family.per_second)?;
    }
    for reject in &shape.rejects {
        writeln!(out, "  rejected {}: {}", reject.reason, reject.count)?;
        for sample in &reject.samples {
            writeln!(out, "    {}", output::escaped(sample))?;
        }
    }
    if !shape.redacted.is_empty() {
        let kinds: Vec<String> = shape
            .redacted
            .iter()
            .map(|(kind, count)| format!("{} {count}", output::plain(kind)))
            .collect();
        writeln!(out, "  replaced in texts: {}", kinds.join(", "))?;
    }
    if !shape.unknown_fields.is_empty() {
        let shown: Vec<String> = shape
            .unknown_fields
            .iter()
            .take(UNKNOWN_SHOWN)
            .map(|(name, count)| format!("{} ({count})", output::plain(name)))
            .collect();
        writeln!(
            out,
            "  {} fields without an ECS name: {}",
            shape.unknown_fields.len(),
            shown.join(", ")
        )?;
    }
    for note in &shape.notes {
        writeln!(out, "  ! {}", output::plain(note))?;
    }
    Ok(())
}

/// The table shows the largest; `--format json` has all.
const FAMILIES_SHOWN: usize = 20;
const UNKNOWN_SHOWN: usize = 8;
