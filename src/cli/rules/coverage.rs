//! `watchfloor rules coverage`: tactics and techniques of ATT&CK that the rules speak of, and that can be detected now.

use std::io::Write;

use clap::{Args, ValueEnum};

use crate::cli::output::{self, Format};
use crate::cli::rules::over;
use crate::cli::{Common, Outcome, load};
use crate::config::Config;
use crate::model::attack;
use crate::model::desk::{Problem, ProblemKind};
use crate::pipeline::workshop::coverage::{
    CoverageReport, EndpointRow, TechniqueRow, Telemetry, by_tactic, coverage,
};
use crate::stdx::time::Timestamp;

/// The columns of machine formats, in CSV's order.
const COLUMNS: [&str; 7] =
    ["technique", "name", "tactics", "rules", "live_rules", "endpoints", "missing"];
/// Names of endpoints and causes that a table shows.
const SHOWN: usize = 3;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules coverage
  watchfloor rules coverage ~/sigma/rules --format csv > coverage.csv
  watchfloor rules coverage --live                        what can be detected on the store's last 7 days
  watchfloor rules coverage --live --by endpoint          how much of it on each endpoint, and what is blind there
  watchfloor rules coverage --live --host web01           what is blind on one endpoint, and of what it lacks
  watchfloor rules coverage ~/sigma/rules --live --over evidence/ --host-from-path 1

A technique is live where the log source of one of its rules came with the fields that the rule's condition needs.")]
pub(crate) struct Arguments {
    /// `builtin`, files or folders [default: rules.paths of the configuration]
    paths: Vec<String>,
    /// Only count what can fire: on stored events, or on the files of --over
    #[arg(long)]
    live: bool,
    /// A row a technique, or a row an endpoint
    #[arg(long, value_enum, default_value = "technique")]
    by: By,
    /// Only what this endpoint sent
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    #[command(flatten)]
    arrived: Arrived,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// What a row of the result is.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    Technique,
    Endpoint,
}

/// The columns of `--by endpoint`, in CSV's order.
const ENDPOINT_COLUMNS: [&str; 7] =
    ["host.name", "kinds", "rules", "techniques", "blind", "live_ids", "blind_ids"];

/// Where events come from.
#[derive(Args)]
pub(crate) struct Arrived {
    /// Logs to look at instead of the store: files, folders and globs
    #[arg(long, value_name = "FILE", num_args = 1..)]
    over: Vec<String>,
    /// The part of a file's path that names the host of records that do not, from its end: 1 is the folder
    #[arg(long, value_name = "N", requires = "over", value_parser = over::part)]
    host_from_path: Option<usize>,
    /// How far back to look in the store: 7d, 12h, or a time
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = over::since)]
    since: Timestamp,
}

impl Arrived {
    /// What arrived.
    pub(super) fn telemetry(&self, common: &Common, config: &Config) -> anyhow::Result<Telemetry> {
        let mut telemetry = Telemetry::default();
        let mut take = |events: &[crate::model::event::Event]| {
            events.iter().for_each(|event| telemetry.see(event));
        };
        let read = if self.over.is_empty() {
            over::store(common, self.since, &mut take)?
        } else {
            over::files(config, &self.over, self.host_from_path, &mut take, &mut || {})?
        };
        read.problems.iter().for_each(|problem| output::complain(problem));
        if telemetry.left_out > 0 {
            let text = format!(
                "{} events are of more endpoints or kinds than are told apart",
                telemetry.left_out
            );
            output::complain(&text);
        }
        output::complain(&format!(
            "{} events of {} endpoints looked at",
            read.events,
            telemetry.endpoints.len()
        ));
        Ok(telemetry)
    }
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    let live = arguments.live
        || !arguments.arrived.over.is_empty()
        || arguments.host.is_some()
        || arguments.by == By::Endpoint;
    let mut telemetry =
        if live { arguments.arrived.telemetry(common, &config)? } else { Telemetry::default() };
    if let Some(host) = &arguments.host {
        let host = host.to_lowercase();
        telemetry.endpoints.retain(|known, _| *known == host);
        if telemetry.endpoints.is_empty() {
            return Err(Problem::new(ProblemKind::NotFound, format!("no event of {host} came"))
                .hint("--by endpoint lists those that sent something; --since looks further back")
                .into());
        }
    }
    let report = coverage(&super::rules(config, &arguments.paths)?, &telemetry);
    report.problems.iter().for_each(|problem| output::complain(problem));
    let mut out = output::stdout();
    if arguments.by == By::Endpoint {
        endpoints(&mut out, &report, arguments.format)?;
    } else if arguments.format == Format::Table {
        tables(&mut out, &report, live)?;
    } else {
        let records = report.techniques.iter().map(|row| record(row, live));
        output::records(&mut out, arguments.format, &COLUMNS, records)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// A row an endpoint; its lists of techniques are in machine formats only.
fn endpoints(out: &mut impl Write, report: &CoverageReport, format: Format) -> anyhow::Result<()> {
    let all = || report.techniques.iter().map(|row| row.id);
    let blind = |row: &EndpointRow| all().filter(|id| !row.techniques.contains(id)).count();
    if format == Format::Table {
        let header = ["endpoint", "kinds of events", "rules", "techniques", "blind for"];
        let rows = report.endpoints.iter().map(|(host, row)| {
            let host = if host.is_empty() { "(no name)" } else { host };
            let counts = [row.kinds, row.rules, row.techniques.len(), blind(row)];
            std::iter::once(host.to_owned()).chain(counts.map(|n| n.to_string())).collect()
        });
        writeln!(out, "{}", output::table(&header, rows))?;
    } else {
        let records = report.endpoints.iter().map(|(host, row)| {
            serde_json::json!({
                "host.name": host, "kinds": row.kinds, "rules": row.rules,
                "techniques": row.techniques.len(), "blind": blind(row), "live_ids": row.techniques,
                "blind_ids": all().filter(|id| !row.techniques.contains(id)).collect::<Vec<_>>(),
            })
        });
        output::records(out, format, &ENDPOINT_COLUMNS, records)?;
    }
    output::complain(&format!(
        "{} techniques of ATT&CK {} by {} rules",
        report.techniques.len(),
        attack::VERSION,
        report.rules
    ));
    Ok(())
}

fn record(row: &TechniqueRow, live: bool) -> serde_json::Value {
    let mut record = serde_json::json!({
        "technique": row.id, "name": row.name, "tactics": row.tactics, "rules": row.rules,
    });
    if let Some(record) = record.as_object_mut().filter(|_| live) {
        record.insert("live_rules".to_owned(), row.live.into());
        record.insert("endpoints".to_owned(), row.endpoints.iter().cloned().collect());
        record.insert("missing".to_owned(), causes(row).collect());
    }
    record
}

/// Causes, those of most rules first.
fn causes(row: &TechniqueRow) -> impl Iterator<Item = String> {
    let mut all: Vec<(&String, &usize)> = row.causes.iter().collect();
    all.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
    all.into_iter().map(|(cause, _)| cause.clone()).collect::<Vec<_>>().into_iter()
}

fn tables(out: &mut impl Write, report: &CoverageReport, live: bool) -> anyhow::Result<()> {
    let mut header = vec!["tactic", "covered", "of", "rules"];
    if live {
        header.push("live");
    }
    let rows = by_tactic(report).into_iter().map(|(name, covered, there, rules, can)| {
        let mut row = vec![name, covered.to_string(), there.to_string(), rules.to_string()];
        if live {
            row.push(can.to_string());
        }
        row
    });
    writeln!(out, "{}\n", output::table(&header, rows))?;
    let mut header = vec!["technique", "name", "rules"];
    if live {
        header.extend(["live", "endpoints, or what is missing"]);
    }
    let rows = report.techniques.iter().map(|row| {
        let mut cells = vec![row.id.to_owned(), row.name.to_owned(), row.rules.to_string()];
        if live {
            cells.push(row.live.to_string());
            let all: Vec<String> = if row.live > 0 {
                row.endpoints
                    .iter()
                    .map(|name| if name.is_empty() { "(no name)".to_owned() } else { name.clone() })
                    .collect()
            } else {
                causes(row).collect()
            };
            let mut text = all.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
            if all.len() > SHOWN {
                text.push_str(&format!(" and {} more", all.len() - SHOWN));
            }
            cells.push(text);
        }
        cells
    });
    writeln!(out, "{}", output::table(&header, rows))?;
    let count = report.techniques.len();
    let can = report.techniques.iter().filter(|row| row.live > 0).count();
    let mut text = format!(
        "{count} techniques of ATT&CK {} by {} rules; {} rules name none",
        attack::VERSION,
        report.rules,
        report.without_technique
    );
    if live {
        text.push_str(&format!("; {can} detectable on what arrived"));
    }
    output::complain(&text);
    if !report.unknown.is_empty() {
        let names: Vec<&str> = report.unknown.keys().map(String::as_str).collect();
        output::complain(&format!("not in the table of techniques: {}", names.join(", ")));
    }
    Ok(())
}
