//! Rules held against the events of files: which match, which nearly do, and why.

use std::ops::ControlFlow;

use crate::config::Config;
use crate::config::rules::RulesConfig;
use crate::detect::explain::judge::Standing;
use crate::detect::explain::plan::Plan as RulePlan;
use crate::detect::files::Document;
use crate::detect::load;
use crate::model::event::Event;
use crate::model::explanation::Explanation;
use crate::pipeline::inputs::{Inputs, Plan};
use crate::pipeline::workshop::find::{FoundRule, find};

/// What to explain.
#[derive(Clone, Debug)]
pub struct ExplainOptions {
    /// Id, its beginning, title or file of the rule.
    pub rule: String,
    /// Where rules are looked for.
    pub rules: RulesConfig,
    /// The logs.
    pub inputs: Inputs,
    /// Only events whose id begins so.
    pub event: Option<String>,
    /// Explanations of each rule at most: matches first, then the nearest.
    pub limit: usize,
}

/// What came of it.
#[derive(Debug, Default)]
pub struct ExplainReport {
    /// A row a rule.
    pub rules: Vec<ExplainedRule>,
    /// Events that were read.
    pub events: u64,
    /// Records that could not be read.
    pub rejected: u64,
    /// Trouble, in a person's words.
    pub problems: Vec<String>,
}

/// One rule held against all events.
#[derive(Debug)]
pub struct ExplainedRule {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Where it stands.
    pub place: String,
    /// Events that match.
    pub matches: u64,
    /// Events for which a single condition would have to be different.
    pub one_short: u64,
    /// Events of the right kind that are further away.
    pub further: u64,
    /// Events of another log source.
    pub other_source: u64,
    /// The nearest, best first.
    pub shown: Vec<Explanation>,
    ranks: Vec<(bool, u32)>,
    plan: RulePlan,
}

/// Explain.
pub fn explain(config: &Config, options: &ExplainOptions) -> anyhow::Result<ExplainReport> {
    let mut problems = Vec::new();
    let found = find(&options.rule, &options.rules, &mut problems)?;
    let mut report = ExplainReport::default();
    for rule in found {
        let place = format!("{}:{}", rule.place.file, rule.place.line);
        match prepare(&rule, place.clone()) {
            Ok(rule) => report.rules.push(rule),
            Err(error) => report.problems.push(format!("{place}: {error}")),
        }
    }
    report.problems.extend(problems.iter().map(ToString::to_string));
    let plan = Plan::new(config, &options.inputs, true)?;
    report.problems.extend(plan.problems.iter().cloned());
    for input in &plan.inputs {
        let read = plan.read(input, &mut |output| {
            for event in &output.events {
                let named = |start: &String| event.id.to_string().starts_with(start.as_str());
                if options.event.as_ref().is_none_or(named) {
                    report.events += 1;
                    report.rules.iter_mut().for_each(|rule| rule.see(event, options.limit));
                }
            }
            ControlFlow::Continue(())
        });
        report.rejected += read.ledger.rejected;
        report.problems.extend(read.problems);
    }
    Ok(report)
}

/// The rule of that id held against one event; a correlation is explained by the first of its rules that holds. `None`:
/// there is no such rule, or it cannot run.
pub fn of_event(rules: &RulesConfig, rule_id: &str, event: &Event) -> Option<Explanation> {
    let mut problems = Vec::new();
    // Filters may be anywhere. A correlation names rules that stand elsewhere, so for one everything is read.
    let near = |document: &Document| {
        document.text.contains(rule_id) || document.text.contains("\nfilter:")
    };
    let parsed = load::read_some(rules, &near, &mut problems);
    let own = parsed.rules.into_iter().find(|(rule, _)| rule.id.as_deref() == Some(rule_id));
    let plans: Vec<RulePlan> = match own {
        Some((rule, _)) => RulePlan::new(&rule, rule_id.to_owned()).into_iter().collect(),
        None => {
            let found = find(rule_id, rules, &mut problems).ok()?;
            found
                .iter()
                .filter_map(|found| RulePlan::new(&found.rule, found.id.clone()).ok())
                .collect()
        }
    };
    let holds = |plan: &&RulePlan| {
        let standing = plan.standing(event);
        standing.source_fits && standing.holds
    };
    plans.iter().find(holds).or(plans.first()).map(|plan| plan.explain(event))
}

fn prepare(
    found: &FoundRule,
    place: String,
) -> Result<ExplainedRule, crate::detect::explain::plan::PlanError> {
    Ok(ExplainedRule {
        id: found.id.clone(),
        title: found.rule.title.clone(),
        place,
        matches: 0,
        one_short: 0,
        further: 0,
        other_source: 0,
        shown: Vec::new(),
        ranks: Vec::new(),
        plan: RulePlan::new(&found.rule, found.id.clone())?,
    })
}

impl ExplainedRule {
    fn see(&mut self, event: &Event, limit: usize) {
        let standing = self.plan.standing(event);
        match standing {
            Standing { source_fits: false, .. } => self.other_source += 1,
            Standing { holds: true, .. } => self.matches += 1,
            Standing { short: 1, .. } => self.one_short += 1,
            Standing { .. } => self.further += 1,
        }
        let rank = (!standing.source_fits, standing.short);
        // Among equals the first stays.
        let at = self.ranks.partition_point(|known| *known <= rank);
        if at < limit {
            self.ranks.insert(at, rank);
            self.shown.insert(at, self.plan.explain(event));
            self.ranks.truncate(limit);
            self.shown.truncate(limit);
        }
    }
}
