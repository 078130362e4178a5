//! `watchfloor rules remove`: a pack is no longer used.

use std::io::Write;

use clap::Args;

use crate::cli::{Common, Outcome, output};
use crate::model::rule_life::RuleRequest;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules remove sigma --reason 'replaced by our own'

Its files stay in the data folder, so that watchfloor rules rollback brings it back.")]
pub(crate) struct Arguments {
    /// The pack
    pack: String,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let opened = super::desk(common)?;
    let request = RuleRequest::Remove { pack: arguments.pack.clone() };
    let done = opened.wait(opened.desk.rule_change(request, &arguments.reason))?;
    let mut out = output::stdout();
    if let Some(change) = done {
        writeln!(out, "change {}: removed {}", change.id, change.subject)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}
