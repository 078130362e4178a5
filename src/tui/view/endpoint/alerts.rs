//! The alerts of an endpoint, with their verdicts.

use crate::model::alert::Alert;
use crate::model::endpoint_view::{ALERTS_MAX, EndpointView};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::times::TimeForm;
use crate::tui::paint::canvas::Canvas;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::list::ListCursor;
use crate::tui::view::parts::{draw_severity, severity_role, state};
use crate::tui::view::times::Times;

/// Columns before the times.
const TIME: u16 = 11;
/// A blank, and the risk with its title.
const RISK: u16 = 5;
/// Columns of verdict and state.
const VERDICT: u16 = 26;

/// The tab.
pub(super) fn draw(
    view: &EndpointView,
    cursor: &ListCursor,
    model: &DeskModel,
    canvas: &mut Canvas<'_>,
) {
    let width = canvas.width();
    let said = match view.looked.alerts {
        0 => "no alert was ever raised on this endpoint".to_owned(),
        all if all > ALERTS_MAX as u64 => format!("the newest {ALERTS_MAX} of {all} alerts"),
        all => format!("{all} alerts, the newest first; enter opens one"),
    };
    canvas.text(1, 0, width, &SafeText::line(&said), Role::TextDim);
    if view.alerts.is_empty() {
        return;
    }
    canvas.label(2, 1, "SEV", Role::TextDim);
    let times = Times::of(model, TimeForm::Age).within(width);
    let right = TIME + times.columns();
    canvas.text_right(right, 1, &SafeText::label(times.title()), Role::TextDim);
    canvas.text_right(right + RISK, 1, &SafeText::label("RISK"), Role::TextDim);
    canvas.label(right + RISK + 1, 1, "ALERT", Role::TextDim);
    canvas.label(width.saturating_sub(VERDICT), 1, "STATE  VERDICT", Role::TextDim);
    cursor.draw(canvas, 2, view.alerts.len(), |place, y, canvas| {
        let Some(alert) = view.alerts.get(place) else { return };
        row(alert, times, canvas, y);
    });
}

fn row(alert: &Alert, times: Times, canvas: &mut Canvas<'_>, y: u16) {
    let width = canvas.width();
    draw_severity(canvas, 2, y, alert.severity, severity_role(alert.severity));
    let risk = TIME + times.columns() + RISK;
    canvas.text_right(risk - RISK, y, &times.text(alert.last_seen), Role::Text);
    canvas.text_right(risk, y, &SafeText::line(&alert.risk.to_string()), Role::Text);
    let right = width.saturating_sub(VERDICT);
    let title = SafeText::line(&alert.rule_name);
    canvas.text(risk + 1, y, right.saturating_sub(risk + 2), &title, Role::Text);
    let (word, role) = state(alert.status);
    canvas.label(right, y, word, role);
    let verdict = alert.verdict.as_ref().map_or("-", |verdict| verdict.kind.as_str());
    let verdict = SafeText::line(&verdict.replace('_', " "));
    canvas.text(right + 7, y, VERDICT, &verdict, Role::Text);
}
