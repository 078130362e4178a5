//! What `enable`, `disable` and `dry-run` share: which rules, where, and why.

use std::io::Write;

use clap::Args;

use crate::cli::{Common, Outcome, load, output};
use crate::model::desk::{Problem, ProblemKind};
use crate::model::rule_life::{RuleRequest, RuleState, Selector};
use crate::pipeline::rules::check_all;

/// How selectors are written, for `--help`.
pub(crate) const SELECTORS: &str = "A selector has one or more parts, and all must hold:
  ID or rule:ID        one rule
  tag:PATTERN          rules with such a tag; * stands for any letters
  pack:NAME            rules of a pack; builtin is the shipped one
  recommended          rules that their pack recommends
  level:LEVEL          critical, high, medium, low or info
  all                  every rule

The most specific decision about a rule holds: rule before tag before pack before recommended
before level, and the one with an endpoint before the same without.";

/// Which rules, where, and why.
#[derive(Args, Debug)]
pub(crate) struct Decision {
    /// Which rules: parts that must all hold
    #[arg(required = true, value_name = "SELECTOR")]
    selector: Vec<String>,
    /// Only at this endpoint; * stands for any letters
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

/// Make the decision and say what it was; `None` takes back what was decided.
pub(crate) fn decide(
    common: &Common,
    decision: &Decision,
    state: Option<RuleState>,
) -> anyhow::Result<Outcome> {
    let selector = selector(decision)?;
    let opened = super::desk(common)?;
    let request = RuleRequest::State { selector: selector.clone(), state };
    let done = opened.wait(opened.desk.rule_change(request, &decision.reason))?;
    let mut out = output::stdout();
    match done {
        Some(change) => {
            writeln!(out, "change {}: {}", change.id, output::plain(&change.subject))?;
            note_unknown(common, &selector)?;
        }
        None => writeln!(
            out,
            "nothing to change: {} is that way",
            output::plain(&selector.to_string())
        )?,
    }
    out.flush()?;
    Ok(Outcome::Done)
}

/// Without a daemon nobody else can say that a rule's id was mistyped.
fn note_unknown(common: &Common, selector: &Selector) -> anyhow::Result<()> {
    let Some(id) = &selector.rule else { return Ok(()) };
    let report = check_all(&super::rules(load::config(common)?, &[])?);
    let known = report.rules.iter().chain(&report.unbound).any(|rule| rule.id == *id);
    if !known {
        output::complain(&format!(
            "note: no rule that is loaded now has the id {id}; watchfloor rules list shows the ids"
        ));
    }
    Ok(())
}

fn selector(decision: &Decision) -> anyhow::Result<Selector> {
    // Several parts in one pair of quotes are meant the same way.
    let terms = decision.selector.iter().flat_map(|terms| terms.split_whitespace());
    let mut selector = Selector::parse(terms).map_err(|error| {
        Problem::new(ProblemKind::Invalid, error.to_string())
            .hint("watchfloor rules disable --help shows how selectors are written")
    })?;
    if let Some(host) = &decision.host {
        selector.host = Some(host.to_lowercase());
    }
    Ok(selector)
}

/// A state on the command line.
pub(crate) fn state(text: &str) -> Result<RuleState, BadState> {
    RuleState::parse(text).ok_or(BadState)
}

/// A word that is no state.
#[derive(Debug, thiserror::Error)]
#[error("expected off, dry-run or on")]
pub(crate) struct BadState;
