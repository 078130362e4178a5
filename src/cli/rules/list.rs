//! `watchfloor rules list`: the rules that run, with their states, what dry runs counted and what is kept back of parked ones.

use std::collections::BTreeMap;
use std::io::Write;

use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, load, owner};
use crate::config::Config;
use crate::desk::Desk;
use crate::model::finding::RuleInfo;
use crate::model::rule_life::{RuleBook, RuleState, Traits};
use crate::model::severity::Severity;
use crate::pipeline::rule_life::resolve::read_book;
use crate::pipeline::rules::{check_all, pack_of};

/// The columns, in CSV's order.
const COLUMNS: [&str; 11] = [
    "rule.level",
    "rule.state",
    "rule.id",
    "rule.name",
    "pack",
    "recommended",
    "dry_run",
    "parked",
    "rule.tags",
    "file",
    "line",
];

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor rules list --min-level high
  watchfloor rules list --state dry-run          what dry runs counted
  watchfloor rules list pack:sigma --format csv")]
pub(crate) struct Arguments {
    /// `builtin`, `pack:NAME`, files or folders [default: rules.paths of the configuration and all packs]
    paths: Vec<String>,
    /// Rules of this level and above
    #[arg(long, default_value = "info", value_parser = load::severity)]
    min_level: Severity,
    /// Only rules of this state: off, dry-run or on
    #[arg(long, value_parser = super::decide::state)]
    state: Option<RuleState>,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    let book = read_book(&config.data_dir)?;
    let counted = counted(&config);
    let report = check_all(&super::rules(config, &arguments.paths)?);
    let mut out = output::stdout();
    let records = report.rules.iter().filter_map(|rule| {
        let recommended = report.recommended.contains(&rule.id);
        let state = state(&book, rule, recommended);
        let wanted = arguments.state.is_none_or(|wanted| wanted == state);
        (wanted && rule.level >= arguments.min_level).then(|| {
            serde_json::json!({
                "rule.level": rule.level.as_str(), "rule.state": state.as_str(),
                "rule.id": rule.id, "rule.name": rule.title, "pack": pack_of(&rule.file),
                "recommended": recommended,
                // Nothing where no daemon counts.
                "dry_run": counted.as_ref().map(|counts| counts.0.get(&rule.id).unwrap_or(&0)),
                // Findings kept back; nothing: it is not parked.
                "parked": counted.as_ref().and_then(|counts| counts.1.get(&rule.id)),
                "rule.tags": rule.tags, "file": rule.file, "line": rule.line,
            })
        })
    });
    output::records(&mut out, arguments.format, &COLUMNS, records)?;
    out.flush()?;
    Ok(Outcome::Done)
}

/// The state where no endpoint has one of its own.
fn state(book: &RuleBook, rule: &RuleInfo, recommended: bool) -> RuleState {
    let traits = Traits {
        id: &rule.id,
        tags: &rule.tags,
        pack: pack_of(&rule.file),
        level: rule.level,
        recommended,
    };
    book.decision(&traits, "").map_or(RuleState::On, |row| row.state)
}

/// What the daemon counted in dry runs and of parked rules, if one runs and lets us ask.
fn counted(config: &Config) -> Option<(BTreeMap<String, u64>, BTreeMap<String, u64>)> {
    let socket = owner::socket(config);
    if !socket.exists() {
        return None;
    }
    let runtime = owner::runtime().ok()?;
    let asked = runtime.block_on(async { Desk::attach(&socket).await?.rule_view().await });
    // A socket without a daemon behind it is what a killed one leaves.
    let view = asked
        .inspect_err(|error| {
            output::complain(&format!("watchfloor: counts of the daemon are not shown: {error}"));
        })
        .ok()?;
    let mut parked: BTreeMap<String, u64> = BTreeMap::new();
    for one in view.parked {
        *parked.entry(one.rule).or_insert(0) += one.findings;
    }
    Some((view.dry_run.into_iter().collect(), parked))
}
