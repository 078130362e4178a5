//! The loop on a real desk: requests become its methods, its feed becomes messages.

use std::sync::Arc;

use tokio::runtime::Handle;

use crate::config::ui::UiConfig;
use crate::desk::{self, Desk};
use crate::model::desk::{Problem, ProblemKind};
use crate::model::rule_life::RuleRequest;
use crate::tui::action::ActionId;
use crate::tui::action::call::ActionCall;
use crate::tui::contract::{Effect, Reply, Request, Tone};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::times::TimeForm;
use crate::tui::paint::safe::SafeText;
use crate::tui::run::port::{Feed, NextChange, Port};
use crate::tui::run::{self, Screens};
use crate::tui::view::queue::QueueView;
use crate::tui::view::triage;

/// Show the workbench until the analyst quits. Blocks; call it on a thread that is no worker of `runtime`.
pub fn show(ui: &UiConfig, desk: Desk, runtime: &Handle) -> anyhow::Result<()> {
    // Subscribed before anything is read, so no change falls between.
    let feed = runtime.block_on(desk.subscribe());
    run::run(ui, port(desk, feed), screens(), runtime)
}

/// The first screen and what opens others.
pub fn screens() -> Screens {
    Screens { home: Box::new(QueueView::new()), open }
}

fn port(desk: Desk, feed: desk::Feed) -> Port {
    let actor = desk.actor();
    let ask = move |request: Request| -> run::port::Answer {
        let desk = desk.clone();
        Box::pin(async move { answer(&desk, request).await })
    };
    Port { ask: Arc::new(ask), feed: changes(feed), actor }
}

fn changes(feed: desk::Feed) -> Feed {
    let next = move || -> NextChange {
        Box::pin(async move {
            let mut feed = feed;
            let change = feed.next().await?;
            Some((change, changes(feed)))
        })
    };
    Feed(Box::new(next))
}

async fn answer(desk: &Desk, request: Request) -> Result<Reply, Problem> {
    Ok(match request {
        Request::Alerts(query) => Reply::Alerts(desk.alerts(&query).await?),
        Request::Alert(id) => Reply::Alert(Box::new(desk.alert(id).await?)),
        Request::Why(id) => Reply::Why(Box::new(desk.alert_why(id).await?)),
        Request::Act(alerts, action) => Reply::Acted(desk.act(&alerts, action).await?),
        Request::Undo(pending) => Reply::Undone(desk.undo(pending).await?),
        Request::Pending => Reply::Pending(desk.pending().await?),
        Request::EventsSearch { query, from, to, limit } => {
            Reply::Events(desk.events_search(&query, from, to, limit).await?)
        }
        Request::EventsAround { host, at, minutes } => {
            Reply::Events(desk.events_around(&host, at, minutes).await?)
        }
        Request::Endpoints => Reply::Endpoints(desk.endpoints().await?),
        Request::EndpointView(host) => {
            Reply::EndpointView(Box::new(desk.endpoint_view(&host).await?))
        }
        Request::Disagreements => Reply::Disagreements(Box::new(desk.disagreements().await?)),
        Request::Status => Reply::Status(Box::new(desk.status().await?)),
        Request::Rules => Reply::Rules(desk.rules().await?),
        Request::RuleOff { id, reason } => {
            desk.rule_off(&id, &reason).await?;
            Reply::Done
        }
        Request::RuleOn(id) => {
            desk.rule_on(&id).await?;
            Reply::Done
        }
        Request::RuleRelease(id) => release(desk, id).await?,
        Request::Draft(alert) => Reply::Draft(desk.draft(alert).await?),
        Request::SaveDraft(alert, text) => {
            desk.save_draft(alert, text).await?;
            Reply::Done
        }
    })
}

async fn release(desk: &Desk, rule: String) -> Result<Reply, Problem> {
    let done = desk.rule_change(RuleRequest::Release { rule }, "released on the desk").await?;
    match done {
        Some(_) => Ok(Reply::Done),
        None => Err(Problem::new(ProblemKind::NotFound, "this rule is not parked")),
    }
}

/// What an action means that no view took.
fn open(call: &ActionCall, model: &DeskModel) -> Option<Vec<Effect>> {
    match call.id {
        ActionId::Undo => Some(triage::undo(model)),
        ActionId::CycleTime => Some(triage::cycle_time(model, TimeForm::Age)),
        ActionId::OpenEndpoints | ActionId::OpenFeedback | ActionId::OpenEndpoint => {
            triage::screen(call)
        }
        ActionId::RuleOn => match call.text("id") {
            Some(id) => Some(vec![Effect::Ask(Request::RuleOn(id.to_owned()))]),
            None => Some(vec![Effect::Say(
                SafeText::label("name the rule: rule.on id=RULE_ID"),
                Tone::Plain,
            )]),
        },
        _ => None,
    }
}
