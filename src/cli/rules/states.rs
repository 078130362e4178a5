//! `watchfloor rules states`: what was decided about which rules.

use std::io::Write;

use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome};

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules states
  watchfloor rules states --format ndjson

The first row that is about a rule and its endpoint holds; a rule that no row is about is on.")]
pub(crate) struct Arguments {
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let opened = super::desk(common)?;
    let view = opened.wait(opened.desk.rule_view())?;
    let mut out = output::stdout();
    let columns = ["state", "selector", "at", "actor", "reason"];
    let records = view.book.states.iter().map(|row| {
        serde_json::json!({
            "state": row.state.as_str(), "selector": row.selector.to_string(),
            "at": row.at.to_string(), "actor": row.actor, "reason": row.reason,
        })
    });
    output::records(&mut out, arguments.format, &columns, records)?;
    out.flush()?;
    Ok(Outcome::Done)
}
