//! `watchfloor attach`: the desk of a running daemon.

use std::path::PathBuf;

use clap::Args;

use crate::cli::{Common, Outcome, load, owner};
use crate::desk::Desk;
use crate::tui;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor attach
  watchfloor attach /run/watchfloor/watchfloor.sock
  ssh host watchfloor attach")]
pub(crate) struct Arguments {
    /// The daemon's Unix socket [default: that of the configured store]
    #[arg(value_name = "SOCKET")]
    socket: Option<PathBuf>,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    let socket = arguments.socket.clone().unwrap_or_else(|| owner::socket(&config));
    load::logging_beside_desk(common, &config.data_dir);
    let runtime = owner::runtime()?;
    let desk = runtime.block_on(Desk::attach(&socket))?;
    tui::run::desk::show(&config.ui, desk, runtime.handle())?;
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    Ok(Outcome::Done)
}
