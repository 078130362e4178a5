//! Judges events twice, with the index and our own evaluation and by the library alone, and compares: proof that
//! the fast way leaves nothing out.

use std::ops::ControlFlow;

use crate::config::Config;
use crate::detect::memo::Memo;
use crate::detect::rules::Judge;
use crate::detect::{Match, RuleSet};
use crate::pipeline::inputs::{Inputs, Plan, Watcher, size};
use crate::stdx::pool;

/// Differences listed; more are counted.
pub const DIFFERENCES_MAX: usize = 100;

/// One match that only one way found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The event.
    pub event: String,
    /// The rule's id.
    pub rule: String,
    /// The index found it; otherwise only plain evaluation did.
    pub by_index: bool,
}

/// What the comparison gave.
#[derive(Debug, Default)]
pub struct VerifyReport {
    /// Rules that ran.
    pub rules: usize,
    /// Events read.
    pub events: u64,
    /// Events judged twice.
    pub judged: u64,
    /// Matches of the index.
    pub matches: u64,
    /// Matches that only one way found.
    pub differing: u64,
    /// The first of them.
    pub differences: Vec<Difference>,
    /// What could not be read or loaded.
    pub problems: Vec<String>,
}

/// Judge every `every`th event of the inputs by both ways.
///
/// # Errors
/// An input pattern that cannot be understood.
pub fn verify(
    config: &Config,
    inputs: &Inputs,
    every: u64,
    workers: usize,
    watcher: &dyn Watcher,
) -> anyhow::Result<VerifyReport> {
    let loaded = RuleSet::load_for_comparison(&config.rules);
    let plan = Plan::new(config, inputs, false)?;
    watcher.expect_bytes(plan.bytes());
    let mut report = VerifyReport {
        rules: loaded.rules.rules().len(),
        problems: plan.problems.clone(),
        ..VerifyReport::default()
    };
    report.problems.extend(loaded.problems.iter().map(ToString::to_string));
    let rules = &loaded.rules;
    pool::ordered(
        workers,
        &plan.inputs,
        |input| {
            let mut part = VerifyReport::default();
            let mut memo = Memo::on();
            let done = plan.read(input, &mut |output| {
                let mut judge = Judge::remembering(rules, std::mem::take(&mut memo));
                let (mut fast, mut plain) = (Vec::new(), Vec::new());
                for event in &output.events {
                    part.events += 1;
                    if part.events % every.max(1) == 0 {
                        fast.clear();
                        plain.clear();
                        judge.judge(event, &mut fast);
                        rules.judge_by_library(event, &mut plain);
                        part.compare(rules, &event.id.to_string(), &fast, &plain);
                    }
                }
                memo = judge.into_memo();
                ControlFlow::Continue(())
            });
            part.problems = done.problems;
            watcher.read_bytes(size(input));
            part
        },
        |part| {
            report.add(part);
            ControlFlow::Continue(())
        },
    );
    Ok(report)
}

impl VerifyReport {
    fn compare(&mut self, rules: &RuleSet, event: &str, fast: &[Match], plain: &[Match]) {
        self.judged += 1;
        self.matches += fast.len() as u64;
        let only = |these: &[Match], those: &[Match]| -> Vec<u32> {
            let missing = |hit: &&Match| those.iter().all(|other| other.rule != hit.rule);
            these.iter().filter(missing).map(|hit| hit.rule).collect()
        };
        for (by_index, numbers) in [(true, only(fast, plain)), (false, only(plain, fast))] {
            for number in numbers {
                self.differing += 1;
                let rule = rules.rules().get(number as usize);
                if self.differences.len() < DIFFERENCES_MAX {
                    self.differences.push(Difference {
                        event: event.to_owned(),
                        rule: rule.map(|rule| rule.id.clone()).unwrap_or_default(),
                        by_index,
                    });
                }
            }
        }
    }

    fn add(&mut self, part: VerifyReport) {
        self.events += part.events;
        self.judged += part.judged;
        self.matches += part.matches;
        self.differing += part.differing;
        let room = DIFFERENCES_MAX.saturating_sub(self.differences.len());
        self.differences.extend(part.differences.into_iter().take(room));
        self.problems.extend(part.problems);
    }
}
