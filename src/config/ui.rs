//! `[ui]`: the desk.

use std::path::PathBuf;

use crate::config::reader::Reader;

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

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> UiConfig {
    let theme = reader.text("ui.theme", "dark", "`dark` or `mono`, or the path of a theme file.");
    let keymap = reader.optional_text("ui.keymap", "A keymap file to lay over the built-in one.");
    let glyphs = [("unicode", "unicode"), ("ascii", "ascii")];
    let glyphs = reader.choice("ui.glyphs", "unicode", &glyphs, "`unicode` or `ascii`.");
    UiConfig {
        theme,
        keymap: keymap.map(PathBuf::from),
        glyphs: glyphs.unwrap_or("unicode").to_owned(),
    }
}
