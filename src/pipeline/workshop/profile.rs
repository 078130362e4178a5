//! What rules cost: how often each is evaluated (the index leaves out most), how often it holds, and how long one
//! evaluation takes. Measured on a sample of the events, several times each, with the clock's own cost taken off.
//!
//! Texts are lower-cased once an event for all rules; that is not part of any rule's cost.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rsigma_parser::{Detection, DetectionItem, Modifier, SigmaRule, SigmaValue};

use crate::config::Config;
use crate::config::rules::RulesConfig;
use crate::detect::load;
use crate::detect::rules::Judge;
use crate::detect::{Loaded, RuleSet, fields};
use crate::model::event::Event;
use crate::model::field::FieldId;
use crate::model::finding::RuleInfo;
use crate::pipeline::inputs::{Inputs, Plan};

/// One of so many events is measured.
const SAMPLE_EVERY: u64 = 8;
/// Evaluations in one measurement.
const REPEATS: u32 = 4;
/// Measurements of one evaluation; the fastest counts, because what is added to it is other work of the machine.
const MEASUREMENTS: u32 = 3;
/// Readings of the clock that its cost is the median of.
const CLOCK_READINGS: usize = 1_001;
/// Regexes that are measured.
const REGEXES_MAX: usize = 5_000;

/// What one rule costs.
#[derive(Clone, Debug)]
pub struct RuleCost {
    /// The rule.
    pub rule: Arc<RuleInfo>,
    /// Events for which its condition was evaluated.
    pub evaluations: u64,
    /// Of these, how many it held for.
    pub matches: u64,
    /// Nanoseconds of one evaluation; `None`: no sample.
    pub ns: Option<f64>,
}

impl RuleCost {
    /// Nanoseconds that all its evaluations take.
    pub fn total_ns(&self) -> f64 {
        self.ns.unwrap_or(0.0) * self.evaluations as f64
    }
}

/// What one regex costs.
#[derive(Clone, Debug)]
pub struct RegexCost {
    /// Title of its rule.
    pub rule: String,
    /// The field as the rule names it.
    pub field: String,
    /// The regex.
    pub regex: String,
    /// Values that it was tried on.
    pub tried: u64,
    /// Nanoseconds of one search.
    pub ns: f64,
}

/// The whole measurement.
#[derive(Debug, Default)]
pub struct ProfileReport {
    /// Rules that were evaluated at all, the most expensive first.
    pub rules: Vec<RuleCost>,
    /// Regexes that were tried, slowest first.
    pub regexes: Vec<RegexCost>,
    /// Rules loaded.
    pub loaded: usize,
    /// Time that loading took.
    pub load: Duration,
    /// Events judged, and of these measured.
    pub events: u64,
    /// Events whose rules were measured one by one.
    pub sampled: u64,
    /// Time that judging took, without decoding and without measuring.
    pub judging: Duration,
    /// Trouble, in a person's words.
    pub problems: Vec<String>,
}

struct Regexes {
    rule: String,
    field: String,
    ids: Vec<FieldId>,
    regex: regex::Regex,
    tried: u64,
    ns: f64,
}

/// Measure every rule over the events of `inputs`.
pub fn profile(
    config: &Config,
    rules: &RulesConfig,
    inputs: &Inputs,
) -> anyhow::Result<ProfileReport> {
    let started = Instant::now();
    let regexes_of = rules;
    let Loaded { rules, problems, .. } = RuleSet::load(rules, &Default::default());
    let mut report = ProfileReport { load: started.elapsed(), ..ProfileReport::default() };
    report.problems.extend(problems.iter().map(ToString::to_string));
    report.loaded = rules.rules().len();
    let plan = Plan::new(config, inputs, true)?;
    report.problems.extend(plan.problems.iter().cloned());
    let mut measured = Measured {
        clock: clock_cost(),
        costs: BTreeMap::new(),
        regexes: regexes(regexes_of, &mut report.problems),
    };
    for input in &plan.inputs {
        let read = plan.read(input, &mut |output| {
            let mut judge = Judge::new(&rules);
            let mut matches = Vec::new();
            for event in &output.events {
                matches.clear();
                let started = Instant::now();
                judge.judge(event, &mut matches);
                report.judging += started.elapsed();
                let sampled = report.events.is_multiple_of(SAMPLE_EVERY);
                report.events += 1;
                report.sampled += u64::from(sampled);
                measured.count(&judge, &matches, &rules, sampled.then_some(event));
            }
            ControlFlow::Continue(())
        });
        report.problems.extend(read.problems);
    }
    measured.finish(&rules, &mut report);
    Ok(report)
}

#[derive(Default)]
struct Cost {
    evaluations: u64,
    matches: u64,
    samples: u64,
    ns: f64,
}

struct Measured {
    clock: f64,
    costs: BTreeMap<u32, Cost>,
    regexes: Vec<Regexes>,
}

impl Measured {
    fn count(
        &mut self,
        judge: &Judge<'_, '_>,
        matches: &[crate::detect::Match],
        rules: &RuleSet,
        sample: Option<&Event>,
    ) {
        for number in judge.evaluated() {
            let cost = self.costs.entry(*number).or_default();
            cost.evaluations += 1;
            if sample.is_some() {
                cost.ns += fastest(self.clock, || {
                    black_box(rules.holds(black_box(*number), judge.view()));
                });
                cost.samples += 1;
            }
        }
        for hit in matches {
            self.costs.entry(hit.rule).or_default().matches += 1;
        }
        let Some(event) = sample else { return };
        for regex in &mut self.regexes {
            let value = regex.ids.iter().find_map(|id| event.str(*id));
            let Some(value) = value else { continue };
            regex.ns += fastest(self.clock, || {
                black_box(regex.regex.is_match(black_box(value)));
            });
            regex.tried += 1;
        }
    }

    fn finish(self, rules: &RuleSet, report: &mut ProfileReport) {
        for (number, cost) in self.costs {
            let Some(rule) = rules.rules().get(number as usize) else { continue };
            report.rules.push(RuleCost {
                rule: Arc::clone(rule),
                evaluations: cost.evaluations,
                matches: cost.matches,
                ns: (cost.samples > 0).then(|| cost.ns / cost.samples as f64),
            });
        }
        report.rules.sort_by(|a, b| b.total_ns().total_cmp(&a.total_ns()));
        report.regexes = self
            .regexes
            .into_iter()
            .filter(|regex| regex.tried > 0)
            .map(|regex| RegexCost {
                rule: regex.rule,
                field: regex.field,
                regex: regex.regex.as_str().to_owned(),
                tried: regex.tried,
                ns: regex.ns / regex.tried as f64,
            })
            .collect();
        report.regexes.sort_by(|a, b| b.ns.total_cmp(&a.ns));
    }
}

/// Nanoseconds that doing it once takes.
fn fastest(clock: f64, mut work: impl FnMut()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..MEASUREMENTS {
        let started = Instant::now();
        for _ in 0..REPEATS {
            work();
        }
        best = best.min(started.elapsed().as_nanos() as f64);
    }
    (best - clock).max(0.0) / f64::from(REPEATS)
}

/// What reading the clock twice costs.
fn clock_cost() -> f64 {
    let mut readings: Vec<u128> =
        (0..CLOCK_READINGS).map(|_| Instant::now().elapsed().as_nanos()).collect();
    readings.sort_unstable();
    readings.get(CLOCK_READINGS / 2).copied().unwrap_or(0) as f64
}

fn regexes(config: &RulesConfig, problems: &mut Vec<String>) -> Vec<Regexes> {
    let mut out = Vec::new();
    for (rule, _) in &load::read(config, &mut Vec::new()).rules {
        let mut named: Vec<_> = rule.detection.named.iter().collect();
        named.sort_by_key(|(name, _)| name.as_str());
        for (_, detection) in named {
            collect(rule, detection, &mut out);
        }
    }
    if out.len() >= REGEXES_MAX {
        problems.push(format!("only the first {REGEXES_MAX} regexes are measured"));
    }
    out
}

fn collect(rule: &SigmaRule, detection: &Detection, out: &mut Vec<Regexes>) {
    match detection {
        Detection::AllOf(items) => items.iter().for_each(|item| of_item(rule, item, out)),
        Detection::AnyOf(inner) | Detection::And(inner) => {
            inner.iter().for_each(|one| collect(rule, one, out));
        }
        Detection::Keywords(_) | Detection::ArrayMatch { .. } | Detection::Conditional { .. } => {}
    }
}

fn of_item(rule: &SigmaRule, item: &DetectionItem, out: &mut Vec<Regexes>) {
    let has = |modifier| item.field.has_modifier(modifier);
    let Some(field) = item.field.name.as_ref().filter(|_| has(Modifier::Re)) else { return };
    for value in &item.values {
        let SigmaValue::String(text) = value else { continue };
        let built = regex::RegexBuilder::new(&text.original)
            .case_insensitive(has(Modifier::IgnoreCase))
            .multi_line(has(Modifier::Multiline))
            .dot_matches_new_line(has(Modifier::DotAll))
            .build();
        // One that does not compile is told by loading.
        let Ok(regex) = built else { continue };
        if out.len() < REGEXES_MAX {
            let ids = fields::candidates(field);
            out.push(Regexes {
                rule: rule.title.clone(),
                field: field.clone(),
                ids: ids.iter().filter_map(|name| FieldId::intern(name)).collect(),
                regex,
                tried: 0,
                ns: 0.0,
            });
        }
    }
}
