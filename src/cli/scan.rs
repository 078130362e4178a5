//! `watchfloor scan`: one-shot detection over files and folders.

use std::io::Write;
use std::ops::ControlFlow;

use anyhow::Context;
use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::progress::Progress;
use crate::cli::{Common, Outcome, load, scan_summary};
use crate::model::desk::{Problem, ProblemKind};
use crate::model::finding::Finding;
use crate::model::severity::Severity;
use crate::pipeline::inputs::Inputs;
use crate::pipeline::scan::{FileResult, ScanOptions, scan};
use crate::stdx::time::Timestamp;

/// The columns of machine formats, in CSV's order.
const COLUMNS: [&str; 10] = [
    "@timestamp",
    "rule.level",
    "rule.id",
    "rule.name",
    "host.name",
    "user.name",
    "event.id",
    "source_path",
    "rule.tags",
    "matched",
];

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor scan /var/log/auth.log
  watchfloor scan evidence/ --rules ~/sigma/rules --min-level high
  watchfloor scan *.evtx --format ndjson > findings.ndjson
  watchfloor scan access.log --signals my-signals/
  zcat old.log.gz | watchfloor scan - --as syslog

Exit code: 0, with --exit-code 3 when there are findings; 1 when nothing could be read.")]
pub(crate) struct Arguments {
    /// Files, folders (read recursively) and globs; - is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Rules to use instead of the configured ones: `builtin`, files or folders
    #[arg(short, long, value_name = "PATH")]
    rules: Vec<String>,
    /// Signals to use instead of the configured ones: `builtin`, files or folders
    #[arg(long, value_name = "PATH", conflicts_with = "no_signals")]
    signals: Vec<String>,
    /// Judge with rules only
    #[arg(long)]
    no_signals: bool,
    /// Read the input as this format instead of looking (see `formats list`)
    #[arg(long = "as", value_name = "NAME", default_value = "auto")]
    read_as: String,
    /// The host of records that do not name one
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// How to print findings
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// Print findings of this level and above
    #[arg(long, default_value = "info", value_parser = load::severity)]
    min_level: Severity,
    /// Only events at or after this time (RFC 3339 or a date)
    #[arg(long, value_name = "TIME", value_parser = load::time)]
    from: Option<Timestamp>,
    /// Only events before this time
    #[arg(long, value_name = "TIME", value_parser = load::time)]
    to: Option<Timestamp>,
    /// Worker threads [default: one a core]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
    /// Exit with 3 when there are findings
    #[arg(long)]
    exit_code: bool,
    /// Print no summary on standard error
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut config = load::config(common)?;
    if !arguments.rules.is_empty() {
        config.rules.paths.clone_from(&arguments.rules);
        config.rules.only_named = true;
    }
    if arguments.no_signals {
        config.signals.paths.clear();
    } else if !arguments.signals.is_empty() {
        config.signals.paths.clone_from(&arguments.signals);
    }
    load::format_name(&config, &arguments.read_as)?;
    let inputs = Inputs {
        paths: arguments.paths.clone(),
        format: arguments.read_as.clone(),
        host: arguments.host.as_deref().map(str::to_lowercase),
        host_from_path: None,
        explain: false,
    };
    let options = ScanOptions {
        from: arguments.from,
        to: arguments.to,
        workers: arguments.workers.unwrap_or_else(crate::stdx::pool::workers_default),
        min_level: arguments.min_level,
    };
    let progress = Progress::files(!arguments.quiet);
    let mut printer = Printer::new(arguments.format)?;
    let mut failed = None;
    let report =
        scan(&config, &inputs, &options, &progress, &mut |result| match printer.print(&result) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                failed = Some(error);
                ControlFlow::Break(())
            }
        })
        .context("cannot scan")?;
    progress.finish();
    if let Some(error) = failed {
        return Err(error);
    }
    printer.finish()?;
    scan_summary::problems(&report);
    if !arguments.quiet {
        scan_summary::print(&report);
    }
    if report.ledger.received == 0 && !report.problems.is_empty() {
        return Err(Problem::new(ProblemKind::NotFound, "nothing could be read").into());
    }
    let (named, ran) = (!arguments.rules.is_empty(), report.rules_loaded + report.rules_unbound);
    if named && ran == 0 {
        let message = "no rule under --rules can run, so nothing was judged by rules";
        return Err(Problem::new(ProblemKind::NotFound, message)
            .hint("watchfloor rules check PATH says what is wrong with them")
            .into());
    }
    let found = report.findings > 0;
    Ok(if arguments.exit_code && found { Outcome::Findings } else { Outcome::Done })
}

/// Prints findings as they come; JSON arrays and CSV headers need to know the first one.
struct Printer {
    format: Format,
    out: std::io::BufWriter<std::io::StdoutLock<'static>>,
    csv_header: bool,
    printed: u64,
}

impl Printer {
    fn new(format: Format) -> anyhow::Result<Printer> {
        let mut printer = Printer { format, out: output::stdout(), csv_header: true, printed: 0 };
        if format == Format::Json {
            printer.out.write_all(b"[")?;
        }
        Ok(printer)
    }

    fn print(&mut self, result: &FileResult) -> anyhow::Result<()> {
        for finding in &result.findings {
            let record = record(finding, &result.path);
            match self.format {
                Format::Ndjson => writeln!(self.out, "{record}")?,
                Format::Json => {
                    let separator = if self.printed == 0 { "\n " } else { ",\n " };
                    write!(self.out, "{separator}{record}")?;
                }
                Format::Csv => {
                    let header = std::mem::replace(&mut self.csv_header, false);
                    output::csv_row(&mut self.out, &COLUMNS, &record, header)?;
                }
                Format::Table => writeln!(self.out, "{}", line(finding))?,
            }
            self.printed += 1;
        }
        Ok(())
    }

    fn finish(mut self) -> anyhow::Result<()> {
        match self.format {
            Format::Json => writeln!(self.out, "\n]")?,
            Format::Csv if self.csv_header => writeln!(self.out, "{}", COLUMNS.join(","))?,
            _ => {}
        }
        self.out.flush()?;
        Ok(())
    }
}

/// One finding with flat dotted keys, as documented.
fn record(finding: &Finding, path: &str) -> serde_json::Value {
    let pairs = |pairs: &[(String, String)]| -> serde_json::Value {
        pairs.iter().map(|(field, value)| serde_json::json!([field, value])).collect()
    };
    serde_json::json!({
        "@timestamp": finding.timestamp.to_string(),
        "rule.id": finding.rule.id,
        "rule.name": finding.rule.title,
        "rule.level": finding.rule.level.as_str(),
        "rule.tags": finding.rule.tags,
        "host.name": finding.host,
        "user.name": finding.user,
        "event.id": finding.event.to_string(),
        "contributing": finding.contributing.len(),
        "group": pairs(&finding.group),
        "matched": pairs(&finding.matched),
        "source_path": path,
    })
}

/// One finding for a person: when, how bad, where, what, why.
fn line(finding: &Finding) -> String {
    let why = finding
        .group
        .iter()
        .chain(&finding.matched)
        .take(3)
        .map(|(field, value)| format!("{field}={}", short(value)))
        .collect::<Vec<_>>()
        .join(" ");
    let at = finding.timestamp.to_string();
    let at = at.get(..19).unwrap_or(&at);
    let level = finding.rule.level.as_str();
    let text = format!("{at}Z  {level:<8}  {:<20}  {}  {why}", finding.host, finding.rule.title);
    output::plain(&text).replace('\n', " ")
}

fn short(value: &str) -> String {
    match value.char_indices().nth(80) {
        Some((cut, _)) => format!("{}…", value.get(..cut).unwrap_or_default()),
        None => value.to_owned(),
    }
}
