//! One-shot normalisation: files in, events out in the order of the files, rejects counted.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use crate::config::Config;
use crate::model::ledger::Ledger;
use crate::normalise::Output;
use crate::pipeline::inputs::{DAMAGED, FirstRejects, Inputs, Plan, Watcher, see_rejects, size};

/// What came of it.
#[derive(Debug, Default)]
pub struct NormaliseReport {
    /// The books over all inputs.
    pub ledger: Ledger,
    /// Rejected records by reason.
    pub rejects: BTreeMap<&'static str, u64>,
    /// Inputs read.
    pub files: u64,
    /// Inputs that could not be read, in a person's words.
    pub problems: Vec<String>,
}

/// Decode every input in order on this thread. `take` gets every decoded batch; `Break` stops.
pub fn normalise(
    config: &Config,
    inputs: &Inputs,
    watcher: &dyn Watcher,
    take: &mut dyn FnMut(&mut Output) -> ControlFlow<()>,
) -> anyhow::Result<NormaliseReport> {
    let plan = Plan::new(config, inputs, config.store.keep_original)?;
    watcher.expect_bytes(plan.bytes());
    let mut report = NormaliseReport { problems: plan.problems.clone(), ..Default::default() };
    for input in &plan.inputs {
        let mut stopped = false;
        let rejects = &mut report.rejects;
        let mut first_rejects = FirstRejects::new();
        let done = plan.read(input, &mut |output| {
            for (reason, count) in &output.by_reason {
                *rejects.entry(reason).or_default() += count;
            }
            see_rejects(&mut first_rejects, &output.rejects);
            let flow = take(output);
            stopped = flow.is_break();
            flow
        });
        report.ledger.add(&done.ledger);
        report.problems.extend(done.problems);
        report.problems.extend(first_rejects.remove(DAMAGED));
        report.files += 1;
        watcher.read_bytes(size(input));
        if stopped {
            break;
        }
    }
    Ok(report)
}
