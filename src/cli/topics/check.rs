//! `watchfloor topics check`: which topics are missing, which have other partition counts.

use std::io::Write;

use clap::Args;

use super::{COLUMNS, Row, Which, ask, look};
use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome};

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Partitions that every topic must have [default: what the configuration says]
    #[arg(long, value_name = "N")]
    partitions: Option<u64>,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut rows = Vec::new();
    for part in arguments.which.wanted(common)? {
        let (_, there) = ask(&part.cluster)?;
        let checked = part.topics.iter().map(|(name, demanded)| {
            look(&part.cluster, name, arguments.partitions.or(*demanded), &there)
        });
        rows.extend(checked);
    }
    let wrong = rows.iter().filter(|row| row.state != "ok").count();
    let mut out = output::stdout();
    output::records(&mut out, arguments.format, &COLUMNS, rows.into_iter().map(Row::json))?;
    out.flush()?;
    if wrong == 0 {
        return Ok(Outcome::Done);
    }
    let word = if wrong == 1 { "topic is" } else { "topics are" };
    output::complain(&format!(
        "watchfloor: {wrong} {word} missing or different; `watchfloor topics create` makes what is missing"
    ));
    Ok(Outcome::Failed)
}
