//! `watchfloor endpoint show`: everything about one endpoint, as its screen shows it.

use std::io::Write;

use clap::{Args, ValueEnum};

use crate::cli::output::{self, plain};
use crate::cli::{Common, Outcome, open_desk};
use crate::model::endpoint_view::{EndpointView, Habit, HabitKind, RECENT_MINUTES};
use crate::model::inference::Outcome as Followed;
use crate::stdx::time::Timestamp;
use crate::tui::view::summary::one_line;
use crate::wire::endpoint_view_v1;

/// Rows of each list in the table; JSON has all.
const ROWS_SHOWN: usize = 20;
/// Processes in the table.
const PROCESSES_SHOWN: usize = 60;

/// How to print.
#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// For reading
    Table,
    /// One document
    Json,
}

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor endpoint show web01
  watchfloor endpoint show fin-ws-044 --format json | jq '.judgements[0]'
  watchfloor endpoint show web01 --format json | jq -r '.habits[] | select(.kind == \"binary\") | .rare[].name'

The looking is bounded: the newest 5,000 events, 2,000 starts of processes within 6 hours of the last event,
2,000 judgements and 500 alerts. What was looked at is said, and stands in `looked`.")]
pub(crate) struct Arguments {
    /// Its name, full or short
    host: String,
    /// How to print
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let opened = open_desk::open(common)?;
    let view = opened.wait(opened.desk.endpoint_view(&arguments.host))?;
    let mut out = output::stdout();
    match arguments.format {
        Format::Json => {
            let wire = endpoint_view_v1::EndpointView::from(&view);
            writeln!(out, "{}", serde_json::to_string(&wire)?)?;
        }
        Format::Table => {
            head(&mut out, &view)?;
            events(&mut out, &view)?;
            processes(&mut out, &view)?;
            alerts(&mut out, &view)?;
            habits(&mut out, &view)?;
            judgements(&mut out, &view)?;
        }
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn at(time: Timestamp) -> String {
    time.to_jiff().strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

fn head(out: &mut impl Write, view: &EndpointView) -> anyhow::Result<()> {
    writeln!(out, "endpoint {}", plain(&view.host))?;
    if let Some(row) = &view.endpoint {
        let os = if row.os.is_empty() { "unknown" } else { &row.os };
        let (first, last) = (at(row.first_seen), at(row.last_seen));
        writeln!(out, "  {}, {} events, seen {first} to {last}", plain(os), row.events)?;
    }
    match view.newest() {
        None => writeln!(out, "  no window of this endpoint was judged")?,
        Some(newest) => match newest.score {
            Some(score) => writeln!(
                out,
                "  {} {score:.3}, threshold {:.3}{} by {}, window to {}; {}",
                newest.prediction.as_str(),
                newest.threshold,
                if newest.cold { ", cold," } else { "" },
                plain(&newest.model),
                at(newest.end),
                plain(&newest.words)
            )?,
            None => writeln!(out, "  no score: {}", plain(&newest.words))?,
        },
    }
    if let Some((highest, score)) = view.highest().and_then(|one| Some((one, one.score?))) {
        writeln!(out, "  highest of the day {score:.3} at {}", at(highest.end))?;
    }
    Ok(())
}

fn events(out: &mut impl Write, view: &EndpointView) -> anyhow::Result<()> {
    let classes: Vec<String> =
        view.recent.iter().map(|(class, count)| format!("{} {count}", class.as_str())).collect();
    writeln!(out, "\nevents of the {RECENT_MINUTES} minutes before its last")?;
    writeln!(out, "  {}", if classes.is_empty() { "none".to_owned() } else { classes.join(", ") })?;
    for event in view.last.iter().take(ROWS_SHOWN) {
        writeln!(out, "  {}  {}", at(event.timestamp), plain(&one_line(event)))?;
    }
    Ok(())
}

fn processes(out: &mut impl Write, view: &EndpointView) -> anyhow::Result<()> {
    writeln!(out, "\nprocesses: {}", view.starts_words())?;
    for process in view.processes.iter().take(PROCESSES_SHOWN) {
        let start = process.started.map_or_else(|| format!("{:<20}", "earlier"), at);
        let pid = process.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
        let name = if process.name.is_empty() { "(unknown)" } else { &process.name };
        writeln!(
            out,
            "  {start} {pid:>7} {:<12} {}{}  {}",
            plain(&process.user),
            "  ".repeat(process.depth.min(ROWS_SHOWN)),
            plain(name),
            plain(&process.command_line)
        )?;
    }
    over(out, view.processes.len(), PROCESSES_SHOWN)
}

fn alerts(out: &mut impl Write, view: &EndpointView) -> anyhow::Result<()> {
    writeln!(out, "\nalerts: {}", view.looked.alerts)?;
    let rows = view.alerts.iter().take(ROWS_SHOWN).map(|alert| {
        let verdict = alert.verdict.as_ref().map_or("-", |verdict| verdict.kind.as_str());
        vec![
            at(alert.last_seen),
            alert.severity.to_string(),
            alert.risk.to_string(),
            alert.status.as_str().to_owned(),
            verdict.to_owned(),
            plain(&alert.rule_name),
        ]
    });
    if !view.alerts.is_empty() {
        let header = ["LAST", "SEVERITY", "RISK", "STATE", "VERDICT", "RULE"];
        writeln!(out, "{}", output::table(&header, rows))?;
    }
    over(out, view.alerts.len(), ROWS_SHOWN)
}

fn habits(out: &mut impl Write, view: &EndpointView) -> anyhow::Result<()> {
    writeln!(out, "\nwhat is usual: {}", view.looked_words())?;
    for habits in view.habits.iter().filter(|habits| habits.names > 0) {
        let title = habits.kind.title();
        writeln!(
            out,
            "{title}: {} in {} events, {} rare",
            habits.names, habits.events, habits.rare_names
        )?;
        let row = |rare: &str, habit: &Habit| {
            let name = plain(&habit.name);
            format!("  {rare:<4} {:>7}  since {}  {name}", habit.count, at(habit.first))
        };
        if habits.kind != HabitKind::Hour {
            for habit in &habits.rare {
                writeln!(out, "{}", row("rare", habit))?;
            }
        }
        for habit in &habits.usual {
            writeln!(out, "{}", row("", habit))?;
        }
    }
    Ok(())
}

fn judgements(out: &mut impl Write, view: &EndpointView) -> anyhow::Result<()> {
    let more = if view.looked.judgements_more { ", and older ones" } else { "" };
    writeln!(out, "\nscores: {} judgements{more}", view.judgements.len())?;
    for judgement in view.judgements.iter().take(ROWS_SHOWN) {
        let score = judgement.score.map_or_else(|| "-".to_owned(), |score| format!("{score:.3}"));
        let p = judgement.p.map_or_else(|| "-".to_owned(), |p| format!("{p:.4}"));
        let followed = match judgement.outcome {
            Followed::None => "",
            other => other.as_str(),
        };
        let cold = if judgement.cold { "cold" } else { "" };
        let said = judgement.prediction.as_str();
        let end = at(judgement.end);
        writeln!(out, "  {end}  {said:<7} {score:>6}  p {p:>7}  {cold:<5} {followed}")?;
    }
    over(out, view.judgements.len(), ROWS_SHOWN)
}

fn over(out: &mut impl Write, all: usize, shown: usize) -> anyhow::Result<()> {
    if all > shown {
        writeln!(out, "  and {} more (--format json has them)", all - shown)?;
    }
    Ok(())
}
