//! `watchfloor rules release`: let parked rules go on.

use std::io::Write;

use clap::Args;

use crate::cli::{Common, Outcome, output};
use crate::desk::Desk;
use crate::model::rule_life::RuleRequest;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules parked
  watchfloor rules release 6a4ee6e4-4a9d-4c8f-9f5f-1f6a6d1f8c11
  watchfloor rules release --all --reason 'the scanner is switched off'

The alerts that were kept back appear with their own times, and the rule has its whole budget again. A rule that is
still too loud is parked again: tune it, switch it off, or give it a budget of its own in [[rules.budgets]].")]
pub(crate) struct Arguments {
    /// The rules' ids
    #[arg(required_unless_present = "all", value_name = "RULE")]
    rules: Vec<String>,
    /// Every rule that is parked
    #[arg(long, conflicts_with = "rules")]
    all: bool,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "released")]
    reason: String,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let opened = super::desk(common)?;
    let parked = opened.wait(opened.desk.rule_view())?.parked;
    let mut ids: Vec<&str> = if arguments.all {
        parked.iter().map(|one| one.rule.as_str()).collect()
    } else {
        arguments.rules.iter().map(String::as_str).collect()
    };
    ids.sort_unstable();
    ids.dedup();
    let mut out = output::stdout();
    for id in ids {
        let request = RuleRequest::Release { rule: id.to_owned() };
        let done = opened.wait(opened.desk.rule_change(request, &arguments.reason))?;
        let Some(change) = done else {
            writeln!(out, "nothing to change: {} is not parked", output::plain(id))?;
            continue;
        };
        let of_rule = parked.iter().filter(|one| one.rule == id);
        let (held, counted) =
            of_rule.fold((0, 0), |sum, one| (sum.0 + one.held, sum.1 + one.counted));
        let id = output::plain(id);
        writeln!(out, "change {}: released {id}; {held} alerts appear", change.id)?;
        if counted > 0 {
            output::complain(&format!(
                "note: {counted} further matches of {id} were counted only; watchfloor rules backtest finds them in the stored events"
            ));
        }
    }
    if matches!(opened.desk, Desk::Local(_)) {
        output::complain("note: no daemon runs; this is carried out when one starts");
    }
    out.flush()?;
    Ok(Outcome::Done)
}
