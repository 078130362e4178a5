//! The multi-line text field. Whatever comes in (keys, pastes, drafts) is made safe before it is kept: hidden
//! characters stand in the text as visible marks.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect as Region;
use ratatui::style::{Modifier, Style};
use ratatui::widgets::Widget as _;
use tui_textarea::{CursorMove, Input, Key as AreaKey, TextArea, WrapMode};

use crate::tui::keys::key::{Code, Key};
use crate::tui::paint::chars::{self, CharClass};
use crate::tui::paint::safe::SafeText;

/// Lines of a note.
pub const NOTE_LINES_MAX: usize = 500;
/// Bytes of a note.
pub const NOTE_BYTES_MAX: usize = 32 * 1_024;
/// Bytes of one paste that are looked at.
pub const PASTE_BYTES_MAX: usize = 64 * 1_024;

/// A multi-line text field with limits.
#[derive(Clone, Debug)]
pub struct NoteField {
    area: TextArea<'static>,
}

impl NoteField {
    /// A field with some text in it, the cursor at the end.
    pub fn new(text: &str) -> NoteField {
        let lines: Vec<String> = SafeText::block(floor_boundary(text, NOTE_BYTES_MAX))
            .into_iter()
            .take(NOTE_LINES_MAX)
            .map(|line| line.as_str().to_owned())
            .collect();
        let mut area = TextArea::new(lines);
        area.set_wrap_mode(WrapMode::WordOrGlyph);
        area.set_cursor_line_style(Style::new());
        area.move_cursor(CursorMove::Bottom);
        area.move_cursor(CursorMove::End);
        NoteField { area }
    }

    /// The text as it will be stored.
    pub fn text(&self) -> String {
        self.area.lines().join("\n")
    }

    /// Lines.
    pub fn lines(&self) -> usize {
        self.area.lines().len()
    }

    /// Nothing but white space?
    pub fn is_blank(&self) -> bool {
        self.area.lines().iter().all(|line| line.trim().is_empty())
    }

    /// A key that no binding took. `false`: it did nothing (a limit, or not a key for text).
    pub fn key(&mut self, key: Key) -> bool {
        if let Code::Char(character) = key.code
            && !key.ctrl
            && !key.alt
        {
            return self.insert(&character.to_string());
        }
        if key.code == Code::Enter && !self.has_room(1, 1) {
            return false;
        }
        let Some(input) = editing_input(key) else { return false };
        self.area.input_without_shortcuts(input.clone()) || self.area.input(input)
    }

    /// A paste: line ends unified, hidden characters made visible, cut at the limits. `false`: something was cut.
    pub fn paste(&mut self, text: &str) -> bool {
        let head = floor_boundary(text, PASTE_BYTES_MAX);
        let unified = head.replace("\r\n", "\n").replace('\r', "\n");
        self.insert(&unified) && head.len() == text.len()
    }

    fn insert(&mut self, text: &str) -> bool {
        let blocks = SafeText::block(text);
        let mut whole = true;
        for (index, line) in blocks.iter().enumerate() {
            if !self.has_room(line.as_str().len() + 1, usize::from(index > 0)) {
                whole = false;
                break;
            }
            if index > 0 {
                self.area.insert_newline();
            }
            self.area.insert_str(line.as_str());
        }
        whole
    }

    fn has_room(&self, bytes: usize, lines: usize) -> bool {
        let used: usize = self.area.lines().iter().map(|line| line.len() + 1).sum();
        used + bytes <= NOTE_BYTES_MAX && self.lines() + lines <= NOTE_LINES_MAX
    }

    /// Draw it; returns where the cursor is. Cells that still hold something hidden are replaced: the field
    /// cannot hold any, and this is the second lock.
    pub(super) fn draw(
        &self,
        region: Region,
        buffer: &mut Buffer,
        style: Style,
        mark: Style,
    ) -> Option<(u16, u16)> {
        let mut area = self.area.clone();
        area.set_style(style);
        area.set_cursor_style(Style::new().add_modifier(Modifier::HIDDEN));
        (&area).render(region, buffer);
        let mut cursor = None;
        for y in region.top()..region.bottom() {
            for x in region.left()..region.right() {
                let Some(cell) = buffer.cell_mut((x, y)) else { continue };
                if cell.modifier.contains(Modifier::HIDDEN) {
                    cell.modifier.remove(Modifier::HIDDEN);
                    cursor = Some((x, y));
                }
                if !cell.symbol().chars().all(is_drawable) {
                    cell.set_symbol("?").set_style(mark);
                }
            }
        }
        cursor
    }
}

fn is_drawable(character: char) -> bool {
    matches!(chars::classify(character), CharClass::Plain | CharClass::Combining)
}

/// The editing keys that the field understands.
fn editing_input(key: Key) -> Option<Input> {
    let code = match key.code {
        Code::Char(character) => AreaKey::Char(character),
        Code::Enter => AreaKey::Enter,
        Code::Backspace => AreaKey::Backspace,
        Code::Delete => AreaKey::Delete,
        Code::Left => AreaKey::Left,
        Code::Right => AreaKey::Right,
        Code::Up => AreaKey::Up,
        Code::Down => AreaKey::Down,
        Code::Home => AreaKey::Home,
        Code::End => AreaKey::End,
        Code::PageUp => AreaKey::PageUp,
        Code::PageDown => AreaKey::PageDown,
        _ => return None,
    };
    Some(Input { key: code, ctrl: key.ctrl, alt: key.alt, shift: key.shift })
}

/// The longest head of at most `bytes` bytes.
fn floor_boundary(text: &str, bytes: usize) -> &str {
    let mut end = bytes.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pasted_controls_become_text() {
        let mut field = NoteField::new("");
        assert!(field.paste("a\r\nb\u{1b}[2J\u{202e}"));
        assert_eq!(field.text(), "a\nb^[[2J<U+202E>");
        assert!(field.key(Key::char('x')));
        assert!(field.text().ends_with('x'));
    }

    #[test]
    fn limits_hold() {
        let mut field = NoteField::new("");
        assert!(!field.paste(&"line\n".repeat(NOTE_LINES_MAX + 10)));
        assert!(field.lines() <= NOTE_LINES_MAX);
        let mut field = NoteField::new("");
        field.paste(&"x".repeat(NOTE_BYTES_MAX * 2));
        assert!(field.text().len() <= NOTE_BYTES_MAX);
    }
}
