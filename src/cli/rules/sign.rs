//! `watchfloor rules sign`: a signature beside a pack's archive.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::cli::{Outcome, output};
use crate::pipeline::rule_life::sign::sign;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules sign rules-2026.tar.zst --key team.key     writes rules-2026.tar.zst.sig")]
pub(crate) struct Arguments {
    /// The archive: a .zip or a .tar.zst
    archive: PathBuf,
    /// The secret key, from watchfloor rules keygen
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let (path, public) = sign(&arguments.archive, &arguments.key)?;
    let mut out = output::stdout();
    writeln!(out, "{}", output::plain(&path.display().to_string()))?;
    out.flush()?;
    output::complain(&format!("signed with {public}; hand out both files"));
    Ok(Outcome::Done)
}
