//! `watchfloor rules disable`: let findings of rules go no further.

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
  watchfloor rules disable tag:attack.t1059* --host build01 --reason 'compilers all day'
  watchfloor rules disable pack:sigma --reason 'not now'

{SELECTORS}"
    )
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    decide(common, &arguments.decision, Some(RuleState::Off))
}
