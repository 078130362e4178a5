//! Files to training tensors: every file is a capture with empty state, its events in order of time go through the same
//! windows and features as live ones.

pub(super) mod capture;
mod export;
mod history;

use std::collections::BTreeSet;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::config::Config;
use crate::detect::{Loaded, RuleSet};
use crate::infer::Track;
use crate::infer::window::{Histories, Timing};
use crate::pipeline::inputs::{Inputs, Plan, Watcher, name, size};
use crate::pipeline::rule_life::resolve::configured;
use crate::stdx::pool;

pub use history::LeaveOut;

/// What to export.
#[derive(Clone, Debug)]
pub struct FeatureOptions {
    /// The folder for the files.
    pub out: PathBuf,
    /// With or without PowerShell's records.
    pub track: Track,
    /// Paths whose files count what is common; empty: nothing counts.
    pub history: Vec<String>,
    /// What a capture that is part of the history leaves out of it.
    pub leave_out: LeaveOut,
    /// Judge events by the configured rules, for the column `rule_level`.
    pub rules: bool,
    /// Threads.
    pub workers: usize,
}

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct FeatureReport {
    /// Files read.
    pub files: u64,
    /// Events read.
    pub events: u64,
    /// Windows written.
    pub windows: u64,
    /// Nodes written.
    pub nodes: u64,
    /// Edges written, both ways.
    pub edges: u64,
    /// Windows with too few nodes.
    pub errors: u64,
    /// Nodes and edges left out by the bounds.
    pub dropped: (u64, u64),
    /// Days (or files), pairs and keys of the history.
    pub history: (usize, u32, usize),
    /// What could not be read, in a person's words.
    pub problems: Vec<String>,
}

/// Read, make features, write.
pub fn export(
    config: &Config,
    inputs: &Inputs,
    options: &FeatureOptions,
    watcher: &dyn Watcher,
) -> anyhow::Result<FeatureReport> {
    let plan = Plan::new(config, inputs, false)?;
    let past = Inputs { paths: options.history.clone(), ..inputs.clone() };
    let past = Plan::new(config, &past, false)?;
    watcher.expect_bytes(plan.bytes() + past.bytes());
    let mut report = FeatureReport { problems: plan.problems.clone(), ..FeatureReport::default() };
    report.problems.extend(past.problems.iter().cloned());
    let timing = Timing::of(&config.infer);
    let history = history::read(&past, options, timing, watcher);
    report.history = history.size();
    let rules = options.rules.then(|| rules(config, &mut report.problems)).transpose()?;
    let mut writer = export::Writer::create(&options.out)?;
    let bases = bases(&inputs.paths);
    let mut failed = None;
    pool::ordered(
        options.workers,
        &plan.inputs,
        |input| {
            let path = name(input);
            let past = |day| Histories::from(history.of(&path, day));
            let capture = capture::read(&plan, input, options.track, timing, rules.as_ref(), past);
            watcher.read_bytes(size(input));
            (shown(&path, &bases), capture)
        },
        |(file, capture)| {
            report.files += 1;
            report.events += capture.events;
            report.problems.extend(capture.problems.iter().cloned());
            for window in &capture.windows {
                let result = writer.window(&file, window);
                if let Err(error) = result {
                    failed = Some(error);
                    return ControlFlow::Break(());
                }
                report.count(window);
            }
            ControlFlow::Continue(())
        },
    );
    if let Some(error) = failed {
        return Err(error);
    }
    writer.finish(options, timing, history.whole().as_ref())?;
    Ok(report)
}

impl FeatureReport {
    fn count(&mut self, window: &capture::Row) {
        self.windows += 1;
        self.nodes += window.tensors.nodes as u64;
        self.edges += window.tensors.edges as u64;
        self.errors += u64::from(window.tensors.nodes < 2);
        self.dropped.0 += u64::from(window.dropped.0);
        self.dropped.1 += u64::from(window.dropped.1);
    }
}

/// The configured rules, and what is wrong with them.
pub(super) fn rules(config: &Config, complaints: &mut Vec<String>) -> anyhow::Result<Arc<RuleSet>> {
    let Loaded { rules, problems, warnings } =
        RuleSet::load(&configured(config)?, &Default::default());
    complaints.extend(problems.iter().chain(&warnings).map(ToString::to_string));
    Ok(Arc::new(rules))
}

/// The folders that files are named from: what holds the folders that were given.
pub(super) fn bases(paths: &[String]) -> BTreeSet<PathBuf> {
    let above = |path: &String| Path::new(path).parent().map(Path::to_path_buf);
    paths.iter().filter_map(above).collect()
}

pub(super) fn shown(path: &str, bases: &BTreeSet<PathBuf>) -> String {
    let found = bases.iter().filter_map(|base| Path::new(path).strip_prefix(base).ok());
    let longest = found.max_by_key(|rest| rest.components().count());
    longest.map_or_else(|| path.to_owned(), |rest| rest.display().to_string())
}
