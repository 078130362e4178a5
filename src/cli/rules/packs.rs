//! `watchfloor rules packs`: imported packs and where they come from.

use std::io::Write;

use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, load};
use crate::model::rule_life::RuleState;
use crate::pipeline::rule_life::Folders;
use crate::pipeline::rule_life::stage::read_manifest;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules packs
  watchfloor rules packs --format json      everything that is known of each, with what does not run")]
pub(crate) struct Arguments {
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    let opened = super::desk(common)?;
    let book = opened.wait(opened.desk.rule_view())?.book;
    let folders = Folders::of(&config.data_dir);
    let columns = [
        "pack",
        "version",
        "state",
        "rules",
        "problems",
        "edits",
        "conflicts",
        "licence",
        "signed_by",
        "imported",
        "by",
        "from",
    ];
    let whole = matches!(arguments.format, Format::Json | Format::Ndjson);
    let mut out = output::stdout();
    let records = book.packs.iter().map(|pack| {
        let manifest = read_manifest(&folders.version(&pack.name, &pack.version));
        let manifest = manifest.unwrap_or_default();
        let row = book.states.iter().find(|row| row.selector.is_pack(&pack.name));
        let state = row.map_or(RuleState::On, |row| row.state);
        let mut record = serde_json::json!({
            "pack": pack.name, "version": pack.version, "state": state.as_str(),
            "rules": manifest.counts.rules + manifest.counts.unbound,
            "problems": manifest.counts.problems, "edits": !pack.local.is_empty(),
            "conflicts": pack.conflicts.len(), "licence": manifest.licence,
            "signed_by": manifest.signed_by, "imported": manifest.imported, "by": manifest.by,
            "from": manifest.from,
        });
        if whole && let Some(fields) = record.as_object_mut() {
            fields.insert("manifest".to_owned(), serde_json::json!(manifest));
        }
        record
    });
    output::records(&mut out, arguments.format, &columns, records)?;
    out.flush()?;
    Ok(Outcome::Done)
}
