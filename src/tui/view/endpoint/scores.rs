//! What models said of an endpoint over time: a chart, the distribution with the threshold in it, and each judgement.

use crate::model::endpoint_view::{EndpointView, JUDGEMENTS_MAX, Judgement};
use crate::model::inference::{Outcome, Prediction};
use crate::tui::paint::canvas::{Canvas, Rect};
use crate::tui::paint::format;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::endpoint::chart;
use crate::tui::view::list::ListCursor;
use crate::tui::view::times::Times;

/// Below so many rows there is no room for charts.
const ROWS_WITH_CHART: u16 = 12;
/// Columns of the distribution beside the chart.
const DISTRIBUTION: u16 = 30;

/// The tab.
pub(super) fn draw(
    view: &EndpointView,
    cursor: &ListCursor,
    times: Times,
    canvas: &mut Canvas<'_>,
) {
    let width = canvas.width();
    if view.judgements.is_empty() {
        canvas.label(1, 0, "no window of this endpoint was judged", Role::TextStrong);
        canvas.label(1, 1, "infer.enabled and a model are needed: docs/model.md", Role::TextDim);
        return;
    }
    let mut y = 0;
    if canvas.height() >= ROWS_WITH_CHART && width >= 60 {
        let rows = if canvas.height() >= 28 { 10 } else { 5 };
        let left = width - DISTRIBUTION;
        chart::over_time(&view.judgements, rows, &mut canvas.sub(Rect::new(0, 0, left, rows + 1)));
        chart::distribution(
            &view.judgements,
            rows,
            &mut canvas.sub(Rect::new(left, 0, DISTRIBUTION, rows + 1)),
        );
        y = rows + 1;
    }
    let mut body = canvas.sub(Rect::new(0, y, width, canvas.height().saturating_sub(y)));
    list(view, cursor, times, &mut body);
}

fn list(view: &EndpointView, cursor: &ListCursor, times: Times, canvas: &mut Canvas<'_>) {
    let width = canvas.width();
    canvas.label(
        2,
        0,
        "WINDOW TO             SAID     SCORE       P  EVENTS  OUTCOME",
        Role::TextDim,
    );
    if view.looked.judgements_more {
        let text = SafeText::line(&format!("the newest {JUDGEMENTS_MAX}"));
        canvas.text_right(width.saturating_sub(1), 0, &text, Role::TextWarning);
    }
    cursor.draw(canvas, 1, view.judgements.len(), |place, y, canvas| {
        let Some(judgement) = view.judgements.get(place) else { return };
        row(judgement, times, canvas, y);
    });
}

fn row(judgement: &Judgement, times: Times, canvas: &mut Canvas<'_>, y: u16) {
    let width = canvas.width();
    let role = match judgement.prediction {
        Prediction::Attack => Role::TextWarning,
        Prediction::Benign => Role::Text,
        Prediction::Error => Role::TextDim,
    };
    canvas.text(2, y, 20, &times.text(judgement.end), Role::TextDim);
    canvas.label(24, y, judgement.prediction.as_str(), role);
    let number = |number: Option<f64>, digits: usize| match number {
        Some(number) => SafeText::line(&format!("{number:.digits$}")),
        None => SafeText::label("-"),
    };
    canvas.text_right(38, y, &number(judgement.score, 3), role);
    canvas.text_right(46, y, &number(judgement.p, 4), Role::Text);
    canvas.text_right(54, y, &format::count(judgement.events), Role::Text);
    let mut text = SafeText::label(match judgement.outcome {
        Outcome::None => "-",
        Outcome::Alert => "alert",
        Outcome::More => "more of it",
        Outcome::OverBudget => "over budget",
        Outcome::Watch => "watch",
    });
    if judgement.cold {
        text.push_label("  cold");
    }
    if judgement.prediction == Prediction::Error {
        text = SafeText::line(&judgement.words);
    }
    canvas.text(56, y, width.saturating_sub(56), &text, Role::Text);
}
