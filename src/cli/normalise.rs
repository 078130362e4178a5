//! `watchfloor normalise`: print the ECS events of files as JSON lines.

use std::io::Write;
use std::ops::ControlFlow;

use clap::Args;

use crate::cli::progress::Progress;
use crate::cli::{Common, Outcome, load, normalise_explain, output};
use crate::pipeline::inputs::Inputs;
use crate::pipeline::normalise::normalise;
use crate::wire::event_v1;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor normalise /var/log/auth.log | head
  watchfloor normalise sysmon.evtx --flat
  watchfloor normalise - --as auditd < audit.log
  watchfloor normalise access.log --explain | head -40")]
pub(crate) struct Arguments {
    /// Files, folders (read recursively) and globs; - is standard input
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<String>,
    /// Read the input as this format instead of looking (see `formats list`)
    #[arg(long = "as", value_name = "NAME", default_value = "auto")]
    read_as: String,
    /// The host of records that do not name one
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// Dotted keys instead of nested objects
    #[arg(long)]
    flat: bool,
    /// Say for every event which carrier, family and line of a mapping gave which field
    #[arg(long, conflicts_with = "flat")]
    explain: bool,
    /// Print rejected records too, as lines with `reject.reason`
    #[arg(long)]
    rejects: bool,
    /// Print no summary on standard error
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let config = load::config(common)?;
    load::format_name(&config, &arguments.read_as)?;
    let inputs = Inputs {
        paths: arguments.paths.clone(),
        format: arguments.read_as.clone(),
        host: arguments.host.as_deref().map(str::to_lowercase),
        host_from_path: None,
        explain: arguments.explain,
    };
    let progress = Progress::files(!arguments.quiet);
    let mut out = output::stdout();
    let mut line = Vec::new();
    let mut failed = None;
    let report = normalise(&config, &inputs, &progress, &mut |decoded| {
        if arguments.explain {
            for (event, trace) in decoded.events.iter().zip(&decoded.traces) {
                if let Err(error) = normalise_explain::write(event, trace, &mut out) {
                    failed = Some(error.into());
                    return ControlFlow::Break(());
                }
            }
            return ControlFlow::Continue(());
        }
        for event in &decoded.events {
            line.clear();
            if arguments.flat {
                event_v1::write_flat(event, &mut line);
            } else if let Err(error) = serde_json::to_writer(&mut line, &event_v1::to_nested(event))
            {
                failed = Some(anyhow::Error::from(error));
                return ControlFlow::Break(());
            }
            line.push(b'\n');
            if let Err(error) = out.write_all(&line) {
                failed = Some(error.into());
                return ControlFlow::Break(());
            }
        }
        if arguments.rejects {
            for reject in &decoded.rejects {
                let document = serde_json::json!({
                    "reject.reason": reject.reason, "reject.detail": reject.detail,
                    "reject.head": String::from_utf8_lossy(&reject.head),
                    "source_path": reject.path.as_ref(), "offset": reject.offset,
                });
                if let Err(error) = writeln!(out, "{document}") {
                    failed = Some(error.into());
                    return ControlFlow::Break(());
                }
            }
        }
        ControlFlow::Continue(())
    })?;
    progress.finish();
    if let Some(error) = failed {
        return Err(error);
    }
    out.flush()?;
    for problem in &report.problems {
        output::complain(&format!("watchfloor: {problem}"));
    }
    if !arguments.quiet {
        let ledger = &report.ledger;
        output::complain(&format!(
            "{} records received = {} stored + {} rejected + {} in flight; {} events in {} files",
            ledger.received,
            ledger.stored,
            ledger.rejected,
            ledger.in_flight,
            ledger.events,
            report.files
        ));
        for (reason, count) in &report.rejects {
            output::complain(&format!("  rejected {count}: {reason}"));
        }
    }
    let nothing = ledger_is_empty(&report.ledger) && !report.problems.is_empty();
    Ok(if nothing { Outcome::Failed } else { Outcome::Done })
}

fn ledger_is_empty(ledger: &crate::model::ledger::Ledger) -> bool {
    ledger.received == 0
}
