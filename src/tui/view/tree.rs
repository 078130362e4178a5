//! Processes as a tree: the lines that the endpoint's screen and an alert's Tree tab share, and that tab.

use crate::model::alert::Alert;
use crate::model::desk::AlertDetail;
use crate::model::event::Event;
use crate::model::inference::Inference;
use crate::model::process_tree::{self, Process};
use crate::model::query::quote;
use crate::tui::contract::Request;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::doc::Doc;
use crate::tui::view::times::Times;

/// Starts of processes around an alert: the newest.
pub const STARTS_MAX: usize = 2_000;
/// Hours of starts before an alert's first event.
const HOURS_BEFORE: i64 = 6;
/// Minutes of starts after its last.
const MINUTES_AFTER: i64 = 15;
/// Lines of an alert's tree.
const LINES_MAX: usize = 500;
/// Two columns a level, up to here.
const DEPTH_MAX: usize = 16;

/// Columns of the user.
fn user_columns(width: u16) -> usize {
    if width >= 100 { 16 } else { 10 }
}

/// The titles above the lines.
pub fn titles(width: u16, times: Times) -> SafeText {
    let (user, start) = (user_columns(width), usize::from(times.columns()));
    let title = if start < 5 { times.title() } else { "START" };
    SafeText::line(&format!("   {title:<start$}     PID {:<user$} PROCESS", "USER"))
}

/// A line: mark, start, number, user, and the name under its parent with its command line.
pub fn line(process: &Process, folded: bool, width: u16, times: Times) -> Vec<(SafeText, Role)> {
    let role = if process.marked > 0 { Role::TextWarning } else { Role::Text };
    let user = user_columns(width);
    let start = match process.started {
        Some(at) => times.text(at),
        None => {
            let start = usize::from(times.columns());
            SafeText::line(&format!("{:>start$}", if start < 7 { "-" } else { "earlier" }))
        }
    };
    let pid = process.pid.map_or_else(|| "-".to_owned(), |pid| pid.to_string());
    let name = if process.name.is_empty() { "(unknown)" } else { &process.name };
    let indent = "  ".repeat(process.depth.min(DEPTH_MAX));
    let mut more = SafeText::label("  ");
    if process.depth > DEPTH_MAX {
        more = SafeText::line(&format!("  (level {}) ", process.depth));
    }
    if process.children > 0 {
        let hidden = if folded { " hidden" } else { "" };
        more.push(&SafeText::line(&format!("+{}{hidden} ", process.children)));
    }
    let owner = SafeText::line(&process.user).truncated(user);
    let pad = " ".repeat(user + 1 - owner.width().min(user));
    vec![
        (SafeText::label(if process.marked > 0 { "* " } else { "  " }), role),
        (start, Role::TextDim),
        (SafeText::line(&format!(" {pid:>7} ")), Role::TextDim),
        (owner, Role::Text),
        (SafeText::line(&pad), Role::Text),
        (SafeText::line(&indent), Role::Text),
        (SafeText::line(name), role),
        (more, Role::TextDim),
        (SafeText::line(&process.command_line), Role::TextDim),
    ]
}

/// What is read for the Tree tab: starts on the alert's endpoint around it.
pub fn request(alert: &Alert, events: &[Event]) -> Request {
    // Models know an endpoint by its short name; the events have the name that is stored.
    let told = events.iter().filter(|event| Inference::of_event(event).is_none());
    let host = told.map(Event::host).find(|host| !host.is_empty()).unwrap_or(&alert.host);
    let hours = HOURS_BEFORE * 3_600 * 1_000_000;
    let minutes = MINUTES_AFTER * 60 * 1_000_000;
    Request::EventsSearch {
        query: format!("host:{} class:process_start", quote(host)),
        from: Some(alert.first_seen.plus_micros(-hours)),
        to: Some(alert.last_seen.plus_micros(minutes)),
        limit: STARTS_MAX,
    }
}

/// The tree around an alert's evidence, and how far the looking went.
#[derive(Debug)]
pub struct AlertTree {
    lines: Vec<Process>,
    starts: usize,
}

impl AlertTree {
    /// Of the starts that were found.
    pub fn new(starts: &[Event], detail: &AlertDetail) -> AlertTree {
        let told = detail.events.iter().filter(|event| Inference::of_event(event).is_none());
        let evidence: Vec<Event> = told.cloned().collect();
        AlertTree { lines: process_tree::lineage(starts, &evidence), starts: starts.len() }
    }

    /// The tab.
    pub fn fill(&self, doc: &mut Doc, width: u16, times: Times) {
        if self.lines.is_empty() {
            doc.text("no event of this alert names a process", " ", Role::TextStrong);
            doc.text("3 shows the events themselves", " ", Role::TextDim);
            return;
        }
        let mut said = format!(
            "* has events of this alert; above it what started it, below what it started ({} starts from {HOURS_BEFORE} h before to {MINUTES_AFTER} min after)",
            self.starts
        );
        if self.starts >= STARTS_MAX {
            said.push_str(&format!("; only the newest {STARTS_MAX} were looked at"));
        }
        doc.text(&said, " ", Role::TextDim);
        doc.spans(vec![(titles(width, times), Role::TextDim)]);
        for process in self.lines.iter().take(LINES_MAX) {
            let mut spans = vec![(SafeText::label(" "), Role::Text)];
            spans.extend(line(process, false, width, times));
            doc.spans(spans);
        }
        if self.lines.len() > LINES_MAX {
            let over = self.lines.len() - LINES_MAX;
            doc.text(&format!("and {over} more processes"), " ", Role::TextDim);
        }
    }
}
