//! `watchfloor rules enable`: let findings of rules become alerts.

use clap::Args;

use crate::cli::rules::decide::{Decision, SELECTORS, decide};
use crate::cli::{Common, Outcome};
use crate::model::rule_life::RuleState;

#[derive(Args)]
#[command(after_help = concat_help())]
pub(crate) struct Arguments {
    #[command(flatten)]
    decision: Decision,
    /// Take back what was decided about exactly this selector, instead of deciding that it is on
    #[arg(long)]
    forget: bool,
}

fn concat_help() -> String {
    format!(
        "Examples:
  watchfloor rules enable 6a4ee6e4-4a9d-4c8f-9f5f-1f6a6d1f8c11 --reason 'tuned'
  watchfloor rules enable pack:sigma recommended --reason 'the core first'
  watchfloor rules enable pack:sigma level:low --forget --reason 'as the others again'

{SELECTORS}"
    )
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let state = (!arguments.forget).then_some(RuleState::On);
    decide(common, &arguments.decision, state)
}
