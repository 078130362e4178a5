//! One line of typed text with a cursor: filter chips, the command line, the palette, reasons.

use crate::tui::keys::key::{Code, Key};
use crate::tui::paint::safe::SafeText;

/// Characters that a line takes.
pub const LINE_EDIT_CHARS_MAX: usize = 1_000;

/// A single-line text field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LineEdit {
    text: Vec<char>,
    cursor: usize,
}

impl LineEdit {
    /// A line with some text, the cursor at its end.
    pub fn new(text: &str) -> LineEdit {
        let mut line = LineEdit::default();
        line.insert(text);
        line
    }

    /// The text.
    pub fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// Nothing typed?
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// The text to draw.
    pub fn shown(&self) -> SafeText {
        SafeText::line(&self.text())
    }

    /// Columns before the cursor.
    pub fn cursor_column(&self) -> u16 {
        let head: String = self.text.iter().take(self.cursor).collect();
        u16::try_from(SafeText::line(&head).width()).unwrap_or(u16::MAX)
    }

    /// Replace everything.
    pub fn set(&mut self, text: &str) {
        *self = LineEdit::new(text);
    }

    /// Insert typed or pasted text at the cursor; everything hidden becomes a visible mark, line ends spaces.
    pub fn insert(&mut self, text: &str) {
        let room = LINE_EDIT_CHARS_MAX.saturating_sub(self.text.len());
        let flat = text.replace(['\r', '\n', '\t'], " ");
        let safe: Vec<char> = SafeText::line(&flat).as_str().chars().take(room).collect();
        let added = safe.len();
        self.text.splice(self.cursor..self.cursor, safe);
        self.cursor += added;
    }

    /// An unbound key. `false`: not a key for text.
    pub fn key(&mut self, key: Key) -> bool {
        if let Some(character) = key.typed() {
            self.insert(&character.to_string());
            return true;
        }
        let ctrl = |letter| key == Key::ctrl(letter);
        match key.code {
            Code::Left => self.cursor = self.cursor.saturating_sub(1),
            Code::Right => self.cursor = (self.cursor + 1).min(self.text.len()),
            Code::Home => self.cursor = 0,
            Code::End => self.cursor = self.text.len(),
            Code::Backspace => self.remove(self.cursor.saturating_sub(1)..self.cursor),
            Code::Delete => self.remove(self.cursor..(self.cursor + 1).min(self.text.len())),
            _ if ctrl('e') => self.cursor = self.text.len(),
            _ if ctrl('u') => self.remove(0..self.cursor),
            _ if ctrl('k') => self.remove(self.cursor..self.text.len()),
            _ if ctrl('w') => self.remove(self.word_start()..self.cursor),
            _ => return false,
        }
        true
    }

    fn remove(&mut self, range: std::ops::Range<usize>) {
        self.cursor = range.start;
        self.text.drain(range);
    }

    fn word_start(&self) -> usize {
        let head: Vec<char> = self.text.iter().take(self.cursor).copied().collect();
        let end = head.iter().rposition(|c| !c.is_whitespace()).map_or(0, |at| at + 1);
        head.iter().take(end).rposition(|c| c.is_whitespace()).map_or(0, |at| at + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editing_keys_work() {
        let mut line = LineEdit::new("host:a  user:b");
        assert!(line.key(Key::ctrl('w')));
        assert_eq!(line.text(), "host:a  ");
        line.insert("x\ny\u{1b}");
        assert_eq!(line.text(), "host:a  x y^[");
        line.key(Key::plain(Code::Home));
        line.key(Key::plain(Code::Delete));
        assert_eq!((line.text().as_str(), line.cursor_column()), ("ost:a  x y^[", 0));
        line.key(Key::plain(Code::Backspace));
        line.key(Key::ctrl('k'));
        assert!(line.is_empty());
        assert!(!line.key(Key::plain(Code::F(3))));
    }
}
