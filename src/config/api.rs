//! `[api]`: who may talk to us.

use std::path::PathBuf;

/// The listener.
#[derive(Clone, Debug, PartialEq, Default)]
pub struct ApiConfig {
    /// The Unix socket; `None`: `watchfloor.sock` in the runtime or data directory.
    pub socket: Option<PathBuf>,
    /// The group that may use the socket beside its owner; `None`: the owner's.
    pub socket_group: Option<String>,
}
