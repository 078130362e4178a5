//! `watchfloor topics create`: make the topics that are missing. What is there is never changed.

use std::collections::BTreeMap;
use std::io::Write;

use anyhow::Context as _;
use clap::Args;

use super::{COLUMNS, PATIENCE, Row, Which, ask, look, partitions_of};
use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome};
use crate::stdx::kafka::Topic;

/// The cluster decides how many copies there are.
const REPLICATION_DEFAULT: i32 = -1;

#[derive(Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    which: Which,
    /// Partitions of new topics [default: what the configuration says, else 6]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=100_000))]
    partitions: Option<u64>,
    /// Copies of every partition [default: the cluster's own default]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=100))]
    replication: Option<i32>,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(super) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the runtime")?;
    let mut rows = Vec::new();
    for part in arguments.which.wanted(common)? {
        let (asking, there) = ask(&part.cluster)?;
        let mut missing: BTreeMap<u64, Vec<String>> = BTreeMap::new();
        for (name, demanded) in &part.topics {
            if there.contains_key(name) {
                rows.push(look(&part.cluster, name, *demanded, &there));
            } else {
                let count = partitions_of(*demanded, arguments.partitions);
                missing.entry(count).or_default().push(name.clone());
            }
        }
        for (count, names) in missing {
            let partitions = i32::try_from(count).context("too many partitions")?;
            let copies = arguments.replication.unwrap_or(REPLICATION_DEFAULT);
            let made = runtime.block_on(asking.create(&names, partitions, copies, PATIENCE))?;
            for (name, problem) in made {
                let topic = Topic {
                    partitions: usize::try_from(count).unwrap_or(0),
                    replication: usize::try_from(copies).unwrap_or(0),
                };
                let there = BTreeMap::from([(name.clone(), topic)]);
                let row = look(&part.cluster, &name, None, &there);
                rows.push(match problem {
                    None => Row { state: "made", ..row },
                    Some(why) => Row { state: "failed", partitions: 0, detail: why, ..row },
                });
            }
        }
    }
    let failed = rows.iter().any(|row| matches!(row.state, "failed" | "differs"));
    let mut out = output::stdout();
    output::records(&mut out, arguments.format, &COLUMNS, rows.into_iter().map(Row::json))?;
    out.flush()?;
    Ok(if failed { Outcome::Failed } else { Outcome::Done })
}
