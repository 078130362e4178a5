//! One key press and its name in keymap files (`a`, `A`, `ctrl-x`, `alt-x`, `shift-up`, `f1`, `space`).

use std::fmt;

/// The key without its modifiers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Code {
    /// A character; upper case is written as the letter.
    Char(char),
    /// Return.
    Enter,
    /// Escape.
    Esc,
    /// Tab.
    Tab,
    /// Shift and tab.
    BackTab,
    /// Backspace.
    Backspace,
    /// Delete.
    Delete,
    /// Insert.
    Insert,
    /// Arrow.
    Up,
    /// Arrow.
    Down,
    /// Arrow.
    Left,
    /// Arrow.
    Right,
    /// Home.
    Home,
    /// End.
    End,
    /// Page up.
    PageUp,
    /// Page down.
    PageDown,
    /// A function key.
    F(u8),
}

/// A key press.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Key {
    /// Which key.
    pub code: Code,
    /// With control.
    pub ctrl: bool,
    /// With alt.
    pub alt: bool,
    /// With shift (never set for characters and `backtab`).
    pub shift: bool,
}

const NAMED: [(&str, Code); 17] = [
    ("space", Code::Char(' ')),
    ("enter", Code::Enter),
    ("esc", Code::Esc),
    ("tab", Code::Tab),
    ("backtab", Code::BackTab),
    ("backspace", Code::Backspace),
    ("delete", Code::Delete),
    ("insert", Code::Insert),
    ("up", Code::Up),
    ("down", Code::Down),
    ("left", Code::Left),
    ("right", Code::Right),
    ("home", Code::Home),
    ("end", Code::End),
    ("pageup", Code::PageUp),
    ("pagedown", Code::PageDown),
    ("minus", Code::Char('-')),
];

impl Key {
    /// A key without modifiers.
    pub fn plain(code: Code) -> Key {
        Key { code, ctrl: false, alt: false, shift: false }
    }

    /// A character key.
    pub fn char(character: char) -> Key {
        Key::plain(Code::Char(character))
    }

    /// A control chord.
    pub fn ctrl(character: char) -> Key {
        Key { ctrl: true, ..Key::char(character) }
    }

    /// The character that this key types, if it types one.
    pub fn typed(self) -> Option<char> {
        match self.code {
            Code::Char(character) if !self.ctrl && !self.alt => Some(character),
            _ => None,
        }
    }

    /// Read one key name; `C-x` and `<c-x>` are understood too.
    pub fn parse(name: &str) -> Option<Key> {
        let bare = name
            .strip_prefix('<')
            .and_then(|inner| inner.strip_suffix('>'))
            .filter(|inner| !inner.is_empty())
            .unwrap_or(name);
        let mut key = Key::char(' ');
        let mut rest = bare;
        loop {
            let (head, tail) = match rest.split_once('-') {
                Some((head, tail)) if !head.is_empty() && !tail.is_empty() => (head, tail),
                _ => break,
            };
            match head {
                "ctrl" | "C" | "c" => key.ctrl = true,
                "alt" | "A" | "M" | "a" => key.alt = true,
                "shift" | "S" | "s" => key.shift = true,
                _ => return None,
            }
            rest = tail;
        }
        key.code = code(rest)?;
        Some(key.normal())
    }

    /// Read a chord: key names separated by spaces.
    pub fn parse_chord(text: &str) -> Option<Vec<Key>> {
        let keys: Option<Vec<Key>> = text.split_whitespace().map(Key::parse).collect();
        keys.filter(|keys| !keys.is_empty())
    }

    /// One form for keys that terminals report in several.
    #[must_use]
    pub fn normal(mut self) -> Key {
        match self.code {
            Code::Char(character) => {
                if self.shift && character.is_ascii_lowercase() && !self.ctrl {
                    self.code = Code::Char(character.to_ascii_uppercase());
                }
                if self.ctrl {
                    self.code = Code::Char(character.to_ascii_lowercase());
                }
                self.shift = false;
            }
            Code::Tab if self.shift => {
                self.code = Code::BackTab;
                self.shift = false;
            }
            Code::BackTab => self.shift = false,
            _ => {}
        }
        self
    }
}

fn code(name: &str) -> Option<Code> {
    if let Some((_, code)) = NAMED.iter().find(|(known, _)| *known == name) {
        return Some(*code);
    }
    let mut characters = name.chars();
    let first = characters.next()?;
    let rest = characters.as_str();
    if rest.is_empty() {
        return Some(Code::Char(first)).filter(|_| !first.is_control());
    }
    if first == 'f' {
        return rest.parse().ok().filter(|number| (1..=24).contains(number)).map(Code::F);
    }
    None
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (set, prefix) in [(self.ctrl, "ctrl-"), (self.alt, "alt-"), (self.shift, "shift-")] {
            if set {
                out.write_str(prefix)?;
            }
        }
        if let Some((name, _)) =
            NAMED.iter().find(|(name, code)| *code == self.code && *name != "minus")
        {
            return out.write_str(name);
        }
        match self.code {
            Code::Char(character) => write!(out, "{character}"),
            Code::F(number) => write!(out, "f{number}"),
            _ => Ok(()),
        }
    }
}

/// A chord as it is written in keymap files.
pub fn chord_name(chord: &[Key]) -> String {
    chord.iter().map(Key::to_string).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_round_trip() {
        for name in ["a", "A", "ctrl-x", "alt-x", "shift-up", "f1", "space", "-", "?", "backtab"] {
            assert_eq!(Key::parse(name).unwrap().to_string(), name);
        }
        assert_eq!(Key::parse("C-x"), Key::parse("<c-x>"));
        assert_eq!(Key::parse("C-x"), Some(Key::ctrl('x')));
        assert_eq!(Key::parse("shift-tab").unwrap().to_string(), "backtab");
        assert_eq!(Key::parse("ctrl-"), None);
        assert_eq!(Key::parse_chord("g g").unwrap().len(), 2);
        assert_eq!(Key::parse_chord(" "), None);
    }

    proptest! {
        #[test]
        fn parsing_never_panics_and_prints_back(name in "\\PC{0,12}") {
            if let Some(key) = Key::parse(&name) {
                prop_assert_eq!(Key::parse(&key.to_string()), Some(key));
            }
        }
    }
}
