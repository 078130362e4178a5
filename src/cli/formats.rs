//! `watchfloor formats list`: what can be read, and the names for `--as` and `format =`.

use std::io::Write;

use clap::{Args, Subcommand};

use crate::cli::Outcome;
use crate::cli::output::{self, Format};
use crate::normalise;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor formats list")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the formats
    List {
        /// How to print
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let Verb::List { format } = &arguments.verb;
    let mut out = output::stdout();
    let formats = normalise::formats();
    match format {
        Format::Table => {
            let rows =
                formats.iter().map(|(name, what)| vec![(*name).to_owned(), (*what).to_owned()]);
            writeln!(out, "{}", output::table(&["NAME", "WHAT"], rows))?;
        }
        Format::Ndjson | Format::Json | Format::Csv => {
            let list: Vec<serde_json::Value> = formats
                .iter()
                .map(|(name, what)| serde_json::json!({"name": name, "description": what}))
                .collect();
            output::records(&mut out, *format, &["name", "description"], list)?;
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}
