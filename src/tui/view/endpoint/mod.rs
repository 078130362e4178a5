//! One endpoint: 1 Now, 2 Processes, 3 Alerts, 4 Insight (what is usual on it), 5 Scores (what models said over time).
//!
//! Everything comes in one answer; nothing on the screen moves by itself. Read again, the cursor stays on its process,
//! alert or window.

mod alerts;
mod chart;
mod insight;
mod now;
mod processes;
mod scores;

use std::collections::BTreeSet;

use crate::model::alert::Alert;
use crate::model::desk::Problem;
use crate::model::endpoint_view::{EndpointView, Judgement};
use crate::model::process_tree::Process;
use crate::model::query;
use crate::stdx::time::Timestamp;
use crate::tui::action::ActionId;
use crate::tui::action::call::ActionCall;
use crate::tui::contract::{Effect, Input, Msg, Reply, Request, Tone, View};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::edit::{Edit, Filter};
use crate::tui::desk_model::times::TimeForm;
use crate::tui::paint::canvas::{Canvas, Rect};
use crate::tui::paint::format;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::doc::{Doc, Scroll};
use crate::tui::view::events::EventsView;
use crate::tui::view::list::ListCursor;
use crate::tui::view::parts::{age, draw_rule, host};
use crate::tui::view::times::Times;
use crate::tui::view::triage;

/// The tabs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tab {
    Now,
    Processes,
    Alerts,
    Insight,
    Scores,
}

impl Tab {
    const ALL: [Tab; 5] = [Tab::Now, Tab::Processes, Tab::Alerts, Tab::Insight, Tab::Scores];

    fn of(number: Option<u64>) -> Option<Tab> {
        let place = usize::try_from(number?.checked_sub(1)?).ok()?;
        Tab::ALL.get(place).copied()
    }

    fn label(self) -> &'static str {
        match self {
            Tab::Now => "1 Now",
            Tab::Processes => "2 Processes",
            Tab::Alerts => "3 Alerts",
            Tab::Insight => "4 Insight",
            Tab::Scores => "5 Scores",
        }
    }
}

/// The endpoint's screen.
#[derive(Debug)]
pub struct EndpointScreen {
    host: String,
    tab: Tab,
    view: Option<Box<EndpointView>>,
    problem: Option<Problem>,
    scroll: Scroll,
    processes: ListCursor,
    /// Keys of processes whose children are hidden.
    folded: BTreeSet<String>,
    alerts: ListCursor,
    scores: ListCursor,
}

impl EndpointScreen {
    /// The screen of an endpoint; the effect reads it.
    pub fn open(host: String) -> (EndpointScreen, Vec<Effect>) {
        let screen = EndpointScreen {
            host,
            tab: Tab::Now,
            view: None,
            problem: None,
            scroll: Scroll::default(),
            processes: ListCursor::default(),
            folded: BTreeSet::new(),
            alerts: ListCursor::default(),
            scores: ListCursor::default(),
        };
        let ask = screen.ask();
        (screen, vec![ask])
    }

    /// Put the screen of an endpoint on top.
    pub fn push(host: &str) -> Vec<Effect> {
        let (screen, mut effects) = EndpointScreen::open(host.to_owned());
        effects.insert(0, Effect::Push(Box::new(screen)));
        effects
    }

    fn ask(&self) -> Effect {
        Effect::Ask(Request::EndpointView(self.host.clone()))
    }

    fn process(&self) -> Option<&Process> {
        let shown = processes::shown(&self.view.as_ref()?.processes, &self.folded);
        shown.get(self.processes.at()).copied()
    }

    fn alert(&self) -> Option<&Alert> {
        self.view.as_ref()?.alerts.get(self.alerts.at())
    }

    fn judgement(&self) -> Option<&Judgement> {
        self.view.as_ref()?.judgements.get(self.scores.at())
    }

    /// Take the answer: each cursor stays on what it was on.
    fn take(&mut self, fresh: EndpointView) {
        let process = self.process().map(|process| process.key.clone());
        let alert = self.alert().map(|alert| alert.id);
        let window = self.judgement().map(|judgement| judgement.id);
        let shown = processes::shown(&fresh.processes, &self.folded);
        let place = shown.iter().position(|one| Some(&one.key) == process.as_ref());
        keep(&mut self.processes, place, shown.len());
        let place = fresh.alerts.iter().position(|one| Some(one.id) == alert);
        keep(&mut self.alerts, place, fresh.alerts.len());
        let place = fresh.judgements.iter().position(|one| Some(one.id) == window);
        keep(&mut self.scores, place, fresh.judgements.len());
        self.view = Some(Box::new(fresh));
        self.problem = None;
    }

    /// The list of the tab and how long it is; none where the tab is a document.
    fn list(&mut self) -> Option<(&mut ListCursor, usize)> {
        let view = self.view.as_ref()?;
        match self.tab {
            Tab::Processes => {
                let shown = processes::shown(&view.processes, &self.folded).len();
                Some((&mut self.processes, shown))
            }
            Tab::Alerts => Some((&mut self.alerts, view.alerts.len())),
            Tab::Scores => Some((&mut self.scores, view.judgements.len())),
            Tab::Now | Tab::Insight => None,
        }
    }

    fn turn(&mut self, by: usize) {
        let at = Tab::ALL.iter().position(|tab| *tab == self.tab).unwrap_or(0);
        self.show(Tab::ALL.get((at + by) % Tab::ALL.len()).copied());
    }

    fn show(&mut self, tab: Option<Tab>) {
        if let Some(tab) = tab {
            self.tab = tab;
            self.scroll.reset();
        }
    }

    fn action(&mut self, call: &ActionCall, model: &DeskModel) -> Option<Vec<Effect>> {
        if let Some((cursor, rows)) = self.list() {
            if cursor.act(call.id, rows) {
                return Some(Vec::new());
            }
        } else if self.scroll.act_as_list(call.id) {
            return Some(Vec::new());
        }
        match call.id {
            ActionId::EndpointTab => self.show(Tab::of(call.number("n"))),
            ActionId::TreeFold => return Some(self.fold()),
            ActionId::FocusNext => self.turn(1),
            ActionId::FocusPrevious => self.turn(Tab::ALL.len() - 1),
            ActionId::MergeNew => return Some(vec![self.ask()]),
            ActionId::CycleTime => return Some(triage::cycle_time(model, self.own_times())),
            ActionId::CopyHost => return Some(vec![Effect::Copy(self.host.clone())]),
            ActionId::HostAlerts => return Some(in_queue(&self.host)),
            ActionId::HostEvents => {
                let at = self.moment().unwrap_or(model.now());
                return Some(self.events(at, call.number("minutes")));
            }
            ActionId::OpenSelected => return Some(self.open_selected(model)),
            _ => return triage::screen(call),
        }
        Some(Vec::new())
    }

    /// How the tab shows times if nothing else was chosen.
    fn own_times(&self) -> TimeForm {
        match self.tab {
            Tab::Now | Tab::Processes => TimeForm::Clock,
            Tab::Alerts => TimeForm::Age,
            Tab::Insight | Tab::Scores => TimeForm::Date,
        }
    }

    /// Hide the children of the process under the cursor, or show them again; the cursor stays on it.
    fn fold(&mut self) -> Vec<Effect> {
        let on =
            self.process().filter(|process| self.tab == Tab::Processes && process.children > 0);
        let Some(key) = on.map(|process| process.key.clone()) else {
            return vec![triage::say("no children are known to hide here", Tone::Plain)];
        };
        if !self.folded.remove(&key) {
            self.folded.insert(key);
        }
        Vec::new()
    }

    /// The time of what is under the cursor, else of the last event.
    fn moment(&self) -> Option<Timestamp> {
        let own = match self.tab {
            Tab::Processes => self.process().and_then(|process| process.started),
            Tab::Alerts => self.alert().map(|alert| alert.last_seen),
            Tab::Scores => self.judgement().map(|judgement| judgement.end),
            Tab::Now | Tab::Insight => None,
        };
        own.or_else(|| self.view.as_ref()?.last.first().map(|event| event.timestamp))
    }

    fn events(&self, at: Timestamp, minutes: Option<u64>) -> Vec<Effect> {
        let minutes = minutes.and_then(|minutes| u32::try_from(minutes).ok());
        let minutes = minutes.unwrap_or(triage::EVENTS_MINUTES).max(1);
        let host = self.view.as_ref().map_or(&self.host, |view| &view.host);
        let (view, mut effects) = EventsView::open(host.clone(), at, minutes);
        effects.insert(0, Effect::Push(Box::new(view)));
        effects
    }

    fn open_selected(&self, model: &DeskModel) -> Vec<Effect> {
        match (self.tab, self.moment()) {
            (Tab::Alerts, _) => match self.alert() {
                Some(alert) => triage::open_alert(alert.id, model),
                None => vec![triage::say("no alert under the cursor", Tone::Warning)],
            },
            (Tab::Processes, _) if self.process().is_some_and(|one| one.started.is_none()) => {
                vec![triage::say("it started before what is stored", Tone::Warning)]
            }
            (_, Some(at)) => self.events(at, None),
            (_, None) => vec![triage::say("there is no event to show", Tone::Warning)],
        }
    }

    fn draw_head(&self, model: &DeskModel, canvas: &mut Canvas<'_>) {
        canvas.fill_row(0, Role::Header);
        let width = canvas.width();
        let mut x = 1 + canvas.label(1, 0, "ENDPOINT", Role::HeaderTitle) + 2;
        let name = if self.host.is_empty() { "(no host name)" } else { &self.host };
        x += canvas.text(x, 0, width / 3, &host(name, width / 3), Role::HeaderTitle) + 2;
        canvas.set_cursor(x.min(width.saturating_sub(1)), 0);
        let Some(view) = &self.view else { return };
        let mut read = SafeText::label("as of ");
        read.push(&format::clock(view.at));
        let right = canvas.text_right(width.saturating_sub(1), 0, &read, Role::Header);
        let mut text = SafeText::default();
        match &view.endpoint {
            Some(row) => {
                let os = if row.os.is_empty() { "-" } else { &row.os };
                text.push(&SafeText::line(os)).push_label("  ");
                text.push(&format::count(row.events)).push_label(" events  seen ");
                text.push(&age(row.last_seen, model.now()));
            }
            None => drop(text.push_label("not in the inventory")),
        }
        canvas.text(x, 0, right.saturating_sub(x + 1), &text, Role::Header);
    }

    fn draw_tabs(&self, canvas: &mut Canvas<'_>, y: u16) {
        let mut x = 1;
        for tab in Tab::ALL {
            let active = tab == self.tab;
            let mut text = SafeText::label(if active { "[" } else { " " });
            text.push_label(tab.label());
            let rows = self.view.as_ref().and_then(|view| match tab {
                Tab::Processes => Some(view.processes.len() as u64),
                Tab::Alerts => Some(view.looked.alerts),
                Tab::Scores => Some(view.judgements.len() as u64),
                Tab::Now | Tab::Insight => None,
            });
            if let Some(rows) = rows {
                text.push_label(" ").push(&format::number(rows));
            }
            text.push_label(if active { "]" } else { " " });
            let role = if active { Role::TabActive } else { Role::Tab };
            let used = canvas.text(x, y, canvas.width().saturating_sub(x), &text, role);
            x += used + 1;
        }
    }

    fn draw_body(&self, view: &EndpointView, model: &DeskModel, canvas: &mut Canvas<'_>) {
        let mut doc = Doc::new(canvas.width().saturating_sub(1), true);
        let times = Times::of(model, self.own_times());
        match self.tab {
            Tab::Processes => {
                return processes::draw(view, &self.folded, &self.processes, times, canvas);
            }
            Tab::Alerts => return alerts::draw(view, &self.alerts, model, canvas),
            Tab::Scores => return scores::draw(view, &self.scores, times, canvas),
            Tab::Now => now::fill(&mut doc, view, model),
            Tab::Insight => insight::fill(&mut doc, view),
        }
        doc.draw(canvas, &self.scroll);
    }
}

fn keep(cursor: &mut ListCursor, place: Option<usize>, rows: usize) {
    if let Some(place) = place {
        cursor.put(place);
    }
    cursor.clamp(rows);
}

/// The queue with the open alerts of an endpoint.
pub(super) fn in_queue(host: &str) -> Vec<Effect> {
    let chip = format!("host:{}", query::quote(host));
    let chips = vec!["is:open".to_owned(), chip];
    vec![Effect::Edit(Edit::Filter(Filter::Set(chips))), Effect::Home, triage::follow()]
}

impl View for EndpointScreen {
    fn context(&self) -> &'static str {
        "endpoint"
    }

    fn update(&mut self, input: &Input<'_>, model: &DeskModel) -> Option<Vec<Effect>> {
        match input {
            Input::Action(call) => self.action(call, model),
            Input::Message(Msg::Reply { request: Request::EndpointView(host), result })
                if *host == self.host =>
            {
                match result {
                    Ok(Reply::EndpointView(view)) => self.take(EndpointView::clone(view)),
                    Ok(_) => {}
                    Err(problem) => self.problem = Some(problem.clone()),
                }
                Some(Vec::new())
            }
            _ => None,
        }
    }

    fn render(&self, model: &DeskModel, canvas: &mut Canvas<'_>) {
        let (width, height) = (canvas.width(), canvas.height());
        self.draw_head(model, canvas);
        let mut y = 1;
        if height > 4 {
            self.draw_tabs(canvas, 1);
            let mut rule = canvas.sub(Rect::new(0, 2, width, 1));
            draw_rule(&mut rule, 0, &SafeText::default(), Role::Rule);
            y = 3;
        }
        if let Some(problem) = &self.problem {
            canvas.text(1, y, width, &SafeText::line(&problem.message), Role::TextError);
            y += 1;
        }
        let mut body = canvas.sub(Rect::new(0, y, width, height.saturating_sub(y)));
        match &self.view {
            Some(view) => self.draw_body(view, model, &mut body),
            None if self.problem.is_none() => {
                body.label(1, 0, "reading the endpoint ...", Role::TextDim);
            }
            None => {}
        }
    }

    fn position(&self, _model: &DeskModel) -> SafeText {
        let Some(view) = &self.view else { return SafeText::default() };
        let (at, rows) = match self.tab {
            Tab::Processes => {
                (self.processes.at(), processes::shown(&view.processes, &self.folded).len())
            }
            Tab::Alerts => (self.alerts.at(), view.alerts.len()),
            Tab::Scores => (self.scores.at(), view.judgements.len()),
            Tab::Now | Tab::Insight => return self.scroll.position(),
        };
        SafeText::line(&format!("row {}/{rows}", (at + 1).min(rows)))
    }
}
