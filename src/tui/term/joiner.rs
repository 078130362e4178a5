//! Puts escape sequences together again that arrived in pieces. The reader below reports such pieces as single
//! keys (`esc`, `[`, `A`), and late answers of the terminal as letters; a piece must never become a command.

use std::time::{Duration, Instant};

use crate::tui::keys::key::{Code, Key};

/// Bytes of one paste that are kept while it is put together.
const PASTE_CHARS_MAX: usize = 65_536;
/// Characters of one sequence.
const SEQUENCE_CHARS_MAX: usize = 64;
/// How long an unfinished paste waits for its next key.
const PASTE_WAIT: Duration = Duration::from_secs(1);

/// What the reader reports, after the joiner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TermEvent {
    /// A key.
    Key(Key),
    /// A bracketed paste.
    Paste(String),
    /// A new size: (columns, rows).
    Resize(u16, u16),
    /// The terminal has the focus, or lost it.
    Focus(bool),
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Idle,
    /// An escape came alone.
    Escape,
    /// After `esc [`.
    Csi(String),
    /// After `esc O`.
    Ss3,
    /// Inside an answer of the terminal that is nobody's key; the key is what began it, if it was one.
    Answer(Option<Key>, usize),
    /// Inside a paste whose beginning arrived in pieces.
    Paste(String),
    /// Inside such a paste, after an escape and these characters.
    PasteEnd(String, String),
}

/// Joins the events of one terminal.
#[derive(Debug)]
pub struct Joiner {
    state: State,
    wait: Duration,
    deadline: Option<Instant>,
    dropped: u64,
}

impl Joiner {
    /// A joiner that waits `wait` for the rest of a sequence; zero switches it off.
    pub fn new(wait: Duration) -> Joiner {
        Joiner { state: State::Idle, wait, deadline: None, dropped: 0 }
    }

    /// Pieces and answers dropped so far.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Until when more input is awaited, if any is.
    pub fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Take one event at `now`.
    pub fn push(&mut self, event: TermEvent, now: Instant, out: &mut Vec<TermEvent>) {
        if self.wait.is_zero() {
            return out.push(event);
        }
        if self.deadline.is_some_and(|deadline| now > deadline) {
            self.expire(out);
        }
        let TermEvent::Key(key) = event else {
            if !matches!(event, TermEvent::Resize(..) | TermEvent::Focus(_)) {
                self.expire(out);
            }
            return out.push(event);
        };
        self.key(key, out);
        self.deadline = match self.state {
            State::Idle => None,
            State::Paste(_) | State::PasteEnd(..) => Some(now + PASTE_WAIT),
            _ => Some(now + self.wait),
        };
    }

    /// Nothing more came in time.
    pub fn expire(&mut self, out: &mut Vec<TermEvent>) {
        self.deadline = None;
        match std::mem::take(&mut self.state) {
            State::Idle => {}
            State::Escape => out.push(TermEvent::Key(Key::plain(Code::Esc))),
            State::Answer(Some(key), 0) => out.push(TermEvent::Key(key)),
            State::Csi(_) | State::Ss3 | State::Answer(..) => self.dropped += 1,
            State::Paste(text) | State::PasteEnd(text, _) => out.push(TermEvent::Paste(text)),
        }
    }

    fn key(&mut self, key: Key, out: &mut Vec<TermEvent>) {
        match std::mem::take(&mut self.state) {
            State::Idle => self.idle(key, out),
            State::Escape => self.after_escape(key, out),
            State::Csi(body) => self.in_csi(body, key, out),
            State::Ss3 => match key.typed().and_then(|letter| letter_code(letter, true)) {
                Some(code) => out.push(TermEvent::Key(Key::plain(code))),
                None => self.dropped += 1,
            },
            State::Answer(_, length) => self.in_answer(key, length, out),
            State::Paste(text) => self.in_paste(text, key),
            State::PasteEnd(text, end) => self.in_paste_end(text, end, key, out),
        }
    }

    fn idle(&mut self, key: Key, out: &mut Vec<TermEvent>) {
        match key {
            Key { code: Code::Esc, ctrl: false, alt: false, .. } => self.state = State::Escape,
            Key { code: Code::Char(']' | 'P' | '_' | '^'), alt: true, .. } => {
                self.state = State::Answer(Some(key), 0);
            }
            _ => out.push(TermEvent::Key(key)),
        }
    }

    fn after_escape(&mut self, key: Key, out: &mut Vec<TermEvent>) {
        match key.typed() {
            Some('[') => self.state = State::Csi(String::new()),
            Some('O') => self.state = State::Ss3,
            Some(']' | 'P' | '_' | '^') => self.state = State::Answer(None, 1),
            _ => {
                out.push(TermEvent::Key(Key::plain(Code::Esc)));
                self.idle(key, out);
            }
        }
    }

    fn in_csi(&mut self, mut body: String, key: Key, out: &mut Vec<TermEvent>) {
        match key.typed() {
            Some(letter @ ('0'..='9' | ';' | '?' | '<' | '>' | '=' | '$' | ' ' | ':'))
                if body.len() < SEQUENCE_CHARS_MAX =>
            {
                body.push(letter);
                self.state = State::Csi(body);
            }
            Some('~') if body == "200" => self.state = State::Paste(String::new()),
            Some('I' | 'O') if body.is_empty() => {
                out.push(TermEvent::Focus(key.typed() == Some('I')));
            }
            Some(last) => match csi_key(&body, last) {
                Some(key) => out.push(TermEvent::Key(key)),
                None => self.dropped += 1,
            },
            None => {
                self.dropped += 1;
                self.idle(key, out);
            }
        }
    }

    fn in_answer(&mut self, key: Key, length: usize, out: &mut Vec<TermEvent>) {
        let ends = key == Key::ctrl('g')
            || key == Key { alt: true, ..Key::char('\\') }
            || length > PASTE_CHARS_MAX;
        if ends {
            self.dropped += 1;
        } else if key.code == Code::Esc || key.typed().is_some() {
            self.state = State::Answer(None, length + 1);
        } else {
            self.dropped += 1;
            self.idle(key, out);
        }
    }

    fn in_paste(&mut self, mut text: String, key: Key) {
        let room = text.chars().count() < PASTE_CHARS_MAX;
        match key.code {
            Code::Esc => {
                self.state = State::PasteEnd(text, String::new());
                return;
            }
            Code::Enter if room => text.push('\n'),
            Code::Tab if room => text.push('\t'),
            Code::Char(letter) if room && !key.ctrl => text.push(letter),
            _ => {}
        }
        self.state = State::Paste(text);
    }

    fn in_paste_end(&mut self, text: String, mut end: String, key: Key, out: &mut Vec<TermEvent>) {
        end.extend(key.typed());
        if end == "[201~" {
            out.push(TermEvent::Paste(text));
        } else if key.typed().is_some() && "[201~".starts_with(&end) {
            self.state = State::PasteEnd(text, end);
        } else {
            self.state = State::Paste(text + "\u{1b}" + &end);
        }
    }
}

/// The key of a finished CSI sequence, if it is one.
fn csi_key(body: &str, last: char) -> Option<Key> {
    let mut numbers = body.split(';').map(|number| number.parse::<u8>().ok());
    let first = numbers.next().flatten();
    let modifiers = numbers.next().flatten().unwrap_or(1).saturating_sub(1);
    if numbers.next().is_some() || body.contains(|c: char| !c.is_ascii_digit() && c != ';') {
        return None;
    }
    let code = match last {
        '~' => number_code(first?)?,
        _ if first.unwrap_or(1) == 1 => letter_code(last, false)?,
        _ => return None,
    };
    if modifiers > 7 {
        return None;
    }
    let key =
        Key { code, shift: modifiers & 1 != 0, alt: modifiers & 2 != 0, ctrl: modifiers & 4 != 0 };
    Some(key.normal())
}

fn letter_code(letter: char, ss3: bool) -> Option<Code> {
    Some(match letter {
        'A' => Code::Up,
        'B' => Code::Down,
        'C' => Code::Right,
        'D' => Code::Left,
        'H' => Code::Home,
        'F' => Code::End,
        'Z' if !ss3 => Code::BackTab,
        'P' => Code::F(1),
        'Q' => Code::F(2),
        'R' => Code::F(3),
        'S' => Code::F(4),
        'M' if ss3 => Code::Enter,
        _ => return None,
    })
}

fn number_code(number: u8) -> Option<Code> {
    Some(match number {
        1 | 7 => Code::Home,
        2 => Code::Insert,
        3 => Code::Delete,
        4 | 8 => Code::End,
        5 => Code::PageUp,
        6 => Code::PageDown,
        11..=15 => Code::F(number - 10),
        17..=21 => Code::F(number - 11),
        23 | 24 => Code::F(number - 12),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn feed(text: &str) -> Vec<TermEvent> {
        let mut joiner = Joiner::new(Duration::from_millis(40));
        let mut out = Vec::new();
        let now = Instant::now();
        for letter in text.chars() {
            let key = match letter {
                '\u{1b}' => Key::plain(Code::Esc),
                '\u{7}' => Key::ctrl('g'),
                '\n' => Key::plain(Code::Enter),
                _ => Key::char(letter),
            };
            joiner.push(TermEvent::Key(key), now, &mut out);
        }
        joiner.expire(&mut out);
        out
    }

    fn key(name: &str) -> TermEvent {
        TermEvent::Key(Key::parse(name).unwrap())
    }

    #[test]
    fn split_keys_are_whole_again() {
        assert_eq!(feed("\u{1b}[A"), [key("up")]);
        assert_eq!(feed("\u{1b}[5~\u{1b}[1;5C"), [key("pageup"), key("ctrl-right")]);
        assert_eq!(feed("\u{1b}OH\u{1b}[Z"), [key("home"), key("backtab")]);
        assert_eq!(feed("\u{1b}"), [key("esc")]);
        assert_eq!(feed("\u{1b}j"), [key("esc"), key("j")]);
        assert_eq!(feed("\u{1b}\u{1b}[B"), [key("esc"), key("down")]);
    }

    #[test]
    fn answers_of_the_terminal_are_nobodys_keys() {
        assert_eq!(feed("\u{1b}]11;rgb:1e1e/1e1e/1e1e\u{7}j"), [key("j")]);
        assert_eq!(feed("\u{1b}[?62;4c\u{1b}[12;40Rk"), [key("k")]);
        let mut joiner = Joiner::new(Duration::from_millis(40));
        let mut out = Vec::new();
        let now = Instant::now();
        for key in [Key { alt: true, ..Key::char(']') }, Key::char('4'), Key::ctrl('g')] {
            joiner.push(TermEvent::Key(key), now, &mut out);
        }
        assert_eq!((out, joiner.dropped()), (vec![], 1));
    }

    #[test]
    fn a_late_key_is_a_key_of_its_own() {
        let mut joiner = Joiner::new(Duration::from_millis(40));
        let mut out = Vec::new();
        let now = Instant::now();
        joiner.push(key("esc"), now, &mut out);
        joiner.push(key("["), now + Duration::from_millis(80), &mut out);
        assert_eq!(out, [key("esc"), key("[")]);
    }

    #[test]
    fn a_paste_in_pieces_is_a_paste() {
        let text = "\u{1b}[200~vf\ny\u{1b}[2J\u{1b}[201~j";
        assert_eq!(feed(text), [TermEvent::Paste("vf\ny\u{1b}[2J".to_owned()), key("j")]);
    }

    proptest! {
        #[test]
        fn no_sequence_leaves_letters_behind(
            body in "[0-9;?<>]{0,12}", last in "[@-~]", before in "[a-z]{0,3}",
        ) {
            prop_assume!(!(body == "200" && last == "~"));
            let events = feed(&format!("{before}\u{1b}[{body}{last}"));
            let typed: String = events.iter().filter_map(|event| match event {
                TermEvent::Key(key) => key.typed(),
                _ => None,
            }).collect();
            prop_assert_eq!(typed, before);
        }
    }
}
