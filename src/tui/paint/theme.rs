//! A theme as the canvas uses it: one style a role, one text a glyph, for one colour depth.

use std::collections::HashMap;

use ratatui::style::{Modifier, Style};

use crate::tui::paint::role::{Glyph, Role};
use crate::tui::paint::safe::SafeText;

/// How many colours the terminal shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Depth {
    /// No colour: attributes only.
    None,
    /// The terminal's own sixteen.
    Sixteen,
    /// The 256-colour table.
    #[default]
    Indexed,
    /// 24-bit.
    True,
}

/// Which glyphs to draw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum GlyphSet {
    /// Unicode, every glyph as wide as its ASCII form.
    #[default]
    Unicode,
    /// Bytes 20 to 7E only.
    Ascii,
}

/// Looks of every role.
#[derive(Clone, Debug)]
pub struct Theme {
    pub(super) name: String,
    pub(super) base: Style,
    pub(super) styles: HashMap<Role, Style>,
    pub(super) glyphs: HashMap<Glyph, SafeText>,
}

impl Theme {
    /// A theme without colours, for terminals without them and for tests.
    pub fn plain(set: GlyphSet) -> Theme {
        let mut styles = HashMap::new();
        for (role, modifier) in [
            (Role::RowCursor, Modifier::REVERSED),
            (Role::Mark, Modifier::REVERSED),
            (Role::TextStrong, Modifier::BOLD),
            (Role::RowMarked, Modifier::UNDERLINED),
            (Role::TabActive, Modifier::REVERSED),
        ] {
            styles.insert(role, Style::new().add_modifier(modifier));
        }
        Theme { name: "plain".to_owned(), base: Style::new(), styles, glyphs: builtin_glyphs(set) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The style of a role (patched over what is there).
    pub(super) fn style(&self, role: Role) -> Style {
        self.styles.get(&role).copied().unwrap_or_default()
    }

    /// The glyph's text.
    pub fn glyph(&self, glyph: Glyph) -> SafeText {
        self.glyphs.get(&glyph).cloned().unwrap_or_else(|| SafeText::label(glyph.ascii()))
    }
}

/// The glyphs before a theme file changes any.
pub(super) fn builtin_glyphs(set: GlyphSet) -> HashMap<Glyph, SafeText> {
    Glyph::ALL
        .iter()
        .map(|glyph| {
            let text = match set {
                GlyphSet::Unicode => glyph.unicode(),
                GlyphSet::Ascii => glyph.ascii(),
            };
            (*glyph, SafeText::label(text))
        })
        .collect()
}
