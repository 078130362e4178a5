//! One-shot detection: files in, findings out. Files are judged in parallel and reported in order.
//!
//! A file is one stream: correlations join events of one file, in its order. Nothing is stored, so the
//! ledger's column `stored` reads "judged".

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::config::Config;
use crate::detect::{Detector, Loaded, RuleSet};
use crate::model::event::Event;
use crate::model::finding::Finding;
use crate::model::ledger::Ledger;
use crate::model::severity::Severity;
use crate::pipeline::failed_logins::FailedLogins;
use crate::pipeline::in_order;
use crate::pipeline::inputs::{
    DAMAGED, FirstRejects, Input, Inputs, Plan, Watcher, name, see_rejects, size,
};
use crate::pipeline::rule_life::resolve::configured;
use crate::signal::{self, SignalSet};
use crate::stdx::pool;
use crate::stdx::time::Timestamp;

/// What to judge and what to report.
#[derive(Clone, Debug)]
pub struct ScanOptions {
    /// Events before this are left out.
    pub from: Option<Timestamp>,
    /// Events at or after this are left out.
    pub to: Option<Timestamp>,
    /// Threads.
    pub workers: usize,
    /// Findings below this level are left out.
    pub min_level: Severity,
}

/// The findings of one input.
#[derive(Debug)]
pub struct FileResult {
    /// The file, or `-`.
    pub path: String,
    /// In the order of its events.
    pub findings: Vec<Finding>,
    partial: Partial,
}

#[derive(Debug, Default)]
struct Partial {
    ledger: Ledger,
    rejects: BTreeMap<&'static str, u64>,
    first_rejects: FirstRejects,
    time_problems: BTreeMap<&'static str, u64>,
    out_of_range: u64,
    failed_logins: FailedLogins,
    signals_dead: Vec<(String, String)>,
    problems: Vec<String>,
}

/// The whole run in numbers.
#[derive(Debug, Default)]
pub struct ScanReport {
    /// The books over all inputs.
    pub ledger: Ledger,
    /// Rejected records by reason.
    pub rejects: BTreeMap<&'static str, u64>,
    /// Where the first of each reason stands and what is wrong with it.
    pub first_rejects: FirstRejects,
    /// Events whose time was replaced or guessed, by word.
    pub time_problems: BTreeMap<&'static str, u64>,
    /// Events outside `--from`/`--to`.
    pub out_of_range: u64,
    /// Failed log-ins by where they came from.
    pub failed_logins: FailedLogins,
    /// Inputs read.
    pub files: u64,
    /// Findings reported.
    pub findings: u64,
    /// Findings by level.
    pub by_level: BTreeMap<Severity, u64>,
    /// Findings by host.
    pub by_host: BTreeMap<String, u64>,
    /// Findings by rule title.
    pub by_rule: BTreeMap<String, u64>,
    /// Rules that ran.
    pub rules_loaded: usize,
    /// Rules that did not compile.
    pub rules_failed: usize,
    /// Rules for log sources we do not know.
    pub rules_unbound: usize,
    /// Signals that ran.
    pub signals_loaded: usize,
    /// What is wrong with signal files.
    pub signals_failed: usize,
    /// Signals that could not say anything of an input, and why.
    pub signals_dead: BTreeMap<String, String>,
    /// Inputs that could not be read and rules that do not run, in a person's words.
    pub problems: Vec<String>,
}

/// Judge every input. `take` gets the results in the order of the inputs; `Break` stops.
pub fn scan(
    config: &Config,
    inputs: &Inputs,
    options: &ScanOptions,
    watcher: &dyn Watcher,
    take: &mut dyn FnMut(FileResult) -> ControlFlow<()>,
) -> anyhow::Result<ScanReport> {
    let resolved = configured(config)?;
    let Loaded { rules, problems, warnings } = RuleSet::load(&resolved, &Default::default());
    let rules = Arc::new(rules);
    let signals = signal::load(&config.signals);
    let set = Arc::new(signals.set);
    let plan = Plan::new(config, inputs, false)?;
    watcher.expect_bytes(plan.bytes());
    let mut report = ScanReport {
        problems: plan.problems.clone(),
        rules_loaded: rules.rules().len(),
        rules_failed: problems.len(),
        rules_unbound: rules.unbound().len(),
        signals_loaded: set.signals().len(),
        signals_failed: signals.problems.len(),
        ..ScanReport::default()
    };
    report.problems.extend(problems.iter().chain(&warnings).map(ToString::to_string));
    report.problems.extend(signals.problems.iter().map(ToString::to_string));
    // Big files first would balance better, but results come in the order people named them.
    pool::ordered(
        options.workers,
        &plan.inputs,
        |input| {
            let result = judge(&plan, input, &rules, &set, options);
            watcher.read_bytes(size(input));
            result
        },
        |result| {
            report.count(&result);
            take(result)
        },
    );
    Ok(report)
}

fn judge(
    plan: &Plan,
    input: &Input,
    rules: &Arc<RuleSet>,
    set: &Arc<SignalSet>,
    options: &ScanOptions,
) -> FileResult {
    let config = plan.config();
    let mut detector = Detector::new(Arc::clone(rules), config.limits.correlation_rows_max);
    let mut signals = signal::Engine::new(Arc::clone(set), &config.signals);
    let mut findings = Vec::new();
    let mut partial = Partial::default();
    let done = plan.read(input, &mut |output| {
        add(&mut partial.rejects, &output.by_reason);
        see_rejects(&mut partial.first_rejects, &output.rejects);
        add(&mut partial.time_problems, &output.time_problems);
        let before = output.events.len();
        output.events.retain(|event| in_range(event, options));
        partial.out_of_range += (before - output.events.len()) as u64;
        output.events.iter().for_each(|event| partial.failed_logins.see(event));
        if set.signals().is_empty() {
            detector.analyse(&output.events, true, &mut findings);
        } else {
            in_order::judge(&mut detector, &mut signals, &output.events, true, &mut findings);
        }
        ControlFlow::Continue(())
    });
    findings.retain(|finding: &Finding| finding.rule.level >= options.min_level);
    partial.signals_dead = signals.dead();
    partial.ledger = done.ledger;
    partial.problems = done.problems;
    // What the carrier could not read is trouble with the file, not with one record.
    partial.problems.extend(partial.first_rejects.get(DAMAGED).cloned());
    let room = detector.counts().warning();
    partial.problems.extend(room.map(|text| format!("{}: {text}", name(input))));
    FileResult { path: name(input), findings, partial }
}

fn in_range(event: &Event, options: &ScanOptions) -> bool {
    options.from.is_none_or(|from| event.timestamp >= from)
        && options.to.is_none_or(|to| event.timestamp < to)
}

fn add(into: &mut BTreeMap<&'static str, u64>, from: &BTreeMap<&'static str, u64>) {
    for (reason, count) in from {
        *into.entry(reason).or_default() += count;
    }
}

impl ScanReport {
    fn count(&mut self, result: &FileResult) {
        let partial = &result.partial;
        self.ledger.add(&partial.ledger);
        add(&mut self.rejects, &partial.rejects);
        for (reason, place) in &partial.first_rejects {
            self.first_rejects.entry(reason).or_insert_with(|| place.clone());
        }
        add(&mut self.time_problems, &partial.time_problems);
        self.out_of_range += partial.out_of_range;
        self.failed_logins.add(&partial.failed_logins);
        self.signals_dead.extend(partial.signals_dead.iter().cloned());
        self.files += 1;
        self.problems.extend(partial.problems.iter().cloned());
        for finding in &result.findings {
            self.findings += 1;
            *self.by_level.entry(finding.rule.level).or_default() += 1;
            *self.by_host.entry(finding.host.clone()).or_default() += 1;
            *self.by_rule.entry(finding.rule.title.clone()).or_default() += 1;
        }
    }
}
