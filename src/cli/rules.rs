//! `watchfloor rules`: check and list what `rules.paths` or the named paths hold.

use std::io::Write;

use clap::{Args, Subcommand};

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, load};
use crate::model::severity::Severity;
use crate::pipeline::rules::{RulesReport, check};

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules check ~/sigma/rules
  watchfloor rules list --min-level high --format ndjson")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Compile every rule; list what does not run with file, line and reason (exit 1 if there is any)
    Check {
        /// `builtin`, files or folders [default: rules.paths of the configuration]
        paths: Vec<String>,
    },
    /// List the rules that run
    List {
        /// `builtin`, files or folders [default: rules.paths of the configuration]
        paths: Vec<String>,
        /// Rules of this level and above
        #[arg(long, default_value = "info", value_parser = load::severity)]
        min_level: Severity,
        /// How to print
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    let paths_of = |paths: &Vec<String>| {
        if paths.is_empty() { config.rules.paths.clone() } else { paths.clone() }
    };
    match &arguments.verb {
        Verb::Check { paths } => print_check(&check(&paths_of(paths))),
        Verb::List { paths, min_level, format } => {
            print_list(&check(&paths_of(paths)), *min_level, *format)
        }
    }
}

fn print_check(report: &RulesReport) -> anyhow::Result<Outcome> {
    let mut out = output::stdout();
    for problem in &report.problems {
        writeln!(out, "{}", output::plain(&problem.to_string()))?;
    }
    let levels: Vec<String> = Severity::ALL
        .iter()
        .map(|level| format!("{} {level}", report.by_level.get(level).unwrap_or(&0)))
        .collect();
    writeln!(
        out,
        "{} rules run ({}; {} correlations), {} do not run, {} are for logs that are not read",
        report.rules.len(),
        levels.join(", "),
        report.correlations,
        report.problems.len(),
        report.unbound.len()
    )?;
    out.flush()?;
    Ok(if report.problems.is_empty() { Outcome::Done } else { Outcome::Failed })
}

fn print_list(report: &RulesReport, least: Severity, format: Format) -> anyhow::Result<Outcome> {
    let mut out = output::stdout();
    let columns = ["rule.level", "rule.id", "rule.name", "rule.tags", "file", "line"];
    let records = report.rules.iter().filter(|rule| rule.level >= least).map(|rule| {
        serde_json::json!({
            "rule.level": rule.level.as_str(), "rule.id": rule.id, "rule.name": rule.title,
            "rule.tags": rule.tags, "file": rule.file, "line": rule.line,
        })
    });
    output::records(&mut out, format, &columns, records)?;
    out.flush()?;
    Ok(Outcome::Done)
}
