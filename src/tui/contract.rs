//! What a view is and what it may ask for.
//!
//! A view owns its state, its input and its drawing. It reads the [`DeskModel`] and never changes it: changes are
//! [`Effect`]s. The loop (`run`) does for every input: keymap → [`Input::Action`] → top view's [`View::update`];
//! `None` means "not mine" and the loop tries the global meaning (back, help, palette, undo, quit, …). Every
//! [`Msg`] goes first to [`DeskModel::receive`], then to every view of the stack, bottom first. Effects are
//! executed in order after `update` returns; [`Request`]s run as tasks and come back as [`Msg::Reply`].
//!
//! The loop draws the stack (from the topmost view that is no [`View::overlay`]) into all rows but the last two,
//! which are the status line and the hint line and belong to the loop.

use std::time::Duration;

use crate::model::alert::{Action, AlertId, Pending};
use crate::model::desk::{
    Acted, AlertDetail, AlertPage, AlertQuery, Change, Problem, StatusReport, Undone,
};
use crate::model::disagreement::Disagreements;
use crate::model::endpoint::Endpoint;
use crate::model::endpoint_view::EndpointView;
use crate::model::event::Event;
use crate::model::explanation::Explanation;
use crate::model::finding::RuleInfo;
use crate::stdx::time::Timestamp;
use crate::tui::action::call::ActionCall;
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::edit::Edit;
use crate::tui::keys::key::Key;
use crate::tui::paint::canvas::Canvas;
use crate::tui::paint::safe::SafeText;

/// What a view is told.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A key (or the palette, or the command line) called an action.
    Action(&'a ActionCall),
    /// A key that no binding of the view's context takes; only sent where [`View::takes_text`] is true.
    Key(Key),
    /// A paste; only sent where [`View::takes_text`] is true.
    Paste(&'a str),
    /// Something arrived.
    Message(&'a Msg),
}

/// What arrives from outside.
#[derive(Clone, Debug)]
pub enum Msg {
    /// The answer to a request.
    Reply {
        /// What was asked.
        request: Request,
        /// The answer.
        result: Result<Reply, Problem>,
    },
    /// The desk pushed a change.
    Change(Change),
    /// A timer that a view set with [`Effect::Timer`].
    Timer(&'static str),
    /// The terminal has this size now: (columns, rows).
    Resized(u16, u16),
}

/// What the desk is asked. One variant a method of `desk::Desk`.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// A page of alerts.
    Alerts(AlertQuery),
    /// One alert with evidence and history.
    Alert(AlertId),
    /// Why an alert's rule held.
    Why(AlertId),
    /// Do something to alerts, with the revision that was seen.
    Act(Vec<(AlertId, Option<u64>)>, Action),
    /// Take an action back: this one, or the last.
    Undo(Option<u64>),
    /// The actor's pending actions.
    Pending,
    /// Stored events by the filter language.
    EventsSearch {
        /// The filter.
        query: String,
        /// From this time.
        from: Option<Timestamp>,
        /// To this time.
        to: Option<Timestamp>,
        /// At most this many.
        limit: usize,
    },
    /// A host's events around a time.
    EventsAround {
        /// The host.
        host: String,
        /// The middle.
        at: Timestamp,
        /// Minutes before and after.
        minutes: u32,
    },
    /// The endpoints.
    Endpoints,
    /// Everything about one endpoint, by its name.
    EndpointView(String),
    /// Where models and analysts do not agree.
    Disagreements,
    /// The state of the program.
    Status,
    /// The rules and which are off.
    Rules,
    /// Switch a rule off.
    RuleOff {
        /// Its id.
        id: String,
        /// Why.
        reason: String,
    },
    /// Switch a rule on.
    RuleOn(String),
    /// Let a parked rule go on.
    RuleRelease(String),
    /// The draft note of an alert.
    Draft(AlertId),
    /// Keep or drop the draft note of an alert.
    SaveDraft(AlertId, Option<String>),
}

/// What the desk answers; the variant fits the request.
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// To [`Request::Alerts`].
    Alerts(AlertPage),
    /// To [`Request::Alert`].
    Alert(Box<AlertDetail>),
    /// To [`Request::Why`].
    Why(Box<Explanation>),
    /// To [`Request::Act`].
    Acted(Acted),
    /// To [`Request::Undo`].
    Undone(Undone),
    /// To [`Request::Pending`].
    Pending(Vec<Pending>),
    /// To [`Request::EventsSearch`] and [`Request::EventsAround`].
    Events(Vec<Event>),
    /// To [`Request::Endpoints`].
    Endpoints(Vec<Endpoint>),
    /// To [`Request::EndpointView`].
    EndpointView(Box<EndpointView>),
    /// To [`Request::Disagreements`].
    Disagreements(Box<Disagreements>),
    /// To [`Request::Status`].
    Status(Box<StatusReport>),
    /// To [`Request::Rules`]: the rule and, if it is off, who said so and why.
    Rules(Vec<(RuleInfo, Option<String>)>),
    /// To [`Request::Draft`].
    Draft(Option<String>),
    /// To everything that answers nothing.
    Done,
}

/// How a message on the status line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// What happened.
    Plain,
    /// Something to look at.
    Warning,
    /// It did not work.
    Error,
}

/// What a view or the model wants done.
pub enum Effect {
    /// Ask the desk; the answer comes as [`Msg::Reply`].
    Ask(Request),
    /// Change the model.
    Edit(Edit),
    /// Show a view on top.
    Push(Box<dyn View>),
    /// Show a view instead of the top one.
    Replace(Box<dyn View>),
    /// Leave the top view.
    Pop,
    /// Leave every view but the lowest.
    Home,
    /// A message on the status line.
    Say(SafeText, Tone),
    /// Put text on the clipboard (made safe and cut to 74 KB by the loop).
    Copy(String),
    /// Do an action as though its key had been pressed.
    Do(ActionCall),
    /// Remember a line of the command line.
    Remember(String),
    /// Ask before an action of class U3 is done.
    Confirm(Confirm),
    /// Send [`Msg::Timer`] after a while (replaces a running timer of the same name).
    Timer(&'static str, Duration),
    /// Draw everything again.
    Redraw,
    /// Leave the program.
    Quit,
}

/// A question before a broad action. Enter, `n`, `q` and esc say no; only `y` says yes.
pub struct Confirm {
    /// What is asked.
    pub title: SafeText,
    /// What it would do: count, samples, effect.
    pub lines: Vec<SafeText>,
    /// What happens on yes.
    pub yes: Vec<Effect>,
}

/// A screen, a pane or a dialog.
pub trait View {
    /// The keymap context whose bindings apply.
    fn context(&self) -> &'static str;

    /// Take an input; `None`: not mine.
    fn update(&mut self, input: &Input<'_>, model: &DeskModel) -> Option<Vec<Effect>>;

    /// Draw.
    fn render(&self, model: &DeskModel, canvas: &mut Canvas<'_>);

    /// Should the view below be drawn first?
    fn overlay(&self) -> bool {
        false
    }

    /// Do unbound keys and pastes go to this view as text?
    fn takes_text(&self) -> bool {
        false
    }

    /// Why an action cannot be done now, if it cannot; menus and hints show it dimmed with this reason.
    fn unavailable(&self, _call: &ActionCall, _model: &DeskModel) -> Option<&'static str> {
        None
    }

    /// The program ends, or the terminal is gone: what to ask the desk before (keep drafts).
    fn closing(&self, _model: &DeskModel) -> Vec<Request> {
        Vec::new()
    }

    /// A few words for the right end of the status line (`row 3/191`).
    fn position(&self, _model: &DeskModel) -> SafeText {
        SafeText::default()
    }
}
