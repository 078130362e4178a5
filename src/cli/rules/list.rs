//! `watchfloor rules list`: the rules that run.

use std::io::Write;

use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, load};
use crate::model::severity::Severity;
use crate::pipeline::rules::check;

#[derive(Args)]
pub(crate) struct Arguments {
    /// `builtin`, files or folders [default: rules.paths of the configuration]
    paths: Vec<String>,
    /// Rules of this level and above
    #[arg(long, default_value = "info", value_parser = load::severity)]
    min_level: Severity,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let report = check(&super::paths(&load::config(common)?, &arguments.paths));
    let mut out = output::stdout();
    let columns = ["rule.level", "rule.id", "rule.name", "rule.tags", "file", "line"];
    let records =
        report.rules.iter().filter(|rule| rule.level >= arguments.min_level).map(|rule| {
            serde_json::json!({
                "rule.level": rule.level.as_str(), "rule.id": rule.id, "rule.name": rule.title,
                "rule.tags": rule.tags, "file": rule.file, "line": rule.line,
            })
        });
    output::records(&mut out, arguments.format, &columns, records)?;
    out.flush()?;
    Ok(Outcome::Done)
}
