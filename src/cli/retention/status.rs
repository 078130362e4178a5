//! `watchfloor retention status`: what is kept how long, and what is due.

use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::retention::print;
use crate::cli::{Common, Outcome, load, open_desk};

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor retention status
  watchfloor retention status --format json")]
pub(crate) struct Arguments {
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let opened = open_desk::open(common)?;
    let plan = opened.wait(opened.desk.retention_plan())?;
    print(&plan, arguments.format, "due")?;
    if arguments.format == Format::Table {
        for shown in load::checked(common)?.shown {
            if shown.key.starts_with("retention.") {
                output::complain(&format!("{} = {}", shown.key, shown.value));
            }
        }
    }
    Ok(Outcome::Done)
}
