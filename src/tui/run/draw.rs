//! Drawing the whole screen: the views, and the two rows of the loop under them.

use std::time::Instant;

use crate::tui::action::ActionId;
use crate::tui::chrome::lines::{self, StatusParts};
use crate::tui::keys::key::chord_name;
use crate::tui::keys::keymap::Hint;
use crate::tui::paint::canvas::{Canvas, Rect};
use crate::tui::paint::safe::SafeText;
use crate::tui::run::app::App;

/// Rows from which there is a line of hints.
const HINT_ROWS_MIN: u16 = 8;
/// Rows from which there is a status line.
const STATUS_ROWS_MIN: u16 = 3;

impl App {
    /// Draw everything.
    pub fn paint(&self, canvas: &mut Canvas<'_>, now: Instant) {
        let (width, height) = (canvas.width(), canvas.height());
        let hint_rows = u16::from(self.hints_on && height >= HINT_ROWS_MIN);
        let status_rows = u16::from(height >= STATUS_ROWS_MIN);
        let body = height - hint_rows - status_rows;
        {
            let mut body = canvas.sub(Rect::new(0, 0, width, body));
            let below = self.stack.iter().rposition(|view| !view.overlay()).unwrap_or(0);
            for view in self.stack.iter().skip(below) {
                view.render(&self.model, &mut body);
            }
            if self.chord_box(now) {
                self.paint_chord(&mut body);
            }
        }
        if status_rows > 0 {
            let parts = StatusParts {
                said: self.said.as_ref(),
                chord: SafeText::line(&chord_name(self.resolver.pending())),
                position: self.position(),
                figures: self.figures_on.then(|| self.figures.clone()),
            };
            lines::status(canvas, body, &self.model, &parts);
        }
        if hint_rows > 0 {
            self.paint_hints(canvas, height - 1);
        }
    }

    fn position(&self) -> SafeText {
        let Some(view) = self.stack.last() else { return SafeText::default() };
        let mut text = SafeText::label(view.context());
        let place = view.position(&self.model);
        if !place.is_empty() {
            text.push_label(" | ").push(&place);
        }
        text
    }

    fn paint_hints(&self, canvas: &mut Canvas<'_>, y: u16) {
        let context = self.context();
        let hints = self.keymap.hints(context, |fact| App::fact(&self.model, fact));
        let help = self.keymap.chord_of_action(context, ActionId::HelpContext).unwrap_or_default();
        lines::hints(canvas, y, &self.judged(hints), &SafeText::line(&help));
    }

    fn paint_chord(&self, canvas: &mut Canvas<'_>) {
        let (context, pending) = (self.context(), self.resolver.pending());
        let title = self.keymap.menu_title(context, pending).unwrap_or("").to_owned();
        let title = SafeText::line(&format!("{title}  {} ...   esc drops it", chord_name(pending)));
        let hints = self.judged(self.keymap.continuations(context, pending));
        lines::continuations(canvas, &title, &hints);
    }

    /// Hints with whether their action is possible now.
    fn judged(&self, hints: Vec<Hint>) -> Vec<(Hint, bool)> {
        hints
            .into_iter()
            .map(|hint| {
                let possible =
                    hint.call.as_ref().is_none_or(|call| self.unavailable(call).is_none());
                (hint, possible)
            })
            .collect()
    }
}
