//! What every screen shares: the status line, the hint line, the box of a half-typed chord, the palette with help,
//! the command line, the question before a broad action.

pub mod command;
pub mod confirm;
pub mod entries;
pub mod lines;
pub mod picker;
