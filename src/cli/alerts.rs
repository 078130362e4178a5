//! `watchfloor alerts`: the desk's verbs for scripts.

use std::io::Write;

use anyhow::Context;
use clap::{Args, Subcommand};

use crate::cli::open_desk::{self, Opened};
use crate::cli::output::{self, Format};
use crate::cli::{Common, Outcome};
use crate::model::alert::{Action, Alert, AlertId, Status};
use crate::model::desk::{AlertQuery, Problem, ProblemKind};
use crate::model::verdict::{Confidence, Verdict, VerdictKind};
use crate::stdx::id::Id128;

/// The columns of lists, in the documented order.
const COLUMNS: [&str; 12] = [
    "id",
    "status",
    "severity",
    "risk",
    "rule.id",
    "rule.name",
    "host.name",
    "count",
    "first_seen",
    "last_seen",
    "assignee",
    "verdict",
];

#[derive(Args)]
#[command(after_help = "Examples:
  watchfloor alerts list 'is:open sev>=high host:web*' --format ndjson
  watchfloor alerts show 0f3c
  watchfloor alerts verdict 0f3c false_positive --reason known_admin_tool --note 'CHG-18822'
  watchfloor alerts status 0f3c 11ab acknowledged

An id may be cut short as long as it names one alert.")]
pub(crate) struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// List alerts that match a filter
    List {
        /// The filter language, for example 'is:open sev>=high'
        #[arg(default_value = "")]
        filter: Vec<String>,
        /// Sort fields by importance, - for descending
        #[arg(long, default_value = "-risk,-last_seen", allow_hyphen_values = true)]
        sort: String,
        /// At most this many
        #[arg(long, default_value_t = 1000)]
        limit: usize,
        /// Skip this many
        #[arg(long, default_value_t = 0)]
        offset: usize,
        /// How to print
        #[arg(long, value_enum, default_value = "table")]
        format: Format,
    },
    /// Show one alert with its evidence and history
    Show {
        /// The alert
        id: String,
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Set the state: open, acknowledged, investigating, resolved, false_positive
    Status {
        /// The alerts, then the state
        #[arg(required = true, num_args = 2.., value_names = ["ID", "STATE"])]
        words: Vec<String>,
    },
    /// Give a verdict
    Verdict {
        /// The alert
        id: String,
        /// true_positive, false_positive, benign_true_positive, suspicious, duplicate, insufficient_data, none
        kind: String,
        /// Reason codes: known_admin_tool, test_activity, bad_signature, approved_change, other
        #[arg(long)]
        reason: Vec<String>,
        /// low, medium or high
        #[arg(long, default_value = "medium")]
        confidence: String,
        /// A note
        #[arg(long, default_value = "")]
        note: String,
    },
    /// Assign to a user, to `me`, or to `none`
    Assign {
        /// The alert
        id: String,
        /// The user
        who: String,
    },
    /// Add a note
    Note {
        /// The alert
        id: String,
        /// The text
        text: String,
    },
    /// Print matching alerts as JSON lines with everything that is known of each
    Export {
        /// The filter language
        #[arg(default_value = "")]
        filter: Vec<String>,
    },
}

pub(crate) fn run(common: &Common, arguments: &Arguments) -> anyhow::Result<Outcome> {
    let opened = open_desk::open(common)?;
    match &arguments.verb {
        Verb::List { filter, sort, limit, offset, format } => {
            let query = AlertQuery {
                filter: filter.join(" "),
                sort: sort.clone(),
                limit: *limit,
                offset: *offset,
            };
            list(opened, &query, *format)
        }
        Verb::Show { id, json } => show(&opened, id, *json),
        Verb::Status { words } => set_status(&opened, words),
        Verb::Verdict { id, kind, reason, confidence, note } => {
            let action = verdict(kind, reason, confidence, note)?;
            act(&opened, std::slice::from_ref(id), action)
        }
        Verb::Assign { id, who } => {
            let who = match who.as_str() {
                "none" => None,
                "me" => Some(opened.desk.actor()),
                name => Some(name.to_owned()),
            };
            act(&opened, std::slice::from_ref(id), Action::Assign(who))
        }
        Verb::Note { id, text } => {
            act(&opened, std::slice::from_ref(id), Action::Note(text.clone()))
        }
        Verb::Export { filter } => export(&opened, &filter.join(" ")),
    }
}

fn list(opened: Opened, query: &AlertQuery, format: Format) -> anyhow::Result<Outcome> {
    let page = opened.wait(opened.desk.alerts(query))?;
    opened.close();
    let mut out = output::stdout();
    if format == Format::Table {
        let rows = page.rows.iter().map(|alert| {
            vec![
                alert.id.to_string().get(..8).unwrap_or_default().to_owned(),
                alert.severity.to_string(),
                alert.risk.to_string(),
                alert.status.as_str().to_owned(),
                alert.host.clone(),
                alert.count.to_string(),
                short_time(alert),
                alert.rule_name.clone(),
            ]
        });
        let header = ["ID", "SEVERITY", "RISK", "STATUS", "HOST", "COUNT", "LAST SEEN", "RULE"];
        writeln!(out, "{}", output::table(&header, rows))?;
    } else {
        output::records(&mut out, format, &COLUMNS, page.rows.iter().map(record))?;
    }
    out.flush()?;
    if page.matching > page.rows.len() {
        output::complain(&format!("{} of {} matching alerts", page.rows.len(), page.matching));
    }
    Ok(Outcome::Done)
}

fn short_time(alert: &Alert) -> String {
    alert.last_seen.to_string().get(..19).unwrap_or_default().to_owned()
}

/// An alert with flat dotted keys, as documented.
fn record(alert: &Alert) -> serde_json::Value {
    serde_json::json!({
        "id": alert.id.to_string(),
        "status": alert.status.as_str(),
        "severity": alert.severity.as_str(),
        "risk": alert.risk,
        "rule.id": alert.rule_id,
        "rule.name": alert.rule_name,
        "host.name": alert.host,
        "count": alert.count,
        "first_seen": alert.first_seen.to_string(),
        "last_seen": alert.last_seen.to_string(),
        "assignee": alert.assignee,
        "verdict": alert.verdict.as_ref().map(|verdict| verdict.kind.as_str()),
        "user.name": alert.user,
        "bundle": alert.bundle.map(|bundle| bundle.to_string()),
        "risk_parts": alert.risk_parts,
        "group": alert.group.iter().map(|(f, v)| format!("{f}={v}")).collect::<Vec<_>>(),
    })
}

fn show(opened: &Opened, id: &str, json: bool) -> anyhow::Result<Outcome> {
    let id = resolve(opened, id)?;
    let detail = opened.wait(opened.desk.alert(id))?;
    let mut out = output::stdout();
    if json {
        writeln!(out, "{}", crate::cli::alert_text::json(&detail))?;
    } else {
        write!(out, "{}", crate::cli::alert_text::text(&detail))?;
    }
    out.flush()?;
    Ok(Outcome::Done)
}

fn export(opened: &Opened, filter: &str) -> anyhow::Result<Outcome> {
    let mut query = AlertQuery { filter: filter.to_owned(), limit: 500, ..AlertQuery::default() };
    let mut out = output::stdout();
    loop {
        let page = opened.wait(opened.desk.alerts(&query))?;
        for alert in &page.rows {
            let detail = opened.wait(opened.desk.alert(alert.id))?;
            writeln!(out, "{}", crate::cli::alert_text::json(&detail))?;
        }
        query.offset += page.rows.len();
        if page.rows.is_empty() || query.offset >= page.matching {
            out.flush()?;
            return Ok(Outcome::Done);
        }
    }
}

fn set_status(opened: &Opened, words: &[String]) -> anyhow::Result<Outcome> {
    let Some((state, ids)) = words.split_last() else {
        return Err(Problem::new(ProblemKind::Invalid, "name alerts and a state").into());
    };
    let Some(status) = Status::parse(state) else {
        let states = Status::ALL.map(Status::as_str);
        let hint = crate::config::reader::nearest(state, states.to_vec());
        let message = format!("{state:?} is none of {}", states.join(", "));
        return Err(Problem::new(ProblemKind::Invalid, message).hint(hint).into());
    };
    act(opened, ids, Action::Status(status))
}

fn verdict(kind: &str, reasons: &[String], confidence: &str, note: &str) -> anyhow::Result<Action> {
    if kind == "none" {
        return Ok(Action::ClearVerdict);
    }
    let kinds = VerdictKind::ALL.map(VerdictKind::as_str);
    let Some(kind) = VerdictKind::parse(kind) else {
        let hint = crate::config::reader::nearest(kind, kinds.to_vec());
        let message = format!("{kind:?} is none of {}, none", kinds.join(", "));
        return Err(Problem::new(ProblemKind::Invalid, message).hint(hint).into());
    };
    let confidence = Confidence::parse(confidence).ok_or_else(|| {
        Problem::new(ProblemKind::Invalid, "the confidence is low, medium or high")
    })?;
    Ok(Action::Verdict(Verdict {
        kind,
        reasons: reasons.to_vec(),
        confidence,
        note: note.to_owned(),
    }))
}

fn act(opened: &Opened, ids: &[String], action: Action) -> anyhow::Result<Outcome> {
    let ids = ids.iter().map(|id| resolve(opened, id)).collect::<anyhow::Result<Vec<_>>>()?;
    let targets: Vec<(AlertId, Option<u64>)> = ids.iter().map(|id| (*id, None)).collect();
    let done = said(&action);
    let acted = opened.wait(opened.desk.act(&targets, action)).context("nothing was changed")?;
    // A script looks at the outcome at once and takes nothing back.
    opened.wait(opened.desk.settle()).with_context(|| {
        format!("the change is kept, but others see it only after {}", acted.deadline)
    })?;
    let word = if acted.alerts == 1 { "alert" } else { "alerts" };
    let mut out = output::stdout();
    writeln!(out, "{} {word}: {}", acted.alerts, output::plain(&done))?;
    out.flush()?;
    Ok(Outcome::Done)
}

/// What was done, for the line that says so.
fn said(action: &Action) -> String {
    match action {
        Action::Status(status) => format!("status {}", status.as_str()),
        Action::Verdict(verdict) => format!("verdict {}", verdict.kind.as_str()),
        Action::ClearVerdict => "verdict taken away".to_owned(),
        Action::Assign(Some(who)) => format!("assigned to {who}"),
        Action::Assign(None) => "assigned to nobody".to_owned(),
        Action::Note(_) => "note added".to_owned(),
        Action::Snooze(_) => "snoozed".to_owned(),
    }
}

/// A whole id, or a beginning that only one alert has.
fn resolve(opened: &Opened, text: &str) -> anyhow::Result<AlertId> {
    if let Some(id) = Id128::parse(text) {
        return Ok(id);
    }
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let message = format!("{text:?} is no alert id");
        return Err(Problem::new(ProblemKind::Invalid, message)
            .hint("an id is 32 hexadecimal digits, or the first few; watchfloor alerts list shows them")
            .into());
    }
    let filter = format!("id:{}*", text.to_ascii_lowercase());
    let query = AlertQuery { filter, limit: 2, ..AlertQuery::default() };
    let page = opened.wait(opened.desk.alerts(&query))?;
    match page.rows.as_slice() {
        [one] => Ok(one.id),
        [] => {
            Err(Problem::new(ProblemKind::NotFound, format!("no alert begins with {text:?}"))
                .into())
        }
        _ => Err(Problem::new(
            ProblemKind::Invalid,
            format!("{text:?} names {} alerts", page.matching),
        )
        .hint("give more of the id")
        .into()),
    }
}
