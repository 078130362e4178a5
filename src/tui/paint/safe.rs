//! `SafeText`: outside text made harmless and honest. Nothing hidden survives, and nothing hidden vanishes:
//! what cannot be drawn is replaced by a visible mark, and the text remembers that it was altered.

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation as _;
use unicode_width::UnicodeWidthStr as _;

use crate::tui::paint::chars::{self, CharClass};

/// Characters of one line that are read at all; the rest is counted in a closing `...(+n)`.
pub const LINE_CHARS_MAX: usize = 4_096;
/// Lines of one block that are read at all.
pub const BLOCK_LINES_MAX: usize = 5_000;
/// Combining marks that one base keeps.
const COMBINING_MAX: usize = 2;
/// Columns between tab stops.
const TAB_COLUMNS: usize = 4;

/// One line of text that may be drawn. The only text type that [`super::canvas::Canvas`] takes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SafeText {
    text: String,
    marks: Vec<Range<usize>>,
    altered: bool,
}

impl SafeText {
    /// Outside text as one line; line feeds become `^J` marks.
    pub fn line(text: &str) -> SafeText {
        let mut builder = Builder::default();
        let mut characters = text.chars();
        for character in characters.by_ref().take(LINE_CHARS_MAX) {
            builder.push(character);
        }
        builder.finish(characters.count(), "")
    }

    /// Outside text as lines, split at line feeds (with or without a carriage return).
    pub fn block(text: &str) -> Vec<SafeText> {
        let mut rest = text.split('\n');
        let mut lines: Vec<SafeText> = rest
            .by_ref()
            .take(BLOCK_LINES_MAX)
            .map(|line| SafeText::line(line.strip_suffix('\r').unwrap_or(line)))
            .collect();
        let left = rest.count();
        if left > 0 {
            lines.push(Builder::default().finish(left, " lines"));
        }
        lines
    }

    /// A label of our own.
    pub fn label(text: &'static str) -> SafeText {
        SafeText::line(text)
    }

    /// The text, every character drawable.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Columns it takes.
    pub fn width(&self) -> usize {
        self.text.graphemes(true).map(grapheme_width).sum()
    }

    /// Was anything hidden, cut at a limit or replaced?
    pub fn altered(&self) -> bool {
        self.altered
    }

    /// Nothing in it?
    pub fn is_empty(&self) -> bool {
        self.text.is_empty()
    }

    /// Add another text at the end.
    pub fn push(&mut self, other: &SafeText) -> &mut SafeText {
        let offset = self.text.len();
        self.text.push_str(&other.text);
        self.marks.extend(other.marks.iter().map(|mark| mark.start + offset..mark.end + offset));
        self.altered |= other.altered;
        self
    }

    /// Add a label of our own at the end.
    pub fn push_label(&mut self, label: &'static str) -> &mut SafeText {
        self.push(&SafeText::label(label))
    }

    /// Several texts one after the other.
    pub fn join(parts: &[&SafeText], separator: &'static str) -> SafeText {
        let mut joined = SafeText::default();
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                joined.push_label(separator);
            }
            joined.push(part);
        }
        joined
    }

    /// The drawable units with their columns and whether they belong to a mark.
    pub fn cells(&self) -> impl Iterator<Item = (&str, usize, bool)> {
        self.text.grapheme_indices(true).map(|(at, grapheme)| {
            (grapheme, grapheme_width(grapheme), self.marks.iter().any(|mark| mark.contains(&at)))
        })
    }

    /// At most `columns` wide. A cut is shown as `..`; a cut that removes marks as a `<..>` mark, so that an
    /// altered text is always visibly so.
    #[must_use]
    pub fn truncated(&self, columns: usize) -> SafeText {
        if self.width() <= columns {
            return self.clone();
        }
        let plain = self.cut(columns, "..", false);
        if !self.altered || plain.marks.len() == self.marks.len() && !self.marks.is_empty() {
            return plain;
        }
        self.cut(columns, "<..>", true)
    }

    /// As `truncated`, but what is cut out is the middle: both ends stay.
    #[must_use]
    pub fn truncated_middle(&self, columns: usize) -> SafeText {
        if self.width() <= columns {
            return self.clone();
        }
        let marked = |text: &SafeText| text.marks.iter().map(Range::len).sum::<usize>();
        let plain = self.cut_middle(columns, "..", false);
        if !self.altered || marked(&plain) == marked(self) && !self.marks.is_empty() {
            return plain;
        }
        self.cut_middle(columns, "<..>", true)
    }

    /// Wrap at `columns`, by words where that is possible.
    pub fn wrapped(&self, columns: usize) -> Vec<SafeText> {
        let columns = columns.max(8);
        let mut lines = Vec::new();
        let mut start = 0;
        while start < self.text.len() {
            let end = self.wrap_end(start, columns);
            lines.push(self.slice(start..end));
            start = end;
        }
        if lines.is_empty() {
            lines.push(self.clone());
        }
        lines
    }

    /// Byte offset where the line that begins at `start` ends.
    fn wrap_end(&self, start: usize, columns: usize) -> usize {
        let mut used = 0;
        let mut last_space = None;
        for (at, grapheme) in self.text.get(start..).unwrap_or("").grapheme_indices(true) {
            used += grapheme_width(grapheme);
            if used > columns {
                let hard = start + at;
                return last_space.filter(|end| *end > start).unwrap_or(hard);
            }
            if grapheme == " " && used * 2 > columns {
                last_space = Some(start + at + grapheme.len());
            }
        }
        self.text.len()
    }

    fn slice(&self, range: Range<usize>) -> SafeText {
        let marks: Vec<Range<usize>> = self
            .marks
            .iter()
            .filter(|mark| mark.start < range.end && mark.end > range.start)
            .map(|mark| {
                mark.start.max(range.start) - range.start..mark.end.min(range.end) - range.start
            })
            .collect();
        let altered = !marks.is_empty();
        SafeText { text: self.text.get(range).unwrap_or("").to_owned(), marks, altered }
    }

    fn cut(&self, columns: usize, suffix: &'static str, suffix_is_mark: bool) -> SafeText {
        let suffix: String = suffix.chars().take(columns).collect();
        let mut cut = self.slice(0..self.fits(columns.saturating_sub(suffix.len())));
        cut.join_cut(&suffix, suffix_is_mark);
        cut.altered = self.altered;
        cut
    }

    fn cut_middle(&self, columns: usize, joint: &'static str, joint_is_mark: bool) -> SafeText {
        let joint: String = joint.chars().take(columns).collect();
        let room = columns.saturating_sub(joint.len());
        let tail_room = room / 2;
        // A mark that does not fit whole is left out: half of one reads like text.
        let split = |at: usize| self.marks.iter().find(|mark| mark.start < at && at < mark.end);
        let end = self.fits(room - tail_room);
        let mut cut = self.slice(0..split(end).map_or(end, |mark| mark.start));
        cut.join_cut(&joint, joint_is_mark);
        let (mut used, mut start) = (0, self.text.len());
        for (at, grapheme) in self.text.grapheme_indices(true).rev() {
            used += grapheme_width(grapheme);
            if used > tail_room {
                break;
            }
            start = at;
        }
        start = split(start).map_or(start, |mark| mark.end);
        cut.push(&self.slice(start..self.text.len()));
        cut.altered = self.altered;
        cut
    }

    /// Byte offset up to which the text is at most `columns` wide.
    fn fits(&self, columns: usize) -> usize {
        let (mut used, mut end) = (0, 0);
        for (at, grapheme) in self.text.grapheme_indices(true) {
            used += grapheme_width(grapheme);
            if used > columns {
                break;
            }
            end = at + grapheme.len();
        }
        end
    }

    /// The sign of a cut.
    fn join_cut(&mut self, sign: &str, is_mark: bool) {
        let offset = self.text.len();
        self.text.push_str(sign);
        if is_mark {
            self.marks.push(offset..self.text.len());
        }
    }
}

/// Columns of one drawable unit: at least one, so that nothing is ever invisible.
pub fn grapheme_width(grapheme: &str) -> usize {
    grapheme.width().clamp(1, 2)
}

#[derive(Default)]
struct Builder {
    out: SafeText,
    column: usize,
    base: Option<char>,
    combining: usize,
    dropped: usize,
}

impl Builder {
    fn push(&mut self, character: char) {
        let class = chars::classify(character);
        if class != CharClass::Combining {
            self.close_combining();
        }
        match class {
            CharClass::Plain => self.plain(character),
            CharClass::Tab => {
                for _ in 0..TAB_COLUMNS - self.column % TAB_COLUMNS {
                    self.plain(' ');
                }
            }
            CharClass::Caret(letter) => self.mark(&format!("^{letter}")),
            CharClass::C1 => self.mark(&format!("<{:02X}>", u32::from(character))),
            CharClass::Hidden => self.mark(&code_point(character)),
            CharClass::Combining => self.combining(character),
            CharClass::Variation if self.base.is_some_and(chars::is_emoji_base) => {}
            CharClass::Variation => self.mark(&code_point(character)),
        }
    }

    fn plain(&mut self, character: char) {
        self.out.text.push(character);
        self.column += 1;
        self.base = Some(character).filter(|base| *base != ' ');
        self.combining = 0;
    }

    fn combining(&mut self, character: char) {
        if self.base.is_none() {
            self.mark(&code_point(character));
        } else if self.combining < COMBINING_MAX {
            self.out.text.push(character);
            self.combining += 1;
        } else {
            self.dropped += 1;
        }
    }

    /// Say how many combining marks were left out.
    fn close_combining(&mut self) {
        if self.dropped > 0 {
            let dropped = std::mem::take(&mut self.dropped);
            self.mark(&format!("<+{dropped}>"));
        }
    }

    fn mark(&mut self, shown: &str) {
        let start = self.out.text.len();
        self.out.text.push_str(shown);
        self.out.marks.push(start..self.out.text.len());
        self.out.altered = true;
        self.column += shown.len();
        self.base = None;
        self.combining = 0;
    }

    fn finish(mut self, left: usize, unit: &str) -> SafeText {
        self.close_combining();
        if left > 0 {
            self.mark(&format!("...(+{left}{unit})"));
        }
        self.out
    }
}

fn code_point(character: char) -> String {
    format!("<U+{:04X}>", u32::from(character))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown(text: &str) -> String {
        SafeText::line(text).as_str().to_owned()
    }

    #[test]
    fn every_class_is_shown() {
        assert_eq!(shown("a\u{1b}[31mb\r\n"), "a^[[31mb^M^J");
        assert_eq!(shown("\u{7f}\u{9b}5n"), "^?<9B>5n");
        assert_eq!(shown("58\u{202e}gpj."), "58<U+202E>gpj.");
        assert_eq!(shown("a\u{200b}b\u{feff}"), "a<U+200B>b<U+FEFF>");
        assert_eq!(shown("\u{e0041}\u{fe0f}x\u{fe0f}"), "<U+E0041><U+FE0F>x<U+FE0F>");
        assert_eq!(shown("\u{2764}\u{fe0f}"), "\u{2764}");
        assert_eq!(shown("\u{301}a\u{301}\u{302}\u{303}\u{304}b"), "<U+0301>a\u{301}\u{302}<+2>b");
        assert_eq!(shown("a\tb"), "a   b");
    }

    #[test]
    fn clean_text_is_not_altered_and_marks_are_not_plain_text() {
        assert!(!SafeText::line("plain é 漢").altered());
        assert!(!SafeText::line("^M").altered());
        assert_ne!(SafeText::line("^M"), SafeText::line("\r"));
    }

    #[test]
    fn long_lines_and_blocks_say_how_much_is_missing() {
        let line = SafeText::line(&"x".repeat(LINE_CHARS_MAX + 7));
        assert!(line.as_str().ends_with("...(+7)"));
        let block = SafeText::block(&"y\n".repeat(BLOCK_LINES_MAX + 3));
        assert_eq!(block.last().unwrap().as_str(), "...(+4 lines)");
    }

    #[test]
    fn a_cut_keeps_the_warning() {
        let text = SafeText::line("abcdefghijkl\u{202e}mn");
        let cut = text.truncated(10);
        assert_eq!(cut.as_str(), "abcdef<..>");
        assert!(cut.altered());
        assert_eq!(SafeText::line("abcdefghijkl").truncated(6).as_str(), "abcd..");
    }

    #[test]
    fn a_cut_in_the_middle_keeps_both_ends_and_the_warning() {
        let cut = |text: &str, columns| SafeText::line(text).truncated_middle(columns);
        assert_eq!(cut("prod-eu-west-0001", 12).as_str(), "prod-..-0001");
        assert_eq!(cut("prod-eu-west-0001", 17).as_str(), "prod-eu-west-0001");
        assert_eq!(cut("prod-eu-west-0001", 1).as_str(), ".");
        let hidden = cut("prod-eu\u{202e}-west-0001", 12);
        assert_eq!(hidden.as_str(), "prod<..>0001");
        assert!(hidden.altered() && hidden.cells().any(|(_, _, mark)| mark));
    }

    proptest! {
        #[test]
        fn nothing_hidden_survives(text in any::<String>(), columns in 0_usize..60) {
            let safe = SafeText::line(&text);
            for character in safe.as_str().chars() {
                let class = chars::classify(character);
                prop_assert!(matches!(class, CharClass::Plain | CharClass::Combining));
            }
            let cut = safe.truncated(columns);
            prop_assert!(cut.width() <= columns.max(safe.width().min(columns)));
            if safe.altered() && columns > 0 {
                prop_assert!(cut.altered() && cut.cells().any(|(_, _, mark)| mark));
            }
            let cut = safe.truncated_middle(columns);
            prop_assert!(cut.width() <= columns.max(safe.width().min(columns)));
            if safe.altered() && columns > 0 {
                prop_assert!(cut.altered() && cut.cells().any(|(_, _, mark)| mark));
            }
            let joined: String = safe.wrapped(20).iter().map(SafeText::as_str).collect();
            prop_assert_eq!(joined, safe.as_str());
        }
    }
}
