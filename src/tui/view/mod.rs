//! The screens. Each owns its state, its input and its drawing; all of them read the desk's model and change nothing.

pub mod chips;
pub mod compose;
pub mod detail;
pub mod doc;
pub mod endpoints;
pub mod events;
pub mod history;
pub mod layout;
pub mod list;
pub mod parts;
pub mod prompt;
pub mod queue;
pub mod raw;
pub mod sheet;
pub mod summary;
pub mod triage;

#[cfg(test)]
mod tests;

use crate::tui::action::call::ActionCall;
use crate::tui::contract::View;
use crate::tui::desk_model::DeskModel;
use crate::tui::run::Screens;

/// The screens of the desk, the queue first.
pub fn screens() -> Screens {
    Screens { home: Box::new(queue::QueueView::new()), open }
}

/// Screens that need nothing but their action. The others are opened by the view that knows what they are about.
fn open(_call: &ActionCall, _model: &DeskModel) -> Option<Box<dyn View>> {
    None
}
