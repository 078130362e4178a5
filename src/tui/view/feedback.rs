//! Where models and analysts do not agree: a row an alert, with what was counted above.

use crate::model::alert::AlertId;
use crate::model::desk::Problem;
use crate::model::disagreement::{ALERTS_MAX, Disagreement, Disagreements, Side};
use crate::tui::action::ActionId;
use crate::tui::action::call::ActionCall;
use crate::tui::contract::{Effect, Input, Msg, Reply, Request, Tone, View};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::times::TimeForm;
use crate::tui::paint::canvas::Canvas;
use crate::tui::paint::format;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::endpoint::EndpointScreen;
use crate::tui::view::list::ListCursor;
use crate::tui::view::parts::host;
use crate::tui::view::times::Times;
use crate::tui::view::triage;

/// Rows above the list.
const HEAD_ROWS: u16 = 5;

/// The screen.
#[derive(Debug, Default)]
pub struct FeedbackView {
    found: Option<Disagreements>,
    problem: Option<Problem>,
    cursor: ListCursor,
}

impl FeedbackView {
    /// Put the screen on top; the last effect reads it.
    pub fn push() -> Vec<Effect> {
        vec![Effect::Push(Box::new(FeedbackView::default())), Effect::Ask(Request::Disagreements)]
    }

    fn rows(&self) -> &[Disagreement] {
        self.found.as_ref().map_or(&[], |found| &found.rows)
    }

    fn take(&mut self, found: Disagreements) {
        let on: Option<AlertId> = self.rows().get(self.cursor.at()).map(|row| row.alert);
        if let Some(place) = found.rows.iter().position(|row| Some(row.alert) == on) {
            self.cursor.put(place);
        }
        self.cursor.clamp(found.rows.len());
        self.found = Some(found);
        self.problem = None;
    }

    fn action(&mut self, call: &ActionCall, model: &DeskModel) -> Option<Vec<Effect>> {
        let rows = self.rows().len();
        if self.cursor.act(call.id, rows) {
            return Some(Vec::new());
        }
        match call.id {
            ActionId::MergeNew => return Some(vec![Effect::Ask(Request::Disagreements)]),
            ActionId::CycleTime => return Some(triage::cycle_time(model, TimeForm::Date)),
            _ => {}
        }
        let concerns =
            matches!(call.id, ActionId::OpenSelected | ActionId::OpenEndpoint | ActionId::CopyHost);
        if !concerns {
            return triage::screen(call);
        }
        let Some(row) = self.rows().get(self.cursor.at()) else {
            return Some(vec![triage::say("no row under the cursor", Tone::Warning)]);
        };
        Some(match call.id {
            ActionId::OpenSelected => triage::open_alert(row.alert, model),
            ActionId::OpenEndpoint => EndpointScreen::push(&row.host),
            _ => vec![Effect::Copy(row.host.clone())],
        })
    }
}

fn draw_counts(found: &Disagreements, canvas: &mut Canvas<'_>) {
    let width = canvas.width();
    let model = found.count(Side::ModelOnly);
    let analyst = found.count(Side::AnalystOnly);
    let lines = [
        format!(
            "attack only to the model: {model} of {} model alerts with a verdict ({} were right)",
            found.model_judged, found.model_right
        ),
        format!(
            "attack only to the analyst: {analyst} of {} true rule alerts with a score of that time",
            found.rule_true
        ),
        format!(
            "{} true rule alerts have no score of that time{}",
            found.unseen,
            if found.more { format!("; newest {ALERTS_MAX} verdicts only") } else { String::new() }
        ),
    ];
    for (y, line) in (1_u16..).zip(&lines) {
        canvas.text(1, y, width.saturating_sub(1), &SafeText::line(line), Role::TextDim);
    }
}

fn draw_row(row: &Disagreement, times: Times, canvas: &mut Canvas<'_>, y: u16) {
    let width = canvas.width();
    canvas.text(2, y, 20, &times.text(row.at), Role::TextDim);
    let (word, role) = match row.side {
        Side::ModelOnly => ("model", Role::TextWarning),
        Side::AnalystOnly => ("analyst", Role::SeverityLow),
    };
    canvas.label(23, y, word, role);
    let score = row.score.map_or_else(|| "-".to_owned(), |score| format!("{score:.3}"));
    canvas.text_right(37, y, &SafeText::line(&score), Role::Text);
    let verdict = match row.verdict {
        crate::model::verdict::VerdictKind::BenignTruePositive => "benign",
        other => other.as_str(),
    };
    canvas.text(39, y, 15, &SafeText::line(&verdict.replace('_', " ")), Role::Text);
    let who = if row.who.is_empty() { "-" } else { &row.who };
    canvas.text(55, y, 9, &SafeText::line(who), Role::Text);
    let room = if width >= 100 { 16 } else { 15 };
    canvas.text(65, y, room, &host(&row.host, room), Role::Text);
    if width >= 100 {
        canvas.text(82, y, width.saturating_sub(82), &SafeText::line(&row.title), Role::TextDim);
    }
}

impl View for FeedbackView {
    fn context(&self) -> &'static str {
        "feedback"
    }

    fn update(&mut self, input: &Input<'_>, model: &DeskModel) -> Option<Vec<Effect>> {
        match input {
            Input::Action(call) => self.action(call, model),
            Input::Message(Msg::Reply { request: Request::Disagreements, result }) => {
                match result {
                    Ok(Reply::Disagreements(found)) => self.take(Disagreements::clone(found)),
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
        let width = canvas.width();
        let x = 1 + canvas.label(1, 0, "FEEDBACK", Role::HeaderTitle) + 2;
        canvas.label(x, 0, "where models and analysts do not agree", Role::Header);
        let clock = format::clock_minutes(model.now());
        canvas.text_right(width.saturating_sub(1), 0, &clock, Role::Header);
        canvas.set_cursor(0, 0);
        if let Some(problem) = &self.problem {
            canvas.text(1, 2, width, &SafeText::line(&problem.message), Role::TextError);
        }
        let Some(found) = &self.found else {
            if self.problem.is_none() {
                canvas.label(1, 2, "reading verdicts and judgements ...", Role::TextDim);
            }
            return;
        };
        draw_counts(found, canvas);
        if found.rows.is_empty() {
            canvas.label(1, HEAD_ROWS, "no disagreement is known", Role::TextStrong);
            return;
        }
        let titles = "ALERT OF             SAYS      SCORE VERDICT         WHO       HOST";
        canvas.label(2, HEAD_ROWS - 1, titles, Role::TextDim);
        if width >= 100 {
            canvas.label(82, HEAD_ROWS - 1, "ALERT", Role::TextDim);
        }
        let times = Times::of(model, TimeForm::Date);
        self.cursor.draw(canvas, HEAD_ROWS, found.rows.len(), |place, y, canvas| {
            let Some(row) = found.rows.get(place) else { return };
            draw_row(row, times, canvas, y);
        });
    }

    fn position(&self, _model: &DeskModel) -> SafeText {
        let rows = self.rows().len();
        SafeText::line(&format!("row {}/{rows}", (self.cursor.at() + 1).min(rows)))
    }
}
