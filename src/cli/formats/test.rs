//! `watchfloor formats test`: the decoders against other people's parser tests, by suite, by file or case by case.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use serde_json::{Value as Json, json};

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, load};
use crate::scoreboard::{Board, Counts, Suite, Verdict};

/// What is printed of an input in a table; the other formats print all of it.
const INPUT_CHARS_MAX: usize = 160;

#[derive(Args)]
pub(crate) struct Arguments {
    /// Folders with test suites; they are recognised by their files
    #[arg(required = true, value_name = "DIR")]
    folders: Vec<PathBuf>,
    /// Only this suite
    #[arg(long, value_name = "NAME")]
    suite: Option<String>,
    /// A row for every file instead of one for every suite
    #[arg(long, conflicts_with = "list")]
    files: bool,
    /// List the cases that differ, with the reason
    #[arg(long)]
    list: bool,
    /// List the cases that are accepted or not covered, too
    #[arg(long, requires = "list")]
    all: bool,
    /// Fail when a suite has less than this many right in a hundred covered cases
    #[arg(long, value_name = "PERCENT")]
    min: Option<f64>,
    /// Read twins, families and accepted differences from this folder (as in config/scoreboard)
    #[arg(long, value_name = "DIR")]
    tables: Option<PathBuf>,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

const SUMMARY: [&str; 8] =
    ["suite", "unit", "cases", "agreed", "accepted", "differing", "not_covered", "percent"];
const FILES: [&str; 8] =
    ["suite", "file", "cases", "agreed", "accepted", "differing", "not_covered", "percent"];
const CASES: [&str; 6] = ["suite", "file", "line", "verdict", "why", "input"];

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    let board = Board::new(&config, arguments.tables.as_deref())?;
    let suites = board.run(&arguments.folders, arguments.suite.as_deref())?;
    let mut out = output::stdout();
    if arguments.list {
        cases(&mut out, arguments, &suites)?;
    } else if arguments.files {
        let rows = suites.iter().flat_map(|suite| {
            let files = suite.files().into_iter();
            files.map(|(file, counts)| row(suite.name, "file", file, counts)).collect::<Vec<_>>()
        });
        output::records(&mut out, arguments.format, &FILES, rows)?;
    } else {
        let rows = suites.iter().map(|suite| row(suite.name, "unit", suite.unit, suite.counts()));
        output::records(&mut out, arguments.format, &SUMMARY, rows)?;
    }
    out.flush()?;
    let low = |suite: &&Suite| {
        let min = arguments.min.unwrap_or(0.0);
        suite.counts().percent().is_none_or(|percent| percent < min)
    };
    let below: Vec<&str> = suites.iter().filter(low).map(|suite| suite.name).collect();
    if arguments.min.is_some() && !below.is_empty() {
        output::complain(&format!("watchfloor: below the bar: {}", below.join(", ")));
        return Ok(Outcome::Failed);
    }
    Ok(Outcome::Done)
}

fn row(suite: &str, second: &str, value: &str, counts: Counts) -> Json {
    let percent = counts.percent().map(|percent| (percent * 100.0).floor() / 100.0);
    json!({
        "suite": suite, second: value, "cases": counts.cases(), "agreed": counts.agreed,
        "accepted": counts.accepted, "differing": counts.differing,
        "not_covered": counts.not_covered, "percent": percent,
    })
}

fn cases(out: &mut impl Write, arguments: &Arguments, suites: &[Suite]) -> anyhow::Result<()> {
    let mut list = Vec::new();
    for suite in suites {
        for case in &suite.cases {
            let (word, why) = match &case.verdict {
                Verdict::Differing(why) => ("differing", why),
                Verdict::Accepted(why) if arguments.all => ("accepted", why),
                Verdict::NotCovered(why) if arguments.all => ("not_covered", why),
                _ => continue,
            };
            list.push(json!({
                "suite": suite.name, "file": case.file, "line": case.line, "verdict": word,
                "why": why, "input": case.input,
            }));
        }
    }
    if arguments.format != Format::Table {
        return output::records(out, arguments.format, &CASES, list);
    }
    let text = |case: &Json, name: &str| -> String {
        case.get(name).and_then(Json::as_str).map(output::plain).unwrap_or_default()
    };
    for case in &list {
        let line = case.get("line").and_then(Json::as_u64).unwrap_or_default();
        let input: String = text(case, "input").chars().take(INPUT_CHARS_MAX).collect();
        writeln!(
            out,
            "{}:{line}: {}: {}",
            text(case, "file"),
            text(case, "verdict"),
            text(case, "why")
        )?;
        writeln!(out, "    {input}")?;
    }
    Ok(())
}
