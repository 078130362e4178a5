//! `watchfloor rules parked`: rules that made too many alerts in a day.

use std::io::Write;

use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome};

/// The columns, in CSV's order.
const COLUMNS: [&str; 10] = [
    "rule.level",
    "rule.id",
    "rule.name",
    "budget",
    "since",
    "last",
    "findings",
    "held",
    "counted",
    "organization.id",
];

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules parked
  watchfloor rules parked --format ndjson

budget: new alerts a day that the rule may make (rules.budget, [[rules.budgets]]). findings: matches kept back, since
when and until when by event time. held: alerts that appear when the rule is released. counted: matches beyond those;
their events are stored like all others.")]
pub(crate) struct Arguments {
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let opened = super::desk(common)?;
    let view = opened.wait(opened.desk.rule_view())?;
    let mut out = output::stdout();
    let records = view.parked.iter().map(|one| {
        serde_json::json!({
            "rule.level": one.level.as_str(), "rule.id": one.rule, "rule.name": one.title,
            "budget": one.budget, "since": one.since.to_string(), "last": one.last.to_string(),
            "findings": one.findings, "held": one.held, "counted": one.counted,
            "organization.id": one.tenant,
        })
    });
    output::records(&mut out, arguments.format, &COLUMNS, records)?;
    out.flush()?;
    Ok(Outcome::Done)
}
