//! `watchfloor rules dry-run`: count findings of rules, and alert none.

use clap::Args;

use crate::cli::rules::decide::{Decision, SELECTORS, decide};
use crate::cli::{Common, Outcome};
use crate::model::rule_life::RuleState;

#[derive(Args)]
#[command(after_help = concat_help())]
pub(crate) struct Arguments {
    #[command(flatten)]
    decision: Decision,
}

fn concat_help() -> String {
    format!(
        "Examples:
  watchfloor rules dry-run pack:sigma level:low --reason 'looking first'
  watchfloor rules list --state dry-run          what was counted

{SELECTORS}"
    )
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    decide(common, &arguments.decision, Some(RuleState::DryRun))
}
