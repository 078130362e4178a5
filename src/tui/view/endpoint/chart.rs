//! Scores as blocks: over time, and how often each height.

use crate::model::endpoint_view::Judgement;
use crate::model::inference::Prediction;
use crate::tui::paint::canvas::Canvas;
use crate::tui::paint::format;
use crate::tui::paint::role::{Glyph, Role};
use crate::tui::paint::safe::SafeText;

/// Columns of the numbers at the axis.
const AXIS: u16 = 5;
/// Eighths that a cell can show.
const LEVELS: [Glyph; 8] = [
    Glyph::Level1,
    Glyph::Level2,
    Glyph::Level3,
    Glyph::Level4,
    Glyph::Level5,
    Glyph::Level6,
    Glyph::Level7,
    Glyph::Level8,
];

/// The highest score of each stretch of time, the oldest on the left; the threshold is a line.
pub(super) fn over_time(judgements: &[Judgement], rows: u16, canvas: &mut Canvas<'_>) {
    let columns = canvas.width().saturating_sub(AXIS + 2);
    let Some((first, last)) = span(judgements) else { return };
    let bars = stretches(judgements, usize::from(columns));
    let threshold = newest_threshold(judgements);
    canvas.label(0, 0, " 1.0", Role::TextDim);
    canvas.label(0, rows.saturating_sub(1), " 0.0", Role::TextDim);
    let line = row_of(threshold, rows);
    if line > 0 && line + 1 < rows {
        canvas.text(0, line, 4, &SafeText::line(&format!(" {threshold:.1}")), Role::TextDim);
    }
    for x in 0..columns {
        canvas.glyph(AXIS + x, line, Glyph::Horizontal, Role::Rule);
    }
    for (x, bar) in (0_u16..).zip(&bars) {
        let Some((score, attack)) = bar else { continue };
        let role = if *attack { Role::SeverityHigh } else { Role::SeverityLow };
        let eighths = eighths(*score, rows);
        for up in 0..rows {
            let here = eighths.saturating_sub(usize::from(up) * 8).min(8);
            let Some(glyph) = here.checked_sub(1).and_then(|level| LEVELS.get(level)) else {
                break;
            };
            canvas.glyph(AXIS + x, rows - 1 - up, *glyph, role);
        }
    }
    let (from, to) = (format::date_time(first), format::date_time(last));
    canvas.text(AXIS, rows, columns, &from, Role::TextDim);
    let room = columns.saturating_sub(u16::try_from(from.width()).unwrap_or(0) + 1);
    if room >= u16::try_from(to.width()).unwrap_or(u16::MAX) {
        canvas.text_right(AXIS + columns, rows, &to, Role::TextDim);
    }
}

/// How many scores are of each height, the highest above; the threshold's own row is marked.
pub(super) fn distribution(judgements: &[Judgement], rows: u16, canvas: &mut Canvas<'_>) {
    let width = canvas.width();
    let counts = heights(judgements, rows);
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let threshold = newest_threshold(judgements);
    let line = row_of(threshold, rows);
    let bar = u64::from(width.saturating_sub(18));
    for (y, count) in (0_u16..).zip(counts.iter().rev()) {
        let low = f64::from(rows - 1 - y) / f64::from(rows);
        let high = f64::from(rows - y) / f64::from(rows);
        let label = SafeText::line(&format!("{low:.1}-{high:.1}"));
        let role = if y < line { Role::SeverityHigh } else { Role::SeverityLow };
        canvas.text(0, y, 8, &label, Role::TextDim);
        let long = u16::try_from((count * bar).div_ceil(most)).unwrap_or(0);
        for x in 0..long {
            canvas.glyph(8 + x, y, Glyph::Level8, role);
        }
        let text = format::count(*count);
        canvas.text(9 + long, y, width.saturating_sub(9 + long), &text, Role::Text);
        if y == line {
            canvas.label(width.saturating_sub(2), y, "<", Role::TextStrong);
        }
    }
    let text = SafeText::line(&format!("< threshold {threshold:.3}"));
    canvas.text(8, rows, width.saturating_sub(8), &text, Role::TextStrong);
}

fn span(
    judgements: &[Judgement],
) -> Option<(crate::stdx::time::Timestamp, crate::stdx::time::Timestamp)> {
    let ends = judgements.iter().map(|judgement| judgement.end);
    Some((ends.clone().min()?, ends.max()?))
}

fn newest_threshold(judgements: &[Judgement]) -> f64 {
    let scored = judgements.iter().find(|judgement| judgement.score.is_some());
    scored.map_or(1.0, |judgement| judgement.threshold)
}

/// The row, from the top, into which a score falls.
fn row_of(score: f64, rows: u16) -> u16 {
    let whole = (score.clamp(0.0, 1.0) * f64::from(rows)).floor();
    rows.saturating_sub(1).saturating_sub((whole as u16).min(rows.saturating_sub(1)))
}

fn eighths(score: f64, rows: u16) -> usize {
    // A score of nearly nothing is still a judgement: it has a dot.
    ((score.clamp(0.0, 1.0) * f64::from(rows) * 8.0).round() as usize).max(1)
}

/// The highest score in each of `columns` equal stretches of time, and whether the model spoke of an attack in it.
fn stretches(judgements: &[Judgement], columns: usize) -> Vec<Option<(f64, bool)>> {
    let mut bars: Vec<Option<(f64, bool)>> = vec![None; columns];
    let Some((first, last)) = span(judgements) else { return bars };
    let whole = i128::from(last.micros_since(first).max(1));
    for judgement in judgements {
        let Some(score) = judgement.score else { continue };
        let since = i128::from(judgement.end.micros_since(first));
        let place = since * (columns.saturating_sub(1) as i128) / whole;
        let Some(bar) = usize::try_from(place).ok().and_then(|place| bars.get_mut(place)) else {
            continue;
        };
        let attack = judgement.prediction == Prediction::Attack;
        let (highest, any) = bar.unwrap_or((0.0, false));
        *bar = Some((highest.max(score), any || attack));
    }
    bars
}

/// Scores by height, the lowest first.
fn heights(judgements: &[Judgement], rows: u16) -> Vec<u64> {
    let mut counts = vec![0; usize::from(rows)];
    for score in judgements.iter().filter_map(|judgement| judgement.score) {
        let up = usize::from(rows.saturating_sub(1).saturating_sub(row_of(score, rows)));
        if let Some(count) = counts.get_mut(up) {
            *count += 1;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::time::Timestamp;

    fn judged(second: i64, score: Option<f64>, prediction: Prediction) -> Judgement {
        let end = Timestamp::from_seconds(second);
        Judgement { end, score, prediction, threshold: 0.5, ..Judgement::default() }
    }

    #[test]
    fn the_highest_of_a_stretch_counts_and_stretches_without_a_score_are_empty() {
        let all = [
            judged(0, Some(0.2), Prediction::Benign),
            judged(1, Some(0.9), Prediction::Attack),
            judged(500, None, Prediction::Error),
            judged(1_000, Some(0.1), Prediction::Benign),
        ];
        let bars = stretches(&all, 11);
        assert_eq!((bars[0], bars[5], bars[10]), (Some((0.9, true)), None, Some((0.1, false))));
        assert!(stretches(&[], 3).iter().all(Option::is_none));
        assert!(stretches(&all, 0).is_empty());
    }

    #[test]
    fn every_score_has_a_row() {
        for score in [f64::NAN, -1.0, 0.0, 0.199, 0.2, 0.5, 1.0, 7.0] {
            assert!(row_of(score, 5) < 5, "{score}");
        }
        assert_eq!((row_of(1.0, 5), row_of(0.0, 5), row_of(0.5, 5)), (0, 4, 2));
        let all = [
            judged(0, Some(1.0), Prediction::Attack),
            judged(0, Some(0.0), Prediction::Benign),
            judged(0, Some(0.05), Prediction::Benign),
        ];
        assert_eq!(heights(&all, 5), [2, 0, 0, 0, 1]);
        assert_eq!((eighths(0.0, 5), eighths(1.0, 5)), (1, 40));
    }
}
