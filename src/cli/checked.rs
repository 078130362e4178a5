//! What `rules check` and `signals check` print: every problem on its line, then one line with the numbers.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::io::Write;

use crate::cli::{Outcome, output};
use crate::model::severity::Severity;

/// What loading came to.
pub(crate) struct Checked<'c, P> {
    /// What runs, in a word: `rules`, `signals`.
    pub(crate) what: &'static str,
    /// How many of them.
    pub(crate) run: usize,
    /// By level.
    pub(crate) by_level: &'c BTreeMap<Severity, usize>,
    /// What else is said of those that run, behind the levels.
    pub(crate) aside: String,
    /// What does not run, and why.
    pub(crate) problems: &'c [P],
    /// What runs and is probably not meant so.
    pub(crate) warnings: &'c [P],
    /// The rest of the last line.
    pub(crate) rest: String,
}

/// Print it; problems make the command fail.
pub(crate) fn print<P: Display>(checked: &Checked<'_, P>) -> anyhow::Result<Outcome> {
    let mut out = output::stdout();
    for problem in checked.problems {
        writeln!(out, "{}", output::plain(&problem.to_string()))?;
    }
    for warning in checked.warnings {
        writeln!(out, "warning: {}", output::plain(&warning.to_string()))?;
    }
    let levels: Vec<String> = Severity::ALL
        .iter()
        .map(|level| format!("{} {level}", checked.by_level.get(level).unwrap_or(&0)))
        .collect();
    let Checked { what, run, aside, rest, .. } = checked;
    writeln!(out, "{run} {what} run ({}{aside}), {rest}", levels.join(", "))?;
    out.flush()?;
    Ok(if checked.problems.is_empty() { Outcome::Done } else { Outcome::Failed })
}
