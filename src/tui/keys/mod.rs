//! Keys: names, chords, the keymap file, its checks, and the resolver.

pub mod check;
pub mod file;
pub mod key;
pub mod keymap;
pub mod line_edit;
pub mod resolve;
