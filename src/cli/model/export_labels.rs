//! `watchfloor model export-labels`: what analysts decided about models' alerts, as labels of windows.

use std::io::Write;

use clap::Args;
use serde_json::json;

use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome, open_desk};
use crate::model::desk::AlertQuery;
use crate::model::inference::{Inference, RULE_PREFIX};
use crate::model::verdict::VerdictKind;

const COLUMNS: [&str; 10] =
    ["file", "host", "label", "start", "end", "attack_prob", "model", "alert", "verdict", "window"];
/// Alerts that are asked for at once.
const PAGE: usize = 1_000;

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor model export-labels > labels.jsonl
  watchfloor model export-labels --file evidence/dc01.json

One line for each judged window of a model's alert that has a verdict. A true positive is labelled attack; a false positive,
and what was right and allowed, background. Other verdicts decide nothing and are counted. `watchfloor model eval --labels`
reads these lines for the files that hold the events of that time.")]
pub(crate) struct Arguments {
    /// The file that the labels are written for
    #[arg(long, value_name = "PATH", default_value = "")]
    file: String,
    /// How it is printed
    #[arg(long, value_enum, default_value = "ndjson")]
    format: Format,
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let opened = open_desk::open(common)?;
    let (mut rows, mut undecided, mut gone) = (Vec::new(), 0_u64, 0_u64);
    let mut offset = 0;
    loop {
        let query = AlertQuery { limit: PAGE, offset, ..AlertQuery::default() };
        let page = opened.wait(opened.desk.alerts(&query))?;
        if page.rows.is_empty() {
            break;
        }
        offset += page.rows.len();
        for alert in page.rows.iter().filter(|alert| alert.rule_id.starts_with(RULE_PREFIX)) {
            let Some(label) = alert.verdict.as_ref().and_then(|it| label(it.kind)) else {
                undecided += 1;
                continue;
            };
            let detail = opened.wait(opened.desk.alert(alert.id))?;
            let windows: Vec<Inference> =
                detail.events.iter().filter_map(Inference::of_event).collect();
            gone += u64::from(windows.is_empty());
            rows.extend(windows.iter().map(|window| {
                json!({
                    "file": arguments.file,
                    "host": window.host,
                    "label": label,
                    "start": window.start.micros() as f64 / 1e6,
                    "end": window.end.micros() as f64 / 1e6,
                    "attack_prob": window.score,
                    "model": window.model,
                    "alert": alert.id.to_string(),
                    "verdict": alert.verdict.as_ref().map(|verdict| verdict.kind.as_str()),
                    "window": window.id.to_string(),
                })
            }));
        }
    }
    output::complain(&format!(
        "{} windows; {undecided} alerts of models without a verdict that decides, {gone} whose windows are stored no more",
        rows.len()
    ));
    let mut out = output::stdout();
    output::records(&mut out, arguments.format, &COLUMNS, rows)?;
    out.flush()?;
    Ok(Outcome::Done)
}

fn label(kind: VerdictKind) -> Option<&'static str> {
    match kind {
        VerdictKind::TruePositive => Some("attack"),
        VerdictKind::FalsePositive | VerdictKind::BenignTruePositive => Some("background"),
        VerdictKind::Suspicious | VerdictKind::Duplicate | VerdictKind::InsufficientData => None,
    }
}
