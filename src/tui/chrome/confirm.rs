//! The question before a broad action. It opens with the focus on No; enter means No; keys typed ahead are ignored.

use crate::stdx::time::Timestamp;
use crate::tui::action::ActionId;
use crate::tui::contract::{Confirm, Effect, Input, Tone, View};
use crate::tui::desk_model::DeskModel;
use crate::tui::paint::canvas::{Canvas, Rect};
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;

/// Keys that arrive this soon after the question were meant for something else.
const TYPE_AHEAD_US: i64 = 300_000;

/// The question.
pub struct Question {
    confirm: Confirm,
    opened: Timestamp,
}

impl Question {
    /// Ask.
    pub fn new(confirm: Confirm, now: Timestamp) -> Question {
        Question { confirm, opened: now }
    }
}

impl View for Question {
    fn context(&self) -> &'static str {
        "confirm"
    }

    fn update(&mut self, input: &Input<'_>, model: &DeskModel) -> Option<Vec<Effect>> {
        let Input::Action(call) = input else { return None };
        if model.now().micros_since(self.opened) < TYPE_AHEAD_US {
            return Some(Vec::new());
        }
        match call.id {
            ActionId::ConfirmYes => {
                let mut effects = vec![Effect::Pop];
                effects.append(&mut self.confirm.yes);
                Some(effects)
            }
            ActionId::ConfirmNo | ActionId::ConfirmDefault | ActionId::NavBack => Some(vec![
                Effect::Pop,
                Effect::Say(SafeText::label("nothing was done"), Tone::Plain),
            ]),
            ActionId::ConfirmExplain | ActionId::HelpContext => Some(vec![Effect::Say(
                SafeText::label("y does what is written here; enter, n, q and esc do nothing"),
                Tone::Plain,
            )]),
            _ => Some(Vec::new()),
        }
    }

    fn render(&self, _model: &DeskModel, canvas: &mut Canvas<'_>) {
        let lines = self
            .confirm
            .lines
            .iter()
            .flat_map(|line| line.wrapped(usize::from(canvas.width().saturating_sub(4))));
        let lines: Vec<SafeText> = lines.collect();
        let wanted = u16::try_from(lines.len()).unwrap_or(u16::MAX).saturating_add(4);
        let height = wanted.min(canvas.height());
        let top = canvas.height() - height;
        let mut dialog = canvas.sub(Rect::new(0, top, canvas.width(), height));
        let (width, height) = (dialog.width(), dialog.height());
        dialog.fill(Rect::new(0, 0, width, height), Role::Dialog);
        dialog.hline(0, Role::Rule);
        dialog.text(2, 1, width.saturating_sub(4), &self.confirm.title, Role::DialogDanger);
        let room = height.saturating_sub(3);
        for (y, line) in (2..room.saturating_add(2)).zip(&lines) {
            dialog.text(2, y, width.saturating_sub(4), line, Role::Dialog);
        }
        let y = height.saturating_sub(1);
        let mut x = 2;
        x += dialog.label(x, y, "[No]", Role::FieldChosen);
        dialog.set_cursor(2, y);
        x += dialog.label(x, y, " enter  ", Role::TextDim);
        x += dialog.label(x, y, "y", Role::Key);
        dialog.label(x, y, " yes", Role::Dialog);
    }

    fn overlay(&self) -> bool {
        true
    }
}
