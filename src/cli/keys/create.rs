//! `watchfloor keys create`: make a key and print it, once.

use std::io::Write;

use clap::{Args, ValueEnum};

use crate::cli::{Common, Outcome, load, output};
use crate::model::desk::{Problem, ProblemKind};
use crate::model::key::{KeyRequest, KeyScope};

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor keys create --scope ingest
  watchfloor keys create --scope ingest --source web --name 'filebeat on web01' > filebeat.key

The key is the only line on standard output. It is kept as a hash: nobody can show it again.")]
pub(crate) struct Arguments {
    /// What the key is good for
    #[arg(long, value_enum)]
    scope: Scope,
    /// Good for this source only
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// What to call it
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Scope {
    /// Sending records to a source
    Ingest,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    if let Some(source) = &arguments.source {
        let config = load::config(common)?;
        if !config.sources.iter().any(|known| known.name == *source) {
            let names: Vec<&str> = config.sources.iter().map(|one| one.name.as_str()).collect();
            let hint = crate::config::reader::nearest(source, names);
            return Err(Problem::new(
                ProblemKind::Invalid,
                format!("no source is called {source:?}"),
            )
            .hint(hint)
            .into());
        }
    }
    let Scope::Ingest = arguments.scope;
    let scope = KeyScope::Ingest;
    let named = arguments.name.clone().or_else(|| arguments.source.clone());
    let name = named.unwrap_or_else(|| scope.to_string());
    let request = KeyRequest { scope, source: arguments.source.clone(), name };
    let opened = super::desk(common)?;
    let made = opened.wait(opened.desk.key_create(&request))?;
    let mut out = output::stdout();
    writeln!(out, "{}", output::plain(&made.text))?;
    out.flush()?;
    output::complain(&format!(
        "key {} ({}) is good for {}; it is not shown again",
        made.key.id,
        made.key.name,
        made.key.source.as_ref().map_or_else(
            || format!("scope {scope} at every source"),
            |source| format!("scope {scope} at the source {source}")
        ),
    ));
    Ok(Outcome::Done)
}
