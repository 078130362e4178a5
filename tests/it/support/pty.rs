//! A program in a pseudo-terminal: keys in, raw bytes and an emulated screen out.

use std::io::{Read, Write};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::support::PATIENCE;
use portable_pty::{
    Child, CommandBuilder, ExitStatus, MasterPty, PtySize, SlavePty, native_pty_system,
};
use rustix::process::{Pid, Signal};

struct Seen {
    bytes: Vec<u8>,
    screen: vt100::Parser,
    last: Instant,
}

/// A running program and its terminal.
pub struct Session {
    master: Box<dyn MasterPty + Send>,
    // Held so that the terminal's settings outlive the program.
    _slave: Box<dyn SlavePty + Send>,
    writer: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    seen: Arc<Mutex<Seen>>,
}

impl Session {
    /// Start a program in a terminal of `columns` by `rows`.
    pub fn start(command: CommandBuilder, columns: u16, rows: u16) -> Session {
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        let pair = native_pty_system().openpty(size).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        let mut reader = pair.master.try_clone_reader().unwrap();
        let writer = pair.master.take_writer().unwrap();
        let seen = Arc::new(Mutex::new(Seen {
            bytes: Vec::new(),
            screen: vt100::Parser::new(rows, columns, 0),
            last: Instant::now(),
        }));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            let mut buffer = [0_u8; 65_536];
            while let Ok(count) = reader.read(&mut buffer) {
                if count == 0 {
                    break;
                }
                let mut seen = shared.lock().unwrap();
                seen.bytes.extend_from_slice(&buffer[..count]);
                seen.screen.process(&buffer[..count]);
                seen.last = Instant::now();
            }
        });
        Session { master: pair.master, _slave: pair.slave, writer, child, seen }
    }

    /// Type bytes.
    pub fn type_bytes(&mut self, bytes: &[u8]) {
        self.writer.write_all(bytes).unwrap();
        self.writer.flush().unwrap();
    }

    /// Type text.
    pub fn keys(&mut self, keys: &str) {
        self.type_bytes(keys.as_bytes());
    }

    /// Type text and wait until the screen has come to rest.
    pub fn press(&mut self, keys: &str) {
        self.keys(keys);
        self.settle();
    }

    /// Wait until nothing has been written for a moment.
    pub fn settle(&self) {
        let start = Instant::now();
        std::thread::sleep(Duration::from_millis(15));
        while start.elapsed() < PATIENCE {
            if self.seen.lock().unwrap().last.elapsed() > Duration::from_millis(100) {
                return;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the screen never came to rest");
    }

    /// The screen's rows now.
    pub fn rows(&self) -> Vec<String> {
        let seen = self.seen.lock().unwrap();
        let (_, columns) = seen.screen.screen().size();
        seen.screen.screen().rows(0, columns).map(|row| row.trim_end().to_owned()).collect()
    }

    /// The screen as one text.
    pub fn text(&self) -> String {
        self.rows().join("\n")
    }

    /// Wait for a text on the screen.
    pub fn wait_for(&self, wanted: &str) {
        self.wait_until(wanted, |session| session.text().contains(wanted));
    }

    /// Wait for something; `what` names it.
    pub fn wait_until(&self, what: &str, done: impl Fn(&Session) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(
                start.elapsed() < PATIENCE,
                "waited for {what}; the screen is\n{}",
                self.text()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Everything written so far.
    pub fn bytes(&self) -> Vec<u8> {
        self.seen.lock().unwrap().bytes.clone()
    }

    /// Use the emulated screen.
    pub fn with_screen<T>(&self, look: impl FnOnce(&vt100::Screen) -> T) -> T {
        look(self.seen.lock().unwrap().screen.screen())
    }

    /// Another size.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.seen.lock().unwrap().screen.screen_mut().set_size(rows, columns);
        let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
        self.master.resize(size).unwrap();
    }

    /// Send a signal to the program.
    pub fn signal(&self, signal: Signal) {
        let id = i32::try_from(self.child.process_id().unwrap()).unwrap();
        rustix::process::kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
    }

    /// Is the terminal in its ordinary mode: whole lines, echo?
    pub fn is_canonical(&self) -> bool {
        let flags = self.master.get_termios().unwrap().local_flags.bits();
        flags & 0o2 != 0 && flags & 0o10 != 0
    }

    /// Wait for the end.
    pub fn wait_end(&mut self) -> ExitStatus {
        let start = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                std::thread::sleep(Duration::from_millis(50));
                return status;
            }
            assert!(start.elapsed() < PATIENCE, "it does not end; the screen is\n{}", self.text());
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Is it still running?
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
