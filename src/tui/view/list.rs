//! A plain list's cursor (endpoints, events): a row number in data that only the analyst's own request replaces.

use std::cell::Cell;

use crate::tui::action::ActionId;
use crate::tui::paint::canvas::Canvas;
use crate::tui::paint::role::{Glyph, Role};

/// Cursor and scroll of a list.
#[derive(Debug, Default)]
pub struct ListCursor {
    at: usize,
    top: Cell<usize>,
    height: Cell<usize>,
}

impl ListCursor {
    /// The row under the cursor.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Put the cursor on a row.
    pub fn put(&mut self, row: usize) {
        self.at = row;
    }

    /// Keep the cursor inside `rows` rows.
    pub fn clamp(&mut self, rows: usize) {
        self.at = self.at.min(rows.saturating_sub(1));
    }

    /// The first row to draw on `height` lines.
    pub fn top(&self, rows: usize, height: usize) -> usize {
        self.height.set(height);
        let last = rows.saturating_sub(height);
        let low = (self.at + 1).saturating_sub(height);
        let top = self.top.get().clamp(low, self.at.max(low)).min(last.max(low));
        self.top.set(top);
        top
    }

    /// Draw what fits of `rows` rows from line `from` on, that under the cursor marked. `row` draws one, by its place and line.
    pub fn draw(
        &self,
        canvas: &mut Canvas<'_>,
        from: u16,
        rows: usize,
        mut row: impl FnMut(usize, u16, &mut Canvas<'_>),
    ) {
        let lines = canvas.height().saturating_sub(from);
        let top = self.top(rows, usize::from(lines));
        for (y, place) in (from..from.saturating_add(lines)).zip(top..rows) {
            if place == self.at {
                canvas.fill_row(y, Role::RowCursor);
                canvas.glyph(0, y, Glyph::Cursor, Role::RowCursor);
                canvas.set_cursor(0, y);
            }
            row(place, y, canvas);
        }
    }

    /// Carry out a cursor action; false when it is none.
    pub fn act(&mut self, action: ActionId, rows: usize) -> bool {
        let page = self.height.get().saturating_sub(1).max(1);
        let last = rows.saturating_sub(1);
        self.at = match action {
            ActionId::CursorNext => self.at + 1,
            ActionId::CursorPrevious => self.at.saturating_sub(1),
            ActionId::CursorHalfDown => self.at + (page / 2).max(1),
            ActionId::CursorHalfUp => self.at.saturating_sub((page / 2).max(1)),
            ActionId::CursorPageDown => self.at + page,
            ActionId::CursorPageUp => self.at.saturating_sub(page),
            ActionId::CursorFirst => 0,
            ActionId::CursorLast => last,
            _ => return false,
        }
        .min(last);
        true
    }
}
