//! `watchfloor simulate`: a scenario's raw records to standard output or into a folder.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::cli::{Outcome, load, output};
use crate::scenario;
use crate::stdx::time::Timestamp;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor simulate --out /tmp/logs
  watchfloor simulate --host web01 --file auth.log --speed 10 --realtime
  watchfloor simulate --seed 7 --start 2026-11-22T08:00:00Z | head

The same scenario, seed and start give the same bytes.")]
pub(crate) struct Arguments {
    /// A built-in scenario or a file
    #[arg(long, default_value = "two-chains")]
    scenario: String,
    /// Decides everything that varies
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How many times faster than the scenario says
    #[arg(long, default_value_t = 1.0)]
    speed: f64,
    /// The time of its first second [default: now]
    #[arg(long, value_name = "TIME", value_parser = load::time)]
    start: Option<Timestamp>,
    /// Write HOST/FILE below this folder instead of standard output
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only this endpoint
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Only this file: windows.jsonl, auth.log or audit.log
    #[arg(long, value_name = "NAME")]
    file: Option<String>,
    /// Write every record at its time instead of all at once
    #[arg(long)]
    realtime: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let scenario = scenario::load(&arguments.scenario)?;
    let start = arguments.start.unwrap_or_else(Timestamp::now);
    let planned = scenario::plan(&scenario, arguments.seed, start, arguments.speed);
    let begun = Timestamp::now();
    let mut out = output::stdout();
    for item in planned {
        let (host, file) = item.file.split_once('/').unwrap_or(("", &item.file));
        if arguments.host.as_deref().is_some_and(|wanted| wanted != host)
            || arguments.file.as_deref().is_some_and(|wanted| wanted != file)
        {
            continue;
        }
        if arguments.realtime {
            out.flush()?;
            let due = begun.plus_micros(item.at.micros_since(start));
            let wait = due.micros_since(Timestamp::now()).max(0);
            std::thread::sleep(Duration::from_micros(wait.unsigned_abs()));
        }
        match &arguments.out {
            None => out.write_all(item.text.as_bytes())?,
            Some(folder) => append(&folder.join(&item.file), &item.text)?,
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn append(path: &std::path::Path, text: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("cannot make the folder {}", folder.display()))?;
    }
    let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
    let mut file = file.with_context(|| format!("cannot write {}", path.display()))?;
    file.write_all(text.as_bytes()).with_context(|| format!("cannot write {}", path.display()))
}
