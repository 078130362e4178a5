//! The tree of an endpoint's processes.

use std::collections::BTreeSet;

use crate::model::endpoint_view::EndpointView;
use crate::model::process_tree::Process;
use crate::tui::paint::canvas::Canvas;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::list::ListCursor;
use crate::tui::view::times::Times;
use crate::tui::view::tree;

/// The lines whose parents are not folded.
pub(super) fn shown<'a>(all: &'a [Process], folded: &BTreeSet<String>) -> Vec<&'a Process> {
    let mut below: Option<usize> = None;
    let visible = |process: &&Process| {
        if below.is_some_and(|depth| process.depth > depth) {
            return false;
        }
        below = folded.contains(&process.key).then_some(process.depth);
        true
    };
    all.iter().filter(visible).collect()
}

/// The tab.
pub(super) fn draw(
    view: &EndpointView,
    folded: &BTreeSet<String>,
    cursor: &ListCursor,
    times: Times,
    canvas: &mut Canvas<'_>,
) {
    let width = canvas.width();
    canvas.text(1, 0, width, &SafeText::line(&view.starts_words()), Role::TextDim);
    if view.processes.is_empty() {
        return;
    }
    canvas.text(0, 1, width, &tree::titles(width, times), Role::TextDim);
    let shown = shown(&view.processes, folded);
    cursor.draw(canvas, 2, shown.len(), |place, y, canvas| {
        let Some(process) = shown.get(place) else { return };
        let mut x = 1;
        for (text, role) in
            tree::line(process, folded.contains(&process.key), width.saturating_sub(1), times)
        {
            x += canvas.text(x, y, width.saturating_sub(x), &text, role);
        }
    });
}
