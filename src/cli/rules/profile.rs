//! `watchfloor rules profile`: what each rule costs on the events of files.

use std::io::Write;

use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, load};
use crate::pipeline::inputs::Inputs;
use crate::pipeline::workshop::profile::{ProfileReport, profile};

/// The columns of machine formats, in CSV's order.
const COLUMNS: [&str; 7] =
    ["rule.name", "rule.id", "evaluations", "matches", "ns_per_evaluation", "total_ms", "file"];

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules profile evidence/*.evtx --rules ~/sigma/rules
  watchfloor rules profile audit.log --limit 50 --format csv")]
pub(crate) struct Arguments {
    /// Logs: files, folders and globs
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// The rules: `builtin`, files or folders [default: rules.paths of the configuration]
    #[arg(short, long, value_name = "PATH")]
    rules: Vec<String>,
    /// Rules and regexes to show, the most expensive first
    #[arg(long, default_value_t = 20)]
    limit: usize,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    let inputs = Inputs {
        paths: arguments.files.clone(),
        format: "auto".to_owned(),
        host: None,
        host_from_path: None,
        explain: false,
    };
    let rules = super::rules(config.clone(), &arguments.rules)?;
    let report = profile(&config, &rules, &inputs)?;
    report.problems.iter().for_each(|problem| output::complain(problem));
    let mut out = output::stdout();
    if arguments.format == Format::Table {
        tables(&mut out, &report, arguments.limit)?;
    } else {
        let records = report.rules.iter().take(arguments.limit).map(|cost| {
            serde_json::json!({
                "rule.name": cost.rule.title, "rule.id": cost.rule.id,
                "evaluations": cost.evaluations, "matches": cost.matches,
                "ns_per_evaluation": cost.ns.map(f64::round), "total_ms": ms(cost.total_ns()),
                "file": cost.rule.file,
            })
        });
        output::records(&mut out, arguments.format, &COLUMNS, records)?;
    }
    out.flush()?;
    let evaluations: u64 = report.rules.iter().map(|cost| cost.evaluations).sum();
    // A count of evaluations of one run is far below what a float holds exactly.
    let each = evaluations as f64 / report.events.max(1) as f64;
    output::complain(&format!(
        "{} rules loaded in {} ms; {} events judged in {} ms, {each:.1} rules evaluated for each; {} events measured",
        report.loaded,
        report.load.as_millis(),
        report.events,
        report.judging.as_millis(),
        report.sampled
    ));
    Ok(if report.events == 0 { Outcome::Failed } else { Outcome::Done })
}

fn ms(ns: f64) -> f64 {
    (ns / 1e4).round() / 100.0
}

fn tables(out: &mut impl Write, report: &ProfileReport, limit: usize) -> anyhow::Result<()> {
    let rows = report.rules.iter().take(limit).map(|cost| {
        vec![
            cost.evaluations.to_string(),
            cost.matches.to_string(),
            cost.ns.map_or_else(|| "-".to_owned(), |ns| format!("{ns:.0}")),
            format!("{:.2}", ms(cost.total_ns())),
            cost.rule.title.clone(),
        ]
    });
    let header = ["evaluations", "matches", "ns each", "ms in all", "rule"];
    writeln!(out, "{}", output::table(&header, rows))?;
    if !report.regexes.is_empty() {
        let rows = report.regexes.iter().take(limit).map(|cost| {
            let short: String = cost.regex.chars().take(60).collect();
            vec![
                format!("{:.0}", cost.ns),
                cost.tried.to_string(),
                cost.field.clone(),
                short,
                cost.rule.clone(),
            ]
        });
        let header = ["ns each", "tried", "field", "regex", "rule"];
        writeln!(out, "\n{}", output::table(&header, rows))?;
    }
    Ok(())
}
