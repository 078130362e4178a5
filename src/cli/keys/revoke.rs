//! `watchfloor keys revoke`: make a key useless.

use std::io::Write;

use clap::Args;

use crate::cli::{Common, Outcome, output};

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor keys revoke 4f1c09ab77e2

A daemon refuses the key within seconds. What was sent with it stays.")]
pub(crate) struct Arguments {
    /// The id, as `watchfloor keys list` shows it
    #[arg(value_name = "ID")]
    id: String,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let opened = super::desk(common)?;
    opened.wait(opened.desk.key_revoke(&arguments.id))?;
    let mut out = output::stdout();
    writeln!(out, "key {} is revoked", output::plain(&arguments.id))?;
    out.flush()?;
    Ok(Outcome::Done)
}
