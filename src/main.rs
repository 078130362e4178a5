//! The thin binary: parse, run, print one error chain, set the exit code.

use std::process::ExitCode;

/// See `Cargo.toml` for why, and `.cargo/config.toml` for how it is set.
#[cfg(target_os = "linux")]
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    watchfloor::cli::main(std::env::args_os())
}
