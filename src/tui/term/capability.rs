//! What the terminal can show, from the environment alone: it is asked nothing, so it cannot answer late.

use crate::tui::paint::theme::{Depth, GlyphSet};

/// What the environment says about the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// How many colours.
    pub depth: Depth,
    /// Which glyphs.
    pub glyphs: GlyphSet,
    /// Are frames bracketed by synchronised-output marks? Only if `WATCHFLOOR_SYNC=1`: a terminal that does not
    /// know them may print them.
    pub sync: bool,
}

/// `TERM=dumb`, or no `TERM`: the screen cannot be drawn there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this terminal cannot move its cursor (TERM is dumb or unset): use `watchfloor alerts list`"
)]
pub struct DumbTerminal;

/// Read the environment; `variable` looks a name up.
pub fn capability(
    variable: impl Fn(&str) -> Option<String>,
    wanted_glyphs: &str,
) -> Result<Capability, DumbTerminal> {
    let term = variable("TERM").unwrap_or_default();
    if term.is_empty() || term == "dumb" {
        return Err(DumbTerminal);
    }
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
    let utf8 = locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    });
    let ascii = wanted_glyphs == "ascii" || !utf8;
    Ok(Capability {
        depth: depth(&set, &term),
        glyphs: if ascii { GlyphSet::Ascii } else { GlyphSet::Unicode },
        sync: set("WATCHFLOOR_SYNC").as_deref() == Some("1"),
    })
}

fn depth(set: &impl Fn(&str) -> Option<String>, term: &str) -> Depth {
    if set("NO_COLOR").is_some() {
        return Depth::None;
    }
    match set("WATCHFLOOR_COLOR").as_deref() {
        Some("never") => return Depth::None,
        Some("16") => return Depth::Sixteen,
        Some("256") => return Depth::Indexed,
        Some("true") => return Depth::True,
        _ => {}
    }
    if matches!(set("COLORTERM").as_deref(), Some("truecolor" | "24bit")) {
        return Depth::True;
    }
    match term {
        _ if term.contains("direct") => Depth::True,
        _ if term.contains("256color") => Depth::Indexed,
        _ if term.starts_with("vt") || term.ends_with("-mono") || term.ends_with("-m") => {
            Depth::None
        }
        _ => Depth::Sixteen,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(variables: &[(&str, &str)]) -> Result<Capability, DumbTerminal> {
        let find = |name: &str| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, v)| (*v).to_owned())
        };
        capability(find, "unicode")
    }

    #[test]
    fn the_environment_decides() {
        assert_eq!(of(&[("TERM", "dumb")]), Err(DumbTerminal));
        let depth = |variables: &[(&str, &str)]| of(variables).unwrap().depth;
        assert_eq!(depth(&[("TERM", "xterm")]), Depth::Sixteen);
        assert_eq!(depth(&[("TERM", "screen-256color")]), Depth::Indexed);
        assert_eq!(depth(&[("TERM", "xterm"), ("COLORTERM", "truecolor")]), Depth::True);
        assert_eq!(depth(&[("TERM", "xterm-256color"), ("NO_COLOR", "1")]), Depth::None);
        assert_eq!(depth(&[("TERM", "vt100")]), Depth::None);
        let glyphs = |locale| of(&[("TERM", "xterm"), ("LANG", locale)]).unwrap().glyphs;
        assert_eq!(glyphs("en_US.UTF-8"), GlyphSet::Unicode);
        assert_eq!(glyphs("C"), GlyphSet::Ascii);
    }
}
