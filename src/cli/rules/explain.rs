//! `watchfloor rules explain`: why a rule holds for an event, or does not.

use std::io::Write;

use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, load};
use crate::model::desk::{Problem, ProblemKind};
use crate::model::explanation::{Explanation, Row, RowKind};
use crate::pipeline::inputs::Inputs;
use crate::pipeline::workshop::explain::{ExplainOptions, ExplainReport, ExplainedRule, explain};
use crate::pipeline::workshop::find::NoRule;
use crate::wire::explain_v1;

/// The columns of CSV.
const COLUMNS: [&str; 8] =
    ["rule_id", "event_id", "timestamp", "host", "fires", "source_fits", "short", "missing"];

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules explain 097fff85 /var/log/auth.log
  watchfloor rules explain my_rule.yml evidence/*.evtx --limit 3
  watchfloor rules explain 'sudo with a program that gives a shell' - < auth.log --format ndjson

Matches are shown first, then the nearest misses: those with the fewest conditions that would have to be
different. A correlation stands for the rules that go into it.

Exit code: 0; 1 when nothing could be read; 2 when no rule, or more than one, is meant.")]
pub(crate) struct Arguments {
    /// The rule: its id or the beginning of it, its title, or a rule file
    rule: String,
    /// Logs: files, folders and globs; - is standard input
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Where to look for the rule: `builtin`, files or folders [default: rules.paths of the configuration]
    #[arg(short, long, value_name = "PATH")]
    rules: Vec<String>,
    /// Only the event with this id (or its beginning)
    #[arg(long, value_name = "ID")]
    event: Option<String>,
    /// Explanations of each rule at most
    #[arg(long, default_value_t = 3)]
    limit: usize,
    /// Read the input as this format instead of looking (see `formats list`)
    #[arg(long = "as", value_name = "NAME", default_value = "auto")]
    read_as: String,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    load::format_name(&config, &arguments.read_as)?;
    let options = ExplainOptions {
        rule: arguments.rule.clone(),
        rules: super::rules(config.clone(), &arguments.rules)?,
        inputs: Inputs {
            paths: arguments.files.clone(),
            format: arguments.read_as.clone(),
            host: None,
            host_from_path: None,
            explain: false,
        },
        event: arguments.event.clone(),
        limit: arguments.limit,
    };
    let report = explain(&config, &options).map_err(no_rule)?;
    report.problems.iter().for_each(|problem| output::complain(problem));
    let mut out = output::stdout();
    if arguments.format == Format::Table {
        for (number, rule) in report.rules.iter().enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            print_rule(&mut out, rule, &report)?;
        }
    } else {
        let all = report.rules.iter().flat_map(|rule| &rule.shown);
        let records = all.map(|found| serde_json::json!(explain_v1::Explanation::from(found)));
        output::records(&mut out, arguments.format, &COLUMNS, records)?;
    }
    out.flush()?;
    Ok(if report.events == 0 || report.rules.is_empty() { Outcome::Failed } else { Outcome::Done })
}

/// A rule that is not found is the caller's mistake.
pub(super) fn no_rule(error: anyhow::Error) -> anyhow::Error {
    let hint = match error.downcast_ref::<NoRule>() {
        Some(NoRule::None(..)) => "watchfloor rules list shows the ids; --rules names other places",
        Some(NoRule::Several(..)) => "name one by its id",
        None => return error,
    };
    Problem::new(ProblemKind::Invalid, error.to_string()).hint(hint).into()
}

fn print_rule(
    out: &mut impl Write,
    rule: &ExplainedRule,
    report: &ExplainReport,
) -> anyhow::Result<()> {
    line(out, &format!("{}  ({}, {})", rule.title, rule.id, rule.place))?;
    let mut parts = vec![format!("{} match", rule.matches)];
    for (count, words) in [
        (rule.one_short, "one condition short"),
        (rule.further, "further away"),
        (rule.other_source, "of another log source"),
    ] {
        if count > 0 {
            parts.push(format!("{count} {words}"));
        }
    }
    line(out, &format!("{} events: {}", report.events, parts.join(", ")))?;
    for found in &rule.shown {
        writeln!(out)?;
        print_one(out, found)?;
    }
    Ok(())
}

fn print_one(out: &mut impl Write, found: &Explanation) -> anyhow::Result<()> {
    let at = found.timestamp.to_string();
    let at = at.get(..19).unwrap_or(&at);
    line(out, &format!("event {}  {at}Z  {}", found.event, found.host))?;
    if !found.source_fits {
        let (wanted, is) = (&found.source_wanted, &found.source_is);
        line(out, &format!("  NOT LOOKED AT: the rule is for {wanted}; the event is {is}"))?;
    }
    match (found.holds, found.short) {
        (true, _) if found.source_fits => line(out, "  MATCH")?,
        (true, _) => line(out, "  its conditions would hold")?,
        (false, 1) => line(out, "  one condition short:")?,
        (false, u32::MAX) => line(out, "  can never match:")?,
        (false, count) => line(out, &format!("  {count} conditions short:"))?,
    }
    for missing in &found.missing {
        line(out, &format!("    {missing}"))?;
    }
    for row in &found.rows {
        line(out, &row_text(row))?;
    }
    if found.rows_left_out > 0 {
        line(out, &format!("  … {} more rows", found.rows_left_out))?;
    }
    Ok(())
}

fn row_text(row: &Row) -> String {
    let mark = if row.holds { "yes" } else { "no " };
    let indent = "  ".repeat(usize::from(row.depth) + 1);
    let mut text = format!("{indent}{mark}  {}", row.name);
    match row.kind {
        RowKind::Group | RowKind::Not => {}
        RowKind::Named if row.wanted.is_empty() => {}
        RowKind::Named => text.push_str(&format!(": {}", row.wanted)),
        RowKind::Field | RowKind::Keyword | RowKind::Array => {
            text.push_str(&format!(" {}", row.wanted));
            if !row.value.is_empty() {
                let word = if row.holds { "it is" } else { "missing" };
                text.push_str(&format!("; {word} \"{}\"", row.value));
            }
            let there = match &row.actual {
                Some(actual) if row.ours.is_empty() => actual.clone(),
                Some(actual) => format!("{} = {actual}", row.ours),
                None if row.ours.is_empty() => return text,
                None => format!("the event has no {}", row.ours),
            };
            text.push_str(&format!("\n{indent}       {there}"));
        }
    }
    text
}

fn line(out: &mut impl Write, text: &str) -> anyhow::Result<()> {
    writeln!(out, "{}", output::plain(text))?;
    Ok(())
}
