//! `watchfloor rules vectors`: what fail2ban, crowdsec and wazuh find in the logs of their own tests, and what we find.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value as Json, json};

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, load};
use crate::pipeline::rule_life::resolve::configured;
use crate::scoreboard::attacks::{self, Case, Counts, Judge, Map, Verdict};

/// The columns of the table by suite and class, in CSV's order.
const SUMMARY: [&str; 7] =
    ["suite", "class", "cases", "agreed", "differing", "not_covered", "percent"];
/// The columns of the list of cases, in CSV's order.
const CASES: [&str; 8] =
    ["suite", "case", "class", "expected", "verdict", "why", "explained", "found"];

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules vectors vectors/                       a row for every suite and class
  watchfloor rules vectors vectors/ --list                what differs, and why it is left so
  watchfloor rules vectors vectors/ --format ndjson       every case
  watchfloor rules vectors vectors/ --at-least 95         fail below 95 in a hundred
  watchfloor rules vectors --quiet logs/ordinary          logs in which nobody attacks

Suites are recognised by their files: fail2ban's filter samples, crowdsec's hub tests, wazuh's rule tests.
A case agrees when a rule or signal of its class accuses the source that the scenario names, or nobody
where it names nobody. config/scoreboard/attacks.toml says what is of which class; --map replaces it.

Exit code: 0; 1 below --at-least.")]
pub(crate) struct Arguments {
    /// Folders with scenarios
    #[arg(value_name = "DIR", required_unless_present = "quiet")]
    folders: Vec<PathBuf>,
    /// Logs in which nobody attacks: each file is a case that expects nobody accused
    #[arg(long, value_name = "FILE", num_args = 1..)]
    quiet: Vec<PathBuf>,
    /// List the cases that differ
    #[arg(long)]
    list: bool,
    /// Fail when less than this many in a hundred of the comparable cases agree
    #[arg(long, value_name = "PERCENT")]
    at_least: Option<f64>,
    /// Read classes, scenarios and reasons from this file
    #[arg(long, value_name = "FILE")]
    map: Option<PathBuf>,
    /// How to print; machine formats list every case
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    let map = Map::load(arguments.map.as_deref())?;
    let judge = Judge::new(&config, &configured(&config)?)?;
    let cases = attacks::run(&judge, &map, &arguments.folders, &arguments.quiet)?;
    let mut out = output::stdout();
    if arguments.format != Format::Table {
        output::records(&mut out, arguments.format, &CASES, cases.iter().map(record))?;
    } else if arguments.list {
        list(&mut out, &cases)?;
    } else {
        let rows = attacks::counts(&cases)
            .into_iter()
            .map(|((suite, class), counts)| row(suite, class, counts));
        output::records(&mut out, Format::Table, &SUMMARY, rows)?;
    }
    out.flush()?;
    let total = attacks::total(&cases);
    let percent = total.percent().unwrap_or(0.0);
    output::complain(&format!(
        "{} cases: {} agree, {} differ, {} cannot be compared; {percent:.2} % agree",
        total.cases(),
        total.agreed,
        total.differing,
        total.not_covered
    ));
    Ok(match arguments.at_least {
        Some(bar) if percent < bar => Outcome::Failed,
        _ => Outcome::Done,
    })
}

fn row(suite: &str, class: &str, counts: Counts) -> Json {
    let percent = counts.percent().map(|percent| (percent * 100.0).floor() / 100.0);
    json!({
        "suite": suite, "class": class, "cases": counts.cases(), "agreed": counts.agreed,
        "differing": counts.differing, "not_covered": counts.not_covered, "percent": percent,
    })
}

fn record(case: &Case) -> Json {
    let (verdict, why, explained) = match &case.verdict {
        Verdict::Agreed => ("agreed", None, None),
        Verdict::Differing { why, explained } => ("differing", Some(why), explained.as_ref()),
        Verdict::NotCovered(why) => ("not_covered", Some(why), None),
    };
    json!({
        "suite": case.suite, "case": case.name, "class": case.class,
        "expected": case.expected.to_string(), "verdict": verdict, "why": why,
        "explained": explained, "found": case.found,
    })
}

fn list(out: &mut impl Write, cases: &[Case]) -> std::io::Result<()> {
    for case in cases {
        let Verdict::Differing { why, explained } = &case.verdict else { continue };
        let line = format!(
            "{} {}: {}: {} expected, {why}",
            case.suite, case.name, case.class, case.expected
        );
        writeln!(out, "{}", output::plain(&line))?;
        let reason = explained.as_deref().unwrap_or("NOT EXPLAINED");
        writeln!(out, "    {}", output::plain(reason))?;
    }
    Ok(())
}
