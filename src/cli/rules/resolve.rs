//! `watchfloor rules resolve`: which text of a conflict is wanted.

use std::io::{Read, Write};
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;

use crate::cli::{Common, Outcome, output};
use crate::model::rule_life::{RuleRequest, Take};

/// A rule file is not longer.
const FILE_BYTES_MAX: u64 = 1 << 20;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules resolve sigma windows/a.yml --mine --reason 'our exception stays'
  watchfloor rules resolve sigma windows/a.yml --theirs --reason 'fixed by the authors'
  watchfloor rules resolve sigma windows/a.yml --with merged.yml --reason 'both'")]
pub(crate) struct Arguments {
    /// The pack
    pack: String,
    /// The file in it
    file: String,
    #[command(flatten)]
    wanted: Wanted,
    /// Why, for the history
    #[arg(long, value_name = "TEXT")]
    reason: String,
}

#[derive(Args)]
#[group(required = true, multiple = false)]
struct Wanted {
    /// The local text as it is now
    #[arg(long)]
    mine: bool,
    /// The pack's new text
    #[arg(long)]
    theirs: bool,
    /// The text of this file
    #[arg(long, value_name = "FILE")]
    with: Option<PathBuf>,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let take = match (&arguments.wanted.with, arguments.wanted.mine) {
        (Some(path), _) => {
            let mut text = String::new();
            std::fs::File::open(path)
                .and_then(|file| file.take(FILE_BYTES_MAX).read_to_string(&mut text))
                .with_context(|| format!("cannot read {}", path.display()))?;
            Take::Text(text)
        }
        (None, true) => Take::Mine,
        (None, false) => Take::Theirs,
    };
    let opened = super::desk(common)?;
    let (pack, file) = (arguments.pack.clone(), arguments.file.clone());
    let request = RuleRequest::Resolve { pack, file, take };
    let done = opened.wait(opened.desk.rule_change(request, &arguments.reason))?;
    let mut out = output::stdout();
    if let Some(change) = done {
        writeln!(out, "change {}: {}", change.id, output::plain(&change.subject))?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}
