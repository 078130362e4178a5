//! `watchfloor rules backtest`: what rules would have said over files or stored history.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};

use crate::cli::output::{self, Format};
use crate::cli::rules::{by_hour, expect, explain, over};
use crate::cli::{Common, Outcome, load};
use crate::model::desk::{Problem, ProblemKind};
use crate::pipeline::workshop::backtest::{Backtest, BacktestReport, BacktestRow, Comparison};
use crate::stdx::time::Timestamp;

/// The columns of machine formats, in CSV's order.
const COLUMNS: [&str; 13] = [
    "rule.id",
    "rule.name",
    "findings",
    "muted",
    "alerts",
    "hosts",
    "alerts_per_day",
    "low",
    "high",
    "method",
    "both",
    "only_old",
    "only_new",
];
/// Endpoints and days that a table shows of each rule.
const SHOWN: usize = 5;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules backtest new_rule.yml --over evidence/
  watchfloor rules backtest 4a8c2d7e --store --since 7d
  watchfloor rules backtest rules/ --over captures/ --expect expected.toml
  watchfloor rules backtest new.yml --over captures/ --against old.yml
  watchfloor rules backtest builtin --signals --over lab/ --host-from-path 1 --by hour --at-most 1

--expect FILE holds a line a rule, by id: a count of findings or a range.
  \"4a8c2d7e-91c3-4b64-b0f7-2b9d3d1e6a32\" = 3
  \"097fff85-f273-5a7d-ae9f-a259680e001e\" = \"1..20\"

The interval holds the mean number of alerts a day with 95 %: the exact one of a Poisson rate, or, when alerts came
in bursts over five days or more, by drawing the days again (bootstrap).

--by hour lists the alerts of each endpoint and clock hour, and how many that is an hour in which the endpoint was
observed. Rules that are off or in dry run make no alerts and are left out.

Exit code: 0; 1 when counts differ from --expect, an hour has more alerts than --at-most, or nothing could be read.")]
pub(crate) struct Arguments {
    /// The rules: an id or its beginning, a title, a file, a folder, or `builtin`
    #[arg(value_name = "RULE|PATH")]
    rule: String,
    /// Logs: files, folders and globs
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with = "store")]
    over: Vec<String>,
    /// The part of a file's path that names the host of records that do not, from its end: 1 is the folder
    #[arg(long, value_name = "N", requires = "over", value_parser = over::part)]
    host_from_path: Option<usize>,
    /// The events that the store holds
    #[arg(long)]
    store: bool,
    /// How far back to look in the store: 7d, 12h, or a time
    #[arg(long, value_name = "TIME", default_value = "7d", value_parser = over::since)]
    since: Timestamp,
    /// Where to look for the rule: `builtin`, files or folders [default: rules.paths of the configuration]
    #[arg(short, long, value_name = "PATH")]
    rules: Vec<String>,
    /// Compare the counts of findings with this file
    #[arg(long, value_name = "FILE")]
    expect: Option<PathBuf>,
    /// An older version of the rules: show where the firings differ
    #[arg(long, value_name = "PATH")]
    against: Option<String>,
    /// Let the configured signals speak too
    #[arg(long)]
    signals: bool,
    /// Add up by rule, or list alerts by endpoint and hour
    #[arg(long, value_enum, default_value = "rule")]
    by: By,
    /// Fail when an endpoint has more alerts than this in one clock hour
    #[arg(long, value_name = "ALERTS")]
    at_most: Option<u64>,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

/// What a row of the result is.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum By {
    Rule,
    Hour,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    if arguments.over.is_empty() && !arguments.store {
        return Err(Problem::new(ProblemKind::Invalid, "no history is named")
            .hint("--over FILE… reads files, --store the events of the store")
            .into());
    }
    let config = load::config(common)?;
    let expected = match &arguments.expect {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("cannot read {}", path.display()))?;
            let read = expect::parse(&text);
            Some(read.with_context(|| format!("cannot use {}", path.display()))?)
        }
        None => None,
    };
    let rules = super::rules(config.clone(), &arguments.rules)?;
    let against = arguments.against.as_deref();
    let mut backtest = Backtest::new(&config, &arguments.rule, &rules, against)
        .map_err(|error| explain::no_rule(error.into()))?;
    if arguments.signals {
        backtest.add_signals(&config);
    }
    // Two closures share it: one takes events, one is told that a file ends.
    let backtest = std::cell::RefCell::new(backtest);
    let mut take = |events: &[crate::model::event::Event]| backtest.borrow_mut().see(events);
    let read = if arguments.store {
        over::store(common, arguments.since, &mut take)?
    } else {
        let mut end = || backtest.borrow_mut().next_stream(&config);
        over::files(&config, &arguments.over, arguments.host_from_path, &mut take, &mut end)?
    };
    let report = backtest.into_inner().finish();
    read.problems.iter().chain(&report.problems).for_each(|problem| output::complain(problem));
    match arguments.by {
        By::Rule => print(&report, arguments.format)?,
        By::Hour => by_hour::print(&report.noise, arguments.format)?,
    }
    let mut wrong = expected.map_or(0, |expected| differences(&report, &expected));
    if let Some(most) = arguments.at_most {
        wrong += by_hour::too_many(&report.noise, most);
    }
    Ok(if wrong > 0 || report.events == 0 { Outcome::Failed } else { Outcome::Done })
}

/// Say where counts are not what was expected; how many are not.
fn differences(report: &BacktestReport, expected: &BTreeMap<String, expect::Range>) -> usize {
    let mut wrong = 0;
    for (id, range) in expected {
        let found = report.rows.iter().find(|row| row.id == *id || row.title == *id);
        let count = found.map(|row| row.findings);
        if !count.is_some_and(|count| range.holds(count)) {
            wrong += 1;
            let count =
                count.map_or_else(|| "no such rule".to_owned(), |n| format!("{n} findings"));
            output::complain(&format!("not as expected: {id}: {count}, expected {range}"));
        }
    }
    output::complain(&format!(
        "{} of {} counts as expected",
        expected.len() - wrong,
        expected.len()
    ));
    wrong
}

fn print(report: &BacktestReport, format: Format) -> anyhow::Result<()> {
    let mut out = output::stdout();
    if format == Format::Table {
        table(&mut out, report)?;
    } else {
        let records = report.rows.iter().map(|row| record(row, report));
        output::records(&mut out, format, &COLUMNS, records)?;
    }
    out.flush()?;
    let spoke = report.rows.iter().filter(|row| row.findings > 0).count();
    let span = report.span.map_or_else(String::new, |(first, last)| {
        format!(" from {} to {}", short(first), short(last))
    });
    let muted: u64 = report.rows.iter().map(|row| row.muted).sum();
    let muted = if muted == 0 {
        String::new()
    } else {
        format!("; {muted} findings make no alert here: their rules are off or in dry run")
    };
    output::complain(&format!(
        "{} events{span}; {spoke} of {} rules fired{muted}",
        report.events,
        report.rows.len()
    ));
    Ok(())
}

pub(super) fn short(at: Timestamp) -> String {
    let text = at.to_string();
    format!("{}Z", text.get(..19).unwrap_or(&text))
}

fn record(row: &BacktestRow, report: &BacktestReport) -> serde_json::Value {
    let compared =
        report.comparison.as_ref().map(|all| all.get(&row.id).cloned().unwrap_or_default());
    let samples: Vec<_> = compared
        .iter()
        .flat_map(|found| &found.samples)
        .map(|(sign, event, at, host, why)| {
            serde_json::json!({
                "only": if *sign == '-' { "old" } else { "new" }, "event.id": event,
                "@timestamp": at.to_string(), "host.name": host, "matched": why,
            })
        })
        .collect();
    let two = |number: f64| (number * 100.0).round() / 100.0;
    serde_json::json!({
        "rule.id": row.id, "rule.name": row.title, "findings": row.findings, "muted": row.muted,
        "alerts": row.alerts,
        "hosts": row.by_host.len(), "alerts_per_day": two(row.forecast.mean), "low": two(row.forecast.low),
        "high": two(row.forecast.high), "method": row.forecast.method.as_str(),
        "both": compared.as_ref().map(|found| found.both),
        "only_old": compared.as_ref().map(|found| found.only_old),
        "only_new": compared.as_ref().map(|found| found.only_new),
        "by_host": row.by_host, "alerts_by_day": row.by_day, "samples": samples,
    })
}

fn table(out: &mut impl Write, report: &BacktestReport) -> anyhow::Result<()> {
    let spoke: Vec<&BacktestRow> = report.rows.iter().filter(|row| row.findings > 0).collect();
    let rows = spoke.iter().map(|row| {
        let forecast = &row.forecast;
        vec![
            row.findings.to_string(),
            row.alerts.to_string(),
            row.by_host.len().to_string(),
            format!("{:.2}", forecast.mean),
            format!("{:.2} to {:.2}", forecast.low, forecast.high),
            forecast.method.as_str().to_owned(),
            row.title.clone(),
        ]
    });
    let header = ["findings", "alerts", "hosts", "alerts a day", "95 %", "by", "rule"];
    writeln!(out, "{}", output::table(&header, rows))?;
    for row in &spoke {
        let mut hosts: Vec<_> = row.by_host.iter().collect();
        hosts.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        let hosts = listed(hosts.into_iter());
        let days = listed(row.by_day.iter());
        let text = format!("\n{}\n  hosts: {hosts}\n  alerts by day: {days}", row.title);
        writeln!(out, "{}", output::plain(&text))?;
    }
    for (id, found) in report.comparison.iter().flatten() {
        writeln!(out, "{}", output::plain(&compared(id, found)))?;
    }
    if report.comparison.as_ref().is_some_and(BTreeMap::is_empty) {
        writeln!(out, "\nneither version fires")?;
    }
    Ok(())
}

fn listed<'a>(all: impl Iterator<Item = (&'a String, &'a u64)>) -> String {
    let all: Vec<String> = all
        .map(|(name, count)| {
            format!("{} {count}", if name.is_empty() { "(no name)" } else { name })
        })
        .collect();
    let mut text = all.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
    if all.len() > SHOWN {
        text.push_str(&format!(" and {} more", all.len() - SHOWN));
    }
    text
}

fn compared(id: &str, found: &Comparison) -> String {
    let mut text = format!(
        "\nold and new: {} ({id}): both {}, only old {}, only new {}",
        found.title, found.both, found.only_old, found.only_new
    );
    for (sign, event, at, host, why) in &found.samples {
        text.push_str(&format!("\n  {sign} {event}  {}  {host}  {why}", short(*at)));
    }
    text
}
