//! `watchfloor completions`: a script for the user's shell.

use clap::Args;
use clap_complete::Shell;

use crate::cli::{Outcome, output};

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor completions bash > /etc/bash_completion.d/watchfloor
  watchfloor completions zsh > ~/.zfunc/_watchfloor")]
pub(crate) struct Arguments {
    /// The shell
    shell: Shell,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<Outcome> {
    let mut script = Vec::new();
    clap_complete::generate(arguments.shell, &mut super::command(), "watchfloor", &mut script);
    std::io::Write::write_all(&mut output::stdout(), &script)?;
    Ok(Outcome::Done)
}
