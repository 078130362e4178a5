//! A host's events around a moment, and one event in full.

use crate::model::desk::Problem;
use crate::model::event::Event;
use crate::stdx::time::Timestamp;
use crate::tui::action::ActionId;
use crate::tui::action::call::ActionCall;
use crate::tui::contract::{Effect, Input, Msg, Reply, Request, Tone, View};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::times::TimeForm;
use crate::tui::paint::canvas::{Canvas, Rect};
use crate::tui::paint::format;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::doc::{Doc, Scroll};
use crate::tui::view::list::ListCursor;
use crate::tui::view::parts::host;
use crate::tui::view::summary::one_line;
use crate::tui::view::times::Times;
use crate::tui::view::{raw, triage};

/// The widest window.
const MINUTES_MAX: u32 = 24 * 60;

/// The events' screen.
#[derive(Debug)]
pub struct EventsView {
    host: String,
    at: Timestamp,
    minutes: u32,
    events: Option<Vec<Event>>,
    problem: Option<Problem>,
    cursor: ListCursor,
}

impl EventsView {
    /// A host's events `minutes` before and after `at`; the effect reads them.
    pub fn open(host: String, at: Timestamp, minutes: u32) -> (EventsView, Vec<Effect>) {
        let view = EventsView {
            host,
            at,
            minutes,
            events: None,
            problem: None,
            cursor: ListCursor::default(),
        };
        let ask = view.ask();
        (view, vec![ask])
    }

    fn request(&self) -> Request {
        Request::EventsAround { host: self.host.clone(), at: self.at, minutes: self.minutes }
    }

    fn ask(&self) -> Effect {
        Effect::Ask(self.request())
    }

    fn widen(&mut self, minutes: u32) -> Vec<Effect> {
        let minutes = minutes.clamp(1, MINUTES_MAX);
        if minutes == self.minutes {
            return vec![triage::say("that is as far as it goes", Tone::Plain)];
        }
        self.minutes = minutes;
        vec![self.ask()]
    }

    /// Take the answer: the cursor stays on its event, or stands on the moment in the middle.
    fn take(&mut self, mut events: Vec<Event>) {
        events.sort_by_key(Event::arrival);
        let before = self.events.as_ref().and_then(|events| events.get(self.cursor.at()));
        let place = match before.map(|event| event.id) {
            Some(id) => events.iter().position(|event| event.id == id),
            None => None,
        };
        let middle = events.iter().position(|event| event.timestamp >= self.at);
        self.cursor.put(place.or(middle).unwrap_or(events.len()));
        self.cursor.clamp(events.len());
        self.events = Some(events);
        self.problem = None;
    }

    fn action(&mut self, call: &ActionCall, model: &DeskModel) -> Option<Vec<Effect>> {
        let rows = self.events.as_ref().map_or(0, Vec::len);
        if self.cursor.act(call.id, rows) {
            return Some(Vec::new());
        }
        Some(match call.id {
            ActionId::EventsWider => self.widen(self.minutes.saturating_mul(2)),
            ActionId::EventsNarrower => self.widen(self.minutes / 2),
            ActionId::MergeNew => vec![self.ask()],
            ActionId::CycleTime => triage::cycle_time(model, TimeForm::Clock),
            ActionId::OpenSelected => match self.events.as_ref()?.get(self.cursor.at()) {
                Some(event) => vec![Effect::Push(Box::new(EventView::new(event.clone())))],
                None => vec![triage::say("no event under the cursor", Tone::Warning)],
            },
            ActionId::CopyHost => vec![Effect::Copy(self.host.clone())],
            _ => return triage::screen(call),
        })
    }

    fn draw_head(&self, canvas: &mut Canvas<'_>) {
        canvas.fill_row(0, Role::Header);
        let width = canvas.width();
        let mut x = 1 + canvas.label(1, 0, "EVENTS", Role::HeaderTitle) + 2;
        let name = if self.host.is_empty() { "(no host name)" } else { &self.host };
        x += canvas.text(x, 0, width / 3, &host(name, width / 3), Role::HeaderTitle) + 2;
        let mut text = SafeText::label("+-");
        text.push(&format::number(u64::from(self.minutes)));
        text.push_label(" min of ").push(&format::date_time(self.at));
        if let Some(events) = &self.events {
            text.push_label("  ").push(&format::count(events.len() as u64)).push_label(" events");
        }
        canvas.text(x, 0, width.saturating_sub(x), &text, Role::Header);
    }
}

impl View for EventsView {
    fn context(&self) -> &'static str {
        "events"
    }

    fn update(&mut self, input: &Input<'_>, model: &DeskModel) -> Option<Vec<Effect>> {
        match input {
            Input::Action(call) => self.action(call, model),
            Input::Message(Msg::Reply { request, result }) if *request == self.request() => {
                match result {
                    Ok(Reply::Events(events)) => self.take(events.clone()),
                    Ok(_) => {}
                    Err(problem) => self.problem = Some(problem.clone()),
                }
                Some(Vec::new())
            }
            _ => None,
        }
    }

    fn render(&self, model: &DeskModel, canvas: &mut Canvas<'_>) {
        self.draw_head(canvas);
        canvas.set_cursor(0, 0);
        let width = canvas.width();
        if let Some(problem) = &self.problem {
            canvas.text(1, 1, width, &SafeText::line(&problem.message), Role::TextError);
        }
        let Some(events) = &self.events else {
            if self.problem.is_none() {
                canvas.label(1, 2, "reading events ...", Role::TextDim);
            }
            return;
        };
        if events.is_empty() {
            canvas.label(1, 2, "no stored event of this host in that time", Role::TextStrong);
            return;
        }
        let times = Times::of(model, TimeForm::Clock);
        let x = 2 + times.columns();
        self.cursor.draw(canvas, 1, events.len(), |place, y, canvas| {
            let Some(event) = events.get(place) else { return };
            canvas.text_right(x, y, &times.text(event.timestamp), Role::TextDim);
            // The moment in the middle is marked, so that before and after can be told apart.
            if event.timestamp == self.at {
                canvas.label(x, y, "*", Role::TextStrong);
            }
            let text = SafeText::line(&one_line(event));
            canvas.text(x + 2, y, width.saturating_sub(x + 2), &text, Role::Text);
        });
    }

    fn position(&self, _model: &DeskModel) -> SafeText {
        let rows = self.events.as_ref().map_or(0, Vec::len);
        SafeText::line(&format!("row {}/{rows}", (self.cursor.at() + 1).min(rows)))
    }
}

/// One event, field by field.
#[derive(Debug)]
pub struct EventView {
    event: Event,
    wrap: bool,
    scroll: Scroll,
}

impl EventView {
    /// The screen of an event.
    pub fn new(event: Event) -> EventView {
        EventView { event, wrap: true, scroll: Scroll::default() }
    }
}

impl View for EventView {
    fn context(&self) -> &'static str {
        "event"
    }

    fn update(&mut self, input: &Input<'_>, _model: &DeskModel) -> Option<Vec<Effect>> {
        let Input::Action(call) = input else { return None };
        if self.scroll.act(call.id) {
            return Some(Vec::new());
        }
        match call.id {
            ActionId::ToggleWrap => self.wrap = !self.wrap,
            _ => return triage::screen(call),
        }
        Some(Vec::new())
    }

    fn render(&self, _model: &DeskModel, canvas: &mut Canvas<'_>) {
        let (width, height) = (canvas.width(), canvas.height());
        canvas.fill_row(0, Role::Header);
        let x = 1 + canvas.label(1, 0, "EVENT", Role::HeaderTitle) + 2;
        let x =
            x + canvas.text(x, 0, 20, &format::date_time(self.event.timestamp), Role::Header) + 2;
        let text = SafeText::line(&one_line(&self.event));
        canvas.text(x, 0, width.saturating_sub(x), &text, Role::Header);
        canvas.set_cursor(0, 0);
        let mut doc = Doc::new(width.saturating_sub(1), self.wrap);
        raw::fill_event(&mut doc, &self.event);
        let mut body = canvas.sub(Rect::new(0, 1, width, height.saturating_sub(1)));
        doc.draw(&mut body, &self.scroll);
    }

    fn position(&self, _model: &DeskModel) -> SafeText {
        self.scroll.position()
    }
}
