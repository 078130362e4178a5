//! `watchfloor retention`: what is old enough to go, one file a verb.

mod run;
mod status;

use std::io::Write;

use clap::{Args, Subcommand};

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome};
use crate::model::retention::RetentionReport;
use crate::wire::retention_v1::Retention;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor retention status
  watchfloor retention run --dry-run
  watchfloor retention run

The daemon does it by itself; [retention] says when. docs/retention.md says what goes in which order.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// What is kept how long, what is due, how full the disk is
    Status(status::Arguments),
    /// Take away what is due, or list it
    Run(run::Arguments),
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        Verb::Status(arguments) => status::run(common, arguments),
        Verb::Run(arguments) => run::run(common, arguments),
    }
}

/// The columns of segments, in order.
const COLUMNS: [&str; 6] = ["number", "newest", "events", "bytes", "why", "only"];

/// A row a segment, with the parts that go in one cell.
fn rows(report: &RetentionReport) -> impl Iterator<Item = serde_json::Value> {
    report.segments.iter().map(|one| {
        let only: Vec<String> = one.only.iter().map(ToString::to_string).collect();
        serde_json::json!({
            "number": one.number, "newest": one.newest.to_string(), "events": one.events,
            "bytes": one.bytes, "why": one.why, "only": only.join(", "),
        })
    })
}

/// What goes: a row a segment and a line of sums, or the whole as JSON.
fn print(report: &RetentionReport, format: Format, verb: &str) -> anyhow::Result<()> {
    let mut out = output::stdout();
    match format {
        Format::Json | Format::Ndjson => {
            writeln!(out, "{}", serde_json::to_string(&Retention::from(report))?)?;
        }
        Format::Csv => output::records(&mut out, format, &COLUMNS, rows(report))?,
        Format::Table => {
            if !report.segments.is_empty() {
                output::records(&mut out, format, &COLUMNS, rows(report))?;
            }
            writeln!(
                out,
                "{verb}: {} events in {} segments ({} bytes), {} rejects, {} endpoints, {} closed alerts; {} events are carried on as evidence",
                report.events(),
                report.segments.len(),
                report.bytes(),
                report.rejects,
                report.endpoints,
                report.alerts,
                report.events_carried,
            )?;
            writeln!(
                out,
                "left: {} events, {} bytes; the disk is {} % full",
                report.events_left, report.bytes_left, report.disk_used
            )?;
        }
    }
    out.flush()?;
    if !report.postponed.is_empty() {
        output::complain(&format!("segments stay this time: {}", report.postponed));
    }
    anyhow::ensure!(report.problem.is_empty(), "{}", report.problem);
    Ok(())
}
