//! `watchfloor model eval`: windows of files are scored and written down; only then labels are read and compared.

pub mod labels;
pub mod line;
pub mod metrics;
mod scorers;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context;

use crate::config::Config;
use crate::infer::Track;
use crate::infer::artifact::load::Model;
use crate::infer::scorer::Backend;
use crate::infer::window::{Histories, Timing};
use crate::model::platform::Platform;
use crate::pipeline::features::{bases, capture, rules, shown};
use crate::pipeline::inputs::{Inputs, Plan, Watcher, name, size};
use crate::stdx::pool;

use line::ScoreLine;
pub use scorers::ScorerName;

/// What to score, and by whom.
pub struct EvalOptions {
    /// The file of scores.
    pub out: PathBuf,
    /// With or without PowerShell's records.
    pub track: Track,
    /// Who scores.
    pub scorers: Vec<ScorerName>,
    /// The models that are there.
    pub models: Vec<Arc<Model>>,
    /// What runs them.
    pub backend: Backend,
    /// Threads.
    pub workers: usize,
}

/// What was scored.
#[derive(Clone, Debug, Default)]
pub struct EvalReport {
    /// Files read, as lines of the scores name them.
    pub files: Vec<String>,
    /// Events of the track.
    pub events: u64,
    /// Windows.
    pub windows: u64,
    /// Windows with fewer than two nodes.
    pub too_small: u64,
    /// Windows of platforms that no model of the track is for, if one was asked.
    pub without_model: BTreeMap<Platform, u64>,
    /// What could not be read or scored, in a person's words.
    pub problems: Vec<String>,
}

/// Read, score, write. Labels have no part in it.
pub fn score(
    config: &Config,
    inputs: &Inputs,
    options: &EvalOptions,
    watcher: &dyn Watcher,
) -> anyhow::Result<EvalReport> {
    let plan = Plan::new(config, inputs, false)?;
    watcher.expect_bytes(plan.bytes());
    let mut report = EvalReport { problems: plan.problems.clone(), ..EvalReport::default() };
    let rules = rules(config, &mut report.problems)?;
    let timing = Timing::of(&config.infer);
    let histories = histories(&options.models, options.track);
    let judges = scorers::Judges::new(options, &config.infer)?;
    let path = &options.out;
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut out = BufWriter::new(file);
    let bases = bases(&inputs.paths);
    let mut failed = None;
    pool::ordered(
        options.workers,
        &plan.inputs,
        |input| {
            let past = |_| histories.clone();
            let capture = capture::read(&plan, input, options.track, timing, Some(&rules), past);
            watcher.read_bytes(size(input));
            let file = shown(&name(input), &bases);
            let lines = judges.judge(&file, &capture.windows);
            (file, capture, lines)
        },
        |(file, capture, lines)| {
            report.files.push(file);
            report.take(capture, options);
            match lines.and_then(|lines| write(&mut out, &lines)) {
                Ok(()) => ControlFlow::Continue(()),
                Err(error) => {
                    failed = Some(error);
                    ControlFlow::Break(())
                }
            }
        },
    );
    if let Some(error) = failed {
        return Err(error);
    }
    out.flush().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(report)
}

fn write(out: &mut impl Write, lines: &[ScoreLine]) -> anyhow::Result<()> {
    for line in lines {
        serde_json::to_writer(&mut *out, line)?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

impl EvalReport {
    fn take(&mut self, capture: capture::Capture, options: &EvalOptions) {
        let asked = options.scorers.iter().any(|scorer| scorer.asks_a_model());
        for row in capture.windows.iter().filter(|_| asked) {
            if scorers::model_for(&options.models, row.platform, options.track).is_none() {
                *self.without_model.entry(row.platform).or_default() += 1;
            }
        }
        self.events += capture.events;
        self.windows += capture.windows.len() as u64;
        self.too_small += capture.windows.iter().filter(|row| row.tensors.nodes < 2).count() as u64;
        self.problems.extend(capture.problems);
    }
}

/// What the models of the track know to be common.
fn histories(models: &[Arc<Model>], track: Track) -> Histories {
    let of = |platform| {
        let model = scorers::model_for(models, platform, track);
        model.and_then(|model| model.history.clone())
    };
    Histories { windows: of(Platform::Windows), linux: of(Platform::Linux) }
}
