//! The cursor: an alert's id and the screen line it stands on. Never a row number.

use crate::model::alert::{Alert, AlertId};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::rows::Rows;

/// A move of the cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Move {
    /// Down by so many rows; negative is up. The list scrolls when the edge is reached.
    By(isize),
    /// Half a screen; the cursor keeps its line where it can.
    HalfPage(isize),
    /// A screen.
    Page(isize),
    /// The first row.
    First,
    /// The last row.
    Last,
    /// The next unhandled row.
    NextUnhandled,
    /// The one before.
    PreviousUnhandled,
    /// One alert, if the list has it.
    To(AlertId),
    /// Put the cursor's row in the middle of the screen.
    Center,
}

/// The cursor.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cursor {
    id: Option<AlertId>,
    line: usize,
    /// The alert the analyst was on when a filter hid it; shown again, the cursor returns to it.
    lost: Option<AlertId>,
    height: usize,
}

/// Rows a list is taken to show before a view has said how many.
const HEIGHT_UNKNOWN: usize = 12;

impl Cursor {
    /// The alert, if the list has rows.
    pub fn id(&self) -> Option<AlertId> {
        self.id
    }

    /// The screen line of the cursor's row, from 0.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The alert that a filter took from under the cursor.
    pub fn lost(&self) -> Option<AlertId> {
        self.lost
    }

    /// The first row on a screen of `height` rows, and the cursor's line on it. The line is the model's own
    /// except on a screen too small for it.
    pub fn top(&self, rows: &Rows, height: usize) -> (usize, usize) {
        let Some(place) = self.id.and_then(|id| rows.place(id)) else { return (0, 0) };
        let line = self.line.min(height.saturating_sub(1)).min(place);
        (place - line, line)
    }

    /// Rows of the list when it was last drawn.
    pub(super) fn height(&self) -> usize {
        self.known_height()
    }

    fn known_height(&self) -> usize {
        if self.height == 0 { HEIGHT_UNKNOWN } else { self.height }
    }

    /// Stand on a place of the list; scroll no more than needed.
    fn stand(&mut self, rows: &Rows, place: usize) {
        let height = self.known_height();
        let (top, _) = self.top(rows, height);
        let top = top.clamp(place.saturating_sub(height - 1), place);
        self.id = rows.id_at(place);
        self.line = place - top;
        self.lost = None;
    }

    /// After the list was made anew: the same alert on the same line; else the alert a filter hid, when it is back;
    /// else the nearest neighbour that survived, below first.
    pub(super) fn settle(&mut self, before: &[AlertId], rows: &Rows) {
        if rows.is_empty() {
            self.lost = self.lost.or(self.id.take());
            self.line = 0;
            return;
        }
        if let Some(lost) = self.lost.filter(|lost| rows.place(*lost).is_some()) {
            self.id = Some(lost);
            self.lost = None;
        }
        if let Some(id) = self.id.filter(|id| rows.place(*id).is_none()) {
            // Its row is behind a bundle's now, or the bundle it was is one alert.
            self.id = rows.stand_in(id).or(Some(id));
        }
        let Some(id) = self.id else {
            self.id = rows.id_at(0);
            self.line = 0;
            return;
        };
        if rows.place(id).is_none() {
            self.lost = self.lost.or(Some(id));
            self.id = neighbour(before, id, rows).or_else(|| rows.id_at(0));
        }
        let place = self.id.and_then(|id| rows.place(id)).unwrap_or(0);
        self.line = self.line.min(place).min(self.known_height().saturating_sub(1));
        let height = self.known_height();
        // A list that fits, or one that did and grew under the cursor, is shown from its top; and none leaves room
        // below its last row.
        if rows.len() <= height || (before.len() < height && place < height) {
            self.line = place;
        } else {
            let top = (place - self.line).min(rows.len() - height);
            self.line = place - top;
        }
    }
}

fn neighbour(before: &[AlertId], id: AlertId, rows: &Rows) -> Option<AlertId> {
    let was = before.iter().position(|known| *known == id)?;
    let here = |known: &&AlertId| rows.place(**known).is_some();
    let below = before.iter().enumerate().skip(was + 1).find(|(_, known)| here(known));
    let above = before.iter().enumerate().take(was).rev().find(|(_, known)| here(known));
    match (below, above) {
        (Some((down, below)), Some((up, above))) => {
            Some(if down - was <= was - up { *below } else { *above })
        }
        (Some((_, one)), None) | (None, Some((_, one))) => Some(*one),
        (None, None) => None,
    }
}

impl DeskModel {
    pub(super) fn move_cursor(&mut self, by: Move, height: usize) {
        self.cursor.height = height.max(1);
        let Some(last) = self.rows.len().checked_sub(1) else { return };
        let place = self.cursor.id.and_then(|id| self.rows.place(id)).unwrap_or(0);
        let step = |by: isize| place.saturating_add_signed(by).min(last);
        let height = isize::try_from(height.max(1)).unwrap_or(isize::MAX);
        match by {
            Move::By(rows) => self.cursor.stand(&self.rows, step(rows)),
            Move::HalfPage(pages) => self.scroll(step(pages.saturating_mul((height / 2).max(1)))),
            Move::Page(pages) => self.scroll(step(pages.saturating_mul((height - 1).max(1)))),
            Move::First => self.cursor.stand(&self.rows, 0),
            Move::Last => self.cursor.stand(&self.rows, last),
            Move::NextUnhandled => self.go_unhandled(place, true),
            Move::PreviousUnhandled => self.go_unhandled(place, false),
            Move::To(id) => {
                if let Some(place) = self.rows.place(id) {
                    self.cursor.stand(&self.rows, place);
                }
            }
            Move::Center => self.cursor.line = (self.cursor.known_height() / 2).min(place),
        }
    }

    /// Go to a place and keep the line: the list moves under the cursor, but never beyond its end.
    fn scroll(&mut self, place: usize) {
        let height = self.cursor.known_height();
        let line = self.cursor.line;
        let top = place.saturating_sub(line).min(self.rows.len().saturating_sub(height));
        self.cursor.id = self.rows.id_at(place);
        self.cursor.line = place.saturating_sub(top).min(height.saturating_sub(1));
        self.cursor.lost = None;
    }

    fn go_unhandled(&mut self, place: usize, forward: bool) {
        match self.find_unhandled(place, forward) {
            Some(found) => self.cursor.stand(&self.rows, found),
            None if forward => self.say_none_left("below"),
            None => self.say_none_left("above"),
        }
    }

    fn say_none_left(&mut self, side: &str) {
        use crate::tui::desk_model::edit::Tone;
        self.say(Tone::Info, format!("no unhandled alert {side}"));
    }

    fn find_unhandled(&self, place: usize, forward: bool) -> Option<usize> {
        let unhandled = |(_, id): &(usize, &AlertId)| {
            self.rows
                .get(**id)
                .is_some_and(|alert: &std::sync::Arc<Alert>| self.is_unhandled(alert))
        };
        let rows = self.rows.order().iter().enumerate();
        let found = if forward {
            rows.skip(place + 1).find(unhandled)
        } else {
            rows.take(place).rev().find(unhandled)
        };
        found.map(|(index, _)| index)
    }

    /// After a verb: the next unhandled row below, else the nearest above, else stay.
    pub(super) fn advance(&mut self) {
        let Some(place) = self.cursor.id.and_then(|id| self.rows.place(id)) else { return };
        let next = self.find_unhandled(place, true).or_else(|| self.find_unhandled(place, false));
        if let Some(next) = next {
            self.cursor.stand(&self.rows, next);
        }
    }
}
