//! `watchfloor events search`: stored events by the filter language.

use std::io::Write;

use clap::Args;
use clap::builder::RangedU64ValueParser;

use crate::cli::output;
use crate::cli::{Common, Outcome, load, open_desk};
use crate::model::query::EventFilter;
use crate::service::events::EVENTS_MAX;
use crate::stdx::time::Timestamp;
use crate::wire::event_v1;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor events search 'host:web01 class:logon_failure' --limit 20
  watchfloor events search 'process.command_line~/curl.*sh/' --from 2026-11-22
  watchfloor events search 'cmd:\"-enc\" -user:svc_*' --flat")]
pub(crate) struct Arguments {
    /// The filter language over ECS fields
    query: Vec<String>,
    /// Only events at or after this time
    #[arg(long, value_name = "TIME", value_parser = load::time)]
    from: Option<Timestamp>,
    /// Only events before this time
    #[arg(long, value_name = "TIME", value_parser = load::time)]
    to: Option<Timestamp>,
    /// At most this many; one search gives 50000, older ones are behind --to
    #[arg(long, default_value_t = 100, value_parser = RangedU64ValueParser::<usize>::new().range(1..))]
    limit: usize,
    /// Dotted keys instead of nested objects
    #[arg(long)]
    flat: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let Arguments { query, from, to, limit, flat } = arguments;
    let opened = open_desk::open(common)?;
    let found = opened.wait(opened.desk.events_search(&query.join(" "), *from, *to, *limit))?;
    opened.close();
    let mut out = output::stdout();
    let mut line = Vec::new();
    for event in &found {
        line.clear();
        if *flat {
            event_v1::write_flat(event, &mut line);
        } else {
            serde_json::to_writer(&mut line, &event_v1::to_nested(event))?;
        }
        line.push(b'\n');
        out.write_all(&line)?;
    }
    out.flush()?;
    if found.is_empty() {
        complain_of_misspelt(&query.join(" "));
    }
    let most = (*limit).min(EVENTS_MAX);
    if let Some(last) = found.last().filter(|_| found.len() >= most) {
        let why = if *limit > EVENTS_MAX { "what one search gives," } else { "--limit" };
        // Others of the same moment would be lost without the one behind it.
        let on = format!("there may be more before {} (--to)", last.timestamp.plus_micros(1));
        output::complain(&format!("stopped at {why} {most}; {on}"));
    }
    Ok(Outcome::Done)
}

/// Nothing was found: a misspelt name may be why.
fn complain_of_misspelt(query: &str) {
    let Ok(filter) = EventFilter::parse(query) else { return };
    for (name, near) in filter.misspelt() {
        output::complain(&format!("nothing found by {name}; did you mean {near}?"));
    }
}
