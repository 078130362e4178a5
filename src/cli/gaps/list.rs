//! `watchfloor gaps list`: every number that is missing.

use std::io::Write;

use clap::Args;

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, open_desk};
use crate::model::gap::{Gap, GapReport, NumberedStream};
use crate::wire::gaps_v1;

/// The columns of gaps, in order.
const COLUMNS: [&str; 11] = [
    "source",
    "tenant",
    "host.name",
    "kind",
    "name",
    "from",
    "to",
    "numbers",
    "state",
    "trusted",
    "at",
];
/// The columns of streams, in order.
const STREAM_COLUMNS: [&str; 12] = [
    "source",
    "tenant",
    "host.name",
    "kind",
    "name",
    "last",
    "trusted",
    "missing",
    "gaps",
    "gaps_given_up",
    "restarts",
    "filled",
];

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor gaps list
  watchfloor gaps list --streams
  watchfloor gaps list --source dc --format csv")]
pub(crate) struct Arguments {
    /// Numbered streams with their counts instead of gaps
    #[arg(long)]
    streams: bool,
    /// Only of this source
    #[arg(long, value_name = "NAME")]
    source: Option<String>,
    /// Only of this endpoint
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Also holes that late records may still fill
    #[arg(long)]
    waiting: bool,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let opened = open_desk::open(common)?;
    let report = opened.wait(opened.desk.gaps())?;
    opened.close();
    let mut out = output::stdout();
    let chosen: Vec<&NumberedStream> =
        report.streams.iter().filter(|stream| is_chosen(stream, arguments)).collect();
    if arguments.streams {
        let rows = chosen.iter().map(|stream| stream_row(stream));
        output::records(&mut out, arguments.format, &STREAM_COLUMNS, rows)?;
    } else {
        let rows = chosen.iter().flat_map(|stream| {
            let gaps = stream.gaps.iter();
            let gaps = gaps.filter(|gap| arguments.waiting || gap.state != "waiting");
            gaps.map(|gap| gap_row(stream, gap))
        });
        output::records(&mut out, arguments.format, &COLUMNS, rows)?;
    }
    out.flush()?;
    say_what_is_not_listed(&report, &chosen, arguments);
    Ok(Outcome::Done)
}

fn is_chosen(stream: &NumberedStream, arguments: &Arguments) -> bool {
    let is = |wanted: &Option<String>, found: &str| {
        wanted.as_ref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(found))
    };
    is(&arguments.source, &stream.source) && is(&arguments.host, &stream.host)
}

fn gap_row(stream: &NumberedStream, gap: &Gap) -> serde_json::Value {
    let wire = gaps_v1::Gap::from(gap);
    serde_json::json!({
        "source": stream.source, "tenant": stream.tenant, "host.name": stream.host,
        "kind": stream.kind, "name": stream.name, "from": gap.from, "to": gap.to,
        "numbers": gap.numbers(), "state": gap.state, "trusted": stream.trusted, "at": wire.at,
    })
}

fn stream_row(stream: &NumberedStream) -> serde_json::Value {
    serde_json::json!({
        "source": stream.source, "tenant": stream.tenant, "host.name": stream.host,
        "kind": stream.kind, "name": stream.name, "last": stream.last, "trusted": stream.trusted,
        "missing": stream.missing(), "gaps": stream.gaps.len(),
        "gaps_given_up": stream.given_up.0, "restarts": stream.restarts, "filled": stream.filled,
    })
}

fn say_what_is_not_listed(report: &GapReport, chosen: &[&NumberedStream], arguments: &Arguments) {
    let given_up: u64 = chosen.iter().map(|stream| stream.given_up.0).sum();
    if given_up > 0 && !arguments.streams {
        let numbers: u64 = chosen.iter().map(|stream| stream.given_up.1).sum();
        output::complain(&format!(
            "{given_up} older gaps with {numbers} numbers are only counted, by stream: --streams"
        ));
    }
    if report.streams_evicted > 0 {
        let gone = report.streams_evicted;
        output::complain(&format!("{gone} streams made room for others (gaps.streams_max)"));
    }
}
