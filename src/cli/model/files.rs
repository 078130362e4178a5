//! The files that `model features` and `model eval` read, and how.

use clap::{Args, ValueEnum};

use crate::cli::{Common, load};
use crate::config::Config;
use crate::infer::Track;
use crate::pipeline::inputs::Inputs;

#[derive(Clone, Copy, ValueEnum)]
enum TrackName {
    Full,
    Reduced,
}

#[derive(Args)]
pub(super) struct FileArguments {
    /// Files, folders (read recursively) and globs; each file is a capture with empty state
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// reduced: without PowerShell's records 4103, 4104, 400, 403, 600 and 800
    #[arg(long, value_enum, default_value = "full")]
    track: TrackName,
    /// Judge events with these rules (`builtin`, files or folders)
    #[arg(short, long, value_name = "PATH")]
    rules: Vec<String>,
    /// Read the input as this format instead of looking (see `formats list`)
    #[arg(long = "as", value_name = "NAME", default_value = "auto")]
    read_as: String,
    /// The host of records that do not name one
    #[arg(long, value_name = "NAME", conflicts_with = "host_from_path")]
    host: Option<String>,
    /// Or the n-th part of a file's path from its end: 1 is its folder
    #[arg(long, value_name = "N")]
    host_from_path: Option<usize>,
    /// Worker threads [default: one a core]
    #[arg(long, value_name = "N")]
    workers: Option<usize>,
}

impl FileArguments {
    /// The configuration with the rules that are named here, and what to read.
    pub(super) fn open(&self, common: &Common) -> anyhow::Result<(Config, Inputs)> {
        let mut config = load::config(common)?;
        if !self.rules.is_empty() {
            config.rules.paths.clone_from(&self.rules);
            config.rules.only_named = true;
        }
        load::format_name(&config, &self.read_as)?;
        let inputs = Inputs {
            paths: self.paths.clone(),
            format: self.read_as.clone(),
            host: self.host.as_deref().map(str::to_lowercase),
            host_from_path: self.host_from_path,
            explain: false,
        };
        Ok((config, inputs))
    }

    pub(super) fn track(&self) -> Track {
        match self.track {
            TrackName::Full => Track::Full,
            TrackName::Reduced => Track::Reduced,
        }
    }

    pub(super) fn names_rules(&self) -> bool {
        !self.rules.is_empty()
    }

    pub(super) fn workers(&self) -> usize {
        self.workers.unwrap_or_else(crate::stdx::pool::workers_default)
    }
}
