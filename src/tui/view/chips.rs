//! The filter chips one by one: switch off and on, change, remove.

use crate::tui::action::ActionId;
use crate::tui::contract::{Effect, Input, View};
use crate::tui::desk_model::DeskModel;
use crate::tui::desk_model::edit::{Edit, Filter};
use crate::tui::paint::canvas::{Canvas, Rect};
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;
use crate::tui::view::list::ListCursor;
use crate::tui::view::parts::draw_rule;
use crate::tui::view::prompt::{Asked, Prompt};
use crate::tui::view::triage;

/// The list of chips, over the queue.
#[derive(Debug, Default)]
pub struct ChipsView {
    cursor: ListCursor,
}

impl View for ChipsView {
    fn context(&self) -> &'static str {
        "chips"
    }

    fn overlay(&self) -> bool {
        true
    }

    fn update(&mut self, input: &Input<'_>, model: &DeskModel) -> Option<Vec<Effect>> {
        let Input::Action(call) = input else { return None };
        let chips = model.chips();
        // The last row adds a chip.
        let rows = chips.len() + 1;
        if self.cursor.act(call.id, rows) {
            return Some(Vec::new());
        }
        let at = self.cursor.at();
        let change = |filter| vec![Effect::Edit(Edit::Filter(filter)), triage::follow()];
        Some(match call.id {
            ActionId::MarkToggle if at < chips.len() => change(Filter::Toggle(at)),
            ActionId::FilterRemove if at < chips.len() => change(Filter::Remove(at)),
            ActionId::FilterToggleAll => change(Filter::ToggleAll),
            ActionId::FilterAdd => vec![Effect::Push(Box::new(Prompt::new(Asked::NewChip)))],
            ActionId::OpenSelected => match chips.get(at) {
                Some(chip) => {
                    let prompt = Prompt::with(Asked::Chip { index: at }, chip.text());
                    vec![Effect::Push(Box::new(prompt))]
                }
                None => vec![Effect::Push(Box::new(Prompt::new(Asked::NewChip)))],
            },
            ActionId::NavCancel | ActionId::FilterEdit => vec![Effect::Pop],
            _ => return None,
        })
    }

    fn render(&self, model: &DeskModel, canvas: &mut Canvas<'_>) {
        let chips = model.chips();
        let (width, height) = (canvas.width(), canvas.height());
        let wanted = u16::try_from(chips.len() + 2).unwrap_or(u16::MAX);
        let rows = wanted.min(height);
        let mut canvas = canvas.sub(Rect::new(0, height - rows, width, rows));
        canvas.fill(Rect::new(0, 0, width, rows), Role::Dialog);
        let title = SafeText::label("filter: every chip that is on must match");
        draw_rule(&mut canvas, 0, &title, Role::DialogTitle);
        self.cursor.draw(&mut canvas, 1, chips.len() + 1, |index, y, canvas| {
            let Some(chip) = chips.get(index) else {
                canvas.label(2, y, "+ add a chip", Role::TextDim);
                return;
            };
            let label = if chip.is_on() { "[x] " } else { "[ ] " };
            let role = if chips.works(index) { Role::Chip } else { Role::ChipOff };
            let x = 2 + canvas.label(2, y, label, role);
            canvas.text(x, y, width.saturating_sub(x), &SafeText::line(chip.text()), role);
        });
    }
}
