//! A TCP proxy of a test that breaks on demand: cut, refuse, stall, close one direction, go slowly.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How often a broken state is looked at again.
const LOOK: Duration = Duration::from_millis(5);
/// Bytes a pass of a slow line.
const SLOW_BYTES: usize = 64;

/// What the line does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Line {
    /// Passes everything.
    Open,
    /// Takes connections and closes them at once.
    Refuse,
    /// Takes everything and passes nothing.
    Stall,
    /// Passes what the client says and nothing back.
    Deaf,
    /// Passes a few bytes at a time.
    Slow,
}

/// Ends when dropped.
pub struct Proxy {
    /// Where clients connect.
    pub port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    line: AtomicU8,
    target: AtomicU16,
    ended: AtomicBool,
    open: Mutex<Vec<TcpStream>>,
}

impl Proxy {
    /// A proxy to a port of this machine.
    pub fn to(target: u16) -> Proxy {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::new(Shared {
            line: AtomicU8::new(Line::Open as u8),
            target: AtomicU16::new(target),
            ended: AtomicBool::new(false),
            open: Mutex::default(),
        });
        let own = Arc::clone(&shared);
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if own.ended.load(Ordering::SeqCst) {
                    return;
                }
                own.take(client);
            }
        });
        Proxy { port, shared }
    }

    /// From now on the line does this.
    pub fn set(&self, line: Line) {
        self.shared.line.store(line as u8, Ordering::SeqCst);
    }

    /// Close every connection, in the middle of whatever it does.
    pub fn cut(&self) {
        for stream in self.shared.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::SeqCst);
        self.cut();
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

impl Shared {
    fn is(&self, line: Line) -> bool {
        self.line.load(Ordering::SeqCst) == line as u8
    }

    fn take(self: &Arc<Shared>, client: TcpStream) {
        if self.is(Line::Refuse) {
            return;
        }
        let target = self.target.load(Ordering::SeqCst);
        let Ok(server) = TcpStream::connect(("127.0.0.1", target)) else { return };
        let copies = (client.try_clone(), server.try_clone());
        let (Ok(client_end), Ok(server_end)) = copies else { return };
        self.open.lock().unwrap().extend([client_end, server_end]);
        for (from, to, back) in [(&client, &server, false), (&server, &client, true)] {
            let (Ok(from), Ok(to)) = (from.try_clone(), to.try_clone()) else { return };
            let own = Arc::clone(self);
            std::thread::spawn(move || own.pass(from, to, back));
        }
    }

    fn pass(&self, mut from: TcpStream, mut to: TcpStream, back: bool) {
        let mut buffer = [0; 16 << 10];
        loop {
            let slow = self.is(Line::Slow);
            let room = if slow { SLOW_BYTES } else { buffer.len() };
            let count = match from.read(&mut buffer[..room]) {
                Ok(0) | Err(_) => break,
                Ok(count) => count,
            };
            while self.is(Line::Stall) || (back && self.is(Line::Deaf)) {
                if self.ended.load(Ordering::SeqCst) {
                    return;
                }
                std::thread::sleep(LOOK);
            }
            if to.write_all(&buffer[..count]).is_err() {
                break;
            }
            if slow {
                std::thread::sleep(LOOK);
            }
        }
        let _ = to.shutdown(Shutdown::Both);
        let _ = from.shutdown(Shutdown::Both);
    }
}
