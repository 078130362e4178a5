//! Keys: names, chords, the keymap file, its checks, and the resolver.

pub mod key;
pub mod line_edit;
