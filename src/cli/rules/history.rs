//! `watchfloor rules history`: every change of packs and states.

use std::io::Write;

use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome};
use crate::model::rule_life::{RuleBook, RuleChange};
use crate::wire::rules_v1::Change;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules history
  watchfloor rules history --limit 5 --format ndjson     with the whole set before and after each")]
pub(crate) struct Arguments {
    /// At most this many changes, the newest first
    #[arg(long, default_value_t = 50, value_name = "N")]
    limit: usize,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let opened = super::desk(common)?;
    let changes = opened.wait(opened.desk.rule_history(arguments.limit))?;
    let mut out = output::stdout();
    let columns = ["change", "at", "actor", "kind", "subject", "replaced", "reason"];
    let whole = matches!(arguments.format, Format::Json | Format::Ndjson);
    let records = changes.iter().map(|change| {
        let mut record = serde_json::json!({
            "change": change.id, "at": change.at.to_string(), "actor": change.actor,
            "kind": change.kind, "subject": change.subject, "replaced": replaced(change),
            "reason": change.reason,
        });
        if whole && let Some(fields) = record.as_object_mut() {
            let change = Change::from(change);
            fields.insert("before".to_owned(), serde_json::json!(change.before));
            fields.insert("after".to_owned(), serde_json::json!(change.after));
        }
        record
    });
    output::records(&mut out, arguments.format, &columns, records)?;
    out.flush()?;
    Ok(Outcome::Done)
}

/// What there was and is no longer.
fn replaced(change: &RuleChange) -> String {
    let gone = lines(&change.before).into_iter();
    let after = lines(&change.after);
    gone.filter(|line| !after.contains(line)).collect::<Vec<_>>().join("; ")
}

fn lines(book: &RuleBook) -> Vec<String> {
    let states = book.states.iter().map(|row| format!("{}: {}", row.selector, row.state));
    let packs = book.packs.iter().map(|pack| match pack.local.as_str() {
        "" => format!("{} {}", pack.name, pack.version),
        local => format!("{} {} with edits {local}", pack.name, pack.version),
    });
    states.chain(packs).collect()
}
