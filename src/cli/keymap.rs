//! `watchfloor keymap list|explain|check`: which key does what, where that is written, and what is wrong with it.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, load};
use crate::model::desk::{Problem, ProblemKind};
use crate::tui::keys::key::{self, Key};
use crate::tui::keys::keymap::{Keymap, KeymapRow};
use crate::tui::run;

const COLUMNS: [&str; 6] = ["context", "key", "action", "title", "file", "line"];

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor keymap list queue
  watchfloor keymap explain 'v f'
  watchfloor keymap check ~/.config/watchfloor/keys.toml")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the keys in force
    List {
        /// Only this context (queue, detail, …)
        context: Option<String>,
        /// How to print
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Say what a chord does in every context, for example "v f"
    Explain {
        /// The chord, keys separated by spaces
        chord: String,
    },
    /// Check a keymap file, or the configured one
    Check {
        /// The file
        file: Option<PathBuf>,
    },
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let configured = load::config(common)?.ui.keymap;
    match &arguments.verb {
        Verb::List { context, format } => {
            let keymap = run::keymap(configured.as_deref())?;
            if let Some(wanted) = context
                && keymap.flat(wanted).is_none()
            {
                let known: Vec<&str> = keymap.contexts().collect();
                return Err(Problem::new(ProblemKind::Invalid, format!("no context {wanted}"))
                    .hint(format!("there are {}", known.join(", ")))
                    .into());
            }
            print(keymap.list(context.as_deref()), *format)
        }
        Verb::Explain { chord } => {
            let Some(keys) = Key::parse_chord(chord) else {
                return Err(Problem::new(ProblemKind::Invalid, format!("{chord} is no chord"))
                    .hint("write keys as ctrl-x, alt-x, f1, space; a chord as \"v f\"")
                    .into());
            };
            let rows = run::keymap(configured.as_deref())?.explain(&keys);
            if rows.is_empty() {
                output::complain(&format!("{} is bound nowhere", key::chord_name(&keys)));
                return Ok(Outcome::Failed);
            }
            print(rows, Format::Table)
        }
        Verb::Check { file } => check(&run::keymap(file.as_deref().or(configured.as_deref()))?),
    }
}

fn check(keymap: &Keymap) -> anyhow::Result<Outcome> {
    let mut out = output::stdout();
    for problem in &keymap.problems {
        writeln!(out, "{}", output::plain(&problem.to_string()))?;
    }
    if keymap.problems.is_empty() {
        writeln!(out, "the keymap is fine: {} keys", keymap.list(None).len())?;
    }
    out.flush()?;
    Ok(if keymap.problems.is_empty() { Outcome::Done } else { Outcome::Failed })
}

fn print(rows: Vec<KeymapRow>, format: Format) -> anyhow::Result<Outcome> {
    let mut out = output::stdout();
    if let Format::Table = format {
        let cells = rows.into_iter().map(|row| {
            let place = format!("{}:{}", row.file, row.line);
            [row.context, row.chord, row.calls, row.title, place]
                .iter()
                .map(|text| output::plain(text))
                .collect()
        });
        let header = ["CONTEXT", "KEY", "ACTION", "TITLE", "FROM"];
        writeln!(out, "{}", output::table(&header, cells))?;
    } else {
        let list: Vec<serde_json::Value> = rows
            .iter()
            .map(|row| {
                serde_json::json!({
                    "context": row.context, "key": row.chord, "action": row.calls,
                    "title": row.title, "file": row.file, "line": row.line,
                })
            })
            .collect();
        output::records(&mut out, format, &COLUMNS, list)?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}
