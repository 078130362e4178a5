//! Entering and leaving the tty. Leaving is idempotent and may come from the loop, from its panic hook, or from
//! the signal thread.

use std::fs::File;
use std::io::{self, IsTerminal as _, Write as _};
use std::os::fd::AsFd as _;
use std::panic;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use rustix::termios::{self, OptionalActions, Termios};

use crate::stdx::task;
use crate::tui::term::sequences;

/// The terminal we took over.
#[derive(Debug)]
pub struct Tty {
    out: File,
    saved: Termios,
    entered: AtomicBool,
}

impl Tty {
    /// Take the terminal: raw mode, alternate screen, bracketed paste, focus reports, no cursor.
    pub fn enter() -> io::Result<Arc<Tty>> {
        let (stdin, stdout) = (io::stdin(), io::stdout());
        if !stdin.is_terminal() || !stdout.is_terminal() {
            return Err(io::Error::other(
                "the desk needs a terminal for input and output: use `watchfloor alerts list` in scripts",
            ));
        }
        let out = File::from(rustix::io::dup(stdout.as_fd())?);
        let saved = termios::tcgetattr(&out)?;
        let tty = Arc::new(Tty { out, saved, entered: AtomicBool::new(false) });
        tty.reenter()?;
        Ok(tty)
    }

    /// Take it again after a stop.
    pub fn reenter(&self) -> io::Result<()> {
        self.entered.store(true, Ordering::SeqCst);
        let mut raw = self.saved.clone();
        raw.make_raw();
        termios::tcsetattr(&self.out, OptionalActions::Now, &raw)?;
        (&self.out).write_all(sequences::ENTER)
    }

    /// Give it back as it was. Calls after the first do nothing.
    pub fn restore(&self) {
        if self.entered.swap(false, Ordering::SeqCst) {
            let _ = (&self.out).write_all(sequences::LEAVE);
            let _ = termios::tcsetattr(&self.out, OptionalActions::Now, &self.saved);
        }
    }

    /// Is it ours now?
    pub fn is_entered(&self) -> bool {
        self.entered.load(Ordering::SeqCst)
    }

    /// (columns, rows); 80 by 24 where the terminal does not say.
    pub fn size(&self) -> (u16, u16) {
        match termios::tcgetwinsize(&self.out) {
            Ok(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col, size.ws_row),
            _ => (80, 24),
        }
    }

    /// Write bytes in one call where the terminal takes them. Bytes for a terminal that is not ours are dropped.
    pub fn write(&self, bytes: &[u8]) -> io::Result<()> {
        if self.is_entered() { (&self.out).write_all(bytes) } else { Ok(()) }
    }
}

impl Drop for Tty {
    fn drop(&mut self) {
        self.restore();
    }
}

/// Restores the terminal when the thread that made it panics; a panic of another thread only becomes a log line.
/// Dropping it puts the former hook back.
pub struct PanicGuard(());

impl PanicGuard {
    /// Install the hook for the calling thread.
    pub fn install(tty: &Arc<Tty>) -> PanicGuard {
        let ui = thread::current().id();
        let tty = Arc::clone(tty);
        let former = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !tty.is_entered() {
                former(info);
            } else if thread::current().id() == ui {
                tty.restore();
                former(info);
            } else {
                let name = thread::current().name().unwrap_or("unnamed").to_owned();
                let what = task::panic_text(info.payload());
                tracing::error!(thread = name, what, "panic in a background thread");
            }
        }));
        PanicGuard(())
    }
}

impl Drop for PanicGuard {
    fn drop(&mut self) {
        if !thread::panicking() {
            let _ = panic::take_hook();
        }
    }
}
