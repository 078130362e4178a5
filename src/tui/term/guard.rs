//! The egress guard: a state machine over all bytes on their way to the tty. It knows the sequences that we send
//! and lets nothing else through; what it stops is counted. It is the last lock, not the first: `SafeText` already
//! keeps such bytes out, so a count above zero is a defect of ours.

use crate::tui::paint::chars::{self, CharClass};

/// Bytes that one sequence may have.
const SEQUENCE_BYTES_MAX: usize = 64;
/// Bytes of a clipboard sequence: 74 KB of text in base64 and its frame.
const CLIPBOARD_BYTES_MAX: usize = 102_400;
/// The clipboard sequence's beginning (it ends with BEL).
const CLIPBOARD: &[u8] = b"\x1b]52;c;";

/// Modes that we set and reset.
const MODES: [&[u8]; 10] =
    [b"25", b"1049", b"2004", b"1004", b"2026", b"1000", b"1002", b"1003", b"1006", b"1015"];

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    #[default]
    Ground,
    Utf8(usize),
    Escape,
    Csi,
    Osc,
}

/// The guard of one tty.
#[derive(Debug, Default)]
pub struct Guard {
    state: State,
    held: Vec<u8>,
    refused: u64,
}

impl Guard {
    /// Bytes refused so far.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// Pass bytes on to `out`; an unfinished sequence is held back.
    pub fn pass(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        for byte in bytes {
            self.byte(*byte, out);
        }
    }

    fn byte(&mut self, byte: u8, out: &mut Vec<u8>) {
        match self.state {
            State::Ground => self.ground(byte, out),
            State::Utf8(left) => self.utf8(byte, left, out),
            State::Escape => match byte {
                b'[' => self.hold(byte, State::Csi),
                b']' => self.hold(byte, State::Osc),
                _ => self.refuse_and_retry(byte, out),
            },
            State::Csi => match byte {
                0x20..=0x3f if self.held.len() < SEQUENCE_BYTES_MAX => self.hold(byte, State::Csi),
                0x40..=0x7e => self.close(byte, is_known_csi, out),
                _ => self.refuse_and_retry(byte, out),
            },
            State::Osc => match byte {
                0x07 => self.close(byte, is_clipboard, out),
                0x20..=0x7e if self.held.len() < CLIPBOARD_BYTES_MAX => {
                    self.hold(byte, State::Osc);
                }
                _ => self.refuse_and_retry(byte, out),
            },
        }
    }

    fn ground(&mut self, byte: u8, out: &mut Vec<u8>) {
        match byte {
            b' '..=b'~' => out.push(byte),
            0x1b => self.hold(byte, State::Escape),
            0xc2..=0xdf => self.hold(byte, State::Utf8(1)),
            0xe0..=0xef => self.hold(byte, State::Utf8(2)),
            0xf0..=0xf4 => self.hold(byte, State::Utf8(3)),
            _ => self.refused += 1,
        }
    }

    fn utf8(&mut self, byte: u8, left: usize, out: &mut Vec<u8>) {
        if !(0x80..=0xbf).contains(&byte) {
            return self.refuse_and_retry(byte, out);
        }
        if left > 1 {
            return self.hold(byte, State::Utf8(left - 1));
        }
        self.close(byte, is_drawable, out);
    }

    fn hold(&mut self, byte: u8, next: State) {
        self.held.push(byte);
        self.state = next;
    }

    /// The last byte of a unit: it goes out whole or not at all.
    fn close(&mut self, byte: u8, known: fn(&[u8]) -> bool, out: &mut Vec<u8>) {
        self.held.push(byte);
        if known(&self.held) {
            out.extend_from_slice(&self.held);
        } else {
            self.refused += self.held.len() as u64;
        }
        self.held.clear();
        self.state = State::Ground;
    }

    /// What is held is no unit of ours; the byte at hand may begin one.
    fn refuse_and_retry(&mut self, byte: u8, out: &mut Vec<u8>) {
        self.refused += self.held.len() as u64;
        self.held.clear();
        self.state = State::Ground;
        self.ground(byte, out);
    }
}

fn is_drawable(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| {
        text.chars().all(|character| {
            matches!(chars::classify(character), CharClass::Plain | CharClass::Combining)
        })
    })
}

fn is_clipboard(bytes: &[u8]) -> bool {
    let Some(body) = bytes.strip_prefix(CLIPBOARD).and_then(|rest| rest.strip_suffix(b"\x07"))
    else {
        return false;
    };
    body.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(byte))
}

fn is_known_csi(bytes: &[u8]) -> bool {
    let Some((last, body)) = bytes.strip_prefix(b"\x1b[").and_then(|rest| rest.split_last()) else {
        return false;
    };
    if let Some(mode) = body.strip_prefix(b"?") {
        return matches!(last, b'h' | b'l') && MODES.contains(&mode);
    }
    let numbers = body.iter().all(|byte| byte.is_ascii_digit() || *byte == b';');
    match last {
        b'm' | b'H' | b'r' => numbers,
        b'S' | b'T' => numbers && !body.is_empty(),
        b'J' => body == b"2",
        b'q' => body == b"0 ",
        b'u' => body == b"<1",
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::tui::paint::role::Role;
    use crate::tui::paint::safe::SafeText;
    use crate::tui::paint::screen::Screen;
    use crate::tui::paint::theme::{GlyphSet, Theme};
    use crate::tui::term::sequences;

    fn pass(bytes: &[u8]) -> (Vec<u8>, u64) {
        let mut guard = Guard::default();
        let mut out = Vec::new();
        guard.pass(bytes, &mut out);
        (out, guard.refused() + guard.held.len() as u64)
    }

    #[test]
    fn our_own_sequences_pass() {
        for bytes in [
            sequences::ENTER,
            sequences::LEAVE,
            sequences::SYNC_BEGIN,
            b"\x1b[3;44H\x1b[0;1;38;2;1;2;3;48;5;237mtext \xe6\xbc\xa2\x1b[2;9r\x1b[3S\x1b[r",
            b"\x1b]52;c;aGVsbG8=\x07",
        ] {
            assert_eq!(pass(bytes), (bytes.to_vec(), 0));
        }
    }

    #[test]
    fn everything_else_is_stopped_and_counted() {
        for bytes in [
            &b"\x1b]0;title\x07"[..],
            b"\x1b]8;;http://x\x1b\\",
            b"\x1b[6n",
            b"\x1b[?1049$p",
            b"\x1b[3J",
            b"\x1bP+q\x1b\\",
            b"\x1bc",
            b"\r\n\x08\x0e\x7f",
            b"\xc2\x9b5n",
            b"\xe2\x80\xae\xe2\x80\x8b\xef\xbb\xbf",
            b"\x1b]52;c;?\x07",
            b"\xff\xfe\xc0\x80",
        ] {
            let (out, refused) = pass(bytes);
            assert!(refused > 0, "{bytes:?}");
            assert!(!out.contains(&0x1b) && !out.contains(&0x07), "{bytes:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_in_only_the_vocabulary_goes_out(bytes in any::<Vec<u8>>()) {
            let (out, _) = pass(&bytes);
            let (again, refused) = pass(&out);
            prop_assert_eq!((again, refused), (out, 0));
        }

        #[test]
        fn any_text_on_the_canvas_stays_inside_the_vocabulary(
            texts in proptest::collection::vec(any::<String>(), 1..6),
        ) {
            let mut screen = Screen::new(60, 8, Theme::plain(GlyphSet::Unicode));
            screen.draw(|canvas| {
                for (row, text) in texts.iter().enumerate() {
                    let row = u16::try_from(row).unwrap();
                    canvas.text(row, row, 50, &SafeText::line(text), Role::Text);
                }
            });
            let frame = screen.frame();
            prop_assert_eq!(pass(&frame), (frame, 0));
        }
    }
}
