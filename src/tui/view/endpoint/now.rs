//! How an endpoint is now: the last judgement, the highest of the day, what is open, what happened last.

use crate::model::endpoint_view::{EndpointView, Judgement, RECENT_MINUTES};
use crate::model::inference::{Outcome, Prediction};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::times::TimeForm;
use crate::tui::paint::format;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::doc::Doc;
use crate::tui::view::parts::age;
use crate::tui::view::summary::one_line;
use crate::tui::view::times::Times;

const LABEL_COLUMNS: usize = 8;

/// The tab.
pub(super) fn fill(doc: &mut Doc, view: &EndpointView, model: &DeskModel) {
    match view.newest() {
        Some(newest) => judgement(doc, view, newest, model),
        None => field(doc, "model", "no window of this endpoint was judged", Role::TextDim),
    }
    alerts(doc, view);
    doc.blank();
    let Some(last) = view.last.first() else {
        doc.text(&view.looked_words(), " ", Role::TextDim);
        return;
    };
    let at = format::date_time(last.timestamp);
    let title = format!("events of the {RECENT_MINUTES} minutes before its last, {}", at.as_str());
    doc.text(&title, " ", Role::TextStrong);
    let counts: Vec<String> = view
        .recent
        .iter()
        .map(|(class, count)| format!("{} {count}", class.as_str().replace('_', " ")))
        .collect();
    doc.text(&counts.join("   "), " ", Role::Text);
    doc.blank();
    doc.heading(" last events, the newest first");
    let times = Times::of(model, TimeForm::Clock);
    for event in &view.last {
        doc.spans(vec![
            (SafeText::label(" "), Role::Text),
            (times.text(event.timestamp), Role::TextDim),
            (SafeText::label("  "), Role::Text),
            (SafeText::line(&one_line(event)), Role::Text),
        ]);
    }
}

fn field(doc: &mut Doc, label: &'static str, text: &str, role: Role) {
    doc.field_role(&SafeText::label(label), LABEL_COLUMNS, text, role);
}

fn judgement(doc: &mut Doc, view: &EndpointView, newest: &Judgement, model: &DeskModel) {
    let role = match newest.prediction {
        Prediction::Attack => Role::TextWarning,
        Prediction::Benign => Role::TextStrong,
        Prediction::Error => Role::TextDim,
    };
    let said = match newest.score {
        Some(score) => format!(
            "{} {score:.3}, threshold {:.3}{}",
            newest.prediction.as_str(),
            newest.threshold,
            if newest.cold { ", cold" } else { "" }
        ),
        None => format!("no score: {}", newest.words),
    };
    field(doc, "model", &said, role);
    let ago = age(newest.end, model.now());
    let window = format!(
        "to {}, {} ago: {} events, {} nodes; {}",
        format::date_time(newest.end).as_str(),
        ago.as_str(),
        newest.events,
        newest.nodes,
        outcome(newest.outcome)
    );
    field(doc, "window", &window, Role::Text);
    if newest.score.is_some() && !newest.words.is_empty() {
        field(doc, "unusual", &newest.words, Role::Text);
    }
    field(doc, "by", &newest.model, Role::TextDim);
    if let Some(highest) = view.highest() {
        let score = highest.score.unwrap_or(0.0);
        let at = format::date_time(highest.end);
        let text =
            format!("{score:.3} of the day, at {}: {}", at.as_str(), outcome(highest.outcome));
        field(doc, "highest", &text, Role::Text);
    }
}

/// What followed, in words.
pub(super) fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::None => "nothing followed",
        Outcome::Alert => "it began an alert",
        Outcome::More => "it goes on with an alert",
        Outcome::OverBudget => "over the day's budget of alerts",
        Outcome::Watch => "worth a look, and no alert",
    }
}

fn alerts(doc: &mut Doc, view: &EndpointView) {
    let open = view.alerts.iter().filter(|alert| !alert.status.is_closed());
    let worst = open.clone().map(|alert| alert.severity).max();
    let mut text = format!("{} open", open.count());
    if let Some(worst) = worst {
        text.push_str(&format!(", the worst {worst}"));
    }
    text.push_str(&format!("; {} in all", view.looked.alerts));
    let role = if worst.is_some() { Role::TextStrong } else { Role::Text };
    field(doc, "alerts", &text, role);
}
