//! `watchfloor rules conflicts`: edited files that do not fit their pack's new version.

use std::io::Write;

use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, load};
use crate::pipeline::rule_life::conflicts::waiting;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules conflicts
  watchfloor rules conflicts --show
  watchfloor rules resolve sigma windows/a.yml --mine --reason 'our exception stays'

The local text is in force until a conflict is decided. Exit code: 1 when there is one.")]
pub(crate) struct Arguments {
    /// Print both texts with marks where they differ
    #[arg(long)]
    show: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    let opened = super::desk(common)?;
    let view = opened.wait(opened.desk.rule_view())?;
    let waiting = waiting(&config.data_dir, &view.book);
    let mut out = output::stdout();
    if arguments.show && arguments.format == Format::Table {
        for one in &waiting {
            let head = format!(
                "== {}/{}: {} was edited, {} is different; in force: {}",
                one.pack, one.file, one.base, one.version, one.local
            );
            writeln!(out, "{}\n{}", output::plain(&head), output::plain(&one.text))?;
        }
    } else {
        let columns = ["pack", "file", "edited", "version", "in_force"];
        let records = waiting.iter().map(|one| {
            serde_json::json!({
                "pack": one.pack, "file": one.file, "edited": one.base, "version": one.version,
                "in_force": one.local, "text": one.text,
            })
        });
        output::records(&mut out, arguments.format, &columns, records)?;
    }
    out.flush()?;
    Ok(if waiting.is_empty() { Outcome::Done } else { Outcome::Failed })
}
