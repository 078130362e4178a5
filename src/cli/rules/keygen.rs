//! `watchfloor rules keygen`: a pair of keys for signing packs.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::cli::{Outcome, output};
use crate::pipeline::rule_life::sign::keygen;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules keygen team.key      the secret key goes into the file, the public one is printed

Whoever imports packs writes the public key into the configuration:
  [rules]
  trusted_keys = [\"…\"]
  require_signature = true")]
pub(crate) struct Arguments {
    /// The file for the secret key; it must not be there yet
    file: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let public = keygen(&arguments.file)?;
    let mut out = output::stdout();
    writeln!(out, "{public}")?;
    out.flush()?;
    output::complain(&format!(
        "the secret key is in {}: keep it where only you can read it",
        arguments.file.display()
    ));
    Ok(Outcome::Done)
}
