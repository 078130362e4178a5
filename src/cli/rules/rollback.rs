//! `watchfloor rules rollback`: back to an earlier set of packs, edits and states.

use std::io::Write;

use clap::Args;

use crate::cli::{Common, Outcome, output};
use crate::model::rule_life::RuleRequest;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules rollback --reason 'too loud'          what was before the last change
  watchfloor rules rollback 7 --reason 'as on Monday'    what change 7 left

A rollback is a change itself, so it can be rolled back. watchfloor rules history has the numbers.")]
pub(crate) struct Arguments {
    /// The change whose set is wanted [default: the one before the last]
    to: Option<u64>,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let opened = super::desk(common)?;
    let request = RuleRequest::Rollback { to: arguments.to };
    let done = opened.wait(opened.desk.rule_change(request, &arguments.reason))?;
    let mut out = output::stdout();
    match done {
        Some(change) => writeln!(out, "change {}: {}", change.id, change.subject)?,
        None => writeln!(out, "nothing to change: it is that way")?,
    }
    out.flush()?;
    Ok(Outcome::Done)
}
