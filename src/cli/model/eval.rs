//! `watchfloor model eval`: how good a model, rules and plain counts are on labelled files.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;

use crate::cli::model::files::FileArguments;
use crate::cli::progress::Progress;
use crate::cli::{Common, Outcome, output};
use crate::infer::artifact::load::{Expected, Source, load as load_models};
use crate::infer::scorer::choose;
use crate::pipeline::evaluate::line::ScoreLine;
use crate::pipeline::evaluate::metrics::{Alarms, Metrics, measure};
use crate::pipeline::evaluate::{EvalOptions, ScorerName, labels, score};

/// Unknown hosts and problems that are named one by one.
const NAMED_MAX: usize = 20;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor model eval lab/ --labels labels.jsonl --scores scores.ndjson
  watchfloor model eval lab/ --labels labels.jsonl --scores s.ndjson --track reduced --scorer all
  watchfloor model eval lab/ --scores s.ndjson --rules sigma/ --set infer.models=my-model/
  watchfloor model eval benign_lab/ --host-from-path 1 --labels episodes.jsonl --scores s.ndjson

Labels are lines {\"file\": …, \"host\": …, \"label\": \"attack\"|\"background\"|\"ignore\"}, with \"start\" and \"end\" (seconds since
1970) where they speak of a part of the stream. They are read when the scores are written. Thresholds are those of the
model's manifest. docs/model.md says what the metrics mean.")]
pub(crate) struct Arguments {
    #[command(flatten)]
    files: FileArguments,
    /// Which streams hold an attack; without it only scores are written
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// The file for the scores: a line of JSON a window and scorer
    #[arg(long, value_name = "FILE")]
    scores: PathBuf,
    /// Who scores: a name below, or all
    #[arg(long, value_name = "NAME", default_value = "gat", value_parser = scorers)]
    scorer: Scorers,
    /// Show no progress
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Clone)]
struct Scorers(Vec<ScorerName>);

/// A name that is no scorer's.
#[derive(Debug, thiserror::Error)]
#[error("{name:?} is none of all, {}", ScorerName::ALL.iter().map(|scorer| scorer.as_str()).collect::<Vec<_>>().join(", "))]
struct NoScorer {
    name: String,
}

/// Names behind commas, or `all`.
fn scorers(text: &str) -> Result<Scorers, NoScorer> {
    if text == "all" {
        return Ok(Scorers(ScorerName::ALL.to_vec()));
    }
    let one =
        |name: &str| ScorerName::parse(name).ok_or_else(|| NoScorer { name: name.to_owned() });
    text.split(',').map(one).collect::<Result<Vec<_>, _>>().map(Scorers)
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let (config, inputs) = arguments.files.open(common)?;
    let source = Source::parse(&config.infer.models);
    let models = match load_models(&source, &Expected::of(&config.infer)) {
        Ok(models) => models,
        Err(faults) => {
            for fault in faults {
                output::complain(&fault.to_string());
            }
            return Ok(Outcome::Failed);
        }
    };
    let chosen = choose::choose(&config.infer)?;
    if !arguments.quiet {
        output::complain(&chosen.line);
    }
    let options = EvalOptions {
        out: arguments.scores.clone(),
        track: arguments.files.track(),
        scorers: arguments.scorer.0.clone(),
        models: models.into_iter().map(Arc::new).collect(),
        backend: chosen.backend,
        workers: arguments.files.workers(),
    };
    if let Some(path) = arguments.labels.as_ref().filter(|path| !path.is_file()) {
        anyhow::bail!("cannot read the labels {}: there is no such file", path.display());
    }
    let progress = Progress::files(!arguments.quiet);
    let report = score(&config, &inputs, &options, &progress).context("cannot score")?;
    progress.finish();
    name_some("problem", report.problems.iter().map(String::as_str));
    for (platform, windows) in &report.without_model {
        let track = options.track.as_str();
        output::complain(&format!(
            "watchfloor: no model for {platform} on the {track} track: {windows} windows have no score by it; name one with --set infer.models=FOLDER"
        ));
    }
    let mut out = output::stdout();
    writeln!(
        out,
        "{} files, {} events, {} windows, {} of them with fewer than two nodes (error)",
        report.files.len(),
        report.events,
        report.windows,
        report.too_small
    )?;
    let models =
        options.models.iter().filter(|model| model.role().1.as_str() == options.track.as_str());
    for model in models {
        let (id, threshold) = (model.manifest.id(), model.manifest.threshold());
        writeln!(out, "model {id}: threshold {threshold:.6}, from {}", model.place)?;
    }
    if let Some(path) = &arguments.labels {
        compare(&mut out, path, (&arguments.scores, &report.files), &options.scorers)?;
    }
    out.flush()?;
    Ok(if report.windows == 0 { Outcome::Failed } else { Outcome::Done })
}

/// What was written is read again: what is printed is about the file.
fn compare(
    out: &mut impl Write,
    labels: &Path,
    (scores, files): (&Path, &[String]),
    scorers: &[ScorerName],
) -> anyhow::Result<()> {
    let file = File::open(scores).with_context(|| format!("cannot read {}", scores.display()))?;
    let lines = BufReader::new(file)
        .lines()
        .map(|line| Ok(serde_json::from_str(&line?)?))
        .collect::<anyhow::Result<Vec<ScoreLine>>>()?;
    let (known, others) = labels::of_files(labels::read(labels)?, files);
    if known.is_empty() {
        anyhow::bail!(
            "none of the {others} labels in {} names a file that was read, such as {}",
            labels.display(),
            files.first().map_or("none", String::as_str)
        );
    }
    let labels = known;
    let (mut all_unknown, mut silent) = (BTreeSet::new(), BTreeSet::new());
    for scorer in scorers {
        let ours: Vec<&ScoreLine> =
            lines.iter().filter(|line| line.scorer == scorer.as_str()).collect();
        let (streams, unknown) = labels::streams(&labels, &ours);
        all_unknown.extend(unknown);
        silent.extend(labels::without_window(&streams));
        print(out, scorer.as_str(), &measure(&streams))?;
    }
    writeln!(out, "\nlabels of files that were not read: {others}")?;
    list(out, "hosts without a label", &all_unknown)?;
    list(out, "labels without a window", &silent)
}

fn list(out: &mut impl Write, what: &str, names: &BTreeSet<String>) -> anyhow::Result<()> {
    writeln!(out, "{what}: {}", names.len())?;
    for name in names.iter().take(NAMED_MAX) {
        writeln!(out, "  {}", output::plain(name))?;
    }
    if names.len() > NAMED_MAX {
        writeln!(out, "  and {} more", names.len() - NAMED_MAX)?;
    }
    Ok(())
}

fn print(out: &mut impl Write, scorer: &str, found: &Metrics) -> std::io::Result<()> {
    writeln!(out, "\n{scorer}")?;
    writeln!(
        out,
        "  streams: {} attack, {} background, {} ignored; {} without a window",
        found.attack, found.background, found.ignored, found.empty
    )?;
    match found.auroc {
        Some((area, (low, high))) => writeln!(
            out,
            "  stream AUROC {area:.3}, 95 % interval over captures {low:.3} to {high:.3}"
        )?,
        None => writeln!(out, "  stream AUROC: one class only")?,
    }
    if found.first.1 > 0 {
        let (first, all) = found.first;
        writeln!(out, "  attacked host above every other of its capture: {first} of {all}")?;
    }
    match &found.detected {
        Some((found, missed)) => {
            let all = found.len() + missed.len();
            writeln!(out, "  captures detected at the threshold: {} of {all}", found.len())?;
            for name in missed {
                writeln!(out, "    missed: {}", output::plain(name))?;
            }
        }
        None => writeln!(out, "  no threshold")?,
    }
    if let Some(alarms) = &found.alarms {
        print_alarms(out, alarms)?;
    }
    Ok(())
}

fn print_alarms(out: &mut impl Write, found: &Alarms) -> std::io::Result<()> {
    let (low, high) = found.per_hour;
    writeln!(
        out,
        "  background: {} alarms, {} windows, {:.2} observed hours; {low:.3} to {high:.3} an hour (exact 95 %)",
        found.alarms, found.windows, found.hours
    )?;
    for place in &found.places {
        writeln!(out, "    alarm: {}", output::plain(place))?;
    }
    Ok(())
}

fn name_some<'p>(what: &str, all: impl ExactSizeIterator<Item = &'p str>) {
    let count = all.len();
    for text in all.take(NAMED_MAX) {
        output::complain(&format!("watchfloor: {text}"));
    }
    if count > NAMED_MAX {
        output::complain(&format!("watchfloor: and {} more of {count} {what}s", count - NAMED_MAX));
    }
}
