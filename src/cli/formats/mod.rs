//! `watchfloor formats`: what can be read, the names for `--as` and `format =`, what a mapping does, and whether mapping
//! files are right; and how well all of it reads other people's test vectors (`test`).

mod test;

use std::io::Write;
use std::sync::Arc;

use clap::{Args, Subcommand};

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, load};
use crate::config::Config;
use crate::model::desk::{Problem, ProblemKind};
use crate::normalise::mapping::check;
use crate::normalise::mapping::library::{self, BUILTIN, Library};
use crate::normalise::mapping::rules::Mapping;
use crate::normalise::{self, Settings};

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor formats list
  watchfloor formats show nginx
  watchfloor formats check my-mappings/
  watchfloor formats test vectors/fail2ban --list")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List the formats: those that code reads and the mappings
    List {
        /// How to print
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Print a mapping's file
    Show {
        /// The mapping's name
        name: String,
    },
    /// Check mapping files and run the tests beside them; without paths those of the configuration
    Check {
        /// Files and folders
        #[arg(value_name = "PATH")]
        paths: Vec<String>,
    },
    /// Hold the decoders against other people's parser tests
    Test(test::Arguments),
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let library = || load::config(common).map(|config| Library::load(&config.mappings.paths));
    match &arguments.verb {
        Verb::List { format } => list(&*library()?, *format),
        Verb::Show { name } => show(&*library()?, name),
        Verb::Check { paths } => check(&load::config(common)?, paths),
        Verb::Test(arguments) => test::run(common, arguments),
    }
}

fn list(library: &Library, format: Format) -> anyhow::Result<Outcome> {
    let mut out = output::stdout();
    let code = normalise::formats().iter().map(|(name, what)| (*name, "code".to_owned(), *what));
    let mapped = library.mappings.iter().map(|mapping: &Mapping| {
        (&*mapping.name, mapping.file.to_string(), mapping.title.as_str())
    });
    let rows = code.chain(mapped);
    match format {
        Format::Table => {
            let rows = rows.map(|(name, from, what)| vec![name.to_owned(), from, what.to_owned()]);
            writeln!(out, "{}", output::table(&["NAME", "READ BY", "WHAT"], rows))?;
        }
        Format::Ndjson | Format::Json | Format::Csv => {
            let list: Vec<serde_json::Value> = rows
                .map(|(name, from, what)| {
                    serde_json::json!({"name": name, "read_by": from, "description": what})
                })
                .collect();
            output::records(&mut out, format, &["name", "read_by", "description"], list)?;
        }
    }
    out.flush()?;
    complain_of(library);
    Ok(Outcome::Done)
}

fn show(library: &Library, name: &str) -> anyhow::Result<Outcome> {
    let Some(mapping) = library.named(name).and_then(|number| library.get(number)) else {
        let known = library.mappings.iter().map(|mapping| &*mapping.name).collect();
        return Err(Problem::new(ProblemKind::Invalid, format!("no mapping is called {name:?}"))
            .hint(crate::config::reader::nearest(name, known))
            .into());
    };
    let shipped = library::shipped_files().into_iter().find(|(_, file, _)| **file == *mapping.file);
    let text = match shipped {
        Some((_, _, text)) => text.to_owned(),
        None => std::fs::read_to_string(&*mapping.file)?,
    };
    let mut out = output::stdout();
    writeln!(out, "# {}", mapping.file)?;
    out.write_all(text.as_bytes())?;
    out.flush()?;
    Ok(Outcome::Done)
}

fn check(config: &Config, paths: &[String]) -> anyhow::Result<Outcome> {
    let paths = if paths.is_empty() { &config.mappings.paths } else { paths };
    let library = Library::check(paths);
    complain_of(&library);
    let mut config = config.clone();
    config.mappings.paths = paths.to_vec();
    if !paths.iter().any(|path| path == BUILTIN) {
        config.mappings.paths.insert(0, BUILTIN.to_owned());
    }
    let settings = Arc::new(Settings::new(&config)?);
    let (mut cases, mut failures) = (0, 0);
    for (name, text) in library::tests_of(paths) {
        let tested = check::run(&text, &settings);
        cases += tested.cases;
        failures += tested.failures.len();
        for failure in tested.failures {
            output::complain(&format!("watchfloor: {name}:{failure}"));
        }
    }
    let mut out = output::stdout();
    let (mappings, problems) = (library.mappings.len(), library.problems.len());
    writeln!(
        out,
        "{mappings} mappings, {problems} problems, {cases} test cases, {failures} failures"
    )?;
    out.flush()?;
    Ok(if problems + failures == 0 { Outcome::Done } else { Outcome::Failed })
}

fn complain_of(library: &Library) {
    for problem in &library.problems {
        output::complain(&format!("watchfloor: {problem}"));
    }
}
