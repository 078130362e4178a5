//! Feeds mutated input to one of watchfloor's readers and checks what must hold for any input. One binary, a target
//! switch; needs no nightly compiler and no sanitizer. See `fuzz/README.md`.
//!
//! Reading order: [`target`] (what is fuzzed and what must hold), [`carriers`] and [`families`] (how), [`mutate`] (new
//! input from old), [`seeds`] (where input comes from), [`hunt`] (the loop).

mod carriers;
mod families;
mod hunt;
mod mutate;
mod rules;
mod seeds;
mod signals;
mod target;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

const USAGE: &str = "usage:
  watchfloor-fuzz list
  watchfloor-fuzz run TARGET SECONDS [--seeds PATH]... [--corpus DIR] [--random NUMBER] [--slow MILLISECONDS]
  watchfloor-fuzz replay TARGET FILE...

TARGET may also come from WATCHFLOOR_FUZZ_TARGET (then leave it out). `run` exits 1 when something broke and names the file
that holds the input.";

fn main() -> ExitCode {
    let mut arguments: Vec<String> = std::env::args().skip(1).collect();
    let verb = if arguments.is_empty() { String::new() } else { arguments.remove(0) };
    if verb == "list" {
        for target in target::TARGETS {
            println!("{:<16} {}", target.name, target.about);
        }
        return ExitCode::SUCCESS;
    }
    let named = match std::env::var("WATCHFLOOR_FUZZ_TARGET") {
        Ok(name) => name,
        Err(_) if !arguments.is_empty() => arguments.remove(0),
        Err(_) => String::new(),
    };
    let Some(target) = target::TARGETS.iter().find(|target| target.name == named) else {
        eprintln!("{USAGE}\n\nthere is no target {named:?}; `list` shows them");
        return ExitCode::from(2);
    };
    match verb.as_str() {
        "run" => run(target, &arguments),
        "replay" => hunt::replay(target, &arguments),
        _ => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

fn run(target: &'static target::Target, arguments: &[String]) -> ExitCode {
    let mut plan = hunt::Plan {
        target,
        time: Duration::from_secs(60),
        seeds: Vec::new(),
        corpus: std::env::temp_dir().join("watchfloor-fuzz"),
        slow: hunt::SLOW,
        random: 1,
    };
    let mut rest = arguments.iter();
    while let Some(word) = rest.next() {
        let mut value = || rest.next().cloned().unwrap_or_default();
        match word.as_str() {
            "--seeds" => plan.seeds.push(PathBuf::from(value())),
            "--corpus" => plan.corpus = PathBuf::from(value()),
            "--slow" => plan.slow = Duration::from_millis(value().parse().unwrap_or(u64::MAX)),
            "--random" => plan.random = value().parse().unwrap_or(1),
            seconds => match seconds.parse() {
                Ok(seconds) => plan.time = Duration::from_secs(seconds),
                Err(_) => {
                    eprintln!("{USAGE}\n\n{seconds:?} is no number of seconds");
                    return ExitCode::from(2);
                }
            },
        }
    }
    hunt::run(&plan)
}
