//! `watchfloor rejects`: records that could not be read, and whether they could be now.

use std::io::Write;

use clap::{Args, Subcommand};

use crate::cli::open_desk::{self, Opened};
use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, load};
use crate::model::desk::{Problem, ProblemKind};
use crate::model::record::StoredReject;
use crate::pipeline::retry::{Retried, retry};
use crate::stdx::id::Id128;

/// The columns of lists, in order.
const COLUMNS: [&str; 8] =
    ["sequence", "id", "source", "reason", "source_path", "offset", "at", "detail"];
/// Rejects that are asked for at a time while one is looked for.
const PAGE: usize = 1_000;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rejects list --limit 20
  watchfloor rejects list --reason bad_auditd --format ndjson
  watchfloor rejects show 17
  watchfloor rejects replay --reason not_json

The numbers of all rejects by source are in watchfloor status.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List records that could not be read, newest first
    List {
        #[command(flatten)]
        which: Which,
        /// How to print
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Show one reject with the head of the record, unusual bytes escaped
    Show {
        /// Its sequence number or its id
        reject: String,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Decode kept heads again and say which could be read now, for example after an update
    ///
    /// Nothing is stored and nothing is removed: it is a question. Only the redacted head of a record is kept, up to 4
    /// KiB, so a longer record is answered with `cut`. What can be read now comes in when its file is read again, for
    /// example with watchfloor scan.
    Replay {
        /// Only these, by sequence number or id [default: the newest, see --limit]
        rejects: Vec<String>,
        #[command(flatten)]
        which: Which,
        /// How to print
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
}

#[derive(Args)]
struct Which {
    /// At most this many
    #[arg(long, default_value_t = 1000)]
    limit: usize,
    /// Skip this many
    #[arg(long, default_value_t = 0)]
    offset: usize,
    /// Only of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only with this reason
    #[arg(long, value_name = "WORD")]
    reason: Option<String>,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let opened = open_desk::open(common)?;
    match &arguments.verb {
        Verb::List { which, format } => list(opened, which, *format),
        Verb::Show { reject, json } => show(&find(&opened, reject)?, *json),
        Verb::Replay { rejects, which, format } => {
            let asked = if rejects.is_empty() {
                select(&opened, which)?
            } else {
                rejects.iter().map(|name| find(&opened, name)).collect::<anyhow::Result<_>>()?
            };
            replay(common, &asked, *format)
        }
    }
}

fn list(opened: Opened, which: &Which, format: Format) -> anyhow::Result<Outcome> {
    let rejects = select(&opened, which)?;
    opened.close();
    let mut out = output::stdout();
    if format == Format::Table {
        let rows = rejects.iter().map(|reject| {
            vec![
                reject.sequence.to_string(),
                short_time(reject),
                reject.source.clone(),
                reject.reason.clone(),
                format!("{}:{}", reject.path, reject.offset),
                reject.detail.clone(),
            ]
        });
        let header = ["SEQUENCE", "AT", "SOURCE", "REASON", "PATH:OFFSET", "DETAIL"];
        writeln!(out, "{}", output::table(&header, rows))?;
    } else {
        output::records(&mut out, format, &COLUMNS, rejects.iter().map(record))?;
    }
    out.flush()?;
    if rejects.len() == which.limit {
        output::complain(&format!("stopped at --limit {}; there may be more", which.limit));
    }
    Ok(Outcome::Done)
}

fn short_time(reject: &StoredReject) -> String {
    reject.at.to_string().get(..19).unwrap_or_default().to_owned()
}

fn record(reject: &StoredReject) -> serde_json::Value {
    serde_json::json!({
        "sequence": reject.sequence, "id": reject.id.to_string(), "source": reject.source,
        "reason": reject.reason, "source_path": reject.path, "offset": reject.offset,
        "at": reject.at.to_string(), "detail": reject.detail,
    })
}

/// The rejects that are wanted, newest first. `offset` and `limit` count those that match.
fn select(opened: &Opened, which: &Which) -> anyhow::Result<Vec<StoredReject>> {
    let matches = |reject: &StoredReject| {
        which.source.as_ref().is_none_or(|name| *name == reject.source)
            && which.reason.as_ref().is_none_or(|word| *word == reject.reason)
    };
    let mut found = Vec::new();
    let mut to_skip = which.offset;
    walk(opened, |reject| {
        if found.len() >= which.limit {
            return false;
        }
        if matches(&reject) {
            match to_skip.checked_sub(1) {
                Some(left) => to_skip = left,
                None => found.push(reject),
            }
        }
        found.len() < which.limit
    })?;
    Ok(found)
}

/// One reject by its number or id.
fn find(opened: &Opened, name: &str) -> anyhow::Result<StoredReject> {
    let id = Id128::parse(name);
    let sequence = name.parse::<u64>().ok().filter(|_| id.is_none());
    if id.is_none() && sequence.is_none() {
        return Err(Problem::new(ProblemKind::Invalid, format!("{name:?} names no reject"))
            .hint("give the sequence number or the id of watchfloor rejects list")
            .into());
    }
    let mut found = None;
    walk(opened, |reject| {
        // Newest first: behind a lower number it cannot come any more.
        let passed = sequence.is_some_and(|wanted| reject.sequence < wanted);
        if id == Some(reject.id) || sequence == Some(reject.sequence) {
            found = Some(reject);
        }
        found.is_none() && !passed
    })?;
    found.ok_or_else(|| {
        Problem::new(ProblemKind::NotFound, format!("there is no reject {name}")).into()
    })
}

/// Hand every reject to `take`, newest first, until it says no.
fn walk(opened: &Opened, mut take: impl FnMut(StoredReject) -> bool) -> anyhow::Result<()> {
    let mut offset = 0;
    loop {
        let page = opened.wait(opened.desk.rejects(PAGE, offset))?;
        let is_last = page.len() < PAGE;
        offset += page.len();
        for reject in page {
            if !take(reject) {
                return Ok(());
            }
        }
        if is_last {
            return Ok(());
        }
    }
}

fn show(reject: &StoredReject, json: bool) -> anyhow::Result<Outcome> {
    let mut out = output::stdout();
    if json {
        let mut document = record(reject);
        if let Some(fields) = document.as_object_mut() {
            let head = String::from_utf8_lossy(&reject.head).into_owned();
            fields.insert("head".to_owned(), head.into());
        }
        writeln!(out, "{document}")?;
    } else {
        let mut line = |label: &str, value: &str| {
            writeln!(out, "{label:<9} {}", output::plain(value).replace('\n', " "))
        };
        line("sequence", &reject.sequence.to_string())?;
        line("id", &reject.id.to_string())?;
        line("source", &reject.source)?;
        line("path", &reject.path)?;
        line("offset", &reject.offset.to_string())?;
        line("at", &reject.at.to_string())?;
        line("reason", &reject.reason)?;
        line("detail", &reject.detail)?;
        line("head", &format!("{} bytes, redacted:", reject.head.len()))?;
        for text in String::from_utf8_lossy(&reject.head).split('\n') {
            writeln!(out, "  {}", output::escaped(text))?;
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn replay(common: &Common, rejects: &[StoredReject], format: Format) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    let retried = retry(&config, rejects)?;
    let records = rejects.iter().zip(&retried).map(|(reject, now)| {
        let (outcome, why) = words(now);
        serde_json::json!({
            "sequence": reject.sequence, "source": reject.source, "reason": reject.reason,
            "outcome": outcome, "why": why,
        })
    });
    let mut out = output::stdout();
    output::records(
        &mut out,
        format,
        &["sequence", "source", "reason", "outcome", "why"],
        records,
    )?;
    out.flush()?;
    let readable = retried.iter().filter(|now| matches!(now, Retried::Readable { .. })).count();
    let cut = retried.iter().filter(|now| matches!(now, Retried::Cut)).count();
    output::complain(&format!(
        "{} tried: {readable} could be read now, {cut} are cut; nothing was stored",
        rejects.len()
    ));
    Ok(Outcome::Done)
}

fn words(now: &Retried) -> (&'static str, String) {
    match now {
        Retried::Readable { events, class } => ("readable", format!("{events} event(s), {class}")),
        Retried::Waits => ("waits", "part of an event of several records".to_owned()),
        Retried::Rejected { reason, detail } => ("rejected", format!("{reason}: {detail}")),
        Retried::Cut => ("cut", "only the head of the record is kept".to_owned()),
    }
}
