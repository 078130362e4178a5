//! `watchfloor rules import`: a pack of rules comes in, or a newer version of one.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::cli::{Common, Outcome, load, output};
use crate::model::rule_life::{RuleChange, RuleRequest};
use crate::pipeline::rule_life::stage::{Wanted, stage};
use crate::wire::pack_v1::{Manifest, Note};

/// Problems that the table shows; `--format json` has all that are kept.
const NOTES_SHOWN: usize = 20;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules import sigma.tar.zst --name sigma --dry-run
  watchfloor rules import sigma.tar.zst --name sigma --reason 'release of November'
  watchfloor rules import ~/our-rules --name ours

The pack is checked, laid down in the data folder and then taken up by a running daemon. What does not
run is listed, and the rest is imported. A newer version of a pack keeps the files you edited in
DATA/rules/local/NAME: both changes are merged, and what does not fit waits for `rules resolve`.")]
pub(crate) struct Arguments {
    /// A folder, a .zip or a .tar.zst
    pack: PathBuf,
    /// The pack's name [default: what it says of itself, else the file's name]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The signature [default: the file beside the archive that ends in .sig, if there is one]
    #[arg(long, value_name = "FILE")]
    signature: Option<PathBuf>,
    /// Check and report only
    #[arg(long)]
    dry_run: bool,
    /// Why, for the history
    #[arg(long, value_name = "TEXT", default_value = "imported")]
    reason: String,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Shown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Shown {
    /// For people.
    Table,
    /// One JSON object.
    Json,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    let by = super::who();
    let wanted = Wanted {
        from: &arguments.pack,
        name: arguments.name.as_deref(),
        signature: arguments.signature.as_deref(),
        by: &by,
        dry_run: arguments.dry_run,
    };
    if arguments.dry_run {
        let staged = stage(&config.rules, &config.data_dir, &wanted)?;
        show(arguments.format, &staged.manifest, None)?;
        return Ok(Outcome::Done);
    }
    // The store first: what cannot be recorded is not laid down.
    let opened = super::desk(common)?;
    let staged = stage(&config.rules, &config.data_dir, &wanted)?;
    let request = RuleRequest::Pack { staged: staged.folder };
    let change = opened.wait(opened.desk.rule_change(request, &arguments.reason))?;
    show(arguments.format, &staged.manifest, change.as_ref())?;
    Ok(Outcome::Done)
}

fn show(format: Shown, manifest: &Manifest, change: Option<&RuleChange>) -> anyhow::Result<()> {
    let mut out = output::stdout();
    let waiting = change.and_then(|change| change.after.pack(&manifest.name));
    let waiting = waiting.map(|pack| pack.conflicts.as_slice()).unwrap_or_default();
    if format == Shown::Json {
        let files: Vec<&str> = waiting.iter().map(|one| one.file.as_str()).collect();
        let record = serde_json::json!({
            "change": change.map(|change| change.id), "manifest": manifest, "conflicts": files,
        });
        writeln!(out, "{record}")?;
        out.flush()?;
        return Ok(());
    }
    let counts = &manifest.counts;
    let line = |out: &mut dyn Write, text: String| writeln!(out, "{}", output::plain(&text));
    line(
        &mut out,
        match change {
            Some(change) => format!("change {}: {} {}", change.id, change.kind, change.subject),
            None => format!("would import {} {}", manifest.name, manifest.version),
        },
    )?;
    line(
        &mut out,
        format!(
            "  {} files, {} rules run ({} correlations), {} are for logs that are not read, {} do not run",
            counts.files, counts.rules, counts.correlations, counts.unbound, counts.problems
        ),
    )?;
    line(&mut out, format!("  licence: {}", licence(manifest)))?;
    line(&mut out, format!("  signed by: {}", or(&manifest.signed_by, "nobody")))?;
    line(
        &mut out,
        format!("  sha256 {} of {}", or(&manifest.archive_sha256, &manifest.sha256), manifest.from),
    )?;
    if counts.skipped > 0 {
        line(&mut out, format!("  {} files that are no rules were left out", counts.skipped))?;
    }
    for one in waiting {
        line(
            &mut out,
            format!(
                "  conflict: {} (your text is in force; watchfloor rules conflicts --show)",
                one.file
            ),
        )?;
    }
    out.flush()?;
    complain("left out", &manifest.refused, counts.refused);
    complain("does not run", &manifest.problems, counts.problems);
    Ok(())
}

fn or<'t>(text: &'t str, other: &'t str) -> &'t str {
    if text.is_empty() { other } else { text }
}

fn licence(manifest: &Manifest) -> String {
    match (manifest.licence.as_str(), manifest.licence_file.as_str()) {
        ("", "") => "none was found".to_owned(),
        (text, "") => text.to_owned(),
        (text, file) => format!("{text} ({file})"),
    }
}

fn complain(what: &str, notes: &[Note], count: u64) {
    for note in notes.iter().take(NOTES_SHOWN) {
        let place = match note.line {
            0 => note.file.clone(),
            line => format!("{}:{line}", note.file),
        };
        output::complain(&format!("{what}: {place}: {}", note.reason));
    }
    let shown = notes.len().min(NOTES_SHOWN) as u64;
    if count > shown {
        output::complain(&format!("{what}: {} more; --format json has the list", count - shown));
    }
}
