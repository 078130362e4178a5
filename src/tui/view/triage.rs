//! The triage verbs, the same on every screen that shows an alert: verdict, assign, state, note, snooze, rule, copy.

use std::time::Duration;

use crate::model::alert::{Action, Alert, AlertId, Status};
use crate::model::verdict::{Confidence, Verdict, VerdictKind};
use crate::stdx::time::SECOND_US;
use crate::tui::action::ActionId;
use crate::tui::action::call::ActionCall;
use crate::tui::contract::{Confirm, Effect, Request, Tone};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::cursor::Move;
use crate::tui::desk_model::edit::{Edit, Filter};
use crate::tui::desk_model::marks::{Question, Targets};
use crate::tui::desk_model::times::TimeForm;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::compose::NoteComposer;
use crate::tui::view::detail::DetailView;
use crate::tui::view::endpoint::EndpointScreen;
use crate::tui::view::endpoints::EndpointsView;
use crate::tui::view::events::EventsView;
use crate::tui::view::feedback::FeedbackView;
use crate::tui::view::prompt::{Asked, Prompt};
use crate::tui::view::sheet::VerdictSheet;

/// The timer after which a view looks where the model's cursor went.
pub const FOLLOW: &str = "desk.follow";
/// Minutes of host events before and after an alert.
pub const EVENTS_MINUTES: u32 = 5;
/// Rows that the list is taken to show when it is not on the screen.
const LIST_HEIGHT: usize = 12;

/// Carry out a triage verb on `targets`, or on the one alert that the screen is `about`; `None` when the call is none.
/// `height`: rows of the list.
pub fn verb(
    call: &ActionCall,
    model: &DeskModel,
    (targets, about): (Targets, Option<&Alert>),
    height: usize,
) -> Option<Vec<Effect>> {
    let moved = |by| vec![Effect::Edit(Edit::Move { by, height }), follow()];
    Some(match call.id {
        ActionId::NextUnhandled => moved(Move::NextUnhandled),
        ActionId::PreviousUnhandled => moved(Move::PreviousUnhandled),
        ActionId::AlertVerdict => ask_or_act(model, targets, verdict(call)?),
        ActionId::AlertStatus => {
            let status = Status::parse(call.text("to")?)?;
            ask_or_act(model, targets, Action::Status(status))
        }
        ActionId::AlertSnooze => {
            let until = model.now().plus_micros(call.duration_s("for")?.saturating_mul(SECOND_US));
            ask_or_act(model, targets, Action::Snooze(Some(until)))
        }
        ActionId::AlertWake => ask_or_act(model, targets, Action::Snooze(None)),
        ActionId::AlertAssign => match call.text("to") {
            Some(to) => ask_or_act(model, targets, assign(to, model)),
            None => vec![Effect::Push(Box::new(Prompt::new(Asked::Assignee(targets))))],
        },
        ActionId::RepeatLast => match model.repeat() {
            Some(action) => ask_or_act(model, targets, action),
            None => vec![say("nothing to repeat yet", Tone::Warning)],
        },
        ActionId::NoteCompose => open_or_say(about, NoteComposer::open),
        // A bundle has no draft and no verdict of its own: the sheet is that of its first alert, for all.
        ActionId::VerdictSheet => {
            let first = targets.ids.first().and_then(|id| model.rows().get(*id)).cloned();
            open_or_say(about, |alert| {
                let of_bundle = first.filter(|_| targets.bundle);
                VerdictSheet::open(of_bundle.as_deref().unwrap_or(alert), targets)
            })
        }
        ActionId::HostEvents => {
            let minutes = call.number("minutes").and_then(|minutes| u32::try_from(minutes).ok());
            let minutes = minutes.unwrap_or(EVENTS_MINUTES).max(1);
            open_or_say(about, |alert| {
                EventsView::open(alert.host.clone(), alert.last_seen, minutes)
            })
        }
        ActionId::OpenEndpoint if call.text("host").is_none() => {
            open_or_say(about, |alert| EndpointScreen::open(alert.host.clone()))
        }
        ActionId::RuleRelease => {
            vec![Effect::Ask(Request::RuleRelease(about?.rule_id.clone()))]
        }
        ActionId::RuleOff | ActionId::RuleOn => rule(call, model, about),
        ActionId::CopyId | ActionId::CopyHost | ActionId::CopyUser | ActionId::CopySummary => {
            copy(call.id, about?)
        }
        _ => return screen(call),
    })
}

/// Screens that open from anywhere.
pub fn screen(call: &ActionCall) -> Option<Vec<Effect>> {
    Some(match call.id {
        ActionId::OpenEndpoints => {
            let (view, mut effects) = EndpointsView::open();
            effects.insert(0, Effect::Push(Box::new(view)));
            effects
        }
        ActionId::OpenEndpoint => match call.text("host") {
            Some(host) => EndpointScreen::push(&host.to_lowercase()),
            None => vec![say("name it: endpoint host=NAME; g e lists them", Tone::Warning)],
        },
        ActionId::OpenFeedback => FeedbackView::push(),
        _ => return None,
    })
}

/// Show an alert in full. Where the list does not have it, it is filtered for: a screen about an alert shows the one under
/// the list's cursor. Leaving that screen puts the filter back.
pub fn open_alert(id: AlertId, model: &DeskModel) -> Vec<Effect> {
    let mut effects = Vec::new();
    let (mut view, asked) = DetailView::open(id, None, LIST_HEIGHT);
    if model.rows().place(id).is_none() {
        view = view.back_to(model.chips().clone(), model.current().map(|alert| alert.id));
        effects.push(Effect::Edit(Edit::Filter(Filter::Set(vec![format!("id:{id}")]))));
    }
    effects.push(Effect::Edit(Edit::Move { by: Move::To(id), height: LIST_HEIGHT }));
    effects.push(Effect::Push(Box::new(view)));
    effects.extend(asked);
    effects
}

/// Why a triage verb cannot be done now. `on_list`: it is about the row under the cursor, not about a shown alert.
pub fn unavailable(call: &ActionCall, model: &DeskModel, on_list: bool) -> Option<&'static str> {
    let about_an_alert = matches!(
        call.id,
        ActionId::AlertVerdict
            | ActionId::AlertStatus
            | ActionId::AlertSnooze
            | ActionId::AlertWake
            | ActionId::AlertAssign
            | ActionId::NoteCompose
            | ActionId::VerdictSheet
            | ActionId::HostEvents
            | ActionId::OpenEndpoint
            | ActionId::RuleOff
            | ActionId::RuleRelease
            | ActionId::CopyId
            | ActionId::CopyHost
            | ActionId::CopyUser
            | ActionId::CopySummary
            | ActionId::NextUnhandled
            | ActionId::PreviousUnhandled
    );
    if on_list && about_an_alert && model.current().is_none() && model.marks().is_empty() {
        return Some("no alert under the cursor");
    }
    let one_alert = matches!(call.id, ActionId::NoteCompose | ActionId::RuleOff);
    let current = model.current().map(|alert| alert.id);
    if on_list && one_alert && current.is_some_and(|id| model.rows().bundles().get(id).is_some()) {
        return Some("a bundle is several alerts: open it with enter first");
    }
    if call.id == ActionId::RepeatLast && model.repeat().is_none() {
        return Some("nothing to repeat yet");
    }
    None
}

/// Ask where the rules say so, else act.
pub fn ask_or_act(model: &DeskModel, targets: Targets, action: Action) -> Vec<Effect> {
    ask_or_act_after(Vec::new(), model, targets, action)
}

/// As `ask_or_act`; what comes before the action is done with it, not before the answer.
pub fn ask_or_act_after(
    before: Vec<Effect>,
    model: &DeskModel,
    targets: Targets,
    action: Action,
) -> Vec<Effect> {
    let asks = targets.needs_asking();
    let question = asks.then(|| model.question(&targets, &action));
    let act = Edit::Act { targets, action, advance: true };
    let mut yes = before;
    yes.extend([Effect::Edit(act), follow()]);
    match question {
        Some(question) => vec![confirm(&question, yes)],
        None => yes,
    }
}

/// Take back what this desk did last; ask where that changes several alerts for everybody.
pub fn undo(model: &DeskModel) -> Vec<Effect> {
    let yes = vec![Effect::Edit(Edit::Undo), follow()];
    match model.undo_question() {
        Some(question) => vec![confirm(&question, yes)],
        None => yes,
    }
}

fn confirm(question: &Question, yes: Vec<Effect>) -> Effect {
    Effect::Confirm(Confirm {
        title: SafeText::line(&question.title),
        lines: question.samples.iter().map(|sample| SafeText::line(sample)).collect(),
        yes,
    })
}

/// The next form of times, after that of the screen, whose own is `own`.
pub fn cycle_time(model: &DeskModel, own: TimeForm) -> Vec<Effect> {
    vec![Effect::Edit(Edit::Times(model.next_times(own)))]
}

/// Look, right after the edits before it, where the cursor is now.
pub fn follow() -> Effect {
    Effect::Timer(FOLLOW, Duration::ZERO)
}

/// A sentence of ours for the status line.
pub fn say(text: &'static str, tone: Tone) -> Effect {
    Effect::Say(SafeText::label(text), tone)
}

/// Who `me`, `none` or a name is.
pub fn assign(to: &str, model: &DeskModel) -> Action {
    match to.trim() {
        "none" | "" => Action::Assign(None),
        "me" => Action::Assign(Some(model.me().to_owned())),
        name => Action::Assign(Some(name.to_owned())),
    }
}

fn verdict(call: &ActionCall) -> Option<Action> {
    let word = call.text("kind")?;
    if word == "none" {
        return Some(Action::ClearVerdict);
    }
    Some(Action::Verdict(Verdict {
        kind: VerdictKind::parse(word)?,
        reasons: Vec::new(),
        confidence: Confidence::Medium,
        note: String::new(),
    }))
}

fn open_or_say<V: crate::tui::contract::View + 'static>(
    about: Option<&Alert>,
    open: impl FnOnce(&Alert) -> (V, Vec<Effect>),
) -> Vec<Effect> {
    let Some(alert) = about else {
        return vec![say("no alert under the cursor", Tone::Warning)];
    };
    let (view, mut effects) = open(alert);
    effects.insert(0, Effect::Push(Box::new(view)));
    effects
}

fn rule(call: &ActionCall, model: &DeskModel, about: Option<&Alert>) -> Vec<Effect> {
    if call.id == ActionId::RuleOn {
        let id = call.text("id").map(str::to_owned);
        return match id.or_else(|| about.map(|alert| alert.rule_id.clone())) {
            Some(id) => vec![Effect::Ask(Request::RuleOn(id))],
            None => vec![say("name the rule's id", Tone::Warning)],
        };
    }
    let Some(alert) = about else {
        return vec![say("no alert under the cursor", Tone::Warning)];
    };
    let asked = Asked::RuleOff { id: alert.rule_id.clone(), title: alert.rule_name.clone() };
    match call.text("reason").filter(|reason| !reason.trim().is_empty()) {
        Some(reason) => asked.answer(reason, model),
        None => vec![Effect::Push(Box::new(Prompt::new(asked)))],
    }
}

fn copy(what: ActionId, alert: &Alert) -> Vec<Effect> {
    let text = match what {
        ActionId::CopyHost => alert.host.clone(),
        ActionId::CopyUser => alert.user.clone(),
        ActionId::CopySummary => summary(alert),
        _ => alert.id.to_string(),
    };
    if text.is_empty() {
        return vec![say("there is nothing to copy", Tone::Warning)];
    }
    vec![Effect::Copy(text)]
}

/// The alert in a few lines of text.
fn summary(alert: &Alert) -> String {
    let mut text = format!(
        "{} ({}, risk {})\nhost {}  user {}  state {}\nfirst {}  last {}  matches {}\nrule {}\n",
        alert.rule_name,
        alert.severity,
        alert.risk,
        alert.host,
        alert.user,
        alert.status.as_str(),
        alert.first_seen,
        alert.last_seen,
        alert.count,
        alert.rule_id,
    );
    for (field, value) in &alert.matched {
        text.push_str(&format!("{field}: {value}\n"));
    }
    text.push_str(&format!("alert {}\n", alert.id));
    text
}
