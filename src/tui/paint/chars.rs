//! Which characters of outside text may be drawn as they are, and how the others are shown.

use unicode_properties::{GeneralCategory, UnicodeEmoji, UnicodeGeneralCategory};

/// What to do with one character.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CharClass {
    /// Draw it.
    Plain,
    /// A tab.
    Tab,
    /// C0 or DEL: shown in caret form, `^M`.
    Caret(char),
    /// C1: shown as `<9B>`.
    C1,
    /// Anything hidden, unassigned or private: shown as `<U+202E>`.
    Hidden,
    /// A combining mark: at most two a base.
    Combining,
    /// A variation selector: invisible; dropped after an emoji, otherwise hidden.
    Variation,
}

/// Classify one character.
pub fn classify(character: char) -> CharClass {
    match character {
        ' '..='~' => CharClass::Plain,
        '\t' => CharClass::Tab,
        '\u{0}'..='\u{1f}' => {
            CharClass::Caret(char::from_u32(u32::from(character) + 0x40).unwrap_or('?'))
        }
        '\u{7f}' => CharClass::Caret('?'),
        '\u{80}'..='\u{9f}' => CharClass::C1,
        '\u{fe00}'..='\u{fe0f}' | '\u{e0100}'..='\u{e01ef}' => CharClass::Variation,
        _ if is_invisible_letter(character) => CharClass::Hidden,
        _ => by_category(character),
    }
}

/// May this character be the base of an emoji with a variation selector?
pub fn is_emoji_base(character: char) -> bool {
    !character.is_ascii() && character.is_emoji_char()
}

/// Characters that Unicode calls letters, marks or symbols and that draw nothing.
fn is_invisible_letter(character: char) -> bool {
    matches!(
        character,
        '\u{34f}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{2800}'
            | '\u{3164}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffc}'
            | '\u{1d159}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

fn by_category(character: char) -> CharClass {
    match character.general_category() {
        GeneralCategory::Control
        | GeneralCategory::Format
        | GeneralCategory::LineSeparator
        | GeneralCategory::ParagraphSeparator
        | GeneralCategory::PrivateUse
        | GeneralCategory::Surrogate
        | GeneralCategory::Unassigned => CharClass::Hidden,
        GeneralCategory::NonspacingMark | GeneralCategory::EnclosingMark => CharClass::Combining,
        _ => CharClass::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_characters_of_the_design_are_hidden() {
        for code in [
            0x200e, 0x200f, 0x202a, 0x202e, 0x2066, 0x2069, 0x061c, 0x200b, 0x200d, 0x2060, 0x2064,
            0xfeff, 0xad, 0xe0001, 0xe007f, 0x2028, 0x2029, 0xe000, 0xf8ff, 0x10ffff, 0x378,
        ] {
            let character = char::from_u32(code).unwrap();
            assert_eq!(classify(character), CharClass::Hidden, "U+{code:04X}");
        }
        assert_eq!(classify('\u{1b}'), CharClass::Caret('['));
        assert_eq!(classify('\u{9b}'), CharClass::C1);
        assert_eq!(classify('é'), CharClass::Plain);
        assert_eq!(classify('\u{301}'), CharClass::Combining);
        assert_eq!(classify('漢'), CharClass::Plain);
    }
}
