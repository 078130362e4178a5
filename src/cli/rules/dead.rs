//! `watchfloor rules dead`: rules that can never fire on what arrives, with the cause.

use std::io::Write;

use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::rules::coverage::Arrived;
use crate::cli::{Common, Outcome, load};
use crate::pipeline::workshop::coverage::reaches;

/// The columns, in CSV's order.
const COLUMNS: [&str; 4] = ["cause", "rule.name", "rule.id", "file"];

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules dead                       against the events that the store got in the last 7 days
  watchfloor rules dead ~/sigma/rules --over evidence/ --format csv

A rule is dead when no event of its log source came, or none with a field that its condition needs, or when the
field's values are of a form that its tests can never match. One that is alive may still never fire.")]
pub(crate) struct Arguments {
    /// `builtin`, files or folders [default: rules.paths of the configuration]
    paths: Vec<String>,
    #[command(flatten)]
    arrived: Arrived,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    let telemetry = arguments.arrived.telemetry(common, &config)?;
    let mut problems = Vec::new();
    let rules = super::rules(config, &arguments.paths)?;
    let rules = reaches(&rules, &telemetry, &mut problems);
    problems.iter().for_each(|problem| output::complain(problem));
    let mut dead: Vec<_> = rules.iter().filter(|rule| rule.reach.is_dead()).collect();
    dead.sort_by(|a, b| (&a.reach.causes, &a.title).cmp(&(&b.reach.causes, &b.title)));
    let mut out = output::stdout();
    let records = dead.iter().map(|rule| {
        serde_json::json!({
            "cause": rule.reach.causes.join("; "), "rule.name": rule.title, "rule.id": rule.id,
            "file": rule.place,
        })
    });
    output::records(&mut out, arguments.format, &COLUMNS, records)?;
    out.flush()?;
    output::complain(&format!(
        "{} of {} rules cannot fire on what arrived",
        dead.len(),
        rules.len()
    ));
    Ok(Outcome::Done)
}
