//! `watchfloor demo`: the workbench on a built-in scenario, played through the real pipeline.
//!
//! A thread appends the scenario's raw records to files in a scratch folder at their time; the pipeline
//! follows those files as it would follow `/var/log`. Nothing else on the machine is touched.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use clap::Args;

use crate::cli::owner::{self, Owned, Wanted};
use crate::cli::workbench::{self, Scratch};
use crate::cli::{Common, Outcome, load};
use crate::config::Config;
use crate::config::sources::{FileSource, HostRule, SourceConfig, SourceKind};
use crate::scenario::{self, Planned, Scenario};
use crate::stdx::stop::StopToken;
use crate::stdx::task;
use crate::stdx::time::{SECOND_US, Timestamp};

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor demo
  watchfloor demo --seed 42 --speed 4
  watchfloor demo --keep /tmp/demo      the store stays there and can be opened again")]
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
    /// Keep logs and store in this folder
    #[arg(long, value_name = "DIR")]
    keep: Option<std::path::PathBuf>,
    /// Play without a screen and stop at the end of the scenario (for tests)
    #[arg(long, hide = true)]
    headless: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    if !arguments.headless {
        workbench::need_terminal()?;
    }
    let scenario = scenario::load(&arguments.scenario)?;
    let mut config = load::config(common)?;
    let scratch = Scratch::new("demo")?;
    let folder = arguments.keep.clone().unwrap_or_else(|| scratch.path.clone());
    prepare(&mut config, &scenario, &folder)?;
    let planned = scenario::plan(&scenario, arguments.seed, Timestamp::now(), arguments.speed);
    let last = planned.last().map_or_else(Timestamp::now, |item| item.at);
    let stop = StopToken::new();
    let (logs, inner) = (folder.join("logs"), stop.clone());
    let player = task::thread("player", move || play(&planned, &logs, &inner))?;
    let wanted = Wanted { pipeline: true, evidence: None, listen: true };
    let shown = if arguments.headless {
        headless(&config, wanted, last)
    } else {
        workbench::show(common, &config, wanted)
    };
    stop.stop();
    match player.join() {
        Ok(played) => played?,
        Err(panic) => anyhow::bail!("the player failed: {}", task::panic_text(&*panic)),
    }
    shown
}

/// A source for the files of every endpoint; the folder names the host.
fn prepare(config: &mut Config, scenario: &Scenario, folder: &Path) -> anyhow::Result<()> {
    let logs = folder.join("logs");
    for endpoint in &scenario.endpoints {
        let path = logs.join(&endpoint.name);
        std::fs::create_dir_all(&path)
            .with_context(|| format!("cannot make the folder {}", path.display()))?;
    }
    config.data_dir = folder.join("data");
    config.api.socket = None;
    config.metrics.listen = None;
    // A scenario is not for others to see.
    config.sinks.clear();
    let mut source = SourceConfig::files("demo", vec![logs]);
    source.host = HostRule::PathComponent(1);
    if let SourceKind::File(files) = &mut source.kind {
        *files = FileSource {
            idle: Duration::from_millis(500),
            rescan: Duration::from_secs(1),
            ..files.clone()
        };
    }
    config.sources = vec![source];
    Ok(())
}

/// Append every record at its time.
fn play(planned: &[Planned], logs: &Path, stop: &StopToken) -> anyhow::Result<()> {
    let mut files: BTreeMap<&str, File> = BTreeMap::new();
    for item in planned {
        loop {
            let wait = item.at.micros_since(Timestamp::now());
            if wait <= 0 || stop.is_stopped() {
                break;
            }
            let wait = Duration::from_micros(wait.unsigned_abs());
            std::thread::sleep(wait.min(Duration::from_millis(100)));
        }
        if stop.is_stopped() {
            return Ok(());
        }
        if !files.contains_key(item.file.as_str()) {
            let path = logs.join(&item.file);
            let file = OpenOptions::new().create(true).append(true).open(&path);
            let file = file.with_context(|| format!("cannot write {}", path.display()))?;
            files.insert(&item.file, file);
        }
        if let Some(file) = files.get_mut(item.file.as_str()) {
            file.write_all(item.text.as_bytes())
                .with_context(|| format!("cannot append to {}", item.file))?;
        }
    }
    Ok(())
}

/// Without a screen: run until a little after the last record.
fn headless(config: &Config, wanted: Wanted, last: Timestamp) -> anyhow::Result<Outcome> {
    let Owned::Ours(owner) = owner::own(config, wanted)? else {
        anyhow::bail!("the demo's store is in use");
    };
    let wait = last.plus_micros(3 * SECOND_US).micros_since(Timestamp::now()).max(0);
    std::thread::sleep(Duration::from_micros(wait.unsigned_abs()));
    owner.finish()?;
    Ok(Outcome::Done)
}
