//! Real shippers by the recipes in `tests/services/`, the texts of their configuration out of the documentation, and a
//! proxy that cuts connections.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::root;

/// A service in a folder; killed when dropped.
pub struct Service {
    name: &'static str,
    folder: PathBuf,
}

impl Service {
    /// Get what it needs. `None`: it cannot be had here, which is a failure in CI and a loud skip elsewhere.
    pub fn fetch(name: &'static str, folder: &Path) -> Option<Service> {
        let service = Service { name, folder: folder.to_owned() };
        if service.run(&["fetch"]) {
            return Some(service);
        }
        assert!(std::env::var_os("CI").is_none(), "{name} is missing");
        eprintln!("SKIPPED: {name} is missing (tests/services/{name}.sh fetch)");
        std::mem::forget(service);
        None
    }

    /// A verb of the recipe, with what follows the folder.
    pub fn run(&self, arguments: &[&str]) -> bool {
        let recipe = root().join("tests/services").join(format!("{}.sh", self.name));
        let (verb, rest) = arguments.split_first().unwrap();
        Command::new(recipe).arg(verb).arg(&self.folder).args(rest).status().unwrap().success()
    }

    /// Start it.
    pub fn start(&self) {
        assert!(self.run(&["start"]), "{} does not start", self.name);
    }

    /// Stop it cleanly.
    pub fn stop(&self) {
        assert!(self.run(&["stop"]), "{} does not stop", self.name);
    }

    /// kill -9.
    pub fn kill(&self) {
        assert!(self.run(&["kill"]), "{} cannot be killed", self.name);
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if self.folder.join("pid").exists() {
            self.run(&["kill"]);
        }
    }
}

/// The code block with this name in a page under `docs/sources/`.
pub fn documented(page: &str, block: &str) -> String {
    let text = std::fs::read_to_string(root().join("docs/sources").join(page)).unwrap();
    let start = text.find(&format!("```{block}\n")).unwrap_or_else(|| panic!("{page}: no {block}"));
    let body = &text[start + block.len() + 4..];
    body[..body.find("\n```").unwrap() + 1].to_owned()
}

/// Passes connections on to a port, and cuts them all when asked.
pub struct Proxy {
    /// Where to connect to.
    pub port: u16,
    open: Arc<Mutex<Vec<TcpStream>>>,
    over: Arc<AtomicBool>,
    to: Arc<AtomicU16>,
}

impl Proxy {
    /// A proxy before a port of this machine.
    pub fn to(port: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let proxy = Proxy {
            port: listener.local_addr().unwrap().port(),
            open: Arc::default(),
            over: Arc::default(),
            to: Arc::new(AtomicU16::new(port)),
        };
        let (open, over, to) = (proxy.open.clone(), proxy.over.clone(), proxy.to.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let Ok(server) = TcpStream::connect(("127.0.0.1", to.load(Ordering::Relaxed)))
                else {
                    continue;
                };
                open.lock().unwrap().extend([&client, &server].map(|it| it.try_clone().unwrap()));
                for (from, into) in [(&client, &server), (&server, &client)] {
                    let (from, into) = (from.try_clone().unwrap(), into.try_clone().unwrap());
                    std::thread::spawn(move || copy(from, into));
                }
            }
        });
        proxy
    }

    /// Cut every connection, in the middle of whatever is under way.
    pub fn cut(&self) {
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn copy(mut from: TcpStream, mut into: TcpStream) {
    let mut buffer = [0; 4096];
    while let Ok(count) = from.read(&mut buffer) {
        if count == 0 || into.write_all(&buffer[..count]).is_err() {
            break;
        }
    }
    let _ = into.shutdown(Shutdown::Write);
    let _ = from.shutdown(Shutdown::Read);
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        self.cut();
        let _ = TcpStream::connect_timeout(
            &([127, 0, 0, 1], self.port).into(),
            Duration::from_millis(100),
        );
    }
}
