//! Painting: the only folder that names `ratatui::{text, buffer, widgets}`. Views reach the screen through
//! [`canvas::Canvas`] and can hand it nothing but [`safe::SafeText`], numbers and `'static` labels.

pub mod canvas;
pub mod chars;
pub mod format;
pub mod note;
pub mod role;
pub mod safe;
pub mod screen;
pub mod theme;
pub mod theme_file;
