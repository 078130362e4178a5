//! What the desk knows, apart from the terminal: rows, marks, filter, pending actions, the last status.

use crate::stdx::time::Timestamp;
use crate::tui::contract::{Effect, Msg};

/// What views read.
#[derive(Debug, Default)]
pub struct DeskModel {
    /// Now, by the loop's clock, set before every update and draw.
    pub now: Timestamp,
}

/// A change of the model that a view asks for.
#[derive(Clone, Debug, PartialEq)]
pub enum Edit {}

impl DeskModel {
    /// Ask for what the first screen shows.
    pub fn start(&mut self) -> Vec<Effect> {
        Vec::new()
    }

    /// Take a message in before the views see it.
    pub fn receive(&mut self, _message: &Msg) -> Vec<Effect> {
        Vec::new()
    }

    /// Apply a change that a view asked for.
    pub fn apply(&mut self, edit: Edit) -> Vec<Effect> {
        match edit {}
    }

    /// When something that is visible changes by itself next (an undo countdown), if anything does.
    pub fn next_tick(&self) -> Option<Timestamp> {
        None
    }
}
