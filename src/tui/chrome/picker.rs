//! Palette and help: one list of actions, narrowed by typing; enter runs the chosen one.

use std::cell::Cell;

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};

use crate::tui::action::ActionId;
use crate::tui::chrome::entries::{Entry, Group};
use crate::tui::contract::{Effect, Input, Tone, View};
use crate::tui::desk_model::DeskModel;
use crate::tui::keys::line_edit::LineEdit;
use crate::tui::paint::canvas::{Canvas, Rect};
use crate::tui::paint::format;
use crate::tui::paint::role::{Glyph, Role};
use crate::tui::paint::safe::SafeText;

/// What the list is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Find any action.
    Palette,
    /// See what the keys do, in groups.
    Help,
}

/// The list.
pub struct Picker {
    purpose: Purpose,
    entries: Vec<Entry>,
    line: LineEdit,
    found: Vec<usize>,
    chosen: usize,
    top: Cell<usize>,
    /// Rows that there was room for when it was drawn last.
    height: Cell<usize>,
}

impl Picker {
    /// A list of these entries.
    pub fn new(purpose: Purpose, entries: Vec<Entry>) -> Picker {
        let found = (0..entries.len()).collect();
        let line = LineEdit::default();
        Picker { purpose, entries, line, found, chosen: 0, top: Cell::new(0), height: Cell::new(1) }
    }

    fn chosen(&self) -> Option<&Entry> {
        self.found.get(self.chosen).and_then(|index| self.entries.get(*index))
    }

    /// Find again: the exact key first, then the exact name, then by likeness; what is impossible comes last.
    fn search(&mut self) {
        let text = self.line.text();
        let wanted = text.trim();
        self.chosen = 0;
        self.top.set(0);
        if wanted.is_empty() {
            self.found = (0..self.entries.len()).collect();
            return;
        }
        let pattern = Pattern::parse(wanted, CaseMatching::Smart, Normalization::Smart);
        let mut matcher = Matcher::new(Config::DEFAULT);
        let mut buffer = Vec::new();
        let mut scored: Vec<(bool, bool, bool, u32, usize)> = Vec::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let spec = entry.call.id.spec();
            let key = entry.key.as_str() == text.trim_start() || entry.key.as_str() == wanted;
            let name = spec.name == wanted || spec.aliases.contains(&wanted);
            let haystack = Utf32Str::new(&entry.haystack, &mut buffer);
            let score = pattern.score(haystack, &mut matcher);
            if key || name || score.is_some() {
                let possible = entry.unavailable.is_none();
                scored.push((key, name, possible, score.unwrap_or(0), index));
            }
        }
        scored.sort_by_key(|(key, name, possible, score, index)| {
            (!key, !name, !possible, u32::MAX - score, *index)
        });
        self.found = scored.into_iter().map(|(.., index)| index).collect();
    }

    fn choose(&mut self, place: usize) {
        self.chosen = place.min(self.found.len().saturating_sub(1));
    }

    /// The entry a page down or up: by rows, so that no row between two pages is never shown.
    fn a_page(&self, down: bool) -> usize {
        let rows = self.rows();
        let place = |row: &Row<'_>| match row {
            Row::Entry(place, _) => Some(*place),
            Row::Heading(_) => None,
        };
        let at = rows.iter().position(|row| place(row) == Some(self.chosen)).unwrap_or(0);
        let by = self.height.get().saturating_sub(1);
        if down {
            let last = rows.iter().take(at + by + 1).rev().find_map(place);
            last.unwrap_or(0).max(self.chosen + 1)
        } else {
            let first = rows.iter().skip(at.saturating_sub(by)).find_map(place);
            first.unwrap_or(0).min(self.chosen.saturating_sub(1))
        }
    }

    fn run(&self) -> Vec<Effect> {
        let Some(entry) = self.chosen() else { return Vec::new() };
        match entry.unavailable {
            Some(reason) => vec![Effect::Say(SafeText::label(reason), Tone::Warning)],
            None => vec![Effect::Pop, Effect::Do(entry.call.clone())],
        }
    }

    /// The rows to draw: entries, and headings where help groups them.
    fn rows(&self) -> Vec<Row<'_>> {
        let grouped = self.purpose == Purpose::Help && self.line.is_empty();
        let mut rows = Vec::new();
        let mut group = None;
        for (place, index) in self.found.iter().enumerate() {
            let Some(entry) = self.entries.get(*index) else { continue };
            if grouped && group != Some(entry.group) {
                group = Some(entry.group);
                rows.push(Row::Heading(entry.group));
            }
            rows.push(Row::Entry(place, entry));
        }
        rows
    }

    fn draw_list(&self, canvas: &mut Canvas<'_>) {
        let rows = self.rows();
        let at = |row: &Row<'_>| matches!(row, Row::Entry(place, _) if *place == self.chosen);
        let chosen = rows.iter().position(at).unwrap_or(0);
        let height = usize::from(canvas.height());
        if height == 0 {
            return;
        }
        let top = self.top.get().clamp((chosen + 1).saturating_sub(height), chosen);
        let top = if chosen <= 1 { 0 } else { top };
        self.top.set(top);
        self.height.set(height);
        for (y, row) in (0..canvas.height()).zip(rows.iter().skip(top)) {
            match row {
                Row::Heading(group) => {
                    canvas.label(1, y, group.title(), Role::DialogTitle);
                }
                Row::Entry(place, entry) => draw_entry(canvas, y, *place == self.chosen, entry),
            }
        }
    }
}

enum Row<'a> {
    Heading(Group),
    Entry(usize, &'a Entry),
}

/// Columns of the key.
const KEY_COLUMNS: u16 = 11;

fn draw_entry(canvas: &mut Canvas<'_>, y: u16, chosen: bool, entry: &Entry) {
    if chosen {
        canvas.fill_row(y, Role::RowCursor);
        canvas.glyph(0, y, Glyph::Cursor, Role::RowCursor);
    }
    canvas.text(2, y, KEY_COLUMNS - 1, &entry.key, Role::Key);
    let x = 2 + KEY_COLUMNS;
    let dim = entry.unavailable.is_some();
    let role = if dim { Role::HintUnavailable } else { Role::Dialog };
    let role = if chosen && !dim { Role::RowCursor } else { role };
    let used = canvas.text(x, y, canvas.width(), &entry.title, role);
    if let Some(reason) = entry.unavailable {
        canvas.label(x + used + 2, y, reason, Role::HintUnavailable);
    }
}

impl View for Picker {
    fn context(&self) -> &'static str {
        "picker"
    }

    fn update(&mut self, input: &Input<'_>, _model: &DeskModel) -> Option<Vec<Effect>> {
        match input {
            Input::Action(call) => match call.id {
                ActionId::PickerRun => return Some(self.run()),
                ActionId::PickerCancel => return Some(vec![Effect::Pop]),
                ActionId::PickerNext => self.choose(self.chosen + 1),
                ActionId::PickerPrevious => self.choose(self.chosen.saturating_sub(1)),
                ActionId::PickerPageDown => self.choose(self.a_page(true)),
                ActionId::PickerPageUp => self.choose(self.a_page(false)),
                _ => return None,
            },
            Input::Key(key) => {
                if self.line.key(*key) {
                    self.search();
                }
            }
            Input::Paste(text) => {
                self.line.insert(text);
                self.search();
            }
            Input::Message(_) => return None,
        }
        Some(Vec::new())
    }

    fn render(&self, _model: &DeskModel, canvas: &mut Canvas<'_>) {
        let (width, height) = (canvas.width(), canvas.height());
        let side = if width > 90 { width / 8 } else { 0 };
        let mut dialog = canvas.sub(Rect::new(side, 0, width - 2 * side, height));
        dialog.fill(Rect::new(0, 0, dialog.width(), height), Role::Dialog);
        let label = match self.purpose {
            Purpose::Palette => "actions: ",
            Purpose::Help => "help, type a word or a key: ",
        };
        let x = 1 + dialog.label(1, 0, label, Role::DialogTitle);
        dialog.text(x, 0, width, &self.line.shown(), Role::FieldActive);
        let count = SafeText::join(
            &[&format::number(self.found.len() as u64), &format::number(self.entries.len() as u64)],
            " of ",
        );
        dialog.text_right(dialog.width().saturating_sub(1), 0, &count, Role::TextDim);
        dialog.set_cursor(x.saturating_add(self.line.cursor_column()), 0);
        dialog.hline(1, Role::Rule);
        let foot = height.saturating_sub(2);
        let list = Rect::new(0, 2, dialog.width(), foot.saturating_sub(2));
        self.draw_list(&mut dialog.sub(list));
        if let Some(entry) = self.chosen() {
            dialog.hline(foot, Role::Rule);
            let doc = SafeText::label(entry.call.id.spec().doc);
            let used = dialog.text(1, foot + 1, width, &doc, Role::Dialog);
            let room = dialog.width().saturating_sub(used + 4);
            if usize::from(room) >= entry.origin.width() {
                let right = dialog.width().saturating_sub(1);
                dialog.text_right(right, foot + 1, &entry.origin, Role::TextDim);
            }
        }
        if self.found.is_empty() {
            dialog.label(2, 2, "nothing like that", Role::TextDim);
        }
    }

    fn overlay(&self) -> bool {
        true
    }

    fn takes_text(&self) -> bool {
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tui::chrome::entries::entries;
    use crate::tui::keys::keymap::Keymap;

    fn first_of(text: &str) -> String {
        let mut picker =
            Picker::new(Purpose::Palette, entries(&Keymap::builtin(), "queue", |_| None));
        picker.line.insert(text);
        picker.search();
        picker.chosen().map(|entry| entry.call.to_string()).unwrap_or_default()
    }

    #[test]
    fn words_names_and_keys_find() {
        assert_eq!(first_of("v f"), "alert.verdict kind=false_positive");
        assert_eq!(first_of("endpoints"), "open.endpoints");
        assert_eq!(first_of("false pos"), "alert.verdict kind=false_positive");
        assert_eq!(first_of("quit"), "app.quit");
        assert_eq!(first_of("snooze 4h"), "alert.snooze for=4h");
        assert_eq!(first_of("zzzzqqq"), "");
    }
}
