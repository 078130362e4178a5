//! Theme files: a palette with one value per colour depth, roles by longest prefix, glyphs in two sets. A bad line
//! is named and left out; a theme always comes out.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use ratatui::style::{Color, Modifier, Style};
use toml::de::{DeTable, DeValue};

use crate::tui::paint::role::{Glyph, Role};
use crate::tui::paint::safe::SafeText;
use crate::tui::paint::theme::{Depth, GlyphSet, Theme, builtin_glyphs};

/// The themes that come with the program: (name, text).
pub const THEMES: [(&str, &str); 2] = [
    ("dark", include_str!("../../../themes/dark.toml")),
    ("mono", include_str!("../../../themes/mono.toml")),
];

/// Bytes of a theme file that are read.
const THEME_BYTES_MAX: usize = 256 * 1_024;

/// Something wrong in a theme file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ThemeProblem {
    /// The file as the user named it.
    pub file: Arc<str>,
    /// The line, from 1.
    pub line: u32,
    /// What is wrong. Lower case, no full stop.
    pub message: String,
}

impl std::fmt::Display for ThemeProblem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}: {}", self.file, self.line, self.message)
    }
}

/// Looks of one role as written.
#[derive(Clone, Debug, Default)]
struct Entry {
    fg: Option<String>,
    bg: Option<String>,
    mods: Modifier,
    /// Instead of `mods` where there is no colour.
    mono: Option<Modifier>,
    /// Besides `mods` where there are sixteen colours.
    sixteen: Modifier,
}

/// A theme file as written.
#[derive(Clone, Debug)]
pub struct ThemeFile {
    /// Its name.
    pub name: String,
    /// What is wrong with it.
    pub problems: Vec<ThemeProblem>,
    palette: BTreeMap<String, [Color; 3]>,
    roles: BTreeMap<String, Entry>,
    glyphs: BTreeMap<&'static str, (Glyph, String, String)>,
}

impl ThemeFile {
    /// Read a theme by its built-in name, or from a text that stands in `file`.
    pub fn parse(file: &str, text: &str) -> ThemeFile {
        let mut reader = Reader {
            file: Arc::from(file),
            text,
            out: ThemeFile {
                name: file.to_owned(),
                problems: Vec::new(),
                palette: BTreeMap::new(),
                roles: BTreeMap::new(),
                glyphs: BTreeMap::new(),
            },
        };
        if text.len() > THEME_BYTES_MAX {
            reader.problem(0, format!("larger than {THEME_BYTES_MAX} bytes: not read"));
            return reader.out;
        }
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let at = error.span().map_or(0, |span| span.start);
            reader.problem(at, error.message().replace('\n', " "));
        }
        reader.top(table.get_ref());
        reader.missing();
        reader.out.problems.sort_by_key(|problem| problem.line);
        reader.out
    }

    /// The built-in theme of this name.
    pub fn builtin(name: &str) -> Option<ThemeFile> {
        THEMES
            .iter()
            .find(|(known, _)| *known == name)
            .map(|(name, text)| ThemeFile::parse(name, text))
    }

    /// The theme for a terminal.
    pub fn theme(&self, depth: Depth, set: GlyphSet) -> Theme {
        let mut styles = HashMap::new();
        for role in Role::ALL {
            if let Some(entry) = self.entry(role.name()) {
                styles.insert(*role, self.style(entry, depth));
            }
        }
        let mut glyphs = builtin_glyphs(set);
        for (glyph, unicode, ascii) in self.glyphs.values() {
            let text = if set == GlyphSet::Unicode { unicode } else { ascii };
            glyphs.insert(*glyph, SafeText::line(text));
        }
        Theme { name: self.name.clone(), base: Style::new(), styles, glyphs }
    }

    /// The entry with the longest name that is the role's or a prefix of it.
    fn entry(&self, role: &str) -> Option<&Entry> {
        let mut name = role;
        loop {
            if let Some(entry) = self.roles.get(name) {
                return Some(entry);
            }
            (name, _) = name.rsplit_once('.')?;
        }
    }

    fn style(&self, entry: &Entry, depth: Depth) -> Style {
        let mut style = Style::new();
        match depth {
            Depth::None => return style.add_modifier(entry.mono.unwrap_or(entry.mods)),
            Depth::Sixteen => style = style.add_modifier(entry.sixteen),
            Depth::Indexed | Depth::True => {}
        }
        let column = match depth {
            Depth::True => 0,
            Depth::Indexed => 1,
            Depth::Sixteen | Depth::None => 2,
        };
        let color = |name: &Option<String>| {
            let values = self.palette.get(name.as_ref()?)?;
            values.get(column).copied().filter(|color| *color != Color::Reset)
        };
        style.fg = color(&entry.fg);
        style.bg = color(&entry.bg);
        style.add_modifier(entry.mods)
    }
}

struct Reader<'a> {
    file: Arc<str>,
    text: &'a str,
    out: ThemeFile,
}

impl Reader<'_> {
    fn problem(&mut self, at: usize, message: String) {
        let head = self.text.as_bytes().get(..at.min(self.text.len())).unwrap_or_default();
        let line = head.iter().filter(|byte| **byte == b'\n').count() + 1;
        let line = u32::try_from(line).unwrap_or(u32::MAX);
        self.out.problems.push(ThemeProblem { file: Arc::clone(&self.file), line, message });
    }

    fn top(&mut self, table: &DeTable<'_>) {
        for (key, value) in table {
            let at = key.span().start;
            match (key.get_ref().as_ref(), value.get_ref()) {
                ("schema" | "mode", _) => {}
                ("name", DeValue::String(name)) => self.out.name = name.to_string(),
                ("palette", DeValue::Table(palette)) => self.palette(palette),
                ("glyphs", DeValue::Table(glyphs)) => self.glyphs(glyphs),
                ("role", DeValue::Table(_)) => {}
                (other, _) => self.problem(at, format!("unknown key {other}")),
            }
        }
        for (key, value) in table {
            if let ("role", DeValue::Table(roles)) = (key.get_ref().as_ref(), value.get_ref()) {
                self.roles(roles);
            }
        }
    }

    fn palette(&mut self, palette: &DeTable<'_>) {
        for (key, value) in palette {
            let at = key.span().start;
            let columns: Vec<Option<Color>> = value
                .get_ref()
                .as_array()
                .map(|items| items.iter().map(|item| color(item.get_ref())).collect())
                .unwrap_or_default();
            match columns.as_slice() {
                [Some(full), Some(indexed), Some(sixteen)] => {
                    let colors = [*full, *indexed, *sixteen];
                    self.out.palette.insert(key.get_ref().to_string(), colors);
                }
                _ => self.problem(at, format!(
                    "{} needs three colours: [\"#rrggbb\", 0-255, \"bright-red\"], \"default\" anywhere",
                    key.get_ref()
                )),
            }
        }
    }

    fn glyphs(&mut self, glyphs: &DeTable<'_>) {
        for (key, value) in glyphs {
            let at = key.span().start;
            let name = key.get_ref().as_ref();
            let Some(glyph) = Glyph::ALL.iter().find(|glyph| glyph.name() == name) else {
                self.problem(at, format!("unknown glyph {name}"));
                continue;
            };
            let form = |set: &str| {
                let table = value.get_ref().as_table()?;
                let (_, value) = table.iter().find(|(key, _)| key.get_ref().as_ref() == set)?;
                value.get_ref().as_str().map(str::to_owned)
            };
            let unicode = form("unicode").unwrap_or_else(|| glyph.unicode().to_owned());
            let ascii = form("ascii").unwrap_or_else(|| glyph.ascii().to_owned());
            let wide = SafeText::line(glyph.ascii()).width();
            let fits = |text: &SafeText| text.width() == wide && !text.altered();
            if !fits(&SafeText::line(&unicode))
                || !fits(&SafeText::line(&ascii))
                || !ascii.is_ascii()
            {
                self.problem(
                    at,
                    format!("{name} must be {wide} wide in both sets, and ascii in ascii"),
                );
                continue;
            }
            self.out.glyphs.insert(glyph.name(), (*glyph, unicode, ascii));
        }
    }

    fn roles(&mut self, roles: &DeTable<'_>) {
        for (key, value) in roles {
            let at = key.span().start;
            let name = key.get_ref().as_ref();
            let known = |role: &&Role| {
                role.name() == name
                    || role.name().strip_prefix(name).is_some_and(|rest| rest.starts_with('.'))
            };
            if !Role::ALL.iter().any(|role| known(&role)) {
                let near = Role::ALL
                    .iter()
                    .map(|role| role.name())
                    .min_by_key(|known| strsim::damerau_levenshtein(name, known));
                let near = near.unwrap_or("");
                self.problem(at, format!("unknown role {name}: did you mean {near}?"));
                continue;
            }
            let DeValue::Table(table) = value.get_ref() else {
                self.problem(
                    at,
                    format!("{name} is a table: {{ fg = \"name\", mods = [\"bold\"] }}"),
                );
                continue;
            };
            let entry = self.role(table);
            self.out.roles.insert(name.to_owned(), entry);
        }
    }

    fn role(&mut self, table: &DeTable<'_>) -> Entry {
        let mut entry = Entry::default();
        for (key, value) in table {
            let at = key.span().start;
            match (key.get_ref().as_ref(), value.get_ref()) {
                (side @ ("fg" | "bg"), DeValue::String(name)) => {
                    if !self.out.palette.contains_key(name.as_ref()) {
                        self.problem(at, format!("{name} is not in the palette"));
                    }
                    let slot = if side == "fg" { &mut entry.fg } else { &mut entry.bg };
                    *slot = Some(name.to_string());
                }
                ("mods", value) => entry.mods = self.modifiers(at, value),
                ("mono", value) => entry.mono = Some(self.modifiers(at, value)),
                ("sixteen", value) => entry.sixteen = self.modifiers(at, value),
                (other, _) => {
                    self.problem(at, format!("unknown key {other}: fg, bg, mods, mono or sixteen"));
                }
            }
        }
        entry
    }

    fn modifiers(&mut self, at: usize, value: &DeValue<'_>) -> Modifier {
        let mut all = Modifier::empty();
        let items = value.as_array().map(|items| items.iter()).into_iter().flatten();
        for item in items {
            all |= match item.get_ref().as_str() {
                Some("bold") => Modifier::BOLD,
                Some("dim") => Modifier::DIM,
                Some("italic") => Modifier::ITALIC,
                Some("underline") => Modifier::UNDERLINED,
                Some("reverse") => Modifier::REVERSED,
                Some("strike") => Modifier::CROSSED_OUT,
                _ => {
                    let known = "bold, dim, italic, underline, reverse or strike";
                    self.problem(at, format!("an attribute is {known}"));
                    continue;
                }
            };
        }
        all
    }

    /// Roles without looks, and a cursor or a mark that no attribute shows where there is no colour.
    fn missing(&mut self) {
        let missing: Vec<&str> = Role::ALL
            .iter()
            .map(|role| role.name())
            .filter(|name| self.out.entry(name).is_none())
            .collect();
        if !missing.is_empty() {
            self.problem(0, format!("no looks for {}", missing.join(", ")));
        }
        for (role, name) in [(Role::RowCursor, "row.cursor"), (Role::Mark, "text.untrusted.mark")] {
            let theme = self.out.theme(Depth::None, GlyphSet::Ascii);
            if theme.style(role).add_modifier.is_empty() {
                self.problem(
                    0,
                    format!("{name} cannot be seen without colour: give it mods or mono"),
                );
            }
        }
    }
}

fn color(value: &DeValue<'_>) -> Option<Color> {
    if let Some(number) = value.as_integer() {
        return number.as_str().parse().ok().map(Color::Indexed);
    }
    let text = value.as_str()?;
    if let Some(digits) = text.strip_prefix('#').filter(|digits| digits.len() == 6) {
        let number = u32::from_str_radix(digits, 16).ok()?;
        let [_, red, green, blue] = number.to_be_bytes();
        return Some(Color::Rgb(red, green, blue));
    }
    Some(match text {
        "default" => Color::Reset,
        "black" => Color::Black,
        "red" => Color::Red,
        "green" => Color::Green,
        "yellow" => Color::Yellow,
        "blue" => Color::Blue,
        "magenta" => Color::Magenta,
        "cyan" => Color::Cyan,
        "white" => Color::Gray,
        "bright-black" => Color::DarkGray,
        "bright-red" => Color::LightRed,
        "bright-green" => Color::LightGreen,
        "bright-yellow" => Color::LightYellow,
        "bright-blue" => Color::LightBlue,
        "bright-magenta" => Color::LightMagenta,
        "bright-cyan" => Color::LightCyan,
        "bright-white" => Color::White,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn shipped_themes_are_clean_and_differ_by_depth_only_in_colour() {
        for (name, _) in THEMES {
            let file = ThemeFile::builtin(name).unwrap();
            assert_eq!(file.problems, Vec::new(), "{name}");
            for role in Role::ALL {
                let style = file.theme(Depth::None, GlyphSet::Ascii).style(*role);
                assert_eq!((style.fg, style.bg), (None, None), "{name} {}", role.name());
                let style = file.theme(Depth::Sixteen, GlyphSet::Ascii).style(*role);
                for color in [style.fg, style.bg].into_iter().flatten() {
                    assert!(!matches!(color, Color::Rgb(..) | Color::Indexed(_)), "{name}");
                }
                let style = file.theme(Depth::Indexed, GlyphSet::Ascii).style(*role);
                for color in [style.fg, style.bg].into_iter().flatten() {
                    assert!(!matches!(color, Color::Rgb(..)), "{name}");
                }
            }
        }
    }

    #[test]
    fn glyphs_are_equally_wide_in_both_sets() {
        for glyph in Glyph::ALL {
            let (unicode, ascii) = (SafeText::line(glyph.unicode()), SafeText::line(glyph.ascii()));
            assert_eq!(unicode.width(), ascii.width(), "{}", glyph.name());
            assert!(!unicode.altered() && glyph.ascii().is_ascii(), "{}", glyph.name());
        }
    }

    #[test]
    fn mistakes_are_named() {
        let text = "[palette]\na = [\"#ff\", 1, \"red\"]\n[role]\n\"text\" = { fg = \"b\" }\n\
                    \"sevrity.high\" = {}\n[glyphs]\ncursor = { unicode = \"ab\" }\n";
        let file = ThemeFile::parse("t.toml", text);
        let found: Vec<String> = file.problems.iter().map(ToString::to_string).collect();
        assert!(
            found.iter().any(|p| p.starts_with("t.toml:2: a needs three colours")),
            "{found:?}"
        );
        assert!(found.contains(&"t.toml:4: b is not in the palette".to_owned()), "{found:?}");
        let near = "t.toml:5: unknown role sevrity.high: did you mean severity.high?";
        assert!(found.contains(&near.to_owned()), "{found:?}");
        assert!(
            found.iter().any(|p| p.starts_with("t.toml:7: cursor must be 1 wide")),
            "{found:?}"
        );
        assert!(found.iter().any(|p| p.contains("row.cursor cannot be seen")), "{found:?}");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,200}") {
            ThemeFile::parse("x", &text).theme(Depth::True, GlyphSet::Unicode);
        }
    }
}
