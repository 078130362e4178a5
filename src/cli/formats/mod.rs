//! `watchfloor formats`: what can be read (`list`: the names for `--as` and `format =`), and how well (`test`).

mod test;

use std::io::Write;

use clap::{Args, Subcommand};

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome};
use crate::normalise;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor formats list
  watchfloor formats test ../shared/data/vectors
  watchfloor formats test vectors/fail2ban --list")]
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
    /// Hold the decoders against other people's parser tests
    Test(test::Arguments),
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    match &arguments.verb {
        Verb::List { format } => list(format),
        Verb::Test(arguments) => test::run(common, arguments),
    }
}

fn list(format: &Format) -> anyhow::Result<Outcome> {
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
