//! `watchfloor theme check`: what is wrong with a theme file.

use std::io::Write;

use clap::{Args, Subcommand};

use crate::cli::{Common, Outcome, load, output};
use crate::tui::run;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor theme check mono
  watchfloor theme check ~/.config/watchfloor/theme.toml")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Check a theme: a built-in name or a file; without one, the configured theme
    Check {
        /// `dark`, `mono` or the path of a file
        theme: Option<String>,
    },
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let Verb::Check { theme } = &arguments.verb;
    let wanted = match theme {
        Some(theme) => theme.clone(),
        None => load::config(common)?.ui.theme,
    };
    let themes = run::themes(&wanted)?;
    let mut out = output::stdout();
    let problems = themes.first().map(|theme| theme.problems.as_slice()).unwrap_or_default();
    for problem in problems {
        writeln!(out, "{}", output::plain(&problem.to_string()))?;
    }
    if problems.is_empty() {
        writeln!(out, "the theme {} is fine", output::plain(&wanted))?;
    }
    out.flush()?;
    Ok(if problems.is_empty() { Outcome::Done } else { Outcome::Failed })
}
