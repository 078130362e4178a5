//! The thin binary: parse, run, print one error chain, set the exit code.

use std::process::ExitCode;

fn main() -> ExitCode {
    watchfloor::cli::main(std::env::args_os())
}
