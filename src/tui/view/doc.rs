//! A scrollable document: headings, fields with wrapped values, plain lines. Only what is on screen is drawn.

use std::cell::Cell;

use crate::tui::action::ActionId;
use crate::tui::paint::canvas::Canvas;
use crate::tui::paint::role::Role;
use crate::tui::paint::safe::SafeText;

/// Columns of the label beside a value, at most.
const LABEL_COLUMNS_MAX: usize = 36;
/// Wrapped lines of one value; the rest is counted.
const VALUE_LINES_MAX: usize = 400;

/// Lines that are ready to be drawn at one width.
#[derive(Debug)]
pub struct Doc {
    lines: Vec<Vec<(SafeText, Role)>>,
    width: usize,
    wrap: bool,
}

impl Doc {
    /// An empty document for a width; values wrap or are cut.
    pub fn new(width: u16, wrap: bool) -> Doc {
        Doc { lines: Vec::new(), width: usize::from(width), wrap }
    }

    /// An empty line.
    pub fn blank(&mut self) {
        self.lines.push(Vec::new());
    }

    /// A heading of ours.
    pub fn heading(&mut self, text: &'static str) {
        self.lines.push(vec![(SafeText::label(text), Role::TextStrong)]);
    }

    /// One line in pieces.
    pub fn spans(&mut self, spans: Vec<(SafeText, Role)>) {
        self.lines.push(spans);
    }

    /// Text of one or more lines, wrapped.
    pub fn text(&mut self, text: &str, indent: &'static str, role: Role) {
        for line in SafeText::block(text) {
            let room = self.width.saturating_sub(indent.len());
            for part in self.folded(&line, room) {
                self.lines.push(vec![(SafeText::label(indent), role), (part, role)]);
            }
        }
    }

    /// A label and an outside value beside it.
    pub fn field(&mut self, label: &SafeText, columns: usize, value: &str) {
        self.field_role(label, columns, value, Role::Text);
    }

    /// A label and an outside value in at most `lines` lines; the last is cut.
    pub fn field_short(&mut self, label: &SafeText, columns: usize, value: &str, lines: usize) {
        let room = self.width.saturating_sub(columns + 2);
        let mut parts = SafeText::line(value).wrapped(room);
        if parts.len() > lines {
            // Cut where the last line ends, not at the end of a word of it, and say so there: what is missing must not look whole.
            let mut last = SafeText::default();
            for part in parts.split_off(lines.saturating_sub(1)) {
                last.push(&part);
            }
            parts.push(last.truncated(room));
        }
        let mut head = label.clone();
        for part in parts {
            self.field_line(&std::mem::take(&mut head), columns, part, Role::Text);
        }
    }

    /// A label and an outside value with looks of its own.
    pub fn field_role(&mut self, label: &SafeText, columns: usize, value: &str, role: Role) {
        let mut label = label.clone();
        for line in SafeText::block(value) {
            self.field_safe(&label, columns, &line, role);
            label = SafeText::default();
        }
    }

    fn field_safe(&mut self, label: &SafeText, columns: usize, value: &SafeText, role: Role) {
        let columns = columns.min(LABEL_COLUMNS_MAX).min(self.width / 2);
        let room = self.width.saturating_sub(columns + 2);
        let mut head = label.clone();
        for part in self.folded(value, room) {
            self.field_line(&std::mem::take(&mut head), columns, part, role);
        }
    }

    /// One line of a value behind its label, if it is the first.
    fn field_line(&mut self, label: &SafeText, columns: usize, part: SafeText, role: Role) {
        let head = label.truncated(columns);
        let pad = " ".repeat(columns + 1 - head.width().min(columns));
        self.lines.push(vec![
            (SafeText::label(" "), Role::FieldLabel),
            (head, Role::FieldLabel),
            (SafeText::line(&pad), Role::FieldLabel),
            (part, role),
        ]);
    }

    fn folded(&self, line: &SafeText, room: usize) -> Vec<SafeText> {
        if !self.wrap {
            return vec![line.truncated(room)];
        }
        let mut parts = line.wrapped(room);
        if parts.len() > VALUE_LINES_MAX {
            let over = parts.len() - VALUE_LINES_MAX;
            parts.truncate(VALUE_LINES_MAX);
            parts.push(SafeText::line(&format!("...(+{over} lines)")));
        }
        parts
    }

    /// Lines.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Nothing in it?
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Draw from the scroll's first line on.
    pub fn draw(&self, canvas: &mut Canvas<'_>, scroll: &Scroll) {
        let height = usize::from(canvas.height());
        let top = scroll.measured(self.lines.len(), height);
        let width = canvas.width();
        for (y, spans) in (0_u16..).zip(self.lines.iter().skip(top).take(height)) {
            let mut x = 0_u16;
            for (text, role) in spans {
                x = x.saturating_add(canvas.text(x, y, width.saturating_sub(x), text, *role));
            }
        }
    }
}

/// Where a document or list is scrolled to. The last drawing tells it how much there is.
#[derive(Debug, Default)]
pub struct Scroll {
    top: Cell<usize>,
    lines: Cell<usize>,
    height: Cell<usize>,
}

impl Scroll {
    /// The first line, after learning how many lines there are and how many fit.
    pub fn measured(&self, lines: usize, height: usize) -> usize {
        self.lines.set(lines);
        self.height.set(height);
        self.top.set(self.top.get().min(lines.saturating_sub(height)));
        self.top.get()
    }

    /// Back to the top.
    pub fn reset(&self) {
        self.top.set(0);
    }

    /// Move by lines.
    pub fn by(&self, lines: isize) {
        let last = self.lines.get().saturating_sub(self.height.get());
        self.top.set(self.top.get().saturating_add_signed(lines).min(last));
    }

    /// Carry out a scrolling action; false when it is none.
    pub fn act(&self, action: ActionId) -> bool {
        let page = isize::try_from(self.height.get().saturating_sub(1).max(1)).unwrap_or(1);
        match action {
            ActionId::DocDown => self.by(1),
            ActionId::DocUp => self.by(-1),
            ActionId::DocHalfDown => self.by((page / 2).max(1)),
            ActionId::DocHalfUp => self.by(-(page / 2).max(1)),
            ActionId::DocPageDown => self.by(page),
            ActionId::DocPageUp => self.by(-page),
            ActionId::DocTop | ActionId::CursorFirst => self.by(isize::MIN),
            ActionId::DocBottom | ActionId::CursorLast => self.by(isize::MAX),
            _ => return false,
        }
        true
    }

    /// The same for the actions of a list's cursor, on a screen of which another tab is a list.
    pub fn act_as_list(&self, action: ActionId) -> bool {
        self.act(match action {
            ActionId::CursorNext => ActionId::DocDown,
            ActionId::CursorPrevious => ActionId::DocUp,
            ActionId::CursorHalfDown => ActionId::DocHalfDown,
            ActionId::CursorHalfUp => ActionId::DocHalfUp,
            ActionId::CursorPageDown => ActionId::DocPageDown,
            ActionId::CursorPageUp => ActionId::DocPageUp,
            other => other,
        })
    }

    /// Scroll as little as it takes to have a line on a screen of so many.
    pub fn reveal(&self, line: usize, lines: usize, height: usize) {
        let low = (line + 1).saturating_sub(height);
        let top = self.top.get().clamp(low.min(line), line.max(low));
        self.top.set(top.min(lines.saturating_sub(height)));
    }

    /// `line 12/80`, for the status line; empty when everything fits.
    pub fn position(&self) -> SafeText {
        let (lines, height) = (self.lines.get(), self.height.get());
        if lines <= height {
            return SafeText::default();
        }
        SafeText::line(&format!("line {}/{lines}", (self.top.get() + height).min(lines)))
    }
}
