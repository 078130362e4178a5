//! `watchfloor restore`: a data folder from a backup.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;

use crate::cli::backup::progress;
use crate::cli::progress::Progress;
use crate::cli::{Common, Outcome, load, output, owner};
use crate::config::alert_store::{self, AlertsAt, Server};
use crate::model::desk::{Problem, ProblemKind};
use crate::pipeline::backup::{self, RestoreTo};

/// How a database is named.
const FORM: &str = "say --database postgres://USER@HOST:5432/DATABASE, an empty database; the password comes from PGPASSWORD or ~/.pgpass";

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor restore watchfloor-20261126T020000Z.tar.zst --to /srv/watchfloor
  watchfloor restore old.tar.zst --to /var/lib/watchfloor --overwrite watchfloor
  watchfloor restore old.tar.zst --to /srv/watchfloor --database postgres://watchfloor@db.example/again

A folder with something in it is refused unless --overwrite says its name; it is then moved aside, never removed. A backup of a
newer version is refused. Files from outside the data folder (configuration, rules, keys) are put into from-backup/ in it.
The rows of a PostgreSQL server go into store.alerts of the configuration, or into --database (password: PGPASSWORD or ~/.pgpass).
It must be empty and no node may be at work on it; --overwrite-database and its name have the schemas in it renamed, never dropped.")]
pub(crate) struct Arguments {
    /// The archive
    file: PathBuf,
    /// The data folder to make
    #[arg(long, value_name = "FOLDER")]
    to: PathBuf,
    /// The name of the folder that is there already, to have it moved aside
    #[arg(long, value_name = "FOLDER-NAME")]
    overwrite: Option<String>,
    /// The database for the rows of a server, without the password [default: store.alerts]
    #[arg(long, value_name = "URL")]
    database: Option<String>,
    /// The name of the database that holds a store already, to have its schemas renamed
    #[arg(long, value_name = "DATABASE-NAME")]
    overwrite_database: Option<String>,
    /// No progress
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    load::logging(common, false);
    let database = database(common, arguments)?;
    let at = RestoreTo {
        folder: &arguments.to,
        overwrite: arguments.overwrite.as_deref(),
        database: database.as_ref(),
        overwrite_database: arguments.overwrite_database.as_deref(),
    };
    let runtime = owner::runtime()?;
    let bar = Progress::files(!arguments.quiet);
    let told = progress(&bar);
    let restored = runtime.block_on(backup::restore(&arguments.file, &at, &told))?;
    bar.finish();
    let (manifest, to) = (&restored.manifest, &arguments.to);
    let alerts = manifest.alerts();
    let mut out = output::stdout();
    writeln!(
        out,
        "{}: {alerts} alerts, {} events, {} audit entries, as of {}",
        output::plain(&to.display().to_string()),
        manifest.events,
        manifest.audit.0,
        output::plain(&manifest.head.made),
    )?;
    out.flush()?;
    if let Some(moved) = &restored.moved {
        output::complain(&format!("what was there is now {}", moved.display()));
    }
    if !restored.schemas_moved.is_empty() {
        let names = restored.schemas_moved.join(", ");
        output::complain(&format!("the schemas that were in the database are now {names}"));
    }
    let beside = to.join("from-backup");
    if beside.is_dir() {
        output::complain(&format!("configuration, rules and keys are in {}", beside.display()));
    }
    Ok(Outcome::Done)
}

/// Where the rows go, if they are a server's.
fn database(common: &Common, arguments: &Arguments) -> anyhow::Result<Option<Server>> {
    let invalid = |message: String| Problem::new(ProblemKind::Invalid, message);
    let head = backup::head_of(&arguments.file)?;
    let Some(server) = &head.server else {
        if arguments.database.is_some() || arguments.overwrite_database.is_some() {
            let message = "the rows of this backup are of SQLite and go into the folder";
            return Err(invalid(message.to_owned()).hint("leave --database away").into());
        }
        return Ok(None);
    };
    let at = match &arguments.database {
        Some(url) => alert_store::parse(url, None)
            .map_err(|what| invalid(format!("--database: {what}")).hint(FORM))?,
        None => load::config(common)?.store.alerts,
    };
    match at {
        AlertsAt::Postgres(server) => Ok(Some(server)),
        AlertsAt::DataDir | AlertsAt::File(_) => {
            let message = format!(
                "this backup holds the rows of {}, and no PostgreSQL database is named for them",
                output::plain(&server.at)
            );
            Err(invalid(message).hint(FORM).into())
        }
    }
}
