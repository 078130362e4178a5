//! The screens. Each owns its state, its input and its drawing; all of them read the desk's model and change nothing.

pub mod chips;
pub mod compose;
pub mod detail;
pub mod doc;
pub mod endpoint;
pub mod endpoints;
pub mod events;
pub mod feedback;
pub mod graph;
pub mod history;
pub mod layout;
pub mod list;
pub mod parts;
pub mod prompt;
pub mod queue;
pub mod raw;
pub mod sheet;
pub mod story;
pub mod summary;
pub mod times;
pub mod tree;
pub mod triage;
pub mod what_if;
pub mod why;

#[cfg(test)]
mod tests;
