//! `watchfloor keys list`: every key, without what would let anybody use it.

use std::io::Write;

use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome};

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor keys list
  watchfloor keys list --format ndjson")]
pub(crate) struct Arguments {
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let opened = super::desk(common)?;
    let keys = opened.wait(opened.desk.keys())?;
    let columns = ["id", "name", "scope", "source", "created", "creator", "revoked", "revoker"];
    let records = keys.iter().map(|key| {
        serde_json::json!({
            "id": key.id, "name": key.name, "scope": key.scope.as_str(), "source": key.source,
            "created": key.created.to_string(), "creator": key.creator,
            "revoked": key.revoked.map(|at| at.to_string()), "revoker": key.revoker,
        })
    });
    let mut out = output::stdout();
    output::records(&mut out, arguments.format, &columns, records)?;
    out.flush()?;
    Ok(Outcome::Done)
}
