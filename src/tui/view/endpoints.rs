//! The endpoints that have reported, those first that a model finds most like an attack: what they are, how much they said,
//! what is open on them.

use crate::model::desk::Problem;
use crate::model::endpoint::Endpoint;
use crate::tui::action::ActionId;
use crate::tui::action::call::ActionCall;
use crate::tui::contract::{Effect, Input, Msg, Reply, Request, Tone, View};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::times::TimeForm;
use crate::tui::paint::canvas::Canvas;
use crate::tui::paint::format;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::endpoint::{EndpointScreen, in_queue};
use crate::tui::view::events::EventsView;
use crate::tui::view::list::ListCursor;
use crate::tui::view::parts::{draw_severity, host, severity_role};
use crate::tui::view::times::Times;
use crate::tui::view::triage;

/// `windows`.
const OS_WIDTH: u16 = 7;

/// The endpoints' screen.
#[derive(Debug, Default)]
pub struct EndpointsView {
    rows: Option<Vec<Endpoint>>,
    problem: Option<Problem>,
    cursor: ListCursor,
}

impl EndpointsView {
    /// The screen; the effect reads the list.
    pub fn open() -> (EndpointsView, Vec<Effect>) {
        (EndpointsView::default(), vec![Effect::Ask(Request::Endpoints)])
    }

    fn current(&self) -> Option<&Endpoint> {
        self.rows.as_ref()?.get(self.cursor.at())
    }

    fn take(&mut self, mut rows: Vec<Endpoint>) {
        let on = self.current().map(|endpoint| endpoint.host.clone());
        rows.sort_by(|one, two| {
            let chance = |row: &Endpoint| row.score.unwrap_or(-1.0);
            chance(two)
                .total_cmp(&chance(one))
                .then_with(|| (two.worst, two.alerts_open).cmp(&(one.worst, one.alerts_open)))
                .then_with(|| one.host.cmp(&two.host))
        });
        let place = on.and_then(|host| rows.iter().position(|row| row.host == host));
        if let Some(place) = place {
            self.cursor.put(place);
        }
        self.cursor.clamp(rows.len());
        self.rows = Some(rows);
        self.problem = None;
    }

    fn action(&mut self, call: &ActionCall, model: &DeskModel) -> Option<Vec<Effect>> {
        let rows = self.rows.as_ref().map_or(0, Vec::len);
        if self.cursor.act(call.id, rows) {
            return Some(Vec::new());
        }
        match call.id {
            ActionId::MergeNew => return Some(vec![Effect::Ask(Request::Endpoints)]),
            ActionId::CycleTime => return Some(triage::cycle_time(model, TimeForm::Age)),
            _ => {}
        }
        let concerns = matches!(
            call.id,
            ActionId::OpenSelected
                | ActionId::OpenEndpoint
                | ActionId::HostAlerts
                | ActionId::HostEvents
                | ActionId::CopyHost
        );
        if !concerns || call.text("host").is_some() {
            return triage::screen(call);
        }
        let Some(endpoint) = self.current() else {
            return Some(vec![triage::say("no endpoint under the cursor", Tone::Warning)]);
        };
        Some(match call.id {
            ActionId::OpenSelected | ActionId::OpenEndpoint => EndpointScreen::push(&endpoint.host),
            ActionId::HostAlerts => in_queue(&endpoint.host),
            ActionId::HostEvents => {
                let minutes = call.number("minutes").and_then(|number| u32::try_from(number).ok());
                let minutes = minutes.unwrap_or(triage::EVENTS_MINUTES).max(1);
                let at = endpoint.last_seen.min(model.now());
                let (view, mut effects) = EventsView::open(endpoint.host.clone(), at, minutes);
                effects.insert(0, Effect::Push(Box::new(view)));
                effects
            }
            _ => vec![Effect::Copy(endpoint.host.clone())],
        })
    }

    fn draw_row(&self, endpoint: &Endpoint, model: &DeskModel, canvas: &mut Canvas<'_>, y: u16) {
        let times = Times::of(model, TimeForm::Age).within(canvas.width());
        let columns = Columns::of(canvas.width(), times);
        let name = if endpoint.host.is_empty() { "(no host name)" } else { &endpoint.host };
        let room = columns.os.saturating_sub(3);
        canvas.text(2, y, room, &host(name, room), Role::Text);
        let os = if endpoint.os.is_empty() { "-" } else { &endpoint.os };
        canvas.text(columns.os, y, OS_WIDTH, &SafeText::line(os), Role::Text);
        canvas.text_right(columns.events, y, &format::count(endpoint.events), Role::Text);
        match endpoint.score {
            Some(score) => {
                let text = SafeText::line(&format!("{score:.2}"));
                canvas.text_right(columns.score, y, &text, Role::Text);
            }
            None => drop(canvas.text_right(columns.score, y, &SafeText::label("-"), Role::TextDim)),
        }
        canvas.text_right(columns.open, y, &format::count(endpoint.alerts_open), Role::Text);
        match endpoint.worst {
            Some(worst) => draw_severity(canvas, columns.open + 2, y, worst, severity_role(worst)),
            None => canvas.label(columns.open + 2, y, "-", Role::TextDim),
        };
        canvas.text_right(columns.seen, y, &times.text(endpoint.last_seen), Role::Text);
        if canvas.width() >= 100 {
            let last = format::date_time(endpoint.last_seen);
            canvas.text(columns.seen + 3, y, 20, &last, Role::TextDim);
        }
    }
}

/// Where the columns stand: left edges of text, right edges of numbers.
struct Columns {
    os: u16,
    events: u16,
    score: u16,
    open: u16,
    seen: u16,
}

impl Columns {
    fn of(width: u16, times: Times) -> Columns {
        let tail = if width >= 100 { 23 } else { 1 };
        let seen = width.saturating_sub(tail);
        let open = seen.saturating_sub(13 + times.columns());
        let score = open.saturating_sub(7);
        let events = score.saturating_sub(7);
        // A blank, and the largest count that is drawn whole: 999,999,999.
        let os = events.saturating_sub(OS_WIDTH + 12);
        Columns { os, events, score, open, seen }
    }
}

impl View for EndpointsView {
    fn context(&self) -> &'static str {
        "endpoints"
    }

    fn update(&mut self, input: &Input<'_>, model: &DeskModel) -> Option<Vec<Effect>> {
        match input {
            Input::Action(call) => self.action(call, model),
            Input::Message(Msg::Reply { request: Request::Endpoints, result }) => {
                match result {
                    Ok(Reply::Endpoints(rows)) => self.take(rows.clone()),
                    Ok(_) => {}
                    Err(problem) => self.problem = Some(problem.clone()),
                }
                Some(Vec::new())
            }
            _ => None,
        }
    }

    fn render(&self, model: &DeskModel, canvas: &mut Canvas<'_>) {
        canvas.fill_row(0, Role::Header);
        let x = 1 + canvas.label(1, 0, "ENDPOINTS", Role::HeaderTitle) + 2;
        let width = canvas.width();
        canvas.text_right(
            width.saturating_sub(1),
            0,
            &format::clock_minutes(model.now()),
            Role::Header,
        );
        canvas.set_cursor(0, 0);
        if let Some(problem) = &self.problem {
            canvas.text(1, 2, width, &SafeText::line(&problem.message), Role::TextError);
        }
        let Some(rows) = &self.rows else {
            if self.problem.is_none() {
                canvas.label(1, 2, "reading endpoints ...", Role::TextDim);
            }
            return;
        };
        let mut count = format::count(rows.len() as u64);
        count.push_label(" have reported, highest first");
        canvas.text(x, 0, width.saturating_sub(x + 8), &count, Role::Header);
        if rows.is_empty() {
            canvas.label(1, 2, "no endpoint has reported yet", Role::TextStrong);
            return;
        }
        let times = Times::of(model, TimeForm::Age).within(width);
        let columns = Columns::of(width, times);
        canvas.label(2, 1, "HOST", Role::TextDim);
        canvas.label(columns.os, 1, "OS", Role::TextDim);
        canvas.text_right(columns.events, 1, &SafeText::label("EVENTS"), Role::TextDim);
        canvas.text_right(columns.score, 1, &SafeText::label("MODEL"), Role::TextDim);
        canvas.text_right(columns.open, 1, &SafeText::label("OPEN"), Role::TextDim);
        canvas.label(columns.open + 2, 1, "WORST", Role::TextDim);
        canvas.text_right(columns.seen, 1, &SafeText::label("SEEN"), Role::TextDim);
        self.cursor.draw(canvas, 2, rows.len(), |place, y, canvas| {
            let Some(endpoint) = rows.get(place) else { return };
            self.draw_row(endpoint, model, canvas, y);
        });
    }

    fn position(&self, _model: &DeskModel) -> SafeText {
        let rows = self.rows.as_ref().map_or(0, Vec::len);
        SafeText::line(&format!("row {}/{rows}", (self.cursor.at() + 1).min(rows)))
    }
}
