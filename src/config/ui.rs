//! `[ui]`: the desk.

use std::path::PathBuf;

/// How the desk looks and listens.
#[derive(Clone, Debug, PartialEq)]
pub struct UiConfig {
    /// `dark` or `mono`, or the path of a theme file.
    pub theme: String,
    /// A keymap file to lay over the built-in one.
    pub keymap: Option<PathBuf>,
    /// `unicode` or `ascii`.
    pub glyphs: String,
}

impl Default for UiConfig {
    fn default() -> UiConfig {
        UiConfig { theme: "dark".to_owned(), keymap: None, glyphs: "unicode".to_owned() }
    }
}
