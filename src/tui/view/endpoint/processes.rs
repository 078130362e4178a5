//! The tree of an endpoint's processes.

use crate::model::endpoint_view::EndpointView;
use crate::tui::paint::canvas::Canvas;
use crate::tui::paint::role::{Glyph, Role};
use crate::tui::paint::safe::SafeText;
use crate::tui::view::list::ListCursor;
use crate::tui::view::tree;

/// The tab.
pub(super) fn draw(view: &EndpointView, cursor: &ListCursor, canvas: &mut Canvas<'_>) {
    let width = canvas.width();
    canvas.text(1, 0, width, &SafeText::line(&view.starts_words()), Role::TextDim);
    if view.processes.is_empty() {
        return;
    }
    canvas.text(0, 1, width, &tree::titles(width), Role::TextDim);
    let height = usize::from(canvas.height().saturating_sub(2));
    let top = cursor.top(view.processes.len(), height);
    for (index, process) in view.processes.iter().enumerate().skip(top).take(height) {
        let y = 2 + u16::try_from(index - top).unwrap_or(0);
        if index == cursor.at() {
            canvas.fill_row(y, Role::RowCursor);
            canvas.glyph(0, y, Glyph::Cursor, Role::RowCursor);
            canvas.set_cursor(0, y);
        }
        let mut x = 1;
        for (text, role) in tree::line(process, width.saturating_sub(1)) {
            x += canvas.text(x, y, width.saturating_sub(x), &text, role);
        }
    }
}
