//! The canvas: a clipped piece of the screen that draws `SafeText` and our own labels, and nothing else.
//! Coordinates are relative to the canvas; everything outside it is cut off, so no size can panic.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect as Region;
use ratatui::style::Style;

use crate::tui::paint::note::NoteField;
use crate::tui::paint::role::{Glyph, Role};
use crate::tui::paint::safe::SafeText;
use crate::tui::paint::theme::Theme;

/// A rectangle in cells, relative to a canvas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rect {
    /// Columns from the left.
    pub x: u16,
    /// Rows from the top.
    pub y: u16,
    /// Columns.
    pub width: u16,
    /// Rows.
    pub height: u16,
}

impl Rect {
    /// A rectangle.
    pub fn new(x: u16, y: u16, width: u16, height: u16) -> Rect {
        Rect { x, y, width, height }
    }

    /// The part of `self` inside `other`.
    #[must_use]
    pub fn clip(self, other: Rect) -> Rect {
        let left = self.x.max(other.x);
        let top = self.y.max(other.y);
        let right = self.x.saturating_add(self.width).min(other.x.saturating_add(other.width));
        let bottom = self.y.saturating_add(self.height).min(other.y.saturating_add(other.height));
        Rect::new(left, top, right.saturating_sub(left), bottom.saturating_sub(top))
    }
}

/// A piece of the screen to draw on.
pub struct Canvas<'a> {
    buffer: &'a mut Buffer,
    theme: &'a Theme,
    cursor: &'a mut Option<(u16, u16)>,
    area: Rect,
}

impl<'a> Canvas<'a> {
    /// The whole of a buffer.
    pub(super) fn new(
        buffer: &'a mut Buffer,
        theme: &'a Theme,
        cursor: &'a mut Option<(u16, u16)>,
    ) -> Canvas<'a> {
        let Region { x, y, width, height } = buffer.area;
        Canvas { buffer, theme, cursor, area: Rect::new(x, y, width, height) }
    }

    /// Columns.
    pub fn width(&self) -> u16 {
        self.area.width
    }

    /// Rows.
    pub fn height(&self) -> u16 {
        self.area.height
    }

    /// The theme, for its glyphs.
    pub fn theme(&self) -> &Theme {
        self.theme
    }

    /// A canvas on a part of this one.
    pub fn sub(&mut self, rect: Rect) -> Canvas<'_> {
        let wanted = Rect {
            x: self.area.x.saturating_add(rect.x),
            y: self.area.y.saturating_add(rect.y),
            ..rect
        };
        let area = wanted.clip(self.area);
        Canvas { buffer: self.buffer, theme: self.theme, cursor: self.cursor, area }
    }

    /// Draw text at a place, at most `max` columns wide. Returns the columns used.
    pub fn text(&mut self, x: u16, y: u16, max: u16, text: &SafeText, role: Role) -> u16 {
        let room = max.min(self.area.width.saturating_sub(x));
        if room == 0 || y >= self.area.height {
            return 0;
        }
        let style = self.theme.style(role);
        let mark = style.patch(self.theme.style(Role::Mark));
        let cut = text.truncated(usize::from(room));
        let mut used: u16 = 0;
        for (symbol, width, is_mark) in cut.cells() {
            let width = u16::try_from(width).unwrap_or(1);
            if used.saturating_add(width) > room {
                break;
            }
            self.put(x + used, y, symbol, width, if is_mark { mark } else { style });
            used += width;
        }
        used
    }

    /// Draw text so that it ends before column `right`. Returns the column it starts at.
    pub fn text_right(&mut self, right: u16, y: u16, text: &SafeText, role: Role) -> u16 {
        let width = u16::try_from(text.width()).unwrap_or(u16::MAX).min(right);
        let x = right - width;
        self.text(x, y, width, text, role);
        x
    }

    /// Draw a label of our own. Returns the columns used.
    pub fn label(&mut self, x: u16, y: u16, label: &'static str, role: Role) -> u16 {
        self.text(x, y, u16::MAX, &SafeText::label(label), role)
    }

    /// Draw several pieces one after the other. Returns the columns used.
    pub fn spans(&mut self, x: u16, y: u16, max: u16, spans: &[(&SafeText, Role)]) -> u16 {
        let mut used: u16 = 0;
        for (text, role) in spans {
            used += self.text(x.saturating_add(used), y, max.saturating_sub(used), text, *role);
        }
        used
    }

    /// Draw a glyph of the theme. Returns the columns used.
    pub fn glyph(&mut self, x: u16, y: u16, glyph: Glyph, role: Role) -> u16 {
        let text = self.theme.glyph(glyph);
        self.text(x, y, u16::MAX, &text, role)
    }

    /// Give a whole row a role's background and attributes; draw the text of the row afterwards.
    pub fn fill_row(&mut self, y: u16, role: Role) {
        self.fill(Rect::new(0, y, self.area.width, 1), role);
    }

    /// Clear a rectangle and give it a role's looks.
    pub fn fill(&mut self, rect: Rect, role: Role) {
        let style = self.theme.base.patch(self.theme.style(role));
        self.each_cell(rect, |cell| {
            cell.reset();
            cell.set_style(style);
        });
    }

    /// Patch a role over what is already drawn in a rectangle.
    pub fn overlay(&mut self, rect: Rect, role: Role) {
        let style = self.theme.style(role);
        self.each_cell(rect, |cell| {
            cell.set_style(style);
        });
    }

    /// A horizontal line over the whole width.
    pub fn hline(&mut self, y: u16, role: Role) {
        let glyph = self.theme.glyph(Glyph::Horizontal);
        for x in 0..self.area.width {
            self.text(x, y, 1, &glyph, role);
        }
    }

    /// A vertical line.
    pub fn vline(&mut self, x: u16, role: Role) {
        let glyph = self.theme.glyph(Glyph::Vertical);
        for y in 0..self.area.height {
            self.text(x, y, 1, &glyph, role);
        }
    }

    /// Draw a note field over the whole canvas, with the terminal's cursor in it if it has the focus.
    pub fn note(&mut self, field: &NoteField, focused: bool, role: Role) {
        let Rect { x, y, width, height } = self.area;
        let region = Region { x, y, width, height }.intersection(self.buffer.area);
        if region.is_empty() {
            return;
        }
        let style = self.theme.base.patch(self.theme.style(role));
        let cursor = field.draw(region, self.buffer, style, self.theme.style(Role::Mark));
        if focused {
            *self.cursor = cursor;
        }
    }

    /// Put the terminal's cursor on a cell: every frame ends with it on the focused row or field.
    pub fn set_cursor(&mut self, x: u16, y: u16) {
        if x < self.area.width && y < self.area.height {
            *self.cursor = Some((self.area.x + x, self.area.y + y));
        }
    }

    fn put(&mut self, x: u16, y: u16, symbol: &str, width: u16, style: Style) {
        let at = (self.area.x.saturating_add(x), self.area.y.saturating_add(y));
        if let Some(cell) = self.buffer.cell_mut(at) {
            cell.set_symbol(symbol).set_style(style);
        }
        for trailing in 1..width {
            if let Some(cell) = self.buffer.cell_mut((at.0.saturating_add(trailing), at.1)) {
                cell.set_symbol(" ").set_style(style);
            }
        }
    }

    fn each_cell(&mut self, rect: Rect, mut change: impl FnMut(&mut ratatui::buffer::Cell)) {
        let Rect { x, y, width, height } =
            rect.clip(Rect::new(0, 0, self.area.width, self.area.height));
        for row in y..y + height {
            for column in x..x + width {
                if let Some(cell) = self.buffer.cell_mut((self.area.x + column, self.area.y + row))
                {
                    change(cell);
                }
            }
        }
    }
}
