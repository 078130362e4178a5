//! The shape of texts: command lines, scripts, names. A text is read through a mask in which all lower-case letters are
//! alike, all upper-case letters and all digits, so that its shape says nothing of the words in it.

use crate::infer::graph::{Facts, Flag, Slot, hash};
use crate::infer::shape::path;
use crate::model::platform::Platform;

/// Bytes of a text that are looked at; its length is counted whole.
const TEXT_BYTES_MAX: usize = 4_096;
/// Words whose shape goes into the label of a command line.
const LABEL_WORDS_MAX: usize = 48;
/// Words that are looked at as paths.
const PATH_WORDS_MAX: usize = 16;
/// A run of so many letters and digits without a pause looks encoded, if it changes class often.
const ENCODED_RUN: usize = 40;

const LOWER: u8 = 0;
const UPPER: u8 = 1;
const DIGIT: u8 = 2;
const BLANK: u8 = 3;
const QUOTE: u8 = 4;
const SLASH: u8 = 5;
const DOT: u8 = 6;
const DASH: u8 = 7;
const BRACKET: u8 = 8;
const MARK: u8 = 9;
const SPECIAL: u8 = 10;
const FOREIGN: u8 = 11;
const CLASSES: usize = 12;

/// The class of each byte.
fn class(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => LOWER,
        b'A'..=b'Z' => UPPER,
        b'0'..=b'9' => DIGIT,
        b' ' | b'\t' | b'\r' | b'\n' => BLANK,
        b'"' | b'\'' | b'`' => QUOTE,
        b'/' | b'\\' => SLASH,
        b'.' | b',' => DOT,
        b'-' | b'_' => DASH,
        b'(' | b')' | b'[' | b']' | b'{' | b'}' => BRACKET,
        b'=' | b'+' | b':' | b';' => MARK,
        0x21..=0x7e => SPECIAL,
        _ => FOREIGN,
    }
}

/// How often each class and each pair of classes comes in a text.
#[derive(Clone, Debug)]
pub struct Mask {
    length: u32,
    counts: [u32; CLASSES],
    pairs: [[u16; CLASSES]; CLASSES],
}

impl Mask {
    /// Read a text.
    pub fn of(text: &str) -> Mask {
        let mut mask = Mask { length: 0, counts: [0; CLASSES], pairs: [[0; CLASSES]; CLASSES] };
        let mut before = None;
        for byte in text.bytes().take(TEXT_BYTES_MAX) {
            let now = usize::from(class(byte));
            mask.length += 1;
            if let Some(count) = mask.counts.get_mut(now) {
                *count += 1;
            }
            if let Some(pair) = before.and_then(|b: usize| mask.pairs.get_mut(b)?.get_mut(now)) {
                *pair += 1;
            }
            before = Some(now);
        }
        mask
    }

    fn count(&self, class: u8) -> u32 {
        self.counts.get(usize::from(class)).copied().unwrap_or_default()
    }

    fn pair(&self, left: u8, right: u8) -> u32 {
        let row = self.pairs.get(usize::from(left));
        row.and_then(|row| row.get(usize::from(right))).copied().unwrap_or_default().into()
    }

    fn share(&self, part: u32) -> f32 {
        if self.length == 0 { 0.0 } else { part as f32 / self.length as f32 }
    }

    /// Digits among all.
    pub fn digits_share(&self) -> f32 {
        self.share(self.count(DIGIT))
    }

    /// Upper case among letters.
    pub fn upper_share(&self) -> f32 {
        let letters = self.count(LOWER) + self.count(UPPER);
        if letters == 0 { 0.0 } else { self.count(UPPER) as f32 / letters as f32 }
    }

    /// What is no letter, digit or blank.
    pub fn special_share(&self) -> f32 {
        let plain = self.count(LOWER) + self.count(UPPER) + self.count(DIGIT) + self.count(BLANK);
        self.share(self.length - plain)
    }

    /// Changes between digits and letters, or from lower to upper case.
    pub fn changes_share(&self) -> f32 {
        let digits = self.pair(DIGIT, LOWER) + self.pair(LOWER, DIGIT) + self.pair(DIGIT, UPPER);
        self.share(digits + self.pair(UPPER, DIGIT) + self.pair(LOWER, UPPER))
    }

    /// Entropy of pairs of classes as a share of what is possible.
    pub fn entropy(&self) -> f32 {
        let total = self.length.saturating_sub(1) as f32;
        if total < 1.0 {
            return 0.0;
        }
        let mut bits = 0.0_f32;
        for count in self.pairs.iter().flatten().filter(|count| **count > 0) {
            let p = f32::from(*count) / total;
            bits -= p * p.log2();
        }
        bits / ((CLASSES * CLASSES) as f32).log2()
    }
}

/// A name in which runs of digits are one `#`, and a name that changes often between digits and letters is `?`.
pub fn collapse(name: &str) -> String {
    let mut out = String::with_capacity(name.len().min(64));
    let mut changes = 0_u32;
    let mut digit_before = None;
    for c in name.chars().take(128) {
        let digit = c.is_ascii_digit();
        if c.is_ascii_alphanumeric() {
            if digit_before == Some(!digit) {
                changes += 1;
            }
            digit_before = Some(digit);
        }
        if digit {
            if !out.ends_with('#') {
                out.push('#');
            }
        } else {
            out.push(c.to_ascii_lowercase());
        }
    }
    // Two changes are an ordinary numbered name (`a1b`); more is a random one.
    if changes > 3 { "?".to_owned() } else { out }
}

/// The shape of a command line: facts with the label's part of it. `arguments_only`: the first word is the program.
pub fn command(platform: Platform, text: &str) -> Facts {
    let mut facts = Facts::default();
    if text.is_empty() {
        return facts;
    }
    let arguments = after_program(text);
    measure(&mut facts, arguments);
    words(&mut facts, platform, arguments);
    facts.shape = shape(arguments);
    facts
}

/// The shape of a script.
pub fn script(platform: Platform, text: &str) -> Facts {
    let mut facts = Facts::default();
    if text.is_empty() {
        return facts;
    }
    measure(&mut facts, text);
    words(&mut facts, platform, text);
    facts.amount(Slot::TextLines, text.bytes().filter(|byte| *byte == b'\n').count() + 1);
    facts.shape = shape(text);
    facts
}

/// Without the program: its first word, with or without quotes.
fn after_program(text: &str) -> &str {
    let text = text.trim_start();
    let rest = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').map_or("", |(_, rest)| rest),
        None => text.split_once(char::is_whitespace).map_or("", |(_, rest)| rest),
    };
    rest.trim_start()
}

fn measure(facts: &mut Facts, text: &str) {
    let mask = Mask::of(text);
    facts.amount(Slot::TextLength, text.len());
    facts.share(Slot::TextDigits, mask.digits_share());
    facts.share(Slot::TextUpper, mask.upper_share());
    facts.share(Slot::TextSpecial, mask.special_share());
    facts.share(Slot::TextEntropy, mask.entropy());
}

fn words(facts: &mut Facts, platform: Platform, text: &str) {
    let cut = text.floor_char_boundary(TEXT_BYTES_MAX);
    let text = text.get(..cut).unwrap_or(text);
    let (mut count, mut switches, mut paths, mut longest) = (0, 0, 0, 0);
    for word in text.split_ascii_whitespace() {
        count += 1;
        longest = longest.max(word.len());
        let bare = word.trim_matches(|c: char| matches!(c, '"' | '\'' | ';' | ',' | '(' | ')'));
        if is_switch(platform, bare) {
            switches += 1;
            continue;
        }
        facts.set_if(bare.contains("://"), Flag::TextUrl);
        facts.set_if(bare.starts_with("\\\\"), Flag::TextShare);
        facts.set_if(holds_address(bare), Flag::TextAddress);
        if is_path(platform, bare) {
            paths += 1;
            if paths <= PATH_WORDS_MAX && path::user_writable(platform, bare) {
                facts.set(Flag::TextUserWritable);
            }
        }
    }
    facts.amount(Slot::TextWords, count);
    facts.amount(Slot::TextSwitches, switches);
    facts.amount(Slot::TextPaths, paths);
    facts.amount(Slot::TextLongestWord, longest);
    let run = encoded_run(text);
    facts.amount(Slot::TextEncodedRun, run);
    facts.set_if(run >= ENCODED_RUN, Flag::TextEncoded);
    let has = |part: &str| text.contains(part);
    facts.set_if(has("|") || has("&&") || has(";") || has("& "), Flag::TextChain);
    facts.set_if(has(">") || has("<"), Flag::TextRedirect);
    facts.set_if(has("$") || text.matches('%').count() > 1, Flag::TextVariable);
    facts.set_if(has("\"") && has("'"), Flag::TextNestedQuotes);
}

fn is_switch(platform: Platform, word: &str) -> bool {
    let mut bytes = word.bytes();
    match bytes.next() {
        Some(b'-') => bytes.next().is_some_and(|byte| byte == b'-' || byte.is_ascii_alphanumeric()),
        Some(b'/') if platform == Platform::Windows => {
            word.len() <= 24 && !word.get(1..).unwrap_or("").contains('/')
        }
        _ => false,
    }
}

fn is_path(platform: Platform, word: &str) -> bool {
    match platform {
        Platform::Windows => {
            word.get(1..3) == Some(":\\") || word.starts_with('\\') || word.starts_with('%')
        }
        Platform::Linux => {
            word.starts_with('/') || word.starts_with("./") || word.starts_with("~/")
        }
    }
}

/// Four numbers with dots between, anywhere in the word.
fn holds_address(word: &str) -> bool {
    let (mut digits, mut dots) = (0_u32, 0_u32);
    for byte in word.bytes() {
        match byte {
            b'0'..=b'9' if digits < 3 => digits += 1,
            b'.' if digits > 0 => {
                dots += 1;
                digits = 0;
            }
            _ => {
                if dots == 3 && digits > 0 {
                    return true;
                }
                (digits, dots) = (0, 0);
            }
        }
    }
    dots == 3 && digits > 0
}

/// The longest run of letters, digits, `+`, `/` and `=` that changes class in at least every sixth place.
fn encoded_run(text: &str) -> usize {
    let (mut longest, mut length, mut changes, mut before) = (0, 0_usize, 0_usize, FOREIGN);
    let mut close = |length: usize, changes: usize| {
        if changes * 6 >= length {
            longest = longest.max(length);
        }
    };
    for byte in text.bytes() {
        let now = class(byte);
        let inside = matches!(now, LOWER | UPPER | DIGIT) || matches!(byte, b'+' | b'/' | b'=');
        if inside {
            length += 1;
            changes += usize::from(now != before);
            before = now;
        } else {
            close(length, changes);
            (length, changes, before) = (0, 0, FOREIGN);
        }
    }
    close(length, changes);
    longest
}

/// The label of a text's shape: the classes of its words, runs as one.
fn shape(text: &str) -> u64 {
    let mut out: Vec<u8> = Vec::with_capacity(128);
    for word in text.split_ascii_whitespace().take(LABEL_WORDS_MAX) {
        let mut before = None;
        for byte in word.bytes().take(256) {
            let now = match class(byte) {
                // In a label letters are letters: names of either case are alike.
                UPPER => LOWER,
                other => other,
            };
            if before != Some(now) {
                out.push(b'a' + now);
            }
            before = Some(now);
        }
        out.push(b' ');
    }
    hash(&[b"text", &out])
}
