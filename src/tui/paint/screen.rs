//! The screen: what is drawn now and what the terminal shows, and the bytes that lead from one to the other.
//! It asks the terminal nothing.

use std::io::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect as Region;
use ratatui::style::{Color, Modifier};

use crate::tui::paint::canvas::Canvas;
use crate::tui::paint::theme::Theme;

/// Columns and rows beyond which a terminal's size is not believed.
const SIDE_MAX: u16 = 1_000;

/// The screen's two buffers and the place of the cursor.
#[derive(Debug)]
pub struct Screen {
    current: Buffer,
    shown: Buffer,
    cursor: Option<(u16, u16)>,
    cursor_shown: Option<(u16, u16)>,
    theme: Theme,
    all: bool,
}

impl Screen {
    /// A screen of this size; the first frame draws everything.
    pub fn new(columns: u16, rows: u16, theme: Theme) -> Screen {
        let area = Region::new(0, 0, columns.min(SIDE_MAX), rows.min(SIDE_MAX));
        Screen {
            current: Buffer::empty(area),
            shown: Buffer::empty(area),
            cursor: None,
            cursor_shown: None,
            theme,
            all: true,
        }
    }

    /// (columns, rows).
    pub fn size(&self) -> (u16, u16) {
        (self.current.area.width, self.current.area.height)
    }

    /// Another size; the next frame draws everything.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        *self = Screen::new(columns, rows, self.theme.clone());
    }

    /// Another theme; the next frame draws everything.
    pub fn set_theme(&mut self, theme: Theme) {
        self.theme = theme;
        self.all = true;
    }

    /// The theme.
    pub fn theme(&self) -> &Theme {
        &self.theme
    }

    /// Draw everything with the next frame, whatever the terminal shows.
    pub fn invalidate(&mut self) {
        self.all = true;
    }

    /// Draw the next frame from nothing.
    pub fn draw(&mut self, paint: impl FnOnce(&mut Canvas<'_>)) {
        self.current.reset();
        self.cursor = None;
        let area = self.current.area;
        self.current.set_style(area, self.theme.base);
        if area.width > 0 && area.height > 0 {
            paint(&mut Canvas::new(&mut self.current, &self.theme, &mut self.cursor));
        }
    }

    /// The bytes that bring the terminal to what was drawn; empty when it already shows that.
    pub fn frame(&mut self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.all {
            out.extend_from_slice(b"\x1b[0m\x1b[2J");
            self.shown.reset();
        }
        let mut encoder = Encoder::new(&mut out);
        for (x, y, cell) in self.shown.diff(&self.current) {
            encoder.cell(x, y, cell);
        }
        encoder.finish();
        if !out.is_empty() || self.cursor != self.cursor_shown {
            place_cursor(&mut out, self.cursor, self.cursor_shown, self.all);
        }
        self.all = false;
        self.cursor_shown = self.cursor;
        std::mem::swap(&mut self.current, &mut self.shown);
        out
    }

    /// The rows as text, as drawn or shown last.
    pub fn rows(&self) -> Vec<String> {
        let mut buffer = &self.shown;
        if self.current.content().iter().any(|cell| cell.symbol() != " ") {
            buffer = &self.current;
        }
        let width = usize::from(buffer.area.width).max(1);
        buffer
            .content()
            .chunks(width)
            .map(|row| row.iter().map(Cell::symbol).collect::<String>().trim_end().to_owned())
            .collect()
    }

    /// The looks of what is drawn, row by row, as runs of equal cells that are not plain. For snapshots.
    #[cfg(test)]
    pub fn looks(&self) -> String {
        let width = usize::from(self.current.area.width).max(1);
        let mut out = String::new();
        for (y, row) in self.current.content().chunks(width).enumerate() {
            let mut start = 0;
            let look = |cell: &Cell| (cell.fg, cell.bg, cell.modifier);
            for run in row.chunk_by(|one, two| look(one) == look(two)) {
                let (fg, bg, modifier) = look(&run[0]);
                let end = start + run.len();
                if (fg, bg, modifier) != (Color::Reset, Color::Reset, Modifier::empty()) {
                    out.push_str(&format!("{y}:{start}..{end} {fg}/{bg} {modifier:?}\n"));
                }
                start = end;
            }
        }
        out
    }

    /// Where the terminal's cursor ends. For tests.
    #[cfg(test)]
    pub fn cursor(&self) -> Option<(u16, u16)> {
        self.cursor
    }
}

fn place_cursor(
    out: &mut Vec<u8>,
    cursor: Option<(u16, u16)>,
    shown: Option<(u16, u16)>,
    first: bool,
) {
    match cursor {
        Some((x, y)) => {
            move_to(out, x, y);
            if shown.is_none() || first {
                out.extend_from_slice(b"\x1b[?25h");
            }
        }
        None if shown.is_some() || first => out.extend_from_slice(b"\x1b[?25l"),
        None => {}
    }
}

fn move_to(out: &mut Vec<u8>, x: u16, y: u16) {
    let _ = write!(out, "\x1b[{};{}H", y.saturating_add(1), x.saturating_add(1));
}

/// Writes cells as cursor moves, SGR and text; knows no other sequence.
struct Encoder<'a> {
    out: &'a mut Vec<u8>,
    at: Option<(u16, u16)>,
    looks: Option<(Color, Color, Modifier)>,
}

impl<'a> Encoder<'a> {
    fn new(out: &'a mut Vec<u8>) -> Encoder<'a> {
        Encoder { out, at: None, looks: None }
    }

    fn cell(&mut self, x: u16, y: u16, cell: &Cell) {
        if self.at != Some((x, y)) {
            move_to(self.out, x, y);
        }
        let looks = (cell.fg, cell.bg, cell.modifier);
        if self.looks != Some(looks) {
            self.style(looks);
            self.looks = Some(looks);
        }
        self.out.extend_from_slice(cell.symbol().as_bytes());
        // Elsewhere terminals disagree about widths, so the next cell gets its own cursor move.
        let sure = cell.symbol().chars().all(|c| matches!(c, ' '..'\u{300}' | '─'..='◿'));
        self.at = sure.then(|| (x.saturating_add(1), y));
    }

    fn style(&mut self, (fg, bg, modifier): (Color, Color, Modifier)) {
        self.out.extend_from_slice(b"\x1b[0");
        for (flag, code) in [
            (Modifier::BOLD, 1),
            (Modifier::DIM, 2),
            (Modifier::ITALIC, 3),
            (Modifier::UNDERLINED, 4),
            (Modifier::REVERSED, 7),
            (Modifier::CROSSED_OUT, 9),
        ] {
            if modifier.contains(flag) {
                let _ = write!(self.out, ";{code}");
            }
        }
        self.color(fg, false);
        self.color(bg, true);
        self.out.push(b'm');
    }

    fn color(&mut self, color: Color, background: bool) {
        let (base, bright, extended) = if background { (40, 100, 48) } else { (30, 90, 38) };
        let _ = match color {
            Color::Rgb(red, green, blue) => {
                write!(self.out, ";{extended};2;{red};{green};{blue}")
            }
            Color::Indexed(index) => write!(self.out, ";{extended};5;{index}"),
            Color::Reset => return,
            named => match named_index(named) {
                index @ 0..8 => write!(self.out, ";{}", base + index),
                index => write!(self.out, ";{}", bright + index - 8),
            },
        };
    }

    fn finish(self) {
        if self.looks.is_some() {
            self.out.extend_from_slice(b"\x1b[0m");
        }
    }
}

/// The place of a named colour among the terminal's sixteen.
fn named_index(color: Color) -> u16 {
    match color {
        Color::Black => 0,
        Color::Red => 1,
        Color::Green => 2,
        Color::Yellow => 3,
        Color::Blue => 4,
        Color::Magenta => 5,
        Color::Cyan => 6,
        Color::DarkGray => 8,
        Color::LightRed => 9,
        Color::LightGreen => 10,
        Color::LightYellow => 11,
        Color::LightBlue => 12,
        Color::LightMagenta => 13,
        Color::LightCyan => 14,
        Color::White => 15,
        _ => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::paint::role::Role;
    use crate::tui::paint::safe::SafeText;
    use crate::tui::paint::theme::GlyphSet;

    #[test]
    fn nothing_changed_means_no_bytes() {
        let mut screen = Screen::new(20, 3, Theme::plain(GlyphSet::Ascii));
        let paint = |canvas: &mut Canvas<'_>| {
            canvas.label(0, 0, "hello", Role::Text);
            canvas.set_cursor(0, 1);
        };
        screen.draw(paint);
        assert!(screen.frame().starts_with(b"\x1b[0m\x1b[2J"));
        screen.draw(paint);
        assert_eq!(screen.frame(), b"");
        screen.draw(|canvas| {
            canvas.label(0, 0, "hullo", Role::Text);
            canvas.set_cursor(0, 1);
        });
        assert_eq!(screen.frame(), b"\x1b[1;2H\x1b[0mu\x1b[0m\x1b[2;1H");
    }

    #[test]
    fn no_size_and_no_place_panics() {
        for columns in 0..12 {
            for rows in 0..4 {
                let mut screen = Screen::new(columns, rows, Theme::plain(GlyphSet::Unicode));
                screen.draw(|canvas| {
                    let text = SafeText::line("漢字 text \u{202e}");
                    canvas.text(3, 1, 90, &text, Role::Text);
                    canvas.text_right(200, 2, &text, Role::Text);
                    canvas.fill_row(9, Role::RowCursor);
                    let mut sub = canvas.sub(crate::tui::paint::canvas::Rect::new(2, 1, 400, 400));
                    sub.hline(0, Role::Rule);
                    sub.vline(70, Role::Rule);
                    sub.note(&crate::tui::paint::note::NoteField::new("a\nb"), true, Role::Field);
                });
                screen.frame();
            }
        }
    }
}
