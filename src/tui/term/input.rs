//! The input thread: reads what the terminal sends, joins split sequences, and hands everything that is there to
//! the loop at once.

use std::io;
use std::time::{Duration, Instant};

use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};

use crate::stdx::task;
use crate::tui::keys::key::{Code, Key};
use crate::tui::term::joiner::{Joiner, TermEvent};

/// Events handed over in one piece.
const EVENTS_MAX: usize = 4_096;
/// How long more input is awaited before what came is handed over. Not zero: the reader that polls (the one that
/// waits for edges loses a key that comes in the same moment as a new size) answers "nothing" to a wait of zero
/// even where keys lie in its own buffer.
const MORE: Duration = Duration::from_millis(1);
/// Keys that arrive this soon after a paste belong to it: a text that contains the end-of-paste mark must not
/// type its rest as commands.
const AFTER_PASTE: Duration = Duration::from_millis(20);
/// … but only for so long.
const AFTER_PASTE_MAX: Duration = Duration::from_secs(3);

/// Start reading. `tell` hands events over and answers `false` when nobody listens any more.
///
/// The thread blocks in the terminal's read and ends with the process.
pub fn start(
    wait: Duration,
    tell: impl Fn(Vec<TermEvent>) -> bool + Send + 'static,
) -> io::Result<()> {
    task::thread("input", move || {
        let mut joiner = Joiner::new(wait);
        loop {
            let mut out = Vec::new();
            if let Err(error) = read_some(&mut joiner, &mut out) {
                tracing::warn!(%error, "the terminal cannot be read");
                return;
            }
            if !out.is_empty() && !tell(out) {
                return;
            }
        }
    })?;
    Ok(())
}

/// Wait for input, then take all that is there.
fn read_some(joiner: &mut Joiner, out: &mut Vec<TermEvent>) -> io::Result<()> {
    if let Some(deadline) = joiner.deadline()
        && !event::poll(deadline.saturating_duration_since(Instant::now()).max(MORE))?
    {
        joiner.expire(out);
        return Ok(());
    }
    loop {
        let read = event::read()?;
        let pasted = matches!(read, Event::Paste(_));
        if let Some(event) = term_event(read) {
            joiner.push(event, Instant::now(), out);
        }
        if pasted {
            skip_after_paste(out)?;
        }
        if out.len() >= EVENTS_MAX || !event::poll(MORE)? {
            break;
        }
    }
    keep_last_size(out);
    Ok(())
}

fn skip_after_paste(out: &mut Vec<TermEvent>) -> io::Result<()> {
    let until = Instant::now() + AFTER_PASTE_MAX;
    while Instant::now() < until && event::poll(AFTER_PASTE)? {
        match term_event(event::read()?) {
            Some(TermEvent::Key(_) | TermEvent::Paste(_)) | None => {}
            Some(other) => out.push(other),
        }
    }
    Ok(())
}

/// Of several sizes only the last counts.
fn keep_last_size(out: &mut Vec<TermEvent>) {
    let sizes = out.iter().filter(|event| matches!(event, TermEvent::Resize(..))).count();
    let mut seen = 0;
    out.retain(|event| {
        if matches!(event, TermEvent::Resize(..)) {
            seen += 1;
            return seen == sizes;
        }
        true
    });
}

fn term_event(event: Event) -> Option<TermEvent> {
    match event {
        Event::Key(key) if key.kind == KeyEventKind::Press => {
            our_key(key.code, key.modifiers).map(TermEvent::Key)
        }
        Event::Paste(text) => Some(TermEvent::Paste(text)),
        Event::Resize(columns, rows) => Some(TermEvent::Resize(columns, rows)),
        Event::FocusGained => Some(TermEvent::Focus(true)),
        Event::FocusLost => Some(TermEvent::Focus(false)),
        Event::Key(_) | Event::Mouse(_) => None,
    }
}

fn our_key(code: KeyCode, modifiers: KeyModifiers) -> Option<Key> {
    let code = match code {
        KeyCode::Char(character) => Code::Char(character),
        KeyCode::Enter => Code::Enter,
        KeyCode::Esc => Code::Esc,
        KeyCode::Tab => Code::Tab,
        KeyCode::BackTab => Code::BackTab,
        KeyCode::Backspace => Code::Backspace,
        KeyCode::Delete => Code::Delete,
        KeyCode::Insert => Code::Insert,
        KeyCode::Up => Code::Up,
        KeyCode::Down => Code::Down,
        KeyCode::Left => Code::Left,
        KeyCode::Right => Code::Right,
        KeyCode::Home => Code::Home,
        KeyCode::End => Code::End,
        KeyCode::PageUp => Code::PageUp,
        KeyCode::PageDown => Code::PageDown,
        KeyCode::F(number) => Code::F(number),
        _ => return None,
    };
    let key = Key {
        code,
        ctrl: modifiers.contains(KeyModifiers::CONTROL),
        alt: modifiers.contains(KeyModifiers::ALT),
        shift: modifiers.contains(KeyModifiers::SHIFT),
    };
    Some(key.normal())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_size_counts() {
        let key = TermEvent::Key(Key::char('j'));
        let mut out = vec![TermEvent::Resize(1, 1), key.clone(), TermEvent::Resize(2, 2)];
        keep_last_size(&mut out);
        assert_eq!(out, [key, TermEvent::Resize(2, 2)]);
    }

    #[test]
    fn keys_have_one_form() {
        assert_eq!(our_key(KeyCode::Char('A'), KeyModifiers::SHIFT), Some(Key::char('A')));
        assert_eq!(our_key(KeyCode::BackTab, KeyModifiers::SHIFT), Key::parse("backtab"));
        assert_eq!(our_key(KeyCode::Char('p'), KeyModifiers::CONTROL), Some(Key::ctrl('p')));
    }
}
