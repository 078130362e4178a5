//! A small proxy before a server, that cuts connections when a transaction is to be committed.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use crate::stdx::task;

/// What happens to the next COMMIT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// Nothing.
    Never = 0,
    /// It does not reach the server.
    Before = 1,
    /// It reaches the server, whose answer does not come back.
    After = 2,
    /// Every connection ends at once and none comes.
    Down = 3,
}

pub struct Proxy {
    pub port: u16,
    cut: Arc<AtomicU8>,
}

impl Proxy {
    pub fn before(server: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let cut = Arc::new(AtomicU8::new(0));
        let shared = Arc::clone(&cut);
        let accept = move || {
            for client in listener.incoming().flatten() {
                if shared.load(Ordering::SeqCst) == Cut::Down as u8 {
                    continue;
                }
                let Ok(far) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                let (near, back) = (client.try_clone().unwrap(), far.try_clone().unwrap());
                let cut = Arc::clone(&shared);
                task::thread("forth", move || forth(client, far, &cut)).unwrap();
                let cut = Arc::clone(&shared);
                task::thread("back", move || copy(back, near, &cut)).unwrap();
            }
        };
        task::thread("proxy", accept).unwrap();
        Proxy { port, cut }
    }

    pub fn next_commit(&self, cut: Cut) {
        self.cut.store(cut as u8, Ordering::SeqCst);
    }
}

fn forth(mut client: TcpStream, mut far: TcpStream, cut: &AtomicU8) {
    let mut bytes = [0_u8; 65_536];
    while let Ok(count @ 1..) = client.read(&mut bytes) {
        let part = &bytes[..count];
        let commits = part.windows(7).any(|window| window == b"COMMIT\0");
        let what = cut.load(Ordering::SeqCst);
        if what == Cut::Down as u8 || (commits && what == Cut::Before as u8) {
            cut.compare_exchange(Cut::Before as u8, 0, Ordering::SeqCst, Ordering::SeqCst).ok();
            break;
        }
        if commits && what == Cut::After as u8 {
            client.shutdown(Shutdown::Both).ok();
            far.write_all(part).ok();
            cut.store(0, Ordering::SeqCst);
            // The server gets its time to do it.
            std::thread::sleep(std::time::Duration::from_millis(50));
            break;
        }
        if far.write_all(part).is_err() {
            break;
        }
    }
    client.shutdown(Shutdown::Both).ok();
    far.shutdown(Shutdown::Both).ok();
}

fn copy(mut from: TcpStream, mut to: TcpStream, cut: &AtomicU8) {
    let mut bytes = [0_u8; 65_536];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        if cut.load(Ordering::SeqCst) == Cut::Down as u8 || to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    from.shutdown(Shutdown::Both).ok();
    to.shutdown(Shutdown::Both).ok();
}
