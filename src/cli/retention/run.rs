//! `watchfloor retention run`: take away what is due.

use clap::Args;

use crate::cli::output::Format;
use crate::cli::retention::print;
use crate::cli::{Common, Outcome, open_desk};

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor retention run --dry-run
  watchfloor retention run --format json

What went is in the audit log.")]
pub(crate) struct Arguments {
    /// Only say what would go
    #[arg(long)]
    dry_run: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let opened = open_desk::open(common)?;
    if arguments.dry_run {
        let plan = opened.wait(opened.desk.retention_plan())?;
        print(&plan, arguments.format, "would go")?;
    } else {
        let done = opened.wait(opened.desk.retention_run())?;
        print(&done, arguments.format, "gone")?;
    }
    Ok(Outcome::Done)
}
