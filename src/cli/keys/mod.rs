//! `watchfloor keys`: keys of the programs that send to the daemon, one file a verb.

mod create;
mod list;
mod revoke;

use std::os::unix::fs::DirBuilderExt;

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::cli::open_desk::{self, Opened};
use crate::cli::{Common, Outcome, load};

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor keys create --scope ingest --name 'filebeat on web01'
  watchfloor keys list
  watchfloor keys revoke 4f1c09ab77e2

docs/sources/http.md says how a key is shown to a source.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Make a key and print it, once
    Create(create::Arguments),
    /// Every key: id, name, scope, who made it, who revoked it
    List(list::Arguments),
    /// Make a key useless; a daemon knows within seconds
    Revoke(revoke::Arguments),
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        Verb::Create(arguments) => create::run(common, arguments),
        Verb::List(arguments) => list::run(common, arguments),
        Verb::Revoke(arguments) => revoke::run(common, arguments),
    }
}

/// The desk of the store, which is made if there is none: keys may be made before the first start.
fn desk(common: &Common) -> anyhow::Result<Opened> {
    let config = load::config(common)?;
    let made = std::fs::DirBuilder::new().recursive(true).mode(0o700).create(&config.data_dir);
    made.with_context(|| format!("cannot make the data folder {}", config.data_dir.display()))?;
    open_desk::open(common)
}
