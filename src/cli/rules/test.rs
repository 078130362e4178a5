//! `watchfloor rules test`: the unit tests beside rules.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::rules::junit;
use crate::cli::{Common, Outcome, load};
use crate::pipeline::workshop::test::{TestReport, TestedFile, test, test_name};

/// The columns of machine formats, in CSV's order.
const COLUMNS: [&str; 7] = ["result", "file", "line", "case", "rules_fired", "message", "ms"];

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules test builtin
  watchfloor rules test detections/ --require-tests --junit rules.xml

A test is a file NAME.test beside NAME.yml with raw records, as they stand in the log:
  == fires
  Nov 20 09:15:54 web01 sudo:   deploy : TTY=pts/0 ; PWD=/tmp ; USER=root ; COMMAND=/bin/sh
  == stays silent
  Nov 20 09:15:55 web01 sudo:   deploy : TTY=pts/0 ; PWD=/tmp ; USER=root ; COMMAND=/bin/ls
A heading may have a name (`== fires: by curl`), and there may be several of each.

Exit code: 0; 1 when a test failed or could not run.")]
pub(crate) struct Arguments {
    /// `builtin`, files or folders [default: rules.paths of the configuration]
    paths: Vec<String>,
    /// Write the results as JUnit XML to this file too
    #[arg(long, value_name = "FILE")]
    junit: Option<PathBuf>,
    /// A rule file without a test is a failure
    #[arg(long)]
    require_tests: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    let rules = super::rules(config.clone(), &arguments.paths)?;
    let report = test(&config, &rules)?;
    for problem in &report.problems {
        output::complain(problem);
    }
    if let Some(path) = &arguments.junit {
        let xml = junit::document(&report, arguments.require_tests)?;
        std::fs::write(path, xml).with_context(|| format!("cannot write {}", path.display()))?;
    }
    let mut out = output::stdout();
    if arguments.format == Format::Table {
        table(&mut out, &report, arguments.require_tests)?;
    } else {
        let records = report.files.iter().flat_map(|file| records(file, arguments.require_tests));
        output::records(&mut out, arguments.format, &COLUMNS, records)?;
    }
    out.flush()?;
    let (passed, mut failed) = report.counts();
    let untested = report.untested().count();
    output::complain(&format!(
        "{passed} passed, {failed} failed, {untested} rule files without a test"
    ));
    if arguments.require_tests {
        failed += untested;
    }
    let good = failed == 0 && report.problems.is_empty() && !report.files.is_empty();
    Ok(if good { Outcome::Done } else { Outcome::Failed })
}

/// Everything that is not as it should be, for a person; what passed is only counted.
fn table(out: &mut impl Write, report: &TestReport, required: bool) -> anyhow::Result<()> {
    for file in &report.files {
        let said = |out: &mut dyn Write, line: &str| writeln!(out, "{}", output::plain(line));
        if let Some(problem) = &file.problem {
            said(out, &format!("FAILED    {}: {problem}", file.file))?;
        }
        for case in file.cases.iter().filter(|case| !case.failure.is_empty()) {
            let place = format!("{}:{}", test_name(&file.file), case.line);
            said(out, &format!("FAILED    {place}: {}: {}", case.name, case.failure))?;
        }
        if !file.tested && file.problem.is_none() {
            let word = if required { "FAILED  " } else { "untested" };
            said(out, &format!("{word}  {}: no {} beside it", file.file, short_name(&file.file)))?;
        }
    }
    Ok(())
}

fn short_name(file: &str) -> String {
    let name = test_name(file);
    name.rsplit('/').next().unwrap_or(&name).to_owned()
}

fn records(file: &TestedFile, required: bool) -> Vec<serde_json::Value> {
    let record =
        |result: &str, line: u32, case: &str, fired: Vec<String>, message: &str, ms: f64| {
            serde_json::json!({
                "result": result, "file": file.file, "line": line, "case": case,
                "rules_fired": fired, "message": message, "ms": ms,
            })
        };
    let mut out = Vec::new();
    if let Some(problem) = &file.problem {
        out.push(record("failed", 0, "", Vec::new(), problem, 0.0));
    } else if !file.tested {
        let result = if required { "failed" } else { "untested" };
        out.push(record(result, 0, "", Vec::new(), "no test beside it", 0.0));
    }
    for case in &file.cases {
        let result = if case.failure.is_empty() { "passed" } else { "failed" };
        let fired = case.fired.iter().cloned().collect();
        let ms = (case.took.as_secs_f64() * 1e5).round() / 100.0;
        out.push(record(result, case.line, &case.name, fired, &case.failure, ms));
    }
    out
}
