//! The Unix socket: made without a moment in which strangers may connect, and never taken from somebody
//! who listens. Who may use it is decided by its mode and group; who a peer is, by the kernel.

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, chown};
use std::os::unix::net::{UnixListener as StdListener, UnixStream as StdStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::IncomingStream;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use tokio::net::{UnixListener, UnixStream};

use crate::service;

/// Owner and group may talk to us; nobody else.
const MODE: u32 = 0o660;
/// Connections that wait to be accepted.
const BACKLOG: i32 = 128;
/// Pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Why we cannot listen.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// Another program answers there.
    #[error("somebody listens on {} already", .0.display())]
    InUse(PathBuf),
    /// Something else has the name.
    #[error("{} is there and is no socket: move it away or set api.socket", .0.display())]
    NotASocket(PathBuf),
    /// `api.socket_group` names nobody.
    #[error("api.socket_group: there is no group {0}")]
    NoGroup(String),
    /// The operating system refused.
    #[error("cannot {what} the socket {}", path.display())]
    Io {
        /// What was attempted.
        what: &'static str,
        /// The socket.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// A socket that we listen on. Dropping it removes the file.
#[derive(Debug)]
pub struct Listener {
    pub(super) inner: Arc<UnixListener>,
    pub(super) path: PathBuf,
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Whoever comes next replaces a leftover; nothing depends on this.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Would [`listen`] find the place and the group it needs? Makes nothing.
///
/// # Errors
/// What is missing.
pub fn check(path: &Path, group: Option<&str>) -> Result<(), ListenError> {
    group.map(group_id).transpose()?;
    let failed = |what| {
        let path = path.to_owned();
        move |source: io::Error| ListenError::Io { what, path, source }
    };
    SocketAddrUnix::new(path).map_err(|error| failed("name")(error.into()))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let about = std::fs::metadata(folder.unwrap_or(Path::new("."))).map_err(failed("bind"))?;
    match about.is_dir() {
        true => Ok(()),
        false => Err(failed("bind")(io::ErrorKind::NotADirectory.into())),
    }
}

/// Listen on `path`, open to its owner and to `group`. A leftover socket nobody listens on is replaced.
/// Call on a runtime.
pub fn listen(path: &Path, group: Option<&str>) -> Result<Listener, ListenError> {
    let group = group.map(group_id).transpose()?;
    clear(path)?;
    let failed = |what| {
        let path = path.to_owned();
        move |source: io::Error| ListenError::Io { what, path, source }
    };
    let socket = rustix::net::socket_with(
        AddressFamily::UNIX,
        SocketType::STREAM,
        SocketFlags::CLOEXEC | SocketFlags::NONBLOCK,
        None,
    )
    .map_err(|error| failed("make")(error.into()))?;
    let address = SocketAddrUnix::new(path).map_err(|error| failed("name")(error.into()))?;
    rustix::net::bind(&socket, &address).map_err(|error| failed("bind")(error.into()))?;
    // Before `listen` nobody can connect, whatever mode the umask gave.
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(MODE))
        .map_err(failed("set the mode of"))?;
    if let Some(group) = group {
        chown(path, None, Some(group)).map_err(failed("give api.socket_group"))?;
    }
    rustix::net::listen(&socket, BACKLOG).map_err(|error| failed("listen on")(error.into()))?;
    let inner = UnixListener::from_std(StdListener::from(socket)).map_err(failed("listen on"))?;
    Ok(Listener { inner: Arc::new(inner), path: path.to_owned() })
}

fn group_id(name: &str) -> Result<u32, ListenError> {
    match uzers::get_group_by_name(name) {
        Some(group) => Ok(group.gid()),
        None => Err(ListenError::NoGroup(name.to_owned())),
    }
}

/// Make room for the socket, unless somebody listens or it is something else.
fn clear(path: &Path) -> Result<(), ListenError> {
    let failed = |what| {
        let path = path.to_owned();
        move |source: io::Error| ListenError::Io { what, path, source }
    };
    let file = match std::fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        other => other.map_err(failed("look at"))?,
    };
    if !file.file_type().is_socket() {
        return Err(ListenError::NotASocket(path.to_owned()));
    }
    match StdStream::connect(path) {
        Ok(_) => Err(ListenError::InUse(path.to_owned())),
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
            std::fs::remove_file(path).map_err(failed("replace"))
        }
        Err(error) => Err(failed("try")(error)),
    }
}

/// Who is at the other end, as the kernel says.
#[derive(Clone, Debug)]
pub(super) enum Peer {
    /// A user, at a place.
    Known { actor: Arc<str>, place: Arc<str> },
    /// The kernel does not say; nothing is done for them.
    Unknown,
}

/// Accepts connections for `axum`.
pub(super) struct Accept(pub(super) Arc<UnixListener>);

impl axum::serve::Listener for Accept {
    type Io = UnixStream;
    type Addr = ();

    async fn accept(&mut self) -> (UnixStream, ()) {
        loop {
            match self.0.accept().await {
                Ok((stream, _)) => return (stream, ()),
                Err(error) => {
                    // Out of file descriptors, most likely: wait for some to be closed.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<()> {
        Ok(())
    }
}

impl Connected<IncomingStream<'_, Accept>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Accept>) -> Peer {
        let Ok(credentials) = stream.io().peer_cred() else {
            return Peer::Unknown;
        };
        let uid = credentials.uid();
        let place = match credentials.pid() {
            Some(pid) => format!("socket uid {uid} pid {pid}"),
            None => format!("socket uid {uid}"),
        };
        Peer::Known { actor: service::user_name(uid).into(), place: place.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_a_dead_socket_is_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("w.sock");
        let first = listen(&path, None).unwrap();
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, MODE);
        assert!(matches!(listen(&path, None), Err(ListenError::InUse(_))));
        drop(first);
        assert!(!path.exists());

        drop(StdListener::bind(&path).unwrap());
        assert!(path.exists(), "a leftover of a crash");
        drop(listen(&path, None).unwrap());

        std::fs::write(&path, "mine").unwrap();
        assert!(matches!(listen(&path, None), Err(ListenError::NotASocket(_))));
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
        let group = listen(&dir.path().join("g"), Some("no-such-group"));
        assert!(matches!(group, Err(ListenError::NoGroup(_))));
    }

    #[test]
    fn a_name_too_long_for_the_system_is_an_error() {
        let long = PathBuf::from("/tmp").join("x".repeat(120));
        let error = listen(&long, None).unwrap_err();
        assert!(error.to_string().starts_with("cannot name the socket"), "{error}");
    }
}
