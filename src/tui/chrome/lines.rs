//! The two rows of the loop: what happened and what can be undone; which keys work here. And the box that shows
//! how a half-typed chord may go on.

use crate::stdx::time::SECOND_US;
use crate::tui::contract::Tone;
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::overlay;
use crate::tui::keys::keymap::Hint;
use crate::tui::paint::canvas::{Canvas, Rect};
use crate::tui::paint::format;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;

/// What the status line shows besides the model.
pub struct StatusParts<'a> {
    /// The last message.
    pub said: Option<&'a (SafeText, Tone)>,
    /// The half-typed chord.
    pub chord: SafeText,
    /// The top view's words about its place.
    pub position: SafeText,
    /// Extra figures, if the analyst asked for them.
    pub figures: Option<SafeText>,
}

/// Draw the status line: left the chord, the undo countdown or the message; right the ledger and the place.
pub fn status(canvas: &mut Canvas<'_>, y: u16, model: &DeskModel, parts: &StatusParts<'_>) {
    canvas.fill_row(y, Role::Status);
    let width = canvas.width();
    let left = left_parts(model, parts);
    let used: usize = left.iter().map(|(text, _)| text.width() + 3).sum();
    let room = usize::from(width).saturating_sub(used + 2).max(usize::from(width / 3));
    let ledger = parts.figures.clone().unwrap_or_else(|| ledger_text(model));
    let mut right = SafeText::default();
    for part in [&ledger, &parts.position].into_iter().filter(|part| !part.is_empty()) {
        if !right.is_empty() {
            right.push_label(" | ");
        }
        right.push(part);
    }
    // What was said and where the cursor is come before the ledger when there is no room for all.
    if right.width() > room && used > 0 && parts.figures.is_none() {
        right = parts.position.clone();
    }
    let shown = right.truncated(room);
    let start = canvas.text_right(width.saturating_sub(1), y, &shown, Role::Status);
    let room = start.saturating_sub(1);
    let mut x = 1;
    if !parts.chord.is_empty() {
        x += canvas.text(x, y, room, &parts.chord, Role::Key);
        x += canvas.label(x, y, " ...  ", Role::Status);
    }
    for (text, role) in left {
        if x > 1 && x + 3 < room {
            x += canvas.label(x, y, " | ", Role::Status);
        }
        x += canvas.text(x, y, room.saturating_sub(x), &text, role);
    }
}

fn left_parts(model: &DeskModel, parts: &StatusParts<'_>) -> Vec<(SafeText, Role)> {
    let mut all = Vec::new();
    if let Some((text, tone)) = parts.said {
        let role = match tone {
            Tone::Plain => Role::Status,
            Tone::Warning | Tone::Error => Role::StatusError,
        };
        all.push((text.clone(), role));
    }
    if let Some(entry) = model.journal().newest_pending() {
        let left = (entry.deadline.micros_since(model.now()) + SECOND_US - 1) / SECOND_US;
        let count = match entry.targets.len() {
            0 | 1 => String::new(),
            many => format!(" on {many} alerts"),
        };
        let text = format!("undo: {}{count} (u, {left}s)", overlay::describe(&entry.action));
        all.push((SafeText::line(&text), Role::StatusUndo));
    }
    if !model.marks().is_empty() {
        let hidden = model.hidden_marks();
        let mut text = format!("{} marked", model.marks().len());
        if hidden > 0 {
            text.push_str(&format!(", {hidden} hidden by filter"));
        }
        all.push((SafeText::line(&text), Role::Status));
    }
    all
}

/// The ledger over all sources in a few words.
fn ledger_text(model: &DeskModel) -> SafeText {
    if model.live().status().is_none() {
        return SafeText::default();
    }
    let ledger = model.live().ledger();
    let mut text = format::count(ledger.received);
    text.push_label(" in ").push(&format::count(ledger.stored)).push_label(" kept");
    for (count, label) in [
        (ledger.rejected, " rejected"),
        (ledger.duplicate, " repeated"),
        (ledger.shed, " shed"),
        (ledger.in_flight, " in flight"),
    ] {
        if count > 0 {
            text.push_label(" ").push(&format::count(count)).push_label(label);
        }
    }
    if !ledger.balances() {
        text.push_label(" (books do not balance)");
    }
    text
}

/// Draw the hint line: whole entries that fit, best first, the last always help.
pub fn hints(canvas: &mut Canvas<'_>, y: u16, hints: &[(Hint, bool)], help: &SafeText) {
    canvas.fill_row(y, Role::Hint);
    let width = usize::from(canvas.width());
    let tail = help.width() + 8;
    let mut x = 1;
    for (hint, available) in hints {
        let (key, text) = (SafeText::line(&hint.key), SafeText::line(&hint.text));
        let wide = key.width() + text.width() + 3;
        if usize::from(x) + wide + tail > width {
            break;
        }
        let roles = if *available {
            (Role::Key, Role::Hint)
        } else {
            (Role::HintUnavailable, Role::HintUnavailable)
        };
        x += canvas.text(x, y, u16::MAX, &key, roles.0) + 1;
        x += canvas.text(x, y, u16::MAX, &text, roles.1) + 2;
    }
    if !help.is_empty() {
        x += canvas.text(x, y, u16::MAX, help, Role::Key) + 1;
        canvas.label(x, y, "help", Role::Hint);
    }
}

/// Draw the box with the continuations of a half-typed chord, over the lowest rows.
pub fn continuations(canvas: &mut Canvas<'_>, title: &SafeText, hints: &[(Hint, bool)]) {
    const CELL: u16 = 38;
    let columns = (canvas.width() / CELL).max(1);
    let count = u16::try_from(hints.len()).unwrap_or(u16::MAX);
    let rows = count.div_ceil(columns);
    let height = rows.saturating_add(1).min(canvas.height());
    let top = canvas.height() - height;
    let mut dialog = canvas.sub(Rect::new(0, top, canvas.width(), height));
    let width = dialog.width();
    dialog.fill(Rect::new(0, 0, width, height), Role::Dialog);
    dialog.text(1, 0, width, title, Role::DialogTitle);
    for (index, (hint, available)) in (0..count).zip(hints) {
        let (x, y) = (index / rows.max(1) * CELL + 2, index % rows.max(1) + 1);
        let role = if *available { Role::Dialog } else { Role::HintUnavailable };
        let used = dialog.text(x, y, 8, &SafeText::line(&hint.key), Role::Key);
        dialog.text(x + used + 1, y, CELL - used - 3, &SafeText::line(&hint.text), role);
    }
}
